//! Reads a usage type: the one text on a bill line that says what was metered.
//!
//! ```text
//! text ── prefix ──> body ── words ──> grammar (features, capacity, AgentCore, media, tokens) ──> Meter
//! ```
//!
//! Every grammar must account for every word of the string; one that does not returns none, so a string that AWS has
//! changed shows as unknown instead of as something wrong.

use std::borrow::Cow;

use super::meter::{Measure, Meter};
use super::modifiers::Modifiers;
use super::prefix::{Split, split_prefix};
use super::vocabulary::METER_WORDS;
use super::words::Words;
use super::{grammar_agentcore, grammar_capacity, grammar_features, grammar_media, grammar_tokens};

/// What a grammar found in the body of a usage type.
pub struct Reading {
    pub kind: Cow<'static, str>,
    pub measure: Measure,
    pub model: Option<String>,
    pub modifiers: Modifiers,
    /// The pricing model where the meter itself decides it (reserved, provisioned).
    pub pricing_model: Option<&'static str>,
}

impl Reading {
    /// A reading without a model or modifiers.
    pub fn new(kind: impl Into<Cow<'static, str>>, measure: Measure) -> Self {
        Self { kind: kind.into(), measure, model: None, modifiers: Modifiers::default(), pricing_model: None }
    }
}

/// A grammar reads the words of a body; `marketplace` tells whether they stood in an `MP:` dimension.
type Grammar = fn(&Words, bool) -> Option<Reading>;

/// In order: the grammars with unmistakable words first, the general one for tokens last.
const GRAMMARS: &[Grammar] = &[
    grammar_agentcore::read,
    grammar_features::read,
    grammar_capacity::read,
    grammar_media::read,
    grammar_tokens::read,
];

/// Longer than any usage type; what is longer is not one.
const LONGEST: usize = 300;

/// Reads a usage type; none for a string that no grammar knows.
pub fn parse_usage_type(s: &str) -> Option<Meter> {
    let text = s.trim();
    if text.is_empty() || text.len() > LONGEST || !text.is_ascii() {
        return None;
    }
    let split = split_prefix(text);
    let words = Words::split(split.body, METER_WORDS);
    let reading = GRAMMARS.iter().find_map(|grammar| grammar(&words, split.marketplace))?;
    if reading.model.as_deref().is_some_and(names_cache) {
        return None;
    }
    Some(meter(split, reading))
}

/// Whether what a grammar took for the model is part of the meter: no model is named after the cache, so its words are
/// a use of it that is not known (`…-cache-purge-input-token-count`), which has a price of its own.
fn names_cache(model: &str) -> bool {
    let model = model.to_ascii_lowercase();
    model.contains("cache") || model.contains("caching")
}

fn meter(split: Split<'_>, reading: Reading) -> Meter {
    let modifiers = reading.modifiers;
    Meter {
        cache_ttl: if reading.kind == "cache_write" { modifiers.ttl } else { None },
        kind: reading.kind,
        pricing_model: reading.pricing_model.unwrap_or_else(|| modifiers.pricing_model()),
        routing: modifiers.routing.unwrap_or("regional"),
        context: if modifiers.long { "long" } else { "standard" },
        endpoint: if modifiers.mantle { "mantle" } else { "runtime" },
        region: split.region.map(str::to_owned),
        model: reading.model,
        measure: reading.measure,
        marketplace: split.marketplace,
    }
}
