//! Grids: a query's answer, small and engine-free.

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
    /// The value as plain text; unknown is empty.
    pub fn text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Decimal(value, scale) => decimal_text(*value, *scale),
            Self::Float(value) => format!("{value}"),
            Self::Flag(flag) => flag.to_string(),
            Self::Day(day) => clock::day_text(*day),
            Self::Time(micros) => clock::instant_text(micros.div_euclid(1_000_000)),
        }
    }

    /// The text of a text; empty for all else.
    pub fn as_text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    /// Whether it is a number, for alignment.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Count(_) | Self::Decimal(..) | Self::Float(_))
    }
}

fn decimal_text(value: i128, scale: i8) -> String {
    match money::from_decimal(value, scale) {
        Ok(units) => money::to_text(units),
        Err(_) => format!("{value}e-{scale}"),
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
        match self.cell(row, name) {
            Cell::Decimal(value, scale) => money::from_decimal(*value, *scale).ok(),
            Cell::Count(count) => count.checked_mul(money::ONE),
            _ => None,
        }
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
        match self.cell(row, name) {
            Cell::Day(day) => Some(*day),
            _ => None,
        }
    }

    /// A flag by column name; false where unknown.
    pub fn flag(&self, row: &[Cell], name: &str) -> bool {
        matches!(self.cell(row, name), Cell::Flag(true))
    }
}
