//! Documents: what a command has to say, before it is known in which format.

use std::collections::BTreeMap;

use crate::metrics::{Cell, Grid};

/// A document: a title, and blocks in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// The command that it answers: its key where data formats hold several.
    pub name: &'static str,
    /// The first line.
    pub title: String,
    /// The rest.
    pub blocks: Vec<Block>,
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A sentence or two.
    Text(String),
    /// A table under a heading.
    Table(Table),
    /// Commands to copy, each on a line of its own whatever the width.
    Commands(Vec<String>),
}

/// A table for people.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// Short name, the key in JSON and CSV.
    pub name: &'static str,
    /// Heading.
    pub heading: String,
    /// What the reader should know: basis, window, definition.
    pub note: String,
    /// Columns shown.
    pub columns: Vec<Column>,
    /// Rows, a cell for each column.
    pub rows: Vec<Vec<Cell>>,
}

/// How a column looks to people. Data formats carry the value as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// As it is.
    Plain,
    /// Money to the cent, grouped.
    Money,
    /// Money with its sign.
    Change,
    /// A ratio as percent.
    Percent,
    /// A ratio to two places.
    Ratio,
    /// Money to four significant places, for unit costs.
    UnitCost,
    /// A count, grouped.
    Count,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name in data formats.
    pub name: &'static str,
    /// Heading for people.
    pub heading: String,
    /// How it looks.
    pub look: Look,
}

/// A column.
pub fn column(name: &'static str, heading: impl Into<String>, look: Look) -> Column {
    Column { name, heading: heading.into(), look }
}

impl Table {
    /// A table without rows.
    pub fn new(name: &'static str, heading: impl Into<String>, note: impl Into<String>, columns: Vec<Column>) -> Self {
        Self { name, heading: heading.into(), note: note.into(), columns, rows: Vec::new() }
    }

    /// Adds a row of a grid, by the columns' names.
    pub fn push_from(&mut self, grid: &Grid, row: &[Cell]) {
        let cells = self.columns.iter().map(|column| grid.cell(row, column.name).clone());
        self.rows.push(cells.collect());
    }
}

impl Document {
    /// Adds a sentence.
    pub fn say(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Text(text.into()));
    }

    /// Adds a table.
    pub fn table(&mut self, table: Table) {
        self.blocks.push(Block::Table(table));
    }
}

/// The first rows of each currency, in their order: amounts of two currencies do not compare, so many
/// rows in one never crowd out those in another.
pub fn first_of_each<T>(
    rows: impl IntoIterator<Item = T>,
    most: usize,
    currency: impl for<'a> Fn(&'a T) -> &'a str,
) -> Vec<T> {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let is_among_first = |row: &T| {
        let count = taken.entry(currency(row).to_string()).or_default();
        *count += 1;
        *count <= most
    };
    rows.into_iter().filter(is_among_first).collect()
}

/// An amount as a cell.
pub fn money(units: i128) -> Cell {
    Cell::Decimal(units, crate::money::SCALE)
}

/// A text as a cell.
pub fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}
