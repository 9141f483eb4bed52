//! Measured tokens out of CloudWatch: files of metric streams, saved replies, or what [`api`] is
//! answered → one sample an hour.
//!
//! ```text
//! folder ─► objects ─► quick, heads ─────────────► series ─► hours ─► HourSample
//!                  ├─► metric_stream ──────────────┤
//!                  └─► metric_data ─► replies ─────┤
//! api ─────────────────────────────────────────────┘
//! ```
//!
//! | step | in → out | holds afterwards |
//! |---|---|---|
//! | folder | a path → text | formats are told by content, gzip by its first bytes |
//! | crew, reader | files → points, notes, replies | the same whoever reads which file |
//! | objects | text → JSON objects | a damaged object costs only itself, and is told with its line |
//! | quick, heads | common form → points | exactly what the parser makes of it, or nothing |
//! | levels | metric → verdict | exactly one level of dimensions is read in each namespace |
//! | replies | reply + request → points | a reply without its request, account or region is not read |
//! | series, points | points → series | a redelivered point counts once, in whatever order files come; packed |
//! | hours | series → samples | of all that measured one thing in one hour, one is taken; nothing is added twice |
//!
//! A quantity that no series measured is `None`, and a measured zero is `Some(0)`.
//! Only `folder` touches the disk, and only `api` the network.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

pub mod api;
mod crew;
mod folder;
mod heads;
mod hours;
mod levels;
mod metric_data;
mod metric_stream;
mod notes;
mod number;
mod objects;
mod pairing;
mod points;
mod quick;
mod reader;
mod reading;
mod replies;
mod series;
pub mod survey;
mod whereabouts;

#[cfg(test)]
mod tests;

pub use points::Points;
pub use series::{Origin, Point, Series, SeriesName};

use crew::Crew;
use reading::Reading;
use replies::Saved;

/// Where metrics are saved and which custom ones carry owners.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricSource {
    /// A folder, or a single file.
    pub path: PathBuf,
    /// The custom namespace whose metrics carry owners; `AWS/Bedrock` is always read.
    pub namespace: Option<String>,
    /// Owner key → dimension name of the custom metrics, such as `workload` → `Workload`.
    pub dimensions: BTreeMap<String, String>,
    /// Measure → name of the custom metric, where it is none of the natural spellings.
    pub names: BTreeMap<String, String>,
    /// The account of replies that do not tell theirs.
    pub account: Option<String>,
    /// The region of replies that do not tell theirs.
    pub region: Option<String>,
}

/// Everything that was read from a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// What was measured, sorted.
    pub samples: Vec<HourSample>,
    /// Where something was left out of what was read.
    pub warnings: Vec<Warning>,
    /// Files, or parts of them, that could not be used, each in a sentence that says what to do.
    pub failures: Vec<String>,
    /// The files that were looked at, sorted.
    pub files: Vec<PathBuf>,
    /// Levels of the read metrics that were seen and not read.
    pub ignored_levels: Vec<IgnoredLevel>,
}

/// Something that was left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// The file, or the source's path where it concerns several.
    pub file: PathBuf,
    /// The line, from 1, where it concerns one.
    pub line: Option<u64>,
    /// What was left out and why.
    pub text: String,
}

/// A set of dimension names under which a read metric was published and not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredLevel {
    /// The namespace.
    pub namespace: String,
    /// The names of the dimensions.
    pub dimensions: BTreeSet<String>,
    /// How many distinct series it has.
    pub series: u64,
}

/// Who measured: AWS itself, or the team's own metrics with owner dimensions.
///
/// Both measure the same calls and are never added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// A namespace of AWS.
    Native,
    /// The configured custom namespace.
    Owner,
}

/// How the measurement reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A metric stream's files.
    MetricStream,
    /// A reply of GetMetricData, saved or live.
    GetMetricData,
}

/// The endpoint whose calls a native series counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// bedrock-runtime.
    Runtime,
    /// bedrock-mantle.
    Mantle,
}

impl Scope {
    /// The word of the `usage` table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Owner => "owner",
        }
    }
}

impl Source {
    /// The word of the `usage` table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MetricStream => "metric_stream",
            Self::GetMetricData => "get_metric_data",
        }
    }
}

impl Endpoint {
    /// The word of the `usage` table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Runtime => "runtime",
            Self::Mantle => "mantle",
        }
    }
}

/// Whose calls are measured, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The account that made the calls.
    pub account_id: String,
    /// The region in which they were made.
    pub region: String,
    /// Who measured.
    pub scope: Scope,
    /// The metrics' namespace.
    pub namespace: String,
    /// The model as the dimension has it: an id, a profile's id, an ARN, a name or a tier.
    pub model_id: Option<String>,
    /// Owner key → raw value; empty for native samples.
    pub owner: BTreeMap<String, String>,
    /// The endpoint, where the namespace tells it.
    pub endpoint: Option<Endpoint>,
}

/// What was measured in one hour for one account, region, namespace, model and owner.
///
/// Input tokens stay as the model's family reports them: without cached tokens for Claude and Nova,
/// including them for GPT-5.x.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourSample {
    /// The start of the hour in epoch seconds; of the UTC day where `daily`.
    pub hour: i64,
    /// Whether it was measured in periods longer than an hour, and stands for the day.
    pub daily: bool,
    /// Whose calls: one text for all hours, of which there are many.
    pub subject: Arc<Subject>,
    /// The way that most of the measures came.
    pub source: Source,
    /// Calls.
    pub invocations: Option<i64>,
    /// Input tokens.
    pub input_tokens: Option<i64>,
    /// Output tokens.
    pub output_tokens: Option<i64>,
    /// Tokens read from the cache.
    pub cache_read_tokens: Option<i64>,
    /// Tokens written to the cache, whatever their lifetime.
    pub cache_write_tokens: Option<i64>,
    /// Units of the business metric that the configuration names.
    pub business_units: Option<i64>,
}

impl HourSample {
    /// What samples are sorted by; two that agree on it measure the same.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        let by_time = (self.hour, self.daily).cmp(&(other.hour, other.daily));
        by_time.then_with(|| match Arc::ptr_eq(&self.subject, &other.subject) {
            true => Ordering::Equal,
            false => self.subject.cmp(&other.subject),
        })
    }

    /// Takes from another sample of the same series and hour what this one lacks; of two values the larger.
    pub fn settle_with(&mut self, other: &Self) {
        let measures = [
            (&mut self.invocations, other.invocations),
            (&mut self.input_tokens, other.input_tokens),
            (&mut self.output_tokens, other.output_tokens),
            (&mut self.cache_read_tokens, other.cache_read_tokens),
            (&mut self.cache_write_tokens, other.cache_write_tokens),
            (&mut self.business_units, other.business_units),
        ];
        for (own, other) in measures {
            *own = (*own).max(other);
        }
    }
}

/// Why a source could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum CloudWatchError {
    /// The path is missing or may not be read.
    #[error("cannot read the metrics under {}", path.display())]
    Path {
        /// The configured path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The configuration names a measure that does not exist.
    #[error("`{name}` is no measure; the measures are {known}")]
    UnknownMeasure {
        /// The unknown key.
        name: String,
        /// All keys.
        known: String,
    },
    /// The configured period does not fill an hour evenly, or is not one that CloudWatch keeps.
    #[error("a point cannot cover {period} seconds")]
    Period {
        /// The configured seconds.
        period: i64,
    },
}

impl CloudWatchError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Path { .. } => {
                "check `path` of this [[metrics]] source: a folder of metric-stream files or saved replies"
            }
            Self::UnknownMeasure { .. } => "check the keys of `names` of this [[metrics]] source",
            Self::Period { .. } => "the periods of a point are 60, 300, 600, 900, 1200, 1800 and 3600 seconds",
        }
    }
}

/// Reads files that are at hand as bytes, some at a time, and gives their points.
pub struct Parser<'a> {
    reading: Reading<'a>,
    crew: Crew<'a>,
    saved: Saved,
}

/// What a [`Parser`] read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Series with their points, sorted.
    pub series: Vec<Series>,
    /// Where something was left out of what was read.
    pub warnings: Vec<Warning>,
    /// Files, or parts of them, that could not be used.
    pub failures: Vec<String>,
}

impl<'a> Parser<'a> {
    /// A parser of a source, whose path the files' names begin with.
    ///
    /// # Errors
    /// When the configuration names an unknown measure.
    pub fn new(source: &'a MetricSource) -> Result<Self, CloudWatchError> {
        let reading = Reading::of(source)?;
        Ok(Self { crew: reading.crew(), reading, saved: Saved::default() })
    }

    /// Whether a file of this name is one that metrics are saved under.
    #[must_use]
    pub fn is_read(path: &str) -> bool {
        let is_hidden = path.split('/').any(|part| part.starts_with('.'));
        !is_hidden && folder::is_read(Path::new(path))
    }

    /// Reads files, each with its name.
    pub fn take(&mut self, files: &[(PathBuf, Bytes)]) {
        let found = self.crew.read(files, |(file, bytes)| (file.clone(), folder::unpack(bytes.clone())));
        self.reading.take(found, &mut self.saved);
    }

    /// Bytes that the points take which were read so far.
    #[must_use]
    pub fn size(&self) -> usize {
        self.crew.size()
    }

    /// The files that hold requests or replies, which are understood only together.
    #[must_use]
    pub fn paired(&self) -> BTreeSet<PathBuf> {
        let requests = self.saved.requests.iter().map(|saved| saved.file.clone());
        requests.chain(self.saved.replies.iter().map(|saved| saved.file.clone())).collect()
    }

    /// What was read.
    #[must_use]
    pub fn finish(mut self) -> Parsed {
        self.crew.give(&mut self.reading);
        replies::read(&self.saved, &mut self.reading);
        if self
            .reading
            .store
            .ignored_levels()
            .iter()
            .any(|level| Some(&level.namespace) == self.reading.source.namespace.as_ref())
        {
            self.reading.note_missing_level();
        }
        let (series, notes) = (self.reading.store.into_sorted(), self.reading.notes);
        Parsed { series, warnings: notes.warnings, failures: notes.failures }
    }
}

/// The samples of series, whenever they were read; nothing is added twice.
///
/// # Errors
/// When the configuration names an unknown measure.
pub fn samples(series: Vec<Series>, source: &MetricSource) -> Result<(Vec<HourSample>, Vec<Warning>), CloudWatchError> {
    samples_by(series, source, hours::HOUR)
}

/// The samples of series, of so many seconds each, which an hour is a multiple of: what a sample calls its hour is
/// then where that stretch begins.
///
/// # Errors
/// When the configuration names an unknown measure.
pub fn samples_by(
    series: Vec<Series>,
    source: &MetricSource,
    grain: i64,
) -> Result<(Vec<HourSample>, Vec<Warning>), CloudWatchError> {
    let mut store = series::Store::default();
    series.into_iter().for_each(|series| store.add_series(series));
    Ok(hours::samples(&store, &levels::Levels::of(source)?, source, grain))
}

/// Samples in order. Two sources may return the same series of AWS's own, each perhaps not all of it.
#[must_use]
pub fn settled(mut samples: Vec<HourSample>) -> Vec<HourSample> {
    samples.sort_by(HourSample::order);
    samples.dedup_by(|next, kept| {
        let is_same = kept.order(next).is_eq();
        if is_same {
            kept.settle_with(next);
        }
        is_same
    });
    samples
}

/// Reads all metrics of a source.
///
/// # Errors
/// When the path cannot be read or the configuration names an unknown measure. A single file that
/// cannot be used is no error but one of [`Read::failures`].
pub fn read(source: &MetricSource) -> Result<Read, CloudWatchError> {
    let mut reading = Reading::of(source)?;
    let path_error = |error| CloudWatchError::Path { path: source.path.clone(), source: error };
    let mut files = folder::files(&source.path, &mut reading.notes).map_err(path_error)?;
    let mut saved = Saved::default();
    let mut crew = reading.crew();
    let found = crew.read(&files, |file| (file.clone(), folder::open(file)));
    crew.give(&mut reading);
    reading.take(found, &mut saved);
    if source.path.is_file() && saved.replies.iter().any(|reply| reply.own.is_none()) && saved.requests.is_empty() {
        let found = reading.requests_beside(&source.path);
        files.extend(found.requests.iter().map(|saved| saved.file.clone()));
        saved.requests = found.requests;
        files.sort();
        files.dedup();
    }
    replies::read(&saved, &mut reading);
    Ok(reading.finish(files))
}
