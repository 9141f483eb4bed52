//! What each command does.

mod months;
mod morning;
mod replay;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::console::Console;
use super::html::{self, Wanted};
use super::{Cli, Command, Common, channels, incidents, output, setup, xlsx};
use crate::alert::Looked;
use crate::alert::channel::Post;
use crate::alert::deliver::{DAILY, Run};
use crate::alert::fast::Surroundings;
use crate::alert::incident::Incident;
use crate::alert::ledger::{self, Desk, Ledger};
use crate::aws::Aws;
use crate::clock;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::facts::store::Store;
use crate::ingest::{self, Outcome, Summary};
use crate::metrics::queries::{BUILT_IN, Query};
use crate::metrics::{Cell, Engine, Grid, Range};
use crate::report::daily::Tables;
use crate::report::forecast::{self, Outlook};
use crate::report::{Document, render};
use crate::watch::{Level, Message, Watch};
use crate::{alert, audit, cores, explain, reconcile, report};

/// Exit code of a command that is done and has findings.
pub(super) const FINDINGS: u8 = 3;
/// Exit code of a command that is done though a source or a delivery failed.
pub(super) const SOURCE_FAILED: u8 = 4;

/// Runs a command; returns the exit code.
pub fn execute(cli: &Cli) -> u8 {
    let result = match &cli.command {
        command if let Err(error) = html::must_be_possible(&cli.common, command) => Err(error),
        command if let Err(error) = xlsx::must_be_possible(&cli.common, command) => Err(error),
        Command::Init(wanted) => setup::init(&cli.common, wanted),
        Command::Doctor { paid } => setup::doctor(&cli.common, *paid),
        Command::IamPolicy(wanted) => setup::iam_policy(&cli.common, wanted),
        Command::Incidents(wanted) => incidents::run(&cli.common, wanted),
        Command::Alert { test: Some(name), .. } => channels::test(&cli.common, name),
        command => Session::open(&cli.common).and_then(|session| session.run(command)),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            Console::new(&cli.common).fails(&error);
            error.exit_code()
        }
    }
}

/// What a report is made of.
struct Seen {
    looked: Looked,
    audit: audit::Audit,
    outlook: Outlook,
}

/// Incidents before and after a run.
struct Foreseen {
    before: Ledger,
    after: Ledger,
}

/// A command's surroundings: config, store and clock.
struct Session<'a> {
    common: &'a Common,
    config: Config,
    store: Store,
    console: Console,
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
        Ok(Self { common, config, store, console: Console::new(common), aws, as_of, width: output::width(common) })
    }

    fn run(&self, command: &Command) -> Result<u8> {
        self.must_take_cost(command)?;
        match command {
            Command::Run | Command::Ingest if self.common.as_seen.is_some() => Err(Error::config(
                "--as-seen",
                "it shows what a past run stored, and this command stores",
                "use it with report, alert, audit, query or explain",
            )),
            Command::Run => self.run_all(),
            Command::Ingest => self.ingest().map(|summary| code(&summary)),
            Command::Report { team, split_by } => match output::format(self.common)? {
                super::Format::Html => self.report_html(&Wanted { team: team.as_deref(), split: *split_by }),
                super::Format::Xlsx => self.report_xlsx(),
                _ => self.report(),
            },
            Command::Digest { send } => self.digest(send.as_deref()),
            Command::Forecast { backtest } => self.forecast(*backtest),
            Command::Showback { month } => self.showback(month.as_deref()),
            Command::Alert { fast: true, dry_run, .. } => self.alert_fast(*dry_run),
            Command::Alert { dry_run, .. } => self.alert(*dry_run),
            Command::Backtest { labels } => self.backtest(labels),
            Command::Audit { fix_script, part } => self.audit(fix_script.as_deref(), part.as_deref()),
            Command::Query { name, execute } => self.query(name.as_deref(), execute.as_deref()),
            Command::Reconcile { refresh } => self.reconcile(*refresh),
            Command::Explain { workload, day } => self.explain(workload, *day),
            // These work without a config or a store, and are done before there is a session.
            Command::Init(_) | Command::Doctor { .. } | Command::IamPolicy(_) | Command::Incidents(_) => Ok(0),
        }
    }

    /// Refuses a cost basis where the command could not show it: an option is never silently ignored.
    fn must_take_cost(&self, command: &Command) -> Result<()> {
        let refused = |what: &str, hint: &str| Err(Error::config("--cost", what, hint));
        match command {
            Command::Alert { .. } if self.common.cost.is_some() => refused(
                "alerts compare the unblended cost of Usage, whatever basis is asked for",
                "leave --cost out; `billtag explain WORKLOAD --cost BASIS` takes a workload apart on another basis",
            ),
            Command::Audit { .. } if self.common.cost.is_some() => refused(
                "the audit judges billed cost, so that its debt is money that is paid",
                "leave --cost out; `billtag report --cost BASIS` shows spend on another basis",
            ),
            _ => Ok(()),
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
        let summary = ingest::ingest(&self.config, &self.store, &self.aws, self.as_of, &self.console)?;
        self.warn(&summary.warnings);
        self.tell_failures(&summary.failures);
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

    /// Failures of sources, each with its hint.
    fn tell_failures(&self, failures: &[String]) {
        for failure in failures {
            let (text, hint) = failure.split_once("\n  hint: ").unwrap_or((failure, ""));
            let hint = Some(hint.to_string()).filter(|hint| !hint.is_empty());
            self.console.tells(&Message { hint, ..Message::new(Level::Error, text) });
        }
    }

    /// Warnings, at most a handful unless asked for more.
    fn warn(&self, lines: &[String]) {
        let shown = if self.common.verbose { lines.len() } else { 10 };
        for line in lines.iter().take(shown) {
            self.console.tells(&Message::new(Level::Warning, line));
        }
        if lines.len() > shown {
            let more = format!("{} more; -v shows all", lines.len() - shown);
            self.console.tells(&Message::new(Level::Warning, more));
        }
    }

    fn print(&self, documents: &[Document]) -> Result<()> {
        output::write(self.common, &render::documents(documents, output::format(self.common)?, self.width)?)
    }

    fn run_all(&self) -> Result<u8> {
        let summary = self.ingest()?;
        let engine = self.engine_for_report()?;
        let ask = self.ask_audit(true)?;
        // What all of them read.
        engine.daily()?;
        let (looked, rest) = cores::both(
            || alert::look(&engine, &self.config, self.common.from, self.common.to),
            || {
                let audit = audit::audit(&engine, &self.config, &ask)?;
                Ok::<_, Error>((audit, Tables::read(&engine, &self.config, self.common.by)?))
            },
        );
        let (looked, (audit, tables)) = (looked?, rest?);
        let alerts = &looked.alerts;
        let foreseen = self.foresee(&looked)?;
        let outlook = Outlook::read(&engine, &self.config, &foreseen.after.incidents)?;
        let report = report::daily::report(tables, alerts, &audit, &outlook)?;
        let digest = self.digest_of(&engine, &looked, &foreseen.after.incidents, &audit, &outlook)?;
        self.print(&[report, alert::show::document(alerts), audit::document(&audit, &self.config)])?;
        self.note_audit(&audit);
        let has_findings = alerts.has_findings() || audit.has_findings(&self.config) || outlook.has_findings();
        // Its snapshot keeps writers out, and telling may take a while.
        drop(engine);
        let code = match self.is_range() {
            true => code(&summary),
            false => code(&summary).max(self.follow(&looked, foreseen)?).max(self.tell_morning(&digest)?),
        };
        Ok(self.with_findings(code, has_findings))
    }

    /// Whether only some days were asked for, or those of the past: what came since the last run is not among it.
    fn is_range(&self) -> bool {
        self.common.from.is_some() || self.common.to.is_some() || self.common.as_seen.is_some()
    }

    /// Lets the incidents follow what was found, tells the channels, and notes which days were looked at.
    fn follow(&self, looked: &Looked, foreseen: Foreseen) -> Result<u8> {
        let desk = Desk::open(&self.store)?;
        let mut ledger = desk.ledger()?;
        if ledger == foreseen.before {
            ledger = foreseen.after;
        } else {
            // Somebody decided something meanwhile.
            alert::follow::follow(&mut ledger, looked, self.as_of);
        }
        let code = self.deliver(&desk, &mut ledger, self.as_of + DAILY)?;
        // Not before what was found is kept: a run that is killed looks at the same days again.
        alert::remember(&looked.alerts, &self.store)?;
        Ok(code)
    }

    fn deliver(&self, desk: &Desk, ledger: &mut Ledger, until: i64) -> Result<u8> {
        let post = Post::new(&self.aws, &self.config);
        let run = Run { at: self.as_of, until };
        let failures = alert::deliver::deliver(desk, ledger, &post, &self.config, run)?;
        failures.iter().for_each(|failure| self.console.fails(failure));
        output::say(self.common, &self.console, &post.printed())?;
        Ok(if failures.is_empty() { 0 } else { SOURCE_FAILED })
    }

    fn report(&self) -> Result<u8> {
        let engine = self.engine_for_report()?;
        let read = || Tables::read(&engine, &self.config, self.common.by);
        let (Seen { looked, audit, outlook }, tables) = self.see(&engine, &self.ledger()?.incidents, read)?;
        let alerts = &looked.alerts;
        self.print(&[report::daily::report(tables, alerts, &audit, &outlook)?])?;
        Ok(self.with_findings(0, alerts.has_findings() || outlook.has_findings()))
    }

    /// What a report is made of, side by side, since none of it needs the other; and what else is read for it.
    fn see<More>(
        &self,
        engine: &Engine,
        incidents: &[Incident],
        more: impl FnOnce() -> Result<More>,
    ) -> Result<(Seen, More)> {
        let (config, ask, from, to) = (&self.config, self.ask_audit(false)?, self.common.from, self.common.to);
        // What all of them read.
        engine.daily()?;
        let (looked, rest) = cores::both(
            || alert::look_recent(engine, config, from, to),
            || {
                let audit = audit::audit(engine, config, &ask)?;
                let outlook = Outlook::read(engine, config, incidents)?;
                Ok::<_, Error>((audit, outlook, more()?))
            },
        );
        let (looked, (audit, outlook, more)) = (looked?, rest?);
        Ok((Seen { looked, audit, outlook }, more))
    }

    /// Incidents as they are, and as they will be once this run is done, so that it says what the next one will say of
    /// the same days.
    fn foresee(&self, looked: &Looked) -> Result<Foreseen> {
        let before = ledger::peek(&self.store)?;
        let mut after = before.clone();
        if !self.is_range() {
            alert::follow::follow(&mut after, looked, self.as_of);
        }
        Ok(Foreseen { before, after })
    }

    /// Incidents as the store knows them; what a past run saw had others.
    fn ledger(&self) -> Result<Ledger> {
        if self.common.as_seen.is_some() { Ok(Ledger::default()) } else { ledger::peek(&self.store) }
    }

    fn report_html(&self, wanted: &Wanted<'_>) -> Result<u8> {
        let engine = self.engine_for_report()?;
        let ledger = self.ledger()?;
        let by = html::by(self.common)?;
        let read = || report::html::Facts::read(&engine, &self.config);
        let (Seen { looked, audit, outlook }, facts) = self.see(&engine, &ledger.incidents, read)?;
        let sources = report::html::Sources {
            engine: &engine,
            config: &self.config,
            looked: &looked,
            audit: &audit,
            ledger: &ledger,
            is_past: self.common.as_seen.is_some(),
            by,
            forecast: Some(report::html::Forecast(forecast::show::blocks(&outlook, &engine.basis("billed_cost")))),
        };
        html::write(self.common, &report::html::Report::of(sources, facts), wanted)?;
        Ok(self.with_findings(0, looked.alerts.has_findings() || outlook.has_findings()))
    }

    fn report_xlsx(&self) -> Result<u8> {
        let engine = self.engine_for_report()?;
        let ledger = self.ledger()?;
        let read = || Tables::read(&engine, &self.config, self.common.by);
        let (Seen { looked, audit, outlook }, tables) = self.see(&engine, &ledger.incidents, read)?;
        let alerts = &looked.alerts;
        let document = report::daily::report(tables, alerts, &audit, &outlook)?;
        let sources = report::xlsx::Sources {
            engine: &engine,
            config: &self.config,
            document: &document,
            alerts,
            ledger: &ledger,
            is_past: self.common.as_seen.is_some(),
            outlook: &outlook,
            audit: &audit,
            explorer: reconcile::kept(&engine, &self.asker(false))?,
        };
        output::write_bytes(self.common, &report::xlsx::workbook(&sources)?)?;
        Ok(self.with_findings(0, alerts.has_findings() || outlook.has_findings()))
    }

    fn alert(&self, dry_run: bool) -> Result<u8> {
        let engine = self.engine()?;
        let looked = alert::look(&engine, &self.config, self.common.from, self.common.to)?;
        drop(engine);
        let alerts = &looked.alerts;
        let format = output::format(self.common)?;
        let text = match format {
            super::Format::Json => alert::show::json(alerts)?,
            super::Format::Csv => render::answer(&alert::show::grid(alerts), format, None)?,
            super::Format::Table | super::Format::Md | super::Format::Html | super::Format::Xlsx => {
                render::documents(&[alert::show::document(alerts)], format, self.width)?
            }
        };
        output::write(self.common, &text)?;
        let code = if dry_run || self.is_range() { 0 } else { self.follow(&looked, self.foresee(&looked)?)? };
        Ok(self.with_findings(code, alerts.has_findings()))
    }

    fn alert_fast(&self, is_trial: bool) -> Result<u8> {
        if self.is_range() {
            let hint = "leave the dates out, or look at past days with `billtag alert`";
            return Err(Error::config("--fast", "it looks at what was measured since the last run", hint));
        }
        let format = output::format(self.common)?;
        let engine = self.engine()?;
        let desk = Desk::open(&self.store)?;
        let mut ledger = desk.ledger()?;
        let around =
            Surroundings { config: &self.config, store: &self.store, aws: &self.aws, at: self.as_of, is_trial };
        let fast = alert::fast::run(&around, &desk, &mut ledger, &engine)?;
        drop(engine);
        let text = match format {
            super::Format::Json => alert::fast::show::json_text(&fast)?,
            super::Format::Csv => render::answer(&alert::fast::show::grid(&fast), format, None)?,
            super::Format::Table | super::Format::Md | super::Format::Html | super::Format::Xlsx => {
                render::documents(&[alert::fast::show::document(&fast)], format, self.width)?
            }
        };
        output::write(self.common, &text)?;
        self.tell_failures(&fast.failures);
        let failed = if fast.failures.is_empty() { 0 } else { SOURCE_FAILED };
        let code = if is_trial { 0 } else { self.deliver(&desk, &mut ledger, self.as_of + alert::fast::NEXT)? };
        Ok(self.with_findings(code.max(failed), fast.has_findings()))
    }

    /// What the audit goes by beside facts and config. A day of the past is judged without what is known since.
    fn ask_audit(&self, with_weeks: bool) -> Result<audit::Ask> {
        let ask = audit::Ask { from: self.common.from, with_weeks, ..audit::Ask::default() };
        if self.common.as_seen.is_some() {
            return Ok(ask);
        }
        let note = if self.is_range() { None } else { audit::note::read(&self.store)? };
        Ok(audit::Ask { listed_tags: audit::note::listed_tags(&self.store)?, note, ..ask })
    }

    /// Notes what the audit found. Who may only read the store is told, and audits all the same.
    fn note_audit(&self, audit: &audit::Audit) {
        if !self.is_range()
            && let Err(error) = audit::note::keep(&self.store, audit)
        {
            self.console.fails(&error);
        }
    }

    fn audit(&self, fix_script: Option<&Path>, part: Option<&str>) -> Result<u8> {
        let engine = self.engine()?;
        let audit = audit::audit(&engine, &self.config, &self.ask_audit(true)?)?;
        let format = output::format(self.common)?;
        let text = match (part, format) {
            (Some(part), _) => render::answer(&audit::part(&audit, part), format, self.width)?,
            (None, super::Format::Json | super::Format::Csv) => render::answer(&audit::grid(&audit), format, None)?,
            (None, super::Format::Table | super::Format::Md | super::Format::Html | super::Format::Xlsx) => {
                render::documents(&[audit::document(&audit, &self.config)], format, self.width)?
            }
        };
        // A script on standard output is all of it, so that a pipe gets nothing else.
        let is_all = fix_script == Some(Path::new("-")) && self.common.output.is_none();
        if !is_all {
            output::write(self.common, &text)?;
        }
        if let Some(path) = fix_script {
            output::write_script(path, &audit::script::text(&audit))?;
        }
        self.note_audit(&audit);
        Ok(self.with_findings(0, audit.has_findings(&self.config)))
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
        if self.common.cost.is_some() && query.replaceable_cost().is_none() {
            return Err(Error::config(
                "--cost",
                format!("the query `{}` names no cost column that another may take the place of", query.name),
                "leave --cost out, or begin the SQL with a line `-- cost: billed_cost` that names the column it reads",
            ));
        }
        let answer = self.engine()?.answer(&query)?;
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

    /// How Cost Explorer is asked.
    fn asker(&self, refresh: bool) -> reconcile::Asker<'_> {
        reconcile::Asker {
            aws: &self.aws,
            access: self.config.cost_explorer_access(),
            profile: self.common.profile.clone().or_else(|| self.config.aws.profile.clone()),
            cache: reconcile::cache::Cache::of(&self.store),
            refresh,
        }
    }

    fn reconcile(&self, refresh: bool) -> Result<u8> {
        let result = reconcile::reconcile(self.engine()?, &self.asker(refresh))?;
        let is_data = matches!(output::format(self.common)?, super::Format::Json | super::Format::Csv);
        self.print(&[reconcile::document(&result, is_data)])?;
        if let Some(refusal) = &result.refusal {
            self.console.fails(refusal);
            return Ok(SOURCE_FAILED);
        }
        Ok(self.with_findings(0, result.has_findings()))
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
