//! Interned text: a bill repeats the same few thousand strings, so rows hold small numbers.

use std::collections::HashMap;
use std::sync::Arc;

/// An interned text; `Text::NULL` is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Text(u32);

impl Text {
    /// The unknown.
    pub const NULL: Self = Self(0);

    /// Whether the text is unknown.
    pub fn is_null(self) -> bool {
        self.0 == 0
    }

    /// This text, or the other where this is unknown.
    pub fn or(self, other: Self) -> Self {
        if self.is_null() { other } else { self }
    }
}

/// Every distinct text of one billing period.
#[derive(Debug)]
pub struct Texts {
    by_number: Vec<Arc<str>>,
    by_text: HashMap<Arc<str>, u32>,
}

impl Default for Texts {
    fn default() -> Self {
        Self { by_number: vec!["".into()], by_text: HashMap::new() }
    }
}

impl Texts {
    /// The number of a text; empty text is unknown.
    pub fn intern(&mut self, text: &str) -> Text {
        if text.is_empty() {
            return Text::NULL;
        }
        if let Some(number) = self.by_text.get(text) {
            return Text(*number);
        }
        let number = u32::try_from(self.by_number.len()).expect("fewer than 2^32 distinct texts");
        let text: Arc<str> = text.into();
        self.by_number.push(Arc::clone(&text));
        self.by_text.insert(text, number);
        Text(number)
    }

    /// The number of a text that is known already; null where it is not.
    pub fn find(&self, text: &str) -> Text {
        self.by_text.get(text).map_or(Text::NULL, |number| Text(*number))
    }

    /// The number of a text that may be unknown.
    pub fn intern_opt(&mut self, text: Option<&str>) -> Text {
        text.map_or(Text::NULL, |text| self.intern(text))
    }

    /// The text, or `None` where unknown.
    pub fn get(&self, text: Text) -> Option<&str> {
        if text.is_null() { None } else { Some(&self.by_number[text.0 as usize]) }
    }

    /// The text, or an empty one where unknown.
    pub fn str(&self, text: Text) -> &str {
        self.get(text).unwrap_or("")
    }

    /// Position of every text in sorted order, so that rows sort by text at the price of integers.
    pub fn ranks(&self) -> Ranks {
        let mut order: Vec<u32> = (0..self.by_number.len() as u32).collect();
        order.sort_unstable_by(|a, b| self.by_number[*a as usize].cmp(&self.by_number[*b as usize]));
        let mut ranks = vec![0; order.len()];
        for (rank, number) in order.into_iter().enumerate() {
            ranks[number as usize] = rank as u32;
        }
        Ranks(ranks)
    }
}

/// Sort positions made by [`Texts::ranks`].
#[derive(Debug)]
pub struct Ranks(Vec<u32>);

impl Ranks {
    /// The sort position of a text; unknown comes first.
    pub fn of(&self, text: Text) -> u32 {
        self.0[text.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_one_number_and_empty_is_unknown() {
        let mut texts = Texts::default();
        let a = texts.intern("a");
        assert_eq!(texts.intern("a"), a);
        assert_eq!(texts.get(a), Some("a"));
        assert!(texts.intern("").is_null());
        assert_eq!(texts.get(Text::NULL), None);
    }

    #[test]
    fn ranks_follow_the_texts_and_not_their_arrival() {
        let mut texts = Texts::default();
        let (b, a) = (texts.intern("b"), texts.intern("a"));
        let ranks = texts.ranks();
        assert!(ranks.of(Text::NULL) < ranks.of(a) && ranks.of(a) < ranks.of(b));
    }
}
