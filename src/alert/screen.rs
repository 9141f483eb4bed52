//! Screen: what an on-call reads first of an incident: what, whether it still burns, why, where, what changed, how
//! sure the figures are.

use std::collections::BTreeMap;

use super::causes::{Causes, PARTS, Side};
use super::finding::Finding;
use super::history::{History, KIND, Owner};
use super::incident::Screen;
use super::show;
use crate::clock;
use crate::money;
use crate::report::words;

/// Names that are shown of many.
const SHOWN: usize = 3;

/// What is shown of a finding of the bill.
pub fn of(finding: &Finding, history: &History) -> Screen {
    let lines = [
        ("What", what(finding)),
        ("Now", now(finding)),
        ("Why", finding.causes.map_or_else(String::new, |causes| why(&causes))),
        ("Where", place(finding)),
        ("Change", change(finding, history).unwrap_or_default()),
        ("Data", data(finding)),
    ];
    Screen {
        summary: summary(finding),
        labels: labels(finding),
        lines: lines
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(heading, text)| (heading.to_string(), text))
            .collect(),
        finding: show::body(finding),
    }
}

fn summary(finding: &Finding) -> String {
    let currency = words::currency(&finding.currency);
    let times = finding.times().map_or(String::new(), |times| format!(" ({times:.1} times)"));
    let main = finding.causes.map_or(String::new(), |causes| format!(", mainly {}", part_words(causes.main())));
    let more = words::change(finding.increase.max(finding.excess));
    let day = clock::day_text(finding.day);
    format!("{}: {more} {currency} on {day}{times}, owner {}{main}", finding.scope.words(), finding.owner_text())
}

/// What is known of whose and where a finding is.
pub fn labels(finding: &Finding) -> BTreeMap<String, String> {
    let line = finding.lines.first();
    let of_line = |at: usize| line.map_or("", |line| line.what[at].as_str());
    let [team, environment, cost_center] = finding.owner.each_ref().map(String::as_str);
    let account = finding.scope.account().unwrap_or_else(|| of_line(0));
    let all = [
        ("workload", finding.scope.workload().unwrap_or("unattributed")),
        ("team", team),
        ("environment", environment),
        ("cost_center", cost_center),
        ("account", account),
        ("region", of_line(1)),
        ("model", of_line(2)),
        ("rule", finding.rule()),
        ("currency", &finding.currency),
    ];
    let known = all.into_iter().filter(|(_, value)| !value.is_empty());
    known.map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn what(finding: &Finding) -> String {
    let usual = finding.usual.map_or(String::new(), |[middle, low, high]| {
        let [middle, low, high] = [middle, low, high].map(words::amount);
        format!("; usual for this weekday {middle}, {low} to {high}")
    });
    let rules = finding.rules.iter().map(|rule| rule.name()).collect::<Vec<_>>().join(", ");
    format!("{}{usual}; seen by {rules}", finding.sentence())
}

fn now(finding: &Finding) -> String {
    match finding.began {
        Some((began, true)) => format!("since {} until the end of that day: it may still burn", at(began)),
        Some((began, false)) => format!("since {}, and over before the end of that day", at(began)),
        None => String::new(),
    }
}

/// A time to the minute.
fn at(instant: i64) -> String {
    clock::instant_text(instant).replace(":00Z", "Z")
}

/// The parts of a change, largest first; what is less than a cent is left to the sum.
pub fn why(causes: &Causes) -> String {
    let mut parts: Vec<(&str, i128)> = PARTS.iter().copied().zip(causes.parts()).collect();
    parts.retain(|(_, part)| part.abs() >= money::ONE / 100);
    parts.sort_by_key(|(_, part)| std::cmp::Reverse(part.abs()));
    let parts = parts.iter().map(|(name, part)| format!("{} {}", part_words(name), words::change(*part)));
    let parts = parts.collect::<Vec<_>>().join(" | ");
    if parts.is_empty() { parts } else { format!("{parts} (sums to {})", words::change(causes.sum())) }
}

fn part_words(part: &str) -> &str {
    match part {
        "tokens_per_query" => "tokens per query",
        "model_mix" => "model mix",
        "other" => "what is not tokens",
        other => other,
    }
}

fn place(finding: &Finding) -> String {
    let Some(line) = finding.lines.first() else { return String::new() };
    let [account, region, model, _, resource, ..] = &line.what;
    let account = if account.is_empty() { String::new() } else { format!("account {account}") };
    let mut parts = vec![account, region.clone(), model.clone(), resource.clone()];
    parts.extend(shares(&finding.principals, finding.actual));
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}

/// The largest of some names with their shares.
fn shares(costs: &[(String, i128)], whole: i128) -> Vec<String> {
    let named = costs.iter().filter(|(name, _)| !name.is_empty());
    let one = |(name, cost): &(String, i128)| match words::share(*cost, whole) {
        Some(share) => format!("{name} {:.0} %", share * 100.0),
        None => name.clone(),
    };
    named.take(SHOWN).map(one).collect()
}

/// What changed in the calls themselves.
fn change(finding: &Finding, history: &History) -> Option<String> {
    let causes = finding.causes?;
    let [before, after] = finding.queries?;
    let calls = format!("invocations {} to {}", words::grouped(before), words::grouped(after));
    let owner = Owner {
        workload: finding.scope.workload()?.to_string(),
        account: String::new(),
        currency: finding.currency.clone(),
    };
    let series = history.series(&owner)?;
    let tokens = |day: i32, side: Side| -> Option<i128> {
        let lines = history.bought(series, history.number(day)?);
        let of_side = lines.iter().filter(|line| Side::of(history.texts.str(line.what[KIND])) == Some(side));
        Some(of_side.map(|line| line.tokens / money::ONE).sum())
    };
    let each = |side: Side| -> Option<String> {
        let (then, now) = (tokens(finding.compared_day?, side)?, tokens(finding.day, side)?);
        let per = |tokens: i128, queries: i128| (queries > 0).then(|| words::grouped(tokens / queries));
        Some(format!("{} to {}", per(then, before)?, per(now, after)?))
    };
    let sent = each(Side::Sent).map(|text| format!("tokens sent per invocation {text}"));
    let returned = each(Side::Returned).map(|text| format!("returned {text}"));
    let parts: Vec<String> = [Some(calls), sent, returned].into_iter().flatten().collect();
    Some(format!("mainly {}: {}", part_words(causes.main()), parts.join(", ")))
}

fn data(finding: &Finding) -> String {
    let state = match (finding.is_complete, finding.is_final) {
        (false, _) => "the day is not complete: provisional",
        (true, false) => "the bill of this month may still change",
        (true, true) => "final",
    };
    let evidence = shares(&finding.evidence, finding.actual).join(", ");
    if evidence.is_empty() { state.to_string() } else { format!("{state}; owner by {evidence}") }
}
