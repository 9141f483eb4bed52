//! Rows to Parquet: portable files that any engine reads as they are.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::BatchCoalescer;
use arrow::datatypes::{Date32Type, Decimal128Type, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::Daily;
use super::changes::{Changed, Costs};
use crate::attribute::Fact;
use crate::error::{Error, Result};
use crate::money::{PRECISION, SCALE};
use crate::normalise::{AMOUNT_COUNT, Amounts, Charge};
use crate::schema::{CHARGE_TEXT_COUNT, DAILY_TEXTS, Kind, MEASURES, Table, USAGE_TEXTS};
use crate::text::{Text, Texts};

/// Rows turned into arrays at once, so that memory does not follow the table.
const CHUNK: usize = 8_192;
/// Rows of a row group.
const ROW_GROUP: usize = 131_072;

/// A row of `usage`.
#[derive(Debug, Clone)]
pub struct Usage {
    /// Start of the hour, or of the day where the source has no hours; epoch seconds.
    pub start: i64,
    /// Text columns, in table order.
    pub texts: [Text; USAGE_TEXTS.len()],
    /// Measures, in table order.
    pub measures: [Option<i64>; MEASURES.len()],
}

/// A table's file while it is written, stretch by stretch.
pub struct Writer {
    table: Table,
    /// Makes batches of one size, so that a file's bytes do not depend on the stretches.
    waiting: BatchCoalescer,
    inner: ArrowWriter<Hashing<std::io::BufWriter<File>>>,
    path: PathBuf,
}

impl Writer {
    /// Creates a table's file.
    ///
    /// # Errors
    /// Where it cannot be created.
    pub fn create(table: Table, path: PathBuf) -> Result<Self> {
        let file = File::create(&path).map_err(Error::io(&path, "create"))?;
        let failed = |error| unwritten(&path, error);
        let level = ZstdLevel::try_new(3).map_err(failed)?;
        let mut properties = WriterProperties::builder();
        // Rows are in order of time, so the bounds of texts would tell a reader nothing.
        for (name, _) in table.columns().iter().filter(|(_, kind)| *kind == Kind::Text) {
            properties = properties.set_column_statistics_enabled(ColumnPath::from(*name), EnabledStatistics::None);
        }
        let properties = properties
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .set_created_by(format!("billtag {}", env!("CARGO_PKG_VERSION")))
            .build();
        let hashing = Hashing { inner: std::io::BufWriter::new(file), hash: blake3::Hasher::new() };
        let inner = ArrowWriter::try_new(hashing, table.schema(), Some(properties)).map_err(failed)?;
        Ok(Self { table, waiting: BatchCoalescer::new(table.schema(), CHUNK), inner, path })
    }

    /// Adds rows of `charges`.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn charges(&mut self, rows: &[Charge], texts: &Texts) -> Result<()> {
        self.add(rows, &|rows| {
            let mut columns = vec![timestamps(rows.iter().map(|row| row.start))];
            for at in 0..CHARGE_TEXT_COUNT {
                columns.push(text_column(rows.iter().map(|row| row.texts[at]), texts));
            }
            columns.extend(amounts(rows, |row| &row.amounts));
            columns
        })
    }

    /// Adds rows of `cost_facts`.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn facts(&mut self, rows: &[Fact], texts: &Texts) -> Result<()> {
        self.add(rows, &|rows| {
            let mut columns = vec![timestamps(rows.iter().map(|row| row.charge.start))];
            for at in 0..CHARGE_TEXT_COUNT {
                columns.push(text_column(rows.iter().map(|row| row.charge.texts[at]), texts));
            }
            columns.extend(amounts(rows, |row| &row.charge.amounts));
            for key in 0..crate::attribute::owner::KEYS {
                columns.push(text_column(rows.iter().map(|row| row.owner[key]), texts));
            }
            columns.push(names(rows.iter().map(|row| Some(row.method.name()))));
            columns.push(text_column(rows.iter().map(|row| row.evidence), texts));
            columns.push(Arc::new(rows.iter().map(|row| Some(row.is_router)).collect::<BooleanArray>()));
            columns
        })
    }

    /// Adds rows of `cost_daily`.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn daily(&mut self, rows: &[Daily], texts: &Texts) -> Result<()> {
        self.add(rows, &|rows| {
            let days = rows.iter().map(|row| Some(row.day)).collect::<Date32Array>();
            let mut columns: Vec<ArrayRef> = vec![Arc::new(days)];
            for key in 0..crate::attribute::owner::KEYS {
                columns.push(text_column(rows.iter().map(|row| row.owner[key]), texts));
            }
            columns.push(names(rows.iter().map(|row| Some(row.method.name()))));
            columns.push(Arc::new(rows.iter().map(|row| Some(row.is_router)).collect::<BooleanArray>()));
            for at in 0..DAILY_TEXTS.len() {
                columns.push(text_column(rows.iter().map(|row| row.texts[at]), texts));
            }
            columns.extend(amounts(rows, |row| &row.amounts));
            columns
        })
    }

    fn add<Row>(&mut self, rows: &[Row], columns: &dyn Fn(&[Row]) -> Vec<ArrayRef>) -> Result<()> {
        for chunk in rows.chunks(CHUNK) {
            let batch = RecordBatch::try_new(self.table.schema(), columns(chunk));
            let pushed = batch.and_then(|batch| self.waiting.push_batch(batch));
            pushed.map_err(|error| unwritten(&self.path, error.into()))?;
            self.write_whole()?;
        }
        Ok(())
    }

    fn write_whole(&mut self) -> Result<()> {
        while let Some(batch) = self.waiting.next_completed_batch() {
            self.inner.write(&batch).map_err(|error| unwritten(&self.path, error))?;
        }
        Ok(())
    }

    /// Makes the file durable and returns the hash of its bytes.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn finish(mut self) -> Result<String> {
        self.waiting.finish_buffered_batch().map_err(|error| unwritten(&self.path, error.into()))?;
        self.write_whole()?;
        let Self { inner, path, .. } = self;
        let hashing = inner.into_inner().map_err(|error| unwritten(&path, error))?;
        let hash = hashing.hash.finalize().to_hex()[..32].to_string();
        let file = hashing.inner.into_inner().map_err(|error| Error::Io {
            path: path.clone(),
            doing: "write",
            source: error.into_error(),
        })?;
        file.sync_all().map_err(Error::io(&path, "sync"))?;
        Ok(hash)
    }
}

fn unwritten(path: &Path, error: ::parquet::errors::ParquetError) -> Error {
    Error::Io { path: path.to_path_buf(), doing: "write", source: io_error(error) }
}

/// Writes usage.
///
/// # Errors
/// Where the file cannot be written.
pub fn usage(path: PathBuf, rows: &[Usage], texts: &Texts) -> Result<String> {
    let mut writer = Writer::create(Table::Usage, path)?;
    writer.add(rows, &|rows| {
        let mut columns = vec![timestamps(rows.iter().map(|row| row.start))];
        for at in 0..USAGE_TEXTS.len() {
            columns.push(text_column(rows.iter().map(|row| row.texts[at]), texts));
        }
        for at in 0..MEASURES.len() {
            columns.push(Arc::new(rows.iter().map(|row| row.measures[at]).collect::<Int64Array>()));
        }
        columns
    })?;
    writer.finish()
}

/// Writes changes.
///
/// # Errors
/// Where the file cannot be written.
pub fn changes(path: PathBuf, rows: &[Changed]) -> Result<String> {
    let mut writer = Writer::create(Table::Changes, path)?;
    writer.add(rows, &|rows| {
        let money = |of: fn(&Changed) -> i128| {
            let column: Decimal128Array = rows.iter().map(|row| Some(of(row))).collect();
            let column = column.with_precision_and_scale(PRECISION, SCALE);
            Arc::new(column.expect("38 digits with 10 places are a lawful decimal")) as ArrayRef
        };
        vec![
            timestamps(rows.iter().map(|row| row.at)),
            Arc::new(rows.iter().map(|row| Some(row.day)).collect::<Date32Array>()),
            names(rows.iter().map(|row| Some(row.workload.as_str()))),
            names(rows.iter().map(|row| Some(row.currency.as_str()))),
            names(rows.iter().map(|row| Some(row.causes.as_str()))),
            money(|row| row.before),
            money(|row| row.after),
        ]
    })?;
    writer.finish()
}

/// Reads changes back.
pub fn read_changes(path: &Path) -> Result<Vec<Changed>> {
    let mut rows = Vec::new();
    for batch in read(path, &[])? {
        let texts = |at: usize| batch.column(at).as_string::<i32>().clone();
        let money = |at: usize| batch.column(at).as_primitive::<Decimal128Type>().clone();
        let times = batch.column(0).as_primitive::<TimestampMicrosecondType>();
        let days = batch.column(1).as_primitive::<Date32Type>();
        let (workloads, currencies, causes, before, after) = (texts(2), texts(3), texts(4), money(5), money(6));
        rows.extend((0..batch.num_rows()).map(|row| Changed {
            at: times.value(row).div_euclid(1_000_000),
            day: days.value(row),
            workload: workloads.value(row).to_string(),
            currency: currencies.value(row).to_string(),
            causes: causes.value(row).to_string(),
            before: before.value(row),
            after: after.value(row),
        }));
    }
    Ok(rows)
}

/// The billed costs of stored days.
pub fn read_costs(path: &Path) -> Result<Costs> {
    let mut costs = Costs::new();
    let columns = ["day", "workload", "attribution_method", "billing_currency", "billed_cost"];
    for batch in read(path, &columns)? {
        // Columns come in the file's order, which is not the one asked for.
        let column = |name: &str| batch.column_by_name(name).expect("the columns that were asked for are there");
        let texts = |name: &str| column(name).as_string::<i32>().clone();
        let days = column("day").as_primitive::<Date32Type>();
        let amounts = column("billed_cost").as_primitive::<Decimal128Type>();
        let (workloads, methods, currencies) =
            (texts("workload"), texts("attribution_method"), texts("billing_currency"));
        for row in 0..batch.num_rows() {
            let workload = if workloads.is_valid(row) { workloads.value(row) } else { methods.value(row) };
            let key = (days.value(row), workload.to_string(), currencies.value(row).to_string());
            *costs.entry(key).or_default() += if amounts.is_valid(row) { amounts.value(row) } else { 0 };
        }
    }
    Ok(costs)
}

/// Reads some columns of a stored file, or all.
fn read(path: &Path, columns: &[&str]) -> Result<Vec<RecordBatch>> {
    let damaged = |error: &dyn std::fmt::Display| {
        let hint = "run `billtag ingest` with the bill at hand; the period is then made again";
        Error::input(path.display().to_string(), format!("the stored file is damaged ({error})"), hint)
    };
    let file = File::open(path).map_err(Error::io(path, "open"))?;
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(&error))?;
    if !columns.is_empty() {
        let mask = ProjectionMask::columns(reader.parquet_schema(), columns.iter().copied());
        reader = reader.with_projection(mask);
    }
    let batches = reader.build().map_err(|error| damaged(&error))?;
    batches.collect::<Result<_, _>>().map_err(|error| damaged(&error))
}

fn timestamps(seconds: impl Iterator<Item = i64>) -> ArrayRef {
    let micros = TimestampMicrosecondArray::from_iter_values(seconds.map(|second| second * 1_000_000));
    Arc::new(micros.with_timezone("UTC"))
}

fn text_column(column: impl Iterator<Item = Text>, texts: &Texts) -> ArrayRef {
    names(column.map(|text| texts.get(text)))
}

fn names<'a>(column: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(column.collect::<StringArray>())
}

fn amounts<Row>(rows: &[Row], of: impl Fn(&Row) -> &Amounts) -> Vec<ArrayRef> {
    (0..AMOUNT_COUNT)
        .map(|at| {
            let column: Decimal128Array = rows.iter().map(|row| of(row)[at]).collect();
            let column = column.with_precision_and_scale(PRECISION, SCALE);
            Arc::new(column.expect("38 digits with 10 places are a lawful decimal")) as ArrayRef
        })
        .collect()
}

/// The system's error inside Parquet's, so that a full disk is called a full disk.
fn io_error(error: ::parquet::errors::ParquetError) -> std::io::Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return std::io::Error::new(io.kind(), io.to_string());
        }
        cause = inner.source();
    }
    // Parquet turns some of the system's errors into text.
    let is_full = error.to_string().contains("No space left");
    let kind = if is_full { std::io::ErrorKind::StorageFull } else { std::io::ErrorKind::Other };
    std::io::Error::new(kind, error)
}

struct Hashing<W> {
    inner: W,
    hash: blake3::Hasher,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}
