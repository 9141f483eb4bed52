//! The engine: stored tables registered with Polars SQL, with the clock and the range as tables.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread;

use polars::prelude::*;
use polars::sql::SQLContext;

use super::answer::Answer;
use super::days::{self, Day};
use super::frames::{self, Thresholds, dates};
use super::grid::{Cell, Grid};
use super::order;
use super::queries::Query;
use super::reads::Reads;
use super::stages::{self, Stages};
use super::stored::{LAWFUL, Law, Stored};
use crate::clock;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::facts::history::{AlertNote, LastRun};
use crate::facts::store::{Record, Snapshot};
use crate::schema::Table;

/// Which days a query looks at; the whole store where open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Range {
    /// First day.
    pub from: Option<i32>,
    /// Last day.
    pub to: Option<i32>,
}

/// Runs queries over a store.
pub struct Engine {
    stored: Stored,
    /// Tables on which the law was asserted.
    lawful: RefCell<BTreeSet<Table>>,
    days_table: LazyFrame,
    whole: OnceCell<(i32, i32)>,
    models: OnceCell<LazyFrame>,
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

/// Tables that are made beside the stored ones.
const MADE: [&str; 3] = ["days", "models", "params"];

impl Engine {
    /// Opens the store. Each table is read, and the law asserted on it, when a query names it.
    pub fn open(snapshot: Snapshot, config: &Config, as_of: i64, range: Range) -> Result<Self> {
        let mut records = snapshot.records.clone();
        date_manifests(&mut records, config);
        let days = days::days(&records, as_of);
        Ok(Self {
            lawful: RefCell::default(),
            days_table: frames::days(&days)?.lazy(),
            whole: OnceCell::new(),
            models: OnceCell::new(),
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
        LAWFUL.iter().try_for_each(|table| self.stored.law(*table).must_hold())?;
        self.lawful.borrow_mut().extend(LAWFUL);
        Ok(())
    }

    /// First and last day of the store: its months, and any day outside them that a line is dated. A
    /// refund may be dated months before the period that bills it, a fee after it.
    fn whole_store(&self) -> Result<(i32, i32)> {
        if let Some(whole) = self.whole.get() {
            return Ok(*whole);
        }
        let dated = self.ask_daily("select min(day) as first, max(day) as last from cost_daily")?;
        let dated = dated.rows.iter().flat_map(|row| [dated.day(row, "first"), dated.day(row, "last")]).flatten();
        let months = self.records.iter().filter_map(|record| clock::month_range(&record.period));
        let days: Vec<i32> = months.flat_map(|(first, next)| [first, next - 1]).chain(dated).collect();
        let today = clock::day_of(self.as_of);
        let whole = (days.iter().copied().min().unwrap_or(today), days.iter().copied().max().unwrap_or(today));
        Ok(*self.whole.get_or_init(|| whole))
    }

    /// Every model of the store by name, with whether the bill shows it caching.
    fn stored_models(&self) -> Result<Vec<(String, bool)>> {
        let models = self.ask_daily(
            "select model_name, \
             sum(case when usage_kind in ('cache_read', 'cache_write') then 1 else 0 end) > 0 as has_cached \
             from cost_daily where model_name is not null group by model_name order by model_name",
        )?;
        let named = |row: &Vec<Cell>| (models.text(row, "model_name"), models.flag(row, "has_cached"));
        Ok(models.rows.iter().map(named).collect())
    }

    /// What the made tables need of `cost_daily`; who reads them asserts the law.
    fn ask_daily(&self, sql: &str) -> Result<Grid> {
        let mut context = SQLContext::new();
        context.register(Table::CostDaily.name(), self.stored.table(Table::CostDaily, &Reads::of(sql))?);
        let frame = context.execute(sql).and_then(LazyFrame::collect);
        let answer = frame.and_then(|frame| Answer::of(&frame));
        Ok(answer.map_err(|error| engine_error(&error))?.into_grid())
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
        let range = if query.is_built_in() { within } else { self.range };
        self.ask(&Asked { is_ordered: false, ..Asked::all(&query, range) })
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
            (makes || reads.table(table.name())) && !self.lawful.borrow().contains(table)
        };
        let unproven: Vec<Table> = LAWFUL.into_iter().filter(is_read).collect();
        let laws: Vec<Law<'_>> = unproven.iter().map(|table| self.stored.law(*table)).collect();
        let (answer, law) = thread::scope(|scope| {
            let law = scope.spawn(|| laws.iter().try_for_each(Law::must_hold));
            let answer = self.collect(asked, &reads);
            (answer, law.join())
        });
        law.unwrap_or_else(|_panic| Err(engine_error(&"the stored tables cannot be summed")))?;
        self.lawful.borrow_mut().extend(unproven);
        answer
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
            context.register(table.name(), self.with_cost(table, self.stored.table(table, reads)?, asked.query));
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

    /// Runs a built-in query, or the user's own of that name.
    pub fn run_named(&self, name: &str, config: &Config) -> Result<Grid> {
        self.run(&Query::find(name, own_queries(config).as_deref())?)
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
}

impl<'a> Asked<'a> {
    fn all(query: &'a Query, range: Range) -> Self {
        Self { query, days: &[], range, is_ordered: true }
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
