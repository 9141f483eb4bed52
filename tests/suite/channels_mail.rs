//! Mail, through a real server: encrypted and not, with a password and a wrong one, and what is refused.

use std::path::Path;

use billtag::alert::channel::Post;
use billtag::alert::notice::Event;
use billtag::alert::rules::Severity;
use billtag::aws::Aws;
use billtag::error::Error;
use serde_json::Value;
use tempfile::TempDir;

use crate::channels::{configured, quick};
use crate::channels_forms::notice;
use crate::harness;
use crate::parts::{self, Emulator};

const PASSWORD: &str = "pass-wörd-77";

fn channel(server: &Emulator, more: &str) -> String {
    format!(
        "name = \"mail\"\ntype = \"email\"\nsmtp = \"{}\"\nfrom = \"billtag <billtag@example.com>\"\n\
         to = [\"a@example.com\", \"Ops <b@example.com>\"]\n{more}\n",
        server.address()
    )
}

/// Mails that arrived, in order.
fn arrived(folder: &Path) -> Vec<Value> {
    let read = |number: usize| std::fs::read(folder.join(format!("{number}.json"))).ok();
    (1..).map_while(read).map(|bytes| serde_json::from_slice(&bytes).expect("JSON")).collect()
}

fn server(arguments: &[&str]) -> (Emulator, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display().to_string();
    (parts::smtp(&[&[path.as_str()], arguments].concat()), folder)
}

/// Sends one notice to the only channel.
fn sent(channel: &str, secret: &str) -> Result<(), Error> {
    let (folder, config) = configured(channel);
    std::fs::write(folder.path().join("secret"), secret).expect("written");
    let aws = Aws::default();
    let named = notice(Event::Trigger, Severity::Page, "Zür\r\nBcc: evil@example.com");
    Post::at_pace(&aws, &config, quick()).send(&config.channel[0], &named)
}

#[test]
fn a_mail_arrives_with_nothing_in_its_head_that_a_name_put_there() {
    let (server, folder) = server(&["--auth", &format!("billtag:{PASSWORD}")]);
    let with_user = channel(&server, "tls = \"none\"\nuser = \"billtag\"\nsecret_file = \"secret\"");
    sent(&with_user, PASSWORD).expect("sent");
    let mails = arrived(folder.path());
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0]["to"], serde_json::json!(["a@example.com", "b@example.com"]));
    assert_eq!((&mails[0]["from"], &mails[0]["user"]), (&"billtag@example.com".into(), &"billtag".into()));
    let text = mails[0]["text"].as_str().expect("a text");
    assert!(text.contains("References: <incident-") && !text.contains("\r\nBcc:"), "{text}");

    let error = sent(&with_user, "not-the-password").expect_err("refused");
    let told = format!("{error} {error:?}");
    assert!(told.contains("535") && !told.contains("not-the-password"), "{told}");
    assert_eq!(error.hint(), "check the channel's `user` and secret");
    assert_eq!(arrived(folder.path()).len(), 1);
}

#[test]
fn mail_is_encrypted_under_a_certificate_that_is_checked() {
    let (server, folder) = server(&["--tls"]);
    let (own, _) = configured(&channel(&server, ""));
    let test = |certificates: Option<&Path>| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_billtag"));
        command.args(["alert", "--test", "mail"]).current_dir(own.path()).env("HOME", own.path());
        command.envs(certificates.map(|file| ("SSL_CERT_FILE", file)));
        command.output().expect("the binary runs")
    };
    let refused = test(None);
    let told = harness::text(&refused.stderr);
    assert!(refused.status.code() == Some(1) && told.contains("certificate"), "{told}");
    assert!(arrived(folder.path()).is_empty());
    let taken = test(Some(&folder.path().join("ca.pem")));
    assert!(taken.status.success(), "{}", harness::text(&taken.stderr));
    assert_eq!(arrived(folder.path())[0]["encrypted"], true);
}

#[test]
fn a_server_that_cannot_encrypt_gets_nothing() {
    let (server, folder) = server(&[]);
    let error = sent(&channel(&server, ""), "").expect_err("refused");
    assert!(error.to_string().starts_with("channel mail: "), "{error}");
    assert!(arrived(folder.path()).is_empty());
}

#[test]
fn a_receiver_that_is_refused_and_a_server_that_is_away_are_told() {
    let (server, folder) = server(&["--refuse"]);
    let plain = channel(&server, "tls = \"none\"");
    let error = sent(&plain, "").expect_err("refused");
    assert!(error.to_string().contains("550") && error.to_string().contains("no mailbox"), "{error}");
    assert!(error.hint().contains("`to`"), "{}", error.hint());
    drop(server);
    let error = sent(&plain, "").expect_err("nobody there");
    assert!(error.hint().contains("`smtp`"), "{error}: {}", error.hint());
    assert!(arrived(folder.path()).is_empty());
}
