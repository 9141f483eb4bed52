//! Saved replies → points: each reply with its request, pages of one request together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::levels::{Measure, Verdict};
use super::metric_data::{Document, MetricResult, Query, Reply, Request};
use super::pairing::{SavedRequest, natural_order, request_of};
use super::reading::Reading;
use super::series::{NameRef, Origin, Point};
use super::whereabouts::Whereabouts;

/// The longest period that can be placed in a day.
const PERIOD_MAX: i64 = 86_400;

/// All requests and replies that were found.
#[derive(Default)]
pub(super) struct Saved {
    pub(super) requests: Vec<SavedRequest>,
    pub(super) replies: Vec<SavedReply>,
    /// The bare queries of the file being read, which together are one request.
    bare: Request,
}

/// A saved reply, where it stands, and its request where both stand in one object.
pub(super) struct SavedReply {
    pub(super) file: PathBuf,
    reply: Reply,
    pub(super) own: Option<usize>,
}

impl Saved {
    /// Keeps a document of `file`; says whether it was one.
    pub(super) fn keep(&mut self, file: &Path, document: Document) -> bool {
        let file = file.to_owned();
        match document {
            Document::Request(request, replies) => {
                let own = Some(self.requests.len());
                self.requests.push(SavedRequest { file: file.clone(), request });
                self.replies.extend(replies.into_iter().map(|reply| SavedReply { file: file.clone(), reply, own }));
            }
            Document::Reply(reply) => {
                // In a file that logs one request and its reply after the other, the last one is meant.
                let last = self.requests.last().filter(|saved| saved.file == file && saved.covers(&ids(&reply)));
                let own = last.map(|_| self.requests.len() - 1);
                self.replies.push(SavedReply { file, reply, own });
            }
            Document::Query(id, query) => {
                self.bare.queries.insert(id, query);
            }
            Document::Foreign => return false,
        }
        true
    }

    /// Adds what was saved in files that come behind these.
    pub(super) fn absorb(&mut self, other: Self) {
        let before = self.requests.len();
        self.requests.extend(other.requests);
        let moved = |reply: SavedReply| SavedReply { own: reply.own.map(|own| own + before), ..reply };
        self.replies.extend(other.replies.into_iter().map(moved));
    }

    /// Whether nothing was saved.
    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.replies.is_empty()
    }

    /// Closes a file: its bare queries make one request.
    pub(super) fn end_of(&mut self, file: &Path) {
        let request = std::mem::take(&mut self.bare);
        if !request.queries.is_empty() {
            self.requests.push(SavedRequest { file: file.to_owned(), request });
        }
    }
}

/// The ids that a reply has results for.
fn ids(reply: &Reply) -> BTreeSet<&str> {
    reply.results.iter().map(|result| result.id.as_str()).collect()
}

/// The pages that answer one request in one account and region, in order.
type Pages<'a> = BTreeMap<(usize, Whereabouts), Vec<&'a SavedReply>>;

/// Adds the points of all replies.
pub(super) fn read(saved: &Saved, reading: &mut Reading<'_>) {
    let mut answered: Pages<'_> = BTreeMap::new();
    for reply in &saved.replies {
        let ids = ids(&reply.reply);
        match reply.own.map_or_else(|| request_of(&reply.file, &ids, &saved.requests), Ok) {
            Ok(position) => {
                let whereabouts = whereabouts(reply, &saved.requests[position], reading);
                answered.entry((position, whereabouts)).or_default().push(reply);
            }
            Err(_) if ids.is_empty() => {}
            Err(why) => reading.notes.fail(&reply.file, &why),
        }
    }
    for ((position, whereabouts), mut pages) in answered.clone() {
        pages.sort_by_key(|page| natural_order(&page.file));
        read_pages(&saved.requests[position], &whereabouts, &pages, reading);
    }
    warn_of_unanswered(saved, &answered, reading);
}

/// A request without a reply measures nothing, and its owner surely meant to save one.
fn warn_of_unanswered(saved: &Saved, answered: &Pages<'_>, reading: &mut Reading<'_>) {
    let used = |request: &Request| {
        answered.keys().any(|(position, _)| saved.requests[*position].request.queries == request.queries)
    };
    for SavedRequest { file, request } in saved.requests.iter().filter(|saved| !used(&saved.request)) {
        if request.queries.values().flatten().any(|query| is_read(query, reading)) {
            reading.notes.warn(file, None, "no reply to this request was found");
        }
    }
}

/// Whether a query asks for something that is read.
fn is_read(query: &Query, reading: &Reading<'_>) -> bool {
    matches!(reading.levels.judge(&query.namespace, &query.metric, &query.dimensions), Verdict::Read(_))
}

/// Where a reply was measured: what it says, then its request, then names, then the configuration.
fn whereabouts(reply: &SavedReply, request: &SavedRequest, reading: &Reading<'_>) -> Whereabouts {
    let source = reading.source;
    let below = |file: &Path| -> Vec<String> {
        let below = file.strip_prefix(&source.path).ok().filter(|below| !below.as_os_str().is_empty());
        let parts = below.map_or_else(|| file.file_name().map(Path::new), Some);
        parts.into_iter().flat_map(Path::iter).map(|part| part.to_string_lossy().into_owned()).rev().collect()
    };
    let mut names = below(&reply.file);
    names.splice(1..1, below(&request.file).into_iter().take(1));
    let configured = Whereabouts { account_id: source.account.clone(), region: source.region.clone() };
    let said = reply.reply.whereabouts.clone().or(&request.request.whereabouts);
    said.or(&Whereabouts::of_names(names.iter().map(String::as_str))).or(&configured)
}

/// Reads the pages of one request; a later page completes what an earlier one left partial.
fn read_pages(request: &SavedRequest, whereabouts: &Whereabouts, pages: &[&SavedReply], reading: &mut Reading<'_>) {
    let mut statuses: BTreeMap<&str, (&str, &Path)> = BTreeMap::new();
    for page in pages {
        for message in page.reply.messages.iter().filter(|message| !message.is_empty()) {
            reading.notes.warn(&page.file, None, format!("CloudWatch said: {message}"));
        }
        for result in &page.reply.results {
            if read_result(request, whereabouts, &page.file, result, reading) {
                statuses.insert(&result.id, (result.status_code.as_deref().unwrap_or("Complete"), &page.file));
            }
        }
    }
    for (id, (status, file)) in statuses {
        match status {
            "Complete" => {}
            "PartialData" => reading.notes.warn(
                file,
                None,
                format!("the result `{id}` is incomplete (PartialData) and no later page completes it; save the pages that follow"),
            ),
            _ => reading.notes.warn(file, None, format!("the result `{id}` has the status {status} and may lack data; ask for it again")),
        }
    }
    if let Some(last) = pages.last().filter(|last| last.reply.has_next) {
        let text = "the reply is incomplete: it has a NextToken, and the page that follows was not found";
        reading.notes.warn(&last.file, None, text);
    }
}

/// Adds the points of one result; says whether it is one that is read.
fn read_result(
    request: &SavedRequest,
    whereabouts: &Whereabouts,
    file: &Path,
    result: &MetricResult,
    reading: &mut Reading<'_>,
) -> bool {
    let id = &result.id;
    let query = match request.request.queries.get(id) {
        Some(Ok(query)) => query,
        Some(Err(reason)) => {
            reading.notes.fail(&request.file, &format!("the query `{id}` {reason}."));
            return false;
        }
        None => {
            let asked = request.file.display();
            reading.notes.fail(
                file,
                &format!(
                    "the result `{id}` has no query of that id in {asked}; save the request that was really sent."
                ),
            );
            return false;
        }
    };
    let verdict = reading.levels.judge(&query.namespace, &query.metric, &query.dimensions);
    if verdict == Verdict::NotOurs {
        return false;
    }
    let asked = Whereabouts { account_id: query.account_id.clone(), region: None }.or(whereabouts);
    let Whereabouts { account_id: Some(account_id), region: Some(region) } = &asked else {
        reading.notes.fail(file, &missing(&asked));
        return false;
    };
    let name = NameRef {
        account_id,
        region,
        namespace: &query.namespace,
        metric: &query.metric,
        dimensions: &query.dimensions,
    };
    let Verdict::Read(measures) = verdict else {
        reading.store.ignore(&name);
        return false;
    };
    match usable(query, &measures) {
        Ok(asked) => {
            if reading.unit_fits(file, &query.metric, query.unit.as_deref(), &measures) {
                add_points(&name, asked, file, result, reading);
            }
            true
        }
        Err(reason) => {
            reading.notes.fail(&request.file, &format!("the query `{id}` {reason}."));
            false
        }
    }
}

/// Says where to put the account or the region that a reply does not tell.
fn missing(whereabouts: &Whereabouts) -> String {
    let (what, key, example) = match (&whereabouts.account_id, &whereabouts.region) {
        (None, None) => ("account and region", "\"account_id\" and \"region\"", "111111111111/us-east-1"),
        (None, Some(_)) => ("account", "\"account_id\"", "111111111111"),
        (Some(_), _) => ("region", "\"region\"", "us-east-1"),
    };
    format!(
        "nothing says which {what} this reply was measured in; add {key} at the top of the reply or its request, \
         or put it in the name of the file or of a folder ({example}), or set it in the configuration of this source."
    )
}

/// What every point of a query has in common.
#[derive(Clone, Copy)]
struct Asked {
    period: i64,
    sample_count: bool,
}

/// Checks that a query's statistic and period give whole counts that can be placed in time.
fn usable(query: &Query, measures: &[Measure]) -> Result<Asked, String> {
    let sample_count = match query.stat.to_ascii_lowercase().as_str() {
        "sum" => false,
        "samplecount" if measures == [Measure::Invocations] => true,
        _ => {
            return Err(format!(
                "asks for the statistic `{}` of {}, which cannot be added up; ask for Sum",
                query.stat, query.metric
            ));
        }
    };
    match query.period {
        Some(period) if (1..=PERIOD_MAX).contains(&period) => Ok(Asked { period, sample_count }),
        Some(period) => Err(format!(
            "has a period of {period} seconds, which fits in no day; ask for a period from 60 to {PERIOD_MAX}"
        )),
        None => Err("has no period, so its points cannot be placed; save the request with its Period".to_owned()),
    }
}

/// Adds the points of a result. A point that another page repeats is settled like a redelivery.
fn add_points(name: &NameRef<'_>, asked: Asked, file: &Path, result: &MetricResult, reading: &mut Reading<'_>) {
    let id = &result.id;
    let (stamps, values) = (&result.timestamps, &result.values);
    if stamps.len() != values.len() {
        let text = format!(
            "the result `{id}` has {} timestamps and {} values; save the reply again.",
            stamps.len(),
            values.len()
        );
        return reading.notes.fail(file, &text);
    }
    if let Some(text) = stamps.iter().find_map(|stamp| stamp.0.as_ref().err()) {
        let text = format!(
            "the result `{id}` has the timestamp `{text}`, which is no instant in UTC or with an offset; save the reply again."
        );
        return reading.notes.fail(file, &text);
    }
    let mut refused: Vec<String> = Vec::new();
    for (stamp, value) in stamps.iter().zip(values) {
        let Ok(at) = stamp.0 else { continue };
        match value.counted() {
            Ok(sum) => {
                let origin = Origin::Reply {
                    period: asked.period,
                    phase: at.rem_euclid(asked.period),
                    sample_count: asked.sample_count,
                };
                reading.store.add(name, origin, at, Point { count: None, sum });
            }
            Err(reason) => refused.push(reason),
        }
    }
    if let Some(reason) = refused.first() {
        let text = format!("{} values of the result `{id}` are skipped; the first {reason}", refused.len());
        reading.notes.warn(file, None, text);
    }
}
