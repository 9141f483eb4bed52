//! The contract: what the query `anomalies` lists, R1 and its kin, as findings of days.

use super::history::Owner;
use crate::config::Config;
use crate::error::Result;
use crate::metrics::{Cell, Engine, Grid};

/// A day that the query lists.
#[derive(Debug, Clone, PartialEq)]
pub struct Jump {
    /// Whose spend it is.
    pub owner: Owner,
    /// Day number.
    pub day: i32,
    /// `R1`, `new`, `returned`, `relabelled`.
    pub rule: String,
    /// The most that it may be: `page`, `warn` or `note`.
    pub severity: String,
    /// Cost of the day, units of 1e-10.
    pub cost: i128,
    /// Cost of the day it is compared with; unknown where there is none.
    pub compared: Option<(i32, i128)>,
    /// Increase.
    pub increase: i128,
    /// Previous owner of relabelled spend.
    pub moved_from: String,
    /// Cost of the same weekday in the four weeks before: least and most, where four are known.
    pub weekday_band: Option<(i128, i128)>,
    /// Whether the day is complete; else the finding is provisional.
    pub is_complete: bool,
}

/// Everything that the query lists, of the days from `from` on where that is one of ours.
///
/// # Errors
/// Where the store cannot be read, or the user's own query of that name cannot be run.
pub fn jumps(engine: &Engine, config: &Config, from: Option<i32>) -> Result<Vec<Jump>> {
    let answer = engine.anomalies(config, from)?;
    Ok(answer.rows.iter().filter_map(|row| jump(&answer, row)).collect())
}

/// A row without a day says nothing that could be listed.
fn jump(answer: &Grid, row: &[Cell]) -> Option<Jump> {
    let text = |name: &str| answer.text(row, name);
    let cost = answer.amount(row, "cost").unwrap_or(0);
    let compared = answer.day(row, "compared_day").zip(answer.amount(row, "compared_cost"));
    let four = matches!(answer.cell(row, "weekday_count"), Cell::Count(count) if *count >= 4);
    let band = answer.amount(row, "weekday_low").zip(answer.amount(row, "weekday_high"));
    Some(Jump {
        owner: Owner {
            workload: text("workload"),
            account: text("sub_account_id"),
            currency: text("billing_currency"),
        },
        day: answer.day(row, "day")?,
        rule: text("rule"),
        severity: text("severity"),
        cost,
        compared,
        increase: answer.amount(row, "increase").unwrap_or(cost - compared.map_or(0, |(_, cost)| cost)),
        moved_from: text("moved_from"),
        weekday_band: band.filter(|_| four),
        is_complete: answer.flag(row, "is_complete"),
    })
}
