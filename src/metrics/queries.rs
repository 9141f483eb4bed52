//! The queries by name: the user's own folder first, then the built-in ones.

use std::path::Path;

use crate::error::{Error, Result};
use crate::schema::AMOUNTS;

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        /// The built-in queries: name and text of `queries/<name>.sql`.
        pub const BUILT_IN: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../queries/", $name, ".sql")))),+];
    };
}

built_in![
    "allocation_coverage",
    "anomalies",
    "attribution_methods",
    "bill_identity",
    "cache_hit_rate",
    "cost_per_query",
    "daily_spend",
    "haiku_sonnet_ratio",
    "spend_by_cost_center",
    "spend_by_model_tier",
    "spend_by_team",
    "spend_by_workload",
    "token_volume",
    "unattributed",
];

/// A query, ready to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Its name, for messages.
    pub name: String,
    /// The SQL.
    pub sql: String,
}

impl Query {
    /// Finds a query: a file by its path, else by name in the user's folder, else built in.
    pub fn find(name: &str, own: Option<&Path>) -> Result<Self> {
        let path = Path::new(name);
        let is_file = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql"));
        if is_file {
            return Self::read(path);
        }
        if let Some(folder) = own {
            let path = folder.join(format!("{name}.sql"));
            if path.exists() {
                return Self::read(&path);
            }
        }
        let built_in = BUILT_IN.iter().find(|(known, _)| *known == name);
        let (name, sql) = built_in.ok_or_else(|| unknown(name))?;
        Ok(Self { name: (*name).to_string(), sql: (*sql).to_string() })
    }

    /// Whether the SQL is one of ours, of which it is known what a part of the days says.
    pub fn is_built_in(&self) -> bool {
        BUILT_IN.iter().any(|(name, sql)| *name == self.name && *sql == self.sql)
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self> {
        let sql = std::fs::read_to_string(path).map_err(Error::io(path, "read"))?;
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or("query");
        Ok(Self { name: name.to_string(), sql })
    }

    /// The money column that another cost basis may be read in place of; none where the header names
    /// none, or where the basis is part of the contract: R1 holds for unblended cost, whatever is asked.
    pub fn replaceable_cost(&self) -> Option<&str> {
        self.cost_column().filter(|column| AMOUNTS.contains(column) && self.name != "anomalies")
    }

    /// The money column that the query's header says it reads, for example `billed_cost`.
    pub fn cost_column(&self) -> Option<&str> {
        let header = self.header("cost")?;
        header.split_whitespace().next()
    }

    /// A line of the header: `question`, `grain` or `cost`.
    pub fn header(&self, key: &str) -> Option<&str> {
        let lines = self.sql.lines().take_while(|line| line.starts_with("--"));
        let mut found = lines.filter_map(|line| line.strip_prefix("-- ")?.split_once(": "));
        found.find(|(known, _)| *known == key).map(|(_, value)| value.trim())
    }
}

fn unknown(name: &str) -> Error {
    let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
    Error::config(
        format!("query `{name}`"),
        "there is no query of this name",
        format!("the built-in ones are {}; a file needs its path and `.sql`, text needs -e", names.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_query_says_what_it_answers() {
        for (name, _) in BUILT_IN {
            let query = Query::find(name, None).expect("built in");
            assert!(query.header("question").is_some_and(|text| text.ends_with('?')), "{name}");
            assert!(query.header("grain").is_some(), "{name}");
            assert!(query.cost_column().is_some(), "{name}");
        }
    }

    #[test]
    fn every_file_of_the_folder_is_built_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder of queries")
            .map(|entry| entry.expect("an entry").path())
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_string()))
            .collect();
        files.sort();
        let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        assert_eq!(files, names);
    }

    #[test]
    fn the_users_own_query_comes_before_the_built_in_one() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("anomalies.sql"), "select 1").expect("written");
        let query = Query::find("anomalies", Some(folder.path())).expect("found");
        assert_eq!(query.sql, "select 1");
        assert!(Query::find("no_such", Some(folder.path())).is_err());
    }
}
