//! Summary, forecast and methods: sheets of several small tables.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rust_xlsxwriter::Chart;
use rust_xlsxwriter::utility::row_col_to_cell;

use super::book::{Page, Role, Styles, failed};
use super::cell::{self, Kind};
use super::figure::{Figure, heading};
use super::reconciliation::Steps;
use super::totals::{Condition, Key, Sum, key_columns};
use super::{ORDER, Sources, charts, tables};
use crate::clock;
use crate::error::Result;
use crate::metrics::queries::Query;
use crate::metrics::{Engine, Rows, Value};
use crate::report::document::{column, text};
use crate::report::{Block, Look, Table, forecast, trust, words};

/// Tables of the daily report that the summary holds; other figures have sheets of their own.
const SHOWN: [&str; 6] = ["day", "changed", "trust", "movers", "anomalies", "spend"];
/// What the months' table takes apart.
const ALLOCATIONS: [&str; 3] = ["allocated", "unattributed", "not_allocable"];

/// Why sums of this name differ.
pub const UNATTRIBUTED: &str = "All lines without a workload, with what nobody can own (not_allocable), which Summary's \
     months keep apart. Its trust table counts Usage and Purchase alone; Showback, what has neither team nor cost center.";

/// Cost by month, currency and allocation.
pub type Allocated = BTreeMap<Key, BTreeMap<&'static str, Sum>>;

/// Takes spend by workload apart.
pub fn allocated(rows: &dyn Rows) -> Allocated {
    let mut sums = Allocated::new();
    let column = |name: &str| rows.names().iter().position(|column| column == name);
    let ([Some(month), Some(currency)], Some(allocation), Some(cost)) =
        (key_columns(rows), column("allocation"), column("cost"))
    else {
        return sums;
    };
    for row in 0..rows.height() {
        let Some((first, _)) = clock::month_range(rows.value(row, month).as_text()) else { continue };
        let Some(units) = rows.value(row, cost).amount() else { continue };
        let of = rows.value(row, allocation).as_text();
        let Some(name) = ALLOCATIONS.into_iter().find(|name| *name == of) else { continue };
        let currency = Some(rows.value(row, currency).as_text().to_string());
        sums.entry(Key { month: Some(Reverse(first)), currency }).or_default().entry(name).or_default().add(units);
    }
    sums
}

/// What other sheets hold that the first one shows.
pub struct Parts<'a> {
    /// Figures of built-in queries.
    pub figures: &'a BTreeMap<&'a str, Figure>,
    /// Spend by workload, taken apart.
    pub allocated: &'a Allocated,
    /// What was billed, step by step.
    pub steps: &'a Steps,
    /// Charts.
    pub drawn: &'a [Chart],
}

/// The first sheet: how whole the bill is, what the months cost, what happened.
///
/// # Errors
/// Where the store cannot be read.
pub fn summary<'a>(sources: &Sources<'_>, parts: &Parts<'_>, styles: &'a Styles) -> Result<Page<'a>> {
    let engine = sources.engine;
    let mut page = Page::new("Summary", styles)?;
    widths(&mut page, &[24, 26, 18, 18, 18, 18, 18, 18])?;
    page.say(0, 0, &sources.document.title, Role::Title)?;
    let how = format!(
        "{}, unless a table says otherwise; all days and times are UTC. Written by billtag {}.",
        heading(&engine.basis("billed_cost")),
        env!("CARGO_PKG_VERSION")
    );
    page.say(1, 0, &how, Role::Note)?;
    page.say(2, 0, READING, Role::Note)?;
    let mut row = 4;
    for line in engine.range.to.map(cut).into_iter().chain(own(parts.figures)) {
        page.say(row - 1, 0, &line, Role::Note)?;
        row += 1;
    }
    if let Some(spend) = parts.figures.get("spend_by_workload") {
        row = months(&mut page, sources, spend, parts.allocated, row)?;
    }
    row = agreement(&mut page, parts.steps, row)?;
    for (column, chart) in (0..).step_by(5).zip(parts.drawn.iter().take(2)) {
        charts::place(&mut page, std::slice::from_ref(chart), row, column)?;
    }
    row += if parts.drawn.is_empty() { 0 } else { 20 };
    let is_shown = |block: &&Block| match block {
        Block::Text(_) => true,
        Block::Table(table) => SHOWN.contains(&table.name) && (table.name != "changed" || !table.rows.is_empty()),
        Block::Commands(_) => false,
    };
    let shown: Vec<&Block> = sources.document.blocks.iter().filter(is_shown).collect();
    tables::blocks(&mut page, &shown, row)?;
    page.sheet.set_freeze_panes(1, 0).map_err(failed)?;
    page.sheet.set_active(true);
    Ok(page)
}

/// How all sheets are read.
const READING: &str = "Money is shown to the cent, halves away from zero; a cell holds all ten places up to 15 digits. \
     An empty cell is unknown, never 0. Currencies are never added. Totals are formulas.";

/// What a book holds whose days end before the bill's.
fn cut(day: i32) -> String {
    let day = clock::day_text(day);
    format!(
        "Days to {day} alone (--to): a month that goes on after it is shown in part. Showback and Reconciliation are of \
         whole months."
    )
}

/// Which figures are not ours, if any is: what they say is not what their name says elsewhere.
fn own(figures: &BTreeMap<&str, Figure>) -> Option<String> {
    let own: Vec<&str> = ORDER.into_iter().filter(|name| !figures.contains_key(name)).collect();
    let sheets = own.iter().map(|name| heading(name)).collect::<Vec<_>>().join(", ");
    (!own.is_empty()).then(|| {
        format!("Queries of your own ([queries] path) in place of built-in ones: {sheets}; Totals does not check them.")
    })
}

/// What the months' table is of.
fn months_note(engine: &Engine) -> String {
    let whole = match engine.range.to {
        Some(day) => format!("whole bills, or a part where the month goes on after {}", clock::day_text(day)),
        None => "whole bills".to_string(),
    };
    let basis = engine.basis("billed_cost");
    let known = words::of_known(&basis);
    format!("{basis} of all charges, {whole}{known}; formulas over Spend by workload")
}

/// The state of a month's bill; of one that is cut, how far it is shown, since that is neither whole nor final.
fn state(engine: &Engine, month: i32) -> String {
    let period = clock::month_of(month);
    let end = clock::month_range(&period).map_or(i32::MAX, |(_, next)| next - 1);
    if let Some(to) = engine.range.to.filter(|to| *to < end) {
        return format!("part, days to {}", clock::day_text(to));
    }
    let record = engine.records.iter().find(|record| record.period == period);
    record.map_or(words::UNKNOWN, |record| trust::period_state(record, engine.as_of)).to_string()
}

/// Months, as formulas over spend by workload.
fn months(
    page: &mut Page<'_>,
    sources: &Sources<'_>,
    spend: &Figure,
    allocated: &Allocated,
    mut row: u32,
) -> Result<u32> {
    page.say(row, 0, "Months", Role::Label)?;
    page.say(row + 1, 0, &months_note(sources.engine), Role::Note)?;
    row += 2;
    let headings = ["Month", "State", "Billing currency", "Cost", "Allocated", "Unattributed", "Not allocable"];
    for (at, name) in (0..).zip(headings) {
        page.say(row, at, name, if at < 3 { Role::Heading } else { Role::Number })?;
    }
    for (key, parts) in allocated {
        row += 1;
        let month = key.month.map_or(0, |month| month.0);
        let state = state(sources.engine, month);
        let styles = page.styles;
        let number = cell::serial(month).unwrap_or_default();
        page.sheet.write_number_with_format(row, 0, number, styles.plain(Kind::Month)).map_err(failed)?;
        page.put(row, 1, Value::Text(&state), Kind::Text)?;
        let currency = words::currency(key.currency.as_deref().unwrap_or_default());
        page.put(row, 2, Value::Text(currency), Kind::Text)?;
        let mut all = Sum::default();
        parts.values().for_each(|sum| all.merge(sum));
        let whole = [("", all)].into_iter();
        let parts = ALLOCATIONS.map(|name| (name, parts.get(name).copied().unwrap_or_default()));
        for (at, (name, sum)) in (3..).zip(whole.chain(parts)) {
            let of_allocation = [Condition::Is("allocation", name)];
            let conditions = if name.is_empty() { &[] } else { &of_allocation[..] };
            if let Some(text) = spend.ranges.sum("cost", key, conditions) {
                let text = format!("=ROUND({text},{})", sum.places());
                page.formula(row, at, &text, Some(sum.result()), styles.plain(Kind::Money))?;
            }
        }
    }
    Ok(row + 2)
}

/// What was billed and what the facts hold, in each currency, as formulas over Reconciliation.
fn agreement(page: &mut Page<'_>, steps: &Steps, mut row: u32) -> Result<u32> {
    page.say(row, 0, "Bill lines / facts / difference", Role::Label)?;
    page.say(row + 1, 0, "billed cost of all stored periods, whole; formulas over Reconciliation", Role::Note)?;
    row += 2;
    for (at, name) in (0..).zip(["Billing currency", "Bill lines", "Facts", "Difference"]) {
        page.say(row, at, name, if at == 0 { Role::Heading } else { Role::Number })?;
    }
    let style = page.styles.plain(Kind::Money);
    for (key, sums) in steps.by_currency() {
        // Step 0 is what was selected while the bill was read, step 2 the facts.
        let [Some(bill), Some(facts)] = [0, 2].map(|step| steps.formula(&key, &sums, step)) else { continue };
        row += 1;
        page.put(row, 0, Value::Text(key.currency.as_deref().unwrap_or_default()), Kind::Text)?;
        page.formula(row, 1, &bill.0, Some(bill.1), style)?;
        page.formula(row, 2, &facts.0, Some(facts.1), style)?;
        let [earlier, later] = [1, 2].map(|at| row_col_to_cell(row, at));
        let text = format!("=ROUND({earlier}-{later},{})", sums[0].places().min(sums[2].places()));
        page.formula(row, 3, &text, Some(cell::nearest(sums[0].units - sums[2].units)), style)?;
    }
    Ok(row + 2)
}

fn widths(page: &mut Page<'_>, widths: &[u16]) -> Result<()> {
    for (at, width) in (0..).zip(widths) {
        page.sheet.set_column_width(at, *width).map_err(failed)?;
    }
    Ok(())
}

/// The month's end, workload by workload, and budgets.
///
/// # Errors
/// Where the sheet ends.
pub fn outlook<'a>(sources: &Sources<'_>, styles: &'a Styles) -> Result<Page<'a>> {
    let basis = sources.engine.basis("billed_cost");
    let document = forecast::show::document(sources.outlook, None, &basis);
    let mut page = Page::new("Forecast", styles)?;
    widths(&mut page, &[18; 14])?;
    page.say(0, 0, &document.title, Role::Title)?;
    let blocks: Vec<&Block> = document.blocks.iter().collect();
    tables::blocks(&mut page, &blocks, 2)?;
    page.sheet.set_freeze_panes(1, 0).map_err(failed)?;
    Ok(page)
}

/// What each sheet answers, and what it was made from.
///
/// # Errors
/// Where the store cannot be read.
pub fn methods<'a>(sources: &Sources<'_>, styles: &'a Styles) -> Result<Page<'a>> {
    let mut page = Page::new("Methods", styles)?;
    widths(&mut page, &[24, 24, 28, 72, 18, 18, 12, 12, 12, 12])?;
    page.say(0, 0, "Methods: what the sheets say, and what they were made from", Role::Title)?;
    let columns = ["sheet", "query", "cost", "grain", "question"];
    let headings = ["Sheet", "Query", "Cost", "A row for each", "Question"];
    let columns = columns.into_iter().zip(headings).map(|(name, heading)| column(name, heading, Look::Plain));
    let note = "`billtag query NAME` prints a query's answer; its SQL stands in queries/NAME.sql";
    let mut queries = Table::new("queries", "Queries", note, columns.collect());
    for name in ORDER {
        let query = sources.query(name)?;
        let header = |key: &str| text(query.header(key).unwrap_or_default());
        queries.rows.push(vec![
            text(heading(name)),
            text(name),
            text(basis(sources, &query)),
            header("grain"),
            header("question"),
        ]);
    }
    let mut row = tables::table(&mut page, &queries, 2)?;
    row = tables::table(&mut page, &rules(), row)?;
    let is_appendix =
        |block: &&Block| matches!(block, Block::Table(table) if ["methods", "inputs"].contains(&table.name));
    let appendix: Vec<&Block> = sources.document.blocks.iter().filter(is_appendix).collect();
    tables::blocks(&mut page, &appendix, row)?;
    page.sheet.set_freeze_panes(1, 0).map_err(failed)?;
    Ok(page)
}

/// The cost basis of a query, in words; none where it reads no money.
pub fn basis(sources: &Sources<'_>, query: &Query) -> String {
    let own = query.header("cost").unwrap_or("none");
    match (query.replaceable_cost(), &sources.engine.cost) {
        (Some(column), Some(wanted)) => own.replace(column, wanted).replace('_', " "),
        _ => own.replace('_', " "),
    }
}

fn rules() -> Table {
    let columns = vec![column("what", "What", Look::Plain), column("rule", "Rule", Look::Plain)];
    let mut table = Table::new("rules", "How numbers are written", "", columns);
    let charts = format!("{} Their points stand on Chart data.", charts::SPAN);
    let rules = [
        (
            "Money",
            "The double nearest to the exact amount of ten decimal places: all of them up to 99,999.9999999999, and cents up to ten trillions.",
        ),
        (
            "Shown",
            "To the cent, halves away from zero as spreadsheets round (pages and texts round halves to even); with all places on Reconciliation, Totals and Cost Explorer.",
        ),
        (
            "Totals",
            "Formulas over the sheet's cells that are known, in one currency, rounded to the places that sums of doubles are sure of; filters do not change them.",
        ),
        ("Unknown", "An empty cell, counted at the top of its sheet; never 0."),
        (
            "Shares and rates",
            "As the query has them, shown to a tenth of a percent; of totals they are quotients of sums.",
        ),
        ("Unattributed", UNATTRIBUTED),
        ("Months", "The first day of the month, shown as yyyy-mm."),
        ("Charts", &charts),
        ("Texts", "As the bill has them; control characters by their numbers, and never formulas."),
    ];
    table.rows.extend(rules.map(|(what, rule)| vec![text(what), text(rule)]));
    table
}
