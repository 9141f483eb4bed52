//! The store: `<table>/billing_period=YYYY-MM/part-0.parquet` and one record per period, in a local
//! folder or in S3.
//!
//! A period is replaced in four steps: its new files are written under hidden names that hold their
//! hashes, and made durable; what they replace is kept in the history; the record is replaced (that is
//! the commit: a rename, or in S3 a conditional write); the new files take the places of the old ones.
//! A kill between any two leaves the old state or the new: a reader takes the files whose hashes the
//! record names, and the next run finishes or removes what was left.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use super::record::{Change, Fingerprint, Part, Record};

use super::history;
use super::lock::{self, Lock};
use crate::aws::Aws;
use crate::aws::s3::Condition;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::place::{Place, write_atomically};
use crate::schema::Table;
use crate::sources::bill::known::Known;

/// The tables' layout and what is counted beside them; a change re-makes every period.
pub const REVISION: u32 = 3;
/// What facts are made by: billtag's own version and that of the tables' layout.
pub fn version() -> String {
    format!("{}/{REVISION}", env!("CARGO_PKG_VERSION"))
}

/// What is known of the bills' small files.
const KNOWN: &str = "known.json";
/// The name of a table's file while it is written.
const WRITING: &str = ".part-0.writing";
/// How long copies of replaced files stay.
const COPY_KEPT: Duration = Duration::from_hours(24);
/// How often files are looked for while another run replaces them.
const TRIES: usize = 5;

/// Where facts are kept.
#[derive(Debug, Clone)]
pub struct Store {
    place: Place,
    /// Where table files are read and written: the place itself, or copies of what S3 holds.
    files: PathBuf,
    /// Days for which replaced versions are kept.
    pub keep_days: i32,
}

/// A period as it is stored: its record, and what the record's own file is known by.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The record.
    pub record: Record,
    /// Hash of the record's file.
    pub hash: String,
    /// Tag of the record's file, in S3.
    tag: Option<String>,
}

/// What a period's record says.
#[derive(Debug)]
pub enum Found {
    /// There is none.
    Nothing,
    /// It cannot be read as a record; it is made again.
    Damaged {
        /// What is wrong with it.
        error: Error,
        /// Tag of its file, in S3.
        tag: Option<String>,
    },
    /// A stored period.
    Whole(Box<Stored>),
}

/// The tables as they are, or were: their records and files.
#[derive(Debug)]
pub struct Snapshot {
    /// The records, by period.
    pub records: Vec<Record>,
    /// The file of each table and period.
    pub files: BTreeMap<(Table, String), PathBuf>,
    /// The clock of the run that saw them, where it is not the present one; epoch seconds.
    pub as_of: Option<i64>,
    /// What `alert` had looked at.
    pub alert: Option<history::AlertNote>,
    /// The last run that noted what it saw.
    pub last_run: Option<history::LastRun>,
    /// Keeps writers out while the tables are read.
    _lock: Option<Lock>,
}

impl Store {
    /// A store in a local folder, which need not exist yet.
    pub fn new(root: PathBuf) -> Self {
        Self { place: Place::Local(root.clone()), files: root, keep_days: history::KEEP_DAYS }
    }

    /// The store of a config.
    pub fn open(config: &Config, aws: &Arc<Aws>) -> Self {
        let place = config.store_place(aws);
        let files = match &place {
            Place::Local(folder) => folder.clone(),
            Place::S3(..) => cache_folder(config, &place.display()),
        };
        Self { place, files, keep_days: config.store.keep_days.unwrap_or(history::KEEP_DAYS) }
    }

    /// Its address.
    pub fn name(&self) -> String {
        self.place.display()
    }

    /// Where it lies.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Takes the lock for writing, and waits a while for it.
    pub fn lock(&self) -> Result<Lock> {
        lock::write(&self.place)
    }

    /// What is known of the bills' small files.
    pub fn known(&self) -> Known {
        // What cannot be read is read anew from the bill.
        self.read_json(KNOWN).ok().flatten().unwrap_or_default()
    }

    /// Keeps what is known of the bills' small files.
    pub fn remember(&self, known: &Known) -> Result<()> {
        if *known == self.known() { Ok(()) } else { self.write_json(KNOWN, known) }
    }

    /// Reads a small file of the store.
    pub fn read_json<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        let Some((bytes, _)) = self.place.get(path)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| self.damaged(path, &error))
    }

    /// Writes a small file of the store.
    pub fn write_json<T: Serialize>(&self, path: &str, value: &T) -> Result<()> {
        self.place.put(path, &to_json(value)?, &Condition::Always).map(|_| ())
    }

    fn damaged(&self, path: &str, error: &serde_json::Error) -> Error {
        Error::input(
            self.place.address(path),
            format!("the stored file is damaged ({error})"),
            "remove this file and run `billtag ingest`; it is then made again",
        )
    }

    /// The records of all stored periods, sorted.
    pub fn records(&self) -> Result<Vec<Record>> {
        let stored: Result<Vec<_>> = self.periods()?.iter().map(|period| self.stored(period)).collect();
        Ok(stored?.into_iter().flatten().map(|stored| stored.record).collect())
    }

    /// The stored periods, sorted.
    pub fn periods(&self) -> Result<Vec<String>> {
        let entries = self.place.below("periods/")?;
        let period = |path: &str| Some(path.strip_prefix("periods/")?.strip_suffix(".json")?.to_string());
        let periods = entries.iter().filter_map(|entry| period(&entry.path));
        Ok(periods.filter(|period| !period.starts_with('.')).collect())
    }

    /// One stored period; a damaged record is an error.
    pub fn stored(&self, period: &str) -> Result<Option<Stored>> {
        match self.find(period)? {
            Found::Nothing => Ok(None),
            Found::Damaged { error, .. } => Err(error),
            Found::Whole(stored) => Ok(Some(*stored)),
        }
    }

    /// What a period's record says. That it cannot be reached is an error, and not that it is damaged.
    pub fn find(&self, period: &str) -> Result<Found> {
        let path = record_path(period);
        let Some((bytes, tag)) = self.place.get(&path)? else { return Ok(Found::Nothing) };
        Ok(match serde_json::from_slice(&bytes) {
            Ok(record) => Found::Whole(Box::new(Stored { record, hash: hash(&bytes), tag })),
            Err(error) => Found::Damaged { error: self.damaged(&path, &error), tag },
        })
    }

    /// The record of one period.
    pub fn record(&self, period: &str) -> Result<Option<Record>> {
        Ok(self.stored(period)?.map(|stored| stored.record))
    }

    /// Where a period's new file of a table is written, before it has a name.
    pub fn new_file(&self, table: Table, period: &str) -> Result<PathBuf> {
        let folder = self.files.join(folder(table, period));
        fs::create_dir_all(&folder).map_err(Error::io(&folder, "create"))?;
        Ok(folder.join(WRITING))
    }

    /// Makes the new files of a period the stored ones, and keeps what they replace. The caller holds the lock.
    pub fn commit(&self, record: &Record, found: &Found) -> Result<()> {
        for table in Table::ALL {
            self.stage(table, record)?;
        }
        // Only the record that was read may be replaced: another run may have stored the period since.
        let condition = match found {
            Found::Nothing => Condition::Absent,
            Found::Whole(old) => old.tag.clone().map_or(Condition::Always, Condition::Is),
            Found::Damaged { tag, .. } => tag.clone().map_or(Condition::Always, Condition::Is),
        };
        if let Found::Whole(old) = found
            && old.record != *record
        {
            self.keep(old, record)?;
        }
        let written = self.place.put(&record_path(&record.period), &to_json(record)?, &condition);
        written.map_err(|error| match error {
            Error::Changed { place } => Error::input(
                place,
                "another run stored this period meanwhile",
                "run again; what the other run stored is there",
            ),
            error => error,
        })?;
        for table in Table::ALL {
            self.promote(table, record)?;
        }
        Ok(())
    }

    /// Gives a new file a durable hidden name that holds its hash.
    fn stage(&self, table: Table, record: &Record) -> Result<()> {
        let staged = self.staged(table, record);
        match &self.place {
            Place::Local(_) => self.place.rename(&format!("{}/{WRITING}", folder(table, &record.period)), &staged),
            Place::S3(..) => {
                let writing = self.new_file(table, &record.period)?;
                let bytes = fs::read(&writing).map(Bytes::from).map_err(Error::io(&writing, "read"))?;
                self.place.put(&staged, &bytes, &Condition::Always)?;
                let copy = self.copy_of(table, record);
                fs::rename(&writing, &copy).map_err(Error::io(&copy, "replace"))
            }
        }
    }

    /// Keeps a version that is about to be replaced.
    fn keep(&self, old: &Stored, new: &Record) -> Result<()> {
        let period = &old.record.period;
        for table in Table::ALL {
            let Some(old_hash) = old.record.files.get(table.name()) else { continue };
            if new.files.get(table.name()) != Some(old_hash) && self.is_stored(table, &old.record)? {
                self.place.keep_as(&current_path(table, period), &history::file_path(table, period, old_hash))?;
            }
        }
        self.place.keep_as(&record_path(period), &history::record_path(period, &old.hash))
    }

    fn promote(&self, table: Table, record: &Record) -> Result<()> {
        self.place.rename(&self.staged(table, record), &current_path(table, &record.period))
    }

    fn staged(&self, table: Table, record: &Record) -> String {
        let hash = record.files.get(table.name()).map_or("", String::as_str);
        format!("{}/.part-0.{hash}.new", folder(table, &record.period))
    }

    /// Where a copy of a file lies that S3 holds.
    fn copy_of(&self, table: Table, record: &Record) -> PathBuf {
        let hash = record.files.get(table.name()).map_or("", String::as_str);
        self.files.join(folder(table, &record.period)).join(format!("{hash}.parquet"))
    }

    /// Finishes what a killed run had committed and removes what it had not. The caller holds the lock.
    pub fn recover(&self) -> Result<()> {
        for table in Table::ALL {
            for entry in self.place.below(&format!("{}/", table.name()))? {
                let Some((folder, name)) = entry.path.rsplit_once('/') else { continue };
                let Some(period) = folder.split_once("billing_period=").map(|(_, period)| period) else { continue };
                if name == WRITING {
                    self.place.remove(&entry.path)?;
                }
                let Some(staged) = name.strip_prefix(".part-0.").and_then(|name| name.strip_suffix(".new")) else {
                    continue;
                };
                // A damaged record names no file; the period is made again.
                let found = self.find(period)?;
                let wanted =
                    if let Found::Whole(stored) = &found { stored.record.files.get(table.name()) } else { None };
                if wanted.is_some_and(|wanted| wanted == staged) {
                    self.place.rename(&entry.path, &format!("{folder}/part-0.parquet"))?;
                } else {
                    self.place.remove(&entry.path)?;
                }
            }
        }
        Ok(())
    }

    /// Whether every table's file of a record is there: with the bytes that were written, where they can be
    /// read for nothing; by name in S3, which loses none.
    pub fn is_whole(&self, record: &Record) -> Result<bool> {
        for table in Table::ALL {
            if !self.is_stored(table, record)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a table's file of a record is there, as [`Store::is_whole`] knows it.
    pub fn is_stored(&self, table: Table, record: &Record) -> Result<bool> {
        let Some(wanted) = record.files.get(table.name()) else { return Ok(false) };
        let folder = folder(table, &record.period);
        match &self.place {
            Place::Local(root) => {
                let path = root.join(folder).join("part-0.parquet");
                Ok(path.exists() && hash_file(&path)? == *wanted)
            }
            Place::S3(..) => {
                let entries = self.place.below(&format!("{folder}/"))?;
                Ok(entries.iter().any(|entry| entry.path.ends_with("/part-0.parquet")))
            }
        }
    }

    /// The file that holds a table of a stored period, whatever moment the last run was killed at.
    pub fn file(&self, table: Table, record: &Record) -> Result<PathBuf> {
        let hash = record.files.get(table.name()).map_or("", String::as_str);
        let current = current_path(table, &record.period);
        let paths = [self.staged(table, record), current, history::file_path(table, &record.period, hash)];
        let missing = || {
            Error::input(
                self.place.address(&paths[1]),
                "a stored file is missing",
                "run `billtag ingest` with the bill at hand; the period is then made again",
            )
        };
        match &self.place {
            Place::Local(root) => {
                // The file in the table's own folder is the one that the present record names.
                let is_present = self.record(&record.period)?.is_some_and(|present| present.files == record.files);
                let all = if is_present { vec![&paths[0], &paths[1]] } else { vec![&paths[2], &paths[1]] };
                let is_right = |path: &PathBuf| {
                    path.exists()
                        && (is_present || path.ends_with(&paths[2]) || hash_file(path).is_ok_and(|found| found == hash))
                };
                all.into_iter().map(|path| root.join(path)).find(is_right).ok_or_else(missing)
            }
            Place::S3(..) => {
                let copy = self.copy_of(table, record);
                if copy.exists() {
                    return Ok(copy);
                }
                for path in [&paths[1], &paths[0], &paths[2]] {
                    if let Some((bytes, _)) = self.place.get(path)?
                        && self::hash(&bytes) == *hash
                    {
                        write_atomically(&copy, &bytes)?;
                        return Ok(copy);
                    }
                }
                Err(missing())
            }
        }
    }

    /// The tables as they are now.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let lock = lock::read(&self.place)?;
        let mut tries = 0;
        loop {
            let records = self.records()?;
            match self.files_of(&records) {
                Ok(files) => {
                    let (alert, last_run) = (self.alert_note()?, history::last_run(self, i64::MAX)?);
                    return Ok(Snapshot { records, files, as_of: None, alert, last_run, _lock: lock });
                }
                // In S3 a period may be replaced between its record and its files.
                Err(_) if matches!(self.place, Place::S3(..)) && tries + 1 < TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The files of some records.
    pub(super) fn files_of(&self, records: &[Record]) -> Result<BTreeMap<(Table, String), PathBuf>> {
        let mut files = BTreeMap::new();
        for record in records {
            for table in Table::ALL {
                files.insert((table, record.period.clone()), self.file(table, record)?);
            }
        }
        Ok(files)
    }

    /// The tables as the last run up to an instant saw them.
    pub fn snapshot_as_seen(&self, until: i64) -> Result<Snapshot> {
        let lock = lock::read(&self.place)?;
        let (run, records) = history::as_seen(self, until)?;
        let files = self.files_of(&records)?;
        let last_run = history::last_run(self, until)?;
        Ok(Snapshot { records, files, as_of: Some(run.as_of), alert: run.alert, last_run, _lock: lock })
    }

    /// Removes copies of what S3 no longer holds.
    pub fn tidy_copies(&self) -> Result<()> {
        if matches!(self.place, Place::Local(_)) {
            return Ok(());
        }
        for record in self.records()? {
            for table in Table::ALL {
                let kept = self.copy_of(table, &record);
                let Ok(entries) = fs::read_dir(kept.parent().unwrap_or(&self.files)) else { continue };
                // A report of this machine may still read a copy that was replaced just now.
                let is_old = |path: &PathBuf| {
                    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
                    modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > COPY_KEPT))
                };
                let paths = entries.flatten().map(|entry| entry.path());
                for path in paths.filter(|path| *path != kept && is_old(path)) {
                    fs::remove_file(&path).map_err(Error::io(&path, "remove"))?;
                }
            }
        }
        Ok(())
    }
}

impl Snapshot {
    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

/// Where copies of an S3 store's files lie on this machine.
fn cache_folder(config: &Config, address: &str) -> PathBuf {
    let name = hash(address.as_bytes());
    let own = config.store.cache.as_ref().map(|path| config.resolve(path));
    let user = || {
        let home = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        home.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
    };
    own.or_else(|| user().map(|folder| folder.join("billtag")))
        .unwrap_or_else(|| std::env::temp_dir().join("billtag"))
        .join(name)
}

fn record_path(period: &str) -> String {
    format!("periods/{period}.json")
}

/// Where readers and other engines find a table's file of a period.
fn current_path(table: Table, period: &str) -> String {
    format!("{}/part-0.parquet", folder(table, period))
}

fn folder(table: Table, period: &str) -> String {
    format!("{}/billing_period={period}", table.name())
}

/// A stored value as JSON text.
fn to_json<T: Serialize>(value: &T) -> Result<Bytes> {
    let bytes = serde_json::to_vec_pretty(value);
    bytes.map(Bytes::from).map_err(|error| Error::input("store", error.to_string(), "please report this"))
}

/// The name by which bytes are known in the store.
pub fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..32].to_string()
}

fn hash_file(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut file = File::open(path).map_err(Error::io(path, "open"))?;
    std::io::copy(&mut file, &mut hasher).map_err(Error::io(path, "read"))?;
    Ok(hasher.finalize().to_hex()[..32].to_string())
}
