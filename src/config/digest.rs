//! `[digest]`: who is told of each morning in few lines.

use reqwest::Url;
use serde::Deserialize;

use super::Config;
use crate::alert::channel::can_digest;
use crate::error::Result;
use crate::spelling;

/// Who is told of each morning.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Digest {
    /// Names of channels that `run` tells, once a complete day.
    pub channels: Vec<String>,
    /// Address of the whole report.
    pub link: Option<String>,
}

impl Config {
    /// Checks what names channels.
    pub(super) fn check_digest(&self, wrong: &dyn Fn(String, String, &str) -> Result<()>) -> Result<()> {
        let place = || "[digest] channels".to_string();
        for name in &self.digest.channels {
            let Some(channel) = self.channel.iter().find(|channel| channel.name == *name) else {
                let names = self.channel.iter().map(|channel| channel.name.as_str());
                let hint = spelling::hint(name, names, "name one of the `[[channel]]`");
                return wrong(place(), format!("there is no channel `{name}`"), &hint);
            };
            if !can_digest(channel.kind) {
                let what =
                    format!("the channel `{name}` is of type {}, which knows alerts alone", channel.kind.as_str());
                return wrong(place(), what, "name a channel of type slack, email, sns, webhook or stdout");
            }
        }
        let link = self.digest.link.as_deref();
        let is_web = |link: &str| Url::parse(link).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        match link.filter(|link| !is_web(link)) {
            Some(link) => {
                let hint = "write it as `https://host/path`";
                wrong("[digest] link".into(), format!("`{link}` is no address of a page"), hint)
            }
            None => Ok(()),
        }
    }
}
