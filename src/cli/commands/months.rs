//! `billtag forecast` and `billtag showback`: whole months, to come and gone.

use super::{Session, output};
use crate::cli::Format;
use crate::error::{Error, Result};
use crate::report::forecast::{self, Outlook};
use crate::report::{render, showback};

impl Session<'_> {
    pub(super) fn forecast(&self, is_tested: bool) -> Result<u8> {
        let engine = self.engine_for_report()?;
        let outlook = Outlook::read(&engine, &self.config, &self.ledger()?.incidents)?;
        let tested = if is_tested { Some(forecast::backtest::backtest(&engine)?) } else { None };
        let basis = engine.basis("billed_cost");
        self.print(&[forecast::show::document(&outlook, tested.as_deref(), &basis)])?;
        Ok(self.with_findings(0, outlook.has_findings()))
    }

    pub(super) fn showback(&self, month: Option<&str>) -> Result<u8> {
        if self.common.from.is_some() || self.common.to.is_some() || self.common.by.is_some() {
            let hint = "leave --from, --to and --by out, and choose a month with --month";
            return Err(Error::config("showback", "it is of a whole month, by team and cost center", hint));
        }
        let engine = self.engine()?;
        let shown = showback::showback(&engine, &self.config, month)?;
        let format = output::format(self.common)?;
        let text = match format {
            Format::Csv => render::answer(&showback::grid(&shown), format, None)?,
            _ => render::documents(&[showback::document(&shown)], format, self.width)?,
        };
        output::write(self.common, &text)?;
        Ok(0)
    }
}
