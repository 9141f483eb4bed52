//! Ingest: brings the store up to date, period by period. The only stage that calls all the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::attribute::owner::Vocabulary;
use crate::aws::Aws;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::facts::store::Store;
use crate::watch::{Level, Message, Watch};

mod exports;
mod live;
mod making;
mod measured;
mod period;
pub mod recent;
mod usage;

use exports::{Export, find_exports};
use live::Work;
use measured::read_metrics;
use period::Job;

/// What became of a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Stored for the first time.
    New,
    /// Nothing it was made from changed.
    Unchanged,
    /// Made again, for these causes.
    Replaced(Vec<String>),
    /// Refused, with the reason; what was stored before is as it was.
    Refused(String),
    /// Stored before, no longer in any bill; kept.
    Gone,
}

/// What an ingest did.
#[derive(Debug, Default)]
pub struct Summary {
    /// By period.
    pub periods: BTreeMap<String, Outcome>,
    /// Sources or periods that failed, each with what to do.
    pub failures: Vec<String>,
    /// Things worth saying.
    pub warnings: Vec<String>,
}

/// How often a period is read again when an object of it is replaced meanwhile, and the first wait.
const AGAIN: (u32, Duration) = (4, Duration::from_millis(500));

/// Reads every source and stores what changed.
///
/// # Errors
/// Where nothing can be done at all; what fails for one source or period is told in the summary.
pub fn ingest(config: &Config, store: &Store, aws: &Arc<Aws>, as_of: i64, watch: &dyn Watch) -> Result<Summary> {
    let _lock = store.lock()?;
    store.recover()?;
    let mut summary = Summary::default();
    let vocabulary = Vocabulary::new(config);
    let mut unread = Unread::default();
    let mut measured = read_metrics(config, store, aws, &mut summary, &mut unread)?;
    let mut known = store.known();
    let exports = find_exports(config, aws, &mut known, &mut summary, &mut unread);
    let rules = config.rules();
    for (period, exports) in &exports {
        if summary.periods.contains_key(period) {
            continue;
        }
        let mut job = |exports: &[Export], warnings: &mut Vec<String>| {
            let (vocabulary, rules, unread) = (&vocabulary, &rules, &unread);
            let work = Work { config, store, aws, as_of };
            Job { work, vocabulary, period, exports, rules, unread, watch }.run(&mut measured, warnings)
        };
        let mut result = job(exports, &mut summary.warnings);
        for tried in 0..AGAIN.0 {
            // An export that is written while it is read is looked at anew, from its manifest on.
            let Err(Error::Changed { .. }) = result else { break };
            std::thread::sleep(AGAIN.1 * 2_u32.pow(tried));
            let mut again = Summary::default();
            let found = find_exports(config, aws, &mut known, &mut again, &mut Unread::default());
            let names = |exports: &[Export]| exports.iter().map(|export| export.name.clone()).collect::<BTreeSet<_>>();
            let refused = again.periods.get(period);
            result = match found.get(period).filter(|found| refused.is_none() && names(found) == names(exports)) {
                Some(exports) => job(exports, &mut summary.warnings),
                None => Err(Error::input(
                    period,
                    refused.map_or("the period vanished while it was read".into(), describe),
                    "the export is being delivered; run again when it is done",
                )),
            };
        }
        match result {
            Ok(outcome) => {
                if outcome != Outcome::Unchanged {
                    let message = Message::new(Level::Info, format!("{period} {}", describe(&outcome)));
                    let message = message.with("period", period).with("outcome", outcome.name());
                    watch.tells(&message.with("causes", outcome.causes().join(",")));
                }
                summary.periods.insert(period.clone(), outcome);
            }
            Err(error @ (Error::Conservation(_) | Error::Config { .. })) => return Err(error),
            Err(error) => refuse(&mut summary, period, &error),
        }
    }
    measured.live.iter().for_each(|live| live.finish(watch, &mut summary));
    if !unread.metrics {
        measured.tidy(store)?;
    }
    known.forget_the_rest();
    store.remember(&known)?;
    store.log_run(as_of)?;
    store.tidy_copies()?;
    for period in store.periods()? {
        if !summary.periods.contains_key(&period) && unread.bills.is_empty() {
            summary.warnings.push(format!("{period} is stored but no longer in any bill; its facts are kept"));
            summary.periods.insert(period, Outcome::Gone);
        }
    }
    Ok(summary)
}

impl Outcome {
    /// One word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Unchanged => "unchanged",
            Self::Replaced(_) => "replaced",
            Self::Refused(_) => "refused",
            Self::Gone => "gone",
        }
    }

    /// Why a period was made again.
    pub fn causes(&self) -> &[String] {
        if let Self::Replaced(causes) = self { causes } else { &[] }
    }
}

fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::New => "stored".into(),
        Outcome::Unchanged => "unchanged".into(),
        Outcome::Replaced(causes) => format!("replaced (changed: {})", causes.join(", ")),
        Outcome::Refused(reason) => format!("refused: {reason}"),
        Outcome::Gone => "kept".into(),
    }
}

fn refuse(summary: &mut Summary, period: &str, error: &Error) {
    summary.failures.push(format!("{period} is left as it was: {error}\n  hint: {}", error.hint()));
    summary.periods.insert(period.to_string(), Outcome::Refused(error.to_string()));
}

/// Sources that could not be read, so that what is missing is not taken for what is gone.
#[derive(Debug, Default)]
struct Unread {
    /// Exports, by their paths in the config.
    bills: BTreeSet<String>,
    /// Whether a whole source of metrics is missing.
    metrics: bool,
}
