//! What was decoded of a row group's columns to test them, for when their values are taken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::leaf::{DataPage, Dictionary};

/// Bytes that are kept of a row group; what goes beyond is decoded again.
const LIMIT: usize = 12 << 20;

/// Dictionaries and pages, by leaf of the row group.
#[derive(Debug, Default)]
pub struct Kept(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    dictionaries: BTreeMap<usize, Arc<Dictionary>>,
    pages: BTreeMap<usize, Vec<DataPage>>,
    bytes: usize,
}

impl Kept {
    fn with<Found>(&self, find: impl FnOnce(&mut Inner) -> Found) -> Found {
        find(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A chunk's dictionary.
    pub fn dictionary(&self, leaf: usize) -> Option<Arc<Dictionary>> {
        self.with(|inner| inner.dictionaries.get(&leaf).cloned())
    }

    /// All pages of a chunk.
    pub fn pages(&self, leaf: usize) -> Option<Vec<DataPage>> {
        self.with(|inner| inner.pages.get(&leaf).cloned())
    }

    /// Keeps a chunk's dictionary, where there is room.
    pub fn keep_dictionary(&self, leaf: usize, dictionary: &Arc<Dictionary>) {
        self.with(|inner| {
            if inner.bytes + dictionary.bytes() <= LIMIT && !inner.dictionaries.contains_key(&leaf) {
                inner.bytes += dictionary.bytes();
                inner.dictionaries.insert(leaf, Arc::clone(dictionary));
            }
        });
    }

    /// Keeps all pages of a chunk, where there is room and where the dictionary that they need is kept.
    pub fn keep_pages(&self, leaf: usize, keeping: Keeping) {
        let Keeping { pages: Some(pages), bytes } = keeping else { return };
        self.with(|inner| {
            let is_whole = inner.dictionaries.contains_key(&leaf) || !pages.iter().any(DataPage::is_dictionary);
            if is_whole && inner.bytes + bytes <= LIMIT {
                inner.bytes += bytes;
                inner.pages.insert(leaf, pages);
            }
        });
    }
}

/// The pages of a chunk while they are looked at.
#[derive(Debug)]
pub struct Keeping {
    /// None once they are too many.
    pages: Option<Vec<DataPage>>,
    bytes: usize,
}

impl Default for Keeping {
    fn default() -> Self {
        Self { pages: Some(Vec::new()), bytes: 0 }
    }
}

impl Keeping {
    /// Adds the next page.
    pub fn add(&mut self, page: DataPage) {
        self.bytes += page.bytes();
        if self.bytes > LIMIT {
            self.pages = None;
        }
        if let Some(pages) = &mut self.pages {
            pages.push(page);
        }
    }
}
