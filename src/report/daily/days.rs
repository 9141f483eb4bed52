//! Days: what `daily_spend` says, summed for what the sections ask.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::metrics::{Answer, Rows};

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
    /// Sums the rows of `daily_spend`.
    pub fn of(answer: &Answer, last: Option<i32>) -> Self {
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
