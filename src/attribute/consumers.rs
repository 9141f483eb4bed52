//! Rung 3: the caller's session name is a resource that has tagged rows of its own.
//!
//! A Lambda function's session is its name, an EC2 instance's its id, an ECS task's its task id. Only
//! a match with a real tagged resource in the same account's bill counts.

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashSet};

use super::carriers::TagReader;
use super::owner::{KEYS, OwnerTexts};
use crate::clock;
use crate::text::{Text, Texts};

/// Session names without an owner.
///
/// Session names may be as many as calls, so only a hash of each is kept: a resource of another name
/// that has the same hash is looked at in vain, and matched by its name all the same.
#[derive(Debug, Default)]
pub struct Wanted {
    names: HashSet<u64>,
    hasher: DefaultHashBuilder,
}

impl Wanted {
    /// Adds a session name.
    pub fn add(&mut self, session: &str) {
        self.names.insert(self.hasher.hash_one(session));
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether a resource may be one whose name is wanted.
    pub fn may_be(&self, resource: &str) -> bool {
        session_name(resource).is_some_and(|name| self.names.contains(&self.hasher.hash_one(name)))
    }
}

/// The name under which a resource would appear as a session.
pub fn session_name(resource: &str) -> Option<&str> {
    if resource.starts_with("i-") {
        return Some(resource);
    }
    let mut parts = resource.strip_prefix("arn:")?.splitn(5, ':');
    let service = parts.nth(1)?;
    let rest = parts.nth(2)?;
    match service {
        // A qualifier may follow the function's name.
        "lambda" => rest.strip_prefix("function:")?.split(':').next(),
        "ec2" => rest.strip_prefix("instance/"),
        "ecs" => rest.strip_prefix("task/")?.rsplit('/').next(),
        _ => None,
    }
}

/// The owner that tags name, and the tags.
type Tagged = (OwnerTexts, Text);

/// Tagged consumers of one billing period.
#[derive(Debug, Default)]
pub struct Consumers {
    /// By account and session name: by resource, by day.
    found: BTreeMap<(String, String), BTreeMap<String, BTreeMap<i32, Tagged>>>,
    /// Every text of the owners and the tags.
    texts: Texts,
}

/// A tagged resource that called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The resource.
    pub resource: String,
    /// The owner that its tags name.
    pub owner: OwnerTexts,
    /// First day on which it had these tags.
    pub since: i32,
    /// Its tags as billed, as JSON text.
    pub tags: Text,
}

/// What a look-up said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// No tagged resource has this name.
    None,
    /// Several do, and they disagree.
    Ambiguous,
    /// This one, whose texts [`Consumers::text`] spells.
    Owner(Found),
}

impl Consumers {
    /// Notes a tagged row of a possible consumer.
    pub fn add(&mut self, account: &str, resource: &str, time: i64, tags: &str, reader: &mut TagReader<'_>) {
        let Some(name) = session_name(resource) else { return };
        let texts = &mut self.texts;
        let tags = texts.intern(tags);
        let owner = reader.read(tags, texts).resource;
        if owner == [Text::NULL; KEYS] {
            return;
        }
        let days = self.found.entry((account.to_string(), name.to_string())).or_default();
        let held = days.entry(resource.to_string()).or_default().entry(clock::day_of(time)).or_insert((owner, tags));
        // Of tags that changed within a day the alphabetically last is kept, whatever the order of lines.
        let order =
            |(owner, tags): &Tagged| (owner.map(|text| texts.str(text).to_string()), texts.str(*tags).to_string());
        if order(&(owner, tags)) > order(held) {
            *held = (owner, tags);
        }
    }

    /// Whether no tagged consumer is known.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// A found owner's value.
    pub fn text(&self, text: Text) -> Option<&str> {
        self.texts.get(text)
    }

    /// The owner of a session on a day: the tags in effect then, else the first that came later. A
    /// resource in the caller's own region comes first.
    pub fn find(&self, account: &str, session: &str, region: &str, day: i32) -> Match {
        let Some(resources) = self.found.get(&(account.to_string(), session.to_string())) else {
            return Match::None;
        };
        let in_region =
            |resource: &&String| !region.is_empty() && resource.split(':').nth(3).is_some_and(|found| found == region);
        let near: Vec<&String> = resources.keys().filter(in_region).collect();
        let considered = if near.is_empty() { resources.keys().collect() } else { near };
        let mut owners = considered.iter().filter_map(|resource| {
            let days = &resources[*resource];
            let (then, (owner, tags)) = days.range(..=day).next_back().or_else(|| days.range(day..).next())?;
            let same = days.range(..=then).rev().take_while(|(_, (_, held))| held == tags);
            let since = same.last().map_or(*then, |(day, _)| *day);
            Some(Found { resource: (*resource).clone(), owner: *owner, since, tags: *tags })
        });
        let Some(first) = owners.next() else { return Match::None };
        if owners.any(|other| other.owner != first.owner) { Match::Ambiguous } else { Match::Owner(first) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_known_by_their_session_names() {
        let name = session_name;
        assert_eq!(name("arn:aws:lambda:us-east-1:1:function:chat"), Some("chat"));
        assert_eq!(name("arn:aws:lambda:us-east-1:1:function:chat:live"), Some("chat"));
        assert_eq!(name("i-0abc"), Some("i-0abc"));
        assert_eq!(name("arn:aws:ec2:eu-west-1:1:instance/i-0abc"), Some("i-0abc"));
        assert_eq!(name("arn:aws:ecs:eu-west-1:1:task/cluster/0123"), Some("0123"));
        assert_eq!(name("arn:aws:s3:::chat"), None);
        assert_eq!(name("chat"), None);
    }
}
