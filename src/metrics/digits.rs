//! Digits: numbers and days as text, without the detour that general formatting takes for each.

use std::fmt::Write;

use chrono::Datelike;

use crate::clock;
use crate::money;

/// Room for the digits of any 128 bits.
const ROOM: usize = 40;

/// Adds a whole number.
pub fn count(value: i128, out: &mut String) {
    if value < 0 {
        out.push('-');
    }
    whole(value.unsigned_abs(), 1, out);
}

/// Adds a decimal without trailing zeros, as [`money::to_text`] writes it.
pub fn decimal(value: i128, scale: i8, out: &mut String) {
    let Ok(units) = money::from_decimal(value, scale) else {
        out.push_str(&format!("{value}e-{scale}"));
        return;
    };
    if units < 0 {
        out.push('-');
    }
    let (magnitude, one) = (units.unsigned_abs(), money::ONE.unsigned_abs());
    // Division of 128 bits is many times slower, and nearly all amounts have fewer.
    let (before, after) = match u64::try_from(magnitude) {
        Ok(small) => (u128::from(small / one as u64), small % one as u64),
        Err(_) => (magnitude / one, (magnitude % one) as u64),
    };
    whole(before, 1, out);
    if after != 0 {
        out.push('.');
        whole(u128::from(after), money::SCALE as usize, out);
        out.truncate(out.trim_end_matches('0').len());
    }
}

/// Adds a double in its shortest form, never with an exponent.
pub fn float(value: f64, out: &mut String) {
    // Writing to a text cannot fail.
    write!(out, "{value}").unwrap_or_default();
}

/// Adds a day as `YYYY-MM-DD`.
pub fn day(day: i32, out: &mut String) {
    let date = clock::date(day);
    match u128::try_from(date.year()) {
        Ok(year) if year < 10_000 => {
            whole(year, 4, out);
            for part in [date.month(), date.day()] {
                out.push('-');
                whole(part.into(), 2, out);
            }
        }
        _ => out.push_str(&clock::day_text(day)),
    }
}

/// Adds a whole number of at least so many digits.
fn whole(mut value: u128, least: usize, out: &mut String) {
    let mut digits = [b'0'; ROOM];
    let mut at = ROOM;
    while value > u128::from(u64::MAX) {
        at -= 1;
        digits[at] += (value % 10) as u8;
        value /= 10;
    }
    let mut value = value as u64;
    while value > 0 {
        at -= 1;
        digits[at] += (value % 10) as u8;
        value /= 10;
    }
    let digits = &digits[at.min(ROOM - least)..];
    out.push_str(std::str::from_utf8(digits).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(write: impl Fn(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    proptest! {
        #[test]
        fn numbers_and_days_are_as_general_formatting_has_them(
            value in prop_oneof![any::<i128>(), any::<i64>().prop_map(i128::from), -200_i128..200],
            number in prop_oneof![-4_000_000..4_000_000, -800_000..40_000],
        ) {
            prop_assert_eq!(text(|out| count(value, out)), value.to_string());
            let plain = money::from_decimal(value, money::SCALE);
            let plain = plain.map_or_else(|_| format!("{value}e-10"), money::to_text);
            prop_assert_eq!(text(|out| decimal(value, money::SCALE, out)), plain);
            prop_assert_eq!(text(|out| day(number, out)), clock::day_text(number));
        }
    }
}
