//! Show: findings as a document for people, as JSON and as a plain table.

use serde_json::{Map, Value, json};

use super::Alerts;
use super::causes::{Causes, PARTS};
use super::finding::{Finding, LINE_COLUMNS};
use super::rules::Severity;
use crate::clock;
use crate::error::{Error, Result};
use crate::metrics::{Cell, Grid};
use crate::money as units;
use crate::report::document::{column, money, text};
use crate::report::{Document, Look, Table};

/// The findings for people.
pub fn document(alerts: &Alerts) -> Document {
    let span = match (alerts.from, alerts.to) {
        (Some(from), Some(to)) => format!("{} to {}, UTC", clock::day_text(from), clock::day_text(to)),
        _ => "no complete day".into(),
    };
    let count = |severity: Severity| alerts.findings.iter().filter(|finding| finding.severity == severity).count();
    let title = format!(
        "Alerts, {span}: {} page, {} warn, {} note",
        count(Severity::Page),
        count(Severity::Warn),
        count(Severity::Note)
    );
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
        table.rows.push(vec![
            text(finding.severity.as_str().to_uppercase()),
            Cell::Day(finding.day),
            text(finding.scope.words()),
            text(finding.owner_text()),
            text(rules(finding)),
            money(finding.increase),
            finding.times().map_or(Cell::Null, Cell::Float),
            text(finding.sentence()),
            text(finding.cause()),
        ]);
    }
    document.table(table);
    document
}

/// The findings as JSON: an array, each with what is behind it.
///
/// # Errors
/// None that can happen: all of it is text.
pub fn json(alerts: &Alerts) -> Result<String> {
    let rows = grid(alerts);
    let findings = alerts.findings.iter().zip(&rows.rows);
    let findings: Vec<Value> =
        findings.map(|(finding, row)| Value::Object(object(finding, &rows.columns, row))).collect();
    let text = serde_json::to_string_pretty(&findings);
    let text = text.map_err(|error| Error::input("output", error.to_string(), "please report this"))?;
    Ok(text + "\n")
}

/// What is sent of a finding, as the JSON object that programs read: all that is known of it, but of its lines there
/// are a few of its lines: channels take messages of some hundred kilobytes, and a finding may have thousands.
pub fn body(finding: &Finding) -> Map<String, Value> {
    let first = |all: &[(String, i128)]| all.iter().take(SENT).cloned().collect::<Vec<_>>();
    let shortened = Finding {
        lines: finding.lines.iter().take(SENT).cloned().collect(),
        principals: first(&finding.principals),
        ..finding.clone()
    };
    let mut body = object(&shortened, &COLUMNS.map(String::from), &cells(&shortened));
    body.insert("lines_left_out".into(), json!(finding.lines.len() - shortened.lines.len()));
    body
}

fn object(finding: &Finding, columns: &[String], row: &[Cell]) -> Map<String, Value> {
    let named = columns.iter().zip(row);
    let mut object: Map<String, Value> =
        named.map(|(name, cell)| (name.clone(), crate::report::render::json_cell(cell))).collect();
    object.insert("rules".into(), finding.rules.iter().map(|rule| rule.name()).collect());
    object.insert("causes".into(), finding.causes.as_ref().map_or(Value::Null, parts));
    object.insert("principals".into(), shares("principal_arn", &finding.principals, finding.actual));
    object.insert("evidence".into(), shares("attribution_method", &finding.evidence, finding.actual));
    object.insert("lines".into(), lines(finding));
    object
}

/// The parts of a change, by name.
pub fn parts(causes: &Causes) -> Value {
    let parts = PARTS.iter().zip(causes.parts());
    parts.map(|(name, part)| ((*name).to_string(), json!(units::to_text(part)))).collect::<Map<_, _>>().into()
}

fn shares(name: &str, costs: &[(String, i128)], whole: i128) -> Value {
    let one = |(what, cost): &(String, i128)| {
        let share = (whole > 0).then(|| *cost as f64 / whole as f64);
        json!({ name: or_null(what), "cost": units::to_text(*cost), "share": share })
    };
    costs.iter().map(one).collect()
}

fn or_null(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}

fn lines(finding: &Finding) -> Value {
    let line = |line: &super::finding::Line| {
        let named = LINE_COLUMNS.iter().zip(&line.what);
        let mut object: Map<String, Value> = named.map(|(name, value)| ((*name).to_string(), or_null(value))).collect();
        object.insert("cost".into(), json!(units::to_text(line.cost)));
        object.insert("compared_cost".into(), json!(units::to_text(line.before)));
        Value::Object(object)
    };
    finding.lines.iter().map(line).collect()
}

/// The rules that saw a finding, the one it is listed under first.
fn rules(finding: &Finding) -> String {
    finding.rules.iter().map(|rule| rule.name()).collect::<Vec<_>>().join(", ")
}

/// Lines and principals of a finding that are sent.
const SENT: usize = 20;

/// Columns of the plain table.
const COLUMNS: [&str; 27] = [
    "key",
    "severity",
    "rule",
    "day",
    "scope",
    "workload",
    "sub_account_id",
    "team",
    "environment",
    "cost_center",
    "billing_currency",
    "expected",
    "actual",
    "increase",
    "excess",
    "times",
    "compared_day",
    "usual",
    "usual_low",
    "usual_high",
    "weekday_low",
    "weekday_high",
    "moved_from",
    "is_complete",
    "is_final",
    "summary",
    "cause",
];

/// The findings as a plain table.
pub fn grid(alerts: &Alerts) -> Grid {
    Grid { columns: COLUMNS.map(String::from).to_vec(), rows: alerts.findings.iter().map(cells).collect() }
}

fn cells(finding: &Finding) -> Vec<Cell> {
    let or_null = |value: &str| if value.is_empty() { Cell::Null } else { text(value) };
    let amount = |units: Option<i128>| units.map_or(Cell::Null, money);
    let usual = |at: usize| amount(finding.usual.map(|usual| usual[at]));
    let workload = finding.scope.workload().unwrap_or("unattributed");
    vec![
        text(finding.key()),
        text(finding.severity.as_str()),
        text(finding.rule()),
        Cell::Day(finding.day),
        text(finding.scope.kind()),
        text(workload),
        or_null(finding.scope.account().unwrap_or_default()),
        or_null(&finding.owner[0]),
        or_null(&finding.owner[1]),
        or_null(&finding.owner[2]),
        or_null(&finding.currency),
        amount(finding.expected),
        money(finding.actual),
        money(finding.increase),
        money(finding.excess),
        finding.times().map_or(Cell::Null, Cell::Float),
        finding.compared_day.map_or(Cell::Null, Cell::Day),
        usual(0),
        usual(1),
        usual(2),
        amount(finding.weekday_band.map(|(low, _)| low)),
        amount(finding.weekday_band.map(|(_, high)| high)),
        or_null(&finding.moved_from),
        Cell::Flag(finding.is_complete),
        Cell::Flag(finding.is_final),
        text(finding.sentence()),
        text(finding.cause()),
    ]
}
