//! Puts the words of a model's name into the one order it is shown in.

use super::model::{Model, Proof};
use super::model_catalogue::{FAMILIES, Family, Shape};
use super::model_spellings::{ALIASES, SPELLINGS};

/// The model of a family's words; none if they name no model. An id of the publisher needs no further proof, a display
/// name must have a number or a word that only models have, else `Claude Platform on AWS` were one.
pub fn compose(family: &'static Family, rest: &[String], proof: Proof) -> Option<Model> {
    let (family, words) = settled(family, rest);
    if !is_proven(family, &words, proof) {
        return None;
    }
    let tier = words.iter().find(|word| family.ladder.contains(&word.as_str())).cloned();
    let name = shaped(family, &words);
    let caches = caches(family, &words, tier.as_deref());
    Some(Model { name, publisher: family.publisher.to_owned(), tier, caches })
}

/// The words after the family, without what spellings of one model differ in, and the family that they lead to.
pub fn settled(family: &'static Family, rest: &[String]) -> (&'static Family, Vec<String>) {
    let words: Vec<&str> = family.words.iter().copied().chain(rest.iter().map(String::as_str)).collect();
    resolve(family, clean(family, &words))
}

fn is_proven(family: &Family, words: &[String], proof: Proof) -> bool {
    if proof == Proof::Id {
        return true;
    }
    let tells = |word: &String| word.starts_with(|sign: char| sign.is_ascii_digit()) || known(family, word);
    // The first products had no number: "Claude", "Cohere Command".
    let whole_product =
        words.is_empty() && (proof == Proof::Publisher || matches!(family.words, ["claude"] | ["canvas"]));
    (whole_product || words.iter().any(tells)) && !words.iter().any(|word| is_prose(family, word))
}

/// Words of sentences; a text that has one talks about models.
fn is_prose(family: &Family, word: &str) -> bool {
    const PROSE: &[&str] = &[
        "on", "for", "with", "by", "and", "platform", "service", "services", "support", "usage", "api", "app",
        "profile",
    ];
    PROSE.contains(&word) && !known(family, word)
}

/// Whether a word is one that only the family's models have.
pub fn known(family: &Family, word: &str) -> bool {
    family.ladder.contains(&word) || family.known.contains(&word)
}

/// A number that is a version: digits with at most one dot.
pub fn is_number(word: &str) -> bool {
    let mut parts = word.split('.');
    let whole = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.next().is_some_and(whole) && parts.next().is_none_or(whole) && parts.next().is_none()
}

/// A size: `70b`, `8x7b`.
pub fn is_size(word: &str) -> bool {
    let Some(digits) = word.strip_suffix('b') else { return false };
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'x' || byte == b'.')
}

/// Takes off what spellings of one model differ in: the family's noise, active parameters, packaging.
fn clean(family: &Family, words: &[&str]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    let mut at = family.words.len();
    while at < words.len() {
        let word = words[at];
        let active_size = word == "a" && words.get(at + 1).is_some_and(|next| is_size(next));
        if active_size {
            at += 2;
            continue;
        }
        if !family.noise.contains(&word) {
            kept.push(word.to_owned());
        }
        at += 1;
    }
    let kept = if keeps_revision(family, &kept) { kept } else { without_revision(kept) };
    without_packaging(family, kept)
}

/// Whether a trailing `v2` is part of the name: only in families that count so, and not after another version.
fn keeps_revision(family: &Family, words: &[String]) -> bool {
    let before = &words[..words.len().saturating_sub(2)];
    let versioned = before.iter().any(|word| is_number(word));
    family.revised && (!versioned || matches!(family.words, ["claude"] | ["titan"]))
}

/// Drops a trailing `v1`.
pub fn without_revision(words: Vec<String>) -> Vec<String> {
    let mut words = words;
    let length = words.len();
    if length >= 2 && words[length - 2] == "v" && is_number(&words[length - 1]) {
        words.truncate(length - 2);
    }
    words
}

/// Drops what a shape's names never show: previews of numbered models, month stamps, expert counts, packaging numbers.
fn without_packaging(family: &Family, words: Vec<String>) -> Vec<String> {
    let numbered = words.iter().any(|word| is_number(word));
    let is_stamp = |word: &String| word.len() == 4 && word.starts_with('2') && is_number(word);
    let is_experts = |word: &String| word.strip_suffix('e').is_some_and(is_number);
    let drops = |word: &String| match family.shape {
        Shape::Claude | Shape::Nova => numbered && word == "preview",
        Shape::Qwen => is_stamp(word),
        Shape::VersionFirst => is_experts(word),
        Shape::Gpt => family.words.len() > 1 && is_number(word),
        Shape::AsWritten => false,
    };
    words.into_iter().filter(|word| !drops(word)).collect()
}

/// Follows the alias of the whole name, which may lead to another family's entry.
fn resolve(family: &'static Family, words: Vec<String>) -> (&'static Family, Vec<String>) {
    let whole = family.words.iter().copied().chain(words.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
    let Some((_, target)) = ALIASES.iter().find(|(alias, _)| *alias == whole) else {
        return (family, words);
    };
    let target: Vec<String> = target.split(' ').map(str::to_owned).collect();
    let begins =
        |family: &&Family| target.len() >= family.words.len() && target.iter().zip(family.words).all(|(a, b)| a == b);
    let found = if begins(&family) { Some(family) } else { FAMILIES.iter().find(begins) };
    match found {
        Some(family) => (family, target[family.words.len()..].to_vec()),
        None => (family, words),
    }
}

fn shaped(family: &Family, words: &[String]) -> String {
    match family.shape {
        Shape::Claude => claude(family, words),
        Shape::Nova => nova(family, words),
        Shape::Gpt => gpt(family, words),
        Shape::Qwen => glued(family, words),
        Shape::VersionFirst => version_first(family, words),
        Shape::AsWritten => as_written(family, words),
    }
}

/// The version and the revision of a Claude model, which may be written apart (`3.5 … v2`) or as one (`v2.1`).
fn claude_version(words: &[String]) -> (Option<&str>, Option<&str>) {
    let revised =
        words.iter().position(|word| word == "v").filter(|at| words.get(at + 1).is_some_and(|next| is_number(next)));
    let revision = revised.map(|at| words[at + 1].as_str());
    let version = words.iter().enumerate().find(|(at, word)| is_number(word) && revised.map(|v| v + 1) != Some(*at));
    (version.map(|(_, word)| word.as_str()), revision)
}

fn claude(family: &Family, words: &[String]) -> String {
    let (version, revision) = claude_version(words);
    let named: Vec<String> = words.iter().filter(|word| *word != "v" && !is_number(word)).cloned().collect();
    let (version, revision) = match (version, revision) {
        (None, Some(only)) if named.is_empty() => (Some(only), None),
        (None, _) => (None, None),
        both => both,
    };
    let version = version.map(|version| version.strip_suffix(".0").unwrap_or(version));
    let mut parts = vec![family.display.to_owned()];
    let old_order = version.and_then(parse_version).is_some_and(|(major, _)| major < 4);
    if old_order {
        parts.extend(version.map(str::to_owned));
    }
    parts.extend((!named.is_empty()).then(|| title(&named)));
    if !old_order {
        parts.extend(version.map(str::to_owned));
    }
    parts.extend(revision.filter(|revision| *revision != "1").map(|revision| format!("v{revision}")));
    parts.join(" ")
}

fn nova(family: &Family, words: &[String]) -> String {
    let version = words
        .iter()
        .find(|word| is_number(word))
        .filter(|word| parse_version(word).is_some_and(|(major, _)| major > 1));
    let named: Vec<String> = words.iter().filter(|word| !is_number(word) && *word != "v").cloned().collect();
    let version = version.map(|word| if word.contains('.') { word.clone() } else { format!("{word}.0") });
    let parts = [Some(family.display.to_owned()), version, (!named.is_empty()).then(|| title(&named))];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn gpt(family: &Family, words: &[String]) -> String {
    if family.words.len() > 1 {
        // The open models are known by their lower-case id.
        return std::iter::once(family.display.to_owned()).chain(words.iter().cloned()).collect::<Vec<_>>().join("-");
    }
    match words.split_first() {
        Some((version, rest)) if version.starts_with(|sign: char| sign.is_ascii_digit()) => {
            let rest = title(rest);
            format!("{}-{version}{}{rest}", family.display, if rest.is_empty() { "" } else { " " })
        }
        _ => as_written(family, words),
    }
}

fn glued(family: &Family, words: &[String]) -> String {
    match words.split_first() {
        Some((version, rest)) if is_number(version) => {
            let rest = title(rest);
            format!("{}{version}{}{rest}", family.display, if rest.is_empty() { "" } else { " " })
        }
        _ => as_written(family, words),
    }
}

fn version_first(family: &Family, words: &[String]) -> String {
    let (versions, others): (Vec<String>, Vec<String>) = words.iter().cloned().partition(|word| is_number(word));
    let (sizes, named): (Vec<String>, Vec<String>) = others.into_iter().partition(|word| is_size(word));
    let ordered: Vec<String> = versions.into_iter().chain(named).chain(sizes).collect();
    as_written(family, &ordered)
}

fn as_written(family: &Family, words: &[String]) -> String {
    // Cohere and Amazon show the number of a reranker or embedding without its letter.
    let numbers_only = matches!(family.words, ["rerank"] | ["embed"]);
    let shown: Vec<String> = words.iter().filter(|word| !(numbers_only && *word == "v")).cloned().collect();
    let rest = title(&shown);
    format!("{}{}{rest}", family.display, if rest.is_empty() { "" } else { " " })
}

/// Words as they are shown: capitalised, a lone letter joined to the number after it (`K3`, `E2B`).
pub fn title(words: &[String]) -> String {
    let mut shown = String::new();
    let mut joins = false;
    for (at, word) in words.iter().enumerate() {
        if !shown.is_empty() && !joins {
            shown.push(' ');
        }
        shown.push_str(&spelled(word));
        let number_follows = words.get(at + 1).is_some_and(|next| is_number(next) || is_size(next));
        joins = word.len() == 1 && word.bytes().all(|byte| byte.is_ascii_alphabetic()) && number_follows;
    }
    shown
}

fn spelled(word: &str) -> String {
    if let Some((_, spelling)) = SPELLINGS.iter().find(|(known, _)| *known == word) {
        return (*spelling).to_owned();
    }
    if is_size(word) {
        return format!("{}B", &word[..word.len() - 1]);
    }
    let mut letters = word.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// A version as two numbers, so that 4.10 is newer than 4.9.
fn parse_version(word: &str) -> Option<(u32, u32)> {
    let (major, minor) = word.split_once('.').unwrap_or((word, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Whether the model can cache prompts, by the version its publisher began with.
fn caches(family: &Family, words: &[String], tier: Option<&str>) -> bool {
    let version = words.iter().find(|word| is_number(word)).and_then(|word| parse_version(word));
    match family.words {
        ["claude"] => {
            let (version, revision) = claude_version(words);
            match version.and_then(parse_version) {
                Some((3, 5)) => tier == Some("haiku") || (tier == Some("sonnet") && revision == Some("2")),
                Some(version) => version >= (3, 7),
                // The first models of a rung came without a number.
                None => matches!(tier, Some("fable" | "mythos")),
            }
        }
        ["nova"] => tier.is_some(),
        ["gpt"] => version >= Some((5, 4)),
        ["grok"] => version >= Some((4, 0)),
        ["kimi"] => version >= Some((3, 0)),
        ["glm"] => version >= Some((5, 3)),
        _ => false,
    }
}
