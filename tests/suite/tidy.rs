//! The house rules, held by a test: small files, documented modules, queries of one form.

use std::path::{Path, PathBuf};

use crate::harness;

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn every_source_file_is_short_and_says_what_it_is() {
    for path in files_below(&harness::root().join("src"), "rs") {
        let text = std::fs::read_to_string(&path).expect("a file");
        let lines = text.lines().count();
        assert!(lines <= 560, "{} has {lines} lines", path.display());
        let is_test = path.components().any(|part| part.as_os_str() == "tests");
        assert!(is_test || text.starts_with("//!"), "{} has no module doc", path.display());
    }
}

#[test]
fn queries_stay_in_the_subset_that_every_engine_shares() {
    for path in files_below(&harness::root().join("queries"), "sql") {
        let text = std::fs::read_to_string(&path).expect("a file").to_lowercase();
        let code: String =
            text.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n");
        for word in ["date_trunc", "rollup", "qualify", "::", "filter (", "select *"] {
            assert!(!code.contains(word), "{} uses {word}", path.display());
        }
        assert!(text.lines().all(|line| line.len() <= 110), "{} has a long line", path.display());
    }
}

#[test]
fn the_repository_stays_small() {
    let size: u64 = ["fixtures", "queries", "src", "tests"]
        .iter()
        .flat_map(|part| harness::bytes_below(&harness::root().join(part)))
        // The store of whoever tried the fixtures is not the repository's.
        .filter(|(path, _)| !path.iter().any(|part| part == ".billtag"))
        .map(|(_, bytes)| bytes.len() as u64)
        .sum();
    assert!(size < 6_000_000, "{size} bytes");
}
