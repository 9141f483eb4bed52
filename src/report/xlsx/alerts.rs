//! Alerts: what every rule found, and the incidents that are kept of it. The sheet Anomalies is one query's answer,
//! which knows the day over day rules alone.

use std::cmp::Reverse;

use rust_xlsxwriter::Workbook;

use super::Sources;
use super::book::{Page, Styles};
use super::figure::{self, Plan};
use super::fold;
use crate::alert::incident::Incident;
use crate::alert::ledger::Ledger;
use crate::alert::{Alerts, show};
use crate::clock;
use crate::error::Result;
use crate::metrics::{Cell, Grid};
use crate::report::document::{money, text};

/// What the sheet of the query says of itself.
pub const OF_QUERY: &str = "Day over day rules of the query alone; Findings has what every rule found.";

/// Columns of the incidents.
const INCIDENT: [&str; 11] = [
    "severity",
    "state",
    "incident",
    "scope",
    "opened",
    "last_day",
    "beyond_the_usual",
    "billing_currency",
    "is_estimate",
    "rules",
    "summary",
];

/// What every rule found in the days that the report looks at.
///
/// # Errors
/// Where the sheet ends, or there is no room for temporary files.
pub fn findings<'a>(sources: &Sources<'_>, book: &mut Workbook, styles: &'a Styles) -> Result<Page<'a>> {
    let plan = Plan {
        figure: "findings",
        title: "What did every rule find?".into(),
        notes: [
            format!("`billtag alert`: a row for each finding, {}; unblended cost of Usage.", days(sources.alerts)),
            "No totals: findings of several rules and scopes hold the same money.".into(),
        ],
        ..Plan::default()
    };
    sheet(book, "Findings", &show::grid(sources.alerts), ("alert", plan), styles)
}

fn days(alerts: &Alerts) -> String {
    let earlier = if alerts.is_part { "; earlier days with --from" } else { "" };
    match (alerts.from, alerts.to) {
        (Some(from), Some(to)) => format!("{} to {}, UTC{earlier}", clock::day_text(from), clock::day_text(to)),
        _ => format!("no complete day since the last run{earlier}"),
    }
}

/// The incidents that are kept, open ones and the worst first.
///
/// # Errors
/// Where the sheet ends, or there is no room for temporary files.
pub fn incidents<'a>(sources: &Sources<'_>, book: &mut Workbook, styles: &'a Styles) -> Result<Page<'a>> {
    let state = match sources.ledger.through {
        _ if sources.is_past => "Incidents are kept as they are now, and not shown beside facts of a past day.".into(),
        None => "No incident is kept yet: `billtag run` and `billtag alert` open and resolve them.".into(),
        Some(day) => format!("As the last run left them, which looked at days to {}.", clock::day_text(day)),
    };
    let plan = Plan {
        figure: "incidents",
        title: "Which incidents are open, and which were resolved?".into(),
        notes: [
            format!("`billtag incidents list --all`: a row for each incident. {state}"),
            "No totals: incidents of several scopes hold the same money.".into(),
        ],
        ..Plan::default()
    };
    sheet(book, "Incidents", &incident_rows(sources.ledger), ("incidents list --all", plan), styles)
}

fn incident_rows(ledger: &Ledger) -> Grid {
    let mut listed: Vec<&Incident> = ledger.incidents.iter().collect();
    listed.sort_by_key(|one| (one.is_over(), Reverse(one.severity), Reverse(one.last_day), &one.id));
    Grid { columns: INCIDENT.map(String::from).to_vec(), rows: listed.into_iter().map(cells).collect() }
}

fn cells(incident: &Incident) -> Vec<Cell> {
    vec![
        text(incident.severity.as_str()),
        text(incident.state.as_str()),
        text(&incident.id),
        text(incident.scope.words()),
        Cell::Time(incident.opened * 1_000_000),
        Cell::Day(incident.last_day),
        money(incident.excess),
        if incident.currency.is_empty() { Cell::Null } else { text(&incident.currency) },
        Cell::Flag(incident.is_estimate),
        text(incident.rules.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
        text(&incident.screen.summary),
    ]
}

/// A sheet of rows that do not add up; of more than a sheet holds the first.
fn sheet<'a>(
    book: &mut Workbook,
    name: &str,
    rows: &Grid,
    (command, mut plan): (&str, Plan<'_>),
    styles: &'a Styles,
) -> Result<Page<'a>> {
    let folded = fold::fold(plan.figure, command, rows, fold::MOST_ROWS);
    if let Some(folded) = &folded {
        plan.notes[0] = format!("{} {}", plan.notes[0], folded.note);
    }
    let rows = folded.as_ref().map_or(rows, |folded| &folded.rows);
    let mut page = Page::of_rows(book, name.to_string(), rows.rows.len(), styles)?;
    figure::write(&mut page, rows, &plan)?;
    Ok(page)
}
