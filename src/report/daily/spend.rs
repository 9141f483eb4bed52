//! Who spends: this month and the three before, with what has no name as rows.

use std::collections::BTreeMap;

use super::Facts;
use crate::cli::By;
use crate::clock;
use crate::error::Result;
use crate::metrics::queries::Query;
use crate::metrics::{Cell, Grid, Part};
use crate::report::document::{column, money, text};
use crate::report::{Look, Table, words};

/// Owners shown one by one; the rest share a row, so that the table adds up.
const SHOWN: usize = 20;

/// One owner's months: cost, and cost of the same days, newest first.
#[derive(Default, Clone)]
struct Months {
    costs: [i128; 4],
    same_days: Option<i128>,
    previous_same_days: Option<i128>,
}

/// The table.
pub fn table(facts: &Facts<'_>, by: By) -> Result<Table> {
    let (grid, key) = rows(facts, by)?;
    let months = months(&facts.month);
    let mut owners: BTreeMap<(String, String, String), Months> = BTreeMap::new();
    for row in &grid.rows {
        let Some(at) = months.iter().position(|month| *month == grid.text(row, "month")) else { continue };
        let allocation = grid.text(row, "allocation");
        // What nobody was to name is told from what nobody named.
        let name = if allocation == "not_allocable" { allocation.clone() } else { grid.text(row, key) };
        let owner = (grid.text(row, "billing_currency"), allocation, name);
        let held = owners.entry(owner).or_default();
        held.costs[at] += grid.amount(row, "cost").unwrap_or(0);
        if at == 0 {
            held.same_days = grid.amount(row, "cost_same_days");
            held.previous_same_days = grid.amount(row, "previous_month_cost_same_days");
        }
    }
    let mut table = Table::new(
        "spend",
        format!("Spend by {}", heading(by).to_lowercase()),
        format!("{}, all charges; the change compares the same number of complete days", facts.basis()),
        columns(by, &months),
    );
    let stored = months.iter().map(|month| facts.engine.records.iter().any(|record| record.period == *month));
    fill(&mut table, owners, &stored.collect::<Vec<_>>());
    Ok(table)
}

fn columns(by: By, months: &[String]) -> Vec<crate::report::Column> {
    let names = ["month_0", "month_1", "month_2", "month_3"];
    let mut columns = vec![column("billing_currency", "", Look::Plain), column("name", heading(by), Look::Plain)];
    columns.push(column(names[0], &months[0], Look::Money));
    columns.push(column("change", "To same days before", Look::Change));
    for (name, month) in names.into_iter().zip(months).skip(1) {
        columns.push(column(name, month, Look::Money));
    }
    columns
}

/// Owners by this month's cost, then a row for the others, the nameless, and the total.
fn fill(table: &mut Table, owners: BTreeMap<(String, String, String), Months>, stored: &[bool]) {
    let mut currencies: BTreeMap<String, Vec<(String, String, Months)>> = BTreeMap::new();
    for ((currency, allocation, name), months) in owners {
        currencies.entry(currency).or_default().push((allocation, name, months));
    }
    for (currency, mut owners) in currencies {
        owners.sort_by(|a, b| {
            let named = |allocation: &str| allocation != "allocated";
            (named(&a.0), &b.2.costs, &a.1).cmp(&(named(&b.0), &a.2.costs, &b.1))
        });
        let named = owners.iter().filter(|(allocation, ..)| allocation == "allocated").count();
        let mut others: Vec<Months> = Vec::new();
        let mut all: Vec<Months> = Vec::new();
        for (at, (_, name, months)) in owners.into_iter().enumerate() {
            all.push(months.clone());
            if at >= SHOWN && at < named {
                others.push(months);
                continue;
            }
            if at >= named && !others.is_empty() {
                let label = format!("({} others)", others.len());
                table.rows.push(row(&currency, &label, &sum(&std::mem::take(&mut others)), stored));
            }
            table.rows.push(row(&currency, &name, &months, stored));
        }
        if !others.is_empty() {
            let label = format!("({} others)", others.len());
            table.rows.push(row(&currency, &label, &sum(&others), stored));
        }
        table.rows.push(row(&currency, "total", &sum(&all), stored));
    }
}

fn sum(months: &[Months]) -> Months {
    let mut total = Months::default();
    for one in months {
        for (total, cost) in total.costs.iter_mut().zip(one.costs) {
            *total += cost;
        }
        let add = |to: &mut Option<i128>, from: Option<i128>| {
            if let Some(from) = from {
                *to = Some(to.unwrap_or(0) + from);
            }
        };
        add(&mut total.same_days, one.same_days);
        add(&mut total.previous_same_days, one.previous_same_days);
    }
    total
}

fn row(currency: &str, name: &str, months: &Months, stored: &[bool]) -> Vec<Cell> {
    let change = months.same_days.zip(months.previous_same_days).map(|(now, before)| now - before);
    let mut row = vec![text(words::currency(currency)), text(name), money(months.costs[0])];
    row.push(change.map_or(Cell::Null, money));
    // A month that is not stored is unknown, not nothing.
    let known = months.costs.iter().zip(stored).skip(1);
    row.extend(known.map(|(cost, stored)| if *stored { money(*cost) } else { Cell::Null }));
    row
}

/// The month and the three before, newest first.
fn months(latest: &str) -> Vec<String> {
    let mut months = vec![latest.to_string()];
    for _ in 0..3 {
        let first = months.last().and_then(|month| clock::month_range(month)).map(|(first, _)| first);
        months.push(first.map_or(String::new(), |first| clock::month_of(first - 1)));
    }
    months
}

fn heading(by: By) -> &'static str {
    match by {
        By::Workload => "Workload",
        By::Team => "Team",
        By::CostCenter => "Cost center",
        By::Environment => "Environment",
        By::Account => "Account",
        By::Region => "Region",
        By::Model => "Model",
    }
}

fn rows(facts: &Facts<'_>, by: By) -> Result<(Grid, &'static str)> {
    let first = compared_with(&facts.month);
    let part = Part::Billed(&first, LAST);
    let named = |query: &str, key| Ok((facts.engine.run_named_part(query, facts.config, part)?, key));
    match by {
        By::Workload => named("spend_by_workload", "workload"),
        By::Team => named("spend_by_team", "team"),
        By::CostCenter => named("spend_by_cost_center", "cost_center"),
        By::Environment => plain(facts, "environment"),
        By::Account => plain(facts, "sub_account_id"),
        By::Region => plain(facts, "region_id"),
        By::Model => plain(facts, "model_name"),
    }
}

/// Spend by a column that has no query of its own: the query by team with another column in its
/// place, so that days, months, names and comparisons are the same whatever spend is grouped by.
fn plain(facts: &Facts<'_>, key: &'static str) -> Result<(Grid, &'static str)> {
    let by_team = Query::find("spend_by_team", None)?;
    let query = Query { name: format!("spend by {key}"), sql: by_team.sql.replace("team", key) };
    Ok((facts.engine.run_part(&query, Part::Billed(&compared_with(&facts.month), LAST))?, key))
}

/// After every month.
const LAST: &str = "9999-12";

/// The month that the oldest of those shown is compared with: older ones say nothing to the query.
fn compared_with(month: &str) -> String {
    let oldest = months(month).pop().and_then(|month| clock::month_range(&month));
    oldest.map_or(String::new(), |(first, _)| clock::month_of(first - 1))
}
