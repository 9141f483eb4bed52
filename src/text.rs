//! Interned text: a bill repeats the same few thousand strings, so rows hold small numbers.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::distinct;

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

    /// Its place among the texts of its collection; zero where unknown.
    pub fn number(self) -> usize {
        self.0 as usize
    }

    /// This text, or the other where this is unknown.
    pub fn or(self, other: Self) -> Self {
        if self.is_null() { other } else { self }
    }
}

/// Distinct texts, one behind the other.
#[derive(Debug, Clone)]
pub struct Texts {
    all: String,
    /// By number: where the text ends.
    ends: Vec<usize>,
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Default for Texts {
    fn default() -> Self {
        // The empty text, number zero, is the unknown.
        Self { all: String::new(), ends: vec![0], places: HashTable::new(), hasher: DefaultHashBuilder::default() }
    }
}

impl Texts {
    /// The number of a text; empty text is unknown.
    pub fn intern(&mut self, text: &str) -> Text {
        if text.is_empty() {
            return Text::NULL;
        }
        let known = self.find(text);
        if !known.is_null() {
            return known;
        }
        let number = u32::try_from(self.ends.len()).expect("fewer than 2^32 distinct texts");
        self.all.push_str(text);
        self.ends.push(self.all.len());
        let Self { all, ends, places, hasher } = self;
        places.insert_unique(hasher.hash_one(text), number, |at| hasher.hash_one(slice(all, ends, *at)));
        Text(number)
    }

    /// The number of a text that is known already; null where it is not.
    pub fn find(&self, text: &str) -> Text {
        let is_it = |at: &u32| slice(&self.all, &self.ends, *at) == text;
        self.places.find(self.hasher.hash_one(text), is_it).map_or(Text::NULL, |number| Text(*number))
    }

    /// How many texts there are, the unknown among them.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Every text in order of number.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len() as u32).map(|at| slice(&self.all, &self.ends, at))
    }

    /// Bytes of the texts themselves.
    pub fn length(&self) -> usize {
        self.all.len()
    }

    /// Bytes that the texts take.
    pub fn bytes(&self) -> usize {
        const PLACE: usize = 5;
        self.all.capacity() + self.ends.capacity() * size_of::<usize>() + self.places.capacity() * PLACE
    }

    /// The number of a text that may be unknown.
    pub fn intern_opt(&mut self, text: Option<&str>) -> Text {
        text.map_or(Text::NULL, |text| self.intern(text))
    }

    /// The text, or `None` where unknown.
    pub fn get(&self, text: Text) -> Option<&str> {
        if text.is_null() { None } else { Some(slice(&self.all, &self.ends, text.0)) }
    }

    /// The text, or an empty one where unknown.
    pub fn str(&self, text: Text) -> &str {
        self.get(text).unwrap_or("")
    }

    /// Position of every text in sorted order, so that rows sort by text at the price of integers.
    pub fn ranks(&self) -> Ranks {
        let mut order: Vec<u32> = (0..self.ends.len() as u32).collect();
        order.sort_unstable_by(|a, b| slice(&self.all, &self.ends, *a).cmp(slice(&self.all, &self.ends, *b)));
        Ranks(distinct::places(&order))
    }
}

fn slice<'a>(all: &'a str, ends: &[usize], at: u32) -> &'a str {
    let at = at as usize;
    if at == 0 { "" } else { &all[ends[at - 1]..ends[at]] }
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
