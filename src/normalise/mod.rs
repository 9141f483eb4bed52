//! Normalise: raw lines in, `charges` out, in one vocabulary, base units, exact amounts and UTC.
//!
//! Lines of one hour that agree on everything but money and quantity become one charge. Nothing is
//! dropped: a text that no parser knows leaves its column null, keeps its money, and is counted.

pub mod costs;
pub mod gathered;
pub mod known;
pub mod lines;
pub mod select;
mod spill;
pub mod tags;
pub mod trust;

use crate::money;
use crate::schema::{CHARGE_TEXT_COUNT, ChargeText};
use crate::text::{Ranks, Text, Texts};

/// Number of amount columns.
pub const AMOUNT_COUNT: usize = crate::schema::AMOUNTS.len();
/// Positions within [`Amounts`], in the order of [`crate::schema::AMOUNTS`].
pub const QUANTITY: usize = 0;
/// Position of `billed_cost`.
pub const BILLED: usize = 1;
/// Position of `unblended_cost`.
pub const UNBLENDED: usize = 2;
/// Position of `effective_cost`.
pub const EFFECTIVE: usize = 3;
/// Position of `list_cost`.
pub const LIST: usize = 4;

/// The amount columns of a row, units of 1e-10; `None` is unknown, and sums pass over it as SQL does.
pub type Amounts = [Option<i128>; AMOUNT_COUNT];

/// Adds one row's amounts to another's; `None` where a sum leaves what a column can hold.
#[must_use]
pub fn add(to: &mut Amounts, from: &Amounts) -> bool {
    to.iter_mut().zip(from).all(|(to, from)| match (*to, *from) {
        (_, None) => true,
        (held, Some(amount)) => match held.unwrap_or(0).checked_add(amount) {
            Some(sum) if sum.unsigned_abs() < 10_u128.pow(u32::from(money::PRECISION)) => {
                *to = Some(sum);
                true
            }
            _ => false,
        },
    })
}

/// A row of `charges`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Start of the hour or day (or of the line, where it is longer), epoch seconds.
    pub start: i64,
    /// The text columns.
    pub texts: [Text; CHARGE_TEXT_COUNT],
    /// The amount columns.
    pub amounts: Amounts,
}

impl Charge {
    /// A text column.
    pub fn text(&self, column: ChargeText) -> Text {
        self.texts[column as usize]
    }

    /// The order of rows in stored files: by time, then by every text.
    pub fn compare(&self, other: &Self, ranks: &Ranks) -> std::cmp::Ordering {
        let order = |charge: &Self, at: usize| ranks.of(charge.texts[at]);
        let texts = (0..CHARGE_TEXT_COUNT).map(|at| order(self, at).cmp(&order(other, at)));
        self.start
            .cmp(&other.start)
            .then_with(|| texts.into_iter().find(|found| found.is_ne()).unwrap_or(std::cmp::Ordering::Equal))
    }
}

/// The charges of a stretch of time, from one or more exports.
#[derive(Debug, Default)]
pub struct Charges {
    /// Every text of the rows.
    pub texts: Texts,
    /// The rows.
    pub rows: Vec<Charge>,
}
