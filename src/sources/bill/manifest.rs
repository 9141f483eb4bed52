//! Manifests: which files make up a billing period.
//!
//! No real CUR 2.0 manifest is public, so the reader is lenient: it takes the list of files under any
//! of the keys seen in the wild, as texts or as objects, and the period from the content or the path.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock;
use crate::error::{Error, Result};
use crate::place::Entry;

/// A manifest's content, as far as billtag needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Billing period, `YYYY-MM`.
    pub period: Option<String>,
    /// Entries as written, usually `s3://` addresses.
    pub entries: Vec<String>,
    /// When the export was made, where the manifest says so; epoch seconds.
    pub time: Option<i64>,
}

/// Keys under which file lists were seen, without case and `_`.
const FILE_KEYS: [&str; 4] = ["datafiles", "reportkeys", "files", "keys"];
/// Keys of an entry object.
const ENTRY_KEYS: [&str; 7] = ["s3uri", "uri", "url", "key", "path", "name", "file"];
/// Keys that hold the time of the export.
const TIME_KEYS: [&str; 6] = ["createdat", "creationtime", "lastupdated", "timestamp", "executiontime", "executionid"];
/// Keys under which the whole manifest may lie.
const WRAPPERS: [&str; 2] = ["manifest", "metadata"];

/// Whether a file is a manifest, by its name: `*Manifest.json`, in any case.
pub fn is_manifest(path: &str) -> bool {
    path.to_ascii_lowercase().ends_with("manifest.json")
}

/// Reads a manifest that lies at `path` below its export, `address` in full.
///
/// # Errors
/// Where it is no manifest.
pub fn parse(path: &str, address: &str, bytes: &[u8]) -> Result<Manifest> {
    let unusable =
        |what: String| Error::input(address, what, "wait for the export's next delivery, or copy the manifest again");
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let json: Value =
        serde_json::from_slice(bytes).map_err(|error| unusable(format!("the manifest is not JSON ({error})")))?;
    let json =
        WRAPPERS.iter().find_map(|key| member(&json, key).filter(|inner| list(inner).is_some())).unwrap_or(&json);
    let entries = list(json).ok_or_else(|| {
        unusable("the manifest lists no files (no `dataFiles` or `reportKeys`, or an empty one)".into())
    })?;
    let entries = entries
        .iter()
        .map(|entry| {
            let address = entry.as_str().or_else(|| ENTRY_KEYS.iter().find_map(|key| member(entry, key)?.as_str()));
            let address =
                address.ok_or_else(|| unusable(format!("the manifest has an entry without an address: {entry}")))?;
            Ok(unescaped(address))
        })
        .collect::<Result<BTreeSet<_>>>()?;
    let period = period_of_content(json).or_else(|| period_of_path(path));
    let time = TIME_KEYS.iter().find_map(|key| time_of(member(json, key)?));
    Ok(Manifest { period, entries: entries.into_iter().collect(), time })
}

/// The first list of files that is not empty.
fn list(json: &Value) -> Option<&Vec<Value>> {
    let lists = FILE_KEYS.iter().filter_map(|key| {
        let found = member(json, key)?;
        found.as_array().or_else(|| FILE_KEYS.iter().find_map(|key| member(found, key)?.as_array()))
    });
    lists.into_iter().find(|list| !list.is_empty())
}

/// A member by its name without case and `_`.
fn member<'a>(json: &'a Value, name: &str) -> Option<&'a Value> {
    let squeezed = |key: &str| key.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect::<String>();
    json.as_object()?.iter().find(|(key, _)| squeezed(key) == name).map(|(_, value)| value)
}

/// An address with `%3D` and its like read.
fn unescaped(address: &str) -> String {
    let bytes = address.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| address.get(at + 1..at + 3)).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| address.to_string())
}

fn period_of_content(json: &Value) -> Option<String> {
    let period = member(json, "billingperiod")?;
    let text = period.as_str().or_else(|| member(period, "start")?.as_str())?;
    let digits: String = text.chars().filter(char::is_ascii_digit).take(6).collect();
    if digits.len() < 6 {
        return None;
    }
    month(&digits[..4], &digits[4..6])
}

fn time_of(value: &Value) -> Option<i64> {
    if let Some(number) = value.as_i64() {
        // Milliseconds where the number is too large to be seconds of this century.
        return Some(if number > 100_000_000_000 { number / 1_000 } else { number });
    }
    let text = value.as_str()?;
    if let Ok(time) = clock::parse(text) {
        return Some(time);
    }
    execution_time(text)
}

/// The time in an execution id: `2024-04-02T13:14:43.337Z-6b62…` or `20260702T120000Z-a1b2…`.
pub fn execution_time(text: &str) -> Option<i64> {
    let stamp = &text[..=text.find('Z')?];
    if let Ok(time) = clock::parse(stamp) {
        return Some(time);
    }
    chrono::NaiveDateTime::parse_from_str(stamp, "%Y%m%dT%H%M%SZ").ok().map(|time| time.and_utc().timestamp())
}

/// The billing period that a path names: `BILLING_PERIOD=2026-11`, `year=2026/month=11` or
/// `20261101-20261201`.
pub fn period_of_path(path: &str) -> Option<String> {
    let mut year = None;
    for name in path.split('/') {
        let name = name.to_ascii_lowercase();
        if let Some(value) = name.strip_prefix("billing_period=") {
            let (year, rest) = value.split_once('-')?;
            return month(year, rest);
        }
        if let Some(value) = name.strip_prefix("year=") {
            year = Some(value.to_string());
        } else if let (Some(value), Some(year)) = (name.strip_prefix("month="), &year) {
            return month(year, value);
        } else if is_date_range(&name) {
            return month(&name[..4], &name[4..6]);
        }
    }
    None
}

/// Whether a folder name is the legacy layout's `yyyymmdd-yyyymmdd`.
fn is_date_range(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.len() == 17 && bytes[8] == b'-' && bytes.iter().enumerate().all(|(at, byte)| at == 8 || byte.is_ascii_digit())
}

fn month(year: &str, month: &str) -> Option<String> {
    let year: u16 = year.parse().ok()?;
    let month: u8 = month.get(..2).unwrap_or(month).parse().ok()?;
    ((1..=12).contains(&month) && year >= 1970).then(|| format!("{year:04}-{month:02}"))
}

/// Finds the file of a manifest entry: the one whose path shares the longest tail with it.
///
/// `files` are relative to the export's folder. A file whose own path speaks of another period or
/// execution is no match, however alike its name.
pub fn find_entry<'a>(entry: &str, files: &'a [Entry]) -> Option<&'a Entry> {
    let wanted: Vec<&str> = entry.split('/').filter(|part| !part.is_empty()).collect();
    let mut best: Option<(usize, &Entry)> = None;
    let mut tied = false;
    for file in files {
        let parts: Vec<&str> = file.path.split('/').collect();
        let shared = parts.iter().rev().zip(wanted.iter().rev()).take_while(|(a, b)| a == b).count();
        let differs = parts.len().checked_sub(shared + 1).map(|at| parts[at]);
        if shared == 0 || (shared < wanted.len() && differs.is_some_and(is_structural)) {
            continue;
        }
        match best {
            Some((length, _)) if length > shared => {}
            Some((length, _)) if length == shared => tied = true,
            _ => {
                best = Some((shared, file));
                tied = false;
            }
        }
    }
    best.filter(|_| !tied).map(|(_, file)| file)
}

/// Whether a folder name carries meaning in a layout: a partition, a date range or an execution.
fn is_structural(name: &str) -> bool {
    let dashes_and_digits = name.bytes().filter(|byte| byte.is_ascii_digit() || *byte == b'-').count();
    name.contains('=')
        || is_date_range(name)
        || execution_time(name).is_some()
        || (name.len() >= 20 && dashes_and_digits >= 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(paths: &[&str]) -> Vec<Entry> {
        let entry = |path: &&str| Entry { path: (*path).into(), size: 0, tag: None, modified: None };
        paths.iter().map(entry).collect()
    }

    #[test]
    fn a_period_is_read_from_every_layout() {
        let of = period_of_path;
        assert_eq!(of("x/data/BILLING_PERIOD=2026-11/a.parquet").as_deref(), Some("2026-11"));
        assert_eq!(of("r/r/year=2026/month=8/a.parquet").as_deref(), Some("2026-08"));
        assert_eq!(of("r/20261101-20261201/a.parquet").as_deref(), Some("2026-11"));
        assert_eq!(of("r/year=2026/month=13/a.parquet"), None);
        assert_eq!(of("plain/a.parquet"), None);
    }

    #[test]
    fn an_entry_finds_its_file_by_the_longest_tail() {
        let files = entries(&[
            "data/BILLING_PERIOD=2026-10/e-00001.snappy.parquet",
            "data/BILLING_PERIOD=2026-11/e-00001.snappy.parquet",
        ]);
        let entry = "s3://bucket/prefix/e/data/BILLING_PERIOD=2026-11/e-00001.snappy.parquet";
        assert_eq!(find_entry(entry, &files), Some(&files[1]));
        let missing = "s3://bucket/prefix/e/data/BILLING_PERIOD=2026-12/e-00001.snappy.parquet";
        assert_eq!(find_entry(missing, &files), None);
        let flat = entries(&["november/e-00001.snappy.parquet"]);
        assert_eq!(find_entry(entry, &flat), Some(&flat[0]));
    }

    #[test]
    fn an_entry_of_another_execution_is_no_match() {
        let files = entries(&["data/BILLING_PERIOD=2026-10/20261005T060000Z-aaaaaaaa/e-00001.snappy.parquet"]);
        let entry = "s3://b/data/BILLING_PERIOD=2026-10/20261009T060000Z-bbbbbbbb/e-00001.snappy.parquet";
        assert_eq!(find_entry(entry, &files), None);
    }

    #[test]
    fn the_time_of_an_execution_is_read_in_both_spellings() {
        assert!(execution_time("2024-04-02T13:14:43.337Z-6b622448").is_some());
        assert_eq!(execution_time("20260702T120000Z-a1b2c3d4"), clock::parse("2026-07-02T12:00:00Z").ok());
        assert_eq!(execution_time("6b622448-daaa"), None);
    }
}
