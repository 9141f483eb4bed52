//! Tokens and other amounts that go into a model or come out of it.
//!
//! ```text
//! [model] [modifiers] [modality] direction [ttl] [modality] noun [count] [modifiers]
//! ```

use std::borrow::Cow;

use super::meter::Measure;
use super::modifiers::Modifiers;
use super::usage_type::Reading;
use super::words::Words;

/// What the words from the direction to the noun say.
struct Direction {
    kind: Cow<'static, str>,
    measure: Measure,
    modifiers: Modifiers,
    next: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Input,
    Output,
    CacheRead,
    CacheWrite,
}

impl Flow {
    fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::CacheRead => "cache_read",
            Self::CacheWrite => "cache_write",
        }
    }
}

const MODALITIES: &[&str] = &["text", "speech", "audio", "image", "video"];

/// Reads a token meter or one of its relatives.
pub fn read(words: &Words, marketplace: bool) -> Option<Reading> {
    (0..words.len()).find_map(|start| read_at(words, start, marketplace))
}

fn read_at(words: &Words, start: usize, marketplace: bool) -> Option<Reading> {
    let direction = direction(words, start)?;
    let mut modifiers = direction.modifiers;
    modifiers.take_rest(words, direction.next)?;
    let end = model_end(words, start, &mut modifiers);
    let model = words.text(0, end);
    // A dash string always names its model; without one it is another service's.
    if model.is_none() && !marketplace {
        return None;
    }
    if modifiers.ttl.is_none() && marketplace && direction.kind == "cache_write" {
        // Marketplace dimensions mark the longer lifetimes only.
        modifiers.ttl = Some("5m");
    }
    Some(Reading { kind: direction.kind, measure: direction.measure, model, modifiers, pricing_model: None })
}

/// Where the model's words end: before the modifiers that stand between it and the meter.
fn model_end(words: &Words, start: usize, modifiers: &mut Modifiers) -> usize {
    modifiers.take_before(words, start)
}

fn direction(words: &Words, start: usize) -> Option<Direction> {
    let mut modifiers = Modifiers::default();
    let (before, at) = leading_modality(words, start);
    let at = words.phrase(at, &["million"]).unwrap_or(at);
    let at = if words.at(at) == "batch" { modifiers.take(words, at)? } else { at };
    if let Some(found) = cache_upkeep(words, at, modifiers) {
        return Some(found);
    }
    let (flow, at) = flow(words, at, &mut modifiers)?;
    let (after, at) = trailing_modality(words, at);
    let (noun, next) = noun(words, at, after)?;
    if before.is_some() && (after.is_some() || noun == Measure::Images) {
        return None;
    }
    let modality = before.or(after).filter(|modality| *modality != "text");
    let kind = kind(flow, modality, noun)?;
    Some(Direction { kind, measure: noun, modifiers, next })
}

/// A modality before the direction (`speech-input-tokens`). The modality of an embedding model is part of its name
/// (`TitanEmbeddingV2-Text-input-tokens`), so there it stays with the model.
fn leading_modality<'w>(words: &'w Words, start: usize) -> (Option<&'w str>, usize) {
    let word = words.at(start);
    let of_embedding = (0..start).any(|index| words.at(index).contains("embed"));
    if MODALITIES.contains(&word) && !of_embedding { (Some(word), start + 1) } else { (None, start) }
}

fn cache_upkeep(words: &Words, at: usize, modifiers: Modifiers) -> Option<Direction> {
    let at = words.phrase(at, &["cache"])?;
    let (kind, measure, next) = match words.at(at) {
        "storage" => ("cache_storage", Measure::Units, at + 1),
        "validation" => ("cache_validation", Measure::Units, words.phrase(at + 1, &["count"]).unwrap_or(at + 1)),
        _ => return None,
    };
    let next = words.phrase(next, &["token", "count"]).or_else(|| words.phrase(next, &["tokens"])).unwrap_or(next);
    Some(Direction { kind: kind.into(), measure, modifiers, next })
}

fn flow(words: &Words, at: usize, modifiers: &mut Modifiers) -> Option<(Flow, usize)> {
    match words.at(at) {
        "input" => Some((Flow::Input, at + 1)),
        // The first Claude dimensions count prompts and responses.
        "prompt" if words.at(at + 1) == "token" => Some((Flow::Input, at + 1)),
        "output" | "response" => Some((Flow::Output, at + 1)),
        "cache" => {
            let flow = match words.at(at + 1) {
                "read" => Flow::CacheRead,
                "write" => Flow::CacheWrite,
                _ => return None,
            };
            let mut at = at + 2;
            if let Some(next) = lifetime(words, at, modifiers) {
                at = next;
            }
            Some((flow, words.phrase(at, &["input"]).unwrap_or(at)))
        }
        _ => None,
    }
}

/// A lifetime inside the meter (`CacheWrite1hInputTokenCount`).
fn lifetime(words: &Words, at: usize, modifiers: &mut Modifiers) -> Option<usize> {
    let mut found = *modifiers;
    let next = found.take(words, at)?;
    found.ttl?;
    *modifiers = found;
    Some(next)
}

/// A modality after the direction, if a noun follows it (`input-image-token-count`, but not the noun of `input-image`).
fn trailing_modality<'w>(words: &'w Words, at: usize) -> (Option<&'w str>, usize) {
    let word = words.at(at);
    if word == "standard" && is_image(words.at(at + 1)) {
        // The standard quality of an input image is the plain kind.
        return (None, at + 1);
    }
    let qualifies = MODALITIES.contains(&word) || word == "document";
    let noun_follows = unit_noun(words.at(at + 1)).is_some();
    if qualifies && noun_follows { (Some(word), at + 1) } else { (None, at) }
}

fn is_image(word: &str) -> bool {
    matches!(word, "image" | "images")
}

fn unit_noun(word: &str) -> Option<Measure> {
    Some(match word {
        "token" | "tokens" => Measure::Tokens,
        "second" | "seconds" => Measure::Seconds,
        "minute" | "minutes" => Measure::Minutes,
        "request" | "requests" => Measure::Requests,
        word if is_image(word) => Measure::Images,
        _ => return None,
    })
}

/// The noun and an optional `count` after it.
fn noun(words: &Words, at: usize, modality: Option<&str>) -> Option<(Measure, usize)> {
    let measure = unit_noun(words.at(at))?;
    if measure == Measure::Images && !matches!(modality, None | Some("document")) {
        return None;
    }
    Some((measure, words.phrase(at + 1, &["count"]).unwrap_or(at + 1)))
}

/// The kind's name: tokens are the plain case, every other noun is named.
fn kind(flow: Flow, modality: Option<&str>, noun: Measure) -> Option<Cow<'static, str>> {
    let name = flow.name();
    let cache = matches!(flow, Flow::CacheRead | Flow::CacheWrite);
    if cache {
        // A cached token is a cached token whatever it was made of.
        return (noun == Measure::Tokens).then_some(Cow::Borrowed(name));
    }
    let suffix = match noun {
        Measure::Tokens => "",
        Measure::Images => "_image",
        Measure::Seconds => "_second",
        Measure::Minutes => "_minute",
        Measure::Requests => "_request",
        _ => return None,
    };
    if flow == Flow::Output && noun == Measure::Seconds && modality.is_none() {
        // Generated seconds without a modality are those of video models.
        return Some(Cow::Borrowed("video_second"));
    }
    Some(match (modality, suffix) {
        (None, "") => Cow::Borrowed(name),
        (None, suffix) => Cow::Owned(format!("{name}{suffix}")),
        (Some(modality), suffix) => Cow::Owned(format!("{name}_{modality}{suffix}")),
    })
}
