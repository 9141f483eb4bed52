//! What each command does.

use std::path::PathBuf;
use std::sync::Arc;

use super::output::say;
use super::{Cli, Command, Common, output, setup};
use crate::aws::Aws;
use crate::clock;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::facts::store::Store;
use crate::ingest::{self, Outcome, Summary};
use crate::metrics::queries::{BUILT_IN, Query};
use crate::metrics::{Cell, Engine, Grid, Range};
use crate::report::{Document, render};
use crate::{alert, audit, explain, report};

/// Exit code of a command that is done and has findings.
pub(super) const FINDINGS: u8 = 3;
/// Exit code of a command that is done though a source failed.
const SOURCE_FAILED: u8 = 4;

/// Runs a command; returns the exit code.
pub fn execute(cli: &Cli) -> u8 {
    let result = match &cli.command {
        Command::Init(wanted) => setup::init(&cli.common, wanted),
        Command::Doctor { paid } => setup::doctor(&cli.common, *paid),
        Command::IamPolicy(wanted) => setup::iam_policy(&cli.common, wanted),
        command => Session::open(&cli.common).and_then(|session| session.run(command)),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            say(&format!("error: {error}"));
            say(&format!("hint: {}", error.hint()));
            error.exit_code()
        }
    }
}

/// A command's surroundings: config, store and clock.
struct Session<'a> {
    common: &'a Common,
    config: Config,
    store: Store,
    aws: Arc<Aws>,
    as_of: i64,
    /// Columns of the terminal that the data goes to, where it does.
    width: Option<u16>,
}

impl<'a> Session<'a> {
    fn open(common: &'a Common) -> Result<Self> {
        let format = output::format(common);
        format?;
        if let (Some(from), Some(to)) = (common.from, common.to)
            && from > to
        {
            return Err(Error::config("--from/--to", "the first day is after the last", "swap the two dates"));
        }
        let config = load_config(common)?;
        let as_of = common.as_of.or(config.as_of).unwrap_or_else(clock::now);
        let aws = config.aws(common.profile.as_deref());
        let store = Store::open(&config, &aws);
        Ok(Self { common, config, store, aws, as_of, width: output::width(common) })
    }

    fn run(&self, command: &Command) -> Result<u8> {
        match command {
            Command::Run | Command::Ingest if self.common.as_seen.is_some() => Err(Error::config(
                "--as-seen",
                "it shows what a past run stored, and this command stores",
                "use it with report, alert, audit, query or explain",
            )),
            Command::Run => self.run_all(),
            Command::Ingest => self.ingest().map(|summary| code(&summary)),
            Command::Report => self.report(),
            Command::Alert { dry_run } => self.alert(*dry_run),
            Command::Audit => self.audit(),
            Command::Query { name, execute } => self.query(name.as_deref(), execute.as_deref()),
            Command::Explain { workload, day } => self.explain(workload, *day),
            // These work without a config or a store, and are done before there is a session.
            Command::Init(_) | Command::Doctor { .. } | Command::IamPolicy(_) => Ok(0),
        }
    }

    fn engine(&self) -> Result<Engine> {
        self.engine_over(Range { from: self.common.from, to: self.common.to })
    }

    /// The report compares days, weekdays and months, so only the end of its range is a bound.
    fn engine_for_report(&self) -> Result<Engine> {
        self.engine_over(Range { from: None, to: self.common.to })
    }

    fn engine_over(&self, range: Range) -> Result<Engine> {
        let snapshot = match self.common.as_seen {
            None => self.store.snapshot()?,
            Some(until) => self.store.snapshot_as_seen(until)?,
        };
        if snapshot.is_empty() {
            return Err(Error::input(
                self.store.name(),
                "the store holds no facts yet",
                "run `billtag ingest` or `billtag run` first",
            ));
        }
        let as_of = self.common.as_of.or(snapshot.as_of).unwrap_or(self.as_of);
        let mut engine = Engine::open(snapshot, &self.config, as_of, range)?;
        engine.cost = self.common.cost.map(|basis| basis.column().to_string());
        Ok(engine)
    }

    fn ingest(&self) -> Result<Summary> {
        let quiet = self.common.quiet;
        let summary = ingest::ingest(&self.config, &self.store, &self.aws, self.as_of, &|line| {
            if !quiet {
                say(line);
            }
        })?;
        self.say_all("warning", &summary.warnings);
        for failure in &summary.failures {
            say(&format!("error: {failure}"));
        }
        let usable = |outcome: &Outcome| !matches!(outcome, Outcome::Refused(_));
        let nothing_usable = !summary.periods.values().any(usable);
        if nothing_usable && !summary.failures.is_empty() && self.store.records()?.is_empty() {
            return Err(Error::input(
                "ingest",
                "no bill could be read and nothing is stored",
                "mend what is named above and run again",
            ));
        }
        Ok(summary)
    }

    /// Warnings, at most a handful unless asked for more.
    fn say_all(&self, kind: &str, lines: &[String]) {
        if self.common.quiet {
            return;
        }
        let shown = if self.common.verbose { lines.len() } else { 10 };
        for line in lines.iter().take(shown) {
            say(&format!("{kind}: {line}"));
        }
        if lines.len() > shown {
            say(&format!("{kind}: {} more; -v shows all", lines.len() - shown));
        }
    }

    fn print(&self, documents: &[Document]) -> Result<()> {
        let format = output::format(self.common)?;
        let texts: Result<Vec<String>> =
            documents.iter().map(|document| render::document(document, format, self.width)).collect();
        output::write(self.common, &texts?.join("\n"))
    }

    fn run_all(&self) -> Result<u8> {
        let summary = self.ingest()?;
        let engine = self.engine_for_report()?;
        let alerts = alert::find(&engine, &self.config, self.common.from, self.common.to)?;
        let audit = audit::audit(&engine, &self.config)?;
        let report = report::daily::report(&engine, &self.config, &alerts, &audit, self.common.by)?;
        let documents = [report, alert::document(&alerts), audit::document(&audit, &self.config)];
        if output::format(self.common)? == super::Format::Json {
            self.print_as_one(&documents)?;
        } else {
            self.print(&documents)?;
        }
        if self.common.from.is_none() && self.common.to.is_none() {
            alert::remember(&alerts, &self.store)?;
        }
        Ok(self.with_findings(code(&summary), alerts.has_findings() || audit.has_findings()))
    }

    /// Several documents in one valid JSON text.
    fn print_as_one(&self, documents: &[Document]) -> Result<()> {
        let names = ["report", "alert", "audit"];
        let parts: Result<Vec<String>> = names
            .iter()
            .zip(documents)
            .map(|(name, document)| {
                Ok(format!("\"{name}\": {}", render::document(document, super::Format::Json, None)?.trim_end()))
            })
            .collect();
        output::write(self.common, &format!("{{{}}}\n", parts?.join(",\n")))
    }

    fn report(&self) -> Result<u8> {
        let engine = self.engine_for_report()?;
        let alerts = alert::find(&engine, &self.config, self.common.from, self.common.to)?;
        let audit = audit::audit(&engine, &self.config)?;
        self.print(&[report::daily::report(&engine, &self.config, &alerts, &audit, self.common.by)?])?;
        Ok(self.with_findings(0, alerts.has_findings()))
    }

    fn alert(&self, dry_run: bool) -> Result<u8> {
        let engine = self.engine()?;
        let alerts = alert::find(&engine, &self.config, self.common.from, self.common.to)?;
        let format = output::format(self.common)?;
        let text = match format {
            super::Format::Json => alert::json(&alerts)?,
            super::Format::Csv => render::answer(&alert::grid(&alerts), format, None)?,
            super::Format::Table | super::Format::Md => {
                render::document(&alert::document(&alerts), format, self.width)?
            }
        };
        output::write(self.common, &text)?;
        if !dry_run && self.common.from.is_none() && self.common.to.is_none() && self.common.as_seen.is_none() {
            alert::remember(&alerts, &self.store)?;
        }
        Ok(self.with_findings(0, alerts.has_findings()))
    }

    fn audit(&self) -> Result<u8> {
        let engine = self.engine()?;
        let audit = audit::audit(&engine, &self.config)?;
        let format = output::format(self.common)?;
        let text = match format {
            super::Format::Json | super::Format::Csv => render::answer(&audit::grid(&audit), format, None)?,
            super::Format::Table | super::Format::Md => {
                render::document(&audit::document(&audit, &self.config), format, self.width)?
            }
        };
        output::write(self.common, &text)?;
        Ok(self.with_findings(0, audit.has_findings()))
    }

    fn query(&self, name: Option<&str>, sql: Option<&str>) -> Result<u8> {
        let query = match (name, sql) {
            (_, Some(sql)) => Query { name: "-e".into(), sql: sql.to_string() },
            (Some(name), None) => {
                let own = self.config.queries.path.as_ref().map(|path| self.config.resolve(path));
                Query::find(name, own.as_deref())?
            }
            (None, None) => return self.list_queries(),
        };
        let answer = self.engine()?.run(&query)?;
        output::write(self.common, &render::answer(&answer, output::format(self.common)?, self.width)?)?;
        Ok(0)
    }

    fn list_queries(&self) -> Result<u8> {
        let mut grid = Grid { columns: vec!["name".into(), "question".into()], rows: Vec::new() };
        for (name, _) in BUILT_IN {
            let query = Query::find(name, None)?;
            let question = query.header("question").unwrap_or("").to_string();
            grid.rows.push(vec![Cell::Text((*name).into()), Cell::Text(question)]);
        }
        output::write(self.common, &render::answer(&grid, output::format(self.common)?, self.width)?)?;
        Ok(0)
    }

    fn explain(&self, workload: &str, day: Option<i32>) -> Result<u8> {
        let engine = self.engine()?;
        let range = Range { from: day.or(self.common.from), to: day.or(self.common.to) };
        self.print(&[explain::explain(&engine, &self.config, workload, range)?])?;
        Ok(0)
    }

    fn with_findings(&self, code: u8, findings: bool) -> u8 {
        if code == 0 && findings && self.common.fail_on_findings { FINDINGS } else { code }
    }
}

fn code(summary: &Summary) -> u8 {
    if summary.failures.is_empty() { 0 } else { SOURCE_FAILED }
}

/// The config that counts.
pub(super) fn load_config(common: &Common) -> Result<Config> {
    Config::load(&config_file(common))
}

/// The config that was named, else `billtag.toml` here, else the one in the user's config folder.
pub(super) fn config_file(common: &Common) -> PathBuf {
    if let Some(path) = &common.config {
        return path.clone();
    }
    let here = PathBuf::from("billtag.toml");
    if here.exists() {
        return here;
    }
    let home = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
    home.map(|home| home.join("billtag").join("billtag.toml")).filter(|path| path.exists()).unwrap_or(here)
}
