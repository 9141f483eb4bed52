//! `billtag backtest`: the kept runs, one after the other, on the bill as each saw it.

use std::path::Path;

use super::{Session, output};
use crate::alert::backtest::{self, labels::Label};
use crate::alert::history::History;
use crate::alert::rules::Floors;
use crate::error::Result;
use crate::metrics::{Engine, Range};
use crate::report::render;
use crate::watch::{Level, Message, Watch};

impl Session<'_> {
    pub(super) fn backtest(&self, labels: &Path) -> Result<u8> {
        let labels = backtest::labels::read(labels)?;
        let range = Range { from: self.common.from, to: self.common.to };
        let engine = self.engine()?;
        let mut seen = backtest::seen::Seen::default();
        let until = self.common.as_seen.unwrap_or(i64::MAX).min(engine.as_of);
        for run in self.store.runs()?.into_iter().filter(|run| *run <= until) {
            // The days of a run whose bill is lost are those of the next.
            match self.store.snapshot_as_seen(run) {
                Ok(snapshot) => {
                    let past = Engine::open(snapshot, &self.config, run, range)?;
                    seen.look(&past, &self.config, Some(run))?;
                }
                Err(error) => self.warn(&[format!("{error}; its days are judged on what the next run saw")]),
            }
        }
        // What the store holds now, where no run noted it.
        seen.look(&engine, &self.config, None)?;
        let now = History::read(&engine, None)?;
        let unknown = labels.iter().filter(|label| now.owners.iter().all(|owner| owner.workload != label.workload));
        let warning = |label: &Label| format!("the label of {}: the store knows no such workload", label.workload);
        self.warn(&unknown.map(warning).collect::<Vec<_>>());
        let said = format!("{} days judged, {} runs replayed on the bill as each saw it", seen.days, seen.runs);
        self.console.tells(&Message::new(Level::Info, said));
        let scores = backtest::scores(&seen, &now, Floors::of(&self.config).warn, &labels, range);
        let text = render::answer(&backtest::grid(&scores), output::format(self.common)?, self.width)?;
        output::write(self.common, &text)?;
        Ok(0)
    }
}
