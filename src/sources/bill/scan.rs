//! The scan: every line is tested, only candidates leave the file.
//!
//! Row groups are read side by side; a batch of candidates is small, so memory follows neither the
//! number of lines nor the width of the bill. A row group whose dictionaries show that it cannot hold
//! a candidate is not decoded at all. What a candidate is, is decided on a few columns that are cheap
//! to read; the exact choice is made later, on all of them.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, mpsc};

use super::candidate::{Tested, tested};
use super::chunks::Chunks;
use super::columns::{TextColumn, TimeColumn};
use super::file::{BillFile, broken};
use super::layout::BillPeriod;
use super::lines::Lines;
use super::pages::Test;
use super::take::{Rows, take, wanted};
use super::{prune, reach};
use crate::clock;
use crate::error::{Error, Result};
use crate::place::{Entry, Place};
use crate::shield::shielded;
use crate::watch::Watch;

/// Row groups that are read at the same time where bytes come over the network: some wait for bytes
/// while others are decoded.
const ABREAST: usize = 4;
/// Fetched bytes that may wait to be decoded.
const FETCHED: u64 = 64 << 20;

/// What a scan saw beside the candidates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Lines in the files, all services.
    pub lines: u64,
    /// Latest end of an hourly or daily Usage line over all services; epoch seconds.
    pub watermark: Option<i64>,
}

/// Opens every file of a period, several at a time.
///
/// # Errors
/// That of the first file that cannot be read.
pub fn open(place: &Place, period: &BillPeriod) -> Result<Vec<BillFile>> {
    let mut files = Vec::with_capacity(period.files.len());
    for some in period.files.chunks(ABREAST) {
        let opened: Vec<Result<BillFile>> = std::thread::scope(|scope| {
            let work: Vec<_> = some.iter().map(|entry| scope.spawn(|| BillFile::open(place, entry))).collect();
            let join = |work: std::thread::ScopedJoinHandle<'_, Result<BillFile>>| {
                work.join().unwrap_or_else(|_| Err(broken(&place.display(), &"its footer cannot be read")))
            };
            work.into_iter().map(join).collect()
        });
        files.extend(opened.into_iter().collect::<Result<Vec<_>>>()?);
    }
    Ok(files)
}

/// Streams the candidates of a period's files to `sink`, in no particular order.
///
/// # Errors
/// Of several the one of the first file and row group, whoever found it first.
pub fn candidates(
    files: &[BillFile],
    watch: &dyn Watch,
    sink: &mut dyn FnMut(&BillFile, &Lines) -> Result<()>,
) -> Result<Seen> {
    for file in files {
        file.check()?;
    }
    let reached = Mutex::new((None, BTreeSet::new()));
    let reached = || reached.lock().unwrap_or_else(PoisonError::into_inner);
    let read = |task: Task, send: &dyn Fn(Lines) -> bool| -> Result<()> {
        let file = &files[task.file];
        let bytes = file.origin.open()?;
        let rows = candidate_rows(file, task.group, &bytes)?;
        if rows.is_empty() {
            return Ok(());
        }
        take(file, task.group, &bytes, (Rows::Some(&rows), &file.positions.all()), send)?;
        // What was fetched is looked at while it is there.
        if file.origin.is_remote() {
            let known = reached().0;
            let reach = reach::look(file, task.group, &bytes, known)?;
            let mut reached = reached();
            reached.0 = reached.0.max(reach);
            reached.1.insert(task);
        }
        Ok(())
    };
    in_parallel(files, watch, &read, sink)?;
    let tasks = tasks(files);
    let lines = tasks.iter().map(|task| files[task.file].rows(task.group)).sum();
    let (known, looked) = std::mem::take(&mut *reached());
    let others = tasks.iter().filter(|task| !looked.contains(task)).map(|task| (&files[task.file], task.group));
    Ok(Seen { lines, watermark: reach::watermark(known, others)? })
}

/// Every row group of the files.
fn tasks(files: &[BillFile]) -> Vec<Task> {
    let groups = |(at, file): (usize, &BillFile)| (0..file.row_groups()).map(move |group| Task { file: at, group });
    files.iter().enumerate().flat_map(groups).collect()
}

/// The lines of a row group that may be Bedrock's.
///
/// # Errors
/// Where bytes cannot be had or are damaged.
pub fn candidate_rows(file: &BillFile, group: usize, bytes: &Chunks) -> Result<Vec<u32>> {
    let open = prune::open_columns(file, group, bytes, &tested(file, group))?;
    wanted(file, group, bytes, &open)
}

/// Streams the tagged lines whose resource is one of the wanted consumers: the second pass of rung 3.
///
/// # Errors
/// Of several the one of the first file and row group, whoever found it first.
pub fn consumers(
    files: &[BillFile],
    is_wanted: &(dyn Fn(&str) -> bool + Sync),
    watch: &dyn Watch,
    sink: &mut dyn FnMut(&BillFile, &Lines) -> Result<()>,
) -> Result<()> {
    let read =
        |task: Task, send: &dyn Fn(Lines) -> bool| read_consumers(&files[task.file], task.group, is_wanted, send);
    in_parallel(files, watch, &read, sink)
}

/// One row group of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Task {
    file: usize,
    group: usize,
}

type ReadGroup<'a> = dyn Fn(Task, &dyn Fn(Lines) -> bool) -> Result<()> + Sync + 'a;

/// Runs `read` over all row groups on all cores and hands what it sends to `sink` on this thread.
fn in_parallel(
    files: &[BillFile],
    watch: &dyn Watch,
    read: &ReadGroup<'_>,
    sink: &mut dyn FnMut(&BillFile, &Lines) -> Result<()>,
) -> Result<()> {
    let tasks = tasks(files);
    let left: Vec<AtomicUsize> = files.iter().map(|file| AtomicUsize::new(file.row_groups())).collect();
    let next = AtomicUsize::new(0);
    let budget = Budget::default();
    let failures: Mutex<BTreeMap<Task, Error>> = Mutex::default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = if files.iter().any(|file| file.origin.is_remote()) { cores.max(ABREAST) } else { cores };
    let mut refused: BTreeMap<Task, Error> = BTreeMap::new();
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel::<(Task, Lines)>(1);
        for _ in 0..workers.min(tasks.len().max(1)) {
            let sender = sender.clone();
            let (tasks, next, left, failures, budget) = (&tasks, &next, &left, &failures, &budget);
            scope.spawn(move || {
                while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let file = &files[task.file];
                    let _share = budget.take(weight(file, task.group));
                    let send = |lines: Lines| sender.send((*task, lines)).is_ok();
                    // Damaged pages can make the decoder panic.
                    let result =
                        shielded(|| read(*task, &send)).unwrap_or_else(|panic| Err(broken(&file.name, &panic)));
                    if let Err(error) = result {
                        failures.lock().unwrap_or_else(PoisonError::into_inner).insert(*task, error);
                    }
                    watch.does(file.bytes(task.group), file.rows(task.group));
                    if left[task.file].fetch_sub(1, Ordering::Relaxed) == 1 {
                        watch.ends_file();
                    }
                }
            });
        }
        drop(sender);
        for (task, lines) in receiver {
            // After an error the rest is still looked at, so that the first error is always the same.
            if refused.first_key_value().is_none_or(|(first, _)| task < *first)
                && let Err(error) = sink(&files[task.file], &lines)
            {
                refused.insert(task, error);
            }
        }
    });
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (task, error) in failures {
        refused.entry(task).or_insert(error);
    }
    // An object that was replaced meanwhile explains every other error, and is read again.
    let changed = refused.iter().find(|(_, error)| matches!(error, Error::Changed { .. })).map(|(task, _)| *task);
    let first = changed.or_else(|| refused.keys().next().copied());
    first.and_then(|task| refused.remove(&task)).map_or(Ok(()), Err)
}

/// Bytes that reading a row group may bring over the network.
fn weight(file: &BillFile, group: usize) -> u64 {
    if file.origin.is_remote() { file.bytes(group) } else { 0 }
}

/// Lets row groups be fetched ahead only while their bytes fit into memory.
#[derive(Default)]
struct Budget {
    taken: Mutex<u64>,
    freed: Condvar,
}

struct Share<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    fn take(&self, bytes: u64) -> Share<'_> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // A row group that is larger than the budget is read alone.
        while *taken > 0 && *taken + bytes > FETCHED {
            taken = self.freed.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += bytes;
        Share { budget: self, bytes }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        *self.budget.taken.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.budget.freed.notify_all();
    }
}

fn read_consumers(
    file: &BillFile,
    group: usize,
    is_wanted: &(dyn Fn(&str) -> bool + Sync),
    send: &dyn Fn(Lines) -> bool,
) -> Result<()> {
    let Some(resource) = file.positions.text(TextColumn::ResourceId) else { return Ok(()) };
    let tags = file.positions.tags();
    if tags.is_empty() {
        return Ok(());
    }
    let columns = [TextColumn::ResourceId, TextColumn::UsageAccount, TextColumn::TimeInterval];
    let mut roots: Vec<usize> = columns.iter().filter_map(|column| file.positions.text(*column)).collect();
    roots.extend(file.positions.time(TimeColumn::UsageStart));
    roots.extend(tags);
    let bytes = file.origin.open()?;
    bytes.load(&file.ranges(group, &[resource])).map_err(|error| file.error(&bytes, &error))?;
    let tested = Tested { root: resource, test: Test::of(is_wanted), is_wide: true };
    let rows = wanted(file, group, &bytes, &[tested])?;
    if rows.is_empty() { Ok(()) } else { take(file, group, &bytes, (Rows::Some(&rows), &roots), send) }
}

/// The billing periods whose lines a plain file holds.
///
/// # Errors
/// Where it cannot be read, or a line says nothing of its time.
pub fn periods_in(place: &Place, entry: &Entry) -> Result<BTreeSet<String>> {
    let file = BillFile::open(place, entry)?;
    file.check()?;
    let times = [TimeColumn::PeriodStart, TimeColumn::UsageStart].iter().filter_map(|time| file.positions.time(*time));
    let roots: Vec<usize> = times.chain(file.positions.text(TextColumn::TimeInterval)).collect();
    let mut periods = BTreeSet::new();
    for group in 0..file.row_groups() {
        let read = || add_periods(&file, group, &roots, &mut periods);
        shielded(read).unwrap_or_else(|panic| Err(broken(&file.name, &panic)))?;
    }
    Ok(periods)
}

fn add_periods(file: &BillFile, group: usize, roots: &[usize], periods: &mut BTreeSet<String>) -> Result<()> {
    let bytes = file.origin.open()?;
    let (periods, timeless) = (RefCell::new(periods), Cell::new(None));
    take(file, group, &bytes, (Rows::First(file.rows(group)), roots), &|lines| {
        let mut last = None;
        for row in 0..lines.len {
            let Some(instant) = lines.period_time(row) else {
                timeless.set(Some(lines.row_number(row)));
                return false;
            };
            let day = clock::day_of(instant);
            if last != Some(day) {
                periods.borrow_mut().insert(clock::month_of(day));
                last = Some(day);
            }
        }
        true
    })?;
    timeless.get().map_or(Ok(()), |number| Err(timeless_line(file, number)))
}

/// A line of a plain file that nothing assigns to a period.
fn timeless_line(file: &BillFile, number: u64) -> Error {
    Error::input(
        format!("{}: row {number}", file.name),
        "the line has no time, so it belongs to no billing period",
        "export again with `bill_billing_period_start_date`, or keep the export's folders by period",
    )
}
