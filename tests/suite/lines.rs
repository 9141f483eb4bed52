//! Lines: what is read without SQL, or of a part of the rows, says what SQL says of all of them.

use std::collections::BTreeMap;
use std::path::Path;

use billtag::clock;
use billtag::config::Config;
use billtag::metrics::queries::Query;
use billtag::metrics::{Cell, Engine, Grid, Keep, Lines, Part, Range, Rows, Wanted};
use billtag::schema::Table;
use proptest::prelude::*;

use crate::harness;
use crate::world::{Shape, World};

fn sorted(grid: &Grid, is_wanted: impl Fn(&Vec<Cell>) -> bool) -> Vec<String> {
    let mut rows: Vec<String> = grid.rows.iter().filter(|row| is_wanted(row)).map(|row| format!("{row:?}")).collect();
    rows.sort();
    rows
}

/// The rows of an answer that are of some days, in any order.
fn of_days(grid: &Grid, range: Range) -> Vec<String> {
    sorted(grid, |row| {
        let day = grid.day(row, "day");
        day.is_some_and(|day| range.from.is_none_or(|from| day >= from) && range.to.is_none_or(|to| day <= to))
    })
}

/// Sums of a table by day, workload and currency.
fn sums(lines: &Lines, amount: &str) -> BTreeMap<(i32, String, String), i128> {
    let [workload, currency] = lines.columns(["workload", "billing_currency"]);
    let mut sums = BTreeMap::new();
    for (row, day) in lines.days().iter().enumerate() {
        let [workload, currency] = [workload, currency].map(|at| lines.cell(row, at).as_text().to_string());
        *sums.entry((*day, workload, currency)).or_insert(0) += lines.amounts(amount).of(row).unwrap_or(0);
    }
    sums
}

fn must_say_the_same(engine: &Engine, config: &Config) {
    let days: Vec<i32> = engine.days.iter().map(|day| day.day).collect();
    let (first, last) = (days[0], days[days.len() - 1]);
    let all = engine.run_named("anomalies", config).expect("anomalies");
    assert_eq!(sorted(&engine.anomalies(config, None).expect("all"), |_| true), sorted(&all, |_| true));
    for from in [first, first + 1, first + 20, first + 33, last - 8, last] {
        let part = engine.anomalies(config, Some(from)).expect("a part");
        let within = Range { from: Some(from), to: None };
        assert_eq!(sorted(&part, |_| true), of_days(&all, within), "{}", clock::day_text(from));
    }
    let month = clock::month_of(last);
    for name in ["bill_identity", "allocation_coverage", "attribution_methods"] {
        let all = engine.run_named(name, config).expect("all");
        let part = engine.run_named_part(name, config, Part::Billed(&month, &month)).expect("a part");
        assert_eq!(sorted(&part, |_| true), sorted(&all, |row| all.text(row, "month") == month), "{name}");
    }
    let within = Range { from: clock::month_range(&month).map(|(first, _)| first), to: Some(last - 1) };
    for name in
        ["daily_spend", "spend_by_model_tier", "haiku_sonnet_ratio", "cache_hit_rate", "cost_per_query", "token_volume"]
    {
        let all = engine.run_named(name, config).expect("all");
        let part = engine.figure(name, config, within).expect("a part").into_grid();
        assert_eq!(of_days(&part, within), of_days(&all, within), "{name}");
    }
    for (table, day) in [(Table::CostDaily, "day"), (Table::CostFacts, "cast(charge_period_start as date)")] {
        let keep = [
            Keep::Days(&days[days.len() / 2..]),
            Keep::OneOf("charge_category", &["Usage"]),
            Keep::NoneOf("grain", &["month"]),
        ];
        let columns = &["day", "workload", "billing_currency", "unblended_cost"];
        let lines = engine.lines(Wanted { table, columns, keep: &keep }).expect("lines");
        let sql = format!(
            "select {day} as day, workload, billing_currency, sum(unblended_cost) as cost from {} \
             where charge_category = 'Usage' and grain <> 'month' group by {day}, workload, billing_currency",
            table.name()
        );
        let grid = engine.run(&Query { name: "sums".into(), sql }).expect("sums");
        let expected =
            grid.rows.iter().filter(|row| grid.day(row, "day").is_some_and(|day| day >= days[days.len() / 2]));
        let expected: BTreeMap<_, _> = expected
            .map(|row| {
                let key =
                    (grid.day(row, "day").unwrap_or(0), grid.text(row, "workload"), grid.text(row, "billing_currency"));
                (key, grid.amount(row, "cost").unwrap_or(0))
            })
            .filter(|((day, ..), _)| *day <= last)
            .collect();
        assert_eq!(sums(&lines, "unblended_cost"), expected, "{}", table.name());
        assert_eq!(sums(&lines.summed("unblended_cost"), "unblended_cost"), expected, "{}", table.name());
    }
    let daily = engine.daily().expect("daily");
    assert_eq!(
        daily.height(),
        engine.answer(&Query { name: "all".into(), sql: "select day from cost_daily".into() }).expect("rows").height()
    );
}

fn must_say_the_same_in(folder: &Path) {
    let (engine, config) = harness::engine(folder, Range::default());
    must_say_the_same(&engine, &config);
}

#[test]
fn a_part_of_the_rows_says_what_all_of_them_say() {
    must_say_the_same_in(harness::ingested());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_any_world_a_part_of_the_rows_says_what_all_of_them_say(
        seed in any::<u64>(),
        workloads in 1_u32..14,
        with_principals: bool,
        currencies in 1_u32..3,
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let shape = Shape { with_principals, currencies, ..Shape::small(3, workloads) };
        World::generate(seed, &shape).write(folder.path()).expect("written");
        harness::ingest_folder(folder.path());
        must_say_the_same_in(folder.path());
    }
}

#[test]
fn a_file_whose_sums_are_not_the_records_breaks_the_law_whoever_reads_it() {
    let folder = harness::fixtures();
    harness::ingest_folder(folder.path());
    let daily = |period: &str| {
        let folder = folder.path().join(format!(".billtag/cost_daily/billing_period={period}"));
        let mut files = std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
        files.next().expect("a file")
    };
    std::fs::copy(daily("2026-09"), daily("2026-10")).expect("copied");
    for arguments in [&["report"][..], &["alert", "--dry-run"], &["forecast"], &["query", "daily_spend"]] {
        let error = harness::failure(folder.path(), arguments);
        assert!(error.contains("2026-10") && error.contains("the stored record"), "{arguments:?} {error}");
    }
}
