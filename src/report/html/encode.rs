//! Encoding: the cube of a page as JSON, with a dictionary of its own, so that a team's page names nobody else.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use serde_json::{Map, Value, json};

use super::cube::{BATCH, CURRENCY, Costs, Cube, DAYS, FLAGS, KIND, Key, MODEL, ROUTER, Span, WORKLOAD};
use super::names::Names;
use super::pack::{Series, pack};
use super::scope::Scope;
use crate::error::Result;
use crate::report::{safe, words};

/// Filled days of tokens beyond which a page has their weeks.
const MOST_TOKEN_DAYS: usize = 200_000;
/// Days of a week.
const WEEK: usize = 7;

/// Names of the positions in [`Key`], in the page's data.
const DIMENSIONS: [(&str, usize); 6] =
    [("currency", 0), ("workload", 1), ("team", 2), ("environment", 3), ("model", 4), ("kind", KIND)];

/// The dictionary of a page.
pub struct Dictionary {
    /// Names by position in [`Key`].
    pub names: [Names; 7],
    moved: [HashMap<u32, u32>; 7],
}

impl Dictionary {
    /// The names that series of a scope have.
    pub fn of(cube: &Cube, scope: &Scope) -> Self {
        let mut used: [BTreeSet<u32>; 7] = Default::default();
        for key in cube.costs.keys().chain(cube.tokens.keys()).filter(|key| scope.holds(key)) {
            for (at, id) in key.iter().enumerate().filter(|(at, _)| *at != FLAGS) {
                used[at].insert(*id);
            }
        }
        let mut moved: [HashMap<u32, u32>; 7] = Default::default();
        let names = std::array::from_fn(|at| {
            let (names, map) = cube.names[at].only(&used[at]);
            moved[at] = map;
            names
        });
        Self { names, moved }
    }

    /// A key by the page's own numbers.
    fn key(&self, key: &Key) -> Key {
        std::array::from_fn(|at| if at == FLAGS { key[at] } else { self.moved[at].get(&key[at]).copied().unwrap_or(0) })
    }

    /// The page's number of a workload's name, or of what stands for nobody.
    pub fn workload(&self, name: &str) -> Option<u32> {
        self.names[WORKLOAD].find(name).or(match name {
            "unattributed" => Some(0),
            "not_allocable" => Some(1),
            _ => None,
        })
    }

    fn json(&self) -> Value {
        let shown = |at: usize| match at {
            CURRENCY => self.names[at].shown().iter().map(|code| words::currency(code).to_string()).collect(),
            _ => self.names[at].shown(),
        };
        DIMENSIONS.iter().map(|(name, at)| ((*name).to_string(), json!(shown(*at)))).collect::<Map<_, _>>().into()
    }
}

/// Costs and tokens of a page.
///
/// # Errors
/// None that can happen: everything is written to memory.
pub fn cube(cube: &Cube, dictionary: &Dictionary, scope: &Scope, span: &Span) -> Result<Map<String, Value>> {
    let costs: BTreeMap<Key, &Costs> = of_scope(&cube.costs, dictionary, scope);
    let tokens: BTreeMap<Key, &Vec<i128>> = of_scope(&cube.tokens, dictionary, scope);
    let packed = |of: &dyn Fn(&Costs) -> Series| pack(&costs.values().map(|costs| of(costs)).collect::<Vec<_>>());
    let token_days: usize = tokens.values().map(|days| filled(days).len()).sum();
    let step = if token_days > MOST_TOKEN_DAYS { WEEK } else { 1 };
    let token_series: Vec<Series> = tokens.values().map(|days| filled(&stepped(days, step))).collect();
    let mut out = Map::new();
    out.insert("names".into(), dictionary.json());
    out.insert(
        "costs".into(),
        json!({
            "keys": keys(costs.keys(), false),
            "daily": packed(&|costs| filled(&costs.daily))?,
            "beyond": packed(&|costs| filled(&costs.beyond))?,
            "months": packed(&|costs| filled(&costs.months))?,
            "same_days": packed(&|costs| filled(&costs.same_days))?,
        }),
    );
    out.insert(
        "tokens".into(),
        json!({ "keys": keys(tokens.keys(), true), "step": step, "counts": pack(&token_series)? }),
    );
    out.insert("tiers".into(), tiers(cube, dictionary));
    out.insert("flags".into(), json!({ "usage": super::cube::USAGE, "router": ROUTER, "batch": BATCH }));
    out.insert("first_day".into(), json!(span.first()));
    out.insert("last_day".into(), json!(span.last));
    out.insert("days".into(), json!(DAYS));
    out.insert("compared".into(), json!(span.compared));
    Ok(out)
}

fn of_scope<'a, T>(all: &'a BTreeMap<Key, T>, dictionary: &Dictionary, scope: &Scope) -> BTreeMap<Key, &'a T> {
    all.iter().filter(|(key, _)| scope.holds(key)).map(|(key, one)| (dictionary.key(key), one)).collect()
}

fn filled(amounts: &[i128]) -> Series {
    amounts.iter().copied().enumerate().filter(|(_, amount)| *amount != 0).collect()
}

/// Days summed by steps that end with the last day, so that only the first may be shorter.
fn stepped(days: &[i128], step: usize) -> Vec<i128> {
    let first = days.len() % step;
    let (head, rest) = days.split_at(first);
    let head = (first > 0).then(|| head.iter().sum());
    head.into_iter().chain(rest.chunks(step).map(|days| days.iter().sum())).collect()
}

/// The keys of all series, a list for each dimension.
fn keys<'a>(keys: impl Iterator<Item = &'a Key> + Clone, with_kind: bool) -> Value {
    let of = |at: usize| keys.clone().map(|key| key[at]).collect::<Vec<_>>();
    let dimensions = DIMENSIONS.iter().filter(|(_, at)| with_kind || *at != KIND);
    let mut lists: Map<String, Value> = dimensions.map(|(name, at)| ((*name).to_string(), json!(of(*at)))).collect();
    lists.insert("flags".into(), json!(of(FLAGS)));
    Value::Object(lists)
}

/// The tier of each model, by the page's numbers; what has none is `none`, as the query by tier says.
fn tiers(cube: &Cube, dictionary: &Dictionary) -> Value {
    let mut tiers = vec!["none".to_string(); dictionary.names[MODEL].shown().len()];
    for (old, new) in &dictionary.moved[MODEL].iter().collect::<BTreeMap<_, _>>() {
        if let (Some(tier), Some(held)) = (cube.tiers.get(old), tiers.get_mut(**new as usize)) {
            *held = safe::plain(tier);
        }
    }
    json!(tiers)
}

/// Workloads of which another page shows a part: what is known only of the whole workload is left out of this one.
pub fn shared_workloads(cube: &Cube, scope: &Scope) -> BTreeSet<String> {
    let (mut inside, mut outside) = (BTreeSet::new(), BTreeSet::new());
    for key in cube.costs.keys() {
        let side = if scope.holds(key) { &mut inside } else { &mut outside };
        side.insert(key[WORKLOAD]);
    }
    inside.intersection(&outside).map(|id| cube.names[WORKLOAD].name(*id).to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_end_with_the_last_day() {
        let days: Vec<i128> = (1..=16).collect();
        assert_eq!(stepped(&days, 7), [1 + 2, (3..=9).sum(), (10..=16).sum()]);
        assert_eq!(stepped(&days, 1), days);
    }
}
