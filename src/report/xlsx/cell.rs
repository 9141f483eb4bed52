//! Cells: what a value is in a spreadsheet, which knows doubles, days as numbers, and texts of a limited length.
//!
//! Money is written as the double nearest to the exact decimal. A double holds fifteen digits whatever they are, so
//! that up to 99,999.9999999999 all ten places come back, and cents up to ten trillions.

use std::borrow::Cow;

use crate::clock;
use crate::metrics::Value;
use crate::money;
use crate::report::Look;

/// How a column looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As it is.
    Text,
    /// Money to the cent.
    Money,
    /// Money with its sign.
    Change,
    /// Money with all its places.
    Exact,
    /// What one call costs.
    UnitCost,
    /// A share as percent.
    Share,
    /// A ratio.
    Ratio,
    /// A whole number, grouped.
    Count,
    /// A day.
    Day,
    /// A month: its first day.
    Month,
    /// An instant, UTC.
    Time,
    /// Yes or no.
    Flag,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::Text,
        Self::Money,
        Self::Change,
        Self::Exact,
        Self::UnitCost,
        Self::Share,
        Self::Ratio,
        Self::Count,
        Self::Day,
        Self::Month,
        Self::Time,
        Self::Flag,
    ];

    /// The number format.
    pub fn format(self) -> &'static str {
        match self {
            Self::Text | Self::Flag => "General",
            Self::Money | Self::Ratio => "#,##0.00",
            Self::Change => "+#,##0.00;-#,##0.00;0.00",
            Self::Exact => "#,##0.0000000000",
            Self::UnitCost => "#,##0.000000",
            Self::Share => "0.0%",
            Self::Count => "#,##0",
            Self::Day => "yyyy-mm-dd",
            Self::Month => "yyyy-mm",
            Self::Time => "yyyy-mm-dd hh:mm:ss",
        }
    }

    /// Whether it is a number to people, and no name or date.
    pub fn is_amount(self) -> bool {
        !matches!(self, Self::Text | Self::Day | Self::Month | Self::Time | Self::Flag)
    }

    /// Characters that a column of it needs; of texts it depends.
    pub fn width(self) -> f64 {
        match self {
            Self::Text => 10.0,
            Self::Exact => 24.0,
            Self::Money | Self::Change | Self::Count => 16.0,
            Self::UnitCost => 14.0,
            Self::Time => 20.0,
            Self::Share | Self::Ratio | Self::Day | Self::Month | Self::Flag => 12.0,
        }
    }

    /// Of a column of a query's answer, by its name and one of its values.
    pub fn of_column(name: &str, value: Value<'_>) -> Self {
        let counts = ["tokens", "invocations", "units", "count", "days_compared"];
        match value {
            Value::Day(_) => Self::Day,
            Value::Time(_) => Self::Time,
            Value::Flag(_) => Self::Flag,
            Value::Text(_) if is_month(name) => Self::Month,
            Value::Null | Value::Text(_) => Self::Text,
            Value::Count(_) | Value::Decimal(_, 0) => Self::Count,
            Value::Decimal(..) if counts.iter().any(|part| name.ends_with(part)) => Self::Count,
            Value::Decimal(..) => Self::Money,
            Value::Float(_) if name.starts_with("cost_per_") => Self::UnitCost,
            Value::Float(_) if name.contains("share") || name.ends_with("rate") => Self::Share,
            Value::Float(_) => Self::Ratio,
        }
    }

    /// Of a column of a table for people.
    pub fn of_look(look: Look, name: &str, value: Value<'_>) -> Self {
        match look {
            Look::Plain => Self::of_column(name, value),
            Look::Money => Self::Money,
            Look::Change => Self::Change,
            Look::Percent => Self::Share,
            Look::Ratio => Self::Ratio,
            Look::UnitCost => Self::UnitCost,
            Look::Count => Self::Count,
        }
    }
}

fn is_month(name: &str) -> bool {
    ["month", "period", "billing_period"].contains(&name)
}

/// What a cell holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Content<'a> {
    /// Unknown.
    Nothing,
    /// A number, or a day or time as one.
    Number(f64),
    /// A text, never a formula.
    Text(Cow<'a, str>),
    /// Yes or no.
    Flag(bool),
}

/// What a cell of a kind holds of a value. What no number can say is a text.
pub fn content(value: Value<'_>, kind: Kind) -> Content<'_> {
    let number = match value {
        Value::Null => return Content::Nothing,
        Value::Flag(flag) => return Content::Flag(flag),
        Value::Text(text) if kind == Kind::Month => clock::month_range(text).and_then(|(first, _)| serial(first)),
        Value::Text(_) => None,
        Value::Count(count) => i64::try_from(count).ok().map(|count| count as f64),
        Value::Decimal(..) => value.amount().map(nearest),
        Value::Float(number) => Some(number).filter(|number| number.is_finite()),
        Value::Day(day) => serial(day),
        Value::Time(micros) => {
            let (day, rest) = (micros.div_euclid(MICROS), micros.rem_euclid(MICROS));
            let day = i32::try_from(day).ok().and_then(serial);
            day.map(|day| day + rest as f64 / MICROS as f64)
        }
    };
    match (number, value) {
        (Some(number), _) => Content::Number(number),
        (None, Value::Text(text)) => Content::Text(safe(text)),
        (None, value) => Content::Text(Cow::Owned(value.shown().into_owned())),
    }
}

/// Microseconds of a day.
const MICROS: i64 = clock::DAY * 1_000_000;
/// What a spreadsheet calls 1970-01-01.
const EPOCH: i32 = 25_569;
/// 9999-12-31, the last day of a spreadsheet.
const LAST: i32 = 2_958_465;

/// A day as spreadsheets count them; none before March 1900, where they count a day that never was.
pub fn serial(day: i32) -> Option<f64> {
    let number = day.checked_add(EPOCH)?;
    (61..=LAST).contains(&number).then_some(f64::from(number))
}

/// The double that is nearest to an amount.
pub fn nearest(units: i128) -> f64 {
    const EXACT: i128 = 1 << 53;
    if units.abs() <= EXACT {
        // Both numbers are whole doubles, so that the division rounds once.
        return units as f64 / money::ONE as f64;
    }
    money::to_text(units).parse().unwrap_or(f64::NAN)
}

/// Whether a value is a number on a sheet, and so to formulas.
pub fn is_number(value: Value<'_>) -> bool {
    matches!(content(value, Kind::Text), Content::Number(_))
}

/// Whether an amount has more digits than a spreadsheet keeps.
pub fn is_too_long(value: Value<'_>) -> bool {
    const DIGITS: i128 = 1_000_000_000_000_000;
    let mut units = match value {
        Value::Count(count) => count,
        _ => value.amount().unwrap_or(0),
    };
    while units != 0 && units % 10 == 0 {
        units /= 10;
    }
    units.abs() >= DIGITS
}

/// UTF-16 units of the longest text that a cell holds.
const LONGEST: usize = 32_767;

/// A text as a cell can hold it: what XML cannot is shown by its number, and what is too long is cut and says so.
pub fn safe(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let is_kept = matches!(c, '\n' | '\t') || !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'));
        if is_kept { out.push(c) } else { out.extend(c.escape_unicode()) }
    }
    if out.encode_utf16().count() > LONGEST {
        let note = format!("… ({} characters, cut)", text.chars().count());
        let mut left = LONGEST - note.encode_utf16().count();
        let is_room = |c: &char| {
            let fits = c.len_utf16() <= left;
            left -= if fits { c.len_utf16() } else { left };
            fits
        };
        out = out.chars().take_while(is_room).collect::<String>() + &note;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ten_places_come_back_from_fifteen_digits(units in -999_999_999_999_999_i128..=999_999_999_999_999) {
            let double = nearest(units);
            prop_assert_eq!(format!("{double:.10}"), format!("{:.10}", money::to_text(units).parse::<f64>().expect("a number")));
            prop_assert_eq!(money::from_decimal_text(&format!("{double:.10}")), Ok(units));
            prop_assert!(!is_too_long(Value::Decimal(units, money::SCALE)));
        }

        #[test]
        fn cents_come_back_from_ten_trillions(cents in -999_999_999_999_999_i128..=999_999_999_999_999) {
            let double = nearest(cents * money::CENT);
            prop_assert_eq!(money::from_decimal_text(&format!("{double:.2}")), Ok(cents * money::CENT));
        }
    }

    #[test]
    fn days_months_and_times_are_numbers() {
        let day = clock::day_of(clock::parse("2026-11-22").expect("a day"));
        assert_eq!(content(Value::Day(day), Kind::Day), Content::Number(46_348.0));
        assert_eq!(content(Value::Text("2026-11"), Kind::Month), Content::Number(46_327.0));
        assert_eq!(content(Value::Text("soon"), Kind::Month), Content::Text("soon".into()));
        let noon = (i64::from(day) * clock::DAY + clock::DAY / 2) * 1_000_000;
        assert_eq!(content(Value::Time(noon), Kind::Time), Content::Number(46_348.5));
        assert_eq!(content(Value::Day(-40_000), Kind::Day), Content::Text("1860-06-26".into()));
    }

    #[test]
    fn what_is_unknown_is_nothing_and_what_is_no_number_is_a_text() {
        assert_eq!(content(Value::Null, Kind::Money), Content::Nothing);
        assert_eq!(content(Value::Float(f64::INFINITY), Kind::Ratio), Content::Text("inf".into()));
        assert!(matches!(content(Value::Count(i128::MAX), Kind::Count), Content::Text(_)));
    }

    #[test]
    fn a_text_is_what_xml_can_hold_and_a_cell_too() {
        assert_eq!(safe("a\u{1}b\u{ffff}\n\u{202e}🙂"), "a\\u{1}b\\u{ffff}\n\u{202e}🙂");
        let long = "🙂".repeat(20_000);
        let cut = safe(&long);
        assert!(cut.ends_with("… (20000 characters, cut)") && cut.encode_utf16().count() <= LONGEST, "{}", cut.len());
        assert_eq!(safe(&"n".repeat(LONGEST)).len(), LONGEST);
    }

    #[test]
    fn more_than_fifteen_digits_are_told() {
        assert!(is_too_long(Value::Decimal(1_234_567_890_123_456, 10)));
        assert!(!is_too_long(Value::Decimal(1_000_000_000_000_000_000, 10)));
    }
}
