//! Channels in the config: what is refused, that no secret is told, and what a person tries by hand.

use std::path::Path;
use std::process::{Command, Output};

use billtag::config::Config;

use crate::harness;
use crate::proxy::{Action, Plan, Proxy, Reply};

/// A text that stands where a secret should not, and that no output may hold.
const SECRET: &str = "s3cr3t-R0UT1NG-k3y-0123456789";

fn configured(channels: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!("[[bill]]\npath = \"bill\"\n{channels}");
    std::fs::write(folder.path().join("billtag.toml"), text).expect("a config");
    folder
}

/// What is said of a config that is refused.
fn refused(channels: &str) -> String {
    let folder = configured(channels);
    let error = Config::load(&folder.path().join("billtag.toml")).expect_err("refused");
    let told = format!("{error} | {}", error.hint()).replace(&folder.path().display().to_string(), "[DIR]");
    assert!(!format!("{told}{error:?}").contains(SECRET), "a secret is told: {told}");
    told
}

fn channel(lines: &str) -> String {
    format!("[[channel]]\nname = \"a\"\n{lines}\n")
}

#[test]
fn a_channel_that_cannot_work_is_refused_with_the_reason() {
    let slack = "type = \"slack\"\nsecret_env = \"SLACK\"";
    let hook = |url: &str| format!("type = \"webhook\"\nurl = \"{url}\"");
    let wrong = [
        ("type = \"slak\"".to_string(), "did you mean `slack`?"),
        ("type = \"slack\"".to_string(), "secret_env of `a`: a channel of type `slack` needs it"),
        (format!("{slack}\nsecret_file = \"x\""), "either `secret_env` or `secret_file`"),
        (format!("{slack}\nurl = \"https://hooks.slack.com/{SECRET}\""), "is itself the secret"),
        (format!("{slack}\nurll = \"https://hooks.slack.com/{SECRET}\""), "did you mean `url`?"),
        (format!("{slack}\ntopic_arn = \"x\""), "a channel of type `slack` has no such key"),
        (format!("{slack}\nseverity = \"pgae\""), "did you mean `page`?"),
        (format!("{slack}\nseverity = [\"page\"]"), "line 7: severity: wanted"),
        (format!("{slack}\nfallback = true\nteam = [\"x\"]"), "a fallback gets what no other channel takes"),
        (format!("{slack}\n[[channel]]\nname = \"a\"\n{slack}"), "number 2: name: another channel has this name"),
        (hook("http://example.com"), "only `https` is posted to"),
        (hook(&format!("https://me:{SECRET}@example.com")), "a password never stands in the config's text"),
        (hook("example"), "it is not an address"),
        (format!("type = \"slack\"\nsecret_env = \"{SECRET}\""), "it holds the name of an environment variable"),
        (format!("type = \"slack\"\nsecret_env = \"{}\"", "a".repeat(32)), "the name of an environment variable"),
        (format!("type = \"slack\"\nsecret_file = \"https://{SECRET}\""), "it holds the path of a file"),
        ("type = \"sns\"\ntopic_arn = \"incidents\"".to_string(), "it is not the ARN of a topic"),
        (
            "type = \"alertmanager\"\nurl = \"http://am:9093\"\nuser = \"me\"".to_string(),
            "a user comes with a password",
        ),
        ("type = \"email\"\nsmtp = \"mail\"\nfrom = \"a@b.c\"\nto = [\"a@b.c\"]".to_string(), "no server and port"),
        ("type = \"email\"\nsmtp = \"mail:25\"\nfrom = \"a\"\nto = [\"a@b.c\"]".to_string(), "`a` is not an address"),
        ("type = \"stdout\"\nurl = \"https://a.b\"".to_string(), "a channel of type `stdout` has no such key"),
    ];
    for (lines, expected) in wrong {
        let told = refused(&channel(&lines));
        assert!(told.contains(expected), "{lines}: {told}");
    }
    assert!(refused("[[channel]]\nname = \"a b\"\ntype = \"stdout\"\n").contains("plain characters"));
}

#[test]
fn a_secret_in_the_text_is_refused_and_not_told() {
    for key in ["secret", "password", "token", "routing_key"] {
        let line = format!("{key} = \"{SECRET}\"");
        let inline = format!("channel = [{{ name = \"a\", type = \"slack\", {line} }}]");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("billtag.toml");
        std::fs::write(&file, format!("{inline}\n[[bill]]\npath = \"bill\"\n")).expect("written");
        let error = Config::load(&file).expect_err("refused");
        for told in [refused(&channel(&format!("type = \"slack\"\n{line}"))), format!("{error} {error:?}")] {
            assert!(told.contains("a secret never stands in the config's text"), "{told}");
            assert!(told.contains("secret_env") && told.contains("line ") && !told.contains(SECRET), "{told}");
        }
    }
}

#[test]
fn what_is_usual_needs_few_lines() {
    let folder = configured(&format!(
        "{}[[channel]]\nname = \"b\"\ntype = \"pagerduty\"\nsecret_env = \"PD\"\n",
        channel("type = \"alertmanager\"\nurl = \"http://alertmanager:9093\"")
    ));
    let config = harness::config(folder.path());
    let least: Vec<&str> = config.channel.iter().map(|channel| channel.least().as_str()).collect();
    assert_eq!(least, ["warn", "page"]);
}

/// Runs the binary with a variable set.
fn billtag(folder: &Path, arguments: &[&str], variable: (&str, &str)) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_billtag"));
    command.args(arguments).current_dir(folder).env("HOME", folder).env_remove("XDG_CONFIG_HOME");
    let output = command.env(variable.0, variable.1).output().expect("the binary runs");
    let told = harness::text(&output.stdout) + &harness::text(&output.stderr);
    assert!(!told.contains(SECRET), "a secret is told: {told}");
    output
}

fn server(status: u16) -> Proxy {
    let nobody = ([127, 0, 0, 1], 9).into();
    let answer = move || Action::Answer(Reply::new(status, "text/plain", format!("key {SECRET} is no good")));
    Proxy::start(nobody, Plan::hook(move |_, _| answer())).expect("a server")
}

#[test]
fn a_channel_is_tried_by_hand_without_a_bill_or_a_store() {
    let server = server(202);
    let folder = configured(&format!(
        "{}secret_env = \"ROUTING_KEY\"\n",
        channel(&format!("type = \"pagerduty\"\nurl = \"http://{}\"", server.address()))
    ));
    let output = billtag(folder.path(), &["alert", "--test", "a"], ("ROUTING_KEY", SECRET));
    assert!(output.status.success(), "{}", harness::text(&output.stderr));
    assert_eq!(harness::text(&output.stderr), "channel a: the test notice and its end were accepted\n");
    let requests = server.requests();
    let bodies: Vec<String> = requests.iter().map(|seen| harness::text(&seen.request.body)).collect();
    assert!(bodies[0].contains("\"trigger\"") && bodies[0].contains("TEST of the channel a"), "{bodies:?}");
    assert!(bodies.len() == 2 && bodies[1].contains("\"resolve\""), "{bodies:?}");
    assert!(!folder.path().join(".billtag").exists(), "a store was made");
}

#[test]
fn a_channel_that_does_not_work_is_told_with_its_reason() {
    let server = server(403);
    let folder = configured(&format!(
        "{}secret_env = \"ROUTING_KEY\"\n[[channel]]\nname = \"printed\"\ntype = \"stdout\"\n",
        channel(&format!("type = \"pagerduty\"\nurl = \"http://{}\"", server.address()))
    ));
    let told = |arguments: &[&str], value: &str| {
        let output = billtag(folder.path(), arguments, ("ROUTING_KEY", value));
        format!("exit {}\n{}", output.status.code().expect("a code"), harness::text(&output.stderr))
    };
    let refused = told(&["alert", "--test", "a"], SECRET);
    assert_eq!(
        refused,
        "exit 1\nerror: channel a: it answered 403 Forbidden: key [secret] is no good\n\
         hint: check the channel's secret\n"
    );
    let empty = told(&["alert", "--test", "a"], " ");
    assert!(empty.starts_with("exit 1\nerror: channel a: its secret, `ROUTING_KEY`, is empty"), "{empty}");
    let unknown = told(&["alert", "--test", "prined"], "");
    assert_eq!(
        unknown,
        "exit 2\nerror: --test: there is no channel `prined`\n\
         hint: did you mean `printed`? the channels are a, printed\n"
    );
    let printed = harness::stdout(folder.path(), &["alert", "--test", "printed", "-q"]);
    assert!(printed.starts_with("WARN: TEST of the channel printed"), "{printed}");
}

#[test]
fn a_proxy_of_the_environment_is_used() {
    let proxy = server(200);
    let folder = configured(&channel("type = \"alertmanager\"\nurl = \"http://alertmanager.invalid:9093\""));
    let address = format!("http://{}", proxy.address());
    let output = billtag(folder.path(), &["alert", "--test", "a"], ("http_proxy", &address));
    assert!(output.status.success(), "{}", harness::text(&output.stderr));
    assert_eq!(proxy.requests()[0].request.path, "http://alertmanager.invalid:9093/api/v2/alerts");
}

#[test]
fn the_doctor_reads_each_secret_and_sends_nothing() {
    let server = server(200);
    let hook = format!("type = \"webhook\"\nurl = \"http://{}\"\n", server.address());
    let folder = configured(&format!(
        "[[channel]]\nname = \"set\"\ntype = \"pagerduty\"\nsecret_env = \"ROUTING_KEY\"\n\
         [[channel]]\nname = \"unset\"\ntype = \"pagerduty\"\nsecret_env = \"NO_SUCH_KEY\"\n\
         [[channel]]\nname = \"gone\"\ntype = \"slack\"\nsecret_file = \"gone\"\n\
         [[channel]]\nname = \"slack\"\ntype = \"slack\"\nsecret_env = \"ROUTING_KEY\"\n\
         [[channel]]\nname = \"open\"\n{hook}[[channel]]\nname = \"key\"\n{hook}secret_env = \"ROUTING_KEY\"\n\
         [[channel]]\nname = \"printed\"\ntype = \"stdout\"\n"
    ));
    let output = billtag(folder.path(), &["doctor", "--format", "json"], ("ROUTING_KEY", SECRET));
    let lines: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let of = |line: &serde_json::Value, name: &str| line[name].as_str().unwrap_or_default().to_string();
    let secrets: Vec<(String, String, String)> = lines
        .as_array()
        .expect("lines")
        .iter()
        .filter(|line| line["check"] == "secret")
        .map(|line| (of(line, "on"), of(line, "state"), of(line, "detail")))
        .collect();
    let states: Vec<(&str, &str)> = secrets.iter().map(|(on, state, _)| (on.as_str(), state.as_str())).collect();
    let expected = [("set", "ok"), ("unset", "failure"), ("gone", "failure"), ("slack", "failure")];
    let expected: Vec<(String, &str)> = expected
        .into_iter()
        .chain([("open", "warning"), ("key", "ok")])
        .map(|(on, s)| (format!("channel {on}"), s))
        .collect();
    assert_eq!(states, expected.iter().map(|(on, state)| (on.as_str(), *state)).collect::<Vec<_>>(), "{secrets:?}");
    assert!(secrets[1].2.contains("`NO_SUCH_KEY` is not set"), "{secrets:?}");
    assert!(server.requests().is_empty());

    let folder = configured(&channel("type = \"slack\"\nsecret_env = \"ROUTING_KEY\"\nteam = [\"search\"]"));
    let output = billtag(folder.path(), &["doctor", "--format", "csv"], ("ROUTING_KEY", SECRET));
    assert!(harness::text(&output.stdout).contains("warning,routing,channels,"), "{output:?}");
}

#[test]
fn the_policy_lets_topics_be_published_to() {
    let folder = configured(&channel("type = \"sns\"\ntopic_arn = \"arn:aws:sns:eu-west-1:111122223333:incidents\""));
    let output = harness::billtag(folder.path(), &["iam-policy"]);
    let (policy, notes) = (harness::text(&output.stdout), harness::text(&output.stderr));
    assert!(policy.contains("\"sns:Publish\"") && policy.contains("sns:eu-west-1:111122223333:incidents"), "{policy}");
    assert!(notes.contains("kms:GenerateDataKey") && !notes.contains("where a bucket"), "{notes}");
}
