//! Coverage: which of the accounts and regions that spend on tokens have metrics that count them.

use std::collections::{BTreeMap, BTreeSet};

use super::stored::Stored;
use super::{Check, Subject, some};
use crate::metrics::Grid;
use crate::report::words;

/// An account and a region.
type Pair = (String, String);

/// Looks at the last month that is over.
pub(super) fn look(subject: &Subject<'_>, stored: &Stored) -> Vec<Check> {
    const WHAT: &str = "metric coverage";
    if subject.config.metrics.is_empty() {
        let found = "no source of metrics is configured: no cost per call, and no owner by measured tokens";
        let fix = "add `[[metrics]]`: files of a metric stream, saved replies, or `api = true`";
        return vec![Check::warning(WHAT, "config", found, fix)];
    }
    let Some((record, is_over)) = stored.month(subject.as_of) else { return Vec::new() };
    let period = record.period.replace('\'', "");
    let Some((spent, measured)) = pairs(stored, &period) else { return Vec::new() };
    let month = if is_over { period } else { format!("{period} so far") };
    let native = |pair: &Pair| measured.contains(&(pair.clone(), "native".to_string()));
    let owner = |pair: &Pair| measured.contains(&(pair.clone(), "owner".to_string()));
    let mut checks = vec![judge(WHAT, &month, &spent, &native)];
    if subject.config.metrics.iter().any(|metrics| metrics.namespace.is_some()) {
        checks.push(owners(judge("owner metrics", &month, &spent, &owner), spent.keys().any(owner)));
    }
    checks
}

/// Metrics of owners are published where callers choose to; none at all is a mistake in the config.
fn owners(check: Check, is_any: bool) -> Check {
    if is_any || check.fix.is_empty() {
        return Check::ok(&check.what, &check.on, check.detail);
    }
    let fix = "check `namespace` and `dimensions` of `[[metrics]]`: only series with exactly these dimensions are read";
    Check { fix: fix.into(), ..check }
}

/// Token cost by account, region and currency, and what was measured where.
type Spent = BTreeMap<Pair, BTreeMap<String, i128>>;

fn pairs(stored: &Stored, period: &str) -> Option<(Spent, BTreeSet<(Pair, String)>)> {
    // Batch jobs show in no metric.
    let costs = stored.ask(&format!(
        "select sub_account_id, region_id, billing_currency, sum(billed_cost) as cost from cost_daily \
         where billing_period = '{period}' and charge_category = 'Usage' and consumed_unit = 'tokens' \
         and coalesce(pricing_model, '') <> 'batch' group by 1, 2, 3"
    ))?;
    let usage = stored.ask(&format!(
        "select distinct sub_account_id, region_id, scope from usage where billing_period = '{period}'"
    ))?;
    let pair = |grid: &Grid, row: &[_]| (grid.text(row, "sub_account_id"), grid.text(row, "region_id"));
    let mut spent = Spent::new();
    for row in &costs.rows {
        let cost = costs.amount(row, "cost").unwrap_or(0);
        let sums = spent.entry(pair(&costs, row)).or_default();
        *sums.entry(costs.text(row, "billing_currency")).or_default() += cost;
    }
    let measured = usage.rows.iter().map(|row| (pair(&usage, row), usage.text(row, "scope")));
    Some((spent, measured.collect()))
}

fn judge(what: &str, month: &str, spent: &Spent, is_measured: &dyn Fn(&Pair) -> bool) -> Check {
    if spent.is_empty() {
        return Check::ok(what, month, "no tokens were billed");
    }
    let (with, without): (Vec<_>, Vec<_>) = spent.iter().partition(|(pair, _)| is_measured(pair));
    let mut sums: BTreeMap<&str, (i128, i128)> = BTreeMap::new();
    for (pair, costs) in spent {
        for (currency, cost) in costs {
            let sum = sums.entry(currency).or_default();
            sum.1 += cost;
            if is_measured(pair) {
                sum.0 += cost;
            }
        }
    }
    let shares: Vec<String> = sums
        .iter()
        .map(|(currency, (part, whole))| {
            let share = words::share(*part, *whole).map_or_else(|| words::UNKNOWN.to_string(), words::percent);
            format!("{share} of {} {}", words::amount(*whole), words::currency(currency))
        })
        .collect();
    let found = format!(
        "{} of {} billed accounts and regions have them, with {} for tokens",
        with.len(),
        spent.len(),
        shares.join(", ")
    );
    if without.is_empty() {
        return Check::ok(what, month, found);
    }
    // Currencies are not added; the largest amount in any puts a pair in its place.
    let size = |costs: &BTreeMap<String, i128>| costs.values().copied().max().unwrap_or(0);
    let mut missing: Vec<(&Pair, i128)> = without.iter().map(|(pair, costs)| (*pair, size(costs))).collect();
    missing.sort_by_key(|(pair, cost)| (std::cmp::Reverse(*cost), (*pair).clone()));
    let missing: Vec<String> = missing.iter().map(|((account, region), _)| format!("{account} {region}")).collect();
    let fix = "add these to a metric stream, or ask CloudWatch with `[[metrics]] api = true`";
    Check::warning(what, month, format!("{found}; none: {}", some(&missing, 4)), fix)
}
