//! Figures: a query's answer as a sheet of its own. Title and notes, headings that stay in sight, a filter, a row for
//! each of the answer's, and below them totals that are formulas.

use std::cmp::Reverse;

use rust_xlsxwriter::IgnoreError;
use rust_xlsxwriter::utility::{column_number_to_name, quote_sheet_name};

use super::book::{HEADER, Page, Role, failed};
use super::cell::{self, Kind};
use super::totals::{self, Condition, Group, Key, Ranges, Sum, Sums};
use crate::error::Result;
use crate::metrics::{Rows, Value};

/// What stands on a sheet beside its rows.
#[derive(Default)]
pub struct Plan<'a> {
    /// The figure's name, which says what of it adds up.
    pub figure: &'a str,
    /// The first line.
    pub title: String,
    /// What it is of, and how to read it: a line each, at most two.
    pub notes: [String; 2],
    /// Whether money is shown with all its places.
    pub is_exact: bool,
    /// Whether there are totals.
    pub has_totals: bool,
    /// The formula of a cell, by row and column of the answer and row of the sheet, where it has one.
    pub formula: Option<&'a dyn Fn(usize, usize, u32) -> Option<String>>,
}

/// What formulas elsewhere need to know of a sheet.
#[derive(Debug, Clone, Default)]
pub struct Figure {
    /// Its cells.
    pub ranges: Ranges,
    /// Its sums.
    pub sums: Sums,
    /// Names of its columns.
    pub names: Vec<String>,
    /// Whether its rows are all of the answer's, or add up to them.
    pub is_whole: bool,
}

impl Figure {
    /// The sum of a column for a key.
    pub fn sum(&self, key: &Key, column: &str) -> Option<Sum> {
        let at = self.names.iter().position(|name| name == column)?;
        self.sums.by_key.get(key)?.sums.get(&at).copied()
    }
}

/// A column of a sheet.
struct Column {
    name: String,
    kind: Kind,
    unknown: usize,
    widest: usize,
}

/// Rows by whose texts a column's width is chosen.
const MEASURED: usize = 2_000;

fn columns(rows: &dyn Rows, is_exact: bool) -> Vec<Column> {
    let column = |(at, name): (usize, &String)| {
        let values = || (0..rows.height()).map(|row| rows.value(row, at));
        let known = values().find(|value| *value != Value::Null).unwrap_or(Value::Null);
        let kind = match Kind::of_column(name, known) {
            Kind::Money if is_exact => Kind::Exact,
            kind => kind,
        };
        let unknown = values().filter(|value| *value == Value::Null).count();
        let texts = values().take(MEASURED).map(|value| value.as_text().chars().count());
        Column { name: name.clone(), kind, unknown, widest: texts.max().unwrap_or(0) }
    };
    rows.names().iter().enumerate().map(column).collect()
}

/// A column's name for people.
pub fn heading(name: &str) -> String {
    let text = name.replace('_', " ");
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// Writes a sheet.
///
/// # Errors
/// Where the sheet ends.
pub fn write(page: &mut Page<'_>, rows: &dyn Rows, plan: &Plan<'_>) -> Result<Figure> {
    let columns = columns(rows, plan.is_exact);
    let figure = Figure {
        ranges: ranges(&page.name, rows, &columns),
        sums: if plan.has_totals { Sums::of(plan.figure, rows) } else { Sums::default() },
        names: rows.names().to_vec(),
        is_whole: plan.has_totals,
    };
    head(page, rows, &columns, plan)?;
    for row in 0..rows.height() {
        let at = HEADER + 1 + row as u32;
        for (column, of) in columns.iter().enumerate() {
            let value = rows.value(row, column);
            match plan.formula.and_then(|formula| formula(row, column, at)) {
                Some(text) => {
                    let result = value.amount().map(cell::nearest);
                    page.formula(at, column as u16, &text, result, page.styles.plain(of.kind))?;
                }
                None => page.write(at, column as u16, cell::content(value, of.kind))?,
            }
        }
    }
    let below = HEADER + 2 + rows.height() as u32;
    let totals = total_rows(page, &figure, &columns, below)?;
    // An empty row stands above totals.
    let rows = if totals > 0 { below + totals } else { below - 1 };
    page.print(rows, columns.len())?;
    Ok(figure)
}

/// Ranges of the columns; the heading's row is among them where there is no other, since no range is empty.
fn ranges(sheet: &str, rows: &dyn Rows, columns: &[Column]) -> Ranges {
    let (first, last) = (HEADER + 2, HEADER + 1 + (rows.height() as u32).max(1));
    let sheet = quote_sheet_name(sheet);
    let range = |(at, column): (usize, &Column)| {
        let letters = column_number_to_name(at as u16);
        (column.name.clone(), format!("{sheet}!${letters}${first}:${letters}${last}"))
    };
    let mut currencies: Vec<String> = match totals::key_columns(rows)[1] {
        Some(at) => (0..rows.height()).map(|row| rows.value(row, at).as_text()).fold(Vec::new(), |mut found, one| {
            if !found.iter().any(|other: &String| other == one) {
                found.push(one.to_string());
            }
            found
        }),
        None => Vec::new(),
    };
    currencies.sort();
    Ranges { columns: columns.iter().enumerate().map(range).collect(), currencies }
}

/// Columns whose texts are read whole, in several lines.
const WRAPPED: [&str; 1] = ["fix"];

/// Title, notes and headings, and how the columns look.
fn head(page: &mut Page<'_>, rows: &dyn Rows, columns: &[Column], plan: &Plan<'_>) -> Result<()> {
    page.say(0, 0, &plan.title, Role::Title)?;
    page.say(1, 0, &plan.notes[0], Role::Note)?;
    page.say(2, 0, &format!("{}{}", plan.notes[1], unknown(rows, columns)), Role::Note)?;
    let last = HEADER + rows.height() as u32;
    let end = columns.len().saturating_sub(1) as u16;
    for (at, column) in (0_u16..).zip(columns) {
        page.say(HEADER, at, &heading(&column.name), Role::of(column.kind))?;
        let widest = column.widest.max(heading(&column.name).len().min(14)) as f64 + 3.0;
        let is_wrapped = WRAPPED.contains(&column.name.as_str());
        let most = if is_wrapped { 60.0 } else { 44.0 };
        let width = if column.kind == Kind::Text { widest.clamp(8.0, most) } else { column.kind.width() };
        let styles = page.styles;
        page.sheet.set_column_width(at, width).map_err(failed)?;
        let style = if is_wrapped { styles.wrapped() } else { styles.plain(column.kind) };
        page.sheet.set_column_format(at, style).map_err(failed)?;
    }
    let sheet = &mut page.sheet;
    sheet.set_row_height(HEADER, 32).map_err(failed)?;
    if !columns.is_empty() {
        sheet.autofilter(HEADER, 0, last, end).map_err(failed)?;
        // Account numbers are names.
        sheet.ignore_error_range(HEADER, 0, last, end, IgnoreError::NumberStoredAsText).map_err(failed)?;
    }
    let frozen = columns.iter().take(2).position(|column| column.kind == Kind::Text).map_or(0, |at| at + 1);
    sheet.set_freeze_panes(HEADER + 1, frozen as u16).map_err(failed)?;
    sheet.set_repeat_rows(HEADER, HEADER).map_err(failed)?;
    Ok(())
}

/// Columns whose unknown cells are counted one by one.
const NAMED: usize = 8;

/// What of the rows is unknown, or said in fewer digits than it has.
fn unknown(rows: &dyn Rows, columns: &[Column]) -> String {
    let holes: Vec<&Column> = columns.iter().filter(|column| column.unknown > 0).collect();
    let named = holes.iter().take(NAMED).map(|column| format!("{} in {}", column.unknown, heading(&column.name)));
    let named = named.collect::<Vec<_>>().join(", ");
    let is_long = |at: usize| (0..rows.height()).filter(|row| cell::is_too_long(rows.value(*row, at))).count();
    let long: usize = (0..columns.len()).map(is_long).sum();
    let mut text = match holes.len() {
        0 => " No cell is unknown.".to_string(),
        count if count > NAMED => {
            format!(" An empty cell is unknown, never 0: {named}, and in {} more columns.", count - NAMED)
        }
        _ => format!(" An empty cell is unknown, never 0: {named}."),
    };
    if long > 0 {
        text.push_str(&format!(" {long} amounts have more than the 15 digits that a spreadsheet keeps."));
    }
    text
}

/// A row for each month and currency; none where each has but one row. How many there are.
fn total_rows(page: &mut Page<'_>, figure: &Figure, columns: &[Column], first: u32) -> Result<u32> {
    let sums = || figure.sums.totals();
    if sums().all(|(_, group)| group.rows < 2 || group.sums.is_empty()) {
        return Ok(0);
    }
    let place = |name: &str| columns.iter().position(|column| column.name == name);
    let taken = [place("month"), place("billing_currency")];
    let label = (0..columns.len()).find(|at| !taken.contains(&Some(*at)) && !figure.adds(*at)).unwrap_or(0);
    for (row, (key, group)) in (first..).zip(sums()) {
        page.say(row, label as u16, "Total", Role::Label)?;
        if let (Some(at), Some(Reverse(day))) = (taken[0], key.month) {
            let (month, styles) = (cell::serial(day).unwrap_or_default(), page.styles);
            page.sheet.write_number_with_format(row, at as u16, month, styles.total(Kind::Month)).map_err(failed)?;
        }
        if let (Some(at), Some(currency)) = (taken[1], &key.currency) {
            page.write(row, at as u16, cell::Content::Text(cell::safe(currency)))?;
        }
        for (at, column) in columns.iter().enumerate() {
            total(page, figure, (key, group), (row, at), column)?;
        }
    }
    Ok(sums().count() as u32)
}

impl Figure {
    fn adds(&self, column: usize) -> bool {
        self.sums.by_key.values().any(|group| group.sums.contains_key(&column))
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }
}

/// A total, or the quotient of totals; nothing where no cell is known.
fn total(
    page: &mut Page<'_>,
    figure: &Figure,
    (key, group): (&Key, &Group),
    (row, at): (u32, usize),
    column: &Column,
) -> Result<()> {
    let styles = page.styles;
    if let (Some(sum), Some(text)) = (group.sums.get(&at), figure.ranges.sum(&column.name, key, &[])) {
        let text = format!("=ROUND({text},{})", sum.places());
        return page.formula(row, at as u16, &text, Some(sum.result()), styles.total(column.kind));
    }
    let Some(ratio) = totals::ratio(&column.name) else { return Ok(()) };
    let sum = |name: &str| {
        let other = figure.place(name)?;
        let sum = if ratio.is_of_known() { group.known.get(&(at, other)) } else { group.sums.get(&other) };
        sum.map(|sum| sum.units)
    };
    let Some(result) = totals::quotient(&ratio.parts().map(sum).collect::<Vec<_>>()) else { return Ok(()) };
    let condition = [Condition::IsNumber(&column.name)];
    let conditions = if ratio.is_of_known() { &condition[..] } else { &[] };
    let texts: Option<Vec<String>> = ratio.parts().map(|name| figure.ranges.sum(name, key, conditions)).collect();
    let Some([over, under @ ..]) = texts.as_deref() else { return Ok(()) };
    let under = under.join("+");
    let text = format!("=IF(ROUND({under},10)=0,\"\",{over}/({under}))");
    page.formula(row, at as u16, &text, Some(result), styles.total(column.kind))
}
