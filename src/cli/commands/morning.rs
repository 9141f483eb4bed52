//! `billtag digest`, and whom `run` tells of the morning.

use super::{SOURCE_FAILED, Session, channels, output};
use crate::alert::Looked;
use crate::alert::channel::{Post, words};
use crate::alert::incident::Incident;
use crate::alert::ledger::Desk;
use crate::cli::Format;
use crate::error::{Error, Result};
use crate::metrics::Engine;
use crate::report::daily::digest::{self, Digest};
use crate::report::forecast::Outlook;
use crate::report::render;
use crate::{alert, audit};

impl Session<'_> {
    pub(super) fn digest_of(
        &self,
        engine: &Engine,
        looked: &Looked,
        incidents: &[Incident],
        audit: &audit::Audit,
        outlook: &Outlook,
    ) -> Result<Digest> {
        let alerts = &looked.alerts;
        // Which incidents were open on a morning of the past is not known.
        let incidents = if self.is_range() { None } else { Some(incidents) };
        digest::digest(digest::Sources { engine, config: &self.config, alerts, incidents, audit, outlook })
    }

    /// Tells the channels that want it of the morning.
    pub(super) fn tell_morning(&self, digest: &Digest) -> Result<u8> {
        if self.config.digest.channels.is_empty() {
            return Ok(0);
        }
        let (desk, post) = (Desk::open(&self.store)?, Post::new(&self.aws, &self.config));
        let failures = alert::deliver::digest(&desk, &post, &self.config, digest, self.as_of)?;
        failures.iter().for_each(|failure| self.console.fails(failure));
        output::say(self.common, &self.console, &post.printed())?;
        Ok(if failures.is_empty() { 0 } else { SOURCE_FAILED })
    }

    pub(super) fn digest(&self, send: Option<&str>) -> Result<u8> {
        let channel = send.map(|name| channels::named(&self.config, "--send", name)).transpose()?;
        if channel.is_some() && self.is_range() {
            let hint = "leave the dates out; without --send, a morning of the past is printed";
            return Err(Error::config("--send", "channels are told of this morning alone", hint));
        }
        let engine = self.engine_for_report()?;
        let looked = alert::look(&engine, &self.config, self.common.from, self.common.to)?;
        let audit = audit::audit(&engine, &self.config, &self.ask_audit(false)?)?;
        let incidents = self.foresee(&looked)?.after.incidents;
        let outlook = Outlook::read(&engine, &self.config, &incidents)?;
        let digest = self.digest_of(&engine, &looked, &incidents, &audit, &outlook)?;
        drop(engine);
        let link = self.config.digest.link.as_deref();
        let notice = alert::channel::digest(&digest, self.as_of, link, true);
        let has_findings = looked.alerts.has_findings() || outlook.has_findings();
        if let Some(channel) = channel {
            let post = Post::new(&self.aws, &self.config);
            post.send(channel, &notice)?;
            output::say(self.common, &self.console, &post.printed())?;
            return Ok(self.with_findings(0, has_findings));
        }
        let format = output::format(self.common)?;
        let text = match format {
            Format::Table => words::screen(&notice),
            Format::Json => render::json(&serde_json::Value::Array(vec![notice.body]))?,
            _ => render::answer(&digest.grid(), format, None)?,
        };
        output::write(self.common, &text)?;
        Ok(self.with_findings(0, has_findings))
    }
}
