//! What may be a line of Bedrock's: the few columns that say so, and their tests.
//!
//! A candidate passes one test; the exact choice is made later, on all columns.

use super::columns::{PairSource, TextColumn};
use super::file::BillFile;
use super::pages::Test;
use crate::normalise::select;

/// Columns of few values; the one that decides most often first.
const NARROW: [(TextColumn, Test<'static>); 5] = [
    (TextColumn::ProductCode, Test::of(&select::is_bedrock_code)),
    (TextColumn::BillingEntity, Test::of(&select::is_marketplace)),
    (TextColumn::ServiceCode, Test::of(&select::is_bedrock_code)),
    (TextColumn::ProductFamily, Test::of(&select::is_bedrock_family)),
    (TextColumn::ProductName, Test::of(&select::is_interesting_name)),
];
/// Columns of many values.
const WIDE: [(TextColumn, Test<'static>); 1] = [(
    TextColumn::ResourceId,
    Test { passes: &select::is_bedrock_resource, looks: select::looks_like_bedrock_resource },
)];

/// A column that says what may be Bedrock's.
#[derive(Debug, Clone, Copy)]
pub struct Tested<'a> {
    /// The top-level field.
    pub root: usize,
    /// What makes a value of it a candidate's; of a map, whatever the key.
    pub test: Test<'a>,
    /// Whether it has so many values that it is asked last.
    pub is_wide: bool,
}

/// The tested columns of a row group, those of few values first.
pub fn tested(file: &BillFile, group: usize) -> Vec<Tested<'static>> {
    let positions = &file.positions;
    let known = |columns: &[(TextColumn, Test<'static>)], is_wide| -> Vec<Tested<'static>> {
        let known = columns.iter().filter_map(|(column, test)| Some((positions.text(*column)?, *test)));
        known.map(|(root, test)| Tested { root, test, is_wide }).collect()
    };
    let mut tested = known(&NARROW, false);
    // The map is read for every line only where no flat column can say the same.
    let flat = file.has_values(group, positions.text(TextColumn::BillingEntity))
        && file.has_values(group, positions.text(TextColumn::ProductFamily));
    if let (Some(root), false) = (positions.map(PairSource::Product), flat) {
        tested.push(Tested { root, test: Test::of(&is_product_of_interest), is_wide: false });
    }
    tested.extend(known(&WIDE, true));
    tested
}

/// Whether a value of the `product` map is one that some key would make a candidate's.
fn is_product_of_interest(value: &str) -> bool {
    select::is_bedrock_family(value) || select::is_interesting_name(value) || select::is_bedrock_code(value)
}
