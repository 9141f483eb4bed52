//! Splits a billing string or a model name into words.
//!
//! AWS writes the same word in three styles (`cache-read`, `cache_read`, `CacheRead`), so the parsers never look at
//! separators or case: they look at words. A word keeps its place in the text, because the model of a usage type is
//! whatever stands before the first word of the meter, spelled as AWS spelled it.

/// A text together with its words.
pub struct Words<'a> {
    raw: &'a str,
    lower: String,
    spans: Vec<(usize, usize)>,
}

impl<'a> Words<'a> {
    /// Splits `raw` at separators, at the humps of camel case and where letters turn into digits; a run of lower-case
    /// letters that is wholly made of words of `vocabulary` is split too, so `inputtokencount` reads like
    /// `InputTokenCount`.
    pub fn split(raw: &'a str, vocabulary: &[&str]) -> Self {
        let lower = raw.to_ascii_lowercase();
        let mut spans = Vec::new();
        for (start, end) in humps(raw) {
            match break_up(&lower[start..end], vocabulary) {
                Some(lengths) => push_parts(&mut spans, start, &lengths),
                None => spans.push((start, end)),
            }
        }
        Self { raw, lower, spans }
    }

    /// How many words there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// The word at `index` in lower case, or an empty text past the end, so callers need no bounds checks.
    pub fn at(&self, index: usize) -> &str {
        self.spans.get(index).map_or("", |&(start, end)| &self.lower[start..end])
    }

    /// Whether the words from `index` on are exactly `phrase`; returns the index after it.
    pub fn phrase(&self, index: usize, phrase: &[&str]) -> Option<usize> {
        let matches = phrase.iter().enumerate().all(|(offset, word)| self.at(index + offset) == *word);
        (matches && !phrase.is_empty()).then(|| index + phrase.len())
    }

    /// The first place at which `phrase` stands, as the indexes of its first word and of the word after it.
    pub fn find(&self, phrase: &[&str]) -> Option<(usize, usize)> {
        (0..self.len()).find_map(|index| self.phrase(index, phrase).map(|next| (index, next)))
    }

    /// The original text of the words `from..to`, without the separators around it; none if there are no such words.
    pub fn text(&self, from: usize, to: usize) -> Option<String> {
        if from >= to {
            return None;
        }
        let start = self.spans.get(from)?.0;
        let end = self.spans.get(to - 1)?.1;
        Some(self.raw[start..end].to_owned())
    }

    /// The words `from..to` joined with `_`, which is how a kind is spelled.
    pub fn snake(&self, from: usize, to: usize) -> String {
        (from..to).map(|index| self.at(index)).collect::<Vec<_>>().join("_")
    }

    /// All words in lower case.
    pub fn lower_words(&self) -> Vec<String> {
        (0..self.len()).map(|index| self.at(index).to_owned()).collect()
    }
}

fn push_parts(spans: &mut Vec<(usize, usize)>, start: usize, lengths: &[usize]) {
    let mut from = start;
    for length in lengths {
        spans.push((from, from + length));
        from += length;
    }
}

/// A dot belongs to a word only inside a number (`4.6`); everywhere else it separates, like any other sign.
fn is_word_byte(bytes: &[u8], index: usize) -> bool {
    let byte = bytes[index];
    let digit_at = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    byte.is_ascii_alphanumeric()
        || byte >= 0x80
        || (byte == b'.' && index > 0 && digit_at(index - 1) && digit_at(index + 1))
}

fn humps(raw: &str) -> Vec<(usize, usize)> {
    let bytes = raw.as_bytes();
    let mut spans = Vec::new();
    let mut start: Option<usize> = None;
    for index in 0..bytes.len() {
        if !is_word_byte(bytes, index) {
            if let Some(from) = start.take() {
                spans.push((from, index));
            }
        } else if let Some(from) = start {
            if is_hump(bytes, index) {
                spans.push((from, index));
                start = Some(index);
            }
        } else {
            start = Some(index);
        }
    }
    if let Some(from) = start {
        spans.push((from, bytes.len()));
    }
    spans
}

/// Whether a new word begins at `index` though no separator stands before it.
fn is_hump(bytes: &[u8], index: usize) -> bool {
    let (before, here, after) = (bytes[index - 1], bytes[index], bytes.get(index + 1).copied().unwrap_or(0));
    if here.is_ascii_uppercase() {
        // `120B` is one word, `4Haiku` is two; `HDRes` splits before the last capital.
        let ends_run = before.is_ascii_uppercase() && after.is_ascii_lowercase() && !is_plural_s(bytes, index);
        let shouted = after.is_ascii_uppercase() && bytes.get(index + 2).is_some_and(u8::is_ascii_uppercase);
        let after_digit = before.is_ascii_digit() && (after.is_ascii_lowercase() || shouted);
        return before.is_ascii_lowercase() || ends_run || after_digit;
    }
    if here.is_ascii_digit() {
        // `Write1h` splits, `8x7b` does not.
        return before.is_ascii_alphabetic() && !is_product_sign(bytes, index - 1);
    }
    here.is_ascii_lowercase() && before.is_ascii_digit() && starts_long_run(bytes, index)
}

/// The `s` in `APIs` does not begin a word.
fn is_plural_s(bytes: &[u8], index: usize) -> bool {
    bytes.get(index + 1) == Some(&b's') && !bytes.get(index + 2).is_some_and(u8::is_ascii_lowercase)
}

fn is_product_sign(bytes: &[u8], index: usize) -> bool {
    bytes[index].eq_ignore_ascii_case(&b'x') && index > 0 && bytes[index - 1].is_ascii_digit()
}

/// Letters after a number are its unit when there is one of them (`70b`, `1h`), else a word of their own (`4.6sonnet`).
fn starts_long_run(bytes: &[u8], index: usize) -> bool {
    bytes.get(index + 1).is_some_and(u8::is_ascii_alphabetic)
}

/// The lengths of vocabulary words that together make up the whole `text`; none if it is one word already or cannot be
/// split. Longer words are tried first, so `tokens` is never read as `token` and a stray `s`.
fn break_up(text: &str, vocabulary: &[&str]) -> Option<Vec<usize>> {
    const LONGEST: usize = 60;
    if text.len() > LONGEST || vocabulary.contains(&text) {
        return None;
    }
    let mut dead_ends = vec![false; text.len()];
    let mut lengths = Vec::new();
    (break_from(text, 0, vocabulary, &mut dead_ends, &mut lengths) && lengths.len() > 1).then_some(lengths)
}

/// Splits `text` from `at` on. A place from which there is no way to the end is remembered, so no place is tried twice
/// and the depth is at most the number of words.
fn break_from(text: &str, at: usize, vocabulary: &[&str], dead_ends: &mut [bool], lengths: &mut Vec<usize>) -> bool {
    if at == text.len() {
        return true;
    }
    if dead_ends[at] {
        return false;
    }
    let rest = &text.as_bytes()[at..];
    let mut fitting: Vec<usize> =
        vocabulary.iter().filter(|word| rest.starts_with(word.as_bytes())).map(|word| word.len()).collect();
    fitting.sort_unstable_by(|a, b| b.cmp(a));
    for length in fitting {
        lengths.push(length);
        if break_from(text, at + length, vocabulary, dead_ends, lengths) {
            return true;
        }
        lengths.pop();
    }
    dead_ends[at] = true;
    false
}
