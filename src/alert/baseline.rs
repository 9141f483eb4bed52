//! Baselines: what a day is expected to cost, from the days before it.
//!
//! A weekday has a share of its week: the median, over up to six weeks, of its value over the mean of the seven
//! days that end with it. A series has a level: the median, over the last seven days, of value over share. A
//! day is expected to be its weekday's share of the level. So weeks may differ in height, which a median of
//! the same weekdays alone would take for noise. How far a day may lie from the expected is the spread of the
//! last six weeks: the larger of the median of the absolute logarithms of value over expected, times 1.4826, and
//! of their third quartile, over 1.1503, which both are the standard deviation where they are normal. Medians forget
//! single days, so that an incident does not become its own excuse.
//!
//! A week below does not make what was usual before it unusual: a day is expected to be no less than the middle one of
//! what it was expected to be a week, two and three weeks earlier. So the Monday after the holidays, or a model that is
//! back after a week in which another did its work, is as expected.
//!
//! Some work comes in bursts. What a series did about as much twice in the last two months, in quiet days between, or
//! a month ago, is its habit, however far it lies from the expected.

use std::collections::VecDeque;

/// Same weekdays that are looked at, and the fewest that say something.
const WEEKS: (usize, usize) = (6, 2);
/// Days of a week, which say at which level a series is.
const WEEK: usize = 7;
/// Days that say how far it spreads.
const SPREAD: usize = 42;
/// What a series is of.
#[derive(Debug, Clone, Copy)]
pub struct Nature {
    /// It is not taken to be steadier than this, in logarithms.
    steadiest: f64,
    /// The mean of a week.
    week: fn(&[f64]) -> f64,
}

/// Costs: a day that cost nothing belongs to its week. Seven per cent is no noise yet.
pub const COSTS: Nature = Nature { steadiest: 0.07, week: mean_of_days };
/// Ratios of a day's own numbers, which vary less than what is bought: a day of which nothing was measured has none.
pub const RATIOS: Nature = Nature { steadiest: 0.04, week: mean_of_values };
/// Days before one that is judged whose expectations are asked as well: those that were far in a row with it.
const BEFORE: usize = 2;
/// Days of which a habit is made.
pub const HABIT: usize = 62;
/// Times that make one, days between them that do without, and how much more than before is still as before.
const TIMES: usize = 2;
const APART: usize = 3;
const AS_MUCH: f64 = 2.0;
/// So many days ago was the same time of the month.
const MONTH: std::ops::RangeInclusive<usize> = 28..=31;
/// Spread of a series whose weeks are not known yet.
const UNKNOWN: f64 = 0.35;

/// What a day is expected to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// The middle.
    pub middle: f64,
    /// Standard deviation of the logarithm of day over middle.
    pub spread: f64,
}

impl Expected {
    /// How many spreads a value lies above the middle.
    pub fn score(&self, value: f64) -> f64 {
        if value <= 0.0 || self.middle <= 0.0 { 0.0 } else { (value / self.middle).ln() / self.spread }
    }

    /// The value so many spreads above (or below) the middle.
    pub fn at(&self, score: f64) -> f64 {
        self.middle * (score * self.spread).exp()
    }
}

/// A series of days, and what each was expected to be on the days before it.
#[derive(Debug, Clone)]
pub struct Baseline {
    values: Vec<f64>,
    /// What was usual on the days that make habits.
    usual: Vec<f64>,
    expected: Vec<Option<Expected>>,
}

impl Baseline {
    /// Of a value each day, without a gap; zero and below is no value.
    pub fn of(values: Vec<f64>, nature: Nature) -> Self {
        Self::since(0, values, nature)
    }

    /// The same for who asks of days from `first` on, and of the `BEFORE` days before it. Of earlier days nothing is
    /// expected.
    pub fn since(first: usize, values: Vec<f64>, nature: Nature) -> Self {
        let first = first.saturating_sub(BEFORE);
        // Days before the first value are none of the series: a week that reaches into them is no week of it.
        let begun = values.iter().position(|value| *value > 0.0).unwrap_or(0);
        let week_of = |day: usize| (day >= begun + WEEK - 1).then(|| of_week(&values, day, nature.week)).flatten();
        let of_week: Vec<Option<f64>> = (0..values.len()).map(week_of).collect();
        let from = first.saturating_sub(HABIT);
        let share_of = |day: usize| if day + WEEK < from { None } else { share(&of_week, day) };
        let share: Vec<Option<f64>> = (0..values.len()).map(share_of).collect();
        let middles: Vec<Option<f64>> =
            (0..values.len()).map(|day| if day < from { None } else { middle(&values, &share, day) }).collect();
        let mut expected = vec![None; values.len()];
        let mut usual = vec![0.0; values.len()];
        let mut deviations = Deviations::default();
        for day in from..values.len() {
            let found = match middles[day] {
                Some(middle) => Some(Expected { middle, spread: deviations.spread(nature.steadiest) }),
                None => by_last_days(&values, day),
            };
            usual[day] = found.map_or(0.0, |found| found.middle);
            let is_known = found.filter(|_| values[day] > 0.0);
            deviations.add(is_known.map(|found| (values[day] / found.middle).ln().abs()));
            expected[day] = found.filter(|_| day >= first).map(|found| no_less(found, weeks_before(&middles, day)));
        }
        Self { values, usual, expected }
    }

    /// What a day is expected to be, of the days before it alone; `None` where those say nothing.
    pub fn expected(&self, day: usize) -> Option<Expected> {
        self.expected[day]
    }

    /// The value of a day.
    pub fn value(&self, day: usize) -> f64 {
        self.values[day]
    }

    /// Whether what a day has beyond the expected is nothing that the series did not do before: about as much a month
    /// ago, or at least twice in the last two months, in quiet days between.
    pub fn is_habit(&self, day: usize) -> bool {
        let (value, usual) = (self.values[day], self.expected[day].map_or(0.0, |expected| expected.middle));
        let excess = value - usual;
        // A Sunday that costs what is usual on Mondays is no habit: it is as much in money, and as many times the usual.
        let was_as_much = |day: usize| {
            AS_MUCH * (self.values[day] - self.usual[day]) >= excess
                && AS_MUCH * self.values[day] * usual >= value * self.usual[day]
        };
        if excess <= 0.0 || MONTH.filter_map(|back| day.checked_sub(back)).any(was_as_much) {
            return true;
        }
        let (mut times, mut quiet) = (0, 0);
        for day in (day.saturating_sub(HABIT)..day).rev() {
            if was_as_much(day) {
                times += usize::from(quiet >= APART);
                quiet = 0;
            } else {
                quiet += 1;
            }
        }
        times >= TIMES
    }

    /// Median of the same weekdays three to six weeks before a day.
    pub fn long_before(&self, day: usize) -> Option<f64> {
        let same = (3..=6).filter_map(|week| day.checked_sub(WEEK * week)).map(|day| self.values[day]);
        let mut same: Vec<f64> = same.filter(|value| *value > 0.0).collect();
        let enough = same.len() >= 2;
        median(&mut same).filter(|_| enough)
    }

    /// Sum of the `days` days that end before a day.
    pub fn sum_before(&self, day: usize, days: usize) -> Option<f64> {
        let first = day.checked_sub(days)?;
        Some(self.values[first..day].iter().sum())
    }
}

/// A day's value over the mean of the seven days that end with it.
fn of_week(values: &[f64], day: usize, mean: fn(&[f64]) -> f64) -> Option<f64> {
    let mean = mean(&values[(day + 1).checked_sub(WEEK)?..=day]);
    (values[day] > 0.0).then(|| values[day] / mean)
}

/// Days that cost nothing belong to a week.
fn mean_of_days(week: &[f64]) -> f64 {
    week.iter().sum::<f64>() / week.len() as f64
}

/// Days without a ratio, of which nothing was measured, say nothing.
fn mean_of_values(week: &[f64]) -> f64 {
    let known = week.iter().filter(|value| **value > 0.0).count();
    week.iter().sum::<f64>() / known.max(1) as f64
}

/// The weekday's share of its week, as the weeks before a day have it.
fn share(of_week: &[Option<f64>], day: usize) -> Option<f64> {
    let before = (1..=WEEKS.0).map_while(|week| day.checked_sub(WEEK * week)).filter_map(|day| of_week[day]);
    median_of_few(before, WEEKS.1)
}

fn middle(values: &[f64], share: &[Option<f64>], day: usize) -> Option<f64> {
    let own = share[day]?;
    let last = (day.saturating_sub(WEEK)..day).filter_map(|day| Some(values[day] / share[day]?));
    median_of_few(last.filter(|level| *level > 0.0), 3).map(|level| level * own)
}

/// The middle one of what the same weekday was expected to be in the three weeks before a day.
fn weeks_before(middles: &[Option<f64>], day: usize) -> Option<f64> {
    median_of_few((1..=3).filter_map(|week| middles[day.checked_sub(WEEK * week)?]), 3)
}

/// What is expected, or what was before, whichever is more.
fn no_less(found: Expected, before: Option<f64>) -> Expected {
    Expected { middle: found.middle.max(before.unwrap_or(0.0)), ..found }
}

/// The median of no more than a week of values, where they are enough.
fn median_of_few(values: impl Iterator<Item = f64>, least: usize) -> Option<f64> {
    let mut few = [0.0; WEEK];
    let mut count = 0;
    for (place, value) in few.iter_mut().zip(values) {
        *place = value;
        count += 1;
    }
    median(&mut few[..count]).filter(|_| count >= least)
}

/// How far the last days lay from what was expected of them: as they came, and in order.
#[derive(Default)]
struct Deviations {
    last: VecDeque<Option<f64>>,
    sorted: Vec<f64>,
}

impl Deviations {
    /// Adds a day's, and forgets the one that is too old.
    fn add(&mut self, deviation: Option<f64>) {
        let place = |sorted: &[f64], value: f64| sorted.partition_point(|known| known.total_cmp(&value).is_lt());
        if self.last.len() == SPREAD
            && let Some(Some(oldest)) = self.last.pop_front()
        {
            self.sorted.remove(place(&self.sorted, oldest));
        }
        self.last.push_back(deviation);
        if let Some(deviation) = deviation {
            self.sorted.insert(place(&self.sorted, deviation), deviation);
        }
    }

    fn spread(&self, steadiest: f64) -> f64 {
        let known = self.sorted.len();
        let Some(middle) = middle_of(&self.sorted) else { return UNKNOWN };
        let spread = (middle * 1.4826).max(self.sorted[known * 3 / 4] / 1.1503);
        // A few days seem steadier than they are.
        spread.max(if known < SPREAD / 3 { 4.0 * steadiest } else { steadiest })
    }
}

/// Where no weeks are known: the median of the last days, of which each weekday must be one.
fn by_last_days(values: &[f64], day: usize) -> Option<Expected> {
    let first = day.saturating_sub(2 * WEEK);
    let mut last: Vec<f64> = values[first..day].iter().copied().filter(|value| *value > 0.0).collect();
    let enough = day >= WEEK && last.len() >= 3;
    median(&mut last).filter(|_| enough).map(|middle| Expected { middle, spread: UNKNOWN })
}

/// The middle value, or the mean of both.
pub fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    middle_of(values)
}

fn middle_of(sorted: &[f64]) -> Option<f64> {
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        count if count % 2 == 1 => Some(sorted[half]),
        _ => Some(f64::midpoint(sorted[half - 1], sorted[half])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Eight weeks of weekdays at 100 and weekends at 20, a little uneven.
    fn weekly() -> Vec<f64> {
        (0..56).map(|day| (if day % 7 < 5 { 100.0 } else { 20.0 }) * (1.0 + 0.02 * f64::from(day % 3 - 1))).collect()
    }

    #[test]
    fn a_monday_after_a_quiet_sunday_is_as_expected() {
        let baseline = Baseline::of(weekly(), COSTS);
        for day in 28..56 {
            let expected = baseline.expected(day).unwrap();
            assert!(expected.score(baseline.value(day)).abs() < 1.0, "day {day}");
        }
    }

    #[test]
    fn one_wild_day_neither_hides_nor_makes_the_next() {
        let mut days = weekly();
        days[40] *= 6.0;
        let baseline = Baseline::of(days, COSTS);
        assert!(baseline.expected(40).unwrap().score(baseline.value(40)) > 10.0);
        for day in 41..56 {
            assert!(baseline.expected(day).unwrap().score(baseline.value(day)).abs() < 1.5, "day {day}");
        }
    }

    #[test]
    fn weeks_of_another_height_are_no_noise() {
        let mut days = weekly();
        days[21..35].iter_mut().for_each(|day| *day *= 2.0);
        let baseline = Baseline::of(days, COSTS);
        for day in 39..56 {
            let expected = baseline.expected(day).unwrap();
            assert!(expected.score(baseline.value(day)) < 2.0, "day {day}");
        }
    }

    #[test]
    fn who_asks_of_the_last_days_alone_hears_the_same_of_them() {
        let mut days = weekly();
        days.extend(weekly());
        (days[70], days[81], days[95]) = (0.0, 700.0, 0.0);
        for nature in [COSTS, RATIOS] {
            let all = Baseline::of(days.clone(), nature);
            for first in [0, 1, 40, 44, 60, 90, 111] {
                let since = Baseline::since(first, days.clone(), nature);
                assert!((first.saturating_sub(BEFORE)..days.len()).all(|day| since.expected(day) == all.expected(day)));
            }
        }
    }

    #[test]
    fn what_was_usual_before_two_weeks_of_holidays_is_as_expected_after_them() {
        let mut days = weekly();
        days.extend(weekly());
        days[70..84].iter_mut().for_each(|day| *day *= 0.2);
        let baseline = Baseline::of(days, COSTS);
        for day in 84..112 {
            let expected = baseline.expected(day).unwrap();
            assert!(expected.score(baseline.value(day)) < 1.0, "day {day}");
        }
    }

    #[test]
    fn a_slow_growth_is_followed() {
        let grown: Vec<f64> =
            weekly().iter().enumerate().map(|(day, value)| value * 1.01_f64.powi(day as i32)).collect();
        let baseline = Baseline::of(grown, COSTS);
        for day in 35..56 {
            assert!(baseline.expected(day).unwrap().score(baseline.value(day)) < 2.0, "day {day}");
        }
    }

    #[test]
    fn a_series_that_begins_amid_the_store_is_as_usual_from_its_first_week_on() {
        let mut late = vec![0.0; 9];
        late.extend(weekly());
        let baseline = Baseline::of(late, COSTS);
        for day in 16..60 {
            let expected = baseline.expected(day).unwrap();
            assert!(expected.score(baseline.value(day)).abs() < 5.0, "day {day} {expected:?} {}", baseline.value(day));
        }
        let mut holes: Vec<f64> = (0..56).map(|day| 1.0 + 0.02 * f64::from(day % 3)).collect();
        holes[20..24].fill(0.0);
        let baseline = Baseline::of(holes, RATIOS);
        for day in (14..20).chain(24..56) {
            assert!(baseline.expected(day).unwrap().score(baseline.value(day)).abs() < 2.0, "day {day}");
        }
    }

    #[test]
    fn without_weeks_the_last_days_say_little_and_without_days_nothing() {
        let baseline = Baseline::of(vec![10.0, 0.0, 12.0, 11.0, 12.0, 11.0, 0.0, 30.0], COSTS);
        assert_eq!(baseline.expected(4), None);
        assert_eq!(baseline.expected(7), Some(Expected { middle: 11.0, spread: UNKNOWN }));
    }
}
