//! Pages of ListMetrics → the series that are read, as a function of what came.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::operation::list_metrics::ListMetricsOutput;
use aws_sdk_cloudwatch::types::Metric;

use super::Target;
use crate::sources::cloudwatch::levels::{Levels, Verdict};
use crate::sources::cloudwatch::series::SeriesName;

/// What a target lists.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    /// The series that are read.
    pub(super) series: BTreeSet<SeriesName>,
    /// The levels of the custom namespace's metrics that are not read.
    pub(super) other_levels: BTreeSet<BTreeSet<String>>,
    /// What was passed over.
    pub(super) warnings: BTreeSet<String>,
}

impl Listing {
    /// Takes a page; with `linked`, the page says whose each metric is.
    pub(super) fn add(&mut self, page: &ListMetricsOutput, target: &Target, levels: &Levels, linked: bool) {
        let (metrics, owners) = (page.metrics(), page.owning_accounts());
        let names_owners = linked && !owners.is_empty();
        if names_owners && owners.len() != metrics.len() {
            let text = format!("{target}: {} metrics have {} owners and are passed over", metrics.len(), owners.len());
            self.warnings.insert(text);
            return;
        }
        if linked && !names_owners && !metrics.is_empty() {
            self.warnings.insert(format!(
                "{target}: the metrics name no owning account and are taken for the account's own; \
                 `linked` is for monitoring accounts"
            ));
        }
        for (position, metric) in metrics.iter().enumerate() {
            let owner = if names_owners { &owners[position] } else { &target.account_id };
            self.add_metric(metric, owner, target, levels);
        }
    }

    fn add_metric(&mut self, metric: &Metric, owner: &str, target: &Target, levels: &Levels) {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let name = SeriesName {
            account_id: owner.to_owned(),
            region: target.region.clone(),
            namespace: text(metric.namespace()),
            metric: text(metric.metric_name()),
            dimensions: BTreeMap::from_iter(
                metric.dimensions().iter().map(|dimension| (text(dimension.name()), text(dimension.value()))),
            ),
        };
        match levels.judge(&name.namespace, &name.metric, &name.dimensions) {
            Verdict::Read(_) => {
                self.series.insert(name);
            }
            Verdict::OtherLevel if levels.namespace() == Some(&name.namespace) => {
                self.other_levels.insert(name.dimensions.into_keys().collect());
            }
            Verdict::OtherLevel | Verdict::NotOurs => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::types::Dimension;

    use super::*;
    use crate::aws::Access;
    use crate::sources::cloudwatch::MetricSource;

    fn metric(namespace: &str, name: &str, dimensions: &[&str]) -> Metric {
        let dimension = |name: &&str| Dimension::builder().name(*name).value("x").build();
        let dimensions = dimensions.iter().map(dimension).collect();
        Metric::builder().namespace(namespace).metric_name(name).set_dimensions(Some(dimensions)).build()
    }

    fn listed(metrics: Vec<Metric>, owners: &[&str], linked: bool) -> Listing {
        let source = MetricSource {
            namespace: Some("Team/Tokens".into()),
            dimensions: BTreeMap::from([("workload".into(), "Workload".into())]),
            ..MetricSource::default()
        };
        let owners = owners.iter().map(|owner| (*owner).to_owned()).collect();
        let page = ListMetricsOutput::builder().set_metrics(Some(metrics)).set_owning_accounts(Some(owners)).build();
        let target = Target { account_id: "1".into(), region: "us-east-1".into(), access: Access::default() };
        let mut listing = Listing::default();
        listing.add(&page, &target, &Levels::of(&source).unwrap(), linked);
        listing
    }

    #[test]
    fn only_series_of_the_level_that_is_read_are_kept_and_both_spellings_of_the_cache() {
        let listing = listed(
            vec![
                metric("AWS/Bedrock", "InputTokenCount", &["ModelId"]),
                metric("AWS/Bedrock", "InputTokenCount", &["ModelId", "ServiceTier"]),
                metric("AWS/Bedrock", "InputTokenCount", &[]),
                metric("AWS/Bedrock", "InvocationLatency", &["ModelId"]),
                metric("AWS/Bedrock", "CacheReadInputTokens", &["ModelId"]),
                metric("AWS/Bedrock", "CacheReadInputTokenCount", &["ModelId"]),
                metric("AWS/BedrockMantle", "InputTokens", &["Project", "Model"]),
                metric("AWS/BedrockMantle", "TotalInputTokens", &["Model"]),
                metric("Team/Tokens", "InputTokens", &["Workload"]),
                metric("Team/Tokens", "InputTokens", &["Workload", "Env"]),
                metric("Other", "InputTokens", &["Workload"]),
            ],
            &[],
            false,
        );
        let kept: Vec<_> = listing.series.iter().map(|name| name.metric.as_str()).collect();
        let expected =
            ["CacheReadInputTokenCount", "CacheReadInputTokens", "InputTokenCount", "InputTokens", "InputTokens"];
        assert_eq!(kept, expected);
        let other = BTreeSet::from(["Env".to_owned(), "Workload".to_owned()]);
        assert_eq!((listing.other_levels, listing.warnings), (BTreeSet::from([other]), BTreeSet::new()));
    }

    #[test]
    fn a_linked_metric_belongs_to_the_account_that_owns_it() {
        let two = || {
            let metrics = ["InputTokenCount", "OutputTokenCount"];
            metrics.map(|name| metric("AWS/Bedrock", name, &["ModelId"])).to_vec()
        };
        let owners = |listing: &Listing| {
            listing.series.iter().map(|name| (name.account_id.clone(), name.metric.clone())).collect::<Vec<_>>()
        };
        let pair = |account: &str, metric: &str| (account.to_owned(), metric.to_owned());
        let linked = listed(two(), &["2", "1"], true);
        assert_eq!(owners(&linked), [pair("1", "OutputTokenCount"), pair("2", "InputTokenCount")]);
        assert_eq!(linked.warnings, BTreeSet::new());
        let unnamed = listed(two(), &[], true);
        assert_eq!(owners(&unnamed), [pair("1", "InputTokenCount"), pair("1", "OutputTokenCount")]);
        assert!(unnamed.warnings.first().unwrap().contains("name no owning account"));
        let odd = listed(two(), &["2"], true);
        assert_eq!(owners(&odd), []);
        assert!(odd.warnings.first().unwrap().contains("2 metrics have 1 owners"));
    }
}
