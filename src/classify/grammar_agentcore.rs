//! AgentCore: `<Component>:Consumption-based:<Item>`, and the data transfer that its service is billed for.

use super::meter::Measure;
use super::prefix::is_prefix;
use super::usage_type::Reading;
use super::words::Words;

/// Reads an AgentCore meter.
pub fn read(words: &Words, _marketplace: bool) -> Option<Reading> {
    consumption(words).or_else(|| data_transfer(words))
}

/// Components and the beginning of their kinds; a component that is not here is named by its own words.
const COMPONENTS: &[(&str, &str)] = &[
    ("browser_tool", "agentcore_browser"),
    ("code_interpreter", "agentcore_ci"),
    ("knowledge_base", "kb"),
    ("web_search_tool", "agentcore_web_search"),
    ("memory", "agentcore"),
];

/// Items and the end of their kinds; an item that is not here is named by its own words.
const ITEMS: &[(&str, &str)] = &[
    ("v_cpu", "vcpu"),
    ("api_invocations", "invocations"),
    ("search_api", "search"),
    ("tool_indexing", "indexing"),
    ("short_term_memory", "stm"),
    ("long_term_memory_retrieval", "ltm_retrieval"),
    ("long_term_memory_storage", "ltm_storage"),
];

fn consumption(words: &Words) -> Option<Reading> {
    let (start, next) = words.find(&["consumption", "based"])?;
    if start == 0 || next >= words.len() {
        return None;
    }
    let component = words.snake(usize::from(words.at(0) == "agentcore" && start > 1), start);
    let component = match COMPONENTS.iter().find(|(name, _)| *name == component) {
        Some((_, kind)) => (*kind).to_owned(),
        None => format!("agentcore_{component}"),
    };
    let item = item(&words.snake(next, words.len()));
    let measure = measure(&component, &item);
    Some(Reading::new(format!("{component}_{item}"), measure))
}

/// The item's name: its known short form, with whatever stands after it (`…-Storage:Built-in-memory`).
fn item(snake: &str) -> String {
    for (long, short) in ITEMS {
        match snake.strip_prefix(long) {
            Some("") => return (*short).to_owned(),
            Some(rest) if rest.starts_with('_') && *short == "ltm_storage" => return (*short).to_owned(),
            Some(rest) if rest.starts_with('_') => return format!("{short}{rest}"),
            _ => {}
        }
    }
    snake.to_owned()
}

fn measure(component: &str, item: &str) -> Measure {
    match item {
        "vcpu" => Measure::VcpuHours,
        "memory" => Measure::GbHours,
        "invocations" | "search" | "queries" | "retrieval" | "agentic_retrieval" | "requests" | "ltm_retrieval" => {
            Measure::Requests
        }
        _ if component == "agentcore_evaluations" && item.starts_with("built_in") => Measure::Tokens,
        _ => Measure::Units,
    }
}

/// `DataTransfer-…-Bytes` and its two relatives that name the other end instead.
fn data_transfer(words: &Words) -> Option<Reading> {
    if words.at(words.len().checked_sub(1)?) != "bytes" {
        return None;
    }
    let begins = words.phrase(0, &["data", "transfer"]).is_some() || words.phrase(0, &["cloud", "front"]).is_some();
    let other_end = words.find(&["aws"]).and_then(|(start, _)| words.text(0, start));
    let between_regions = other_end.is_some_and(|text| is_prefix(&text.to_ascii_uppercase()));
    (begins || between_regions).then(|| Reading::new("other", Measure::Bytes))
}
