//! Grids: a query's answer, small and engine-free.

use std::borrow::Cow;

use super::digits;
use crate::clock;
use crate::money;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Unknown.
    Null,
    /// Text.
    Text(String),
    /// Whole number.
    Count(i128),
    /// Decimal: value and places.
    Decimal(i128, i8),
    /// Ratio.
    Float(f64),
    /// Yes or no.
    Flag(bool),
    /// Day number.
    Day(i32),
    /// Epoch microseconds, UTC.
    Time(i64),
}

impl Cell {
    /// The value, borrowed.
    pub fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Text(text) => Value::Text(text),
            Self::Count(count) => Value::Count(*count),
            Self::Decimal(value, scale) => Value::Decimal(*value, *scale),
            Self::Float(value) => Value::Float(*value),
            Self::Flag(flag) => Value::Flag(*flag),
            Self::Day(day) => Value::Day(*day),
            Self::Time(micros) => Value::Time(*micros),
        }
    }

    /// The value as plain text; unknown is empty.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.value().write(&mut text);
        text
    }

    /// The text of a text; empty for all else.
    pub fn as_text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }
}

/// One value, borrowed from where it lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Unknown.
    Null,
    /// Text.
    Text(&'a str),
    /// Whole number.
    Count(i128),
    /// Decimal: value and places.
    Decimal(i128, i8),
    /// Ratio.
    Float(f64),
    /// Yes or no.
    Flag(bool),
    /// Day number.
    Day(i32),
    /// Epoch microseconds, UTC.
    Time(i64),
}

impl<'a> Value<'a> {
    /// The value on its own.
    pub fn to_cell(self) -> Cell {
        match self {
            Self::Null => Cell::Null,
            Self::Text(text) => Cell::Text(text.to_string()),
            Self::Count(count) => Cell::Count(count),
            Self::Decimal(value, scale) => Cell::Decimal(value, scale),
            Self::Float(value) => Cell::Float(value),
            Self::Flag(flag) => Cell::Flag(flag),
            Self::Day(day) => Cell::Day(day),
            Self::Time(micros) => Cell::Time(micros),
        }
    }

    /// Adds the value as plain text; unknown is empty.
    pub fn write(self, out: &mut String) {
        match self {
            Self::Null => {}
            Self::Text(text) => out.push_str(text),
            Self::Count(count) => digits::count(count, out),
            Self::Decimal(value, scale) => digits::decimal(value, scale, out),
            Self::Float(value) => digits::float(value, out),
            Self::Flag(flag) => out.push_str(if flag { "true" } else { "false" }),
            Self::Day(day) => digits::day(day, out),
            Self::Time(micros) => out.push_str(&clock::instant_text(micros.div_euclid(1_000_000))),
        }
    }

    /// The text of a text; empty for all else.
    pub fn as_text(self) -> &'a str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    /// The value as text, as it is shown; unknown is empty.
    pub fn shown(self) -> Cow<'a, str> {
        match self {
            Self::Null => Cow::Borrowed(""),
            Self::Text(text) => Cow::Borrowed(text),
            other => {
                let mut text = String::new();
                other.write(&mut text);
                Cow::Owned(text)
            }
        }
    }

    /// An amount in units of 1e-10; `None` where unknown.
    pub fn amount(self) -> Option<i128> {
        match self {
            Self::Decimal(value, scale) => money::from_decimal(value, scale).ok(),
            Self::Count(count) => count.checked_mul(money::ONE),
            _ => None,
        }
    }

    /// A day; `None` where unknown.
    pub fn day(self) -> Option<i32> {
        match self {
            Self::Day(day) => Some(day),
            _ => None,
        }
    }

    /// Whether it is a number, for alignment.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Count(_) | Self::Decimal(..) | Self::Float(_))
    }
}

/// What can be shown row by row, by several threads at once.
pub trait Rows: Sync {
    /// Names of the columns.
    fn names(&self) -> &[String];
    /// How many rows there are.
    fn height(&self) -> usize;
    /// The value in a row and a column.
    fn value(&self, row: usize, column: usize) -> Value<'_>;
}

impl Rows for Grid {
    fn names(&self) -> &[String] {
        &self.columns
    }

    fn height(&self) -> usize {
        self.rows.len()
    }

    fn value(&self, row: usize, column: usize) -> Value<'_> {
        self.rows[row][column].value()
    }
}

/// A table of cells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Grid {
    /// Column names.
    pub columns: Vec<String>,
    /// Rows.
    pub rows: Vec<Vec<Cell>>,
}

impl Grid {
    /// Position of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// A row's value by column name; unknown where there is no such column.
    pub fn cell<'a>(&self, row: &'a [Cell], name: &str) -> &'a Cell {
        self.column(name).and_then(|at| row.get(at)).unwrap_or(&Cell::Null)
    }

    /// A text by column name; empty where unknown.
    pub fn text(&self, row: &[Cell], name: &str) -> String {
        self.cell(row, name).text()
    }

    /// An amount by column name, units of 1e-10; `None` where unknown.
    pub fn amount(&self, row: &[Cell], name: &str) -> Option<i128> {
        self.cell(row, name).value().amount()
    }

    /// A ratio by column name.
    pub fn float(&self, row: &[Cell], name: &str) -> Option<f64> {
        match self.cell(row, name) {
            Cell::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// A day by column name.
    pub fn day(&self, row: &[Cell], name: &str) -> Option<i32> {
        self.cell(row, name).value().day()
    }

    /// A flag by column name; false where unknown.
    pub fn flag(&self, row: &[Cell], name: &str) -> bool {
        matches!(self.cell(row, name), Cell::Flag(true))
    }
}
