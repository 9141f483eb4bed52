//! Metrics in S3: the same demand as from a folder, each object read once, late ones too.

use std::path::Path;

use crate::harness;
use crate::parts::Cloud;
use crate::proxy::Plan;

/// The fixtures with their metrics in a bucket.
fn configured(cloud: &Cloud) -> tempfile::TempDir {
    let folder = harness::fixtures();
    let config = folder.path().join("billtag.toml");
    let text = std::fs::read_to_string(&config).expect("a config");
    let there = format!("path = \"s3://{}/cloudwatch\"", cloud.bucket);
    assert!(text.contains("path = \"cloudwatch\""));
    std::fs::write(&config, text.replace("path = \"cloudwatch\"", &there)).expect("written");
    cloud.upload(&folder.path().join("cloudwatch"), "cloudwatch");
    std::fs::remove_dir_all(folder.path().join("cloudwatch")).expect("removed");
    folder
}

fn tables(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let all = harness::bytes_below(&folder.join(".billtag"));
    let is_table =
        |path: &Path| path.extension().is_some_and(|found| found == "parquet") && !path.starts_with("points");
    all.into_iter().filter(|(path, _)| is_table(path)).collect()
}

const LATE: &str = r#"{"metric_stream_name":"s","account_id":"111122223333","region":"us-east-1","namespace":"AWS/Bedrock","metric_name":"Invocations","dimensions":{"ModelId":"amazon.nova-lite-v1:0"},"timestamp":1788220800000,"value":{"max":1.0,"min":1.0,"sum":4.0,"count":4.0},"unit":"Count"}"#;

#[test]
fn metrics_in_s3_measure_what_the_same_files_in_a_folder_measure() {
    let cloud = Cloud::new(Plan::default());
    let (local, remote) = (harness::fixtures(), configured(&cloud));
    harness::ingest_folder(local.path());
    cloud.stdout(remote.path(), &["ingest"]);
    assert!(!cloud.reads("cloudwatch").is_empty());
    assert!(tables(local.path()) == tables(remote.path()));
}

#[test]
fn an_object_is_read_once_and_a_late_one_when_it_comes() {
    let cloud = Cloud::new(Plan::default());
    let folder = configured(&cloud);
    cloud.stdout(folder.path(), &["ingest"]);
    let before = tables(folder.path());
    cloud.proxy.reset();
    cloud.stdout(folder.path(), &["ingest"]);
    assert_eq!(cloud.reads("").len(), 0);

    cloud.put("cloudwatch/late/one.json", LATE.as_bytes().to_vec());
    let messages = cloud.failure(folder.path(), &["ingest"]);
    assert!(messages.contains("2026-09 replaced (changed: metrics)"), "{messages}");
    assert_eq!(cloud.reads("").len(), 1, "only the new object is read");
    assert!(tables(folder.path()) != before);

    // The same record once more is the same measurement.
    let after = tables(folder.path());
    cloud.put("cloudwatch/late/again.json", LATE.as_bytes().to_vec());
    cloud.stdout(folder.path(), &["ingest"]);
    assert!(tables(folder.path()) == after);
}

#[test]
fn whatever_the_network_spoils_the_metrics_are_the_same() {
    let calm = Cloud::new(Plan::default());
    let undisturbed = configured(&calm);
    calm.stdout(undisturbed.path(), &["ingest"]);
    let stormy = Cloud::new(Plan { in_a_row: u32::MAX, ..Plan::faults(77, 200) });
    let folder = configured(&stormy);
    stormy.stdout(folder.path(), &["ingest"]);
    assert!(tables(folder.path()) == tables(undisturbed.path()));
}
