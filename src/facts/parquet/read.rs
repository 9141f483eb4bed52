//! Stored files read back, as far as the next run needs them.

use std::fs::File;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Decimal128Type, TimestampMicrosecondType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::error::{Error, Result};
use crate::facts::changes::{Changed, Costs};

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
