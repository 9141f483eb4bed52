//! One pass over the files: each object goes to where its kind is kept.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::folder::{self, Content};
use super::levels::{Levels, Measure, Verdict};
use super::metric_data;
use super::metric_stream::{self, Record};
use super::notes::{LineNotes, Notes};
use super::number::{Scalar, seconds_of_milliseconds};
use super::objects::{self, Piece};
use super::replies::Saved;
use super::series::{NameRef, Origin, Point, Store};
use super::{CloudWatchError, MetricSource, Read, Warning, hours};

/// A request beside a single reply is small; larger neighbours are not searched for one.
const REQUEST_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What has been read so far.
pub(super) struct Reading<'a> {
    pub(super) source: &'a MetricSource,
    pub(super) levels: Levels,
    pub(super) store: Store,
    pub(super) notes: Notes,
    /// Metrics whose unit has been complained about.
    units_noted: BTreeSet<String>,
}

/// How many objects of a file were of use.
#[derive(Default)]
struct Tally {
    used: u64,
    foreign: u64,
}

impl<'a> Reading<'a> {
    /// Starts with nothing read.
    pub(super) fn of(source: &'a MetricSource) -> Result<Self, CloudWatchError> {
        let levels = Levels::of(source)?;
        Ok(Self { source, levels, store: Store::default(), notes: Notes::default(), units_noted: BTreeSet::new() })
    }

    /// Reads one file: records become points at once, requests and replies are kept for later.
    pub(super) fn read_file(&mut self, file: &Path, saved: &mut Saved) {
        self.read_content(file, folder::open(file), saved);
    }

    /// Reads a file that is open.
    pub(super) fn read_content(&mut self, file: &Path, content: io::Result<Content>, saved: &mut Saved) {
        let text = match content {
            Ok(Content::Text(text)) => text,
            Ok(Content::OpenTelemetry) => {
                let text = "this is a metric stream in OpenTelemetry format, which is not read; switch the stream's output format to JSON.";
                return self.notes.fail(file, text);
            }
            Ok(Content::Utf16) => {
                return self.notes.fail(file, "this is UTF-16 text, which is not JSON; save the file as UTF-8.");
            }
            Err(error) => {
                return self.notes.fail(file, &format!("the file cannot be opened ({error}); check its permissions."));
            }
        };
        let mut lines = LineNotes::of(file);
        let mut tally = Tally::default();
        let end = objects::scan(text, &mut |piece| match piece {
            Piece::Object { line, bytes } => {
                self.read_object(file, line, bytes, saved, &mut tally, &mut lines);
            }
            Piece::Junk { line } => {
                lines.add(line, "this is not a whole JSON object and is skipped");
            }
        });
        saved.end_of(file);
        if let Err(error) = end {
            let text = format!(
                "the file ends early or is damaged ({error}); only the whole records before that are used; copy it again."
            );
            self.notes.fail(file, &text);
        }
        self.judge_file(file, &tally, lines);
    }

    /// Says what became of a file as a whole.
    fn judge_file(&mut self, file: &Path, tally: &Tally, lines: LineNotes) {
        match (tally.used, tally.foreign, lines.first()) {
            (0, 0, Some((line, text))) => {
                let text = format!(
                    "nothing in the file could be used (line {line}: {text}); \
                     it should hold metric-stream records in JSON, or a request or reply of get-metric-data."
                );
                return self.notes.fail(file, &text);
            }
            (0, 1.., _) => {
                let text = "the file holds neither metric-stream records nor a request or reply of get-metric-data, and is ignored";
                self.notes.warn(file, None, text);
            }
            (1.., 1.., _) => {
                let text = format!(
                    "{} objects are neither metric-stream records nor a request or reply, and are ignored",
                    tally.foreign
                );
                self.notes.warn(file, None, text);
            }
            (_, 0, _) => {}
        }
        lines.report(&mut self.notes);
    }

    fn read_object(
        &mut self,
        file: &Path,
        line: u64,
        bytes: &[u8],
        saved: &mut Saved,
        tally: &mut Tally,
        lines: &mut LineNotes,
    ) {
        let no_record = match metric_stream::parse(bytes) {
            Ok(record) => {
                tally.used += 1;
                return self.read_record(file, line, &record, lines);
            }
            Err(error) => error,
        };
        match metric_data::parse(bytes) {
            Ok(document) => {
                if saved.keep(file, document) {
                    tally.used += 1;
                } else if has_member(bytes, b"\"metric_name\"") {
                    lines.add(
                        line,
                        format!("this metric-stream record is damaged and is skipped: {}", reason(&no_record)),
                    );
                } else {
                    tally.foreign += 1;
                }
            }
            Err(error) => lines.add(line, format!("this cannot be read and is skipped: {}", reason(&error))),
        }
    }

    /// Turns a metric-stream record into a point.
    fn read_record(&mut self, file: &Path, line: u64, record: &Record<'_>, lines: &mut LineNotes) {
        let metric = record.metric_name.as_ref();
        let verdict = self.levels.judge(&record.namespace, metric, &record.dimensions);
        if verdict == Verdict::NotOurs {
            return;
        }
        let source = self.source;
        let account_id = said(&record.account_id, source.account.as_deref());
        let region = said(&record.region, source.region.as_deref());
        let (Some(account_id), Some(region)) = (account_id, region) else {
            return lines.add(line, format!("{metric} names no account or no region and is skipped"));
        };
        let name = NameRef { account_id, region, namespace: &record.namespace, metric, dimensions: &record.dimensions };
        let Verdict::Read(measures) = verdict else {
            return self.store.ignore(&name);
        };
        if !self.unit_fits(file, Some(line), metric, record.unit.as_deref(), &measures) {
            return;
        }
        let Some(at) = seconds_of_milliseconds(&record.timestamp) else {
            return lines
                .add(line, format!("{metric} has a timestamp that is not in milliseconds since 1970, and is skipped"));
        };
        match record.value.sum.counted() {
            Ok(sum) => self.store.add(&name, Origin::Stream, at, Point { count: count_of(&record.value.count), sum }),
            Err(reason) => lines.add(line, format!("{metric} is skipped, because its sum {reason}")),
        }
    }

    /// Whether a metric's unit can be that of its measure; said once where it cannot.
    pub(super) fn unit_fits(
        &mut self,
        file: &Path,
        line: Option<u64>,
        metric: &str,
        unit: Option<&str>,
        measures: &[Measure],
    ) -> bool {
        let unit = unit.map_or("", str::trim);
        let counts = unit.is_empty() || unit.eq_ignore_ascii_case("count") || unit.eq_ignore_ascii_case("none");
        if counts || !measures.iter().any(|measure| measure.is_tokens()) {
            return true;
        }
        if self.units_noted.insert(format!("{metric} {unit}")) {
            let text = format!(
                "{metric} has the unit {unit}, but tokens are counted (Count); it is skipped wherever it has that unit"
            );
            self.notes.warn(file, line, text);
        }
        false
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
            let scanned = objects::scan(text, &mut |piece| {
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
        let (samples, notes) = hours::samples(&self.store, &self.levels, self.source);
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

/// What a record says itself, else what the configuration says.
fn said<'a>(own: &'a str, configured: Option<&'a str>) -> Option<&'a str> {
    Some(own).filter(|own| !own.is_empty()).or(configured)
}

/// The number of samples of a point, where it can be told; it only serves to choose between points.
fn count_of(count: &Scalar) -> Option<i64> {
    count.counted().ok()
}

/// Whether the text has a member of this (quoted) name somewhere.
fn has_member(bytes: &[u8], name: &[u8]) -> bool {
    bytes.windows(name.len()).any(|window| window == name)
}

/// A JSON error without its position, which counts from the object and not from the file.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ").map_or(text.clone(), |(reason, _)| reason.to_owned())
}
