//! What small files said when they were last read, so that an unchanged export is not read at all.
//!
//! Only files with a tag are kept: a local file has nothing to be known by but its bytes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::manifest::{self, Manifest};
use super::scan;
use crate::error::Result;
use crate::place::{Entry, Place};

/// What is known by address and tag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Manifests.
    manifests: BTreeMap<String, Manifest>,
    /// The billing periods in files outside of any layout.
    periods: BTreeMap<String, BTreeSet<String>>,
    /// What was asked for in this run; the rest is forgotten.
    #[serde(skip)]
    asked: BTreeSet<String>,
}

impl Known {
    /// A manifest's content.
    ///
    /// # Errors
    /// Where it cannot be read or is none.
    pub fn manifest(&mut self, place: &Place, entry: &Entry) -> Result<Manifest> {
        let key = self.ask(place, entry);
        if let Some(known) = key.as_ref().and_then(|key| self.manifests.get(key)) {
            return Ok(known.clone());
        }
        let manifest = manifest::parse(&entry.path, &place.address(&entry.path), &place.read(entry)?)?;
        if let Some(key) = key {
            self.manifests.insert(key, manifest.clone());
        }
        Ok(manifest)
    }

    /// The billing periods whose lines a file holds.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn periods(&mut self, place: &Place, entry: &Entry) -> Result<BTreeSet<String>> {
        let key = self.ask(place, entry);
        if let Some(known) = key.as_ref().and_then(|key| self.periods.get(key)) {
            return Ok(known.clone());
        }
        let periods = scan::periods_in(place, entry)?;
        if let Some(key) = key {
            self.periods.insert(key, periods.clone());
        }
        Ok(periods)
    }

    fn ask(&mut self, place: &Place, entry: &Entry) -> Option<String> {
        let key = format!("{} {}", place.address(&entry.path), entry.tag.as_ref()?);
        self.asked.insert(key.clone());
        Some(key)
    }

    /// Forgets what no listing shows any more.
    pub fn forget_the_rest(&mut self) {
        self.manifests.retain(|key, _| self.asked.contains(key));
        self.periods.retain(|key, _| self.asked.contains(key));
    }
}
