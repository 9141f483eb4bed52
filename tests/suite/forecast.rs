//! Trend, forecast, budgets and showback, held against the queries, the bill and what came.

use std::collections::BTreeMap;

use billtag::clock;
use billtag::metrics::Range;
use billtag::money;
use billtag::report::forecast::{backtest, forecasts};
use serde_json::Value;

use crate::bills::{self, Line, NOVEMBER, batch, nova};
use crate::harness;
use crate::world::labelled;

fn json(folder: &std::path::Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&harness::stdout(folder, &[arguments, &["--format", "json"]].concat())).expect("JSON")
}

fn units(value: &Value) -> i128 {
    money::from_decimal_text(value.as_str().expect("an amount")).expect("an amount")
}

#[test]
fn the_trend_is_what_the_query_by_workload_says() {
    let (engine, config) = harness::engine(harness::ingested(), Range::default());
    let query = engine.run_named("spend_by_workload", &config).expect("an answer");
    let forecasts = forecasts(&engine, &[]).expect("forecasts");
    assert_eq!(forecasts.len(), 1);
    let forecast = &forecasts[0];
    assert_eq!((forecast.month.as_str(), forecast.state, forecast.days), ("2026-11", "open", 21));
    let amount = |month: &str, allocation: &str, workload: &str, column: &str| {
        let is = |row: &&Vec<billtag::metrics::Cell>| {
            query.text(row, "month") == month
                && query.text(row, "allocation") == allocation
                && query.text(row, "workload") == workload
        };
        query.rows.iter().find(is).and_then(|row| query.amount(row, column)).unwrap_or(0)
    };
    for (owner, outcome) in &forecast.workloads {
        let of = |month: &str, column: &str| amount(month, owner.allocation, &owner.workload, column);
        assert_eq!(outcome.to_date, of("2026-11", "cost_same_days"), "{owner:?}");
        assert_eq!(outcome.billed, of("2026-11", "cost"), "{owner:?}");
        for (month, before) in forecast.months_before.iter().zip(outcome.before) {
            assert_eq!(before, Some(of(month, "cost_same_days")), "{owner:?} {month}");
        }
        let end = outcome.end.expect("complete days");
        assert!(end.low <= end.middle && end.middle <= end.high && end.low >= outcome.billed, "{owner:?} {end:?}");
    }
    let sum = |of: &dyn Fn(&billtag::report::forecast::Outcome) -> i128| {
        forecast.workloads.iter().map(|(_, outcome)| of(outcome)).sum::<i128>()
    };
    assert_eq!(sum(&|outcome| outcome.billed), forecast.total.billed);
    assert_eq!(sum(&|outcome| outcome.to_date), forecast.total.to_date);
}

#[test]
fn on_the_first_days_the_closing_month_leads_and_what_is_over_is_as_billed() {
    let report = json(harness::ingested(), &["forecast", "--as-of", "2026-11-02T12:00:00Z"]);
    let months: Vec<&str> =
        report["forecast"].as_array().expect("rows").iter().map(|row| row["month"].as_str().unwrap_or("")).collect();
    assert_eq!(months, ["2026-10", "2026-11"]);
    let october = &report["forecast"][0];
    assert_eq!(october["state"], "final");
    for name in ["forecast_low", "forecast", "forecast_high", "forecast_without_incidents"] {
        assert_eq!(october[name], october["billed"], "{name}");
    }
    let report = json(harness::ingested(), &["forecast", "--as-of", "2026-11-04T12:00:00Z"]);
    assert_eq!(report["forecast"][0]["month"], "2026-11");
    assert_eq!(report["forecast"].as_array().map(Vec::len), Some(1));
}

#[test]
fn past_month_ends_lie_in_the_interval_as_often_as_it_says() {
    let (mut totals, mut workloads) = ((0, 0), (0, 0));
    // What the model was tuned on are other seeds. Eighteen month ends of six bills say little of the total by themselves.
    for seed in 401..=406 {
        let folder = tempfile::tempdir().expect("a folder");
        labelled::write(folder.path(), seed, 60).expect("a world");
        harness::ingest_folder(folder.path());
        let (engine, _) = harness::engine(folder.path(), Range::default());
        for coverage in backtest::backtest(&engine).expect("judged").iter().filter(|one| one.days == "all") {
            let sum = if coverage.of == "total" { &mut totals } else { &mut workloads };
            *sum = (sum.0 + coverage.inside, sum.1 + coverage.forecasts);
        }
    }
    for (what, (inside, all)) in [("total", totals), ("workloads", workloads)] {
        let share = inside as f64 / all as f64;
        assert!((share - 0.8).abs() <= 0.05, "{what}: {share:.3} of {all}");
    }
}

/// Sixty days of a dollar and more a day, one workload of a team, and a fee by the month.
fn steady() -> Vec<Line> {
    let day = |at: i64| {
        let mut line = nova().cost(1.25).tag("resourceTags/Workload", "w").tag("resourceTags/Team", "search");
        line.start = NOVEMBER + (at - 31) * clock::DAY;
        line.end = line.start + clock::DAY;
        line
    };
    (0..31 + 20).map(day).collect()
}

fn world(config: &str) -> tempfile::TempDir {
    let folder = bills::world(&batch(&steady()));
    let config = format!("as_of = \"2026-11-21T06:00:00Z\"\n[[bill]]\npath = \"bill\"\n{config}");
    std::fs::write(folder.path().join("billtag.toml"), config).expect("a config");
    bills::ingest(folder.path());
    folder
}

#[test]
fn a_steady_month_ends_where_it_goes_and_budgets_say_when_they_are_crossed() {
    let folder = world(
        "[[budget]]\namount = 30\n[[budget]]\nteam = \"search\"\namount = \"10.5\"\n[[budget]]\nworkload = \"w\"\namount = 100\n",
    );
    let report = json(folder.path(), &["forecast"]);
    assert_eq!(report["forecast"][0]["forecast"], "37.5");
    assert_eq!(report["forecast"][0]["to_date"], "25");
    assert_eq!(report["forecast"][0]["previous_1"], "25");
    assert_eq!(report["forecast"][0]["previous_2"], Value::Null);
    let budgets = report["budgets"].as_array().expect("rows");
    let said =
        |at: usize| ["scope", "state", "crossed_on"].map(|name| budgets[at][name].as_str().unwrap_or("").to_string());
    assert_eq!(said(0), ["team search", "crossed", "2026-11-09"]);
    assert_eq!(said(1), ["all", "will be crossed", "2026-11-25"]);
    assert_eq!(said(2), ["workload w", "within", ""]);
    let code = |arguments: &[&str]| harness::billtag(folder.path(), arguments).status.code();
    assert_eq!(code(&["forecast"]), Some(0));
    assert_eq!(code(&["forecast", "--fail-on-findings"]), Some(3));
    assert!(harness::stdout(folder.path(), &["report"]).contains("was crossed on 2026-11-09"));
    for format in ["md", "html"] {
        assert_eq!(code(&["report", "--format", format, "--fail-on-findings"]), Some(3), "{format}");
    }
}

#[test]
fn what_is_open_is_left_out_of_the_end_without_incidents_and_never_of_what_is_billed() {
    let mut lines = steady();
    // The last six days burn.
    for line in lines.iter_mut().skip(31 + 14) {
        *line = line.clone().cost(125.0);
    }
    let folder = bills::world(&batch(&lines));
    let config = "as_of = \"2026-11-21T06:00:00Z\"\n[[bill]]\npath = \"bill\"\n";
    std::fs::write(folder.path().join("billtag.toml"), config).expect("a config");
    bills::ingest(folder.path());
    let of = |name: &str| units(&json(folder.path(), &["forecast"])["forecast"][0][name]);
    // Before anybody looked nothing is known to be open.
    assert_eq!(of("forecast_without_incidents"), of("forecast"));
    harness::stdout(folder.path(), &["alert", "-q"]);
    let report = json(folder.path(), &["forecast"]);
    let workload = report["forecast_by_workload"].as_array().expect("rows").iter().find(|row| row["workload"] == "w");
    assert_eq!(workload.expect("the workload")["incidents"], 1);
    let billed = 14 * 5 * money::ONE / 4 + 6 * 125 * money::ONE;
    assert_eq!(of("billed"), billed);
    // Ten days at a dollar and a quarter are to come if it ends now, and more if it goes on.
    assert_eq!(of("forecast_without_incidents"), billed + 10 * 5 * money::ONE / 4);
    assert!(of("forecast") > of("forecast_without_incidents") && of("forecast_high") >= of("forecast"));
    harness::stdout(folder.path(), &["incidents", "resolve", "w"]);
    assert_eq!(of("forecast_without_incidents"), of("forecast"));
}

#[test]
fn a_budget_may_be_an_accounts_a_cost_centers_or_one_months() {
    let account = harness::sql(
        harness::ingested(),
        "select sub_account_id, sum(billed_cost) as cost from cost_daily where billing_period = '2026-10' \
         and billing_currency = 'USD' group by 1 order by 1",
    );
    let center = harness::sql(
        harness::ingested(),
        "select cost_center, sum(billed_cost) as cost from cost_daily where billing_period = '2026-10' \
         and billing_currency = 'USD' and cost_center is not null group by 1 order by 1",
    );
    let folder = harness::fixtures();
    let file = folder.path().join("billtag.toml");
    let own = std::fs::read_to_string(&file).expect("a config");
    let budget =
        |key: &str, value: &str| format!("[[budget]]\namount = 1000000\nmonth = \"2026-10\"\n{key} = \"{value}\"\n");
    let accounts = account.rows.iter().map(|row| budget("account", &account.text(row, "sub_account_id")));
    let centers = center.rows.iter().map(|row| budget("cost_center", &center.text(row, "cost_center")));
    let budgets: Vec<String> = accounts.chain(centers).collect();
    std::fs::write(&file, format!("{own}\n{}", budgets.concat())).expect("written");
    harness::ingest_folder(folder.path());
    let report = json(folder.path(), &["forecast"]);
    let rows = report["budgets"].as_array().expect("rows");
    let spent = |scope: &str| {
        let row = rows.iter().find(|row| row["scope"] == scope && row["month"] == "2026-10");
        units(&row.unwrap_or_else(|| panic!("{scope}: {rows:?}"))["spent"])
    };
    assert!(account.rows.len() > 1 && center.rows.len() > 1);
    for (grid, column, word) in [(&account, "sub_account_id", "account"), (&center, "cost_center", "cost center")] {
        for row in &grid.rows {
            let scope = format!("{word} {}", grid.text(row, column));
            assert_eq!(Some(spent(&scope)), grid.amount(row, "cost"), "{scope}");
        }
    }
}

#[test]
fn a_budget_of_nothing_that_is_stored_is_unknown_and_said() {
    let folder = world(
        "[[budget]]\namount = 5\nteam = \"serch\"\n[[budget]]\namount = 5\ncurrency = \"EUR\"\n\
         [[budget]]\namount = 5\nmonth = \"2026-05\"\n",
    );
    let report = json(folder.path(), &["forecast"]);
    for row in report["budgets"].as_array().expect("rows") {
        assert_eq!(
            (&row["state"], &row["spent"], &row["left"]),
            (&"unknown".into(), &Value::Null, &Value::Null),
            "{row}"
        );
    }
    assert_eq!(report["notes"].as_array().map(Vec::len), Some(3));
    assert!(report["notes"][0].as_str().is_some_and(|note| note.contains("check its name")));
}

#[test]
fn on_the_first_days_a_budget_is_of_the_closing_month_and_of_the_open_one() {
    let folder = world("[[budget]]\namount = 30\n");
    let report = json(folder.path(), &["forecast", "--as-of", "2026-11-02T12:00:00Z"]);
    let months: Vec<&Value> = report["budgets"].as_array().expect("rows").iter().map(|row| &row["month"]).collect();
    assert!(months.contains(&&"2026-10".into()) && months.contains(&&"2026-11".into()), "{report}");
}

#[test]
fn budgets_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for (budget, says) in [
        ("amount = 0", "not above zero"),
        ("amount = 1\nteam = \"a\"\nworkload = \"b\"", "for several at once"),
        ("amount = 1\nmonth = \"November\"", "is no month"),
        ("amount = 1\nmonth = \"2026-9\"", "is no month"),
        ("amount = 1\ncurrency = \"usd\"", "is no currency"),
        ("amount = 1\nteem = \"a\"", "teem"),
    ] {
        bills::configure(folder.path(), &format!("[[budget]]\n{budget}\n"));
        let text = harness::failure(folder.path(), &["forecast"]);
        assert!(text.starts_with("exit 2\n") && text.contains(says), "{text}");
    }
}

#[test]
fn showback_is_the_bill_whatever_the_policies() {
    for (policy, shared) in [("keep", "keep"), ("pro_rata", "keep"), ("keep", "pro_rata"), ("pro_rata", "pro_rata")] {
        let folder = harness::fixtures();
        let file = folder.path().join("billtag.toml");
        let config = std::fs::read_to_string(&file).expect("a config");
        std::fs::write(
            &file,
            format!("{config}\n[showback]\nunattributed = \"{policy}\"\n[shared]\npolicy = \"{shared}\"\n"),
        )
        .expect("written");
        harness::ingest_folder(folder.path());
        let bill = harness::sql(
            folder.path(),
            "select billing_currency, sum(billed_cost) as cost from cost_daily where billing_period = '2026-11' group by 1",
        );
        let text = harness::stdout(folder.path(), &["showback", "--month", "2026-11", "--format", "csv"]);
        let mut sums: BTreeMap<String, i128> = BTreeMap::new();
        let mut left = 0;
        for row in csv::Reader::from_reader(text.as_bytes()).deserialize() {
            let row: BTreeMap<String, String> = row.expect("a row");
            let cost = money::from_decimal_text(&row["cost"]).expect("an amount");
            *sums.entry(row["billing_currency"].clone()).or_default() += cost;
            left += if row["allocation"] == "unattributed" { cost } else { 0 };
            assert_eq!((row["unattributed_policy"].as_str(), row["shared_policy"].as_str()), (policy, shared));
        }
        assert!(!sums.is_empty());
        for row in &bill.rows {
            assert_eq!(sums.get(&bill.text(row, "billing_currency")).copied(), bill.amount(row, "cost"));
        }
        assert_eq!(left == 0, policy == "pro_rata", "{left}");
        let shown = json(folder.path(), &["showback"]);
        let is_total = |row: &&Value| row["team"] == "total" && row["billing_currency"] == "USD";
        let total = shown["showback"].as_array().expect("rows").iter().find(is_total).expect("a total");
        assert_eq!(units(&total["cost"]), sums["USD"]);
        assert!(shown["notes"][0].as_str().is_some_and(|note| note.contains(&format!("unattributed = \"{policy}\""))));
    }
    let text = harness::failure(harness::ingested(), &["showback", "--to", "2026-11-05"]);
    assert!(text.starts_with("exit 2\n") && text.contains("--month"), "{text}");
    let text = harness::failure(harness::ingested(), &["showback", "--month", "2020-01"]);
    assert!(text.starts_with("exit 2\n") && text.contains("stored are 2026-08"), "{text}");
}
