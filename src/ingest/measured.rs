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
use crate::sources::cloudwatch::{self, HourSample, MetricSource, Parser, Scope};

/// Seconds before the newest object that was read in which another may still appear: S3 dates an
/// object by the start of its upload.
const LOOK_BACK: i64 = 2 * DAY;
/// Bytes of objects that are parsed before their points are kept.
const AT_ONCE: u64 = 128 << 20;

/// All that was measured.
#[derive(Default)]
pub(super) struct Measured<'a> {
    /// Of folders, by month.
    samples: BTreeMap<String, BTreeMap<SeriesKey, HourSample>>,
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
        for sample in self.samples.get(period).into_iter().flat_map(BTreeMap::values) {
            bytes.extend_from_slice(format!("{sample:?}\n").as_bytes());
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
            found.into_iter().for_each(|sample| settle(&mut samples, sample));
        }
        Ok(samples.into_values().collect())
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
    for sample in read.samples {
        let month = clock::month_of(clock::day_of(sample.hour));
        settle(measured.samples.entry(month).or_default(), sample);
    }
    Ok(())
}

fn describe(warning: &cloudwatch::Warning) -> String {
    let line = warning.line.map(|line| format!(", line {line}")).unwrap_or_default();
    format!("{}{line}: {}", warning.file.display(), warning.text)
}

/// Two sources may return the same series of AWS's own, each perhaps not all of it.
fn settle(samples: &mut BTreeMap<SeriesKey, HourSample>, sample: HourSample) {
    let known = samples.entry(series_key(&sample)).or_insert_with(|| sample.clone());
    known.settle_with(&sample);
}

/// Reads the objects of a prefix that are new, and keeps their points.
fn read_objects(place: &Place, source: &MetricSource, store: &Store, summary: &mut Summary) -> Result<Kept> {
    let key = key_of(source);
    let state = format!("points/{key}/state.json");
    let before: Progress = store.read_json(&state)?.unwrap_or_default();
    let listing = place.list()?;
    let objects: Vec<Entry> = listing.entries.into_iter().filter(|entry| Parser::is_read(&entry.path)).collect();
    let mut progress = before.clone();
    let new: Vec<&Entry> = objects.iter().filter(|entry| before.is_new(entry)).collect();
    let mut at = 0;
    while at < new.len() {
        let mut size = 0;
        let count = new[at..]
            .iter()
            .take_while(|entry| {
                size += entry.size;
                size <= AT_ONCE
            })
            .count()
            .max(1);
        let part = &new[at..at + count];
        at += count;
        let mut parser = Parser::new(source).map_err(|error| config_error(&error))?;
        take(&mut parser, place, source, part)?;
        let found: BTreeSet<String> = parser.paired().iter().filter_map(|file| below(file, source)).collect();
        if !found.is_empty() {
            // A reply may answer a request that was saved long ago.
            let read: BTreeSet<&str> = part.iter().map(|entry| entry.path.as_str()).collect();
            let others = objects.iter().filter(|entry| progress.paired.contains(&entry.path));
            let others: Vec<&Entry> = others.filter(|entry| !read.contains(entry.path.as_str())).collect();
            take(&mut parser, place, source, &others)?;
            progress.paired.extend(found);
        }
        let parsed = parser.finish();
        summary.failures.extend(parsed.failures.iter().map(|failure| format!("metrics: {failure}")));
        summary.warnings.extend(parsed.warnings.iter().map(describe));
        store.add_points(&key, &mut progress.months, parsed.series)?;
    }
    progress.note(&new, &objects);
    if progress != before {
        store.write_json(&state, &progress)?;
    }
    Ok(Kept { key, source: source.clone(), months: progress.months })
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

/// Fetches objects and parses them in the order of their names.
fn take(parser: &mut Parser<'_>, place: &Place, source: &MetricSource, entries: &[&Entry]) -> Result<()> {
    for (entry, bytes) in entries.iter().zip(place.read_all(entries)?) {
        parser.take(&source.path.join(&entry.path), bytes);
    }
    Ok(())
}

fn below(file: &Path, source: &MetricSource) -> Option<String> {
    file.strip_prefix(&source.path).ok().map(|path| path.to_string_lossy().into_owned())
}

/// What a source's points are kept under: everything that decides which points are read.
pub(super) fn key_of(source: &impl std::fmt::Debug) -> String {
    let text = format!("{source:?}");
    store::hash(text.as_bytes())[..16].to_string()
}

type SeriesKey = (i64, bool, Scope, [String; 5], BTreeMap<String, String>);

/// What tells one measured series and hour from another.
fn series_key(sample: &HourSample) -> SeriesKey {
    let texts = [
        sample.account_id.clone(),
        sample.region.clone(),
        sample.namespace.clone(),
        sample.model_id.clone().unwrap_or_default(),
        sample.endpoint.map_or("", |endpoint| endpoint.as_str()).to_string(),
    ];
    (sample.hour, sample.daily, sample.scope, texts, sample.owner.clone())
}
