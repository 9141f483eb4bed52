//! What was decoded of a row group's columns to test them, for when their values are taken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::leaf::{DataPage, Dictionary};

/// Bytes that are kept of a row group; what goes beyond is decoded again.
const LIMIT: usize = 12 << 20;

/// Dictionaries and pages, by the place of their column chunk in the file.
#[derive(Debug, Default)]
pub struct Kept(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    dictionaries: BTreeMap<u64, Arc<Dictionary>>,
    pages: BTreeMap<u64, Vec<DataPage>>,
    bytes: usize,
}

impl Kept {
    fn with<Found>(&self, find: impl FnOnce(&mut Inner) -> Found) -> Found {
        find(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A chunk's dictionary.
    pub fn dictionary(&self, chunk: u64) -> Option<Arc<Dictionary>> {
        self.with(|inner| inner.dictionaries.get(&chunk).cloned())
    }

    /// All pages of a chunk.
    pub fn pages(&self, chunk: u64) -> Option<Vec<DataPage>> {
        self.with(|inner| inner.pages.get(&chunk).cloned())
    }

    /// Keeps a chunk's dictionary, where there is room.
    pub fn keep_dictionary(&self, chunk: u64, dictionary: &Arc<Dictionary>) {
        self.with(|inner| {
            if inner.bytes + dictionary.bytes() <= LIMIT && !inner.dictionaries.contains_key(&chunk) {
                inner.bytes += dictionary.bytes();
                inner.dictionaries.insert(chunk, Arc::clone(dictionary));
            }
        });
    }

    /// Keeps all pages of a chunk, where there is room.
    pub fn keep_pages(&self, chunk: u64, keeping: Keeping) {
        let Keeping { pages: Some(pages), bytes } = keeping else { return };
        self.with(|inner| {
            if inner.bytes + bytes <= LIMIT {
                inner.bytes += bytes;
                inner.pages.insert(chunk, pages);
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
