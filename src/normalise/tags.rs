//! Tags and cost categories as JSON text: as billed, each key led by its carrier, keys sorted.

use std::collections::BTreeMap;

use crate::sources::bill::columns::PairSource;
use crate::sources::bill::lines::Lines;

/// Prefix of resource tags that came without one.
const RESOURCE: &str = "resourceTags/";

/// The tags of a line as JSON text, or `None` where it has none.
pub fn json(lines: &Lines, row: usize) -> Option<String> {
    let mut tags = BTreeMap::new();
    lines.pairs(PairSource::ResourceTags, row, &mut |key, value| {
        tags.insert(format!("{RESOURCE}{key}"), value.to_string());
    });
    lines.pairs(PairSource::Tags, row, &mut |key, value| {
        let key = if key.contains('/') { key.to_string() } else { format!("{RESOURCE}{key}") };
        tags.insert(key, value.to_string());
    });
    to_json(&tags)
}

/// The cost categories of a line as JSON text.
pub fn cost_categories(lines: &Lines, row: usize) -> Option<String> {
    let mut categories = BTreeMap::new();
    lines.pairs(PairSource::CostCategory, row, &mut |key, value| {
        categories.insert(key.to_string(), value.to_string());
    });
    lines.pairs(PairSource::Tags, row, &mut |key, value| {
        if let Some(name) = key.strip_prefix("costCategory/") {
            categories.entry(name.to_string()).or_insert_with(|| value.to_string());
        }
    });
    to_json(&categories)
}

fn to_json(map: &BTreeMap<String, String>) -> Option<String> {
    if map.is_empty() { None } else { serde_json::to_string(map).ok() }
}
