//! Incidents: what findings become over days and runs, and what a channel is still to be told of them.
//!
//! ```text
//! open ─► acknowledged ─┐
//!  │ └──► planned ──────┼─► resolved (by the bill, by hand)
//!  └────► false positive┘
//! ```
//!
//! An incident is one scope's, and there is at most one of it that is not resolved. It opens with a finding that
//! warns, takes every later finding of its scope, and is resolved after two checks below one and a half times the
//! usual. What a channel was told stands beside it, so that what is due follows from the state alone: a run that
//! was killed, or whose channel was down, leaves the next one to say the same, once.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::notice::Event;
use super::rules::Severity;
use super::scope::Scope;
use crate::facts::store::hash;

/// Checks below [`QUIET`] times the usual after which an incident is over.
pub const CHECKS: u32 = 2;
/// So many times the usual is no incident any more.
pub const QUIET: f64 = 1.5;
/// What escalates: so many times what was told.
const DOUBLED: i128 = 2;

/// What somebody decided, or time did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody has said anything.
    Open,
    /// Somebody looks after it.
    Acknowledged,
    /// It was meant, until the end of a day.
    Planned {
        /// Day number.
        until: i32,
    },
    /// It was none.
    FalsePositive,
    /// It is over.
    Resolved,
}

impl State {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Planned { .. } => "planned",
            Self::FalsePositive => "false-positive",
            Self::Resolved => "resolved",
        }
    }
}

/// What people said of an incident, which is how the rules are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Somebody acted on it.
    Real,
    /// It was none.
    False,
}

/// What a channel was told last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What; nothing yet where it is still owed.
    pub event: Option<Event>,
    /// How severe it was then.
    pub severity: Severity,
    /// How large it was then.
    pub level: Size,
    /// When, epoch seconds.
    pub at: i64,
}

/// How large an incident is, by each clock: a day's bill and a rate of the last minutes do not compare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// The most that a day's bill had beyond the usual, units of 1e-10.
    pub bill: i128,
    /// The most that a day would have had by the rate of some minutes, units of 1e-10.
    pub rate: i128,
}

impl Size {
    /// Whether it is twice as large as another by a clock that both know.
    pub fn doubled(&self, than: &Self) -> bool {
        let doubled = |now: i128, then: i128| then > 0 && now >= DOUBLED * then;
        doubled(self.bill, than.bill) || doubled(self.rate, than.rate)
    }

    /// The larger by each clock.
    fn max(self, other: Self) -> Self {
        Self { bill: self.bill.max(other.bill), rate: self.rate.max(other.rate) }
    }

    /// What another does not know yet, it takes as it is.
    fn fill(&mut self, from: &Self) {
        if self.bill == 0 {
            self.bill = from.bill;
        }
        if self.rate == 0 {
            self.rate = from.rate;
        }
    }
}

/// Something that happened to an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Epoch seconds.
    pub at: i64,
    /// What, in words.
    pub what: String,
}

/// The last that is known of an incident, as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Screen {
    /// One line.
    pub summary: String,
    /// What is known of whose and where it is.
    pub labels: BTreeMap<String, String>,
    /// Headings and texts, in order.
    pub lines: Vec<(String, String)>,
    /// The finding, as programs read it.
    pub finding: Map<String, Value>,
}

impl Sighting {
    /// How large it is, by its clock.
    pub fn size(&self) -> Size {
        match self.is_estimate {
            true => Size { bill: 0, rate: self.level },
            false => Size { bill: self.level, rate: 0 },
        }
    }
}

/// An incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its name.
    pub id: String,
    /// Identity towards channels.
    pub key: String,
    /// Whose spend it is.
    pub scope: Scope,
    /// Currency.
    pub currency: String,
    /// Where it stands.
    pub state: State,
    /// The worst that it was.
    pub severity: Severity,
    /// The clock of the run that opened it, epoch seconds.
    pub opened: i64,
    /// When the spend began, epoch seconds.
    pub began: i64,
    /// The last day with a finding, day number.
    pub last_day: i32,
    /// Scopes that it was opened as, before the bill named an owner.
    pub aliases: Vec<Scope>,
    /// What was known of whose and where it is when it opened: channels know it by that.
    pub labels: BTreeMap<String, String>,
    /// The last day of which the bill showed it, day number.
    pub billed: Option<i32>,
    /// The last day on which the bill was looked at, day number; none while only metrics were.
    pub checked: Option<i32>,
    /// Checks in a row that were quiet.
    pub quiet: u32,
    /// The most that it was.
    pub peak: Size,
    /// All that its days had beyond the usual, units of 1e-10.
    pub excess: i128,
    /// Names of the rules that saw it.
    pub rules: BTreeSet<String>,
    /// How large it was when somebody decided something.
    pub accepted: Size,
    /// Whether somebody said that it is over.
    pub is_by_hand: bool,
    /// Whether the figures are estimates out of metrics, which no bill has confirmed.
    pub is_estimate: bool,
    /// The last hour that metrics were checked of, epoch seconds; none where they never saw it.
    pub hour: Option<i64>,
    /// Whether channels are told of it: what was long over when it was first seen is only listed.
    pub is_news: bool,
    /// What people said of it.
    pub verdict: Option<Verdict>,
    /// When it was resolved, epoch seconds.
    pub resolved: Option<i64>,
    /// The last that is known.
    pub screen: Screen,
    /// What each channel was told, by name.
    pub told: BTreeMap<String, Told>,
    /// What happened to it.
    pub log: Vec<Entry>,
}

/// What is seen of a scope on a day, or in an hour.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// Whose spend it is.
    pub scope: Scope,
    /// Currency.
    pub currency: String,
    /// How severe it is.
    pub severity: Severity,
    /// Day number.
    pub day: i32,
    /// When it began, epoch seconds.
    pub began: i64,
    /// What is beyond the usual, units of 1e-10.
    pub excess: i128,
    /// What a day of it is beyond the usual: the same for a whole day, and an estimate where the day is not over.
    pub level: i128,
    /// Names of the rules that saw it.
    pub rules: Vec<String>,
    /// Whether it is an estimate.
    pub is_estimate: bool,
    /// What is shown of it.
    pub screen: Screen,
}

impl Incident {
    /// The incident that a sighting opens.
    pub fn open(seen: Sighting, at: i64) -> Self {
        let key = seen.scope.key(&seen.currency);
        let id = hash(format!("{key} {}", seen.began).as_bytes())[..8].to_string();
        let clock = if seen.is_estimate { "metrics" } else { "the bill" };
        let mut incident = Self {
            id,
            key,
            scope: seen.scope.clone(),
            currency: seen.currency.clone(),
            state: State::Open,
            severity: seen.severity,
            opened: at,
            began: seen.began,
            last_day: seen.day,
            aliases: Vec::new(),
            labels: seen.screen.labels.clone(),
            billed: None,
            checked: None,
            quiet: 0,
            peak: Size::default(),
            excess: 0,
            rules: BTreeSet::new(),
            accepted: Size::default(),
            is_by_hand: false,
            is_estimate: seen.is_estimate,
            hour: None,
            is_news: true,
            verdict: None,
            resolved: None,
            screen: Screen::default(),
            told: BTreeMap::new(),
            log: Vec::new(),
        };
        incident.note(at, format!("opened by {clock}"));
        incident.take(seen, at);
        incident
    }

    /// Adds what happened.
    pub fn note(&mut self, at: i64, what: impl Into<String>) {
        self.log.push(Entry { at, what: what.into() });
    }

    /// Whether it is about a scope, or was.
    pub fn is_about(&self, scope: &Scope, currency: &str) -> bool {
        self.currency == currency && (self.scope == *scope || self.aliases.contains(scope))
    }

    /// The bill names an owner of what metrics have opened.
    pub fn adopt(&mut self, scope: &Scope, labels: &BTreeMap<String, String>) {
        self.aliases.push(std::mem::replace(&mut self.scope, scope.clone()));
        self.labels.clone_from(labels);
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.state == State::Resolved
    }

    /// Takes another sighting of its scope.
    pub fn take(&mut self, seen: Sighting, at: i64) {
        self.quiet = 0;
        self.last_day = self.last_day.max(seen.day);
        self.began = self.began.min(seen.began);
        if seen.is_estimate {
            // Metrics tell one day's excess over and over, each time more of it.
            self.excess = self.excess.max(seen.excess);
        } else {
            if self.is_estimate {
                self.note(at, "confirmed by the bill");
                (self.is_estimate, self.excess) = (false, 0);
            }
            self.excess += seen.excess;
            self.billed = self.billed.max(Some(seen.day));
        }
        self.peak = self.peak.max(seen.size());
        // What a clock sees first after a decision is what was decided on.
        let decided = !matches!(self.state, State::Open | State::Resolved);
        if decided {
            self.accepted.fill(&self.peak);
        }
        self.told.values_mut().for_each(|told| told.level.fill(&self.peak));
        self.severity = self.severity.max(seen.severity);
        self.rules.extend(seen.rules);
        self.screen = seen.screen;
        let is_larger = self.peak.doubled(&self.accepted);
        match self.state {
            State::Planned { until } if seen.day > until => self.reopen(at, "what was planned is past"),
            State::Acknowledged | State::FalsePositive if is_larger => self.reopen(at, "it doubled"),
            _ => {}
        }
    }

    fn reopen(&mut self, at: i64, why: &str) {
        self.state = State::Open;
        self.accepted = Size::default();
        self.note(at, format!("open again: {why}"));
    }

    /// A check of a day that found less than [`QUIET`] times the usual, or not. What is planned is not over before
    /// its end.
    pub fn check(&mut self, is_quiet: bool, day: i32, at: i64) {
        if matches!(self.state, State::Planned { until } if day <= until) {
            return;
        }
        self.quiet = if is_quiet { self.quiet + 1 } else { 0 };
        if self.quiet >= CHECKS {
            self.resolve(at, "below 1.5 times the usual for two checks");
        }
    }

    /// Ends it.
    pub fn resolve(&mut self, at: i64, why: &str) {
        self.state = State::Resolved;
        self.resolved = Some(at);
        self.note(at, format!("resolved: {why}"));
    }

    /// Somebody decided something.
    pub fn decide(&mut self, state: State, at: i64, why: &str) {
        self.state = state;
        self.accepted = self.peak;
        self.verdict = match state {
            State::FalsePositive => Some(Verdict::False),
            State::Acknowledged => Some(Verdict::Real),
            _ => self.verdict,
        };
        self.resolved = (state == State::Resolved).then_some(at);
        self.is_by_hand = state == State::Resolved;
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        self.note(at, format!("{} by hand{why}", state.as_str()));
    }

    /// What a channel is due to be told; `refreshes` where it forgets what is not said again.
    pub fn due(&self, channel: &str, refreshes: bool) -> Option<Event> {
        let told = self.told.get(channel);
        let event = told.and_then(|told| told.event);
        let knows = matches!(event, Some(Event::Trigger | Event::Acknowledge));
        match self.state {
            // A page that was owed when it was over is still owed; that it is over follows in the same run.
            State::Resolved => match told {
                Some(told) if told.event.is_none() => Some(Event::Trigger),
                _ => knows.then_some(Event::Resolve),
            },
            State::Planned { .. } | State::FalsePositive => knows.then_some(Event::Resolve),
            State::Acknowledged if refreshes => knows.then_some(Event::Trigger),
            State::Acknowledged => (event == Some(Event::Trigger)).then_some(Event::Acknowledge),
            State::Open => {
                let grew = told.is_none_or(|told| {
                    event != Some(Event::Trigger) || self.severity > told.severity || self.peak.doubled(&told.level)
                });
                (self.is_news && (grew || refreshes)).then_some(Event::Trigger)
            }
        }
    }

    /// Notes that a channel is owed its first word, before it is said.
    pub fn owe(&mut self, channel: &str) {
        self.told.entry(channel.to_string()).or_default();
    }

    /// Notes that a channel took what it was told.
    pub fn tell(&mut self, channel: &str, event: Event, at: i64) {
        let told = Told { event: Some(event), severity: self.severity, level: self.peak, at };
        self.told.insert(channel.to_string(), told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(day: i32, excess: i128) -> Sighting {
        Sighting {
            scope: Scope::Workload("w".into()),
            currency: "USD".into(),
            severity: Severity::Page,
            day,
            began: i64::from(day) * 86_400,
            excess,
            level: excess,
            rules: vec!["R1".into()],
            is_estimate: false,
            screen: Screen::default(),
        }
    }

    /// What a channel is told until nothing is due any more.
    fn said(incident: &mut Incident) -> Vec<&'static str> {
        let mut said = Vec::new();
        while let Some(event) = incident.due("c", false) {
            incident.tell("c", event, 0);
            said.push(event.as_str());
        }
        said
    }

    #[test]
    fn a_page_is_said_once_and_again_only_when_it_doubles() {
        let mut incident = Incident::open(seen(1, 100), 0);
        assert_eq!(said(&mut incident), ["trigger"]);
        incident.take(seen(2, 150), 0);
        assert_eq!(said(&mut incident), Vec::<&str>::new());
        incident.take(seen(3, 200), 0);
        assert_eq!(said(&mut incident), ["trigger"]);
    }

    #[test]
    fn what_somebody_looks_after_is_silent_until_it_doubles() {
        let mut incident = Incident::open(seen(1, 100), 0);
        said(&mut incident);
        incident.decide(State::Acknowledged, 1, "");
        assert_eq!(said(&mut incident), ["acknowledge"]);
        incident.take(seen(2, 199), 2);
        assert_eq!(said(&mut incident), Vec::<&str>::new());
        incident.take(seen(3, 200), 3);
        assert_eq!((incident.state, said(&mut incident)), (State::Open, vec!["trigger"]));
    }

    #[test]
    fn what_was_planned_is_silent_until_its_end() {
        let mut incident = Incident::open(seen(1, 100), 0);
        said(&mut incident);
        incident.decide(State::Planned { until: 3 }, 1, "launch");
        assert_eq!(said(&mut incident), ["resolve"]);
        incident.take(seen(3, 900), 3);
        (2..4).for_each(|day| incident.check(true, day, 3));
        assert_eq!((incident.is_over(), said(&mut incident)), (false, vec![]));
        incident.take(seen(4, 900), 4);
        assert_eq!(said(&mut incident), ["trigger"]);
    }

    #[test]
    fn two_quiet_checks_end_it_and_one_does_not() {
        let mut incident = Incident::open(seen(1, 100), 0);
        said(&mut incident);
        incident.check(true, 1, 1);
        incident.check(false, 2, 2);
        incident.check(true, 3, 3);
        assert!(!incident.is_over());
        incident.check(true, 4, 4);
        assert_eq!((incident.is_over(), said(&mut incident)), (true, vec!["resolve"]));
    }

    #[test]
    fn a_page_that_was_owed_is_said_although_it_is_over() {
        let mut incident = Incident::open(seen(1, 100), 0);
        incident.owe("c");
        incident.resolve(1, "by hand");
        assert_eq!(said(&mut incident), ["trigger", "resolve"]);
        let mut never = Incident::open(seen(1, 100), 0);
        never.resolve(1, "by hand");
        assert_eq!(said(&mut never), Vec::<&str>::new());
    }

    #[test]
    fn the_bill_puts_its_own_sum_in_the_place_of_the_estimate() {
        let mut incident = Incident::open(Sighting { is_estimate: true, ..seen(1, 100) }, 0);
        incident.take(Sighting { is_estimate: true, ..seen(1, 140) }, 0);
        assert_eq!(incident.excess, 140);
        incident.take(seen(1, 120), 0);
        assert_eq!((incident.excess, incident.is_estimate), (120, false));
        incident.take(seen(2, 30), 0);
        assert_eq!((incident.excess, incident.peak), (150, Size { bill: 120, rate: 140 }));
    }

    #[test]
    fn a_rate_of_minutes_does_not_double_a_days_bill() {
        let mut incident = Incident::open(seen(1, 40), 0);
        said(&mut incident);
        incident.decide(State::Acknowledged, 1, "");
        said(&mut incident);
        incident.take(Sighting { is_estimate: true, ..seen(2, 240) }, 2);
        assert_eq!((incident.state, said(&mut incident)), (State::Acknowledged, vec![]));
        incident.take(Sighting { is_estimate: true, ..seen(2, 480) }, 3);
        assert_eq!(incident.state, State::Open, "twice the rate that was seen first is");
    }
}
