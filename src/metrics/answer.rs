//! Answers: a query's columns as the engine has them, for output that may have hundreds of thousands of rows.

use polars::prelude::*;

use super::grid::{Cell, Grid, Rows, Value};
use super::order::{self, By};

/// A query's answer by columns.
pub struct Answer {
    names: Vec<String>,
    columns: Vec<Values>,
    height: usize,
    /// Where each row stands in the columns, unless they are in order.
    places: Option<Vec<u32>>,
}

/// The values of a column, in one piece each.
pub(super) enum Values {
    Texts(StringChunked),
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
        Ok(Self { names, columns, height: frame.height(), places: None })
    }

    /// Puts the rows in order; whether that could be done.
    pub(super) fn sort(&mut self, by: &[By]) -> bool {
        self.places = order::places(self, by);
        self.places.is_some()
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.height
    }

    /// The values of a column by its name.
    pub(super) fn values(&self, name: &str) -> Option<&Values> {
        self.column(name).map(|at| &self.columns[at])
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
                let place = self.places.as_ref().map_or(at, |places| places[at] as usize);
                row.push(column.value(place).to_cell());
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
        let place = self.places.as_ref().map_or(row, |places| places[row] as usize);
        self.columns[column].value(place)
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

impl Values {
    fn value(&self, row: usize) -> Value<'_> {
        let found = match self {
            Self::Texts(texts) => texts.downcast_as_array().get(row).map(Value::Text),
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
