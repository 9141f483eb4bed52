//! Order: an answer's rows as its SQL's last `order by` asks for them.
//!
//! The engine compares row with row, column by column, and looks up every value that it compares. Here
//! each column's values become numbers that order as they do, a row's numbers become one, and those are
//! sorted: many times faster where an answer has hundreds of thousands of rows.

use std::thread;

use hashbrown::HashMap;
use polars::prelude::{DataFrame, PolarsResult, SortMultipleOptions};
use sqlparser::ast::{Expr, OrderByKind, Query, SelectItem, SetExpr};

use super::answer::{Answer, Values};

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
        let is_it = |item: &&SelectItem| matches!(item, SelectItem::UnnamedExpr(Expr::Identifier(own)) if own.value == name);
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
pub(super) fn places(answer: &Answer, by: &[By]) -> Option<Vec<u32>> {
    let height = u32::try_from(answer.rows()).ok()?;
    let columns: Vec<(&Values, &By)> =
        by.iter().map(|by| Some((answer.values(&by.column)?, by))).collect::<Option<_>>()?;
    let keys: Vec<Keys> = thread::scope(|scope| {
        let running: Vec<_> = columns.iter().map(|(values, by)| scope.spawn(|| keys(values, by))).collect();
        running.into_iter().map(|keys| keys.join().ok().flatten()).collect::<Option<_>>()
    })?;
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
    let numbers: Vec<Option<u64>> = match values {
        Values::Texts(texts) => text_numbers(texts.downcast_as_array().iter()),
        Values::Counts(counts) => numbers(counts.downcast_as_array().iter().map(|count| count.map(|count| i128::from(*count))))?,
        Values::Decimals(units, _) => numbers(units.downcast_as_array().iter().map(Option::<&i128>::copied))?,
        Values::Flags(flags) => flags.iter().map(|flag| flag.map(u64::from)).collect(),
        Values::Days(days) => numbers(days.downcast_as_array().iter().map(|day| day.map(|day| i128::from(*day))))?,
        Values::Times(times, _) => numbers(times.downcast_as_array().iter().map(|time| time.map(|time| i128::from(*time))))?,
        Values::Floats(_) | Values::Others(_) => return None,
    };
    let most = numbers.iter().flatten().max().copied().unwrap_or(0);
    // What is unknown takes the number before all others, or the one behind them.
    let (first, unknown) = if by.nulls_last { (0, most + 1) } else { (1, 0) };
    let key = |number: Option<u64>| match number {
        None => unknown,
        Some(number) if by.descends => first + (most - number),
        Some(number) => first + number,
    };
    let of_row = numbers.into_iter().map(key).collect();
    Some(Keys { of_row, bits: u64::BITS - (most + 1).leading_zeros() })
}

/// Numbers less the least of them; `None` where they lie too far apart.
fn numbers(values: impl Iterator<Item = Option<i128>> + Clone) -> Option<Vec<Option<u64>>> {
    let least = values.clone().flatten().min().unwrap_or(0);
    let most = values.clone().flatten().max().unwrap_or(0);
    // Small enough that the next number is one too.
    most.checked_sub(least).filter(|span| *span < i128::from(u64::MAX))?;
    Some(values.map(|value| value.map(|value| (value - least) as u64)).collect())
}

/// Texts as their ranks: there are many rows, and few texts.
fn text_numbers<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Vec<Option<u64>> {
    let mut known: HashMap<&str, usize> = HashMap::new();
    let mut last = None;
    let found: Vec<Option<usize>> = texts
        .map(|text| {
            let text = text?;
            match last {
                Some((same, at)) if same == text => Some(at),
                _ => {
                    let next = known.len();
                    let at = *known.entry(text).or_insert(next);
                    last = Some((text, at));
                    Some(at)
                }
            }
        })
        .collect();
    let mut sorted: Vec<(&str, usize)> = known.into_iter().collect();
    sorted.sort_unstable();
    let mut ranks = vec![0; sorted.len()];
    for ((_, at), rank) in sorted.into_iter().zip(0..) {
        ranks[at] = rank;
    }
    found.into_iter().map(|at| at.map(|at| ranks[at])).collect()
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;
    use sqlparser::ast::Statement;
    use sqlparser::dialect::GenericDialect;
    use sqlparser::parser::Parser;

    use super::*;

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
