//! Turns the unit of a bill line into a base unit and the whole number between them.
//!
//! The same amount of tokens is billed as `1K tokens`, `1M tokens` or Marketplace `Units` that mean millions, so an
//! amount without its unit may be wrong by a thousand or by a million. A unit is therefore read as a whole or not at
//! all: text that is not a number and a noun that are both known stays as it is billed and says that it is unknown.

use super::meter::{Measure, Meter};

/// A base unit and how many of it one billed unit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Any whole number above zero; 1 where the unit is unknown.
    pub multiplier: u64,
    /// The base unit, plural; the billed text in lower case where the unit is unknown.
    pub unit: String,
    /// Whether the unit was understood; if not, the amount is of nobody knows what.
    pub known: bool,
}

impl Unit {
    fn known(multiplier: u64, unit: &str) -> Self {
        Self { multiplier, unit: unit.to_owned(), known: true }
    }

    fn unknown(text: &str) -> Self {
        Self { multiplier: 1, unit: text.to_owned(), known: false }
    }
}

const THOUSAND: u64 = 1_000;
const MILLION: u64 = 1_000_000;
const BILLION: u64 = 1_000_000_000;

/// The base unit of a line, from its pricing unit, else from its description, else from what its meter counts.
pub fn base_unit(
    pricing_unit: Option<&str>,
    description: Option<&str>,
    meter: Option<&Meter>,
    marketplace: bool,
) -> Unit {
    let marketplace = marketplace || meter.is_some_and(|meter| meter.marketplace);
    let text = pricing_unit.map(tidy).filter(|text| !text.is_empty());
    match text {
        Some(text) if !is_bare_units(&text) => named_unit(&text),
        bare => {
            let described = description.and_then(|text| described_unit(text, meter));
            described.unwrap_or_else(|| default_unit(meter, marketplace, bare.is_some()))
        }
    }
}

/// Lower case, single spaces.
fn tidy(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `Units` says nothing; Marketplace puts the real unit into the description.
fn is_bare_units(text: &str) -> bool {
    matches!(text, "units" | "unit")
}

/// A unit that says what it is: an optional number and a noun.
fn named_unit(text: &str) -> Unit {
    let inner = text.strip_prefix("per ").unwrap_or(text);
    let inner = inside_brackets(inner).unwrap_or(inner);
    number_and_noun(inner).map_or_else(|| Unit::unknown(text), |(number, noun)| Unit::known(number, noun))
}

/// `units (=1m tokens)` says its meaning in brackets.
fn inside_brackets(text: &str) -> Option<&str> {
    let (before, rest) = text.split_once('(')?;
    if !is_bare_units(before.trim()) {
        return None;
    }
    rest.strip_suffix(')').map(|inner| inner.trim_start_matches('=').trim())
}

/// What digits are multiplied with.
const FACTORS: &[(&str, u64)] = &[
    ("thousands", THOUSAND),
    ("thousand", THOUSAND),
    ("millions", MILLION),
    ("million", MILLION),
    ("billions", BILLION),
    ("billion", BILLION),
    ("mm", MILLION),
    ("mn", MILLION),
    ("bn", BILLION),
    ("k", THOUSAND),
    ("m", MILLION),
    ("b", BILLION),
];

/// The whole text as a number and a base unit; none if any part of it is neither.
fn number_and_noun(text: &str) -> Option<(u64, &'static str)> {
    let (digits, rest) = leading_digits(text)?;
    let number = digits.unwrap_or(1);
    if let Some(noun) = base_noun(rest) {
        return Some((number, noun));
    }
    // A factor may touch its noun (`1KTokens`), and `m` begins `minute`, so the noun decides which factor it is.
    FACTORS.iter().find_map(|(spelling, factor)| {
        let rest = rest.strip_prefix(spelling)?.trim_start_matches(GAPS);
        let noun = base_noun(rest.strip_prefix("of ").unwrap_or(rest))?;
        Some((number.checked_mul(*factor)?, noun))
    })
}

/// What may stand between the parts of a unit.
const GAPS: [char; 3] = [' ', '-', '_'];

/// The digits a text begins with, if it does, and the rest; none for digits that are not a whole number above zero.
fn leading_digits(text: &str) -> Option<(Option<u64>, &str)> {
    let end = text.find(|sign: char| !sign.is_ascii_digit() && sign != ',').unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let rest = rest.trim_start_matches(GAPS);
    if digits.is_empty() {
        return Some((None, rest));
    }
    let mut groups = digits.split(',');
    let first = groups.next().unwrap_or_default();
    // A comma that does not part thousands may be a decimal one.
    let grouped = digits == first || ((1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3));
    let number = digits.replace(',', "").parse::<u64>().ok().filter(|number| *number > 0 && grouped)?;
    Some((Some(number), rest))
}

fn is_power_of_ten(number: u64) -> bool {
    number > 0 && 10_u64.checked_pow(number.ilog10()) == Some(number)
}

/// One name for each thing that is counted.
const NOUNS: &[(&str, &[&str])] = &[
    ("tokens", &["token", "tokens"]),
    (
        "images",
        &[
            "image",
            "images",
            "images processed",
            "image processed",
            "input images",
            "created_image",
            "created image",
            "created images",
        ],
    ),
    ("seconds", &["second", "seconds", "sec", "secs", "seconds processed"]),
    ("minutes", &["minute", "minutes", "minutes processed", "min"]),
    ("hours", &["hour", "hours", "hrs", "hr", "model unit", "model unit hour", "model units", "model unit hours"]),
    ("searches", &["search", "searches", "search unit", "search units", "searchunits", "search_units"]),
    ("text units", &["textunit", "textunits", "text unit", "text units"]),
    ("requests", &["request", "requests", "api call", "api calls", "text request", "text requests"]),
    ("invocations", &["invocation", "invocations"]),
    ("queries", &["query", "queries"]),
    ("pages", &["page", "pages", "pages processed"]),
    ("tpm-hours", &["tpm hour", "tpm hours", "tpm-hour", "tpm-hours"]),
    ("vcpu-hours", &["vcpu-hours", "vcpu-hour", "vcpu hours", "vcpu hour"]),
    ("gb-hours", &["gb-hours", "gb-hour", "gb hours", "gb hour"]),
    ("gb-months", &["gb-mo", "gb-month", "gb-months", "gb month", "gb months"]),
    ("gb", &["gb", "gigabyte", "gigabytes"]),
    (
        "cmu-minutes",
        &[
            "cmu-minute",
            "cmu-minutes",
            "cmu minute",
            "cmu minutes",
            "custom model unit per min",
            "custom model unit minute",
        ],
    ),
    ("model-months", &["model/month", "model-month", "model month", "models/month", "model months"]),
    ("units", &["unit", "units"]),
];

/// Words before a noun that do not change what is counted ("input tokens", "batchinputtokens": a token is a token).
/// No number may be among them, and no word stands before a longer one that it begins.
const QUALIFIERS: &[&str] = &[
    "audio",
    "batch",
    "billed",
    "cached",
    "cache",
    "completion",
    "context",
    "embedding",
    "flex",
    "generated",
    "global",
    "image",
    "input",
    "long",
    "output",
    "priority",
    "processed",
    "prompt",
    "read",
    "reasoning",
    "response",
    "speech",
    "standard",
    "text",
    "training",
    "video",
    "write",
];

/// The base unit that a noun and the words before it name.
fn base_noun(text: &str) -> Option<&'static str> {
    let mut noun = text.trim();
    let mut qualified = false;
    loop {
        let found = NOUNS.iter().find(|(_, spellings)| spellings.contains(&noun)).map(|(name, _)| *name);
        // "input units" says no more than "units" of what is counted, but it means something by it.
        if let Some(name) = found {
            return (!qualified || name != "units").then_some(name);
        }
        noun = QUALIFIERS.iter().find_map(|word| noun.strip_prefix(word))?.trim_start_matches(GAPS);
        qualified = true;
    }
}

/// The third part of a Marketplace description (`AWS Marketplace software usage|us-west-2|Million Input Tokens`), or the
/// price of AWS's own lines, where it names a number.
fn described_unit(description: &str, meter: Option<&Meter>) -> Option<Unit> {
    let part = match description.split('|').nth(2) {
        Some(part) => tidy(part),
        // AWS's own lines describe their price: "$0.00006 per 1K input tokens for …".
        None => tidy(description).split_once(" per ")?.1.to_owned(),
    };
    let number = match described_number(&part) {
        Some(number) if number > 1 => number,
        // A number deeper in the text ("input tokens, per million").
        _ if has_word(&part, "million") || has_word(&part, "millions") => MILLION,
        _ if has_word(&part, "thousand") || has_word(&part, "thousands") => THOUSAND,
        None if names_tokens(&part) => return Some(Unit::unknown(&part)),
        _ => return None,
    };
    let noun = match meter {
        Some(meter) => Some(measured(meter, &part)),
        None if names_tokens(&part) => Some("tokens"),
        None => number_and_noun(&part).map(|(_, noun)| noun),
    };
    Some(noun.map_or_else(|| Unit::unknown(&part), |noun| Unit::known(number, noun)))
}

/// The number a description begins with, 1 if it begins with none; none if it cannot be read. More words may follow
/// here, so only powers of ten count: `128K` is the size of a context.
fn described_number(part: &str) -> Option<u64> {
    if let Some((number, _)) = number_and_noun(part) {
        return Some(number).filter(|number| is_power_of_ten(*number));
    }
    let (digits, rest) = leading_digits(part)?;
    let word = rest.split(|sign: char| !sign.is_alphanumeric()).next().unwrap_or_default();
    let factor = FACTORS.iter().find(|(spelling, _)| *spelling == word).map(|(_, factor)| *factor);
    match (digits, factor) {
        // A lone letter is a factor only after digits.
        (None, Some(factor)) if word.len() > 2 => Some(factor),
        (None, _) => Some(1),
        (Some(number), Some(factor)) => number.checked_mul(factor).filter(|number| is_power_of_ten(*number)),
        // `1 input tokens`, but not `1x tokens`, `1e6 tokens` or `1/1000 tokens`.
        (Some(number), None) => {
            let is_word = word.len() > 1 && word.chars().all(char::is_alphabetic);
            Some(number).filter(|number| is_word && is_power_of_ten(*number))
        }
    }
}

fn names_tokens(text: &str) -> bool {
    has_word(text, "tokens") || has_word(text, "token")
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|sign: char| !sign.is_alphanumeric()).any(|part| part == word)
}

/// The meter's unit, which is surer than the words of a description.
fn measured(meter: &Meter, part: &str) -> &'static str {
    match meter.measure {
        Measure::Units if names_tokens(part) => "tokens",
        measure => measure.unit(),
    }
}

/// The unit where the line does not say: Marketplace bills tokens by the million, the others by the thousand.
fn default_unit(meter: Option<&Meter>, marketplace: bool, bare: bool) -> Unit {
    let Some(meter) = meter else {
        return Unit::known(1, "units");
    };
    let multiplier = match meter.measure {
        Measure::Tokens if marketplace => MILLION,
        Measure::Tokens => THOUSAND,
        Measure::TpmHours if marketplace => MILLION,
        Measure::TpmHours if !bare => THOUSAND,
        _ => 1,
    };
    Unit::known(multiplier, meter.measure.unit())
}

/// Whether a price per million tokens is one that a model can have.
///
/// The list prices of Bedrock run from 0.00875 (a cache read of the smallest model) to 137.5 (output of the largest),
/// and tiers, long context and private discounts move them by about two either way. One band of 0.001 to 300 for all
/// kinds would hide most errors by a thousand: 3 USD of input read as 0.003 is above the cheapest cache read. So each
/// direction has its own floor, a little under the cheapest price in it at the batch tier, and a ceiling a few
/// times above the dearest. A line that costs nothing is fine: credits, free tiers and Nova's cache writes are free.
pub fn plausible_token_rate(kind: &str, usd_per_million: f64) -> bool {
    if usd_per_million == 0.0 {
        return true;
    }
    let (floor, ceiling) = match kind {
        "input" => (0.006, 300.0),
        "cache_read" => (0.001, 60.0),
        "cache_write" => (0.02, 300.0),
        "output" => (0.018, 600.0),
        // Amounts that are not tokens have no price per million tokens.
        _ if kind.ends_with("_image") && !kind.starts_with("output_") => return true,
        _ if ["_second", "_minute", "_request"].iter().any(|end| kind.ends_with(end)) => return true,
        _ if kind.starts_with("input_") => (0.006, 600.0),
        _ if kind.starts_with("output_") => (0.018, 600.0),
        _ => return true,
    };
    // Corrections turn both the amount and the cost round; the rate keeps its size.
    (floor..=ceiling).contains(&usd_per_million.abs())
}
