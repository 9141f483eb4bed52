//! The engine: stored tables registered with Polars SQL, with the clock and the range as tables.

use std::collections::BTreeMap;
use std::path::PathBuf;

use polars::prelude::*;
use polars::sql::SQLContext;

use super::days::{self, Day};
use super::frames::{self, dates};
use super::grid::{Cell, Grid};
use super::queries::Query;
use super::stages;
use crate::clock;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::facts::history::{AlertNote, LastRun};
use crate::facts::law::Totals;
use crate::facts::store::{Record, Snapshot};
use crate::money::{PRECISION, SCALE};
use crate::schema::{AMOUNTS, Kind, Table};

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
    tables: BTreeMap<&'static str, LazyFrame>,
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
    /// Held while the engine lives, so that no period is replaced between two queries.
    _snapshot: Snapshot,
}

impl Engine {
    /// Opens the store's tables and asserts the law on what is stored.
    pub fn open(snapshot: Snapshot, config: &Config, as_of: i64, range: Range) -> Result<Self> {
        let mut records = snapshot.records.clone();
        date_manifests(&mut records, config);
        let mut tables = BTreeMap::new();
        for table in Table::ALL {
            tables.insert(table.name(), open_table(&snapshot, table)?);
        }
        let days = days::days(&records, as_of);
        tables.insert("days", frames::days(&days)?.lazy());
        let (alert_note, last_run) = (snapshot.alert, snapshot.last_run);
        let mut engine =
            Self { tables, days, records, as_of, range, cost: None, alert_note, last_run, _snapshot: snapshot };
        engine.assert_law()?;
        let whole = engine.whole_store()?;
        engine.tables.insert("params", frames::params(config, whole, as_of, range)?.lazy());
        let models = frames::models(&engine.stored_models()?)?.lazy();
        engine.tables.insert("models", models);
        Ok(engine)
    }

    /// First and last day of the store: its months, and any day outside them that a line is dated. A
    /// refund may be dated months before the period that bills it, a fee after it.
    fn whole_store(&self) -> Result<(i32, i32)> {
        let sql = "select min(day) as first, max(day) as last from cost_daily";
        let dated = self.run(&Query { name: "stored days".into(), sql: sql.into() })?;
        let dated = dated.rows.iter().flat_map(|row| [dated.day(row, "first"), dated.day(row, "last")]).flatten();
        let months = self.records.iter().filter_map(|record| clock::month_range(&record.period));
        let days: Vec<i32> = months.flat_map(|(first, next)| [first, next - 1]).chain(dated).collect();
        let today = clock::day_of(self.as_of);
        Ok((days.iter().copied().min().unwrap_or(today), days.iter().copied().max().unwrap_or(today)))
    }

    /// Every model of the store by name, with whether the bill shows it caching.
    fn stored_models(&self) -> Result<Vec<(String, bool)>> {
        let sql = "select model_name, \
                   sum(case when usage_kind in ('cache_read', 'cache_write') then 1 else 0 end) > 0 as has_cached \
                   from cost_daily where model_name is not null group by model_name order by model_name";
        let models = self.run(&Query { name: "stored models".into(), sql: sql.into() })?;
        let named = |row: &Vec<Cell>| (models.text(row, "model_name"), models.flag(row, "has_cached"));
        Ok(models.rows.iter().map(named).collect())
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

    /// Runs a query that reads the days of its choice from the table `asked_days(day)`.
    pub fn run_over(&self, query: &Query, asked: &[i32]) -> Result<Grid> {
        let mut context = SQLContext::new();
        if !asked.is_empty() {
            let days = dates(asked.iter().copied().map(Some).collect(), "day");
            let days = days.and_then(|day| DataFrame::new(asked.len(), vec![day]));
            context.register("asked_days", days.map_err(|error| engine_error(&error))?.lazy());
        }
        for (name, frame) in &self.tables {
            context.register(name, self.with_cost(name, frame, query)?);
        }
        let failed = |error: &dyn std::fmt::Display| {
            Error::input(
                format!("query `{}`", query.name),
                error.to_string(),
                format!("the tables are {}", self.tables.keys().copied().collect::<Vec<_>>().join(", ")),
            )
        };
        // Polars panics on some SQL that it does not support; a user's query must not end the program so.
        let result = crate::shield::shielded(|| execute(&mut context, &query.sql));
        match result {
            Ok(Ok(frame)) => to_grid(&frame),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(failed(&"the SQL engine cannot run this statement")),
        }
    }

    /// Runs a built-in query, or the user's own of that name.
    pub fn run_named(&self, name: &str, config: &Config) -> Result<Grid> {
        let own = config.queries.path.as_ref().map(|path| config.resolve(path));
        self.run(&Query::find(name, own.as_deref())?)
    }

    /// The basis that a figure shows, in words: the one that was asked for, else the figure's own.
    pub fn basis(&self, own: &str) -> String {
        self.cost.as_deref().unwrap_or(own).replace('_', " ")
    }

    /// A cost basis other than the query's own replaces the column under its name.
    fn with_cost(&self, name: &str, frame: &LazyFrame, query: &Query) -> Result<LazyFrame> {
        let (Some(wanted), Some(read)) = (&self.cost, query.replaceable_cost()) else { return Ok(frame.clone()) };
        let has_money = matches!(name, "charges" | "cost_facts" | "cost_daily");
        if !has_money || wanted == read {
            return Ok(frame.clone());
        }
        Ok(frame.clone().with_column(col(wanted.as_str()).alias(read)))
    }

    /// The law, asserted where facts are read: by period, account and currency, the sums of every
    /// amount column of every table are those of the record.
    fn assert_law(&self) -> Result<()> {
        for table in [Table::Charges, Table::CostFacts, Table::CostDaily] {
            let mut found = self.totals_of(table)?;
            for record in &self.records {
                let found = found.remove(&record.period).unwrap_or_default();
                record.totals.must_equal(&found, &record.period, "the stored record", table.name())?;
            }
            // Rows of a period that no record names are nobody's.
            for (period, found) in found {
                Totals::default().must_equal(&found, &period, "the stored record", table.name())?;
            }
        }
        Ok(())
    }

    /// Sums of a table by period, as a record holds them.
    fn totals_of(&self, table: Table) -> Result<BTreeMap<String, Totals>> {
        let sums = AMOUNTS.map(|column| format!("sum({column}) as {column}")).join(", ");
        let sql = format!(
            "select billing_period, sub_account_id, billing_currency, {sums} from {} \
             group by billing_period, sub_account_id, billing_currency",
            table.name()
        );
        let grid = self.run(&Query { name: table.name().into(), sql })?;
        let mut totals: BTreeMap<String, Totals> = BTreeMap::new();
        for row in &grid.rows {
            let [account, currency] = ["sub_account_id", "billing_currency"].map(|name| grid.text(row, name));
            let amounts = AMOUNTS.map(|column| grid.amount(row, column));
            totals.entry(grid.text(row, "billing_period")).or_default().add(&account, &currency, &amounts);
        }
        Ok(totals)
    }
}

/// Runs SQL by its stages.
fn execute(context: &mut SQLContext, sql: &str) -> PolarsResult<DataFrame> {
    let Some((stages, rest)) = stages::split(sql) else {
        return context.execute(sql).and_then(LazyFrame::collect);
    };
    for stage in stages {
        let frame = context.execute(&stage.sql)?;
        let frame = if stage.is_shared { frame.collect()?.lazy() } else { frame };
        context.register(&stage.name, frame);
    }
    context.execute(&rest).and_then(LazyFrame::collect)
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

fn polars_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text => DataType::String,
        Kind::Amount => DataType::Decimal(PRECISION as usize, SCALE as usize),
        Kind::Timestamp => DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)),
        Kind::Day => DataType::Date,
        Kind::Count => DataType::Int64,
        Kind::Flag => DataType::Boolean,
    }
}

pub(super) fn engine_error(what: &dyn std::fmt::Display) -> Error {
    Error::input("store", what.to_string(), "run `billtag ingest` to make the facts again")
}

fn open_table(snapshot: &Snapshot, table: Table) -> Result<LazyFrame> {
    let fields = table.columns().into_iter().map(|(name, kind)| Field::new(name.into(), polars_type(kind)));
    let schema = Schema::from_iter(fields);
    let partition = Schema::from_iter([Field::new("billing_period".into(), DataType::String)]);
    let files: Vec<_> = snapshot.files.iter().filter(|((of, _), _)| *of == table).map(|(_, path)| path).collect();
    if files.is_empty() {
        let mut all = schema;
        all.merge(partition);
        return Ok(DataFrame::empty_with_schema(&all).lazy());
    }
    let paths: Vec<PlRefPath> = files.iter().map(|path| PlRefPath::new(path.to_string_lossy().as_ref())).collect();
    let hive_options = HiveOptions {
        enabled: Some(true),
        hive_start_idx: shared_length(&files),
        schema: Some(partition.into()),
        try_parse_dates: false,
    };
    let options = ScanArgsParquet { glob: false, hive_options, schema: Some(schema.into()), ..Default::default() };
    LazyFrame::scan_parquet_files(paths.into(), options).map_err(|error| engine_error(&error))
}

/// Length of what the paths of a table's files have in common, up to their partitions.
fn shared_length(files: &[&PathBuf]) -> usize {
    let before = |path: &PathBuf| path.to_string_lossy().find("billing_period=").unwrap_or(0);
    files.iter().map(|path| before(path)).min().unwrap_or(0)
}

fn to_grid(frame: &DataFrame) -> Result<Grid> {
    let columns: Vec<String> = frame.get_column_names().iter().map(|name| name.to_string()).collect();
    let mut rows = vec![Vec::with_capacity(columns.len()); frame.height()];
    for column in frame.columns() {
        let series = column.as_materialized_series().rechunk();
        for (row, value) in rows.iter_mut().zip(series.iter()) {
            row.push(to_cell(&value));
        }
    }
    Ok(Grid { columns, rows })
}

fn to_cell(value: &AnyValue<'_>) -> Cell {
    match value {
        AnyValue::Null => Cell::Null,
        AnyValue::String(text) => Cell::Text((*text).to_string()),
        AnyValue::StringOwned(text) => Cell::Text(text.to_string()),
        AnyValue::Boolean(flag) => Cell::Flag(*flag),
        AnyValue::Date(day) => Cell::Day(*day),
        AnyValue::Decimal(value, _, scale) => Cell::Decimal(*value, *scale as i8),
        AnyValue::Float64(value) => Cell::Float(*value),
        AnyValue::Float32(value) => Cell::Float(f64::from(*value)),
        AnyValue::Datetime(value, unit, _) => Cell::Time(micros(*value, *unit)),
        AnyValue::DatetimeOwned(value, unit, _) => Cell::Time(micros(*value, *unit)),
        other => match other.extract::<i128>() {
            Some(count) => Cell::Count(count),
            None => Cell::Text(other.to_string()),
        },
    }
}

fn micros(value: i64, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Nanoseconds => value.div_euclid(1_000),
        TimeUnit::Microseconds => value,
        TimeUnit::Milliseconds => value.saturating_mul(1_000),
    }
}
