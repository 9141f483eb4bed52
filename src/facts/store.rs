//! The store: `<table>/billing_period=YYYY-MM/part-0.parquet` and one record per period.
//!
//! A period is replaced in four steps: its new files are written beside the old ones and synced, its
//! record is renamed into place (that is the commit), the new files are renamed over the old ones.
//! A kill between any two leaves the old state or the new: a reader takes the file whose hash the
//! record names, and the next run finishes or removes what was left.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::law::Totals;
use crate::error::{Error, Result};
use crate::normalise::trust::Trust;
use crate::schema::Table;

/// The tables' layout and what is counted beside them; a change re-makes every period.
pub const REVISION: u32 = 2;

/// What a period's facts were made from. Facts are fresh while all four are unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Manifest and files.
    pub bill: String,
    /// Metric input.
    pub metrics: String,
    /// Attribution config.
    pub rules: String,
    /// billtag's own version.
    pub version: String,
}

impl Fingerprint {
    /// Which of the four changed, in words.
    pub fn causes(&self, new: &Self) -> Vec<String> {
        let pairs = [
            ("bill", &self.bill, &new.bill),
            ("metrics", &self.metrics, &new.metrics),
            ("rule", &self.rules, &new.rules),
            ("version", &self.version, &new.version),
        ];
        let changed = pairs.into_iter().filter(|(_, old, new)| old != new);
        changed.map(|(name, ..)| name.to_string()).collect()
    }
}

/// One export's part of a period.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The export's path, as in the config.
    pub bill: String,
    /// Payers whose lines it holds.
    pub payers: Vec<String>,
    /// Latest end of an hourly or daily Usage line over all services; epoch seconds.
    pub watermark: Option<i64>,
    /// Whether it holds Bedrock lines alone, so that only the manifest's time says how far it reaches.
    pub bedrock_only: bool,
    /// When the manifest's own text says that the export was made.
    pub manifest_time: Option<i64>,
    /// The manifest, relative to the export's folder; its file's time counts where its text has none.
    pub manifest: Option<String>,
}

/// What a stored period replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `bill`, `metrics`, `rule`, `version`.
    pub causes: Vec<String>,
    /// Totals before.
    pub before: Totals,
}

/// The record of a stored period.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `YYYY-MM`.
    pub period: String,
    /// What it was made from.
    pub fingerprint: Fingerprint,
    /// Hash of each table's file.
    pub files: BTreeMap<String, String>,
    /// Sums by account and currency.
    pub totals: Totals,
    /// Its exports.
    pub parts: Vec<Part>,
    /// What a reader must know.
    pub trust: Trust,
    /// What it replaced.
    pub changed: Option<Change>,
}

/// A store in a local folder.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// Holds the store's lock until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Store {
    /// A store at a path, which need not exist yet.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the folder and takes the lock for writing.
    pub fn lock(&self) -> Result<Lock> {
        fs::create_dir_all(&self.root).map_err(Error::io(&self.root, "create"))?;
        let path = self.root.join(".lock");
        let options = File::options().create(true).truncate(false).read(true).write(true).clone();
        let file = options.open(&path).map_err(Error::io(&path, "open"))?;
        self.wait(file, File::try_lock)
    }

    /// Keeps writers out while tables are read; a store that nobody ever wrote to needs no lock.
    pub fn lock_for_reading(&self) -> Result<Option<Lock>> {
        match File::open(self.root.join(".lock")) {
            Ok(file) => self.wait(file, File::try_lock_shared).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Another run is done in seconds; a daily job would rather wait than fail.
    fn wait(&self, file: File, attempt: fn(&File) -> Result<(), TryLockError>) -> Result<Lock> {
        for _ in 0..600 {
            match attempt(&file) {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(TryLockError::WouldBlock) => std::thread::sleep(std::time::Duration::from_millis(100)),
                Err(TryLockError::Error(error)) => {
                    return Err(Error::Io { path: self.root.join(".lock"), doing: "lock", source: error });
                }
            }
        }
        Err(Error::input(
            self.root.display().to_string(),
            "another billtag has held this store for a minute",
            "wait until it is done, or stop it; the lock goes with its process",
        ))
    }

    /// The records of all stored periods, sorted.
    pub fn records(&self) -> Result<Vec<Record>> {
        self.periods()?.iter().map(|period| read_record(&self.record_path(period))).collect()
    }

    /// The stored periods, sorted.
    pub fn periods(&self) -> Result<Vec<String>> {
        let folder = self.root.join("periods");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::Io { path: folder, doing: "list", source: error }),
        };
        let mut periods = Vec::new();
        for entry in entries {
            let name = entry.map_err(Error::io(&folder, "list"))?.file_name();
            let period =
                name.to_str().filter(|name| !name.starts_with('.')).and_then(|name| name.strip_suffix(".json"));
            periods.extend(period.map(String::from));
        }
        periods.sort();
        Ok(periods)
    }

    /// The record of one period.
    pub fn record(&self, period: &str) -> Result<Option<Record>> {
        let path = self.record_path(period);
        if path.exists() { read_record(&path).map(Some) } else { Ok(None) }
    }

    fn record_path(&self, period: &str) -> PathBuf {
        self.root.join("periods").join(format!("{period}.json"))
    }

    fn folder(&self, table: Table, period: &str) -> PathBuf {
        self.root.join(table.name()).join(format!("billing_period={period}"))
    }

    /// Where a period's new file of a table is written.
    pub fn new_file(&self, table: Table, period: &str) -> Result<PathBuf> {
        let folder = self.folder(table, period);
        fs::create_dir_all(&folder).map_err(Error::io(&folder, "create"))?;
        Ok(folder.join(".part-0.parquet.new"))
    }

    /// The file that holds a table of a stored period, whatever moment the last run was killed at.
    pub fn file(&self, table: Table, record: &Record) -> Result<PathBuf> {
        let folder = self.folder(table, &record.period);
        let (new, old) = (folder.join(".part-0.parquet.new"), folder.join("part-0.parquet"));
        if new.exists() && record.files.get(table.name()) == Some(&hash(&new)?) {
            return Ok(new);
        }
        if old.exists() {
            return Ok(old);
        }
        Err(Error::input(
            old.display().to_string(),
            "a stored file is missing",
            "run `billtag ingest` with the bill at hand; the period is then made again",
        ))
    }

    /// Makes the new files of a period the stored ones. The caller holds the lock.
    pub fn commit(&self, record: &Record) -> Result<()> {
        for table in Table::ALL {
            sync_folder(&self.folder(table, &record.period))?;
        }
        self.write_record(record)?;
        self.move_into_place(&record.period)
    }

    /// Writes a period's record alone, atomically.
    pub fn write_record(&self, record: &Record) -> Result<()> {
        let text = serde_json::to_string_pretty(record)
            .map_err(|error| Error::input(record.period.clone(), error.to_string(), "please report this"))?;
        write_atomically(&self.record_path(&record.period), text.as_bytes())
    }

    fn move_into_place(&self, period: &str) -> Result<()> {
        for table in Table::ALL {
            let folder = self.folder(table, period);
            let new = folder.join(".part-0.parquet.new");
            if new.exists() {
                let old = folder.join("part-0.parquet");
                fs::rename(&new, &old).map_err(Error::io(&old, "replace"))?;
                sync_folder(&folder)?;
            }
        }
        Ok(())
    }

    /// Finishes what a killed run had committed and removes what it had not. The caller holds the lock.
    pub fn recover(&self) -> Result<()> {
        for table in Table::ALL {
            let Ok(entries) = fs::read_dir(self.root.join(table.name())) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let Some(period) = name.to_str().and_then(|name| name.strip_prefix("billing_period=")) else {
                    continue;
                };
                let new = entry.path().join(".part-0.parquet.new");
                if !new.exists() {
                    continue;
                }
                // A record that cannot be read names no file; the period is made again.
                let record = self.record(period).unwrap_or_default();
                let wanted = record.as_ref().and_then(|record| record.files.get(table.name()));
                if wanted == Some(&hash(&new)?) {
                    let old = entry.path().join("part-0.parquet");
                    fs::rename(&new, &old).map_err(Error::io(&old, "replace"))?;
                } else {
                    fs::remove_file(&new).map_err(Error::io(&new, "remove"))?;
                }
            }
        }
        Ok(())
    }

    /// Whether every table's file of a record is there with the bytes that were written.
    pub fn is_whole(&self, record: &Record) -> bool {
        Table::ALL.iter().all(|table| {
            let file = self.file(*table, record);
            file.is_ok_and(|file| hash(&file).ok().as_ref() == record.files.get(table.name()))
        })
    }
}

/// Writes a file so that a reader sees the old bytes or the new.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(Error::io(folder, "create"))?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("file");
    let beside = folder.join(format!(".{name}.new"));
    let mut file = File::create(&beside).map_err(Error::io(&beside, "create"))?;
    file.write_all(bytes).map_err(Error::io(&beside, "write"))?;
    file.sync_all().map_err(Error::io(&beside, "sync"))?;
    fs::rename(&beside, path).map_err(Error::io(path, "replace"))?;
    sync_folder(folder)
}

fn sync_folder(folder: &Path) -> Result<()> {
    // A rename is durable once its folder is synced; Windows has no such call and needs none.
    if cfg!(unix) {
        let file = File::open(folder).map_err(Error::io(folder, "open"))?;
        file.sync_all().map_err(Error::io(folder, "sync"))?;
    }
    Ok(())
}

fn read_record(path: &Path) -> Result<Record> {
    let bytes = fs::read(path).map_err(Error::io(path, "read"))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Error::input(
            path.display().to_string(),
            format!("the record of a stored period is damaged ({error})"),
            "remove this file and run `billtag ingest`; the period is then made again from the bill",
        )
    })
}

fn hash(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut file = File::open(path).map_err(Error::io(path, "open"))?;
    std::io::copy(&mut file, &mut hasher).map_err(Error::io(path, "read"))?;
    Ok(hasher.finalize().to_hex()[..32].to_string())
}
