//! Likeness: whether a name that people give names the model that was billed, perhaps less fully.
//!
//! Names are compared by their parts: the family, its versions in order, and the other words. A less full
//! name has the same family, no other words, and the first of the versions: `Llama 3.3` names `Llama 3.3 70B`
//! less fully, and `Llama 3` names another version. A name may leave its family out where a word that only
//! the family's models have stands for it: `Sonnet 4.6`.

use super::model::{self, Read, recognise_model, tier_word};
use super::model_catalogue::{FAMILIES, Family, Shape};
use super::model_name::{self, is_number, is_size};

/// What a name says of a billed model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// It names the model, its family or its tier.
    Same,
    /// It names another model, version or family.
    Other,
    /// It names no model.
    None,
}

/// The parts of a name.
struct Parts {
    family: &'static Family,
    versions: Vec<String>,
    words: Vec<String>,
}

impl Parts {
    fn of(family: &'static Family, rest: &[String]) -> Self {
        let (family, rest) = model_name::settled(family, rest);
        // The letter of a version is written or not: `DeepSeek V3.1`, `Rerank 3.5`.
        let rest = rest.into_iter().filter(|word| word != "v");
        let (versions, words): (Vec<String>, Vec<String>) = rest.partition(|word| is_number(word));
        let whole = |version: String| version.strip_suffix(".0").map_or(version.clone(), String::from);
        let mut versions: Vec<String> = versions.into_iter().map(whole).collect();
        // The first Nova models have no number: `Nova Lite` is one model, and `Nova 2 Lite` another.
        if family.shape == Shape::Nova && versions.is_empty() && !words.is_empty() {
            versions.push("1".into());
        }
        Self { family, versions, words }
    }

    /// Whether these are some of another name's parts.
    fn are_of(&self, other: &Self) -> bool {
        self.family.display == other.family.display
            && other.versions.starts_with(&self.versions)
            && self.words.iter().all(|word| other.words.contains(word))
    }
}

/// What a name says of a billed model; none where that one is not known.
pub fn likeness(name: &str, billed: &str) -> Option<Likeness> {
    let of_billed = recognise_model(billed)?;
    if let Some(tier) = tier_word(name) {
        let is_its = of_billed.tier.as_deref() == Some(tier);
        return Some(if is_its { Likeness::Same } else { Likeness::Other });
    }
    let named = recognise_model(name);
    if named.as_ref().is_some_and(|named| named.name == of_billed.name) {
        return Some(Likeness::Same);
    }
    let parts = model::read(billed).and_then(|Read { publisher, words, .. }| {
        model::family_of(&words, publisher).map(|(family, rest)| Parts::of(family, rest))
    });
    let said = model::read(name).and_then(|read| said(&read, named.is_some(), parts.as_ref()));
    Some(match said {
        Some(true) => Likeness::Same,
        Some(false) => Likeness::Other,
        None if named.is_some() => Likeness::Other,
        None => Likeness::None,
    })
}

/// Whether words name the billed model; none where they name no model at all.
fn said(read: &Read, is_model: bool, billed: Option<&Parts>) -> Option<bool> {
    let agrees = |family: &'static Family, rest: &[String]| {
        let parts = Parts::of(family, rest);
        billed.is_some_and(|billed| parts.are_of(billed))
    };
    if let Some((family, rest)) = model::family_of(&read.words, read.publisher) {
        // Families of two publishers may have one name.
        let by_billed = || billed.is_some_and(|billed| billed.family.words == family.words && rest.is_empty());
        return (is_model || rest.is_empty()).then(|| agrees(family, rest) || by_billed());
    }
    let is_part = |family: &Family, word: &String| model_name::known(family, word) || is_number(word) || is_size(word);
    let fits = |family: &&'static Family| {
        read.publisher.is_none_or(|publisher| publisher.name == family.publisher)
            && read.words.iter().any(|word| model_name::known(family, word) && !is_number(word) && word.len() > 1)
            && read.words.iter().all(|word| is_part(family, word))
    };
    let mut fitting = FAMILIES.iter().filter(fits).peekable();
    fitting.peek()?;
    Some(fitting.any(|family| agrees(family, &read.words)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_less_full_name_names_the_billed_model() {
        for (billed, names) in [
            (
                "Claude Sonnet 4.6",
                &["Claude Sonnet", "claude-sonnet", "claude", "Anthropic Claude", "Sonnet 4.6", "sonnet-4-6", "sonnet"]
                    [..],
            ),
            ("Claude Opus 5", &["Opus 5", "Opus", "opus-5"]),
            ("Claude 3.5 Sonnet v2", &["Claude 3.5 Sonnet", "claude-3-5-sonnet", "3.5 Sonnet", "Sonnet 3.5"]),
            ("Llama 3.3 70B", &["Llama 3.3", "llama", "Meta Llama", "Llama 70B"]),
            ("Llama 4 Maverick 17B", &["Llama 4 Maverick", "Llama 4", "maverick", "Maverick 17B"]),
            ("Cohere Rerank English 3", &["Cohere Rerank", "rerank", "Rerank English"]),
            ("Nova 2.0 Lite", &["Nova 2 Lite", "Nova", "Amazon Nova 2", "lite"]),
            ("Nova Lite", &["nova", "Amazon Nova", "amazon.nova-lite-v1:0"]),
            ("gpt-oss-120b", &["gpt-oss"]),
            ("Qwen3 Coder 30B", &["qwen", "Qwen3", "Qwen3 Coder"]),
            ("Titan Text Embeddings V2", &["Titan", "Titan Embeddings"]),
        ] {
            for name in names {
                assert_eq!(likeness(name, billed), Some(Likeness::Same), "{name} on {billed}");
            }
        }
    }

    #[test]
    fn another_version_tier_or_family_is_another_model() {
        for (billed, names) in [
            (
                "Claude Sonnet 4.6",
                &["Claude Haiku", "Haiku 4.5", "Sonnet 4.5", "Claude Sonnet 4", "Claude 4", "Llama", "nova", "haiku"][..],
            ),
            ("Claude 3.5 Sonnet v2", &["Claude 2", "Claude 3.7 Sonnet", "Sonnet 4"]),
            ("Llama 3.3 70B", &["Llama 3", "Llama 3.1", "Llama 3.3 8B", "Llama 4 Maverick", "Maverick 17B"]),
            ("Nova 2.0 Lite", &["Nova Lite", "Nova 2 Pro", "Nova Pro"]),
            ("Nova Lite", &["Nova 2", "Nova 2 Lite", "titan"]),
            ("Cohere Rerank English 3", &["Cohere Rerank 3.5", "Cohere Rerank Multilingual", "Cohere Embed"]),
            ("gpt-oss-120b", &["gpt-oss-20b", "GPT-5.4"]),
        ] {
            for name in names {
                assert_eq!(likeness(name, billed), Some(Likeness::Other), "{name} on {billed}");
            }
        }
    }

    #[test]
    fn prose_and_bare_numbers_name_no_model() {
        for name in ["the good one", "4.6", "Claude Platform on AWS", "chat", "sonnet for the web", ""] {
            assert_eq!(likeness(name, "Claude Sonnet 4.6"), Some(Likeness::None), "{name}");
        }
        assert_eq!(likeness("anything", "no known model"), None);
    }
}
