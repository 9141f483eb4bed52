//! The words that say how a meter was served: tier, routing, context, lifetime of a cache entry.
//!
//! AWS puts them in every order, before or after the meter, so they are a set that words are added to.

use super::words::Words;

#[derive(Debug, Clone, Copy)]
enum Modifier {
    Batch,
    Flex,
    Priority,
    Latency,
    CustomModel,
    Routing(&'static str),
    LongContext,
    Ttl(&'static str),
    Mantle,
    /// Says nothing that is not the default.
    Plain,
}

/// Longer phrases stand before the shorter ones they begin with.
const PHRASES: &[(&[&str], Modifier)] = &[
    (&["cross", "region", "global"], Modifier::Routing("global")),
    (&["cross", "region", "geo"], Modifier::Routing("geo")),
    (&["cross", "region", "inference"], Modifier::Plain),
    (&["cross", "region"], Modifier::Plain),
    (&["global"], Modifier::Routing("global")),
    (&["geo"], Modifier::Routing("geo")),
    (&["in", "region"], Modifier::Plain),
    (&["regional"], Modifier::Plain),
    (&["latency", "optimized"], Modifier::Latency),
    (&["custom", "model"], Modifier::CustomModel),
    (&["long", "context"], Modifier::LongContext),
    (&["long", "ctx"], Modifier::LongContext),
    (&["l", "ctx"], Modifier::LongContext),
    (&["lctx"], Modifier::LongContext),
    (&["batch"], Modifier::Batch),
    (&["flex"], Modifier::Flex),
    (&["priority"], Modifier::Priority),
    (&["standard"], Modifier::Plain),
    (&["on", "demand"], Modifier::Plain),
    (&["ondemand"], Modifier::Plain),
    (&["mantle"], Modifier::Mantle),
    (&["units"], Modifier::Plain),
    (&["5m"], Modifier::Ttl("5m")),
    (&["30m"], Modifier::Ttl("30m")),
    (&["1h"], Modifier::Ttl("1h")),
    (&["5", "m"], Modifier::Ttl("5m")),
    (&["30", "m"], Modifier::Ttl("30m")),
    (&["1", "h"], Modifier::Ttl("1h")),
];

/// The modifiers found so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Modifiers {
    pub batch: bool,
    pub flex: bool,
    pub priority: bool,
    pub latency: bool,
    pub custom_model: bool,
    pub routing: Option<&'static str>,
    pub long: bool,
    pub ttl: Option<&'static str>,
    pub mantle: bool,
}

impl Modifiers {
    fn add(&mut self, modifier: Modifier) {
        match modifier {
            Modifier::Batch => self.batch = true,
            Modifier::Flex => self.flex = true,
            Modifier::Priority => self.priority = true,
            Modifier::Latency => self.latency = true,
            Modifier::CustomModel => self.custom_model = true,
            Modifier::Routing(routing) => self.routing = Some(routing),
            Modifier::LongContext => self.long = true,
            Modifier::Ttl(ttl) => self.ttl = Some(ttl),
            Modifier::Mantle => self.mantle = true,
            Modifier::Plain => {}
        }
    }

    /// Takes the modifier that begins at `index`, if one does, and returns the index after it.
    pub fn take(&mut self, words: &Words, index: usize) -> Option<usize> {
        let (modifier, next) =
            PHRASES.iter().find_map(|(phrase, modifier)| words.phrase(index, phrase).map(|next| (*modifier, next)))?;
        self.add(modifier);
        Some(next)
    }

    /// Takes everything from `index` to the end; none if a word there is no modifier, because a string with an unknown
    /// word may mean anything.
    pub fn take_rest(&mut self, words: &Words, index: usize) -> Option<()> {
        let mut at = index;
        while at < words.len() {
            at = self.take(words, at)?;
        }
        Some(())
    }

    /// Takes the modifiers that end the words `0..end` and returns where the words before them end.
    pub fn take_before(&mut self, words: &Words, end: usize) -> usize {
        let mut end = end;
        while let Some((start, modifier)) = ending_at(words, end) {
            self.add(modifier);
            end = start;
        }
        end
    }

    /// The pricing model; batch beats every other tier, as it does on AWS's own dashboard.
    pub fn pricing_model(&self) -> &'static str {
        match self {
            Self { batch: true, .. } => "batch",
            Self { flex: true, .. } => "flex",
            Self { priority: true, .. } => "priority",
            Self { latency: true, .. } => "latency_optimized",
            Self { custom_model: true, .. } => "custom_model",
            _ => "on_demand",
        }
    }
}

/// The modifier whose last word is the one before `end`, with the index of its first word.
fn ending_at(words: &Words, end: usize) -> Option<(usize, Modifier)> {
    PHRASES.iter().find_map(|(phrase, modifier)| {
        let start = end.checked_sub(phrase.len())?;
        words.phrase(start, phrase).map(|_| (start, *modifier))
    })
}
