//! The law: nothing is lost, doubled or guessed between the lines of the bill and the figures.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Breach, Error, Result};
use crate::money;
use crate::normalise::{AMOUNT_COUNT, Amounts};
use crate::schema::AMOUNTS;

/// Adds amounts to sums; one that no column holds stays as large as it can be.
pub fn add(sums: &mut Amounts, amounts: &Amounts) {
    for (sum, amount) in sums.iter_mut().zip(amounts) {
        if let Some(amount) = amount {
            *sum = Some(sum.unwrap_or(0).saturating_add(*amount));
        }
    }
}

/// Sums of the amount columns by account and currency.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals(pub BTreeMap<(String, String), Amounts>);

impl Totals {
    /// Sums rows of account, currency and amounts.
    pub fn of<'a>(rows: impl Iterator<Item = (&'a str, &'a str, &'a Amounts)>) -> Self {
        let mut totals = Self::default();
        for (account, currency, amounts) in rows {
            totals.add(account, currency, amounts);
        }
        totals
    }

    /// Adds a row.
    pub fn add(&mut self, account: &str, currency: &str, amounts: &Amounts) {
        let key = (account.to_string(), currency.to_string());
        add(self.0.entry(key).or_default(), amounts);
    }

    /// Adds other totals.
    pub fn merge(&mut self, other: Self) {
        for (key, amounts) in other.0 {
            add(self.0.entry(key).or_default(), &amounts);
        }
    }

    /// Whether every sum fits its column.
    pub fn can_be_stored(&self) -> bool {
        let limit = 10_u128.pow(u32::from(money::PRECISION));
        self.0.values().flatten().flatten().all(|sum| sum.unsigned_abs() < limit)
    }

    /// Sums of one column by currency.
    pub fn by_currency(&self, column: usize) -> BTreeMap<String, i128> {
        let mut sums = BTreeMap::new();
        for ((_, currency), amounts) in &self.0 {
            *sums.entry(currency.clone()).or_default() += amounts[column].unwrap_or(0);
        }
        sums
    }

    /// Some columns alone.
    #[must_use]
    pub fn only(&self, columns: &[usize]) -> Self {
        let kept = |amounts: &Amounts| {
            let mut kept = Amounts::default();
            columns.iter().for_each(|column| kept[*column] = amounts[*column]);
            kept
        };
        Self(self.0.iter().map(|(key, amounts)| (key.clone(), kept(amounts))).collect())
    }

    /// Asserts that another step holds the same amounts.
    pub fn must_equal(&self, other: &Self, period: &str, from: &'static str, to: &'static str) -> Result<()> {
        let nothing = Amounts::default();
        for key in self.0.keys().chain(other.0.keys()) {
            let (before, after) = (self.0.get(key).unwrap_or(&nothing), other.0.get(key).unwrap_or(&nothing));
            for column in 0..AMOUNT_COUNT {
                let (before, after) = (before[column].unwrap_or(0), after[column].unwrap_or(0));
                if before != after {
                    return Err(Error::Conservation(Box::new(Breach {
                        period: format!("{period}, account {}, currency {}", key.0, key.1),
                        column: AMOUNTS[column],
                        from,
                        to,
                        expected: money::to_text(before),
                        found: money::to_text(after),
                        difference: money::to_text(after - before),
                    })));
                }
            }
        }
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Entry {
    account: String,
    currency: String,
    amounts: BTreeMap<String, String>,
}

impl Serialize for Totals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|((account, currency), amounts)| {
            let named = AMOUNTS.iter().zip(amounts);
            let named =
                named.filter_map(|(name, amount)| amount.map(|amount| ((*name).to_string(), money::to_text(amount))));
            Entry { account: account.clone(), currency: currency.clone(), amounts: named.collect() }
        }))
    }
}

impl<'de> Deserialize<'de> for Totals {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut totals = Self::default();
        for entry in Vec::<Entry>::deserialize(deserializer)? {
            let mut amounts = Amounts::default();
            for (at, name) in AMOUNTS.iter().enumerate() {
                let text = entry.amounts.get(*name);
                let amount = text.map(|text| money::from_decimal_text(text)).transpose();
                amounts[at] = amount.map_err(serde::de::Error::custom)?;
            }
            totals.0.insert((entry.account, entry.currency), amounts);
        }
        Ok(totals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_of_one_unit_breaks_the_law() {
        let one: Amounts = [None, Some(1), Some(1), Some(1), None];
        let two: Amounts = [None, Some(1), Some(2), Some(1), None];
        let a = Totals::of([("1", "USD", &one)].into_iter());
        let b = Totals::of([("1", "USD", &two)].into_iter());
        assert!(a.must_equal(&a, "2026-11", "charges", "cost_facts").is_ok());
        let error = a.must_equal(&b, "2026-11", "charges", "cost_facts").expect_err("differs");
        assert!(error.to_string().contains("0.0000000001"), "{error}");
    }

    #[test]
    fn equal_sums_in_different_currencies_are_not_equal() {
        let one: Amounts = [None, Some(1), Some(1), Some(1), None];
        let a = Totals::of([("1", "USD", &one)].into_iter());
        let b = Totals::of([("1", "EUR", &one)].into_iter());
        assert!(a.must_equal(&b, "2026-11", "charges", "cost_facts").is_err());
    }
}
