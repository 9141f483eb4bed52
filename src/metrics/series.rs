//! Series: `cost_daily` summed as the query `anomalies` reads it, and of early days no more than it looks back to.
//!
//! The query sums Usage by day and series before all else, and sums of sums are the same sums. Of days before the first
//! that is asked it looks at the same weekdays of four weeks, and at the last day on which a series had spend: whether
//! it had any, and how much.

use hashbrown::{HashMap, HashSet};
use polars::prelude::*;

use super::frames::dates;
use super::lines::{Lines, UNKNOWN};
use crate::money::{PRECISION, SCALE};

/// Days before a judged one that its weekday is compared with.
const WEEKDAYS: i32 = 28;

/// Workload, account where nobody owns it, currency; all by number.
type Series = [u32; 3];

/// Rows that say the same to the query as all of them, where it is asked of the days from `from` on.
pub(super) fn sums(daily: &Lines, from: Option<i32>) -> PolarsResult<DataFrame> {
    let first = from.map_or(i32::MIN, |from| from - WEEKDAYS);
    let sums = summed(daily);
    let mut rows: Vec<(i32, Series, i128)> =
        sums.into_iter().map(|((day, series), cost)| (day, series, cost)).collect();
    // The newest first, so that the first spend before the days that are kept is the last there was.
    rows.sort_unstable_by_key(|(day, series, _)| (std::cmp::Reverse(*day), *series));
    let mut has_last: HashSet<Series> = HashSet::new();
    rows.retain(|(day, series, cost)| *day >= first || (*cost > 0 && has_last.insert(*series)));
    frame(daily, &rows)
}

/// Unblended cost of Usage by day and series.
fn summed(daily: &Lines) -> HashMap<(i32, Series), i128> {
    let [usage, monthly, nobodys] =
        [("charge_category", "Usage"), ("grain", "month"), ("attribution_method", "not_allocable")]
            .map(|(column, text)| daily.number(column, text));
    let [categories, grains, methods, workloads, accounts, currencies] =
        ["charge_category", "grain", "attribution_method", "workload", "sub_account_id", "billing_currency"]
            .map(|name| daily.numbers(name));
    let (days, costs) = (daily.days(), daily.amounts("unblended_cost"));
    let mut sums: HashMap<(i32, Series), i128> = HashMap::new();
    for row in 0..daily.height() {
        let is_owned = workloads[row] != UNKNOWN;
        let is_usage = categories[row] == usage && grains[row] != monthly && grains[row] != UNKNOWN;
        if is_usage && (is_owned || methods[row] != nobodys) {
            let account = if is_owned { UNKNOWN } else { accounts[row] };
            *sums.entry((days[row], [workloads[row], account, currencies[row]])).or_default() +=
                costs.of(row).unwrap_or(0);
        }
    }
    sums
}

/// The sums as rows of `cost_daily`.
fn frame(daily: &Lines, rows: &[(i32, Series, i128)]) -> PolarsResult<DataFrame> {
    let height = rows.len();
    let named = |at: usize, name: &str| {
        let texts = daily.texts(name);
        let texts: StringChunked =
            rows.iter().map(|(_, series, _)| texts.get(series[at] as usize).map(String::as_str)).collect();
        Column::from(texts.with_name(name.into()).into_series())
    };
    let same = |name: &str, text: &str| Column::new_scalar(name.into(), Scalar::from(PlSmallStr::from(text)), height);
    let costs: Int128Chunked = rows.iter().map(|(_, _, cost)| Some(*cost)).collect();
    let costs = costs.with_name("unblended_cost".into()).into_decimal(PRECISION as usize, SCALE as usize)?;
    let columns = vec![
        dates(rows.iter().map(|(day, ..)| Some(*day)).collect(), "day")?,
        named(0, "workload"),
        named(1, "sub_account_id"),
        named(2, "billing_currency"),
        same("charge_category", "Usage"),
        same("grain", "day"),
        same("attribution_method", "unattributed"),
        Column::from(costs.into_series()),
    ];
    DataFrame::new(height, columns)
}
