//! The scan: every line is tested while it is decoded, only candidates leave the file.
//!
//! Two cores read row groups side by side; a batch of candidates is small, so memory follows neither
//! the number of lines nor the width of the bill. What a candidate is, is decided on a few columns
//! that are cheap to read; the exact choice is made later, on all of them.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::RowNumber;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowFilter,
};
use parquet::errors::ParquetError;

use super::columns::{AmountColumn, Lines, PairSource, Positions, ROW_NUMBER, TextColumn, TimeColumn, texts, times};
use super::layout::BillPeriod;
use crate::clock;
use crate::error::{Error, Result};
use crate::normalise::select;

/// Lines in a decoded batch.
const BATCH: usize = 8_192;
/// Longest hourly or daily line, in seconds.
const LONGEST_DAY: i64 = clock::DAY;

/// One file, opened: its metadata and where its columns are.
#[derive(Debug, Clone)]
pub struct BillFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Parquet's own metadata.
    pub metadata: ArrowReaderMetadata,
    /// The wanted columns.
    pub positions: Positions,
}

/// What a scan saw beside the candidates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Lines in the files, all services.
    pub lines: u64,
    /// Latest end of an hourly or daily Usage line over all services; epoch seconds.
    pub watermark: Option<i64>,
}

impl BillFile {
    /// Opens a file and finds its columns.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path, "open"))?;
        let unreadable = |error: ParquetError| broken(path, &error);
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(unreadable)?;
        let schema = reading_schema(metadata.schema());
        let rows = Field::new(ROW_NUMBER, DataType::Int64, false).with_extension_type(RowNumber);
        let options = ArrowReaderOptions::new()
            .with_schema(schema)
            .with_virtual_columns(vec![Arc::new(rows)])
            .map_err(unreadable)?;
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options).map_err(unreadable)?;
        let positions = Positions::of(metadata.schema());
        Ok(Self { path: path.to_path_buf(), metadata, positions })
    }

    /// Refuses a file that cannot be a bill.
    pub fn check(&self) -> Result<()> {
        let place = || self.path.display().to_string();
        if self.row_groups() == 0 && self.metadata.metadata().file_metadata().num_rows() == 0 {
            return Ok(());
        }
        if self.positions.amount(AmountColumn::UnblendedCost).is_none() {
            let focus = self.metadata.schema().field_with_name("BilledCost").is_ok();
            let (what, hint) = if focus {
                (
                    "this is a FOCUS export, which billtag does not read",
                    "export CUR 2.0 (table COST_AND_USAGE_REPORT) as Parquet",
                )
            } else {
                (
                    "the bill has no cost column (`line_item_unblended_cost`)",
                    "add the column to the export's SQL and export again",
                )
            };
            return Err(Error::input(place(), what, hint));
        }
        let times = [TimeColumn::UsageStart, TimeColumn::PeriodStart];
        let timed = times.iter().any(|column| self.positions.time(*column).is_some());
        if !timed && self.positions.text(TextColumn::TimeInterval).is_none() {
            return Err(Error::input(
                place(),
                "the bill has no time column (`line_item_usage_start_date`)",
                "add the column to the export's SQL and export again",
            ));
        }
        let selectors =
            [TextColumn::ProductCode, TextColumn::ResourceId, TextColumn::ProductName, TextColumn::ProductFamily];
        if selectors.iter().all(|column| self.positions.text(*column).is_none())
            && self.positions.map(PairSource::Product).is_none()
        {
            return Err(Error::input(
                place(),
                "nothing in the bill says which lines are Bedrock's (no `line_item_product_code`)",
                "add `line_item_product_code`, `line_item_resource_id` and `product` to the export's SQL",
            ));
        }
        Ok(())
    }

    fn row_groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// Whether a column has a value in a row group, as far as its statistics tell.
    fn has_values(&self, group: usize, column: Option<usize>) -> bool {
        let Some(column) = column else { return false };
        let metadata = self.metadata.metadata();
        let schema = metadata.file_metadata().schema_descr();
        let group = metadata.row_group(group);
        let of_column = (0..schema.num_columns()).filter(|leaf| schema.get_column_root_idx(*leaf) == column);
        let nulls = |leaf: usize| group.column(leaf).statistics().and_then(|statistics| statistics.null_count_opt());
        let rows = u64::try_from(group.num_rows()).unwrap_or(0);
        of_column.map(nulls).any(|nulls| nulls.is_none_or(|nulls| nulls < rows))
    }

    fn mask(&self, roots: impl IntoIterator<Item = usize>) -> ProjectionMask {
        let schema = self.metadata.metadata().file_metadata().schema_descr();
        ProjectionMask::roots(schema, roots)
    }

    fn reader(&self, group: usize) -> Result<ParquetRecordBatchReaderBuilder<File>> {
        let file = File::open(&self.path).map_err(Error::io(&self.path, "open"))?;
        Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_row_groups(vec![group])
            .with_batch_size(BATCH))
    }
}

/// How columns are decoded for the test: repeated texts as dictionaries, so that a value is tested once
/// and not once a line.
fn reading_schema(schema: &SchemaRef) -> SchemaRef {
    let dictionary = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let positions = Positions::of(schema);
    let repeated = [
        TextColumn::ProductCode,
        TextColumn::BillingEntity,
        TextColumn::LineItemType,
        TextColumn::ProductFamily,
        TextColumn::ServiceCode,
        TextColumn::ProductName,
    ];
    let repeated: Vec<usize> = repeated.iter().filter_map(|column| positions.text(*column)).collect();
    // Resource ids are too many for a dictionary; as views they are tested without being copied.
    let resource = positions.text(TextColumn::ResourceId);
    let fields = schema.fields().iter().enumerate().map(|(at, field)| {
        if repeated.contains(&at) && *field.data_type() == DataType::Utf8 {
            Arc::new(field.as_ref().clone().with_data_type(dictionary()))
        } else if resource == Some(at) && *field.data_type() == DataType::Utf8 {
            Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View))
        } else {
            Arc::clone(field)
        }
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

/// A file that is not, or no longer, Parquet.
pub fn broken(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::input(
        path.display().to_string(),
        format!("the Parquet file is cut or damaged ({error})"),
        "copy the file again; what was stored of its period stays as it was",
    )
}

/// A file whose columns are not of a type that a bill's can be.
fn unfit(file: &BillFile, error: &ArrowError) -> Error {
    Error::input(
        file.path.display().to_string(),
        format!("a column cannot be read as a bill's ({error})"),
        "export the column as AWS types it: text, double or decimal, and timestamps",
    )
}

/// Opens every file of a period.
pub fn open(period: &BillPeriod) -> Result<Vec<BillFile>> {
    period.files.iter().map(|path| BillFile::open(path)).collect()
}

/// Streams the candidates of a period's files to `sink`, in no particular order.
pub fn candidates(files: &[BillFile], sink: &mut dyn FnMut(&BillFile, &Lines) -> Result<()>) -> Result<Seen> {
    for file in files {
        file.check()?;
    }
    let seen = Arc::new(Mutex::new(Seen::default()));
    let read = |file: &BillFile, group: usize, send: &dyn Fn(Lines) -> bool| read_candidates(file, group, &seen, send);
    in_parallel(files, &read, sink)?;
    let seen = *seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(seen)
}

/// Streams the tagged lines whose resource is one of the wanted consumers: the second pass of rung 3.
pub fn consumers(
    files: &[BillFile],
    wanted: &(dyn Fn(&str) -> bool + Sync),
    sink: &mut dyn FnMut(&BillFile, &Lines) -> Result<()>,
) -> Result<()> {
    let read = |file: &BillFile, group: usize, send: &dyn Fn(Lines) -> bool| read_consumers(file, group, wanted, send);
    in_parallel(files, &read, sink)
}

type ReadGroup<'a> = dyn Fn(&BillFile, usize, &dyn Fn(Lines) -> bool) -> Result<()> + Sync + 'a;

/// Runs `read` over all row groups on all cores and hands what it sends to `sink` on this thread.
/// Of several errors the one of the first file and row group is reported, whoever found it first.
fn in_parallel(
    files: &[BillFile],
    read: &ReadGroup<'_>,
    sink: &mut dyn FnMut(&BillFile, &Lines) -> Result<()>,
) -> Result<()> {
    let tasks: Vec<(usize, usize)> =
        files.iter().enumerate().flat_map(|(at, file)| (0..file.row_groups()).map(move |group| (at, group))).collect();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(tasks.len().max(1));
    let mut sunk = Ok(());
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel::<(usize, Lines)>(4);
        for _ in 0..cores {
            let sender = sender.clone();
            let (tasks, next, failures) = (&tasks, &next, &failures);
            scope.spawn(move || {
                while let Some((at, group)) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let send = |lines: Lines| sender.send((*at, lines)).is_ok();
                    if let Err(error) = read(&files[*at], *group, &send)
                        && let Ok(mut failures) = failures.lock()
                    {
                        failures.push(((*at, *group), error));
                    }
                }
            });
        }
        drop(sender);
        for (at, lines) in receiver {
            if sunk.is_ok() {
                sunk = sink(&files[at], &lines);
            }
        }
    });
    let mut failures = failures.into_inner().unwrap_or_default();
    failures.sort_by_key(|(task, _)| *task);
    match failures.into_iter().next() {
        Some((_, error)) => Err(error),
        None => sunk,
    }
}

fn read_candidates(file: &BillFile, group: usize, seen: &Arc<Mutex<Seen>>, send: &dyn Fn(Lines) -> bool) -> Result<()> {
    let test = CandidateTest::of(file, group);
    let mask = file.mask(test.roots());
    let seen = Arc::clone(seen);
    let predicate = ArrowPredicateFn::new(mask, move |batch| test.run(&batch, &seen));
    read_group(file, group, predicate, &file.positions.all(), send)
}

fn read_consumers(
    file: &BillFile,
    group: usize,
    wanted: &(dyn Fn(&str) -> bool + Sync),
    send: &dyn Fn(Lines) -> bool,
) -> Result<()> {
    let Some(resource) = file.positions.text(TextColumn::ResourceId) else { return Ok(()) };
    let tags = file.positions.tags();
    if tags.is_empty() {
        return Ok(());
    }
    let columns = [TextColumn::ResourceId, TextColumn::UsageAccount, TextColumn::RegionCode, TextColumn::TimeInterval];
    let mut roots: Vec<usize> = columns.iter().filter_map(|column| file.positions.text(*column)).collect();
    roots.extend(file.positions.time(TimeColumn::UsageStart));
    roots.extend(tags);
    // The reader borrows the test, so candidates are found first and their tags decoded after.
    let reader = file
        .reader(group)?
        .with_projection(file.mask([resource]))
        .build()
        .map_err(|error| broken(&file.path, &error))?;
    let mut keep = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|error| broken(&file.path, &error))?;
        let resources = texts(batch.column(0)).map_err(|error| broken(&file.path, &error))?;
        keep.extend(resources.iter().map(|resource| resource.is_some_and(wanted)));
    }
    if !keep.contains(&true) {
        return Ok(());
    }
    let mut at = 0;
    let predicate = ArrowPredicateFn::new(file.mask([resource]), move |batch| {
        let rows = &keep[at..at + batch.num_rows()];
        at += batch.num_rows();
        Ok(BooleanArray::from(rows.to_vec()))
    });
    read_group(file, group, predicate, &roots, send)
}

fn read_group<F>(
    file: &BillFile,
    group: usize,
    predicate: ArrowPredicateFn<F>,
    roots: &[usize],
    send: &dyn Fn(Lines) -> bool,
) -> Result<()>
where
    F: FnMut(RecordBatch) -> std::result::Result<BooleanArray, ArrowError> + Send + 'static,
{
    let unreadable = |error: &dyn std::fmt::Display| broken(&file.path, error);
    let reader = file
        .reader(group)?
        .with_projection(file.mask(roots.iter().copied()))
        .with_row_filter(RowFilter::new(vec![Box::new(predicate)]))
        .build()
        .map_err(|error| unreadable(&error))?;
    for batch in reader {
        let batch = batch.map_err(|error| unreadable(&error))?;
        if batch.num_rows() == 0 {
            continue;
        }
        let lines = Lines::new(&batch, &file.positions, file.metadata.schema()).map_err(|error| unfit(file, &error))?;
        if !send(lines) {
            break;
        }
    }
    Ok(())
}

/// What makes a value a candidate's.
type Test = fn(&str) -> bool;

/// The test that runs on every line of the bill, on names of the columns it needs.
struct CandidateTest {
    roots: Vec<usize>,
    /// Column name and what makes a value of it a candidate.
    tests: Vec<(String, Test)>,
    product: Option<String>,
    line_type: Option<String>,
    start: Option<String>,
    end: Option<String>,
}

impl CandidateTest {
    fn of(file: &BillFile, group: usize) -> Self {
        let schema = file.metadata.schema();
        let name = |at: usize| schema.field(at).name().clone();
        let mut roots = Vec::new();
        let mut tests: Vec<(String, Test)> = Vec::new();
        let columns: [(TextColumn, Test); 6] = [
            (TextColumn::ProductCode, select::is_bedrock_code),
            (TextColumn::ServiceCode, select::is_bedrock_code),
            (TextColumn::BillingEntity, select::is_marketplace),
            (TextColumn::ProductFamily, select::is_bedrock_family),
            (TextColumn::ProductName, select::is_interesting_name),
            (TextColumn::ResourceId, select::is_bedrock_resource),
        ];
        for (column, test) in columns {
            if let Some(at) = file.positions.text(column) {
                roots.push(at);
                tests.push((name(at), test));
            }
        }
        // The map is decoded for every line only where no flat column can say the same.
        let flat = file.has_values(group, file.positions.text(TextColumn::BillingEntity))
            && file.has_values(group, file.positions.text(TextColumn::ProductFamily));
        let product = file.positions.map(PairSource::Product).filter(|_| !flat);
        let line_type = file.positions.text(TextColumn::LineItemType);
        let start = file.positions.time(TimeColumn::UsageStart);
        let end = file.positions.time(TimeColumn::UsageEnd);
        roots.extend([product, line_type, start, end].into_iter().flatten());
        Self {
            roots,
            tests,
            product: product.map(name),
            line_type: line_type.map(name),
            start: start.map(name),
            end: end.map(name),
        }
    }

    fn roots(&self) -> Vec<usize> {
        self.roots.clone()
    }

    fn run(&self, batch: &RecordBatch, seen: &Mutex<Seen>) -> std::result::Result<BooleanArray, ArrowError> {
        let mut keep = vec![false; batch.num_rows()];
        for (name, test) in &self.tests {
            if let Some(column) = batch.column_by_name(name) {
                mark(column, *test, &mut keep)?;
            }
        }
        if let Some(column) = self.product.as_ref().and_then(|name| batch.column_by_name(name)) {
            mark_products(column, &mut keep)?;
        }
        let watermark = self.watermark(batch)?;
        if let Ok(mut seen) = seen.lock() {
            seen.lines += batch.num_rows() as u64;
            seen.watermark = seen.watermark.max(watermark);
        }
        Ok(BooleanArray::from(keep))
    }

    /// The latest end of an hourly or daily Usage line in the batch.
    fn watermark(&self, batch: &RecordBatch) -> std::result::Result<Option<i64>, ArrowError> {
        let column = |name: &Option<String>| name.as_ref().and_then(|name| batch.column_by_name(name));
        let (Some(start), Some(end)) = (column(&self.start), column(&self.end)) else { return Ok(None) };
        let (start, end) = (times(start)?, times(end)?);
        let mut usage = vec![self.line_type.is_none(); batch.num_rows()];
        if let Some(types) = column(&self.line_type) {
            mark(types, select::is_usage_type_of_line, &mut usage)?;
        }
        let mut latest = None;
        for (row, usage) in usage.into_iter().enumerate() {
            if !usage || start.is_null(row) || end.is_null(row) {
                continue;
            }
            let length = end.value(row) - start.value(row);
            if length > 0 && length <= LONGEST_DAY * 1_000_000 {
                latest = latest.max(Some(end.value(row).div_euclid(1_000_000)));
            }
        }
        Ok(latest)
    }
}

/// Marks the rows whose text passes a test; of a dictionary each value is tested once.
fn mark(column: &ArrayRef, test: fn(&str) -> bool, keep: &mut [bool]) -> std::result::Result<(), ArrowError> {
    if let DataType::Dictionary(key, _) = column.data_type()
        && **key == DataType::Int32
    {
        let dictionary = column.as_dictionary::<Int32Type>();
        let values = texts(dictionary.values())?;
        let passes: Vec<bool> = values.iter().map(|value| value.is_some_and(test)).collect();
        if passes.contains(&true) {
            for (keep, key) in keep.iter_mut().zip(dictionary.keys()) {
                *keep |= key.is_some_and(|key| passes[key as usize]);
            }
        }
        return Ok(());
    }
    if column.data_type() == &DataType::Null {
        return Ok(());
    }
    if column.data_type() == &DataType::Utf8View {
        for (keep, value) in keep.iter_mut().zip(column.as_string_view()) {
            *keep |= value.is_some_and(test);
        }
        return Ok(());
    }
    let values = texts(column)?;
    for (keep, value) in keep.iter_mut().zip(&values) {
        *keep |= value.is_some_and(test);
    }
    Ok(())
}

/// Marks the rows whose `product` map names Bedrock.
fn mark_products(column: &ArrayRef, keep: &mut [bool]) -> std::result::Result<(), ArrowError> {
    let field = Field::new("product", column.data_type().clone(), true);
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(column)])?;
    let lines = Lines::new(&batch, &Positions::of(&schema), &schema)?;
    for (row, keep) in keep.iter_mut().enumerate().filter(|(_, keep)| !**keep) {
        lines.pairs(PairSource::Product, row, &mut |key, value| {
            *keep |= (key.ends_with("family") && select::is_bedrock_family(value))
                || (key.ends_with("name") && select::is_interesting_name(value))
                || (key.ends_with("servicecode") && select::is_bedrock_code(value));
        });
    }
    Ok(())
}

/// The billing periods whose lines a plain file holds.
pub fn periods_in(path: &Path) -> Result<BTreeSet<String>> {
    let file = BillFile::open(path)?;
    file.check()?;
    let unreadable = |error: &dyn std::fmt::Display| broken(path, error);
    let times = [TimeColumn::PeriodStart, TimeColumn::UsageStart].iter().filter_map(|time| file.positions.time(*time));
    let roots: Vec<usize> = times.chain(file.positions.text(TextColumn::TimeInterval)).collect();
    let mut periods = BTreeSet::new();
    for group in 0..file.row_groups() {
        let reader = file
            .reader(group)?
            .with_projection(file.mask(roots.iter().copied()))
            .build()
            .map_err(|error| unreadable(&error))?;
        let mut last = None;
        for batch in reader {
            let batch = batch.map_err(|error| unreadable(&error))?;
            let lines = Lines::new(&batch, &file.positions, file.metadata.schema());
            let lines = lines.map_err(|error| unreadable(&error))?;
            for row in 0..lines.len {
                let Some(instant) = lines.period_time(row) else { return Err(timeless(&file, &lines, row)) };
                let day = clock::day_of(instant);
                if last != Some(day) {
                    periods.insert(clock::month_of(day));
                    last = Some(day);
                }
            }
        }
    }
    Ok(periods)
}

/// A line of a plain file that nothing assigns to a period.
fn timeless(file: &BillFile, lines: &Lines, row: usize) -> Error {
    let number = lines.row_number(row).map_or(String::new(), |number| format!(": row {number}"));
    Error::input(
        format!("{}{number}", file.path.display()),
        "the line has no time, so it belongs to no billing period",
        "export again with `bill_billing_period_start_date`, or keep the export's folders by period",
    )
}
