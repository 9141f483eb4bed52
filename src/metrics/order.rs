//! Order: an answer's rows as its SQL's last `order by` asks for them.
//!
//! The engine compares row with row, column by column, and looks up every value that it compares. Here
//! each column's values become numbers that order as they do, a row's numbers become one, and those are
//! sorted: many times faster where an answer has hundreds of thousands of rows.

use hashbrown::HashMap;
use polars::prelude::{DataFrame, PolarsResult, SortMultipleOptions};
use sqlparser::ast::{Expr, OrderByKind, Query, SelectItem, SetExpr};

use super::answer::Values;
use crate::distinct;

/// Bits of a row's number that hold its place, so that rows that are equal stay as they were.
const PLACE_BITS: u32 = 32;

/// One column to order by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    column: String,
    descends: bool,
    /// Whether rows without a value come last, whichever way the others go.
    nulls_last: bool,
}

impl By {
    /// Its column.
    pub fn column(&self) -> &str {
        &self.column
    }
}

/// Takes the order out of a query that selects each column to order by as it is, so that whose order
/// the answer has is no question. Any other query keeps its order.
pub fn take(query: &mut Query) -> Vec<By> {
    let by = asked(query).unwrap_or_default();
    if !by.is_empty() {
        query.order_by = None;
    }
    by
}

fn asked(query: &Query) -> Option<Vec<By>> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let is_part = query.limit_clause.is_some() || query.fetch.is_some() || select.distinct.is_some();
    let order = query.order_by.as_ref().filter(|order| !is_part && order.interpolate.is_none())?;
    let OrderByKind::Expressions(wanted) = &order.kind else { return None };
    let named = |name: &str| {
        let is_it =
            |item: &&SelectItem| matches!(item, SelectItem::UnnamedExpr(Expr::Identifier(own)) if own.value == name);
        select.projection.iter().filter(is_it).count() == 1
    };
    let by = wanted.iter().map(|wanted| match &wanted.expr {
        Expr::Identifier(name) if wanted.with_fill.is_none() && named(&name.value) => {
            let descends = !wanted.options.asc.unwrap_or(true);
            // As the engine takes it where nothing is said.
            let nulls_last = !wanted.options.nulls_first.unwrap_or(descends);
            Some(By { column: name.value.clone(), descends, nulls_last })
        }
        _ => None,
    });
    by.collect()
}

/// The places of the rows in order; `None` where a column is of a kind that only the engine compares.
pub(super) fn places(columns: &[(&Values, &By)], height: usize) -> Option<Vec<u32>> {
    let height = u32::try_from(height).ok()?;
    let keys: Vec<Keys> = columns.iter().map(|(values, by)| keys(values, by)).collect::<Option<_>>()?;
    if keys.iter().map(|keys| keys.bits).sum::<u32>() + PLACE_BITS <= u128::BITS {
        let mut packed: Vec<u128> = vec![0; height as usize];
        for column in &keys {
            packed.iter_mut().zip(&column.of_row).for_each(|(row, key)| *row = *row << column.bits | u128::from(*key));
        }
        packed.iter_mut().zip(0..height).for_each(|(row, place)| *row = *row << PLACE_BITS | u128::from(place));
        packed.sort_unstable();
        return Some(packed.into_iter().map(|row| row as u32).collect());
    }
    let mut places: Vec<u32> = (0..height).collect();
    places.sort_by(|a, b| {
        let mut compared = keys.iter().map(|keys| keys.of_row[*a as usize].cmp(&keys.of_row[*b as usize]));
        compared.find(|order| order.is_ne()).unwrap_or(a.cmp(b))
    });
    Some(places)
}

/// A frame in order, as the engine sorts it.
pub(super) fn sorted(frame: &DataFrame, by: &[By]) -> PolarsResult<DataFrame> {
    let options = SortMultipleOptions::default()
        .with_order_descending_multi(by.iter().map(|by| by.descends))
        .with_nulls_last_multi(by.iter().map(|by| by.nulls_last));
    frame.sort(by.iter().map(|by| by.column.as_str()), options)
}

/// A column's values as numbers that order as asked.
struct Keys {
    of_row: Vec<u64>,
    bits: u32,
}

fn keys(values: &Values, by: &By) -> Option<Keys> {
    match values {
        Values::Ranked(ranked) => keys_of(ranked.of_row().map(|rank| rank.map(i128::from)), by),
        Values::Counts(counts) => keys_of(counts.downcast_as_array().iter().map(|count| Some(i128::from(*count?))), by),
        Values::Decimals(units, _) => keys_of(units.downcast_as_array().iter().map(Option::<&i128>::copied), by),
        Values::Flags(flags) => keys_of(flags.downcast_as_array().iter().map(|flag| flag.map(i128::from)), by),
        Values::Days(days) => keys_of(days.downcast_as_array().iter().map(|day| Some(i128::from(*day?))), by),
        Values::Times(times, _) => keys_of(times.downcast_as_array().iter().map(|time| Some(i128::from(*time?))), by),
        Values::Texts(_) | Values::Floats(_) | Values::Others(_) => None,
    }
}

/// Numbers less the least of them; `None` where they lie too far apart.
fn keys_of(values: impl Iterator<Item = Option<i128>> + Clone, by: &By) -> Option<Keys> {
    let (least, most) = values
        .clone()
        .flatten()
        .fold((i128::MAX, i128::MIN), |(least, most), value| (value.min(least), value.max(most)));
    let span = if least > most { 0 } else { most.checked_sub(least)? };
    // Small enough that the next number is one too.
    let span = u64::try_from(span).ok().filter(|span| *span < u64::MAX)?;
    // What is unknown takes the number before all others, or the one behind them.
    let (first, unknown) = if by.nulls_last { (0, span + 1) } else { (1, 0) };
    let key = |value: Option<i128>| match value.map(|value| (value - least) as u64) {
        None => unknown,
        Some(number) if by.descends => first + (span - number),
        Some(number) => first + number,
    };
    Some(Keys { of_row: values.map(key).collect(), bits: u64::BITS - (span + 1).leading_zeros() })
}

/// Texts by their ranks: there are many rows, and few texts.
pub(super) struct Ranked {
    /// In order.
    texts: Vec<String>,
    /// The rank of each row's text; one that no text has where it is unknown.
    of_row: Vec<u32>,
}

impl Ranked {
    pub(super) fn of<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Self {
        let mut known: HashMap<&str, u32> = HashMap::new();
        let mut last = None;
        let found: Vec<u32> = texts
            .map(|text| {
                let Some(text) = text else { return u32::MAX };
                match last {
                    Some((same, at)) if same == text => at,
                    _ => {
                        let next = known.len() as u32;
                        let at = *known.entry(text).or_insert(next);
                        last = Some((text, at));
                        at
                    }
                }
            })
            .collect();
        let mut sorted: Vec<(&str, u32)> = known.into_iter().collect();
        sorted.sort_unstable();
        let ranks = distinct::places(&sorted.iter().map(|(_, at)| *at).collect::<Vec<_>>());
        let of_row = found.into_iter().map(|at| ranks.get(at as usize).copied().unwrap_or(u32::MAX)).collect();
        Self { texts: sorted.into_iter().map(|(text, _)| text.to_string()).collect(), of_row }
    }

    fn of_row(&self) -> impl Iterator<Item = Option<u32>> + Clone {
        self.of_row.iter().map(|rank| Some(*rank).filter(|rank| *rank != u32::MAX))
    }

    pub(super) fn get(&self, row: usize) -> Option<&str> {
        self.texts.get(self.of_row[row] as usize).map(String::as_str)
    }

    pub(super) fn at(self, places: &[u32]) -> Self {
        let of_row = places.iter().map(|place| self.of_row[*place as usize]).collect();
        Self { of_row, ..self }
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;
    use sqlparser::ast::Statement;
    use sqlparser::dialect::GenericDialect;
    use sqlparser::parser::Parser;

    use super::*;
    use crate::metrics::Answer;

    fn taken(sql: &str) -> (Vec<By>, String) {
        let mut statements = Parser::parse_sql(&GenericDialect {}, sql).expect("SQL");
        let Some(Statement::Query(mut query)) = statements.pop() else { panic!("a query") };
        (take(&mut query), query.to_string())
    }

    fn by(column: &str, descends: bool, nulls_last: bool) -> By {
        By { column: column.into(), descends, nulls_last }
    }

    #[test]
    fn only_an_order_by_plain_columns_is_taken() {
        let (order, rest) = taken("select a, b from t order by a desc, b nulls first");
        assert_eq!(order, [by("a", true, false), by("b", false, false)]);
        assert_eq!(rest, "SELECT a, b FROM t");
        for sql in [
            "select a from t",
            "select * from t order by a",
            "select -a as a from t order by a",
            "select a from t order by a limit 3",
            "select a from t order by 1",
            "select a from t order by a + 1",
            "select distinct a from t order by a",
            "select t.a from t order by t.a",
        ] {
            assert_eq!(taken(sql).0, [], "{sql}");
        }
    }

    #[test]
    fn rows_come_as_the_engine_sorts_them() {
        let texts = [Some("b"), None, Some("a"), Some("ä"), Some("b"), Some(""), None, Some("B")];
        let counts = [Some(3_i64), Some(-1), None, Some(i64::MIN), Some(2), None, Some(-1), Some(i64::MAX / 2)];
        let flags = [Some(true), Some(true), None, Some(false), Some(true), None, Some(true), Some(false)];
        let columns =
            vec![Column::new("t".into(), texts), Column::new("c".into(), counts), Column::new("f".into(), flags)];
        let frame = DataFrame::new(texts.len(), columns).expect("a frame");
        for order in [["t", "c", "f"], ["f", "t", "c"], ["c", "f", "t"]] {
            for choice in 0..64 {
                let descends: Vec<bool> = (0..3).map(|bit| choice >> bit & 1 == 1).collect();
                let last: Vec<bool> = (3..6).map(|bit| choice >> bit & 1 == 1).collect();
                let wanted: Vec<By> = (0..3).map(|at| by(order[at], descends[at], last[at])).collect();
                let options = SortMultipleOptions::default()
                    .with_order_descending_multi(descends)
                    .with_nulls_last_multi(last)
                    .with_maintain_order(true);
                let expected = Answer::of(&frame.sort(order, options).expect("sorted")).expect("an answer");
                let mut sorted = Answer::of(&frame).expect("an answer");
                assert!(sorted.sort(&wanted));
                assert_eq!(sorted.into_grid(), expected.into_grid(), "{wanted:?}");
            }
        }
    }
}
