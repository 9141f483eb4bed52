//! Tables: parts of a document on one sheet, one below the other.

use rust_xlsxwriter::utility::row_col_to_cell;

use super::book::{Page, Role, failed};
use super::cell::Kind;
use super::figure::heading;
use super::totals::Sum;
use crate::error::Result;
use crate::metrics::{Cell, Value};
use crate::report::{Block, Table};

/// Writes blocks from a row on; the row after them.
///
/// # Errors
/// Where the sheet ends.
pub fn blocks(page: &mut Page<'_>, blocks: &[&Block], mut row: u32) -> Result<u32> {
    for block in blocks {
        row = match block {
            Block::Text(text) => {
                for line in lines(text) {
                    page.say(row, 0, &line, Role::Note)?;
                    row += 1;
                }
                row + 1
            }
            Block::Table(one) => table(page, one, row)?,
            // What is copied is copied from a script or a terminal.
            Block::Commands(_) => row,
        };
    }
    Ok(row)
}

/// Characters of a line that stands beside nothing.
const LINE: usize = 150;

/// Characters of a heading that takes one line.
const SHORT: usize = 16;

/// A sentence in lines that a window shows whole.
fn lines(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let is_full = lines.last().is_some_and(|line| line.chars().count() + word.chars().count() >= LINE);
        match lines.last_mut() {
            Some(line) if !is_full => {
                line.push_str(if line.is_empty() { "" } else { " " });
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

/// Writes a table; the row after it.
///
/// # Errors
/// Where the sheet ends.
pub fn table(page: &mut Page<'_>, table: &Table, mut row: u32) -> Result<u32> {
    page.say(row, 0, &table.heading, Role::Label)?;
    row += 1;
    if !table.note.is_empty() {
        page.say(row, 0, &table.note, Role::Note)?;
        row += 1;
    }
    for (at, column) in (0_u16..).zip(&table.columns) {
        let shown = if column.heading.is_empty() { heading(column.name) } else { heading(&column.heading) };
        let known = table.rows.iter().map(|row| row[usize::from(at)].value()).find(|value| *value != Value::Null);
        let kind = Kind::of_look(column.look, column.name, known.unwrap_or(Value::Null));
        page.say(row, at, &shown, Role::of(kind))?;
    }
    if table.columns.iter().any(|column| column.heading.chars().count() > SHORT) {
        page.sheet.set_row_height(row, 32).map_err(failed)?;
    }
    let first = row + 1;
    for (number, cells) in table.rows.iter().enumerate() {
        row = first + number as u32;
        for (at, (cell, column)) in cells.iter().zip(&table.columns).enumerate() {
            let kind = Kind::of_look(column.look, column.name, cell.value());
            match summed(table, number, at) {
                Some((from, sum)) => {
                    let range = [from, number - 1].map(|one| row_col_to_cell(first + one as u32, at as u16));
                    let text = format!("=ROUND(SUM({}),{})", range.join(":"), sum.places());
                    page.formula(row, at as u16, &text, Some(sum.result()), page.styles.total(kind))?;
                }
                None => page.put(row, at as u16, cell.value(), kind)?,
            }
        }
    }
    if table.rows.is_empty() {
        row += 1;
        page.say(row, 0, "Nothing.", Role::Note)?;
    }
    Ok(row + 2)
}

/// The rows that a cell of a row named `total` is the sum of: the first of them, and the sum. Ends of an interval
/// and shares are no such sums, and are written as they are.
fn summed(table: &Table, row: usize, column: usize) -> Option<(usize, Sum)> {
    let is_total = |row: &[Cell]| row.iter().any(|cell| cell.as_text() == "total");
    let name = |row: &[Cell]| row.first().map(|cell| cell.as_text().to_string());
    let this = &table.rows[row];
    let wanted = this[column].value().amount().filter(|_| is_total(this))?;
    let before = (0..row).rev().take_while(|at| !is_total(&table.rows[*at]) && name(&table.rows[*at]) == name(this));
    let from = before.last()?;
    let mut sum = Sum::default();
    for cells in &table.rows[from..row] {
        match cells[column].value() {
            Value::Null => {}
            value => sum.add(value.amount()?),
        }
    }
    (sum.units == wanted).then_some((from, sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Look;
    use crate::report::document::{column, money, text};

    #[test]
    fn a_total_is_a_formula_where_it_is_the_sum_and_only_there() {
        let columns = vec![
            column("billing_currency", "", Look::Plain),
            column("workload", "Workload", Look::Plain),
            column("to_date", "To date", Look::Money),
            column("forecast_low", "Low", Look::Money),
        ];
        let mut table = Table::new("forecast", "Forecast", "", columns);
        let row = |currency: &str, name: &str, units, low| vec![text(currency), text(name), money(units), money(low)];
        table.rows = vec![
            row("EUR", "a", 1, 1),
            row("EUR", "total", 1, 1),
            row("USD", "a", 5, 5),
            row("USD", "b", 7, 7),
            row("USD", "total", 12, 9),
        ];
        let of = |row, column| summed(&table, row, column).map(|(from, sum)| (from, sum.units));
        assert_eq!([of(1, 2), of(4, 2), of(4, 3), of(3, 2)], [Some((0, 1)), Some((2, 12)), None, None]);
    }
}
