//! The audit of what several callers share: no command gives one's value to all, and each fault has its owner and its money.

use serde_json::Value;

use crate::audit::{ingested, leaked, on, profile, role, tagged, until};
use crate::bills::Line;
use crate::harness;

const CONFIG: &str = "[tags]\nallowed = { environment = [\"prod\", \"dev\"] }\n";
const OWN: &str = "111122223333";

fn items(folder: &tempfile::TempDir) -> Vec<Value> {
    let text = harness::stdout(folder.path(), &["audit", "--format", "json"]);
    serde_json::from_str::<Value>(&text).expect("JSON").as_array().expect("rows").clone()
}

/// The one item whose id ends so.
fn item(folder: &tempfile::TempDir, end: &str) -> Value {
    let is_it = |item: &Value| item["id"].as_str().is_some_and(|id| id.ends_with(end));
    items(folder).into_iter().find(is_it).unwrap_or_else(|| panic!("no {end}"))
}

fn script(folder: &tempfile::TempDir) -> String {
    harness::stdout(folder.path(), &["audit", "--fix-script", "-"])
}

/// A call of a profile by a role.
fn by(line: Line, name: &str) -> Line {
    line.text("line_item_iam_principal", leaked(format!("arn:aws:sts::{OWN}:assumed-role/{name}")))
}

/// Tags of a role in full, with others in their place.
fn caller(line: Line, workload: &'static str, team: &'static str, environment: &'static str) -> Line {
    let tags = [("Workload", workload), ("Team", team), ("Environment", environment), ("CostCenter", "cc-1")];
    tagged(line, "iamPrincipal", &tags)
}

#[test]
fn a_shared_profile_is_never_tagged_with_the_value_of_one_caller() {
    let shared = |name: &str, environment: &'static str| {
        let line = by(profile(OWN, "z1", &[("Environment", None)]), name);
        tagged(line, "iamPrincipal", &[("Environment", environment)])
    };
    let folder = ingested(&[shared("a", "PROD"), shared("b", "dev").cost(9.0), until(0)], CONFIG);
    let script = script(&folder);
    assert!(!script.contains("\nrun aws") && !script.contains("Environment,value=prod"), "{script}");
    assert!(script.contains("\ntodo aws bedrock tag-resource "), "{script}");
    assert!(script.contains("differ in environment: \"dev\", \"prod\""), "{script}");
    assert!(item(&folder, "/z1")["fix"].as_str().is_some_and(|fix| fix.ends_with("# lines differ in environment")));
    // Callers that mean the same leave nothing to decide.
    let folder = ingested(&[shared("a", "PROD"), shared("b", "prod"), until(0)], CONFIG);
    let script = self::script(&folder);
    assert!(script.contains("\nrun aws bedrock tag-resource ") && script.contains("value=prod"), "{script}");
}

#[test]
fn every_fault_of_an_item_is_named_with_its_money() {
    let lines = [
        caller(role("shared"), "a", "web", "PROD").cost(35.0),
        caller(role("shared"), "b", "risk", "qa").cost(20.0),
        caller(role("shared"), "b", "risk", "prod").cost(7.0),
        until(0),
    ];
    let folder = ingested(&lines, CONFIG);
    let shared = item(&folder, "/shared");
    let said = "environment invalid: wrong case: \"PROD\", not \"prod\" (35.00 USD); \
                environment invalid: \"qa\" is not an allowed value (20.00 USD)";
    assert_eq!((shared["faults"].as_str(), shared["debt"].as_str()), (Some(said), Some("55")), "{shared}");
    let script = script(&folder);
    assert!(script.contains(said) && script.contains("\ntodo aws iam tag-role --role-name shared "), "{script}");
    let one = ingested(&[caller(role("one"), "a", "web", "PROD"), until(0)], CONFIG);
    assert_eq!(item(&one, "/one")["faults"], "environment invalid: wrong case: \"PROD\", not \"prod\"");
}

#[test]
fn a_caller_of_another_account_is_tagged_with_the_credentials_of_its_own() {
    let call = caller(role("xacct"), "a", "web", "PROD").text("line_item_usage_account_id", "333344445555");
    let folder = ingested(&[call, until(0)], CONFIG);
    let script = script(&folder);
    assert!(script.contains(&format!("\nof {OWN} aws iam tag-role --role-name xacct ")), "{script}");
}

#[test]
fn what_need_not_be_tagged_must_keep_to_policies_and_environments() {
    let global = profile(OWN, "a", &[("Team", None)]);
    let global = global.text("line_item_usage_type", "USE1-NovaLite-input-tokens-cross-region-global");
    let config = "[accounts.111122223333]\nenvironment = \"dev\"\n\
                  [policy.prod]\nrouting = [\"regional\"]\nregions = [\"eu-*\"]\n\
                  [[exempt]]\naccount = \"*\"\nreason = \"r\"\nuntil = \"2027-01-01\"\n";
    let folder = ingested(&[global, until(0)], config);
    let found = harness::stdout(folder.path(), &["audit", "--part", "findings", "--format", "csv"]);
    for kind in ["prod_in_dev", "routing_outside_policy", "region_outside_policy"] {
        assert!(found.contains(kind), "{found}");
    }
    assert_eq!(harness::billtag(folder.path(), &["audit", "--fail-on-findings"]).status.code(), Some(3));
    assert_eq!(item(&folder, "/a")["debt"], "0");
}

fn likely(item: &Value) -> [&str; 4] {
    ["likely_workload", "likely_team", "owner_confidence", "owner_reason"].map(|name| item[name].as_str().unwrap_or(""))
}

#[test]
fn what_lost_its_tags_is_asked_of_whom_they_named() {
    let named = [("Workload", Some(("Workload", "feed"))), ("Team", Some(("Team", "growth")))];
    let bare = ["Workload", "Team", "Environment", "CostCenter", "Model"].map(|key| (key, None));
    let other = on(9, profile(OWN, "o", &[]).cost(90.0));
    let lines = [on(0, profile(OWN, "q", &named)), on(9, profile(OWN, "q", &bare)), other, until(9)];
    let folder = ingested(&lines, CONFIG);
    let lost = item(&folder, "/q");
    assert_eq!(likely(&lost), ["feed", "growth", "medium", "tags or rules until 2026-11-01"], "{lost}");
    let script = script(&folder);
    assert!(script.contains("\ntodo aws") && script.contains("key=Workload,value=feed"), "{script}");
}

#[test]
fn a_missing_team_is_the_one_that_the_workload_has_elsewhere() {
    let folder = ingested(
        &[profile(OWN, "a", &[("Team", None), ("CostCenter", None)]), profile(OWN, "b", &[]), until(0)],
        CONFIG,
    );
    let bare = item(&folder, "/a");
    let reason = "its own tags; the team is its workload's elsewhere";
    assert_eq!(likely(&bare), ["chat", "web", "high", reason], "{bare}");
    let script = script(&folder);
    assert!(
        script.contains("\ntodo aws bedrock") && script.contains("key=Team,value=web key=CostCenter,value=cc-1\n"),
        "{script}"
    );
}

#[test]
fn callers_that_differ_are_named_together_and_a_caller_is_no_tag_of_ones_own() {
    let bare = ["Workload", "Team", "Environment", "CostCenter", "Model"].map(|key| (key, None));
    let first = || caller(by(profile(OWN, "z1", &bare), "svc"), "a", "web", "prod");
    let second = caller(by(profile(OWN, "z1", &bare), "svc2"), "b", "risk", "prod");
    let folder = ingested(&[first(), second, until(0)], CONFIG);
    let reason = "its callers' tags, which differ";
    assert_eq!(likely(&item(&folder, "/z1")), ["a, b", "risk, web", "low", reason]);
    let folder = ingested(&[first(), until(0)], CONFIG);
    assert_eq!(likely(&item(&folder, "/z1")), ["a", "web", "high", "its caller's tags"]);
}

#[test]
fn capitals_alone_are_changed_by_nobody_unless_the_config_says_which_are_right() {
    let line = || profile(OWN, "a", &[("CostCenter", Some(("CostCenter", "CC-200")))]);
    let folder = ingested(&[line(), until(0)], CONFIG);
    let script = script(&folder);
    assert!(script.contains("\ntodo aws bedrock tag-resource ") && !script.contains("\nrun aws"), "{script}");
    let folder = ingested(&[line(), until(0)], "[tags]\nallowed = { cost_center = [\"cc-200\"] }\n");
    assert!(self::script(&folder).contains("\nrun aws bedrock tag-resource "));
}
