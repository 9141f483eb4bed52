//! Every query over the fixtures, held against a result that somebody has read.

use billtag::cli::Format;
use billtag::metrics::Range;
use billtag::metrics::queries::BUILT_IN;
use billtag::report::render;

use crate::harness;

#[test]
fn every_query_gives_the_known_answer_over_the_fixtures() {
    let day = |text: &str| billtag::clock::day_of(billtag::clock::parse(text).expect("a day"));
    for (name, _) in BUILT_IN {
        // By-day figures are shown for the last days, months and incidents in full.
        let by_day = !matches!(*name, "anomalies")
            && !name.starts_with("spend_by_w")
            && !name.starts_with("spend_by_t")
            && !matches!(
                *name,
                "bill_identity" | "attribution_methods" | "allocation_coverage" | "spend_by_cost_center"
            );
        let from = by_day.then(|| day("2026-11-20"));
        let (engine, config) = harness::engine(harness::ingested(), Range { from, to: None });
        let answer = engine.run_named(name, &config).expect(name);
        assert!(!answer.rows.is_empty(), "{name} answers nothing");
        let text = render::answer(&answer, Format::Csv, None).expect("CSV");
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("query_{name}"), text);
        });
    }
}

#[test]
fn tier_shares_of_a_workloads_day_sum_to_one() {
    let (engine, config) = harness::engine(harness::ingested(), Range::default());
    let grid = engine.run_named("spend_by_model_tier", &config).expect("tiers");
    let mut sums = std::collections::BTreeMap::<String, f64>::new();
    for row in &grid.rows {
        let key = ["day", "workload", "allocation", "billing_currency"].map(|name| grid.text(row, name)).join(" ");
        if let Some(share) = grid.float(row, "share_of_cost") {
            *sums.entry(key).or_default() += share;
        }
    }
    assert!(!sums.is_empty());
    for (key, sum) in sums {
        assert!((sum - 1.0).abs() < 1e-9, "{key}: {sum}");
    }
}

#[test]
fn a_users_own_folder_of_queries_comes_first() {
    let folder = harness::fixtures();
    harness::ingest_folder(folder.path());
    std::fs::create_dir(folder.path().join("mine")).expect("a folder");
    std::fs::write(folder.path().join("mine/anomalies.sql"), "select count(*) as rows from cost_daily")
        .expect("written");
    let config = folder.path().join("billtag.toml");
    let text = std::fs::read_to_string(&config).expect("the config");
    std::fs::write(&config, format!("{text}\n[queries]\npath = \"mine\"\n")).expect("written");
    let out = harness::stdout(folder.path(), &["query", "anomalies", "--format", "json"]);
    assert!(out.contains("\"rows\""), "{out}");
}
