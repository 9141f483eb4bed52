//! What each channel's server takes, as its documentation says, and that whatever a workload is called gives it.

use std::collections::{BTreeMap, BTreeSet};

use billtag::alert::channel::{alertmanager, email, pagerduty, slack, sns, stdout, webhook};
use billtag::alert::notice::{Event, Notice};
use billtag::alert::rules::Severity;
use billtag::clock;
use billtag::config::channels::Channel;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The clock of all notices here.
pub const NOW: i64 = 1_795_348_800;

/// A notice about a workload.
pub fn notice(event: Event, severity: Severity, workload: &str) -> Notice {
    let labels = BTreeMap::from([
        ("workload", workload.to_string()),
        ("team", "search".to_string()),
        ("environment", "prod".to_string()),
        ("account", "111122223333".to_string()),
        ("rule", "ratio".to_string()),
    ]);
    Notice {
        event,
        key: "billtag:0123456789abcdef".into(),
        incident: "I-2026-11-21-1".into(),
        severity,
        summary: format!("{workload} cost 412.00 USD on 2026-11-21, 4.1 times what is usual"),
        labels,
        lines: vec![("What", format!("{workload} rose")), ("Cause", "+310.00 USD nova-pro\nvia a & b <c>".into())],
        body: json!({ "version": 1, "event": event.as_str(), "workload": workload, "amount": "412.00" }),
        at: NOW,
        started: NOW - 3_600,
        until: NOW + 7_200,
        runbook: Some("https://wiki.example.com/run?a=1&b=|x".into()),
    }
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn only(value: &Value, allowed: &[&str]) {
    let more: Vec<&str> = keys(value).into_iter().filter(|key| !allowed.contains(key)).collect();
    assert!(more.is_empty(), "{more:?} in {value}");
}

/// A text that is there, not empty, and no longer than so many characters.
fn text(value: &Value, most: usize) -> &str {
    let text = value.as_str().unwrap_or_else(|| panic!("no text: {value}"));
    let length = text.chars().count();
    assert!((1..=most).contains(&length), "{length} characters: {text}");
    text
}

fn visible(text: &str) {
    let hidden = |c: char| c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}');
    assert!(!text.replace('\n', "").contains(hidden), "{text:?}");
}

/// Events API v2.
pub fn is_pagerduty(event: &Value) {
    only(event, &["routing_key", "event_action", "dedup_key", "payload", "client", "links"]);
    text(&event["routing_key"], 100);
    text(&event["dedup_key"], 255);
    assert!(event.to_string().len() < 512 << 10);
    match text(&event["event_action"], 20) {
        "trigger" => {}
        "acknowledge" | "resolve" => return assert_eq!(keys(event).len(), 3, "{event}"),
        other => panic!("{other}"),
    }
    assert_eq!(event["client"], "billtag");
    let payload = &event["payload"];
    only(payload, &["summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"]);
    visible(text(&payload["summary"], 1_024));
    text(&payload["source"], 255);
    assert!(["critical", "error", "warning", "info"].contains(&text(&payload["severity"], 8)));
    clock::parse(text(&payload["timestamp"], 40)).expect("a time");
    assert!(payload["custom_details"].is_object());
    for link in event["links"].as_array().into_iter().flatten() {
        assert_eq!(keys(link), BTreeSet::from(["href", "text"]));
        assert!(text(&link["href"], 2_000).starts_with("https://"));
    }
}

/// A post with blocks.
pub fn is_slack(post: &Value) {
    assert_eq!(keys(post), BTreeSet::from(["blocks", "text"]));
    harmless(text(&post["text"], 4_000));
    let blocks = post["blocks"].as_array().expect("blocks");
    assert!((1..=50).contains(&blocks.len()));
    for block in blocks {
        match text(&block["type"], 20) {
            "header" => plain(block, &block["text"], 150),
            "section" if block["text"]["type"] == "mrkdwn" => {
                let link = text(&block["text"]["text"], 3_000);
                let url = link.strip_prefix("<https://").and_then(|rest| rest.strip_suffix("|Runbook>"));
                assert!(url.is_some_and(|url| !url.contains(['<', '>', '|', ' '])), "{link}");
            }
            "section" => plain(block, &block["text"], 3_000),
            "context" => {
                let elements = block["elements"].as_array().expect("elements");
                assert!((1..=10).contains(&elements.len()));
                assert_eq!(elements[0]["type"], "plain_text");
                harmless(text(&elements[0]["text"], 3_000));
            }
            other => panic!("{other}"),
        }
    }
}

fn plain(block: &Value, object: &Value, most: usize) {
    only(block, &["type", "text"]);
    assert_eq!(keys(object), BTreeSet::from(["emoji", "text", "type"]));
    assert_eq!(object["type"], "plain_text");
    harmless(text(&object["text"], most));
}

/// Nothing in it is a mention, a link or a broken entity.
fn harmless(text: &str) {
    visible(text);
    assert!(!text.contains(['<', '>']), "{text}");
    for rest in text.split('&').skip(1) {
        assert!(["amp;", "lt;", "gt;"].iter().any(|entity| rest.starts_with(entity)), "{text}");
    }
}

/// `PostableAlerts` of the API v2.
pub fn is_alertmanager(alerts: &Value) {
    let alerts = alerts.as_array().expect("an array");
    assert!(!alerts.is_empty());
    for alert in alerts {
        only(alert, &["labels", "annotations", "startsAt", "endsAt", "generatorURL"]);
        for (part, is_filled) in [("labels", true), ("annotations", true)] {
            for (name, value) in alert[part].as_object().expect("an object") {
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                assert!(name.chars().all(is_name) && !name.starts_with(|c: char| c.is_ascii_digit()), "{name}");
                assert!(!is_filled || !text(value, 16_000).is_empty());
            }
        }
        assert!(!alert["labels"].to_string().contains("412.00 USD"), "an amount is no identity: {alert}");
        text(&alert["labels"]["alertname"], 100);
        let times = ["startsAt", "endsAt"].map(|name| clock::parse(text(&alert[name], 40)).expect("a time"));
        assert!(times[0] <= times[1], "{alert}");
        assert!(alert.get("generatorURL").is_none_or(|url| text(url, 2_000).starts_with("https://")));
    }
}

/// A message with subject and attributes.
pub fn is_sns(message: &sns::Message) {
    assert!((1..100).contains(&message.subject.len()), "{}", message.subject);
    assert!(message.subject.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{}", message.subject);
    assert!(message.subject.starts_with(|c: char| c.is_ascii_alphanumeric()));
    assert!(message.message.len() < 256 << 10 && !message.message.contains(['\u{fffe}', '\u{ffff}']));
    serde_json::from_str::<Value>(&message.message).expect("JSON");
    for (name, value) in &message.attributes {
        assert!(!value.is_empty() && value.len() < 2_000, "{name}");
        visible(value);
    }
    for id in [&message.order.0, &message.order.1] {
        assert!((1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}

/// A mail whose headers are exactly those that billtag writes.
pub fn is_mail(mail: &[u8]) {
    let mail = std::str::from_utf8(mail).expect("text");
    let (head, body) = mail.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.is_ascii() && mail.split("\r\n").all(|line| line.len() <= 998), "{head}");
    assert!(!head.replace("\r\n", "").contains(['\r', '\n']), "{head:?}");
    let names = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    let mut names: Vec<&str> = names.map(|line| line.split(':').next().unwrap_or_default()).collect();
    names.sort_unstable();
    let expected = ["Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "In-Reply-To"];
    let expected: Vec<&str> = expected.into_iter().chain(["Message-ID", "References", "Subject", "To"]).collect();
    assert_eq!(names, expected, "{head}");
    assert!(!body.is_empty());
}

/// A channel of mail.
pub fn mail() -> Channel {
    let text = "name = \"mail\"\ntype = \"email\"\nsmtp = \"mail.example.com:587\"\n\
                from = \"Zürich <billtag@example.com>\"\nto = [\"a@example.com\", \"Ops <b@example.com>\"]\n";
    toml::from_str(text).expect("a channel")
}

/// Every form of a notice is right.
fn all_are_right(notice: &Notice) {
    is_pagerduty(&pagerduty::payload(notice, "R0UTING"));
    is_slack(&slack::payload(notice));
    for least in [Severity::Note, Severity::Warn, Severity::Page] {
        is_alertmanager(&alertmanager::payload(notice, least));
    }
    is_sns(&sns::message(notice));
    is_mail(&email::message(&mail(), notice, NOW).expect("a mail").formatted());
    visible(&stdout::text(notice));
    serde_json::from_str::<Value>(&webhook::body(notice)).expect("JSON");
    let id = webhook::id(notice);
    assert!(id.len() <= 128 && !id.contains('.'), "{id}");
}

const EVENTS: [Event; 3] = [Event::Trigger, Event::Acknowledge, Event::Resolve];

/// A name of anything at all, with more marks than people use.
fn names() -> impl Strategy<Value = String> {
    let marks = "*_~`<>&|@:#!\u{202e}\u{200f}\u{fffe}\u{feff}\n\r\t\0\"\\🙂ü".chars().collect::<Vec<_>>();
    let some = prop_oneof![any::<char>(), prop::sample::select(marks)];
    prop::collection::vec(some, 1..500).prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_workload_is_called_each_server_gets_what_it_takes(name in names(), event in 0..3_usize) {
        all_are_right(&notice(EVENTS[event], Severity::Page, &name));
    }
}

#[test]
fn the_longest_texts_stay_within_every_limit() {
    for name in ["<".repeat(500), "&".repeat(500), "🙂".repeat(500), "\u{202e}".repeat(500), "<!channel>".repeat(50)]
    {
        let mut long = notice(Event::Trigger, Severity::Warn, &name);
        long.key = "k".repeat(300);
        long.lines = (0..80).map(|_| ("Cause", name.repeat(20))).collect();
        all_are_right(&long);
    }
}

#[test]
fn a_heartbeat_has_a_form_wherever_it_can_be_sent() {
    let beat = billtag::alert::channel::heartbeat(NOW, NOW + 90_000);
    is_slack(&slack::payload(&beat));
    is_sns(&sns::message(&beat));
    let alerts = alertmanager::payload(&beat, Severity::Warn);
    is_alertmanager(&alerts);
    assert_eq!(alerts[0]["labels"]["alertname"], "BilltagHeartbeat");
    assert_eq!(alerts[0]["endsAt"], clock::instant_text(NOW + 90_000).as_str());
    is_mail(&email::message(&mail(), &beat, NOW).expect("a mail").formatted());
}

#[test]
fn an_incident_keeps_its_identity_on_every_channel_whatever_it_costs() {
    let first = notice(Event::Trigger, Severity::Page, "checkout");
    let mut later = notice(Event::Trigger, Severity::Page, "checkout");
    later.summary = "checkout cost 900.00 USD".into();
    later.body = json!({ "amount": "900.00" });
    assert_eq!(pagerduty::payload(&first, "k")["dedup_key"], pagerduty::payload(&later, "k")["dedup_key"]);
    let labels = |notice: &Notice| alertmanager::payload(notice, Severity::Page)[0]["labels"].clone();
    assert_eq!(labels(&first), labels(&later));
    assert_eq!(sns::message(&first).order.0, sns::message(&later).order.0);
    let thread = |notice: &Notice| {
        let mail = email::message(&mail(), notice, NOW).expect("a mail");
        let of = |name: &str| mail.headers().get_raw(name).map(String::from).expect("a header");
        (of("References"), of("Message-ID"))
    };
    assert_eq!(thread(&first).0, thread(&later).0);
    // What is told is another sending, and the same one sent again is the same.
    assert_ne!(thread(&first).1, thread(&later).1);
    assert_eq!(thread(&first).1, thread(&first.clone()).1);
    assert_ne!(webhook::id(&first), webhook::id(&later));
    assert_eq!(webhook::id(&first), webhook::id(&first.clone()));
}

#[test]
fn alertmanager_ends_what_an_incident_was_at_another_severity() {
    let ends = |event, severity| {
        let alerts = alertmanager::payload(&notice(event, severity, "w"), Severity::Warn);
        let ended = alerts.as_array().expect("alerts").iter().map(|alert| {
            let severity = alert["labels"]["severity"].as_str().expect("a severity").to_string();
            (severity, alert["endsAt"] == clock::instant_text(NOW).as_str())
        });
        ended.collect::<Vec<_>>()
    };
    assert_eq!(ends(Event::Trigger, Severity::Page), [("page".into(), false), ("warn".into(), true)]);
    assert_eq!(ends(Event::Trigger, Severity::Warn), [("page".into(), true), ("warn".into(), false)]);
    assert_eq!(ends(Event::Acknowledge, Severity::Page), [("page".into(), false), ("warn".into(), true)]);
    assert_eq!(ends(Event::Resolve, Severity::Page), [("page".into(), true), ("warn".into(), true)]);
}

#[test]
fn a_severity_is_the_word_that_each_server_has_for_it() {
    let severity =
        |severity| pagerduty::payload(&notice(Event::Trigger, severity, "w"), "k")["payload"]["severity"].clone();
    assert_eq!([severity(Severity::Page), severity(Severity::Warn)], ["critical", "warning"]);
    assert_eq!(severity(Severity::Note), "info");
    let post = slack::payload(&notice(Event::Resolve, Severity::Page, "*x* <!channel>"));
    let header = post["blocks"][0]["text"]["text"].as_str().expect("a text");
    assert!(header.starts_with("Resolved: *x* &lt;!channel&gt; cost"), "{header}");
}
