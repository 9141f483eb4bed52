//! Usual hours: what each hour of the week costs a scope, from the bill's own hours of the last weeks.

use serde::{Deserialize, Serialize};

use crate::alert::baseline::median;
use crate::clock::{DAY, HOUR};

/// Hours of a week.
pub const WEEK: usize = 168;
/// Weeks that are learned from.
pub const WEEKS: usize = 4;
/// No series of hours is taken to be steadier than this, in logarithms.
const STEADIEST: f64 = 0.15;
/// Spread where too little is known.
const UNKNOWN: f64 = 0.5;

/// What a scope's hours usually cost. Amounts are of the currency: this is statistics, no money is made of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Usual {
    /// By hour of the week, from Thursday 00:00 UTC, as the epoch has it.
    hours: Vec<f32>,
    /// Standard deviation of the logarithm of an hour over what was expected.
    spread: f32,
    /// What the dearest hour of a week costs, in the median.
    high: f32,
}

impl Usual {
    /// Of the cost of each hour, the last of which ends where a day does; `end` is that, in epoch seconds.
    pub fn of(costs: &[f64], end: i64) -> Self {
        let first = end / HOUR - costs.len() as i64;
        let place = |at: usize| (first + at as i64).rem_euclid(WEEK as i64) as usize;
        let mut same: Vec<Vec<f64>> = vec![Vec::new(); WEEK];
        costs.iter().enumerate().for_each(|(at, cost)| same[place(at)].push(*cost));
        let all = mean(costs);
        let hours: Vec<f64> = same.iter_mut().map(|costs| median(costs).unwrap_or(all)).collect();
        let level = level(costs, &hours, place);
        let hours: Vec<f64> = hours.into_iter().map(|hour| hour * level).collect();
        let known = costs.iter().enumerate().filter(|(at, cost)| **cost > 0.0 && hours[place(*at)] > 0.0);
        let mut far: Vec<f64> = known.map(|(at, cost)| (cost / hours[place(at)]).ln().abs()).collect();
        let is_known = costs.len() >= 2 * WEEK;
        let spread =
            median(&mut far).map_or(UNKNOWN, |far| (1.4826 * far).max(if is_known { STEADIEST } else { UNKNOWN }));
        // Of the dearest hours of the weeks the median: one wild week does not become the bar for the next.
        let mut dearest: Vec<f64> = costs.chunks(WEEK).map(|week| week.iter().copied().fold(0.0, f64::max)).collect();
        let high = median(&mut dearest).unwrap_or(0.0);
        Self { hours: hours.into_iter().map(|hour| hour as f32).collect(), spread: spread as f32, high: high as f32 }
    }

    /// What a stretch is expected to cost.
    pub fn expected(&self, from: i64, until: i64) -> f64 {
        if self.hours.len() != WEEK {
            return 0.0;
        }
        let (mut at, mut sum) = (from, 0.0);
        while at < until {
            let next = (at - at.rem_euclid(HOUR) + HOUR).min(until);
            let place = (at / HOUR).rem_euclid(WEEK as i64) as usize;
            sum += f64::from(self.hours[place]) * (next - at) as f64 / HOUR as f64;
            at = next;
        }
        sum
    }

    /// How many spreads an amount lies above what was expected.
    pub fn score(&self, cost: f64, expected: f64) -> f64 {
        if cost <= 0.0 || expected <= 0.0 { 0.0 } else { (cost / expected).ln() / f64::from(self.spread) }
    }

    /// Whether an hour costs more than the dearest of a week does.
    pub fn is_high(&self, cost: f64) -> bool {
        cost > f64::from(self.high)
    }

    /// Whether the hours of a stretch are usually as even as one hour is to the next: then evenness says nothing.
    pub fn is_even(&self, from: i64, until: i64) -> bool {
        let hours = (from / HOUR..until / HOUR).map(|hour| self.expected(hour * HOUR, (hour + 1) * HOUR));
        let (low, high) = hours.fold((f64::MAX, 0.0_f64), |(low, high), hour| (low.min(hour), high.max(hour)));
        high > 0.0 && low >= 0.7 * high
    }
}

fn mean(costs: &[f64]) -> f64 {
    if costs.is_empty() { 0.0 } else { costs.iter().sum::<f64>() / costs.len() as f64 }
}

/// How high the last seven days are beside the weeks: the median of theirs, which one wild day does not move.
fn level(costs: &[f64], hours: &[f64], place: impl Fn(usize) -> usize) -> f64 {
    let day = (DAY / HOUR) as usize;
    let first = costs.len().saturating_sub(7 * day);
    let days = costs[first..].chunks(day).enumerate().filter_map(|(number, costs)| {
        let usual: f64 = (0..costs.len()).map(|at| hours[place(first + number * day + at)]).sum();
        (usual > 0.0).then(|| costs.iter().sum::<f64>() / usual)
    });
    median(&mut days.collect::<Vec<f64>>()).filter(|level| *level > 0.0).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four weeks that end on a Thursday at 00:00: ten by day, two by night, a little uneven.
    fn weeks() -> Vec<f64> {
        let hour = |at: usize| if (8..20).contains(&(at % 24)) { 10.0 } else { 2.0 };
        (0..WEEKS * WEEK).map(|at| hour(at) * (1.0 + 0.05 * (at % 3) as f64)).collect()
    }

    const END: i64 = 2_900 * 7 * DAY;

    #[test]
    fn a_morning_is_as_usual_and_a_night_like_a_morning_is_not() {
        let usual = Usual::of(&weeks(), END);
        let nine = END + 9 * HOUR;
        let expected = usual.expected(nine, nine + HOUR);
        assert!((9.5..11.5).contains(&expected), "{expected}");
        assert!(usual.score(11.0, expected) < 1.0);
        let night = END + 2 * HOUR;
        assert!(usual.score(10.0, usual.expected(night, night + HOUR)) > 4.5);
        let half = usual.expected(END + 7 * HOUR + HOUR / 2, END + 8 * HOUR + HOUR / 2);
        assert!((5.5..7.0).contains(&half), "{half}");
        assert!(usual.is_high(12.0) && !usual.is_high(10.0));
        assert!(!usual.is_even(END, END + 12 * HOUR) && usual.is_even(END, END + 6 * HOUR));
    }

    #[test]
    fn one_wild_day_of_the_last_week_does_not_move_the_level() {
        let mut costs = weeks();
        let last = costs.len() - 24;
        costs[last..].iter_mut().for_each(|cost| *cost *= 8.0);
        let usual = Usual::of(&costs, END);
        let expected = usual.expected(END + 9 * HOUR, END + 10 * HOUR);
        assert!((9.0..12.0).contains(&expected), "{expected}");
    }

    #[test]
    fn nothing_known_expects_nothing() {
        assert!(Usual::default().expected(0, HOUR).abs() < 1e-9);
        assert!(Usual::of(&[], END).expected(END, END + HOUR).abs() < 1e-9);
    }
}
