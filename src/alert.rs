//! Alert: what jumped, on every complete day since the last run, with owner, cause and a stable key.
//!
//! ```text
//! anomalies.sql ─► contract ─┐
//! facts ─► history ─► rules ─┴► join ─► behind ─► Finding ─► follow ─► ledger ─► deliver ─► channel
//! ```
//!
//! | step | in → out | holds afterwards |
//! |---|---|---|
//! | [`contract`] | the query `anomalies` → jumps | R1 and its kin, always listed, exactly as the query says |
//! | [`history`], [`baseline`] | facts → days of each workload, and what each was expected to be | of earlier days alone |
//! | [`rules`] | days → signals | each rule is on its own; money and distance from the usual say how severe |
//! | [`wide`] | days, signals → what no workload explains | of an account, a model or the whole bill |
//! | [`join`] | jumps, signals → findings | rules that saw the same dollars are one finding |
//! | [`causes`] | a change of cost → its parts | they sum to it to the last unit |
//! | [`behind`] | findings, lines of the bill → where, who, since when | spend that only changed its owner is noted |
//!
//! | [`follow`] | findings, days → incidents in the [`ledger`] | opened, confirmed, corrected, cancelled and ended by the bill |
//! | [`deliver`] | incidents → notices to each [`channel`] | what is due follows from the kept state; told once, never lost |
//!
//! [`backtest`] holds the rules against labelled incidents. [`scope`] says what an [`incident`] is about, [`screen`]
//! what is read of it first, [`notice`] what a channel is told.

pub mod backtest;
pub mod baseline;
pub mod behind;
pub mod causes;
pub mod channel;
pub mod contract;
pub mod deliver;
pub mod fast;
pub mod finding;
pub mod follow;
pub mod history;
pub mod incident;
pub mod join;
pub mod ledger;
pub mod notice;
pub mod rules;
pub mod scope;
pub mod screen;
pub mod show;
pub mod wide;

pub use finding::Finding;

use crate::config::Config;
use crate::error::Result;
use crate::facts::history::AlertNote;
use crate::facts::store::Store;
use crate::metrics::Engine;
use contract::Jump;
use history::History;
use join::Seen;
use rules::{Floors, Rule, Severity};

/// The findings of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Alerts {
    /// First day looked at.
    pub from: Option<i32>,
    /// Last complete day looked at.
    pub to: Option<i32>,
    /// Whether days before the first were left out that nobody has looked at.
    pub is_part: bool,
    /// Most severe first, then newest, then by increase within a currency.
    pub findings: Vec<Finding>,
}

impl Alerts {
    /// Whether anything was found beyond notes. The rule R1 is the contract, so its findings always
    /// count; the severity only says whether somebody is woken.
    pub fn has_findings(&self) -> bool {
        let counts = |finding: &Finding| finding.rules.contains(&Rule::R1) || finding.severity > Severity::Note;
        self.findings.iter().any(counts)
    }
}

/// What a run looked at: its findings, and the days that they are of.
#[derive(Debug, Default)]
pub struct Looked {
    /// The findings.
    pub alerts: Alerts,
    /// The days.
    pub history: History,
    /// What each series cost.
    pub costs: Vec<Vec<i128>>,
    /// What is found now of the last days that were looked at before: a bill goes on delivering for a while after a
    /// day seems complete.
    pub again: Vec<Finding>,
    /// What the contract lists, of the days of charts and of those that were looked at.
    pub jumps: Vec<Jump>,
}

/// Days that are looked at once more for what came late.
const LATE: i32 = 3;
/// Days that a report looks at where nobody has looked yet: those of its charts.
pub const RECENT: i32 = 90;

/// Finds what jumped, and keeps the days at hand. Without a range: every complete day since the last run, and
/// provisional ones.
///
/// # Errors
/// Where the store cannot be read.
pub fn look(engine: &Engine, config: &Config, from: Option<i32>, to: Option<i32>) -> Result<Looked> {
    look_from(engine, config, first_day(engine, from, to), to, from.is_none() && to.is_none())
}

/// Finds what jumped for a report: of the days that [`look`] would look at no more than the last [`RECENT`], unless a
/// first day is asked for; and keeps the days at hand.
///
/// # Errors
/// Where the store cannot be read.
pub fn look_recent(engine: &Engine, config: &Config, from: Option<i32>, to: Option<i32>) -> Result<Looked> {
    let recent = engine.last_complete_day().filter(|_| from.is_none()).map(|last| last - RECENT + 1);
    let start = first_day(engine, from, to);
    let looked = look_from(engine, config, start.max(recent), to, from.is_none() && to.is_none())?;
    let is_part = start < recent;
    Ok(Looked { alerts: Alerts { is_part, ..looked.alerts }, ..looked })
}

fn look_from(engine: &Engine, config: &Config, start: Option<i32>, to: Option<i32>, is_next: bool) -> Result<Looked> {
    // Late lines matter only to runs that go on where the last one ended.
    let again = engine.alert_note.filter(|_| is_next).zip(start).map(|(_, start)| start - LATE);
    // A page marks the days of its charts, whichever were looked at before.
    let marked = engine.last_complete_day().map(|last| last - RECENT + 1);
    let listed = again.or(start).map(|first| marked.map_or(first, |marked| marked.min(first)));
    let jumps = contract::jumps(engine, config, listed)?;
    let history = History::read(engine, again.or(start))?;
    let costs = history.costs();
    let baselines = rules::baselines(&history, &costs);
    let seen = Seen { history: &history, baselines: &baselines, costs: &costs, jumps: &jumps, as_of: engine.as_of };
    let floors = Floors::of(config);
    let signals = rules::signals(&history, &baselines, &jumps, &floors);
    let mut findings = seen.findings(&signals);
    findings.extend(seen.wide(wide::wide(&history, &signals, &floors), &floors));
    let is_asked = |day: i32| start.is_none_or(|start| day >= start) && to.is_none_or(|to| day <= to);
    let is_late = |finding: &Finding| {
        finding.severity > Severity::Note && again.is_some_and(|again| finding.day >= again) && !is_asked(finding.day)
    };
    findings.retain(|finding| is_asked(finding.day) || is_late(finding));
    seen.explain(&mut findings);
    behind::explain(engine, &mut findings)?;
    let (mut findings, again) = findings.into_iter().partition::<Vec<_>, _>(|finding| is_asked(finding.day));
    findings.sort_by(|a, b| {
        let order = (b.severity, b.day, &a.currency, b.increase, a.key());
        order.cmp(&(a.severity, a.day, &b.currency, a.increase, b.key()))
    });
    let alerts = Alerts { from: start, to: to.or(engine.last_complete_day()), is_part: false, findings };
    Ok(Looked { alerts, history, costs, again, jumps })
}

/// The first day to look at: what was asked for, else the one after those that the last run looked at.
fn first_day(engine: &Engine, from: Option<i32>, to: Option<i32>) -> Option<i32> {
    let asked = from.is_some() || to.is_some();
    let first = engine.days.first().map(|day| day.day);
    match (engine.alert_note.filter(|_| !asked), engine.last_complete_day()) {
        // Nothing new since: the same days again, so that a repeated run says the same.
        (Some(seen), Some(last)) if last <= seen.to => Some(seen.from),
        (Some(seen), _) => Some(seen.to + 1),
        (None, _) => from.or(first),
    }
}

/// Notes which days were looked at.
///
/// # Errors
/// Where the store cannot be written.
pub fn remember(alerts: &Alerts, store: &Store) -> Result<()> {
    let (Some(from), Some(to)) = (alerts.from, alerts.to) else { return Ok(()) };
    store.keep_alert_note(AlertNote { from, to })
}
