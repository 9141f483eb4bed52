//! Normalise: raw lines in, `charges` out, in one vocabulary, base units, exact amounts and UTC.
//!
//! Lines of one hour that agree on everything but money and quantity become one charge. Nothing is
//! dropped: a text that no parser knows leaves its column null, keeps its money, and is counted.

pub mod costs;
pub mod gathered;
pub mod kinds;
pub mod known;
pub mod lines;
pub mod select;
mod spill;
pub mod tags;
pub mod trust;

use crate::distinct::Distinct;
use crate::error::Error;
use crate::money;
use crate::schema::{CHARGE_TEXT_COUNT, ChargeText};
use crate::text::{Text, Texts};

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

/// A sum that no column holds.
pub fn too_large(bill: &str) -> Error {
    Error::input(
        bill,
        "a sum of the period is larger than 28 digits before the point",
        "look for a line with an absurd amount; the period is left as it was",
    )
}

/// The text columns of a charge: everything but its time and its money.
pub type Dimensions = [Text; CHARGE_TEXT_COUNT];

/// A row of `charges`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Start of the hour or day (or of the line, where it is longer), epoch seconds.
    pub start: i64,
    /// Number of its dimensions.
    pub dimensions: u32,
    /// The amount columns.
    pub amounts: Amounts,
}

/// The charges of a stretch of time, from one or more exports.
///
/// A bill repeats the same few thousand sets of dimensions in every hour, so that what follows from a
/// set is found once and not once a charge.
#[derive(Debug, Default, Clone)]
pub struct Charges {
    /// Every text of the rows.
    pub texts: Texts,
    /// Every set of dimensions of the rows.
    pub dimensions: Distinct<Dimensions>,
    /// The rows.
    pub rows: Vec<Charge>,
}

impl Charges {
    /// A text column of a row.
    pub fn text(&self, row: &Charge, column: ChargeText) -> Text {
        self.dimensions.get(row.dimensions)[column as usize]
    }
}
