//! Exact amounts: integers of 1e-10, the ten places to which AWS prints costs.
//!
//! A double enters by its shortest decimal form, rounded half-even, once, when a line is read.
//! From there on only integers move: sums, comparisons and splits are exact, whatever their order.

use arrow::datatypes::i256;

/// Decimal places of every money and quantity column.
pub const SCALE: i8 = 10;
/// Precision of every money and quantity column.
pub const PRECISION: u8 = 38;
/// Units of 1e-10 in one whole.
pub const ONE: i128 = 10_000_000_000;
/// Units of 1e-10 in one cent of a currency with cents.
pub const CENT: i128 = ONE / 100;
/// The largest magnitude that `Decimal(38,10)` holds, in units of 1e-10.
const LARGEST: i128 = 10_i128.pow(PRECISION as u32) - 1;

/// Why a number cannot become an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAmount {
    /// NaN or infinite.
    #[error("is not a finite number")]
    NotFinite,
    /// Text that is no decimal number.
    #[error("is not a decimal number")]
    NotANumber,
    /// More than `Decimal(38,10)` holds.
    #[error("is larger than any bill can be")]
    TooLarge,
}

/// The amount of a double, in units of 1e-10, by its shortest decimal form.
pub fn from_f64(value: f64) -> Result<i128, NotAnAmount> {
    use std::fmt::Write;
    if !value.is_finite() {
        return Err(NotAnAmount::NotFinite);
    }
    if let Some(units) = whole_units(value) {
        return Ok(units);
    }
    // `{:e}` is the shortest form that reads back as the same double.
    let mut text = StackText::default();
    if write!(text, "{value:e}").is_err() {
        return Err(NotAnAmount::NotANumber);
    }
    from_decimal_text(text.as_str())
}

/// The amount of a double whose shortest decimal form has at most ten places and fifteen digits, as
/// nearly all of a bill's have.
///
/// Both numbers of the quotient are whole doubles, so the division rounds once: where it gives the
/// value back, the value is the double nearest to that decimal. No other decimal of at most fifteen
/// digits has the same nearest double, so none of its shorter forms can be another.
fn whole_units(value: f64) -> Option<i128> {
    const FIFTEEN_DIGITS: f64 = 1e15;
    let units = (value * ONE as f64).round();
    (units.abs() < FIFTEEN_DIGITS && (units / ONE as f64).to_bits() == value.to_bits()).then_some(units as i128)
}

/// The amount of a decimal text such as `-0.0030`, `12` or `1.5e-7`, rounded half-even to 1e-10.
pub fn from_decimal_text(text: &str) -> Result<i128, NotAnAmount> {
    let text = text.trim();
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => {
            let exponent = digits[at + 1..].parse::<i32>().ok().ok_or(NotAnAmount::NotANumber)?;
            (&digits[..at], exponent)
        }
        None => (digits, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(NotAnAmount::NotANumber);
    }
    let shift = i64::from(exponent) + i64::from(SCALE) - fraction.len() as i64;
    let magnitude = scaled(whole.bytes().chain(fraction.bytes()), shift)?;
    Ok(if negative { -magnitude } else { magnitude })
}

/// The digits as an integer times 10^shift, rounded half-even where shift is negative.
fn scaled(digits: impl Iterator<Item = u8>, shift: i64) -> Result<i128, NotAnAmount> {
    let digits: Vec<u8> = digits
        .map(|byte| if byte.is_ascii_digit() { Ok(byte - b'0') } else { Err(NotAnAmount::NotANumber) })
        .collect::<Result<_, _>>()?;
    let kept = (digits.len() as i64 + shift.min(0)).max(0) as usize;
    let mut value: i128 = 0;
    for digit in digits.iter().take(kept) {
        value = push_digit(value, *digit)?;
    }
    if value != 0 {
        for _ in 0..shift.max(0) {
            value = push_digit(value, 0)?;
        }
    }
    // Digits are dropped only where shift is negative and reaches into them.
    let first_dropped_place = digits.len() as i64 + shift;
    if first_dropped_place >= 0 && kept < digits.len() {
        let first = digits[kept];
        let rest = digits[kept + 1..].iter().any(|digit| *digit != 0);
        let up = first > 5 || (first == 5 && (rest || value % 2 == 1));
        value += i128::from(up);
    }
    if value > LARGEST { Err(NotAnAmount::TooLarge) } else { Ok(value) }
}

fn push_digit(value: i128, digit: u8) -> Result<i128, NotAnAmount> {
    let value = value * 10 + i128::from(digit);
    if value > LARGEST { Err(NotAnAmount::TooLarge) } else { Ok(value) }
}

/// The amount of a stored decimal of another scale, rounded half-even.
pub fn from_decimal(value: i128, scale: i8) -> Result<i128, NotAnAmount> {
    if scale == SCALE {
        return if value.abs() > LARGEST { Err(NotAnAmount::TooLarge) } else { Ok(value) };
    }
    from_decimal_text(&format!("{value}e{}", -i32::from(scale)))
}

/// The plain decimal form without trailing zeros, for example `12.5` or `-0.0000000001`.
pub fn to_text(units: i128) -> String {
    let magnitude = units.unsigned_abs();
    let one = ONE.unsigned_abs();
    let sign = if units < 0 { "-" } else { "" };
    let fraction = format!("{:010}", magnitude % one);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        format!("{sign}{}", magnitude / one)
    } else {
        format!("{sign}{}.{fraction}", magnitude / one)
    }
}

/// The whole number nearest to a quantity, ties to even; how whole tokens are counted.
pub fn to_whole(units: i128) -> i128 {
    let floor = units.div_euclid(ONE);
    let rest = units.rem_euclid(ONE) * 2;
    let up = rest > ONE || (rest == ONE && floor.rem_euclid(2) == 1);
    floor + i128::from(up)
}

/// Splits an amount by weights, exactly: the parts have the amount's sign and sum to it.
///
/// The absolute amount is divided; what integer division leaves over goes one unit each to the
/// largest remainders, ties to the smaller key. Weights at or below zero count as zero. `None` where
/// no weight is positive, since then nothing says where the amount belongs.
pub fn split<K: Ord>(amount: i128, shares: &[(K, i128)]) -> Option<Vec<i128>> {
    let total: i128 = shares.iter().map(|(_, weight)| (*weight).max(0)).sum();
    if total == 0 {
        return None;
    }
    let magnitude = amount.unsigned_abs();
    let mut parts = Vec::with_capacity(shares.len());
    let mut remainders = Vec::with_capacity(shares.len());
    for (_, weight) in shares {
        let (part, remainder) = multiply_divide(magnitude, (*weight).max(0).unsigned_abs(), total.unsigned_abs());
        parts.push(part as i128);
        remainders.push(remainder);
    }
    let left = magnitude as i128 - parts.iter().sum::<i128>();
    let mut order: Vec<usize> = (0..shares.len()).filter(|at| remainders[*at] > 0).collect();
    order.sort_by(|a, b| {
        remainders[*b].cmp(&remainders[*a]).then_with(|| shares[*a].0.cmp(&shares[*b].0)).then(a.cmp(b))
    });
    for at in order.into_iter().take(left as usize) {
        parts[at] += 1;
    }
    if amount < 0 {
        parts.iter_mut().for_each(|part| *part = -*part);
    }
    Some(parts)
}

/// `a × b ÷ c` and its remainder; through 256 bits where 128 do not hold the product.
fn multiply_divide(a: u128, b: u128, c: u128) -> (u128, u128) {
    if let Some(product) = a.checked_mul(b) {
        return (product / c, product % c);
    }
    let wide = |value: u128| i256::from_parts(value, 0);
    let product = wide(a).wrapping_mul(wide(b));
    let quotient = product.wrapping_div(wide(c));
    let remainder = product.wrapping_rem(wide(c));
    (quotient.to_parts().0, remainder.to_parts().0)
}

/// Room for the longest `{:e}` form of a double, so that no line allocates.
#[derive(Default)]
struct StackText {
    bytes: [u8; 32],
    length: usize,
}

impl StackText {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or("")
    }
}

impl std::fmt::Write for StackText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(std::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_double_enters_by_its_shortest_decimal_form() {
        assert_eq!(from_f64(0.1), Ok(1_000_000_000));
        assert_eq!(from_f64(0.1 + 0.2), Ok(3_000_000_000));
        assert_eq!(from_f64(1e-10), Ok(1));
        assert_eq!(from_f64(-2.5e-10), Ok(-2));
        assert_eq!(from_f64(3.5e-10), Ok(4));
        assert_eq!(from_f64(-0.0), Ok(0));
        assert_eq!(from_f64(5e-324), Ok(0));
        assert_eq!(from_f64(5e-11), Ok(0));
        assert_eq!(from_f64(6e-11), Ok(1));
        assert_eq!(from_f64(123_456_789.123_456_78), Ok(1_234_567_891_234_567_800));
    }

    #[test]
    fn what_is_not_finite_or_too_large_is_refused() {
        assert_eq!(from_f64(f64::NAN), Err(NotAnAmount::NotFinite));
        assert_eq!(from_f64(f64::NEG_INFINITY), Err(NotAnAmount::NotFinite));
        assert_eq!(from_f64(1e300), Err(NotAnAmount::TooLarge));
        assert_eq!(from_f64(-1e28), Err(NotAnAmount::TooLarge));
    }

    #[test]
    fn text_is_read_as_written() {
        assert_eq!(from_decimal_text(" 0.0030000000 "), Ok(30_000_000));
        assert_eq!(from_decimal_text("-12"), Ok(-12 * ONE));
        assert_eq!(from_decimal_text(".5"), Ok(ONE / 2));
        assert_eq!(from_decimal_text("1E+2"), Ok(100 * ONE));
        for text in ["", "-", ".", "1,5", "1e", "NaN", "0x1", "1 2"] {
            assert_eq!(from_decimal_text(text), Err(NotAnAmount::NotANumber), "{text}");
        }
    }

    #[test]
    fn a_split_gives_ties_to_the_smaller_key() {
        assert_eq!(split(10, &[("b", 1), ("a", 1), ("c", 1)]), Some(vec![3, 4, 3]));
        assert_eq!(split(-10, &[("b", 1), ("a", 1), ("c", 1)]), Some(vec![-3, -4, -3]));
        assert_eq!(split(7, &[("a", 0), ("b", -5), ("c", 2)]), Some(vec![0, 0, 7]));
        assert_eq!(split(7, &[("a", 0), ("b", -5)]), None);
        assert_eq!(split::<&str>(7, &[]), None);
    }

    #[test]
    fn quantities_round_to_whole_tokens_half_even() {
        assert_eq!(to_whole(ONE / 2), 0);
        assert_eq!(to_whole(3 * ONE / 2), 2);
        assert_eq!(to_whole(-ONE / 2), 0);
        assert_eq!(to_whole(-3 * ONE / 2), -2);
        assert_eq!(to_whole(196_700 * ONE + 1), 196_700);
    }

    proptest! {
        #[test]
        fn a_split_is_exact_keeps_the_sign_and_ignores_the_order(
            amount in -10_i128.pow(30)..10_i128.pow(30),
            weights in prop::collection::vec(-5_i128..10_i128.pow(26), 1..8),
            turn in 0_usize..8,
        ) {
            let shares: Vec<(usize, i128)> = weights.iter().copied().enumerate().collect();
            let mut turned = shares.clone();
            turned.rotate_left(turn % shares.len());
            match (split(amount, &shares), split(amount, &turned)) {
                (None, None) => prop_assert!(weights.iter().all(|weight| *weight <= 0)),
                (Some(parts), Some(mut other)) => {
                    prop_assert_eq!(parts.iter().sum::<i128>(), amount);
                    prop_assert!(parts.iter().all(|part| part.signum() * amount.signum() >= 0));
                    for (part, weight) in parts.iter().zip(&weights) {
                        prop_assert!(*weight > 0 || *part == 0);
                    }
                    other.rotate_right(turn % shares.len());
                    prop_assert_eq!(parts, other);
                }
                _ => prop_assert!(false, "order decided whether a split exists"),
            }
        }

        #[test]
        fn text_and_back_is_the_same_amount(units in -LARGEST..=LARGEST) {
            prop_assert_eq!(from_decimal_text(&to_text(units)), Ok(units));
        }

        #[test]
        fn a_double_is_within_half_a_unit_of_its_amount(value in -1e9_f64..1e9) {
            let units = from_f64(value).expect("finite");
            prop_assert!((units as f64 / 1e10 - value).abs() <= 1e-10 + value.abs() * 1e-15);
        }
    }
}
