//! `billtag alert --test`: one notice to one channel, so that a silent channel is found before it is needed.

use super::Common;
use super::commands::load_config;
use super::console::Console;
use super::output;
use crate::alert::channel::Post;
use crate::config::Config;
use crate::config::channels::{Channel, Kind};
use crate::error::{Error, Result};
use crate::spelling;
use crate::watch::{Level, Message, Watch};

/// Sends a test notice to the channel of a name.
pub fn test(common: &Common, name: &str) -> Result<u8> {
    let config = load_config(common)?;
    let channel = named(&config, "--test", name)?;
    let aws = config.aws(common.profile.as_deref());
    let post = Post::new(&aws, &config);
    post.test(channel)?;
    let printed = post.printed();
    if !printed.is_empty() {
        output::write(common, &printed)?;
    }
    let said = match channel.kind {
        Kind::Stdout => "the test notice was printed",
        Kind::Email => "the mail server accepted the test notice",
        Kind::Sns => "the topic accepted the test notice",
        Kind::Pagerduty | Kind::Alertmanager => "the test notice and its end were accepted",
        Kind::Slack | Kind::Webhook => "the test notice was accepted",
    };
    Console::new(common).tells(&Message::new(Level::Info, format!("{}: {said}", channel.place())));
    Ok(0)
}

/// The channel of a name.
pub(super) fn named<'a>(config: &'a Config, flag: &str, name: &str) -> Result<&'a Channel> {
    config.channel.iter().find(|channel| channel.name == name).ok_or_else(|| {
        let names: Vec<&str> = config.channel.iter().map(|channel| channel.name.as_str()).collect();
        let known = if names.is_empty() {
            "the config has no `[[channel]]`; `billtag init` shows what one looks like".to_string()
        } else {
            format!("the channels are {}", names.join(", "))
        };
        let hint = spelling::hint(name, names, &known);
        Error::config(flag, format!("there is no channel `{name}`"), hint)
    })
}
