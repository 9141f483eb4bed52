//! What to ask in which call, as a function of the clock: nothing here touches the network.
//!
//! CloudWatch merges minutes into 5 minutes after 15 days and into hours after 63, and forgets them
//! after 455. A call holds at most 500 queries and 100,800 points, and every query of every call is
//! paid for: so a window is kept whole and fewer series go into a call, rather than the reverse.

use super::Window;
use crate::clock::{DAY, HOUR};
use crate::sources::cloudwatch::CloudWatchError;
use crate::sources::cloudwatch::series::SeriesName;

/// Most queries that a call of GetMetricData takes.
pub(super) const QUERIES_MAX: usize = 500;
/// Most points that a call of GetMetricData answers without a second page.
pub(super) const POINTS_MAX: i64 = 100_800;
/// After this time CloudWatch forgets a point, and a series.
pub(super) const KEPT: i64 = 455 * DAY;
/// Points older than `.0` are kept by `.1` seconds only.
const MERGED: [(i64, i64); 2] = [(63 * DAY, HOUR), (15 * DAY, 300)];
/// A start that is just young enough would be too old when the last of many calls is made.
const MARGIN: i64 = HOUR;
/// The periods that may be asked for: each divides an hour, and those from 300 on each 5 minutes.
const PERIODS: [i64; 7] = [60, 300, 600, 900, 1200, 1800, HOUR];

/// Checks the configured period, in seconds; an hour where there is none.
pub(super) fn period(configured: Option<i64>) -> Result<i64, CloudWatchError> {
    let period = configured.unwrap_or(HOUR);
    if PERIODS.contains(&period) { Ok(period) } else { Err(CloudWatchError::Period { period }) }
}

/// A stretch of a window that is asked with one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) window: Window,
    /// Seconds that a point covers.
    pub(super) period: i64,
}

/// Cuts a window by age, oldest part first; also says whether its oldest hours are forgotten by now.
///
/// Starts and ends of parts are whole hours, whatever the window's.
pub(super) fn parts(window: Window, period: i64, as_of: i64) -> (Vec<Part>, bool) {
    let window = Window { from: floor(window.from), until: ceil(window.until) };
    let oldest = ceil(as_of - KEPT);
    let limits = MERGED.map(|(age, _)| floor(as_of - age) + HOUR + MARGIN);
    let stretches = [
        (oldest, limits[0], period.max(MERGED[0].1)),
        (limits[0], limits[1], period.max(MERGED[1].1)),
        (limits[1], i64::MAX, period),
    ];
    let mut parts: Vec<Part> = Vec::new();
    for (from, until, period) in stretches {
        let window = Window { from: window.from.max(from), until: window.until.min(until) };
        match parts.last_mut() {
            _ if window.from >= window.until => {}
            Some(last) if last.period == period => last.window.until = window.until,
            _ => parts.push(Part { window, period }),
        }
    }
    (parts, window.from < oldest && window.from < window.until)
}

/// One call of GetMetricData: every series over the same window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call<'a> {
    pub(super) series: &'a [SeriesName],
    pub(super) part: Part,
}

/// The calls that ask every series for every point of a part exactly once, oldest first.
pub(super) fn calls(series: &[SeriesName], part: Part) -> Vec<Call<'_>> {
    let points = (part.window.until - part.window.from) / part.period;
    let together = usize::try_from(POINTS_MAX / points.max(1)).unwrap_or(QUERIES_MAX).clamp(1, QUERIES_MAX);
    let mut calls = Vec::new();
    let mut from = part.window.from;
    while from < part.window.until {
        let until = part.window.until.min(from + POINTS_MAX * part.period);
        let part = Part { window: Window { from, until }, ..part };
        calls.extend(series.chunks(together).map(|series| Call { series, part }));
        from = until;
    }
    calls
}

/// The start of the hour that holds an instant.
fn floor(instant: i64) -> i64 {
    instant - instant.rem_euclid(HOUR)
}

/// The instant itself where it starts an hour, else the start of the next.
fn ceil(instant: i64) -> i64 {
    -floor(-instant)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// 2026-11-22T12:34:56Z.
    const AS_OF: i64 = 1_795_350_896;
    const THIS_HOUR: i64 = AS_OF - AS_OF % HOUR;

    fn series(count: usize) -> Vec<SeriesName> {
        let name = |number| SeriesName {
            account_id: "111111111111".into(),
            region: "us-east-1".into(),
            namespace: "AWS/Bedrock".into(),
            metric: "InputTokenCount".into(),
            dimensions: BTreeMap::from([("ModelId".into(), format!("m{number:05}"))]),
        };
        (0..count).map(name).collect()
    }

    fn days_back(from: i64, until: i64) -> Window {
        Window { from: THIS_HOUR - from * DAY, until: THIS_HOUR - until * DAY }
    }

    #[test]
    fn an_hourly_period_asks_any_window_in_one_part() {
        let window = days_back(400, 0);
        assert_eq!(parts(window, HOUR, AS_OF), (vec![Part { window, period: HOUR }], false));
    }

    #[test]
    fn a_finer_period_is_raised_where_cloudwatch_has_merged_its_points() {
        let (parts, forgotten) = parts(days_back(400, 0), 60, AS_OF);
        let limits = [63, 15].map(|days| THIS_HOUR - days * DAY + HOUR + MARGIN);
        let window = |from, until| Window { from, until };
        let expected = [
            Part { window: window(THIS_HOUR - 400 * DAY, limits[0]), period: HOUR },
            Part { window: window(limits[0], limits[1]), period: 300 },
            Part { window: window(limits[1], THIS_HOUR), period: 60 },
        ];
        assert_eq!((parts.as_slice(), forgotten), (&expected[..], false));
    }

    #[test]
    fn what_cloudwatch_has_forgotten_is_not_asked_and_is_said() {
        let (parts, forgotten) = parts(days_back(500, 450), HOUR, AS_OF);
        assert_eq!((parts[0].window.from, forgotten), (THIS_HOUR + HOUR - KEPT, true));
        assert_eq!(super::parts(days_back(500, 470), HOUR, AS_OF), (vec![], true));
        assert_eq!(super::parts(days_back(470, 500), HOUR, AS_OF), (vec![], false));
    }

    #[test]
    fn a_long_window_takes_fewer_series_a_call_rather_than_asking_each_series_often() {
        let series = series(1200);
        let asked = |days| {
            let (parts, _) = parts(days_back(days, 0), HOUR, AS_OF);
            let calls = parts.iter().flat_map(|part| calls(&series, *part)).collect::<Vec<_>>();
            (calls.len(), calls.iter().map(|call| call.series.len()).sum::<usize>())
        };
        assert_eq!(asked(1), (3, 1200));
        assert_eq!(asked(400), (120, 1200), "10 series a call, each once");
    }

    #[test]
    fn only_periods_that_fill_an_hour_and_that_cloudwatch_merges_into_are_taken() {
        assert_eq!(period(None).unwrap(), HOUR);
        assert_eq!(period(Some(60)).unwrap(), 60);
        for refused in [0, -60, 1, 90, 360, 420, 2700, 7200, DAY] {
            assert!(period(Some(refused)).is_err(), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn parts_cover_what_is_kept_of_a_window_once_and_never_finer_than_it_is_kept(
            from in 0_i64..24 * 600, hours in 0_i64..24 * 600, period in prop::sample::select(&PERIODS[..]), odd in 0..HOUR,
        ) {
            let as_of = AS_OF + odd;
            let window = Window { from: THIS_HOUR - from * HOUR, until: THIS_HOUR + (hours - from) * HOUR };
            let (parts, forgotten) = parts(window, period, as_of);
            let mut reached = window.from.max(ceil(as_of - KEPT));
            for part in &parts {
                let Part { window: Window { from, until }, period: asked } = *part;
                prop_assert_eq!(from, reached);
                prop_assert!(from < until && from % HOUR == 0 && until % HOUR == 0 && HOUR % asked == 0);
                let age = as_of - from;
                let kept = if age > 63 * DAY { HOUR } else if age > 15 * DAY { 300 } else { 60 };
                prop_assert!(age <= KEPT && asked % kept == 0 && asked >= period);
                reached = until;
            }
            prop_assert!(parts.is_empty() || reached == window.until);
            prop_assert_eq!(parts.is_empty(), window.until <= window.from.max(ceil(as_of - KEPT)));
            prop_assert_eq!(forgotten, window.from < window.until && window.from < ceil(as_of - KEPT));
        }

        #[test]
        fn calls_ask_every_point_of_every_series_once_and_keep_within_the_limits(
            count in 0_usize..1300, hours in 0_i64..24 * 80, period in prop::sample::select(&PERIODS[..]),
        ) {
            let series = series(count);
            let part = Part { window: Window { from: THIS_HOUR, until: THIS_HOUR + hours * HOUR }, period };
            let mut reached: BTreeMap<&SeriesName, i64> = series.iter().map(|name| (name, THIS_HOUR)).collect();
            for call in calls(&series, part) {
                let Window { from, until } = call.part.window;
                let points = (until - from) / period;
                prop_assert!((until - from) % period == 0 && from % HOUR == 0 && points > 0);
                prop_assert!((1..=QUERIES_MAX).contains(&call.series.len()));
                prop_assert!(points * i64::try_from(call.series.len()).unwrap() <= POINTS_MAX);
                for name in call.series {
                    prop_assert_eq!(reached.insert(name, until), Some(from));
                }
            }
            prop_assert!(reached.values().all(|reached| *reached == part.window.until));
        }
    }
}
