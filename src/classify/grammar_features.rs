//! Features of Bedrock that are not a model: guardrails, data automation, flows, prompts, knowledge bases, evaluations.

use super::meter::Measure;
use super::modifiers::Modifiers;
use super::usage_type::Reading;
use super::words::Words;

/// Reads a feature's meter.
pub fn read(words: &Words, _marketplace: bool) -> Option<Reading> {
    guardrail(words).or_else(|| data_automation(words)).or_else(|| named(words))
}

/// The policies whose kind is not their own name.
const POLICIES: &[(&[&str], &str)] =
    &[(&["contextual", "grounding"], "grounding"), (&["sensitive", "information"], "pii")];

/// `Guardrail-<Policy>Policy[Free|Paid|Image]UnitsConsumed` and `GuardrailChecks-<Check>CheckUnitsConsumed`.
fn guardrail(words: &Words) -> Option<Reading> {
    let at = words.phrase(0, &["guardrail"]).or_else(|| words.phrase(0, &["guardrails"]))?;
    let at = words.phrase(at, &["checks"]).unwrap_or(at);
    let (end, next) = words.find(&["units", "consumed"])?;
    let mut modifiers = Modifiers::default();
    modifiers.take_rest(words, next)?;
    let (name, at) = policy_name(words, at, end);
    let rest = (at..end).map(|index| words.at(index)).filter(|word| !matches!(*word, "policy" | "check" | "text"));
    let kind = rest.fold(format!("guardrail_{name}"), |kind, word| format!("{kind}_{word}")).replace("__", "_");
    if kind == "guardrail_" {
        return None;
    }
    let is_image = (at..end).any(|index| words.at(index) == "image");
    let measure = if is_image { Measure::Images } else { Measure::TextUnits };
    Some(Reading { modifiers, ..Reading::new(kind, measure) })
}

/// The policy at `at`: an abbreviated name with the index after it, or nothing, so that its own words name it.
fn policy_name(words: &Words, at: usize, end: usize) -> (&'static str, usize) {
    let found = POLICIES.iter().find_map(|(phrase, name)| words.phrase(at, phrase).map(|next| (*name, next)));
    found.filter(|(_, next)| *next <= end).unwrap_or(("", at))
}

/// `DataAutomation-{Standard|Custom}-<Thing>Processed[-AddOnFields]`; added fields are priced apart but are still pages.
fn data_automation(words: &Words) -> Option<Reading> {
    let at = words.phrase(0, &["data", "automation"])?;
    let mut named = Vec::new();
    for index in at..words.len() {
        match words.at(index) {
            "processed" | "add" | "on" | "addon" | "fields" => {}
            word => named.push(word),
        }
    }
    let measure = named.iter().find_map(|word| {
        Some(match *word {
            "pages" | "page" | "documents" | "document" => Measure::Pages,
            "images" | "image" => Measure::Images,
            "minutes" | "minute" => Measure::Minutes,
            "seconds" | "second" => Measure::Seconds,
            _ => return None,
        })
    })?;
    Some(Reading::new(format!("bda_{}", named.join("_")), measure))
}

/// How a feature's name may stand in the string.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the beginning; the words after it only detail it.
    Start,
    /// Alone or after a model.
    Anywhere,
}

/// A feature's words, its place, its kind and what it counts. Longer names stand first.
const FEATURES: &[(&[&str], Place, &str, Measure)] = &[
    (&["bedrock", "flows"], Place::Start, "flow_transition", Measure::Units),
    (&["bedrock", "flow"], Place::Start, "flow_transition", Measure::Units),
    (&["flows", "node", "transitions"], Place::Start, "flow_transition", Measure::Units),
    (&["flows", "node", "transition"], Place::Start, "flow_transition", Measure::Units),
    (&["flow", "node", "transitions"], Place::Start, "flow_transition", Measure::Units),
    (&["flows", "transitions"], Place::Start, "flow_transition", Measure::Units),
    (&["flow", "transitions"], Place::Start, "flow_transition", Measure::Units),
    (&["optimize", "prompt"], Place::Anywhere, "prompt_optimization", Measure::Tokens),
    (&["optimize", "prompts"], Place::Anywhere, "prompt_optimization", Measure::Tokens),
    (&["prompt", "optimization"], Place::Anywhere, "prompt_optimization", Measure::Tokens),
    (&["prompt", "optimizer"], Place::Anywhere, "prompt_optimization", Measure::Tokens),
    (&["apo"], Place::Start, "prompt_optimization", Measure::Tokens),
    (&["prompt", "routing"], Place::Anywhere, "prompt_routing", Measure::Requests),
    (&["prompt", "router"], Place::Anywhere, "prompt_routing", Measure::Requests),
    (&["intelligent", "prompt", "routing"], Place::Start, "prompt_routing", Measure::Requests),
    (&["nova", "grounding"], Place::Anywhere, "nova_grounding", Measure::Requests),
    (&["generate", "sql"], Place::Anywhere, "kb_generate_sql", Measure::Requests),
    (&["structured", "retrieve"], Place::Anywhere, "kb_structured_retrieve", Measure::Requests),
    (&["structured", "retrieval"], Place::Anywhere, "kb_structured_retrieve", Measure::Requests),
    (&["model", "evaluations"], Place::Anywhere, "evaluation", Measure::Units),
    (&["model", "evaluation"], Place::Anywhere, "evaluation", Measure::Units),
    (&["bedrock", "evaluations"], Place::Start, "evaluation", Measure::Units),
    (&["rag", "evaluation"], Place::Start, "evaluation", Measure::Units),
    (&["rag", "evaluations"], Place::Start, "evaluation", Measure::Units),
    (&["human", "evaluation"], Place::Start, "evaluation", Measure::Units),
    (&["evaluations", "human"], Place::Start, "evaluation", Measure::Units),
    (&["evaluation", "human"], Place::Start, "evaluation", Measure::Units),
    (&["evaluations", "automatic"], Place::Start, "evaluation", Measure::Units),
    (&["evaluation", "automatic"], Place::Start, "evaluation", Measure::Units),
    (&["web", "search"], Place::Anywhere, "web_search", Measure::Requests),
];

/// The words that may detail a feature: who pays for it, what is counted.
const DETAILS: &[&str] = &[
    "node",
    "transition",
    "transitions",
    "request",
    "requests",
    "query",
    "queries",
    "call",
    "calls",
    "api",
    "token",
    "tokens",
    "input",
    "output",
    "text",
    "count",
    "task",
    "tasks",
    "human",
    "completed",
    "automatic",
    "automated",
    "judge",
    "job",
    "jobs",
    "unit",
    "invocation",
    "invocations",
    "prompt",
    "prompts",
    "kb",
    "sql",
    "tool",
    "uses",
    "use",
    "search",
    "searches",
    "usage",
];

fn named(words: &Words) -> Option<Reading> {
    FEATURES.iter().find_map(|(phrase, place, kind, measure)| {
        let (start, next) = words.find(phrase)?;
        let fits = match place {
            Place::Start => start == 0,
            Place::Anywhere => true,
        };
        if !fits {
            return None;
        }
        let mut modifiers = Modifiers::default();
        take_details(words, next, &mut modifiers)?;
        let model = words.text(0, modifiers.take_before(words, start));
        Some(Reading { model, modifiers, ..Reading::new(*kind, *measure) })
    })
}

fn take_details(words: &Words, from: usize, modifiers: &mut Modifiers) -> Option<()> {
    let mut at = from;
    while at < words.len() {
        at = if DETAILS.contains(&words.at(at)) { at + 1 } else { modifiers.take(words, at)? };
    }
    Some(())
}
