//! Answers: a query's columns as the engine has them, for output that may have hundreds of thousands of rows.

use std::panic::resume_unwind;
use std::thread;

use polars::prelude::*;

use super::grid::{Cell, Grid, Rows, Value};
use super::order::{self, By, Ranked};

/// A query's answer by columns.
pub struct Answer {
    names: Vec<String>,
    columns: Vec<Values>,
    height: usize,
}

/// The values of a column, in one piece each.
pub(super) enum Values {
    Texts(StringChunked),
    Ranked(Ranked),
    Counts(Int64Chunked),
    Decimals(Int128Chunked, i8),
    Floats(Float64Chunked),
    Flags(BooleanChunked),
    Days(Int32Chunked),
    Times(Int64Chunked, TimeUnit),
    /// Of a type that no stored table has.
    Others(Vec<Cell>),
}

impl Answer {
    /// The answer that a frame is.
    pub(super) fn of(frame: &DataFrame) -> PolarsResult<Self> {
        let names = frame.get_column_names().iter().map(|name| name.to_string()).collect();
        let columns = frame.columns().iter().map(values).collect::<PolarsResult<_>>()?;
        Ok(Self { names, columns, height: frame.height() })
    }

    /// Puts the rows in order; whether that could be done.
    pub(super) fn sort(&mut self, by: &[By]) -> bool {
        self.columns = each(std::mem::take(&mut self.columns), Values::ranked);
        let wanted = by.iter().map(|by| Some((&self.columns[self.column(by.column())?], by)));
        let wanted = wanted.collect::<Option<Vec<_>>>();
        let Some(places) = wanted.and_then(|wanted| order::places(&wanted, self.height)) else { return false };
        self.columns = each(std::mem::take(&mut self.columns), |values| values.at(&places));
        true
    }

    /// Position of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|column| column == name)
    }

    /// Positions of columns.
    pub fn columns<const N: usize>(&self, names: [&str; N]) -> [Option<usize>; N] {
        names.map(|name| self.column(name))
    }

    /// A row's value in a column; unknown where there is no such column.
    pub fn cell(&self, row: usize, column: Option<usize>) -> Value<'_> {
        column.map_or(Value::Null, |column| self.value(row, column))
    }

    /// The answer by rows, for what looks at single cells.
    pub fn into_grid(self) -> Grid {
        let mut rows = vec![Vec::with_capacity(self.columns.len()); self.height];
        for column in &self.columns {
            for (at, row) in rows.iter_mut().enumerate() {
                row.push(column.value(at).to_cell());
            }
        }
        Grid { columns: self.names, rows }
    }
}

impl Rows for Answer {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn height(&self) -> usize {
        self.height
    }

    fn value(&self, row: usize, column: usize) -> Value<'_> {
        self.columns[column].value(row)
    }
}

fn values(column: &Column) -> PolarsResult<Values> {
    let series = column.as_materialized_series().rechunk();
    Ok(match series.dtype() {
        DataType::String => Values::Texts(series.str()?.clone()),
        DataType::Boolean => Values::Flags(series.bool()?.clone()),
        DataType::Date => Values::Days(series.date()?.physical().clone()),
        DataType::Datetime(unit, _) => Values::Times(series.datetime()?.physical().clone(), *unit),
        DataType::Decimal(_, scale) => Values::Decimals(series.decimal()?.physical().clone(), *scale as i8),
        DataType::Float64 | DataType::Float32 => Values::Floats(series.cast(&DataType::Float64)?.f64()?.clone()),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::UInt16 | DataType::UInt32 => {
            Values::Counts(series.cast(&DataType::Int64)?.i64()?.clone())
        }
        _ => Values::Others(series.iter().map(|value| to_cell(&value)).collect()),
    })
}

/// Does something with each column, all at the same time.
fn each(columns: Vec<Values>, work: impl Fn(Values) -> Values + Sync) -> Vec<Values> {
    thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = columns.into_iter().map(|column| scope.spawn(move || work(column))).collect();
        let done = running.into_iter().map(|column| column.join().unwrap_or_else(|panic| resume_unwind(panic)));
        done.collect()
    })
}

impl Values {
    /// Texts by their ranks; all else as it is.
    fn ranked(self) -> Self {
        match self {
            Self::Texts(texts) => Self::Ranked(Ranked::of(texts.downcast_as_array().iter())),
            other => other,
        }
    }

    /// The values at some places.
    fn at(self, places: &[u32]) -> Self {
        match self {
            Self::Texts(texts) => Self::Ranked(Ranked::of(texts.downcast_as_array().iter()).at(places)),
            Self::Ranked(texts) => Self::Ranked(texts.at(places)),
            Self::Counts(counts) => Self::Counts(gathered(&counts, places)),
            Self::Decimals(units, scale) => Self::Decimals(gathered(&units, places), scale),
            Self::Floats(values) => Self::Floats(gathered(&values, places)),
            Self::Flags(flags) => Self::Flags(places.iter().map(|place| flags.get(*place as usize)).collect()),
            Self::Days(days) => Self::Days(gathered(&days, places)),
            Self::Times(times, unit) => Self::Times(gathered(&times, places), unit),
            Self::Others(cells) => Self::Others(places.iter().map(|place| cells[*place as usize].clone()).collect()),
        }
    }

    fn value(&self, row: usize) -> Value<'_> {
        let found = match self {
            Self::Texts(texts) => texts.downcast_as_array().get(row).map(Value::Text),
            Self::Ranked(texts) => texts.get(row).map(Value::Text),
            Self::Counts(counts) => counts.get(row).map(|count| Value::Count(count.into())),
            Self::Decimals(units, scale) => units.get(row).map(|units| Value::Decimal(units, *scale)),
            Self::Floats(values) => values.get(row).map(Value::Float),
            Self::Flags(flags) => flags.get(row).map(Value::Flag),
            Self::Days(days) => days.get(row).map(Value::Day),
            Self::Times(times, unit) => times.get(row).map(|time| Value::Time(micros(time, *unit))),
            Self::Others(cells) => return cells[row].value(),
        };
        found.unwrap_or(Value::Null)
    }
}

fn gathered<T: PolarsNumericType>(values: &ChunkedArray<T>, places: &[u32]) -> ChunkedArray<T> {
    let values = values.downcast_as_array();
    places.iter().map(|place| values.get(*place as usize)).collect()
}

fn to_cell(value: &AnyValue<'_>) -> Cell {
    match value {
        AnyValue::Null => Cell::Null,
        other => match other.extract::<i128>() {
            Some(count) => Cell::Count(count),
            None => Cell::Text(other.to_string()),
        },
    }
}

fn micros(value: i64, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Nanoseconds => value.div_euclid(1_000),
        TimeUnit::Microseconds => value,
        TimeUnit::Milliseconds => value.saturating_mul(1_000),
    }
}
