//! Exemptions: what need not be tagged, for how long, and which of them have run out.

use std::collections::HashMap;

use wildmatch::WildMatch;

use super::judge::States;
use crate::attribute::{carriers, principal};
use crate::clock;
use crate::config::audit::Exempt;
use crate::config::{Config, OWNER_NAMES};

/// What an exemption looks at: principal, resource, account and cost categories.
pub type Place<'a> = [&'a str; 4];

/// Of each owner key, whether it may be wrong.
pub type Keys = [bool; OWNER_NAMES.len()];

/// The exemptions, ready to be asked.
#[derive(Debug)]
pub struct Exemptions<'a> {
    all: Vec<Exemption>,
    known: HashMap<Place<'a>, Vec<usize>>,
}

/// One exemption.
#[derive(Debug)]
pub struct Exemption {
    principal: Option<WildMatch>,
    resource: Option<WildMatch>,
    account: Option<WildMatch>,
    cost_category: Option<(Option<String>, WildMatch)>,
    keys: Keys,
    /// Why.
    pub reason: String,
    /// First day on which it no longer holds.
    pub until: i32,
}

impl Exemption {
    fn new(exempt: &Exempt) -> Self {
        let glob = |pattern: &Option<String>| pattern.as_deref().map(WildMatch::new);
        let cost_category = exempt.cost_category.as_deref().map(|pattern| match pattern.split_once('=') {
            Some((category, value)) => (Some(category.trim().to_lowercase()), WildMatch::new(value.trim())),
            None => (None, WildMatch::new(pattern)),
        });
        let covers_all = exempt.keys.is_empty();
        Self {
            principal: glob(&exempt.principal),
            resource: glob(&exempt.resource),
            account: glob(&exempt.account),
            cost_category,
            keys: OWNER_NAMES.map(|name| covers_all || exempt.keys.iter().any(|key| key == name)),
            reason: exempt.reason.trim().to_string(),
            until: clock::day_of(exempt.until),
        }
    }

    fn matches(&self, [arn, resource, account, categories]: Place<'_>) -> bool {
        let plain = |glob: &Option<WildMatch>, text: &str| {
            glob.as_ref().is_none_or(|glob| !text.is_empty() && glob.matches(text))
        };
        let by_principal = plain(&self.principal, arn) || plain(&self.principal, principal::without_session(arn));
        let category = self.cost_category.as_ref().is_none_or(|(name, glob)| {
            carriers::parse(categories).iter().any(|(category, value)| {
                name.as_ref().is_none_or(|name| category.to_lowercase() == *name) && glob.matches(value)
            })
        });
        by_principal && plain(&self.resource, resource) && plain(&self.account, account) && category
    }

    /// Whether it lets pass what is wrong.
    fn covers(&self, states: &States) -> bool {
        states.iter().zip(self.keys).all(|(state, is_covered)| is_covered || state.is_right())
    }
}

impl<'a> Exemptions<'a> {
    /// Compiles those of the config.
    pub fn new(config: &Config) -> Self {
        Self { all: config.exempt.iter().map(Exemption::new).collect(), known: HashMap::new() }
    }

    /// All of them, in the config's order.
    pub fn all(&self) -> &[Exemption] {
        &self.all
    }

    /// Whether any looks at cost categories.
    pub fn read_categories(config: &Config) -> bool {
        config.exempt.iter().any(|exempt| exempt.cost_category.is_some())
    }

    fn matching(&mut self, place: Place<'a>) -> &[usize] {
        let all = &self.all;
        self.known.entry(place).or_insert_with(|| {
            all.iter().enumerate().filter(|(_, exempt)| exempt.matches(place)).map(|(at, _)| at).collect()
        })
    }

    /// Which of a line's keys may be wrong on a day, and, where no other is, the first exemption that lets it pass.
    pub fn of_tags(&mut self, place: Place<'a>, day: i32, states: &States) -> (Keys, Option<usize>) {
        let mut excused = Keys::default();
        if self.all.is_empty() {
            return (excused, None);
        }
        let mut matching = self.matching(place).to_vec();
        matching.retain(|at| day < self.all[*at].until);
        for at in &matching {
            excused.iter_mut().zip(self.all[*at].keys).for_each(|(is_excused, is_covered)| *is_excused |= is_covered);
        }
        let is_rest_right = excused.iter().zip(states).all(|(is_excused, state)| *is_excused || state.is_right());
        // One may cover them all, else several do together.
        let of_all = || matching.iter().find(|at| self.all[**at].covers(states));
        let of_some = || {
            let lets_pass =
                |at: &&usize| self.all[**at].keys.iter().zip(states).any(|(is, state)| *is && !state.is_right());
            matching.iter().find(lets_pass)
        };
        let first = is_rest_right.then(|| of_all().or_else(of_some)).flatten().copied();
        (excused, first)
    }

    /// Exemptions that no longer let a line's wrong tags pass, though they did.
    pub fn run_out(&mut self, place: Place<'a>, day: i32, states: &States) -> Vec<usize> {
        if self.all.is_empty() {
            return Vec::new();
        }
        let matching = self.matching(place).to_vec();
        matching.into_iter().filter(|at| day >= self.all[*at].until && self.all[*at].covers(states)).collect()
    }
}
