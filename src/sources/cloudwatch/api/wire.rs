//! The calls themselves: page after page, until CloudWatch names no further one.

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::operation::get_metric_data::GetMetricDataOutput;
use aws_sdk_cloudwatch::operation::list_metrics::ListMetricsOutput;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, ScanBy};

use super::answers::id;
use super::plan::Call;
use super::{Requests, Target};
use crate::aws::failure::Failure;
use crate::sources::cloudwatch::series::SeriesName;

const LIST: &str = "cloudwatch:ListMetrics";
const GET: &str = "cloudwatch:GetMetricData";

/// A target with the client that asks it.
pub(super) struct Line<'a> {
    pub(super) target: &'a Target,
    pub(super) client: Client,
    /// Whether it answers for the accounts that are linked to it, too.
    pub(super) linked: bool,
}

impl Line<'_> {
    /// All pages of the metrics of a namespace, each handed on as it comes.
    pub(super) async fn list(
        &self,
        namespace: &str,
        requests: &mut Requests,
        mut take: impl FnMut(&ListMetricsOutput),
    ) -> Result<(), Failure> {
        let mut next: Option<String> = None;
        loop {
            requests.list_pages += 1;
            let request = self.client.list_metrics().namespace(namespace).set_next_token(next.clone());
            let request = if self.linked { request.include_linked_accounts(true) } else { request };
            let page = request.send().await.map_err(|error| Failure::of(LIST, self.place(), error))?;
            take(&page);
            next = self.following(LIST, page.next_token(), next)?;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// All pages that answer a call, each handed on as it comes.
    pub(super) async fn get(
        &self,
        call: &Call<'_>,
        requests: &mut Requests,
        mut take: impl FnMut(&GetMetricDataOutput),
    ) -> Result<(), Failure> {
        let mut next: Option<String> = None;
        let queries: Vec<MetricDataQuery> =
            call.series.iter().enumerate().map(|(at, name)| self.query(at, name, call.part.period)).collect();
        loop {
            requests.data_calls += 1;
            requests.metrics_asked += u64::try_from(queries.len()).unwrap_or(u64::MAX);
            let request = self.client.get_metric_data().set_metric_data_queries(Some(queries.clone()));
            let request = request.start_time(DateTime::from_secs(call.part.window.from));
            let request = request.end_time(DateTime::from_secs(call.part.window.until));
            let request = request.scan_by(ScanBy::TimestampAscending).set_next_token(next.clone());
            let page = request.send().await.map_err(|error| Failure::of(GET, self.place(), error))?;
            take(&page);
            next = self.following(GET, page.next_token(), next)?;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    fn query(&self, at: usize, name: &SeriesName, period: i64) -> MetricDataQuery {
        let dimension = |(name, value): (&String, &String)| Dimension::builder().name(name).value(value).build();
        let metric = Metric::builder()
            .namespace(&name.namespace)
            .metric_name(&name.metric)
            .set_dimensions(Some(name.dimensions.iter().map(dimension).collect()))
            .build();
        let period = i32::try_from(period).unwrap_or(i32::MAX);
        let stat = MetricStat::builder().metric(metric).period(period).stat("Sum").build();
        let account = self.linked.then(|| name.account_id.clone());
        MetricDataQuery::builder().id(id(at)).metric_stat(stat).set_account_id(account).build()
    }

    /// The next page's token. One that was just used would lead round for ever.
    fn following(
        &self,
        action: &'static str,
        next: Option<&str>,
        used: Option<String>,
    ) -> Result<Option<String>, Failure> {
        let next = next.filter(|token| !token.is_empty()).map(str::to_owned);
        if next.is_some() && next == used {
            return Err(Failure::cut(action, self.place(), "the next page's token is that of this page"));
        }
        Ok(next)
    }

    /// The target in a message.
    fn place(&self) -> String {
        self.target.to_string()
    }
}
