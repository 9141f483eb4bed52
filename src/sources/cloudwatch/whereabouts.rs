//! In which account and region a reply was measured: what the saved files and their names say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// An account and a region, as far as they are known.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Whereabouts {
    pub(super) account_id: Option<String>,
    pub(super) region: Option<String>,
}

impl Whereabouts {
    /// Reads the members of a saved object, then those of its `context` or `metadata`.
    pub(super) fn of(members: &BTreeMap<String, Value>) -> Self {
        let mut found = Self::default();
        for (key, value) in members {
            found = found.or(&Self::of_member(key, value));
        }
        let nested =
            members.iter().filter(|(key, _)| matches!(key.to_ascii_lowercase().as_str(), "context" | "metadata"));
        for (key, value) in nested.flat_map(|(_, value)| value.as_object()).flatten() {
            found = found.or(&Self::of_member(key, value));
        }
        found
    }

    fn of_member(key: &str, value: &Value) -> Self {
        match key {
            "account_id" | "AccountId" | "accountId" | "Account" | "account" => {
                Self { account_id: account_text(value), region: None }
            }
            "region" | "Region" => {
                let region = value.as_str().map(str::trim).filter(|region| !region.is_empty()).map(str::to_owned);
                Self { account_id: None, region }
            }
            _ => Self::default(),
        }
    }

    /// Fills what is unknown from `other`.
    pub(super) fn or(self, other: &Self) -> Self {
        Self {
            account_id: self.account_id.or_else(|| other.account_id.clone()),
            region: self.region.or_else(|| other.region.clone()),
        }
    }

    /// Reads the names of a file and of the folders above it, the nearest name first.
    ///
    /// A name that holds two different accounts, or two regions, says nothing: nothing is guessed.
    pub(super) fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().fold(Self::default(), |found, name| found.or(&Self::of_name(name)))
    }

    fn of_name(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        Self { account_id: only(accounts(&name)), region: only(regions(&name)) }
    }
}

/// An account id as text; JSON writers that make it a number lose its leading zeros.
pub(super) fn account_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => number.as_u64().map(|number| format!("{number:012}")),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The single member of a set.
fn only(mut found: BTreeSet<String>) -> Option<String> {
    if found.len() == 1 { found.pop_first() } else { None }
}

/// Words of exactly twelve digits, except those that read as a time (`202610011200`).
fn accounts(name: &str) -> BTreeSet<String> {
    name.split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_digit()) && !is_time(word))
        .map(str::to_owned)
        .collect()
}

/// Whether twelve digits read as year, month, day, hour and minute of this century.
fn is_time(digits: &str) -> bool {
    let part =
        |range: std::ops::Range<usize>| digits.get(range).and_then(|part| part.parse::<u32>().ok()).unwrap_or(u32::MAX);
    (2010..2100).contains(&part(0..4))
        && (1..=12).contains(&part(4..6))
        && (1..=31).contains(&part(6..8))
        && part(8..10) < 24
        && part(10..12) < 60
}

/// Runs of words that read as a region: `us-east-1`, `us-gov-west-1`, `ap-southeast-2`.
fn regions(name: &str) -> BTreeSet<String> {
    const PLACES: [&str; 11] = ["us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx", "cn", "eusc"];
    const PARTITIONS: [&str; 7] = ["gov", "iso", "isob", "isoe", "isof", "de", "fr"];
    const DIRECTIONS: [&str; 9] =
        ["north", "south", "east", "west", "central", "northeast", "northwest", "southeast", "southwest"];
    let is_number = |word: &str| word.len() == 1 && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_region = |words: &[&str]| match words {
        [place, direction, number] => PLACES.contains(place) && DIRECTIONS.contains(direction) && is_number(number),
        [place, partition, direction, number] => {
            PLACES.contains(place)
                && PARTITIONS.contains(partition)
                && DIRECTIONS.contains(direction)
                && is_number(number)
        }
        _ => false,
    };
    let mut found = BTreeSet::new();
    for run in name.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-') {
        let words: Vec<&str> = run.split('-').collect();
        let runs = words.windows(3).chain(words.windows(4));
        found.extend(runs.filter(|words| is_region(words)).map(|words| words.join("-")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> (Option<String>, Option<String>) {
        let found = Whereabouts::of_name(name);
        (found.account_id, found.region)
    }

    fn both(account: &str, region: &str) -> (Option<String>, Option<String>) {
        (Some(account.to_owned()), Some(region.to_owned()))
    }

    #[test]
    fn an_account_and_a_region_are_found_in_a_name() {
        for name in [
            "111111111111-us-east-1.json",
            "111111111111_us-east-1_page-2.response.json",
            "reply-us-east-1-111111111111.json",
            "account=111111111111,region=us-east-1",
            "US-EAST-1.111111111111",
        ] {
            assert_eq!(of(name), both("111111111111", "us-east-1"), "{name}");
        }
        for region in
            ["us-gov-west-1", "ap-southeast-2", "eu-central-1", "us-iso-east-1", "eusc-de-east-1", "mx-central-1"]
        {
            assert_eq!(of(&format!("region={region}")).1.as_deref(), Some(region));
        }
    }

    #[test]
    fn what_only_resembles_an_account_or_a_region_is_not_taken() {
        for name in [
            "202610011200.json",
            "1234567890123.json",
            "us-east-1a",
            "us-east",
            "focus-east-1",
            "a1234567890123456",
            "us_east_1",
        ] {
            assert_eq!(of(name), (None, None), "{name}");
        }
    }

    #[test]
    fn a_name_with_two_accounts_says_nothing_and_the_nearest_name_wins() {
        assert_eq!(of("111111111111-222222222222.json").0, None);
        let found = Whereabouts::of_names(["page-1.json", "us-west-2", "111111111111", "eu-west-1"]);
        assert_eq!((found.account_id, found.region), both("111111111111", "us-west-2"));
    }

    #[test]
    fn members_say_it_at_the_top_or_inside_context_and_metadata() {
        let of = |text: &str| {
            let found = Whereabouts::of(&serde_json::from_str(text).unwrap());
            (found.account_id, found.region)
        };
        assert_eq!(of(r#"{"account_id":"111111111111","region":"us-east-1"}"#), both("111111111111", "us-east-1"));
        assert_eq!(of(r#"{"Account":11111111111,"Region":"us-east-1"}"#), both("011111111111", "us-east-1"));
        assert_eq!(of(r#"{"metadata":{"AccountId":"1","region":"r"},"account":"2"}"#), both("2", "r"));
        assert_eq!(of(r#"{"region":{"x":1},"context":4}"#), (None, None));
    }
}
