//! Recognises a model in any of the texts a bill or a metric names it with.
//!
//! ```text
//! ARN, id, display name, usage type ── unwrap ──> publisher + text ── words ──> family ── shape ──> one canonical name
//! ```
//!
//! Rules are exact: a family must stand where a name begins, and numbers are never compared loosely, so a version that
//! is not known yet gets its own name and never that of its neighbour.

use super::arn::bedrock_arn;
use super::model_catalogue::{FAMILIES, Family, PUBLISHERS, Publisher};
use super::model_name::{self, title};
use super::model_spellings::{AI_NAMES, NAME_WORDS, TIER_WORDS};
use super::words::Words;

/// A model under its canonical name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Canonical name.
    pub name: String,
    /// Publisher.
    pub publisher: String,
    /// The rung of the publisher's own ladder; none where it has no ladder.
    pub tier: Option<String>,
    /// Whether the model can cache prompts, so that a cache figure is meaningful for it.
    pub caches: bool,
}

/// Longer than any model name; what is longer is not one.
const LONGEST: usize = 256;
const MOST_WORDS: usize = 16;

/// Recognises a model; none for a text that names no model of a known publisher or family.
pub fn recognise_model(text: &str) -> Option<Model> {
    let Read { vendor, publisher, words } = read(text)?;
    let proof = match (vendor, publisher) {
        (Some(_), _) => Proof::Id,
        (None, Some(_)) => Proof::Publisher,
        (None, None) => Proof::None,
    };
    match family_of(&words, publisher) {
        Some((family, rest)) => model_name::compose(family, rest, proof),
        None => unknown_family(vendor?, &words),
    }
}

/// The words of a text that may name a model.
pub struct Read {
    /// The publisher whose id it begins with.
    vendor: Option<&'static Publisher>,
    /// The publisher that it states in any way.
    pub publisher: Option<&'static Publisher>,
    /// The words after that.
    pub words: Vec<String>,
}

/// Reads the words of a text; none where it is too long for a model's name, or names a resource of another kind.
pub fn read(text: &str) -> Option<Read> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    let named = unwrap_arn(text)?;
    let (vendor, rest) = split_vendor(&named);
    let words = name_words(&rest);
    if words.is_empty() || words.len() > MOST_WORDS {
        return None;
    }
    let (publisher, words) = match vendor {
        Some(publisher) => (Some(publisher), words),
        None => skip_publisher(&words),
    };
    Some(Read { vendor, publisher, words })
}

/// What shows, besides its words, that a text names a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// It is a model id of a known publisher.
    Id,
    /// A known publisher stands before the family.
    Publisher,
    None,
}

/// The rung that a text names by itself (`haiku`), as settings do.
pub fn tier_word(text: &str) -> Option<&'static str> {
    let text = text.trim();
    TIER_WORDS.iter().copied().find(|word| word.eq_ignore_ascii_case(text))
}

/// Whether a product name mentions a publisher or a family of the catalogue.
pub fn names_ai_publisher(text: &str) -> bool {
    let words = name_words(text);
    AI_NAMES.iter().any(|name| words.windows(name.len()).any(|window| window.iter().eq(name.iter())))
}

/// How calls with this model id are routed: `global.` ids globally; geo ids are billed at the source region's rate.
pub fn routing_of_model_id(text: &str) -> Option<&'static str> {
    let named = unwrap_arn(text.trim())?;
    let (head, rest) = named.split_once('.')?;
    publisher_of_id(rest)?;
    if head.eq_ignore_ascii_case("global") {
        return Some("global");
    }
    is_geo(head).then_some("regional")
}

/// The model id inside an ARN, or the text itself if it is no ARN. Resources that stand for a model of one's own name
/// none, but a custom model's ARN holds the model it was made from.
fn unwrap_arn(text: &str) -> Option<String> {
    if !text.starts_with("arn:") {
        let bare = ["foundation-model/", "inference-profile/"].iter().find_map(|kind| text.strip_prefix(kind));
        return Some(bare.unwrap_or(text).to_owned());
    }
    let arn = bedrock_arn(text)?;
    match arn.resource_type.as_str() {
        "foundation-model" | "inference-profile" => Some(arn.resource_id),
        "custom-model" => arn.resource_id.split_once('/').map(|(base, _)| base.to_owned()),
        _ => None,
    }
}

/// The publisher whose id begins a model id, and the rest of it.
fn publisher_of_id(text: &str) -> Option<(&'static Publisher, &str)> {
    let (head, rest) = text.split_once('.')?;
    let publisher = PUBLISHERS.iter().find(|publisher| publisher.ids.iter().any(|id| id.eq_ignore_ascii_case(head)))?;
    (!rest.is_empty() && !rest.contains(' ')).then_some((publisher, rest))
}

fn without_geo(text: &str) -> &str {
    match text.split_once('.') {
        Some((head, rest)) if is_geo(head) && publisher_of_id(rest).is_some() => rest,
        _ => text,
    }
}

/// `us`, `us-gov`, `apac`, …: AWS adds geographies, so any short word before a known publisher is one.
fn is_geo(head: &str) -> bool {
    let short = |part: &str| (2..=6).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic());
    head.split('-').count() <= 2 && head.split('-').all(short)
}

/// Takes geo prefix, publisher, revision after `:` and context size off a model id; other texts pass as they are.
fn split_vendor(text: &str) -> (Option<&'static Publisher>, String) {
    let Some((publisher, rest)) = publisher_of_id(without_geo(text)) else {
        return (None, text.to_owned());
    };
    let mut parts = rest.split(':');
    let name = parts.next().unwrap_or_default();
    // The oldest Claude ids put the minor version after the colon.
    let minor = parts.next().filter(|_| name.to_ascii_lowercase().starts_with("claude-v"));
    (Some(publisher), minor.map_or_else(|| name.to_owned(), |minor| format!("{name}.{minor}")))
}

/// Words that humps tear apart.
const TORN: &[(&str, &str, &str)] = &[
    ("deep", "seek", "deepseek"),
    ("mini", "max", "minimax"),
    ("multi", "modal", "multimodal"),
    ("safe", "guard", "safeguard"),
];

/// The words of a name in lower case, without what every name may carry: the Marketplace edition, dates, context sizes.
fn name_words(text: &str) -> Vec<String> {
    let text = text.replace('+', " plus ");
    let words = Words::split(&text, NAME_WORDS).lower_words();
    let words = mend(&words);
    let words = without_edition(words);
    let kept = words.into_iter().filter(|word| !is_date(word) && !is_context(word) && word != "model");
    join_versions(kept.collect())
}

fn mend(words: &[String]) -> Vec<String> {
    let mut mended = Vec::with_capacity(words.len());
    let mut at = 0;
    while at < words.len() {
        let next = words.get(at + 1).map_or("", String::as_str);
        match TORN.iter().find(|(first, second, _)| *first == words[at] && *second == next) {
            Some((_, _, whole)) => {
                mended.push((*whole).to_owned());
                at += 2;
            }
            None => {
                mended.push(words[at].clone());
                at += 1;
            }
        }
    }
    mended
}

/// Drops `(Amazon Bedrock Edition)` from the end.
fn without_edition(words: Vec<String>) -> Vec<String> {
    let mut words = words;
    for edition in [&["amazon", "bedrock", "edition"][..], &["bedrock", "edition"], &["on", "amazon", "bedrock"]] {
        let keep = words.len().saturating_sub(edition.len());
        if keep > 0 && words[keep..].iter().eq(edition.iter()) {
            words.truncate(keep);
        }
    }
    words
}

fn is_date(word: &str) -> bool {
    word.len() == 8 && word.starts_with("20") && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// `200k`: the context size of an id or a listing.
fn is_context(word: &str) -> bool {
    word.strip_suffix('k').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Ids write `3-5` for 3.5: two short whole numbers in a row are one version.
fn join_versions(words: Vec<String>) -> Vec<String> {
    let short = |word: &String| word.len() <= 2 && word.bytes().all(|byte| byte.is_ascii_digit());
    let mut joined: Vec<String> = Vec::with_capacity(words.len());
    let mut open = false;
    for word in words {
        match joined.last_mut() {
            Some(last) if open && short(&word) => {
                *last = format!("{last}.{word}");
                open = false;
            }
            _ => {
                open = short(&word);
                joined.push(word);
            }
        }
    }
    joined
}

/// Skips the publisher's name before a display name, and the geography that profiles name before it.
fn skip_publisher(words: &[String]) -> (Option<&'static Publisher>, Vec<String>) {
    const GEOGRAPHIES: &[&str] = &["global", "us", "eu", "apac", "jp", "au", "ca", "in", "sa"];
    if let Some((first, rest)) = words.split_first().filter(|(first, _)| GEOGRAPHIES.contains(&first.as_str())) {
        let (publisher, named) = stated_publisher(rest);
        return if publisher.is_some() {
            (publisher, named)
        } else {
            (None, [std::slice::from_ref(first), rest].concat())
        };
    }
    stated_publisher(words)
}

fn stated_publisher(words: &[String]) -> (Option<&'static Publisher>, Vec<String>) {
    for publisher in PUBLISHERS {
        for name in publisher.words {
            if words.len() > name.len() && words[..name.len()].iter().eq(name.iter()) {
                return (Some(publisher), words[name.len()..].to_vec());
            }
        }
    }
    (None, words.to_vec())
}

/// The family whose words begin the name, of the stated publisher if there is one, and the words after them. Publishers
/// whose ids leave the family out (`deepseek.r1-v1:0`) are found by their own name.
pub fn family_of<'w>(words: &'w [String], publisher: Option<&Publisher>) -> Option<(&'static Family, &'w [String])> {
    let fits = |family: &&Family| publisher.is_none_or(|publisher| publisher.name == family.publisher);
    let begins = |family: &&Family| {
        words.len() >= family.words.len() && words[..family.words.len()].iter().eq(family.words.iter())
    };
    if let Some(family) = FAMILIES.iter().find(|family| fits(family) && begins(family)) {
        return Some((family, &words[family.words.len()..]));
    }
    // A bare letter and number after the publisher's id; the family bears the publisher's name.
    let version_follows = matches!(words.first().map(String::as_str), Some("v" | "r")) && words.len() > 1;
    let named_alike = |family: &&Family| publisher.is_some_and(|publisher| publisher.ids.contains(&family.words[0]));
    FAMILIES.iter().filter(|_| version_follows).find(named_alike).map(|family| (family, words))
}

/// A model id of a known publisher whose family is younger than the catalogue.
fn unknown_family(publisher: &Publisher, words: &[String]) -> Option<Model> {
    if !words.iter().any(|word| word.bytes().any(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let words = model_name::without_revision(words.to_vec());
    if words.is_empty() {
        return None;
    }
    Some(Model { name: title(&words), publisher: publisher.name.to_owned(), tier: None, caches: false })
}
