//! Frames: the tables that are made when a store is opened, beside those that it holds.

use polars::prelude::*;

use super::days::Day;
use super::engine::{Range, engine_error};
use crate::classify;
use crate::clock;
use crate::config::Config;
use crate::error::Result;
use crate::money::{PRECISION, SCALE};

/// Day numbers as a column of dates.
pub fn dates(values: Vec<Option<i32>>, name: &str) -> PolarsResult<Column> {
    Series::new(name.into(), values).cast(&DataType::Date).map(Column::from)
}

/// `days`: which are stored, and which are complete.
pub fn days(days: &[Day]) -> Result<DataFrame> {
    let build = || {
        let day = dates(days.iter().map(|day| Some(day.day)).collect(), "day")?;
        let previous = days.iter().map(|day| day.follows.then_some(day.day - 1)).collect();
        let previous = dates(previous, "previous_day")?;
        let month: Vec<String> = days.iter().map(|day| clock::month_of(day.day)).collect();
        let day_of_month: Vec<i64> = days.iter().map(|day| clock::day_of_month(day.day)).collect();
        let weekday: Vec<i64> = days.iter().map(|day| clock::weekday(day.day)).collect();
        let complete: Vec<bool> = days.iter().map(|day| day.is_complete).collect();
        DataFrame::new(
            days.len(),
            vec![
                day,
                previous,
                Column::new("month".into(), month),
                Column::new("day_of_month".into(), day_of_month),
                Column::new("weekday".into(), weekday),
                Column::new("is_complete".into(), complete),
            ],
        )
    };
    build().map_err(|error| engine_error(&error))
}

/// The config's thresholds, in units of 1e-10.
#[derive(Debug, Clone, Copy)]
pub struct Thresholds {
    ratio: i128,
    page_above: i128,
    cache_hit_floor: i128,
}

impl Thresholds {
    /// Those of a config.
    pub fn of(config: &Config) -> Self {
        let (ratio, page_above) = (config.anomaly.ratio, config.anomaly.page_above);
        Self { ratio, page_above, cache_hit_floor: config.cache.hit_floor }
    }
}

/// `params`: the clock, the range and the config's thresholds, in one row.
pub fn params(thresholds: &Thresholds, whole: (i32, i32), as_of: i64, range: Range) -> Result<DataFrame> {
    let from = range.from.unwrap_or(whole.0);
    let to = range.to.unwrap_or(whole.1);
    let build = || {
        let date = |name: &str, day: i32| dates(vec![Some(day)], name);
        let decimal = |name: &str, units: i128| {
            Int128Chunked::from_slice(name.into(), &[units])
                .into_decimal(PRECISION as usize, SCALE as usize)
                .map(|column| Column::from(column.into_series()))
        };
        let time = Series::new("as_of".into(), [as_of * 1_000_000])
            .cast(&DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)))?;
        DataFrame::new(
            1,
            vec![
                Column::from(time),
                date("from", from)?,
                date("to", to)?,
                decimal("ratio", thresholds.ratio)?,
                decimal("page_above", thresholds.page_above)?,
                decimal("cache_hit_floor", thresholds.cache_hit_floor)?,
            ],
        )
    };
    build().map_err(|error| engine_error(&error))
}

/// `models`: every model of the store, and whether it can cache prompts: by the catalogue, or because
/// the bill shows it caching, whatever the catalogue knows. Null where neither says.
pub fn models(models: &[(String, bool)]) -> Result<DataFrame> {
    let can_cache = |(name, has_cached): &(String, bool)| {
        let known = classify::recognise_model(name).map(|model| model.caches);
        if *has_cached { Some(true) } else { known }
    };
    let names: Vec<&str> = models.iter().map(|(name, _)| name.as_str()).collect();
    let can_cache: Vec<Option<bool>> = models.iter().map(can_cache).collect();
    let columns = vec![Column::new("model_name".into(), names), Column::new("can_cache".into(), can_cache)];
    DataFrame::new(models.len(), columns).map_err(|error| engine_error(&error))
}
