//! Days: which are stored, and which are complete.
//!
//! A day is complete when the bill's watermark has passed its end: the latest end of an hourly or
//! daily Usage line over all services, or, for an export that holds Bedrock lines alone, the time of
//! its manifest; never later than the clock. Every payer with a bill for the day's period must have
//! passed it.

use std::collections::{BTreeMap, BTreeSet};

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

/// Days by which a payer's bill may lag behind the newest before it counts as broken: AWS delivers
/// at least daily, and usage appears within two days.
const STALE: i64 = 3 * DAY;

/// How far the payers' bills reach.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reaches {
    /// By payer: the latest end of a Usage line in any period; epoch seconds.
    pub by_payer: BTreeMap<String, i64>,
    /// By payer and period: the manifest's time, for exports that hold Bedrock lines alone.
    manifests: BTreeMap<(String, String), i64>,
}

impl Reaches {
    /// Reads the records; nothing reaches beyond the clock.
    pub fn of(records: &[Record], as_of: i64) -> Self {
        let parts = || records.iter().flat_map(|record| record.parts.iter().map(move |part| (record, part)));
        // One line of another service in any period shows that the export holds them all.
        let whole: BTreeSet<&str> =
            parts().filter(|(_, part)| !part.bedrock_only).map(|(_, part)| part.bill.as_str()).collect();
        let mut reaches = Self::default();
        for (record, part) in parts() {
            // Without any hourly or daily line there are no daily figures to be complete.
            let Some(watermark) = part.watermark else { continue };
            let manifest = part.manifest_time.filter(|_| !whole.contains(part.bill.as_str()));
            let reach = manifest.unwrap_or(watermark).max(watermark).min(as_of);
            for speaker in speakers(part) {
                let known = reaches.by_payer.entry(speaker.to_string()).or_insert(reach);
                *known = reach.max(*known);
                if manifest.is_some() {
                    reaches.manifests.insert((speaker.to_string(), record.period.clone()), reach);
                }
            }
        }
        reaches
    }

    /// How far a payer's bill reaches for the days of a period. The manifest of another period says
    /// nothing about this one.
    fn within(&self, payer: &str, period: &str) -> Option<i64> {
        let manifest = self.manifests.get(&(payer.to_string(), period.to_string()));
        manifest.or_else(|| self.by_payer.get(payer)).copied()
    }

    /// Payers whose bill ends so long before the newest that waiting for it would hide all alerts.
    pub fn stale(&self) -> Vec<&str> {
        let newest = self.by_payer.values().max().copied().unwrap_or(0);
        let is_stale = |reach: &i64| newest - reach > STALE;
        self.by_payer.iter().filter(|(_, reach)| is_stale(reach)).map(|(payer, _)| payer.as_str()).collect()
    }
}

/// The stored days, in order.
pub fn days(records: &[Record], as_of: i64) -> Vec<Day> {
    let reaches = Reaches::of(records, as_of);
    let stale: BTreeSet<&str> = reaches.stale().into_iter().collect();
    let mut days: Vec<Day> = Vec::new();
    for record in records {
        let Some((first, next)) = clock::month_range(&record.period) else { continue };
        let payers = record.parts.iter().filter(|part| part.watermark.is_some()).flat_map(speakers);
        let payers: BTreeSet<&str> = payers.collect();
        let within = |payer: &&str| reaches.within(payer, &record.period);
        let Some(most) = payers.iter().filter_map(within).max() else { continue };
        let fresh = payers.iter().filter(|payer| !stale.contains(**payer)).filter_map(within).min();
        let least = fresh.or_else(|| payers.iter().filter_map(within).min()).unwrap_or(most);
        for day in first..next.min(clock::day_of(most - 1) + 1) {
            days.push(Day {
                day,
                follows: days.last().is_some_and(|last| last.day == day - 1),
                is_complete: i64::from(day + 1) * DAY <= least,
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
    fn a_payer_that_stopped_delivering_holds_nobody_up() {
        let as_of = clock::parse("2026-11-20").expect("a date");
        let parts = [("1", "2026-11-19T05:00:00Z"), ("2", "2026-11-02T00:00:00Z")];
        let records = [record("2026-11", &parts)];
        assert_eq!(Reaches::of(&records, as_of).stale(), ["2"]);
        assert_eq!(complete(&days(&records, as_of)).len(), 18);
    }

    #[test]
    fn the_manifest_of_one_period_says_nothing_about_another() {
        let mut records = [record("2026-10", &[("1", "2026-10-30")]), record("2026-11", &[("1", "2026-11-09")])];
        for (record, time) in records.iter_mut().zip(["2026-11-20", "2026-11-10"]) {
            record.parts[0].bedrock_only = true;
            record.parts[0].manifest_time = clock::parse(time).ok();
        }
        let as_of = clock::parse("2026-11-22").expect("a date");
        assert_eq!(complete(&days(&records, as_of)).last().map(String::as_str), Some("2026-11-09"));
        // A line of another service in October: the export holds them all, and its lines decide.
        records[0].parts[0].bedrock_only = false;
        assert_eq!(complete(&days(&records, as_of)).last().map(String::as_str), Some("2026-11-08"));
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
