//! Notes in the store: what the last audit found wrong, so that the next one can say what was fixed, and
//! which cost allocation tags AWS named when `doctor` asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Audit, Item, faults};
use crate::error::Result;
use crate::facts::store::Store;

/// Where the last audit's note lies.
const AUDIT: &str = "audit.json";
/// Where AWS's list of cost allocation tags lies.
const TAGS: &str = "cost_allocation_tags.json";

/// What an audit found wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its last judged day.
    pub day: i32,
    /// What was wrong with whom, by its name.
    pub wrong: BTreeMap<String, String>,
    /// Fingerprint of the rules that it judged by, see [`crate::config::Config::rules`].
    #[serde(default)]
    pub rules: String,
}

/// What audits found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The last one.
    pub last: Found,
    /// The one before it that judged to an earlier day: an audit that is run again says the same.
    pub before: Option<Found>,
}

/// What was wrong at the last audit and is right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// Its place among the items.
    pub item: usize,
    /// What was wrong.
    pub faults: String,
    /// The last judged day of that audit.
    pub since: i32,
    /// Whether that audit judged by other rules, so that they may be what changed.
    pub by_other_rules: bool,
}

impl Note {
    /// The note to compare with, at an audit that judges to a day.
    fn before(&self, day: i32) -> Option<&Found> {
        if self.last.day < day { Some(&self.last) } else { self.before.as_ref().filter(|before| before.day < day) }
    }

    /// What is mended since.
    pub fn mended(&self, items: &[Item], day: i32, rules: &str) -> Vec<Mended> {
        let Some(before) = self.before(day) else { return Vec::new() };
        let by_other_rules = before.rules != rules;
        let right = items.iter().enumerate().filter(|(_, item)| item.is_compliant());
        let mended = right.filter_map(|(at, item)| {
            let faults = before.wrong.get(&name_of(item))?.clone();
            Some(Mended { item: at, faults, since: before.day, by_other_rules })
        });
        mended.collect()
    }

    /// The note of the first audit.
    fn first(audit: &Audit, day: i32) -> Self {
        let wrong = audit.open_items().map(|item| (name_of(item), faults(item))).collect();
        Self { last: Found { day, wrong, rules: audit.rules.clone() }, before: None }
    }

    /// The note after another audit.
    fn after(&self, audit: &Audit, day: i32) -> Self {
        Self { before: self.before(day).cloned(), ..Self::first(audit, day) }
    }
}

/// What an item is known by from one audit to the next.
fn name_of(item: &Item) -> String {
    [item.carrier.name(), &item.account, &item.currency, &item.id].join("\n")
}

/// The note of the last audit. A damaged one only means that nothing is known to be fixed.
///
/// # Errors
/// Where the store cannot be read.
pub fn read(store: &Store) -> Result<Option<Note>> {
    Ok(store.place().get(AUDIT)?.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok()))
}

/// Notes what an audit found, in one step; one of an earlier day than was noted leaves the note as it is.
///
/// # Errors
/// Where the store cannot be written.
pub fn keep(store: &Store, audit: &Audit) -> Result<()> {
    let Some((_, day)) = audit.window else { return Ok(()) };
    let held = read(store)?;
    if held.as_ref().is_some_and(|note| note.last.day > day) {
        return Ok(());
    }
    let note = held.as_ref().map_or_else(|| Note::first(audit, day), |note| note.after(audit, day));
    if held.as_ref() == Some(&note) { Ok(()) } else { store.write_json(AUDIT, &note) }
}

/// AWS's list of cost allocation tags, as `doctor` kept it: each key, and whether it is active.
///
/// # Errors
/// Where the store cannot be read.
pub fn listed_tags(store: &Store) -> Result<BTreeMap<String, bool>> {
    let list = store.place().get(TAGS)?.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok());
    Ok(list.unwrap_or_default())
}

/// Keeps AWS's list of cost allocation tags.
///
/// # Errors
/// Where the store cannot be written.
pub fn keep_listed_tags(store: &Store, tags: &BTreeMap<String, bool>) -> Result<()> {
    if listed_tags(store)? == *tags { Ok(()) } else { store.write_json(TAGS, tags) }
}
