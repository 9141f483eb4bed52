//! Learn: what the fast clock needs of the bill, read once whenever the store has changed: rates, usual hours, whose
//! profiles there are, who has used what of late, and how far estimates were from the bill.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::backtest::{self, Band};
use super::rates::Bought;
use super::usual::{Usual, WEEKS};
use crate::alert::scope::Scope;
use crate::attribute::demand::{KnownProfile, profile_id};
use crate::clock::{DAY, HOUR};
use crate::error::Result;
use crate::facts::record::Regions;
use crate::facts::store::hash;
use crate::metrics::queries::Query;
use crate::metrics::{Answer, Engine, Rows, Value};
use crate::money::ONE;

/// Complete days whose prices are learned from: list prices and discounts change seldom, and old ones mislead.
pub const RATE_DAYS: i32 = 14;
/// Complete days by which suspects are named.
const SUSPECT_DAYS: i32 = 7;
/// Complete days of usual hours.
const HOUR_DAYS: i32 = (WEEKS * 7) as i32;

/// What real-time metrics see: tokens of calls that are no batch jobs.
pub(super) const REAL_TIME: &str = "charge_category = 'Usage' and grain <> 'month' and consumed_unit = 'tokens' \
    and usage_kind in ('input', 'output', 'cache_read', 'cache_write') \
    and coalesce(pricing_model, 'on_demand') in ('on_demand', 'priority', 'flex', 'latency_optimized')";

/// Everything that is learned.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// What it was learned from: the records of the store, and the last complete day.
    pub from: String,
    /// The last complete day, day number.
    pub last: i32,
    /// Stored days up to it.
    pub days: i32,
    /// Sums that rates are the quotients of.
    pub bought: Vec<Bought>,
    /// By scope and currency: usual hours.
    pub usual: Vec<(Scope, String, Usual)>,
    /// Application inference profiles.
    pub profiles: Vec<KnownProfile>,
    /// By account, region and model: who has used it.
    pub suspects: Vec<Suspects>,
    /// By workload: team, environment, cost center, and the evidence that named it.
    pub owners: BTreeMap<String, [String; 4]>,
    /// How far estimates were from the bill.
    pub band: Band,
    /// Accounts and regions of the bill.
    pub regions: Regions,
}

/// Who has used an account's model in a region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suspects {
    /// Account, region and model.
    pub cell: [String; 3],
    /// Names with their shares, largest first.
    pub shares: Vec<(String, f64)>,
}

/// What the store is known by.
pub fn state_of(engine: &Engine) -> String {
    let records = engine.records.iter().map(|record| format!("{} {:?}", record.period, record.files));
    let text = records.collect::<Vec<_>>().join("\n");
    hash(format!("3 {:?} {text}", engine.last_complete_day()).as_bytes())
}

/// Learns from a store.
///
/// # Errors
/// Where the store cannot be read.
pub fn learn(engine: &Engine) -> Result<Learned> {
    let mut regions = Regions::new();
    for (account, of_account) in engine.records.iter().flat_map(|record| &record.regions) {
        regions.entry(account.clone()).or_default().extend(of_account.iter().cloned());
    }
    let Some(last) = engine.last_complete_day() else {
        return Ok(Learned { from: state_of(engine), regions, ..Learned::default() });
    };
    let by_day = bought_by_day(engine, last)?;
    Ok(Learned {
        from: state_of(engine),
        last,
        days: last - engine.days.first().map_or(last, |first| first.day) + 1,
        bought: bought(&by_day, last),
        usual: usual(engine, last)?,
        profiles: profiles(engine, last)?,
        suspects: suspects(engine, last)?,
        owners: owners(engine, last)?,
        band: backtest::band(engine, last, &by_day)?,
        regions,
    })
}

/// What a query answers of the last so many days.
pub(super) fn ask(engine: &Engine, name: &str, sql: &str, last: i32, days: i32) -> Result<Answer> {
    let first = engine.days.first().map_or(last, |first| first.day).max(last - days + 1);
    let days: Vec<i32> = (first..=last).collect();
    let sql = sql.replace("REAL_TIME", REAL_TIME);
    engine.answer_over(&Query { name: name.into(), sql }, &days)
}

/// Sums by day of what rates are learned from, in order of the days.
fn bought_by_day(engine: &Engine, last: i32) -> Result<Vec<(i32, Bought)>> {
    const SQL: &str = "\
        with lines as (select day, sub_account_id, region_id, model_name, model_tier, routing, usage_kind, \
        billing_currency, unblended_cost, consumed_quantity from cost_daily where REAL_TIME \
        and day in (select day from asked_days)) \
        select day, sub_account_id, region_id, model_name, model_tier, routing, usage_kind, billing_currency, \
        sum(unblended_cost) as cost, sum(consumed_quantity) as tokens from lines \
        group by day, sub_account_id, region_id, model_name, model_tier, routing, usage_kind, billing_currency";
    let answer = ask(engine, "fast rates", SQL, last, backtest::DAYS + RATE_DAYS)?;
    let texts = answer.columns([
        "sub_account_id",
        "region_id",
        "model_name",
        "model_tier",
        "routing",
        "usage_kind",
        "billing_currency",
    ]);
    let [day, cost, tokens] = answer.columns(["day", "cost", "tokens"]);
    let mut bought = Vec::with_capacity(answer.height());
    for row in 0..answer.height() {
        let Some(day) = answer.cell(row, day).day() else { continue };
        let [account, region, model, tier, routing, kind, currency] =
            texts.map(|at| answer.cell(row, at).as_text().to_string());
        let amount = |at| answer.cell(row, at).amount().unwrap_or(0);
        let (cost, tokens) = (amount(cost), amount(tokens));
        bought.push((day, Bought { account, region, model, tier, routing, kind, currency, cost, tokens }));
    }
    bought.sort_by_key(|(day, _)| *day);
    Ok(bought)
}

/// What the last days bought, all of them together.
fn bought(by_day: &[(i32, Bought)], last: i32) -> Vec<Bought> {
    let lately = &by_day[by_day.partition_point(|(day, _)| *day <= last - RATE_DAYS)..];
    let mut sums: BTreeMap<[&str; 7], Bought> = BTreeMap::new();
    for (_, one) in lately {
        let key = [&one.account, &one.region, &one.model, &one.routing, &one.kind, &one.currency, &one.tier];
        let sum = sums.entry(key.map(String::as_str)).or_insert_with(|| Bought { cost: 0, tokens: 0, ..one.clone() });
        (sum.cost, sum.tokens) = (sum.cost + one.cost, sum.tokens + one.tokens);
    }
    sums.into_values().filter(|bought| bought.tokens > 0 && bought.cost > 0).collect()
}

/// Usual hours of workloads, and of what AWS's own series measure: account, region, model.
fn usual(engine: &Engine, last: i32) -> Result<Vec<(Scope, String, Usual)>> {
    const SQL: &str = "\
        with lines as (select charge_period_start, cast(charge_period_start as date) as day, workload, \
        sub_account_id, region_id, model_name, billing_currency, grain, unblended_cost from cost_facts \
        where REAL_TIME and cast(charge_period_start as date) in (select day from asked_days)) \
        select charge_period_start, workload, sub_account_id, region_id, model_name, billing_currency, grain, \
        sum(unblended_cost) as cost from lines \
        group by charge_period_start, workload, sub_account_id, region_id, model_name, billing_currency, grain";
    let answer = ask(engine, "fast hours", SQL, last, HOUR_DAYS)?;
    let [time, workload, currency, grain, cost] =
        answer.columns(["charge_period_start", "workload", "billing_currency", "grain", "cost"]);
    let place = answer.columns(["sub_account_id", "region_id", "model_name"]);
    let first = engine.days.first().map_or(last, |first| first.day).max(last - HOUR_DAYS + 1);
    let (begin, end) = (i64::from(first) * DAY, i64::from(last + 1) * DAY);
    let hours = ((end - begin) / HOUR) as usize;
    let mut costs: BTreeMap<(Named<'_>, &str), Vec<f64>> = BTreeMap::new();
    for row in 0..answer.height() {
        let Value::Time(micros) = answer.cell(row, time) else { continue };
        let Ok(at) = usize::try_from((micros.div_euclid(1_000_000) - begin) / HOUR) else { continue };
        let text = |at| answer.cell(row, at).as_text();
        let cost = answer.cell(row, cost).amount().unwrap_or(0) as f64 / ONE as f64;
        // A daily line says nothing of hours: each has the same part of it.
        let (span, cost) = if text(grain) == "day" { (24, cost / 24.0) } else { (1, cost) };
        let [account, region, model] = place.map(text);
        let cell = Named::Cell(account, region, model);
        let own = match answer.cell(row, workload) {
            Value::Text(name) => Some(Named::Workload(name)),
            _ => None,
        };
        for name in [Some(cell), own].into_iter().flatten() {
            let series = costs.entry((name, text(currency))).or_insert_with(|| vec![0.0; hours]);
            series.iter_mut().skip(at).take(span).for_each(|hour| *hour += cost);
        }
    }
    Ok(costs
        .into_iter()
        .map(|((name, currency), costs)| {
            // Before a scope's first hour it was not there.
            let begun = costs.iter().position(|cost| *cost > 0.0).unwrap_or(0) / 24 * 24;
            (name.scope(), currency.to_string(), Usual::of(&costs[begun..], end))
        })
        .collect())
}

/// A scope as rows name it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Named<'a> {
    Workload(&'a str),
    Cell(&'a str, &'a str, &'a str),
}

impl Named<'_> {
    fn scope(self) -> Scope {
        match self {
            Self::Workload(name) => Scope::Workload(name.into()),
            Self::Cell(account, region, model) => Scope::Cell(account.into(), region.into(), model.into()),
        }
    }
}

/// Profiles of the bill with their models and owners: of several those that cost most.
fn profiles(engine: &Engine, last: i32) -> Result<Vec<KnownProfile>> {
    const SQL: &str = "\
        with lines as (select resource_id, sub_account_id, publisher_name, model_name, model_tier, workload, team, \
        environment, cost_center, unblended_cost from cost_facts where REAL_TIME \
        and resource_id like '%:application-inference-profile/%' \
        and cast(charge_period_start as date) in (select day from asked_days)) \
        select resource_id, sub_account_id, publisher_name, model_name, model_tier, workload, team, environment, \
        cost_center, sum(unblended_cost) as cost from lines group by resource_id, sub_account_id, publisher_name, \
        model_name, model_tier, workload, team, environment, cost_center";
    let answer = ask(engine, "fast profiles", SQL, last, RATE_DAYS)?;
    let texts = answer.columns([
        "resource_id",
        "sub_account_id",
        "publisher_name",
        "model_name",
        "model_tier",
        "workload",
        "team",
        "environment",
        "cost_center",
    ]);
    let cost = answer.column("cost");
    let mut best: BTreeMap<[String; 2], (i128, KnownProfile)> = BTreeMap::new();
    for row in 0..answer.height() {
        let [resource, account, publisher, model, tier, workload, team, environment, cost_center] =
            texts.map(|at| answer.cell(row, at).as_text().to_string());
        let Some(id) = profile_id(&resource).map(String::from) else { continue };
        let cost = answer.cell(row, cost).amount().unwrap_or(0);
        let profile = KnownProfile {
            account: account.clone(),
            id: id.clone(),
            model: [publisher, model, tier],
            owner: [workload, team, environment, cost_center],
        };
        let held = best.entry([account, id]).or_insert_with(|| (cost, profile.clone()));
        if (cost, &profile.owner) > (held.0, &held.1.owner) {
            *held = (cost, profile);
        }
    }
    Ok(best.into_values().map(|(_, profile)| profile).collect())
}

/// Who has used each cell: workloads by name, and what nobody owns by its role.
fn suspects(engine: &Engine, last: i32) -> Result<Vec<Suspects>> {
    const SQL: &str = "\
        with lines as (select sub_account_id, region_id, model_name, workload, principal_arn, unblended_cost \
        from cost_facts where REAL_TIME and cast(charge_period_start as date) in (select day from asked_days)) \
        select sub_account_id, region_id, model_name, workload, principal_arn, sum(unblended_cost) as cost \
        from lines group by sub_account_id, region_id, model_name, workload, principal_arn";
    /// Suspects that are named.
    const NAMED: usize = 5;
    let answer = ask(engine, "fast suspects", SQL, last, SUSPECT_DAYS)?;
    let place = answer.columns(["sub_account_id", "region_id", "model_name"]);
    let [workload, principal, cost] = answer.columns(["workload", "principal_arn", "cost"]);
    let mut cells: BTreeMap<[String; 3], BTreeMap<String, i128>> = BTreeMap::new();
    for row in 0..answer.height() {
        let text = |at| answer.cell(row, at).as_text();
        let name = match (text(workload), crate::attribute::principal::without_session(text(principal))) {
            ("", "") => "unattributed".to_string(),
            ("", role) => format!("unattributed, {role}"),
            (workload, _) => workload.to_string(),
        };
        let cell = cells.entry(place.map(|at| text(at).to_string())).or_default();
        *cell.entry(name).or_default() += answer.cell(row, cost).amount().unwrap_or(0);
    }
    let shares = |names: BTreeMap<String, i128>| {
        let whole: i128 = names.values().sum();
        let mut shares: Vec<(String, i128)> = names.into_iter().filter(|(_, cost)| *cost > 0).collect();
        shares.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        shares.truncate(NAMED);
        shares.into_iter().map(|(name, cost)| (name, cost as f64 / whole.max(1) as f64)).collect()
    };
    Ok(cells.into_iter().map(|(cell, names)| Suspects { cell, shares: shares(names) }).collect())
}

/// Who owns each workload, as most of its cost says.
fn owners(engine: &Engine, last: i32) -> Result<BTreeMap<String, [String; 4]>> {
    const SQL: &str = "\
        with lines as (select workload, team, environment, cost_center, attribution_method, unblended_cost \
        from cost_daily where charge_category = 'Usage' and workload is not null \
        and day in (select day from asked_days)) \
        select workload, team, environment, cost_center, attribution_method, sum(unblended_cost) as cost \
        from lines group by workload, team, environment, cost_center, attribution_method";
    let answer = ask(engine, "fast owners", SQL, last, RATE_DAYS)?;
    let texts = answer.columns(["workload", "team", "environment", "cost_center", "attribution_method"]);
    let cost = answer.column("cost");
    let mut best: BTreeMap<String, (i128, [String; 4])> = BTreeMap::new();
    for row in 0..answer.height() {
        let [workload, owner @ ..] = texts.map(|at| answer.cell(row, at).as_text().to_string());
        let found = (answer.cell(row, cost).amount().unwrap_or(0), owner);
        let held = best.entry(workload).or_insert_with(|| found.clone());
        if found > *held {
            *held = found;
        }
    }
    Ok(best.into_iter().map(|(workload, (_, owner))| (workload, owner)).collect())
}
