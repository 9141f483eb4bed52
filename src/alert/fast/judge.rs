//! Judge: rules on hours, each on a whole trailing hour of measured slots.
//!
//! | rule | what it says |
//! |---|---|
//! | `hour` | at least `[anomaly] ratio` times the hour before it, as R1 has it for days |
//! | `hour_usual` | far above what the same hour of the week costs |
//! | `flat_line` | for six hours even, at a height and an evenness that those hours do not have, with no more work done |
//! | `hour_new` | a workload, or a model in an account and region, that the bill does not know |
//!
//! What a rule says is listed. How much a day of it would cost beyond the usual, and how much it has cost already,
//! says whether it warns or pages; an hour such as a week has is no page, whatever its hour.

use super::meter::{SLOT, Slots};
use super::usual::Usual;
use crate::alert::rules::{Floors, Severity};
use crate::clock::HOUR;
use crate::money::ONE;

/// Spreads above the usual from which an hour is far.
const FAR: f64 = 4.5;
/// So many times the usual, at least.
const TIMES: f64 = 2.0;
/// So many times the usual wakes somebody at once, and less when it has lasted for so many seconds.
const CLEARLY: f64 = 2.5;
const LASTING: i64 = HOUR + HOUR / 2;
/// So many times the usual, and no spread counts any more.
const MANY: f64 = 6.0;
/// So many times the usual is still burning.
pub const BURNING: f64 = 1.5;
/// Hours of a flat line, and the most that they may differ, as a share of their mean.
const FLAT: (i64, f64) = (6, 0.2);
/// Slots that say how fast it burns now.
const NOW: i64 = 3;
/// The part of a page's floor that must have been spent before somebody is woken.
const SPENT: f64 = 10.0;

/// Names of the rules.
pub const RULES: [&str; 4] = ["hour", "hour_usual", "flat_line", "hour_new"];

/// What an hour of a scope is judged by.
pub struct Hour<'a> {
    /// Its slots.
    pub slots: &'a Slots,
    /// Cost of past hours, by their beginning; units of 1e-10.
    pub past: &'a std::collections::BTreeMap<i64, i128>,
    /// Its usual hours, where the bill knows it.
    pub usual: Option<&'a Usual>,
    /// Where the trailing hour ends, epoch seconds.
    pub end: i64,
    /// `[anomaly] ratio`, units of 1e-10.
    pub ratio: i128,
    /// From how much money on it warns and pages.
    pub floors: &'a Floors,
}

/// What is seen of an hour.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// How much it matters.
    pub severity: Severity,
    /// The rules that saw it.
    pub rules: Vec<&'static str>,
    /// Cost of the trailing hour, units of 1e-10.
    pub cost: i128,
    /// What it is expected to cost.
    pub expected: i128,
    /// Cost of the hour before.
    pub before: i128,
    /// What it burns a day beyond the usual, by its last quarter of an hour.
    pub rate: i128,
    /// What has been spent beyond the usual since it began.
    pub excess: i128,
    /// When it began, epoch seconds.
    pub began: i64,
    /// Whether its last slots still burn.
    pub is_burning: bool,
}

impl Hour<'_> {
    /// Judges the trailing hour; nothing where no rule sees anything.
    pub fn judge(&self) -> Option<Seen> {
        let (cost, before) = (self.sum(self.end - HOUR, self.end), self.sum(self.end - 2 * HOUR, self.end - HOUR));
        let expected = self.expected(self.end - HOUR, self.end);
        let is_far = self.is_far(cost, expected);
        let rules = self.rules(cost, before, expected, is_far);
        if rules.is_empty() || cost <= 0 {
            return None;
        }
        let began = self.began();
        let excess = self.excess(began);
        let now = self.sum(self.end - NOW * SLOT, self.end) as f64;
        let beyond_now = now - self.expected(self.end - NOW * SLOT, self.end);
        let rate = (beyond_now * (24 * HOUR / (NOW * SLOT)) as f64).max((cost as f64 - expected) * 24.0);
        let is_burning = now > BURNING * self.expected(self.end - NOW * SLOT, self.end);
        // What is a little more than twice as much for a little more than an hour may be chance.
        let is_lasting = self.end - began >= LASTING || cost as f64 >= CLEARLY * expected;
        let severity = self.severity(cost, rate, excess, is_far || rules.contains(&"flat_line"));
        let severity = if is_lasting { severity } else { severity.min(Severity::Warn) };
        Some(Seen {
            severity,
            rules,
            cost,
            expected: expected as i128,
            before,
            rate: rate as i128,
            excess: excess as i128,
            began,
            is_burning,
        })
    }

    /// Whether a past hour cost less than what still burns; nothing where nothing is known to compare with.
    pub fn is_quiet(&self, hour: i64) -> bool {
        let cost = self.past.get(&hour).copied().unwrap_or(0) as f64;
        cost <= BURNING * self.expected(hour, hour + HOUR)
    }

    fn rules(&self, cost: i128, before: i128, expected: f64, is_far: bool) -> Vec<&'static str> {
        let is_jump = before > 0
            && cost.checked_mul(ONE).zip(before.checked_mul(self.ratio)).is_some_and(|(cost, bar)| cost >= bar);
        let sees = [is_jump, is_far && expected > 0.0, self.is_flat(), self.usual.is_none()];
        RULES.into_iter().zip(sees).filter(|(_, sees)| *sees).map(|(name, _)| name).collect()
    }

    fn is_far(&self, cost: i128, expected: f64) -> bool {
        // What nobody has ever seen spend is far from nothing.
        let Some(usual) = self.usual.filter(|_| expected > 0.0) else { return true };
        let cost = cost as f64;
        let score = usual.score(cost / ONE as f64, expected / ONE as f64);
        cost >= TIMES * expected && (score >= FAR || cost >= MANY * expected)
    }

    fn severity(&self, cost: i128, rate: f64, excess: f64, is_clear: bool) -> Severity {
        let is_high = self.usual.is_none_or(|usual| usual.is_high(cost as f64 / ONE as f64));
        match () {
            () if !is_clear => Severity::Note,
            () if rate >= self.floors.page && excess >= self.floors.page / SPENT && is_high => Severity::Page,
            () if rate >= self.floors.warn && excess >= self.floors.warn / SPENT && is_high => Severity::Warn,
            () => Severity::Note,
        }
    }

    /// Six whole hours that are as even as those of a machine, where those of the week are not, and higher.
    fn is_flat(&self) -> bool {
        let last = self.end - self.end.rem_euclid(HOUR);
        let first = last - FLAT.0 * HOUR;
        let hours: Vec<f64> = (0..FLAT.0)
            .filter_map(|hour| self.past.get(&(first + hour * HOUR)))
            .map(|cost| *cost as f64)
            .filter(|cost| *cost > 0.0)
            .collect();
        let Some(usual) = self.usual.filter(|_| hours.len() as i64 == FLAT.0) else { return false };
        let mean = hours.iter().sum::<f64>() / hours.len() as f64;
        let (low, high) = hours.iter().fold((f64::MAX, 0.0_f64), |(low, high), hour| (low.min(*hour), high.max(*hour)));
        let is_even = high - low <= FLAT.1 * mean;
        is_even
            && !usual.is_even(first, last)
            && mean * FLAT.0 as f64 >= BURNING * self.expected(first, last)
            && !self.is_work_growing()
    }

    /// Whether more work was finished in the last hour than in the one before, where finished work is measured.
    fn is_work_growing(&self) -> bool {
        let finished = |from: i64, until: i64| -> Option<i64> {
            let slots = self.slots.range(from..until).filter_map(|(_, spent)| spent.finished);
            slots.reduce(i64::saturating_add)
        };
        let last = finished(self.end - HOUR, self.end);
        let before = finished(self.end - 2 * HOUR, self.end - HOUR);
        last.zip(before).is_some_and(|(last, before)| last as f64 > 1.1 * before as f64)
    }

    /// The first slot, and of the hours before the slots the first hour, from which on it burns without a break.
    fn began(&self) -> i64 {
        let burns = |from: i64, cost: i128, span: i64| cost as f64 > BURNING * self.expected(from, from + span);
        let mut began = self.end;
        while began > self.end - 2 * HOUR {
            let slot = began - SLOT;
            if !self.slots.get(&slot).is_some_and(|spent| burns(slot, spent.cost, SLOT)) {
                break;
            }
            began = slot;
        }
        if began == self.end - 2 * HOUR {
            let mut hour = began - began.rem_euclid(HOUR);
            while self.past.get(&hour).is_some_and(|cost| burns(hour, *cost, HOUR)) {
                began = began.min(hour);
                hour -= HOUR;
            }
        }
        // A lone slot that costs nothing is no end of what the hour shows.
        if began == self.end {
            let first = self.slots.range(self.end - HOUR..).find(|(at, spent)| burns(**at, spent.cost, SLOT));
            began = first.map_or(self.end - HOUR, |(at, _)| *at);
        }
        began
    }

    /// What has been spent beyond the usual since a time.
    fn excess(&self, began: i64) -> f64 {
        let first = (self.end - 2 * HOUR).max(began);
        let slots = self.sum(first, self.end) as f64 - self.expected(first, self.end);
        let whole = first - first.rem_euclid(HOUR);
        let past: f64 = self
            .past
            .range(began.min(whole)..whole)
            .map(|(hour, cost)| *cost as f64 - self.expected(*hour, hour + HOUR))
            .sum();
        (slots + past).max(0.0)
    }

    fn sum(&self, from: i64, until: i64) -> i128 {
        self.slots.range(from..until).map(|(_, spent)| spent.cost).sum()
    }

    /// What a stretch is expected to cost, units of 1e-10.
    fn expected(&self, from: i64, until: i64) -> f64 {
        self.usual.map_or(0.0, |usual| usual.expected(from, until) * ONE as f64)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::meter::Spent;
    use super::super::usual::{WEEK, WEEKS};
    use super::*;

    const END: i64 = 2_900 * 7 * 86_400 + 15 * HOUR;

    /// Ten an hour by day, one by night.
    fn usual() -> Usual {
        let hour = |at: usize| if (8..20).contains(&(at % 24)) { 10.0 } else { 1.0 };
        let costs: Vec<f64> = (0..WEEKS * WEEK).map(|at| hour(at) * (1.0 + 0.05 * (at % 3) as f64)).collect();
        Usual::of(&costs, END - 15 * HOUR)
    }

    /// Slots that cost so much an hour, from so many minutes before the end on.
    fn slots(parts: &[(i64, f64)]) -> Slots {
        let mut slots = Slots::new();
        for (minutes, hourly) in parts {
            let mut at = END - minutes * 60;
            while at < END {
                let cost = (hourly / 12.0 * ONE as f64) as i128;
                slots.insert(at, Spent { cost, ..Spent::default() });
                at += SLOT;
            }
        }
        slots
    }

    fn floors() -> Floors {
        Floors { warn: 10.0 * ONE as f64, page: 50.0 * ONE as f64 }
    }

    fn judge(slots: &Slots, past: &BTreeMap<i64, i128>, usual: Option<&Usual>) -> Option<Seen> {
        Hour { slots, past, usual, end: END, ratio: 3 * ONE, floors: &floors() }.judge()
    }

    #[test]
    fn a_loop_pages_within_the_hour_and_a_usual_afternoon_says_nothing() {
        let (usual, past) = (usual(), BTreeMap::new());
        assert_eq!(judge(&slots(&[(120, 11.0)]), &past, Some(&usual)), None);
        let seen = judge(&slots(&[(120, 10.0), (25, 80.0)]), &past, Some(&usual)).unwrap();
        assert_eq!((seen.severity, seen.began, seen.is_burning), (Severity::Page, END - 25 * 60, true));
        assert!(seen.rules.contains(&"hour") && seen.rules.contains(&"hour_usual"), "{:?}", seen.rules);
        let a_day = seen.rate / ONE;
        assert!((1_500..1_800).contains(&a_day), "{a_day}");
    }

    #[test]
    fn a_morning_after_a_night_is_listed_and_wakes_nobody() {
        let usual = usual();
        let nine = END - 6 * HOUR;
        let slots: Slots = (0..24)
            .map(|slot| {
                let at = nine - (24 - slot) * SLOT;
                let cost = if slot < 12 { ONE / 12 } else { 10 * ONE / 12 };
                (at, Spent { cost, ..Spent::default() })
            })
            .collect();
        let past = BTreeMap::new();
        let hour =
            Hour { slots: &slots, past: &past, usual: Some(&usual), end: nine, ratio: 3 * ONE, floors: &floors() };
        let seen = hour.judge().unwrap();
        assert_eq!((seen.rules, seen.severity), (vec!["hour"], Severity::Note));
    }

    #[test]
    fn what_the_bill_does_not_know_is_new_and_small_money_only_noted() {
        let past = BTreeMap::new();
        let seen = judge(&slots(&[(60, 0.1)]), &past, None).unwrap();
        assert_eq!((seen.rules, seen.severity), (vec!["hour_new"], Severity::Note));
        let seen = judge(&slots(&[(60, 20.0)]), &past, None).unwrap();
        assert_eq!(seen.severity, Severity::Page);
    }

    #[test]
    fn six_even_hours_where_days_are_uneven_are_a_flat_line_unless_more_work_is_done() {
        let usual = usual();
        let noon = END - 3 * HOUR;
        let past: BTreeMap<i64, i128> =
            (1..=6).map(|hour| (noon - hour * HOUR, 16 * ONE + i128::from(hour) * ONE / 50)).collect();
        let flat = |finished: fn(i64) -> Option<i64>| {
            let slot = |slot: i64| {
                let spent = Spent { cost: 16 * ONE / 12, finished: finished(slot), ..Spent::default() };
                (noon - (24 - slot) * SLOT, spent)
            };
            let slots: Slots = (0..24).map(slot).collect();
            let floors = floors();
            let hour =
                Hour { slots: &slots, past: &past, usual: Some(&usual), end: noon, ratio: 3 * ONE, floors: &floors };
            hour.judge().is_some_and(|seen| seen.rules.contains(&"flat_line"))
        };
        assert!(flat(|_| None) && flat(|_| Some(7)));
        assert!(!flat(|slot| Some(if slot < 12 { 7 } else { 9 })));
    }
}
