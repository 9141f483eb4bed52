//! Alert: what jumped, on every complete day since the last run, with owner, cause and a stable key.
//!
//! The rule is the query `anomalies`; it decides what is listed and how severe it is. This module
//! chooses the days, finds who owns the workload and which lines moved, and writes it down.
//!
//! Beside it stand [`rules`] over the [`history`] of days, each against its [`baseline`], which [`backtest`] holds
//! against labelled incidents; [`causes`] takes a change of cost apart; [`channel`] tells of a [`notice`].

pub mod backtest;
pub mod baseline;
pub mod causes;
pub mod channel;
pub mod history;
pub mod notice;
pub mod rules;

use std::collections::BTreeMap;

use hashbrown::HashMap;
use serde_json::json;

use crate::clock;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::facts::history::AlertNote;
use crate::facts::store::Store;
use crate::metrics::queries::Query;
use crate::metrics::{Answer, Cell, Engine, Grid, Rows, Value};
use crate::report::document::{column, money, text};
use crate::report::{Document, Look, Table, words};

/// A finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Identity of the incident: the same on every run and day, without amounts.
    pub key: String,
    /// `page`, `warn` or `note`.
    pub severity: String,
    /// `R1`, `new`, `returned`, `relabelled`.
    pub rule: String,
    /// Day number.
    pub day: i32,
    /// Workload, or `unattributed`.
    pub workload: String,
    /// Whether the workload is a real one.
    pub allocation: String,
    /// Account, for unattributed series.
    pub account: String,
    /// Team, environment and cost center that bore most of the workload's cost that day.
    pub owner: [String; 3],
    /// Currency.
    pub currency: String,
    /// Cost of the day it is compared with, units of 1e-10; unknown where there is none.
    pub expected: Option<i128>,
    /// Cost of the day.
    pub actual: i128,
    /// Increase.
    pub increase: i128,
    /// Times the compared day.
    pub times: Option<f64>,
    /// Day compared with.
    pub compared_day: Option<i32>,
    /// Previous owner of relabelled spend.
    pub moved_from: String,
    /// Cost of the same weekday in the four weeks before: least and most, where four are known.
    pub weekday_band: Option<(i128, i128)>,
    /// Whether the day is complete; else the finding is provisional.
    pub is_complete: bool,
    /// The lines that moved most, largest first.
    pub lines: Vec<Line>,
}

/// Lines of a day that agree on what they bought, against the compared day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Account, region, model, usage kind, resource, principal, method.
    pub what: [String; 7],
    /// Cost of the day.
    pub cost: i128,
    /// Cost of the compared day.
    pub before: i128,
}

/// Names of [`Line::what`].
const LINE_COLUMNS: [&str; 7] =
    ["sub_account_id", "region_id", "model_name", "usage_kind", "resource_id", "principal_arn", "attribution_method"];

/// The findings of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Alerts {
    /// First day looked at.
    pub from: Option<i32>,
    /// Last complete day looked at.
    pub to: Option<i32>,
    /// Most severe first, then newest, then by increase within a currency.
    pub findings: Vec<Finding>,
}

impl Alerts {
    /// Whether anything was found beyond notes. The rule R1 is the contract, so its findings always
    /// count; the severity only says whether somebody is woken.
    pub fn has_findings(&self) -> bool {
        self.findings.iter().any(|finding| finding.rule == "R1" || finding.severity != "note")
    }
}

/// Finds what jumped. Without a range: every complete day since the last run, and provisional ones.
pub fn find(engine: &Engine, config: &Config, from: Option<i32>, to: Option<i32>) -> Result<Alerts> {
    let asked = from.is_some() || to.is_some();
    let last = engine.last_complete_day();
    let first = engine.days.first().map(|day| day.day);
    let seen = engine.alert_note.filter(|_| !asked);
    let start = match (seen, last) {
        // Nothing new since: the same days again, so that a repeated run says the same.
        (Some(seen), Some(last)) if last <= seen.to => Some(seen.from),
        (Some(seen), _) => Some(seen.to + 1),
        (None, _) => from.or(first),
    };
    let answer = engine.run_named("anomalies", config)?;
    let mut findings = Vec::new();
    for row in &answer.rows {
        let Some(day) = answer.day(row, "day") else { continue };
        if start.is_some_and(|start| day < start) || to.is_some_and(|to| day > to) {
            continue;
        }
        findings.push(finding(&answer, row, day));
    }
    explain_findings(engine, &mut findings)?;
    let severity = |finding: &Finding| match finding.severity.as_str() {
        "page" => 0,
        "warn" => 1,
        _ => 2,
    };
    findings.sort_by(|a, b| {
        let order = (severity(a), b.day, &a.currency, b.increase, &a.key);
        order.cmp(&(severity(b), a.day, &b.currency, a.increase, &b.key))
    });
    Ok(Alerts { from: start, to: to.or(last), findings })
}

fn finding(answer: &Grid, row: &[Cell], day: i32) -> Finding {
    let text = |name: &str| answer.text(row, name);
    let (workload, account, rule, currency) =
        (text("workload"), text("sub_account_id"), text("rule"), text("billing_currency"));
    let expected = answer.amount(row, "compared_cost");
    let actual = answer.amount(row, "cost").unwrap_or(0);
    let four = matches!(answer.cell(row, "weekday_count"), Cell::Count(count) if *count >= 4);
    let band = answer.amount(row, "weekday_low").zip(answer.amount(row, "weekday_high"));
    let scope = if account.is_empty() { workload.clone() } else { format!("{workload}:{account}") };
    Finding {
        key: format!("billtag:{}:{scope}:{currency}", rule.to_lowercase()),
        severity: text("severity"),
        rule,
        day,
        workload,
        allocation: text("allocation"),
        account,
        owner: Default::default(),
        currency,
        expected,
        actual,
        increase: answer.amount(row, "increase").unwrap_or(actual - expected.unwrap_or(0)),
        times: answer.float(row, "times"),
        compared_day: answer.day(row, "compared_day"),
        moved_from: text("moved_from"),
        weekday_band: band.filter(|_| four),
        is_complete: answer.flag(row, "is_complete"),
        lines: Vec::new(),
    }
}

const LINES: &str = "\
    select cast(charge_period_start as date) as day, workload, attribution_method, team, environment, cost_center, \
    sub_account_id, region_id, model_name, usage_kind, resource_id, principal_arn, billing_currency, \
    unblended_cost as cost from cost_facts \
    where charge_category = 'Usage' and grain <> 'month' and attribution_method <> 'not_allocable' \
    and cast(charge_period_start as date) in (select day from asked_days)";

/// Adds owner and lines to each finding, reading each needed day once.
fn explain_findings(engine: &Engine, findings: &mut [Finding]) -> Result<()> {
    let mut days: Vec<i32> =
        findings.iter().flat_map(|finding| [Some(finding.day), finding.compared_day]).flatten().collect();
    days.sort_unstable();
    days.dedup();
    if days.is_empty() {
        return Ok(());
    }
    let lines = engine.answer_over(&Query { name: "alert lines".into(), sql: LINES.into() }, &days)?;
    let behind = behind(findings, &lines);
    for (finding, behind) in findings.iter_mut().zip(behind) {
        let main = behind.owners.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)));
        finding.owner = main.map(|(owner, _)| owner.map(String::from)).unwrap_or_default();
        let moved = behind.moved.into_iter().filter(|(_, (cost, before))| cost != before);
        let line = |(what, (cost, before)): ([&str; 7], _)| Line { what: what.map(String::from), cost, before };
        finding.lines = moved.map(line).collect();
        finding.lines.sort_by(|a, b| {
            let moved = |line: &Line| (line.cost - line.before).abs();
            moved(b).cmp(&moved(a)).then_with(|| a.what.cmp(&b.what))
        });
    }
    Ok(())
}

/// What is behind a finding.
#[derive(Default)]
struct Behind<'a> {
    /// What each owner bore on the day.
    owners: BTreeMap<[&'a str; 3], i128>,
    /// Cost of the day and of the compared day.
    moved: BTreeMap<[&'a str; 7], (i128, i128)>,
}

/// What is behind each finding. There are as many findings as lines where many workloads are new, so
/// the lines are gone through once.
fn behind<'a>(findings: &[Finding], lines: &'a Answer) -> Vec<Behind<'a>> {
    let mut wanted: HashMap<Series<'_>, Vec<(usize, bool)>> = HashMap::new();
    for (at, finding) in findings.iter().enumerate() {
        for day in [Some(finding.day), finding.compared_day].into_iter().flatten() {
            wanted.entry(series(finding, day)).or_default().push((at, day == finding.day));
        }
    }
    let [day, workload, account, currency, cost] =
        lines.columns(["day", "workload", "sub_account_id", "billing_currency", "cost"]);
    let owner = lines.columns(["team", "environment", "cost_center"]);
    let what = lines.columns(LINE_COLUMNS);
    let mut found: Vec<Behind<'a>> = findings.iter().map(|_| Behind::default()).collect();
    for row in 0..lines.height() {
        let text = |at| lines.cell(row, at).as_text();
        let Some(day) = lines.cell(row, day).day() else { continue };
        let series = match lines.cell(row, workload) {
            Value::Text(workload) => (day, Some(workload), "", text(currency)),
            _ => (day, None, text(account), text(currency)),
        };
        for (at, is_the_day) in wanted.get(&series).into_iter().flatten() {
            let cost = lines.cell(row, cost).amount().unwrap_or(0);
            let held = found[*at].moved.entry(what.map(text)).or_default();
            if *is_the_day {
                held.0 += cost;
                *found[*at].owners.entry(owner.map(text)).or_default() += cost;
            } else {
                held.1 += cost;
            }
        }
    }
    found
}

/// What a finding and the lines behind it have in common: the day, the workload, the account where
/// there is no workload, and the currency.
type Series<'a> = (i32, Option<&'a str>, &'a str, &'a str);

fn series(finding: &Finding, day: i32) -> Series<'_> {
    if finding.allocation == "allocated" {
        (day, Some(&finding.workload), "", &finding.currency)
    } else {
        (day, None, &finding.account, &finding.currency)
    }
}

/// Notes which days were looked at.
pub fn remember(alerts: &Alerts, store: &Store) -> Result<()> {
    let (Some(from), Some(to)) = (alerts.from, alerts.to) else { return Ok(()) };
    store.keep_alert_note(AlertNote { from, to })
}

impl Finding {
    /// One sentence: what happened, against what.
    pub fn sentence(&self) -> String {
        let day = clock::day_text(self.day);
        let currency = words::currency(&self.currency);
        let actual = format!("{} {currency} on {day}", words::amount(self.actual));
        let provisional = if self.is_complete { "" } else { " (provisional: the day is not complete)" };
        let against = match (self.rule.as_str(), self.expected, self.compared_day) {
            ("new", ..) => "never seen before".to_string(),
            ("relabelled", ..) => format!("spend that was {}'s before", self.moved_from),
            (_, Some(expected), Some(compared)) => {
                format!("against {} on {}", words::amount(expected), clock::day_text(compared))
            }
            _ => "against nothing".to_string(),
        };
        format!("{actual}, {against}{provisional}")
    }

    /// The line that moved most, in words.
    pub fn cause(&self) -> String {
        let Some(line) = self.lines.first() else { return String::new() };
        let [account, region, model, kind, resource, principal, _] = &line.what;
        let named = [model.as_str(), kind, region, account].into_iter().filter(|part| !part.is_empty());
        let named = named.collect::<Vec<_>>().join(" ");
        let by = [resource, principal].into_iter().find(|part| !part.is_empty());
        let by = by.map(|by| format!(" via {by}")).unwrap_or_default();
        format!("{} {named}{by}", words::change(line.cost - line.before))
    }

    /// Who owns it: team, environment, cost center, as far as known.
    pub fn owner_text(&self) -> String {
        let known: Vec<&str> = self.owner.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        if known.is_empty() { words::UNKNOWN.into() } else { known.join(" / ") }
    }
}

/// The findings for people.
pub fn document(alerts: &Alerts) -> Document {
    let span = match (alerts.from, alerts.to) {
        (Some(from), Some(to)) => format!("{} to {}, UTC", clock::day_text(from), clock::day_text(to)),
        _ => "no complete day".into(),
    };
    let count = |severity: &str| alerts.findings.iter().filter(|finding| finding.severity == severity).count();
    let title = format!("Alerts, {span}: {} page, {} warn, {} note", count("page"), count("warn"), count("note"));
    let mut document = Document { name: "alert", title, blocks: Vec::new() };
    let columns = vec![
        column("severity", "", Look::Plain),
        column("day", "Day", Look::Plain),
        column("workload", "Workload", Look::Plain),
        column("owner", "Owner", Look::Plain),
        column("rule", "Rule", Look::Plain),
        column("increase", "Increase", Look::Change),
        column("times", "Times", Look::Ratio),
        column("what", "What", Look::Plain),
        column("cause", "Most of it", Look::Plain),
    ];
    let note = "unblended cost of Usage by workload and day; R1 is at or above the ratio, new, returned and relabelled had nothing the day before";
    let mut table = Table::new("findings", "Findings", note, columns);
    for finding in &alerts.findings {
        let workload = if finding.account.is_empty() {
            finding.workload.clone()
        } else {
            format!("{} in {}", finding.workload, finding.account)
        };
        table.rows.push(vec![
            text(finding.severity.to_uppercase()),
            Cell::Day(finding.day),
            text(workload),
            text(finding.owner_text()),
            text(&finding.rule),
            money(finding.increase),
            finding.times.map_or(Cell::Null, Cell::Float),
            text(finding.sentence()),
            text(finding.cause()),
        ]);
    }
    document.table(table);
    document
}

/// The findings as JSON: an array, each with its lines.
pub fn json(alerts: &Alerts) -> Result<String> {
    let grid = grid(alerts);
    let findings: Vec<serde_json::Value> = alerts
        .findings
        .iter()
        .zip(&grid.rows)
        .map(|(finding, row)| {
            let mut object = serde_json::Map::new();
            for (name, cell) in grid.columns.iter().zip(row) {
                object.insert(name.clone(), crate::report::render::json_cell(cell));
            }
            let lines = finding.lines.iter().map(|line| {
                let mut object = serde_json::Map::new();
                for (name, value) in LINE_COLUMNS.iter().zip(&line.what) {
                    let value = if value.is_empty() { serde_json::Value::Null } else { json!(value) };
                    object.insert((*name).to_string(), value);
                }
                object.insert("cost".into(), json!(crate::money::to_text(line.cost)));
                object.insert("compared_cost".into(), json!(crate::money::to_text(line.before)));
                serde_json::Value::Object(object)
            });
            object.insert("lines".into(), serde_json::Value::Array(lines.collect()));
            serde_json::Value::Object(object)
        })
        .collect();
    let mut text = serde_json::to_string_pretty(&findings)
        .map_err(|error| Error::input("output", error.to_string(), "please report this"))?;
    text.push('\n');
    Ok(text)
}

/// The findings as a plain table.
pub fn grid(alerts: &Alerts) -> Grid {
    let columns = [
        "key",
        "severity",
        "rule",
        "day",
        "workload",
        "sub_account_id",
        "team",
        "environment",
        "cost_center",
        "billing_currency",
        "expected",
        "actual",
        "increase",
        "times",
        "compared_day",
        "weekday_low",
        "weekday_high",
        "moved_from",
        "is_complete",
        "summary",
        "cause",
    ];
    let or_null = |value: &str| if value.is_empty() { Cell::Null } else { text(value) };
    let rows = alerts.findings.iter().map(|finding| {
        vec![
            text(&finding.key),
            text(&finding.severity),
            text(&finding.rule),
            Cell::Day(finding.day),
            text(&finding.workload),
            or_null(&finding.account),
            or_null(&finding.owner[0]),
            or_null(&finding.owner[1]),
            or_null(&finding.owner[2]),
            or_null(&finding.currency),
            finding.expected.map_or(Cell::Null, money),
            money(finding.actual),
            money(finding.increase),
            finding.times.map_or(Cell::Null, Cell::Float),
            finding.compared_day.map_or(Cell::Null, Cell::Day),
            finding.weekday_band.map_or(Cell::Null, |(low, _)| money(low)),
            finding.weekday_band.map_or(Cell::Null, |(_, high)| money(high)),
            or_null(&finding.moved_from),
            Cell::Flag(finding.is_complete),
            text(finding.sentence()),
            text(finding.cause()),
        ]
    });
    Grid { columns: columns.map(String::from).to_vec(), rows: rows.collect() }
}
