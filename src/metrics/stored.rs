//! Stored: the tables of a snapshot, opened where a query reads them, and the law asserted on each.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;

use hashbrown::HashMap;
use polars::prelude::*;

use super::engine::engine_error;
use super::reads::{PERIOD, Reads};
use crate::error::Result;
use crate::facts::law::Totals;
use crate::facts::store::{Record, Snapshot};
use crate::money::{PRECISION, SCALE};
use crate::normalise::Amounts;
use crate::schema::{AMOUNTS, Kind, Table};
use crate::shield::shielded;

/// The tables for which the law holds.
pub const LAWFUL: [Table; 3] = [Table::Charges, Table::CostFacts, Table::CostDaily];

/// Bytes of a table's files up to which its columns stay in memory for the next query; in memory they
/// are some ten times that.
const KEPT_BYTES: u64 = 128 << 20;

/// The stored tables.
pub struct Stored {
    /// Held while the tables are, so that no period is replaced between two queries.
    snapshot: Snapshot,
    /// Columns of `cost_daily` that a query has read, since most figures read the same.
    kept: RefCell<BTreeMap<&'static str, Column>>,
    is_kept: bool,
}

impl Stored {
    /// The tables of a snapshot; nothing is read yet.
    pub fn of(snapshot: Snapshot) -> Self {
        let daily = snapshot.files.iter().filter(|((table, _), _)| *table == Table::CostDaily);
        let sizes = daily.map(|(_, path)| std::fs::metadata(path).map_or(0, |metadata| metadata.len()));
        let is_kept = sizes.sum::<u64>() <= KEPT_BYTES;
        Self { snapshot, kept: RefCell::default(), is_kept }
    }

    /// A table as a query reads it.
    pub fn table(&self, table: Table, reads: &Reads) -> Result<LazyFrame> {
        let columns = reads.columns(table).filter(|columns| !columns.is_empty());
        match columns.filter(|_| table == Table::CostDaily && self.is_kept) {
            Some(columns) => self.keep(&columns).map_err(|error| engine_error(&error)),
            None => self.scan(table),
        }
    }

    /// A table with all its columns, read when a plan asks for them.
    pub fn scan(&self, table: Table) -> Result<LazyFrame> {
        let files: Vec<&PathBuf> =
            self.snapshot.files.iter().filter(|((of, _), _)| *of == table).map(|(_, path)| path).collect();
        scan(table, &files).map_err(|error| engine_error(&error))
    }

    /// Columns of `cost_daily` from memory, read from the files where they are not there yet.
    fn keep(&self, wanted: &[&'static str]) -> PolarsResult<LazyFrame> {
        let mut kept = self.kept.borrow_mut();
        let missing: Vec<&'static str> = wanted.iter().copied().filter(|name| !kept.contains_key(name)).collect();
        if !missing.is_empty() {
            let files = self.snapshot.files.iter().filter(|((of, _), _)| *of == Table::CostDaily);
            let files: Vec<&PathBuf> = files.map(|(_, path)| path).collect();
            let read = missing.iter().map(|name| col(*name)).collect::<Vec<_>>();
            let read = scan(Table::CostDaily, &files)?.select(read).collect()?;
            kept.extend(missing.into_iter().zip(read.into_columns()));
        }
        let columns: Vec<Column> = wanted.iter().map(|name| kept[name].clone()).collect();
        let height = columns.first().map_or(0, Column::len);
        Ok(DataFrame::new(height, columns)?.lazy())
    }

    /// The law of a table, asserted where facts are read: by period, account and currency, the sums of
    /// every amount column are those of the record.
    pub fn law(&self, table: Table) -> Law<'_> {
        let of_table = self.snapshot.files.iter().filter(|((of, _), _)| *of == table);
        let record = |period: &str| self.snapshot.records.iter().find(|record| record.period == period);
        let files = of_table.map(|((_, period), path)| (period.as_str(), path.as_path(), record(period))).collect();
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
        let workers = thread::available_parallelism().map_or(1, |cores| cores.get()).min(self.files.len()).max(1);
        let (table, files) = (self.table, &self.files);
        let sum = move |worker: usize| {
            let own = files.iter().enumerate().skip(worker).step_by(workers);
            own.map(|(at, (_, path, _))| (at, shielded(|| totals_of(table, path)))).collect::<Vec<_>>()
        };
        let mut found: Vec<_> = thread::scope(|scope| {
            let running: Vec<_> = (0..workers).map(|worker| scope.spawn(move || sum(worker))).collect();
            running.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
        });
        found.sort_by_key(|(at, _)| *at);
        for ((period, path, record), (_, found)) in self.files.iter().zip(found) {
            let damaged = |error: &dyn std::fmt::Display| engine_error(&format!("{}: {error}", path.display()));
            let found = found.map_err(|panic| damaged(&panic))?.map_err(|error| damaged(&error))?;
            // Rows of a period that no record names are nobody's.
            let nothing = Totals::default();
            let expected = record.map_or(&nothing, |record| &record.totals);
            expected.must_equal(&found, period, "the stored record", table.name())?;
        }
        Ok(())
    }
}

/// Sums of a file by account and currency, as a record holds them.
fn totals_of(table: Table, path: &Path) -> PolarsResult<Totals> {
    let columns = ["sub_account_id", "billing_currency"].into_iter().chain(AMOUNTS).map(col);
    let frame = scan(table, &[&path.to_path_buf()])?.select(columns.collect::<Vec<_>>()).collect()?;
    let mut names: HashMap<(Option<&str>, Option<&str>), usize> = HashMap::new();
    let accounts = frame.column("sub_account_id")?.str()?.downcast_iter().flat_map(|chunk| chunk.iter());
    let currencies = frame.column("billing_currency")?.str()?.downcast_iter().flat_map(|chunk| chunk.iter());
    // Neighbours most often agree, and are not looked up again.
    let mut last = None;
    let keys: Vec<usize> = accounts
        .zip(currencies)
        .map(|name| match last {
            Some((known, key)) if known == name => key,
            _ => {
                let next = names.len();
                let key = *names.entry(name).or_insert(next);
                last = Some((name, key));
                key
            }
        })
        .collect();
    let mut sums = vec![Amounts::default(); names.len()];
    for (at, name) in AMOUNTS.iter().enumerate() {
        let mut keys = keys.iter();
        for chunk in frame.column(name)?.decimal()?.physical().downcast_iter() {
            for (amount, key) in chunk.iter().zip(&mut keys) {
                if let Some(amount) = amount {
                    let sum = &mut sums[*key][at];
                    *sum = Some(sum.unwrap_or(0).saturating_add(*amount));
                }
            }
        }
    }
    let named = names.iter().map(|((account, currency), key)| (account.unwrap_or(""), currency.unwrap_or(""), key));
    Ok(Totals::of(named.map(|(account, currency, key)| (account, currency, &sums[*key]))))
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
