//! The form in which CloudWatch writes records, recognised without a JSON parser.
//!
//! ```text
//! {"metric_stream_name":"s",…,"dimensions":{…},"timestamp":1790812800000,"value":{"max":1.0,…},"unit":"Count"}
//! └──────────────── head ───────────────────┘└───────────────────────── tail ─────────────────────────────┘
//! ```
//!
//! A head comes again with each point of its series and is understood once (see [`super::heads`]); only
//! the tail is new each time. What has any other form, valid or not, is nothing here: it goes to the
//! parser, which alone decides what is accepted, what is damaged, and what is said about it.

use memchr::memmem;

/// What ends a head. No JSON text holds these bytes inside of a string, where quotes are escaped.
const TIMESTAMP: &[u8] = br#","timestamp":"#;
/// The longest head that is looked for.
const HEAD_MAX: usize = 4096;
/// Digits of a number that is surely exact as a float, and below what is absurd for a count.
const DIGITS_MAX: usize = 15;
/// Digits that surely do not lead out of a float's range.
const LENGTH_MAX: usize = 40;

/// A record of the common form.
#[derive(Debug, PartialEq)]
pub(super) struct Quick<'a> {
    /// The text before the timestamp's comma.
    pub(super) head: &'a [u8],
    /// As it is written, in milliseconds.
    pub(super) timestamp: i64,
    pub(super) count: Option<Number>,
    pub(super) sum: Option<Number>,
    /// Without quotes; empty where there is none.
    pub(super) unit: &'a [u8],
    /// Bytes of the whole record.
    pub(super) length: usize,
}

/// A valid JSON number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    /// Whole, and no more than [`DIGITS_MAX`] digits long.
    Whole(i64),
    /// Of another form.
    Other,
}

/// Finds records of the common form.
pub(super) struct Recogniser {
    timestamp: memmem::Finder<'static>,
}

impl Default for Recogniser {
    fn default() -> Self {
        Self { timestamp: memmem::Finder::new(TIMESTAMP) }
    }
}

impl Recogniser {
    /// The record that a text begins with, if it has the common form.
    ///
    /// Its head is not judged: it may be anything.
    pub(super) fn recognise<'a>(&self, text: &'a [u8]) -> Option<Quick<'a>> {
        let at = self.head_end(&text[..text.len().min(HEAD_MAX)])?;
        let mut tail = Tail { rest: &text[at + TIMESTAMP.len()..] };
        let (timestamp, _) = tail.whole().filter(|(_, taken)| *taken <= DIGITS_MAX)?;
        let mut quick = Quick { head: &text[..at], timestamp, count: None, sum: None, unit: b"", length: 0 };
        let has_unit = tail.unit(&mut quick)?;
        tail.skip(br#","value":{"#)?;
        tail.statistics(&mut quick)?;
        if !has_unit {
            tail.unit(&mut quick)?;
        }
        // Any further member, such as a second unit, is for the parser.
        tail.skip(b"}")?;
        quick.length = text.len() - tail.rest.len();
        Some(quick)
    }

    /// Where the timestamp's comma stands: most often behind the only bracket that closes.
    fn head_end(&self, text: &[u8]) -> Option<usize> {
        let closing = memchr::memchr(b'}', text)?;
        match text[closing + 1..].starts_with(TIMESTAMP) {
            true => Some(closing + 1),
            false => self.timestamp.find(text),
        }
    }
}

/// What is left of a tail.
struct Tail<'a> {
    rest: &'a [u8],
}

impl<'a> Tail<'a> {
    #[inline(always)]
    fn skip(&mut self, text: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    /// The unit, where it comes next; says whether it did.
    fn unit(&mut self, quick: &mut Quick<'a>) -> Option<bool> {
        if self.skip(br#","unit":""#).is_none() {
            return Some(false);
        }
        quick.unit = if self.skip(b"Count\"").is_some() { b"Count" } else { self.plain_text()? };
        Some(true)
    }

    /// The statistics up to the end of their object; at least one, as of everything that is measured.
    fn statistics(&mut self, quick: &mut Quick<'a>) -> Option<()> {
        loop {
            let known = self.statistic(quick)?;
            let number = self.number()?;
            // A statistic that comes twice is for the parser to refuse.
            if known.is_some_and(|known| known.replace(number).is_some()) {
                return None;
            }
            match self.rest.split_first()? {
                (b',', rest) => self.rest = rest,
                (b'}', rest) => {
                    self.rest = rest;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// Where the statistic belongs whose name comes next; nowhere where it is ignored.
    #[inline(always)]
    fn statistic<'q>(&mut self, quick: &'q mut Quick<'a>) -> Option<Option<&'q mut Option<Number>>> {
        // The four that every record has, each told at once.
        if self.skip(br#""max":"#).is_some() || self.skip(br#""min":"#).is_some() {
            return Some(None);
        }
        if self.skip(br#""sum":"#).is_some() {
            return Some(Some(&mut quick.sum));
        }
        if self.skip(br#""count":"#).is_some() {
            return Some(Some(&mut quick.count));
        }
        self.skip(b"\"")?;
        self.plain_text()?;
        self.skip(b":")?;
        Some(None)
    }

    /// The rest of a string that is plain ASCII without escapes, and its closing quote.
    fn plain_text(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| !is_plain(*byte))?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest.strip_prefix(b"\"")?;
        Some(text)
    }

    /// Takes digits; says what they are as a number, where that fits, and how many there were.
    fn digits(&mut self, before: i64) -> Option<(i64, usize)> {
        let (mut number, mut taken) = (before, 0);
        while let Some((byte @ b'0'..=b'9', rest)) = self.rest.split_first() {
            number = number.wrapping_mul(10).wrapping_add(i64::from(byte - b'0'));
            taken += 1;
            self.rest = rest;
        }
        (1..=LENGTH_MAX).contains(&taken).then_some((number, taken))
    }

    /// Digits without a leading zero, which JSON does not allow.
    fn whole(&mut self) -> Option<(i64, usize)> {
        let leads_with_zero = self.rest.first() == Some(&b'0');
        self.digits(0).filter(|(_, taken)| !leads_with_zero || *taken == 1)
    }

    fn number(&mut self) -> Option<Number> {
        let is_negative = self.skip(b"-").is_some();
        let (mut digits, mut taken) = self.whole()?;
        let mut scale = 0;
        if self.skip(b".").is_some() {
            (digits, scale) = self.digits(digits)?;
            taken += scale;
        }
        let exponent = self.exponent()?;
        if is_negative || taken > DIGITS_MAX {
            return Some(Number::Other);
        }
        Some(scaled(digits, scale, exponent).map_or(Number::Other, Number::Whole))
    }

    /// An exponent that cannot lead out of a float's range; zero where there is none.
    fn exponent(&mut self) -> Option<i32> {
        let Some((b'e' | b'E', rest)) = self.rest.split_first() else { return Some(0) };
        self.rest = rest;
        let is_negative = self.skip(b"-").is_some();
        if !is_negative {
            // A plus says nothing.
            let _plus = self.skip(b"+");
        }
        let (exponent, _) = self.digits(0).filter(|(_, taken)| *taken <= 2)?;
        let exponent = i32::try_from(exponent).ok()?;
        Some(if is_negative { -exponent } else { exponent })
    }
}

fn is_plain(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\'
}

/// `digits` × 10^(`exponent` − `scale`), where it is whole and short.
fn scaled(mut digits: i64, scale: usize, exponent: i32) -> Option<i64> {
    let mut power = exponent - i32::try_from(scale).ok()?;
    while power < 0 {
        if digits % 10 != 0 {
            return None;
        }
        if digits == 0 {
            return Some(0);
        }
        digits /= 10;
        power += 1;
    }
    let limit = 10_i64.pow(15);
    while power > 0 && digits != 0 {
        digits = digits.checked_mul(10).filter(|digits| *digits < limit)?;
        power -= 1;
    }
    Some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognise(text: &str) -> Option<Quick<'_>> {
        Recogniser::default().recognise(text.as_bytes())
    }

    fn sum(number: &str) -> Option<Number> {
        recognise(&format!(r#"{{"a":1,"timestamp":1,"value":{{"sum":{number}}}}}"#))?.sum
    }

    #[test]
    fn a_record_of_the_common_form_is_cut_into_its_parts() {
        let text = r#"{"a":"b","timestamp":1790812800000,"value":{"max":7.5,"p99.9":1.0E-4,"sum":20.0,"count":3},"unit":"Count"}"#;
        for follows in ["", "\n{", ",{}"] {
            let text = format!("{text}{follows}");
            let quick = recognise(&text).unwrap();
            assert_eq!((quick.head, quick.timestamp), (&br#"{"a":"b""#[..], 1_790_812_800_000));
            assert_eq!((quick.sum, quick.count), (Some(Number::Whole(20)), Some(Number::Whole(3))));
            assert_eq!((quick.unit, quick.length), (&b"Count"[..], text.len() - follows.len()));
        }
        let sorted = r#"{"a":1,"timestamp":5,"unit":"","value":{"sum":2}}"#;
        let quick = recognise(sorted).unwrap();
        assert_eq!((quick.sum, quick.count, quick.length), (Some(Number::Whole(2)), None, sorted.len()));
    }

    #[test]
    fn numbers_are_whole_where_they_surely_are_and_otherwise_only_valid() {
        for (text, whole) in [
            ("0", 0),
            ("0.0", 0),
            ("0E-5", 0),
            ("4440000.0", 4_440_000),
            ("1.2345678E7", 12_345_678),
            ("12e+3", 12_000),
            ("1200E-2", 12),
            ("999999999999999", 999_999_999_999_999),
        ] {
            assert_eq!(sum(text), Some(Number::Whole(whole)), "{text}");
            let parsed: crate::sources::cloudwatch::number::Scalar = serde_json::from_str(text).unwrap();
            assert_eq!(parsed.counted(), Ok(whole), "{text}");
        }
        for text in
            ["0.5", "-1", "-0.0", "14.123456789012345", "1000000000000000", "1e15", "1e99", "12345678901234567890.0"]
        {
            assert_eq!(sum(text), Some(Number::Other), "{text}");
        }
        for text in ["01", "1.", ".5", "-", "+1", "1e", "1e100", "1e-100", "NaN", "null", "\"1\"", "[1]", ""] {
            assert_eq!(sum(text), None, "{text}");
        }
    }

    #[test]
    fn any_other_form_is_nothing() {
        for text in [
            "",
            "{",
            r#"{"a":1,"timestamp":1}"#,
            r#"{"a":1,"timestamp":1,"value":{}}"#,
            r#"{"a":1, "timestamp":1,"value":{"sum":1}}"#,
            r#"{"a":1,"timestamp": 1,"value":{"sum":1}}"#,
            r#"{"a":1,"timestamp":01,"value":{"sum":1}}"#,
            r#"{"a":1,"timestamp":1.5,"value":{"sum":1}}"#,
            r#"{"a":1,"timestamp":1,"value":{"sum":1},"more":2}"#,
            r#"{"a":1,"timestamp":1,"value":{"sum":1,"sum":1}}"#,
            r#"{"a":1,"timestamp":1,"value":{"sum":1,}}"#,
            r#"{"a":1,"timestamp":1,"value":{"s\u0075m":1}}"#,
            r#"{"a":1,"timestamp":1,"value":{"sum":1},"unit":"Co\u0075nt"}"#,
            r#"{"a":1,"timestamp":1,"unit":"Count","value":{"sum":1},"unit":"Count"}"#,
            r#"{"a":1,"timestamp":1,"value":{"sum":1},"unit":null}"#,
            r#"{"a":1,"timestamp":1,"value":{"sum":1},"unit":"Count""#,
        ] {
            assert_eq!(recognise(text), None, "{text}");
        }
    }
}
