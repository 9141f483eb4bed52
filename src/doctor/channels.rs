//! Channels: whether a page always reaches one, and whether the secret of each can be read and is of its kind.
//! Nothing is sent: whether a server takes it is told by `billtag alert --test`.

use super::{Check, Subject};
use crate::alert::channel;
use crate::config::channels::{Channel, Kind};

/// Looks at the channels together, and at each that has a secret, or should.
pub(super) fn look(subject: &Subject<'_>) -> Vec<Check> {
    let channels = &subject.config.channel;
    routing(channels).into_iter().chain(channels.iter().filter_map(|channel| secret(subject, channel))).collect()
}

/// Whether spend that nobody owns would page nobody.
fn routing(channels: &[Channel]) -> Option<Check> {
    const WHAT: &str = "routing";
    if channels.is_empty() {
        return None;
    }
    let on = "channels";
    if channel::takes_every_page(channels) {
        return Some(Check::ok(WHAT, on, "a page reaches a channel, whosever it is"));
    }
    let fix = "give a channel without `team`, `environment` and `workload` the line `fallback = true`";
    Some(Check::warning(WHAT, on, "a page whose team, environment or workload no channel names reaches nobody", fix))
}

fn secret(subject: &Subject<'_>, channel: &Channel) -> Option<Check> {
    const WHAT: &str = "secret";
    let on = channel.place();
    let has_secret = channel.secret_env.is_some() || channel.secret_file.is_some();
    match channel::check_secret(subject.config, channel) {
        Err(error) => Some(Check::of_error(WHAT, &on, &error)),
        Ok(()) if has_secret => {
            let tried =
                format!("it can be read; `billtag alert --test {}` tries whether it is the right one", channel.name);
            Some(Check::ok(WHAT, &on, tried))
        }
        Ok(()) if channel.kind == Kind::Webhook => {
            let fix = "give the channel a key with `secret_env` or `secret_file`, and let its server check signatures";
            let found = "it has none, so its server cannot tell billtag's posts from others";
            Some(Check::warning(WHAT, &on, found, fix))
        }
        Ok(()) => None,
    }
}
