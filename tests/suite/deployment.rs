//! The page about deployment: what can be copied from it works.

use billtag::config::Config;
use serde_json::Value;

use crate::harness;

/// The page's blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let page = std::fs::read_to_string(harness::root().join("docs/deployment.md")).expect("the page");
    let fence = format!("```{language}\n");
    let starts = page.split(&fence).skip(1);
    starts.map(|rest| rest.split("```").next().expect("an end").to_string()).collect()
}

#[test]
fn the_pages_config_loads_and_its_policy_is_the_printed_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("billtag.toml");
    std::fs::write(&file, &blocks("toml")[0]).expect("written");
    Config::load(&file).expect("it loads");
    let printed = harness::stdout(folder.path(), &["iam-policy", "-q", "--with", "doctor"]);
    let json = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    assert_eq!(json(&blocks("json")[0]), json(&printed));
}

#[test]
fn the_pages_sums_are_right() {
    let page = std::fs::read_to_string(harness::root().join("docs/deployment.md")).expect("the page");
    let cents = |dollars: f64| format!("{dollars:.2}");
    let gets = 240_000.0 * 1.84 + 90.0 * 12.0;
    let (gets, puts) = (gets * 0.0004 / 1e3, 90.0 * 35.0 * 0.005 / 1e3);
    let metrics = 90.0 * 200.0 * 0.01 / 1e3;
    for amount in [gets, puts, metrics] {
        assert!(page.contains(&format!("| {} |", cents(amount))), "{amount}");
    }
    // Sums are of the rounded amounts that the reader sees.
    let seen = |amount: f64| (amount * 100.0).round() / 100.0;
    let requests = seen(gets) + seen(puts) + seen(metrics);
    let fargate = 3.0 * 0.04048 + 3.0 * 2.0 * 0.004445;
    let lambda = 90.0 * 120.0 * 2.0 * 0.000_016_666_7;
    for place in [0.0, fargate, lambda, 730.0 * 0.0168] {
        let all = seen(place) + requests;
        let row = format!("| {} | {} | {} |", cents(place), cents(all), cents(all + 0.30));
        assert!(page.contains(&row), "{row} is not on the page");
    }
    assert!(page.contains(&cents(240.0 * 0.48 * 0.045)));
}
