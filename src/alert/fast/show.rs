//! Show: what the fast clock saw, for the on-call, for people and for programs.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::judge::Seen;
use super::{Fast, Judged};
use crate::alert::causes::Causes;
use crate::alert::incident::{Screen, Sighting};
use crate::alert::rules::Severity;
use crate::alert::scope::Scope;
use crate::clock::{self, DAY, HOUR};
use crate::error::{Error, Result};
use crate::metrics::{Cell, Grid};
use crate::money;
use crate::report::document::{column, text};
use crate::report::{Document, Look, Table, words};

/// Names that are shown of many.
const SHOWN: usize = 3;

/// What an incident takes of what was seen.
pub fn sighting(scope: &Scope, currency: &str, seen: &Seen, judged: &Judged<'_>, end: i64) -> Sighting {
    Sighting {
        scope: scope.clone(),
        currency: currency.to_string(),
        severity: seen.severity,
        day: clock::day_of(end - 1),
        began: seen.began,
        excess: seen.excess,
        level: seen.rate.max(0),
        rules: seen.rules.iter().map(|rule| (*rule).to_string()).collect(),
        is_estimate: true,
        screen: screen(scope, currency, seen, judged, end),
    }
}

fn screen(scope: &Scope, currency: &str, seen: &Seen, judged: &Judged<'_>, end: i64) -> Screen {
    let labels = labels(scope, currency, seen, judged, end);
    let money = words::currency(currency);
    let times = (seen.expected > 0).then(|| format!(" ({:.1} times)", seen.cost as f64 / seen.expected as f64));
    let owner = ["team", "environment", "cost_center"].map(|key| labels.get(key).map_or("", String::as_str));
    let owner = words::owner(owner);
    let summary = format!(
        "{}: about {} {money} in the hour to {}{}, {} a day beyond the usual, owner {owner}",
        scope.words(),
        words::amount(seen.cost),
        short(end),
        times.unwrap_or_default(),
        words::change(seen.rate),
    );
    let causes = judged.causes(scope, end);
    let lines = [
        ("What", what(seen, money, end)),
        ("Now", now(seen)),
        ("Why", why(&causes)),
        ("Where", place(scope, judged, end)),
        ("Suspects", suspects(scope, judged)),
        ("Data", data(judged, scope)),
    ];
    let lines = lines.into_iter().filter(|(_, text)| !text.is_empty());
    Screen {
        summary,
        labels,
        lines: lines.map(|(heading, text)| (heading.to_string(), text)).collect(),
        finding: body(scope, currency, seen, judged, end, &causes),
    }
}

/// A time of today to the minute.
fn short(at: i64) -> String {
    let text = clock::instant_text(at);
    text.get(11..16).map_or_else(|| text.clone(), |time| format!("{time}Z"))
}

fn what(seen: &Seen, currency: &str, end: i64) -> String {
    let against = match seen.expected {
        0 => "which the bill does not know yet".to_string(),
        expected => format!("against {} that this hour of the week usually costs", words::amount(expected)),
    };
    format!(
        "about {} {currency} from {} to {} on {}, {against}, and {} in the hour before; seen by {}",
        words::amount(seen.cost),
        short(end - HOUR),
        short(end),
        clock::day_text(clock::day_of(end - 1)),
        words::amount(seen.before),
        seen.rules.join(", ")
    )
}

fn now(seen: &Seen) -> String {
    let state = if seen.is_burning { "still burning" } else { "no longer burning" };
    format!(
        "{state}; since {} about {} beyond the usual, {} a day at this rate",
        clock::instant_text(seen.began),
        words::amount(seen.excess),
        words::amount(seen.rate)
    )
}

/// The change against the hour before, taken apart.
fn why(causes: &Causes) -> String {
    let parts = crate::alert::screen::why(causes);
    if parts.is_empty() { parts } else { format!("against the hour before: {parts}") }
}

fn place(scope: &Scope, judged: &Judged<'_>, end: i64) -> String {
    match scope {
        Scope::Cell(account, region, model) => format!("account {account}, {region}, {model}"),
        _ => {
            let places = judged.places(scope.workload().unwrap_or_default(), end);
            let whole: i128 = places.iter().map(|(_, cost)| cost).sum();
            let one = |([account, region, model], cost): &([String; 3], i128)| {
                let share = words::share(*cost, whole).unwrap_or(1.0);
                format!("account {account} {region} {model} {:.0} %", share * 100.0)
            };
            places.iter().take(SHOWN).map(one).collect::<Vec<_>>().join(", ")
        }
    }
}

/// Who has used the cell of late, where nobody's own series says whose it is.
fn suspects(scope: &Scope, judged: &Judged<'_>) -> String {
    let Some(shares) = of_cell(scope, judged) else { return String::new() };
    let one = |(name, share): &(String, f64)| format!("{name} {:.0} %", share * 100.0);
    let named = shares.iter().take(SHOWN).map(one).collect::<Vec<_>>().join(", ");
    if named.is_empty() { String::new() } else { format!("{named} of it in the last seven complete days") }
}

fn of_cell<'a>(scope: &Scope, judged: &'a Judged<'_>) -> Option<&'a [(String, f64)]> {
    let Scope::Cell(account, region, model) = scope else { return None };
    let all = &judged.learned.suspects;
    let wanted = [account.as_str(), region, model];
    let place = all.binary_search_by(|known| known.cell.each_ref().map(String::as_str).cmp(&wanted));
    place.ok().map(|place| all[place].shares.as_slice())
}

fn data(judged: &Judged<'_>, scope: &Scope) -> String {
    let band = &judged.learned.band;
    let width = match (band.width, band.median) {
        (Some(width), Some(median)) => format!(
            "of {} estimated days half were within {:.1} % of the bill and 95 % within {:.1} %",
            band.days,
            median * 100.0,
            width * 100.0
        ),
        _ => "how near estimates come to the bill is not known yet".to_string(),
    };
    let evidence = scope.workload().and_then(|workload| judged.learned.owners.get(workload));
    let owner = evidence.map_or_else(String::new, |[.., method]| format!("; owner in the bill by {method}"));
    format!(
        "an estimate out of metrics, at this customer's own rates; {width}; the bill will confirm, correct or cancel it{owner}"
    )
}

/// Whose it is: a workload's owner by the bill; of a cell its account's, as the config says.
fn labels(scope: &Scope, currency: &str, seen: &Seen, judged: &Judged<'_>, end: i64) -> BTreeMap<String, String> {
    let none = String::new();
    let (owner, [account, region, model]) = match scope {
        Scope::Workload(workload) => {
            let owner = judged.learned.owners.get(workload);
            let owner =
                owner.map(|[team, environment, cost_center, _]| [team, environment, cost_center].map(String::clone));
            let place = judged.places(workload, end).into_iter().next().map(|(cell, _)| cell).unwrap_or_default();
            (owner.unwrap_or_default(), place)
        }
        Scope::Cell(account, region, model) => {
            let known = judged.config.accounts.get(account);
            let of = |get: fn(&crate::config::Owner) -> &Option<String>| {
                known.and_then(|owner| get(owner).clone()).unwrap_or_default()
            };
            let owner = [of(|owner| &owner.team), of(|owner| &owner.environment), of(|owner| &owner.cost_center)];
            (owner, [account.clone(), region.clone(), model.clone()])
        }
        _ => Default::default(),
    };
    let [team, environment, cost_center] = owner;
    let rule = seen.rules.first().map_or(none, |rule| (*rule).to_string());
    let all = [
        ("workload", scope.workload().unwrap_or("unattributed").to_string()),
        ("team", team),
        ("environment", environment),
        ("cost_center", cost_center),
        ("account", account),
        ("region", region),
        ("model", model),
        ("rule", rule),
        ("currency", currency.to_string()),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.to_string(), value)).collect()
}

/// What was seen, as programs read it.
fn body(
    scope: &Scope,
    currency: &str,
    seen: &Seen,
    judged: &Judged<'_>,
    end: i64,
    causes: &Causes,
) -> Map<String, Value> {
    let mut body: Map<String, Value> = COLUMNS
        .iter()
        .zip(cells(scope, currency, seen, end))
        .map(|(name, cell)| ((*name).to_string(), crate::report::render::json_cell(&cell)))
        .collect();
    let suspects = of_cell(scope, judged).unwrap_or_default();
    body.insert("rules".into(), json!(seen.rules));
    body.insert(
        "suspects".into(),
        suspects.iter().map(|(name, share)| json!({ "name": name, "share": share })).collect(),
    );
    let band = judged.learned.band.around(seen.cost);
    let ends = band.map(|(low, high)| [low, high].map(|end| json!(money::to_text(end))));
    body.insert("band".into(), json!(ends));
    body.insert("causes".into(), crate::alert::show::parts(causes));
    body
}

const COLUMNS: [&str; 16] = [
    "key",
    "severity",
    "rule",
    "scope",
    "workload",
    "sub_account_id",
    "billing_currency",
    "from",
    "to",
    "estimated",
    "expected",
    "hour_before",
    "excess",
    "per_day",
    "began",
    "is_burning",
];

fn cells(scope: &Scope, currency: &str, seen: &Seen, end: i64) -> Vec<Cell> {
    let amount = |units: i128| Cell::Decimal(units, money::SCALE);
    let or_null = |value: Option<&str>| value.map_or(Cell::Null, text);
    let time = |at: i64| Cell::Time(at * 1_000_000);
    vec![
        text(scope.key(currency)),
        text(seen.severity.as_str()),
        text(seen.rules.first().copied().unwrap_or_default()),
        text(scope.kind()),
        text(scope.workload().unwrap_or("unattributed")),
        or_null(scope.account()),
        text(currency),
        time(end - HOUR),
        time(end),
        amount(seen.cost),
        amount(seen.expected),
        amount(seen.before),
        amount(seen.excess),
        amount(seen.rate),
        time(seen.began),
        Cell::Flag(seen.is_burning),
    ]
}

/// What was seen, as a plain table.
pub fn grid(fast: &Fast) -> Grid {
    let rows = fast.end.map(|end| {
        let row = |(scope, currency, seen): &(Scope, String, Seen)| cells(scope, currency, seen, end);
        fast.seen.iter().map(row).collect()
    });
    Grid { columns: COLUMNS.map(String::from).to_vec(), rows: rows.unwrap_or_default() }
}

/// What was seen, as a JSON array.
///
/// # Errors
/// None that can happen: all of it is text.
pub fn json_text(fast: &Fast) -> Result<String> {
    let grid = grid(fast);
    let rows = grid.rows.iter().zip(&fast.seen).map(|(row, (.., seen))| {
        let cells = grid.columns.iter().zip(row);
        let mut object: Map<String, Value> =
            cells.map(|(name, cell)| (name.clone(), crate::report::render::json_cell(cell))).collect();
        object.insert("rules".into(), json!(seen.rules));
        Value::Object(object)
    });
    let text = serde_json::to_string_pretty(&rows.collect::<Vec<_>>());
    text.map(|text| text + "\n").map_err(|error| Error::input("output", error.to_string(), "please report this"))
}

/// What was seen, for people.
pub fn document(fast: &Fast) -> Document {
    let count = |severity: Severity| fast.seen.iter().filter(|(.., seen)| seen.severity == severity).count();
    let span = fast.end.map_or_else(
        || "no hour that could be judged".to_string(),
        |end| format!("{} to {}, UTC", clock::instant_text(end - HOUR), clock::instant_text(end)),
    );
    let [page, warn, note] = [Severity::Page, Severity::Warn, Severity::Note].map(count);
    let title = format!("Fast alerts, {span}: {page} page, {warn} warn, {note} note");
    let mut document = Document { name: "fast_alert", title, blocks: Vec::new() };
    let columns = vec![
        column("severity", "", Look::Plain),
        column("scope", "Whose", Look::Plain),
        column("rules", "Rules", Look::Plain),
        column("estimated", "This hour", Look::Money),
        column("expected", "Usually", Look::Money),
        column("per_day", "A day beyond", Look::Change),
        column("began", "Since", Look::Plain),
    ];
    let note = "estimates out of metrics, of the trailing hour; the bill will confirm, correct or cancel them";
    let mut table = Table::new("seen", "Seen", note, columns);
    let amount = |units: i128| Cell::Decimal(units, money::SCALE);
    for (scope, _, seen) in &fast.seen {
        table.rows.push(vec![
            text(seen.severity.as_str().to_uppercase()),
            text(scope.words()),
            text(seen.rules.join(", ")),
            amount(seen.cost),
            amount(seen.expected),
            amount(seen.rate),
            Cell::Time(seen.began * 1_000_000),
        ]);
    }
    document.table(table);
    known(fast).into_iter().for_each(|line| document.say(line));
    document
}

/// What the figures rest on, and what asking for them costs.
fn known(fast: &Fast) -> Vec<String> {
    let mut lines = Vec::new();
    for (currency, (sum, listed)) in &fast.today {
        let listed = match listed {
            0 => String::new(),
            listed => format!(", of which {} of the last hours at list prices", words::amount(*listed)),
        };
        let band =
            fast.learned.band.around(*sum).map_or_else(String::new, |(low, high)| {
                format!(" ({} to {})", words::amount(low), words::amount(high))
            });
        let sum = words::amount(*sum);
        lines.push(format!(
            "Measured since midnight, as far as this clock has run: about {sum} {currency}{band}{listed}."
        ));
    }
    let band = &fast.learned.band;
    lines.push(match (band.median, band.width) {
        (Some(median), Some(width)) => format!(
            "Estimates against the bill, {} days of workloads of 10 and more: half within {:.1} %, 95 % within {:.1} %{}.",
            band.days,
            median * 100.0,
            width * 100.0,
            band.covered.map_or_else(String::new, |covered| {
                format!("; of the last seven days, which had no part in that, {:.0} % were", covered * 100.0)
            })
        ),
        _ => "How near estimates come to the bill is not known yet: too few stored days have both.".into(),
    });
    if fast.unpriced > 0 {
        lines.push(format!(
            "{} tokens of this hour have no price, neither in the bill nor in the list.",
            words::grouped(fast.unpriced.into())
        ));
    }
    let a_month = fast.requests.cost() * i128::from(30 * DAY / fast.since.max(1));
    lines.push(format!(
        "CloudWatch was asked for {} metrics, {} USD; at one run in {} seconds that is {} USD a month. Files of a metric stream cost nothing to read here.",
        fast.requests.metrics_asked,
        money::to_text(fast.requests.cost()),
        fast.since,
        words::amount(a_month)
    ));
    lines
}
