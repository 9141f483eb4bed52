//! Whom the audit accuses: the carrier whose tag is wrong, and nobody for what no tag or bill could show.

use serde_json::Value;

use crate::audit::{ingested, json, profile, role, tagged, until};
use crate::bills::{self, Line, nova};
use crate::harness;

/// A world's only item.
fn only(lines: &[Line], config: &str) -> Value {
    let folder = ingested(&[lines, &[until(0)]].concat(), config);
    let items = json(folder.path(), &[]);
    let [item] = &items[..] else { panic!("{items:?}") };
    item.clone()
}

fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item[name].as_str().unwrap_or_default()
}

const KEYS: &str = "[tags]\nrequired = [\"workload\", \"team\", \"environment\"]\nallowed = { environment = [\"prod\"] }\n\
                    aliases = { workload = [\"Workload\"], team = [\"Team\"] }\n";

#[test]
fn tags_of_what_called_are_judged_like_those_of_a_resource() {
    let function = "arn:aws:lambda:us-east-1:111122223333:function:chat-fn";
    let lambda = nova().text("line_item_product_code", "AWSLambda").text("line_item_resource_id", function);
    let of =
        |tags: &[(&str, &str)]| only(&[role("fn-role/chat-fn"), tagged(lambda.clone(), "resourceTags", tags)], KEYS);
    let wrong = of(&[("Workload", "chat"), ("Team", " payments "), ("Environment", "uat")]);
    let whys = ["workload_why", "team_why", "environment_why"].map(|name| text(&wrong, name));
    assert_eq!((whys, text(&wrong, "debt")), (["", "space", "not_allowed"], "3"), "{wrong}");
    assert!(text(&wrong, "on_consumer").contains("team invalid: stray space"), "{wrong}");
    let fix = format!(
        "aws resourcegroupstaggingapi tag-resources --region us-east-1 --resource-arn-list {function} --tags \
         'Team=payments,Environment=<environment>'"
    );
    assert_eq!(text(&wrong, "fix"), fix);
    let key = of(&[("WORKLOAD", "chat"), ("Team", "web"), ("Environment", "prod")]);
    assert_eq!(text(&key, "workload_why"), "case", "{key}");
    let empty = of(&[("Workload", "chat"), ("Team", ""), ("Environment", "prod")]);
    assert_eq!(text(&empty, "team_why"), "empty", "{empty}");
    let right = of(&[("Workload", "chat"), ("Team", "web"), ("Environment", "prod")]);
    assert_eq!(text(&right, "debt"), "0", "{right}");
}

#[test]
fn a_key_as_it_was_spelled_counts_before_the_one_that_billing_normalised() {
    let keys = [("Workload", None), ("Model", None)];
    let line = tagged(profile("111122223333", "p", &keys), "resourceTags", &[("workload", "chat")]);
    let line = tagged(line, "resourceTags", &[("user_workload", "chat"), ("user_team", "web")]);
    let item = only(&[line], KEYS);
    assert_eq!((text(&item, "workload_why"), text(&item, "team_state")), ("case", "present"), "{item}");
}

#[test]
fn what_aws_owns_is_left_to_the_next_carrier() {
    for arn in [
        "arn:aws:bedrock-agentcore:us-east-1:aws:browser/aws.browser.v1",
        "arn:aws:bedrock-agentcore:us-east-1:aws:code-interpreter/aws.codeinterpreter.v1",
        "arn:aws:bedrock:us-east-1:111122223333:default-prompt-router/anthropic.claude:1",
        "arn:aws:bedrock:us-east-1:111122223333:guardrail-profile/us.guardrail.v1:0",
        "arn:aws:bedrock:us-east-1:111122223333:data-automation-profile/us.data-automation-v1",
        "arn:aws:bedrock:us-east-1:111122223333:session/0a1b",
    ] {
        let item = only(&[nova().cost(3.0).text("line_item_resource_id", arn)], KEYS);
        let said = ["carrier", "id", "workload_state"].map(|name| text(&item, name));
        assert_eq!(said, ["account", "111122223333", "cannot_be_tagged"], "{arn}");
    }
    let own = "arn:aws:bedrock:us-east-1:111122223333:guardrail/g1";
    let item = only(&[nova().cost(3.0).text("line_item_resource_id", crate::audit::leaked(format!("{own}:1")))], KEYS);
    assert_eq!(text(&item, "carrier"), "resource");
    let fix = text(&item, "fix");
    assert!(fix.contains(&format!("--resource-arn {own} ")), "{fix}");
}

#[test]
fn nobody_is_accused_of_tags_that_the_export_has_no_column_for() {
    let call = nova().cost(3.0).text("line_item_iam_principal", "arn:aws:sts::111122223333:assumed-role/app/s");
    let full = bills::batch(&[call, until(0)]);
    let without: Vec<usize> = (0..full.num_columns()).filter(|at| full.schema().field(*at).name() != "tags").collect();
    let folder = bills::world(&full.project(&without).expect("projected"));
    harness::ingest_folder(folder.path());
    let items = json(folder.path(), &[]);
    let said = ["carrier", "on_principal", "workload_state"].map(|name| text(&items[0], name));
    assert_eq!((items.len(), said), (1, ["account", "", "cannot_be_tagged"]), "{items:?}");
    assert!(text(&items[0], "fix").starts_with("add the column `tags` to the export"), "{items:?}");
    let people = harness::stdout(folder.path(), &["audit"]);
    assert!(people.contains("the bill cannot show how the principal is tagged"), "{people}");
}

#[test]
fn what_is_exempt_is_no_fault_beside_others() {
    let exempt = |key: &str| {
        format!("[[exempt]]\naccount = \"*\"\nreason = \"r {key}\"\nuntil = \"2027-01-01\"\nkeys = [\"{key}\"]\n")
    };
    let line = profile("111122223333", "p", &[("Environment", Some(("Environment", "uat"))), ("Team", None)]);
    let item = only(std::slice::from_ref(&line), &format!("{KEYS}{}", exempt("environment")));
    assert_eq!((text(&item, "debt"), text(&item, "environment_why")), ("10", "not_allowed"), "{item}");
    let fix = text(&item, "fix");
    assert!(fix.contains("Team") && !fix.contains("nvironment"), "{fix}");
    let both = format!("{KEYS}{}{}", exempt("environment"), exempt("team"));
    let item = only(&[line], &both);
    assert_eq!((text(&item, "debt"), text(&item, "exempt_reason")), ("0", "r environment"), "{item}");
}
