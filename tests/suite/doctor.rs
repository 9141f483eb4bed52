//! The doctor: what it says of a healthy set-up, and that it finds each thing that can be wrong.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use billtag::clock;
use billtag::facts::store::Store;
use serde_json::Value;

use crate::bills::{self, batch, nova};
use crate::harness;
use crate::parts::{Cloud, ministack};
use crate::proxy::{Action, Plan, Reply, Request};

/// A line of the examination.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    state: String,
    check: String,
    on: String,
    detail: String,
    fix: String,
}

fn lines(output: &Output) -> Vec<Line> {
    let text = harness::text(&output.stdout);
    let all: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let line = |value: &Value| {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_string();
        let state = text("state");
        assert_eq!(state == "ok", text("fix").is_empty(), "a line that is not ok has a fix: {value}");
        Line { state, check: text("check"), on: text("on"), detail: text("detail"), fix: text("fix") }
    };
    all.as_array().expect("an array").iter().map(line).collect()
}

fn examine(folder: &Path, arguments: &[&str]) -> Vec<Line> {
    lines(&harness::billtag(folder, &[&["doctor", "--format", "json"], arguments].concat()))
}

fn examine_at(cloud: &Cloud, folder: &Path, arguments: &[&str]) -> Vec<Line> {
    lines(&cloud.billtag(folder, &[&["doctor", "--format", "json"], arguments].concat()))
}

/// The line of a check; panics where there is none.
fn of<'a>(lines: &'a [Line], check: &str) -> &'a Line {
    lines.iter().find(|line| line.check == check).unwrap_or_else(|| panic!("no {check} in {lines:#?}"))
}

fn failures(lines: &[Line]) -> Vec<&Line> {
    lines.iter().filter(|line| line.state == "failure").collect()
}

#[test]
fn a_healthy_set_up_on_local_files_reads_as_it_was_read_by_a_person() {
    let folder = harness::fixtures();
    harness::ingest_folder(folder.path());
    let before = harness::bytes_below(folder.path());
    let table = harness::stdout(folder.path(), &["doctor"]);
    // How full the disk is depends on the machine.
    let table: String = table.lines().filter(|line| !line.contains(" disk ")).map(|line| format!("{line}\n")).collect();
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("doctor_table", table);
    });
    assert!(harness::bytes_below(folder.path()) == before, "something was changed");
}

#[test]
fn every_format_is_well_formed_and_warnings_fail_only_on_request() {
    let folder = harness::fixtures();
    let text = harness::stdout(folder.path(), &["doctor", "--format", "csv"]);
    assert!(csv::Reader::from_reader(text.as_bytes()).records().all(|record| record.is_ok()), "{text}");
    assert!(harness::stdout(folder.path(), &["doctor", "--format", "md"]).contains("| --- |"));
    let records = of(&examine(folder.path(), &[]), "records").clone();
    assert_eq!((records.state.as_str(), records.detail.as_str()), ("warning", "it holds no facts yet"));
    let output = harness::billtag(folder.path(), &["doctor", "--fail-on-findings"]);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_config_that_does_not_load_is_a_failure_with_its_fix() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("billtag.toml"), "[[bill]]\npath = \"bill\"\n[anomaly]\nratoi = 3\n")
        .expect("it");
    let output = harness::billtag(folder.path(), &["doctor", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let found = lines(&output);
    assert!(found.len() == 1 && found[0].state == "failure" && found[0].detail.contains("ratoi"), "{found:?}");
}

#[test]
fn a_path_that_is_not_there_is_a_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    bills::configure(folder.path(), "[[metrics]]\npath = \"metrics\"\n[queries]\npath = \"queries\"\n");
    let found = examine(folder.path(), &[]);
    let failed: Vec<&str> = failures(&found).iter().map(|line| line.on.as_str()).collect();
    assert_eq!(failed, ["queries", "bill bill", "metrics metrics"], "{found:#?}");
    assert!(!folder.path().join(".billtag").exists(), "a store was made");
}

#[test]
fn columns_that_an_export_lacks_are_told_from_columns_without_values() {
    let principals = |line: bills::Line| of(&examine(bills::world(&batch(&[line])).path(), &[]), "principals").clone();
    let absent = principals(nova());
    assert!(absent.state == "warning" && absent.detail.contains("not the same as no principal"), "{absent:?}");
    assert!(absent.fix.contains("INCLUDE_IAM_PRINCIPAL_DATA"), "{absent:?}");
    let empty = principals(nova().text("line_item_iam_principal", ""));
    assert!(empty.state == "warning" && empty.detail.contains("is there and empty"), "{empty:?}");
    let filled = principals(nova().text("line_item_iam_principal", "arn:aws:iam::111122223333:role/a"));
    assert_eq!(filled.state, "ok");

    let full = batch(&[nova().text("line_item_iam_principal", "arn:aws:iam::111122223333:role/a")]);
    let resource_tags = Arc::clone(full.column_by_name("tags").expect("a column"));
    let schema = full.schema();
    let columns = schema.fields().iter().zip(full.columns()).filter(|(field, _)| field.name() != "tags");
    let columns = columns.map(|(field, column)| (field.name().clone(), Arc::clone(column)));
    let columns = columns.chain([("resource_tags".to_string(), resource_tags)]);
    let found = examine(bills::world(&arrow::array::RecordBatch::try_from_iter(columns).expect("a batch")).path(), &[]);
    let tags = of(&found, "tag columns");
    assert!(tags.state == "warning" && tags.fix.contains("add the column `tags`"), "{tags:?}");

    let full = batch(&[nova()]);
    let keep = |name: &str| name != "line_item_resource_id" && name != "tags";
    let keep: Vec<usize> = (0..full.num_columns()).filter(|at| keep(full.schema().field(*at).name())).collect();
    let found = examine(bills::world(&full.project(&keep).expect("projected")).path(), &[]);
    assert!(of(&found, "resource ids").fix.contains("INCLUDE_RESOURCES"), "{found:#?}");
    assert!(of(&found, "tag columns").detail.contains("no column of tags"), "{found:#?}");
}

#[test]
fn monthly_lines_alone_give_no_daily_figures() {
    let mut line = nova();
    line.end = line.start + 30 * 86_400;
    let folder = bills::world(&batch(&[line]));
    harness::ingest_folder(folder.path());
    let granularity = of(&examine(folder.path(), &[]), "granularity").clone();
    assert!(granularity.state == "warning" && granularity.fix.contains("hourly"), "{granularity:?}");
}

#[test]
fn a_required_tag_that_no_line_carries_is_not_activated_or_never_used() {
    let folder = bills::world(&batch(&[nova().tag("resourceTags/Workload", "w")]));
    harness::ingest_folder(folder.path());
    let found = examine(folder.path(), &[]);
    assert_eq!(of(&found, "tag `workload`").state, "ok");
    let team = of(&found, "tag `team`");
    assert!(team.state == "warning" && team.detail.contains("not activated"), "{team:?}");
}

#[test]
fn unknown_strings_are_counted_and_the_dearest_is_named() {
    let unknown = |usage_type: &'static str, cost: f64| nova().text("line_item_usage_type", usage_type).cost(cost);
    let lines = [unknown("USE1-New-Thing", 2.5), unknown("USE1-Newer-Thing", 7.25), unknown("USE1-New-Thing", 0.5)];
    let folder = bills::world(&batch(&lines));
    harness::ingest_folder(folder.path());
    let found = of(&examine(folder.path(), &[]), "unknown usage types").clone();
    assert!(found.detail.starts_with("2 strings on 3 lines, 10.25 USD: USE1-Newer-Thing"), "{found:?}");
}

#[test]
fn a_damaged_store_is_a_failure_and_one_of_another_version_a_warning() {
    let folder = bills::world(&batch(&[nova()]));
    harness::ingest_folder(folder.path());
    let record = folder.path().join(".billtag/periods/2026-11.json");
    let text = std::fs::read_to_string(&record).expect("a record");
    std::fs::write(&record, text.replace(&billtag::facts::store::version(), "0.0.1/1")).expect("written");
    let version = of(&examine(folder.path(), &[]), "version").clone();
    assert!(version.state == "warning" && version.detail.contains("2026-11 by 0.0.1/1"), "{version:?}");
    std::fs::write(&record, "{").expect("written");
    assert_eq!(of(&examine(folder.path(), &[]), "records").state, "failure");
    std::fs::write(&record, text).expect("written");
    std::fs::write(folder.path().join(".billtag/charges/billing_period=2026-11/part-0.parquet"), "x").expect("written");
    let whole = of(&examine(folder.path(), &[]), "records").clone();
    assert!(whole.state == "failure" && whole.detail.contains("2026-11"), "{whole:?}");
}

#[test]
fn a_store_that_is_being_written_names_who_writes() {
    let folder = bills::world(&batch(&[nova()]));
    harness::ingest_folder(folder.path());
    let lock = Store::new(folder.path().join(".billtag")).lock().expect("the lock");
    let found = of(&examine(folder.path(), &[]), "lock").clone();
    drop(lock);
    assert!(found.state == "warning" && found.detail.contains("of this machine"), "{found:?}");
    assert!(examine(folder.path(), &[]).iter().all(|line| line.check != "lock"));
}

#[test]
fn metrics_that_are_missing_are_told_with_the_money_they_would_explain() {
    let other = nova().cost(3.0).text("line_item_usage_account_id", "444455556666");
    let folder = bills::world(&batch(&[nova().cost(1.0), other]));
    let none = of(&examine(folder.path(), &[]), "metric coverage").clone();
    assert!(none.state == "warning" && none.detail.contains("no source of metrics"), "{none:?}");
    let config = "[[metrics]]\npath = \"metrics\"\nnamespace = \"Acme\"\ndimensions = { workload = \"Workload\" }\n";
    bills::configure(folder.path(), config);
    std::fs::create_dir(folder.path().join("metrics")).expect("a folder");
    let record = r#"{"metric_stream_name":"s","account_id":"111122223333","region":"us-east-1","namespace":"AWS/Bedrock","metric_name":"Invocations","dimensions":{"ModelId":"amazon.nova-lite-v1:0"},"timestamp":1793491200000,"value":{"max":1.0,"min":1.0,"sum":4.0,"count":4.0},"unit":"Count"}"#;
    std::fs::write(folder.path().join("metrics/a.jsonl"), record).expect("written");
    harness::ingest_folder(folder.path());
    let found = examine(folder.path(), &[]);
    let native = of(&found, "metric coverage");
    assert_eq!(native.on, "2026-11 so far");
    assert!(native.detail.contains("1 of 2") && native.detail.contains("25.0 % of 4.00 USD"), "{native:?}");
    assert!(native.detail.ends_with("none: 444455556666 us-east-1"), "{native:?}");
    let owners = of(&found, "owner metrics");
    assert!(owners.state == "warning" && owners.fix.contains("exactly these dimensions"), "{owners:?}");
}

/// A bill and a store in a bucket.
fn in_s3(cloud: &Cloud, more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let bucket = &cloud.bucket;
    let bill = format!("[[bill]]\npath = \"s3://{bucket}/bill\"\n[store]\npath = \"s3://{bucket}/store\"\n");
    std::fs::write(folder.path().join("billtag.toml"), bill + more).expect("a config");
    cloud.upload(&harness::root().join("fixtures/cur2/bedrock-export"), "bill");
    folder
}

#[test]
fn everything_in_s3_is_tried_and_nothing_is_left_behind() {
    let cloud = Cloud::new(Plan::default());
    let folder = in_s3(&cloud, "");
    cloud.stdout(folder.path(), &["ingest"]);
    let before = cloud.everything("store");
    cloud.proxy.reset();
    let found = examine_at(&cloud, folder.path(), &[]);
    assert_eq!(failures(&found), Vec::<&Line>::new());
    let credentials = of(&found, "credentials");
    assert!(credentials.detail.starts_with("account 111122223333"), "{credentials:?}");
    assert_eq!(of(&found, "clock").state, "ok");
    let rights: Vec<&str> =
        found.iter().map(|line| line.check.as_str()).filter(|check| check.starts_with("s3:")).collect();
    let read = ["s3:ListBucket", "s3:GetObject"];
    assert_eq!(rights[..2], read);
    assert_eq!(rights[2..], ["s3:ListBucket", "s3:PutObject", "s3:GetObject", "s3:DeleteObject"]);
    assert!(of(&found, "ce:GetCostAndUsage").detail.contains("$0.01"));
    assert!(of(&found, "freshness").state == "ok" && of(&found, "records").state == "ok");
    assert!(cloud.everything("store") == before, "the store was changed");
    let asked = cloud.proxy.requests();
    let paid =
        |request: &Request| request.header("x-amz-target").is_some_and(|target| target.ends_with("CostAndUsage"));
    assert!(!asked.iter().any(|seen| paid(&seen.request)), "something that costs was asked");
    let least = asked.iter().filter(|seen| seen.request.header("range") == Some("bytes=0-0")).count();
    assert_eq!(least, 1, "one byte is enough");
}

/// What the doctor says where some requests are answered by the test.
fn answered(answer: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static, more: &str) -> (Vec<Line>, String) {
    let plan = Plan::hook(move |_, request| answer(request).map_or(Action::Forward, Action::Answer));
    let cloud = Cloud::new(plan);
    let folder = in_s3(&cloud, more);
    let output = cloud.billtag(folder.path(), &["doctor", "--format", "json", "--paid"]);
    (lines(&output), cloud.bucket.clone())
}

fn is_object(request: &Request, method: &str, part: &str) -> bool {
    request.method == method && request.path.contains(part) && !request.path.contains("list-type=2")
}

#[test]
fn a_denied_right_names_the_action_the_resource_and_the_policys_line() {
    type Is = fn(&Request) -> bool;
    let denied: [(&str, &str, Is); 6] = [
        ("s3:ListBucket", "arn:aws:s3:::BUCKET", |request| request.path.contains("list-type=2&prefix=bill")),
        ("s3:GetObject", "arn:aws:s3:::BUCKET/bill/", |request| is_object(request, "GET", "/bill/")),
        ("s3:ListBucket", "arn:aws:s3:::BUCKET", |request| request.path.contains("list-type=2&prefix=store")),
        ("s3:PutObject", "arn:aws:s3:::BUCKET/store/*", |request| is_object(request, "PUT", ".doctor")),
        ("s3:GetObject", "arn:aws:s3:::BUCKET/store/*", |request| is_object(request, "GET", ".doctor")),
        ("s3:DeleteObject", "arn:aws:s3:::BUCKET/store/*", |request| is_object(request, "DELETE", ".doctor")),
    ];
    for (action, resource, is_denied) in denied {
        let deny = move |request: &Request| is_denied(request).then(|| Reply::s3_error(403, "AccessDenied"));
        let (found, bucket) = answered(deny, "");
        let failed: Vec<&Line> = failures(&found).into_iter().filter(|line| line.check == action).collect();
        assert_eq!(failed.len(), 1, "{action}: {found:#?}");
        let line = format!("\"Action\": \"{action}\", \"Resource\": \"{}", resource.replace("BUCKET", &bucket));
        assert!(failed[0].fix.contains(&line), "{line} is not in {}", failed[0].fix);
        assert!(failed[0].detail.contains("may not do"), "{:?}", failed[0]);
    }
}

#[test]
fn a_bucket_whose_key_is_closed_asks_for_the_key() {
    let denied = |request: &Request| {
        let mut reply = Reply::s3_error(403, "AccessDenied");
        let text = harness::text(&reply.body);
        let said = "not authorized to perform: kms:Decrypt on the resource associated with this ciphertext";
        reply.body = text.replace("<Message>AccessDenied", &format!("<Message>{said}")).into_bytes();
        reply.length = Some(reply.body.len() as u64);
        is_object(request, "GET", "/bill/").then_some(reply)
    };
    let (found, _) = answered(denied, "");
    let refused = failures(&found).into_iter().find(|line| line.check == "s3:GetObject").expect("a failure").clone();
    assert!(refused.fix.contains("kms:Decrypt"), "{refused:?}");
}

#[test]
fn an_export_that_no_longer_comes_is_told_by_its_age() {
    let cloud = Cloud::new(Plan::default());
    let folder = in_s3(&cloud, "");
    let freshness = |hours: i64| {
        let at = clock::instant_text(clock::now() + hours * 3_600);
        of(&examine_at(&cloud, folder.path(), &["--as-of", &at]), "freshness").clone()
    };
    assert_eq!(freshness(20).state, "ok");
    let late = freshness(40);
    assert!(late.state == "warning" && late.detail.contains("40 h ago"), "{late:?}");
    let gone = freshness(100);
    assert!(gone.state == "failure" && gone.fix.contains("bucket policy"), "{gone:?}");
}

/// Whether a request asks STS for something.
fn asks(request: &Request, action: &str) -> bool {
    request.method == "POST" && String::from_utf8_lossy(&request.body).contains(action)
}

#[test]
fn a_wrong_clock_is_told_by_the_time_of_awss_answers() {
    let clock = |seconds: i64| {
        let late = move |request: &Request| {
            asks(request, "GetCallerIdentity").then(|| {
                let mut reply = request.send(ministack()).expect("an answer");
                reply.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
                let date = chrono::DateTime::from_timestamp(clock::now() + seconds, 0).expect("a time");
                reply.headers.push(("Date".into(), date.format("%a, %d %b %Y %H:%M:%S GMT").to_string()));
                reply
            })
        };
        of(&answered(late, "").0, "clock").clone()
    };
    assert_eq!(clock(20).state, "ok");
    let behind = clock(300);
    assert!(behind.state == "warning" && behind.detail.contains("behind AWS"), "{behind:?}");
    let ahead = clock(-1_200);
    assert!(ahead.state == "failure" && ahead.detail.contains("ahead of AWS"), "{ahead:?}");
}

#[test]
fn without_credentials_that_is_what_is_said_and_no_right_is_tried() {
    let cloud = Cloud::new(Plan::default());
    let folder = in_s3(&cloud, "");
    let mut command = cloud.command(folder.path(), &["doctor", "--format", "json"]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let output = command.output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    let found = lines(&output);
    let credentials = of(&found, "credentials");
    assert!(credentials.state == "failure" && credentials.fix.contains("AWS_PROFILE"), "{credentials:?}");
    assert_eq!(found.iter().filter(|line| line.check == "rights").count(), 2);
    assert!(!found.iter().any(|line| line.check.starts_with("s3:")), "{found:#?}");
}

#[test]
fn a_session_that_is_over_and_a_role_that_is_closed_are_told_apart() {
    let xml = |code: &str| {
        let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{code}</Message></Error>");
        Reply::new(403, "text/xml", format!("<ErrorResponse>{error}<RequestId>R</RequestId></ErrorResponse>"))
    };
    let (found, _) = answered(move |request| asks(request, "GetCallerIdentity").then(|| xml("ExpiredToken")), "");
    let expired = of(&found, "credentials");
    assert!(expired.state == "failure" && expired.detail.contains("expired"), "{expired:?}");

    let role = "[aws]\nrole_arn = \"arn:aws:iam::111122223333:role/closed\"\nexternal_id = \"x\"\n";
    let (found, _) = answered(move |request| asks(request, "AssumeRole").then(|| xml("AccessDenied")), role);
    let closed = of(&found, "credentials");
    assert_eq!(closed.on, "arn:aws:iam::111122223333:role/closed");
    assert!(closed.detail.contains("may not be assumed") && closed.fix.contains("external id"), "{closed:?}");
}

/// What Cost Explorer is asked.
fn target(request: &Request) -> &str {
    request.header("x-amz-target").unwrap_or_default()
}

#[test]
fn tags_that_are_not_activated_are_told_with_the_command() {
    let tags = |request: &Request| {
        target(request).ends_with("ListCostAllocationTags").then(|| {
            let tag =
                |key: &str, status: &str| serde_json::json!({"TagKey": key, "Type": "UserDefined", "Status": status});
            let tags = [tag("Workload", "Active"), tag("CostCenter", "Inactive"), tag("Name", "Active")];
            Reply::new(200, "application/x-amz-json-1.1", serde_json::json!({"CostAllocationTags": tags}).to_string())
        })
    };
    let cloud = Cloud::new(Plan::hook(move |_, request| tags(request).map_or(Action::Forward, Action::Answer)));
    let folder = in_s3(&cloud, "");
    let found = lines(&cloud.billtag(folder.path(), &["doctor", "--format", "json", "--paid"]));
    assert_eq!(of(&found, "tag `workload`").state, "ok");
    let inactive = of(&found, "tag `cost_center`");
    assert!(inactive.state == "warning" && inactive.fix.contains("TagKey=CostCenter,Status=Active"), "{inactive:?}");
    // The audit asks nobody, and knows it from then on.
    assert!(cloud.billtag(folder.path(), &["ingest", "-q"]).status.success());
    let audit = harness::text(&cloud.billtag(folder.path(), &["audit", "--format", "json"]).stdout);
    assert!(audit.contains("\"cost_center_state\": \"not_activated\""), "{audit}");
}

#[test]
fn what_costs_is_tried_only_on_request() {
    let answer = |request: &Request| {
        target(request).ends_with("GetCostAndUsage").then(|| {
            let denied = r#"{"__type":"AccessDeniedException","Message":"not allowed"}"#;
            Reply::new(400, "application/x-amz-json-1.1", denied)
        })
    };
    let (found, _) = answered(answer, "");
    let denied = of(&found, "ce:GetCostAndUsage");
    assert!(denied.state == "failure" && denied.fix.contains("\"Action\": \"ce:GetCostAndUsage\""), "{denied:?}");
}

#[test]
fn rights_to_cloudwatch_are_tried_in_each_region() {
    let api = "[[metrics]]\napi = true\nregions = [\"us-east-1\", \"eu-west-1\"]\n";
    let denied = |request: &Request| {
        let is_europe = request.header("authorization").is_some_and(|text| text.contains("/eu-west-1/"));
        (is_europe && request.path.ends_with("GetMetricData")).then(|| {
            // CBOR: {"__type": "AccessDenied"}.
            let body = [&[0xa1, 0x66][..], b"__type", &[0x6c], b"AccessDenied"].concat();
            let mut reply = Reply::new(403, "application/cbor", body);
            reply.headers.push(("smithy-protocol".into(), "rpc-v2-cbor".into()));
            reply
        })
    };
    let (found, _) = answered(denied, api);
    let listed = of(&found, "cloudwatch:ListMetrics");
    assert_eq!((listed.state.as_str(), listed.on.as_str()), ("ok", "CloudWatch eu-west-1, CloudWatch us-east-1"));
    let asked: Vec<&Line> = found.iter().filter(|line| line.check == "cloudwatch:GetMetricData").collect();
    let states: Vec<(&str, &str)> = asked.iter().map(|line| (line.state.as_str(), line.on.as_str())).collect();
    assert_eq!(states, [("ok", "CloudWatch us-east-1"), ("failure", "CloudWatch eu-west-1")], "{found:#?}");
    assert!(asked[1].fix.contains("\"Action\": \"cloudwatch:GetMetricData\", \"Resource\": \"*\""), "{asked:?}");
}

#[test]
fn policies_and_channels_of_what_is_not_stored_are_told_with_what_is() {
    let folder = harness::fixtures();
    harness::ingest_folder(folder.path());
    let config = folder.path().join("billtag.toml");
    let text = std::fs::read_to_string(&config).expect("a config");
    let told = |more: &str| {
        std::fs::write(&config, format!("{text}\n{more}")).expect("written");
        let of_names = |line: &Line| line.detail.starts_with("nothing stored is of");
        examine(folder.path(), &[]).into_iter().filter(of_names).collect::<Vec<_>>()
    };
    let channel = |lines: &str| format!("[[channel]]\nname = \"a\"\ntype = \"stdout\"\n{lines}\n");
    assert_eq!(told(&channel("environment = [\"st*\", \"prod\"]\nteam = [\"*\"]")), []);
    let found = told(&(channel("environment = [\"Prod\"]") + "[policy.stagign]\nregions = [\"us-*\"]\n"));
    let said: Vec<String> = found.iter().map(|line| format!("{}: {}; {}", line.on, line.detail, line.fix)).collect();
    let there = "there are dev, prod, staging";
    assert_eq!(
        said,
        [
            format!("[policy.stagign]: nothing stored is of environment `stagign`; did you mean `staging`? {there}"),
            format!("channel a: nothing stored is of environment `Prod`; did you mean `prod`? {there}"),
        ]
    );
}
