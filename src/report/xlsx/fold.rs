//! Fold: figures that have more rows than a sheet should hold. Days become months, then the smallest rows become one;
//! sums stay what they are, and the sheet says what it does not show.

use std::collections::{BTreeMap, BTreeSet};

use super::totals::{additive, ratio};
use crate::clock;
use crate::metrics::{Cell, Grid, Rows, Value};
use crate::money;

/// Rows of a sheet. Excel opens 1,048,576, but not a workbook with several such sheets.
pub const MOST_ROWS: usize = 250_000;
/// What stands for names that share a row.
const OTHERS: &str = "(smaller rows)";

/// The first rows of an answer.
struct First<'a>(&'a dyn Rows, usize);

impl Rows for First<'_> {
    fn names(&self) -> &[String] {
        self.0.names()
    }

    fn height(&self) -> usize {
        self.1
    }

    fn value(&self, row: usize, column: usize) -> Value<'_> {
        self.0.value(row, column)
    }
}

/// What a sheet shows of a figure.
pub struct Folded {
    /// The rows.
    pub rows: Grid,
    /// What is not shown, and how to get it.
    pub note: String,
    /// Whether the rows still add up to the whole.
    pub is_whole: bool,
}

/// A figure in at most so many rows; nothing where it has no more. The command is the one that prints it whole.
pub fn fold(figure: &str, command: &str, rows: &dyn Rows, most: usize) -> Option<Folded> {
    let all = rows.height();
    if all <= most {
        return None;
    }
    let whole = format!("`billtag {command} --format csv` has all {all} rows.");
    let names = rows.names();
    let sums = additive(figure, rows);
    if sums.is_empty() {
        let first = First(rows, most);
        let note = format!("The first {most} of {all} rows, and no totals. {whole}");
        return Some(Folded { rows: grid_of(&first), note, is_whole: false });
    }
    let is_key = |at: usize| !sums.contains(&at) && is_name(rows, at) && ratio(&names[at]).is_none();
    let keys: Vec<usize> = (0..names.len()).filter(|at| is_key(*at)).collect();
    let left: Vec<&str> =
        (0..names.len()).filter(|at| !keys.contains(at) && !sums.contains(at)).map(|at| names[at].as_str()).collect();
    let mut groups = grouped(rows, &keys, &sums);
    let by_month = if groups.len() < all { "Days share the row of their month. " } else { "" };
    let others = smallest(&mut groups, names, &keys, most);
    let mut note = by_month.to_string();
    if others > 0 {
        note.push_str(&format!("The {others} smallest rows share those named {OTHERS}. "));
    }
    if !left.is_empty() {
        note.push_str(&format!("Left out, since it cannot be added: {}. ", left.join(", ")));
    }
    let heading = |at: &usize| if names[*at] == "day" { "month".to_string() } else { names[*at].clone() };
    let columns = keys.iter().chain(&sums).map(heading).collect();
    let rows =
        groups.into_iter().map(|(key, sums)| key.into_iter().map(cell).chain(sums.into_iter().map(amount)).collect());
    Some(Folded { rows: Grid { columns, rows: rows.collect() }, note: note + &whole, is_whole: true })
}

/// Names of a row: unknown stays unknown.
type Names = Vec<Option<String>>;
type Groups = BTreeMap<Names, Vec<Option<i128>>>;

fn cell(name: Option<String>) -> Cell {
    name.map_or(Cell::Null, Cell::Text)
}

fn amount(units: Option<i128>) -> Cell {
    units.map_or(Cell::Null, |units| Cell::Decimal(units, money::SCALE))
}

fn grid_of(rows: &dyn Rows) -> Grid {
    let row = |row: usize| (0..rows.names().len()).map(|at| rows.value(row, at).to_cell()).collect();
    Grid { columns: rows.names().to_vec(), rows: (0..rows.height()).map(row).collect() }
}

/// Whether a column holds days or texts.
fn is_name(rows: &dyn Rows, column: usize) -> bool {
    let mut values = (0..rows.height()).map(|row| rows.value(row, column)).filter(|value| *value != Value::Null);
    values.next().is_none_or(|value| matches!(value, Value::Day(_) | Value::Text(_)))
}

fn grouped(rows: &dyn Rows, keys: &[usize], sums: &[usize]) -> Groups {
    let mut groups = Groups::new();
    for row in 0..rows.height() {
        let name = |at: &usize| match rows.value(row, *at) {
            Value::Null => None,
            Value::Day(day) => Some(clock::month_of(day)),
            other => Some(other.shown().into_owned()),
        };
        let held = groups.entry(keys.iter().map(name).collect()).or_insert_with(|| vec![None; sums.len()]);
        for (held, at) in held.iter_mut().zip(sums) {
            if let Some(units) = rows.value(row, *at).amount() {
                *held = Some(held.unwrap_or(0).saturating_add(units));
            }
        }
    }
    groups
}

/// Lets the smallest rows share one of their month, allocation and currency; how many do.
fn smallest(groups: &mut Groups, names: &[String], keys: &[usize], most: usize) -> usize {
    if groups.len() <= most {
        return 0;
    }
    let is_kept: Vec<bool> = keys
        .iter()
        .map(|at| ["day", "month", "allocation", "billing_currency"].contains(&names[*at].as_str()))
        .collect();
    let shared = |key: &Names| -> Names {
        let parts = key.iter().zip(&is_kept);
        parts.map(|(name, is_kept)| if *is_kept { name.clone() } else { Some(OTHERS.into()) }).collect()
    };
    let rows: BTreeSet<Names> = groups.keys().map(shared).collect();
    let mut sizes: Vec<(i128, Names)> = groups
        .iter()
        .map(|(key, sums)| (sums.iter().flatten().map(|sum| sum.abs()).max().unwrap_or(0), key.clone()))
        .collect();
    sizes.sort_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.cmp(y)));
    let small: Vec<Names> = sizes.into_iter().skip(most.saturating_sub(rows.len())).map(|(_, key)| key).collect();
    for key in &small {
        let Some(sums) = groups.remove(key) else { continue };
        let held = groups.entry(shared(key)).or_insert_with(|| vec![None; sums.len()]);
        for (held, units) in held.iter_mut().zip(sums) {
            if let Some(units) = units {
                *held = Some(held.unwrap_or(0).saturating_add(units));
            }
        }
    }
    small.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(days: i32, workloads: usize) -> Grid {
        let columns =
            ["day", "workload", "allocation", "billing_currency", "cost", "cost_per_invocation", "is_complete"];
        let mut rows = Vec::new();
        for day in 0..days {
            for workload in 0..workloads {
                let currency = if workload % 3 == 0 { "EUR" } else { "USD" };
                rows.push(vec![
                    Cell::Day(20_000 + day),
                    Cell::Text(format!("w{workload}")),
                    Cell::Text("allocated".into()),
                    Cell::Text(currency.into()),
                    if workload == 5 { Cell::Null } else { Cell::Decimal(1 + i128::from(day) * workload as i128, 10) },
                    Cell::Float(1.0),
                    Cell::Flag(true),
                ]);
            }
        }
        Grid { columns: columns.map(String::from).to_vec(), rows }
    }

    fn sums(grid: &Grid) -> BTreeMap<String, i128> {
        let mut sums = BTreeMap::new();
        for row in &grid.rows {
            *sums.entry(grid.text(row, "billing_currency")).or_default() += grid.amount(row, "cost").unwrap_or(0);
        }
        sums
    }

    #[test]
    fn days_become_months_and_every_sum_stays() {
        let all = rows(90, 20);
        assert!(fold("daily_spend", "query x", &all, 1_800).is_none());
        let folded = fold("daily_spend", "query x", &all, 1_799).expect("folded");
        assert_eq!(folded.rows.columns, ["month", "workload", "allocation", "billing_currency", "cost"]);
        assert!(folded.rows.rows.len() <= 4 * 20 && folded.is_whole);
        assert_eq!(sums(&folded.rows), sums(&all));
        let unknown = folded.rows.rows.iter().find(|row| folded.rows.text(row, "workload") == "w5").expect("a row");
        assert_eq!(folded.rows.cell(unknown, "cost"), &Cell::Null, "what is unknown stays so");
        for part in
            ["share the row of their month", "added: cost_per_invocation, is_complete.", "csv` has all 1800 rows"]
        {
            assert!(folded.note.contains(part), "{}", folded.note);
        }
    }

    #[test]
    fn the_smallest_rows_share_one_and_every_sum_stays() {
        let all = rows(90, 200);
        let folded = fold("daily_spend", "query x", &all, 100).expect("folded");
        assert!(folded.rows.rows.len() <= 100, "{}", folded.rows.rows.len());
        assert_eq!(sums(&folded.rows), sums(&all));
        assert!(folded.note.contains("smallest rows share"), "{}", folded.note);
    }

    #[test]
    fn costs_that_are_doubles_are_not_emptied_in_silence() {
        let mut all = rows(10, 10);
        let at = all.column("cost").expect("a column");
        all.rows.iter_mut().for_each(|row| row[at] = Cell::Float(0.5));
        let folded = fold("daily_spend", "query x", &all, 7).expect("folded");
        assert_eq!((folded.rows.rows.len(), folded.is_whole), (7, false));
        assert!(folded.rows.rows.iter().all(|row| row[at] == Cell::Float(0.5)), "{:?}", folded.rows);
        all.columns.push("tokens".into());
        all.rows.iter_mut().for_each(|row| row.push(Cell::Decimal(3, 0)));
        let folded = fold("daily_spend", "query x", &all, 70).expect("folded");
        assert!(folded.note.contains("cannot be added: cost, cost_per_invocation, is_complete."), "{}", folded.note);
        assert_eq!(folded.rows.column("cost"), None);
    }

    #[test]
    fn what_does_not_add_up_is_cut_and_says_so() {
        let folded = fold("anomalies", "query x", &rows(10, 10), 7).expect("folded");
        assert_eq!((folded.rows.rows.len(), folded.is_whole), (7, false));
        assert!(folded.note.contains("The first 7 of 100 rows, and no totals"), "{}", folded.note);
    }
}
