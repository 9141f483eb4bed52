//! Gathering: the lines of facts that each carrier has.
//!
//! There are many lines and few carriers, sets of tags and owners, so that texts stay where they lie
//! and each set of tags is judged once.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use super::judge::{self, Judge, State};
use super::{Carrier, Item, fix};
use crate::config::OWNER_NAMES;
use crate::metrics::{Answer, Rows};

/// What is judged: the days from the first on, and beside them the month.
pub struct Span {
    /// First judged day.
    pub first: i32,
    /// First day of the month.
    pub month: i32,
}

/// Who carries a line: what, its id, the account, the currency.
type Key<'a> = (Carrier, &'a str, &'a str, &'a str);

/// Columns that tell lines of a day and carrier apart.
const TOLD_APART: [&str; 9] = [
    "resource_id",
    "principal_arn",
    "tags",
    "attribution_evidence",
    "workload",
    "team",
    "environment",
    "cost_center",
    "model_name",
];

/// Lines of a carrier, summed.
#[derive(Default)]
struct Gathered<'a> {
    cost: i128,
    compliant: i128,
    month_cost: i128,
    month_compliant: i128,
    wrong: i128,
    models: BTreeSet<&'a str>,
    /// The last day, its cost that is not compliant, and its lines: the cost and the verdict on each.
    latest: i32,
    open: i128,
    lines: BTreeMap<[&'a str; TOLD_APART.len()], (i128, usize)>,
}

/// States of the owner keys, and whether all of them are right.
type Verdict = ([State; OWNER_NAMES.len()], bool);

/// Verdicts, each found once.
struct Verdicts<'a> {
    judge: &'a Judge,
    known: HashMap<[&'a str; 4], usize>,
    all: Vec<Verdict>,
}

impl<'a> Verdicts<'a> {
    fn of(&mut self, [resource, _, tags, evidence, .., model]: [&'a str; TOLD_APART.len()]) -> usize {
        let (judge, all) = (self.judge, &mut self.all);
        *self.known.entry([tags, evidence, resource, model]).or_insert_with(|| {
            let states = judge.states(tags, evidence, resource, model);
            let is_right = states.iter().all(State::is_right);
            all.push((states, is_right));
            all.len() - 1
        })
    }
}

/// The items that lines make, in the order of their carriers.
pub fn items(lines: &Answer, judge: &Judge, span: &Span) -> Vec<Item> {
    let [day, cost, account, currency] = lines.columns(["day", "cost", "sub_account_id", "billing_currency"]);
    let told_apart = lines.columns(TOLD_APART);
    let mut verdicts = Verdicts { judge, known: HashMap::new(), all: Vec::new() };
    let mut taggable: HashMap<&str, bool> = HashMap::new();
    let mut found: HashMap<Key<'_>, Gathered<'_>> = HashMap::new();
    for row in 0..lines.height() {
        let text = |at| lines.cell(row, at).as_text();
        let texts = told_apart.map(text);
        let [resource, principal, ..] = texts;
        let is_taggable = *taggable.entry(resource).or_insert_with(|| judge::is_taggable(resource));
        let (carrier, id) = match () {
            () if is_taggable => (Carrier::Resource, resource),
            () if !principal.is_empty() => (Carrier::Principal, principal),
            () => (Carrier::Account, text(account)),
        };
        let verdict = verdicts.of(texts);
        let line = Line {
            day: lines.cell(row, day).day().unwrap_or(0),
            cost: lines.cell(row, cost).amount().unwrap_or(0),
            is_right: verdicts.all[verdict].1,
            verdict,
            texts,
        };
        let held = found.entry((carrier, id, text(account), text(currency)));
        held.or_insert_with(|| Gathered { latest: line.day, ..Gathered::default() }).add(&line, span);
    }
    let found: BTreeMap<Key<'_>, Gathered<'_>> = found.into_iter().collect();
    found.into_iter().map(|(key, gathered)| gathered.item(key, &verdicts)).collect()
}

/// A line of facts, as far as the audit goes.
struct Line<'a> {
    day: i32,
    cost: i128,
    is_right: bool,
    verdict: usize,
    texts: [&'a str; TOLD_APART.len()],
}

impl<'a> Gathered<'a> {
    fn add(&mut self, line: &Line<'a>, span: &Span) {
        let right = if line.is_right { line.cost } else { 0 };
        if line.day >= span.first {
            self.cost += line.cost;
            self.compliant += right;
        }
        if line.day >= span.month {
            self.month_cost += line.cost;
            self.month_compliant += right;
        }
        self.wrong += line.cost - right;
        let [.., model] = line.texts;
        if !model.is_empty() {
            self.models.insert(model);
        }
        if line.day > self.latest {
            self.latest = line.day;
            self.open = 0;
            self.lines.clear();
        }
        if line.day == self.latest {
            self.open += line.cost - right;
            self.lines.entry(line.texts).or_insert((0, line.verdict)).0 += line.cost;
        }
    }

    fn item(self, (carrier, id, account, currency): Key<'_>, verdicts: &Verdicts<'_>) -> Item {
        let owner = |texts: &[&'a str; TOLD_APART.len()]| {
            let [_, _, _, _, workload, team, environment, cost_center, _] = *texts;
            [workload, team, environment, cost_center]
        };
        // Each dollar is judged; what is shown is the dearest fault of the last day, or, where it has none, its dearest line.
        let shown = self.lines.iter().max_by(|(a, (cost_a, verdict_a)), (b, (cost_b, verdict_b))| {
            let is_wrong = |verdict: &usize| !verdicts.all[*verdict].1;
            (is_wrong(verdict_a), cost_a, owner(b)).cmp(&(is_wrong(verdict_b), cost_b, owner(a)))
        });
        let mut item = Item {
            carrier,
            id: id.to_string(),
            account: account.to_string(),
            currency: currency.to_string(),
            cost: self.cost,
            compliant: self.compliant,
            month_cost: self.month_cost,
            month_compliant: self.month_compliant,
            open: self.open,
            wrong: self.wrong,
            states: shown.map(|(_, (_, verdict))| verdicts.all[*verdict].0.clone()).unwrap_or_default(),
            models: self.models.iter().map(ToString::to_string).collect(),
            owner: shown.map(|(texts, _)| owner(texts).map(String::from)).unwrap_or_default(),
            fix: String::new(),
        };
        item.fix = fix::command(&item, verdicts.judge);
        item
    }
}
