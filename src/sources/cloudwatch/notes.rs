//! What is said about files: warnings where something was left out, failures where a file is not used.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Warning;

/// How many bad lines of one file are named before the rest is only counted.
const LINES_NAMED_MAX: usize = 5;

/// All warnings and failures so far, in reading order.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) warnings: Vec<Warning>,
    pub(super) failures: Vec<String>,
    warned: BTreeSet<Warning>,
    failed: BTreeSet<String>,
    /// Texts that stand for every place where they are true.
    once: BTreeSet<String>,
}

impl Notes {
    /// Warns once about something in a file.
    pub(super) fn warn(&mut self, file: &Path, line: Option<u64>, text: impl Into<String>) {
        let warning = Warning { file: file.to_owned(), line, text: text.into() };
        if self.warned.insert(warning.clone()) {
            self.warnings.push(warning);
        }
    }

    /// Warns about something where it is met first, and nowhere else.
    pub(super) fn warn_once(&mut self, file: &Path, line: Option<u64>, text: String) {
        if self.once.insert(text.clone()) {
            self.warn(file, line, text);
        }
    }

    /// Adds what was noted elsewhere, as if it had been noted here.
    pub(super) fn absorb(&mut self, other: Self) {
        for Warning { file, line, text } in other.warnings {
            match other.once.contains(&text) {
                true => self.warn_once(&file, line, text),
                false => self.warn(&file, line, text),
            }
        }
        for failure in other.failures {
            self.add_failure(failure);
        }
    }

    /// Whether nothing was noted.
    pub(super) fn is_empty(&self) -> bool {
        self.warnings.is_empty() && self.failures.is_empty()
    }

    /// Records once that a file, or a part of it, could not be used.
    pub(super) fn fail(&mut self, file: &Path, text: &str) {
        self.add_failure(format!("{}: {text}", file.display()));
    }

    fn add_failure(&mut self, failure: String) {
        if self.failed.insert(failure.clone()) {
            self.failures.push(failure);
        }
    }
}

/// The bad lines of one file.
pub(super) struct LineNotes {
    file: PathBuf,
    named: Vec<(u64, String)>,
    further: u64,
}

impl LineNotes {
    /// Starts with no bad line.
    pub(super) fn of(file: &Path) -> Self {
        Self { file: file.to_owned(), named: Vec::new(), further: 0 }
    }

    /// Notes a bad line.
    pub(super) fn add(&mut self, line: u64, text: impl Into<String>) {
        if self.named.len() < LINES_NAMED_MAX {
            self.named.push((line, text.into()));
        } else {
            self.further += 1;
        }
    }

    /// The first bad line.
    pub(super) fn first(&self) -> Option<(u64, &str)> {
        self.named.first().map(|(line, text)| (*line, text.as_str()))
    }

    /// Turns the notes into warnings.
    pub(super) fn report(self, notes: &mut Notes) {
        for (line, text) in self.named {
            notes.warn(&self.file, Some(line), text);
        }
        if self.further > 0 {
            notes.warn(&self.file, None, format!("{} more lines could not be used", self.further));
        }
    }
}
