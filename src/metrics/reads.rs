//! Reads: which tables and columns a piece of SQL can read, by the words that it has.
//!
//! A word is taken for what it may be: naming too much costs time, naming too little would be wrong.

use std::collections::BTreeSet;

use sqlparser::dialect::GenericDialect;
use sqlparser::tokenizer::{Token, Tokenizer};

use crate::schema::Table;

/// The column that stands for a file's period.
pub const PERIOD: &str = "billing_period";

/// Words that may take columns without naming them.
const TAKES_ALL: [&str; 5] = ["natural", "columns", "describe", "show", "explain"];

/// What SQL can read.
#[derive(Debug, Default)]
pub struct Reads {
    /// Its words in lower case, quoted or not; `None` where it is not even SQL's words.
    words: Option<BTreeSet<String>>,
    /// Whether it may take columns without naming them.
    takes_all: bool,
}

impl Reads {
    /// What SQL can read.
    pub fn of(sql: &str) -> Self {
        let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else { return Self::default() };
        let mut tokens = tokens;
        tokens.retain(|token| !matches!(token, Token::Whitespace(_)));
        let word = |token: &Token| match token {
            Token::Word(word) => Some(word.value.to_lowercase()),
            Token::DoubleQuotedString(text) => Some(text.to_lowercase()),
            _ => None,
        };
        let words: BTreeSet<String> = tokens.iter().filter_map(word).collect();
        // A star is a product between two values, and all rows in `count(*)`.
        let is_wildcard = |pair: &[Token]| {
            let leads = |token: &Token| match token {
                Token::Period | Token::Comma => true,
                token => word(token).is_some_and(|word| ["select", "distinct", "all"].contains(&word.as_str())),
            };
            matches!(pair[1], Token::Mul) && leads(&pair[0])
        };
        let takes_all = tokens.windows(2).any(is_wildcard)
            || !words.contains("select")
            || TAKES_ALL.iter().any(|word| words.contains(*word));
        Self { words: Some(words), takes_all }
    }

    /// Adds a word.
    pub fn add(&mut self, word: &str) {
        if let Some(words) = &mut self.words {
            words.insert(word.to_string());
        }
    }

    /// Whether it may read a table.
    pub fn table(&self, name: &str) -> bool {
        self.words.as_ref().is_none_or(|words| words.contains(name))
    }

    /// The columns that it may read of a stored table; `None` where any.
    pub fn columns(&self, table: Table) -> Option<Vec<&'static str>> {
        let words = self.words.as_ref().filter(|_| !self.takes_all)?;
        let names = table.columns().into_iter().map(|(name, _)| name).chain([PERIOD]);
        Some(names.filter(|name| words.contains(*name)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_and_a_column_are_read_where_they_are_named() {
        let reads = Reads::of("select d.\"Day\", sum(billed_cost * 2) from COST_DAILY as d -- charges, list_cost");
        assert!(reads.table("cost_daily") && !reads.table("charges"));
        assert_eq!(reads.columns(Table::CostDaily), Some(vec!["day", "billed_cost"]));
        assert_eq!(Reads::of("select count(*) as n from cost_daily").columns(Table::CostDaily), Some(vec![]));
    }

    #[test]
    fn what_takes_columns_unnamed_may_read_all() {
        for sql in [
            "select * from cost_daily",
            "select day, * exclude (tags) from cost_daily",
            "select d.* from cost_daily d",
            "from cost_daily",
            "table cost_daily",
            "select day from cost_daily natural join days",
            "select columns('.*_cost') from cost_daily",
            "select 'an open end from cost_daily",
        ] {
            let reads = Reads::of(sql);
            assert!(reads.table("cost_daily") && reads.columns(Table::CostDaily).is_none(), "{sql}");
        }
    }
}
