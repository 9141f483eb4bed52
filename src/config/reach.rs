//! How what the config names is reached: where it lies, and with which credentials.

use std::sync::Arc;

use super::channels::Channel;
use super::{Bill, Config, Metrics};
use crate::aws::{Access, Aws};
use crate::place::Place;

/// Where Cost Explorer answers for every region of the commercial partition.
const COST_EXPLORER_REGION: &str = "us-east-1";

impl Config {
    /// The credentials of a source: its own settings, else those of `[aws]`.
    fn access(&self, region: Option<&String>, role_arn: Option<&String>, external_id: Option<&String>) -> Access {
        let all = &self.aws;
        // A role comes with its own external id, or with none.
        let external_id = if role_arn.is_some() { external_id } else { external_id.or(all.external_id.as_ref()) };
        Access {
            region: region.or(all.region.as_ref()).cloned(),
            role_arn: role_arn.or(all.role_arn.as_ref()).cloned(),
            external_id: external_id.cloned(),
            endpoint: None,
        }
    }

    /// How Cost Explorer is asked. It answers from one region for all.
    pub fn cost_explorer_access(&self) -> Access {
        let own = &self.cost_explorer;
        let access = self.access(own.region.as_ref(), own.role_arn.as_ref(), own.external_id.as_ref());
        let region = own.region.clone().unwrap_or_else(|| COST_EXPLORER_REGION.to_string());
        access.in_region(&region)
    }

    /// The credentials of what no source has settings for.
    pub fn own_access(&self) -> Access {
        self.access(None, None, None)
    }

    /// The credentials that a bill is read with.
    pub fn bill_access(&self, bill: &Bill) -> Access {
        self.access(bill.region.as_ref(), bill.role_arn.as_ref(), bill.external_id.as_ref())
    }

    /// The credentials that a channel's topic is published to with, in the topic's region.
    pub fn channel_access(&self, channel: &Channel) -> Access {
        let access = self.access(None, channel.role_arn.as_ref(), channel.external_id.as_ref());
        channel.topic_region().map_or(access.clone(), |region| access.in_region(region))
    }

    /// The credentials that the store is kept with.
    pub fn store_access(&self) -> Access {
        let store = &self.store;
        self.access(store.region.as_ref(), store.role_arn.as_ref(), store.external_id.as_ref())
    }

    /// Where a bill lies.
    pub fn place_of(&self, bill: &Bill, aws: &Arc<Aws>) -> Place {
        Place::of(&bill.path, &self.folder, aws, &self.bill_access(bill))
    }

    /// Where a source of metrics lies that has a path.
    pub fn metrics_place(&self, metrics: &Metrics, aws: &Arc<Aws>) -> Place {
        Place::of(&metrics.path, &self.folder, aws, &self.metrics_access(metrics))
    }

    /// The credentials of a source of metrics; its role may hold `{account}`.
    pub fn metrics_access(&self, metrics: &Metrics) -> Access {
        self.access(None, metrics.role_arn.as_ref(), metrics.external_id.as_ref())
    }

    /// Where facts are kept.
    pub fn store_place(&self, aws: &Arc<Aws>) -> Place {
        Place::of(&self.store.path, &self.folder, aws, &self.store_access())
    }

    /// AWS as the config and the command line want it.
    pub fn aws(&self, profile: Option<&str>) -> Arc<Aws> {
        Arc::new(Aws::new(profile.map(String::from).or_else(|| self.aws.profile.clone())))
    }
}
