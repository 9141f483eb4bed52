//! Ledger: the incidents as they are kept, in `alerts/` of the store, under a lock of their own: delivering may
//! take a while, and must keep neither the bill nor its readers waiting.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::incident::{Incident, Sighting, Verdict};
use super::rules::Severity;
use super::scope::Scope;
use crate::aws::s3::Condition;
use crate::clock::DAY;
use crate::error::{Error, Result};
use crate::facts::lock::{self, Lock};
use crate::facts::store::Store;
use crate::place::Place;
use crate::spelling;

/// Where incidents are kept, within the folder of alerts.
const INCIDENTS: &str = "incidents.json";
/// Days that a sighting may lie before the beginning of an incident and still be of it.
const NEAR: i64 = 2;
/// Seconds for which what is over is kept: a year says how right the rules are.
const KEPT: i64 = 400 * DAY;

/// The folder of alerts, held until dropped.
#[derive(Debug)]
pub struct Desk {
    place: Place,
    _lock: Lock,
}

impl Desk {
    /// Takes the folder of a store's alerts, and waits a while for it.
    ///
    /// # Errors
    /// Where another run holds it, or it cannot be written.
    pub fn open(store: &Store) -> Result<Self> {
        let place = place(store);
        let lock = lock::write(&place)?;
        Ok(Self { place, _lock: lock })
    }

    /// The incidents.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn ledger(&self) -> Result<Ledger> {
        read(&self.place, INCIDENTS).map(Option::unwrap_or_default)
    }

    /// Keeps the incidents, in one step.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn keep(&self, ledger: &Ledger) -> Result<()> {
        self.write(INCIDENTS, ledger)
    }

    /// A small file beside the incidents.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        read(&self.place, path)
    }

    /// Writes a small file beside the incidents, in one step.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write<T: Serialize>(&self, path: &str, value: &T) -> Result<()> {
        let bytes = serde_json::to_vec(value);
        let bytes = bytes.map_err(|error| Error::input("alerts", error.to_string(), "please report this"))?;
        self.place.put(path, &Bytes::from(bytes), &Condition::Always).map(|_| ())
    }

    /// A file beside the incidents, as it is.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read_bytes(&self, path: &str) -> Result<Option<Bytes>> {
        Ok(self.place.get(path)?.map(|(bytes, _)| bytes))
    }

    /// Writes a file beside the incidents as it is, in one step.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write_bytes(&self, path: &str, bytes: &Bytes) -> Result<()> {
        self.place.put(path, bytes, &Condition::Always).map(|_| ())
    }
}

/// The incidents of a store, for who only reads.
///
/// # Errors
/// Where they cannot be read.
pub fn peek(store: &Store) -> Result<Ledger> {
    read(&place(store), INCIDENTS).map(Option::unwrap_or_default)
}

fn place(store: &Store) -> Place {
    store.place().within("alerts")
}

fn read<T: serde::de::DeserializeOwned>(place: &Place, path: &str) -> Result<Option<T>> {
    let Some((bytes, _)) = place.get(path)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        let hint = "move the file away; incidents are then opened anew, and what people said of them is lost";
        Error::input(place.address(path), format!("the stored file is damaged ({error})"), hint)
    })
}

/// All incidents.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// The last complete day of the bill that was looked at; none before the first run.
    pub through: Option<i32>,
    /// In the order in which they were opened.
    pub incidents: Vec<Incident>,
}

/// How right the rules were, by what people said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Feedback {
    /// Incidents that somebody acted on.
    pub real: usize,
    /// Incidents that were none.
    pub wrong: usize,
    /// Incidents of which nobody said anything.
    pub unjudged: usize,
}

impl Feedback {
    /// Share of the judged incidents that were real; unknown where none was judged.
    pub fn precision(&self) -> Option<f64> {
        let judged = self.real + self.wrong;
        (judged > 0).then(|| self.real as f64 / judged as f64)
    }
}

impl Ledger {
    /// The incident of a scope that is not over and had begun on a day: what metrics opened today has nothing to do
    /// with what the bill says of last month.
    pub fn live(&mut self, scope: &Scope, currency: &str, day: i32) -> Option<&mut Incident> {
        let is_its = |incident: &&mut Incident| {
            let has_begun = incident.began < (i64::from(day) + 1 + NEAR) * DAY;
            !incident.is_over() && has_begun && incident.is_about(scope, currency)
        };
        self.incidents.iter_mut().find(is_its)
    }

    /// Takes a sighting: it joins the incident of its scope, or opens one. A note is listed elsewhere, and neither
    /// opens an incident nor keeps one alive: a Monday is no reason to wake anybody again.
    pub fn see(&mut self, seen: Sighting, at: i64) {
        if seen.severity == Severity::Note {
            return;
        }
        let is_settled = self.is_settled(&seen);
        match self.live(&seen.scope, &seen.currency, seen.day) {
            Some(incident) => incident.take(seen, at),
            None if is_settled => {}
            None => self.open(Incident::open(seen, at)),
        }
    }

    /// Whether somebody said of what is seen that it is over: it had begun by then, and has not doubled.
    fn is_settled(&self, seen: &Sighting) -> bool {
        let said = self.incidents.iter().rev().find(|incident| {
            incident.is_by_hand && incident.is_over() && incident.is_about(&seen.scope, &seen.currency)
        });
        said.is_some_and(|incident| {
            incident.resolved.is_some_and(|resolved| seen.began < resolved) && !seen.size().doubled(&incident.accepted)
        })
    }

    fn open(&mut self, mut incident: Incident) {
        let taken: BTreeSet<&str> = self.incidents.iter().map(|incident| incident.id.as_str()).collect();
        // One scope may have two incidents that begin in the same hour, one of them being over.
        let id = incident.id.clone();
        let next = (2..).map(|number| format!("{id}-{number}"));
        let free = std::iter::once(id.clone()).chain(next).find(|id| !taken.contains(id.as_str()));
        incident.id = free.unwrap_or(id);
        self.incidents.push(incident);
    }

    /// Forgets what was over long ago.
    pub fn forget(&mut self, at: i64) {
        self.incidents.retain(|incident| incident.resolved.is_none_or(|resolved| resolved > at - KEPT));
    }

    /// The one incident that somebody means: by the beginning of its name, or by its workload.
    ///
    /// # Errors
    /// Where none or several are meant.
    pub fn find(&mut self, wanted: &str) -> Result<&mut Incident> {
        let is_meant = |incident: &Incident| {
            let by_scope = incident.scope.workload() == Some(wanted) && !incident.is_over();
            incident.id == wanted || by_scope || (wanted.len() >= 4 && incident.id.starts_with(wanted))
        };
        let mut meant: Vec<&Incident> = self.incidents.iter().filter(|incident| is_meant(incident)).collect();
        // A whole name means its own incident, although another's begins with it.
        if meant.iter().any(|incident| incident.id == wanted) {
            meant.retain(|incident| incident.id == wanted);
        }
        let refused = |what: String, hint: String| Error::config(format!("incident `{wanted}`"), what, hint);
        let id = match meant.as_slice() {
            [one] => one.id.clone(),
            [] => {
                let names = self.incidents.iter().filter(|incident| !incident.is_over());
                let names: Vec<&str> =
                    names.flat_map(|one| [Some(one.id.as_str()), one.scope.workload()]).flatten().collect();
                let hint = spelling::hint(wanted, names, "`billtag incidents list` shows them");
                return Err(refused("there is no such incident".into(), hint));
            }
            several => {
                let ids: Vec<&str> = several.iter().map(|incident| incident.id.as_str()).collect();
                return Err(refused(format!("several are meant: {}", ids.join(", ")), "name one of them".into()));
            }
        };
        let found = self.incidents.iter_mut().find(|incident| incident.id == id);
        found.ok_or_else(|| Error::config(wanted, "there is no such incident", "please report this"))
    }

    /// What people said.
    pub fn feedback(&self) -> Feedback {
        let count = |verdict: Option<Verdict>| self.incidents.iter().filter(|one| one.verdict == verdict).count();
        Feedback { real: count(Some(Verdict::Real)), wrong: count(Some(Verdict::False)), unjudged: count(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::incident::{Screen, State};
    use super::*;

    fn seen(workload: &str, severity: Severity, day: i32) -> Sighting {
        Sighting {
            scope: Scope::Workload(workload.into()),
            currency: "USD".into(),
            severity,
            day,
            began: i64::from(day) * DAY,
            excess: 100,
            level: 100,
            rules: Vec::new(),
            is_estimate: false,
            screen: Screen::default(),
        }
    }

    #[test]
    fn a_scope_has_one_incident_until_it_is_over_and_then_another() {
        let mut ledger = Ledger::default();
        ledger.see(seen("a", Severity::Note, 1), 0);
        assert_eq!(ledger.incidents.len(), 0, "a note opens nothing");
        ledger.see(seen("b", Severity::Warn, 1), 0);
        ledger.incidents[0].check(true, 1, 1);
        ledger.see(seen("b", Severity::Note, 2), 2);
        assert_eq!((ledger.incidents[0].quiet, ledger.incidents[0].last_day), (1, 1), "and keeps nothing alive");
        ledger.incidents.clear();
        ledger.see(seen("a", Severity::Warn, 1), 0);
        ledger.see(seen("a", Severity::Page, 2), 0);
        ledger.see(seen("b", Severity::Page, 2), 0);
        assert_eq!(ledger.incidents.len(), 2);
        assert_eq!(ledger.incidents[0].severity, Severity::Page);
        ledger.incidents[0].resolve(1, "");
        ledger.see(seen("a", Severity::Page, 1), 2);
        let [first, .., last] = &ledger.incidents[..] else { panic!("three") };
        assert!(first.id != last.id && first.key == last.key);
    }

    #[test]
    fn an_incident_is_meant_by_its_name_or_its_workload() {
        let mut ledger = Ledger::default();
        ledger.see(seen("checkout", Severity::Page, 1), 0);
        let id = ledger.incidents[0].id.clone();
        assert_eq!(ledger.find(&id[..5]).unwrap().id, id);
        ledger.find("checkout").unwrap().decide(State::FalsePositive, 1, "");
        let error = ledger.find("chekout").unwrap_err();
        assert!(error.hint().contains("checkout"), "{}", error.hint());
        assert_eq!(ledger.feedback().precision(), Some(0.0));
    }

    #[test]
    fn what_was_over_long_ago_is_forgotten_and_what_is_open_is_not() {
        let mut ledger = Ledger::default();
        ledger.see(seen("a", Severity::Page, 1), 0);
        ledger.see(seen("b", Severity::Page, 1), 0);
        ledger.incidents[0].resolve(0, "");
        ledger.forget(KEPT + 1);
        assert_eq!(ledger.incidents.iter().map(|one| one.scope.words()).collect::<Vec<_>>(), ["b"]);
    }
}
