//! The model: what the rest of a month is expected to cost, out of daily costs alone. A pure function of numbers.
//!
//! **Middle.** A weekday has a share of its week: the median, over up to six weeks, of its cost over the mean of its
//! week. A series has a level: the mean of the last ten days' cost over share without the two largest and the two
//! smallest, so that one wild day is forgotten and a change of height is followed within days. A day to come is
//! expected to cost level × share; a total is the sum of its series.
//!
//! **Interval.** How far such sums were off is known from the past: from each of the last days the same number of days
//! was foreseen that is foreseen now, by what was known then. The logarithm of what came over what was foreseen is
//! measured in spreads, where the spread follows from the series' own unevenness and the number of days; the interval
//! reaches between two quantiles of these errors, of all series together for a series and of the total's own for the
//! total, widened since they are few. Until there is a past, errors are taken to be normal; these few assumed errors stay among the counted ones.

use crate::alert::baseline::median;
use crate::cores;

/// The interval's nominal level.
pub const LEVEL: f64 = 0.8;
/// The level between whose quantiles of past errors it reaches: what comes is a little less like the past than the
/// past is like itself, by what was seen on worlds that the tests do not look at.
const AIM: f64 = 0.83;
/// Days of a week.
const WEEK: usize = 7;
/// Weeks that say how weekdays differ, and the fewest that do.
const WEEKS: (usize, usize) = (6, 2);
/// Days that say at which level a series is, and how many of the largest and the smallest are left out.
const RECENT: (usize, usize) = (10, 2);
/// Days that say how uneven a series is.
const UNEVEN: usize = 21;
/// No series is taken to be more even than this, in logarithms; what little is known of is this uneven.
const EVEN: (f64, f64) = (0.03, 0.35);
/// Past days from which it was foreseen what came.
const ORIGINS: usize = 90;
/// What a level drifts by in a day, in logarithms, and what it is off by at once.
const DRIFT: (f64, f64) = (0.0015, 0.02);
/// Errors that are assumed: quantiles of a normal distribution, somewhat wide.
const ASSUMED: [f64; 20] = [
    -2.45, -1.80, -1.44, -1.17, -0.94, -0.75, -0.56, -0.40, -0.24, -0.08, 0.08, 0.24, 0.40, 0.56, 0.75, 0.94, 1.17,
    1.44, 1.80, 2.45,
];
/// What the total's interval is widened by: its errors are one series' alone.
const FEW: f64 = 1.15;
/// The largest error that is counted as such: what stopped altogether is infinitely off.
const LARGEST: f64 = 10.0;

/// What is expected, and between what it lies at the nominal level.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// The expected.
    pub middle: f64,
    /// Upper end.
    pub high: f64,
}

/// What is expected of the days to come.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outlook {
    /// All series together.
    pub total: Interval,
    /// Each series.
    pub each: Vec<Interval>,
}

/// A series as it is known at the end of a day.
#[derive(Debug, Clone, Copy)]
struct Fit {
    level: f64,
    share: [f64; WEEK],
    uneven: f64,
}

/// Daily costs of some series in one currency, from the same day on.
#[derive(Debug, Default)]
pub struct Model {
    /// By series, the total last.
    costs: Vec<Vec<f64>>,
    /// By series: sums of the days before each.
    sums: Vec<Vec<f64>>,
    /// By series and number of known days.
    fits: Vec<Vec<Option<Fit>>>,
}

impl Model {
    /// A model of series of equal length, for who asks what at least `since` known days say.
    pub fn of(mut costs: Vec<Vec<f64>>, since: usize) -> Self {
        let days = costs.iter().map(Vec::len).max().unwrap_or(0);
        let total = (0..days).map(|day| costs.iter().map(|series| series.get(day).copied().unwrap_or(0.0)).sum());
        costs.push(total.collect());
        let sums = costs.iter().map(|series| before_each(series)).collect();
        let fit_of = |series: &[f64], known: usize| if known < since { None } else { fit(series, known) };
        let of_days = |series: &Vec<f64>| (0..=series.len()).map(|known| fit_of(series, known)).collect();
        let fits = cores::each(costs.len(), |at| of_days(&costs[at]));
        Self { costs, sums, fits }
    }

    /// How many days there are.
    pub fn days(&self) -> usize {
        self.costs.last().map_or(0, Vec::len)
    }

    /// What a series cost on the days of a range.
    pub fn cost(&self, series: usize, from: usize, to: usize) -> f64 {
        self.sums[series][to] - self.sums[series][from]
    }

    /// Number of the series that is the total.
    pub fn total(&self) -> usize {
        self.costs.len() - 1
    }

    /// What the `days` days after the first `known` ones are expected to cost.
    pub fn outlook(&self, known: usize, days: usize) -> Outlook {
        if days == 0 {
            return Outlook { total: Interval::default(), each: vec![Interval::default(); self.total()] };
        }
        let (mut of_each, mut of_total) = (ASSUMED.to_vec(), ASSUMED.to_vec());
        let last = known.saturating_sub(days);
        for origin in last.saturating_sub(ORIGINS) + 1..=last {
            for series in 0..self.total() {
                of_each.extend(self.error(series, self.foreseen(series, origin, days), origin, days));
            }
            of_total.extend(self.error(self.total(), self.foreseen_in_all(origin, days), origin, days));
        }
        let (ends_of_each, ends_of_total) = (ends(&mut of_each), ends(&mut of_total));
        let each = (0..self.total()).map(|series| {
            self.interval(series, self.foreseen(series, known, days).unwrap_or(0.0), known, days, ends_of_each)
        });
        let each: Vec<Interval> = each.collect();
        let middle = self.foreseen_in_all(known, days).unwrap_or(0.0);
        // Errors of neighbouring days are much the same, so that few of the total's own are known.
        let ends = (ends_of_total.0 * FEW, ends_of_total.1 * FEW);
        Outlook { total: self.interval(self.total(), middle, known, days, ends), each }
    }

    /// What each of the days after the first `known` ones is expected to cost in all.
    pub fn days_to_come(&self, known: usize, days: usize) -> Vec<f64> {
        let of = |day: usize| {
            let each = (0..self.total())
                .filter_map(|series| self.fits[series][known].map(|fit| fit.level * fit.share[day % WEEK]));
            each.sum()
        };
        (known..known + days).map(of).collect()
    }

    fn interval(&self, series: usize, middle: f64, known: usize, days: usize, ends: (f64, f64)) -> Interval {
        let spread = self.fits[series][known].map_or(EVEN.1, |fit| spread(fit.uneven, days));
        let at = |error: f64| middle * (error * spread).exp();
        Interval { low: at(ends.0).min(middle), middle, high: at(ends.1).max(middle) }
    }

    /// What the days after an origin were expected to cost.
    fn foreseen(&self, series: usize, origin: usize, days: usize) -> Option<f64> {
        let fit = self.fits[series][origin]?;
        let weeks = (days / WEEK) as f64 * fit.share.iter().sum::<f64>();
        let rest: f64 = (0..days % WEEK).map(|day| fit.share[(origin + day) % WEEK]).sum();
        Some(fit.level * (weeks + rest))
    }

    fn foreseen_in_all(&self, origin: usize, days: usize) -> Option<f64> {
        let each = (0..self.total()).filter_map(|series| self.foreseen(series, origin, days));
        self.fits[self.total()][origin].map(|_| each.sum())
    }

    /// By how many spreads it was wrong what was foreseen.
    fn error(&self, series: usize, foreseen: Option<f64>, origin: usize, days: usize) -> Option<f64> {
        let fit = self.fits[series][origin]?;
        let foreseen = foreseen.filter(|foreseen| *foreseen > 0.0)?;
        let came = self.cost(series, origin, origin + days).max(0.0);
        Some(((came / foreseen).ln() / spread(fit.uneven, days)).clamp(-LARGEST, LARGEST))
    }
}

fn before_each(series: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0];
    let mut sum = 0.0;
    for cost in series {
        sum += cost;
        sums.push(sum);
    }
    sums
}

/// The quantiles between which the nominal level lies.
fn ends(errors: &mut [f64]) -> (f64, f64) {
    errors.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| {
        let place = share * (errors.len() - 1) as f64;
        let (below, above) = (errors[place.floor() as usize], errors[place.ceil() as usize]);
        below + (above - below) * place.fract()
    };
    (at((1.0 - AIM) / 2.0), at((1.0 + AIM) / 2.0))
}

/// How far the sum of some days is off, in logarithms: the level's own error, the days' unevenness, and drift.
fn spread(uneven: f64, days: usize) -> f64 {
    let days = days as f64;
    let drift = DRIFT.0 * days;
    (uneven * uneven * (1.0 / WEEK as f64 + 1.0 / days) + DRIFT.1 * DRIFT.1 + drift * drift).sqrt()
}

/// A series as its first `known` days say; `None` where they say nothing.
fn fit(series: &[f64], known: usize) -> Option<Fit> {
    let days = &series[..known];
    let begun = days.iter().position(|cost| *cost > 0.0)?;
    let days_of_it = known - begun;
    let share = shares(days, begun);
    let recent = days_of_it.min(RECENT.0);
    let mut levels: Vec<f64> = leveled(days, known - recent, &share).collect();
    if levels.is_empty() {
        return Some(Fit { level: 0.0, share, uneven: EVEN.1 });
    }
    levels.sort_unstable_by(f64::total_cmp);
    let left_out = RECENT.1.min((levels.len() - 1) / 3);
    let kept = &levels[left_out..levels.len() - left_out];
    let level = kept.iter().sum::<f64>() / kept.len() as f64;
    Some(Fit { level, share, uneven: unevenness(days, begun, &share) })
}

/// The middle of some values.
pub fn median_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    median(&mut values.collect::<Vec<_>>())
}

/// What a day would have cost as its series was at the end of the first `known` days.
pub fn usual(series: &[f64], known: usize, day: usize) -> f64 {
    fit(series, known).map_or(0.0, |fit| fit.level * fit.share[day % WEEK])
}

/// The first day of known days that [`Model::outlook`] looks at for so many days to come.
pub fn looks_back_to(known: usize, days: usize) -> usize {
    // Where nothing is to come, nothing is asked.
    if days == 0 { usize::MAX } else { known.saturating_sub(days + ORIGINS) }
}

/// Costs over shares, of days that have a share.
fn leveled(days: &[f64], from: usize, share: &[f64; WEEK]) -> impl Iterator<Item = f64> {
    let dated = days.iter().enumerate().skip(from);
    dated.filter(|(day, _)| share[day % WEEK] > 0.05).map(|(day, cost)| cost / share[day % WEEK])
}

/// The weekdays' shares of their week, by number of the day; all alike where no two weeks are known.
fn shares(days: &[f64], begun: usize) -> [f64; WEEK] {
    let weeks = ((days.len() - begun) / WEEK).min(WEEKS.0);
    if weeks < WEEKS.1 {
        return [1.0; WEEK];
    }
    let mut found: [Vec<f64>; WEEK] = Default::default();
    for week in 1..=weeks {
        let first = days.len() - week * WEEK;
        let of_week = &days[first..first + WEEK];
        let mean = of_week.iter().sum::<f64>() / WEEK as f64;
        for (at, cost) in of_week.iter().enumerate().filter(|_| mean > 0.0) {
            found[(first + at) % WEEK].push(cost / mean);
        }
    }
    let share = found.map(|mut found| median(&mut found).unwrap_or(0.0).max(0.0));
    let sum: f64 = share.iter().sum();
    if sum > 0.0 { share.map(|share| share * WEEK as f64 / sum) } else { [1.0; WEEK] }
}

/// Standard deviation of the logarithm of a day's cost over its share, without what is wild.
fn unevenness(days: &[f64], begun: usize, share: &[f64; WEEK]) -> f64 {
    let from = begun.max(days.len().saturating_sub(UNEVEN));
    let mut logs: Vec<f64> = leveled(days, from, share).filter(|level| *level > 0.0).map(f64::ln).collect();
    let enough = logs.len() >= WEEK;
    let Some(middle) = median(&mut logs).filter(|_| enough) else { return EVEN.1 };
    let mut off: Vec<f64> = logs.iter().map(|log| (log - middle).abs()).collect();
    median(&mut off).map_or(EVEN.1, |off| (off * 1.4826).max(EVEN.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weekly(days: usize) -> Vec<f64> {
        (0..days).map(|day| if day % 7 < 5 { 100.0 } else { 20.0 }).collect()
    }

    #[test]
    fn weekdays_to_come_cost_what_weekdays_cost() {
        let outlook = Model::of(vec![weekly(56)], 0).outlook(56, 9);
        // A week and two weekdays.
        assert!((outlook.total.middle - 740.0).abs() < 1e-6, "{outlook:?}");
        assert!(outlook.total.low < 740.0 && outlook.total.high > 740.0);
        assert_eq!(outlook.each.len(), 1);
    }

    #[test]
    fn one_wild_day_moves_nothing_and_a_new_height_is_followed() {
        let mut days = weekly(56);
        days[52] *= 8.0;
        let outlook = Model::of(vec![days], 0).outlook(56, 7);
        assert!((outlook.total.middle / 540.0 - 1.0).abs() < 0.05, "{outlook:?}");
        let mut days = weekly(56);
        days[46..].iter_mut().for_each(|day| *day *= 2.0);
        let outlook = Model::of(vec![days], 0).outlook(56, 7);
        assert!((outlook.total.middle / 1_080.0 - 1.0).abs() < 0.15, "{outlook:?}");
    }

    #[test]
    fn a_total_is_the_sum_of_its_series_and_the_future_is_not_known() {
        let mut days = vec![weekly(70), vec![3.0; 70]];
        let outlook = Model::of(days.clone(), 0).outlook(50, 10);
        let sum: f64 = outlook.each.iter().map(|each| each.middle).sum();
        assert!((outlook.total.middle - sum).abs() < 1e-9);
        days.iter_mut().for_each(|series| series[50..].fill(1e9));
        assert_eq!(Model::of(days, 0).outlook(50, 10), outlook);
    }

    #[test]
    fn what_has_no_past_or_no_days_to_come_is_nothing() {
        assert_eq!(Model::of(vec![weekly(30)], 0).outlook(30, 0).total, Interval::default());
        assert_eq!(Model::of(vec![vec![0.0; 30]], 0).outlook(30, 5).total, Interval::default());
        assert_eq!(Model::of(Vec::new(), 0).outlook(0, 5).each, []);
    }
}
