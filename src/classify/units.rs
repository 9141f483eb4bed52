//! Turns the unit of a bill line into a base unit and the power of ten between them.
//!
//! The same amount of tokens is billed as `1K tokens`, `1M tokens` or Marketplace `Units` that mean millions, so an
//! amount without its unit may be wrong by a thousand or by a million.

use super::meter::{Measure, Meter};

/// A base unit and how many of it one billed unit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// An exact power of ten.
    pub multiplier: u64,
    /// The base unit, plural.
    pub unit: String,
}

const THOUSAND: u64 = 1_000;
const MILLION: u64 = 1_000_000;

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
    let text = text.strip_prefix("per ").unwrap_or(text);
    let text = inside_brackets(text).unwrap_or(text);
    let (multiplier, noun) = split_number(text);
    Unit { multiplier, unit: base_noun(noun) }
}

/// `units (=1m tokens)` says its meaning in brackets.
fn inside_brackets(text: &str) -> Option<&str> {
    let (before, rest) = text.split_once('(')?;
    if !is_bare_units(before.trim()) {
        return None;
    }
    rest.strip_suffix(')').map(|inner| inner.trim_start_matches('=').trim())
}

/// The leading number of a unit, if it is a power of ten, and the rest.
fn split_number(text: &str) -> (u64, &str) {
    const WORDS: &[(&str, u64)] =
        &[("millions of", MILLION), ("thousands of", THOUSAND), ("million", MILLION), ("thousand", THOUSAND)];
    for (word, value) in WORDS {
        if let Some(rest) = text.strip_prefix(word) {
            return (*value, rest.trim_start());
        }
    }
    let end = text.find(|sign: char| !sign.is_ascii_digit() && sign != ',').unwrap_or(text.len());
    let digits: String = text[..end].chars().filter(char::is_ascii_digit).collect();
    let after_digits = &text[end..];
    let (factor, rest) = match after_digits.chars().next() {
        Some('k') if ends_word(after_digits) => (THOUSAND, &after_digits[1..]),
        Some('m') if ends_word(after_digits) => (MILLION, &after_digits[1..]),
        _ => number_word(after_digits),
    };
    if digits.is_empty() && factor == 1 {
        return (1, text);
    }
    let number = if digits.is_empty() { Some(1) } else { digits.parse::<u64>().ok() };
    let rest = rest.trim_start_matches([' ', '-']);
    match number.and_then(|number| number.checked_mul(factor)).filter(|number| is_power_of_ten(*number)) {
        Some(number) if !rest.is_empty() => (number, rest),
        _ => (1, text),
    }
}

/// `1 million tokens`: the word after the digits is part of the number.
fn number_word(text: &str) -> (u64, &str) {
    let text = text.trim_start();
    let word = text.split(' ').next().unwrap_or_default();
    match word {
        "million" => (MILLION, &text[word.len()..]),
        "thousand" => (THOUSAND, &text[word.len()..]),
        _ => (1, text),
    }
}

/// Whether the first letter is a word of its own (`1k tokens`, but not the `m` of `1 minute`).
fn ends_word(text: &str) -> bool {
    !text[1..].starts_with(|sign: char| sign.is_alphabetic())
}

fn is_power_of_ten(number: u64) -> bool {
    number > 0 && 10_u64.checked_pow(number.ilog10()) == Some(number)
}

/// One name for each thing that is counted.
const NOUNS: &[(&str, &[&str])] = &[
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
    ("hours", &["hour", "hours", "hrs", "hr", "model unit hour", "model units", "model unit hours"]),
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

fn base_noun(noun: &str) -> String {
    let noun = noun.trim();
    // "input tokens", "training tokens", "millionbatchinputtokens": a token is a token.
    if noun.ends_with("token") || noun.ends_with("tokens") {
        return "tokens".to_owned();
    }
    let known = NOUNS.iter().find(|(_, spellings)| spellings.contains(&noun)).map(|(name, _)| *name);
    known.unwrap_or(noun).to_owned()
}

/// The third part of a Marketplace description (`AWS Marketplace software usage|us-west-2|Million Input Tokens`), where
/// it names a number or a noun that is known.
fn described_unit(description: &str, meter: Option<&Meter>) -> Option<Unit> {
    let part = match description.split('|').nth(2) {
        Some(part) => tidy(part),
        // AWS's own lines describe their price: "$0.00006 per 1K input tokens for …".
        None => tidy(description).split_once(" per ")?.1.to_owned(),
    };
    let found = named_unit(&part);
    if found.multiplier > 1 {
        let unit = meter.map_or(found.unit, |meter| measured(meter, &part));
        return Some(Unit { multiplier: found.multiplier, unit });
    }
    // A number deeper in the text ("input tokens, per million").
    let number = match () {
        () if has_word(&part, "million") || has_word(&part, "millions") => MILLION,
        () if has_word(&part, "thousand") || has_word(&part, "thousands") => THOUSAND,
        () => return None,
    };
    Some(Unit { multiplier: number, unit: meter.map_or_else(|| base_noun(&part), |meter| measured(meter, &part)) })
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|sign: char| !sign.is_alphanumeric()).any(|part| part == word)
}

/// The meter's unit, which is surer than the words of a description.
fn measured(meter: &Meter, part: &str) -> String {
    match meter.measure {
        Measure::Units if has_word(part, "tokens") || has_word(part, "token") => "tokens".to_owned(),
        measure => measure.unit().to_owned(),
    }
}

/// The unit where the line does not say: Marketplace bills tokens by the million, the others by the thousand.
fn default_unit(meter: Option<&Meter>, marketplace: bool, bare: bool) -> Unit {
    let Some(meter) = meter else {
        return Unit { multiplier: 1, unit: "units".to_owned() };
    };
    let multiplier = match meter.measure {
        Measure::Tokens if marketplace => MILLION,
        Measure::Tokens => THOUSAND,
        Measure::TpmHours if marketplace => MILLION,
        Measure::TpmHours if !bare => THOUSAND,
        _ => 1,
    };
    Unit { multiplier, unit: meter.measure.unit().to_owned() }
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
