//! The doctor: whether what a run needs is there, found by trying it, and what to do where it is not.
//!
//! | checks | look at |
//! |---|---|
//! | `access` | credentials and the clock |
//! | `rights` | each right that the config uses, by using it |
//! | `exports` | how fresh each export is, and what it does not carry |
//! | `stored` | the store: its lock, records, files, history and version |
//! | `tags` | cost allocation tags that are not activated |
//! | `coverage` | which billed accounts and regions have metrics |
//! | `logs` | whether model invocation logs are delivered |
//! | `unknowns` | what the reader met and could not place |
//! | `names` | policies and channels of what nothing that is stored is of |
//! | `channels` | whether a page always reaches a channel, and whether secrets can be read; nobody is told anything |
//!
//! Nothing is asked of AWS for a config that names no AWS source, and nothing that costs a cent without
//! being asked for. Nothing is changed, but for one hidden file that is written to the store and removed.

use std::sync::Arc;

use crate::aws::Aws;
use crate::aws::failure::Failure;
use crate::config::Config;
use crate::error::Error;
use crate::facts::store::Store;
use crate::policy;

mod access;
mod channels;
mod coverage;
mod exports;
mod logs;
mod names;
mod rights;
mod show;
mod stored;
mod tags;
mod unknowns;

pub use show::{document, grid};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// As it should be.
    Ok,
    /// A run works, and shows less than it could.
    Warning,
    /// A run fails, or its figures are not those of the bill.
    Failure,
}

impl State {
    /// The word in the output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// One line of the examination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// How it ended.
    pub state: State,
    /// What was looked at.
    pub what: String,
    /// Where: the part of the config, or the address.
    pub on: String,
    /// What was found.
    pub detail: String,
    /// What to do; empty where nothing is to do.
    pub fix: String,
}

impl Check {
    fn new(state: State, what: &str, on: &str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { state, what: what.into(), on: on.into(), detail: detail.into(), fix: fix.into() }
    }

    /// Nothing to do.
    pub fn ok(what: &str, on: &str, detail: impl Into<String>) -> Self {
        Self::new(State::Ok, what, on, detail, "")
    }

    fn warning(what: &str, on: &str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(State::Warning, what, on, detail, fix)
    }

    fn failure(what: &str, on: &str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(State::Failure, what, on, detail, fix)
    }

    /// An error says itself what to do.
    pub fn of_error(what: &str, on: &str, error: &Error) -> Self {
        let text = error.to_string();
        let detail = text.strip_prefix(on).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&text);
        Self::failure(what, on, detail, error.hint())
    }

    /// A refusal of AWS, whose hint names the line that the policy lacks.
    fn refused(failure: Failure, on: &str, partition: &str) -> Self {
        let what = failure.action;
        let by_key = failure.said.to_ascii_lowercase().contains("kms");
        let mut check = Self::of_error(what, on, &Error::from(failure));
        if by_key {
            check.fix = "allow `kms:Decrypt` (for the store `kms:GenerateDataKey` too) on the bucket's key, in this \
                         policy and in the key's own"
                .into();
        }
        check.fix = check.fix.replace("\"arn:aws:", &format!("\"arn:{partition}:"));
        check
    }
}

/// What is examined, and with what.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The config.
    pub config: &'a Config,
    /// Its store.
    pub store: &'a Store,
    /// The door to AWS.
    pub aws: &'a Arc<Aws>,
    /// The clock that figures go by; epoch seconds.
    pub as_of: i64,
    /// Whether requests may be made that cost a cent.
    pub is_paid: bool,
}

/// Looks at everything.
pub fn examine(subject: &Subject<'_>) -> Vec<Check> {
    let mut checks = paths(subject);
    let stored = stored::look(subject);
    let doors = access::try_all(subject, &stored, &mut checks);
    let closed = rights::try_all(subject, &stored, &doors, &mut checks);
    checks.extend(exports::look(subject, &stored, &closed));
    checks.extend(tags::look(subject, &stored, &doors));
    checks.extend(coverage::look(subject, &stored));
    checks.extend(logs::look(subject, &stored, &doors));
    checks.extend(unknowns::look(&stored));
    checks.extend(names::look(subject, &stored));
    checks.extend(channels::look(subject));
    checks.extend(stored.checks);
    checks
}

/// How many checks ended so.
pub fn count(checks: &[Check], state: State) -> usize {
    checks.iter().filter(|check| check.state == state).count()
}

/// Whether the config names anything at AWS.
fn uses_aws(config: &Config) -> bool {
    !policy::uses(config).is_empty()
}

/// Paths of the config that no other check looks at.
fn paths(subject: &Subject<'_>) -> Vec<Check> {
    let Some(path) = &subject.config.queries.path else { return Vec::new() };
    let folder = subject.config.resolve(path);
    let check = match std::fs::read_dir(&folder) {
        Ok(entries) => {
            let is_query = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "sql");
            let queries = entries.flatten().map(|entry| entry.path()).filter(is_query).count();
            Check::ok("queries", path, format!("{queries} of your own"))
        }
        Err(error) => Check::of_error("queries", path, &Error::io(&folder, "list")(error)),
    };
    vec![check]
}

/// Words with their commas, and how many more there are beyond a few.
fn some(words: &[String], shown: usize) -> String {
    let listed = words.iter().take(shown).cloned().collect::<Vec<_>>().join(", ");
    match words.len().saturating_sub(shown) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

/// A count with its noun.
fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
