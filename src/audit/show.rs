//! The audit in tables.

use super::{Audit, Item};
use crate::clock;
use crate::config::{Config, OWNER_NAMES};
use crate::metrics::{Cell, Grid};
use crate::report::document::{column, first_of_each, money, text};
use crate::report::{Block, Document, Look, Table, words};

/// Rows of each currency shown to people; data formats hold all.
const SHOWN: usize = 25;

/// The audit for people.
pub fn document(audit: &Audit, config: &Config) -> Document {
    let Some((first, last)) = audit.window else {
        let title = "Tagging audit: no complete day to judge".into();
        return Document { name: "audit", title, blocks: Vec::new() };
    };
    let title = format!("Tagging audit, {} to {}, UTC", clock::day_text(first), clock::day_text(last));
    let mut document = Document { name: "audit", title, blocks: Vec::new() };
    document.say(format!(
        "Required on everything that costs money: {}. Billed cost of Usage and Purchase.",
        config.tags.required.join(", ")
    ));
    for (currency, (cost, compliant)) in audit.totals() {
        let share = words::share(compliant, cost).map_or(words::UNKNOWN.into(), words::percent);
        let rest = words::amount(cost - compliant);
        let currency = words::currency(currency);
        document
            .say(format!("{share} of {} {currency} is fully tagged; {rest} {currency} is not.", words::amount(cost)));
    }
    let debt = debt(audit);
    let commands = commands(audit);
    document.table(debt);
    if !commands.is_empty() {
        document.blocks.push(Block::Commands(commands));
    }
    let fixed: Vec<&Item> = audit.items.iter().filter(|item| item.is_fixed()).collect();
    if !fixed.is_empty() {
        document.table(fixes(&fixed));
    }
    document
}

fn debt(audit: &Audit) -> Table {
    let columns = vec![
        column("number", "#", Look::Plain),
        column("cost", window(audit), Look::Money),
        column("untagged", "Not compliant", Look::Money),
        column("month_cost", "Month", Look::Money),
        column("billing_currency", "", Look::Plain),
        column("carrier", "What", Look::Plain),
        column("id", "Id", Look::Plain),
        column("faults", "Fault", Look::Plain),
    ];
    let wrong = wrong(audit);
    let shown = shown(audit);
    let note = if wrong.len() > shown.len() {
        format!("the {} dearest of {}; --format csv or json has all", shown.len(), wrong.len())
    } else {
        String::new()
    };
    let mut table = Table::new("debt", "Spends without a full name, by money", note, columns);
    for (at, item) in shown.into_iter().enumerate() {
        table.rows.push(vec![
            Cell::Count(at as i128 + 1),
            money(item.cost),
            money(item.cost - item.compliant),
            money(item.month_cost),
            text(&item.currency),
            text(item.carrier.name()),
            text(&item.id),
            text(faults(item)),
        ]);
    }
    table
}

/// How long the judged days are.
fn window(audit: &Audit) -> String {
    match audit.window.map_or(0, |(first, last)| last - first + 1) {
        1 => "1 day".into(),
        days => format!("{days} days"),
    }
}

/// What is wrong and shown.
fn shown(audit: &Audit) -> Vec<&Item> {
    first_of_each(wrong(audit), SHOWN, |item| &item.currency)
}

/// What is wrong and costs money, in the audit's order.
fn wrong(audit: &Audit) -> Vec<&Item> {
    let wrong = audit.items.iter().filter(|item| !item.is_compliant() && (item.cost != 0 || item.month_cost != 0));
    wrong.collect()
}

/// The fix of each shown fault, numbered as the table is.
fn commands(audit: &Audit) -> Vec<String> {
    let shown = shown(audit).into_iter().enumerate();
    shown.filter(|(_, item)| !item.fix.is_empty()).map(|(at, item)| format!("{} # {}", item.fix, at + 1)).collect()
}

fn fixes(fixed: &[&Item]) -> Table {
    let columns = vec![
        column("month_cost", "Month", Look::Money),
        column("untagged", "Not compliant before", Look::Money),
        column("billing_currency", "", Look::Plain),
        column("carrier", "What", Look::Plain),
        column("id", "Id", Look::Plain),
    ];
    let mut table =
        Table::new("fixed", "Fixed since", "wrong earlier in these days or this month, right on its last day", columns);
    for item in fixed {
        table.rows.push(vec![
            money(item.month_cost),
            money(item.wrong),
            text(&item.currency),
            text(item.carrier.name()),
            text(&item.id),
        ]);
    }
    table
}

/// What is wrong with an item, in words.
pub fn faults(item: &Item) -> String {
    let wrong = OWNER_NAMES.iter().zip(&item.states).filter(|(_, state)| !state.is_right());
    wrong.map(|(name, state)| format!("{name} {}", state.words())).collect::<Vec<_>>().join("; ")
}

/// The audit as a plain table: everything that pays, a column for each key.
pub fn grid(audit: &Audit) -> Grid {
    let mut columns: Vec<String> = [
        "carrier",
        "id",
        "sub_account_id",
        "billing_currency",
        "cost",
        "compliant_cost",
        "month_cost",
        "month_compliant_cost",
        "is_compliant",
        "is_fixed",
    ]
    .map(String::from)
    .to_vec();
    columns.extend(OWNER_NAMES.iter().map(|name| format!("{name}_tag")));
    columns.extend(["workload", "team", "environment", "cost_center", "models", "fix"].map(String::from));
    let or_null = |value: &str| if value.is_empty() { Cell::Null } else { text(value) };
    let rows = audit.items.iter().map(|item| {
        let mut row = vec![
            text(item.carrier.name()),
            text(&item.id),
            or_null(&item.account),
            or_null(&item.currency),
            money(item.cost),
            money(item.compliant),
            money(item.month_cost),
            money(item.month_compliant),
            Cell::Flag(item.is_compliant()),
            Cell::Flag(item.is_fixed()),
        ];
        row.extend(item.states.iter().map(|state| text(state.words())));
        row.extend(item.owner.iter().map(|owner| or_null(owner)));
        row.push(or_null(&item.models.join(", ")));
        row.push(or_null(&item.fix));
        row
    });
    Grid { columns, rows: rows.collect() }
}
