//! Cube: the facts as a page needs them, in one pass over the lines of the last four months: by day for the last
//! ninety complete ones, by month before, each by owner, model and currency.

use std::collections::BTreeMap;
use std::ops::Range;

use hashbrown::HashMap;

use super::names::Names;
use crate::clock;
use crate::error::Result;
use crate::metrics::reads::PERIOD;
use crate::metrics::{Engine, Value};

/// Days that charts show.
pub const DAYS: usize = 90;
/// The month and the three before.
pub const MONTHS: usize = 4;

/// Workload and team that nobody gave.
pub const NOBODY: u32 = 0;
/// Owner of what is not to be allocated.
pub const NOT_ALLOCABLE: u32 = 1;
/// Workload that stands for the smallest ones.
pub const OTHERS: u32 = 2;

/// Flag of a series: its charges are Usage.
pub const USAGE: u32 = 1;
/// Flag of a series: its lines are a router's.
pub const ROUTER: u32 = 2;
/// Flag of a series: it was not billed in real time.
pub const BATCH: u32 = 4;

/// Currency, workload, team, environment, model, flags; and usage kind, where tokens are told apart by it.
pub type Key = [u32; 7];
/// Positions in [`Key`].
pub const CURRENCY: usize = 0;
/// Position of the workload.
pub const WORKLOAD: usize = 1;
/// Position of the team.
pub const TEAM: usize = 2;
/// Position of the environment.
pub const ENVIRONMENT: usize = 3;
/// Position of the model.
pub const MODEL: usize = 4;
/// Position of the flags.
pub const FLAGS: usize = 5;
/// Position of the usage kind.
pub const KIND: usize = 6;

/// Which days and months a page is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The last complete day; charts end with it.
    pub last: Option<i32>,
    /// The month and the three before, newest first.
    pub months: Vec<String>,
    /// Complete days of the month, which are compared with as many of the months before.
    pub compared: i32,
}

/// What one series cost.
#[derive(Debug, Clone)]
pub struct Costs {
    /// By day, on the basis that is shown.
    pub daily: Vec<i128>,
    /// By day, what the unblended cost is beyond it; movers and anomalies read unblended cost of Usage.
    pub beyond: Vec<i128>,
    /// By month, the whole bill.
    pub months: [i128; MONTHS],
    /// By month, its first compared days.
    pub same_days: [i128; MONTHS],
}

/// The facts of a page.
#[derive(Debug)]
pub struct Cube {
    /// Names of each position in [`Key`]; flags have none.
    pub names: [Names; 7],
    /// Tier of each model.
    pub tiers: BTreeMap<u32, String>,
    /// Costs by series; the usage kind is 0.
    pub costs: BTreeMap<Key, Costs>,
    /// Tokens by series and day, units of 1e-10.
    pub tokens: BTreeMap<Key, Vec<i128>>,
}

impl Span {
    /// The days and months that a store's facts are shown of.
    pub fn of(engine: &Engine) -> Self {
        let last = engine.last_complete_day();
        let newest = engine.records.last().map(|record| record.period.clone());
        let mut months = vec![last.map(clock::month_of).or(newest).unwrap_or_default()];
        for _ in 1..MONTHS {
            let first = months.last().and_then(|month| clock::month_range(month)).map(|(first, _)| first);
            months.push(first.map_or(String::new(), |first| clock::month_of(first - 1)));
        }
        let compared = last.map_or(0, |day| clock::day_of_month(day) as i32);
        Self { last, months, compared }
    }

    /// The first day of charts.
    pub fn first(&self) -> Option<i32> {
        self.last.map(|last| last - DAYS as i32 + 1)
    }

    fn bucket(&self, day: i32) -> Option<usize> {
        usize::try_from(day - self.first()?).ok().filter(|bucket| *bucket < DAYS)
    }

    fn month(&self, month: &str) -> Option<usize> {
        self.months.iter().position(|known| known == month)
    }

    /// The days of a month that are compared.
    fn compared(&self, month: usize) -> Range<i32> {
        let range = clock::month_range(&self.months[month]);
        range.map_or(0..0, |(first, next)| first..next.min(first + self.compared))
    }
}

/// Columns whose names a page has.
const NAMED: [&str; 7] =
    ["workload", "team", "environment", "model_name", "billing_currency", "usage_kind", "model_tier"];

/// Reads the facts.
///
/// # Errors
/// Where the store cannot be read.
pub fn read(engine: &Engine, span: &Span) -> Result<Cube> {
    let mut cube = Cube {
        names: [
            Names::with(&[]),
            Names::with(&["unattributed", "not_allocable", "(other workloads)"]),
            Names::with(&["unassigned", "not_allocable"]),
            Names::with(&["unassigned", "not_allocable"]),
            Names::with(&["(no model)"]),
            Names::with(&[]),
            Names::with(&["(unknown)"]),
        ],
        tiers: BTreeMap::new(),
        costs: BTreeMap::new(),
        tokens: BTreeMap::new(),
    };
    cube.take(engine, span)?;
    Ok(cube)
}

impl Cube {
    fn take(&mut self, engine: &Engine, span: &Span) -> Result<()> {
        let lines = engine.daily()?;
        let [method, category, grain, pricing, unit] =
            ["attribution_method", "charge_category", "grain", "pricing_model", "consumed_unit"]
                .map(|name| lines.numbers(name));
        let [nobodys, usage, monthly, batch, tokens_unit] = [
            ("attribution_method", "not_allocable"),
            ("charge_category", "Usage"),
            ("grain", "month"),
            ("pricing_model", "batch"),
            ("consumed_unit", "tokens"),
        ]
        .map(|(name, text)| lines.number(name, text));
        let months: Vec<Option<usize>> = lines.texts(PERIOD).iter().map(|month| span.month(month)).collect();
        let compared: [Range<i32>; MONTHS] = std::array::from_fn(|month| span.compared(month));
        let (periods, router) = (lines.numbers(PERIOD), lines.column("is_router"));
        let amounts = [engine.cost_column("billed_cost"), "unblended_cost", "consumed_quantity"];
        let [shown, unblended, quantities] = amounts.map(|name| lines.amounts(name));
        let texts = NAMED.map(|name| lines.numbers(name));
        let mut keys: HashMap<([u32; 7], u32, bool), Key> = HashMap::new();
        let (mut costs, mut tokens) = (HashMap::new(), HashMap::new());
        for (row, day) in lines.days().iter().enumerate() {
            let month = months[periods[row] as usize];
            let is_asked = month.is_some() || span.bucket(*day).is_some();
            if !is_asked || engine.range.to.is_some_and(|to| *day > to) {
                continue;
            }
            let is_usage = category[row] == usage;
            let is_router = lines.cell(row, router) == Value::Flag(true);
            let flags = if is_usage { USAGE } else { 0 } | if is_router { ROUTER } else { 0 };
            let (numbers, is_nobodys) = (texts.map(|numbers| numbers[row]), method[row] == nobodys);
            let mut key = *keys.entry((numbers, flags, is_nobodys)).or_insert_with(|| {
                let at = |at: usize| lines.texts(NAMED[at]).get(numbers[at] as usize).map_or("", String::as_str);
                self.key(std::array::from_fn(at), is_nobodys, flags)
            });
            let kind = std::mem::take(&mut key[KIND]);
            let of: &mut Costs = costs.entry(key).or_insert_with(Costs::none);
            let cost = shown.of(row).unwrap_or(0);
            let on = Some(*day).filter(|_| grain[row] != monthly);
            if let Some(month) = month {
                of.months[month] += cost;
                if on.is_some_and(|day| compared[month].contains(&day)) {
                    of.same_days[month] += cost;
                }
            }
            let Some(bucket) = on.and_then(|day| span.bucket(day)) else { continue };
            of.daily[bucket] += cost;
            if !is_usage {
                continue;
            }
            of.beyond[bucket] += unblended.of(row).unwrap_or(0) - cost;
            if let Some(quantity) = quantities.of(row).filter(|_| unit[row] == tokens_unit) {
                (key[KIND], key[FLAGS]) = (kind, flags | if pricing[row] == batch { BATCH } else { 0 });
                tokens.entry(key).or_insert_with(|| vec![0; DAYS])[bucket] += quantity;
            }
        }
        self.costs = costs.into_iter().collect();
        self.tokens = tokens.into_iter().collect();
        Ok(())
    }

    fn key(&mut self, texts: [&str; 7], is_not_allocable: bool, flags: u32) -> Key {
        let [workload, team, environment, model, currency, kind, tier] = texts;
        let nobody = if is_not_allocable { NOT_ALLOCABLE } else { NOBODY };
        let mut of =
            |at: usize, name: &str, none: u32| if name.is_empty() { none } else { self.names[at].number(name) };
        let owner = [(WORKLOAD, workload), (TEAM, team), (ENVIRONMENT, environment)];
        let [workload, team, environment] = owner.map(|(at, name)| of(at, name, nobody));
        let (model, kind) = (of(MODEL, model, 0), of(KIND, kind, 0));
        let currency = self.names[CURRENCY].number(currency);
        if !tier.is_empty() {
            let held = self.tiers.entry(model).or_insert_with(|| tier.to_string());
            if tier < held.as_str() {
                *held = tier.to_string();
            }
        }
        [currency, workload, team, environment, model, flags, kind]
    }

    /// Lets the smallest workloads share a row where there are more filled days than a page should carry;
    /// returns how many do.
    pub fn fold(&mut self, most: usize) -> usize {
        let mut sizes: BTreeMap<u32, (i128, usize)> = BTreeMap::new();
        for (key, costs) in &self.costs {
            let size = sizes.entry(key[WORKLOAD]).or_default();
            size.0 += costs.months.iter().chain(&costs.daily).map(|cost| cost.abs()).sum::<i128>();
            size.1 += costs.daily.iter().filter(|cost| **cost != 0).count();
        }
        let mut order: Vec<(u32, (i128, usize))> = sizes.into_iter().filter(|(id, _)| *id > OTHERS).collect();
        order.sort_by(|a, b| (b.1.0, self.names[WORKLOAD].name(a.0)).cmp(&(a.1.0, self.names[WORKLOAD].name(b.0))));
        let mut left = most;
        let fits = |(_, (_, days)): &&(u32, (i128, usize))| {
            let is_within = *days <= left;
            left = left.saturating_sub(*days);
            is_within
        };
        let kept = order.iter().take_while(fits).count();
        let folded: std::collections::BTreeSet<u32> = order[kept..].iter().map(|(id, _)| *id).collect();
        if !folded.is_empty() {
            let renamed = |key: Key| if folded.contains(&key[WORKLOAD]) { with_others(key) } else { key };
            let mut costs: BTreeMap<Key, Costs> = BTreeMap::new();
            for (key, one) in std::mem::take(&mut self.costs) {
                costs.entry(renamed(key)).or_insert_with(Costs::none).add(&one);
            }
            let mut tokens: BTreeMap<Key, Vec<i128>> = BTreeMap::new();
            for (key, one) in std::mem::take(&mut self.tokens) {
                add(tokens.entry(renamed(key)).or_insert_with(|| vec![0; DAYS]), &one);
            }
            (self.costs, self.tokens) = (costs, tokens);
        }
        folded.len()
    }

    /// Cost of the month so far by currency, of the series that are wanted.
    pub fn month_cost(&self, is_wanted: impl Fn(&Key) -> bool) -> BTreeMap<String, i128> {
        let mut sums = BTreeMap::new();
        for (key, costs) in self.costs.iter().filter(|(key, _)| is_wanted(key)) {
            *sums.entry(self.names[CURRENCY].name(key[CURRENCY]).to_string()).or_insert(0) += costs.months[0];
        }
        sums
    }
}

fn with_others(mut key: Key) -> Key {
    key[WORKLOAD] = OTHERS;
    key
}

fn add(to: &mut [i128], from: &[i128]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}

impl Costs {
    fn none() -> Self {
        Self { daily: vec![0; DAYS], beyond: vec![0; DAYS], months: [0; MONTHS], same_days: [0; MONTHS] }
    }

    fn add(&mut self, other: &Self) {
        add(&mut self.daily, &other.daily);
        add(&mut self.beyond, &other.beyond);
        add(&mut self.months, &other.months);
        add(&mut self.same_days, &other.same_days);
    }
}
