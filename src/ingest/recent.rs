//! Recent points: what the metric sources have got since the last look, for the fast clock of alerts. What the
//! store keeps of them is left alone: it is made by `ingest`, from the same sources.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::live::{Live, Work};
use super::measured::{config_error, key_of, source_of};
use crate::aws::Aws;
use crate::clock::{self, DAY, HOUR};
use crate::config::{Config, Metrics};
use crate::error::{Error, Result};
use crate::facts::record::Regions;
use crate::facts::store::Store;
use crate::place::{Entry, Place};
use crate::sources::cloudwatch::api::{Requests, Window};
use crate::sources::cloudwatch::{MetricSource, Parser, Series};

/// Seconds before the newest file that was read in which another may still appear: S3 dates an object by the start
/// of its upload.
const LOOK_BACK: i64 = HOUR;

/// What was read at the last look.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// By source: last change of the newest file, epoch seconds.
    newest: BTreeMap<String, i64>,
    /// By source: files that changed within the look-back before it, with what they are known by.
    files: BTreeMap<String, BTreeMap<String, String>>,
    /// By source: when all of it was listed, epoch seconds, where its names come in the order of its files, so that
    /// what is new comes after what was read.
    listed: BTreeMap<String, i64>,
}

/// What the sources have got.
#[derive(Debug, Default)]
pub struct Recent {
    /// By source: its points, most of them new.
    pub series: Vec<(MetricSource, Vec<Series>)>,
    /// Sources that failed, each with what to do.
    pub failures: Vec<String>,
    /// What was asked of CloudWatch.
    pub requests: Requests,
}

/// Where points are looked for.
pub struct Look<'a> {
    /// The config.
    pub config: &'a Config,
    /// The store, which knows the series of CloudWatch.
    pub store: &'a Store,
    /// The door to AWS.
    pub aws: &'a Arc<Aws>,
    /// The clock, epoch seconds.
    pub at: i64,
    /// Accounts and regions of the bill.
    pub regions: &'a Regions,
    /// The time that points are wanted of.
    pub window: Window,
}

impl Look<'_> {
    /// Reads every source.
    ///
    /// # Errors
    /// Where the config is wrong; a source that fails is told in the answer.
    pub fn read(&self, seen: &mut Seen) -> Result<Recent> {
        let mut recent = Recent::default();
        for metrics in &self.config.metrics {
            let source = source_of(self.config, metrics);
            let result = match metrics.api {
                true => self.ask(metrics, &mut recent),
                false => self.files(metrics, &source, seen, &mut recent),
            };
            match result {
                Ok(series) => recent.series.push((source, series)),
                Err(error) => {
                    // What is known of a source that fails today is as true as before.
                    recent.series.push((source, Vec::new()));
                    let name = if metrics.api { "CloudWatch" } else { &metrics.path };
                    recent.failures.push(format!("metrics `{name}`: {error}\n  hint: {}", error.hint()));
                }
            }
        }
        Ok(recent)
    }

    fn ask(&self, metrics: &Metrics, recent: &mut Recent) -> Result<Vec<Series>> {
        let mut live = Live::open(self.config, metrics, self.store)?;
        let work = Work { config: self.config, store: self.store, aws: self.aws, as_of: self.at };
        let asked = live.recent(&work, self.regions, self.window)?;
        recent.requests.add(asked.requests);
        recent.failures.extend(asked.refused);
        Ok(asked.series)
    }

    /// The files of a source: all of them once a day, else those behind the first of the last hour. A stream's prefix
    /// holds a hundred thousand objects a year, and to list them costs more than to read what is new.
    fn list(&self, place: &Place, key: &str, seen: &mut Seen) -> Result<Vec<Dated>> {
        let is_due = seen.listed.get(key).is_none_or(|at| !(0..DAY).contains(&(self.at - at)));
        let first = seen.files.get(key).and_then(|files| files.keys().next()).filter(|_| !is_due);
        let all = dated(place, first.map(String::as_str))?;
        let is_ordered = all.is_sorted_by(|a, b| a.modified <= b.modified + LOOK_BACK / 2);
        if is_due && is_ordered {
            seen.listed.insert(key.to_string(), self.at);
        } else if !is_ordered {
            seen.listed.remove(key);
        }
        Ok(all)
    }

    /// The points of files that are new.
    fn files(
        &self,
        metrics: &Metrics,
        source: &MetricSource,
        seen: &mut Seen,
        recent: &mut Recent,
    ) -> Result<Vec<Series>> {
        let place = self.config.metrics_place(metrics, self.aws);
        let key = key_of(source);
        let newest = seen.newest.get(&key).copied();
        let all = self.list(&place, &key, seen)?;
        // What was written before the window has no point of it.
        let first = newest.map_or(self.window.from, |newest| newest - LOOK_BACK);
        let known = seen.files.entry(key.clone()).or_default();
        let new = all.iter().filter(|file| file.modified >= first && known.get(&file.entry.path) != Some(&file.tag));
        let new: Vec<&Dated> = new.collect();
        let mut parser = Parser::new(source).map_err(|error| config_error(&error))?;
        let bytes = read_all(&place, &new)?;
        let named = new.iter().zip(bytes).map(|(file, bytes)| (source.path.join(&file.entry.path), bytes));
        parser.take(&named.collect::<Vec<(PathBuf, Bytes)>>());
        let parsed = parser.finish();
        recent.failures.extend(parsed.failures.iter().map(|failure| format!("metrics: {failure}")));
        let newest = all.iter().map(|file| file.modified).chain(newest).max();
        if let Some(newest) = newest.map(|newest| newest.min(self.at.max(clock::now()))) {
            let is_recent = |file: &&Dated| file.modified >= newest - LOOK_BACK;
            // The first of the last hour is where the next listing begins, which therefore does not hold it.
            let first = known.first_key_value().map(|(path, tag)| (path.clone(), tag.clone()));
            let recent = all.iter().filter(is_recent).map(|file| (file.entry.path.clone(), file.tag.clone()));
            let recent: BTreeMap<String, String> = recent.collect();
            *known = if recent.is_empty() { first.into_iter().collect() } else { recent };
            seen.newest.insert(key, newest);
        }
        Ok(parsed.series)
    }
}

/// A file of metrics, and when it last changed.
struct Dated {
    entry: Entry,
    modified: i64,
    /// What tells it from another of its name.
    tag: String,
}

/// The files of a source. Requests and replies that lie beside each other are read together, since they change
/// together; a source that is a single file is that.
fn dated(place: &Place, after: Option<&str>) -> Result<Vec<Dated>> {
    let entries = match place {
        Place::Local(path) if path.is_file() => vec![Entry { path: String::new(), size: 0, tag: None, modified: None }],
        place => place.list_after(after)?.entries,
    };
    let files = entries.into_iter().filter(|entry| entry.path.is_empty() || Parser::is_read(&entry.path));
    files.map(|entry| date(place, entry)).collect()
}

fn date(place: &Place, entry: Entry) -> Result<Dated> {
    if let Place::Local(folder) = place {
        let path = folder.join(&entry.path);
        let path = if entry.path.is_empty() { folder.clone() } else { path };
        let metadata = std::fs::metadata(&path).map_err(Error::io(&path, "read"))?;
        let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let tag = format!("{} {}", metadata.len(), since.as_nanos());
        return Ok(Dated { entry, modified: since.as_secs() as i64, tag });
    }
    let (modified, tag) = (entry.modified.unwrap_or(i64::MAX), entry.tag.clone().unwrap_or_default());
    Ok(Dated { entry, modified, tag })
}

fn read_all(place: &Place, files: &[&Dated]) -> Result<Vec<Bytes>> {
    if let (Place::Local(path), [file]) = (place, files)
        && file.entry.path.is_empty()
    {
        return Ok(vec![std::fs::read(path).map(Bytes::from).map_err(Error::io(path, "read"))?]);
    }
    place.read_all(&files.iter().map(|file| &file.entry).collect::<Vec<_>>())
}
