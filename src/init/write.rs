//! Writing: a config whose every key has its line of comment.
//!
//! A line that begins with `# ` is prose; one that begins with `#` and a letter or bracket is a setting
//! that is switched off, shown with its default or an example.

use std::fmt::Write;

use super::look::largest;
use super::{Seen, SeenBill, SeenMetrics, SeenTag};
use crate::attribute::owner::Vocabulary;
use crate::config::{Config, OWNER_NAMES};
use crate::normalise::trust::Sums;
use crate::report::{safe, words};

/// Tag keys and accounts that are named.
const NAMED: usize = 12;

/// What people call owner keys, in the order of [`OWNER_NAMES`], squeezed.
const LIKELY: [&[&str]; OWNER_NAMES.len()] = [
    &["app", "application", "appname", "service", "servicename", "project", "product", "component", "usecase", "agent"],
    &["squad", "owner", "department", "dept", "group", "businessunit", "bu", "division"],
    &["env", "stage", "environmentname", "environmenttype"],
    &["costcentre", "cc", "kostenstelle", "costcode", "budgetcode", "chargecode"],
    &["modelname", "modelid", "llm"],
];

/// The config of what was seen.
pub fn config(seen: &Seen) -> String {
    let mut out = String::new();
    for part in [
        HEAD.to_string(),
        aws(seen),
        bills(seen),
        sources(seen),
        tags(seen),
        owners(seen),
        TAIL.to_string(),
        AUDIT.to_string(),
        CHANNELS.to_string(),
    ] {
        out.push_str(&part);
    }
    out
}

const HEAD: &str = "\
# What billtag reads, whose it is, and where facts are kept. Written by `billtag init`; yours to change.
# Relative paths start at this file's folder. Unknown keys are errors, so a typo is never ignored.
# `billtag doctor` checks all of it; `billtag iam-policy` prints the rights that it needs.

# What counts as now, for bills of the past; it never restores an old bill.
#as_of = \"2026-11-22T12:00:00Z\"

";

fn aws(seen: &Seen) -> String {
    let mut out = String::from("# How AWS is reached. Without settings: the environment's credentials and region.\n");
    if let Some(identity) = &seen.identity {
        // Whoever runs `init` need not be who runs the daily job.
        line(&mut out, &format!("# `billtag init` ran as {}.", comment(identity)));
    }
    out.push_str("[aws]\n");
    match &seen.profile {
        Some(profile) => line(&mut out, &format!("profile = {}", text(profile))),
        None => line(&mut out, "#profile = \"billing\""),
    }
    out.push_str(
        "# Region, where a source names none.
#region = \"us-east-1\"
# Role to assume, where a source names none, and the external id that it asks for.
#role_arn = \"arn:aws:iam::123456789012:role/billtag\"
#external_id = \"what-its-trust-policy-says\"

",
    );
    out
}

fn bills(seen: &Seen) -> String {
    let mut out = String::from("# One [[bill]] for each export; format and layout are detected.\n");
    let nothing = SeenBill { path: "cur2".into(), ..SeenBill::default() };
    let bills = if seen.bills.is_empty() {
        out.push_str("# None was found: put in the path of yours.\n");
        std::slice::from_ref(&nothing)
    } else {
        &seen.bills
    };
    for bill in bills {
        match (bill.periods.first(), bill.periods.last()) {
            (Some(first), Some(last)) => {
                let principals = if bill.has_principals { "with" } else { "without" };
                let count = bill.periods.len();
                let periods = if count == 1 { "1 period".into() } else { format!("{count} periods, {first} to") };
                line(&mut out, &format!("# {periods} {last}, {principals} the principals that called."));
            }
            _ if !seen.bills.is_empty() => out.push_str("# It could not be looked at.\n"),
            _ => {}
        }
        out.push_str("[[bill]]\n# Folder, or `s3://bucket/prefix` of the export.\n");
        line(&mut out, &format!("path = {}", text(&bill.path)));
        out.push_str(
            "# The bucket's region, a role to assume for this bill, and the external id that it asks for.
#region = \"us-east-1\"
#role_arn = \"arn:aws:iam::123456789012:role/billtag\"
#external_id = \"what-its-trust-policy-says\"

",
        );
    }
    out
}

fn sources(seen: &Seen) -> String {
    let mut out =
        String::from("# CloudWatch token metrics: files of a metric stream, saved replies, or the API itself.\n");
    if seen.metrics.is_empty() {
        out.push_str("# None were found.\n#[[metrics]]\n# Folder, or `s3://bucket/prefix`.\n#path = \"cloudwatch\"\n");
        owner_metrics(&mut out, None);
        out.push_str(REST_OF_METRICS);
    }
    for source in &seen.metrics {
        let native = if source.has_native { "" } else { " Metrics of AWS/Bedrock itself are not among them." };
        for other in &source.others {
            line(&mut out, &format!("# Seen and not read: {}.", comment(other)));
        }
        line(&mut out, &format!("[[metrics]]\n# Folder, or `s3://bucket/prefix`.{native}"));
        line(&mut out, &format!("path = {}", text(&source.path)));
        owner_metrics(&mut out, Some(source));
        out.push_str(REST_OF_METRICS);
    }
    out
}

fn owner_metrics(out: &mut String, source: Option<&SeenMetrics>) {
    out.push_str("# Your own metrics that carry owners; AWS/Bedrock is always read.\n");
    let owners = source.and_then(|source| source.owners.as_ref());
    match owners {
        Some((namespace, _)) => line(out, &format!("namespace = {}", text(namespace))),
        None => out.push_str("#namespace = \"Acme/GenAI\"\n"),
    }
    out.push_str("# Owner key to dimension; only series with exactly these dimensions are read.\n");
    match owners {
        Some((_, dimensions)) => {
            // In the order in which people think of them, not of the alphabet.
            let pair = |key: &&str| dimensions.get(*key).map(|name| format!("{key} = {}", text(name)));
            let pairs: Vec<String> = OWNER_NAMES.iter().filter_map(pair).collect();
            line(out, &format!("dimensions = {{ {} }}", pairs.join(", ")));
        }
        None => out.push_str("#dimensions = { workload = \"Workload\", team = \"Team\", model = \"Model\" }\n"),
    }
}

const REST_OF_METRICS: &str = "\
# Measure to metric, where its name is none of the usual ones; business_units names a business metric.
#names = { business_units = \"TicketsSolved\" }
# Account and region of saved replies that do not say theirs.
#account = \"123456789012\"
#region = \"us-east-1\"
# Role to assume, where {account} stands for each account asked, and the external id that it asks for.
#role_arn = \"arn:aws:iam::{account}:role/billtag-metrics\"
#external_id = \"what-its-trust-policy-says\"

# Ask CloudWatch itself, in place of files.
#[[metrics]]
#api = true
# Accounts and regions to ask; those of the bill where empty.
#accounts = [\"123456789012\"]
#regions = [\"us-east-1\"]
# Ask a monitoring account for the accounts that are linked to it.
#linked = true
# Seconds that a point covers, where CloudWatch still keeps it so fine.
#period = 3600

";

fn tags(seen: &Seen) -> String {
    let mut out = String::from("# How tags are read. Case, spaces and separators in keys and values never matter.\n");
    let mut keys: Vec<(&String, &SeenTag)> = seen.tags.iter().collect();
    keys.sort_by_key(|(key, tag)| (std::cmp::Reverse(largest(&tag.cost)), (*key).clone()));
    if !keys.is_empty() {
        line(&mut out, &format!("# Keys on Bedrock lines of {}, by the cost that they are on:", comment(&seen.month)));
        for (_, tag) in keys.iter().take(NAMED) {
            let spellings = tag.spellings.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            line(&mut out, &format!("#   {}: {}", comment(&spellings), money(&tag.cost)));
        }
    }
    out.push_str(
        "[tags]
# Keys that the audit wants on everything that costs money.
#required = [\"workload\", \"team\", \"environment\", \"cost_center\", \"model\"]
# The only values that are right.
#allowed = { environment = [\"prod\", \"staging\", \"dev\"] }
# Value to the other spellings that mean it.
#values = { environment = { prod = [\"production\", \"live\"] } }

# Owner key to the tag keys that mean it, the proper spelling first.
[tags.aliases]
",
    );
    let by_owner = aliases(&keys);
    for (at, name) in OWNER_NAMES.iter().enumerate() {
        let (certain, likely) = &by_owner[at];
        let list = |keys: &[String]| keys.iter().map(|key| text(key)).collect::<Vec<_>>().join(", ");
        match (certain.is_empty(), likely.is_empty()) {
            (false, true) => line(&mut out, &format!("{name} = [{}]", list(certain))),
            (false, false) => {
                line(&mut out, &format!("# Perhaps this key too: {}.", comment(&likely.join(", "))));
                line(&mut out, &format!("{name} = [{}]", list(certain)));
            }
            (true, false) => {
                line(&mut out, "# Perhaps; take the # away if it is so.");
                line(&mut out, &format!("#{name} = [{}]", list(likely)));
            }
            (true, true) => line(&mut out, &format!("#{name} = [{}]", text(&proper(name)))),
        }
    }
    out.push('\n');
    out
}

/// By owner key: tag keys that mean it, and tag keys that may mean it, dearest first.
fn aliases(keys: &[(&String, &SeenTag)]) -> [(Vec<String>, Vec<String>); OWNER_NAMES.len()] {
    let vocabulary = Vocabulary::new(&Config::default());
    let mut found: [(Vec<String>, Vec<String>); OWNER_NAMES.len()] = Default::default();
    for (key, tag) in keys {
        let list = match vocabulary.key(key) {
            Some((at, _)) => &mut found[at].0,
            None => match LIKELY.iter().position(|names| names.contains(&key.as_str())) {
                Some(at) => &mut found[at].1,
                None => continue,
            },
        };
        // All spellings match; best is one that people wrote, not one that billing has lowered.
        let best = tag.spellings.iter().max_by_key(|spelling| (has_capital(spelling), std::cmp::Reverse(*spelling)));
        list.extend(best.cloned());
    }
    found
}

fn has_capital(text: &str) -> bool {
    // `TEAM` is shouted, not spelled.
    text.chars().any(char::is_uppercase) && text.chars().any(char::is_lowercase)
}

/// `cost_center` as a tag key: `CostCenter`.
fn proper(name: &str) -> String {
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    name.split('_').map(capital).collect()
}

fn owners(seen: &Seen) -> String {
    let mut out = String::from(OWNER_RULE);
    let mut accounts: Vec<(&String, &(String, Sums))> = seen.accounts.iter().filter(|(id, _)| is_account(id)).collect();
    accounts.sort_by_key(|(id, (_, sums))| (std::cmp::Reverse(largest(sums)), (*id).clone()));
    out.push_str("# Owners of whole accounts, for what nothing finer names.\n");
    if accounts.is_empty() {
        account(&mut out, "123456789012");
    }
    for (id, (name, sums)) in accounts.iter().take(NAMED) {
        let name = if name.is_empty() { String::new() } else { format!("{}, ", comment(name)) };
        line(&mut out, &format!("# {name}{} in {}.", money(sums), comment(&seen.month)));
        account(&mut out, id);
    }
    out
}

fn account(out: &mut String, id: &str) {
    line(out, &format!("#[accounts.{id}]\n#workload = \"internal-tools\"\n#team = \"platform\""));
    out.push_str("#environment = \"prod\"\n#cost_center = \"cc-100\"\n\n");
}

fn is_account(id: &str) -> bool {
    id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit())
}

const OWNER_RULE: &str = "\
# Rules for what cannot be tagged; the first that matches gives each key.
#[[owner]]
# Conditions, all of which must match: globs, and `Category=glob`.
#principal = \"arn:aws:sts::*:assumed-role/nightly-*\"
#resource = \"arn:aws:bedrock:*:*:guardrail/*\"
#account = \"123456789012\"
#cost_category = \"Product=Search\"
# First day on which the rule holds, and first on which it no longer does.
#from = \"2026-01-01\"
#until = \"2027-01-01\"
# What it gives.
#workload = \"nightly\"
#team = \"reporting\"
#environment = \"prod\"
#cost_center = \"cc-100\"

";

const TAIL: &str = "\
# Tax, credits, refunds and discounts: `keep` them as rows of their own, or spread them `pro_rata`.
[shared]
#policy = \"keep\"

# What nobody is known to have spent, in `billtag showback`: `keep` it, or spread it `pro_rata` over the teams.
[showback]
#unattributed = \"keep\"

# What may be spent in a month: by everybody, or by one team, workload, account or cost center.
#[[budget]]
#amount = 10000
#currency = \"USD\"
# Every month where absent.
#month = \"2026-11\"

#[[budget]]
#team = \"search\"
#amount = 2000

#[[budget]]
#workload = \"checkout-bot\"
#amount = 2000

#[[budget]]
#account = \"123456789012\"
#amount = 2000

#[[budget]]
#cost_center = \"cc-100\"
#amount = 2000

[store]
# Where facts are kept: folder, or `s3://bucket/prefix`.
#path = \".billtag\"
# Days for which replaced versions are kept, for --as-seen.
#keep_days = 90
# Where copies of an S3 store's files lie; the user's cache folder where absent.
#cache = \"/tmp/billtag\"
# The bucket's region, a role to assume for the store, and the external id that it asks for.
#region = \"us-east-1\"
#role_arn = \"arn:aws:iam::123456789012:role/billtag\"
#external_id = \"what-its-trust-policy-says\"

# Who asks Cost Explorer for `billtag reconcile`, where the payer account is another one.
[cost_explorer]
#region = \"us-east-1\"
#role_arn = \"arn:aws:iam::123456789012:role/billtag\"
#external_id = \"what-its-trust-policy-says\"

# Memory for `ingest`, in MiB; a large bill takes no more, but uses the system's temporary folder.
[limits]
#memory_mib = 256

[anomaly]
# A workload's day at this many times the day before is a finding.
#ratio = \"3\"
# Increase above which a finding may page, in the billing currency.
#page_above = 50

[cache]
# Hit rate below which a workload is flagged.
#hit_floor = \"0.6\"

[privacy]
# Keep session names of assumed roles, which may be people's e-mail addresses.
#sessions = false

[router]
# Traffic that decides between models, left out of tier shares: globs over principals and inference profiles.
#principals = [\"arn:aws:sts::*:assumed-role/router-*\"]
#profiles = [\"arn:aws:bedrock:*:*:application-inference-profile/router*\"]

[queries]
# Folder of your own .sql files, which come before the built-in ones by name.
#path = \"queries\"
";

const AUDIT: &str = "
# When `billtag audit --fail-on-findings` fails for tags; without either, for any that is missing or wrong.
[audit]
# Share of the cost with every required tag right, below which it fails.
#fail_below_compliance = \"0.95\"
# Cost without them, above which it fails, in each billing currency.
#fail_above_debt = 100

# What an environment may use: spend outside it is a finding.
#[policy.prod]
# regional, geo and global; all where absent.
#routing = [\"regional\", \"geo\"]
# Globs over regions; all where absent.
#regions = [\"eu-*\"]

# What need not be tagged, why, and until which day; one that has run out is a finding.
#[[exempt]]
# Conditions, all of which must match: globs, and `Category=glob`.
#principal = \"arn:aws:sts::*:assumed-role/migration-*\"
#resource = \"arn:aws:bedrock:*:*:guardrail/*\"
#account = \"123456789012\"
#cost_category = \"Product=Search\"
# Owner keys that may be wrong; all, and every other finding, where absent.
#keys = [\"cost_center\"]
#reason = \"moves to its own account in March\"
# First day on which it no longer holds.
#until = \"2027-04-01\"
";

const CHANNELS: &str = "
# Who is told of incidents: one [[channel]] for each. A secret never stands in this file.
#[[channel]]
# Its name, as `billtag alert --test NAME` takes it.
#name = \"oncall\"
# pagerduty, slack, sns, alertmanager, webhook, email or stdout.
#type = \"pagerduty\"
# Least severity that is sent: page, warn or note. Where absent, page for pagerduty and warn for the others.
#severity = \"page\"
# The variable that holds its secret, here the routing key of an integration with the Events API v2.
#secret_env = \"BILLTAG_ROUTING_KEY\"
# Whose incidents it gets: globs, all where empty.
#team = [\"search*\"]
#environment = [\"prod\"]
#workload = [\"checkout-*\"]
# Where events go, for an account in the EU.
#url = \"https://events.eu.pagerduty.com/v2/enqueue\"

#[[channel]]
#name = \"chat\"
#type = \"slack\"
# The file that holds its secret, here the address of an incoming webhook.
#secret_file = \"secrets/slack-url\"
# It gets what no other channel takes, but for standard output.
#fallback = true
# Whether it is told of incidents, and not of mornings ([digest]) and heartbeats alone.
#incidents = true

#[[channel]]
#name = \"topic\"
#type = \"sns\"
#topic_arn = \"arn:aws:sns:us-east-1:123456789012:incidents\"
# Role to assume for the topic, and the external id that it asks for.
#role_arn = \"arn:aws:iam::123456789012:role/billtag\"
#external_id = \"what-its-trust-policy-says\"

#[[channel]]
#name = \"cluster\"
#type = \"alertmanager\"
# Its base, to which /api/v2/alerts is appended; a user comes with a secret, its password.
#url = \"http://alertmanager:9093\"
#user = \"billtag\"
#secret_env = \"BILLTAG_ALERTMANAGER_PASSWORD\"

#[[channel]]
#name = \"hook\"
#type = \"webhook\"
#url = \"https://example.com/billtag\"
# The key that posts are signed with, by the Standard Webhooks scheme.
#secret_env = \"BILLTAG_WEBHOOK_KEY\"

#[[channel]]
#name = \"mail\"
#type = \"email\"
#smtp = \"mail.example.com:587\"
# starttls, implicit, or, to this machine alone, none.
#tls = \"starttls\"
#from = \"billtag <billtag@example.com>\"
#to = [\"finops@example.com\"]
#user = \"billtag\"
#secret_env = \"BILLTAG_MAIL_PASSWORD\"

[alerts]
# The channel that is told of every run, so that silence can be told from health.
#heartbeat = \"hook\"
# Page that says what to do: {workload}, {team}, {environment}, {account} and {rule} are those of the incident.
#runbook = \"https://wiki.example/{workload}\"

[digest]
# Channels that `billtag run` tells of each complete day once: the morning in less than a screen.
#channels = [\"mail\", \"hook\"]
# Address of the whole report.
#link = \"https://reports.example/bedrock\"
";

fn line(out: &mut String, text: &str) {
    // Writing to a text cannot fail.
    let _written = writeln!(out, "{text}");
}

/// A text as TOML writes it.
fn text(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                let _written = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A text that stays on its line, and is no setting.
fn comment(text: &str) -> String {
    safe::plain(text)
}

fn money(sums: &Sums) -> String {
    let amount =
        |(currency, sum): (&String, &i128)| format!("{} {}", words::amount(*sum), comment(words::currency(currency)));
    sums.0.iter().map(amount).collect::<Vec<_>>().join(", ")
}
