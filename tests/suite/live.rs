//! CloudWatch as a source of ingest: the bill says whom to ask, what was answered is kept and not asked again.

use std::path::Path;
use std::process::{Command, Output};

use billtag::clock::{self, DAY, HOUR};

use crate::bills::{self, Line, batch, nova};
use crate::harness;
use crate::parts::{self, Emulator};

const ACCOUNT: &str = "111122223333";

/// The start of an hour of the past.
fn hour(back: i64) -> i64 {
    let now = clock::now();
    now - now.rem_euclid(HOUR) - back * HOUR
}

/// Nova's calls of one account in one hour.
fn line(account: &'static str, back: i64) -> Line {
    let mut line =
        nova().text("line_item_usage_account_id", account).text("product_region_code", "us-east-1").cost(2.0);
    (line.start, line.end) = (hour(back), hour(back - 1));
    line
}

/// A bill of this very month, whose metrics are CloudWatch's own.
fn world(lines: &[Line], more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!("[[bill]]\npath = \"bill\"\n[[metrics]]\napi = true\n{more}");
    std::fs::write(folder.path().join("billtag.toml"), text).expect("a config");
    bills::write(&folder.path().join("bill/bill.parquet"), &batch(lines));
    folder
}

fn put(server: &Emulator, account: &str, model: &str, back: i64, tokens: i64) {
    put_metric(server, account, ("InputTokenCount", model), back, tokens);
}

fn put_metric(server: &Emulator, account: &str, (metric, model): (&str, &str), back: i64, tokens: i64) {
    let at = hour(back) + 60;
    server.python(&format!(
        "import boto3, datetime\n\
         client = boto3.client('cloudwatch', aws_access_key_id='{account}', aws_secret_access_key='x')\n\
         at = datetime.datetime.fromtimestamp({at}, datetime.timezone.utc)\n\
         point = dict(MetricName='{metric}', Dimensions=[dict(Name='ModelId', Value='{model}')], Timestamp=at, Value={tokens}, Unit='Count')\n\
         client.put_metric_data(Namespace='AWS/Bedrock', MetricData=[point])\n"
    ));
}

fn billtag(server: &Emulator, folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_billtag"))
        .args(arguments)
        .current_dir(folder)
        .env("HOME", folder)
        .env("AWS_ENDPOINT_URL", server.endpoint())
        .env("AWS_ACCESS_KEY_ID", ACCOUNT)
        .env("AWS_SECRET_ACCESS_KEY", "x")
        .env("AWS_REGION", "us-east-1")
        .output()
        .expect("the binary runs")
}

fn tokens(folder: &Path) -> Vec<String> {
    let engine_of = billtag::facts::store::Store::new(folder.join(".billtag")).snapshot().expect("a store");
    let config = harness::config(folder);
    let engine = billtag::metrics::Engine::open(engine_of, &config, clock::now(), Default::default()).expect("facts");
    let sql =
        "select sub_account_id, sum(input_tokens) as tokens from usage where scope = 'native' group by 1 order by 1";
    let grid =
        engine.run(&billtag::metrics::queries::Query { name: "test".into(), sql: sql.into() }).expect("an answer");
    grid.rows.iter().map(|row| format!("{} {}", grid.text(row, "sub_account_id"), grid.text(row, "tokens"))).collect()
}

/// Hours of one month, so that a test that runs on its first day has them all in one bill.
fn backs() -> (i64, i64) {
    let into = (clock::now()
        - i64::from(clock::month_range(&clock::month_of(clock::day_of(clock::now()))).expect("a month").0) * DAY)
        / HOUR;
    (into.clamp(1, 30), into.clamp(1, 3))
}

#[test]
fn the_accounts_and_regions_of_the_bill_are_asked_and_their_points_kept() {
    let server = parts::cloudwatch(&[]);
    let (early, late) = backs();
    let folder = world(&[line(ACCOUNT, early), line(ACCOUNT, late)], "");
    put(&server, ACCOUNT, "amazon.nova-lite-v1:0", early, 700);
    put(&server, ACCOUNT, "amazon.nova-lite-v1:0", late, 41);
    let output = billtag(&server, folder.path(), &["ingest"]);
    let text = harness::text(&output.stderr);
    assert!(output.status.success() && text.contains("CloudWatch: "), "{text}");
    assert_eq!(tokens(folder.path()), [format!("{ACCOUNT} 741")]);

    // The same points again change nothing; a late one of an hour within the look-back does.
    let text = harness::text(&billtag(&server, folder.path(), &["ingest"]).stderr);
    assert!(!text.contains("replaced"), "{text}");
    put(&server, ACCOUNT, "amazon.nova-lite-v1:0", late, 9);
    let text = harness::text(&billtag(&server, folder.path(), &["ingest"]).stderr);
    assert!(text.contains("replaced (changed: metrics)"), "{text}");
    assert_eq!(tokens(folder.path()), [format!("{ACCOUNT} 750")]);
}

#[test]
fn an_account_without_a_role_is_not_asked_in_the_name_of_another() {
    let server = parts::cloudwatch(&[]);
    let (early, _) = backs();
    let folder = world(&[line(ACCOUNT, early), line("999988887777", early)], "");
    put(&server, ACCOUNT, "amazon.nova-lite-v1:0", early, 5);
    put(&server, "999988887777", "amazon.nova-lite-v1:0", early, 6);
    assert!(billtag(&server, folder.path(), &["ingest"]).status.success());
    assert_eq!(tokens(folder.path()), [format!("{ACCOUNT} 5")]);
    let report = harness::text(&billtag(&server, folder.path(), &["report", "--format", "md"]).stdout);
    assert!(report.contains("1 of 2 accounts"), "{report}");
}

#[test]
fn the_doctor_says_whether_invocation_logs_arrive() {
    let server = parts::cloudwatch(&[]);
    let (early, _) = backs();
    let folder = world(&[line(ACCOUNT, early)], "");
    put(&server, ACCOUNT, "amazon.nova-lite-v1:0", early, 5);
    assert!(billtag(&server, folder.path(), &["ingest"]).status.success());
    let doctor = || {
        let output = billtag(&server, folder.path(), &["doctor", "--format", "csv"]);
        let text = harness::text(&output.stdout);
        text.lines().find(|line| line.contains("invocation logs")).map(String::from).unwrap_or(text)
    };
    assert!(doctor().starts_with("ok,") && doctor().contains("none were delivered"), "{}", doctor());
    put_metric(&server, ACCOUNT, ("ModelInvocationLogsS3DeliverySuccess", "Across all model IDs"), early, 9);
    assert!(doctor().contains("they are delivered"), "{}", doctor());
    put_metric(&server, ACCOUNT, ("ModelInvocationLogsCloudWatchDeliveryFailure", "Across all model IDs"), early, 1);
    assert!(doctor().starts_with("warning,"), "{}", doctor());
}

#[test]
fn the_fast_clock_asks_for_minutes_and_says_what_that_costs_a_month() {
    let server = parts::cloudwatch(&[]);
    let (early, _) = backs();
    let folder = world(&[line(ACCOUNT, early)], "");
    put(&server, ACCOUNT, "amazon.nova-lite-v1:0", early, 700);
    let at = clock::now() - 400;
    server.python(&format!(
        "import boto3, datetime\n\
         client = boto3.client('cloudwatch', aws_access_key_id='{ACCOUNT}', aws_secret_access_key='x')\n\
         at = datetime.datetime.fromtimestamp({at}, datetime.timezone.utc)\n\
         point = dict(MetricName='InputTokenCount', Dimensions=[dict(Name='ModelId', Value='amazon.nova-lite-v1:0')], \
         Timestamp=at, Value=5000000000, Unit='Count')\n\
         client.put_metric_data(Namespace='AWS/Bedrock', MetricData=[point])\n"
    ));
    assert!(billtag(&server, folder.path(), &["ingest"]).status.success());
    let kept = |folder: &Path| std::fs::read_dir(folder.join(".billtag/points")).expect("points").count();
    let before = kept(folder.path());
    let output = billtag(&server, folder.path(), &["alert", "--fast"]);
    let said = harness::text(&output.stdout);
    assert!(output.status.success(), "{said} {}", harness::text(&output.stderr));
    assert!(said.contains("Nova Lite") && said.contains("PAGE"), "{said}");
    assert!(said.contains("CloudWatch was asked for 1 metrics, 0.00001 USD") && said.contains("a month"), "{said}");
    assert_eq!(kept(folder.path()), before, "what ingest keeps is left alone");
}
