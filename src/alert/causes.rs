//! Causes: the change of a cost between two days, taken apart exactly.
//!
//! A day's cost of tokens is a sum over models and kinds of a product: queries × tokens per query × the
//! model's share × the kind's share within the model × price. Each factor's part of the change is its
//! Shapley value (Shapley 1953, "A value for n-person games"; for decompositions Sun 1998, "Changes in
//! energy consumption and energy intensity: a complete decomposition model", Energy Economics 20): the
//! average of what it changes over all orders in which the factors may change. So the parts do not
//! depend on an order, need no logarithm of zero, and sum to the change. Rounding to units of 1e-10
//! gives what is left to the largest part, so that they sum to it to the last unit.

use std::collections::BTreeMap;

/// Which side of a call tokens are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// What was sent: input, read from the cache and written to it.
    Sent,
    /// What came back.
    Returned,
}

impl Side {
    /// The side of a usage kind; `None` where it is not tokens of a call.
    pub fn of(kind: &str) -> Option<Self> {
        match kind {
            "input" | "cache_read" | "cache_write" => Some(Self::Sent),
            "output" => Some(Self::Returned),
            _ => None,
        }
    }
}

/// What was bought on two days, the first being compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bought {
    /// Side of the call; `None` for what is not tokens.
    pub side: Option<Side>,
    /// Model.
    pub model: String,
    /// Usage kind, with all else that has a price of its own.
    pub kind: String,
    /// Whole tokens.
    pub tokens: [i128; 2],
    /// Cost, units of 1e-10.
    pub cost: [i128; 2],
}

/// Parts of a change, units of 1e-10; they sum to it exactly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Causes {
    /// More or fewer queries.
    pub volume: i128,
    /// More or fewer tokens for a query.
    pub tokens_per_query: i128,
    /// Other models.
    pub model_mix: i128,
    /// Other shares of input, cache reads and cache writes.
    pub cache: i128,
    /// Another price of the same thing.
    pub price: i128,
    /// What is not tokens.
    pub other: i128,
}

/// Names of the parts, in the order of [`Causes::parts`].
pub const PARTS: [&str; 6] = ["volume", "tokens_per_query", "model_mix", "cache", "price", "other"];

const FACTORS: usize = 5;

impl Causes {
    /// Takes the change of a cost apart. `queries` are those of both days; without them tokens stand for
    /// queries, so that no part is tokens per query.
    pub fn of(bought: &[Bought], queries: Option<[i128; 2]>) -> Self {
        let bought = joined(bought);
        let (calls, others): (Vec<&Bought>, Vec<&Bought>) = bought.iter().partition(|bought| is_call(bought));
        let other: i128 = others.iter().map(|bought| bought.cost[1] - bought.cost[0]).sum();
        let change: i128 = calls.iter().map(|bought| bought.cost[1] - bought.cost[0]).sum();
        let totals = Tokens::of(&calls);
        let queries = queries.filter(|queries| queries.iter().all(|count| *count > 0));
        let mut parts = [0.0; FACTORS];
        for bought in calls {
            let factors = totals.factors(bought, queries);
            for (part, value) in parts.iter_mut().zip(shapley(factors)) {
                *part += value;
            }
        }
        let [volume, tokens_per_query, model_mix, cache, price] = whole(parts, change);
        Self { volume, tokens_per_query, model_mix, cache, price, other }
    }

    /// The parts in the order of [`PARTS`].
    pub fn parts(&self) -> [i128; 6] {
        [self.volume, self.tokens_per_query, self.model_mix, self.cache, self.price, self.other]
    }

    /// The change that they sum to.
    pub fn sum(&self) -> i128 {
        self.parts().iter().sum()
    }

    /// The part that moved most in the direction of the change, by name.
    pub fn main(&self) -> &'static str {
        let sign = if self.sum() < 0 { -1 } else { 1 };
        let named = PARTS.iter().zip(self.parts());
        named.max_by_key(|(_, part)| part * sign).map_or(PARTS[0], |(name, _)| name)
    }
}

/// Each model and kind once, in one order, so that no sum depends on how they came.
fn joined(bought: &[Bought]) -> Vec<Bought> {
    let mut joined: BTreeMap<(Option<Side>, &str, &str), Bought> = BTreeMap::new();
    for one in bought {
        let sum = joined.entry((one.side, &one.model, &one.kind)).or_insert_with(|| Bought {
            tokens: [0; 2],
            cost: [0; 2],
            ..one.clone()
        });
        sum.tokens.iter_mut().zip(one.tokens).for_each(|(sum, tokens)| *sum += tokens);
        sum.cost.iter_mut().zip(one.cost).for_each(|(sum, cost)| *sum += cost);
    }
    joined.into_values().collect()
}

/// Tokens of a call; a cost without tokens on its day has no price, and is no call.
fn is_call(bought: &Bought) -> bool {
    let priced = bought.tokens.iter().zip(bought.cost).all(|(tokens, cost)| *tokens > 0 || (*tokens == 0 && cost == 0));
    bought.side.is_some() && priced
}

/// Sums of tokens on both days.
#[derive(Default)]
struct Tokens<'a> {
    all: [i128; 2],
    sides: BTreeMap<Side, [i128; 2]>,
    models: BTreeMap<(Side, &'a str), [i128; 2]>,
}

impl<'a> Tokens<'a> {
    fn of(calls: &[&'a Bought]) -> Self {
        let mut totals = Self::default();
        for bought in calls {
            let Some(side) = bought.side else { continue };
            let of_side = totals.sides.entry(side).or_default();
            let of_model = totals.models.entry((side, bought.model.as_str())).or_default();
            for sums in [&mut totals.all, of_side, of_model] {
                sums.iter_mut().zip(bought.tokens).for_each(|(sum, tokens)| *sum += tokens);
            }
        }
        totals
    }

    /// The factors of a cost on both days. Where a share or price has no meaning on a day, since there was
    /// nothing to share, it is the other day's and changes nothing.
    fn factors(&self, bought: &'a Bought, queries: Option<[i128; 2]>) -> [[f64; 2]; FACTORS] {
        let side = bought.side.unwrap_or(Side::Sent);
        let of_side = self.sides.get(&side).copied().unwrap_or_default();
        let of_model = self.models.get(&(side, bought.model.as_str())).copied().unwrap_or_default();
        let volume = queries.unwrap_or(self.all);
        [
            volume.map(|count| count as f64),
            ratio(of_side, volume),
            ratio(of_model, of_side),
            ratio(bought.tokens, of_model),
            ratio(bought.cost, bought.tokens),
        ]
    }
}

fn ratio(of: [i128; 2], to: [i128; 2]) -> [f64; 2] {
    let known = |day: usize| (to[day] != 0).then(|| of[day] as f64 / to[day] as f64);
    match (known(0), known(1)) {
        (Some(before), Some(after)) => [before, after],
        (Some(one), None) | (None, Some(one)) => [one; 2],
        (None, None) => [0.0; 2],
    }
}

/// What each factor changes of a product, averaged over all orders of change.
fn shapley(factors: [[f64; 2]; FACTORS]) -> [f64; FACTORS] {
    let factorial = |count: u32| (1..=u64::from(count)).product::<u64>() as f64;
    std::array::from_fn(|of| {
        let others: Vec<usize> = (0..FACTORS).filter(|at| *at != of).collect();
        let mut sum = 0.0;
        for changed in 0..1_u32 << others.len() {
            let product: f64 =
                others.iter().enumerate().map(|(bit, at)| factors[*at][(changed >> bit & 1) as usize]).product();
            let count = changed.count_ones();
            let weight = factorial(count) * factorial(others.len() as u32 - count) / factorial(FACTORS as u32);
            sum += weight * product;
        }
        sum * (factors[of][1] - factors[of][0])
    })
}

/// Parts as whole units that sum to the change; what rounding leaves goes to the largest.
fn whole(parts: [f64; FACTORS], change: i128) -> [i128; FACTORS] {
    let mut whole = parts.map(|part| part.round() as i128);
    let left = change - whole.iter().sum::<i128>();
    if let Some(largest) = (0..FACTORS).max_by_key(|at| (whole[*at].abs(), FACTORS - at)) {
        whole[largest] += left;
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bought(model: &str, kind: &str, tokens: [i128; 2], cost: [i128; 2]) -> Bought {
        Bought { side: Side::of(kind), model: model.into(), kind: kind.into(), tokens, cost }
    }

    #[test]
    fn more_of_the_same_is_volume() {
        let all = [bought("m", "input", [100, 300], [1_000, 3_000]), bought("m", "output", [10, 30], [500, 1_500])];
        let causes = Causes::of(&all, Some([5, 15]));
        assert_eq!((causes.volume, causes.sum(), causes.main()), (3_000, 3_000, "volume"));
    }

    #[test]
    fn each_single_change_has_its_own_part() {
        let longer = [bought("m", "input", [100, 300], [1_000, 3_000])];
        assert_eq!(Causes::of(&longer, Some([5, 5])).tokens_per_query, 2_000);
        let dearer = [bought("m", "input", [100, 100], [1_000, 3_000])];
        assert_eq!(Causes::of(&dearer, Some([5, 5])).price, 2_000);
        let other_model = [bought("small", "input", [100, 0], [100, 0]), bought("large", "input", [0, 100], [0, 900])];
        assert_eq!(Causes::of(&other_model, Some([5, 5])).model_mix, 800);
        let cold = [bought("m", "input", [10, 100], [100, 1_000]), bought("m", "cache_read", [90, 0], [90, 0])];
        assert_eq!(Causes::of(&cold, Some([5, 5])).cache, 810);
        let searches = [Bought { side: None, ..bought("", "search_unit", [0, 0], [10, 70]) }];
        assert_eq!(Causes::of(&searches, Some([5, 5])).other, 60);
    }

    #[test]
    fn without_queries_tokens_are_the_volume() {
        let causes = Causes::of(&[bought("m", "input", [100, 300], [1_000, 3_000])], None);
        assert_eq!((causes.volume, causes.tokens_per_query), (2_000, 0));
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_change_to_the_last_unit_in_any_order(
            cells in prop::collection::vec((0..3_usize, 0..4_usize, [0..1_i128 << 50, 0..1_i128 << 50], [0..1_i128 << 60, 0..1_i128 << 60]), 0..12),
            queries in prop::option::of([0..1_i128 << 30, 0..1_i128 << 30]),
        ) {
            let kinds = ["input", "output", "cache_read", "search_unit"];
            let mut all: Vec<Bought> = cells
                .into_iter()
                .map(|(model, kind, tokens, cost)| bought(["a", "b", "c"][model], kinds[kind], tokens, cost))
                .collect();
            let causes = Causes::of(&all, queries);
            let change: i128 = all.iter().map(|bought| bought.cost[1] - bought.cost[0]).sum();
            prop_assert_eq!(causes.sum(), change);
            all.reverse();
            prop_assert_eq!(Causes::of(&all, queries), causes);
        }
    }
}
