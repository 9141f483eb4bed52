//! History: what each run saw. A replaced version of a period is kept for as long as some run that saw
//! it is, so that a past morning's report can be shown again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::record::Record;
use super::store::Store;
use crate::clock::{self, DAY};
use crate::error::{Error, Result};
use crate::schema::Table;

/// Days for which replaced versions are kept, where the config says nothing.
pub const KEEP_DAYS: i32 = 90;
/// The note of the last alert.
const ALERT: &str = "alert.json";

/// Which days an alert looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertNote {
    /// First day.
    pub from: i32,
    /// Last complete day.
    pub to: i32,
}

/// What a run saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its clock; epoch seconds.
    pub as_of: i64,
    /// Hash of each period's record.
    pub periods: BTreeMap<String, String>,
    /// What `alert` had looked at when it was done.
    pub alert: Option<AlertNote>,
}

/// A run that noted what it saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastRun {
    /// Its clock; epoch seconds.
    pub as_of: i64,
    /// The clock of the run before it.
    pub previous: Option<i64>,
}

/// The last run up to an instant.
pub(super) fn last_run(store: &Store, until: i64) -> Result<Option<LastRun>> {
    let mut up_to = clocks(store)?.into_iter().filter(|as_of| *as_of <= until).rev();
    Ok(up_to.next().map(|as_of| LastRun { as_of, previous: up_to.next() }))
}

/// Where a replaced file of a table is kept.
pub fn file_path(table: Table, period: &str, hash: &str) -> String {
    format!("history/{}/billing_period={period}/{hash}.parquet", table.name())
}

/// Where a replaced record is kept.
pub fn record_path(period: &str, hash: &str) -> String {
    format!("history/periods/{period}/{hash}.json")
}

/// The clock is in the name, so that most questions need no run to be read.
fn run_path(as_of: i64) -> String {
    format!("runs/{}.json", clock::instant_text(as_of).replace(':', ""))
}

fn clock_of(path: &str) -> Option<i64> {
    let text = path.strip_prefix("runs/")?.strip_suffix(".json")?;
    let (day, time) = text.split_once('T')?;
    let time = time.strip_suffix('Z').filter(|time| time.len() == 6 && time.is_ascii())?;
    clock::parse(&format!("{day}T{}:{}:{}Z", &time[..2], &time[2..4], &time[4..])).ok()
}

/// The clocks of all runs, in order.
fn clocks(store: &Store) -> Result<Vec<i64>> {
    let mut clocks: Vec<i64> = store.place().below("runs/")?.iter().filter_map(|entry| clock_of(&entry.path)).collect();
    clocks.sort_unstable();
    Ok(clocks)
}

/// The newest run.
fn newest(store: &Store) -> Result<Option<Run>> {
    clocks(store)?.last().map_or(Ok(None), |as_of| run(store, *as_of))
}

fn run(store: &Store, as_of: i64) -> Result<Option<Run>> {
    store.read_json(&run_path(as_of))
}

impl Store {
    /// The clocks of the runs whose bill is kept as they saw it, in order: of a past day its first and its last.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn runs(&self) -> Result<Vec<i64>> {
        clocks(self)
    }

    /// Notes what the store holds at the end of a run, where it differs from what the last run saw or
    /// is the day's first. The caller holds the lock.
    pub fn log_run(&self, as_of: i64) -> Result<()> {
        let mut periods = BTreeMap::new();
        for period in self.periods()? {
            periods.extend(self.stored(&period)?.map(|stored| (period, stored.hash)));
        }
        let last = newest(self)?;
        // A run of the past stores as any other does, but it is not what the mornings since then saw.
        if last.as_ref().is_some_and(|last| last.as_of > as_of) {
            return Ok(());
        }
        let is_news =
            last.is_none_or(|last| last.periods != periods || clock::day_of(last.as_of) < clock::day_of(as_of));
        if is_news && !periods.is_empty() {
            let run = Run { as_of, periods, alert: self.alert_note()? };
            self.write_json(&run_path(as_of), &run)?;
            self.forget(as_of)?;
        }
        Ok(())
    }

    /// What `alert` looked at the last time.
    pub fn alert_note(&self) -> Result<Option<AlertNote>> {
        let note = self.place().get(ALERT)?;
        // A damaged note only means that the days are looked at once more.
        Ok(note.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok()))
    }

    /// Notes what `alert` looked at, for the next one and for the run it belongs to.
    pub fn keep_alert_note(&self, note: AlertNote) -> Result<()> {
        if self.alert_note()? == Some(note) {
            return Ok(());
        }
        self.write_json(ALERT, &note)?;
        match newest(self)? {
            Some(run) => self.write_json(&run_path(run.as_of), &Run { alert: Some(note), ..run }),
            None => Ok(()),
        }
    }

    /// Removes runs that are too old, all but the first and last of each past day, and what no run needs any more: the
    /// first saw a new day first, and the last is what the day ended with.
    fn forget(&self, as_of: i64) -> Result<()> {
        let all = clocks(self)?;
        // A clock in the future makes nothing old.
        let first = as_of.min(clock::now()) - i64::from(self.keep_days) * DAY;
        let by_day = |run: &i64| (clock::day_of(*run), *run);
        let last_of_day: BTreeMap<i32, i64> = all.iter().map(by_day).collect();
        let first_of_day: BTreeMap<i32, i64> = all.iter().rev().map(by_day).collect();
        let today = clock::day_of(as_of);
        let is_kept = |run: &i64| {
            let day = clock::day_of(*run);
            let is_end = [&first_of_day, &last_of_day].iter().any(|ends| ends.get(&day) == Some(run));
            *run >= first && (day >= today || is_end)
        };
        let (kept, gone): (Vec<i64>, Vec<i64>) = all.into_iter().partition(is_kept);
        if gone.is_empty() {
            return Ok(());
        }
        let mut seen = BTreeSet::new();
        for as_of in kept {
            seen.extend(run(self, as_of)?.unwrap_or_default().periods);
        }
        let mut needed = BTreeSet::new();
        for (period, record_hash) in &seen {
            let path = record_path(period, record_hash);
            let Some(record) = self.read_json::<Record>(&path)? else { continue };
            needed.insert(path);
            let files = Table::ALL.iter().filter_map(|table| Some((table, record.files.get(table.name())?)));
            needed.extend(files.map(|(table, hash)| file_path(*table, period, hash)));
        }
        for entry in self.place().below("history/")? {
            if !needed.contains(&entry.path) {
                self.place().remove(&entry.path)?;
            }
        }
        // The runs go last: a kill in between leaves something to remove, never something missing.
        gone.iter().try_for_each(|run| self.place().remove(&run_path(*run)))
    }
}

/// The last run up to an instant, and the records that it saw.
pub(super) fn as_seen(store: &Store, until: i64) -> Result<(Run, Vec<Record>)> {
    let all = clocks(store)?;
    let first = all.first().copied();
    let found = all.into_iter().rfind(|as_of| *as_of <= until).map_or(Ok(None), |as_of| run(store, as_of))?;
    let Some(run) = found else {
        let known = first.map_or_else(
            || "no run is known".to_string(),
            |first| format!("the first run that is known was on {}", clock::instant_text(first)),
        );
        return Err(Error::config(
            "--as-seen",
            format!("no run is known up to {}; {known}", clock::instant_text(until)),
            "choose a later day; `[store] keep_days` says how long runs are kept",
        ));
    };
    let mut records = Vec::new();
    for (period, wanted) in &run.periods {
        let current = store.stored(period)?.filter(|stored| stored.hash == *wanted).map(|stored| stored.record);
        let record = match current {
            Some(record) => Some(record),
            None => store.read_json(&record_path(period, wanted))?,
        };
        records.push(record.ok_or_else(|| {
            Error::input(
                store.place().address(&record_path(period, wanted)),
                "the version that this run saw is no longer kept",
                "choose a later day",
            )
        })?);
    }
    Ok((run, records))
}
