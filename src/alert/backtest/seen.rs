//! Seen: what each kept run would have alerted on, on the bill as it was delivered to it.
//!
//! A run judges the days that became complete since the run before it, and looks once more at the few before those,
//! as `billtag alert` does. So a day that was delivered in part is judged in part, and one that was restated later is
//! judged as it was. Days before the first kept run are judged on what that run saw.

use std::collections::{BTreeMap, BTreeSet};

use super::published::PUBLISHED;
use crate::alert::contract::Jump;
use crate::alert::fast::replay;
use crate::alert::history::History;
use crate::alert::rules::{self, Floors, Rule, Severity, Signal};
use crate::alert::{LATE, contract, wide};
use crate::clock::{self, DAY, HOUR};
use crate::config::Config;
use crate::error::Result;
use crate::metrics::Engine;

/// Hours after a day's end until the bill holds it all, where no run tells when: AWS delivers several times a day,
/// and is complete within a day.
const DELIVERY: i64 = 24 * HOUR;

/// An alert of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Whom it is about.
    pub workload: String,
    /// Day number.
    pub day: i32,
    /// Whether it wakes somebody.
    pub pages: bool,
    /// When it could be known, epoch seconds.
    pub known: i64,
}

/// What was alerted on, by rule.
#[derive(Debug, Default)]
pub struct Seen {
    /// Alerts of each rule.
    pub alerts: BTreeMap<&'static str, Vec<Alert>>,
    /// Days that were judged.
    pub days: usize,
    /// Runs whose bill was replayed, beside the first that looked.
    pub runs: usize,
    /// The last day that was judged.
    through: Option<i32>,
}

impl Seen {
    /// Lets a run look at the days since the last one; `at` is its clock, where it is known to have looked then.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn look(&mut self, engine: &Engine, config: &Config, at: Option<i64>) -> Result<()> {
        let Some(last) = engine.last_complete_day() else { return Ok(()) };
        if self.through.is_some_and(|through| last <= through) {
            return Ok(());
        }
        let again = self.through.map(|through| through + 1 - LATE);
        let history = History::read(engine, again.or(engine.range.from))?;
        let first = engine.days.first().map_or(history.first, |day| day.day);
        let from = self.through.map(|through| through + 1).or(engine.range.from).unwrap_or(first).max(first);
        let look = Look { history: &history, from, at: at.filter(|_| self.through.is_some()) };
        let floors = Floors::of(config);
        let jumps = contract::jumps(engine, config, again.or(engine.range.from))?;
        self.by_the_bill(&look, &signals(&history, &jumps, &floors));
        for hour in replay::replay(engine, &history, &floors, config.anomaly.ratio, from)? {
            let day = clock::day_of(hour.end - 1);
            let alert = Alert { workload: look.workload(hour.series), day, pages: hour.pages, known: hour.end };
            hour.rules.into_iter().for_each(|rule| self.add(rule, alert.clone()));
        }
        self.by_others(&look);
        self.days += usize::try_from(last + 1 - from).unwrap_or(0);
        self.runs += usize::from(look.at.is_some());
        self.through = Some(last);
        Ok(())
    }

    fn add(&mut self, rule: &'static str, alert: Alert) {
        self.alerts.entry(rule).or_default().push(alert);
    }

    fn by_the_bill(&mut self, look: &Look<'_>, signals: &[Signal]) {
        // What an earlier run said of a day is no news; what rules of others or of hours say is nobody's word on it.
        let own = Rule::ALL.iter().filter_map(|rule| self.alerts.get(rule.name())).flatten();
        let said: BTreeSet<(String, i32)> = own.map(|alert| (alert.workload.clone(), alert.day)).collect();
        for signal in signals.iter().filter(|signal| signal.severity >= Severity::Warn) {
            let day = look.history.first + signal.day as i32;
            let workload = look.workload(signal.series);
            let is_late = day < look.from;
            if is_late && (look.at.is_none() || day < look.from - LATE || said.contains(&(workload.clone(), day))) {
                continue;
            }
            let pages = signal.severity == Severity::Page && !is_late;
            self.add(signal.rule.name(), Alert { workload, day, pages, known: look.known(day) });
        }
    }

    /// What the rules of others would have said.
    fn by_others(&mut self, look: &Look<'_>) {
        let history = look.history;
        let first = history.number(look.from).unwrap_or(0);
        for (series, costs) in history.costs().iter().enumerate() {
            let costs: Vec<f64> = costs[..history.days].iter().map(|cost| *cost as f64).collect();
            for (name, rule) in PUBLISHED {
                for number in (first..costs.len()).filter(|day| rule(&costs, *day)) {
                    let day = history.first + number as i32;
                    let workload = look.workload(series);
                    self.add(name, Alert { workload, day, pages: true, known: look.known(day) });
                }
            }
        }
    }
}

/// What a run looks at.
struct Look<'a> {
    history: &'a History,
    /// The first day that no run looked at before.
    from: i32,
    /// Its clock, where it is known.
    at: Option<i64>,
}

impl Look<'_> {
    fn workload(&self, series: usize) -> String {
        self.history.owners[series].workload.clone()
    }

    /// When what is seen of a day is known.
    fn known(&self, day: i32) -> i64 {
        self.at.unwrap_or((i64::from(day) + 1) * DAY + DELIVERY)
    }
}

/// Everything that the rules find on the days of a history.
fn signals(history: &History, jumps: &[Jump], floors: &Floors) -> Vec<Signal> {
    let mut signals = rules::signals(history, &rules::baselines(history, &history.costs()), jumps, floors);
    let wide = wide::wide(history, &signals, floors).into_iter().map(|wide| Signal {
        rule: Rule::Scope,
        series: wide.mover,
        day: wide.day,
        severity: wide.severity(floors),
        excess: wide.excess,
    });
    signals.extend(wide.collect::<Vec<_>>());
    signals
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::alert::history::{Line, MODEL, Owner};
    use crate::money;
    use crate::text::Text;

    /// Sixty days of a workload at a hundred dollars, and the same with an incident on day 50.
    pub fn history() -> History {
        let mut history = History { first: 20_000, days: 60, stored: 60, ..History::default() };
        history.owners = vec![owner("calm"), owner("wild")];
        history.queries = vec![BTreeMap::new(); 2];
        let model = history.texts.intern("m");
        let mut what = [Text::NULL; 4];
        what[MODEL] = model;
        for day in 0..60 {
            for series in 0..2 {
                let cost = if series == 1 && day == 50 { 900 } else { 100 + (day as i128 % 3) };
                let cost = cost * money::ONE;
                history.lines.push(Line { day, series, what, cost, tokens: 0 });
            }
        }
        history
    }

    fn owner(workload: &str) -> Owner {
        Owner { workload: workload.into(), account: String::new(), currency: "USD".into() }
    }

    /// What the contract lists of it.
    fn jump() -> Jump {
        let (cost, before) = (900 * money::ONE, 101 * money::ONE);
        Jump {
            owner: owner("wild"),
            day: 20_050,
            rule: "R1".into(),
            severity: "page".into(),
            cost,
            compared: Some((20_049, before)),
            increase: cost - before,
            moved_from: String::new(),
            weekday_band: None,
            is_complete: true,
        }
    }

    fn found(history: &History) -> Vec<Signal> {
        signals(history, &[jump()], &Floors { warn: 10.0 * money::ONE as f64, page: 50.0 * money::ONE as f64 })
    }

    /// All of its days, seen by a run that looked at none before.
    pub fn seen() -> Seen {
        let history = history();
        let mut seen = Seen { days: 60, ..Seen::default() };
        let look = Look { history: &history, from: history.first, at: None };
        seen.by_the_bill(&look, &found(&history));
        seen.by_others(&look);
        seen
    }

    #[test]
    fn days_that_no_run_looked_at_first_are_known_when_they_are_delivered() {
        let alerts = seen().alerts;
        assert_eq!(alerts["R1"], alerts["litellm"]);
        let known = 20_052 * DAY;
        assert_eq!(alerts["R1"], [Alert { workload: "wild".into(), day: 20_050, pages: true, known }]);
    }

    #[test]
    fn a_run_says_what_came_late_once_and_wakes_nobody_for_it() {
        let history = history();
        let signals = found(&history);
        let mut seen = Seen::default();
        let look = |from: i32| Look { history: &history, from, at: Some(i64::from(from + 1) * DAY + HOUR) };
        seen.by_others(&look(20_049));
        seen.by_the_bill(&look(20_052), &signals);
        seen.by_the_bill(&look(20_053), &signals);
        let known = 20_053 * DAY + HOUR;
        assert_eq!(seen.alerts["R1"], [Alert { workload: "wild".into(), day: 20_050, pages: false, known }]);
        // What is older is not looked at again.
        let mut seen = Seen::default();
        seen.by_the_bill(&look(20_054), &signals);
        assert!(seen.alerts.is_empty());
    }
}
