//! Secrets: read when a channel is used, and told to nobody but its server.

use std::fmt;

use aws_smithy_types::base64;

use crate::config::Config;
use crate::config::channels::Channel;
use crate::error::{Error, Result};

/// What stands in a secret's place.
const HIDDEN: &str = "[secret]";
/// Texts shorter than this are not looked for in what others say: they would be found in words.
const SHORT: usize = 4;

/// A secret. It has no `Display`, and its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HIDDEN)
    }
}

impl Secret {
    /// The secret that a channel names, if it names one.
    ///
    /// # Errors
    /// It is missing, empty or no text.
    pub fn read(config: &Config, channel: &Channel) -> Result<Option<Self>> {
        let wrong = |what: String, hint: String| Error::input(channel.place(), what, hint);
        let text = if let Some(name) = &channel.secret_env {
            let set = format!("set `{name}` where billtag runs, or name a file with `secret_file`");
            std::env::var(name).map_err(|error| match error {
                std::env::VarError::NotPresent => {
                    wrong(format!("the environment variable `{name}` is not set"), set.clone())
                }
                std::env::VarError::NotUnicode(_) => wrong(format!("what `{name}` holds is not UTF-8 text"), set),
            })?
        } else if let Some(file) = &channel.secret_file {
            let path = config.resolve(file);
            std::fs::read_to_string(&path).map_err(|error| {
                let error = Error::io(&path, "read")(error);
                wrong(error.to_string(), error.hint())
            })?
        } else {
            return Ok(None);
        };
        // Editors and `echo` end a file with a line break that is no part of the secret.
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.trim().is_empty() {
            let source = channel.secret_env.as_ref().or(channel.secret_file.as_ref());
            let source = source.map(String::as_str).unwrap_or_default();
            return Err(wrong(format!("its secret, `{source}`, is empty"), "put the secret into it".into()));
        }
        Ok(Some(Self(text.to_string())))
    }

    /// The secret itself.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// What somebody said, without the secret: a server may say again what it was sent.
    pub(super) fn hide(&self, text: &str) -> String {
        // Of an address, what tells is behind the host.
        let path = self.0.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path);
        let parts = [Some(self.0.as_str()), path];
        let parts = parts.into_iter().flatten().map(str::trim).filter(|part| part.len() >= SHORT);
        parts.fold(text.to_string(), |text, part| text.replace(part, HIDDEN))
    }

    /// The same, where it may also be said as HTTP sends a password.
    pub(super) fn hide_posted(&self, user: Option<&str>, text: &str) -> String {
        let hidden = self.hide(text);
        let Some(user) = user else { return hidden };
        hidden.replace(&base64::encode(format!("{user}:{}", self.0)), HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_to_nobody() {
        let secret = Secret("https://hooks.example.com/services/T0/B0/xyz".into());
        assert_eq!(format!("{secret:?}"), "[secret]");
        assert_eq!(secret.hide("no /services/T0/B0/xyz here"), "no /[secret] here");
        assert_eq!(secret.hide("to https://hooks.example.com/services/T0/B0/xyz"), "to [secret]");
    }
}
