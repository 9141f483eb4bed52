//! Days: what `daily_spend` says, summed for what the sections ask.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use hashbrown::{HashMap, HashSet};

use crate::clock;
use crate::config::Config;
use crate::error::Result;
use crate::metrics::{Answer, Engine, Range, Rows};

/// Currencies of all days up to the last that is asked.
fn known_currencies(engine: &Engine) -> Result<BTreeSet<String>> {
    let daily = engine.daily()?;
    let (grains, monthly) = (daily.numbers("grain"), daily.number("grain", "month"));
    let has_day = |row: usize| grains[row] != monthly && engine.range.to.is_none_or(|to| daily.days()[row] <= to);
    let numbers = daily.numbers("billing_currency").iter().enumerate();
    let known: HashSet<u32> = numbers.filter(|(row, _)| has_day(*row)).map(|(_, currency)| *currency).collect();
    let name = |currency: u32| daily.texts("billing_currency").get(currency as usize).cloned().unwrap_or_default();
    Ok(known.into_iter().map(name).collect())
}

/// What a workload's day cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    /// Every charge, on the basis that is shown.
    pub cost: i128,
    /// Unblended cost of Usage.
    pub usage: i128,
}

/// Costs of days.
#[derive(Debug, Default)]
pub struct Days {
    /// By currency.
    by_day: BTreeMap<String, BTreeMap<i32, Spent>>,
    /// Usage of the last complete day and of the day before, by currency, allocation and workload.
    pub moved: BTreeMap<[String; 3], (i128, i128)>,
}

impl Days {
    /// Reads the days that sections ask: the month and the one before, and the weekdays of four weeks.
    pub fn read(engine: &Engine, config: &Config, last: Option<i32>) -> Result<Self> {
        let first = last.map(|last| {
            let month = |day: i32| clock::month_range(&clock::month_of(day)).map_or(day, |(first, _)| first);
            month(month(last) - 1).min(last - 28)
        });
        let range = engine.range;
        let within = Range { from: range.from.max(first), ..range };
        let mut days = Self::of(&engine.figure("daily_spend", config, within)?, last);
        // Who was billed in a currency before has spent nothing of it since.
        for currency in known_currencies(engine)? {
            days.by_day.entry(currency).or_default();
        }
        Ok(days)
    }

    /// Sums the rows of `daily_spend`.
    fn of(answer: &Answer, last: Option<i32>) -> Self {
        let [day_at, cost_at, usage_at] = answer.columns(["day", "cost", "usage_cost"]);
        let [currency_at, allocation_at, workload_at] = answer.columns(["billing_currency", "allocation", "workload"]);
        let mut days = Self::default();
        let mut sums: HashMap<(Cow<'_, str>, i32), Spent> = HashMap::new();
        for row in 0..answer.height() {
            let Some(day) = answer.cell(row, day_at).day() else { continue };
            let amount = |at| answer.cell(row, at).amount().unwrap_or(0);
            let currency = answer.cell(row, currency_at).shown();
            let usage = amount(usage_at);
            if last.is_some_and(|last| day == last || day == last - 1) {
                let key = [currency_at, allocation_at, workload_at].map(|at| answer.cell(row, at).shown().into_owned());
                let moved = days.moved.entry(key).or_default();
                let side = if last == Some(day) { &mut moved.0 } else { &mut moved.1 };
                *side += usage;
            }
            let sum = sums.entry((currency, day)).or_default();
            sum.cost += amount(cost_at);
            sum.usage += usage;
        }
        for ((currency, day), spent) in sums.into_iter().collect::<BTreeMap<_, _>>() {
            days.by_day.entry(currency.into_owned()).or_default().insert(day, spent);
        }
        days
    }

    /// All currencies.
    pub fn currencies(&self) -> impl Iterator<Item = &String> {
        self.by_day.keys()
    }

    /// What some days cost in a currency.
    pub fn sum(&self, currency: &str, wanted: impl Fn(i32) -> bool) -> Spent {
        let days = self.by_day.get(currency).into_iter().flatten();
        days.filter(|(day, _)| wanted(**day))
            .fold(Spent::default(), |sum, (_, day)| Spent { cost: sum.cost + day.cost, usage: sum.usage + day.usage })
    }
}
