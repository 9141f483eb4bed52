//! What the lines of one item say of it: the values that a fix could set, and every fault with its money.
//!
//! Callers share a profile and sessions a role, so that lines of one item may differ. What they differ in
//! is nobody's to set for all of them: such a value never goes into a command that runs.

use std::collections::BTreeMap;

use super::judge::{States, Verdict};
use super::state::State;
use crate::config::OWNER_NAMES;

/// Number of keys that owners have; the model is what the bill says.
pub const OWNED: usize = 4;

/// What the lines of an item say of a key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Values as owners are compared, the only one where no line says otherwise.
    pub values: Vec<String>,
    /// Whether each line of the last day has it by a tag or a rule, which is no guess.
    pub is_certain: bool,
}

impl Known {
    /// The value, where lines agree on one.
    pub fn value(&self) -> Option<&str> {
        if let [value] = &self.values[..] { Some(value) } else { None }
    }

    /// Whether lines differ.
    pub fn is_split(&self) -> bool {
        self.values.len() > 1
    }
}

/// When a value was last seen, and when a tag or a rule last said it.
#[derive(Debug, Clone, Copy)]
struct Seen {
    last: i32,
    said: Option<i32>,
}

/// The values that lines of some days have.
#[derive(Debug, Default)]
pub struct Values<'a>([BTreeMap<&'a str, Seen>; OWNED]);

impl<'a> Values<'a> {
    /// Takes a line of a day: its values, and of each whether a tag or a rule says it.
    pub fn add(&mut self, day: i32, values: [&'a str; OWNED], said: [bool; OWNED]) {
        for ((held, value), is_said) in self.0.iter_mut().zip(values).zip(said) {
            if value.is_empty() {
                continue;
            }
            let seen = held.entry(value).or_insert(Seen { last: day, said: None });
            seen.last = seen.last.max(day);
            seen.said = seen.said.max(is_said.then_some(day));
        }
    }

    /// The values of a key from a day on, or, where there are none, what a tag or a rule said last.
    pub fn of(&self, key: usize, from: i32) -> Vec<String> {
        let since = self.0[key].iter().filter(|(_, seen)| seen.last >= from);
        let since: Vec<String> = since.map(|(value, _)| (*value).to_string()).collect();
        if since.is_empty() { self.said(key).map(|(values, _)| values).unwrap_or_default() } else { since }
    }

    /// What tags or rules said of a key on the last day on which they said anything.
    pub fn said(&self, key: usize) -> Option<(Vec<String>, i32)> {
        let day = self.0[key].values().filter_map(|seen| seen.said).max()?;
        let then = self.0[key].iter().filter(|(_, seen)| seen.said == Some(day));
        Some((then.map(|(value, _)| (*value).to_string()).collect(), day))
    }
}

/// A fault of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key.
    pub key: usize,
    /// How it stands.
    pub state: State,
    /// Uncompliant cost of the judged days that has it, where not all of the item's lines have it.
    pub cost: Option<i128>,
}

/// The faults of an item: of its last day's wrong lines, the dearest first where they differ. `debts` are
/// the uncompliant cost of the judged days by verdict.
pub fn faults(wrong: &[States], debts: &[(&Verdict, i128)]) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    let differ = wrong.windows(2).any(|pair| pair[0] != pair[1]);
    for key in 0..OWNER_NAMES.len() {
        for state in wrong.iter().map(|states| &states[key]).filter(|state| !state.is_right()) {
            if faults.iter().any(|fault| fault.key == key && fault.state == *state) {
                continue;
            }
            let of_it = debts.iter().filter(|(verdict, _)| verdict.states[key] == *state);
            let cost = differ.then(|| of_it.map(|(_, cost)| cost).sum());
            faults.push(Fault { key, state: state.clone(), cost });
        }
    }
    faults.sort_by_key(|fault| std::cmp::Reverse(fault.cost));
    faults
}
