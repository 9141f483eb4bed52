//! Whose credentials they are, whether each role can be assumed, and whether the clock is right.

use std::collections::BTreeMap;

use super::stored::Stored;
use super::{Check, Subject, some, uses_aws};
use crate::attribute;
use crate::aws::Access;
use crate::aws::failure::{Failure, Kind};
use crate::aws::probe::{self, Ahead};
use crate::config::Metrics;
use crate::error::Error;
use crate::policy::{self, Deed};

/// Seconds by which a clock may differ before it is said.
const SKEW: Ahead = 60;
/// Seconds by which it may differ before AWS refuses what it signs.
const REFUSED: Ahead = 15 * 60;
/// Accounts and regions that are tried of one source.
const TRIED_MAX: usize = 20;

/// Which credentials work.
#[derive(Debug, Default)]
pub(super) struct Doors {
    closed: Vec<Access>,
}

impl Doors {
    /// Whether nothing works with these credentials, in whatever region.
    pub(super) fn is_closed(&self, access: &Access) -> bool {
        self.closed.iter().any(|closed| is_same(closed, access))
    }
}

fn is_same(a: &Access, b: &Access) -> bool {
    (&a.role_arn, &a.external_id) == (&b.role_arn, &b.external_id)
}

/// Asks for each identity that the config uses, and compares the clock.
pub(super) fn try_all(subject: &Subject<'_>, stored: &Stored, checks: &mut Vec<Check>) -> Doors {
    let mut doors = Doors::default();
    if !uses_aws(subject.config) {
        checks.push(Check::ok("AWS", "config", "it names no AWS source, so nothing was asked of AWS"));
        return doors;
    }
    let mut ahead = None;
    for (access, parts) in accesses(subject, stored) {
        if access.role_arn.as_ref().is_some_and(|role| role.contains("{account}")) {
            let fix = "name `accounts` for this source, or run `billtag ingest` first";
            checks.push(Check::warning("credentials", &some(&parts, 3), "which accounts to ask is not known yet", fix));
            continue;
        }
        let (identity, measured) = probe::identity(subject.aws, &access);
        ahead = ahead.or(measured);
        let on = access.role_arn.clone().unwrap_or_else(|| "environment".into());
        let used = some(&parts, 3);
        checks.push(match identity {
            Ok(identity) => {
                let sessions = subject.config.privacy.sessions;
                let arn = if sessions { &identity.arn } else { attribute::principal::without_session(&identity.arn) };
                Check::ok("credentials", &on, format!("account {}, {arn}; for {used}", identity.account))
            }
            Err(failure) => {
                let is_closed = is_fatal(&failure.kind);
                if is_closed {
                    doors.closed.push(access.clone());
                }
                refusal(&access, &on, failure, is_closed)
            }
        });
    }
    checks.push(clock(ahead));
    doors
}

/// Whether no other request can do better with the same credentials.
fn is_fatal(kind: &Kind) -> bool {
    matches!(kind, Kind::Denied | Kind::NoCredentials | Kind::Expired | Kind::Skewed)
}

fn refusal(access: &Access, on: &str, failure: Failure, is_closed: bool) -> Check {
    let kind = failure.kind.clone();
    let said = failure.said.clone();
    let mut check = Check::of_error("credentials", on, &Error::from(failure));
    match (&access.role_arn, kind) {
        (Some(role), Kind::Denied) => {
            let id = if access.external_id.is_some() { " and its external id" } else { "" };
            check.detail = format!("the role may not be assumed ({said})");
            check.fix = format!(
                "allow `sts:AssumeRole` on {role} in the policy (`billtag iam-policy`), and let this identity in by \
                 the role's trust policy{id} (`billtag iam-policy --trust {role}`)"
            );
        }
        _ if !is_closed => {
            // STS may be out of reach where S3 is not, behind a gateway endpoint for example.
            check.state = super::State::Warning;
            check.detail = format!("whose they are could not be asked: {}", check.detail);
        }
        _ => {}
    }
    check
}

fn clock(ahead: Option<Ahead>) -> Check {
    let fix = "set the clock, for example with NTP (`timedatectl set-ntp true`)";
    let Some(ahead) = ahead else {
        return Check::warning("clock", "this machine", "no answer of AWS told the time to compare with", fix);
    };
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    let said = format!("{} s {side} AWS", ahead.abs());
    match ahead.abs() {
        far if far > REFUSED => {
            Check::failure("clock", "this machine", format!("{said}, which refuses requests beyond {REFUSED} s"), fix)
        }
        far if far > SKEW => Check::warning("clock", "this machine", said, fix),
        _ => Check::ok("clock", "this machine", format!("within {SKEW} s of AWS")),
    }
}

/// Each identity that the config uses, in its order, with the parts that it is for.
fn accesses(subject: &Subject<'_>, stored: &Stored) -> Vec<(Access, Vec<String>)> {
    let mut found: Vec<(Access, Vec<String>)> = Vec::new();
    let mut add = |access: Access, part: &str| match found.iter_mut().find(|(known, _)| is_same(known, &access)) {
        Some((_, parts)) if parts.iter().any(|known| known == part) => {}
        Some((_, parts)) => parts.push(part.to_string()),
        None => found.push((access, vec![part.to_string()])),
    };
    for used in policy::uses(subject.config).iter().filter(|used| used.deed != Deed::Metrics) {
        add(used.access.clone(), &used.part);
    }
    for metrics in subject.config.metrics.iter().filter(|metrics| metrics.api) {
        for (access, _) in targets(subject, stored, metrics) {
            add(access, "metrics from CloudWatch");
        }
    }
    found
}

/// The credentials and regions with which a source of metrics is asked, each with its name for people.
pub(super) fn targets(subject: &Subject<'_>, stored: &Stored, metrics: &Metrics) -> Vec<(Access, String)> {
    let access = subject.config.metrics_access(metrics);
    let or_billed = |named: &[String], billed: fn(&(String, String)) -> &String| {
        let mut found: Vec<String> =
            if named.is_empty() { stored.billed.iter().map(billed).cloned().collect() } else { named.to_vec() };
        found.sort();
        found.dedup();
        found
    };
    let regions = or_billed(&metrics.regions, |(_, region)| region);
    let accounts = or_billed(&metrics.accounts, |(account, _)| account);
    let role = access.role_arn.clone().unwrap_or_default();
    let by_account: BTreeMap<Option<String>, Access> = if role.contains("{account}") && !accounts.is_empty() {
        let of = |account: &String| Access { role_arn: Some(role.replace("{account}", account)), ..access.clone() };
        accounts.iter().map(|account| (Some(account.clone()), of(account))).collect()
    } else {
        BTreeMap::from([(None, access)])
    };
    let mut targets = Vec::new();
    for (account, access) in by_account {
        let name = account.unwrap_or_else(|| "CloudWatch".into());
        if regions.is_empty() {
            targets.push((access, name));
        } else {
            targets.extend(regions.iter().map(|region| (access.in_region(region), format!("{name} {region}"))));
        }
    }
    targets.truncate(TRIED_MAX);
    targets
}
