//! The points of windows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::answers::{Answered, Answers};
use super::catalogue::Catalogue;
use super::wire::Line;
use super::{Question, Requests, Target, Window, abreast, is_read, line, plan};
use crate::aws::Aws;
use crate::aws::failure::Failure;
use crate::clock::DAY;
use crate::sources::cloudwatch::CloudWatchError;
use crate::sources::cloudwatch::levels::Levels;
use crate::sources::cloudwatch::series::{Series, SeriesName};

/// What a fetch brought. It does not depend on which target answered first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The points by series and period, sorted; also those of windows that must be asked again.
    pub series: Vec<Series>,
    /// Windows of which every series has answered in full, sorted. A series without points had none.
    pub settled: Vec<(Target, Window)>,
    /// Windows of which points may be missing, sorted: they must be asked again.
    pub again: Vec<(Target, Window)>,
    /// Windows of targets of which no series is known, sorted: nothing was asked.
    pub unasked: Vec<(Target, Window)>,
    /// Targets that refused, by target.
    pub refused: Vec<(Target, Failure)>,
    /// What was left out, and why; with every target and window that is not whole.
    pub warnings: Vec<String>,
    /// What was asked.
    pub requests: Requests,
}

/// Asks each target for all series of the catalogue that are its own, over its windows.
///
/// `as_of` is the machine's clock in epoch seconds, as CloudWatch's own memory goes by it.
///
/// # Errors
/// When the question itself is wrong. A target that refuses is no error but one of [`Fetched::refused`].
pub fn fetch(
    aws: &Arc<Aws>,
    question: &Question,
    asked: &[(Target, Window)],
    catalogue: &Catalogue,
    as_of: i64,
) -> Result<Fetched, CloudWatchError> {
    let levels = Levels::of(&question.source)?;
    let period = plan::period(question.period)?;
    let mut windows: BTreeMap<&Target, BTreeSet<Window>> = BTreeMap::new();
    for (target, window) in asked {
        windows.entry(target).or_default().insert(*window);
    }
    let job = |(target, windows)| {
        let series = catalogue.series(target, question.linked).filter(|name| is_read(name, &levels));
        Job { line: line(aws, question, target), windows, series: series.cloned().collect(), period, as_of }
    };
    let (jobs, unasked): (Vec<Job<'_>>, Vec<Job<'_>>) =
        windows.into_iter().map(job).partition(|job| !job.series.is_empty());
    let answers: Vec<Got> = abreast(aws, jobs.iter().map(Job::run));
    let unasked = unasked.iter().flat_map(|job| job.of_target(&job.windows)).collect();
    let warnings = forgotten(&jobs, &answers).into_iter().collect();
    let mut fetched = Fetched { unasked, warnings, ..Fetched::default() };
    let mut points = Answered::new();
    for (job, got) in jobs.iter().zip(answers) {
        fetched.settled.extend(job.of_target(&got.settled));
        fetched.again.extend(job.of_target(job.windows.difference(&got.settled)));
        fetched.refused.extend(got.refusal.map(|failure| (job.line.target.clone(), failure)));
        fetched.warnings.extend(got.warnings);
        fetched.requests.add(got.requests);
        // A point that two targets have, as a monitoring account and one that is linked to it do, is
        // settled like a redelivery: the larger stays.
        got.points.into_iter().for_each(|(series, more)| points.entry(series).or_default().absorb(more));
    }
    fetched.series = points.into_iter().map(|((name, origin), points)| Series { name, origin, points }).collect();
    Ok(fetched)
}

/// Says once that windows reach back further than CloudWatch does.
fn forgotten(jobs: &[Job<'_>], answers: &[Got]) -> Option<String> {
    let mut targets = jobs.iter().zip(answers).filter(|(_, got)| got.forgotten).map(|(job, _)| job.line.target);
    let first = targets.next()?;
    let more = match targets.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let days = plan::KEPT / DAY;
    Some(format!("{first}{more}: CloudWatch keeps points for {days} days, and nothing older was asked for"))
}

/// What one target is asked.
struct Job<'a> {
    line: Line<'a>,
    windows: BTreeSet<Window>,
    series: Vec<SeriesName>,
    period: i64,
    as_of: i64,
}

/// What one target answered, before it refused where it did.
#[derive(Default)]
struct Got {
    points: Answered,
    settled: BTreeSet<Window>,
    refusal: Option<Failure>,
    forgotten: bool,
    warnings: Vec<String>,
    requests: Requests,
}

impl Job<'_> {
    /// Windows with the target they are of.
    fn of_target<'w>(&self, windows: impl IntoIterator<Item = &'w Window>) -> impl Iterator<Item = (Target, Window)> {
        windows.into_iter().map(|window| (self.line.target.clone(), *window))
    }

    async fn run(&self) -> Got {
        let mut got = Got::default();
        for window in &self.windows {
            match self.ask(*window, &mut got).await {
                Ok(true) => drop(got.settled.insert(*window)),
                Ok(false) => {}
                Err(failure) => {
                    got.refusal = Some(failure);
                    break;
                }
            }
        }
        got
    }

    /// Asks for a window; says whether every series answered in full.
    async fn ask(&self, window: Window, got: &mut Got) -> Result<bool, Failure> {
        let (parts, forgotten) = plan::parts(window, self.period, self.as_of);
        got.forgotten |= forgotten;
        let mut whole = true;
        for call in parts.iter().flat_map(|part| plan::calls(&self.series, *part)) {
            let mut answers = Answers::to(&call);
            self.line.get(&call, &mut got.requests, |page| answers.add(page, &mut got.points)).await?;
            let (is_whole, warnings) = answers.finish();
            whole &= is_whole;
            for warning in warnings {
                let warning = format!("{}: {warning}", self.line.target);
                // What CloudWatch says it says in every answer.
                if !got.warnings.contains(&warning) {
                    got.warnings.push(warning);
                }
            }
        }
        Ok(whole)
    }
}
