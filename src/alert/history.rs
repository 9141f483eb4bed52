//! History: what every workload cost on every day, as the rules look at it.

use std::collections::BTreeMap;

use super::scope::Scope;
use crate::attribute::principal;
use crate::error::Result;
use crate::metrics::queries::Query;
use crate::metrics::{Answer, Engine, Rows, Value};
use crate::text::{Text, Texts};

/// Days before a judged one that say what is usual: six weeks of weekdays, for each day of the six weeks that say
/// how far the series spreads, and the week that says its level.
pub const BEFORE: i32 = 2 * 42 + 14;

const LINES: &str = "\
    with lines as (select day, workload, sub_account_id, region_id, model_name, usage_kind, billing_currency, \
    unblended_cost, case when consumed_unit = 'tokens' then consumed_quantity end as tokens from cost_daily \
    where charge_category = 'Usage' and grain <> 'month' \
    and (workload is not null or coalesce(attribution_method, '') <> 'not_allocable') \
    and day in (select day from asked_days)) \
    select day, workload, sub_account_id, region_id, model_name, usage_kind, billing_currency, \
    sum(unblended_cost) as cost, sum(tokens) as tokens from lines \
    group by day, workload, sub_account_id, region_id, model_name, usage_kind, billing_currency";

/// A sum of unknown counts is unknown, which SQL engines do not agree on.
const QUERIES: &str = "\
    with counted as (select cast(charge_period_start as date) as day, workload, scope, invocations, business_units \
    from usage where workload is not null and (invocations is not null or business_units is not null) \
    and cast(charge_period_start as date) in (select day from asked_days)) \
    select day, workload, scope, sum(invocations) as invocations, sum(business_units) as business_units, \
    count(invocations) as invocations_known, count(business_units) as business_units_known \
    from counted group by day, workload, scope";

/// Days in which a principal that spends was there before; another is new.
const KNOWN_FOR: i32 = 35;

const PRINCIPALS: &str = "\
    with lines as (select cast(charge_period_start as date) as day, principal_arn, workload, sub_account_id, \
    billing_currency, unblended_cost from cost_facts where charge_category = 'Usage' and principal_arn is not null \
    and cast(charge_period_start as date) in (select day from asked_days)) \
    select day, principal_arn, workload, sub_account_id, billing_currency, sum(unblended_cost) as cost from lines \
    group by day, principal_arn, workload, sub_account_id, billing_currency";

/// The first day of a role or user that spends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newcomer {
    /// Days since the first.
    pub day: usize,
    /// Number of the series that most of its spend was in.
    pub series: usize,
    /// What it cost that day, units of 1e-10.
    pub cost: i128,
}

/// What was bought on a day, where, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// Days since the first.
    pub day: usize,
    /// Number of the series that is the workload's.
    pub series: usize,
    /// Account, region, model, usage kind.
    pub what: [Text; 4],
    /// Unblended cost, units of 1e-10.
    pub cost: i128,
    /// Tokens, units of 1e-10; zero for what is no tokens.
    pub tokens: i128,
}

/// Position of the account in [`Line::what`].
pub const ACCOUNT: usize = 0;
/// Position of the region.
pub const REGION: usize = 1;
/// Position of the model.
pub const MODEL: usize = 2;
/// Position of the usage kind.
pub const KIND: usize = 3;

/// Whose spend a series is: a workload's in a currency; what is unattributed, its account's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Workload, or `unattributed`.
    pub workload: String,
    /// Account, where the spend is nobody's.
    pub account: String,
    /// Currency.
    pub currency: String,
}

/// Every day of every workload.
#[derive(Debug, Default)]
pub struct History {
    /// The first day that is stored.
    pub first: i32,
    /// Days from the first to the last complete one, which are what rules look at.
    pub days: usize,
    /// Days from the first to the last stored one.
    pub stored: usize,
    /// Texts of the lines.
    pub texts: Texts,
    /// Whose spend each series is, sorted.
    pub owners: Vec<Owner>,
    /// Lines by day.
    pub lines: Vec<Line>,
    /// By series: queries of each day, where they were counted.
    pub queries: Vec<BTreeMap<usize, i128>>,
    /// By series: business units of each day, where they were counted.
    pub finished: Vec<BTreeMap<usize, i128>>,
    /// Roles and users that had not spent in the weeks before.
    pub newcomers: Vec<Newcomer>,
}

impl History {
    /// Reads the stored days, all of them or those that rules need to judge the days from `from` on.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn read(engine: &Engine, from: Option<i32>) -> Result<Self> {
        let (Some(first), Some(last)) = (engine.days.first(), engine.days.last()) else {
            return Ok(Self::default());
        };
        let first = from.map_or(first.day, |from| first.day.max(from - BEFORE));
        let until = |day: i32| (day - first + 1).max(0) as usize;
        let days = engine.last_complete_day().map_or(0, until);
        let mut history = Self { first, days, stored: until(last.day), ..Self::default() };
        let names = history.read_lines(engine)?;
        history.read_queries(engine, &names)?;
        history.read_newcomers(engine, from.unwrap_or(first))?;
        Ok(history)
    }

    /// The number of a stored day.
    pub fn number(&self, day: i32) -> Option<usize> {
        usize::try_from(day - self.first).ok().filter(|day| *day < self.stored)
    }

    /// The series of an owner.
    pub fn series(&self, owner: &Owner) -> Option<usize> {
        self.owners.binary_search(owner).ok()
    }

    /// The lines of complete days.
    pub fn complete(&self) -> &[Line] {
        &self.lines[..self.lines.partition_point(|line| line.day < self.days)]
    }

    /// What everybody bought on a day.
    pub fn of_day(&self, day: usize) -> &[Line] {
        let first = self.lines.partition_point(|line| line.day < day);
        &self.lines[first..self.lines.partition_point(|line| line.day <= day)]
    }

    /// Whether a line is within a scope that is wider than an owner.
    pub fn is_within(&self, line: &Line, scope: &Scope, currency: &str) -> bool {
        let [account, region, model] = [ACCOUNT, REGION, MODEL].map(|at| self.texts.str(line.what[at]));
        self.owners[line.series].currency == currency && scope.holds(account, region, model)
    }

    /// What a series bought on a day.
    pub fn bought(&self, series: usize, day: usize) -> &[Line] {
        let first = self.lines.partition_point(|line| (line.day, line.series) < (day, series));
        let last = self.lines.partition_point(|line| (line.day, line.series) <= (day, series));
        &self.lines[first..last]
    }

    /// What a query answers of the days of the history.
    fn ask(&self, engine: &Engine, name: &str, sql: &str) -> Result<Answer> {
        let days: Vec<i32> = (self.first..self.first + self.stored as i32).collect();
        engine.answer_over(&Query { name: name.into(), sql: sql.into() }, &days)
    }

    fn read_lines(&mut self, engine: &Engine) -> Result<BTreeMap<String, Vec<usize>>> {
        let answer = self.ask(engine, "alert history", LINES)?;
        let [day, workload, currency, cost, tokens] =
            answer.columns(["day", "workload", "billing_currency", "cost", "tokens"]);
        let what = answer.columns(["sub_account_id", "region_id", "model_name", "usage_kind"]);
        let mut numbers: BTreeMap<Owner, usize> = BTreeMap::new();
        let mut lines = Vec::with_capacity(answer.height());
        for row in 0..answer.height() {
            let Some(day) = answer.cell(row, day).day().and_then(|day| self.number(day)) else { continue };
            let text = |at| answer.cell(row, at).as_text();
            let (workload, account) = match answer.cell(row, workload) {
                Value::Text(name) => (name, ""),
                _ => ("unattributed", text(what[ACCOUNT])),
            };
            let owner =
                Owner { workload: workload.into(), account: account.into(), currency: text(currency).to_string() };
            let next = numbers.len();
            let series = *numbers.entry(owner).or_insert(next);
            let what = what.map(|at| self.texts.intern(text(at)));
            let amount = |at| answer.cell(row, at).amount().unwrap_or(0);
            let (cost, tokens) = (amount(cost), amount(tokens));
            lines.push(Line { day, series, what, cost, tokens });
        }
        // Series in the order of their owners, whatever the order of the answer.
        let order: BTreeMap<usize, usize> =
            numbers.values().enumerate().map(|(place, number)| (*number, place)).collect();
        lines.iter_mut().for_each(|line| line.series = order[&line.series]);
        lines.sort_by_key(|line| (line.day, line.series));
        self.lines = lines;
        self.owners = numbers.into_keys().collect();
        let mut names: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (number, owner) in self.owners.iter().enumerate().filter(|(_, owner)| owner.account.is_empty()) {
            names.entry(owner.workload.clone()).or_default().push(number);
        }
        Ok(names)
    }

    /// Native series and those that carry their owner measure the same calls, so that the larger count is
    /// the better one.
    fn read_queries(&mut self, engine: &Engine, names: &BTreeMap<String, Vec<usize>>) -> Result<()> {
        self.queries = vec![BTreeMap::new(); self.owners.len()];
        self.finished = self.queries.clone();
        let answer = self.ask(engine, "alert queries", QUERIES)?;
        let [day, workload] = answer.columns(["day", "workload"]);
        let counts = answer.columns(["invocations", "business_units"]);
        let known = answer.columns(["invocations_known", "business_units_known"]);
        for row in 0..answer.height() {
            let Some(day) = answer.cell(row, day).day().and_then(|day| self.number(day)) else { continue };
            let [queries, finished] = [0, 1].map(|at| {
                let is_known = whole(answer.cell(row, known[at])) > 0;
                is_known.then(|| whole(answer.cell(row, counts[at])))
            });
            for series in names.get(answer.cell(row, workload).as_text()).into_iter().flatten() {
                for (held, count) in [(&mut self.queries, queries), (&mut self.finished, finished)] {
                    let Some(count) = count else { continue };
                    let held = held[*series].entry(day).or_default();
                    *held = (*held).max(count);
                }
            }
        }
        Ok(())
    }

    /// Roles and users whose first spend is on a complete day from `from` on.
    fn read_newcomers(&mut self, engine: &Engine, from: i32) -> Result<()> {
        let first = self.first.max(from - KNOWN_FOR);
        let days: Vec<i32> = (first..self.first + self.days as i32).collect();
        if days.is_empty() {
            return Ok(());
        }
        let answer = engine.answer_over(&Query { name: "alert principals".into(), sql: PRINCIPALS.into() }, &days)?;
        let [day, principal, workload, account, currency, cost] =
            answer.columns(["day", "principal_arn", "workload", "sub_account_id", "billing_currency", "cost"]);
        let mut seen: BTreeMap<&str, (i32, BTreeMap<Owner, i128>)> = BTreeMap::new();
        for row in 0..answer.height() {
            let Some(day) = answer.cell(row, day).day() else { continue };
            let text = |at| answer.cell(row, at).as_text();
            let role = principal::without_session(text(principal));
            let held = seen.entry(role).or_insert_with(|| (day, BTreeMap::new()));
            if day < held.0 {
                *held = (day, BTreeMap::new());
            }
            if day == held.0 {
                let (name, account) = match answer.cell(row, workload) {
                    Value::Text(name) => (name, ""),
                    _ => ("unattributed", text(account)),
                };
                let owner = Owner { workload: name.into(), account: account.into(), currency: text(currency).into() };
                *held.1.entry(owner).or_default() += answer.cell(row, cost).amount().unwrap_or(0);
            }
        }
        // What is there on the first day of all is not known to be new.
        let is_new = |day: i32| day >= from && day > first;
        for (day, owners) in seen.into_values().filter(|(day, _)| is_new(*day)) {
            let most = owners.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)));
            let Some((owner, cost)) = most.filter(|(_, cost)| *cost > 0) else { continue };
            if let Some((series, day)) = self.series(&owner).zip(self.number(day)) {
                self.newcomers.push(Newcomer { day, series, cost });
            }
        }
        Ok(())
    }

    /// Costs of each series by day, units of 1e-10.
    pub fn costs(&self) -> Vec<Vec<i128>> {
        let mut costs = vec![vec![0; self.stored]; self.owners.len()];
        for line in &self.lines {
            costs[line.series][line.day] += line.cost;
        }
        costs
    }
}

/// A whole number, whichever type the engine gives a count.
fn whole(value: Value<'_>) -> i128 {
    match value {
        Value::Count(count) => count,
        other => other.amount().unwrap_or(0) / crate::money::ONE,
    }
}
