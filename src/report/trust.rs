//! The trust strip: how far the figures can be trusted, and what they could not say.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Look, Table, column, money, text};
use super::{coverage, words};
use crate::clock;
use crate::config::Config;
use crate::error::Result;
use crate::facts::store::Record;
use crate::metrics::days::Reaches;
use crate::metrics::{Cell, Engine, Part};
use crate::normalise::BILLED;
use crate::normalise::trust::{Sums, Tallies};

/// The state of a period.
pub fn period_state(record: &Record, as_of: i64) -> &'static str {
    let end = clock::month_range(&record.period).map_or(0, |(_, next)| i64::from(next) * clock::DAY);
    match () {
        () if as_of < end => "open",
        () if record.trust.lines_selected > 0 && record.trust.lines_without_invoice == 0 => "final",
        () => "closing",
    }
}

/// How far the bill reaches, which days are not whole, and the state of the periods.
pub fn completeness(engine: &Engine) -> String {
    let reaches = Reaches::of(&engine.records, engine.as_of);
    let stale = reaches.stale();
    let fresh = reaches.by_payer.iter().filter(|(payer, _)| !stale.contains(&payer.as_str())).map(|(_, reach)| reach);
    let reach = fresh.min().map_or("an unknown time".into(), |reach| clock::instant_text(*reach));
    let last = engine.last_complete_day().map_or("none".into(), clock::day_text);
    let incomplete: Vec<String> =
        engine.days.iter().filter(|day| !day.is_complete).map(|day| clock::day_text(day.day)).collect();
    let incomplete = match incomplete.as_slice() {
        [] => String::new(),
        [one] => format!("; {one} is not complete and not compared"),
        [first, .., last] => {
            format!("; {first} to {last} ({} days) are not complete and not compared", incomplete.len())
        }
    };
    let shown = engine.range.to.map_or(String::new(), |to| format!("shown to {}; ", clock::day_text(to)));
    let states: Vec<String> = engine
        .records
        .iter()
        .rev()
        .take(2)
        .map(|record| format!("{} is {}", record.period, period_state(record, engine.as_of)))
        .collect();
    let stale: Vec<String> = stale
        .iter()
        .map(|payer| {
            format!(
                " The bill of {payer} ends at {}; it is not waited for.",
                clock::instant_text(reaches.by_payer[*payer])
            )
        })
        .collect();
    format!(
        "Bill through {reach}; {shown}last complete day {last}{incomplete}. {}.{}",
        states.join(", "),
        stale.concat()
    )
}

/// The strip for one month.
pub fn strip(engine: &Engine, config: &Config, month: &str) -> Result<Table> {
    let columns =
        vec![column("what", "", Look::Plain), column("value", "", Look::Plain), column("detail", "", Look::Plain)];
    // What the reader met is kept by month.
    let is_cut = is_cut(engine, month);
    let note = if is_cut { "allocation and metrics of the shown days; the rest of the whole month" } else { "" };
    let mut table = Table::new("trust", format!("Trust, {month}"), note, columns);
    let mut push =
        |what: &str, value: String, detail: String| table.rows.push(vec![text(what), text(value), text(detail)]);
    let allocation = engine.run_named_part("allocation_coverage", config, Part::Billed(month, month))?;
    for row in allocation.rows.iter().filter(|row| allocation.text(row, "month") == month) {
        let share =
            |key: &str| allocation.float(row, &format!("{key}_share")).map_or(words::UNKNOWN.into(), words::percent);
        let currency = allocation.text(row, "billing_currency");
        let currency = words::currency(&currency);
        let cost = allocation.amount(row, "cost").unwrap_or(0);
        let named = allocation.amount(row, "workload_cost").unwrap_or(0);
        let mut others = ["team", "environment", "cost_center"].map(|key| format!("{key} {}", share(key))).to_vec();
        // The Model tag can only stand on what serves one model.
        let one_model = allocation.amount(row, "one_model_cost").filter(|cost| *cost != 0);
        others.extend(
            one_model.map(|cost| {
                format!("model {} of {} on resources of one model", share("model_tag"), words::amount(cost))
            }),
        );
        push(
            "allocated",
            share("workload"),
            format!("of {} {currency} Usage and Purchase, to a workload; {}", words::amount(cost), others.join(", ")),
        );
        push(
            "unattributed",
            format!("{} {currency}", words::amount(cost - named)),
            "no evidence names a workload; `billtag query unattributed`".into(),
        );
    }
    if let Some((value, detail)) = coverage::of_month(engine, config, month)? {
        push("metrics", value, detail);
    }
    if let Some(record) = engine.records.iter().find(|record| record.period == month) {
        for (what, value, detail) in doubts(record) {
            push(what, value, detail);
        }
        if let Some((value, detail)) = changed(record) {
            push("changed", value, detail);
        }
    }
    let basis = match &engine.cost {
        Some(column) => (
            column.clone(),
            "in place of each figure's own basis; movers and anomalies: unblended cost of Usage; tag debt: billed cost"
                .into(),
        ),
        None => {
            ("billed_cost".into(), "totals and spend; movers, anomalies and unit costs: unblended cost of Usage".into())
        }
    };
    push("cost basis", basis.0, basis.1);
    Ok(table)
}

/// Whether the shown days leave out some of a month.
fn is_cut(engine: &Engine, month: &str) -> bool {
    clock::month_range(month).is_some_and(|(first, next)| {
        engine.range.from.is_some_and(|from| from > first) || engine.range.to.is_some_and(|to| to + 1 < next)
    })
}

/// By how much the last run changed a month, and why.
fn changed(record: &Record) -> Option<(String, String)> {
    let changed = record.changed.as_ref()?;
    let (before, after) = (changed.before.by_currency(BILLED), record.totals.by_currency(BILLED));
    let currencies: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differences = currencies.into_iter().map(|currency| {
        let of = |sums: &BTreeMap<String, i128>| sums.get(currency).copied().unwrap_or(0);
        format!("{} {}", words::change(of(&after) - of(&before)), words::currency(currency))
    });
    let detail = format!("since it was stored before; cause: {}", changed.causes.join(", "));
    Some((differences.collect::<Vec<_>>().join(", "), detail))
}

/// What the reader met and could not place.
fn doubts(record: &Record) -> Vec<(&'static str, String, String)> {
    let trust = &record.trust;
    let mut rows = Vec::new();
    let tallies: [(&'static str, &Tallies, &str); 10] = [
        ("unknown usage types", &trust.unknown_usage_types, "kept with their cost"),
        ("unknown units", &trust.unknown_units, "quantities as billed"),
        ("unknown models", &trust.unknown_models, "kept with their cost"),
        ("unknown line types", &trust.unknown_line_types, "kept as Adjustment, lines without a type as Usage"),
        ("new product codes", &trust.unknown_codes, "taken as Bedrock's"),
        ("doubtful units", &trust.unit_doubts, "cost is not amount × rate, or beyond belief for a token"),
        ("mistyped tag keys", &trust.mistyped_keys, "read as no owner; correct them, or add an alias"),
        ("ambiguous callers", &trust.ambiguous_consumers, "tagged resources of one name disagree"),
        ("doubled payers", &trust.duplicate_payers, "left out: an export named before holds them"),
        ("adjacent, excluded", &trust.adjacent, "not Bedrock's"),
    ];
    for (what, tallies, meaning) in tallies {
        let always = what == "unknown usage types";
        if tallies.is_empty() && !always {
            continue;
        }
        let mut cost = Sums::default();
        tallies.values().for_each(|tally| cost.merge(&tally.cost));
        let cost: Vec<String> = cost
            .0
            .iter()
            .map(|(currency, sum)| format!("{} {}", words::amount(*sum), words::currency(currency)))
            .collect();
        let value = if tallies.is_empty() { "0".into() } else { format!("{} ({})", tallies.len(), cost.join(", ")) };
        rows.push((what, value, format!("{meaning}{}", names(tallies.keys()))));
    }
    if !trust.measured_beyond_billed.is_empty() {
        let tokens: i64 = trust.measured_beyond_billed.values().sum();
        rows.push((
            "measured beyond billed",
            format!("{} tokens", words::grouped(i128::from(tokens))),
            format!("owners' metrics exceed the bill, scaled down{}", names(trust.measured_beyond_billed.keys())),
        ));
    }
    if !trust.unknown_metric_models.is_empty() {
        let tokens: i64 = trust.unknown_metric_models.values().sum();
        rows.push((
            "metrics of unknown models",
            format!("{} tokens", words::grouped(i128::from(tokens))),
            format!("could not be matched{}", names(trust.unknown_metric_models.keys())),
        ));
    }
    if !trust.principal_column {
        rows.push((
            "principals",
            "not in this export".into(),
            "set INCLUDE_IAM_PRINCIPAL_DATA in a CUR 2.0 export to name callers".into(),
        ));
    }
    rows
}

/// The first few names.
fn names<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let count = names.len();
    let shown: Vec<&str> = names.take(3).map(String::as_str).collect();
    match count {
        0 => String::new(),
        1..=3 => format!(": {}", shown.join(", ")),
        _ => format!(": {} and {} more", shown.join(", "), count - 3),
    }
}

/// Which evidence names the month's spend.
pub fn methods(engine: &Engine, config: &Config, month: &str) -> Result<Table> {
    let grid = engine.run_named_part("attribution_methods", config, Part::Billed(month, month))?;
    let columns = vec![
        column("billing_currency", "", Look::Plain),
        column("attribution_method", "Evidence", Look::Plain),
        column("cost", "Cost", Look::Money),
        column("share_of_cost", "Share", Look::Percent),
    ];
    let mut table = Table::new(
        "methods",
        format!("Evidence, {month}"),
        format!("{}, all charges", engine.basis("billed_cost")),
        columns,
    );
    for row in grid.rows.iter().filter(|row| grid.text(row, "month") == month) {
        table.push_from(&grid, row);
    }
    Ok(table)
}

/// What each period was made from.
pub fn inputs(engine: &Engine) -> Table {
    let columns = vec![
        column("period", "Period", Look::Plain),
        column("state", "State", Look::Plain),
        column("billed_cost", "Billed", Look::Money),
        column("billing_currency", "", Look::Plain),
        column("lines_read", "Lines read", Look::Count),
        column("lines_selected", "Bedrock's", Look::Count),
        column("bill", "Bill", Look::Plain),
        column("metrics", "Metrics", Look::Plain),
        column("rules", "Rules", Look::Plain),
        column("version", "billtag", Look::Plain),
    ];
    let mut table = Table::new("inputs", "Inputs", "fingerprints of what each period was made from", columns);
    let short = |hash: &str| text(hash.get(..8).unwrap_or(hash));
    for record in engine.records.iter().rev() {
        let mut totals = record.totals.by_currency(BILLED);
        if totals.is_empty() {
            totals.insert(String::new(), 0);
        }
        for (currency, sum) in totals {
            table.rows.push(vec![
                text(&record.period),
                text(period_state(record, engine.as_of)),
                money(sum),
                text(currency),
                Cell::Count(i128::from(record.trust.lines_read)),
                Cell::Count(i128::from(record.trust.lines_selected)),
                short(&record.fingerprint.bill),
                short(&record.fingerprint.metrics),
                short(&record.fingerprint.rules),
                text(&record.fingerprint.version),
            ]);
        }
    }
    table
}
