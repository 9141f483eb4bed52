//! How far row groups reach that were skipped: the watermark is over all services, so they count too,
//! but hardly any of them has to be read for it.
//!
//! A line of at most a day ends at most a day after its start. So the instants that the two columns
//! hold bound the end of every such line, and only a row group whose bound lies beyond what is known
//! already is looked at, the farthest first.

use arrow::array::{Array, ArrayRef, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::errors::ParquetError;

use super::candidate::CandidateTest;
use super::columns::{TimeColumn, times};
use super::file::{BillFile, broken};
use super::prune;
use crate::clock;
use crate::error::Result;
use crate::shield::shielded;

/// Longest hourly or daily line, in microseconds.
pub fn longest() -> i64 {
    clock::DAY * 1_000_000
}

/// The watermark, in epoch seconds, over skipped row groups and what is known already.
///
/// # Errors
/// Where bytes cannot be had or are damaged.
pub fn beyond(known: Option<i64>, skipped: &[(&BillFile, usize)]) -> Result<Option<i64>> {
    let mut known = known;
    let mut bounds: Vec<(i64, &BillFile, usize)> =
        skipped.iter().filter_map(|(file, group)| Some((bound_of_statistics(file, *group)?, *file, *group))).collect();
    bounds.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| (&a.1.name, a.2).cmp(&(&b.1.name, b.2))));
    for (bound, file, group) in bounds {
        if known.is_some_and(|known| bound <= known) {
            break;
        }
        let look = || look(file, group, known);
        known = shielded(look).unwrap_or_else(|panic| Err(broken(&file.name, &panic)))?;
    }
    Ok(known)
}

/// The watermark of one row group, if it lies beyond what is known.
fn look(file: &BillFile, group: usize, known: Option<i64>) -> Result<Option<i64>> {
    let test = CandidateTest::of(file, group);
    let bytes = file.origin.open(vec![file.ranges(group, &test.clock_roots())])?;
    let bound = bound_of_dictionaries(file, group, &bytes).map_err(|error| file.error(&bytes, &error))?;
    if let (Some(bound), Some(known)) = (bound, known)
        && bound <= known
    {
        return Ok(Some(known));
    }
    let reader = file.reader(group, &bytes).with_projection(file.mask(test.clock_roots())).build();
    let mut latest = known;
    for batch in reader.map_err(|error| file.error(&bytes, &error))? {
        let batch = batch.map_err(|error| file.error(&bytes, &error))?;
        latest = latest.max(test.watermark(&batch).map_err(|error| file.unfit(&error))?);
    }
    Ok(latest)
}

fn roots(file: &BillFile) -> Option<[usize; 2]> {
    Some([file.positions.time(TimeColumn::UsageStart)?, file.positions.time(TimeColumn::UsageEnd)?])
}

/// A bound by the largest values, in epoch seconds; `None` where no line can have an end.
fn bound_of_statistics(file: &BillFile, group: usize) -> Option<i64> {
    let [start, end] = roots(file)?.map(|root| largest(file, group, root).unwrap_or(i64::MAX));
    Some(end.min(start.saturating_add(longest())).div_euclid(1_000_000))
}

/// The largest value of a time column, in microseconds, where the statistics say it.
fn largest(file: &BillFile, group: usize, root: usize) -> Option<i64> {
    let metadata = file.metadata.metadata();
    let schema = metadata.file_metadata().schema_descr();
    let name = file.metadata.schema().field(root).name();
    let converter = StatisticsConverter::try_new(name, file.metadata.schema(), schema).ok()?;
    let values = times(&converter.row_group_maxes([metadata.row_group(group)]).ok()?).ok()?;
    values.is_valid(0).then(|| values.value(0))
}

/// A bound by all values: the latest end that has a start at most a day before it.
fn bound_of_dictionaries(
    file: &BillFile,
    group: usize,
    bytes: &super::chunks::Chunks,
) -> Result<Option<i64>, ParquetError> {
    let Some(roots) = roots(file) else { return Ok(None) };
    let mut values = Vec::with_capacity(2);
    for root in roots {
        let [leaf] = file.leaves(root)[..] else { return Ok(None) };
        let Some(raw) = prune::instants(file, group, leaf, bytes)? else { return Ok(None) };
        let Some(instants) = microseconds(raw, file.metadata.schema().field(root).data_type()) else {
            return Ok(None);
        };
        values.push(instants);
    }
    let follows = |end: &&i64| values[0].iter().any(|start| start < *end && **end - start <= longest());
    // Where no end follows a start, no line is short: the smallest bound says so.
    let bound = values[1].iter().filter(follows).max().copied();
    Ok(Some(bound.map_or(i64::MIN, |bound| bound.div_euclid(1_000_000))))
}

fn microseconds(raw: Vec<i64>, data_type: &DataType) -> Option<Vec<i64>> {
    let raw: ArrayRef = std::sync::Arc::new(Int64Array::from(raw));
    let instants = times(&cast(&raw, data_type).ok()?).ok()?;
    Some(instants.iter().flatten().collect())
}
