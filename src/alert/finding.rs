//! Findings: a day on which rules saw something, whatever their number, with what is known of it.

use super::causes::Causes;
use super::rules::{Rule, Severity};
use super::scope::Scope;
use crate::clock;
use crate::report::words;

/// What rules saw of one scope on one day.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Whose spend it is.
    pub scope: Scope,
    /// Currency.
    pub currency: String,
    /// How much it matters.
    pub severity: Severity,
    /// What saw it; the contract's own rule first.
    pub rules: Vec<Rule>,
    /// Day number.
    pub day: i32,
    /// Team, environment and cost center that bore most of the cost that day.
    pub owner: [String; 3],
    /// Cost of the day it is compared with, units of 1e-10; unknown where there is none.
    pub expected: Option<i128>,
    /// Cost of the day.
    pub actual: i128,
    /// Increase.
    pub increase: i128,
    /// What is beyond the usual by the rule that saw most, which a dip elsewhere may hide from the increase.
    pub excess: i128,
    /// Day compared with.
    pub compared_day: Option<i32>,
    /// Previous owner of relabelled spend.
    pub moved_from: String,
    /// What the day was expected to cost by its own weekdays: middle, least and most that is usual.
    pub usual: Option<[i128; 3]>,
    /// Cost of the same weekday in the four weeks before: least and most, where four are known.
    pub weekday_band: Option<(i128, i128)>,
    /// Whether the day is complete; else the finding is provisional.
    pub is_complete: bool,
    /// Whether the day's month is closed, so that its bill no longer changes.
    pub is_final: bool,
    /// The increase, taken apart; its parts sum to it exactly.
    pub causes: Option<Causes>,
    /// Queries of the compared day and of the day, where both were counted.
    pub queries: Option<[i128; 2]>,
    /// The lines that moved most, largest first.
    pub lines: Vec<Line>,
    /// First hour of the stretch that is dearer than on the compared day, epoch seconds, and whether the stretch
    /// lasts to the day's end; where the bill has hours.
    pub began: Option<(i64, bool)>,
    /// Roles and users by what they cost that day, dearest first.
    pub principals: Vec<(String, i128)>,
    /// Which evidence named the owner, by cost, dearest first.
    pub evidence: Vec<(String, i128)>,
}

/// Lines of a day that agree on what they bought, against the compared day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Account, region, model, usage kind, resource, principal, method.
    pub what: [String; 7],
    /// Cost of the day.
    pub cost: i128,
    /// Cost of the compared day.
    pub before: i128,
}

/// Names of [`Line::what`].
pub const LINE_COLUMNS: [&str; 7] =
    ["sub_account_id", "region_id", "model_name", "usage_kind", "resource_id", "principal_arn", "attribution_method"];

impl Finding {
    /// Identity of what it is about: the same on every run and day.
    pub fn key(&self) -> String {
        self.scope.key(&self.currency)
    }

    /// The rule it is listed under.
    pub fn rule(&self) -> &'static str {
        self.rules.first().map_or("", |rule| rule.name())
    }

    /// Times the compared day.
    pub fn times(&self) -> Option<f64> {
        self.expected.filter(|expected| *expected > 0).map(|expected| self.actual as f64 / expected as f64)
    }

    /// Whether an owner is known.
    pub fn is_allocated(&self) -> bool {
        self.scope.workload().is_some()
    }

    /// One sentence: what happened, against what.
    pub fn sentence(&self) -> String {
        let day = clock::day_text(self.day);
        let currency = words::currency(&self.currency);
        let actual = format!("{} {currency} on {day}", words::amount(self.actual));
        let provisional = if self.is_complete { "" } else { " (provisional: the day is not complete)" };
        let against = match (self.rules.first(), self.expected, self.compared_day) {
            _ if !self.moved_from.is_empty() => format!("spend that was {}'s before", self.moved_from),
            (Some(Rule::New), ..) => "never seen before".to_string(),
            (_, Some(expected), Some(compared)) => {
                format!("against {} on {}", words::amount(expected), clock::day_text(compared))
            }
            _ => "against nothing".to_string(),
        };
        format!("{actual}, {against}{provisional}")
    }

    /// The line that moved most, in words.
    pub fn cause(&self) -> String {
        let Some(line) = self.lines.first() else { return String::new() };
        let [account, region, model, kind, resource, principal, _] = &line.what;
        let named = [model.as_str(), kind, region, account].into_iter().filter(|part| !part.is_empty());
        let named = named.collect::<Vec<_>>().join(" ");
        let by = [resource, principal].into_iter().find(|part| !part.is_empty());
        let by = by.map(|by| format!(" via {by}")).unwrap_or_default();
        format!("{} {named}{by}", words::change(line.cost - line.before))
    }

    /// Who owns it: team, environment, cost center, as far as known.
    pub fn owner_text(&self) -> String {
        words::owner(self.owner.each_ref().map(String::as_str))
    }
}
