//! Finding: from the names of files to folders that may be exports or metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::error::Result;
use crate::place::{Entry, Place};
use crate::sources::bill::{layout, manifest};

/// Files that are looked at below a local folder, which may be somebody's home.
const FILES_MAX: usize = 50_000;
/// Folders below each other that are entered.
const DEPTH_MAX: usize = 12;
/// Folders that hold neither, and many files.
const PASSED_OVER: [&str; 3] = ["node_modules", "target", "cost_and_usage_data_status"];

/// Folders that may hold something, relative to where the search began; empty is that folder itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Exports, and whether their layout is one that AWS writes.
    pub(super) exports: BTreeMap<String, bool>,
    /// Metrics, with the files in question, sorted.
    pub(super) metrics: BTreeMap<String, Vec<Entry>>,
    /// Whether there were more files than are looked at.
    pub(super) is_cut: bool,
}

/// Looks at the names of all files below a place.
pub(super) fn below(place: &Place) -> Result<Found> {
    let (entries, is_cut) = match place {
        Place::Local(folder) => {
            let mut entries = Vec::new();
            walk(folder, "", 0, &mut entries);
            let is_cut = entries.len() >= FILES_MAX;
            entries.sort();
            (entries, is_cut)
        }
        Place::S3(..) => (place.list()?.entries, false),
    };
    let shown = place.display();
    let root = shown.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    Ok(Found { is_cut, ..sort_out(entries, root) })
}

fn walk(folder: &Path, prefix: &str, depth: usize, entries: &mut Vec<Entry>) {
    // What cannot be read is not there for a search.
    let Ok(found) = fs::read_dir(folder) else { return };
    for entry in found.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let Some(name) = name.to_str().filter(|name| !is_passed_over(name)) else { continue };
        if entries.len() >= FILES_MAX {
            return;
        }
        let relative = format!("{prefix}{name}");
        let is_link = path.is_symlink();
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {
                if depth < DEPTH_MAX && !is_link {
                    walk(&path, &format!("{relative}/"), depth + 1, entries);
                }
            }
            Ok(metadata) => {
                entries.push(Entry { path: relative, size: metadata.len(), tag: None, modified: None });
            }
            Err(_) => {}
        }
    }
}

fn is_passed_over(name: &str) -> bool {
    name.starts_with(['.', '_']) || PASSED_OVER.contains(&name)
}

fn sort_out(entries: Vec<Entry>, root: &str) -> Found {
    let mut found = Found::default();
    for entry in entries {
        let lower = entry.path.to_ascii_lowercase();
        if entry.path.split('/').any(is_passed_over) {
            continue;
        }
        if manifest::is_manifest(&lower) || lower.ends_with(".parquet") {
            match layout::export_of(&entry.path) {
                Some(export) => found.exports.insert(layout::without_echo(&export, root), true),
                None if lower.ends_with(".parquet") => {
                    let folder = folder_of(&entry.path).to_string();
                    let is_known = found.exports.get(&folder).copied().unwrap_or(false);
                    found.exports.insert(folder, is_known)
                }
                None => None,
            };
        } else if may_be_metrics(&lower) {
            found.metrics.entry(source_of(&entry.path)).or_default().push(entry);
        }
    }
    // A source is read with all that lies below it.
    let folders: BTreeSet<String> = found.metrics.keys().cloned().collect();
    for folder in &folders {
        let above = folders.iter().find(|above| *above != folder && is_below(folder, above));
        if let Some(above) = above {
            let files = found.metrics.remove(folder).unwrap_or_default();
            found.metrics.entry(above.clone()).or_default().extend(files);
        }
    }
    found.metrics.values_mut().for_each(|files| files.sort());
    found
}

/// Whether a folder lies below another.
pub(super) fn is_below(folder: &str, above: &str) -> bool {
    !folder.is_empty() && (above.is_empty() || folder.strip_prefix(above).is_some_and(|rest| rest.starts_with('/')))
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Files as metric streams and people name them; Firehose gives its objects no ending.
fn may_be_metrics(lower: &str) -> bool {
    let name = lower.rsplit('/').next().unwrap_or(lower);
    let is_text = [".json", ".jsonl", ".ndjson"].iter().any(|ending| name.ends_with(ending));
    let is_packed = name.ends_with(".gz") && !name.ends_with(".csv.gz") && !name.ends_with(".tar.gz");
    is_text || is_packed || (!name.contains('.') && name.matches('-').count() >= 8)
}

/// The folder of a source: without the dates, accounts and regions into which its files are sorted.
fn source_of(path: &str) -> String {
    let mut parts: Vec<&str> = folder_of(path).split('/').collect();
    while parts.last().is_some_and(|part| is_sorted_by(part)) {
        parts.pop();
    }
    parts.join("/")
}

fn is_sorted_by(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let words: Vec<&str> = name.split('-').collect();
    // `us-east-1`, and `2026-11-22` too.
    let is_region = words.len() >= 3 && words.last().is_some_and(|word| is_number(word)) && name.len() <= 16;
    is_number(name) || name.contains('=') || is_region
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(paths: &[&str], root: &str) -> Found {
        let entry = |path: &&str| Entry { path: (*path).into(), size: 1, tag: None, modified: None };
        sort_out(paths.iter().map(entry).collect(), root)
    }

    #[test]
    fn exports_are_told_by_their_layouts() {
        let found = found(
            &[
                "cur2/e/data/BILLING_PERIOD=2026-11/e-00001.snappy.parquet",
                "cur2/e/metadata/BILLING_PERIOD=2026-11/e-Manifest.json",
                "legacy/r/r/year=2026/month=11/r-00001.snappy.parquet",
                "legacy/r/20261101-20261201/r-Manifest.json",
                "plain/a.parquet",
                ".billtag/charges/billing_period=2026-11/part-0.parquet",
            ],
            "",
        );
        let exports: Vec<(&str, bool)> = found.exports.iter().map(|(path, known)| (path.as_str(), *known)).collect();
        assert_eq!(exports, [("cur2/e", true), ("legacy/r", true), ("plain", false)]);
    }

    #[test]
    fn a_report_that_is_named_itself_is_its_own_root() {
        let found = found(&["r/year=2026/month=11/r-00001.snappy.parquet"], "r");
        assert_eq!(found.exports.keys().collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn a_source_of_metrics_is_the_folder_above_dates_accounts_and_regions() {
        let found = found(
            &[
                "cw/2026/11/22/05/stream-1-2026-11-22-05-00-00-aaaaaaaa-0000-4000-8000-000000000001.gz",
                "cw/replies/111122223333/us-east-1/tokens.request.json",
                "exports.tar.gz",
                "cw/2026/11/22/06/s-1-2026-11-22-06-00-00-aaaaaaaa-0000-4000-8000-000000000001",
            ],
            "",
        );
        let sources: Vec<(&str, usize)> =
            found.metrics.iter().map(|(path, files)| (path.as_str(), files.len())).collect();
        assert_eq!(sources, [("cw", 3)]);
    }
}
