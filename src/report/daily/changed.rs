//! What changed since the last run: days that had been reported as complete and say something else now.

use std::collections::{BTreeMap, BTreeSet};

use super::SHOWN;
use crate::error::Result;
use crate::metrics::queries::Query;
use crate::metrics::{Cell, Engine};
use crate::report::document::column;
use crate::report::{Look, Table, words};

const SQL: &str = "\
    select changed_at, day, workload, billing_currency, causes, previous_billed_cost, billed_cost, \
    billed_cost - previous_billed_cost as change from changes";

/// The sentence and the table; neither where there was no run before.
pub fn since_last_run(engine: &Engine) -> Result<Option<(String, Table)>> {
    let Some((previous, last)) = engine.last_run.and_then(|run| Some((run.previous?, run.as_of))) else {
        return Ok(None);
    };
    let grid = engine.run(&Query { name: "changes".into(), sql: SQL.into() })?;
    let is_recent = |row: &&Vec<Cell>| matches!(grid.cell(row, "changed_at"), Cell::Time(at) if (previous + 1..=last).contains(&at.div_euclid(1_000_000)));
    let mut rows: Vec<&Vec<Cell>> = grid.rows.iter().filter(is_recent).collect();
    let change = |row: &[Cell]| grid.amount(row, "change").unwrap_or(0);
    rows.sort_by_key(|row| {
        let size = std::cmp::Reverse(change(row).abs());
        (grid.text(row, "billing_currency"), size, grid.day(row, "day"), grid.text(row, "workload"))
    });
    let columns = vec![
        column("day", "Day", Look::Plain),
        column("workload", "Workload", Look::Plain),
        column("causes", "Changed", Look::Plain),
        column("previous_billed_cost", "Was", Look::Money),
        column("billed_cost", "Is", Look::Money),
        column("change", "Change", Look::Change),
        column("billing_currency", "", Look::Plain),
    ];
    let note = "billed cost of days that had been complete, largest change first; `billtag query -e \"select * from changes\"` shows all";
    let mut table = Table::new("changed", "Changed since the last run", note, columns);
    let mut shown: BTreeMap<String, usize> = BTreeMap::new();
    for row in &rows {
        let count = shown.entry(grid.text(row, "billing_currency")).or_default();
        *count += 1;
        if *count <= SHOWN {
            table.push_from(&grid, row);
        }
    }
    let mut sums: BTreeMap<String, i128> = BTreeMap::new();
    for row in &rows {
        *sums.entry(grid.text(row, "billing_currency")).or_default() += change(row);
    }
    let count = |name: &str| rows.iter().map(|row| grid.text(row, name)).collect::<BTreeSet<_>>();
    let amounts: Vec<String> =
        sums.iter().map(|(currency, sum)| format!("{} {}", words::change(*sum), words::currency(currency))).collect();
    let sentence = if rows.is_empty() {
        "Changed since the last run: no day that had been complete.".to_string()
    } else {
        let causes: Vec<String> = count("causes").into_iter().collect();
        format!(
            "Changed since the last run: {} on {} days of {} workloads ({}).",
            amounts.join(", "),
            count("day").len(),
            count("workload").len(),
            causes.join("; ")
        )
    };
    Ok(Some((sentence, table)))
}
