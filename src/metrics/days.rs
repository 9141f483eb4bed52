//! Days: which are stored, and which are complete.
//!
//! A day is complete when the bill's watermark has passed its end: the latest end of an hourly or
//! daily Usage line over all services, or, for an export that holds Bedrock lines alone, the time of
//! its manifest; never later than the clock. Every payer with a bill for the day's period must have
//! passed it.

use std::collections::BTreeMap;

use crate::clock::{self, DAY};
use crate::facts::store::{Part, Record};

/// A stored day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// Day number.
    pub day: i32,
    /// Whether the day before is stored too.
    pub follows: bool,
    /// Whether every payer's bill has passed its end.
    pub is_complete: bool,
}

/// Who a part of a bill speaks for: its payers, or the export itself where it holds no line.
fn speakers(part: &Part) -> Vec<&str> {
    if part.payers.is_empty() { vec![&part.bill] } else { part.payers.iter().map(String::as_str).collect() }
}

fn reach(part: &Part, as_of: i64) -> Option<i64> {
    // Without any hourly or daily line there are no daily figures to be complete.
    let watermark = part.watermark?;
    let manifest = part.manifest_time.filter(|_| part.bedrock_only);
    Some(manifest.unwrap_or(watermark).max(watermark).min(as_of))
}

/// How far each payer's bill reaches; epoch seconds.
pub fn watermarks(records: &[Record], as_of: i64) -> BTreeMap<String, i64> {
    let mut reaches: BTreeMap<String, i64> = BTreeMap::new();
    for part in records.iter().flat_map(|record| &record.parts) {
        if let Some(reach) = reach(part, as_of) {
            for speaker in speakers(part) {
                let known = reaches.entry(speaker.to_string()).or_insert(reach);
                *known = reach.max(*known);
            }
        }
    }
    reaches
}

/// The stored days, in order.
pub fn days(records: &[Record], as_of: i64) -> Vec<Day> {
    let watermarks = watermarks(records, as_of);
    let mut days: Vec<Day> = Vec::new();
    for record in records {
        let Some((first, next)) = clock::month_range(&record.period) else { continue };
        let reaches = record.parts.iter().filter(|part| part.watermark.is_some());
        let reaches = reaches.flat_map(speakers).filter_map(|speaker| watermarks.get(speaker));
        let reaches: Vec<i64> = reaches.copied().collect();
        let (Some(least), Some(most)) = (reaches.iter().min(), reaches.iter().max()) else { continue };
        for day in first..next.min(clock::day_of(most - 1) + 1) {
            days.push(Day {
                day,
                follows: days.last().is_some_and(|last| last.day == day - 1),
                is_complete: i64::from(day + 1) * DAY <= *least,
            });
        }
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(period: &str, parts: &[(&str, &str)]) -> Record {
        let part = |(payer, watermark): &(&str, &str)| Part {
            bill: "b".into(),
            payers: vec![(*payer).into()],
            watermark: clock::parse(watermark).ok(),
            ..Part::default()
        };
        Record { period: period.into(), parts: parts.iter().map(part).collect(), ..Record::default() }
    }

    fn complete(days: &[Day]) -> Vec<String> {
        days.iter().filter(|day| day.is_complete).map(|day| clock::day_text(day.day)).collect()
    }

    #[test]
    fn a_day_is_complete_once_the_watermark_has_passed_its_end() {
        let as_of = clock::parse("2026-11-10").expect("a date");
        let days = days(&[record("2026-11", &[("1", "2026-11-03T00:00:00Z")])], as_of);
        assert_eq!(complete(&days), ["2026-11-01", "2026-11-02"]);
        assert_eq!(days.len(), 2);
        assert!(!days[0].follows && days[1].follows);
    }

    #[test]
    fn the_slowest_payer_of_the_period_decides() {
        let as_of = clock::parse("2026-11-10").expect("a date");
        let parts = [("1", "2026-11-03T05:00:00Z"), ("2", "2026-11-02T00:00:00Z")];
        let days = days(&[record("2026-10", &[("3", "2026-10-05")]), record("2026-11", &parts)], as_of);
        assert_eq!(complete(&days)[4..], ["2026-11-01"]);
        assert_eq!(days.len(), 4 + 3);
    }

    #[test]
    fn nothing_is_complete_beyond_the_clock() {
        let as_of = clock::parse("2026-11-02T12:00:00Z").expect("a time");
        let days = days(&[record("2026-11", &[("1", "2026-11-20")])], as_of);
        assert_eq!(complete(&days), ["2026-11-01"]);
    }

    #[test]
    fn an_export_of_bedrock_lines_alone_reaches_to_its_manifest() {
        let mut record = record("2026-11", &[("1", "2026-11-02T05:00:00Z")]);
        record.parts[0].bedrock_only = true;
        record.parts[0].manifest_time = clock::parse("2026-11-04T00:00:00Z").ok();
        let as_of = clock::parse("2026-11-10").expect("a date");
        assert_eq!(complete(&days(&[record], as_of)).len(), 3);
    }
}
