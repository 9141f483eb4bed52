//! Published: rules of others, as they are published, to judge the own rules beside.

use crate::alert::baseline::median;
use crate::money;

/// Whether a rule of others alerts on a day; costs in units of 1e-10.
pub type Published = fn(&[f64], usize) -> bool;

/// Rules of others, as they are published; all of their alerts page.
pub const PUBLISHED: [(&str, Published); 5] = [
    ("plain_3x", |costs, day| day > 0 && costs[day - 1] > 0.0 && costs[day] >= 3.0 * costs[day - 1]),
    // LiteLLM: above three times the mean of seven days and at least ten dollars.
    ("litellm", |costs, day| {
        day >= 7 && costs[day] >= 10.0 * money::ONE as f64 && costs[day] > 3.0 * mean(&costs[day - 7..day])
    }),
    // OptScale: above the mean of seven days by more than a threshold, here a quarter.
    ("optscale", |costs, day| {
        day >= 7 && mean(&costs[day - 7..day]) > 0.0 && costs[day] > 1.25 * mean(&costs[day - 7..day])
    }),
    ("zscore_30", |costs, day| {
        day >= 30 && costs[day] > mean(&costs[day - 30..day]) + 3.0 * deviation(&costs[day - 30..day])
    }),
    ("weekday_mad", weekday_mad),
];

/// Above the median of the same weekday of eight weeks by three scaled median absolute deviations.
fn weekday_mad(costs: &[f64], day: usize) -> bool {
    let mut same: Vec<f64> = (1..=8).filter_map(|week| day.checked_sub(7 * week)).map(|day| costs[day]).collect();
    if same.len() < 3 {
        return false;
    }
    let Some(middle) = median(&mut same) else { return false };
    same.iter_mut().for_each(|cost| *cost = (*cost - middle).abs());
    costs[day] > middle + 3.0 * 1.4826 * median(&mut same).unwrap_or(0.0)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}
