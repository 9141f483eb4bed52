//! XLSX: the report as a workbook for those who reckon on: numbers that are numbers, days that are days, a sheet for
//! each figure, totals that are formulas, and the reconciliation beside them.
//!
//! ```text
//! queries ─► fold ─► figure ─┬─► totals ──► reconciliation
//!                            └─► charts
//! the daily report, audit, forecast ─► summary, tables
//! ```
//!
//! | step | in → out | holds afterwards |
//! |---|---|---|
//! | [`fold`] | an answer → rows of a sheet | no sheet is too long; sums stay, and what is not shown is said |
//! | [`cell`] | a value → a cell | the nearest double, or a text that is no formula |
//! | [`figure`], [`totals`] | rows → a sheet | totals are formulas in one currency, with the exact sum beside them |
//! | [`charts`] | rows → charts | exact sums of the newest month or of complete days, on a sheet of their own |
//! | [`alerts`] | findings, incidents → sheets | what every rule found, and what is kept of it |
//! | [`reconciliation`] | the store, figures → sheets | bill, charges, facts and figures; differences are formulas |
//! | [`summary`], [`tables`] | the daily report → sheets | what is whole, what happened, what it was made from |
//!
//! The same input gives the same bytes: the only time within is that of the report.

pub mod alerts;
pub mod book;
pub mod cell;
pub mod charts;
pub mod figure;
pub mod fold;
pub mod reconciliation;
pub mod summary;
pub mod tables;
pub mod totals;

use std::collections::BTreeMap;

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Workbook};

use super::forecast::Outlook;
use super::{Document, showback, words};
use crate::alert::Alerts;
use crate::alert::ledger::Ledger;
use crate::audit::{self, Audit};
use crate::clock;
use crate::config::Config;
use crate::error::Result;
use crate::metrics::queries::Query;
use crate::metrics::{Cell, Engine, Grid, Rows};
use crate::reconcile::Reconciliation;
use book::{HEADER, Page, Styles, failed};
use charts::{Charts, Points};
use figure::{Figure, Plan, heading};

/// Figures in the order in which FinOps reads them.
const ORDER: [&str; 14] = [
    "spend_by_workload",
    "spend_by_team",
    "spend_by_cost_center",
    "daily_spend",
    "spend_by_model_tier",
    "haiku_sonnet_ratio",
    "cache_hit_rate",
    "token_volume",
    "cost_per_query",
    "anomalies",
    "bill_identity",
    "allocation_coverage",
    "attribution_methods",
    "unattributed",
];

/// Columns of the audit that say who owes what; `billtag audit --format csv` has all.
const DEBT: [&str; 18] = [
    "carrier",
    "id",
    "sub_account_id",
    "billing_currency",
    "cost",
    "compliant_cost",
    "exempt_cost",
    "debt",
    "workload_state",
    "team_state",
    "environment_state",
    "cost_center_state",
    "model_state",
    "likely_workload",
    "likely_team",
    "owner_confidence",
    "exempt_reason",
    "fix",
];

/// What a workbook is made from.
pub struct Sources<'a> {
    /// The facts.
    pub engine: &'a Engine,
    /// The config.
    pub config: &'a Config,
    /// The daily report.
    pub document: &'a Document,
    /// What every rule found.
    pub alerts: &'a Alerts,
    /// The incidents.
    pub ledger: &'a Ledger,
    /// Whether the facts are those of a past day, of whose incidents nothing is kept.
    pub is_past: bool,
    /// What is to come.
    pub outlook: &'a Outlook,
    /// What spends without a name.
    pub audit: &'a Audit,
    /// What Cost Explorer said when it was last asked, and the day on which it was.
    pub explorer: Option<(i32, Reconciliation)>,
}

impl Sources<'_> {
    /// A query of this name: the user's own, else the built-in one.
    fn query(&self, name: &str) -> Result<Query> {
        let own = self.config.queries.path.as_ref().map(|path| self.config.resolve(path));
        Query::find(name, own.as_deref())
    }
}

/// The workbook.
///
/// # Errors
/// Where the store cannot be read.
pub fn workbook(sources: &Sources<'_>) -> Result<Vec<u8>> {
    let styles = Styles::default();
    let mut book = Workbook::new();
    let mut points = Points::new(&styles)?;
    let mut pages = Vec::new();
    let mut figures: BTreeMap<&str, Figure> = BTreeMap::new();
    let mut drawn = Vec::new();
    let mut allocated = summary::Allocated::new();
    for name in ORDER {
        let query = sources.query(name)?;
        let answer = sources.engine.answer(&query)?;
        if name == "spend_by_workload" {
            allocated = summary::allocated(&answer);
        }
        let charts = points.charts(name, &answer, sources.engine.last_complete_day())?;
        let (page, figure) = of_query(sources, &mut book, (&query, &answer), &charts, &styles)?;
        if ["daily_spend", "spend_by_workload"].contains(&name) {
            drawn.extend(charts.charts.into_iter().take(1));
        }
        if query.is_built_in() {
            figures.insert(name, figure);
        }
        pages.push(page);
        if name == "anomalies" {
            pages.push(alerts::findings(sources, &mut book, &styles)?);
            pages.push(alerts::incidents(sources, &mut book, &styles)?);
        }
    }
    pages.push(summary::outlook(sources, &styles)?);
    let (page, shown) = of_showback(sources, &styles)?;
    pages.push(page);
    figures.extend(shown.map(|figure| ("showback", figure)));
    pages.push(of_debt(sources, &styles)?);
    let (page, steps) = reconciliation::steps(sources.engine, &styles)?;
    pages.push(page);
    let parts = summary::Parts { figures: &figures, allocated: &allocated, steps: &steps, drawn: &drawn };
    pages.insert(0, summary::summary(sources, &parts, &styles)?);
    pages.push(reconciliation::figures(sources.engine, &figures, &styles)?);
    pages.extend(reconciliation::explorer(sources.explorer.as_ref(), &styles)?);
    pages.push(summary::methods(sources, &styles)?);
    pages.push(points.page);
    bound(sources, book, pages)
}

/// The sheet of a query's answer.
fn of_query<'a>(
    sources: &Sources<'_>,
    book: &mut Workbook,
    (query, answer): (&Query, &dyn Rows),
    charts: &Charts,
    styles: &'a Styles,
) -> Result<(Page<'a>, Figure)> {
    let folded = fold::fold(&query.name, &format!("query {}", query.name), answer, fold::MOST_ROWS);
    let (rows, note, is_whole): (&dyn Rows, &str, bool) = match &folded {
        Some(folded) => (&folded.rows, &folded.note, folded.is_whole),
        None => (answer, "", true),
    };
    let header = |key: &str| query.header(key).unwrap_or("not said").to_string();
    let grain = query.header("grain").unwrap_or("answer").replace('_', " ");
    let basis = summary::basis(sources, query);
    let basis = if basis == "none" { String::new() } else { format!("; {basis}") };
    let as_of = clock::instant_text(sources.engine.as_of);
    let until = sources.engine.range.to.map_or(String::new(), |day| format!(", days to {}", clock::day_text(day)));
    let plan = Plan {
        figure: &query.name,
        title: heading(&header("question")),
        notes: [
            format!("`billtag query {}`: a row for each {grain}{basis}. As of {as_of}{until}. {note}", query.name),
            reading(&query.name, answer) + &charts.note(),
        ],
        has_totals: is_whole,
        ..Plan::default()
    };
    let mut page = Page::of_rows(book, heading(&query.name), rows.height(), styles)?;
    let figure = figure::write(&mut page, rows, &plan)?;
    charts::place(&mut page, &charts.charts, HEADER + 1, rows.names().len() as u16 + 1)?;
    Ok((page, figure))
}

/// How the sheet of an answer is read.
fn reading(figure: &str, answer: &dyn Rows) -> String {
    let inexact = totals::inexact(figure, answer);
    match inexact.as_slice() {
        _ if figure == "anomalies" => alerts::OF_QUERY.into(),
        [] if figure == "unattributed" => summary::UNATTRIBUTED.into(),
        [] => "Totals are of the known cells, whatever is filtered.".into(),
        [one] => format!("No totals: {one} is a double, which adds to nothing exact; a query casts it to a decimal."),
        more => format!("No totals of {}: doubles add to nothing exact; a query casts them.", more.join(", ")),
    }
}

/// The sheet of showback, and its figure unless the range cuts the month, which showback never does.
fn of_showback<'a>(sources: &Sources<'_>, styles: &'a Styles) -> Result<(Page<'a>, Option<Figure>)> {
    let mut page = Page::new("Showback", styles)?;
    let shown = showback::showback(sources.engine, sources.config, None)?;
    let plan = Plan {
        figure: "showback",
        title: format!("Whose is the bill of {} ({})?", shown.month, shown.state),
        notes: [
            format!(
                "`billtag showback --month {}`: the whole month by team and cost center; {}{}.",
                shown.month,
                shown.basis,
                words::of_known(&shown.basis)
            ),
            showback::policies(&shown).join(" "),
        ],
        has_totals: true,
        ..Plan::default()
    };
    let figure = figure::write(&mut page, &showback::grid(&shown), &plan)?;
    let end = clock::month_range(&shown.month).map_or(i32::MAX, |(_, next)| next - 1);
    let is_cut = sources.engine.range.to.is_some_and(|to| to < end);
    Ok((page, (!is_cut).then_some(figure)))
}

fn of_debt<'a>(sources: &Sources<'_>, styles: &'a Styles) -> Result<Page<'a>> {
    let mut page = Page::new("Tag debt", styles)?;
    let window = sources.audit.window.map_or("no complete day".to_string(), |(from, to)| {
        format!("{} to {}", clock::day_text(from), clock::day_text(to))
    });
    let grid = only(&audit::grid(sources.audit), &DEBT);
    let folded = fold::fold("audit", "audit", &grid, fold::MOST_ROWS);
    let (rows, note) = folded.as_ref().map_or((&grid, ""), |folded| (&folded.rows, &folded.note));
    let plan = Plan {
        figure: "audit",
        title: "What spends without a full name, and what mends it?".into(),
        notes: [
            format!("`billtag audit`: all that pays, {window}; billed cost of Usage and Purchase. {note}"),
            "Debt is what is not fully tagged and not exempt.".into(),
        ],
        has_totals: true,
        ..Plan::default()
    };
    figure::write(&mut page, rows, &plan)?;
    Ok(page)
}

/// Some columns of a grid.
fn only(grid: &Grid, names: &[&str]) -> Grid {
    let row = |row: &Vec<Cell>| names.iter().map(|name| grid.cell(row, name).clone()).collect();
    Grid { columns: names.iter().map(ToString::to_string).collect(), rows: grid.rows.iter().map(row).collect() }
}

/// The sheets in their order, with the report's own time.
fn bound(sources: &Sources<'_>, mut workbook: Workbook, pages: Vec<Page<'_>>) -> Result<Vec<u8>> {
    let time = ExcelDateTime::from_timestamp(sources.engine.as_of).map_err(failed)?;
    let properties = DocProperties::new()
        .set_title(&sources.document.title)
        .set_author(format!("billtag {}", env!("CARGO_PKG_VERSION")))
        .set_creation_datetime(&time);
    workbook.set_properties(&properties);
    pages.into_iter().for_each(|page| workbook.push_worksheet(page.sheet));
    workbook.save_to_buffer().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::queries::BUILT_IN;

    #[test]
    fn every_query_has_a_sheet() {
        let mut named = ORDER;
        named.sort_unstable();
        assert_eq!(named.as_slice(), BUILT_IN.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }

    #[test]
    fn what_the_sheet_of_debt_shows_the_audit_has() {
        let grid = audit::grid(&Audit::default());
        assert!(DEBT.iter().all(|name| grid.column(name).is_some()), "{:?}", grid.columns);
    }
}
