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

/// What is listed of the last day of some lines: rule and severity. The bill reaches to its end.
fn found(lines: &[Line], last: i64) -> Vec<(String, String)> {
    let until = on(last + 1, nova().text("line_item_product_code", "AmazonEC2").cost(0.0));
    let folder = bills::world(&batch(&[lines, &[until]].concat()));
    harness::ingest_folder(folder.path());
    let day = billtag::clock::day_text((NOVEMBER / DAY + last) as i32);
    let text = harness::stdout(folder.path(), &["alert", "--from", &day, "--format", "json"]);
    let found: Vec<Value> = serde_json::from_str(&text).expect("an array");
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_string();
    found.iter().map(|finding| (text(finding, "rule"), text(finding, "severity"))).collect()
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
