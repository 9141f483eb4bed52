//! Taking: which lines of a row group are wanted, and their columns.
//!
//! Each column is read straight from its pages where those are written as nearly all bills are, and by
//! the general reader otherwise; what comes of it is the same.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchReader};
use arrow::compute::concat_batches;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};

use super::candidate::Tested;
use super::chunks::Chunks;
use super::file::BillFile;
use super::lines::Lines;
use super::pages::{Column, Leaf, Marks, Stop, mark};
use super::words::{Pairs, Words};
use crate::error::Result;

/// Lines that are taken at once, so that memory does not follow the row group.
const STRETCH: usize = 8_192;

/// The lines of a row group with a value that passes one of the tests.
///
/// # Errors
/// Where bytes cannot be had or are damaged.
pub fn wanted(file: &BillFile, group: usize, bytes: &Chunks, tested: &[Tested<'_>]) -> Result<Vec<u32>> {
    let mut marks = Marks::none(usize::try_from(file.rows(group)).unwrap_or(usize::MAX));
    for tested in tested {
        // What was marked before it was declined is marked again, by the same test.
        match mark_pages(file, group, bytes, tested, &mut marks) {
            Ok(()) => {}
            Err(Stop::Declined) => mark_decoded(file, group, bytes, tested, &mut marks)?,
            Err(Stop::Failed(error)) => return Err(file.error(bytes, &error)),
        }
    }
    Ok(marks.rows())
}

fn mark_pages(
    file: &BillFile,
    group: usize,
    bytes: &Chunks,
    tested: &Tested<'_>,
    marks: &mut Marks,
) -> Result<(), Stop> {
    let open = |leaf: usize| Leaf::open(file, group, leaf, (bytes, true));
    match file.leaves(tested.root)[..] {
        [leaf] => mark(open(leaf)?, None, tested.test, (bytes.kept(), marks)),
        [keys, values] => mark(open(values)?, Some(open(keys)?), tested.test, (bytes.kept(), marks)),
        _ => Err(Stop::Declined),
    }
}

/// Marks by the general reader.
fn mark_decoded(file: &BillFile, group: usize, bytes: &Chunks, tested: &Tested<'_>, marks: &mut Marks) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| file.error(bytes, error);
    let is_map = file.metadata.schema().field(tested.root).data_type().is_nested()
        || file.positions.pairs().any(|(_, key, root)| key.is_none() && root == tested.root);
    let reader = file.reader(group, bytes).with_projection(file.mask([tested.root])).build();
    let mut first = 0;
    for batch in reader.map_err(|error| failed(&error))? {
        let batch = batch.map_err(|error| failed(&error))?;
        let column = batch.column(0);
        if is_map {
            let pairs = Pairs::new(column, None).map_err(|error| file.unfit(&error))?;
            for row in 0..batch.num_rows() {
                pairs.each(row, &mut |_, value| {
                    if (tested.test.passes)(value) {
                        marks.add(first + row);
                    }
                });
            }
        } else {
            let words = Words::new(column).map_err(|error| file.unfit(&error))?;
            let passing = (0..batch.num_rows()).filter(|row| words.get(*row).is_some_and(tested.test.passes));
            passing.for_each(|row| marks.add(first + row));
        }
        first += batch.num_rows();
    }
    Ok(())
}

/// Lines of a row group.
#[derive(Debug, Clone, Copy)]
pub enum Rows<'a> {
    /// These, which ascend.
    Some(&'a [u32]),
    /// So many from the first on.
    First(u64),
}

impl Rows<'_> {
    /// A stretch of them by its number, and whether others follow. A footer may lie about its lines, so
    /// they are not counted up beforehand.
    fn stretch(&self, number: usize) -> (Vec<u32>, bool) {
        let start = number * STRETCH;
        match self {
            Self::Some(rows) => {
                let end = rows.len().min(start + STRETCH);
                (rows[start.min(end)..end].to_vec(), end < rows.len())
            }
            Self::First(count) => {
                let end = (*count).min((start + STRETCH) as u64);
                ((start as u64..end).filter_map(|row| u32::try_from(row).ok()).collect(), end < *count)
            }
        }
    }
}

/// Takes the columns of the wanted lines and sends them in stretches, until nobody wants more.
///
/// # Errors
/// Where bytes cannot be had or are damaged.
pub fn take(
    file: &BillFile,
    group: usize,
    bytes: &Chunks,
    (rows, roots): (Rows<'_>, &[usize]),
    send: &dyn Fn(Lines) -> bool,
) -> Result<()> {
    bytes.load(&file.ranges(group, roots)).map_err(|error| file.error(bytes, &error))?;
    let before = file.rows_before(group);
    let mut open: BTreeMap<usize, Column> = BTreeMap::new();
    for at in 0.. {
        let (stretch, has_more) = rows.stretch(at);
        if stretch.is_empty() {
            break;
        }
        let (mut columns, mut declined) = (BTreeMap::new(), Vec::new());
        for root in roots {
            let opened = match open.remove(root) {
                // Columns that stay open hold a page each, and not all that there is.
                None if at == 0 => Column::open(file, group, *root, (bytes, !has_more)),
                // It was declined before.
                None => Err(Stop::Declined),
                Some(column) => Ok(column),
            };
            let taken = opened.and_then(|mut column| {
                let taken = column.take(&stretch)?;
                // A column holds a page while it is open, so it is closed when nothing is left to take.
                if has_more {
                    open.insert(*root, column);
                }
                Ok(taken)
            });
            match taken {
                Ok(array) => drop(columns.insert(*root, array)),
                Err(Stop::Declined) => declined.push(*root),
                Err(Stop::Failed(error)) => return Err(file.error(bytes, &error)),
            }
        }
        columns.extend(decoded(file, group, bytes, &stretch, &declined)?);
        let numbers = stretch.iter().map(|row| before + u64::from(*row) + 1).collect();
        let lines = Lines::new(&file.positions, numbers, &|root| columns.get(&root).cloned());
        if !send(lines.map_err(|error| file.unfit(&error))?) {
            break;
        }
    }
    Ok(())
}

/// Columns of lines by the general reader.
fn decoded(
    file: &BillFile,
    group: usize,
    bytes: &Chunks,
    rows: &[u32],
    roots: &[usize],
) -> Result<BTreeMap<usize, ArrayRef>> {
    if roots.is_empty() {
        return Ok(BTreeMap::new());
    }
    let failed = |error: &dyn std::fmt::Display| file.error(bytes, error);
    let reader = file
        .reader(group, bytes)
        .with_projection(file.mask(roots.iter().copied()))
        .with_row_selection(selection(rows))
        .build()
        .map_err(|error| failed(&error))?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<RecordBatch>, _>>().map_err(|error| failed(&error))?;
    let batch = concat_batches(&schema, &batches).map_err(|error| failed(&error))?;
    // Columns come in the file's order.
    let in_order: BTreeSet<usize> = roots.iter().copied().collect();
    Ok(in_order.into_iter().zip(batch.columns().iter().cloned()).collect())
}

fn selection(rows: &[u32]) -> RowSelection {
    let (mut selectors, mut next) = (Vec::with_capacity(rows.len() * 2), 0);
    for row in rows.iter().map(|row| *row as usize) {
        selectors.push(RowSelector::skip(row - next));
        selectors.push(RowSelector::select(1));
        next = row + 1;
    }
    RowSelection::from(selectors)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use arrow::array::{
        DictionaryArray, Float64Array, Int64Array, LargeStringArray, MapBuilder, StringArray, StringBuilder,
        TimestampMicrosecondArray, TimestampMillisecondArray,
    };
    use arrow::datatypes::Int32Type;
    use parquet::arrow::ArrowWriter;
    use parquet::basic::{Compression, Encoding};
    use parquet::file::properties::{WriterProperties, WriterVersion};
    use parquet::schema::types::ColumnPath;
    use proptest::prelude::*;

    use super::*;
    use crate::place::{Entry, Place};
    use crate::sources::bill::columns::{AmountColumn, PairSource, TextColumn, TimeColumn};
    use crate::sources::bill::pages::Test;

    /// How a file is written.
    #[derive(Debug, Clone)]
    struct Writing {
        lines: usize,
        seed: u64,
        v2: bool,
        page_rows: usize,
        dictionary: usize,
        plain: bool,
        delta: bool,
        compression: usize,
    }

    fn writing() -> impl Strategy<Value = Writing> {
        let sizes = (1_usize..900, any::<u64>(), any::<bool>(), 1_usize..400);
        let forms = (0_usize..3, any::<bool>(), any::<bool>(), 0_usize..3);
        (sizes, forms).prop_map(|((lines, seed, v2, page_rows), (dictionary, plain, delta, compression))| {
            let dictionary = [60, 400, 1 << 20][dictionary];
            Writing { lines, seed, v2, page_rows, dictionary, plain, delta, compression }
        })
    }

    /// A sequence of numbers that looks random.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % limit
        }

        /// A number, or nothing once in a while; long stretches are alike.
        fn maybe(&mut self, row: usize, limit: u64) -> Option<u64> {
            let share = if row / 100 % 3 == 1 { 60 } else { 3 };
            (self.below(100) >= share).then(|| self.below(limit))
        }
    }

    fn column(name: &str, lines: usize, dice: &mut Dice) -> ArrayRef {
        let texts = |limit: u64, dice: &mut Dice| -> Vec<Option<String>> {
            (0..lines).map(|row| dice.maybe(row, limit).map(|at| format!("arn:{at}é"))).collect()
        };
        match name {
            "line_item_product_code" => Arc::new(StringArray::from(texts(4, dice))),
            "line_item_resource_id" => Arc::new(StringArray::from(texts(100_000, dice))),
            "line_item_usage_type" => {
                let values = texts(30, dice);
                Arc::new(values.iter().map(Option::as_deref).collect::<DictionaryArray<Int32Type>>())
            }
            "line_item_operation" => Arc::new(LargeStringArray::from(texts(3, dice))),
            "line_item_currency_code" => {
                let codes = (0..lines).map(|row| if row < lines / 2 { "USD" } else { "EUR" });
                Arc::new(StringArray::from_iter_values(codes))
            }
            "line_item_usage_account_id" => {
                let ids = (0..lines).map(|row| dice.maybe(row, 1_000).map(|id| id as i64));
                Arc::new(ids.collect::<Int64Array>())
            }
            "line_item_unblended_cost" => {
                let costs = (0..lines).map(|row| dice.maybe(row, 50_000).map(|cost| cost as f64 / 1e4));
                Arc::new(costs.collect::<Float64Array>())
            }
            "line_item_usage_start_date" => {
                let times = (0..lines).map(|row| dice.maybe(row, 700).map(|hour| hour as i64 * 3_600_000));
                Arc::new(times.collect::<TimestampMillisecondArray>())
            }
            "line_item_usage_end_date" => {
                let times = (0..lines).map(|_| dice.below(700) as i64 * 3_600_000_000);
                Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
            }
            _ => maps(lines, dice),
        }
    }

    fn maps(lines: usize, dice: &mut Dice) -> ArrayRef {
        let mut builder = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        for row in 0..lines {
            let entries = if row / 50 % 4 == 0 { 0 } else { dice.below(5) };
            for key in 0..entries {
                builder.keys().append_value(format!("key{key}"));
                builder.values().append_option(dice.maybe(row, 40).map(|value| format!("value{value}")));
            }
            builder.append(dice.below(5) > 0 || entries > 0).unwrap();
        }
        Arc::new(builder.finish())
    }

    const NAMES: [&str; 11] = [
        "line_item_product_code",
        "line_item_resource_id",
        "line_item_usage_type",
        "line_item_operation",
        "line_item_currency_code",
        "line_item_usage_account_id",
        "line_item_unblended_cost",
        "line_item_usage_start_date",
        "line_item_usage_end_date",
        "product",
        "resource_tags",
    ];

    fn written(folder: &Path, how: &Writing) -> BillFile {
        let mut dice = Dice(how.seed);
        let columns = NAMES.map(|name| (name, column(name, how.lines, &mut dice)));
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let compression = [Compression::SNAPPY, Compression::UNCOMPRESSED, Compression::LZ4_RAW][how.compression];
        let mut properties = WriterProperties::builder()
            .set_writer_version(if how.v2 { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 })
            .set_compression(compression)
            .set_write_batch_size(7)
            .set_data_page_row_count_limit(how.page_rows)
            .set_dictionary_page_size_limit(how.dictionary)
            .set_max_row_group_row_count(Some(how.lines.div_ceil(2)));
        if how.plain {
            let path = ColumnPath::from("line_item_product_code");
            properties = properties.set_column_dictionary_enabled(path, false);
        }
        if how.delta {
            let path = ColumnPath::from("line_item_operation");
            properties = properties.set_column_dictionary_enabled(path.clone(), false);
            properties = properties.set_column_encoding(path, Encoding::DELTA_BYTE_ARRAY);
        }
        let path = folder.join("a.parquet");
        let file = std::fs::File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties.build())).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let size = std::fs::metadata(&path).unwrap().len();
        let entry = Entry { path: "a.parquet".into(), size, tag: None, modified: None };
        BillFile::open(&Place::Local(folder.to_path_buf()), &entry).unwrap()
    }

    /// Lines as text, whatever form their columns have.
    fn shown(lines: &Lines) -> Vec<String> {
        let show = |row: usize| {
            let mut shown = format!("{} ", lines.row_number(row));
            TextColumn::ALL.iter().for_each(|(column, _)| shown += &format!("{:?} ", lines.text(*column, row)));
            TimeColumn::ALL.iter().for_each(|(column, _)| shown += &format!("{:?} ", lines.time(*column, row)));
            AmountColumn::ALL.iter().for_each(|(column, _)| shown += &format!("{:?} ", lines.amount(*column, row)));
            for source in [PairSource::Product, PairSource::ResourceTags] {
                lines.pairs(source, row, &mut |key, value| shown += &format!("{key}={value} "));
                shown += "; ";
            }
            shown
        };
        (0..lines.len).map(show).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn pages_say_what_the_general_reader_says(how in writing(), share in 1_u64..100) {
            let folder = tempfile::tempdir().unwrap();
            let file = written(folder.path(), &how);
            let roots = file.positions.all();
            for group in 0..file.row_groups() {
                let bytes = file.origin.open().unwrap();
                let mut dice = Dice(how.seed ^ 7);
                let rows: Vec<u32> = (0..file.rows(group) as u32).filter(|_| dice.below(100) < share).collect();
                let mut open: BTreeMap<usize, Column> = BTreeMap::new();
                for root in &roots {
                    open.extend(Column::open(&file, group, *root, (&bytes, true)).ok().map(|column| (*root, column)));
                }
                prop_assert_eq!(open.len(), roots.len(), "every type of these is read here");
                for stretch in rows.chunks(37) {
                    let expected = decoded(&file, group, &bytes, stretch, &roots).unwrap();
                    let mut found = expected.clone();
                    open.retain(|root, column| match column.take(stretch) {
                        Ok(array) => found.insert(*root, array).is_some(),
                        Err(Stop::Declined) => false,
                        Err(Stop::Failed(error)) => panic!("{error}"),
                    });
                    // Version 2 falls back to delta encodings, which are read elsewhere.
                    prop_assert!(how.v2 || open.len() >= roots.len() - usize::from(how.delta), "{}", open.len());
                    let numbers: Vec<u64> = stretch.iter().map(|row| u64::from(*row)).collect();
                    let lines = |columns: &BTreeMap<usize, ArrayRef>| {
                        let column = |root: usize| columns.get(&root).cloned();
                        shown(&Lines::new(&file.positions, numbers.clone(), &column).unwrap())
                    };
                    prop_assert_eq!(lines(&found), lines(&expected));
                }
            }
        }

        #[test]
        fn marks_are_those_of_the_general_reader(how in writing()) {
            let folder = tempfile::tempdir().unwrap();
            let file = written(folder.path(), &how);
            let passes = |text: &str| text.ends_with("3é") || text == "value3" || text.ends_with("11é");
            for (root, name) in NAMES.iter().enumerate().filter(|(_, name)| !name.ends_with("date")) {
                let looks: fn(&[u8]) -> bool = if name.contains("resource_id") { |text| text.starts_with(b"arn:") } else { |_| true };
                let tested = Tested { root, test: Test { passes: &passes, looks }, is_wide: false };
                for group in 0..file.row_groups() {
                    let bytes = file.origin.open().unwrap();
                    let mut expected = Marks::none(how.lines);
                    mark_decoded(&file, group, &bytes, &tested, &mut expected).unwrap();
                    let found = wanted(&file, group, &bytes, &[tested]).unwrap();
                    prop_assert_eq!(found, expected.rows(), "{}", name);
                }
            }
        }
    }
}
