//! Read: what the store says of every day of every workload, as a forecast needs it.

use std::collections::BTreeMap;
use std::ops::Range;

use hashbrown::HashMap;

use crate::clock;
use crate::error::Result;
use crate::metrics::Engine;
use crate::metrics::lines::UNKNOWN;
use crate::metrics::reads::PERIOD;

/// Whose cost it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// `allocated`, `unattributed` or `not_allocable`.
    pub allocation: &'static str,
    /// The workload; the allocation where there is none.
    pub workload: String,
}

/// A line of the bill. Usage that the bill keeps by hours or days goes on, all else is billed once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    /// Number of its month's bill.
    pub month: usize,
    pub day: i32,
    /// Number of its owner.
    pub owner: usize,
    pub has_day: bool,
    pub is_usage: bool,
    pub cost: i128,
}

/// All lines by currency.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The first stored day.
    pub first: i32,
    /// Months by number, each with its days.
    pub months: Vec<(String, Range<i32>)>,
    /// Owners by number, in order.
    pub owners: Vec<Owner>,
    by_currency: BTreeMap<String, Vec<Line>>,
}

impl Lines {
    /// Reads the store.
    pub fn read(engine: &Engine) -> Result<Self> {
        Self::read_of(engine, "billing_currency", |_| true)
    }

    /// Reads the lines that have a wanted value in a column of `cost_daily`.
    pub fn read_of(engine: &Engine, column: &str, is_wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let daily = engine.daily()?;
        let first = engine.days.first().map_or(0, |day| day.day);
        let months = daily.texts(PERIOD).iter().map(|month| {
            let days = clock::month_range(month).map_or(0..0, |(first, next)| first..next);
            (month.clone(), days)
        });
        let mut lines = Self { first, months: months.collect(), ..Self::default() };
        let [workloads, methods, grains, categories, months, currencies, scopes] =
            ["workload", "attribution_method", "grain", "charge_category", PERIOD, "billing_currency", column]
                .map(|name| daily.numbers(name));
        let nobodys = daily.number("attribution_method", "not_allocable");
        let (monthly, usage) = (daily.number("grain", "month"), daily.number("charge_category", "Usage"));
        let is_of_scope: Vec<bool> = daily.texts(column).iter().map(|text| is_wanted(text)).collect();
        let is_without = is_wanted("");
        let costs = daily.amounts(engine.cost_column("billed_cost"));
        let mut owners: HashMap<(u32, bool), usize> = HashMap::new();
        let mut by_currency: HashMap<u32, Vec<Line>> = HashMap::new();
        for (row, day) in daily.days().iter().enumerate() {
            let is_late = engine.range.to.is_some_and(|to| *day > to);
            if is_late || !is_of_scope.get(scopes[row] as usize).copied().unwrap_or(is_without) {
                continue;
            }
            let next = owners.len();
            let is_nobodys = workloads[row] == UNKNOWN && methods[row] == nobodys;
            let owner = *owners.entry((workloads[row], is_nobodys)).or_insert(next);
            let has_day = ![monthly, UNKNOWN].contains(&grains[row]);
            let is_usage = has_day && categories[row] == usage;
            let (month, cost) = (months[row] as usize, costs.of(row).unwrap_or(0));
            let line = Line { month, day: *day, owner, has_day, is_usage, cost };
            by_currency.entry(currencies[row]).or_default().push(line);
        }
        let name = |(workload, is_nobodys): (u32, bool)| match daily.texts("workload").get(workload as usize) {
            Some(name) => Owner { allocation: "allocated", workload: name.clone() },
            None if is_nobodys => Owner { allocation: "not_allocable", workload: "not_allocable".into() },
            None => Owner { allocation: "unattributed", workload: "unattributed".into() },
        };
        let mut sorted: Vec<(Owner, usize)> = owners.into_iter().map(|(key, number)| (name(key), number)).collect();
        sorted.sort_unstable();
        let mut places = vec![0; sorted.len()];
        sorted.iter().enumerate().for_each(|(place, (_, number))| places[*number] = place);
        lines.owners = sorted.into_iter().map(|(owner, _)| owner).collect();
        for (currency, mut of_currency) in by_currency {
            of_currency.iter_mut().for_each(|line| line.owner = places[line.owner]);
            let name = daily.texts("billing_currency").get(currency as usize).cloned().unwrap_or_default();
            lines.by_currency.insert(name, of_currency);
        }
        Ok(lines)
    }

    /// Currencies of a month's bill.
    pub fn currencies(&self, month: &str) -> Vec<String> {
        let has = |lines: &&Vec<Line>| lines.iter().any(|line| self.months[line.month].0 == month);
        self.by_currency.iter().filter(|(_, lines)| has(lines)).map(|(currency, _)| currency.clone()).collect()
    }

    /// All currencies.
    pub fn all_currencies(&self) -> impl Iterator<Item = &String> {
        self.by_currency.keys()
    }

    /// The lines in a currency.
    pub fn of(&self, currency: &str) -> &[Line] {
        self.by_currency.get(currency).map_or(&[], Vec::as_slice)
    }

    /// Usage of each owner by day, from the first stored day to the one before `until`.
    pub fn series(&self, currency: &str, until: i32) -> (Vec<&Owner>, Vec<Vec<f64>>) {
        let days = (until - self.first).max(0) as usize;
        let mut sums: Vec<Option<Vec<i128>>> = vec![None; self.owners.len()];
        for line in self.of(currency).iter().filter(|line| line.is_usage) {
            let Ok(day) = usize::try_from(line.day - self.first) else { continue };
            let held = sums[line.owner].get_or_insert_with(|| vec![0; days]);
            if let Some(sum) = held.get_mut(day) {
                *sum += line.cost;
            }
        }
        let of_each = self.owners.iter().zip(&sums).filter_map(|(owner, days)| Some((owner, days.as_ref()?)));
        of_each.map(|(owner, days)| (owner, days.iter().map(|units| to_float(*units)).collect())).unzip()
    }
}

/// An amount as statistics take it.
fn to_float(units: i128) -> f64 {
    units as f64 / crate::money::ONE as f64
}
