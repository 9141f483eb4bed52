//! What was read of a source: all its files together, and what is made of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::crew::Crew;
use super::folder::{self, Content};
use super::levels::{Levels, Measure};
use super::metric_data;
use super::notes::Notes;
use super::objects::{self, Piece};
use super::reader::unit_misfit;
use super::replies::Saved;
use super::series::Store;
use super::{CloudWatchError, MetricSource, Read, Warning, hours};

/// A request beside a single reply is small; larger neighbours are not searched for one.
const REQUEST_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What has been read.
pub(super) struct Reading<'a> {
    pub(super) source: &'a MetricSource,
    pub(super) levels: Arc<Levels>,
    pub(super) store: Store,
    pub(super) notes: Notes,
}

impl<'a> Reading<'a> {
    /// Starts with nothing read.
    pub(super) fn of(source: &'a MetricSource) -> Result<Self, CloudWatchError> {
        let levels = Arc::new(Levels::of(source)?);
        Ok(Self { source, levels, store: Store::default(), notes: Notes::default() })
    }

    /// Those who read the files; what they find is taken over when they are done.
    pub(super) fn crew(&self) -> Crew<'a> {
        Crew::of(self.source, &self.levels)
    }

    /// Whether a metric's unit can be that of its measure; said once where it cannot.
    pub(super) fn unit_fits(&mut self, file: &Path, metric: &str, unit: Option<&str>, measures: &[Measure]) -> bool {
        match unit_misfit(metric, unit, measures) {
            Some(text) => {
                self.notes.warn_once(file, None, text);
                false
            }
            None => true,
        }
    }

    /// Looks for requests in the files beside a reply that was named directly.
    pub(super) fn requests_beside(&self, reply: &Path) -> Saved {
        let mut found = Saved::default();
        let small = |file: &PathBuf| fs::metadata(file).is_ok_and(|metadata| metadata.len() <= REQUEST_BYTES_MAX);
        for file in folder::siblings(reply).into_iter().filter(small) {
            let Ok(Content::Text(text)) = folder::open(&file) else {
                continue;
            };
            // A neighbour that cannot be read is none of this source's files, so nothing is said.
            let scanned = objects::scan(text, &mut |piece: Piece<'_>| {
                if let Piece::Object { bytes, .. } = piece
                    && let Ok(document) = metric_data::parse(bytes)
                {
                    found.keep(&file, document);
                }
            });
            if scanned.is_ok() {
                found.end_of(&file);
            }
        }
        found
    }

    /// Makes the samples, and says where the configured level matches nothing.
    pub(super) fn finish(mut self, files: Vec<PathBuf>) -> Read {
        let (samples, notes) = hours::samples(&self.store, &self.levels, self.source, hours::HOUR);
        self.notes.warnings.extend(notes);
        if files.is_empty() {
            self.notes.warn(&self.source.path, None, "no file of metrics was found here");
        } else {
            self.note_missing_level();
        }
        let ignored_levels = self.store.ignored_levels();
        Read { samples, warnings: self.notes.warnings, failures: self.notes.failures, files, ignored_levels }
    }

    /// A misspelt dimension silently empties every owner's measurement, so it is said aloud.
    pub(super) fn note_missing_level(&mut self) {
        let Some(namespace) = &self.source.namespace else {
            return;
        };
        if self.store.series().iter().any(|series| series.name.namespace == *namespace) {
            return;
        }
        let levels = self.store.ignored_levels();
        let seen = levels.iter().filter(|level| level.namespace == *namespace).map(|level| &level.dimensions);
        let text = self.levels.no_custom_metric(namespace, seen);
        self.notes.warnings.push(Warning { file: self.source.path.clone(), line: None, text });
    }
}
