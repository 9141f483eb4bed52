//! CloudWatch itself as a source: which accounts and regions the bill names are asked, for the hours
//! that are not settled yet, and what they answered is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Summary;
use super::measured::{Kept, config_error, key_of, source_of};
use crate::aws::failure::Failure;
use crate::aws::{Access, Aws};
use crate::clock::{self, DAY, HOUR};
use crate::config::{Config, Metrics};
use crate::error::{Error, Result};
use crate::facts::points::Months;
use crate::facts::record::Regions;
use crate::facts::store::Store;
use crate::sources::cloudwatch::Series;
use crate::sources::cloudwatch::api::{self, Catalogue, Question, Requests, Target, Window};
use crate::watch::{Level, Message, Watch};

/// Seconds before the last settled hour that are asked again: records of the past may come two days late.
const LOOK_BACK: i64 = 2 * DAY;
/// Seconds that a point of the fast clock covers: CloudWatch's own for Bedrock arrive a minute or two late.
const FINE: i64 = 300;
/// Seconds in which a series that is listed for the first time may have points already: CloudWatch
/// lists a series for two weeks after its last point.
const UNSEEN: i64 = 15 * DAY;

/// One source, for one run.
pub(super) struct Live<'a> {
    metrics: &'a Metrics,
    question: Question,
    key: String,
    state: State,
    /// Which account the credentials are of, where no role names one.
    own: Option<String>,
    discovered: BTreeSet<Target>,
    refused: BTreeMap<Target, Failure>,
    /// Accounts of the bill.
    billed: BTreeSet<String>,
    requests: Requests,
}

/// What is kept of a source between runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    months: Months,
    catalogue: Catalogue,
    /// By account and region: the hours of which every known series has answered.
    settled: BTreeMap<String, Window>,
}

impl<'a> Live<'a> {
    /// A source, as the last run left it.
    pub(super) fn open(config: &Config, metrics: &'a Metrics, store: &Store) -> Result<Self> {
        let source = source_of(config, metrics);
        // Whom a source asks is part of what it is: two sources may ask two organisations for the same metrics.
        let whom = (&metrics.role_arn, &metrics.external_id, &metrics.accounts, &metrics.regions, metrics.linked);
        let key = key_of(&(&source, whom));
        let state = store.read_json(&format!("points/{key}/state.json"))?.unwrap_or_default();
        Ok(Self {
            metrics,
            question: Question { source, linked: metrics.linked, period: metrics.period },
            key,
            state,
            own: None,
            discovered: BTreeSet::new(),
            refused: BTreeMap::new(),
            billed: BTreeSet::new(),
            requests: Requests::default(),
        })
    }

    /// The kept points.
    pub(super) fn kept(&self) -> Kept {
        Kept { key: self.key.clone(), source: self.question.source.clone(), months: self.state.months.clone() }
    }

    /// Asks for what is not settled of a period in the accounts and regions that the bill names.
    pub(super) fn prepare(
        &mut self,
        work: &Work<'_>,
        period: &str,
        regions: &Regions,
        summary: &mut Vec<String>,
    ) -> Result<()> {
        self.billed.extend(regions.keys().cloned());
        let targets = match self.targets(work, regions) {
            Ok(targets) => targets,
            Err(failure) => {
                let nobody = Target { account_id: "(own account)".into(), ..Target::default() };
                self.refused.insert(nobody, failure);
                return Ok(());
            }
        };
        self.discover(work, &targets, summary)?;
        let asked: Vec<(Target, Window)> = targets
            .into_iter()
            .filter(|target| !self.refused.contains_key(target))
            .filter_map(|target| Some((target.clone(), self.open_window(period, &target, work.as_of)?)))
            .collect();
        if asked.is_empty() {
            return self.keep(work.store);
        }
        let fetched = api::fetch(work.aws, &self.question, &asked, &self.state.catalogue, clock::now());
        let fetched = fetched.map_err(|error| config_error(&error))?;
        self.requests.add(fetched.requests);
        self.refused.extend(fetched.refused);
        summary.extend(fetched.warnings);
        work.store.add_points(&self.key, &mut self.state.months, fetched.series)?;
        for (target, window) in fetched.settled {
            let known = self.state.settled.entry(target.to_string()).or_insert(window);
            // Hours that touch the settled ones join them; a gap stays open.
            if window.from <= known.until && window.until >= known.from {
                *known = Window { from: known.from.min(window.from), until: known.until.max(window.until) };
            }
        }
        self.keep(work.store)
    }

    /// The points of a window in the accounts and regions that the bill names. Nothing of it is kept: `ingest` asks
    /// for them again when the hour is over.
    pub(super) fn recent(&mut self, work: &Work<'_>, regions: &Regions, window: Window) -> Result<Asked> {
        let targets = self.targets(work, regions)?;
        let mut unheard = Vec::new();
        self.discover(work, &targets, &mut unheard)?;
        let asked = targets.into_iter().filter(|target| !self.refused.contains_key(target));
        let asked: Vec<(Target, Window)> = asked.map(|target| (target, window)).collect();
        let question =
            Question { period: Some(self.question.period.map_or(FINE, |own| own.min(FINE))), ..self.question.clone() };
        let fetched = api::fetch(work.aws, &question, &asked, &self.state.catalogue, clock::now());
        let fetched = fetched.map_err(|error| config_error(&error))?;
        self.requests.add(fetched.requests);
        self.refused.extend(fetched.refused);
        let refused = self.refused.iter().map(|(target, failure)| {
            let error = Error::from(failure.clone());
            format!("metrics: {target} refused: {error}\n  hint: {}", error.hint())
        });
        Ok(Asked { series: fetched.series, refused: refused.collect(), requests: self.requests })
    }

    fn keep(&self, store: &Store) -> Result<()> {
        let path = format!("points/{}/state.json", self.key);
        let known: Option<State> = store.read_json(&path)?;
        if known.as_ref() == Some(&self.state) { Ok(()) } else { store.write_json(&path, &self.state) }
    }

    fn discover(&mut self, work: &Work<'_>, targets: &[Target], summary: &mut Vec<String>) -> Result<()> {
        let new: Vec<Target> = targets.iter().filter(|target| !self.discovered.contains(target)).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        let now = clock::now();
        let found = api::discover(work.aws, &self.question, &new, &mut self.state.catalogue, now);
        let found = found.map_err(|error| config_error(&error))?;
        self.requests.add(found.requests);
        self.refused.extend(found.refused);
        summary.extend(found.warnings);
        for (target, _) in found.new {
            if let Some(settled) = self.state.settled.get_mut(&target.to_string()) {
                settled.until = settled.until.min(now - UNSEEN).max(settled.from);
            }
        }
        self.discovered.extend(new);
        Ok(())
    }

    /// The hours of a period that are to be asked for; none where all are settled.
    fn open_window(&self, period: &str, target: &Target, as_of: i64) -> Option<Window> {
        let (first, next) = clock::month_range(period)?;
        let (first, next) = (i64::from(first) * DAY, i64::from(next) * DAY);
        let now = as_of.min(clock::now());
        let until = next.min(now - now.rem_euclid(HOUR));
        let from = match self.state.settled.get(&target.to_string()) {
            Some(settled) if settled.from <= first => {
                let back = settled.until - LOOK_BACK;
                first.max(back - back.rem_euclid(HOUR))
            }
            _ => first,
        };
        // A month that ended before the look-back is settled for good.
        (from < until).then_some(Window { from, until })
    }

    /// Whom to ask. Without a role for each account the credentials answer for their own account alone.
    fn targets(&mut self, work: &Work<'_>, regions: &Regions) -> Result<Vec<Target>, Failure> {
        let wanted = |list: &[String], name: &str| list.is_empty() || list.iter().any(|one| one == name);
        let role = self.metrics.role_arn.as_deref().or(work.config.aws.role_arn.as_deref());
        let by_account = role.is_some_and(|role| role.contains("{account}"));
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (account, regions) in regions {
            let regions = regions.iter().filter(|region| wanted(&self.metrics.regions, region));
            all.entry(account.clone()).or_default().extend(regions.cloned());
        }
        if !by_account {
            let own = match &self.own {
                Some(own) => own.clone(),
                None => self.own.insert(work.aws.identity(&access(work.config, self.metrics, ""))?.0).clone(),
            };
            // A monitoring account answers for the accounts that are linked to it.
            let regions = match self.question.linked {
                true => all.into_values().flatten().collect(),
                false => all.remove(&own).unwrap_or_default(),
            };
            all = BTreeMap::from([(own, regions)]);
        }
        let asked = all.into_iter().filter(|(account, _)| !by_account || wanted(&self.metrics.accounts, account));
        let targets = asked.flat_map(|(account, regions)| {
            let access = access(work.config, self.metrics, &account);
            regions.into_iter().map(move |region| Target {
                account_id: account.clone(),
                region,
                access: access.clone(),
            })
        });
        Ok(targets.collect())
    }

    /// Tells what was asked and who refused.
    pub(super) fn finish(&self, watch: &dyn Watch, summary: &mut Summary) {
        if self.requests != Requests::default() {
            let Requests { list_pages, data_calls, metrics_asked } = self.requests;
            let cost = crate::money::to_text(self.requests.cost());
            let text = format!(
                "CloudWatch: {list_pages} pages of series, {data_calls} of points; {metrics_asked} metrics asked, {cost} USD"
            );
            watch.tells(&Message::new(Level::Info, text).with("cost_usd", cost));
        }
        if self.refused.is_empty() && self.discovered.is_empty() && !self.billed.is_empty() {
            let own = self.own.as_deref().unwrap_or("nobody");
            summary.warnings.push(format!(
                "metrics: the bill names {} accounts and CloudWatch was asked for none of them; the credentials are those of {own}; \
                 name a `role_arn` with `{{account}}` in it, or `linked = true` for a monitoring account",
                self.billed.len()
            ));
        }
        let Some((first, failure)) = self.refused.iter().next() else { return };
        let error = Error::from(failure.clone());
        let count = self.refused.len();
        if self.discovered.iter().all(|target| self.refused.contains_key(target)) {
            let text = format!("metrics: nobody could be asked; {first}: {error}\n  hint: {}", error.hint());
            summary.failures.push(text);
            return;
        }
        let more = if count > 1 { format!(", and {} more", count - 1) } else { String::new() };
        summary.warnings.push(format!("metrics: {first} refused{more}: {error}; {}", error.hint()));
    }
}

/// What CloudWatch answered of a window.
pub(super) struct Asked {
    pub(super) series: Vec<Series>,
    pub(super) refused: Vec<String>,
    pub(super) requests: Requests,
}

/// What a source needs of its surroundings.
pub(super) struct Work<'a> {
    pub(super) config: &'a Config,
    pub(super) store: &'a Store,
    pub(super) aws: &'a Arc<Aws>,
    pub(super) as_of: i64,
}

/// The credentials for an account.
fn access(config: &Config, metrics: &Metrics, account: &str) -> Access {
    let access = config.metrics_access(metrics);
    Access { role_arn: access.role_arn.map(|role| role.replace("{account}", account)), ..access }
}
