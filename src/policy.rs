//! The IAM policy of a config: the rights that its features use, and no others.
//!
//! What is read with the credentials at hand and what is read under a role are different policies,
//! since different identities need them: each has its own, and the first may assume the roles.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::aws::Access;
use crate::config::Config;
use crate::place::s3_address;

/// What some part of the config does at AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Lists and reads objects below a bucket's prefix.
    Read(String, String),
    /// Lists, reads, writes and removes objects below a bucket's prefix.
    Keep(String, String),
    /// Asks CloudWatch.
    Metrics,
    /// Publishes to a topic.
    Publish(String),
}

impl Deed {
    /// Whether it is done to objects in S3.
    pub fn is_of_objects(&self) -> bool {
        matches!(self, Self::Read(..) | Self::Keep(..))
    }
}

/// A deed, who does it, and which part of the config wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The part of the config, as messages name it.
    pub part: String,
    /// With which credentials. A role may still name `{account}`.
    pub access: Access,
    /// What is done.
    pub deed: Deed,
}

/// Features that a config does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extra {
    /// Comparing the bill with Cost Explorer.
    Reconcile,
    /// Asking which cost allocation tags are activated.
    Doctor,
}

impl Extra {
    fn action(self) -> &'static str {
        match self {
            Self::Reconcile => "ce:GetCostAndUsage",
            Self::Doctor => "ce:ListCostAllocationTags",
        }
    }
}

impl Config {
    /// Whether the config says how Cost Explorer is asked, so that it will be.
    fn names_cost_explorer(&self) -> bool {
        let own = &self.cost_explorer;
        [&own.region, &own.role_arn, &own.external_id].iter().any(|key| key.is_some())
    }

    fn access_of(&self, extra: Extra) -> Access {
        match extra {
            Extra::Reconcile => self.cost_explorer_access(),
            Extra::Doctor => self.own_access(),
        }
    }
}

/// Everything that a config does at AWS, in its order.
pub fn uses(config: &Config) -> Vec<Use> {
    let mut uses = Vec::new();
    let mut read = |part: String, path: &str, access: Access| {
        if let Some((bucket, prefix)) = s3_address(path) {
            let deed = Deed::Read(bucket.to_string(), folder(prefix));
            uses.push(Use { part, access, deed });
        }
    };
    for bill in &config.bill {
        read(format!("bill {}", bill.path), &bill.path, config.bill_access(bill));
    }
    for metrics in config.metrics.iter().filter(|metrics| !metrics.api) {
        read(format!("metrics {}", metrics.path), &metrics.path, config.metrics_access(metrics));
    }
    for metrics in config.metrics.iter().filter(|metrics| metrics.api) {
        let regions = if metrics.regions.is_empty() { vec![None] } else { metrics.regions.iter().map(Some).collect() };
        for region in regions {
            let access = config.metrics_access(metrics);
            let access = region.map_or(access.clone(), |region| access.in_region(region));
            uses.push(Use { part: "metrics from CloudWatch".into(), access, deed: Deed::Metrics });
        }
    }
    if let Some((bucket, prefix)) = s3_address(&config.store.path) {
        let deed = Deed::Keep(bucket.to_string(), folder(prefix));
        uses.push(Use { part: format!("store {}", config.store.path), access: config.store_access(), deed });
    }
    for channel in &config.channel {
        uses.extend(channel.topic_arn.iter().map(|topic| Use {
            part: channel.place(),
            access: config.channel_access(channel),
            deed: Deed::Publish(topic.clone()),
        }));
    }
    uses
}

/// The roles that a config assumes, as it names them, with their external ids.
pub fn roles(config: &Config) -> BTreeMap<String, Option<String>> {
    let others = [config.own_access(), config.cost_explorer_access()];
    let accesses = uses(config).into_iter().map(|used| used.access).chain(others);
    accesses.filter_map(|access| Some((access.role_arn?, access.external_id))).collect()
}

/// A prefix as keys begin with it: with a `/` at its end, or empty.
fn folder(prefix: &str) -> String {
    let prefix = prefix.trim_matches('/');
    if prefix.is_empty() { String::new() } else { format!("{prefix}/") }
}

/// The partition of a region, as ARNs begin: `aws`, `aws-cn`, `aws-us-gov`, ….
pub fn partition(region: &str) -> &'static str {
    const PREFIXES: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-iso-", "aws-iso"),
        ("eusc-", "aws-eusc"),
    ];
    PREFIXES.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
}

/// The partition of what an access reaches: that of its role, else of its region, else of `fallback`.
pub fn partition_of(access: &Access, fallback: Option<&str>) -> String {
    let of_role = access.role_arn.as_ref().and_then(|role| role.split(':').nth(1)).filter(|part| !part.is_empty());
    let of_region = || partition(access.region.as_deref().or(fallback).unwrap_or_default());
    of_role.map_or_else(|| of_region().to_string(), String::from)
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    sid: String,
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<BTreeMap<&'static str, String>>,
    action: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resource: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<BTreeMap<&'static str, BTreeMap<&'static str, Vec<String>>>>,
}

impl Policy {
    fn of(mut statement: Vec<Statement>) -> Self {
        if statement.is_empty() {
            // IAM refuses a policy without statements; this one allows an action that does not exist.
            statement.push(allow("Nothing", &["none:null"], vec!["*".into()]));
        }
        Self { version: "2012-10-17", statement }
    }

    /// As JSON text.
    ///
    /// # Errors
    /// None that can happen: all of it is text.
    pub fn to_json(&self) -> crate::error::Result<String> {
        let text = serde_json::to_string_pretty(self);
        let text =
            text.map_err(|error| crate::error::Error::input("policy", error.to_string(), "please report this"))?;
        Ok(text + "\n")
    }
}

fn allow(sid: &str, action: &[&'static str], resource: Vec<String>) -> Statement {
    let (sid, effect, action) = (sid.to_string(), "Allow", action.to_vec());
    Statement { sid, effect, principal: None, action, resource, condition: None }
}

fn condition(operator: &'static str, key: &'static str, values: Vec<String>) -> ConditionOf {
    Some(BTreeMap::from([(operator, BTreeMap::from([(key, values)]))]))
}

type ConditionOf = Option<BTreeMap<&'static str, BTreeMap<&'static str, Vec<String>>>>;

/// The policy of a role of the config, or, without one, of the credentials that billtag runs with.
/// `region` is the environment's, for what names none.
pub fn policy(config: &Config, role: Option<&str>, extras: &BTreeSet<Extra>, region: Option<&str>) -> Policy {
    let uses = uses(config);
    let own: Vec<&Use> = uses.iter().filter(|used| used.access.role_arn.as_deref() == role).collect();
    let mut statements = objects(&own, region);
    if own.iter().any(|used| used.deed == Deed::Metrics) {
        let actions = ["cloudwatch:GetMetricData", "cloudwatch:ListMetrics"];
        statements.push(allow("AskCloudWatch", &actions, vec!["*".into()]));
    }
    let topic = |used: &&Use| if let Deed::Publish(topic) = &used.deed { Some(topic.clone()) } else { None };
    let topics: BTreeSet<String> = own.iter().filter_map(topic).collect();
    if !topics.is_empty() {
        statements.push(allow("TellChannels", &["sns:Publish"], topics.into_iter().collect()));
    }
    let mut extras = extras.clone();
    if config.names_cost_explorer() {
        extras.insert(Extra::Reconcile);
    }
    let asks = |extra: &&Extra| config.access_of(**extra).role_arn.as_deref() == role;
    let actions: Vec<&str> = extras.iter().filter(asks).map(|extra| extra.action()).collect();
    if !actions.is_empty() {
        statements.push(allow("AskCostExplorer", &actions, vec!["*".into()]));
    }
    let roles: Vec<String> = roles(config).into_keys().map(|role| role.replace("{account}", "*")).collect();
    if role.is_none() && !roles.is_empty() {
        statements.push(allow("AssumeRoles", &["sts:AssumeRole"], roles));
    }
    Policy::of(statements)
}

/// The statements about objects in S3: listing by bucket, since each has its own prefixes, then
/// reading and keeping.
fn objects(uses: &[&Use], region: Option<&str>) -> Vec<Statement> {
    let mut prefixes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut read, mut kept) = (BTreeSet::new(), BTreeSet::new());
    for used in uses {
        let (Deed::Read(bucket, prefix) | Deed::Keep(bucket, prefix)) = &used.deed else { continue };
        let bucket = format!("arn:{}:s3:::{bucket}", partition_of(&used.access, region));
        let objects = format!("{bucket}/{prefix}*");
        if matches!(used.deed, Deed::Keep(..)) {
            kept.insert(objects.clone());
        }
        read.insert(objects);
        prefixes.entry(bucket).or_default().insert(format!("{prefix}*"));
    }
    let several = prefixes.len() > 1;
    let list = |(number, (bucket, prefixes)): (usize, (String, BTreeSet<String>))| {
        let sid = if several { format!("ListBucket{}", number + 1) } else { "ListBucket".into() };
        let mut statement = allow(&sid, &["s3:ListBucket"], vec![bucket]);
        if !prefixes.contains("*") {
            statement.condition = condition("StringLike", "s3:prefix", prefixes.into_iter().collect());
        }
        statement
    };
    let mut statements: Vec<Statement> = prefixes.into_iter().enumerate().map(list).collect();
    if !read.is_empty() {
        statements.push(allow("ReadObjects", &["s3:GetObject"], read.into_iter().collect()));
    }
    if !kept.is_empty() {
        let actions = ["s3:DeleteObject", "s3:PutObject"];
        statements.push(allow("KeepFacts", &actions, kept.into_iter().collect()));
    }
    statements
}

/// What stands in a trust policy for whoever runs billtag.
pub const RUNNER: &str = "arn:aws:iam::<account>:role/<role that billtag runs as>";

/// The trust policy of a role of the config: who may assume it, and with which external id.
pub fn trust(role: &str, external_id: Option<&str>) -> Policy {
    let partition = role.split(':').nth(1).unwrap_or("aws");
    let mut statement = allow("LetBilltagIn", &["sts:AssumeRole"], Vec::new());
    statement.principal = Some(BTreeMap::from([("AWS", RUNNER.replacen(":aws:", &format!(":{partition}:"), 1))]));
    if let Some(external_id) = external_id {
        statement.condition = condition("StringEquals", "sts:ExternalId", vec![external_id.to_string()]);
    }
    Policy { version: "2012-10-17", statement: vec![statement] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(config: &str, role: Option<&str>) -> serde_json::Value {
        let config: Config = toml::from_str(config).expect("a config");
        let text = policy(&config, role, &BTreeSet::new(), None).to_json().expect("JSON");
        serde_json::from_str(&text).expect("JSON")
    }

    #[test]
    fn each_region_has_its_partition() {
        assert_eq!(partition("eu-west-1"), "aws");
        assert_eq!(partition("us-gov-west-1"), "aws-us-gov");
        assert_eq!(partition("cn-north-1"), "aws-cn");
        assert_eq!(partition("us-isob-east-1"), "aws-iso-b");
        assert_eq!(partition(""), "aws");
    }

    #[test]
    fn a_whole_bucket_is_listed_without_a_condition() {
        let policy = json("[[bill]]\npath = \"s3://cur\"", None);
        assert_eq!(policy["Statement"][0]["Resource"][0], "arn:aws:s3:::cur");
        assert!(policy["Statement"][0]["Condition"].is_null());
        assert_eq!(policy["Statement"][1]["Resource"][0], "arn:aws:s3:::cur/*");
    }

    #[test]
    fn what_is_read_under_a_role_is_in_the_roles_own_policy() {
        let role = "arn:aws-us-gov:iam::111122223333:role/cur";
        let config = format!("[[bill]]\npath = \"s3://cur/x\"\nrole_arn = \"{role}\"\nregion = \"us-gov-west-1\"");
        let runner = json(&config, None);
        assert_eq!(runner["Statement"].as_array().map(Vec::len), Some(1));
        assert_eq!(runner["Statement"][0]["Action"][0], "sts:AssumeRole");
        assert_eq!(runner["Statement"][0]["Resource"][0], role);
        let assumed = json(&config, Some(role));
        assert_eq!(assumed["Statement"][1]["Resource"][0], "arn:aws-us-gov:s3:::cur/x/*");
    }

    #[test]
    fn each_topic_is_published_to_by_whoever_its_channel_names() {
        let role = "arn:aws:iam::111122223333:role/tell";
        let channel = |name: &str| {
            let topic = format!("arn:aws:sns:eu-west-1:111122223333:{name}");
            format!("[[channel]]\nname = \"{name}\"\ntype = \"sns\"\ntopic_arn = \"{topic}\"\n")
        };
        let config = format!("{}{}role_arn = \"{role}\"\n", channel("own"), channel("other"));
        let runner = json(&config, None);
        assert_eq!(runner["Statement"][0]["Action"][0], "sns:Publish");
        assert_eq!(runner["Statement"][0]["Resource"], serde_json::json!(["arn:aws:sns:eu-west-1:111122223333:own"]));
        assert_eq!(runner["Statement"][1]["Action"][0], "sts:AssumeRole");
        let assumed = json(&config, Some(role));
        assert_eq!(assumed["Statement"][0]["Resource"][0], "arn:aws:sns:eu-west-1:111122223333:other");
    }

    #[test]
    fn a_policy_of_nothing_is_one_that_iam_takes() {
        let policy = json("[[bill]]\npath = \"cur\"", None);
        assert_eq!(policy["Statement"][0]["Action"][0], "none:null");
    }
}
