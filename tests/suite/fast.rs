//! The fast clock: a day whose metrics arrive every five minutes, as it was seen at the time, and its bill a day later.

use std::path::Path;

use serde_json::Value;

use crate::harness;
use crate::world::calendar::{Seconds, stamp, start_of};
use crate::world::minutes;

const MINUTE: Seconds = 60;
const HOUR: Seconds = 3_600;

/// A world of minutes with its bill up to the day before, ingested.
fn world(seed: u64, workloads: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    minutes::write(folder.path(), seed, workloads, 20).expect("a world");
    harness::stdout(folder.path(), &["ingest", "-q", "--as-of", &stamp(midnight() + HOUR)]);
    folder
}

fn midnight() -> Seconds {
    start_of(minutes::today())
}

/// Lets arrive what was measured until a time.
fn arrive(folder: &Path, from: Seconds, until: Seconds) {
    for slot in (from..until).step_by(minutes::SLOT as usize) {
        let name = format!("{}.json", stamp(slot).replace([':', '-'], ""));
        std::fs::copy(folder.join("today").join(&name), folder.join("cloudwatch").join(&name)).expect("it arrives");
    }
}

fn look(folder: &Path, at: Seconds) -> Option<i32> {
    harness::billtag(folder, &["alert", "--fast", "-q", "--as-of", &stamp(at)]).status.code()
}

fn incidents(folder: &Path) -> Vec<Value> {
    let text = harness::stdout(folder, &["incidents", "list", "--all", "--format", "json"]);
    serde_json::from_str(&text).expect("an array")
}

fn time(value: &Value) -> Seconds {
    billtag::clock::parse(value.as_str().expect("a time")).expect("a time")
}

fn labels(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("incidents.json")).expect("labels");
    serde_json::from_str(&text).expect("an array")
}

#[test]
fn what_runs_away_is_known_within_the_hour_and_the_bill_confirms_it() {
    let folder = world(401, 40);
    let labels = labels(folder.path());
    let (begin, end) = (midnight() + 8 * HOUR, midnight() + 16 * HOUR);
    arrive(folder.path(), midnight(), begin);
    let mut known: std::collections::BTreeMap<String, Seconds> = std::collections::BTreeMap::new();
    for at in (begin..end).step_by(10 * MINUTE as usize) {
        assert_eq!(look(folder.path(), at), Some(0));
        for incident in incidents(folder.path()) {
            known.entry(whose(&incident)).or_insert(at);
        }
        arrive(folder.path(), at, at + 10 * MINUTE);
    }
    let mut delays: Vec<Seconds> = labels
        .iter()
        .filter_map(|label| Some(known.get(label["workload"].as_str()?)? - time(&label["start"])))
        .collect();
    delays.sort_unstable();
    assert!(delays.len() * 20 >= labels.len() * 19, "{} of {} were found", delays.len(), labels.len());
    assert!(delays[delays.len() / 2] <= HOUR, "the median took {} minutes", delays[delays.len() / 2] / MINUTE);
    let is_labelled = |name: &String| labels.iter().any(|label| label["workload"] == name.as_str());
    let wrong: Vec<&String> = known.keys().filter(|name| !is_labelled(name)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    // What was over two hours ago is resolved; what burns is not.
    let by_name = |name: &str| incidents(folder.path()).into_iter().find(|one| whose(one) == name).expect("known");
    for label in labels.iter().filter(|label| known.contains_key(label["workload"].as_str().expect("a name"))) {
        let incident = by_name(label["workload"].as_str().expect("a name"));
        let state = if time(&label["end"]) + 3 * HOUR < end { "resolved" } else { "open" };
        if time(&label["end"]) > end || state == "resolved" {
            assert_eq!(incident["state"], state, "{label} {incident}");
        }
        assert_eq!(incident["is_estimate"], true);
    }
    let nobodys = by_name("unattributed");
    assert_eq!(nobodys["scope"], "cell");
    let shown = harness::stdout(folder.path(), &["incidents", "show", nobodys["incident"].as_str().expect("a name")]);
    assert!(shown.contains("Suspects") && shown.contains("eu-central-1"), "{shown}");
    the_bill_confirms(folder.path(), &labels, end);
}

/// The workload of an incident; of what nobody owns, that word.
fn whose(incident: &Value) -> String {
    incident["workload"].as_str().unwrap_or("unattributed").to_string()
}

/// The bill of the day comes: each incident that still burnt is confirmed, under the same name.
fn the_bill_confirms(folder: &Path, labels: &[Value], end: Seconds) {
    let before = incidents(folder);
    arrive(folder, end, midnight() + 24 * HOUR);
    std::fs::remove_dir_all(folder.join("cur2")).expect("the old bill goes");
    std::fs::rename(folder.join("final/cur2"), folder.join("cur2")).expect("the new bill comes");
    let next = stamp(midnight() + 34 * HOUR);
    harness::stdout(folder, &["ingest", "-q", "--as-of", &next]);
    // The bill has no line of the day after, so that nothing shows that its last day is complete.
    harness::billtag(folder, &["alert", "-q", "--as-of", &next]);
    let after = incidents(folder);
    for label in labels.iter().filter(|label| time(&label["end"]) > end) {
        let named = |all: &[Value]| {
            all.iter()
                .find(|one| whose(one) == label["workload"].as_str().unwrap_or("") && one["state"] == "open")
                .cloned()
        };
        let (Some(then), Some(now)) = (named(&before), named(&after)) else { panic!("{label}: {after:?}") };
        assert_eq!((&then["incident"], now["is_estimate"].as_bool()), (&now["incident"], Some(false)), "{now}");
    }
}

#[test]
fn estimates_are_within_a_twentieth_of_the_bill_and_say_how_far_they_are() {
    let folder = world(402, 24);
    arrive(folder.path(), midnight() + 6 * HOUR, midnight() + 8 * HOUR);
    let said = harness::stdout(folder.path(), &["alert", "--fast", "--as-of", &stamp(midnight() + 8 * HOUR)]);
    let line = said.lines().find(|line| line.starts_with("Estimates against the bill")).expect("a line");
    let percents: Vec<f64> = line
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .filter(|share: &f64| share.fract() > 0.0 || *share < 90.0)
        .collect();
    let width = percents.last().expect("a width");
    assert!(*width <= 5.0, "{line}");
    assert!(said.contains("0 USD"), "what asking costs is said: {said}");
}

#[test]
fn missing_metrics_are_not_zero_and_a_late_batch_is_no_spike() {
    let folder = world(403, 16);
    let burning = labels(folder.path()).into_iter().find(|label| label["end"].as_str() > Some("2026-11-18T23"));
    let begin = burning.as_ref().map_or(midnight() + 9 * HOUR, |label| time(&label["start"]));
    arrive(folder.path(), midnight() + 6 * HOUR, begin + HOUR);
    assert_eq!(look(folder.path(), begin + HOUR), Some(0));
    let known = incidents(folder.path()).len();
    // For two hours nothing arrives: nothing is resolved, and the run says that points stay away.
    for hour in 2..4 {
        let output = harness::billtag(folder.path(), &["alert", "--fast", "--as-of", &stamp(begin + hour * HOUR)]);
        assert_eq!(output.status.code(), Some(4));
        assert!(harness::text(&output.stderr).contains("not zero"), "{}", harness::text(&output.stderr));
    }
    assert!(incidents(folder.path()).iter().all(|incident| incident["state"] == "open"));
    // Then all of it comes at once, and again: each point counts in its own time, once.
    arrive(folder.path(), begin + HOUR, begin + 3 * HOUR);
    look(folder.path(), begin + 3 * HOUR);
    let first = incidents(folder.path());
    let again = folder.path().join("cloudwatch/again.json");
    let newest = stamp(begin + 3 * HOUR - minutes::SLOT).replace([':', '-'], "");
    std::fs::copy(folder.path().join(format!("cloudwatch/{newest}.json")), again).expect("redelivered");
    look(folder.path(), begin + 3 * HOUR + MINUTE);
    let second = incidents(folder.path());
    let excess = |all: &[Value]| all.iter().map(|one| one["excess"].clone()).collect::<Vec<_>>();
    assert_eq!((first.len() >= known, excess(&first)), (true, excess(&second)));
}

#[test]
fn the_fast_clock_says_what_it_needs() {
    let folder = harness::fixtures();
    harness::ingest_folder(folder.path());
    let dates = harness::failure(folder.path(), &["alert", "--fast", "--from", "2026-11-01"]);
    assert!(dates.contains("--fast"), "{dates}");
    let config = "as_of = \"2026-11-22T12:00:00Z\"\n[[bill]]\npath = \"cur2/bedrock-export\"\n";
    std::fs::write(folder.path().join("billtag.toml"), config).expect("a config");
    let output = harness::billtag(folder.path(), &["alert", "--fast"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(harness::text(&output.stderr).contains("[[metrics]]"), "{}", harness::text(&output.stderr));
}

#[test]
fn of_a_bucket_only_what_is_new_is_listed_and_read() {
    let cloud = crate::parts::Cloud::new(crate::proxy::Plan::default());
    let folder = world(404, 8);
    let config = folder.path().join("billtag.toml");
    let text = std::fs::read_to_string(&config).expect("a config");
    let there = format!("path = \"s3://{}/cloudwatch\"", cloud.bucket);
    std::fs::write(&config, text.replace("path = \"cloudwatch\"", &there)).expect("written");
    let begin = midnight() + 8 * HOUR;
    arrive(folder.path(), begin - 2 * HOUR, begin);
    cloud.upload(&folder.path().join("cloudwatch"), "cloudwatch");
    let look = |at: Seconds| {
        cloud.proxy.reset();
        let text = cloud.stdout(folder.path(), &["alert", "--fast", "--as-of", &stamp(at), "--format", "json"]);
        (cloud.reads("cloudwatch").len(), text)
    };
    let (first, _) = look(begin);
    assert!(first >= 24, "{first}");
    assert_eq!(look(begin).0, 0, "nothing is read twice");
    let name = format!("{}.json", stamp(begin).replace([':', '-'], ""));
    let bytes = std::fs::read(folder.path().join("today").join(&name)).expect("a file");
    cloud.put(&format!("cloudwatch/{name}"), bytes);
    assert_eq!(look(begin + 5 * MINUTE).0, 1);
}
