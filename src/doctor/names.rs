//! Names in the config that no stored spend has: a policy of no environment, a channel that nothing comes to.
//!
//! Both are right until somebody renames what they are of, and say nothing from then on.

use std::collections::BTreeMap;

use wildmatch::WildMatch;

use super::stored::Stored;
use super::{Check, Subject, some};
use crate::attribute::owner::canonical;
use crate::spelling;

/// Looks at policies and at what channels are told of.
pub(super) fn look(subject: &Subject<'_>, stored: &Stored) -> Vec<Check> {
    let mut names = Names { stored, known: BTreeMap::new() };
    let mut checks = Vec::new();
    for environment in subject.config.policy.keys() {
        let wanted = canonical(environment);
        let on = format!("[policy.{environment}]");
        checks.extend(names.unmet("policy", &on, "environment", environment, |name| canonical(name) == wanted));
    }
    for channel in &subject.config.channel {
        let on = channel.place();
        let lists = [("team", &channel.team), ("environment", &channel.environment), ("workload", &channel.workload)];
        for (kind, glob) in lists.into_iter().flat_map(|(kind, globs)| globs.iter().map(move |glob| (kind, glob))) {
            let pattern = WildMatch::new(glob);
            checks.extend(names.unmet("routing", &on, kind, glob, |name| pattern.matches(name)));
        }
    }
    checks
}

/// The names that spent in any stored period, by their kind, read where somebody asks.
struct Names<'a> {
    stored: &'a Stored,
    known: BTreeMap<&'static str, Option<Vec<String>>>,
}

impl Names<'_> {
    /// What to say where no name of a kind is meant; nothing where the names cannot be read.
    fn unmet(
        &mut self,
        check: &str,
        on: &str,
        kind: &'static str,
        wanted: &str,
        is_meant: impl Fn(&str) -> bool,
    ) -> Option<Check> {
        let stored = self.stored;
        let names = self.known.entry(kind).or_insert_with(|| read(stored, kind)).as_ref()?;
        if names.iter().any(|name| is_meant(name)) {
            return None;
        }
        let rest = if names.is_empty() { "nothing has one".into() } else { format!("there are {}", some(names, 6)) };
        let fix = spelling::hint(wanted, names.iter().map(String::as_str), &rest);
        Some(Check::warning(check, on, format!("nothing stored is of {kind} `{wanted}`"), fix))
    }
}

fn read(stored: &Stored, kind: &str) -> Option<Vec<String>> {
    let grid = stored.ask(&format!("select distinct {kind} from cost_daily where {kind} is not null order by 1"))?;
    Some(grid.rows.iter().map(|row| grid.text(row, kind)).collect())
}
