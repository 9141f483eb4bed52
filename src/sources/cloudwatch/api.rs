//! CloudWatch itself: which series there are, and their points of a window.
//!
//! ```text
//! targets ─► discover ─► Catalogue ─► fetch ─► series ─► hours ─► HourSample
//! ```
//!
//! | step | in → out | holds afterwards |
//! |---|---|---|
//! | discover, listing | pages of ListMetrics → names | only series of the level that is read, each with its own account |
//! | catalogue | names → names and when last seen | a series stays while CloudWatch can hold a point of it |
//! | fetch, plan | window, series → calls | every point asked once, as fine as it is kept, within the limits of a call |
//! | answers | pages of GetMetricData → points | a query is whole, or its window must be asked again |
//!
//! A target that refuses costs only itself. What is asked is paid for: see [`Requests`].
//! Only `wire` touches the network.

use std::fmt;

use futures_util::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};

mod answers;
mod catalogue;
mod discover;
mod fetch;
mod listing;
mod plan;
mod wire;

pub use catalogue::Catalogue;
pub use discover::{Discovered, discover};
pub use fetch::{Fetched, fetch};

use super::MetricSource;
use super::levels::{Levels, Verdict};
use super::series::SeriesName;
use crate::aws::{Access, Aws};
use wire::Line;

/// Targets that are asked at the same time.
const ABREAST: usize = 4;
/// USD for one metric of a GetMetricData request, in units of 1e-10: $0.01 a thousand.
const PRICE: i128 = 100_000;

/// One account and region to ask, and the credentials to ask with.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The account whose CloudWatch answers; a monitoring account where accounts are linked.
    pub account_id: String,
    /// Its region, which stands above the one of `access`.
    pub region: String,
    /// The credentials.
    pub access: Access,
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.account_id, self.region)
    }
}

/// A stretch of time in epoch seconds, on hour boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Window {
    /// Its first second.
    pub from: i64,
    /// The first second after it.
    pub until: i64,
}

/// What is asked of every target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// Which metrics are read; its path says nothing here.
    pub source: MetricSource,
    /// Whether targets are monitoring accounts, asked for the accounts that are linked to them, too.
    pub linked: bool,
    /// Seconds that a point covers where CloudWatch still keeps it so fine; an hour where `None`.
    pub period: Option<i64>,
}

/// What was asked of CloudWatch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// Pages of ListMetrics.
    pub list_pages: u64,
    /// Pages of GetMetricData.
    pub data_calls: u64,
    /// Metrics asked for in them, which is what CloudWatch bills. A call of several pages is counted
    /// once a page, so this is rather too much than too little.
    pub metrics_asked: u64,
}

impl Requests {
    /// What GetMetricData costs for it, in units of 1e-10 USD.
    #[must_use]
    pub fn cost(&self) -> i128 {
        i128::from(self.metrics_asked) * PRICE
    }

    /// Adds what was asked elsewhere.
    pub fn add(&mut self, other: Self) {
        self.list_pages += other.list_pages;
        self.data_calls += other.data_calls;
        self.metrics_asked += other.metrics_asked;
    }
}

fn is_read(name: &SeriesName, levels: &Levels) -> bool {
    matches!(levels.judge(&name.namespace, &name.metric, &name.dimensions), Verdict::Read(_))
}

fn line<'a>(aws: &Aws, question: &Question, target: &'a Target) -> Line<'a> {
    let config = aws.config(&target.access.in_region(&target.region));
    Line { target, client: aws_sdk_cloudwatch::Client::new(&config), linked: question.linked }
}

/// Runs the work of some targets at a time; answers stand in the order of the work.
fn abreast<T>(aws: &Aws, work: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    aws.run(stream::iter(work).buffered(ABREAST).collect())
}
