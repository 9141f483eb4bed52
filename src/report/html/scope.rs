//! Scope: whose page it is, the whole bill's or a team's.

use std::collections::BTreeMap;

use super::cube::{Cube, Key, NOBODY, NOT_ALLOCABLE, TEAM};
use super::names::Names;
use crate::error::{Error, Result};
use crate::facts::store::hash;
use crate::spelling;

/// Whose page it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's.
    Whole,
    /// A team's: its number in the cube.
    Team(u32),
}

/// What stands for spend that no team owns, on the command line and in names of files.
const UNATTRIBUTED: &str = "unattributed";
const NOT_TO_ALLOCATE: &str = "not_allocable";

/// Names of files that are ours, or no file's on some system.
const TAKEN: [&str; 9] = ["index", UNATTRIBUTED, "not-allocable", "con", "prn", "aux", "nul", "com1", "lpt1"];

/// Longest name of a file without its ending.
const LONGEST: usize = 60;

impl Scope {
    /// The team of a name.
    ///
    /// # Errors
    /// Where the facts have no such team.
    pub fn named(name: &str, cube: &Cube) -> Result<Self> {
        let teams = &cube.names[TEAM];
        let nobody = match name {
            UNATTRIBUTED => Some(NOBODY),
            NOT_TO_ALLOCATE => Some(NOT_ALLOCABLE),
            _ => None,
        };
        match teams.find(name).or(nobody) {
            Some(team) => Ok(Self::Team(team)),
            None => {
                let known = teams.all().iter().map(String::as_str).chain([UNATTRIBUTED]);
                let rest = "`billtag query spend_by_team` shows the teams; the page is of the last four months";
                Err(Error::config(
                    format!("--team {name}"),
                    "no team of that name spends",
                    spelling::hint(name, known, rest),
                ))
            }
        }
    }

    /// All teams, those first that are somebody.
    pub fn teams(cube: &Cube) -> Vec<Self> {
        let mut found: Vec<u32> = cube.costs.keys().map(|key| key[TEAM]).collect();
        found.sort_unstable();
        found.dedup();
        found.sort_by(|a, b| {
            (*a <= NOT_ALLOCABLE, name_of(&cube.names[TEAM], *a))
                .cmp(&(*b <= NOT_ALLOCABLE, name_of(&cube.names[TEAM], *b)))
        });
        found.into_iter().map(Self::Team).collect()
    }

    /// Whether a series is on the page.
    pub fn holds(&self, key: &Key) -> bool {
        match self {
            Self::Whole => true,
            Self::Team(team) => key[TEAM] == *team,
        }
    }

    /// Whether what a team's name says is on the page; empty where nobody owns it.
    pub fn holds_team(&self, team: &str, cube: &Cube) -> bool {
        match self {
            Self::Whole => true,
            Self::Team(NOBODY) => team.is_empty(),
            Self::Team(own) => !team.is_empty() && cube.names[TEAM].find(team) == Some(*own),
        }
    }

    /// The team, in words.
    pub fn team<'a>(&self, cube: &'a Cube) -> Option<&'a str> {
        match self {
            Self::Whole => None,
            Self::Team(team) => Some(name_of(&cube.names[TEAM], *team)),
        }
    }

    /// The name of the page's file: safe on every system, and two teams never share one.
    pub fn file(&self, cube: &Cube) -> String {
        match self {
            Self::Whole => "index.html".into(),
            Self::Team(NOBODY) => format!("{UNATTRIBUTED}.html"),
            Self::Team(NOT_ALLOCABLE) => "not-allocable.html".into(),
            Self::Team(team) => format!("{}.html", safe_name(cube.names[TEAM].name(*team))),
        }
    }
}

fn name_of(teams: &Names, team: u32) -> &str {
    if team == NOBODY { UNATTRIBUTED } else { teams.name(team) }
}

/// Letters, digits and dashes; a name that had to be changed is told from others by what it was.
fn safe_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    let safe: String = name.to_lowercase().chars().map(plain).take(LONGEST).collect();
    if safe == name && !safe.is_empty() && !safe.starts_with('-') && !TAKEN.contains(&safe.as_str()) {
        safe
    } else {
        format!("team-{}-{}", safe.trim_matches('-'), &hash(name.as_bytes())[..8])
    }
}

/// How much of the whole a page shows, by currency: its part and the whole.
pub fn shares(scope: &Scope, cube: &Cube) -> BTreeMap<String, (i128, i128)> {
    let part = cube.month_cost(|key| scope.holds(key));
    let whole = cube.month_cost(|_| true);
    let shares = whole.into_iter().map(|(currency, whole)| {
        let part = part.get(&currency).copied().unwrap_or(0);
        (currency, (part, whole))
    });
    shares.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_safe_and_of_one_team_each() {
        assert_eq!(safe_name("team-payments"), "team-payments");
        for name in ["../../etc/passwd", "=cmd|x", "index", "con", "Größe", "a b", "-rf", "", "🙂"] {
            let file = safe_name(name);
            assert!(file.starts_with("team-"), "{file}");
            assert!(file.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{file}");
        }
        assert_ne!(safe_name("a b"), safe_name("a_b"));
        assert!(safe_name(&"x".repeat(500)).len() < 80);
        assert_ne!(safe_name(&"x".repeat(500)), safe_name(&"x".repeat(501)));
    }
}
