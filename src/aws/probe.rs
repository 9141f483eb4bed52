//! Probes: the smallest requests that show whether a right is there, and what AWS's clock says.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_cloudwatch::types::{Metric, MetricDataQuery, MetricStat};
use aws_sdk_costexplorer::types::{CostAllocationTagStatus, CostAllocationTagType, DateInterval, Granularity};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;

use super::failure::Failure;
use super::{Access, Aws};
use crate::clock::{self, HOUR};

/// Where Cost Explorer answers for every commercial and GovCloud account.
const COST_EXPLORER_REGION: &str = "us-east-1";
/// Where it answers for accounts of the China partition.
const COST_EXPLORER_CHINA: &str = "cn-northwest-1";

/// Who the credentials belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub account: String,
    /// The ARN, which may hold a session's name.
    pub arn: String,
}

/// Seconds by which this machine's clock is ahead of AWS's; negative where it is behind.
pub type Ahead = i64;

/// A cost allocation tag, as the payer account knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationTag {
    /// The tag's key.
    pub key: String,
    /// Whether it reaches the bill.
    pub is_active: bool,
}

/// Asks who the credentials belong to. Whatever the answer is, even a refusal, it carries AWS's time.
pub fn identity(aws: &Aws, access: &Access) -> (Result<Identity, Failure>, Option<Ahead>) {
    let seen = Clock::default();
    let config = aws_sdk_sts::config::Builder::from(&aws.config(access)).interceptor(seen.clone()).build();
    let client = aws_sdk_sts::Client::from_conf(config);
    let answer = aws.run(client.get_caller_identity().send());
    let identity = answer
        .map(|answer| Identity { account: answer.account.unwrap_or_default(), arn: answer.arn.unwrap_or_default() });
    let identity = identity.map_err(|error| Failure::of("sts:GetCallerIdentity", "credentials", error));
    (identity, seen.ahead())
}

/// Asks for one page of the Bedrock metrics that CloudWatch knows; returns how many it names.
///
/// # Errors
/// The refusal.
pub fn list_metrics(aws: &Aws, access: &Access) -> Result<usize, Failure> {
    let client = aws_sdk_cloudwatch::Client::new(&aws.config(access));
    let answer = aws.run(client.list_metrics().namespace("AWS/Bedrock").send());
    let answer = answer.map_err(|error| Failure::of("cloudwatch:ListMetrics", "CloudWatch", error))?;
    Ok(answer.metrics().len())
}

/// Whether CloudWatch knows of delivered, and of failed, model invocation logs of the last two weeks.
///
/// # Errors
/// The refusal.
pub fn log_deliveries(aws: &Aws, access: &Access) -> Result<(bool, bool), Failure> {
    let client = aws_sdk_cloudwatch::Client::new(&aws.config(access));
    let knows = |end: &str| -> Result<bool, Failure> {
        for to in ["CloudWatch", "S3"] {
            let name = format!("ModelInvocationLogs{to}Delivery{end}");
            let answer = aws.run(client.list_metrics().namespace("AWS/Bedrock").metric_name(name).send());
            let answer = answer.map_err(|error| Failure::of("cloudwatch:ListMetrics", "CloudWatch", error))?;
            if !answer.metrics().is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    };
    Ok((knows("Success")?, knows("Failure")?))
}

/// Asks for one metric over one past hour, which is the least that can be asked and costs $0.00001.
///
/// # Errors
/// The refusal.
pub fn get_metric_data(aws: &Aws, access: &Access) -> Result<(), Failure> {
    let client = aws_sdk_cloudwatch::Client::new(&aws.config(access));
    let metric = Metric::builder().namespace("AWS/Bedrock").metric_name("Invocations").build();
    let hour = i32::try_from(HOUR).unwrap_or(i32::MAX);
    let stat = MetricStat::builder().metric(metric).period(hour).stat("Sum").build();
    let query = MetricDataQuery::builder().id("doctor").metric_stat(stat).build();
    let end = clock::now().div_euclid(HOUR) * HOUR;
    let request = client.get_metric_data().metric_data_queries(query);
    let request = request.start_time(DateTime::from_secs(end - HOUR)).end_time(DateTime::from_secs(end));
    let answer = aws.run(request.send());
    answer.map(|_| ()).map_err(|error| Failure::of("cloudwatch:GetMetricData", "CloudWatch", error))
}

/// Asks Cost Explorer for one day's total, which costs $0.01.
///
/// # Errors
/// The refusal.
pub fn cost_and_usage(aws: &Aws, access: &Access) -> Result<(), Failure> {
    let client = cost_explorer(aws, access);
    let today = clock::day_of(clock::now());
    let days = DateInterval::builder().start(clock::day_text(today - 2)).end(clock::day_text(today - 1)).build();
    // Both ends are there, which is all that the builder asks for.
    let Ok(days) = days else { return Ok(()) };
    let request = client.get_cost_and_usage().time_period(days).granularity(Granularity::Daily);
    let answer = aws.run(request.metrics("UnblendedCost").send());
    answer.map(|_| ()).map_err(|error| Failure::of("ce:GetCostAndUsage", "Cost Explorer", error))
}

/// All cost allocation tags that people made. Only the payer account is told.
///
/// # Errors
/// The refusal.
pub fn allocation_tags(aws: &Aws, access: &Access) -> Result<Vec<AllocationTag>, Failure> {
    let client = cost_explorer(aws, access);
    let mut found = Vec::new();
    let mut next = None;
    loop {
        let request = client.list_cost_allocation_tags().r#type(CostAllocationTagType::UserDefined).max_results(1000);
        let answer = aws.run(request.set_next_token(next).send());
        let answer = answer.map_err(|error| Failure::of("ce:ListCostAllocationTags", "Cost Explorer", error))?;
        for tag in answer.cost_allocation_tags() {
            let is_active = *tag.status() == CostAllocationTagStatus::Active;
            found.push(AllocationTag { key: tag.tag_key().to_string(), is_active });
        }
        next = answer.next_token().filter(|token| !token.is_empty()).map(String::from);
        if next.is_none() {
            return Ok(found);
        }
    }
}

fn cost_explorer(aws: &Aws, access: &Access) -> aws_sdk_costexplorer::Client {
    let is_china = access.region.as_ref().is_some_and(|region| region.starts_with("cn-"));
    let region = if is_china { COST_EXPLORER_CHINA } else { COST_EXPLORER_REGION };
    aws_sdk_costexplorer::Client::new(&aws.config(&access.in_region(region)))
}

/// Reads the time in the head of an answer.
#[derive(Debug, Clone, Default)]
struct Clock {
    ahead: Arc<Mutex<Option<Ahead>>>,
}

impl Clock {
    fn ahead(&self) -> Option<Ahead> {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let theirs = context.response().headers().get("date").and_then(clock::parse_http);
        if let Some(theirs) = theirs {
            *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock::now() - theirs);
        }
        Ok(())
    }
}
