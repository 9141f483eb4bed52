//! A store in S3 is what a store in a folder is: whole after a kill, one writer at a time, read as it was.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::harness;
use crate::parts::Cloud;
use crate::proxy::{Plan, Reply};

/// The fixtures with their bill on this machine and their store in a bucket.
fn configured(cloud: &Cloud) -> tempfile::TempDir {
    let folder = harness::fixtures();
    let config = folder.path().join("billtag.toml");
    let text = std::fs::read_to_string(&config).expect("a config");
    let store = format!("[store]\npath = \"s3://{}/store\"", cloud.bucket);
    let text = if text.contains("[store]\npath = \".billtag\"") {
        text.replace("[store]\npath = \".billtag\"", &store)
    } else {
        format!("{text}\n{store}\n")
    };
    std::fs::write(&config, text).expect("written");
    folder
}

fn stored(cloud: &Cloud) -> Vec<(String, Vec<u8>)> {
    cloud.everything("store")
}

fn restate(folder: &Path) {
    let file = |period: &str| {
        folder.join(format!("cur2/bedrock-export/data/BILLING_PERIOD={period}/bedrock-export-00002.snappy.parquet"))
    };
    std::fs::copy(file("2026-08"), file("2026-09")).expect("copied");
}

#[test]
fn a_store_in_s3_says_what_a_store_in_a_folder_says() {
    let cloud = Cloud::new(Plan::default());
    let (local, remote) = (harness::fixtures(), configured(&cloud));
    let wanted = harness::stdout(local.path(), &["run", "--format", "md"]);
    assert_eq!(cloud.stdout(remote.path(), &["run", "--format", "md"]), wanted);
    // Another machine has no copies of the files yet.
    let elsewhere = configured(&cloud);
    let report = harness::stdout(local.path(), &["report", "--format", "json"]);
    assert_eq!(cloud.stdout(elsewhere.path(), &["report", "--format", "json"]), report);
    let names: Vec<String> = stored(&cloud).into_iter().map(|(key, _)| key).collect();
    assert!(names.iter().all(|name| !name.contains("/.")), "something is left: {names:?}");

    cloud.proxy.reset();
    cloud.stdout(remote.path(), &["ingest"]);
    let writes = cloud.proxy.requests().into_iter().filter(|seen| seen.request.method == "PUT");
    let writes: Vec<String> = writes.map(|seen| seen.request.path.clone()).collect();
    assert!(writes.iter().all(|path| path.contains("/.lock?")), "{writes:?}");
    let tables = |path: &str| path.contains(".parquet");
    assert!(cloud.proxy.requests().iter().all(|seen| !tables(&seen.request.path)), "a table was read");
}

#[test]
fn a_kill_at_any_moment_leaves_a_store_in_s3_whole() {
    let (calm, cloud) = (Cloud::new(Plan::default()), Cloud::new(Plan::default()));
    let (undisturbed, folder) = (configured(&calm), configured(&cloud));
    let length = harness::length_of(|| drop(calm.stdout(undisturbed.path(), &["ingest"])));
    let kill = |moment: Duration| {
        let mut run = cloud.command(folder.path(), &["ingest"]);
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary runs");
        std::thread::sleep(moment);
        run.kill().expect("killed");
        run.wait().expect("ended");
    };
    harness::moments(6, length).for_each(kill);
    cloud.stdout(folder.path(), &["ingest"]);
    for folder in [undisturbed.path(), folder.path()] {
        restate(folder);
    }
    harness::moments(6, length / 2).for_each(kill);
    calm.stdout(undisturbed.path(), &["ingest"]);
    cloud.stdout(folder.path(), &["ingest"]);
    assert_eq!(names(&cloud), names(&calm));
    assert!(stored(&cloud) == stored(&calm));
}

fn names(cloud: &Cloud) -> Vec<String> {
    stored(cloud).into_iter().map(|(key, _)| key).collect()
}

#[test]
fn two_runs_at_once_on_one_bucket_end_as_one() {
    let calm = Cloud::new(Plan::default());
    let undisturbed = configured(&calm);
    calm.stdout(undisturbed.path(), &["ingest"]);
    let cloud = Cloud::new(Plan::default());
    let folders = [configured(&cloud), configured(&cloud)];
    let runs: Vec<_> = folders
        .iter()
        .map(|folder| cloud.command(folder.path(), &["ingest", "-q"]).spawn().expect("it runs"))
        .collect();
    for mut run in runs {
        assert!(run.wait().expect("ended").success());
    }
    assert!(stored(&cloud) == stored(&calm));
}

#[test]
fn whatever_the_network_spoils_a_store_in_s3_is_the_same() {
    let calm = Cloud::new(Plan::default());
    let undisturbed = configured(&calm);
    calm.stdout(undisturbed.path(), &["ingest"]);
    for seed in 10..12 {
        let stormy = Cloud::new(Plan { in_a_row: u32::MAX, ..Plan::faults(seed, 200) });
        let folder = configured(&stormy);
        stormy.stdout(folder.path(), &["ingest"]);
        assert!(stored(&stormy) == stored(&calm), "seed {seed}: {:?}", names(&stormy));
    }
}

#[test]
fn a_store_that_may_not_be_written_is_one_clear_error_and_left_as_it_was() {
    let refuse = |_: usize, request: &crate::proxy::Request| {
        if request.method == "PUT" {
            crate::proxy::Action::Answer(Reply::s3_error(403, "AccessDenied"))
        } else {
            crate::proxy::Action::Forward
        }
    };
    let cloud = Cloud::new(Plan::hook(refuse));
    let folder = configured(&cloud);
    let text = cloud.failure(folder.path(), &["ingest"]);
    assert!(
        text.starts_with("exit 1") && text.contains("s3:PutObject") && text.contains("arn:aws:s3:::bucket/store"),
        "{text}"
    );
    assert_eq!(names(&cloud), Vec::<String>::new());
}
