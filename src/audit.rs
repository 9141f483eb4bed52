//! Audit: what spends without a name, ranked by money, with the fix.
//!
//! Each dollar of Usage and Purchase is judged once, on the best carrier it has: its own resource if
//! that can be tagged, else its principal, else its account. The last seven complete days are judged,
//! or those from `--from` on, so that a fix shows at once; the month stands beside them, and what was
//! fixed since is listed.

mod fix;
mod gather;
mod judge;
mod show;

use std::collections::BTreeMap;

use hashbrown::HashSet;

pub use judge::{Judge, State};
pub use show::{document, faults, grid};

use crate::clock;
use crate::config::{Config, OWNER_NAMES};
use crate::error::Result;
use crate::metrics::queries::Query;
use crate::metrics::{Engine, Rows};

/// Days that are judged, unless others are asked for.
const WINDOW: i32 = 7;

/// What can carry tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    /// The line's own resource.
    Resource,
    /// The calling principal.
    Principal,
    /// The account.
    Account,
}

impl Carrier {
    /// Its name in the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Principal => "principal",
            Self::Account => "account",
        }
    }
}

/// One thing that pays, and how it is tagged.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// What it is.
    pub carrier: Carrier,
    /// ARN or account id.
    pub id: String,
    /// Account.
    pub account: String,
    /// Currency of the amounts.
    pub currency: String,
    /// Billed cost of the judged days, units of 1e-10.
    pub cost: i128,
    /// Of that, with every required tag right.
    pub compliant: i128,
    /// Billed cost of the month so far.
    pub month_cost: i128,
    /// Of that, with every required tag right.
    pub month_compliant: i128,
    /// Cost on its last day that is not compliant: what is still to mend.
    pub open: i128,
    /// Cost of the judged days and the month that is not compliant.
    pub wrong: i128,
    /// State of each owner key on its last day, in the order of [`OWNER_NAMES`].
    pub states: [State; OWNER_NAMES.len()],
    /// Models billed, by name.
    pub models: Vec<String>,
    /// Whom the facts name as its owner, by whatever evidence.
    pub owner: [String; 4],
    /// The command that mends it.
    pub fix: String,
}

impl Item {
    /// Whether every dollar of its last day had every required tag right.
    pub fn is_compliant(&self) -> bool {
        self.open == 0 && self.states.iter().all(State::is_right)
    }

    /// Whether it was wrong in the judged days or the month and is right now.
    pub fn is_fixed(&self) -> bool {
        self.is_compliant() && self.wrong != 0
    }
}

/// The audit of a store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Audit {
    /// First and last judged day.
    pub window: Option<(i32, i32)>,
    /// Everything that pays, by currency the most uncompliant money first.
    pub items: Vec<Item>,
}

impl Audit {
    /// Whether anything that pays now lacks a required tag.
    pub fn has_findings(&self) -> bool {
        self.items.iter().any(|item| item.cost != 0 && !item.is_compliant())
    }

    /// Cost and compliant cost of the judged days, by currency.
    pub fn totals(&self) -> BTreeMap<&str, (i128, i128)> {
        let mut totals: BTreeMap<&str, (i128, i128)> = BTreeMap::new();
        for item in &self.items {
            let total = totals.entry(&item.currency).or_default();
            total.0 += item.cost;
            total.1 += item.compliant;
        }
        totals
    }
}

/// Judges the last complete days of the store, from a day of one's own where one is asked for.
pub fn audit(engine: &Engine, config: &Config, from: Option<i32>) -> Result<Audit> {
    let Some(last) = engine.last_complete_day() else { return Ok(Audit::default()) };
    let first = from.unwrap_or(last - WINDOW + 1);
    if first > last {
        return Ok(Audit::default());
    }
    let month = clock::month_range(&clock::month_of(last)).map_or(first, |(first, _)| first);
    let days: Vec<i32> = (first.min(month)..=last).collect();
    let lines = engine.answer_over(&Query { name: "audit".into(), sql: SQL.into() }, &days)?;
    let tags = lines.column("tags");
    let sets: HashSet<&str> = (0..lines.height()).map(|row| lines.cell(row, tags).as_text()).collect();
    let judge = Judge::new(config, sets.into_iter());
    let mut items = gather::items(&lines, &judge, &gather::Span { first, month });
    items.sort_by(|a, b| {
        let debt = |item: &Item| item.cost - item.compliant;
        (&a.currency, debt(b), b.cost, &a.id).cmp(&(&b.currency, debt(a), a.cost, &b.id))
    });
    Ok(Audit { window: Some((first, last)), items })
}

const SQL: &str = "\
    select cast(charge_period_start as date) as day, sub_account_id, resource_id, principal_arn, tags, \
    attribution_evidence, workload, team, environment, cost_center, model_name, billing_currency, \
    billed_cost as cost from cost_facts \
    where charge_category in ('Usage', 'Purchase') \
    and cast(charge_period_start as date) in (select day from asked_days)";
