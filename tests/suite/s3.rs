//! Bills in S3: the same facts as from a folder, few bytes, no request for what did not change, and
//! nothing lost whatever the network does.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use billtag::aws::Access;
use billtag::place::Place;
use billtag::sources::bill::known::Known;
use billtag::sources::bill::{layout, scan};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use crate::bills::{self, NOVEMBER, batch, nova};
use crate::harness;
use crate::parts::Cloud;
use crate::proxy::{Action, Plan, Reply, Request};

/// A folder whose config names a bill in a bucket, and a store in the folder.
fn configured(cloud: &Cloud, more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!("as_of = \"2026-11-22T12:00:00Z\"\n[[bill]]\npath = \"s3://{}/bill\"\n{more}", cloud.bucket);
    std::fs::write(folder.path().join("billtag.toml"), text).expect("a config");
    folder
}

/// The tables' files of a store.
fn tables(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let all = harness::bytes_below(&folder.join(".billtag"));
    all.into_iter().filter(|(path, _)| path.extension().is_some_and(|extension| extension == "parquet")).collect()
}

/// A bill of several row groups of other services, some of which hold Bedrock lines.
fn write_groups(path: &Path, groups: usize, with_bedrock: &[usize], lines: usize) {
    let other = |group: usize, at: usize| {
        let hour = i64::try_from((group * lines + at) % 500).expect("an hour");
        let mut line = nova().text("line_item_product_code", "AmazonEC2").text("line_item_usage_type", "BoxUsage");
        line = line.text("line_item_resource_id", NAMES[at % NAMES.len()]).cost(0.01 * (at % 97 + 1) as f64);
        line.start = NOVEMBER + hour * 3_600;
        line.end = line.start + 3_600;
        line
    };
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let file = std::fs::File::create(path).expect("a file");
    let mut writer: Option<ArrowWriter<std::fs::File>> = None;
    let mut file = Some(file);
    for group in 0..groups {
        let mut rows: Vec<_> = (0..lines).map(|at| other(group, at)).collect();
        if with_bedrock.contains(&group) {
            for at in (0..lines).step_by(50) {
                let hour = (rows[at].start, rows[at].end);
                rows[at] = nova().cost(0.25 + at as f64);
                (rows[at].start, rows[at].end) = hour;
            }
        }
        let rows = batch(&rows);
        let writer = writer.get_or_insert_with(|| {
            let properties = WriterProperties::builder().set_max_row_group_row_count(Some(lines)).build();
            ArrowWriter::try_new(file.take().expect("a file"), rows.schema(), Some(properties)).expect("a writer")
        });
        writer.write(&rows).expect("written");
        writer.flush().expect("a row group");
    }
    writer.expect("a writer").close().expect("closed");
}

const NAMES: [&str; 4] = [
    "i-0a1b2c3d4e5f60718",
    "arn:aws:rds:us-east-1:111122223333:db:orders",
    "vol-0123456789abcdef0",
    "arn:aws:lambda:us-east-1:111122223333:function:resize",
];

/// Compressed bytes of the columns that billtag needs, of some row groups of a local bill.
fn needed(folder: &Path, groups: &dyn Fn(usize) -> bool) -> u64 {
    let place = Place::of("", folder, &Arc::default(), &Access::default());
    let layout = layout::detect(&place, &mut Known::default()).expect("a bill");
    let files = scan::open(&place, &layout.periods[0]).expect("files");
    let of = |file: &billtag::sources::bill::file::BillFile| -> u64 {
        let groups = (0..file.row_groups()).filter(|group| groups(*group));
        groups.flat_map(|group| file.ranges(group, &file.positions.all())).map(|range| range.end - range.start).sum()
    };
    files.iter().map(of).sum()
}

#[test]
fn a_bill_in_s3_gives_the_facts_of_the_same_bill_in_a_folder() {
    let cloud = Cloud::new(Plan::default());
    let (local, remote) = (harness::fixtures(), harness::fixtures());
    harness::ingest_folder(local.path());
    for part in ["cur2/bedrock-export", "legacy/acme-legacy"] {
        cloud.upload(&local.path().join(part), part);
    }
    let config = remote.path().join("billtag.toml");
    let text = std::fs::read_to_string(&config).expect("a config");
    let at = |part: &str| format!("path = \"s3://{}/{part}\"", cloud.bucket);
    let text = text.replace("path = \"cur2/bedrock-export\"", &at("cur2/bedrock-export"));
    std::fs::write(&config, text.replace("path = \"legacy/acme-legacy\"", &at("legacy/acme-legacy"))).expect("written");
    for part in ["cur2", "legacy"] {
        std::fs::remove_dir_all(remote.path().join(part)).expect("removed");
    }
    cloud.stdout(remote.path(), &["ingest"]);
    let (here, there) = (tables(local.path()), tables(remote.path()));
    assert_eq!(here.len(), 5 * 4);
    assert!(here == there);

    cloud.proxy.reset();
    cloud.stdout(remote.path(), &["ingest"]);
    assert_eq!(cloud.reads("").len(), 0, "an unchanged bill is not read");
    assert!(!cloud.proxy.requests().is_empty());
}

#[test]
fn only_the_periods_that_changed_are_read() {
    let cloud = Cloud::new(Plan::default());
    let folder = configured(&cloud, "");
    let source = harness::fixtures();
    cloud.upload(&source.path().join("cur2/bedrock-export"), "bill");
    cloud.stdout(folder.path(), &["ingest"]);
    let export = source.path().join("cur2/bedrock-export");
    let file = |period: &str| format!("data/BILLING_PERIOD={period}/bedrock-export-00002.snappy.parquet");
    let restated = std::fs::read(export.join(file("2026-08"))).expect("bytes");
    // Half of the delivery alone, under the manifest of the one before, is not taken.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    cloud.put(&format!("bill/{}", file("2026-09")), restated);
    let text = cloud.failure(folder.path(), &["ingest"]);
    assert!(text.starts_with("exit 4") && text.contains("the delivery is not finished"), "{text}");
    let manifest = "metadata/BILLING_PERIOD=2026-09/bedrock-export-Manifest.json";
    let mut renewed = std::fs::read(export.join(manifest)).expect("a manifest");
    renewed.push(b'\n');
    cloud.put(&format!("bill/{manifest}"), renewed);
    cloud.proxy.reset();
    cloud.stdout(folder.path(), &["ingest"]);
    assert!(!cloud.reads("2026-09").is_empty());
    assert_eq!(cloud.reads("").len(), cloud.reads("2026-09").len(), "another period was read");
}

#[test]
fn hardly_more_bytes_are_fetched_than_the_needed_columns_have() {
    let folder = tempfile::tempdir().expect("a folder");
    write_groups(&folder.path().join("bill.parquet"), 6, &[0, 1, 2, 3, 4, 5], 20_000);
    let cloud = Cloud::new(Plan::default());
    let remote = configured(&cloud, "");
    let key = "bill/data/BILLING_PERIOD=2026-11/bill.parquet";
    cloud.put(key, std::fs::read(folder.path().join("bill.parquet")).expect("bytes"));
    cloud.stdout(remote.path(), &["ingest"]);
    let fetched: u64 = cloud.reads("bill.parquet").iter().map(|seen| seen.sent as u64).sum();
    let needed = needed(folder.path(), &|_| true);
    assert!(fetched * 10 <= needed * 11 && fetched * 2 > needed, "{fetched} bytes for {needed}");
}

#[test]
fn row_groups_without_bedrock_are_not_fetched_and_still_count() {
    let folder = tempfile::tempdir().expect("a folder");
    let sparse = [3];
    write_groups(&folder.path().join("bill.parquet"), 12, &sparse, 20_000);
    let cloud = Cloud::new(Plan::default());
    let remote = configured(&cloud, "");
    let key = "bill/data/BILLING_PERIOD=2026-11/bill.parquet";
    cloud.put(key, std::fs::read(folder.path().join("bill.parquet")).expect("bytes"));
    cloud.stdout(remote.path(), &["ingest"]);
    let fetched: u64 = cloud.reads("bill.parquet").iter().map(|seen| seen.sent as u64).sum();
    let (all, needed) = (needed(folder.path(), &|_| true), needed(folder.path(), &|group| sparse.contains(&group)));
    assert!(fetched < 2 * needed && fetched * 4 < all, "{fetched} bytes; {needed} are needed, {all} are all");

    let store = billtag::facts::store::Store::new(remote.path().join(".billtag"));
    let record = store.record("2026-11").expect("readable").expect("stored");
    assert_eq!((record.trust.lines_read, record.trust.lines_selected), (240_000, 400));
    // The last hour is another service's, in a row group that holds no Bedrock line.
    assert_eq!(record.parts[0].watermark, Some(NOVEMBER + 500 * 3_600));
}

#[test]
fn whatever_the_network_spoils_the_facts_are_the_same() {
    let source = harness::fixtures();
    let calm = Cloud::new(Plan::default());
    let undisturbed = configured(&calm, "");
    calm.upload(&source.path().join("cur2/bedrock-export"), "bill");
    calm.stdout(undisturbed.path(), &["ingest"]);
    for seed in 0..4 {
        let stormy = Cloud::new(Plan { in_a_row: u32::MAX, ..Plan::faults(seed, 200) });
        let folder = configured(&stormy, "");
        stormy.upload(&source.path().join("cur2/bedrock-export"), "bill");
        stormy.stdout(folder.path(), &["ingest"]);
        assert!(stormy.proxy.requests().iter().filter(|seen| seen.fault.is_some()).count() > 5);
        assert!(tables(folder.path()) == tables(undisturbed.path()), "seed {seed}");
    }
}

#[test]
fn an_export_that_is_rewritten_while_it_is_read_is_read_again_and_never_mixed() {
    let folder = tempfile::tempdir().expect("a folder");
    write_groups(&folder.path().join("old.parquet"), 3, &[0, 1, 2], 2_000);
    write_groups(&folder.path().join("new.parquet"), 2, &[0], 2_000);
    let new = std::fs::read(folder.path().join("new.parquet")).expect("bytes");
    let done = Arc::new(AtomicBool::new(false));
    let key = "bill/data/BILLING_PERIOD=2026-11/bill.parquet";
    let rewritten = Arc::clone(&done);
    // The new delivery arrives after the footer of the old one was read.
    let plan = Plan::hook(move |_, request: &Request| {
        let is_read = request.method == "GET" && request.header("range").is_some();
        if is_read && request.header("if-match").is_some() && request.path.contains("bill.parquet") {
            let count = rewritten.swap(true, Ordering::SeqCst);
            if !count {
                return Action::Forward;
            }
            if let Some(bucket) = request.path.split('/').nth(1)
                && !FIRST.swap(true, Ordering::SeqCst)
            {
                let reply = Request {
                    method: "PUT".into(),
                    path: format!("/{bucket}/{key}"),
                    headers: request
                        .headers
                        .iter()
                        .filter(|(name, _)| name == "authorization" || name == "host")
                        .cloned()
                        .collect(),
                    body: new.clone(),
                    keep_alive: false,
                };
                assert_eq!(reply.send(crate::parts::ministack()).expect("an answer").status, 200);
            }
        }
        Action::Forward
    });
    static FIRST: AtomicBool = AtomicBool::new(false);
    let cloud = Cloud::new(plan);
    cloud.put(key, std::fs::read(folder.path().join("old.parquet")).expect("bytes"));
    let remote = configured(&cloud, "");
    cloud.stdout(remote.path(), &["ingest"]);
    assert!(FIRST.load(Ordering::SeqCst), "the export was not rewritten");
    let grid = harness::sql(remote.path(), "select count(*) as n, sum(unblended_cost) as cost from cost_facts");
    let local = tempfile::tempdir().expect("a folder");
    bills::configure(local.path(), "");
    let bill = local.path().join("bill/data/BILLING_PERIOD=2026-11");
    std::fs::create_dir_all(&bill).expect("a folder");
    std::fs::copy(folder.path().join("new.parquet"), bill.join("bill.parquet")).expect("copied");
    harness::ingest_folder(local.path());
    let wanted = harness::sql(local.path(), "select count(*) as n, sum(unblended_cost) as cost from cost_facts");
    assert_eq!(grid.rows, wanted.rows);
}

fn refused(reply: fn(&Request) -> Option<Reply>) -> String {
    let cloud = Cloud::new(Plan::hook(move |_, request| reply(request).map_or(Action::Forward, Action::Answer)));
    let folder = configured(&cloud, "");
    let source = harness::fixtures();
    cloud.upload(&source.path().join("cur2/bedrock-export"), "bill");
    cloud.failure(folder.path(), &["ingest"])
}

fn is_list(request: &Request) -> bool {
    request.path.contains("list-type=2")
}

#[test]
fn a_refusal_names_the_action_the_resource_and_the_fix() {
    let denied = |request: &Request| is_list(request).then(|| Reply::s3_error(403, "AccessDenied"));
    insta::assert_snapshot!("s3_denied_list", refused(denied));
    let denied = |request: &Request| {
        (!is_list(request) && request.path.contains("parquet")).then(|| Reply::s3_error(403, "AccessDenied"))
    };
    let text = refused(denied);
    assert!(text.starts_with("exit 1"), "{text}");
    assert!(text.contains("s3:GetObject") && text.contains("arn:aws:s3:::bucket/bill/data/"), "{text}");
    let expired = |request: &Request| is_list(request).then(|| Reply::s3_error(400, "ExpiredToken"));
    insta::assert_snapshot!("s3_expired", refused(expired));
    let skewed = |request: &Request| is_list(request).then(|| Reply::s3_error(403, "RequestTimeTooSkewed"));
    insta::assert_snapshot!("s3_skewed", refused(skewed));
    let missing = |request: &Request| is_list(request).then(|| Reply::s3_error(404, "NoSuchBucket"));
    insta::assert_snapshot!("s3_no_bucket", refused(missing));
    let elsewhere = |request: &Request| is_list(request).then(|| Reply::s3_error(301, "PermanentRedirect"));
    insta::assert_snapshot!("s3_elsewhere", refused(elsewhere));
    let slow = |request: &Request| is_list(request).then(|| Reply::s3_error(503, "SlowDown"));
    insta::assert_snapshot!("s3_throttled", refused(slow));
}

#[test]
fn a_bucket_in_another_region_is_found_where_s3_says_it_is() {
    let cloud = Cloud::in_region("eu-west-1", Plan::default());
    let folder = configured(&cloud, "");
    let source = harness::fixtures();
    cloud.upload(&source.path().join("cur2/bedrock-export"), "bill");
    cloud.stdout(folder.path(), &["ingest"]);
    assert!(cloud.proxy.requests().iter().any(|seen| seen.status == 301), "it was found at once");
}

#[test]
fn a_manifest_that_is_newer_than_its_data_refuses_the_period_and_keeps_the_facts() {
    let cloud = Cloud::new(Plan::default());
    let folder = configured(&cloud, "");
    let source = harness::fixtures();
    cloud.upload(&source.path().join("cur2/bedrock-export"), "bill");
    cloud.stdout(folder.path(), &["ingest"]);
    let before = tables(folder.path());
    cloud.send("DELETE", "bill/data/BILLING_PERIOD=2026-11/bedrock-export-00002.snappy.parquet", Vec::new());
    let text = cloud.failure(folder.path(), &["ingest"]);
    assert!(text.starts_with("exit 4") && text.contains("the delivery is not finished"), "{text}");
    assert!(tables(folder.path()) == before);
}

#[test]
fn an_endpoint_that_does_not_answer_is_one_clear_error() {
    let cloud = Cloud::new(Plan::default());
    let folder = configured(&cloud, "");
    let mut command = cloud.command(folder.path(), &["ingest"]);
    let output = command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").output().expect("the binary runs");
    let text = harness::text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("check the network"), "{text}");
}
