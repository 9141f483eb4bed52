//! Groups: row groups of stored files, decoded as they lie: a text is a number of the group's dictionary, an amount
//! whole units. What only selects rows and adds them needs no SQL, and is read so on every core.

use std::fs::File;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Decimal128Type, Field, Int32Type, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::statistics::Statistics;

use crate::clock::DAY;
use crate::facts::law::Totals;
use crate::normalise::Amounts;
use crate::schema::{AMOUNTS, Table};
use crate::shield::shielded;

/// Microseconds of a day.
pub(super) const DAY_MICROS: i64 = DAY * 1_000_000;

/// A stored file, opened.
pub(super) struct StoredFile {
    table: Table,
    path: PathBuf,
    metadata: ArrowReaderMetadata,
}

/// What is wrong with a file.
pub(super) type Damage = String;

impl StoredFile {
    /// Reads what a file says of itself.
    pub fn open(table: Table, path: &Path) -> Result<Self, Damage> {
        let open = || {
            let options = ArrowReaderOptions::new().with_schema(by_numbers(table));
            ArrowReaderMetadata::load(&File::open(path)?, options)
        };
        let metadata = guarded(path, open)?;
        Ok(Self { table, path: path.to_path_buf(), metadata })
    }

    /// How many row groups it has.
    pub fn groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// Rows of a row group.
    pub fn rows(&self, group: usize) -> usize {
        usize::try_from(self.metadata.metadata().row_group(group).num_rows()).unwrap_or(0)
    }

    /// The days that a row group may hold rows of; `None` where it does not say.
    pub fn days(&self, group: usize) -> Option<RangeInclusive<i32>> {
        let group = self.metadata.metadata().row_group(group);
        let dated = ["day", "charge_period_start"];
        let column = group.columns().iter().find(|column| dated.contains(&column.column_path().string().as_str()))?;
        let day = |micros: i64| i32::try_from(micros.div_euclid(DAY_MICROS)).ok();
        match column.statistics()? {
            Statistics::Int32(days) => Some(*days.min_opt()?..=*days.max_opt()?),
            Statistics::Int64(times) => Some(day(*times.min_opt()?)?..=day(*times.max_opt()?)?),
            _ => None,
        }
    }

    /// Whether any row may be of some days.
    pub fn may_hold(&self, days: RangeInclusive<i32>) -> bool {
        let may_hold = |bounds: RangeInclusive<i32>| bounds.start() <= days.end() && days.start() <= bounds.end();
        (0..self.groups()).any(|group| self.days(group).is_none_or(may_hold))
    }

    /// Columns of a row group.
    pub fn read(&self, group: usize, columns: &[&str]) -> Result<RecordBatch, Damage> {
        let read = || {
            let reader =
                ParquetRecordBatchReaderBuilder::new_with_metadata(File::open(&self.path)?, self.metadata.clone());
            let mask = ProjectionMask::columns(reader.parquet_schema(), columns.iter().copied());
            let reader = reader.with_projection(mask).with_row_groups(vec![group]);
            let mut batches = reader.with_batch_size(self.rows(group).max(1)).build()?;
            let schema = batches_schema(self.table, columns);
            Ok(batches.next().transpose()?.unwrap_or_else(|| RecordBatch::new_empty(schema)))
        };
        guarded(&self.path, read)
    }

    /// Sums of a row group by account and currency, as a record holds them.
    pub fn totals(&self, group: usize) -> Result<Totals, Damage> {
        self.read(group, &LAWFUL_COLUMNS).map(|batch| totals(&batch))
    }
}

/// Columns that say the sums that a record holds.
pub(super) const LAWFUL_COLUMNS: [&str; NAMED.len() + AMOUNTS.len()] = {
    let [quantity, billed, unblended, effective, list] = AMOUNTS;
    [NAMED[0], NAMED[1], quantity, billed, unblended, effective, list]
};
const NAMED: [&str; 2] = ["sub_account_id", "billing_currency"];

/// Sums of rows by account and currency.
pub(super) fn totals(batch: &RecordBatch) -> Totals {
    let [accounts, currencies] = NAMED.map(|name| batch[name].as_dictionary::<Int32Type>());
    let (names, codes) = (accounts.values().as_string::<i32>(), currencies.values().as_string::<i32>());
    // The place behind the last is that of the unknown.
    let width = codes.len() + 1;
    let mut sums = vec![None::<Amounts>; (names.len() + 1) * width];
    let places: Vec<usize> = (accounts.keys().iter().zip(currencies.keys()))
        .map(|(account, currency)| {
            let place = |key: Option<i32>, unknown: usize| key.map_or(unknown, |key| key as usize);
            place(account, names.len()) * width + place(currency, codes.len())
        })
        .collect();
    for (at, name) in AMOUNTS.iter().enumerate() {
        for (amount, place) in batch[*name].as_primitive::<Decimal128Type>().iter().zip(&places) {
            let sum = &mut sums[*place].get_or_insert_default()[at];
            if let Some(amount) = amount {
                *sum = Some(sum.unwrap_or(0).saturating_add(amount));
            }
        }
    }
    let name = |at: usize| if at < names.len() { names.value(at) } else { "" };
    let code = |at: usize| if at < codes.len() { codes.value(at) } else { "" };
    let found = sums.iter().enumerate();
    Totals::of(found.filter_map(|(at, sum)| Some((name(at / width), code(at % width), sum.as_ref()?))))
}

/// Does something with a file; what libraries say or panic with is its damage.
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, Damage> {
    let named = |error: String| format!("{}: {error}", path.display());
    shielded(work).map_err(&named)?.map_err(|error| named(error.to_string()))
}

/// A table's schema with texts by their numbers.
fn by_numbers(table: Table) -> Arc<Schema> {
    let numbered = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 => Field::new(field.name(), numbered.clone(), true),
        _ => field.as_ref().clone(),
    };
    Arc::new(Schema::new(table.schema().fields().iter().map(field).collect::<Vec<_>>()))
}

fn batches_schema(table: Table, columns: &[&str]) -> Arc<Schema> {
    let schema = by_numbers(table);
    let wanted = schema.fields().iter().filter(|field| columns.contains(&field.name().as_str()));
    Arc::new(Schema::new(wanted.cloned().collect::<Vec<_>>()))
}
