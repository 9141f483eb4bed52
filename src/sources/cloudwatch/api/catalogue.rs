//! Which series there are: kept between runs, since CloudWatch lists a series for two weeks only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Target;
use super::plan::KEPT;
use crate::sources::cloudwatch::series::SeriesName;

/// All series that discovery ever saw, by the account that was asked, with the time each was last seen.
///
/// As JSON it is a sorted list, so the same catalogue is the same bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<Entry>", from = "Vec<Entry>")]
pub struct Catalogue {
    seen: BTreeMap<String, BTreeMap<SeriesName, i64>>,
}

/// One series as JSON has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    /// The account that was asked, which with linked accounts is not the series' own.
    asked: String,
    #[serde(flatten)]
    name: SeriesName,
    /// Epoch seconds.
    last_seen: i64,
}

impl Catalogue {
    /// How many series are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen.values().map(BTreeMap::len).sum()
    }

    /// Whether no series is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Remembers that a target lists a series; says whether it is new.
    pub(super) fn see(&mut self, target: &Target, name: SeriesName, at: i64) -> bool {
        let series = self.seen.entry(target.account_id.clone()).or_default();
        let before = series.get(&name).copied();
        series.insert(name, before.map_or(at, |before| before.max(at)));
        before.is_none()
    }

    /// What a target is asked for, sorted: with `linked`, also the series of other accounts.
    pub(super) fn series<'a>(&'a self, target: &'a Target, linked: bool) -> impl Iterator<Item = &'a SeriesName> {
        let series = self.seen.get(&target.account_id).into_iter().flat_map(BTreeMap::keys);
        series.filter(move |name| name.region == target.region && (linked || name.account_id == target.account_id))
    }

    /// All series, whoever was asked.
    pub(super) fn all(&self) -> impl Iterator<Item = &SeriesName> {
        self.seen.values().flat_map(BTreeMap::keys)
    }

    /// Forgets the series of which CloudWatch holds no point any more.
    pub(super) fn prune(&mut self, as_of: i64) {
        for series in self.seen.values_mut() {
            series.retain(|_, last_seen| *last_seen >= as_of - KEPT);
        }
        self.seen.retain(|_, series| !series.is_empty());
    }
}

impl From<Catalogue> for Vec<Entry> {
    fn from(catalogue: Catalogue) -> Self {
        let entry = |asked: &str, (name, last_seen)| Entry { asked: asked.to_owned(), name, last_seen };
        let entries = |(asked, series): (String, BTreeMap<SeriesName, i64>)| {
            series.into_iter().map(|series| entry(&asked, series)).collect::<Self>()
        };
        catalogue.seen.into_iter().flat_map(entries).collect()
    }
}

impl From<Vec<Entry>> for Catalogue {
    fn from(entries: Vec<Entry>) -> Self {
        let mut seen: BTreeMap<String, BTreeMap<SeriesName, i64>> = BTreeMap::new();
        for Entry { asked, name, last_seen } in entries {
            let kept = seen.entry(asked).or_default().entry(name).or_insert(last_seen);
            *kept = last_seen.max(*kept);
        }
        Self { seen }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Access;
    use crate::clock::DAY;

    const AS_OF: i64 = 1_795_350_896;

    fn target(account: &str, region: &str) -> Target {
        Target { account_id: account.into(), region: region.into(), access: Access::default() }
    }

    fn name(account: &str, region: &str, metric: &str) -> SeriesName {
        SeriesName {
            account_id: account.into(),
            region: region.into(),
            namespace: "AWS/Bedrock".into(),
            metric: metric.into(),
            dimensions: BTreeMap::from([("ModelId".into(), "m".into())]),
        }
    }

    #[test]
    fn a_series_stays_until_no_point_of_it_can_be_left() {
        let (mut catalogue, here) = (Catalogue::default(), target("1", "us-east-1"));
        assert!(catalogue.see(&here, name("1", "us-east-1", "old"), AS_OF - KEPT - 1));
        assert!(catalogue.see(&here, name("1", "us-east-1", "kept"), AS_OF - KEPT));
        assert!(!catalogue.see(&here, name("1", "us-east-1", "kept"), AS_OF - KEPT - DAY));
        catalogue.prune(AS_OF);
        let left: Vec<_> = catalogue.series(&here, false).map(|name| name.metric.as_str()).collect();
        assert_eq!((left, catalogue.len()), (vec!["kept"], 1));
        catalogue.prune(AS_OF + 1);
        assert_eq!(catalogue, Catalogue::default());
    }

    #[test]
    fn a_target_is_asked_for_its_region_and_for_other_accounts_only_where_they_are_linked() {
        let (mut catalogue, here) = (Catalogue::default(), target("1", "us-east-1"));
        for (account, region) in [("2", "us-east-1"), ("1", "us-east-1"), ("1", "eu-west-1")] {
            catalogue.see(&here, name(account, region, "x"), AS_OF);
        }
        catalogue.see(&target("2", "us-east-1"), name("2", "us-east-1", "y"), AS_OF);
        let asked = |linked| catalogue.series(&here, linked).map(|name| name.account_id.as_str()).collect::<Vec<_>>();
        assert_eq!((asked(false), asked(true)), (vec!["1"], vec!["1", "2"]));
    }

    #[test]
    fn the_same_catalogue_is_the_same_json_whatever_the_order_it_was_filled_in() {
        let fill = |metrics: [&str; 3]| {
            let mut catalogue = Catalogue::default();
            for metric in metrics {
                catalogue.see(&target("1", "us-east-1"), name("1", "us-east-1", metric), AS_OF);
            }
            serde_json::to_string(&catalogue).unwrap()
        };
        let text = fill(["a", "b", "c"]);
        assert_eq!(text, fill(["c", "a", "b"]));
        let first = r#"[{"asked":"1","account_id":"1","region":"us-east-1","namespace":"AWS/Bedrock","metric":"a","#;
        assert!(text.starts_with(first), "{text}");
        let read: Catalogue = serde_json::from_str(&text).unwrap();
        assert_eq!((read.len(), serde_json::to_string(&read).unwrap()), (3, text));
        assert_eq!(serde_json::to_string(&Catalogue::default()).unwrap(), "[]");
    }
}
