//! Showback: a month's bill by team and cost center. Every row is exact, and all rows together are the bill; this is
//! asserted before anything is shown.
//!
//! What has neither team nor cost center is a row of its own, or, with `[showback] unattributed = "pro_rata"`, is
//! spread over the rows that have one, in proportion to their cost in the same currency: largest remainders, ties to
//! the smaller name, so that no unit is lost. Where no row has spent, it stays where it is. What nobody can own (tax,
//! credits, refunds and discounts) follows `[shared] policy`, by which facts are made.

use std::collections::BTreeMap;

use super::document::{column, money, text};
use super::{Document, Look, Table, forecast, words};
use crate::clock;
use crate::config::{Config, SharedPolicy};
use crate::error::{Breach, Error, Result};
use crate::metrics::queries::Query;
use crate::metrics::{Cell, Engine, Grid, Rows, Value};
use crate::money;
use crate::schema::AMOUNTS;

const SPENT: &str = "\
-- cost: billed_cost
with lines as (select billing_period, team, cost_center, billing_currency, billed_cost, \
case when coalesce(attribution_method, '') = 'not_allocable' then 1 else 0 end as is_not_allocable from cost_daily) \
select billing_period, team, cost_center, billing_currency, is_not_allocable, sum(billed_cost) as cost from lines \
group by billing_period, team, cost_center, billing_currency, is_not_allocable";

/// What stands where one of team and cost center is not known.
const UNASSIGNED: &str = "unassigned";

/// Whose row it is: allocation, team, cost center. Those who are named come first.
type Owner = (Allocation, String, String);

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Allocation {
    /// Somebody's.
    Allocated,
    /// Nobody's that is known.
    Unattributed,
    /// Nobody's at all.
    NotAllocable,
}

impl Allocation {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allocated => "allocated",
            Self::Unattributed => "unattributed",
            Self::NotAllocable => "not_allocable",
        }
    }
}

/// A team's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Currency.
    pub currency: String,
    /// What it is.
    pub allocation: Allocation,
    /// Team.
    pub team: String,
    /// Cost center.
    pub cost_center: String,
    /// What is its own, units of 1e-10; unknown where no line of it has the cost that is asked for.
    pub own: Option<i128>,
    /// What was spread onto it, or, with a minus, taken from it.
    pub spread: i128,
}

impl Row {
    /// What it is shown.
    pub fn cost(&self) -> Option<i128> {
        known_cost(self.own, self.spread)
    }
}

fn known_cost(own: Option<i128>, spread: i128) -> Option<i128> {
    own.map(|own| own + spread).or((spread != 0).then_some(spread))
}

/// A month's bill by team and cost center.
#[derive(Debug, Clone)]
pub struct Showback {
    /// The month.
    pub month: String,
    /// `open`, `closing` or `final`.
    pub state: &'static str,
    /// The cost basis, in words.
    pub basis: String,
    /// What happens to what nobody is known to have spent.
    pub unattributed: SharedPolicy,
    /// What happens to what nobody can own.
    pub shared: SharedPolicy,
    /// By currency; those who are named first.
    pub rows: Vec<Row>,
    /// The bill by currency.
    pub bill: BTreeMap<String, i128>,
}

/// A month's showback; of the leading month where none is named.
///
/// # Errors
/// Where the month is not stored, the store cannot be read, or the rows are not the bill.
pub fn showback(engine: &Engine, config: &Config, month: Option<&str>) -> Result<Showback> {
    let month = match month {
        Some(month) => month.to_string(),
        None => forecast::leading(engine).into_iter().next().unwrap_or_default(),
    };
    let Some(record) = engine.records.iter().find(|record| record.period == month) else {
        let stored: Vec<&str> = engine.records.iter().map(|record| record.period.as_str()).collect();
        let what = if clock::month_range(&month).is_some() { "this month is not stored" } else { "this is no month" };
        return Err(Error::config(format!("--month {month}"), what, format!("stored are {}", stored.join(", "))));
    };
    let unattributed = config.showback.unattributed;
    let mut rows = Vec::new();
    for (currency, owners) in spent(engine, &month)? {
        rows.extend(rows_of(&currency, owners, unattributed));
    }
    let column = engine.cost.as_deref().unwrap_or("billed_cost");
    let at = AMOUNTS.iter().position(|name| *name == column).unwrap_or(crate::normalise::BILLED);
    let bill = record.totals.by_currency(at);
    must_be(&bill, &rows, &month, AMOUNTS[at])?;
    let state = super::trust::period_state(record, engine.as_of);
    let basis = engine.basis("billed_cost");
    Ok(Showback { month, state, basis, unattributed, shared: config.shared.policy, rows, bill })
}

fn spent(engine: &Engine, wanted: &str) -> Result<BTreeMap<String, BTreeMap<Owner, Option<i128>>>> {
    let answer = engine.answer(&Query { name: "showback".into(), sql: SPENT.into() })?;
    let [month, team, center, currency] = answer.columns(["billing_period", "team", "cost_center", "billing_currency"]);
    let [not_allocable, cost] = answer.columns(["is_not_allocable", "cost"]);
    let mut spent: BTreeMap<String, BTreeMap<Owner, Option<i128>>> = BTreeMap::new();
    for row in (0..answer.height()).filter(|row| answer.cell(*row, month).as_text() == wanted) {
        let named = |at| Some(answer.cell(row, at).as_text()).filter(|name| !name.is_empty());
        let owner = match (named(team), named(center)) {
            (None, None) if answer.cell(row, not_allocable) == Value::Count(1) => nobody(Allocation::NotAllocable),
            (None, None) => nobody(Allocation::Unattributed),
            (team, center) => {
                let name = |name: Option<&str>| name.unwrap_or(UNASSIGNED).to_string();
                (Allocation::Allocated, name(team), name(center))
            }
        };
        let owners = spent.entry(answer.cell(row, currency).shown().into_owned()).or_default();
        let held = owners.entry(owner).or_default();
        if let Some(units) = answer.cell(row, cost).amount() {
            *held = Some(held.unwrap_or(0) + units);
        }
    }
    Ok(spent)
}

fn nobody(allocation: Allocation) -> Owner {
    (allocation, allocation.as_str().to_string(), allocation.as_str().to_string())
}

fn rows_of(currency: &str, owners: BTreeMap<Owner, Option<i128>>, policy: SharedPolicy) -> Vec<Row> {
    let shares: Vec<(&Owner, i128)> = owners
        .iter()
        .filter(|(owner, _)| owner.0 == Allocation::Allocated)
        .filter_map(|(owner, cost)| Some((owner, (*cost)?)))
        .collect();
    let nameless = owners.get(&nobody(Allocation::Unattributed)).copied().flatten().unwrap_or(0);
    let parts = if policy == SharedPolicy::ProRata { money::split(nameless, &shares) } else { None };
    let mut spread: BTreeMap<&Owner, i128> = BTreeMap::new();
    if let Some(parts) = &parts {
        spread.extend(shares.iter().map(|(owner, _)| *owner).zip(parts.iter().copied()));
    }
    let row = |(owner, own): (&Owner, &Option<i128>)| {
        let (allocation, team, cost_center) = owner.clone();
        let is_spread = allocation == Allocation::Unattributed && parts.is_some();
        let spread = if is_spread { -own.unwrap_or(0) } else { spread.get(owner).copied().unwrap_or(0) };
        Row { currency: currency.to_string(), allocation, team, cost_center, own: *own, spread }
    };
    owners.iter().map(row).collect()
}

/// The rows are the bill, in each currency.
fn must_be(bill: &BTreeMap<String, i128>, rows: &[Row], month: &str, column: &'static str) -> Result<()> {
    let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
    for row in rows {
        *sums.entry(&row.currency).or_default() += row.cost().unwrap_or(0);
    }
    for currency in bill.keys().map(String::as_str).chain(sums.keys().copied()) {
        let expected = bill.get(currency).copied().unwrap_or(0);
        let found = sums.get(currency).copied().unwrap_or(0);
        if expected != found {
            return Err(Error::Conservation(Box::new(Breach {
                period: format!("{month}, currency {currency}"),
                column,
                from: "the bill",
                to: "showback",
                expected: money::to_text(expected),
                found: money::to_text(found),
                difference: money::to_text(found - expected),
            })));
        }
    }
    Ok(())
}

fn word(policy: SharedPolicy) -> &'static str {
    match policy {
        SharedPolicy::Keep => "keep",
        SharedPolicy::ProRata => "pro_rata",
    }
}

/// What happens to what has no owner, in words.
pub fn policies(shown: &Showback) -> [String; 2] {
    let unattributed = match shown.unattributed {
        SharedPolicy::Keep => "is a row of its own",
        SharedPolicy::ProRata => "is spread over the teams of the same currency, in proportion to their own cost",
    };
    let shared = match shown.shared {
        SharedPolicy::Keep => "are a row of their own",
        SharedPolicy::ProRata => {
            "are spread over the usage of the same account, else payer, and are in the teams' own cost"
        }
    };
    [
        format!(
            "What nobody is known to have spent {unattributed} ([showback] unattributed = \"{}\").",
            word(shown.unattributed)
        ),
        format!("Tax, credits, refunds and discounts {shared} ([shared] policy = \"{}\").", word(shown.shared)),
    ]
}

/// Showback for people.
pub fn document(shown: &Showback) -> Document {
    let title = format!("Showback, {} ({}): Amazon Bedrock by team and cost center", shown.month, shown.state);
    let mut document = Document { name: "showback", title, blocks: Vec::new() };
    policies(shown).into_iter().for_each(|sentence| document.say(sentence));
    document.table(table(shown));
    for (currency, sum) in &shown.bill {
        let currency = words::currency(currency);
        document.say(format!(
            "{}: the rows are the bill, {} {currency} ({}{}).",
            shown.month,
            money::to_text(*sum),
            shown.basis,
            words::of_known(&shown.basis)
        ));
    }
    document
}

fn or_unknown(units: Option<i128>) -> Cell {
    units.map_or(Cell::Null, money)
}

/// Rows and, for each currency, their sum.
pub fn table(shown: &Showback) -> Table {
    let columns = vec![
        column("billing_currency", "", Look::Plain),
        column("team", "Team", Look::Plain),
        column("cost_center", "Cost center", Look::Plain),
        column("own_cost", "Own", Look::Money),
        column("spread_cost", "Spread", Look::Change),
        column("cost", "Cost", Look::Money),
        column("share", "of the bill", Look::Percent),
    ];
    let note = format!("{} of all charges of {}{}", shown.basis, shown.month, words::of_known(&shown.basis));
    let mut table = Table::new("showback", "Showback", note, columns);
    let mut push = |currency: &str, [team, center]: [&str; 2], own: Option<i128>, spread: i128, bill: i128| {
        let cost = known_cost(own, spread);
        let share = cost.and_then(|cost| words::share(cost, bill)).map_or(Cell::Null, Cell::Float);
        let currency = text(words::currency(currency));
        table.rows.push(vec![
            currency,
            text(team),
            text(center),
            or_unknown(own),
            money(spread),
            or_unknown(cost),
            share,
        ]);
    };
    for (currency, bill) in &shown.bill {
        let rows = || shown.rows.iter().filter(|row| row.currency == *currency);
        for row in rows() {
            push(currency, [&row.team, &row.cost_center], row.own, row.spread, *bill);
        }
        let own = rows().filter_map(|row| row.own).reduce(|sum, own| sum + own);
        push(currency, ["total", ""], own, rows().map(|row| row.spread).sum(), *bill);
    }
    table
}

/// Rows for programs: no sums among them, and the policies on each.
pub fn grid(shown: &Showback) -> Grid {
    let columns =
        ["month", "state", "billing_currency", "allocation", "team", "cost_center", "own_cost", "spread_cost"];
    let columns = columns.into_iter().chain(["cost", "cost_basis", "unattributed_policy", "shared_policy"]);
    let row = |row: &Row| {
        let mut cells = vec![text(&shown.month), text(shown.state), text(&row.currency), text(row.allocation.as_str())];
        cells.extend([text(&row.team), text(&row.cost_center)]);
        cells.extend([or_unknown(row.own), money(row.spread), or_unknown(row.cost())]);
        cells.extend([text(&shown.basis), text(word(shown.unattributed)), text(word(shown.shared))]);
        cells
    };
    Grid { columns: columns.map(String::from).collect(), rows: shown.rows.iter().map(row).collect() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owner(name: &str) -> Owner {
        (Allocation::Allocated, name.into(), "cc".into())
    }

    proptest! {
        #[test]
        fn whatever_is_spread_the_rows_are_the_bill(
            costs in prop::collection::vec(-10_i128.pow(15)..10_i128.pow(15), 0..8),
            nameless in -10_i128.pow(15)..10_i128.pow(15),
        ) {
            let mut owners: BTreeMap<Owner, Option<i128>> =
                costs.iter().enumerate().map(|(at, cost)| (owner(&at.to_string()), Some(*cost))).collect();
            owners.insert(nobody(Allocation::Unattributed), Some(nameless));
            owners.insert(nobody(Allocation::NotAllocable), Some(7));
            owners.insert(owner("unknown"), None);
            let bill: i128 = owners.values().flatten().sum();
            for policy in [SharedPolicy::Keep, SharedPolicy::ProRata] {
                let rows = rows_of("USD", owners.clone(), policy);
                prop_assert_eq!(rows.iter().filter_map(Row::cost).sum::<i128>(), bill);
                prop_assert_eq!(rows.iter().map(|row| row.spread).sum::<i128>(), 0);
                let unknown = rows.iter().find(|row| row.team == "unknown").expect("a row");
                prop_assert_eq!((unknown.own, unknown.cost()), (None, None));
            }
        }
    }

    #[test]
    fn rows_that_are_not_the_bill_are_refused() {
        let rows = rows_of("USD", BTreeMap::from([(owner("a"), Some(5))]), SharedPolicy::Keep);
        let bill = |units| BTreeMap::from([("USD".to_string(), units)]);
        assert!(must_be(&bill(5), &rows, "2026-11", "billed_cost").is_ok());
        let error = must_be(&bill(6), &rows, "2026-11", "billed_cost").expect_err("differs");
        assert!(error.to_string().contains("-0.0000000001"), "{error}");
    }
}
