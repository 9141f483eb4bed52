//! One reader of files: records become points at once, requests and replies are kept for later.
//!
//! ```text
//!            common form? ── head known? ──► series, count, sum ─► store
//! object ──┤                  └─ no: parsed once
//!            any other ────► JSON parser ──► record, request, reply, or what is wrong with it
//! ```
//!
//! The short way gives exactly what the long one gives, or nothing.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::MetricSource;
use super::folder::Content;
use super::heads::{Heads, Meaning};
use super::levels::{Levels, Measure, Verdict};
use super::metric_data;
use super::metric_stream::{self, Record};
use super::notes::{LineNotes, Notes};
use super::number::{Scalar, seconds_of_milliseconds};
use super::objects::{self, Piece, Visit};
use super::quick::{Number, Quick, Recogniser};
use super::replies::Saved;
use super::series::{NameRef, Origin, Point, Store};

/// Reads one file after the other.
pub(super) struct Reader<'a> {
    source: &'a MetricSource,
    levels: Arc<Levels>,
    /// The points of all files so far.
    pub(super) store: Store,
    heads: Heads,
    recogniser: Recogniser,
}

/// What else was found in a file.
#[derive(Default)]
pub(super) struct FileRead {
    pub(super) notes: Notes,
    pub(super) saved: Saved,
}

impl FileRead {
    /// Whether the file held only points.
    pub(super) fn is_empty(&self) -> bool {
        self.notes.is_empty() && self.saved.is_empty()
    }

    fn failed(file: &Path, text: &str) -> Self {
        let mut read = Self::default();
        read.notes.fail(file, text);
        read
    }
}

impl<'a> Reader<'a> {
    /// A reader with nothing read, one of several.
    pub(super) fn of(source: &'a MetricSource, levels: &Arc<Levels>, among: usize) -> Self {
        Self {
            source,
            levels: Arc::clone(levels),
            store: Store::default(),
            heads: Heads::of_reader_among(among),
            recogniser: Recogniser::default(),
        }
    }

    /// Reads a file that is open.
    pub(super) fn read(&mut self, file: &Path, content: io::Result<Content>) -> FileRead {
        let text = match content {
            Ok(Content::Text(text)) => text,
            Ok(Content::OpenTelemetry) => {
                let text = "this is a metric stream in OpenTelemetry format, which is not read; switch the stream's output format to JSON.";
                return FileRead::failed(file, text);
            }
            Ok(Content::Utf16) => {
                return FileRead::failed(file, "this is UTF-16 text, which is not JSON; save the file as UTF-8.");
            }
            Err(error) => {
                let text = format!("the file cannot be opened ({error}); check its permissions.");
                return FileRead::failed(file, &text);
            }
        };
        let mut visit = FileVisit::of(self, file);
        let end = objects::scan(text, &mut visit);
        visit.finish(end)
    }

    /// Takes a record whose head and form are known and about which nothing is to be said.
    fn take_quick(&mut self, quick: &Quick<'_>) -> Option<()> {
        let meaning = match self.heads.meaning(quick.head) {
            Some(meaning) => meaning,
            None => self.understand(quick.head)?,
        };
        let (position, is_tokens) = match meaning {
            Meaning::PassedOver => return Some(()),
            Meaning::Parsed => return None,
            Meaning::Series { position, is_tokens } => (position, is_tokens),
        };
        if is_tokens && !matches!(quick.unit, b"Count" | b"None" | b"") {
            return None;
        }
        let at = seconds_of_milliseconds(&Scalar::Whole(quick.timestamp))?;
        let count = match quick.count {
            Some(Number::Whole(count)) => Some(count),
            Some(Number::Other) => return None,
            None => None,
        };
        let Some(Number::Whole(sum)) = quick.sum else { return None };
        self.store.add_at(position, at, Point { count, sum });
        Some(())
    }

    /// Parses a head that was not met before; `None` where it is no sound head.
    fn understand(&mut self, text: &[u8]) -> Option<Meaning> {
        // Objects over several lines are left to the parser, which counts lines.
        if text.contains(&b'\n') {
            return None;
        }
        let object = [text, b"}"].concat();
        let head = metric_stream::parse_head(&object)?;
        let meaning = match self.levels.judge(&head.namespace, &head.metric_name, &head.dimensions) {
            Verdict::NotOurs => Meaning::PassedOver,
            verdict => {
                let name = NameRef {
                    account_id: &head.account_id,
                    region: &head.region,
                    namespace: &head.namespace,
                    metric: &head.metric_name,
                    dimensions: &head.dimensions,
                };
                match (name.or_configured(self.source), verdict) {
                    (None, _) => Meaning::Parsed,
                    (Some(name), Verdict::Read(measures)) => Meaning::Series {
                        position: self.store.position(&name, Origin::Stream),
                        is_tokens: counts_tokens(&measures),
                    },
                    (Some(name), _) => {
                        self.store.ignore(&name);
                        Meaning::PassedOver
                    }
                }
            }
        };
        self.heads.learn(text, meaning);
        Some(meaning)
    }
}

/// How many objects of a file were of use.
#[derive(Default)]
struct Tally {
    used: u64,
    foreign: u64,
}

/// One file while it is read.
pub(super) struct FileVisit<'r, 'a> {
    reader: &'r mut Reader<'a>,
    file: &'r Path,
    tally: Tally,
    lines: LineNotes,
    read: FileRead,
}

impl Visit for FileVisit<'_, '_> {
    fn take_known(&mut self, text: &[u8]) -> Option<usize> {
        let quick = self.reader.recogniser.recognise(text)?;
        self.reader.take_quick(&quick)?;
        self.tally.used += 1;
        Some(quick.length)
    }

    fn take(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Object { line, bytes } => self.read_object(line, bytes),
            Piece::Junk { line } => self.lines.add(line, "this is not a whole JSON object and is skipped"),
        }
    }
}

impl<'r, 'a> FileVisit<'r, 'a> {
    /// At the file's beginning.
    pub(super) fn of(reader: &'r mut Reader<'a>, file: &'r Path) -> Self {
        let (tally, lines) = (Tally::default(), LineNotes::of(file));
        Self { reader, file, tally, lines, read: FileRead::default() }
    }

    /// At its end, which may have come early.
    pub(super) fn finish(mut self, end: io::Result<()>) -> FileRead {
        self.read.saved.end_of(self.file);
        if let Err(error) = end {
            let text = format!(
                "the file ends early or is damaged ({error}); only the whole records before that are used; copy it again."
            );
            self.read.notes.fail(self.file, &text);
        }
        self.judge();
        self.read
    }

    /// Says what became of the file as a whole.
    fn judge(&mut self) {
        let notes = &mut self.read.notes;
        let lines = std::mem::replace(&mut self.lines, LineNotes::of(self.file));
        match (self.tally.used, self.tally.foreign, lines.first()) {
            (0, 0, Some((line, text))) => {
                let text = format!(
                    "nothing in the file could be used (line {line}: {text}); \
                     it should hold metric-stream records in JSON, or a request or reply of get-metric-data."
                );
                return notes.fail(self.file, &text);
            }
            (0, 1.., _) => {
                let text = "the file holds neither metric-stream records nor a request or reply of get-metric-data, and is ignored";
                notes.warn(self.file, None, text);
            }
            (1.., foreign @ 1.., _) => {
                let text = format!(
                    "{foreign} objects are neither metric-stream records nor a request or reply, and are ignored"
                );
                notes.warn(self.file, None, text);
            }
            (_, 0, _) => {}
        }
        lines.report(notes);
    }

    fn read_object(&mut self, line: u64, bytes: &[u8]) {
        let no_record = match metric_stream::parse(bytes) {
            Ok(record) => {
                self.tally.used += 1;
                return self.read_record(line, &record);
            }
            Err(error) => error,
        };
        match metric_data::parse(bytes) {
            Ok(document) => {
                if self.read.saved.keep(self.file, document) {
                    self.tally.used += 1;
                } else if has_member(bytes, b"\"metric_name\"") {
                    let text = format!("this metric-stream record is damaged and is skipped: {}", reason(&no_record));
                    self.lines.add(line, text);
                } else {
                    self.tally.foreign += 1;
                }
            }
            Err(error) => self.lines.add(line, format!("this cannot be read and is skipped: {}", reason(&error))),
        }
    }

    /// Turns a metric-stream record into a point.
    fn read_record(&mut self, line: u64, record: &Record<'_>) {
        let metric = record.metric_name.as_ref();
        let verdict = self.reader.levels.judge(&record.namespace, metric, &record.dimensions);
        if verdict == Verdict::NotOurs {
            return;
        }
        let name = NameRef {
            account_id: &record.account_id,
            region: &record.region,
            namespace: &record.namespace,
            metric,
            dimensions: &record.dimensions,
        };
        let Some(name) = name.or_configured(self.reader.source) else {
            return self.lines.add(line, format!("{metric} names no account or no region and is skipped"));
        };
        let Verdict::Read(measures) = verdict else {
            return self.reader.store.ignore(&name);
        };
        if let Some(text) = unit_misfit(metric, record.unit.as_deref(), &measures) {
            return self.read.notes.warn_once(self.file, Some(line), text);
        }
        let Some(at) = seconds_of_milliseconds(&record.timestamp) else {
            let text = format!("{metric} has a timestamp that is not in milliseconds since 1970, and is skipped");
            return self.lines.add(line, text);
        };
        match record.value.sum.counted() {
            Ok(sum) => {
                // The count only serves to choose between points, so one that cannot be told is none.
                let point = Point { count: record.value.count.counted().ok(), sum };
                self.reader.store.add(&name, Origin::Stream, at, point);
            }
            Err(reason) => self.lines.add(line, format!("{metric} is skipped, because its sum {reason}")),
        }
    }
}

/// What is wrong with a metric's unit, where it cannot be that of its measure.
pub(super) fn unit_misfit(metric: &str, unit: Option<&str>, measures: &[Measure]) -> Option<String> {
    let unit = unit.map_or("", str::trim);
    let counts = unit.is_empty() || unit.eq_ignore_ascii_case("count") || unit.eq_ignore_ascii_case("none");
    (!counts && counts_tokens(measures)).then(|| {
        format!("{metric} has the unit {unit}, but tokens are counted (Count); it is skipped wherever it has that unit")
    })
}

fn counts_tokens(measures: &[Measure]) -> bool {
    measures.iter().any(|measure| measure.is_tokens())
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
