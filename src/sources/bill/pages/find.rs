//! Finding: which lines of a row group hold a value that passes a test.
//!
//! Where a dictionary lists every value and none passes, not even the pages are read; where some do,
//! the indices are looked at; only plain texts are tested one by one.

use std::cell::Cell;

use parquet::basic::{Encoding, Type};

use super::Stop;
use super::kept::{Keeping, Kept};
use super::leaf::{DataPage, Dictionary, Leaf, Plain};
use super::levels::{Lists, levels_of};

/// Lines of a row group, each marked or not.
#[derive(Debug, Clone)]
pub struct Marks {
    words: Vec<u64>,
    /// Lines that there are.
    rows: usize,
}

impl Marks {
    /// No line of so many is marked. Room is taken as lines are marked, since a footer may lie about them.
    pub fn none(rows: usize) -> Self {
        Self { words: Vec::new(), rows }
    }

    /// Marks a line.
    pub fn add(&mut self, row: usize) {
        if row < self.rows {
            if row / 64 >= self.words.len() {
                self.words.resize(row / 64 + 1, 0);
            }
            self.words[row / 64] |= 1 << (row % 64);
        }
    }

    /// The marked lines, in order.
    pub fn rows(&self) -> Vec<u32> {
        let mut rows = Vec::new();
        for (at, word) in self.words.iter().enumerate() {
            let mut left = *word;
            while left != 0 {
                rows.push((at * 64) as u32 + left.trailing_zeros());
                left &= left - 1;
            }
        }
        rows
    }
}

/// A test of texts.
#[derive(Clone, Copy)]
pub struct Test<'a> {
    /// Whether a text passes.
    pub passes: &'a (dyn Fn(&str) -> bool + Sync),
    /// What the bytes of every text that passes look like; it spares most texts the test itself.
    pub looks: fn(&[u8]) -> bool,
}

impl std::fmt::Debug for Test<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Test").finish_non_exhaustive()
    }
}

impl<'a> Test<'a> {
    /// A test that looks at every text.
    pub const fn of(passes: &'a (dyn Fn(&str) -> bool + Sync)) -> Self {
        Self { passes, looks: |_| true }
    }

    /// Whether bytes are a text that passes.
    ///
    /// # Errors
    /// Where they are no text, which the general reader says better.
    pub fn holds(&self, text: &[u8]) -> Result<bool, Stop> {
        if !(self.looks)(text) {
            return Ok(false);
        }
        Ok((self.passes)(std::str::from_utf8(text).ok().ok_or(Stop::Declined)?))
    }
}

/// Marks every line with a value that passes, in a column of texts or in the values of a map.
///
/// What was decoded is kept, where there is room.
///
/// # Errors
/// Where a page is written in a way that is read elsewhere, or is damaged.
pub fn mark(
    mut leaf: Leaf,
    keys: Option<Leaf>,
    test: Test<'_>,
    (kept, marks): (&Kept, &mut Marks),
) -> Result<(), Stop> {
    let is_flat = keys.is_none() && leaf.max_repetition == 0 && leaf.max_definition <= 1;
    let is_map = keys.is_some() && leaf.max_repetition == 1;
    if leaf.physical != Type::BYTE_ARRAY || !(is_flat || is_map) {
        return Err(Stop::Declined);
    }
    leaf.read_dictionary()?;
    let passing = leaf.dictionary.as_ref().map(|dictionary| passing(dictionary, test)).transpose()?;
    let passing = passing.unwrap_or_default();
    // Levels, which in a column without lists are lines.
    let mut found: Vec<u32> = Vec::new();
    let mut first = 0;
    let mut pages = Keeping::default();
    while let Some(page) = leaf.page()? {
        let values = passing_of(&page, leaf.dictionary.as_deref(), &passing, test)?;
        let max = leaf.max_definition;
        levels_of(page.definition(max), max, &values, |level| {
            let level = first + level as usize;
            if is_map { found.push(level as u32) } else { marks.add(level) }
        })?;
        first += page.levels;
        pages.add(page);
    }
    if is_flat && first != marks.rows {
        // The general reader says what is wrong.
        return Err(Stop::Declined);
    }
    if let Some(dictionary) = &leaf.dictionary {
        kept.keep_dictionary(leaf.number, dictionary);
    }
    kept.keep_pages(leaf.number, pages);
    match keys {
        Some(keys) if !found.is_empty() => mark_lists(keys, &found, marks),
        _ => Ok(()),
    }
}

/// Which of a dictionary's values pass.
pub fn passing(dictionary: &Dictionary, test: Test<'_>) -> Result<Vec<bool>, Stop> {
    let text = |at: usize| dictionary.text(at).ok_or_else(|| Stop::damaged("a dictionary ends too early"));
    (0..dictionary.count()).map(|at| test.holds(text(at)?)).collect()
}

/// The places of a page's values that pass.
fn passing_of(
    page: &DataPage,
    dictionary: Option<&Dictionary>,
    passing: &[bool],
    test: Test<'_>,
) -> Result<Vec<u32>, Stop> {
    let mut values = Vec::new();
    if page.is_dictionary() {
        if dictionary.is_none() {
            return Err(Stop::damaged("a page needs a dictionary that is not there"));
        }
        let mut passing_ones = passing.iter().enumerate().filter(|(_, passes)| **passes).map(|(at, _)| at as u32);
        // A value that the dictionary does not have may be anything, so where any may pass it is not passed over.
        let is_beyond = Cell::new(false);
        let known = |index: u32| {
            is_beyond.set(is_beyond.get() | (index as usize >= passing.len()));
            index
        };
        match (passing_ones.next(), passing_ones.next()) {
            (None, _) => {}
            (Some(one), None) => page.indices()?.passing(|index| known(index) == one, |at| values.push(at as u32))?,
            _ => {
                let passes = |index: u32| passing.get(known(index) as usize).is_some_and(|passes| *passes);
                page.indices()?.passing(passes, |at| values.push(at as u32))?;
            }
        }
        if is_beyond.get() {
            return Err(Stop::damaged("an index beyond the dictionary"));
        }
        return Ok(values);
    }
    if page.encoding != Encoding::PLAIN {
        return Err(Stop::Declined);
    }
    let mut texts = Plain::new(&page.values);
    for at in 0..page.present {
        if test.holds(texts.next()?)? {
            values.push(at as u32);
        }
    }
    Ok(values)
}

/// Marks the lines to which levels of a list column belong.
fn mark_lists(mut keys: Leaf, found: &[u32], marks: &mut Marks) -> Result<(), Stop> {
    let mut lists = Lists::default();
    let mut wanted = found;
    let mut first = 0;
    while let (Some(page), false) = (keys.page()?, wanted.is_empty()) {
        lists.lines_of(page.repetition(keys.max_repetition), first, &mut wanted, |line| marks.add(line))?;
        first += page.levels;
    }
    Ok(())
}
