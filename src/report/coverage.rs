//! Metric coverage: of the accounts that used models, how many CloudWatch measured, and how much cost that is.

use std::collections::{BTreeMap, BTreeSet};

use super::words;
use crate::config::Config;
use crate::error::Result;
use crate::metrics::queries::Query;
use crate::metrics::{Engine, Part};

/// Real-time metrics do not see batch jobs, so their cost asks for none.
const COST: &str = "\
    select billing_period, sub_account_id, billing_currency, sum(unblended_cost) as cost from cost_daily \
    where charge_category = 'Usage' and usage_kind in ('input', 'output', 'cache_read', 'cache_write') \
    and coalesce(pricing_model, '') <> 'batch' group by 1, 2, 3";
const MEASURED: &str = "select distinct billing_period, sub_account_id from usage where scope = 'native'";

/// The strip's value and detail for a month; nothing where no metrics are configured or no tokens billed.
pub fn of_month(engine: &Engine, config: &Config, month: &str) -> Result<Option<(String, String)>> {
    if config.metrics.is_empty() {
        return Ok(None);
    }
    let part = Part::Billed(month, month);
    let run = |name: &str, sql: &str| engine.run_part(&Query { name: name.into(), sql: sql.into() }, part);
    let (cost, measured) = (run("token cost by account", COST)?, run("measured accounts", MEASURED)?);
    let of_month =
        |grid: &crate::metrics::Grid, row: &[crate::metrics::Cell]| grid.text(row, "billing_period") == month;
    let measured: BTreeSet<String> = measured
        .rows
        .iter()
        .filter(|row| of_month(&measured, row))
        .map(|row| measured.text(row, "sub_account_id"))
        .collect();
    let mut accounts = BTreeSet::new();
    // By currency: the cost of measured accounts, and of all.
    let mut sums: BTreeMap<String, (i128, i128)> = BTreeMap::new();
    for row in cost.rows.iter().filter(|row| of_month(&cost, row)) {
        let account = cost.text(row, "sub_account_id");
        let amount = cost.amount(row, "cost").unwrap_or(0);
        let sum = sums.entry(cost.text(row, "billing_currency")).or_default();
        sum.0 += if measured.contains(&account) { amount } else { 0 };
        sum.1 += amount;
        accounts.insert(account);
    }
    if accounts.is_empty() {
        return Ok(None);
    }
    let shares: Vec<String> = sums
        .iter()
        .filter_map(|(currency, (part, whole))| {
            let share = words::percent(words::share(*part, *whole)?);
            Some(format!("{share} of {} {}", words::amount(*whole), words::currency(currency)))
        })
        .collect();
    let count = accounts.intersection(&measured).count();
    let value = format!("{count} of {} accounts", accounts.len());
    Ok(Some((value, format!("with real-time tokens are measured by CloudWatch; {}", shares.join(", ")))))
}
