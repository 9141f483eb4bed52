//! The store's side: costs, tokens and rates of the asked days, out of the facts.

use std::collections::{BTreeMap, BTreeSet};

use super::rates::Priced;
use super::services::Service;
use super::spend::{BillChange, Cost, Record};
use super::tokens::{Billed, Measured, Place, TOKEN_KINDS};
use crate::clock;
use crate::error::Result;
use crate::metrics::queries::Query;
use crate::metrics::{Cell, Engine, Grid};
use crate::money;
use crate::schema::AMOUNTS;

/// What the store knows of the asked days.
#[derive(Debug, Default)]
pub struct Bill {
    /// Costs on the asked basis.
    pub costs: Vec<Cost>,
    /// How periods changed when they were last replaced.
    pub changes: Vec<BillChange>,
    /// Tokens of the bill.
    pub billed: Vec<Billed>,
    /// Tokens of AWS's own metrics.
    pub measured: Vec<Measured>,
    /// Accounts and models that pay for capacity.
    pub capacity: BTreeSet<(String, String)>,
    /// Meters by day, at unblended cost.
    pub priced: Vec<Priced>,
}

const COSTS: &str = "\
    -- cost: unblended_cost\n\
    select cast(charge_period_start as date) as day, billing_entity, service_code, model_name, line_item_type, \
    billing_currency, sum(unblended_cost) as cost from cost_facts \
    where cast(charge_period_start as date) in (select day from asked_days) group by 1, 2, 3, 4, 5, 6";

const TOKENS: &str = "\
    select cast(charge_period_start as date) as day, sub_account_id, region_id, model_name, usage_kind, pricing_model, \
    usage_type, billing_currency, sum(consumed_quantity) as tokens, sum(unblended_cost) as cost from cost_facts \
    where charge_category = 'Usage' and grain <> 'month' and consumed_unit = 'tokens' \
    and usage_kind in ('input', 'output', 'cache_read', 'cache_write') \
    and cast(charge_period_start as date) in (select day from asked_days) group by 1, 2, 3, 4, 5, 6, 7, 8";

const MEASURED: &str = "\
    select cast(charge_period_start as date) as day, sub_account_id, region_id, model_name, model_id, \
    sum(input_tokens) as input, count(input_tokens) as input_count, \
    sum(output_tokens) as output, count(output_tokens) as output_count, \
    sum(cache_read_tokens) as cache_read, count(cache_read_tokens) as cache_read_count, \
    sum(cache_write_tokens) as cache_write, count(cache_write_tokens) as cache_write_count from usage \
    where scope = 'native' and cast(charge_period_start as date) in (select day from asked_days) \
    group by 1, 2, 3, 4, 5";

const CAPACITY: &str = "\
    select sub_account_id, model_name, resource_id from cost_facts \
    where (pricing_model in ('provisioned', 'reserved') or resource_id like '%:imported-model/%') \
    and cast(charge_period_start as date) in (select day from asked_days) group by 1, 2, 3";

/// Reads the asked days, which are in order.
pub fn read(engine: &Engine, days: &[i32]) -> Result<Bill> {
    let run = |sql: &str, days: &[i32]| engine.run_over(&Query { name: "reconcile".into(), sql: sql.into() }, days);
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(Bill::default()) };
    let tokens = run(TOKENS, days)?;
    // Capacity that is paid by the month is dated at the month's first day.
    let month = clock::month_range(&clock::month_of(*first)).map_or(*first, |(first, _)| first);
    let capacity = run(CAPACITY, &(month..=*last).collect::<Vec<_>>())?;
    let resources = resources(&capacity);
    Ok(Bill {
        costs: costs(&run(COSTS, days)?),
        changes: changes(engine),
        billed: tokens.rows.iter().filter_map(|row| billed(&tokens, row)).collect(),
        measured: measured(&run(MEASURED, days)?, &resources),
        capacity: resources.into_values().collect(),
        priced: tokens.rows.iter().filter_map(|row| priced(&tokens, row)).collect(),
    })
}

fn costs(answer: &Grid) -> Vec<Cost> {
    // Tax and credits of a Marketplace product may come without the model that its usage names.
    let text = |row: &[Cell], name: &str| answer.text(row, name);
    let named = answer.rows.iter().filter(|row| !text(row, "model_name").is_empty());
    let models: BTreeMap<String, String> =
        named.map(|row| (text(row, "service_code"), text(row, "model_name"))).collect();
    let cost = |row: &Vec<Cell>| {
        let (code, model) = (text(row, "service_code"), text(row, "model_name"));
        let model = if model.is_empty() { models.get(&code).cloned().unwrap_or_default() } else { model };
        Some(Cost {
            day: answer.day(row, "day")?,
            service: Service::of_line(&text(row, "billing_entity"), &code, &model),
            currency: text(row, "billing_currency"),
            record: Record::of(&text(row, "line_item_type")),
            amount: answer.amount(row, "cost").unwrap_or(0),
        })
    };
    answer.rows.iter().filter_map(cost).collect()
}

/// What each period's sum changed by, where its bill changed.
fn changes(engine: &Engine) -> Vec<BillChange> {
    let basis = engine.cost.as_deref().unwrap_or("unblended_cost");
    let column = AMOUNTS.iter().position(|name| *name == basis).unwrap_or(crate::normalise::UNBLENDED);
    let mut changes = Vec::new();
    for record in &engine.records {
        let Some(change) = record.changed.as_ref().filter(|change| change.causes.iter().any(|cause| cause == "bill"))
        else {
            continue;
        };
        let before = change.before.by_currency(column);
        for (currency, after) in record.totals.by_currency(column) {
            let amount = after - before.get(&currency).copied().unwrap_or(0);
            changes.push(BillChange { period: record.period.clone(), currency, amount });
        }
    }
    changes
}

fn place(answer: &Grid, row: &[Cell], model: String) -> Option<Place> {
    Some(Place {
        day: answer.day(row, "day")?,
        account: answer.text(row, "sub_account_id"),
        region: answer.text(row, "region_id"),
        model,
    })
}

fn kind(answer: &Grid, row: &[Cell]) -> Option<usize> {
    let kind = answer.text(row, "usage_kind");
    TOKEN_KINDS.iter().position(|known| *known == kind)
}

fn tokens(answer: &Grid, row: &[Cell]) -> i128 {
    money::to_whole(answer.amount(row, "tokens").unwrap_or(0))
}

fn billed(answer: &Grid, row: &[Cell]) -> Option<Billed> {
    Some(Billed {
        place: place(answer, row, answer.text(row, "model_name"))?,
        kind: kind(answer, row)?,
        is_batch: answer.text(row, "pricing_model") == "batch",
        tokens: tokens(answer, row),
    })
}

/// Real-time meters; whether batch tokens agree is not known.
fn priced(answer: &Grid, row: &[Cell]) -> Option<Priced> {
    if answer.text(row, "pricing_model") == "batch" {
        return None;
    }
    Some(Priced {
        place: place(answer, row, answer.text(row, "model_name"))?,
        kind: kind(answer, row)?,
        meter: answer.text(row, "usage_type"),
        currency: answer.text(row, "billing_currency"),
        cost: answer.amount(row, "cost").unwrap_or(0),
        tokens: tokens(answer, row),
    })
}

/// Account and model of each capacity, by account and the last part of its ARN, as metrics name it.
fn resources(capacity: &Grid) -> BTreeMap<(String, String), (String, String)> {
    let rows = capacity.rows.iter().map(|row| {
        let account = capacity.text(row, "sub_account_id");
        let resource = capacity.text(row, "resource_id");
        let id = last_part(&resource).to_string();
        let model = capacity.text(row, "model_name");
        // Capacity of a model without a name is found by its own id.
        let model = if model.is_empty() { id.clone() } else { model };
        // A purchase without a resource is still the model's.
        let id = if id.is_empty() { format!("model {model}") } else { id };
        ((account.clone(), id), (account, model))
    });
    rows.collect()
}

fn last_part(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

fn measured(answer: &Grid, resources: &BTreeMap<(String, String), (String, String)>) -> Vec<Measured> {
    let rows = answer.rows.iter().filter_map(|row| {
        let (name, id) = (answer.text(row, "model_name"), answer.text(row, "model_id"));
        let own = (answer.text(row, "sub_account_id"), last_part(&id).to_string());
        let model = match resources.get(&own) {
            Some((_, model)) => model.clone(),
            None if name.is_empty() => id,
            None => name,
        };
        let count = |name: &str| answer.amount(row, name).map(money::to_whole);
        let tokens = TOKEN_KINDS.map(|kind| {
            let points = count(&format!("{kind}_count")).unwrap_or(0);
            count(kind).filter(|_| points > 0)
        });
        Some(Measured { place: place(answer, row, model)?, tokens })
    });
    rows.collect()
}
