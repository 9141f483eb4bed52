//! Cost Explorer: what AWS's own console shows, by day, service and type of record.
//!
//! The request is `GetCostAndUsage`, DAILY, grouped by SERVICE and RECORD_TYPE, without a filter: a
//! filter matches whole names only, and one on `Amazon Bedrock` misses every Marketplace model. All
//! metrics come in one request, so that another cost basis costs nothing more. Each page costs $0.01.

use std::collections::BTreeMap;

use aws_sdk_costexplorer::Client;
use aws_sdk_costexplorer::operation::get_cost_and_usage::{
    GetCostAndUsageOutput, builders::GetCostAndUsageFluentBuilder,
};
use aws_sdk_costexplorer::types::{DateInterval, Granularity, GroupDefinition, GroupDefinitionType, ResultByTime};
use serde::{Deserialize, Serialize};

use super::services::{self, Service};
use super::spend::{Cost, Record};
use crate::aws::failure::Failure;
use crate::aws::{Access, Aws};
use crate::clock;
use crate::error::{Error, Result};
use crate::money;

/// The action, as an IAM policy names it.
const ACTION: &str = "ce:GetCostAndUsage";
/// What stands for the resource: the action knows none.
const RESOURCE: &str = "Cost Explorer";
/// Price of a page, units of 1e-10 USD.
pub const PAGE: i128 = money::CENT;
/// More pages than any answer should have; beyond it something is wrong and each costs money.
const MOST_PAGES: u32 = 100;
/// Everything a basis may want.
const METRICS: [&str; 4] = ["UnblendedCost", "NetUnblendedCost", "AmortizedCost", "NetAmortizedCost"];

/// The metric that a basis of the bill is compared with; `None` where Cost Explorer has none.
///
/// Billed cost is net of private discounts, and so is effective cost; without such discounts
/// Cost Explorer's net metrics equal the plain ones.
pub fn metric_of(basis: &str) -> Option<&'static str> {
    match basis {
        "unblended_cost" => Some("UnblendedCost"),
        "billed_cost" => Some("NetUnblendedCost"),
        "effective_cost" => Some("NetAmortizedCost"),
        _ => None,
    }
}

/// What is asked, and as whom: an answer is somebody's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// First day, `YYYY-MM-DD`.
    pub from: String,
    /// Last day, included.
    pub to: String,
    /// The role that asks.
    pub role_arn: Option<String>,
    /// The profile that asks.
    pub profile: Option<String>,
}

/// An amount as Cost Explorer wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Decimal text.
    pub amount: String,
    /// Currency.
    pub unit: String,
}

/// A group of a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// `YYYY-MM-DD`.
    pub day: String,
    /// Service.
    pub service: String,
    /// Type of record; empty where the answer does not tell.
    pub record_type: String,
    /// By metric.
    pub amounts: BTreeMap<String, Amount>,
}

/// An answer: the days it covers, and Bedrock's groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What was asked.
    pub question: Question,
    /// Pages paid for.
    pub pages: u32,
    /// Days, and whether Cost Explorer calls them estimated.
    pub days: BTreeMap<String, bool>,
    /// Bedrock's groups.
    pub groups: Vec<Group>,
}

/// A request that failed, and the pages that were paid before.
#[derive(Debug)]
pub struct Refusal {
    /// Why.
    pub failure: Failure,
    /// Pages paid for.
    pub pages: u32,
}

impl Answer {
    /// The costs of a metric.
    ///
    /// # Errors
    /// A group without the metric, or with an amount or a day that is none.
    pub fn costs(&self, metric: &str) -> Result<Vec<Cost>> {
        let bad = |group: &Group, what: String| {
            let place = format!("{RESOURCE}, {}, {}", group.day, group.service);
            Error::input(place, what, "ask again with --refresh, or compare another cost, as with --cost unblended")
        };
        let costs = self.groups.iter().map(|group| {
            let amount = group.amounts.get(metric).ok_or_else(|| bad(group, format!("the answer has no {metric}")))?;
            let units = money::from_decimal_text(&amount.amount)
                .map_err(|error| bad(group, format!("`{}` {error}", amount.amount)))?;
            Ok(Cost {
                day: day_of(&group.day).ok_or_else(|| bad(group, "the day is no date".into()))?,
                service: Service::of_name(&group.service),
                currency: amount.unit.clone(),
                record: Record::of(&group.record_type),
                amount: units,
            })
        });
        costs.collect()
    }

    /// Its days, and whether each is estimated.
    pub fn days(&self) -> BTreeMap<i32, bool> {
        self.days.iter().filter_map(|(day, estimated)| Some((day_of(day)?, *estimated))).collect()
    }
}

fn day_of(text: &str) -> Option<i32> {
    clock::parse(text).ok().map(clock::day_of)
}

/// Asks for all pages.
///
/// # Errors
/// The refusal, with the pages that were paid before it.
pub fn ask(aws: &Aws, access: &Access, question: Question) -> Result<Answer, Refusal> {
    let mut answer = Answer { question, ..Answer::default() };
    let client = Client::new(&aws.config(access));
    match aws.run(pages(&client, &mut answer)) {
        Ok(()) => Ok(answer),
        Err(failure) => Err(Refusal { failure, pages: answer.pages }),
    }
}

async fn pages(client: &Client, answer: &mut Answer) -> Result<(), Failure> {
    let mut token: Option<String> = None;
    loop {
        let page = request(client, &answer.question)?.set_next_page_token(token.clone()).send().await;
        let page = page.map_err(|error| Failure::of(ACTION, RESOURCE, error))?;
        answer.pages += 1;
        answer.take(&page)?;
        match page.next_page_token.filter(|next| !next.is_empty()) {
            None => break,
            Some(next) if token.as_ref() == Some(&next) || answer.pages == MOST_PAGES => {
                return Err(Failure::cut(ACTION, RESOURCE, format!("no end after {} pages", answer.pages)));
            }
            next => token = next,
        }
    }
    if answer.days.is_empty() {
        return Err(Failure::cut(ACTION, RESOURCE, "the answer holds no day"));
    }
    Ok(())
}

fn request(client: &Client, question: &Question) -> Result<GetCostAndUsageFluentBuilder, Failure> {
    let unbuilt = |what: &dyn std::fmt::Display| Failure::cut(ACTION, RESOURCE, what.to_string());
    let end = day_of(&question.to).map(|day| clock::day_text(day + 1));
    let period = DateInterval::builder().start(&question.from).set_end(end).build();
    let mut request = client
        .get_cost_and_usage()
        .granularity(Granularity::Daily)
        .time_period(period.map_err(|error| unbuilt(&error))?)
        .set_metrics(Some(METRICS.map(String::from).to_vec()));
    for key in ["SERVICE", "RECORD_TYPE"] {
        request = request.group_by(GroupDefinition::builder().r#type(GroupDefinitionType::Dimension).key(key).build());
    }
    Ok(request)
}

impl Answer {
    fn take(&mut self, page: &GetCostAndUsageOutput) -> Result<(), Failure> {
        for result in page.results_by_time() {
            let Some(period) = result.time_period() else {
                return Err(Failure::cut(ACTION, RESOURCE, "a result names no day"));
            };
            let day = period.start().get(..10).unwrap_or(period.start()).to_string();
            // A day's groups may go on over pages.
            let estimated = self.days.entry(day.clone()).or_default();
            *estimated |= result.estimated();
            self.groups.extend(groups(&day, result));
        }
        Ok(())
    }
}

fn groups(day: &str, result: &ResultByTime) -> Vec<Group> {
    let bedrock =
        result.groups().iter().filter(|group| group.keys().first().is_some_and(|name| services::is_bedrock(name)));
    let groups = bedrock.map(|group| {
        let key = |at: usize| group.keys().get(at).cloned().unwrap_or_default();
        let amounts = group.metrics().into_iter().flatten().map(|(metric, value)| {
            let text = |text: Option<&str>| text.unwrap_or_default().to_string();
            (metric.clone(), Amount { amount: text(value.amount()), unit: text(value.unit()) })
        });
        Group { day: day.into(), service: key(0), record_type: key(1), amounts: amounts.collect() }
    });
    groups.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(amount: &str) -> Answer {
        let amount = Amount { amount: amount.into(), unit: "USD".into() };
        let group = Group {
            day: "2026-11-01".into(),
            service: "Amazon Bedrock".into(),
            record_type: "Usage".into(),
            amounts: BTreeMap::from([("UnblendedCost".to_string(), amount)]),
        };
        Answer { groups: vec![group], ..Answer::default() }
    }

    #[test]
    fn amounts_are_exact_and_longer_ones_round_half_even() {
        let units = |text: &str| answer(text).costs("UnblendedCost").expect("costs")[0].amount;
        assert_eq!(units("0.1000000001"), 1_000_000_001);
        assert_eq!(units("0.00000000005"), 0);
        assert_eq!(units("0.00000000015"), 2);
        assert_eq!(units("-1.5E-7"), -1_500);
    }

    #[test]
    fn an_answer_without_the_metric_or_with_a_strange_amount_is_refused() {
        assert!(answer("1").costs("NetUnblendedCost").is_err());
        let failure = answer("1,5").costs("UnblendedCost").expect_err("no amount");
        assert!(failure.to_string().contains("2026-11-01, Amazon Bedrock"), "{failure}");
    }
}
