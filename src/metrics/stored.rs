//! Stored: the tables of a snapshot, opened where a query reads them, and the law asserted on each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use polars::prelude::*;

use super::engine::{Part, engine_error};
use super::groups::{Damage, StoredFile};
use super::lines::{Lines, Wanted};
use super::reads::{PERIOD, Reads};
use crate::cores;
use crate::error::Result;
use crate::facts::law::Totals;
use crate::facts::store::{Record, Snapshot};
use crate::money::{PRECISION, SCALE};
use crate::schema::{Kind, Table};

/// The tables for which the law holds.
pub const LAWFUL: [Table; 3] = [Table::Charges, Table::CostFacts, Table::CostDaily];

/// Bytes of a table's files up to which its columns stay in memory for the next query; in memory they
/// are some ten times that.
const KEPT_BYTES: u64 = 128 << 20;

/// The stored tables.
pub struct Stored {
    /// Held while the tables are, so that no period is replaced between two queries.
    snapshot: Snapshot,
    /// Columns of `cost_daily` that a query has read, by period, since most figures read the same.
    kept: Mutex<BTreeMap<String, BTreeMap<&'static str, Column>>>,
    is_kept: bool,
}

impl Stored {
    /// The tables of a snapshot; nothing is read yet.
    pub fn of(snapshot: Snapshot) -> Self {
        let daily = snapshot.files.iter().filter(|((table, _), _)| *table == Table::CostDaily);
        let sizes = daily.map(|(_, path)| std::fs::metadata(path).map_or(0, |metadata| metadata.len()));
        let is_kept = sizes.sum::<u64>() <= KEPT_BYTES;
        Self { snapshot, kept: Mutex::default(), is_kept }
    }

    /// A part of a table as a query reads it.
    pub fn table(&self, table: Table, reads: &Reads, part: Part<'_>) -> Result<LazyFrame> {
        let columns = reads.columns(table).filter(|columns| !columns.is_empty());
        let files = self.files_of(table, part)?;
        let read = match columns.filter(|_| table == Table::CostDaily && self.is_kept && !files.is_empty()) {
            Some(columns) => self.keep(&columns, &files),
            None => scan(table, &files.into_iter().map(|(_, path)| path).collect::<Vec<_>>()),
        };
        read.map_err(|error| engine_error(&error))
    }

    /// Periods of a table, each with its file.
    fn files(&self, table: Table) -> impl Iterator<Item = (&str, &PathBuf)> {
        let of_table = self.snapshot.files.iter().filter(move |((of, _), _)| *of == table);
        of_table.map(|((_, period), path)| (period.as_str(), path))
    }

    /// The periods that a part is of, each with its file.
    fn files_of(&self, table: Table, part: Part<'_>) -> Result<Vec<(&str, &PathBuf)>> {
        let mut files: Vec<_> = self.files(table).collect();
        match part {
            Part::All => {}
            Part::Billed(first, last) => files.retain(|(period, _)| (first..=last).contains(period)),
            Part::Dated(range) => {
                let (first, last) = (range.from.unwrap_or(i32::MIN), range.to.unwrap_or(i32::MAX));
                let opened = self.opened(table, &files)?;
                let mut opened = opened.iter();
                files.retain(|_| opened.next().is_none_or(|file| file.may_hold(first..=last)));
            }
        }
        Ok(files)
    }

    fn opened(&self, table: Table, files: &[(&str, &PathBuf)]) -> Result<Vec<StoredFile>> {
        let opened = files.iter().map(|(_, path)| StoredFile::open(table, path));
        opened.collect::<std::result::Result<_, _>>().map_err(|damage| engine_error(&damage))
    }

    /// Whether a table has any rows.
    pub fn has_rows(&self, table: Table) -> Result<bool> {
        let opened = self.opened(table, &self.files(table).collect::<Vec<_>>())?;
        Ok(opened.iter().any(|file| (0..file.groups()).any(|group| file.rows(group) > 0)))
    }

    /// Rows of a table as they are.
    pub fn lines(&self, wanted: Wanted<'_>) -> Result<Lines> {
        self.read(wanted.table, |files| Lines::read(files, wanted))
    }

    /// Rows of a whole table as they are, and by period what they come to.
    pub fn all_lines(&self, wanted: Wanted<'_>) -> Result<(Lines, BTreeMap<String, Totals>)> {
        self.read(wanted.table, |files| Lines::read_all(files, wanted))
    }

    fn read<T>(
        &self,
        table: Table,
        read: impl FnOnce(&[(&str, &StoredFile)]) -> std::result::Result<T, Damage>,
    ) -> Result<T> {
        let files: Vec<_> = self.files(table).collect();
        let opened = self.opened(table, &files)?;
        let files: Vec<(&str, &StoredFile)> = files.iter().map(|(period, _)| *period).zip(&opened).collect();
        read(&files).map_err(|damage| engine_error(&damage))
    }

    /// Columns of `cost_daily` from memory, read from the files where they are not there yet.
    fn keep(&self, wanted: &[&'static str], files: &[(&str, &PathBuf)]) -> PolarsResult<LazyFrame> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut whole: Option<DataFrame> = None;
        for (period, path) in files {
            let kept = kept.entry((*period).to_string()).or_default();
            let missing: Vec<&'static str> = wanted.iter().copied().filter(|name| !kept.contains_key(name)).collect();
            if !missing.is_empty() {
                let read = missing.iter().map(|name| col(*name)).collect::<Vec<_>>();
                let read = scan(Table::CostDaily, &[path])?.select(read).collect()?;
                kept.extend(missing.into_iter().zip(read.into_columns()));
            }
            let columns: Vec<Column> = wanted.iter().map(|name| kept[name].clone()).collect();
            let height = columns.first().map_or(0, Column::len);
            let frame = DataFrame::new(height, columns)?;
            match &mut whole {
                Some(whole) => drop(whole.vstack_mut(&frame)?),
                None => whole = Some(frame),
            }
        }
        Ok(whole.unwrap_or_default().lazy())
    }

    /// The law of a table, asserted where facts are read: by period, account and currency, the sums of
    /// every amount column are those of the record.
    pub fn law(&self, table: Table) -> Law<'_> {
        let record = |period: &str| self.snapshot.records.iter().find(|record| record.period == period);
        let files = self.files(table).map(|(period, path)| (period, path.as_path(), record(period))).collect();
        Law { table, files }
    }
}

/// What must hold for a table: each period's file with its record.
pub struct Law<'a> {
    table: Table,
    files: Vec<(&'a str, &'a Path, Option<&'a Record>)>,
}

impl Law<'_> {
    /// Sums the files and asserts that the records say the same, in the order of the periods.
    pub fn must_hold(&self) -> Result<()> {
        let damaged = |damage: String| engine_error(&damage);
        let opened = self.files.iter().map(|(_, path, _)| StoredFile::open(self.table, path).map_err(damaged));
        let opened = opened.collect::<Result<Vec<_>>>()?;
        let groups: Vec<(usize, usize)> =
            opened.iter().enumerate().flat_map(|(at, file)| (0..file.groups()).map(move |group| (at, group))).collect();
        let found = cores::each(groups.len(), |at| opened[groups[at].0].totals(groups[at].1));
        let mut sums = vec![Totals::default(); self.files.len()];
        for ((at, _), found) in groups.iter().zip(found) {
            sums[*at].merge(found.map_err(damaged)?);
        }
        self.must_hold_of(&self.files.iter().map(|(period, ..)| (*period).to_string()).zip(sums).collect())
    }

    /// Asserts that sums by period are those of the records.
    pub fn must_hold_of(&self, sums: &BTreeMap<String, Totals>) -> Result<()> {
        let nothing = Totals::default();
        for (period, _, record) in &self.files {
            // Rows of a period that no record names are nobody's.
            let expected = record.map_or(&nothing, |record| &record.totals);
            expected.must_equal(
                sums.get(*period).unwrap_or(&nothing),
                period,
                "the stored record",
                self.table.name(),
            )?;
        }
        Ok(())
    }
}

/// Files of a table, their period as a column.
fn scan(table: Table, files: &[&PathBuf]) -> PolarsResult<LazyFrame> {
    let fields = table.columns().into_iter().map(|(name, kind)| Field::new(name.into(), polars_type(kind)));
    let schema = Schema::from_iter(fields);
    let partition = Schema::from_iter([Field::new(PERIOD.into(), DataType::String)]);
    if files.is_empty() {
        let mut all = schema;
        all.merge(partition);
        return Ok(DataFrame::empty_with_schema(&all).lazy());
    }
    let paths: Vec<PlRefPath> = files.iter().map(|path| PlRefPath::new(path.to_string_lossy().as_ref())).collect();
    let hive_options = HiveOptions {
        enabled: Some(true),
        hive_start_idx: shared_length(files),
        schema: Some(partition.into()),
        try_parse_dates: false,
    };
    let options = ScanArgsParquet { glob: false, hive_options, schema: Some(schema.into()), ..Default::default() };
    LazyFrame::scan_parquet_files(paths.into(), options)
}

/// Length of what the paths of a table's files have in common, up to their partitions.
fn shared_length(files: &[&PathBuf]) -> usize {
    let before = |path: &PathBuf| path.to_string_lossy().find("billing_period=").unwrap_or(0);
    files.iter().map(|path| before(path)).min().unwrap_or(0)
}

fn polars_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text => DataType::String,
        Kind::Amount => DataType::Decimal(PRECISION as usize, SCALE as usize),
        Kind::Timestamp => DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)),
        Kind::Day => DataType::Date,
        Kind::Count => DataType::Int64,
        Kind::Flag => DataType::Boolean,
    }
}
