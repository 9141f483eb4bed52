//! Cost allocation tags: whether each required key reaches the bill. A tag that nobody activated is on
//! no line, however well everything is tagged.

use std::collections::{BTreeMap, BTreeSet};

use super::access::Doors;
use super::stored::Stored;
use super::{Check, Subject, some, uses_aws};
use crate::attribute::carriers;
use crate::attribute::owner::Vocabulary;
use crate::audit::note;
use crate::aws::failure::{Failure, Kind};
use crate::aws::probe::{self, AllocationTag};
use crate::config::{Config, OWNER_NAMES};

/// How long an activation takes, and who may do it.
const DELAY: &str = "in the payer account; it shows on new lines within a day, on old ones after a backfill";

/// Looks at every required key.
pub(super) fn look(subject: &Subject<'_>, stored: &Stored, doors: &Doors) -> Vec<Check> {
    let config = subject.config;
    let vocabulary = Vocabulary::new(config);
    let seen = stored.ask("select distinct tags from charges where tags is not null").map(|grid| {
        let keys = grid.rows.iter().flat_map(|row| carriers::parse(&grid.text(row, "tags")).into_keys());
        keys.collect::<Vec<String>>()
    });
    let access = config.own_access();
    // The payer account is who can tell, and a bill's credentials are the nearest to it.
    let access = config.bill.first().map_or(access, |bill| config.bill_access(bill));
    let asked = uses_aws(config) && !doors.is_closed(&access);
    let answer = asked.then(|| probe::allocation_tags(subject.aws, &access));
    let refusal = answer.as_ref().and_then(|answer| answer.as_ref().err()).map(refusal);
    let listed = answer.and_then(Result::ok);
    if let Some(tags) = &listed {
        // So that the audit, which asks nobody, can tell what nobody activated. Whether the store can be
        // written is another check's.
        let tags = tags.iter().map(|tag| (tag.key.clone(), tag.is_active)).collect();
        let _kept = note::keep_listed_tags(subject.store, &tags);
    }
    let mut checks = Vec::new();
    for name in &config.tags.required {
        let Some(key) = OWNER_NAMES.iter().position(|known| known == name) else { continue };
        let what = format!("tag `{name}`");
        let of = |tag: &str| vocabulary.key(bare(tag)).is_some_and(|(found, _)| found == key);
        let seen: Option<Vec<&str>> =
            seen.as_ref().map(|keys| keys.iter().map(String::as_str).filter(|tag| of(tag)).collect());
        let listed: Option<Vec<&AllocationTag>> =
            listed.as_ref().map(|tags| tags.iter().filter(|tag| of(&tag.key)).collect());
        checks.extend(judge(&what, spelling(config, name), seen.as_deref(), listed.as_deref()));
    }
    checks.extend(refusal);
    checks
}

/// Not being told is no fault: only the payer account is, and the bill's own lines tell nearly as much.
fn refusal(failure: &Failure) -> Check {
    let why = match failure.kind {
        Kind::Denied => "may not be asked with these credentials",
        _ => "could not be asked",
    };
    let found = format!("{why} ({}), so the bill's own lines were looked at", failure.said);
    Check::ok(failure.action, "Cost Explorer", found)
}

/// A tag's key without its carrier.
fn bare(key: &str) -> &str {
    key.split_once('/').map_or(key, |(_, bare)| bare)
}

/// The proper spelling of an owner key.
fn spelling<'a>(config: &'a Config, name: &'a str) -> &'a str {
    config.tags.aliases.get(name).and_then(|aliases| aliases.first()).map_or(name, String::as_str)
}

/// What AWS's list and the bill's lines say about one key; nothing where neither is known.
fn judge(what: &str, spelling: &str, seen: Option<&[&str]>, listed: Option<&[&AllocationTag]>) -> Option<Check> {
    let on = if listed.is_some() { "cost allocation tags" } else { "bill" };
    let names = |keys: Vec<String>| some(&keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>(), 3);
    let tags: BTreeMap<&str, bool> =
        listed.unwrap_or_default().iter().map(|tag| (tag.key.as_str(), tag.is_active)).collect();
    let with = |active: bool| tags.iter().filter(move |(_, is)| **is == active).map(|(key, _)| (*key).to_string());
    let (active, inactive): (Vec<String>, Vec<String>) = (with(true).collect(), with(false).collect());
    if !active.is_empty() {
        return Some(Check::ok(what, on, format!("{} reaches the bill", names(active))));
    }
    if let Some(first) = inactive.first() {
        let fix = format!(
            "`aws ce update-cost-allocation-tags-status --cost-allocation-tags-status TagKey={first},Status=Active`, {DELAY}"
        );
        return Some(Check::warning(what, on, format!("{} is known and not activated", names(inactive)), fix));
    }
    let seen: BTreeSet<&str> = seen?.iter().copied().collect();
    if !seen.is_empty() {
        return Some(Check::ok(
            what,
            on,
            format!("on lines as {}", names(seen.into_iter().map(String::from).collect())),
        ));
    }
    let found = match listed {
        Some(_) => "AWS knows no such key: nothing carries it, or nothing did until today",
        None => "it is on no line: not activated as a cost allocation tag, or never used",
    };
    let fix = format!("tag something with `{spelling}`, wait a day, and activate the key {DELAY}");
    Some(Check::warning(what, on, found, fix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    fn tag(key: &str, is_active: bool) -> AllocationTag {
        AllocationTag { key: key.into(), is_active }
    }

    #[test]
    fn a_key_that_is_known_and_not_activated_comes_with_the_command() {
        let inactive = tag("Workload", false);
        let check = judge("tag `workload`", "Workload", Some(&[]), Some(&[&inactive])).expect("a check");
        assert_eq!(check.state, State::Warning);
        assert!(check.fix.contains("TagKey=Workload,Status=Active"), "{}", check.fix);
        let active = tag("workload", true);
        let check = judge("tag `workload`", "Workload", None, Some(&[&active, &inactive])).expect("a check");
        assert_eq!(check.state, State::Ok);
    }

    #[test]
    fn without_aws_the_lines_of_the_bill_tell() {
        let seen = judge("tag `team`", "Team", Some(&["resourceTags/Team"]), None).expect("a check");
        assert_eq!((seen.state, seen.on.as_str()), (State::Ok, "bill"));
        let unseen = judge("tag `team`", "Team", Some(&[]), None).expect("a check");
        assert!(unseen.state == State::Warning && unseen.detail.contains("never used"), "{unseen:?}");
        assert_eq!(judge("tag `team`", "Team", None, None), None);
    }
}
