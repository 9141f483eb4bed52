//! The printed policy: what it says for each kind of config, and that it is enough and no more, tried on
//! a server that enforces it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness;
use crate::parts;

fn snapshot(name: &str, text: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(format!("policy_{name}"), text);
    });
}

/// Policy and notes of a config.
fn printed(config: &str, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("billtag.toml"), config).expect("a config");
    let output = harness::billtag(folder.path(), &[&["iam-policy"], arguments].concat());
    format!("{}{}", harness::text(&output.stdout), harness::text(&output.stderr))
}

const ROLES: &str = r#"
[[bill]]
path = "s3://payer-exports/cur2/bedrock"
region = "eu-west-1"
role_arn = "arn:aws:iam::000011112222:role/read-exports"
external_id = "acme-42"
[[metrics]]
api = true
accounts = ["111122223333", "444455556666"]
regions = ["us-east-1"]
role_arn = "arn:aws:iam::{account}:role/read-metrics"
[store]
path = "s3://finops/billtag"
"#;

#[test]
fn a_config_gets_what_its_features_use() {
    snapshot("local", &printed("[[bill]]\npath = \"cur2\"\n[[metrics]]\npath = \"cloudwatch\"\n", &[]));
    let s3 = "[[bill]]\npath = \"s3://exports/cur2/bedrock\"\n[[bill]]\npath = \"s3://exports/legacy\"\n\
              [[metrics]]\npath = \"s3://streams/bedrock\"\n[store]\npath = \"s3://finops/billtag\"\n";
    snapshot("s3", &printed(s3, &[]));
    let api = "[[bill]]\npath = \"cur2\"\n[[metrics]]\napi = true\n";
    snapshot("api", &printed(api, &["--with", "reconcile,doctor"]));
    let gov = "[aws]\nregion = \"us-gov-west-1\"\n[[bill]]\npath = \"s3://exports/cur2\"\n";
    assert!(printed(gov, &[]).contains("arn:aws-us-gov:s3:::exports/cur2/*"));
}

#[test]
fn each_role_has_a_policy_and_a_trust_of_its_own() {
    snapshot("roles", &printed(ROLES, &[]));
    snapshot("role", &printed(ROLES, &["--role", "arn:aws:iam::000011112222:role/read-exports"]));
    snapshot("role_of_accounts", &printed(ROLES, &["--role", "arn:aws:iam::{account}:role/read-metrics"]));
    snapshot("trust", &printed(ROLES, &["--trust", "arn:aws:iam::000011112222:role/read-exports"]));
    snapshot("no_such_role", &printed(ROLES, &["--role", "arn:aws:iam::1:role/other"]));
}

/// The fixtures with bill and store in a bucket of a server that enforces policies.
struct Guarded {
    folder: tempfile::TempDir,
    bucket: String,
}

impl Guarded {
    fn new(more_of_bill: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let bucket = format!("guarded-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let folder = tempfile::tempdir().expect("a folder");
        let config = format!(
            "as_of = \"2026-11-22T12:00:00Z\"\n[[bill]]\npath = \"s3://{bucket}/exports/cur2\"\n{more_of_bill}\n\
             [store]\npath = \"s3://{bucket}/facts\"\n"
        );
        std::fs::write(folder.path().join("billtag.toml"), config).expect("a config");
        Self { folder, bucket }
    }

    /// A policy as billtag prints it.
    fn printed(&self, arguments: &[&str]) -> Value {
        let text = harness::stdout(self.folder.path(), &[&["iam-policy", "-q"], arguments].concat());
        serde_json::from_str(&text).expect("JSON")
    }

    /// A new user who may do what the policy says, and no more.
    fn user(&self, policy: &Value, more: Value) -> User {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("user-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let export = harness::root().join("fixtures/cur2/bedrock-export");
        let folders = json!({ "exports/cur2": export });
        let mut request = json!({ "bucket": self.bucket, "folders": folders, "user": name, "policy": policy });
        let members = request.as_object_mut().expect("an object");
        members.extend(more.as_object().cloned().unwrap_or_default());
        let mut setup = Command::new(parts::python())
            .arg(harness::root().join("tests/parts/guarded.py"))
            .arg(format!("http://{}", parts::guarded()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python runs");
        let mut input = setup.stdin.take().expect("its input");
        input.write_all(request.to_string().as_bytes()).expect("written");
        drop(input);
        let output = setup.wait_with_output().expect("done");
        assert!(output.status.success());
        let text = harness::text(&output.stdout);
        let mut lines = text.lines().map(String::from);
        let mut next = || lines.next().expect("a line");
        User { key: next(), secret: next() }
    }

    fn run(&self, user: &User, arguments: &[&str]) -> Output {
        // Each run starts without copies of what S3 holds.
        let cache = tempfile::tempdir().expect("a folder");
        command(self.folder.path(), arguments)
            .env("XDG_CACHE_HOME", cache.path())
            .env("AWS_ACCESS_KEY_ID", &user.key)
            .env("AWS_SECRET_ACCESS_KEY", &user.secret)
            .output()
            .expect("the binary runs")
    }
}

struct User {
    key: String,
    secret: String,
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_billtag"));
    command.args(arguments).current_dir(folder).env("HOME", folder).env_remove("XDG_CONFIG_HOME");
    command.env("AWS_ENDPOINT_URL", format!("http://{}", parts::guarded()));
    command.env_remove("AWS_PROFILE").env_remove("AWS_SESSION_TOKEN");
    command.env("AWS_REGION", "us-east-1").env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

/// The policy with one action less.
fn without(policy: &Value, action: &str) -> Value {
    let mut policy = policy.clone();
    for statement in policy["Statement"].as_array_mut().expect("statements") {
        let actions = statement["Action"].as_array_mut().expect("actions");
        actions.retain(|known| known != action);
        if actions.is_empty() {
            actions.push(json!("none:null"));
        }
    }
    policy
}

fn actions(policy: &Value) -> Vec<String> {
    let statements = policy["Statement"].as_array().expect("statements");
    let all = statements.iter().flat_map(|statement| statement["Action"].as_array().expect("actions"));
    all.map(|action| action.as_str().expect("a text").to_string()).collect()
}

#[test]
fn the_printed_policy_is_enough_for_every_command_and_no_action_of_it_is_too_many() {
    let guarded = Guarded::new("");
    let policy = guarded.printed(&[]);
    assert_eq!(actions(&policy), ["s3:ListBucket", "s3:GetObject", "s3:DeleteObject", "s3:PutObject"]);
    let user = guarded.user(&policy, json!({}));
    for arguments in [&["run"][..], &["run"], &["report", "--as-seen", "2026-11-22"], &["doctor"]] {
        let output = guarded.run(&user, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", harness::text(&output.stderr));
    }
    for action in actions(&policy) {
        let guarded = Guarded::new("");
        let user = guarded.user(&without(&guarded.printed(&[]), &action), json!({}));
        let output = guarded.run(&user, &["doctor", "--format", "json"]);
        let checks: Value = serde_json::from_str(&harness::text(&output.stdout)).expect("JSON");
        let failed = checks.as_array().expect("checks").iter().filter(|check| check["state"] == "failure");
        let failed: Vec<&Value> = failed.filter(|check| check["check"] == action.as_str()).collect();
        assert!(output.status.code() == Some(1) && !failed.is_empty(), "{action} is not missed: {checks:#}");
        let fix = failed[0]["fix"].as_str().expect("a fix");
        assert!(fix.contains(&action) && fix.contains(&guarded.bucket), "{fix}");
    }
}

#[test]
fn what_lies_beside_the_configured_prefixes_stays_closed() {
    let guarded = Guarded::new("");
    let user = guarded.user(&guarded.printed(&[]), json!({}));
    for prefix in ["exports/cur2-of-others", "exports", "facts-of-others", ""] {
        let config = format!("[[bill]]\npath = \"s3://{}/{prefix}\"\n", guarded.bucket);
        std::fs::write(guarded.folder.path().join("other.toml"), config).expect("a config");
        let output = guarded.run(&user, &["ingest", "-c", "other.toml"]);
        assert!(harness::text(&output.stderr).contains("may not do s3:ListBucket"), "{prefix:?} is open");
    }
}

#[test]
fn a_role_is_assumed_with_the_printed_policies_and_its_external_id() {
    let role = "arn:aws:iam::000000000000:role/read-exports";
    let settings = |id: &str| format!("role_arn = \"{role}\"\nexternal_id = \"{id}\"");
    let guarded = Guarded::new(&settings("acme-42"));
    let more = json!({
        "role": "read-exports",
        "role_policy": guarded.printed(&["--role", role]),
        "trust": guarded.printed(&["--trust", role]),
        "runner": billtag::policy::RUNNER,
    });
    let user = guarded.user(&guarded.printed(&[]), more);
    for arguments in [["run"], ["doctor"]] {
        let output = guarded.run(&user, &arguments);
        assert!(output.status.success(), "{arguments:?}: {}", harness::text(&output.stderr));
    }
    let config = std::fs::read_to_string(guarded.folder.path().join("billtag.toml")).expect("a config");
    std::fs::write(guarded.folder.path().join("billtag.toml"), config.replace("acme-42", "another")).expect("written");
    let text = harness::text(&guarded.run(&user, &["doctor"]).stdout);
    assert!(text.contains("the role may not be assumed") && text.contains("iam-policy --trust"), "{text}");
}
