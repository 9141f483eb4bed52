//! Stages: a query's `with` parts, run one after the other.
//!
//! Polars runs a part again for each of its uses, and plans grow with every use of a use. A part that is
//! used more than once is therefore computed once and kept; the answer is the same.

use sqlparser::ast::{Cte, SetExpr, Statement};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;

use super::order::{self, By};

/// A `with` part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The name under which later parts use it.
    pub name: String,
    /// Its SQL.
    pub sql: String,
    /// Whether it is used more than once.
    pub is_shared: bool,
}

/// A query taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stages {
    /// Its parts, in order.
    pub parts: Vec<Stage>,
    /// What remains of it.
    pub rest: String,
    /// The order of the answer, where what remains does not say it.
    pub order: Vec<By>,
}

/// The parts of a query, and what remains of it. `None` where the SQL has no such parts, or has them
/// in a form that only the engine itself may judge.
pub fn split(sql: &str) -> Option<Stages> {
    let mut statements = Parser::parse_sql(&GenericDialect {}, sql).ok()?;
    let (1, Some(Statement::Query(mut query))) = (statements.len(), statements.pop()) else { return None };
    let with = query.with.take().filter(|with| !with.recursive)?;
    if !matches!(*query.body, SetExpr::Select(_) | SetExpr::SetOperation { .. }) {
        return None;
    }
    let order = order::take(&mut query);
    let rest = query.to_string();
    let parts: Vec<(String, String)> = with.cte_tables.iter().map(part).collect::<Option<_>>()?;
    let stages = parts.iter().enumerate().map(|(at, (name, sql))| {
        let later = parts[at + 1..].iter().map(|(_, sql)| sql).chain([&rest]);
        let uses: usize = later.map(|sql| tables_named(sql, name)).sum();
        Stage { name: name.clone(), sql: sql.clone(), is_shared: uses > 1 }
    });
    Some(Stages { parts: stages.collect(), order, rest: rest.clone() })
}

fn part(cte: &Cte) -> Option<(String, String)> {
    cte.alias.columns.is_empty().then(|| (cte.alias.name.value.clone(), cte.query.to_string()))
}

/// How often a name follows `from` or `join` in SQL as sqlparser writes it.
fn tables_named(sql: &str, name: &str) -> usize {
    let words: Vec<&str> =
        sql.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).filter(|word| !word.is_empty()).collect();
    let follows = |pair: &&[&str]| matches!(pair[0], "FROM" | "JOIN") && pair[1] == name;
    words.windows(2).filter(follows).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_order_and_shared_ones_are_known() {
        let sql = "with a as (select 1 as x), b as (select x from a), c as (select a.x from a join b on a.x = b.x) select * from c order by x";
        let Stages { parts, rest, order } = split(sql).expect("parts");
        assert_eq!(order, []);
        let shared: Vec<(&str, bool)> = parts.iter().map(|stage| (stage.name.as_str(), stage.is_shared)).collect();
        assert_eq!(shared, [("a", true), ("b", false), ("c", false)]);
        assert_eq!(rest, "SELECT * FROM c ORDER BY x");
    }

    #[test]
    fn what_has_no_parts_is_left_to_the_engine() {
        for sql in [
            "select 1",
            "with recursive a as (select 1) select * from a",
            "not sql at all",
            "with a(x) as (select 1) select x from a",
            "",
        ] {
            assert_eq!(split(sql), None, "{sql}");
        }
    }
}
