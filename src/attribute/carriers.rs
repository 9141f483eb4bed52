//! Carriers: whom a line's tags name, by where the tags come from.

use std::collections::{BTreeMap, HashMap};

use super::owner::{KEYS, OwnerTexts, Vocabulary};
use crate::config::OWNER_NAMES;
use crate::text::{Text, Texts};

/// Owners by carrier of one set of tags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carriers {
    /// Tags on the line's own resource.
    pub resource: OwnerTexts,
    /// Tags on the calling principal or its session.
    pub principal: OwnerTexts,
    /// Tags on the account.
    pub account: OwnerTexts,
}

/// What stands before a tag key to say what carries it.
const CARRIERS: [&str; 4] = ["resourceTags", "iamPrincipal", "userAttribute", "accountTag"];

/// Which of several tags for one key counts: order of carrier, order of spelling, key.
type Preference<'a> = (usize, usize, &'a str);

/// Reads tags, each distinct set once.
#[derive(Debug)]
pub struct TagReader<'a> {
    vocabulary: &'a Vocabulary,
    known: HashMap<Text, Carriers>,
    /// Probable typos by set of tags, and the verdict on each tag key.
    typos: HashMap<Text, Vec<String>>,
    verdicts: HashMap<String, Option<usize>>,
}

impl<'a> TagReader<'a> {
    /// A reader with the config's vocabulary.
    pub fn new(vocabulary: &'a Vocabulary) -> Self {
        Self { vocabulary, known: HashMap::new(), typos: HashMap::new(), verdicts: HashMap::new() }
    }

    /// Whom a set of tags names.
    pub fn read(&mut self, tags: Text, texts: &mut Texts) -> Carriers {
        if let Some(known) = self.known.get(&tags) {
            return *known;
        }
        let parsed = parse(texts.str(tags));
        let mut carriers = Carriers::default();
        // A user attribute speaks for the principal where the principal has no tag of its own.
        let sources = [
            (&["resourceTags/"][..], &mut carriers.resource),
            (&["iamPrincipal/", "userAttribute/"][..], &mut carriers.principal),
            (&["accountTag/"][..], &mut carriers.account),
        ];
        for (prefixes, owner) in sources {
            *owner = self.owner(&parsed, prefixes, texts);
        }
        self.known.insert(tags, carriers);
        carriers
    }

    /// Tag keys of a set that are probably typos of an owner key which their own carrier does not have.
    pub fn typos(&mut self, tags: Text, texts: &Texts) -> &[String] {
        if !self.typos.contains_key(&tags) {
            let found = self.find_typos(texts.str(tags));
            self.typos.insert(tags, found);
        }
        self.typos.get(&tags).map_or(&[], Vec::as_slice)
    }

    fn find_typos(&mut self, tags: &str) -> Vec<String> {
        let parsed = parse(tags);
        let keys = parsed.keys().filter_map(|full| full.split_once('/'));
        let keys: Vec<(&str, &str)> = keys.filter(|(carrier, _)| CARRIERS.contains(carrier)).collect();
        let mut found = Vec::new();
        for (carrier, tag) in &keys {
            let Some(meant) = self.verdict(tag) else { continue };
            let means = |other: &(&str, &str)| self.vocabulary.key(other.1).is_some_and(|(key, _)| key == meant);
            if !keys.iter().any(|other| other.0 == *carrier && means(other)) {
                found.push(format!("{tag} ({}?)", OWNER_NAMES[meant]));
            }
        }
        found
    }

    fn verdict(&mut self, tag: &str) -> Option<usize> {
        if let Some(known) = self.verdicts.get(tag) {
            return *known;
        }
        let verdict = self.vocabulary.typo(tag);
        self.verdicts.insert(tag.to_string(), verdict);
        verdict
    }

    /// Of several keys that mean one owner key the preferred spelling with a value wins.
    fn owner(&self, tags: &BTreeMap<String, String>, prefixes: &[&str], texts: &mut Texts) -> OwnerTexts {
        let mut best: [Option<(Preference<'_>, String)>; KEYS] = Default::default();
        for (carrier, prefix) in prefixes.iter().enumerate() {
            for (full, value) in tags {
                let Some(tag) = full.strip_prefix(prefix) else { continue };
                let Some((key, order)) = self.vocabulary.key(tag) else { continue };
                let Some(value) = self.vocabulary.value(key, value) else { continue };
                let rank = (carrier, order, tag);
                if best[key].as_ref().is_none_or(|(held, _)| rank < *held) {
                    best[key] = Some((rank, value));
                }
            }
        }
        best.map(|found| texts.intern_opt(found.as_ref().map(|(_, value)| value.as_str())))
    }
}

/// Tags JSON as a map; what is no JSON object has no tags.
pub fn parse(json: &str) -> BTreeMap<String, String> {
    serde_json::from_str(json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn each_carrier_names_its_own_owner() {
        let vocabulary = Vocabulary::new(&Config::default());
        let mut texts = Texts::default();
        let tags = texts.intern(
            r#"{"accountTag/Team":"acc","iamPrincipal/Workload":" Bot ","resourceTags/user_team":"A Team","userAttribute/Team":"people"}"#,
        );
        let carriers = TagReader::new(&vocabulary).read(tags, &mut texts);
        let named = |owner: OwnerTexts| owner.map(|text| texts.str(text).to_string());
        assert_eq!(named(carriers.resource), ["", "a-team", "", "", ""]);
        assert_eq!(named(carriers.principal), ["bot", "people", "", "", ""]);
        assert_eq!(named(carriers.account), ["", "acc", "", "", ""]);
    }

    #[test]
    fn a_typo_is_listed_unless_its_carrier_has_the_key_itself() {
        let vocabulary = Vocabulary::new(&Config::default());
        let mut texts = Texts::default();
        let tags = texts.intern(
            r#"{"costCategory/Taem":"x","iamPrincipal/Wrokload":"a","resourceTags/Mode":"y","resourceTags/Model":"z","resourceTags/user_team":"A"}"#,
        );
        let mut reader = TagReader::new(&vocabulary);
        assert_eq!(reader.typos(tags, &texts), ["Wrokload (workload?)"]);
        assert_eq!(reader.typos(Text::NULL, &texts), Vec::<String>::new());
    }

    #[test]
    fn an_empty_tag_gives_way_to_another_spelling_of_its_key() {
        let vocabulary = Vocabulary::new(&Config::default());
        let mut texts = Texts::default();
        let tags = texts.intern(r#"{"resourceTags/Workload":" ","resourceTags/workload":"x"}"#);
        let carriers = TagReader::new(&vocabulary).read(tags, &mut texts);
        assert_eq!(texts.str(carriers.resource[0]), "x");
    }
}
