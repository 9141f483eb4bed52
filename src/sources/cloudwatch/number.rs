//! Numbers and instants as they come: JSON writes one measured value as `4`, `4.0` or `"4"`.

use std::fmt;

use chrono::DateTime;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Above this no count of tokens in one data point is believable; such a value is a unit mistake.
const ABSURD: i64 = 1_000_000_000_000_000;

/// The first second of 2010 and of 2100: an instant outside is a unit mistake (seconds for
/// milliseconds, or the reverse), and placing it would move tokens by decades.
const PLAUSIBLE_SECONDS: std::ops::Range<i64> = 1_262_304_000..4_102_444_800;

/// A JSON scalar that ought to be a number.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Scalar {
    /// The member is missing or null.
    #[default]
    Absent,
    /// A number written without a fraction.
    Whole(i64),
    /// A number written with a fraction or an exponent.
    Real(f64),
    /// Text, which is how some writers put NaN, decimals and times.
    Text(String),
}

impl Scalar {
    /// The whole number of things counted, rounded half-even, or why it cannot be used.
    ///
    /// A value that cannot be used is skipped by the caller and is never taken as zero.
    pub(super) fn counted(&self) -> Result<i64, String> {
        let whole = match self {
            Self::Absent => return Err("is missing".to_owned()),
            Self::Whole(whole) => *whole,
            Self::Real(real) => return real_count(*real),
            Self::Text(text) => match text.trim().parse::<f64>() {
                Ok(real) => return real_count(real),
                Err(_) => return Err(format!("is {text:?}, which is not a number")),
            },
        };
        if whole < 0 {
            Err(format!("is {whole}, and a count cannot be negative"))
        } else if whole > ABSURD {
            Err(format!("is {whole}, which is absurdly large"))
        } else {
            Ok(whole)
        }
    }

    /// The value as an integer, where it is one.
    pub(super) fn whole(&self) -> Option<i64> {
        match self {
            Self::Absent => None,
            Self::Whole(whole) => Some(*whole),
            Self::Real(real) => integer_text(*real),
            Self::Text(text) => text.trim().parse().ok(),
        }
    }
}

/// The count that a float stands for.
fn real_count(real: f64) -> Result<i64, String> {
    if real.is_nan() {
        return Err("is not a number (NaN)".to_owned());
    }
    if real < 0.0 {
        return Err(format!("is {real}, and a count cannot be negative"));
    }
    match integer_text(real) {
        Some(whole) if whole <= ABSURD => Ok(whole),
        Some(_) | None => Err(format!("is {real}, which is absurdly large")),
    }
}

/// Rounds half-even and reads the digits back, so that no lossy cast is needed.
fn integer_text(real: f64) -> Option<i64> {
    let rounded = real.round_ties_even();
    if !rounded.is_finite() {
        return None;
    }
    rounded.to_string().parse().ok()
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// Takes whichever scalar JSON holds.
struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar::Whole(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
        // What does not fit is absurd anyway; as text it is refused with its digits.
        Ok(i64::try_from(value).map_or_else(|_| Scalar::Text(value.to_string()), Scalar::Whole))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Scalar, E> {
        Ok(Scalar::Real(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(value.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
        Ok(Scalar::Absent)
    }
}

/// The start of a data point in a reply, in epoch seconds, or the text that could not be read.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(from = "Scalar")]
pub(super) struct Stamp(pub(super) Result<i64, String>);

impl From<Scalar> for Stamp {
    fn from(scalar: Scalar) -> Self {
        let seconds = match &scalar {
            Scalar::Whole(_) => scalar.whole(),
            // A fraction of a second must not round up into the next hour.
            Scalar::Real(real) => integer_text(real.floor()),
            Scalar::Text(text) => iso_seconds(text).or_else(|| scalar.whole()),
            Scalar::Absent => None,
        };
        match seconds {
            Some(seconds) if PLAUSIBLE_SECONDS.contains(&seconds) => Self(Ok(seconds)),
            Some(_) | None => Self(Err(match scalar {
                Scalar::Absent => "null".to_owned(),
                Scalar::Whole(whole) => whole.to_string(),
                Scalar::Real(real) => real.to_string(),
                Scalar::Text(text) => text,
            })),
        }
    }
}

/// Epoch seconds of an ISO 8601 instant with an offset or `Z`, also with a space for the `T`.
fn iso_seconds(text: &str) -> Option<i64> {
    let text = text.trim().replacen(' ', "T", 1);
    DateTime::parse_from_rfc3339(&text)
        .or_else(|_| DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .ok()
        .map(|instant| instant.timestamp())
}

/// Epoch seconds of a metric stream's timestamp, which counts milliseconds.
pub(super) fn seconds_of_milliseconds(timestamp: &Scalar) -> Option<i64> {
    let seconds = timestamp.whole()?.div_euclid(1000);
    PLAUSIBLE_SECONDS.contains(&seconds).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(text: &str) -> Option<i64> {
        serde_json::from_str::<Stamp>(text).unwrap().0.ok()
    }

    #[test]
    fn a_float_sum_rounds_half_even_to_whole_tokens() {
        for (real, whole) in [(1051.0, 1051), (0.5, 0), (1.5, 2), (2.5, 2), (2.500001, 3), (-0.0, 0)] {
            assert_eq!(Scalar::Real(real).counted(), Ok(whole), "{real}");
        }
    }

    #[test]
    fn a_value_that_is_no_count_is_refused_with_its_reason() {
        for (scalar, reason) in [
            (Scalar::Real(-3.0), "is -3, and a count cannot be negative"),
            (Scalar::Whole(-3), "is -3, and a count cannot be negative"),
            (Scalar::Real(f64::NAN), "is not a number (NaN)"),
            (Scalar::Text("NaN".to_owned()), "is not a number (NaN)"),
            (Scalar::Real(f64::INFINITY), "is inf, which is absurdly large"),
            (Scalar::Whole(ABSURD + 1), "is 1000000000000001, which is absurdly large"),
            (Scalar::Text("many".to_owned()), "is \"many\", which is not a number"),
            (Scalar::Absent, "is missing"),
        ] {
            assert_eq!(scalar.counted(), Err(reason.to_owned()));
        }
        assert_eq!(Scalar::Whole(ABSURD).counted(), Ok(ABSURD));
    }

    #[test]
    fn every_way_of_writing_an_instant_means_the_same_second() {
        for text in [
            "\"2026-10-01T00:05:00+00:00\"",
            "\"2026-10-01T00:05:00Z\"",
            "\"2026-10-01T02:05:00+02:00\"",
            "\"2026-10-01T00:05:00.000Z\"",
            "\"2026-10-01 00:05:00+00:00\"",
            "\"2026-10-01T00:05:00+0000\"",
            "1790813100",
            "1790813100.0",
            "1790813100.9",
            "\"1790813100\"",
        ] {
            assert_eq!(stamp(text), Some(1_790_813_100), "{text}");
        }
    }

    #[test]
    fn an_instant_without_offset_or_out_of_reach_is_no_instant() {
        for text in ["\"2026-10-01T00:05:00\"", "1790813100000", "12", "null", "\"soon\"", "1e300"] {
            assert_eq!(stamp(text), None, "{text}");
        }
        assert_eq!(seconds_of_milliseconds(&Scalar::Whole(1_790_813_100)), None);
        assert_eq!(seconds_of_milliseconds(&Scalar::Real(1_790_813_100_000.0)), Some(1_790_813_100));
    }
}
