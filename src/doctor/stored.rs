//! The store: who holds it, whether it is whole, how much it keeps, and what it knows.

use super::{Check, Subject, counted, some};
use crate::error::Error;
use crate::facts::lock;
use crate::facts::store::{self, Record};
use crate::metrics::queries::Query;
use crate::metrics::{Engine, Grid, Range};
use crate::place::Place;
use crate::report::trust::period_state;

/// What the store holds, as far as it could be read.
#[derive(Default)]
pub(super) struct Stored {
    /// The records, by period.
    pub(super) records: Vec<Record>,
    /// The tables.
    engine: Option<Engine>,
    /// Accounts and regions of the bill.
    pub(super) billed: Vec<(String, String)>,
    /// What was found on the way.
    pub(super) checks: Vec<Check>,
}

impl Stored {
    /// The answer to SQL over the tables; none where they cannot be read.
    pub(super) fn ask(&self, sql: &str) -> Option<Grid> {
        self.engine.as_ref()?.run(&Query { name: "doctor".into(), sql: sql.into() }).ok()
    }

    /// The last month that is over, else the newest; and whether it is over.
    pub(super) fn month(&self, as_of: i64) -> Option<(&Record, bool)> {
        let is_over = |record: &&Record| period_state(record, as_of) != "open";
        let over = self.records.iter().rev().find(is_over).map(|record| (record, true));
        over.or_else(|| self.records.last().map(|record| (record, false)))
    }
}

/// Looks at the store.
pub(super) fn look(subject: &Subject<'_>) -> Stored {
    let mut stored = Stored::default();
    let on = format!("store {}", subject.config.store.path);
    match lock::holder(subject.store.place()) {
        Ok(None) => {}
        Ok(Some(holder)) => {
            let held = format!("a run is writing to it: {holder}");
            stored.checks.push(Check::warning("lock", &on, held, "wait until it is done, and ask again"));
            if matches!(subject.store.place(), Place::Local(_)) {
                return stored;
            }
        }
        // A store that cannot be reached is told by the rights to it.
        Err(_) => return stored,
    }
    let periods = match subject.store.periods() {
        Ok(periods) => periods,
        Err(error) => {
            stored.checks.push(Check::of_error("records", &on, &error));
            return stored;
        }
    };
    if periods.is_empty() {
        stored.checks.push(Check::warning("records", &on, "it holds no facts yet", "run `billtag run`"));
        return stored;
    }
    let read = records(subject, &periods, &on, &mut stored);
    stored.checks.push(history(subject, &on));
    if read {
        open_tables(subject, &on, &mut stored);
    }
    stored
}

/// Reads every record; says whether all of them are readable and whole.
fn records(subject: &Subject<'_>, periods: &[String], on: &str, stored: &mut Stored) -> bool {
    let mut broken = Vec::new();
    for period in periods {
        match subject.store.record(period) {
            Ok(Some(record)) if subject.store.is_whole(&record).unwrap_or(false) => stored.records.push(record),
            Ok(Some(_)) => broken.push(Check::failure(
                "records",
                on,
                format!("{period}: its files are not those that its record names"),
                "run `billtag ingest` with the bill at hand; the period is then made again",
            )),
            // Removed meanwhile.
            Ok(None) => {}
            Err(error) => broken.push(Check::of_error("records", on, &error)),
        }
    }
    let is_whole = broken.is_empty();
    stored.checks.extend(broken);
    let others: Vec<String> = stored
        .records
        .iter()
        .filter(|record| record.fingerprint.version != store::version())
        .map(|record| format!("{} by {}", record.period, record.fingerprint.version))
        .collect();
    if !others.is_empty() {
        let found = format!("made by another version than this one, {}: {}", store::version(), some(&others, 4));
        let fix = "run `billtag ingest`; what the bill still holds is made again";
        stored.checks.push(Check::warning("version", on, found, fix));
    }
    if let (true, Some(first), Some(last)) = (is_whole, stored.records.first(), stored.records.last()) {
        let states = stored.records.iter().rev().take(2);
        let states = states.map(|record| format!("{} is {}", record.period, period_state(record, subject.as_of)));
        let states = states.collect::<Vec<_>>().join(", ");
        let count = counted(stored.records.len(), "period", "periods");
        let found = format!("{count}, {} to {}, readable and whole; {states}", first.period, last.period);
        stored.checks.push(Check::ok("records", on, found));
    }
    is_whole
}

/// How many runs and replaced versions are kept.
fn history(subject: &Subject<'_>, on: &str) -> Check {
    let place = subject.store.place();
    let both = place.below("runs/").and_then(|runs| Ok((runs, place.below("history/")?)));
    match both {
        Err(error) => Check::of_error("history", on, &error),
        Ok((runs, kept)) => {
            let bytes: u64 = kept.iter().map(|entry| entry.size).sum();
            let (runs, files) = (counted(runs.len(), "run", "runs"), counted(kept.len(), "file", "files"));
            let days = subject.store.keep_days;
            let size = if bytes < 1 << 20 { "less than 1 MiB".into() } else { format!("{} MiB", bytes >> 20) };
            Check::ok("history", on, format!("{runs}; {files} of replaced versions, {size}; kept for {days} days"))
        }
    }
}

/// Opens the tables and asserts the law on them.
fn open_tables(subject: &Subject<'_>, on: &str, stored: &mut Stored) {
    let opened = subject.store.snapshot();
    let opened = opened.and_then(|snapshot| Engine::open(snapshot, subject.config, subject.as_of, Range::default()));
    match opened.and_then(|engine| engine.assert_law().map(|()| engine)) {
        Ok(engine) => {
            stored.engine = Some(engine);
            stored.billed = billed(stored);
            let found = "every table sums to what the bill summed to";
            stored.checks.push(Check::ok("conservation", on, found));
        }
        Err(error @ Error::Conservation(_)) => stored.checks.push(Check::of_error("conservation", on, &error)),
        Err(error) => stored.checks.push(Check::of_error("tables", on, &error)),
    }
}

fn billed(stored: &Stored) -> Vec<(String, String)> {
    let sql = "select distinct sub_account_id, region_id from cost_daily \
               where sub_account_id is not null and region_id is not null and consumed_unit = 'tokens'";
    let Some(grid) = stored.ask(sql) else { return Vec::new() };
    let mut pairs: Vec<(String, String)> =
        grid.rows.iter().map(|row| (grid.text(row, "sub_account_id"), grid.text(row, "region_id"))).collect();
    pairs.sort();
    pairs
}
