//! The digest: the morning in less than a screen, for a channel or a mail. Everything in it stands in the report too.

use serde_json::{Map, Value, json};

use super::{Facts, day_table, movers};
use crate::alert::incident::{Incident, State};
use crate::alert::rules::Severity;
use crate::alert::{Alerts, screen};
use crate::audit::Audit;
use crate::clock;
use crate::config::Config;
use crate::error::Result;
use crate::metrics::{Cell, Engine, Grid};
use crate::money;
use crate::report::document::first_of_each;
use crate::report::forecast::{Forecast, Outlook};
use crate::report::render::json_cell;
use crate::report::{Look, Table, budget, safe, trust, words};

/// Movers in each currency, incidents and debts that are named; the report has the rest.
const NAMED: usize = 3;
/// Currencies whose sums are told.
const CURRENCIES: usize = 3;
/// Longest line, in characters.
const LINE: usize = 180;

/// What the digest is made of.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The store.
    pub engine: &'a Engine,
    /// The config.
    pub config: &'a Config,
    /// What jumped since the last run.
    pub alerts: &'a Alerts,
    /// Incidents, as they are once the run is done; unknown of a morning of the past.
    pub incidents: Option<&'a [Incident]>,
    /// The audit.
    pub audit: &'a Audit,
    /// What is to come.
    pub outlook: &'a Outlook,
}

/// The morning in few lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Digest {
    /// The last complete day; none where there is none.
    pub day: Option<i32>,
    /// The worst of what is open.
    pub severity: Severity,
    /// The first line, its status first.
    pub title: String,
    /// Headings and texts, in order.
    pub lines: Vec<(&'static str, String)>,
    /// The same for programs: decimals are texts.
    pub body: Value,
}

impl Digest {
    /// Its lines as rows, the title first.
    pub fn grid(&self) -> Grid {
        let row = |heading: &str, text: &str| vec![Cell::Text(heading.into()), Cell::Text(text.into())];
        let lines = self.lines.iter().flat_map(|(heading, text)| text.lines().map(move |line| row(heading, line)));
        let rows = std::iter::once(row("Title", &self.title)).chain(lines).collect();
        Grid { columns: ["heading", "text"].map(String::from).to_vec(), rows }
    }
}

/// Reads the digest.
///
/// # Errors
/// Where the store cannot be read.
pub fn digest(sources: Sources<'_>) -> Result<Digest> {
    let Sources { engine, config, .. } = sources;
    let facts = Facts::read(engine, config)?;
    let (day, moved) = (day_table(&facts), movers(&facts));
    let of_state = |wanted: fn(&State) -> bool| -> Vec<&Incident> {
        sources.incidents.unwrap_or_default().iter().filter(|incident| wanted(&incident.state)).collect()
    };
    let open = of_state(|state| *state == State::Open);
    let severity = worst(&sources, &open, facts.day);
    let mut lines = vec![
        ("Spend", spend(&day, sources.outlook)),
        ("Trust", trusted(&facts)?),
        ("Movers", moved_most(&moved, sources.alerts, facts.day)),
        ("Incidents", sources.incidents.map_or(String::new(), |all| incidents(all, &open, engine.as_of))),
        ("Tag debt", debt(sources.audit)),
    ];
    lines.retain(|(_, text)| !text.is_empty());
    let title = title(&facts, &day, severity, open.len());
    let body = json!({
        "version": 1,
        "event": "digest",
        "day": facts.day.map(clock::day_text),
        "severity": severity.map(Severity::as_str),
        "summary": title,
        "spend": rows(&day),
        "movers": rows(&moved),
        "open_incidents": open.iter().map(|incident| &incident.id).collect::<Vec<_>>(),
        "lines": lines.iter().map(|(name, text)| (key(name), json!(text))).collect::<Map<_, _>>(),
    });
    Ok(Digest { day: facts.day, severity: severity.unwrap_or_default(), title, lines, body })
}

/// A heading as data has it.
fn key(heading: &str) -> String {
    heading.to_lowercase().replace(' ', "_")
}

/// The worst of what is open and nobody looks after; of a morning of the past, of what its day brought.
fn worst(sources: &Sources<'_>, open: &[&Incident], day: Option<i32>) -> Option<Severity> {
    let is_past = sources.incidents.is_none();
    let found = sources.alerts.findings.iter().filter(|finding| is_past && Some(finding.day) == day);
    let crossed = sources.outlook.has_findings().then_some(Severity::Warn);
    let open = open.iter().map(|incident| incident.severity);
    found.map(|finding| finding.severity).chain(open).chain(crossed).max()
}

fn title(facts: &Facts<'_>, day: &Table, severity: Option<Severity>, open: usize) -> String {
    let status = severity.map_or("OK".to_string(), |severity| severity.as_str().to_uppercase());
    let Some(last) = facts.day else { return "NO COMPLETE DAY: Amazon Bedrock spend".into() };
    let sums: Vec<String> = day
        .rows
        .iter()
        .take(CURRENCIES)
        .map(|row| {
            let shown = |name: &str| shown(day, row, name);
            format!("{} {} ({} to the day before)", shown("usage_cost"), shown("billing_currency"), shown("change"))
        })
        .collect();
    let spent = if sums.is_empty() { "no spend".into() } else { sums.join(", ") };
    let open = if open == 0 { String::new() } else { format!("; {}", words::counted(open, "open incident")) };
    format!("{status}: Amazon Bedrock spend, {}: {spent}{open}", clock::day_text(last))
}

/// The day, the months and what is to come, in each currency.
fn spend(day: &Table, outlook: &Outlook) -> String {
    let mut lines = Vec::new();
    for row in day.rows.iter().take(CURRENCIES) {
        let shown = |name: &str| shown(day, row, name);
        lines.push(format!(
            "{}: {} {} of Usage, {} to the day before; same weekday, mean of 4: {}",
            shown("day"),
            shown("usage_cost"),
            shown("billing_currency"),
            shown("change"),
            shown("weekday_mean")
        ));
        let currency = text_of(day, row, "billing_currency");
        let months = outlook.forecasts.iter().filter(|forecast| forecast.currency == currency);
        lines.extend(months.map(month));
    }
    if day.rows.len() > CURRENCIES {
        let more = words::counted(day.rows.len() - CURRENCIES, "more currency");
        lines.push(format!("{more} in the report"));
    }
    lines.extend(budget::crossed(&outlook.burns));
    lines.extend(budget::unmatched(&outlook.burns));
    let soon = outlook.burns.iter().filter(|burn| !burn.is_crossed());
    lines.extend(soon.filter_map(|burn| Some((burn, burn.crossed_on()?))).map(|(burn, on)| {
        let (amount, on) = (words::amount(burn.amount), clock::day_text(on));
        format!("The budget of {amount} {} for {} will be crossed on {on}.", burn.currency, burn.scope)
    }));
    joined(lines)
}

/// A month: what it costs to date and will cost, or, where it is over, what is billed.
fn month(forecast: &Forecast) -> String {
    let (month, currency) = (&forecast.month, words::currency(&forecast.currency));
    let total = &forecast.total;
    if forecast.state != "open" {
        return format!("{month} is {}: {} {currency} billed", forecast.state, words::amount(total.billed));
    }
    let before = total.before[0].map_or(words::UNKNOWN.to_string(), words::amount);
    let end = total.end.map_or_else(String::new, |end| {
        let [low, middle, high] = [end.low, end.middle, end.high].map(words::amount);
        format!("; month's end {middle} ({low} to {high})")
    });
    let to_date = words::amount(total.to_date);
    format!("{month} to date: {to_date} {currency}; same days of the month before: {before}{end}")
}

/// How far the figures can be trusted.
fn trusted(facts: &Facts<'_>) -> Result<String> {
    let mut lines = vec![trust::completeness(facts.engine)];
    let allocation = facts.engine.run_named("allocation_coverage", facts.config)?;
    let of_month = allocation.rows.iter().filter(|row| allocation.text(row, "month") == facts.month);
    for row in of_month.take(CURRENCIES) {
        let share = allocation.float(row, "workload_share").map_or(words::UNKNOWN.into(), words::percent);
        let [all, named] = ["cost", "workload_cost"].map(|name| allocation.amount(row, name).unwrap_or(0));
        let currency = allocation.text(row, "billing_currency");
        let (all, none, currency) = (words::amount(all), words::amount(all - named), words::currency(&currency));
        lines.push(format!(
            "{}: of {all} {currency} Usage and Purchase {share} is allocated to a workload, {none} is not",
            facts.month
        ));
    }
    Ok(joined(lines))
}

/// Who moved, and why, where that is known of just that change.
fn moved_most(moved: &Table, alerts: &Alerts, day: Option<i32>) -> String {
    let mut lines = Vec::new();
    for row in first_of_each(&moved.rows, NAMED, |row| text_of(moved, row, "billing_currency")) {
        let shown = |name: &str| shown(moved, row, name);
        let [workload, currency] = ["workload", "billing_currency"].map(|name| text_of(moved, row, name));
        let change = amount_of(moved, row, "change");
        let same = alerts.findings.iter().filter(|finding| Some(finding.day) == day).find(|finding| {
            let is_its = finding.currency == currency && finding.scope.workload() == Some(workload);
            is_its && Some(finding.increase) == change
        });
        let causes = same.and_then(|finding| finding.causes).map(|causes| screen::why(&causes)).unwrap_or_default();
        let why = if causes.is_empty() { causes } else { format!(": {causes}") };
        let currency = words::currency(currency);
        lines.push(format!("{} {currency} {workload}, now {}{why}", shown("change"), shown("cost")));
    }
    joined(lines)
}

/// What is open, the worst first, what somebody looks after, and what changed since the day before.
fn incidents(all: &[Incident], open: &[&Incident], now: i64) -> String {
    let since = now - clock::DAY;
    let count = |wanted: &dyn Fn(&Incident) -> bool| all.iter().filter(|incident| wanted(incident)).count();
    let new = open.iter().filter(|incident| incident.opened > since).count();
    let mut counts = vec![match new {
        0 => format!("{} open", open.len()),
        new => format!("{} open, {new} of them new", open.len()),
    }];
    for (count, what) in [
        (count(&|one| one.state == State::Acknowledged), "acknowledged"),
        (count(&|one| matches!(one.state, State::Planned { .. })), "planned"),
        // What was over before anybody looked is history.
        (count(&|one| one.is_news && one.resolved.is_some_and(|at| at > since)), "resolved in the last 24 hours"),
    ] {
        counts.extend((count > 0).then(|| format!("{count} {what}")));
    }
    let mut lines = vec![counts.join(", ")];
    let mut shown = open.to_vec();
    shown.sort_by_key(|incident| (std::cmp::Reverse(incident.severity), std::cmp::Reverse(incident.last_day)));
    lines.extend(shown.into_iter().take(NAMED).map(|incident| {
        format!("{} {} {}", incident.severity.as_str().to_uppercase(), incident.id, incident.screen.summary)
    }));
    joined(lines)
}

/// What is to be tagged, the dearest first.
fn debt(audit: &Audit) -> String {
    let days = audit
        .window
        .map_or(String::new(), |(from, to)| format!("{} to {}: ", clock::day_text(from), clock::day_text(to)));
    let owing = audit.totals().into_iter().filter(|(_, sum)| sum.debt() != 0).take(CURRENCIES);
    let mut lines: Vec<String> = owing
        .map(|(currency, sum)| {
            let share = words::share(sum.compliant, sum.judged()).map_or(words::UNKNOWN.into(), words::percent);
            let (debt, currency) = (words::amount(sum.debt()), words::currency(currency));
            format!("{days}{debt} {currency} not fully tagged, {share} is")
        })
        .collect();
    let wrong = audit.items.iter().filter(|item| item.is_debt());
    lines.extend(first_of_each(wrong, 1, |item| &item.currency).into_iter().take(CURRENCIES).map(|item| {
        let owner = item.owner.iter().find(|part| !part.is_empty());
        let owner = owner.map_or(String::new(), |owner| format!(", likely {owner}'s"));
        let (amount, carrier) = (words::amount(item.days.debt()), item.carrier.name());
        format!("most: {amount} {} of {carrier} {}{owner}", words::currency(&item.currency), item.id)
    }));
    joined(lines)
}

fn cell<'a>(table: &Table, row: &'a [Cell], name: &str) -> &'a Cell {
    let at = table.columns.iter().position(|column| column.name == name);
    at.and_then(|at| row.get(at)).unwrap_or(&Cell::Null)
}

/// An amount, units of 1e-10.
fn amount_of(table: &Table, row: &[Cell], name: &str) -> Option<i128> {
    match cell(table, row, name) {
        Cell::Decimal(value, scale) => money::from_decimal(*value, *scale).ok(),
        _ => None,
    }
}

/// The text of a cell that is one.
fn text_of<'a>(table: &Table, row: &'a [Cell], name: &str) -> &'a str {
    match cell(table, row, name) {
        Cell::Text(text) => text,
        _ => "",
    }
}

/// A cell as the report shows it.
fn shown(table: &Table, row: &[Cell], name: &str) -> String {
    let look = table.columns.iter().find(|column| column.name == name).map_or(Look::Plain, |column| column.look);
    let text = words::cell(cell(table, row, name), look);
    if name == "billing_currency" { words::currency(&text).to_string() } else { text }
}

/// A table's rows for programs.
fn rows(table: &Table) -> Value {
    let object = |row: &Vec<Cell>| -> Value {
        let named = table.columns.iter().zip(row);
        Value::Object(named.map(|(column, cell)| (column.name.to_string(), json_cell(cell))).collect())
    };
    table.rows.iter().map(object).collect()
}

/// Lines, none of which is longer than people read.
fn joined(lines: Vec<String>) -> String {
    let lines = lines.into_iter().map(|line| {
        let line = safe::plain(&line.replace(['\n', '\r', '\t'], " "));
        let is_long = line.chars().count() > LINE;
        if is_long { line.chars().take(LINE - 1).chain(['…']).collect() } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}
