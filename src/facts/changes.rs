//! Changes: what a restated period said before, by day and workload, kept when it is replaced.
//!
//! Only days that had been complete count: a day that is still growing is not restated.

use std::collections::{BTreeMap, BTreeSet};

use crate::attribute::owner::WORKLOAD;
use crate::clock::DAY;
use crate::facts::Days;
use crate::normalise::BILLED;
use crate::schema::{self, ChargeText};
use crate::text::Text;

/// A row of `changes`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Changed {
    /// The clock of the run that saw it; epoch seconds.
    pub at: i64,
    /// Day number.
    pub day: i32,
    /// Workload, or the method where there is none.
    pub workload: String,
    /// Currency.
    pub currency: String,
    /// What changed: `bill`, `metrics`, `rule`, `version`, joined by commas.
    pub causes: String,
    /// Billed cost before, units of 1e-10.
    pub before: i128,
    /// Billed cost after.
    pub after: i128,
}

/// Billed cost by day, workload and currency.
pub type Costs = BTreeMap<(i32, String, String), i128>;

/// Adds the costs of days that are to be stored.
pub fn add_costs(costs: &mut Costs, days: &Days) {
    let currency = schema::daily_place(ChargeText::BillingCurrency);
    let mut sums: BTreeMap<(i32, Text, &str, Text), i128> = BTreeMap::new();
    for row in &days.rows {
        let by = days.owners.get(row.owner);
        let workload = by.owner[WORKLOAD];
        let method = if workload.is_null() { by.method.name() } else { "" };
        let key = (row.day, workload, method, days.kept.get(row.kept)[currency]);
        *sums.entry(key).or_default() += row.amounts[BILLED].unwrap_or(0);
    }
    for ((day, workload, method, currency), cost) in sums {
        let workload = days.texts.get(workload).unwrap_or(method).to_string();
        *costs.entry((day, workload, days.texts.str(currency).to_string())).or_default() += cost;
    }
}

/// What differs on the days that had ended by `watermark`.
pub fn between(before: &Costs, after: &Costs, watermark: i64, at: i64, causes: &[String]) -> Vec<Changed> {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let was_complete = |day: i32| i64::from(day + 1) * DAY <= watermark;
    keys.into_iter()
        .filter(|(day, ..)| was_complete(*day))
        .filter_map(|key| {
            let cost = |costs: &Costs| costs.get(key).copied().unwrap_or(0);
            let (before, after) = (cost(before), cost(after));
            let (day, workload, currency) = key.clone();
            (before != after).then(|| Changed { at, day, workload, currency, causes: causes.join(", "), before, after })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_days_that_had_ended_are_restated() {
        let costs = |first: i128, last: i128| -> Costs {
            [((10, "a".to_string(), "USD".to_string()), first), ((11, "a".to_string(), "USD".to_string()), last)]
                .into_iter()
                .collect()
        };
        let found = between(&costs(5, 1), &costs(7, 9), 11 * DAY, 0, &["bill".to_string()]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].day, found[0].before, found[0].after), (10, 5, 7));
    }
}
