//! Rates: days on which a meter's tokens agree with the metrics and its price is not the usual one.
//!
//! The usual rate of a meter is that of its median day. A day counts as off by more than a thousandth
//! of its cost and more than a cent, so that the rounding of small lines stays silent.

use std::collections::{BTreeMap, BTreeSet};

use super::tokens::Place;
use crate::money::CENT;

/// Fewest days from which a usual rate is read.
const DAYS: usize = 3;
/// A rate is off beyond this part of the cost, one in so many.
const TOLERANCE: i128 = 1_000;

/// One meter's day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// Where and when.
    pub place: Place,
    /// Index into [`super::tokens::TOKEN_KINDS`].
    pub kind: usize,
    /// Usage type of the bill.
    pub meter: String,
    /// Currency.
    pub currency: String,
    /// Units of 1e-10.
    pub cost: i128,
    /// Whole tokens.
    pub tokens: i128,
}

/// A day at another rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateGap {
    /// The day.
    pub priced: Priced,
    /// What its tokens cost at the usual rate, units of 1e-10.
    pub expected: i128,
}

/// The days at another rate than their meter's usual one, where the tokens themselves agree.
pub fn find(priced: Vec<Priced>, agreed: &BTreeSet<(Place, usize)>) -> Vec<RateGap> {
    let mut meters: BTreeMap<(String, String, String, String), Vec<Priced>> = BTreeMap::new();
    for day in priced.into_iter().filter(|day| day.tokens > 0) {
        let (account, model) = (day.place.account.clone(), day.place.model.clone());
        meters.entry((account, model, day.meter.clone(), day.currency.clone())).or_default().push(day);
    }
    let mut gaps = Vec::new();
    for mut days in meters.into_values().filter(|days| days.len() >= DAYS) {
        // a/b < c/d without dividing; costs and tokens of a day leave room for the product.
        days.sort_by(|a, b| {
            let (left, right) = (a.cost.saturating_mul(b.tokens), b.cost.saturating_mul(a.tokens));
            left.cmp(&right).then_with(|| a.place.cmp(&b.place))
        });
        let usual = days[days.len() / 2].clone();
        for day in days {
            let expected = usual.cost.saturating_mul(day.tokens) / usual.tokens;
            let gap = (day.cost - expected).abs();
            let is_off = gap > CENT && gap.saturating_mul(TOLERANCE) > expected.abs();
            if is_off && agreed.contains(&(day.place.clone(), day.kind)) {
                gaps.push(RateGap { priced: day, expected });
            }
        }
    }
    gaps.sort_by(|a, b| (&a.priced.place, &a.priced.meter).cmp(&(&b.priced.place, &b.priced.meter)));
    gaps
}
