//! History: what every workload cost on every day, as the rules look at it.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::baseline::HABIT;
use super::scope::Scope;
use crate::attribute::principal;
use crate::error::Result;
use crate::metrics::lines::UNKNOWN;
use crate::metrics::queries::Query;
use crate::metrics::{Answer, Engine, Keep, Lines, Rows, Value, Wanted};
use crate::schema::Table;
use crate::text::{Text, Texts};

/// Days before a judged one that say what is usual: six weeks of weekdays, for each day of those that make habits,
/// and the week that says its level.
pub const BEFORE: i32 = HABIT as i32 + 2 + 42 + 14;

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
    /// Number of the first day that is judged; those before it say what is usual.
    pub judged: usize,
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
        let judged = from.map_or(0, |from| (from - first).max(0) as usize);
        let mut history = Self { first, days, stored: until(last.day), judged, ..Self::default() };
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

    /// The first day with spend: a month's fees may be of days before it.
    pub fn begun(&self) -> usize {
        self.lines.first().map_or(0, |line| line.day)
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
        let daily = engine.daily()?;
        let owners = Owners::of(daily);
        let what = ["sub_account_id", "region_id", "model_name", "usage_kind"];
        // Each text is looked up once, not once a line.
        let known = what.map(|name| {
            let known = daily.texts(name).iter().map(|text| self.texts.intern(text));
            known.collect::<Vec<Text>>()
        });
        let what = what.map(|name| daily.numbers(name));
        let (units, tokens) = (daily.numbers("consumed_unit"), daily.number("consumed_unit", "tokens"));
        let (costs, quantities) = (daily.amounts("unblended_cost"), daily.amounts("consumed_quantity"));
        let mut numbers: HashMap<[u32; 3], usize> = HashMap::new();
        let mut lines = Vec::new();
        for (row, day) in daily.days().iter().enumerate() {
            let Some(day) = self.number(*day) else { continue };
            let Some(owner) = owners.of_usage(row) else { continue };
            let next = numbers.len();
            let series = *numbers.entry(owner).or_insert(next);
            let text = |at: usize| known[at].get(what[at][row] as usize).copied().unwrap_or_default();
            let tokens = if units[row] == tokens { quantities.of(row).unwrap_or(0) } else { 0 };
            lines.push(Line { day, series, what: [0, 1, 2, 3].map(text), cost: costs.of(row).unwrap_or(0), tokens });
        }
        // Series in the order of their owners, whatever the order of the lines.
        let mut sorted: Vec<(Owner, usize)> =
            numbers.iter().map(|(key, number)| (owners.named(*key), *number)).collect();
        sorted.sort_unstable();
        let mut order = vec![0; sorted.len()];
        for (owner, number) in sorted {
            // A workload may be called what nobody's spend is called.
            if self.owners.last() != Some(&owner) {
                self.owners.push(owner);
            }
            order[number] = self.owners.len() - 1;
        }
        lines.iter_mut().for_each(|line| line.series = order[line.series]);
        self.lines = summed(lines);
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
        let lines = engine.lines(Wanted {
            table: Table::CostFacts,
            columns: &["day", "principal_arn", "workload", "sub_account_id", "billing_currency", "unblended_cost"],
            keep: &[Keep::Days(&days), Keep::OneOf("charge_category", &["Usage"]), Keep::NoneOf("principal_arn", &[])],
        })?;
        let owners = Owners::of(&lines);
        let (arns, costs) = (lines.texts("principal_arn"), lines.amounts("unblended_cost"));
        let mut roles: BTreeMap<&str, usize> = BTreeMap::new();
        let role_of = arns.iter().map(|arn| {
            let next = roles.len();
            *roles.entry(principal::without_session(arn)).or_insert(next)
        });
        let role_of: Vec<usize> = role_of.collect();
        let mut begun = vec![i32::MAX; roles.len()];
        for (arn, day) in lines.numbers("principal_arn").iter().zip(lines.days()) {
            let begun = &mut begun[role_of[*arn as usize]];
            *begun = *day.min(begun);
        }
        let mut bought: Vec<HashMap<[u32; 3], i128>> = vec![HashMap::new(); roles.len()];
        for (row, (arn, day)) in lines.numbers("principal_arn").iter().zip(lines.days()).enumerate() {
            let role = role_of[*arn as usize];
            if *day == begun[role] {
                *bought[role].entry(owners.of_row(row)).or_default() += costs.of(row).unwrap_or(0);
            }
        }
        let seen = roles.into_values().map(|role| {
            let owners = bought[role].iter().map(|(owner, cost)| (owners.named(*owner), *cost));
            (begun[role], owners.collect::<BTreeMap<Owner, i128>>())
        });
        // What is there on the first day of all is not known to be new.
        let is_new = |day: i32| day >= from && day > first;
        for (day, owners) in seen.filter(|(day, _)| is_new(*day)) {
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

/// Whose each line is, by number: workload; account, where nobody owns it; currency.
struct Owners<'a> {
    lines: &'a Lines,
    columns: [&'a [u32]; 3],
    categories: &'a [u32],
    grains: &'a [u32],
    methods: &'a [u32],
    usage: u32,
    monthly: u32,
    nobodys: u32,
}

impl<'a> Owners<'a> {
    fn of(lines: &'a Lines) -> Self {
        Self {
            lines,
            columns: ["workload", "sub_account_id", "billing_currency"].map(|name| lines.numbers(name)),
            categories: lines.numbers("charge_category"),
            grains: lines.numbers("grain"),
            methods: lines.numbers("attribution_method"),
            usage: lines.number("charge_category", "Usage"),
            monthly: lines.number("grain", "month"),
            nobodys: lines.number("attribution_method", "not_allocable"),
        }
    }

    fn of_row(&self, row: usize) -> [u32; 3] {
        let [workload, account, currency] = self.columns.map(|numbers| numbers[row]);
        [workload, if workload == UNKNOWN { account } else { UNKNOWN }, currency]
    }

    /// Whose Usage of a day a line is; none where it is something else.
    fn of_usage(&self, row: usize) -> Option<[u32; 3]> {
        let is_usage = self.categories[row] == self.usage && ![self.monthly, UNKNOWN].contains(&self.grains[row]);
        let owner = self.of_row(row);
        (is_usage && (owner[0] != UNKNOWN || self.methods[row] != self.nobodys)).then_some(owner)
    }

    fn named(&self, [workload, account, currency]: [u32; 3]) -> Owner {
        let text = |name: &str, number: u32| self.lines.texts(name).get(number as usize).cloned();
        Owner {
            workload: text("workload", workload).unwrap_or_else(|| "unattributed".into()),
            account: text("sub_account_id", account).unwrap_or_default(),
            currency: text("billing_currency", currency).unwrap_or_default(),
        }
    }
}

/// Lines by day, series and what they are of, each once.
fn summed(mut lines: Vec<Line>) -> Vec<Line> {
    let key = |line: &Line| (line.day, line.series, line.what);
    lines.sort_unstable_by_key(key);
    lines.dedup_by(|next, kept| {
        let is_same = key(next) == key(kept);
        if is_same {
            kept.cost += next.cost;
            kept.tokens += next.tokens;
        }
        is_same
    });
    lines
}

/// A whole number, whichever type the engine gives a count.
fn whole(value: Value<'_>) -> i128 {
    match value {
        Value::Count(count) => count,
        other => other.amount().unwrap_or(0) / crate::money::ONE,
    }
}
