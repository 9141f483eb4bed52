//! Show: forecasts as tables and as the document of `billtag forecast`.

use super::backtest::Coverage;
use super::model::LEVEL;
use super::{Forecast, Outcome, Outlook};
use crate::metrics::Cell;
use crate::report::budget;
use crate::report::document::{column, money, text};
use crate::report::{Block, Column, Document, Look, Table, words};

/// Names of the months before, newest first.
const BEFORE: [&str; 3] = ["previous_1", "previous_2", "previous_3"];

/// One line a month and currency, as the daily report has it.
pub fn section(forecasts: &[Forecast], basis: &str) -> Table {
    let mut columns = vec![
        column("month", "", Look::Plain),
        column("state", "", Look::Plain),
        column("billing_currency", "", Look::Plain),
        column("days", "Days", Look::Count),
        column("days_in_month", "of", Look::Count),
    ];
    columns.extend(amounts(["Same days, 1 month before", "2 before", "3 before"].map(String::from)));
    let note = format!(
        "{basis}; the month's end is what is billed and the Usage to come, with {} of month ends between low and high",
        words::percent(LEVEL)
    );
    let mut table = Table::new("forecast", "Forecast", note, columns);
    for forecast in forecasts {
        let mut row = vec![
            text(&forecast.month),
            text(forecast.state),
            text(words::currency(&forecast.currency)),
            Cell::Count(forecast.days.into()),
            Cell::Count(forecast.days_in_month.into()),
        ];
        row.extend(cells(&forecast.total));
        table.rows.push(row);
    }
    table
}

/// Every workload of the leading month.
pub fn workloads(forecasts: &[Forecast], basis: &str) -> Option<Table> {
    let leading = forecasts.first()?;
    let mut columns = vec![column("billing_currency", "", Look::Plain), column("workload", "Workload", Look::Plain)];
    columns.extend(amounts(leading.months_before.clone()));
    columns.push(column("incidents", "Open incidents", Look::Count));
    let note = format!(
        "{basis} of {} complete days of {} beside as many of the months before; {}",
        leading.days, leading.month, "without is the month's end if what is open ended now"
    );
    let mut table =
        Table::new("forecast_by_workload", format!("Forecast by workload, {}", leading.month), note, columns);
    for forecast in forecasts.iter().filter(|one| one.month == leading.month) {
        let named = forecast.workloads.iter().map(|(owner, outcome)| (owner.workload.as_str(), outcome));
        for (name, outcome) in named.chain([("total", &forecast.total)]) {
            let mut row = vec![text(words::currency(&forecast.currency)), text(name)];
            row.extend(cells(outcome));
            row.push(Cell::Count(outcome.incidents as i128));
            table.rows.push(row);
        }
    }
    Some(table)
}

fn amounts(before: [String; 3]) -> Vec<Column> {
    let mut columns = vec![column("to_date", "To date", Look::Money)];
    columns.extend(BEFORE.into_iter().zip(before).map(|(name, heading)| column(name, heading, Look::Money)));
    columns.extend([
        column("billed", "Billed", Look::Money),
        column("forecast_low", "Low", Look::Money),
        column("forecast", "Month's end", Look::Money),
        column("forecast_high", "High", Look::Money),
        column("forecast_without_incidents", "Without incidents", Look::Money),
    ]);
    columns
}

fn cells(outcome: &Outcome) -> Vec<Cell> {
    let known = |units: Option<i128>| units.map_or(Cell::Null, money);
    let mut cells = vec![money(outcome.to_date)];
    cells.extend(outcome.before.map(known));
    cells.push(money(outcome.billed));
    let end = outcome.end;
    cells.extend([
        known(end.map(|end| end.low)),
        known(end.map(|end| end.middle)),
        known(end.map(|end| end.high)),
        known(end.map(|end| end.without_incidents)),
    ]);
    cells
}

/// What `billtag forecast` says.
pub fn document(outlook: &Outlook, tested: Option<&[Coverage]>, basis: &str) -> Document {
    let forecasts = &outlook.forecasts;
    let title = match forecasts.first() {
        Some(leading) => format!(
            "Forecast, {}: {}, {} of {} days complete",
            leading.month, leading.state, leading.days, leading.days_in_month
        ),
        None => "Forecast: no month is stored".into(),
    };
    let mut document = Document { name: "forecast", title, blocks: blocks(outlook, basis) };
    if let Some(table) = workloads(forecasts, basis) {
        document.table(table);
    }
    if let Some(tested) = tested {
        document.table(coverage(tested, basis));
    }
    document
}

/// What a report says of what is to come: the forecast, and budgets where there are any.
pub fn blocks(Outlook { forecasts, burns }: &Outlook, basis: &str) -> Vec<Block> {
    let mut blocks = vec![Block::Table(section(forecasts, basis))];
    let sentences = budget::crossed(burns).into_iter().chain(budget::unmatched(burns));
    blocks.extend(sentences.map(Block::Text));
    if !burns.is_empty() {
        blocks.push(Block::Table(budget::table(burns, basis)));
    }
    blocks
}

/// How often it was right.
pub fn coverage(tested: &[Coverage], basis: &str) -> Table {
    let columns = vec![
        column("billing_currency", "", Look::Plain),
        column("of", "Of", Look::Plain),
        column("days", "Complete days", Look::Plain),
        column("months", "Months", Look::Count),
        column("forecasts", "Forecasts", Look::Count),
        column("inside", "Inside", Look::Count),
        column("coverage", "Coverage", Look::Percent),
        column("nominal", "Nominal", Look::Percent),
        column("median_error", "Median error", Look::Percent),
    ];
    let note = format!(
        "{basis} of Usage by day: every complete month with four weeks before it, foreseen from each of its days but the last by what was known then; the error is a share of the month"
    );
    let mut table = Table::new("backtest", "Back-test", note, columns);
    for one in tested {
        table.rows.push(vec![
            text(words::currency(&one.currency)),
            text(one.of),
            text(one.days),
            Cell::Count(one.months as i128),
            Cell::Count(one.forecasts as i128),
            Cell::Count(one.inside as i128),
            Cell::Float(one.share()),
            Cell::Float(LEVEL),
            one.error.map_or(Cell::Null, Cell::Float),
        ]);
    }
    table
}
