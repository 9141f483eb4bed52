//! Audit: what spends without a name, ranked by money, with the fix.
//!
//! Each dollar of Usage and Purchase is judged once, on the best carrier it has: its own resource or
//! project if that can be tagged, else its principal, else its account; and beside that on each carrier
//! alone. The last seven complete days are judged, or those from `--from` on, so that a fix shows at
//! once; the month stands beside them, and what was fixed since is listed.
//!
//! ```text
//!  facts ──► gather ──► judge (state of each key) ──► items ──► fix, script
//!               ├─────► exempt, findings, owners              note
//!               └─────► cover (by key, team, account, week)   show
//! ```

mod callers;
mod cover;
mod exempt;
mod findings;
mod fix;
mod gather;
mod judge;
mod known;
pub mod note;
mod owners;
pub mod script;
mod shell;
mod show;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use hashbrown::HashSet;

pub use cover::{Cover, Money, Scope};
pub use exempt::Exemptions;
pub use findings::{Finding, Kind};
pub use fix::Fix;
pub use judge::{Judge, States};
pub use known::{Fault, Known};
pub use owners::{Confidence, Likely};
pub use show::{PARTS, document, faults, grid, likely, part};
pub use state::{CARRIERS, Carrier, State, Why};

use callers::Callers;

use crate::attribute::carriers;
use crate::clock;
use crate::config::{Config, OWNER_NAMES};
use crate::error::Result;
use crate::facts::store::Record;
use crate::metrics::{Engine, Keep, Lines, Wanted};
use crate::money;
use crate::schema::Table;

/// Days that are judged, unless others are asked for.
const WINDOW: i32 = 7;

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
    /// Billed cost of the judged days.
    pub days: Money,
    /// Billed cost of the month so far.
    pub month: Money,
    /// Cost on its last day that is not as it should be: what is still to mend.
    pub open: i128,
    /// Cost of the judged days and the month that is not as it should be.
    pub wrong: i128,
    /// State of each owner key on its last day, in the order of [`OWNER_NAMES`].
    pub states: States,
    /// The same on each carrier alone, in the order of [`Carrier::ALL`].
    pub by_carrier: [States; CARRIERS],
    /// Models billed, by name.
    pub models: Vec<String>,
    /// Whether the export has no column for its tags and its principals'.
    pub is_hidden: bool,
    /// The resource that called, where its tags name the owner.
    pub caller: Option<String>,
    /// Whom the facts name as its owner, by whatever evidence.
    pub owner: [String; 4],
    /// What its lines say of each owner key, and whether they agree.
    pub known: [Known; OWNER_NAMES.len()],
    /// Everything that is wrong with it on its last day.
    pub faults: Vec<Fault>,
    /// Who should be asked, where something is wrong.
    pub likely: Option<Likely>,
    /// Of each key, whether an exemption lets it be wrong, which is no pass while another key is.
    pub excused: exempt::Keys,
    /// Why it need not be tagged.
    pub exemption: Option<String>,
    /// What mends it.
    pub fix: Fix,
}

impl Item {
    /// Whether every dollar of its last day had every required tag right.
    pub fn is_compliant(&self) -> bool {
        self.open == 0 && self.states.iter().all(State::is_right)
    }

    /// Whether it costs money that something is wrong.
    pub fn is_debt(&self) -> bool {
        self.is_wrong() && self.days.debt() > 0
    }

    /// Whether something is wrong that no exemption lets pass.
    pub fn is_wrong(&self) -> bool {
        !self.is_compliant() && self.exemption.is_none()
    }

    /// Whether it was wrong in the judged days or the month and is right now.
    pub fn is_fixed(&self) -> bool {
        self.is_compliant() && self.wrong != 0
    }
}

/// What an audit goes by beside facts and config.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// First judged day, where one is asked for.
    pub from: Option<i32>,
    /// Cost allocation tags that AWS named, and whether each is active.
    pub listed_tags: BTreeMap<String, bool>,
    /// What audits before this one found.
    pub note: Option<note::Note>,
    /// Whether the weeks before are looked at too.
    pub with_weeks: bool,
}

/// The audit of a store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Audit {
    /// First and last judged day.
    pub window: Option<(i32, i32)>,
    /// Everything that pays, by currency the most uncompliant money first.
    pub items: Vec<Item>,
    /// What all lines come to.
    pub cover: Cover,
    /// What is found beside tags, by currency the dearest first.
    pub findings: Vec<Finding>,
    /// Cost of which a policy could say nothing, by currency.
    pub unknown: BTreeMap<String, i128>,
    /// Cost of calls whose principal's tags the export has no column for, by currency.
    pub hidden: BTreeMap<String, i128>,
    /// Required keys that are on no line, in any spelling.
    pub unseen: Vec<&'static str>,
    /// What is fixed since the last audit.
    pub mended: Vec<note::Mended>,
    /// Fingerprint of the rules that it judged by.
    pub rules: String,
}

impl Audit {
    /// Whether there is anything worth failing for: findings, and tags that are missing or wrong, as far
    /// as the config's thresholds do not let them pass.
    pub fn has_findings(&self, config: &Config) -> bool {
        let limits = &config.audit;
        if limits.fail_below_compliance.is_none() && limits.fail_above_debt.is_none() {
            let is_wrong = |item: &Item| item.days.cost != 0 && item.is_wrong();
            return !self.findings.is_empty() || self.items.iter().any(is_wrong);
        }
        let is_beyond = |sum: Money| {
            let is_low = limits.fail_below_compliance.is_some_and(|least| {
                // Whole numbers on both sides: a share would have to be rounded.
                sum.judged() > 0 && sum.compliant.saturating_mul(money::ONE) < least.saturating_mul(sum.judged())
            });
            is_low || limits.fail_above_debt.is_some_and(|most| sum.debt() > most)
        };
        !self.findings.is_empty() || self.totals().into_values().any(is_beyond)
    }

    /// Money of the judged days, by currency.
    pub fn totals(&self) -> BTreeMap<&str, Money> {
        let mut totals: BTreeMap<&str, Money> = BTreeMap::new();
        for item in &self.items {
            totals.entry(&item.currency).or_default().add(&item.days);
        }
        totals
    }

    /// What is wrong and costs money, in the audit's order.
    pub fn open_items(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.is_wrong() && (item.days.cost != 0 || item.month.cost != 0))
    }
}

/// Judges the last complete days of the store, from a day of one's own where one is asked for.
///
/// # Errors
/// Where the store cannot be read.
pub fn audit(engine: &Engine, config: &Config, ask: &Ask) -> Result<Audit> {
    let Some(last) = engine.last_complete_day() else { return Ok(Audit::default()) };
    let first = ask.from.unwrap_or(last - WINDOW + 1);
    if first > last {
        return Ok(Audit::default());
    }
    let month = clock::month_range(&clock::month_of(last)).map_or(first, |(first, _)| first);
    let weeks = if ask.with_weeks { last - cover::WEEKS * cover::WEEK + 1 } else { first };
    let days: Vec<i32> = (first.min(month).min(weeks)..=last).collect();
    let lines = lines(engine, config, &days)?;
    let tags = lines.column("tags");
    let sets: HashSet<&str> = (0..lines.height()).map(|row| lines.cell(row, tags).as_text()).collect();
    let mut judge = Judge::new(config, sets.iter().copied());
    judge.heed(&ask.listed_tags);
    let span = gather::Span { first, month, last, hidden: hidden(&engine.records) };
    let gathered = gather::gather(&lines, config, &judge, &Callers::of(&engine.records), &span);
    let mut items = gathered.items;
    items.sort_by(|a, b| {
        (&a.currency, b.days.debt(), b.days.cost, &a.id).cmp(&(&b.currency, a.days.debt(), a.days.cost, &b.id))
    });
    let rules = config.rules();
    let mended = ask.note.as_ref().map(|note| note.mended(&items, last, &rules)).unwrap_or_default();
    Ok(Audit {
        window: Some((first, last)),
        items,
        cover: gathered.cover,
        findings: gathered.findings,
        unknown: gathered.unknown,
        hidden: gathered.hidden,
        unseen: unseen(&judge, &sets),
        mended,
        rules,
    })
}

/// Days of the periods whose export names principals and cannot show their tags.
fn hidden(records: &[Record]) -> Vec<Range<i32>> {
    let hiding = records.iter().filter(|record| record.trust.hides_principal_tags());
    hiding.filter_map(|record| clock::month_range(&record.period)).map(|(first, next)| first..next).collect()
}

/// Required keys that no set of tags has, and of which AWS said nothing either.
fn unseen(judge: &Judge, sets: &HashSet<&str>) -> Vec<&'static str> {
    let tags = sets.iter().flat_map(|set| carriers::parse(set).into_keys());
    let seen: BTreeSet<usize> =
        tags.filter_map(|full| judge.key_of(full.split_once('/').map_or(full.as_str(), |(_, tag)| tag))).collect();
    let is_unseen = |key: &usize| judge.requires(*key) && !seen.contains(key) && judge.inactive_key(*key).is_none();
    (0..OWNER_NAMES.len()).filter(is_unseen).map(|key| OWNER_NAMES[key]).collect()
}

/// Columns that the audit reads of the facts.
const COLUMNS: [&str; 16] = [
    "day",
    "sub_account_id",
    "resource_id",
    "principal_arn",
    "tags",
    "attribution_evidence",
    "workload",
    "team",
    "environment",
    "cost_center",
    "model_name",
    "region_id",
    "routing",
    "billing_currency",
    "billed_cost",
    "cost_categories",
];

/// Usage and Purchase of some days, hours as one: what is judged does not change within a day.
fn lines(engine: &Engine, config: &Config, days: &[i32]) -> Result<Lines> {
    // Cost categories are long texts that few exemptions look at.
    let read = if Exemptions::read_categories(config) { COLUMNS.len() } else { COLUMNS.len() - 1 };
    let keep = [Keep::Days(days), Keep::OneOf("charge_category", &["Usage", "Purchase"])];
    let lines = engine.lines(Wanted { table: Table::CostFacts, columns: &COLUMNS[..read], keep: &keep })?;
    Ok(lines.summed("billed_cost"))
}
