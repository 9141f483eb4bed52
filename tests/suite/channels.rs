//! Channels that are posted to: what arrives, what is tried again, what is given up, and that no secret is told.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use billtag::alert::channel::{Pace, Post, takes_every_page, wanted};
use billtag::alert::notice::{Event, Notice};
use billtag::alert::rules::Severity;
use billtag::aws::Aws;
use billtag::config::Config;
use billtag::config::channels::Channel;
use billtag::error::Error;
use serde_json::Value;
use tempfile::TempDir;

use crate::channels_forms::{is_alertmanager, is_pagerduty, is_slack, notice};
use crate::harness;
use crate::parts;
use crate::proxy::{Action, Fault, Plan, Proxy, Reply, Request};

/// The secret of all channels here, which no output may hold.
const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// As billtag waits, but shorter.
pub fn quick() -> Pace {
    let millis = Duration::from_millis;
    Pace { connect: millis(500), attempt: millis(700), waits: [millis(5), millis(10)], longest: millis(1_500) }
}

/// A folder whose config has one channel of these lines.
pub fn configured(channel: &str) -> (TempDir, Config) {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!("[[bill]]\npath = \"bill\"\n[[channel]]\n{channel}");
    std::fs::write(folder.path().join("billtag.toml"), text).expect("a config");
    std::fs::write(folder.path().join("secret"), format!("{KEY}\n")).expect("a secret");
    let config = harness::config(folder.path());
    (folder, config)
}

/// A server that answers each request by its number, from 1.
fn server_of(answer: impl Fn(usize, &Request) -> Action + Send + Sync + 'static) -> Proxy {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    Proxy::start(nobody, Plan::hook(answer)).expect("a server")
}

fn taking(status: u16) -> Proxy {
    server_of(move |_, _| Action::Answer(Reply::new(status, "text/plain", "ok")))
}

fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Action {
    let mut reply = Reply::new(status, "text/plain", body);
    reply.headers.extend(headers.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())));
    Action::Answer(reply)
}

/// Bodies of what was posted.
fn bodies(server: &Proxy) -> Vec<Value> {
    let parse = |request: &Request| serde_json::from_slice(&request.body).expect("JSON");
    server.requests().iter().map(|seen| parse(&seen.request)).collect()
}

fn webhook(server: &Proxy) -> String {
    format!("name = \"hook\"\ntype = \"webhook\"\nurl = \"http://{}/in\"\nsecret_file = \"secret\"\n", server.address())
}

/// Sends one notice of the event to the only channel.
fn sent(channel: &str, event: Event) -> Result<(), Error> {
    let (_folder, config) = configured(channel);
    let aws = Aws::default();
    let post = Post::at_pace(&aws, &config, quick());
    let result = post.send(&config.channel[0], &notice(event, Severity::Page, "checkout"));
    keeps_the_secret(&format!("{post:?} {config:?}"));
    result.inspect_err(|error| keeps_the_secret(&format!("{error} {error:?} {}", error.hint())))
}

fn keeps_the_secret(told: &str) {
    assert!(!told.contains(KEY) && !told.contains("MfKQ9r8"), "a secret is told: {told}");
}

#[test]
fn pagerduty_gets_an_event_and_says_accepted() {
    let channel = |server: &Proxy| {
        let url = format!("http://{}/v2/enqueue", server.address());
        format!("name = \"oncall\"\ntype = \"pagerduty\"\nurl = \"{url}\"\nsecret_file = \"secret\"")
    };
    let server = taking(202);
    for event in [Event::Trigger, Event::Acknowledge, Event::Resolve] {
        sent(&channel(&server), event).expect("sent");
    }
    let events = bodies(&server);
    let actions: Vec<&Value> = events.iter().map(|event| &event["event_action"]).collect();
    assert_eq!(actions, ["trigger", "acknowledge", "resolve"]);
    events.iter().for_each(is_pagerduty);
    assert_eq!(events[0]["routing_key"], KEY);
    let request = server.requests()[0].request.clone();
    assert_eq!((request.method.as_str(), request.header("content-type")), ("POST", Some("application/json")));
    let agent = request.header("user-agent").expect("an agent");
    assert!(agent.starts_with("billtag/"), "{agent}");

    let error = sent(&channel(&taking(200)), Event::Trigger).expect_err("somebody else answered");
    assert!(error.to_string().contains("200"), "{error}");
    let error = sent(&channel(&server), Event::Heartbeat).expect_err("it knows none");
    assert!(error.hint().contains("another type"), "{}", error.hint());
}

#[test]
fn slack_gets_a_post_at_the_address_that_is_its_secret() {
    let server = taking(200);
    let (folder, config) = configured("name = \"chat\"\ntype = \"slack\"\nsecret_file = \"secret\"");
    let path = "/services/T000/B000/XYZsecretXYZ";
    std::fs::write(folder.path().join("secret"), format!("http://{}{path}\r\n", server.address())).expect("written");
    let aws = Aws::default();
    let post = Post::at_pace(&aws, &config, quick());
    let named = notice(Event::Trigger, Severity::Warn, "*x* `y` <!channel> & \u{202e}z");
    post.send(&config.channel[0], &named).expect("sent");
    assert_eq!(server.requests()[0].request.path, path);
    bodies(&server).iter().for_each(is_slack);

    // The server says the secret again, and then there is none.
    let echo = server_that_echoes();
    std::fs::write(folder.path().join("secret"), format!("http://{}{path}", echo.address())).expect("written");
    let error = post.send(&config.channel[0], &named).expect_err("refused");
    let gone = echo.address();
    drop(echo);
    let lost = post.send(&config.channel[0], &named).expect_err("nobody there");
    let told = format!("{error} {error:?} {lost} {lost:?} {} {}", error.hint(), lost.hint());
    assert!(!told.contains("XYZsecretXYZ") && !told.contains(&gone.to_string()), "{told}");
    assert!(told.contains("404") && told.contains("no connection to 127.0.0.1"), "{told}");
    std::fs::write(folder.path().join("secret"), "http://hooks.example.com/XYZsecretXYZ").expect("written");
    let error = post.send(&config.channel[0], &named).expect_err("not encrypted");
    assert!(error.to_string().ends_with("its secret is no https address"), "{error}");
}

fn server_that_echoes() -> Proxy {
    server_of(|_, request| reply(404, &[], &format!("no_service at {} \u{1b}[31m", request.path)))
}

#[test]
fn alertmanager_gets_an_array_below_its_base() {
    let server = taking(200);
    let channel = format!(
        "name = \"am\"\ntype = \"alertmanager\"\nurl = \"http://{}/base/\"\nuser = \"me\"\nsecret_file = \"secret\"",
        server.address()
    );
    for event in [Event::Trigger, Event::Resolve, Event::Heartbeat] {
        sent(&channel, event).expect("sent");
    }
    bodies(&server).iter().for_each(is_alertmanager);
    let request = server.requests()[0].request.clone();
    assert_eq!(request.path, "/base/api/v2/alerts");
    let encoded = aws_smithy_types::base64::encode(format!("me:{KEY}"));
    assert_eq!(request.header("authorization"), Some(format!("Basic {encoded}").as_str()));

    let echo = server_of(|_, request| reply(400, &[], request.header("authorization").unwrap_or_default()));
    let error = sent(&channel.replace(&server.address().to_string(), &echo.address().to_string()), Event::Trigger);
    let told = error.expect_err("refused").to_string();
    assert!(told.ends_with("Basic [secret]"), "{told}");
}

#[test]
fn a_webhook_is_signed_so_that_others_can_verify_it() {
    let server = server_of(|nth, _| if nth == 1 { reply(500, &[], "") } else { reply(204, &[], "") });
    sent(&webhook(&server), Event::Trigger).expect("sent");
    sent(&webhook(&server), Event::Trigger).expect("sent again");
    let requests = server.requests();
    let header = |at: usize, name: &str| requests[at].request.header(name).expect("a header").to_string();
    assert_eq!(header(0, "webhook-id"), header(2, "webhook-id"), "the same notice has the same id");
    let age = billtag::clock::now() - header(0, "webhook-timestamp").parse::<i64>().expect("a number");
    assert!((0..60).contains(&age), "{age}");
    let verify = "import base64, hashlib, hmac, sys; key, id, time, signature, body = sys.argv[1:]; \
                  key = base64.b64decode(key.removeprefix('whsec_')); \
                  made = hmac.new(key, f'{id}.{time}.{body}'.encode(), hashlib.sha256).digest(); \
                  assert signature == 'v1,' + base64.b64encode(made).decode()";
    let body = harness::text(&requests[0].request.body);
    let told = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| header(0, name));
    let python = Command::new(parts::python()).args(["-c", verify, KEY]).args(told).arg(body).status();
    assert!(python.expect("python runs").success());
}

#[test]
fn a_server_that_asks_for_a_pause_gets_it() {
    let server = server_of(|nth, _| match nth {
        1 => reply(429, &[("Retry-After", "1")], "slow down"),
        _ => reply(202, &[], ""),
    });
    let start = Instant::now();
    sent(&webhook(&server), Event::Trigger).expect("sent");
    assert!(start.elapsed() >= Duration::from_secs(1));
    let statuses: Vec<u16> = server.requests().iter().map(|seen| seen.status).collect();
    assert_eq!(statuses, [429, 202]);
}

#[test]
fn a_server_that_asks_for_a_long_pause_is_left_alone() {
    let server = server_of(|_, _| reply(503, &[("Retry-After", "3600")], ""));
    let start = Instant::now();
    let error = sent(&webhook(&server), Event::Trigger).expect_err("given up");
    assert!(error.to_string().contains("503") && error.to_string().contains("3600 s"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(1) && server.requests().len() == 1);
}

#[test]
fn errors_of_the_server_are_tried_three_times_and_told_in_few_words() {
    let long = "x".repeat(10_000);
    let server = server_of(move |_, _| reply(500, &[], &format!("broken\u{1b}[2J {long}")));
    let error = sent(&webhook(&server), Event::Trigger).expect_err("given up").to_string();
    assert_eq!(server.requests().len(), 3);
    assert!(error.starts_with("channel hook: it answered 500") && error.contains("broken\\u{1b}[2J"), "{error}");
    assert!(error.chars().count() < 300, "{error}");
}

#[test]
fn what_the_server_refuses_is_not_tried_again() {
    for (status, hint) in [(400, "settings"), (401, "secret"), (403, "secret"), (404, "`url`"), (410, "`url`")] {
        let server = server_of(move |_, _| reply(status, &[], "no"));
        let error = sent(&webhook(&server), Event::Trigger).expect_err("refused");
        assert_eq!(server.requests().len(), 1);
        assert!(error.hint().contains(hint), "{status}: {}", error.hint());
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let other = taking(200);
    let there = format!("http://{}/elsewhere", other.address());
    let server = server_of(move |_, _| reply(307, &[("Location", &there)], ""));
    let error = sent(&webhook(&server), Event::Trigger).expect_err("refused");
    assert!(error.to_string().contains("307") && error.hint().contains("not followed"), "{error}");
    assert!(other.requests().is_empty() && server.requests().len() == 1);
}

#[test]
fn connections_that_fail_are_tried_again_and_then_told() {
    let shaky = server_of(|nth, _| if nth < 3 { Action::Fault(Fault::Reset) } else { reply(200, &[], "") });
    sent(&webhook(&shaky), Event::Trigger).expect("sent");
    assert_eq!(shaky.requests().len(), 3);

    let channel = webhook(&shaky);
    drop(shaky);
    let error = sent(&channel, Event::Trigger).expect_err("nobody there");
    assert!(error.to_string().starts_with("channel hook: no connection to 127.0.0.1"), "{error}");

    let slow = server_of(|_, _| {
        std::thread::sleep(Duration::from_secs(1));
        reply(200, &[], "")
    });
    let start = Instant::now();
    let error = sent(&webhook(&slow), Event::Trigger).expect_err("too slow");
    assert!(error.to_string().contains("no answer of 127.0.0.1 in time"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_topic_gets_one_message_with_attributes_and_an_order_where_it_keeps_one() {
    let server = parts::moto();
    let prepare = r#"
import boto3
boto3.setup_default_session(aws_access_key_id="test", aws_secret_access_key="test")
sns, sqs = boto3.client("sns"), boto3.client("sqs")
for name, more in [("incidents", {}), ("incidents.fifo", {"FifoTopic": "true"})]:
    topic = sns.create_topic(Name=name, Attributes=more)["TopicArn"]
    queue = sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"} if more else {})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
"#;
    server.python(prepare);
    let aws = Aws::for_endpoint(&server.endpoint());
    for name in ["incidents", "incidents.fifo", "missing"] {
        let topic = format!("arn:aws:sns:us-east-1:123456789012:{name}");
        let (_folder, config) = configured(&format!("name = \"topic\"\ntype = \"sns\"\ntopic_arn = \"{topic}\""));
        let post = Post::new(&aws, &config);
        let result = post.send(&config.channel[0], &notice(Event::Trigger, Severity::Page, "Zürich\n🙂"));
        if name == "missing" {
            let error = result.expect_err("no such topic");
            assert!(error.to_string().starts_with("channel topic: there is no such topic"), "{error}");
            assert!(error.hint().contains("ARN"), "{}", error.hint());
        } else {
            result.expect("published");
        }
    }
    let check = r#"
import boto3, json
boto3.setup_default_session(aws_access_key_id="test", aws_secret_access_key="test")
sqs = boto3.client("sqs")
for name in ["incidents", "incidents.fifo"]:
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    [message] = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]
    body = json.loads(message["Body"])
    assert body["Subject"].startswith("billtag PAGE: Z?rich ? cost 412.00 USD"), body["Subject"]
    assert json.loads(body["Message"])["event"] == "trigger", body
    values = {name: value["Value"] for name, value in body["MessageAttributes"].items()}
    assert values == {"event": "trigger", "severity": "page", "workload": "Zürich 🙂", "team": "search",
                      "environment": "prod"}, values
    assert (len(message["Attributes"].get("MessageGroupId", "")) == 64) == name.endswith(".fifo"), message
"#;
    server.python(check);
}

fn channels(text: &str) -> Vec<Channel> {
    let kind = |line: &str| format!("[[channel]]\ntype = \"stdout\"\n{line}\n");
    let config: Config = toml::from_str(&text.lines().map(kind).collect::<String>().replace("; ", "\n")).expect("it");
    config.channel
}

fn names(channels: &[Channel], notice: &Notice) -> Vec<String> {
    wanted(channels, notice).into_iter().map(|channel| channel.name.clone()).collect()
}

#[test]
fn a_notice_goes_to_those_whose_it_is_and_never_to_nobody() {
    let mut channels = channels(
        "name = \"search\"; team = [\"sea*\", \"x\"]; severity = \"note\"\nname = \"other\"; team = [\"other\"]\n\
         name = \"prod\"; environment = [\"prod\"]; severity = \"page\"\nname = \"rest\"; fallback = true",
    );
    for channel in &mut channels {
        channel.kind = billtag::config::channels::Kind::Webhook;
    }
    let mut told = notice(Event::Trigger, Severity::Page, "checkout");
    assert_eq!(names(&channels, &told), ["search", "prod"]);
    told.severity = Severity::Note;
    assert_eq!(names(&channels, &told), ["search"]);
    told.labels.remove("team");
    assert_eq!(names(&channels, &told), Vec::<String>::new(), "a note is not worth the fallback");
    told.severity = Severity::Warn;
    assert_eq!(names(&channels, &told), ["rest"]);
    told.severity = Severity::Page;
    told.labels.remove("environment");
    assert_eq!(names(&channels, &told), ["rest"]);
    // Who reads what a job prints is nobody.
    channels[0].kind = billtag::config::channels::Kind::Stdout;
    channels[0].team.clear();
    assert_eq!(names(&channels, &told), ["search", "rest"]);
    assert!(takes_every_page(&channels) && !takes_every_page(&channels[..3]));
    told.event = Event::Heartbeat;
    assert!(wanted(&channels, &told).is_empty());
}
