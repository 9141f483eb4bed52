//! Fixes, held against what would take them: the AWS CLI and a reader of Terraform's language.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::audit::{ingested, leaked, profile, role, tagged, until};
use crate::bills::{Line, nova};
use crate::{harness, parts};

/// Tags whose values want mending, whatever stands in them.
fn tags(name: &str) -> [(&'static str, &'static str); 2] {
    [("Workload", leaked(format!("W_{name}"))), ("Environment", "PROD")]
}

/// A gap on each kind of carrier, by a name.
fn gaps(name: &str) -> Vec<Line> {
    let resource = |arn: &str| nova().cost(4.0).text("line_item_resource_id", leaked(arn.to_string()));
    let user = "arn:aws:iam::111122223333:user/path/ci";
    let bedrock = ["provisioned-model/p", "custom-model/m", "guardrail/g", "agent/a", "data-automation-project/d"];
    let mut lines = vec![
        profile("111122223333", "p", &tags(name).map(|tag| (tag.0, Some(tag)))),
        tagged(role("app"), "iamPrincipal", &tags(name)),
        tagged(nova().cost(3.0).text("line_item_iam_principal", user), "iamPrincipal", &tags(name)),
        tagged(nova().text("line_item_usage_account_id", "555566667777"), "accountTag", &tags(name)),
        tagged(
            resource("arn:aws:bedrock-agentcore:eu-west-1:111122223333:runtime/my_agent-a1B2c3D4e5"),
            "resourceTags",
            &tags(name),
        ),
    ];
    let function = resource("arn:aws:lambda:us-east-1:111122223333:function:chat-fn");
    lines.push(tagged(function.text("line_item_product_code", "AWSLambda"), "resourceTags", &tags(name)));
    lines.push(role("fn-role/chat-fn"));
    lines.extend(bedrock.map(|kind| {
        tagged(resource(&format!("arn:aws:bedrock:us-east-1:111122223333:{kind}")), "resourceTags", &tags(name))
    }));
    lines.push(until(0));
    lines
}

/// Runs a script with the AWS CLI itself, which says of each command whether it would take it, and asks nobody.
fn applied(folder: &Path) -> (bool, String, String) {
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).expect("a folder");
    let python = parts::python().display();
    let aws = format!(
        "#!/bin/sh\n[ \"$1\" = sts ] && exec echo 111122223333\necho \"$1 $2\" >> \"$LOG\"\nexec {python} -m awscli \"$@\" --generate-cli-skeleton output > /dev/null\n"
    );
    std::fs::write(bin.join("aws"), aws).expect("written");
    std::fs::set_permissions(bin.join("aws"), std::fs::Permissions::from_mode(0o755)).expect("executable");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a path"));
    let output = Command::new("bash")
        .arg("fix.sh")
        .current_dir(folder)
        .envs([("PATH", path.as_str()), ("BILLTAG_APPLY", "yes"), ("AWS_DEFAULT_REGION", "us-east-1")])
        .env("LOG", folder.join("log"))
        .output()
        .expect("bash runs");
    let log = std::fs::read_to_string(folder.join("log")).expect("calls");
    (output.status.success(), harness::text(&output.stderr), log)
}

#[test]
fn every_command_of_a_script_is_one_that_the_aws_cli_takes() {
    for name in ["chat", "k=v,Key=x {\"a\": [1]} 'quoted' é"] {
        let folder = ingested(&gaps(name), "");
        // As `doctor` keeps AWS's answer: a key that is on no line.
        let keys = folder.path().join(".billtag/cost_allocation_tags.json");
        std::fs::write(keys, r#"{"team":false,"Workload":true}"#).expect("written");
        harness::stdout(folder.path(), &["audit", "--fix-script", "fix.sh"]);
        let script = std::fs::read_to_string(folder.path().join("fix.sh")).expect("a script");
        // What is only to be filled in must be a command as well.
        let script = script.replace("\ntodo aws ", "\nrun aws ");
        std::fs::write(folder.path().join("fix.sh"), &script).expect("written");
        let commands = script.lines().filter(|line| line.starts_with("run aws ") || line.starts_with("of 1")).count();
        let (is_taken, said, log) = applied(folder.path());
        assert!(is_taken && said.is_empty(), "{said}\n{script}");
        assert_eq!(log.lines().count(), commands, "{script}");
        for call in [
            "bedrock tag-resource",
            "bedrock-agent tag-resource",
            "bedrock-agentcore-control tag-resource",
            "bedrock-data-automation tag-resource",
            "iam tag-role",
            "iam tag-user",
            "organizations tag-resource",
            "resourcegroupstaggingapi tag-resources",
            "ce update-cost-allocation-tags-status",
        ] {
            assert!(log.lines().any(|line| line == call), "{call}\n{script}");
        }
    }
}

#[test]
fn what_names_no_account_is_run_by_credentials_of_its_own_alone() {
    let of = |account: &str, name: &str| {
        let arn = leaked(format!("arn:aws:sts::{account}:assumed-role/{name}"));
        let line = nova().cost(3.0).text("line_item_usage_account_id", leaked(account.to_string()));
        tagged(line.text("line_item_iam_principal", arn), "iamPrincipal", &tags("chat"))
    };
    let folder = ingested(
        &[of("111122223333", "ours"), of("222233334444", "theirs"), until(0)],
        "[tags]\nrequired = [\"workload\", \"environment\"]\nallowed = { environment = [\"prod\"] }\n",
    );
    harness::stdout(folder.path(), &["audit", "--fix-script", "fix.sh"]);
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).expect("a folder");
    let aws = "#!/bin/sh\n[ \"$1\" = sts ] && echo 111122223333 || echo \"$@\" >> log\n";
    std::fs::write(bin.join("aws"), aws).expect("written");
    std::fs::set_permissions(bin.join("aws"), std::fs::Permissions::from_mode(0o755)).expect("executable");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a path"));
    let run = |apply: &str| {
        let mut bash = Command::new("bash");
        bash.arg("fix.sh").current_dir(folder.path()).envs([("PATH", path.as_str()), ("BILLTAG_APPLY", apply)]);
        harness::text(&bash.output().expect("bash runs").stdout)
    };
    let printed = run("");
    assert!(printed.contains("--role-name ours") && printed.contains("--role-name theirs"), "{printed}");
    let said = run("yes");
    let log = std::fs::read_to_string(folder.path().join("log")).expect("calls");
    assert!(log.contains("--role-name ours") && !log.contains("theirs"), "{log}");
    assert!(said.contains("# of account 222233334444, and these are credentials of 111122223333: aws iam"), "{said}");
}

#[test]
fn the_terraform_of_every_fix_can_be_read_and_says_the_value_as_it_is() {
    const READ: &str =
        "import hcl2, json, sys\nprint(json.dumps([hcl2.loads(text)['tags'] for text in json.load(sys.stdin)]))";
    let name = "a\"b\\c${HOME}%{ if true } é";
    let folder = ingested(&gaps(name), "");
    let script = harness::stdout(folder.path(), &["audit", "--fix-script", "-"]);
    let texts: Vec<&str> = script.lines().filter_map(|line| line.strip_prefix("# Terraform: ")).collect();
    assert!(texts.len() >= 9, "{script}");
    let texts: Vec<String> = texts.iter().map(|text| format!("{text}\n")).collect();
    let mut child = Command::new(parts::python())
        .args(["-c", READ])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python runs");
    serde_json::to_writer(child.stdin.take().expect("its input"), &texts).expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{texts:?}");
    let read = harness::text(&output.stdout);
    let tags: Vec<serde_json::Value> = serde_json::from_str(&read).expect("JSON");
    assert_eq!(tags.len(), texts.len());
    assert!(tags.iter().all(|tags| tags["\"Workload\""].is_string()), "{read}");
}
