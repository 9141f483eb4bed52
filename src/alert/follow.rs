//! Follow: the slow clock. Complete days of the bill, one after the other, open, confirm, correct, cancel and end
//! incidents.

use std::borrow::Cow;

use super::Looked;
use super::baseline::{Baseline, COSTS};
use super::finding::Finding;
use super::history::{BEFORE, History, Owner};
use super::incident::{Incident, QUIET, Sighting};
use super::ledger::Ledger;
use super::rules::Severity;
use super::scope::Scope;
use super::screen;
use crate::clock::DAY;
use crate::report::words;

/// Days after which another height is the usual one, and no incident any more.
const SETTLED: usize = 28;
/// Days before the last complete one whose incidents are news on the first run of all.
const NEWS: i32 = 1;

/// Lets a ledger follow the days since those that it knows.
pub fn follow(ledger: &mut Ledger, looked: &Looked, at: i64) {
    let history = &looked.history;
    let Some(last) = (history.days > 0).then(|| history.first + history.days as i32 - 1) else { return };
    let is_first = ledger.through.is_none();
    let from = ledger.through.map_or(history.first, |through| through + 1).max(history.first);
    let known = ledger.incidents.len();
    late(ledger, looked, at);
    let mut findings: Vec<&Finding> = looked.alerts.findings.iter().filter(|finding| finding.is_complete).collect();
    findings.sort_by_key(|finding| finding.day);
    for day in from..=last {
        let first = findings.partition_point(|finding| finding.day < day);
        let of_day = &findings[first..findings.partition_point(|finding| finding.day <= day)];
        of_day.iter().for_each(|finding| adopt(ledger, finding));
        // A note is listed alone, so that nothing more is made of it.
        for finding in of_day.iter().filter(|finding| finding.severity > Severity::Note) {
            ledger.see(sighting(finding, looked), at);
        }
        for incident in ledger.incidents.iter_mut().filter(|incident| !incident.is_over()) {
            judge(incident, looked, day, at);
        }
    }
    ledger.through = ledger.through.max(Some(last));
    // What was over before anybody looked is history.
    for incident in ledger.incidents[known..].iter_mut().filter(|_| is_first) {
        incident.is_news = incident.last_day >= last - NEWS;
    }
    ledger.forget(at);
}

/// Takes what is found of days that were looked at before and that no incident knows: lines that came after the day
/// seemed complete. It is warned of, and wakes nobody: it is not of today.
fn late(ledger: &mut Ledger, looked: &Looked, at: i64) {
    let Some(through) = ledger.through else { return };
    for finding in looked.again.iter().filter(|finding| finding.day <= through) {
        let is_known = ledger.incidents.iter().any(|incident| {
            let began = incident.began.div_euclid(DAY) as i32;
            incident.is_about(&finding.scope, &finding.currency) && (began..=incident.last_day).contains(&finding.day)
        });
        if !is_known {
            let mut seen = sighting(finding, looked);
            seen.severity = seen.severity.min(Severity::Warn);
            seen.screen.summary = format!("came late: {}", seen.screen.summary);
            ledger.see(seen, at);
        }
    }
}

/// A finding as an incident sees it.
fn sighting(finding: &Finding, looked: &Looked) -> Sighting {
    Sighting {
        scope: finding.scope.clone(),
        currency: finding.currency.clone(),
        severity: finding.severity,
        day: finding.day,
        began: finding.began.map_or(i64::from(finding.day) * DAY, |(began, _)| began),
        excess: finding.excess.max(0),
        level: finding.excess.max(0),
        rules: finding.rules.iter().map(|rule| rule.name().to_string()).collect(),
        is_estimate: false,
        screen: screen::of(finding, &looked.history),
    }
}

/// AWS's own metrics name no owner; where the bill does, what they opened becomes that owner's incident.
fn adopt(ledger: &mut Ledger, finding: &Finding) {
    if ledger.live(&finding.scope, &finding.currency, finding.day).is_some() {
        return;
    }
    let Some(line) = finding.lines.first() else { return };
    let [account, region, model, ..] = &line.what;
    let cell = Scope::Cell(account.clone(), region.clone(), model.clone());
    if let Some(incident) = ledger.live(&cell, &finding.currency, finding.day) {
        let labels = screen::labels(finding);
        incident.adopt(&finding.scope, &labels);
    }
}

/// Looks at an incident on a complete day on which nothing was seen of it.
fn judge(incident: &mut Incident, looked: &Looked, day: i32, at: i64) {
    let history = &looked.history;
    let began = incident.began.div_euclid(DAY) as i32;
    let is_known = incident.checked.is_some_and(|checked| day <= checked) || day < began;
    if is_known {
        return;
    }
    incident.checked = Some(day);
    let is_seen = incident.billed == Some(day);
    let costs = costs_of(looked, &incident.scope, &incident.currency);
    let Some(number) = history.number(day).filter(|_| !is_seen) else { return };
    let cost = costs[number];
    let usual = usual(&costs, history, began, number);
    // Of what nobody has ever seen there is only how large it was.
    let is_quiet = match usual {
        Some(usual) => (cost as f64) < QUIET * usual,
        None => cost * 3 < incident.peak.bill,
    };
    let usual = usual.unwrap_or(0.0);
    if incident.is_estimate {
        let shown = |units: i128| words::amount(units);
        let beyond = (cost - usual as i128).max(0);
        let why = format!(
            "the bill of the day says {} beyond the usual, the metrics said {}",
            shown(beyond),
            shown(incident.excess)
        );
        // An hour may be wild in a day that is not: then the bill says what the metrics said.
        let is_cancelled = is_quiet && 2 * beyond < incident.excess;
        (incident.is_estimate, incident.excess, incident.peak.bill) = (false, beyond, beyond);
        if is_cancelled {
            incident.resolve(at, &format!("cancelled: {why}"));
            return;
        }
        incident.note(at, format!("corrected: {why}"));
    }
    incident.check(is_quiet, day, at);
}

/// What a scope cost on each stored day.
fn costs_of<'a>(looked: &'a Looked, scope: &Scope, currency: &str) -> Cow<'a, [i128]> {
    let history = &looked.history;
    let own = |workload: &str, account: &str| {
        let owner = Owner { workload: workload.into(), account: account.into(), currency: currency.into() };
        let series = history.series(&owner).map(|series| Cow::Borrowed(looked.costs[series].as_slice()));
        series.unwrap_or_else(|| Cow::Owned(vec![0; history.stored]))
    };
    match scope {
        Scope::Workload(workload) => own(workload, ""),
        Scope::Unattributed(account) => own("unattributed", account),
        wide => {
            let mut costs = vec![0; history.stored];
            let within = history.lines.iter().filter(|line| history.is_within(line, wide, currency));
            within.for_each(|line| costs[line.day] += line.cost);
            Cow::Owned(costs)
        }
    }
}

/// What a day would be expected to cost without the incident: its days count as what was expected of them. Of what
/// had no past, and of what has lasted for weeks, its own days say what is usual.
fn usual(costs: &[i128], history: &History, began: i32, day: usize) -> Option<f64> {
    let began = history.number(began).unwrap_or(0);
    let values: Vec<f64> = costs[..=day].iter().map(|cost| *cost as f64).collect();
    let plain = |values: &[f64], day: usize| {
        let first = day.saturating_sub(BEFORE as usize);
        Baseline::of(values[first..=day].to_vec(), COSTS).expected(day - first)
    };
    let mut without = values.clone();
    for past in began..day.min(began + SETTLED) {
        match plain(&without, past) {
            Some(expected) => without[past] = expected.middle,
            None => break,
        }
    }
    let is_new = costs[..began].iter().all(|cost| *cost == 0);
    let values = if is_new || day >= began + SETTLED { &values } else { &without };
    let usual = plain(values, day).map(|expected| expected.middle);
    // Without a week there is only the day before.
    usual.or_else(|| began.checked_sub(1).map(|before| costs[before] as f64)).filter(|usual| *usual > 0.0)
}
