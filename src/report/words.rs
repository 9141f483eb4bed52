//! Numbers in words for people: money to the cent, ratios, counts, percent.

use super::document::Look;
use super::safe;
use crate::metrics::Cell;
use crate::money::{self, ONE};

/// What stands where nothing is known.
pub const UNKNOWN: &str = "–";

/// Of which lines a sum on this basis is, where AWS prints it for some of them alone; follows the basis.
pub fn of_known(basis: &str) -> &'static str {
    if basis == "list cost" { ", of lines whose list cost is known" } else { "" }
}

/// A cell as people read it.
pub fn cell(cell: &Cell, look: Look) -> String {
    let units = match cell {
        Cell::Decimal(value, scale) => money::from_decimal(*value, *scale).ok(),
        Cell::Count(count) => count.checked_mul(ONE),
        _ => None,
    };
    match (look, cell, units) {
        (_, Cell::Null, _) => UNKNOWN.into(),
        (Look::Money, _, Some(units)) => amount(units),
        (Look::Change, _, Some(units)) => change(units),
        (Look::Count, _, Some(units)) => grouped(money::to_whole(units)),
        (Look::Percent, Cell::Float(value), _) => percent(*value),
        (Look::Ratio, Cell::Float(value), _) => format!("{value:.2}"),
        (Look::UnitCost, Cell::Float(value), _) => unit_cost(*value),
        (Look::UnitCost, _, Some(units)) => unit_cost(units as f64 / ONE as f64),
        (Look::Percent, _, Some(units)) => percent(units as f64 / ONE as f64),
        (Look::Ratio, _, Some(units)) => format!("{:.2}", units as f64 / ONE as f64),
        _ => safe::plain(&cell.text()),
    }
}

/// Money to the cent, half-even, in groups of three: `1,234.50`.
pub fn amount(units: i128) -> String {
    let cents = to_cents(units);
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", grouped((cents / 100) as i128), cents % 100)
}

/// Money with its sign: `+12.00`.
pub fn change(units: i128) -> String {
    if to_cents(units) > 0 { format!("+{}", amount(units)) } else { amount(units) }
}

fn to_cents(units: i128) -> i128 {
    // A cent is a hundredth, so a hundred times the amount is rounded to whole.
    money::to_whole(units.saturating_mul(100))
}

/// A whole number in groups of three.
pub fn grouped(value: i128) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if value < 0 { format!("-{out}") } else { out }
}

/// A ratio as percent to one place.
pub fn percent(ratio: f64) -> String {
    format!("{:.1} %", ratio * 100.0)
}

/// A cost per unit to four significant digits.
fn unit_cost(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let places = (3.0 - value.abs().log10().floor()).clamp(2.0, 12.0) as usize;
    format!("{value:.places$}")
}

/// A count with its word: `1 day`, `2 days`, `3 currencies`.
pub fn counted(count: usize, word: &str) -> String {
    match (count, word.strip_suffix('y').filter(|stem| !stem.ends_with('a'))) {
        (1, _) => format!("1 {word}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {word}s"),
    }
}

/// Share of one amount in another; `None` where the whole is not positive.
pub fn share(part: i128, whole: i128) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Team, environment and cost center for people, as far as known.
pub fn owner(parts: [&str; 3]) -> String {
    let known: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if known.is_empty() { UNKNOWN.into() } else { known.join(" / ") }
}

/// A currency for people, or what says that the bill names none.
pub fn currency(code: &str) -> &str {
    if code.is_empty() { "(no currency)" } else { code }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_rounded_to_the_cent_once_and_grouped() {
        assert_eq!(amount(12_345_675 * ONE / 10_000), "1,234.57");
        assert_eq!(amount(ONE / 200), "0.00");
        assert_eq!(amount(3 * ONE / 200), "0.02");
        assert_eq!(amount(-1_000_000 * ONE), "-1,000,000.00");
        assert_eq!(change(ONE), "+1.00");
        assert_eq!(change(1), "0.00");
    }

    #[test]
    fn unit_costs_keep_four_digits() {
        assert_eq!(unit_cost(0.000_123_456), "0.0001235");
        assert_eq!(unit_cost(1.5), "1.500");
        assert_eq!(unit_cost(12_345.6), "12345.60");
    }
}
