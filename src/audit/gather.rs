//! Gathering: the lines of facts that each carrier has.
//!
//! There are many lines and few carriers, sets of tags and owners, so that texts stay where they lie
//! and each set of tags is judged once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use hashbrown::HashMap;

use super::callers::{self, Callers};
use super::cover::{self, Cover, Money, Summing};
use super::exempt::{self, Exemptions};
use super::findings::{self, Finding, Kind, Watchman};
use super::judge::{self, Bearing, Judge, Verdict};
use super::known::{self, Known, OWNED, Values};
use super::owners::{self, Clues};
use super::state::State;
use super::{Carrier, Item, fix};
use crate::clock;
use crate::config::{Config, OWNER_NAMES};
use crate::metrics::Lines;

/// What is judged: the days from the first on, and beside them the month.
pub struct Span {
    /// First judged day.
    pub first: i32,
    /// First day of the month.
    pub month: i32,
    /// Last judged day.
    pub last: i32,
    /// Days on which the bill cannot show tags of principals.
    pub hidden: Vec<Range<i32>>,
}

impl Span {
    fn hides(&self, day: i32) -> bool {
        self.hidden.iter().any(|days| days.contains(&day))
    }
}

/// What the lines come to.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The items, in the order of their carriers.
    pub items: Vec<Item>,
    /// What all lines come to.
    pub cover: Cover,
    /// What is found beside tags.
    pub findings: Vec<Finding>,
    /// Cost of the judged days of which a policy could say nothing, by currency.
    pub unknown: BTreeMap<String, i128>,
    /// Cost of the judged days whose principals' tags the bill cannot show, by currency.
    pub hidden: BTreeMap<String, i128>,
}

/// Who carries a line: what, its id, the account, the currency.
type Key<'a> = (Carrier, &'a str, &'a str, &'a str);

/// A finding's kind, words and carrier.
type Found<'a> = (Kind, String, Key<'a>);

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
struct Carried<'a> {
    days: Money,
    month: Money,
    wrong: i128,
    models: BTreeSet<&'a str>,
    /// What its lines say, and the uncompliant cost of the judged days by verdict.
    values: Values<'a>,
    debts: BTreeMap<usize, i128>,
    /// The last day, its cost that is not compliant, and its lines.
    latest: i32,
    open: i128,
    lines: BTreeMap<[&'a str; TOLD_APART.len()], Held>,
}

/// Lines of a day that nothing tells apart.
struct Held {
    cost: i128,
    verdict: usize,
    exempt: Option<usize>,
    excused: exempt::Keys,
}

/// Verdicts, each found once.
struct Verdicts<'a> {
    judge: &'a Judge,
    callers: &'a Callers<'a>,
    known: HashMap<judge::Line<'a>, usize>,
    bearings: HashMap<&'a str, Bearing>,
    all: Vec<Verdict>,
    /// Of each verdict, which values of an owner a tag or a rule says.
    said: Vec<[bool; OWNED]>,
}

impl<'a> Verdicts<'a> {
    fn of(&mut self, texts: [&'a str; TOLD_APART.len()], day: i32, is_hidden: bool) -> usize {
        let [resource, principal, tags, evidence, .., model] = texts;
        let consumer = self.callers.tags(evidence, day);
        // Who is not accused of a tag that the bill cannot show is not there for the judge.
        let principal = if is_hidden { "" } else { principal };
        let principal = *self.bearings.entry(principal).or_insert_with(|| judge::bearing(principal));
        let (judge, all, said) = (self.judge, &mut self.all, &mut self.said);
        let line = judge::Line { tags, evidence, consumer, resource, principal, model };
        *self.known.entry(line).or_insert_with(|| {
            all.push(judge.verdict(&line));
            said.push(std::array::from_fn(|key| owners::is_said(evidence, OWNER_NAMES[key])));
            all.len() - 1
        })
    }
}

/// A line of facts, as far as the audit goes.
struct Line<'a> {
    day: i32,
    money: Money,
    verdict: usize,
    /// The exemption that lets it pass.
    exempt: Option<usize>,
    /// Keys that an exemption lets be wrong, whatever the others are.
    excused: exempt::Keys,
    texts: [&'a str; TOLD_APART.len()],
    key: Key<'a>,
    team: &'a str,
    region: &'a str,
    routing: &'a str,
    categories: &'a str,
}

impl<'a> Line<'a> {
    fn place(&self) -> exempt::Place<'a> {
        let [resource, principal, ..] = self.texts;
        [principal, resource, self.key.2, self.categories]
    }

    fn to_find(&self) -> findings::Line<'a> {
        let [resource, _, tags, _, _, _, environment, _, model] = self.texts;
        let (account, region, routing) = (self.key.2, self.region, self.routing);
        findings::Line { tags, account, environment, routing, region, resource, model }
    }
}

/// Everything that lines are taken through.
struct Gathering<'a> {
    span: &'a Span,
    verdicts: Verdicts<'a>,
    exemptions: Exemptions<'a>,
    watchman: Watchman<'a>,
    clues: Clues<'a>,
    summing: Summing<'a>,
    carried: HashMap<Key<'a>, Carried<'a>>,
    found: HashMap<Found<'a>, i128>,
    unknown: BTreeMap<String, i128>,
    hidden: BTreeMap<String, i128>,
    run_out: BTreeSet<usize>,
}

/// What lines make.
pub fn gather<'a>(
    lines: &'a Lines,
    config: &'a Config,
    judge: &'a Judge,
    callers: &'a Callers<'a>,
    span: &'a Span,
) -> Gathered {
    let mut gathering = Gathering {
        span,
        verdicts: Verdicts {
            judge,
            callers,
            known: HashMap::new(),
            bearings: HashMap::new(),
            all: Vec::new(),
            said: Vec::new(),
        },
        exemptions: Exemptions::new(config),
        watchman: Watchman::new(config, judge),
        clues: Clues::default(),
        summing: Summing::default(),
        carried: HashMap::new(),
        found: HashMap::new(),
        unknown: BTreeMap::new(),
        hidden: BTreeMap::new(),
        run_out: BTreeSet::new(),
    };
    let [day, cost, account, currency] = lines.columns(["day", "billed_cost", "sub_account_id", "billing_currency"]);
    let [region, routing, categories] = lines.columns(["region_id", "routing", "cost_categories"]);
    let told_apart = lines.columns(TOLD_APART);
    let mut taggable: HashMap<&str, Option<Carrier>> = HashMap::new();
    for row in 0..lines.height() {
        let text = |at| lines.cell(row, at).as_text();
        let texts = told_apart.map(text);
        let [resource, principal, ..] = texts;
        let own = *taggable
            .entry(resource)
            .or_insert_with(|| judge::is_taggable(resource).then(|| judge::carrier_of(resource)));
        let day = lines.cell(row, day).day().unwrap_or(0);
        let is_hidden = !principal.is_empty() && span.hides(day);
        let (carrier, id) = match own {
            Some(carrier) => (carrier, resource),
            None if !principal.is_empty() && !is_hidden => (Carrier::Principal, principal),
            None => (Carrier::Account, text(account)),
        };
        let cost = lines.cell(row, cost).amount().unwrap_or(0);
        let verdict = gathering.verdicts.of(texts, day, is_hidden);
        gathering.add(Line {
            day,
            money: Money { cost, ..Money::default() },
            verdict,
            exempt: None,
            excused: exempt::Keys::default(),
            texts,
            key: (carrier, id, text(account), text(currency)),
            team: texts[5],
            region: text(region),
            routing: text(routing),
            categories: text(categories),
        });
    }
    gathering.done()
}

impl<'a> Gathering<'a> {
    fn add(&mut self, mut line: Line<'a>) {
        let span = self.span;
        let verdict = &self.verdicts.all[line.verdict];
        let is_right = verdict.is_right();
        if is_right {
            line.money.compliant = line.money.cost;
        } else {
            (line.excused, line.exempt) = self.exemptions.of_tags(line.place(), line.day, &verdict.states);
            line.money.exempt = if line.exempt.is_some() { line.money.cost } else { 0 };
        }
        let (carrier, _, account, currency) = line.key;
        let whom = [currency, line.team, account];
        let weeks_ago = (span.last - line.day) / cover::WEEK;
        if weeks_ago < cover::WEEKS {
            self.summing.add_to_week(whom, &line.money, weeks_ago);
        }
        if line.day >= span.first {
            self.summing.add(whom, &line.money, line.verdict);
            self.find(&line, is_right);
            if !is_right && is_hidden(carrier, line.texts, line.day, span) {
                *self.hidden.entry(currency.to_string()).or_default() += line.money.cost;
            }
        }
        self.clues.add(&told(carrier, account, currency, &line.texts), line.money.cost);
        if line.day >= span.first.min(span.month) {
            let held = self.carried.entry(line.key);
            let held = held.or_insert_with(|| Carried { latest: line.day, ..Carried::default() });
            held.add(&line, span, self.verdicts.said[line.verdict]);
        }
    }

    /// Takes what a line of a judged day shows beside its tags.
    fn find(&mut self, line: &Line<'a>, is_right: bool) {
        let cost = line.money.cost;
        let said = self.watchman.look(line.to_find());
        if said.is_unknown {
            *self.unknown.entry(line.key.3.to_string()).or_default() += cost;
        }
        // What need not be tagged must keep to its policy and environment all the same.
        for (kind, words) in &said.found {
            *self.found.entry((*kind, words.clone(), line.key)).or_default() += cost;
        }
        if is_right || line.exempt.is_some() {
            return;
        }
        let states = &self.verdicts.all[line.verdict].states;
        for at in self.exemptions.run_out(line.place(), line.day, states) {
            let words = run_out(&self.exemptions, at);
            *self.found.entry((Kind::ExpiredExemption, words, line.key)).or_default() += cost;
            self.run_out.insert(at);
        }
    }

    fn done(self) -> Gathered {
        let on = |(kind, words, (carrier, id, account, currency)): Found<'a>, cost: i128| Finding {
            kind,
            on: Some((carrier, id.to_string())),
            account: account.to_string(),
            currency: currency.to_string(),
            words,
            cost,
        };
        let mut findings: Vec<Finding> =
            self.found.into_iter().filter(|(_, cost)| *cost != 0).map(|(found, cost)| on(found, cost)).collect();
        let idle = self.exemptions.all().iter().enumerate();
        let idle = idle.filter(|(at, exempt)| exempt.until <= self.span.last && !self.run_out.contains(at));
        findings.extend(idle.map(|(at, _)| Finding {
            kind: Kind::ExpiredExemption,
            on: None,
            account: String::new(),
            currency: String::new(),
            words: format!("{}, and nothing needs it", run_out(&self.exemptions, at)),
            cost: 0,
        }));
        findings.sort_by(|a, b| {
            (&a.currency, b.cost, a.kind, &a.on, &a.words).cmp(&(&b.currency, a.cost, b.kind, &b.on, &b.words))
        });
        let sorted: BTreeMap<Key<'_>, Carried<'_>> = self.carried.into_iter().collect();
        let (verdicts, clues, exemptions) = (&self.verdicts, &self.clues, &self.exemptions);
        let span = self.span;
        let item = |(key, carried): (_, Carried<'_>)| carried.item(key, span, verdicts, clues, exemptions);
        let items = sorted.into_iter().map(item).collect();
        let cover = self.summing.done(&self.verdicts.all);
        Gathered { items, cover, findings, unknown: self.unknown, hidden: self.hidden }
    }
}

fn run_out(exemptions: &Exemptions<'_>, at: usize) -> String {
    let exempt = &exemptions.all()[at];
    format!("exemption {} ended on {}: {}", at + 1, clock::day_text(exempt.until), exempt.reason)
}

impl<'a> Carried<'a> {
    fn add(&mut self, line: &Line<'a>, span: &Span, said: [bool; OWNED]) {
        if line.day >= span.first {
            self.days.add(&line.money);
            *self.debts.entry(line.verdict).or_default() += line.money.debt();
        }
        self.values.add(line.day, owner(&line.texts), said);
        if line.day >= span.month {
            self.month.add(&line.money);
        }
        self.wrong += line.money.debt();
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
            self.open += line.money.debt();
            let Line { verdict, exempt, excused, .. } = *line;
            let held = self.lines.entry(line.texts).or_insert(Held { cost: 0, verdict, exempt, excused });
            held.cost += line.money.cost;
        }
    }

    fn item(
        self,
        (carrier, id, account, currency): Key<'_>,
        span: &Span,
        verdicts: &Verdicts<'_>,
        clues: &Clues<'_>,
        exemptions: &Exemptions<'_>,
    ) -> Item {
        // Each dollar is judged; what is shown is the dearest fault of the last day, or, where it has none, its dearest line.
        let shown = self.lines.iter().max_by(|(a, held_a), (b, held_b)| {
            let rank = |held: &Held| (!verdicts.all[held.verdict].is_right(), held.exempt.is_none(), held.cost);
            (rank(held_a), owner(b)).cmp(&(rank(held_b), owner(a)))
        });
        let verdict = shown.map(|(_, held)| verdicts.all[held.verdict].clone()).unwrap_or_default();
        let likely =
            shown.and_then(|(texts, _)| clues.likely(&told(carrier, account, currency, texts), &self.beside(verdicts)));
        let exemption = shown.and_then(|(_, held)| held.exempt);
        let mut item = Item {
            carrier,
            id: id.to_string(),
            account: account.to_string(),
            currency: currency.to_string(),
            days: self.days,
            month: self.month,
            open: self.open,
            wrong: self.wrong,
            states: verdict.states,
            by_carrier: verdict.by_carrier,
            models: self.models.iter().map(ToString::to_string).collect(),
            is_hidden: shown.is_some_and(|(texts, _)| is_hidden(carrier, *texts, self.latest, span)),
            caller: shown
                .and_then(|(texts, _)| {
                    let [_, _, _, evidence, ..] = *texts;
                    callers::resource(evidence)
                })
                .map(String::from),
            owner: shown.map(|(texts, _)| owner(texts).map(String::from)).unwrap_or_default(),
            known: self.known(span.first, verdicts, clues),
            faults: self.faults(exemption.is_some(), verdicts),
            likely: if verdict_is_right(&self.lines, verdicts) { None } else { likely },
            excused: shown.map(|(_, held)| held.excused).unwrap_or_default(),
            exemption: exemption.map(|at| exemptions.all()[at].reason.clone()),
            fix: fix::Fix::default(),
        };
        item.fix = fix::of(&item, verdicts.judge);
        item
    }

    /// What its lines of the judged days say of each key; of the model, what is billed on the last.
    fn known(&self, first: i32, verdicts: &Verdicts<'_>, clues: &Clues<'_>) -> [Known; OWNER_NAMES.len()] {
        let mut known: [Known; OWNER_NAMES.len()] = std::array::from_fn(|key| {
            if key == OWNED {
                let models: BTreeSet<&str> = self.lines.keys().map(|[.., model]| *model).collect();
                let models = models.into_iter().filter(|model| !model.is_empty());
                return Known { values: models.map(String::from).collect(), is_certain: true };
            }
            let is_certain = self.lines.values().all(|held| verdicts.said[held.verdict][key]);
            Known { values: self.values.of(key, first.min(self.latest)), is_certain }
        });
        // A team or cost center that nothing says is the one that the same workload has elsewhere.
        for key in [1, 3] {
            if known[key].values.is_empty() {
                let elsewhere = known[0].value().and_then(|workload| clues.of_same_workload(key, workload));
                known[key].values.extend(elsewhere.map(String::from));
            }
        }
        known
    }

    /// What its lines say of its owner beside the dearest.
    fn beside(&self, verdicts: &Verdicts<'_>) -> owners::Beside<'a> {
        let said = |key: usize| {
            let wrong = self.lines.iter().filter(|(_, held)| {
                verdicts.said[held.verdict][key] && held.exempt.is_none() && !verdicts.all[held.verdict].is_right()
            });
            wrong.map(|(texts, _)| owner(texts)[key]).filter(|value| !value.is_empty()).collect()
        };
        let one = |key: usize, day: Option<i32>| {
            let (values, of) = self.values.said(key)?;
            let value = if let [value] = &values[..] { value.clone() } else { return None };
            day.is_none_or(|day| day == of).then_some((value, of))
        };
        let earlier = one(0, None).map(|(workload, day)| {
            let team = one(1, Some(day)).map(|(team, _)| team).unwrap_or_default();
            (workload, team, clock::day_text(day))
        });
        owners::Beside { workloads: said(0), teams: said(1), earlier }
    }

    /// Every fault of its last day; what exemptions let pass only where they let all pass.
    fn faults(&self, is_exempt: bool, verdicts: &Verdicts<'_>) -> Vec<known::Fault> {
        let lines = self.lines.values().filter(|held| is_exempt || held.exempt.is_none());
        let wrong = lines.map(|held| {
            let mut states = verdicts.all[held.verdict].states.clone();
            let excused = states.iter_mut().zip(held.excused).filter(|(_, is_excused)| *is_excused && !is_exempt);
            excused.for_each(|(state, _)| *state = State::NotApplicable);
            states
        });
        let wrong = wrong.filter(|states| !states.iter().all(State::is_right));
        let debts = self.debts.iter().map(|(verdict, debt)| (&verdicts.all[*verdict], *debt));
        known::faults(&wrong.collect::<Vec<_>>(), &debts.collect::<Vec<_>>())
    }
}

/// The owner that the facts name on a line.
fn owner<'a>(
    [_, _, _, _, workload, team, environment, cost_center, _]: &[&'a str; TOLD_APART.len()],
) -> [&'a str; OWNED] {
    [workload, team, environment, cost_center]
}

/// What of a line tells owners.
fn told<'a>(
    carrier: Carrier,
    account: &'a str,
    currency: &'a str,
    [resource, principal, _, evidence, workload, team, _, cost_center, _]: &[&'a str; TOLD_APART.len()],
) -> owners::Line<'a> {
    let resource = own_resource(carrier, resource);
    owners::Line { resource, principal, account, currency, evidence, workload, team, cost_center }
}

/// Whether a line is left to its account although it has a principal, whose tags the bill cannot show.
fn is_hidden(carrier: Carrier, [_, principal, ..]: [&str; TOLD_APART.len()], day: i32, span: &Span) -> bool {
    carrier == Carrier::Account && !principal.is_empty() && span.hides(day)
}

/// The resource, where the line's carrier is that.
fn own_resource(carrier: Carrier, resource: &str) -> &str {
    if matches!(carrier, Carrier::Resource | Carrier::Project) { resource } else { "" }
}

/// Whether nothing of a carrier's last day is wrong: who owns it, it says itself.
fn verdict_is_right(lines: &BTreeMap<[&str; TOLD_APART.len()], Held>, verdicts: &Verdicts<'_>) -> bool {
    lines.values().all(|held| verdicts.all[held.verdict].is_right())
}
