//! Unknown strings: what the reader met in any stored period and could not place.

use super::stored::Stored;
use super::{Check, counted};
use crate::normalise::trust::{Sums, Tallies, Tally, Trust};
use crate::report::words;

const UPDATE: &str = "update billtag, or report the strings so that its tables learn them";

/// Looks at all stored periods together.
pub(super) fn look(stored: &Stored) -> Vec<Check> {
    if stored.records.is_empty() {
        return Vec::new();
    }
    let mut all = Trust::default();
    let mut metric_models: std::collections::BTreeMap<&str, i64> = std::collections::BTreeMap::new();
    for record in &stored.records {
        all.merge(record.trust.clone());
        for (model, tokens) in &record.trust.unknown_metric_models {
            *metric_models.entry(model).or_default() += tokens;
        }
    }
    let kinds: [(&str, &Tallies, &str); 6] = [
        ("unknown usage types", &all.unknown_usage_types, "their cost is kept, their kind is not known"),
        ("unknown units", &all.unknown_units, "their quantities are as billed"),
        ("unknown models", &all.unknown_models, "their cost is kept, their tier is not known"),
        ("unknown line types", &all.unknown_line_types, "they are kept as adjustments"),
        ("unknown product codes", &all.unknown_codes, "they are taken as Bedrock's"),
        ("doubtful units", &all.unit_doubts, "their cost per token is beyond belief"),
    ];
    let mut checks: Vec<Check> =
        kinds.iter().filter_map(|(what, tallies, then)| unknown(what, tallies, then)).collect();
    if let Some((largest, tokens)) = metric_models.iter().max_by_key(|(_, tokens)| **tokens) {
        let found = format!(
            "{} with {} tokens at most: {largest}; their tokens meet no line",
            counted(metric_models.len(), "name", "names"),
            words::grouped(i128::from(*tokens))
        );
        let fix = "publish model ids, or names as the bill has them, in the metrics' model dimension";
        checks.push(Check::warning("metrics of unknown models", "all periods", found, fix));
    }
    if checks.is_empty() {
        let found = "every usage type, unit, model, line type and product code is known";
        checks.push(Check::ok("unknown strings", "all periods", found));
    }
    checks
}

fn unknown(what: &str, tallies: &Tallies, then: &str) -> Option<Check> {
    // Of several currencies the size alone is compared, to choose a name.
    let size = |tally: &Tally| tally.cost.0.values().map(|sum| sum.abs()).max().unwrap_or(0);
    let (largest, _) = tallies.iter().max_by_key(|(name, tally)| (size(tally), std::cmp::Reverse(*name)))?;
    let mut cost = Sums::default();
    tallies.values().for_each(|tally| cost.merge(&tally.cost));
    let lines: u64 = tallies.values().map(|tally| tally.lines).sum();
    let cost: Vec<String> =
        cost.0.iter().map(|(currency, sum)| format!("{} {}", words::amount(*sum), words::currency(currency))).collect();
    let found = format!(
        "{} on {}, {}: {largest}{}; {then}",
        counted(tallies.len(), "string", "strings"),
        counted(usize::try_from(lines).unwrap_or(usize::MAX), "line", "lines"),
        cost.join(", "),
        if tallies.len() > 1 { " is the largest" } else { "" },
    );
    Some(Check::warning(what, "all periods", found, UPDATE))
}
