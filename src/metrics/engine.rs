//! The engine: stored tables registered with Polars SQL, with the clock and the range as tables.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use polars::prelude::*;
use polars::sql::SQLContext;

use super::answer::Answer;
use super::days::{self, Day};
use super::frames::{self, Thresholds, dates};
use super::grid::Grid;
use super::lines::{Keep, Lines, UNKNOWN, Wanted};
use super::order;
use super::queries::Query;
use super::reads::{PERIOD, Reads};
use super::series;
use super::stages::{self, Stages};
use super::stored::{LAWFUL, Stored};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::facts::history::{AlertNote, LastRun};
use crate::facts::store::{Record, Snapshot};
use crate::schema::{AMOUNTS, Table};
use crate::{clock, cores};

/// Which days a query looks at; the whole store where open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Range {
    /// First day.
    pub from: Option<i32>,
    /// Last day.
    pub to: Option<i32>,
}

/// Which of the stored rows a query reads, where it is known that others say nothing to it. Periods are read whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Part<'a> {
    /// All.
    #[default]
    All,
    /// Those of periods that hold some rows of these days.
    Dated(Range),
    /// Those of the billing periods from the first to the last.
    Billed(&'a str, &'a str),
}

/// Runs queries over a store.
pub struct Engine {
    stored: Stored,
    /// By table: whether the law was asserted on it.
    lawful: [Mutex<bool>; LAWFUL.len()],
    days_table: LazyFrame,
    whole: OnceLock<(i32, i32)>,
    models: OnceLock<LazyFrame>,
    daily: OnceLock<Lines>,
    thresholds: Thresholds,
    /// The stored days.
    pub days: Vec<Day>,
    /// The records of the stored periods.
    pub records: Vec<Record>,
    /// The clock, epoch seconds.
    pub as_of: i64,
    /// Which days queries look at.
    pub range: Range,
    /// Another money column to read in place of the one a query's header names.
    pub cost: Option<String>,
    /// What `alert` had looked at.
    pub alert_note: Option<AlertNote>,
    /// The last run that noted what it saw.
    pub last_run: Option<LastRun>,
}

/// Columns of `cost_daily` that reports and alerts read.
const DAILY: [&str; 18] = [
    PERIOD,
    "day",
    "grain",
    "workload",
    "team",
    "environment",
    "cost_center",
    "sub_account_id",
    "region_id",
    "model_name",
    "model_tier",
    "usage_kind",
    "pricing_model",
    "charge_category",
    "attribution_method",
    "is_router",
    "consumed_unit",
    "billing_currency",
];
/// Amounts that they read, whatever is asked for.
const SHOWN: [&str; 3] = ["billed_cost", "unblended_cost", "consumed_quantity"];

/// Tables that are made beside the stored ones.
const MADE: [&str; 3] = ["days", "models", "params"];

impl Engine {
    /// Opens the store. Each table is read, and the law asserted on it, when a query names it.
    pub fn open(snapshot: Snapshot, config: &Config, as_of: i64, range: Range) -> Result<Self> {
        let mut records = snapshot.records.clone();
        date_manifests(&mut records, config);
        let days = days::days(&records, as_of);
        Ok(Self {
            lawful: Default::default(),
            days_table: frames::days(&days)?.lazy(),
            whole: OnceLock::new(),
            models: OnceLock::new(),
            daily: OnceLock::new(),
            thresholds: Thresholds::of(config),
            days,
            records,
            as_of,
            range,
            cost: None,
            alert_note: snapshot.alert,
            last_run: snapshot.last_run,
            stored: Stored::of(snapshot),
        })
    }

    /// Asserts the law on every table, whatever is asked later.
    ///
    /// # Errors
    /// Where a table's sums are not those of the records, or a file cannot be read.
    pub fn assert_law(&self) -> Result<()> {
        LAWFUL.iter().try_for_each(|table| self.must_be_lawful(*table))
    }

    /// Asserts the law on a table, once; who asks meanwhile waits for the answer.
    fn must_be_lawful(&self, table: Table) -> Result<()> {
        let Some(at) = LAWFUL.iter().position(|lawful| *lawful == table) else { return Ok(()) };
        let mut is_lawful = self.lawful[at].lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_lawful {
            self.stored.law(table).must_hold()?;
            *is_lawful = true;
        }
        Ok(())
    }

    /// Rows of a table as they are. The law is asserted on it while they are read.
    ///
    /// # Errors
    /// Where the store cannot be read, or the law does not hold.
    pub fn lines(&self, wanted: Wanted<'_>) -> Result<Lines> {
        let (law, lines) = cores::both(|| self.must_be_lawful(wanted.table), || self.stored.lines(wanted));
        law.and(lines)
    }

    /// Every row of `cost_daily`, with the columns that reports and alerts read; read once.
    ///
    /// # Errors
    /// Where the store cannot be read, or the law does not hold.
    pub fn daily(&self) -> Result<&Lines> {
        if let Some(daily) = self.daily.get() {
            return Ok(daily);
        }
        let shown = AMOUNTS.into_iter().filter(|name| SHOWN.contains(name) || self.cost.as_deref() == Some(*name));
        let columns: Vec<&'static str> = DAILY.into_iter().chain(shown).collect();
        let (daily, sums) = self.stored.all_lines(Wanted { table: Table::CostDaily, columns: &columns, keep: &[] })?;
        // What was read for its own sake need not be read again for the law's.
        self.stored.law(Table::CostDaily).must_hold_of(&sums)?;
        if let Some(at) = LAWFUL.iter().position(|lawful| *lawful == Table::CostDaily) {
            *self.lawful[at].lock().unwrap_or_else(PoisonError::into_inner) = true;
        }
        Ok(self.daily.get_or_init(|| daily))
    }

    /// The money column that is read in place of a figure's own.
    pub fn cost_column<'a>(&'a self, own: &'a str) -> &'a str {
        self.cost.as_deref().unwrap_or(own)
    }

    /// First and last day of the store: its months, and any day outside them that a line is dated. A
    /// refund may be dated months before the period that bills it, a fee after it.
    fn whole_store(&self) -> Result<(i32, i32)> {
        if let Some(whole) = self.whole.get() {
            return Ok(*whole);
        }
        let lines = self.stored.lines(Wanted { table: Table::CostDaily, columns: &["day"], keep: &[] })?;
        let dated = lines.days().iter().copied();
        let months = self.records.iter().filter_map(|record| clock::month_range(&record.period));
        let days = || months.clone().flat_map(|(first, next)| [first, next - 1]).chain(dated.clone());
        let today = clock::day_of(self.as_of);
        let whole = (days().min().unwrap_or(today), days().max().unwrap_or(today));
        Ok(*self.whole.get_or_init(|| whole))
    }

    /// Every model of the store by name, with whether the bill shows it caching.
    fn stored_models(&self) -> Result<Vec<(String, bool)>> {
        let columns = &["model_name", "usage_kind"];
        let lines = self.stored.lines(Wanted { table: Table::CostDaily, columns, keep: &[] })?;
        let cached = ["cache_read", "cache_write"].map(|kind| lines.number("usage_kind", kind));
        let names = lines.texts("model_name");
        let mut has_cached = vec![false; names.len()];
        for (model, kind) in lines.numbers("model_name").iter().zip(lines.numbers("usage_kind")) {
            if *model != UNKNOWN && cached.contains(kind) {
                has_cached[*model as usize] = true;
            }
        }
        let mut models: Vec<(String, bool)> = names.iter().cloned().zip(has_cached).collect();
        models.sort_unstable();
        Ok(models)
    }

    /// The last complete day of the range.
    pub fn last_complete_day(&self) -> Option<i32> {
        let within = |day: &&Day| day.is_complete && self.range.to.is_none_or(|to| day.day <= to);
        self.days.iter().rev().find(within).map(|day| day.day)
    }

    /// Runs a query.
    pub fn run(&self, query: &Query) -> Result<Grid> {
        self.run_over(query, &[])
    }

    /// Runs a query whose answer is shown as it is.
    pub fn answer(&self, query: &Query) -> Result<Answer> {
        self.ask(&Asked::all(query, self.range))
    }

    /// Runs a query of which only a part of the stored rows is asked.
    ///
    /// # Errors
    /// Where the query cannot be run.
    pub fn run_part(&self, query: &Query, part: Part<'_>) -> Result<Grid> {
        Ok(self.ask(&Asked { part, ..Asked::all(query, self.range) })?.into_grid())
    }

    /// Runs a query that reads the days of its choice from the table `asked_days(day)`.
    pub fn run_over(&self, query: &Query, asked: &[i32]) -> Result<Grid> {
        Ok(self.answer_over(query, asked)?.into_grid())
    }

    /// The answer of a query that reads the days of its choice.
    pub fn answer_over(&self, query: &Query, days: &[i32]) -> Result<Answer> {
        self.ask(&Asked { days, ..Asked::all(query, self.range) })
    }

    /// The rows of a figure by day on some days, in any order. What is the user's own may say something
    /// else of fewer days, so that all of its rows come.
    pub fn figure(&self, name: &str, config: &Config, within: Range) -> Result<Answer> {
        let query = Query::find(name, own_queries(config).as_deref())?;
        let (range, part) = if query.is_built_in() { (within, Part::Dated(within)) } else { (self.range, Part::All) };
        self.ask(&Asked { part, is_ordered: false, ..Asked::all(&query, range) })
    }

    /// A query's answer. The law is asserted on what it reads while it runs, before anything is shown.
    fn ask(&self, asked: &Asked<'_>) -> Result<Answer> {
        let query = asked.query;
        let mut reads = Reads::of(&query.sql);
        if let Some((wanted, _)) = self.replaced_cost(query) {
            reads.add(wanted);
        }
        let is_read = |table: &Table| {
            let makes = *table == Table::CostDaily && (reads.table("params") || reads.table("models"));
            makes || reads.table(table.name())
        };
        let read: Vec<Table> = LAWFUL.into_iter().filter(is_read).collect();
        let law = || read.iter().try_for_each(|table| self.must_be_lawful(*table));
        let (law, answer) = cores::both(law, || self.collect(asked, &reads));
        law.and(answer)
    }

    fn collect(&self, asked: &Asked<'_>, reads: &Reads) -> Result<Answer> {
        let failed = |error: String| {
            let names: BTreeSet<&str> = Table::ALL.iter().map(|table| table.name()).chain(MADE).collect();
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            Error::input(format!("query `{}`", asked.query.name), error, format!("the tables are {names}"))
        };
        match self.attempt(asked, reads)? {
            Ok(answer) => Ok(answer),
            // With every table and column at hand, so that the error says what there is.
            Err(_) => self.attempt(asked, &Reads::default())?.map_err(failed),
        }
    }

    /// A query's answer from tables with what it is known to read, or why there is none.
    fn attempt(&self, asked: &Asked<'_>, reads: &Reads) -> Result<std::result::Result<Answer, String>> {
        let mut context = self.context(asked, reads)?;
        // Polars panics on some SQL that it does not support; a user's query must not end the program so.
        Ok(match crate::shield::shielded(|| execute(&mut context, asked)) {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err("the SQL engine cannot run this statement".to_string()),
        })
    }

    /// The tables that a query can read.
    fn context(&self, asked: &Asked<'_>, reads: &Reads) -> Result<SQLContext> {
        let context = SQLContext::new();
        if !asked.days.is_empty() {
            let days = dates(asked.days.iter().copied().map(Some).collect(), "day");
            let days = days.and_then(|day| DataFrame::new(asked.days.len(), vec![day]));
            context.register("asked_days", days.map_err(|error| engine_error(&error))?.lazy());
        }
        for table in Table::ALL.into_iter().filter(|table| reads.table(table.name())) {
            let given = asked.given.and_then(|[daily, facts]| match table {
                Table::CostDaily => Some(daily),
                Table::CostFacts => Some(facts),
                _ => None,
            });
            let frame = match given {
                Some(given) => given.clone().lazy(),
                None => self.stored.table(table, reads, asked.part)?,
            };
            context.register(table.name(), self.with_cost(table, frame, asked.query));
        }
        for name in MADE.into_iter().filter(|name| reads.table(name)) {
            context.register(name, self.made(name, asked.range)?);
        }
        Ok(context)
    }

    /// A table that is made beside the stored ones.
    fn made(&self, name: &str, range: Range) -> Result<LazyFrame> {
        match (name, self.models.get()) {
            ("params", _) => {
                frames::params(&self.thresholds, self.whole_store()?, self.as_of, range).map(IntoLazy::lazy)
            }
            ("models", Some(models)) => Ok(models.clone()),
            ("models", None) => {
                let models = frames::models(&self.stored_models()?)?.lazy();
                Ok(self.models.get_or_init(|| models).clone())
            }
            _ => Ok(self.days_table.clone()),
        }
    }

    /// Whether a figure may count calls: where nothing was measured, only the user's own can.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn may_count(&self, name: &str, config: &Config) -> Result<bool> {
        let query = Query::find(name, own_queries(config).as_deref())?;
        Ok(!query.is_built_in() || self.stored.has_rows(Table::Usage)?)
    }

    /// Runs a built-in query, or the user's own of that name.
    pub fn run_named(&self, name: &str, config: &Config) -> Result<Grid> {
        self.run_named_part(name, config, Part::All)
    }

    /// Runs a built-in query of which only a part of the stored rows is asked, or all of the user's own.
    ///
    /// # Errors
    /// Where the query cannot be run.
    pub fn run_named_part(&self, name: &str, config: &Config, part: Part<'_>) -> Result<Grid> {
        let query = Query::find(name, own_queries(config).as_deref())?;
        self.run_part(&query, if query.is_built_in() { part } else { Part::All })
    }

    /// What the contract lists from a day on, by sums that stand for the stored rows; by the user's own query
    /// of that name, everything.
    ///
    /// # Errors
    /// Where the query cannot be run.
    pub fn anomalies(&self, config: &Config, from: Option<i32>) -> Result<Grid> {
        let query = Query::find("anomalies", own_queries(config).as_deref())?;
        if !query.is_built_in() {
            return self.run(&query);
        }
        let sums = series::Sums::of(self.daily()?);
        let stored: Vec<i32> = self.days.iter().map(|day| day.day).collect();
        let wanted = stored.iter().copied().filter(|day| {
            let is_late = self.range.to.is_some_and(|to| *day > to);
            !is_late && from.or(self.range.from).is_none_or(|from| *day >= from)
        });
        let days = sums.appeared(wanted);
        let carriers =
            self.lines(Wanted { keep: &[Keep::Days(&days), series::USAGE[0], series::USAGE[1]], ..series::CARRIERS })?;
        let given = sums.frame(from).and_then(|daily| Ok([daily, series::carriers(&carriers)?]));
        let given = given.map_err(|error| engine_error(&error))?;
        let range = Range { from: from.or(self.range.from), ..self.range };
        Ok(self.ask(&Asked { given: Some(&given), ..Asked::all(&query, range) })?.into_grid())
    }

    /// The basis that a figure shows, in words: the one that was asked for, else the figure's own.
    pub fn basis(&self, own: &str) -> String {
        self.cost.as_deref().unwrap_or(own).replace('_', " ")
    }

    /// The cost basis that was asked for, and the query's own that it replaces.
    fn replaced_cost<'a>(&'a self, query: &'a Query) -> Option<(&'a str, &'a str)> {
        let (wanted, read) = (self.cost.as_deref()?, query.replaceable_cost()?);
        (wanted != read).then_some((wanted, read))
    }

    /// A cost basis other than the query's own replaces the column under its name.
    fn with_cost(&self, table: Table, frame: LazyFrame, query: &Query) -> LazyFrame {
        match self.replaced_cost(query).filter(|_| LAWFUL.contains(&table)) {
            Some((wanted, read)) => frame.with_column(col(wanted).alias(read)),
            None => frame,
        }
    }
}

/// What is asked of the engine.
struct Asked<'a> {
    query: &'a Query,
    /// The rows of the table `asked_days`, where there are any.
    days: &'a [i32],
    /// What `params` says of days.
    range: Range,
    /// Whether the rows come in the order of the SQL.
    is_ordered: bool,
    /// The stored rows that say anything to it.
    part: Part<'a>,
    /// What stands for the rows of `cost_daily` and of `cost_facts`.
    given: Option<&'a [DataFrame; 2]>,
}

impl<'a> Asked<'a> {
    fn all(query: &'a Query, range: Range) -> Self {
        Self { query, days: &[], range, is_ordered: true, part: Part::All, given: None }
    }
}

/// The user's own folder of queries.
fn own_queries(config: &Config) -> Option<PathBuf> {
    config.queries.path.as_ref().map(|path| config.resolve(path))
}

/// Runs SQL by its stages.
fn execute(context: &mut SQLContext, asked: &Asked<'_>) -> PolarsResult<Answer> {
    let sql = &asked.query.sql;
    let Some(Stages { parts, rest, order }) = stages::split(sql) else {
        return Answer::of(&context.execute(sql).and_then(LazyFrame::collect)?);
    };
    for stage in parts {
        let frame = context.execute(&stage.sql)?;
        let frame = if stage.is_shared { frame.collect()?.lazy() } else { frame };
        context.register(&stage.name, frame);
    }
    let mut frame = context.execute(&rest).and_then(LazyFrame::collect)?;
    let mut answer = Answer::of(&frame)?;
    if asked.is_ordered && !order.is_empty() && !answer.sort(&order) {
        frame = order::sorted(&frame, &order)?;
        answer = Answer::of(&frame)?;
    }
    Ok(answer)
}

/// How far an export of Bedrock lines alone reaches is the time of its manifest: what its text says,
/// else the time of its file, which copies from S3 keep.
fn date_manifests(records: &mut [Record], config: &Config) {
    for part in records.iter_mut().flat_map(|record| &mut record.parts) {
        let Some(manifest) = part.manifest.as_ref().filter(|_| part.bedrock_only && part.manifest_time.is_none())
        else {
            continue;
        };
        let path = config.resolve(&part.bill).join(manifest);
        let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let age = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        part.manifest_time = age.and_then(|age| i64::try_from(age.as_secs()).ok());
    }
}

pub(super) fn engine_error(what: &dyn std::fmt::Display) -> Error {
    Error::input("store", what.to_string(), "run `billtag ingest` to make the facts again")
}
