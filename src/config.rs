//! The configuration: one TOML file, every key optional but the bill.
//!
//! Unknown keys are errors, since a typo that is ignored costs more than one that is refused.
//! Relative paths start at the config file's folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::money;
use crate::place::s3_address;
use crate::schema::MEASURES;
use crate::spelling;
use values::{amount, instant};

pub mod alerts;
pub mod audit;
pub mod budgets;
pub mod channels;
pub mod digest;
mod reach;
mod values;

/// Memory for `ingest` where nothing is said.
const DEFAULT_MEMORY_MIB: usize = 256;
/// Memory that the program and its readers take whatever the bill.
const LEAST_MEMORY_MIB: usize = 128;

/// Everything the user can say.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The clock, RFC 3339; `now` where absent. It never restores an old bill.
    #[serde(default, deserialize_with = "instant")]
    pub as_of: Option<i64>,
    /// How AWS is reached, where a source says nothing else.
    #[serde(default)]
    pub aws: AwsAccess,
    /// One per export. Format and layout are detected.
    #[serde(default)]
    pub bill: Vec<Bill>,
    /// CloudWatch token metrics.
    #[serde(default)]
    pub metrics: Vec<Metrics>,
    /// How `reconcile` asks Cost Explorer.
    #[serde(default)]
    pub cost_explorer: CostExplorer,
    /// How tags are read and judged.
    #[serde(default)]
    pub tags: Tags,
    /// Owner rules, rung 4, first match by key wins.
    #[serde(default)]
    pub owner: Vec<OwnerRule>,
    /// Owners of whole accounts, rung 6, by account id.
    #[serde(default)]
    pub accounts: BTreeMap<String, Owner>,
    /// What happens to charges without an owner of their own.
    #[serde(default)]
    pub shared: Shared,
    /// Who is shown what nobody is known to have spent.
    #[serde(default)]
    pub showback: budgets::Showback,
    /// What may be spent in a month.
    #[serde(default)]
    pub budget: Vec<budgets::Budget>,
    /// Where facts are kept.
    #[serde(default)]
    pub store: Store,
    /// What the program may take.
    #[serde(default)]
    pub limits: Limits,
    /// What counts as a jump, and what wakes somebody.
    #[serde(default)]
    pub anomaly: Anomaly,
    /// Cache figures.
    #[serde(default)]
    pub cache: Cache,
    /// What is hidden.
    #[serde(default)]
    pub privacy: Privacy,
    /// Traffic that decides between models, left out of tier shares.
    #[serde(default)]
    pub router: Router,
    /// Who is told of incidents.
    #[serde(default)]
    pub channel: Vec<channels::Channel>,
    /// The user's own queries.
    #[serde(default)]
    pub queries: Queries,
    /// What all channels are told alike.
    #[serde(default)]
    pub alerts: alerts::Alerts,
    /// Who is told of each morning.
    #[serde(default)]
    pub digest: digest::Digest,
    /// When the audit fails.
    #[serde(default)]
    pub audit: audit::Audit,
    /// What environments may use, by environment.
    #[serde(default)]
    pub policy: BTreeMap<String, audit::Policy>,
    /// What need not be tagged.
    #[serde(default)]
    pub exempt: Vec<audit::Exempt>,
    /// The config file's folder, from which relative paths start.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// How AWS is reached.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AwsAccess {
    /// Profile of the AWS config files; `--profile` comes before it.
    pub profile: Option<String>,
    /// Region; the environment's or the profile's where absent.
    pub region: Option<String>,
    /// Role to assume.
    pub role_arn: Option<String>,
    /// External id that the role asks for.
    pub external_id: Option<String>,
}

/// How Cost Explorer is asked: with rights in the payer account, which may not be where bills are read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CostExplorer {
    /// Region that signs the request; `us-east-1` where absent.
    pub region: Option<String>,
    /// Role to assume.
    pub role_arn: Option<String>,
    /// External id that the role asks for.
    pub external_id: Option<String>,
}

/// One bill export.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bill {
    /// Folder of Parquet files, or `s3://bucket/prefix`: CUR 2.0, legacy CUR or plain.
    pub path: String,
    /// The bucket's region; S3 itself says it where absent.
    pub region: Option<String>,
    /// Role to assume for this bill.
    pub role_arn: Option<String>,
    /// External id that the role asks for.
    pub external_id: Option<String>,
}

/// One source of metrics.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Folder of Metric Stream files or saved `get-metric-data` replies, or `s3://bucket/prefix`.
    #[serde(default)]
    pub path: String,
    /// Ask CloudWatch itself, in place of a path.
    #[serde(default)]
    pub api: bool,
    /// Accounts to ask; those of the bill where empty.
    #[serde(default)]
    pub accounts: Vec<String>,
    /// Regions to ask; those of the bill where empty.
    #[serde(default)]
    pub regions: Vec<String>,
    /// Ask a monitoring account for the accounts that are linked to it.
    #[serde(default)]
    pub linked: bool,
    /// Seconds that a point covers where CloudWatch still keeps it so fine; an hour where absent.
    pub period: Option<i64>,
    /// Role to assume; `{account}` stands for each account that is asked.
    pub role_arn: Option<String>,
    /// External id that the role asks for.
    pub external_id: Option<String>,
    /// Namespace of custom metrics that carry owners; `AWS/Bedrock` is always read.
    pub namespace: Option<String>,
    /// Owner key to dimension name; only series with exactly these dimensions are read.
    #[serde(default)]
    pub dimensions: BTreeMap<String, String>,
    /// Measure to metric name, where a metric has a name of its own.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
    /// Account of replies that do not say theirs.
    pub account: Option<String>,
    /// Region of replies that do not say theirs.
    pub region: Option<String>,
}

/// How tags are read and judged.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tags {
    /// Keys that the audit wants on everything that costs money.
    pub required: Vec<String>,
    /// Owner key to the tag keys that mean it; the first is the proper spelling.
    pub aliases: BTreeMap<String, Vec<String>>,
    /// Owner key to the only values that are right.
    pub allowed: BTreeMap<String, Vec<String>>,
    /// Owner key to value to the other spellings that mean it.
    pub values: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

impl Default for Tags {
    fn default() -> Self {
        Self {
            required: OWNER_NAMES.map(String::from).to_vec(),
            aliases: BTreeMap::new(),
            allowed: BTreeMap::new(),
            values: BTreeMap::new(),
        }
    }
}

/// Names of the owner keys in the config; `model` is the `Model` tag, never the billed model.
pub const OWNER_NAMES: [&str; 5] = ["workload", "team", "environment", "cost_center", "model"];

/// One owner.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// Workload.
    pub workload: Option<String>,
    /// Team.
    pub team: Option<String>,
    /// Environment.
    pub environment: Option<String>,
    /// Cost center.
    pub cost_center: Option<String>,
}

/// An owner rule: every condition that is given must match.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerRule {
    /// Glob over the principal's ARN, with or without its session.
    pub principal: Option<String>,
    /// Glob over the resource id.
    pub resource: Option<String>,
    /// Glob over the account id.
    pub account: Option<String>,
    /// `Category=glob` over the line's cost categories, or a glob over any category's value.
    pub cost_category: Option<String>,
    /// First day on which the rule holds.
    #[serde(default, deserialize_with = "instant")]
    pub from: Option<i64>,
    /// First day on which it no longer holds.
    #[serde(default, deserialize_with = "instant")]
    pub until: Option<i64>,
    /// Workload given.
    pub workload: Option<String>,
    /// Team given.
    pub team: Option<String>,
    /// Environment given.
    pub environment: Option<String>,
    /// Cost center given.
    pub cost_center: Option<String>,
}

/// Policy for tax, credits, refunds and discounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SharedPolicy {
    /// They stay rows of their own, `not_allocable`.
    #[default]
    Keep,
    /// They are spread over the usage of the same account, else payer, and period.
    ProRata,
}

/// What happens to charges without an owner of their own.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Shared {
    /// `keep` or `pro_rata`.
    #[serde(default)]
    pub policy: SharedPolicy,
}

/// Where facts are kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// Folder, or `s3://bucket/prefix`.
    pub path: String,
    /// Days for which replaced versions are kept, for `--as-seen`; 90 where absent.
    pub keep_days: Option<i32>,
    /// Where copies of an S3 store's files lie; the user's cache folder where absent.
    pub cache: Option<String>,
    /// The bucket's region; S3 itself says it where absent.
    pub region: Option<String>,
    /// Role to assume for the store.
    pub role_arn: Option<String>,
    /// External id that the role asks for.
    pub external_id: Option<String>,
}

impl Default for Store {
    fn default() -> Self {
        Self { path: ".billtag".into(), keep_days: None, cache: None, region: None, role_arn: None, external_id: None }
    }
}

/// What the program may take.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Memory for `ingest`, in MiB; 256 where absent.
    pub memory_mib: Option<usize>,
}

impl Limits {
    /// Memory for `ingest`, in bytes.
    pub fn bytes(&self) -> usize {
        self.memory_mib.unwrap_or(DEFAULT_MEMORY_MIB).saturating_mul(1 << 20)
    }
}

/// What counts as a jump.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Anomaly {
    /// A day at or above this many times the day before is a finding. Units of 1e-10.
    #[serde(deserialize_with = "amount")]
    pub ratio: i128,
    /// Increase above which a finding may page, in the billing currency. Units of 1e-10.
    #[serde(deserialize_with = "amount")]
    pub page_above: i128,
}

impl Default for Anomaly {
    fn default() -> Self {
        Self { ratio: 3 * money::ONE, page_above: 50 * money::ONE }
    }
}

/// Cache figures.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// Hit rate below which a workload is flagged. Units of 1e-10.
    #[serde(deserialize_with = "amount")]
    pub hit_floor: i128,
}

impl Default for Cache {
    fn default() -> Self {
        Self { hit_floor: money::ONE * 6 / 10 }
    }
}

/// What is hidden.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Privacy {
    /// Keep session names of assumed roles, which may be people's e-mail addresses.
    pub sessions: bool,
}

/// Traffic that decides between models.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Router {
    /// Globs over principals.
    pub principals: Vec<String>,
    /// Globs over inference profiles' ARNs or ids.
    pub profiles: Vec<String>,
}

/// The user's own queries.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Queries {
    /// Folder of `.sql` files, which come before the built-in ones by name.
    pub path: Option<String>,
}

impl Config {
    /// Fingerprint of everything that decides about owners.
    pub fn rules(&self) -> String {
        let parts = (&self.tags, &self.owner, &self.accounts, &self.shared, &self.privacy, &self.router);
        // What serialises here are plain tables of text, which cannot fail.
        let text = serde_json::to_string(&parts).unwrap_or_default();
        blake3::hash(text.as_bytes()).to_hex()[..32].to_string()
    }

    /// Reads and checks a file.
    pub fn load(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::config(
                file.display().to_string(),
                "there is no such config file",
                "name one with -c FILE, or let `billtag init` write one",
            ),
            std::io::ErrorKind::InvalidData => {
                Error::config(file.display().to_string(), "the config is not UTF-8 text", "save it as UTF-8")
            }
            _ => Error::Io { path: file.to_path_buf(), doing: "read", source: error },
        })?;
        let mut config: Self = toml::from_str(&text).map_err(|error| {
            let as_it_stands = || (error.to_string().trim_end().to_string(), unknown_key_hint(error.message()));
            let (what, hint) = channels::refusal(&text, &error).unwrap_or_else(as_it_stands);
            Error::config(file.display().to_string(), what, hint)
        })?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        config.folder = folder.unwrap_or(Path::new(".")).to_path_buf();
        config.check(file)?;
        Ok(config)
    }

    /// A path of the config, from the config's folder.
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// The store's folder.
    pub fn store(&self) -> PathBuf {
        self.resolve(&self.store.path)
    }

    fn check(&self, file: &Path) -> Result<()> {
        let wrong = |key: String, what: String, hint: &str| {
            Err(Error::config(format!("{}: {key}", file.display()), what, hint))
        };
        if self.bill.is_empty() {
            return wrong(
                "[[bill]]".into(),
                "no bill is configured".into(),
                "add `[[bill]]` with `path = \"folder of the export\"`",
            );
        }
        let paths = self.bill.iter().map(|bill| ("[[bill]] path", &bill.path));
        let files = self.metrics.iter().filter(|metrics| !metrics.api);
        let paths = paths.chain(files.map(|metrics| ("[[metrics]] path", &metrics.path)));
        for (key, path) in paths.chain([("[store] path", &self.store.path)]) {
            if path.trim().is_empty() {
                return wrong(key.into(), "the path is empty".into(), "name a folder or `s3://bucket/prefix`");
            }
            if s3_address(path).is_some_and(|(bucket, _)| bucket.is_empty()) {
                return wrong(key.into(), format!("{path} names no bucket"), "write `s3://bucket/prefix`");
            }
        }
        if self.limits.memory_mib.is_some_and(|memory| memory < LEAST_MEMORY_MIB) {
            let what = format!("it must be at least {LEAST_MEMORY_MIB}");
            return wrong("[limits] memory_mib".into(), what, "256 is the usual number");
        }
        if self.store.keep_days.is_some_and(|days| days < 1) {
            return wrong("[store] keep_days".into(), "it must be at least 1".into(), "90 is the usual number");
        }
        self.check_keys(&wrong)?;
        for (number, rule) in self.owner.iter().enumerate() {
            check_rule(rule).or_else(|what| {
                wrong(format!("[[owner]] number {}", number + 1), what, "see the rules in the README")
            })?;
        }
        for account in self.accounts.keys() {
            if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
                return wrong(
                    format!("[accounts.{account}]"),
                    "an account id has twelve digits".into(),
                    "write it as `[accounts.123456789012]`",
                );
            }
        }
        if self.anomaly.ratio <= money::ONE {
            return wrong(
                "[anomaly] ratio".into(),
                "a jump must be more than 1 times the day before".into(),
                "3 is the usual ratio",
            );
        }
        self.check_budgets(&wrong)?;
        self.check_channels(&wrong)?;
        self.check_alerts(&wrong)?;
        self.check_digest(&wrong)?;
        self.check_audit(&wrong)
    }

    fn check_keys(&self, wrong: &dyn Fn(String, String, &str) -> Result<()>) -> Result<()> {
        let tags = &self.tags;
        let named = tags.required.iter().map(|key| ("[tags] required", key));
        let named = named.chain(tags.aliases.keys().map(|key| ("[tags.aliases]", key)));
        let named = named.chain(tags.allowed.keys().map(|key| ("[tags.allowed]", key)));
        let named = named.chain(tags.values.keys().map(|key| ("[tags.values]", key)));
        let dimensions = self.metrics.iter().flat_map(|metrics| metrics.dimensions.keys());
        let named = named.chain(dimensions.map(|key| ("[[metrics]] dimensions", key)));
        for (place, key) in named {
            if !OWNER_NAMES.contains(&key.as_str()) {
                let rest = "the owner keys are workload, team, environment, cost_center and model";
                let hint = spelling::hint(key, OWNER_NAMES, rest);
                return wrong(place.into(), format!("`{key}` is not an owner key"), &hint);
            }
        }
        for key in self.metrics.iter().flat_map(|metrics| metrics.names.keys()) {
            if !MEASURES.contains(&key.as_str()) {
                let rest = format!("the measures are {}", MEASURES.join(", "));
                let hint = spelling::hint(key, MEASURES, &rest);
                return wrong("[[metrics]] names".into(), format!("`{key}` is not a measure"), &hint);
            }
        }
        for metrics in &self.metrics {
            if metrics.api && !metrics.path.is_empty() {
                return wrong(
                    "[[metrics]] api".into(),
                    "a source has either a `path` or `api = true`".into(),
                    "write two `[[metrics]]`, one for each",
                );
            }
            if metrics.namespace.is_some() && !metrics.dimensions.contains_key("workload") {
                return wrong(
                    "[[metrics]] dimensions".into(),
                    "a namespace without a `workload` dimension names no owner".into(),
                    "say which dimension holds the workload: `dimensions = { workload = \"Workload\" }`",
                );
            }
        }
        Ok(())
    }
}

/// What to do about text that the parser refuses. It says "unknown field `a`, expected `b` or `c`", and
/// the same of variants, and nothing else says which keys it knows.
fn unknown_key_hint(message: &str) -> String {
    let rest = "correct the key or value; `fixtures/billtag.toml` shows every key in use";
    let mut quoted = message.split('`').skip(1).step_by(2);
    match quoted.next() {
        Some(key) if message.starts_with("unknown ") => spelling::hint(key, quoted, rest),
        _ => rest.to_string(),
    }
}

fn check_rule(rule: &OwnerRule) -> Result<(), String> {
    let conditions = [&rule.principal, &rule.resource, &rule.account, &rule.cost_category];
    let gives = [&rule.workload, &rule.team, &rule.environment, &rule.cost_center];
    if conditions.iter().all(|condition| condition.is_none()) {
        return Err("it has no condition (principal, resource, account or cost_category)".into());
    }
    if gives.iter().all(|given| given.is_none()) {
        return Err("it gives nothing (workload, team, environment or cost_center)".into());
    }
    if let (Some(from), Some(until)) = (rule.from, rule.until)
        && from >= until
    {
        return Err("`from` is not before `until`, so it never holds".into());
    }
    Ok(())
}
