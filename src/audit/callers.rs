//! Callers: the tags of the resource that called, as the records of the periods hold them. Facts know
//! only what the tags mean, and the audit asks how they are spelled.

use std::collections::{BTreeMap, HashMap};

use crate::clock;
use crate::config::OWNER_NAMES;
use crate::facts::store::Record;

/// What stands between a key and the resource in the evidence.
const RUNG: &str = "=consumer_tag:";

/// Tags by resource and the first day on which it had them.
type Tags = BTreeMap<String, BTreeMap<i32, String>>;

/// The tags of what called, by month.
#[derive(Debug, Default)]
pub struct Callers<'a>(HashMap<&'a str, &'a Tags>);

impl<'a> Callers<'a> {
    /// Those of the stored periods.
    pub fn of(records: &'a [Record]) -> Self {
        let known = records.iter().filter(|record| !record.trust.consumer_tags.is_empty());
        Self(known.map(|record| (record.period.as_str(), &record.trust.consumer_tags)).collect())
    }

    /// The tags of the resource that the evidence names, as it had them on a day; empty where unknown.
    pub fn tags(&self, evidence: &str, day: i32) -> &'a str {
        if self.0.is_empty() {
            return "";
        }
        let days = resource(evidence)
            .and_then(|resource| self.0.get(clock::month_of(day).as_str()).and_then(|tags| tags.get(resource)));
        // As the ladder does: the tags in effect then, else the first that came later.
        let held = days.and_then(|days| days.range(..=day).next_back().or_else(|| days.iter().next()));
        held.map_or("", |(_, tags)| tags)
    }
}

/// The resource that called, where its tags named an owner.
pub fn resource(evidence: &str) -> Option<&str> {
    evidence.split("; ").find_map(|part| Some(part.split_once(RUNG)?.1))
}

/// Whether the tags of what called named a key.
pub fn names(evidence: &str, key: usize) -> bool {
    let of_key = |part: &str| part.strip_prefix(OWNER_NAMES[key]).is_some_and(|rest| rest.starts_with(RUNG));
    evidence.split("; ").any(of_key)
}
