//! Measured demand: every metric source, sorted by billing period.
//!
//! Folders of this machine are read anew each time. What comes over the network is read once: its points
//! are kept in the store, and only what is new is fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::live::{Live, Work};
use super::{Summary, Unread};
use crate::aws::Aws;
use crate::clock::{self, DAY};
use crate::config::{Config, Metrics};
use crate::error::{Error, Result};
use crate::facts::points::Months;
use crate::facts::record::Regions;
use crate::facts::store::{self, Store};
use crate::place::{Entry, Place};
use crate::sources::cloudwatch::{self, HourSample, MetricSource, Parser, Source, Subject};

/// Seconds before the newest object that was read in which another may still appear: S3 dates an
/// object by the start of its upload.
const LOOK_BACK: i64 = 2 * DAY;
/// Bytes of objects that are fetched before they are parsed.
const AT_ONCE: u64 = 32 << 20;
/// Bytes of points that are parsed before they are kept, since each keeping writes its months anew.
const POINTS_AT_ONCE: usize = 64 << 20;

/// All that was measured.
#[derive(Default)]
pub(super) struct Measured<'a> {
    /// Of folders, by month; in order, and of one subject and time once.
    samples: BTreeMap<String, Vec<HourSample>>,
    /// Of sources whose points are kept.
    kept: Vec<Kept>,
    /// Of CloudWatch itself.
    pub(super) live: Vec<Live<'a>>,
}

/// A source whose points are kept.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) key: String,
    pub(super) source: MetricSource,
    pub(super) months: Months,
}

/// What was read of a prefix in S3.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// The points' files.
    months: Months,
    /// Last change of the newest object that was read; epoch seconds.
    read_until: i64,
    /// Objects read within the look-back, with their tags.
    recent: BTreeMap<String, String>,
    /// Objects that hold requests or replies, which are understood only together.
    paired: BTreeSet<String>,
}

impl Measured<'_> {
    /// What the metrics of a period are known by: nothing where there are none.
    pub(super) fn fingerprint(&self, period: &str) -> String {
        let mut bytes = Vec::new();
        let mut by_subject: BTreeMap<&Subject, Vec<&HourSample>> = BTreeMap::new();
        for sample in self.samples.get(period).into_iter().flatten() {
            by_subject.entry(&sample.subject).or_default().push(sample);
        }
        for (subject, samples) in by_subject {
            bytes.extend_from_slice(format!("{subject:?}\n").as_bytes());
            samples.into_iter().for_each(|sample| write_measures(sample, &mut bytes));
        }
        for kept in self.all_kept() {
            if let Some(hash) = kept.months.get(period) {
                bytes.extend_from_slice(format!("{} {hash}\n", kept.key).as_bytes());
            }
        }
        store::hash(&bytes)
    }

    fn all_kept(&self) -> impl Iterator<Item = Kept> {
        self.kept.iter().cloned().chain(self.live.iter().map(Live::kept))
    }

    /// Asks CloudWatch for what is open of a period in the accounts and regions that the bill names.
    pub(super) fn prepare(
        &mut self,
        work: &Work<'_>,
        period: &str,
        regions: &Regions,
        warnings: &mut Vec<String>,
    ) -> Result<()> {
        self.live.iter_mut().try_for_each(|live| live.prepare(work, period, regions, warnings))
    }

    /// Removes points that no source needs any more.
    pub(super) fn tidy(&self, store: &Store) -> Result<()> {
        store.tidy_points(&self.all_kept().map(|kept| (kept.key, kept.months)).collect())
    }

    /// The samples of a period, equal ones once.
    pub(super) fn samples(&self, store: &Store, period: &str) -> Result<Vec<HourSample>> {
        let mut samples = self.samples.get(period).cloned().unwrap_or_default();
        for kept in self.all_kept() {
            let series = store.points(&kept.key, &kept.months, period)?;
            let (found, _) = cloudwatch::samples(series, &kept.source).map_err(|error| config_error(&error))?;
            samples.extend(found);
        }
        Ok(cloudwatch::settled(samples))
    }
}

pub(super) fn config_error(error: &cloudwatch::CloudWatchError) -> Error {
    Error::config("[[metrics]]", error.to_string(), error.hint())
}

/// Reads every metric source.
pub(super) fn read_metrics<'a>(
    config: &'a Config,
    store: &Store,
    aws: &Arc<Aws>,
    summary: &mut Summary,
    unread: &mut Unread,
) -> Result<Measured<'a>> {
    let mut measured = Measured::default();
    for metrics in config.metrics.iter().filter(|metrics| metrics.api) {
        measured.live.push(Live::open(config, metrics, store)?);
    }
    for metrics in config.metrics.iter().filter(|metrics| !metrics.api) {
        let source = source_of(config, metrics);
        let result = match config.metrics_place(metrics, aws) {
            Place::Local(_) => read_folder(&source, &mut measured, metrics, summary),
            place @ Place::S3(..) => read_objects(&place, &source, store, summary).map(|kept| measured.kept.push(kept)),
        };
        if let Err(error) = result {
            unread.metrics = true;
            summary.failures.push(format!("metrics `{}`: {error}\n  hint: {}", metrics.path, error.hint()));
        }
    }
    measured.samples.values_mut().for_each(|samples| *samples = cloudwatch::settled(std::mem::take(samples)));
    Ok(measured)
}

pub(super) fn source_of(config: &Config, metrics: &Metrics) -> MetricSource {
    let path = if metrics.path.starts_with("s3://") {
        PathBuf::from(metrics.path.trim_end_matches('/'))
    } else {
        config.resolve(&metrics.path)
    };
    MetricSource {
        path,
        namespace: metrics.namespace.clone(),
        dimensions: metrics.dimensions.clone(),
        names: metrics.names.clone(),
        account: metrics.account.clone(),
        region: metrics.region.clone(),
    }
}

fn read_folder(
    source: &MetricSource,
    measured: &mut Measured<'_>,
    metrics: &Metrics,
    summary: &mut Summary,
) -> Result<()> {
    let read = cloudwatch::read(source)
        .map_err(|error| Error::input(source.path.display().to_string(), error.to_string(), error.hint()))?;
    summary.failures.extend(read.failures.iter().map(|failure| format!("metrics `{}`: {failure}", metrics.path)));
    summary.warnings.extend(read.warnings.iter().map(describe));
    let mut last = (i32::MIN, String::new());
    for sample in read.samples {
        let day = clock::day_of(sample.hour);
        if day != last.0 {
            last = (day, clock::month_of(day));
        }
        measured.samples.entry(last.1.clone()).or_default().push(sample);
    }
    Ok(())
}

fn describe(warning: &cloudwatch::Warning) -> String {
    let line = warning.line.map(|line| format!(", line {line}")).unwrap_or_default();
    format!("{}{line}: {}", warning.file.display(), warning.text)
}

/// Writes all of a sample but its subject.
fn write_measures(sample: &HourSample, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&sample.hour.to_le_bytes());
    bytes.extend_from_slice(&[u8::from(sample.daily), u8::from(sample.source == Source::MetricStream)]);
    let tokens = [sample.input_tokens, sample.output_tokens, sample.cache_read_tokens, sample.cache_write_tokens];
    for measure in tokens.into_iter().chain([sample.invocations, sample.business_units]) {
        bytes.push(u8::from(measure.is_some()));
        bytes.extend_from_slice(&measure.unwrap_or(0).to_le_bytes());
    }
}

/// Reads the objects of a prefix that are new, and keeps their points.
fn read_objects(place: &Place, source: &MetricSource, store: &Store, summary: &mut Summary) -> Result<Kept> {
    let key = key_of(source);
    let state = format!("points/{key}/state.json");
    let before: Progress = store.read_json(&state)?.unwrap_or_default();
    let listing = place.list()?;
    let all: Vec<Entry> = listing.entries.into_iter().filter(|entry| Parser::is_read(&entry.path)).collect();
    let new: Vec<&Entry> = all.iter().filter(|entry| before.is_new(entry)).collect();
    let mut objects = Objects { place, source, store, key: &key, all: &all, progress: before.clone() };
    let mut done = 0;
    while done < new.len() {
        done += objects.read_some(&new[done..], summary)?;
    }
    let mut progress = objects.progress;
    progress.note(&new, &all);
    if progress != before {
        store.write_json(&state, &progress)?;
    }
    Ok(Kept { key, source: source.clone(), months: progress.months })
}

/// A prefix in S3 while it is read.
struct Objects<'a> {
    place: &'a Place,
    source: &'a MetricSource,
    store: &'a Store,
    key: &'a str,
    all: &'a [Entry],
    progress: Progress,
}

impl Objects<'_> {
    /// Reads objects until there are enough points to be kept, and keeps them; says how many it read.
    fn read_some(&mut self, new: &[&Entry], summary: &mut Summary) -> Result<usize> {
        let mut parser = Parser::new(self.source).map_err(|error| config_error(&error))?;
        let mut count = 0;
        while count < new.len() && parser.size() <= POINTS_AT_ONCE {
            count += self.take_some(&mut parser, &new[count..])?;
        }
        let found: BTreeSet<String> = parser.paired().iter().filter_map(|file| below(file, self.source)).collect();
        if !found.is_empty() {
            // A reply may answer a request that was saved long ago.
            let read: BTreeSet<&str> = new[..count].iter().map(|entry| entry.path.as_str()).collect();
            let others = self.all.iter().filter(|entry| self.progress.paired.contains(&entry.path));
            let others: Vec<&Entry> = others.filter(|entry| !read.contains(entry.path.as_str())).collect();
            let mut done = 0;
            while done < others.len() {
                done += self.take_some(&mut parser, &others[done..])?;
            }
            self.progress.paired.extend(found);
        }
        let parsed = parser.finish();
        summary.failures.extend(parsed.failures.iter().map(|failure| format!("metrics: {failure}")));
        summary.warnings.extend(parsed.warnings.iter().map(describe));
        self.store.add_points(self.key, &mut self.progress.months, parsed.series)?;
        Ok(count)
    }

    /// Fetches and parses as many objects as are held at once; says how many.
    fn take_some(&self, parser: &mut Parser<'_>, entries: &[&Entry]) -> Result<usize> {
        let mut size = 0;
        let fits = |entry: &&&Entry| {
            size += entry.size;
            size <= AT_ONCE
        };
        let count = entries.iter().take_while(fits).count().max(1);
        let path = |entry: &&Entry| self.source.path.join(&entry.path);
        let bytes = self.place.read_all(&entries[..count])?;
        parser.take(&entries.iter().map(path).zip(bytes).collect::<Vec<_>>());
        Ok(count)
    }
}

impl Progress {
    fn is_new(&self, entry: &Entry) -> bool {
        let is_old = entry.modified.is_some_and(|modified| modified < self.read_until - LOOK_BACK);
        !is_old && entry.tag.as_ref() != self.recent.get(&entry.path)
    }

    fn note(&mut self, read: &[&Entry], all: &[Entry]) {
        let newest = read.iter().filter_map(|entry| entry.modified).max();
        self.read_until = self.read_until.max(newest.unwrap_or(0));
        let first = self.read_until - LOOK_BACK;
        // What is older is not looked at again, whatever its tag.
        let is_recent = |entry: &&Entry| entry.modified.is_none_or(|modified| modified >= first);
        let listed: BTreeSet<&str> = all.iter().filter(is_recent).map(|entry| entry.path.as_str()).collect();
        self.recent.retain(|path, _| listed.contains(path.as_str()));
        for entry in read.iter().filter(|entry| entry.modified.is_none_or(|modified| modified >= first)) {
            self.recent.insert(entry.path.clone(), entry.tag.clone().unwrap_or_default());
        }
    }
}

fn below(file: &Path, source: &MetricSource) -> Option<String> {
    file.strip_prefix(&source.path).ok().map(|path| path.to_string_lossy().into_owned())
}

/// What a source's points are kept under: everything that decides which points are read.
pub(super) fn key_of(source: &impl std::fmt::Debug) -> String {
    let text = format!("{source:?}");
    store::hash(text.as_bytes())[..16].to_string()
}
