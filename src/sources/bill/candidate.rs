//! The test that runs on every line of the bill, on the few columns it needs.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use arrow::error::ArrowError;

use super::columns::{Lines, PairSource, Positions, TextColumn, TimeColumn, texts, times};
use super::file::BillFile;
use super::prune::{Test, Tested};
use super::reach::longest;
use crate::normalise::select;

/// Columns of few values, and what makes a value of them a candidate's; the one that decides most often first.
const NARROW: [(TextColumn, Test); 5] = [
    (TextColumn::ProductCode, select::is_bedrock_code),
    (TextColumn::BillingEntity, select::is_marketplace),
    (TextColumn::ServiceCode, select::is_bedrock_code),
    (TextColumn::ProductFamily, select::is_bedrock_family),
    (TextColumn::ProductName, select::is_interesting_name),
];
/// Columns of many values.
const WIDE: [(TextColumn, Test); 1] = [(TextColumn::ResourceId, select::is_bedrock_resource)];

/// What a candidate is in one row group of one file.
#[derive(Debug, Clone)]
pub struct CandidateTest {
    narrow: Vec<(usize, Test)>,
    wide: Vec<(usize, Test)>,
    product: Option<usize>,
    line_type: Option<usize>,
    start: Option<usize>,
    end: Option<usize>,
    /// Names of all top-level fields, by position.
    names: Vec<String>,
}

impl CandidateTest {
    /// The test for a row group.
    pub fn of(file: &BillFile, group: usize) -> Self {
        let positions = &file.positions;
        let known = |columns: &[(TextColumn, Test)]| -> Vec<(usize, Test)> {
            columns.iter().filter_map(|(column, test)| Some((positions.text(*column)?, *test))).collect()
        };
        // The map is decoded for every line only where no flat column can say the same.
        let flat = file.has_values(group, positions.text(TextColumn::BillingEntity))
            && file.has_values(group, positions.text(TextColumn::ProductFamily));
        Self {
            narrow: known(&NARROW),
            wide: known(&WIDE),
            product: positions.map(PairSource::Product).filter(|_| !flat),
            line_type: positions.text(TextColumn::LineItemType),
            start: positions.time(TimeColumn::UsageStart),
            end: positions.time(TimeColumn::UsageEnd),
            names: file.metadata.schema().fields().iter().map(|field| field.name().clone()).collect(),
        }
    }

    /// The columns it reads.
    pub fn roots(&self) -> Vec<usize> {
        let tested = self.narrow.iter().chain(&self.wide).map(|(root, _)| *root);
        let mut roots: Vec<usize> = tested.chain(self.product).chain(self.clock_roots()).collect();
        roots.sort_unstable();
        roots.dedup();
        roots
    }

    /// The columns that move the watermark.
    pub fn clock_roots(&self) -> Vec<usize> {
        [self.line_type, self.start, self.end].into_iter().flatten().collect()
    }

    /// Runs `ask` with what the dictionaries of the row group are asked.
    pub fn with_tested<T>(&self, ask: impl FnOnce(&Tested<'_>) -> T) -> T {
        let mut narrow = self.narrow.clone();
        narrow.extend(self.product.map(|root| (root, is_product_of_interest as Test)));
        ask(&Tested { narrow: &narrow, wide: &self.wide })
    }

    fn column<'a>(&self, batch: &'a RecordBatch, root: usize) -> Option<&'a ArrayRef> {
        batch.column_by_name(&self.names[root])
    }

    /// Which lines of a batch are candidates.
    ///
    /// # Errors
    /// Where a column is of no type that a bill's can be.
    pub fn keep(&self, batch: &RecordBatch) -> Result<BooleanArray, ArrowError> {
        let mut keep = vec![false; batch.num_rows()];
        for (root, test) in self.narrow.iter().chain(&self.wide) {
            if let Some(column) = self.column(batch, *root) {
                mark(column, *test, &mut keep)?;
            }
        }
        if let Some(column) = self.product.and_then(|root| self.column(batch, root)) {
            mark_products(column, &mut keep)?;
        }
        Ok(BooleanArray::from(keep))
    }

    /// The latest end of an hourly or daily Usage line in the batch; epoch seconds.
    ///
    /// # Errors
    /// Where a column is of no type that a bill's can be.
    pub fn watermark(&self, batch: &RecordBatch) -> Result<Option<i64>, ArrowError> {
        let column = |root: Option<usize>| root.and_then(|root| self.column(batch, root));
        let (Some(start), Some(end)) = (column(self.start), column(self.end)) else { return Ok(None) };
        let (start, end) = (times(start)?, times(end)?);
        let mut usage = vec![self.line_type.is_none(); batch.num_rows()];
        if let Some(types) = column(self.line_type) {
            mark(types, select::is_usage_type_of_line, &mut usage)?;
        }
        let mut latest = None;
        for (row, usage) in usage.into_iter().enumerate() {
            if !usage || start.is_null(row) || end.is_null(row) {
                continue;
            }
            let length = end.value(row) - start.value(row);
            if length > 0 && length <= longest() {
                latest = latest.max(Some(end.value(row).div_euclid(1_000_000)));
            }
        }
        Ok(latest)
    }
}

/// Whether a value of the `product` map is one that some key would make a candidate's.
fn is_product_of_interest(value: &str) -> bool {
    select::is_bedrock_family(value) || select::is_interesting_name(value) || select::is_bedrock_code(value)
}

/// Marks the rows whose text passes a test; of a dictionary each value is tested once.
fn mark(column: &ArrayRef, test: fn(&str) -> bool, keep: &mut [bool]) -> Result<(), ArrowError> {
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
fn mark_products(column: &ArrayRef, keep: &mut [bool]) -> Result<(), ArrowError> {
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
