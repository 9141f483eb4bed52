//! The facts against what the generator knows of its own world, to the last unit.

use std::collections::BTreeMap;
use std::path::Path;

use crate::harness;
use crate::world::{Shape, World};

type Amounts = [i128; 3];

const KEYS: [&str; 13] = [
    "billing_period",
    "billing_currency",
    "day",
    "sub_account_id",
    "region_id",
    "model_name",
    "usage_kind",
    "charge_category",
    "workload",
    "team",
    "environment",
    "cost_center",
    "attribution_method",
];

/// The facts of a folder's store by everything that the truth speaks of.
pub fn stored(folder: &Path) -> BTreeMap<Vec<String>, Amounts> {
    let columns = KEYS.map(|key| match key {
        "day" => "cast(charge_period_start as date) as day",
        key => key,
    });
    let group: Vec<String> = (1..=KEYS.len()).map(|at| at.to_string()).collect();
    let grid = harness::sql(
        folder,
        &format!(
            "select {}, sum(billed_cost) as billed_cost, sum(unblended_cost) as unblended_cost, \
             sum(consumed_quantity) as consumed_quantity from cost_facts group by {}",
            columns.join(", "),
            group.join(", ")
        ),
    );
    let mut facts = BTreeMap::new();
    for row in &grid.rows {
        let key: Vec<String> = KEYS.iter().map(|key| grid.text(row, key)).collect();
        let amount = |name| grid.amount(row, name).unwrap_or(0);
        facts.insert(key, [amount("billed_cost"), amount("unblended_cost"), amount("consumed_quantity")]);
    }
    facts
}

/// The truth as the generator writes it.
pub fn known(folder: &Path) -> BTreeMap<Vec<String>, Amounts> {
    let mut reader = csv::Reader::from_path(folder.join("truth/facts.csv")).expect("the truth");
    let mut facts = BTreeMap::new();
    for record in reader.records() {
        let record = record.expect("a record");
        let key: Vec<String> = record.iter().take(KEYS.len()).map(String::from).collect();
        let amount = |at: usize| record[KEYS.len() + at].parse::<i128>().expect("a whole number");
        facts.insert(key, [amount(0), amount(1), amount(2)]);
    }
    facts
}

/// Fails on the first difference, naming it.
pub fn assert_equal(stored: &BTreeMap<Vec<String>, Amounts>, known: &BTreeMap<Vec<String>, Amounts>) {
    for key in known.keys().chain(stored.keys()) {
        assert_eq!(stored.get(key), known.get(key), "{key:?}");
    }
}

#[test]
fn facts_equal_the_generators_own_truth_to_the_last_unit() {
    let folder = tempfile::tempdir().expect("a folder");
    World::generate(2026, &Shape::fixtures()).write(folder.path()).expect("written");
    harness::ingest_folder(folder.path());
    let (stored, known) = (stored(folder.path()), known(folder.path()));
    assert!(known.len() > 10_000, "the world is not empty");
    assert_equal(&stored, &known);
}

#[test]
fn the_committed_fixtures_are_what_the_generator_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    World::generate(2026, &Shape::fixtures()).write(folder.path()).expect("written");
    for part in ["cur2", "legacy", "cloudwatch"] {
        let written = harness::bytes_below(&folder.path().join(part));
        let committed = harness::bytes_below(&harness::root().join("fixtures").join(part));
        let names =
            |files: &[(std::path::PathBuf, Vec<u8>)]| files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
        assert_eq!(names(&written), names(&committed), "{part}: run `cargo run --example fixtures`");
        for ((path, written), (_, committed)) in written.iter().zip(&committed) {
            assert!(written == committed, "{}: run `cargo run --example fixtures`", path.display());
        }
    }
}

#[test]
fn the_planned_incidents_are_found_and_nothing_else() {
    let (engine, config) = harness::engine(harness::ingested(), billtag::metrics::Range::default());
    let grid = engine.run_named("anomalies", &config).expect("anomalies");
    let mut found: Vec<String> = grid
        .rows
        .iter()
        .map(|row| {
            let rule = grid.text(row, "rule");
            let rule = if rule == "R1" { "ratio".to_string() } else { rule };
            format!("{} {} {rule}", grid.text(row, "day"), grid.text(row, "workload"))
        })
        .collect();
    found.sort();
    let mut reader = csv::Reader::from_path(harness::root().join("fixtures/truth/anomalies.csv")).expect("the truth");
    let mut planned: Vec<String> = reader
        .records()
        .map(|record| record.expect("a record"))
        .map(|record| format!("{} {} {}", &record[0], &record[1], &record[2]))
        .collect();
    planned.sort();
    assert!(!planned.is_empty());
    assert_eq!(found, planned);
}

#[test]
fn measured_usage_equals_the_generators_count() {
    let grid = harness::sql(
        harness::ingested(),
        "select billing_period, sub_account_id, region_id, source, scope, model_id, workload, team, environment, cost_center, \
         sum(invocations) as invocations, sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens, \
         sum(cache_read_tokens) as cache_read_tokens, sum(cache_write_tokens) as cache_write_tokens \
         from usage group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10",
    );
    let keys = [
        "billing_period",
        "sub_account_id",
        "region_id",
        "source",
        "scope",
        "model_id",
        "workload",
        "team",
        "environment",
        "cost_center",
    ];
    let measures = ["invocations", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"];
    let line = |text: &dyn Fn(&str) -> String| {
        keys.iter().chain(&measures).map(|name| text(name)).collect::<Vec<_>>().join(",")
    };
    let mut found: Vec<String> = grid.rows.iter().map(|row| line(&|name| grid.text(row, name))).collect();
    found.sort();
    let mut reader = csv::Reader::from_path(harness::root().join("fixtures/truth/usage.csv")).expect("the truth");
    let headers = reader.headers().expect("headers").clone();
    let mut known: Vec<String> = reader
        .records()
        .map(|record| record.expect("a record"))
        .map(|record| {
            line(&|name| {
                let at = headers.iter().position(|header| header == name).expect("a column");
                record[at].to_string()
            })
        })
        .collect();
    known.sort();
    assert_eq!(found, known);
}

#[test]
fn no_unit_of_the_fixtures_is_in_doubt() {
    let store = billtag::facts::store::Store::new(harness::ingested().join(".billtag"));
    for record in store.records().expect("records") {
        assert!(record.trust.unit_doubts.is_empty(), "{}: {:?}", record.period, record.trust.unit_doubts);
    }
}
