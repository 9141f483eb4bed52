//! What a workload does again and again wakes nobody, and what it never did does.

use serde_json::Value;

use crate::bills::{self, Line, NOVEMBER, batch, nova};
use crate::harness;

const DAY: i64 = 86_400;

/// A line on a day, counted from the first of November 2026, a Sunday.
fn on(day: i64, mut line: Line) -> Line {
    line.start = NOVEMBER + day * DAY;
    line.end = line.start + 3_600;
    line
}

fn spent(day: i64, cost: f64) -> Line {
    on(day, nova().cost(cost).tag("resourceTags/Workload", "checkout"))
}

/// What is listed of the last day of some lines: its first rule and severity. The bill reaches to its end.
fn found(lines: &[Line], last: i64) -> Vec<(String, String)> {
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_string();
    listed(lines, last).iter().map(|finding| (text(finding, "rule"), text(finding, "severity"))).collect()
}

fn listed(lines: &[Line], last: i64) -> Vec<Value> {
    let until = on(last + 1, nova().text("line_item_product_code", "AmazonEC2").cost(0.0));
    let folder = bills::world(&batch(&[lines, &[until]].concat()));
    harness::ingest_folder(folder.path());
    let day = billtag::clock::day_text((NOVEMBER / DAY + last) as i32);
    let text = harness::stdout(folder.path(), &["alert", "--from", &day, "--format", "json"]);
    serde_json::from_str(&text).expect("an array")
}

fn severity(found: &[(String, String)]) -> &str {
    found.first().map_or("", |(_, severity)| severity)
}

/// A hundred days of about fifty dollars that end on the last, and what some of them cost instead.
fn unless(last: i64, instead: &[(i64, f64)]) -> Vec<Line> {
    let usual = |day: i64| [50.0, 52.0, 48.5][day.rem_euclid(3) as usize];
    let cost = |day: i64| instead.iter().find(|(known, _)| *known == day).map_or(usual(day), |(_, cost)| *cost);
    (last - 99..=last).map(|day| spent(day, cost(day))).collect()
}

#[test]
fn a_third_burst_in_two_months_is_a_habit_and_a_far_larger_one_is_not() {
    let bursts = [(-45, 300.0), (-44, 310.0), (-20, 280.0)];
    let of = |day: i64, before: &[(i64, f64)], cost: f64| {
        let instead = [before, &[(day, cost)]].concat();
        severity(&found(&unless(day, &instead), day)).to_string()
    };
    assert_eq!(of(-20, &bursts[..2], 280.0), "page", "the second");
    assert_eq!(of(4, &bursts, 300.0), "note", "the third");
    assert_eq!(of(4, &bursts, 900.0), "page", "three times the others");
}

#[test]
fn a_burst_is_judged_by_its_own_kind_of_day() {
    // What is usual on working days was on none of the Sundays.
    let usual = |day: i64| if matches!(day.rem_euclid(7), 0 | 6) { 20.0 } else { 300.0 + 60.0 * (day % 3) as f64 };
    let week = |last: i64, cost: f64| -> Vec<Line> {
        (last - 99..=last).map(|day| spent(day, if day == last { cost } else { usual(day) })).collect()
    };
    assert_eq!(severity(&found(&week(7, 200.0), 7)), "page");
}

#[test]
fn a_job_of_every_month_wakes_somebody_once() {
    // The tenth of September, of October and of November.
    let jobs = [(-52, 400.0), (-22, 390.0), (9, 420.0)];
    assert_eq!(severity(&found(&unless(-52, &jobs), -52)), "page");
    for day in [-22, 9] {
        assert_eq!(severity(&found(&unless(day, &jobs), day)), "note", "{day}");
    }
}

#[test]
fn a_monday_after_a_bridge_day_is_compared_with_mondays() {
    let last = 8;
    let cost = |day: i64| match day.rem_euclid(7) {
        0 | 6 => None,
        _ if day >= last - 4 && day < last => Some(25.0),
        _ => Some(100.0 + (day % 5) as f64),
    };
    let lines: Vec<Line> = (last - 99..=last).filter_map(|day| cost(day).map(|cost| spent(day, cost))).collect();
    assert_eq!(found(&lines, last), [("returned".to_string(), "note".to_string())]);
}

#[test]
fn fees_before_the_first_use_make_nothing_new() {
    let tax = on(-17, nova().text("line_item_line_item_type", "Tax").cost(12.0));
    let lines = [tax, spent(0, 500.0), spent(1, 510.0)];
    assert_eq!(found(&lines[..2], 0), []);
    // Where somebody used something, it is.
    let other = on(-17, nova().cost(5.0).tag("resourceTags/Workload", "search"));
    assert_eq!(found(&[other, spent(0, 500.0)], 0), [("new".to_string(), "warn".to_string())]);
}

#[test]
fn a_model_that_takes_over_is_noted_and_one_on_top_is_told() {
    let of = |old: f64, new: f64| {
        let line = |day: i64, model: &'static str, cost: f64| {
            let usage_type =
                if model == "Nova Pro" { "USE1-NovaPro-input-tokens" } else { "USE1-NovaLite-input-tokens" };
            let line = nova().text("line_item_usage_type", usage_type).product("model", model);
            on(day, line.cost(cost).tag("resourceTags/Workload", "checkout"))
        };
        let mut lines: Vec<Line> = (-90..5).map(|day| line(day, "Nova Lite", 100.0 + (day % 3) as f64)).collect();
        lines.extend([line(5, "Nova Lite", old), line(5, "Nova Pro", new)]);
        let found = found(&lines, 5);
        found.iter().map(|(rule, severity)| format!("{rule} {severity}")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(of(1.0, 101.0), "new_model note");
    assert!(of(100.0, 45.0).ends_with("warn"), "{}", of(100.0, 45.0));
}

#[test]
fn a_ramp_outgrows_the_weeks_before_it_and_is_not_made_of_some_dear_days() {
    let rules = |cost: &dyn Fn(i64) -> f64| {
        let lines: Vec<Line> = (-98..=13).map(|day| spent(day, cost(day))).collect();
        let listed = listed(&lines, 13);
        let rules = listed.iter().filter_map(|finding| finding["rules"].as_array()).flatten();
        rules.map(|rule| rule.as_str().unwrap_or_default().to_string()).collect::<Vec<String>>()
    };
    let uneven = |day: i64| [1.0, 1.03, 0.98][day.rem_euclid(3) as usize];
    // Three weeks, each half again above the one before.
    let weeks = |day: i64| (day + 8).max(0) as f64 / 7.0;
    assert!(rules(&|day| 100.0 * uneven(day) * 1.5_f64.powf(weeks(day))).contains(&"ramp".into()));
    // A growth of a seventh a week, as in all the weeks before.
    assert_eq!(rules(&|day| 10.0 * uneven(day) * 1.15_f64.powf((day + 98) as f64 / 7.0)), [""; 0]);
    // Ordinary days, each a little below the one before, of which some in the last two weeks were dear.
    let dear = |day: i64| match day {
        3 => 500.0,
        9 | 10 => 800.0,
        12 | 13 => 140.0,
        _ => 100.0 - 0.1 * day as f64,
    };
    let found = rules(&dear);
    assert!(!found.contains(&"ramp".into()), "{found:?}");
}

#[test]
fn dearer_tokens_on_a_cheap_day_wait_for_the_morning() {
    let bought = |day: i64, tokens: f64, cost: f64| {
        let line = nova().number("line_item_usage_amount", tokens).cost(cost);
        on(day, line.tag("resourceTags/Workload", "checkout"))
    };
    let of = |tokens: f64, cost: f64| {
        let uneven = |day: i64| 1.0 + 0.01 * day.rem_euclid(3) as f64;
        let usual = (-90..5).map(|day| bought(day, 10_000.0 * uneven(day), 1_000.0 * uneven(day)));
        let lines: Vec<Line> = usual.chain([bought(5, tokens, cost)]).collect();
        found(&lines, 5)
    };
    let told = |rule: &str, severity: &str| vec![(rule.to_string(), severity.to_string())];
    assert_eq!(of(5_000.0, 900.0), told("cost_per_token", "warn"), "no more than usual");
    assert_eq!(of(6_000.0, 1_100.0), told("cost_per_token", "page"), "more than usual");
}
