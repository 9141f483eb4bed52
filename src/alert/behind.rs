//! Behind: the bill's lines under each finding: who owns them, where they are, when it began, and whether the
//! spend was somebody else's the day before.

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};

use super::finding::{Finding, LINE_COLUMNS, Line};
use super::rules::{Rule, Severity};
use super::scope::Scope;
use crate::attribute::principal;
use crate::clock::{DAY, HOUR};
use crate::error::Result;
use crate::metrics::lines::UNKNOWN;
use crate::metrics::{Engine, Keep, Lines as Rows, Value, Wanted};
use crate::schema::Table;

const COLUMNS: [&str; 16] = [
    "charge_period_start",
    "day",
    "workload",
    "attribution_method",
    "team",
    "environment",
    "cost_center",
    "sub_account_id",
    "region_id",
    "model_name",
    "usage_kind",
    "resource_id",
    "principal_arn",
    "billing_currency",
    "grain",
    "unblended_cost",
];

/// Hours of a day.
const HOURS: usize = 24;

/// Adds owner, lines, principals, evidence and beginning to each finding, reading each needed day once.
///
/// # Errors
/// Where the store cannot be read.
pub fn explain(engine: &Engine, findings: &mut [Finding]) -> Result<()> {
    let mut days: Vec<i32> =
        findings.iter().flat_map(|finding| [Some(finding.day), finding.compared_day]).flatten().collect();
    days.sort_unstable();
    days.dedup();
    if days.is_empty() {
        return Ok(());
    }
    let keep = [
        Keep::Days(&days),
        Keep::OneOf("charge_category", &["Usage"]),
        Keep::NoneOf("grain", &["month"]),
        Keep::NoneOf("attribution_method", &["not_allocable"]),
    ];
    let rows = engine.lines(Wanted { table: Table::CostFacts, columns: &COLUMNS, keep: &keep })?;
    let lines = Lines::of(&rows);
    let behind = lines.behind(findings);
    let others = lines.others(findings, &behind);
    for ((finding, behind), others) in findings.iter_mut().zip(behind).zip(others) {
        behind.tell(finding);
        relabel(finding, others);
    }
    Ok(())
}

/// Spend that was somebody else's the day before is no new spend.
fn relabel(finding: &mut Finding, others: Option<(i128, String)>) {
    if let Some((moved, from)) = others
        && moved + moved >= finding.increase.max(finding.excess)
    {
        finding.severity = Severity::Note;
        finding.moved_from = from;
        if !finding.rules.contains(&Rule::Relabelled) {
            finding.rules.push(Rule::Relabelled);
        }
    }
}

/// What is behind a finding.
#[derive(Default)]
struct Behind<'a> {
    /// What each owner bore on the day.
    owners: BTreeMap<[&'a str; 3], i128>,
    /// Cost of the day and of the compared day.
    moved: BTreeMap<[&'a str; 7], (i128, i128)>,
    /// What each hour has beyond the same hour of the compared day; nothing where the bill has days.
    hours: Option<[i128; HOURS]>,
}

impl Behind<'_> {
    fn tell(self, finding: &mut Finding) {
        let main = self.owners.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)));
        finding.owner = main.map(|(owner, _)| owner.map(String::from)).unwrap_or_default();
        finding.began = self
            .hours
            .and_then(|hours| stretch(&hours))
            .map(|(first, last)| (i64::from(finding.day) * DAY + first as i64 * HOUR, last + 1 == HOURS));
        let by = |part: usize| {
            let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
            for (what, (cost, _)) in self.moved.iter().filter(|(_, (cost, _))| *cost > 0) {
                *sums.entry(principal::without_session(what[part])).or_default() += cost;
            }
            let mut sums: Vec<(String, i128)> = sums.into_iter().map(|(name, cost)| (name.to_string(), cost)).collect();
            sums.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            sums
        };
        finding.principals = by(5);
        finding.evidence = by(6);
        let moved = self.moved.into_iter().filter(|(_, (cost, before))| cost != before);
        let line = |(what, (cost, before)): ([&str; 7], _)| Line { what: what.map(String::from), cost, before };
        finding.lines = moved.map(line).collect();
        finding.lines.sort_by(|a, b| {
            let moved = |line: &Line| (line.cost - line.before).abs();
            moved(b).cmp(&moved(a)).then_with(|| a.what.cmp(&b.what))
        });
    }
}

/// First and last of the hours in a row that have most beyond the compared day.
fn stretch(hours: &[i128; HOURS]) -> Option<(usize, usize)> {
    let (mut best, mut found) = (0, None);
    let (mut sum, mut first) = (0, 0);
    for (hour, more) in hours.iter().enumerate() {
        if sum <= 0 {
            (sum, first) = (0, hour);
        }
        sum += more;
        // Of equal sums the longer: an hour that costs nothing more does not end it.
        if sum > 0 && sum >= best {
            (best, found) = (sum, Some((first, hour)));
        }
    }
    found
}

/// The lines of the days that findings are about.
struct Lines<'a> {
    answer: &'a Rows,
    /// What [`NUMBERED`] names of each line, by number.
    numbers: [&'a [u32]; NUMBERED.len()],
    time: Option<usize>,
    workload: Option<usize>,
    currency: Option<usize>,
    grain: Option<usize>,
    cost: Option<usize>,
    owner: [Option<usize>; 3],
    what: [Option<usize>; 7],
}

/// Columns that say what lines are about.
const NUMBERED: [&str; 4] = ["workload", "sub_account_id", "model_name", "billing_currency"];
/// Where the currency stands among them.
const CURRENCY: usize = 3;

/// Where the resource stands in [`LINE_COLUMNS`], and where the principal does.
const RESOURCE: usize = 4;
const PRINCIPAL: usize = 5;

/// A day, a carrier of spend, which has one owner at a time: a resource or a role; and a currency.
type Carrier<'a> = (i32, &'a str, &'a str);

impl<'a> Lines<'a> {
    fn of(answer: &'a Rows) -> Self {
        let [time, workload, currency, grain, cost] =
            answer.columns(["charge_period_start", "workload", "billing_currency", "grain", "unblended_cost"]);
        let numbers = NUMBERED.map(|name| answer.numbers(name));
        let owner = answer.columns(["team", "environment", "cost_center"]);
        Self { answer, numbers, time, workload, currency, grain, cost, owner, what: answer.columns(LINE_COLUMNS) }
    }

    fn text(&self, row: usize, column: Option<usize>) -> &'a str {
        self.answer.cell(row, column).as_text()
    }

    fn cost(&self, row: usize) -> i128 {
        self.answer.cell(row, self.cost).amount().unwrap_or(0)
    }

    /// The scopes that a line's spend is in.
    fn scopes(&self, row: usize) -> [Seen; 4] {
        let [workload, account, model, _] = self.numbers.map(|numbers| numbers[row]);
        let own = if workload == UNKNOWN { Seen::Unattributed(account) } else { Seen::Workload(workload) };
        [own, Seen::Account(account), Seen::Model(model), Seen::Organisation]
    }

    /// What is behind each finding. There are as many findings as lines where many workloads are new, so
    /// the lines are gone through once.
    fn behind(&self, findings: &[Finding]) -> Vec<Behind<'a>> {
        let known = NUMBERED.map(|name| {
            let texts = self.answer.texts(name).iter().map(String::as_str);
            texts.zip(0..).chain([("", UNKNOWN)]).collect::<HashMap<&str, u32>>()
        });
        let mut wanted: HashMap<About, Vec<(usize, bool)>> = HashMap::new();
        for (at, finding) in findings.iter().enumerate() {
            // Whose name no line has has no lines.
            let Some(scope) = Seen::of(&finding.scope, &known) else { continue };
            let Some(currency) = known[CURRENCY].get(finding.currency.as_str()) else { continue };
            for day in [Some(finding.day), finding.compared_day].into_iter().flatten() {
                wanted.entry((day, scope, *currency)).or_default().push((at, day == finding.day));
            }
        }
        let mut found: Vec<Behind<'a>> = findings.iter().map(|_| Behind::default()).collect();
        for (row, day) in self.answer.days().iter().enumerate() {
            for scope in self.scopes(row) {
                let about = (*day, scope, self.numbers[CURRENCY][row]);
                for (at, is_the_day) in wanted.get(&about).into_iter().flatten() {
                    self.add(row, *is_the_day, &mut found[*at]);
                }
            }
        }
        found
    }

    fn add(&self, row: usize, is_the_day: bool, behind: &mut Behind<'a>) {
        let cost = self.cost(row);
        let held = behind.moved.entry(self.what.map(|at| self.text(row, at))).or_default();
        if is_the_day {
            held.0 += cost;
            *behind.owners.entry(self.owner.map(|at| self.text(row, at))).or_default() += cost;
        } else {
            held.1 += cost;
        }
        if let (Value::Time(micros), "hour") = (self.answer.cell(row, self.time), self.text(row, self.grain)) {
            let hour = (micros.div_euclid(1_000_000).rem_euclid(DAY) / HOUR) as usize;
            behind.hours.get_or_insert([0; HOURS])[hour] += if is_the_day { cost } else { -cost };
        }
    }

    /// By finding that matters: how much of what its carriers gained others lost on them, and who lost most.
    fn others(&self, findings: &[Finding], behind: &[Behind<'a>]) -> Vec<Option<(i128, String)>> {
        let matters = |finding: &Finding| finding.severity > Severity::Note && finding.increase > 0;
        let mut wanted: HashSet<(i32, &str)> = HashSet::new();
        for (finding, behind) in findings.iter().zip(behind).filter(|(finding, _)| matters(finding)) {
            for day in [Some(finding.day), finding.compared_day].into_iter().flatten() {
                wanted.extend(behind.moved.keys().filter_map(carrier).map(|carrier| (day, carrier)));
            }
        }
        // A carrier is found once of each resource and principal.
        let [resources, principals] = ["resource_id", "principal_arn"].map(|name| self.answer.numbers(name));
        let of_resource: Vec<_> = self.answer.texts("resource_id").iter().map(|resource| own(resource)).collect();
        let of_principal: Vec<_> = self.answer.texts("principal_arn").iter().map(|arn| role(arn)).collect();
        let carrier_of = |row: usize| {
            let of = |carriers: &[Option<&'a str>], number: u32| carriers.get(number as usize).copied().flatten();
            of(&of_resource, resources[row]).or_else(|| of(&of_principal, principals[row]))
        };
        let mut costs: HashMap<Carrier<'a>, BTreeMap<&'a str, i128>> = HashMap::new();
        for row in (0..self.answer.height()).filter(|_| !wanted.is_empty()) {
            let day = self.answer.days()[row];
            let Some(carrier) = carrier_of(row) else { continue };
            if wanted.contains(&(day, carrier)) {
                let key = (day, carrier, self.text(row, self.currency));
                *costs.entry(key).or_default().entry(self.text(row, self.workload)).or_default() += self.cost(row);
            }
        }
        let one = |(finding, behind): (&Finding, &Behind<'a>)| {
            matters(finding).then(|| lost(finding, behind, &costs)).flatten()
        };
        findings.iter().zip(behind).map(one).collect()
    }
}

/// What others lost on the carriers of a finding, where its own spend on them grew.
fn lost<'a>(
    finding: &Finding,
    behind: &Behind<'a>,
    costs: &HashMap<Carrier<'a>, BTreeMap<&'a str, i128>>,
) -> Option<(i128, String)> {
    let before = finding.compared_day?;
    let own = finding.scope.workload().unwrap_or("");
    let mut carriers: Vec<&str> = behind.moved.keys().filter_map(carrier).collect();
    carriers.sort_unstable();
    carriers.dedup();
    let none = BTreeMap::new();
    let (mut moved, mut losers) = (0, BTreeMap::<&str, i128>::new());
    for carrier in carriers {
        let of = |day: i32| costs.get(&(day, carrier, finding.currency.as_str())).unwrap_or(&none);
        let (then, now) = (of(before), of(finding.day));
        let at = |costs: &BTreeMap<&str, i128>, owner: &str| costs.get(owner).copied().unwrap_or(0);
        let gained = at(now, own) - at(then, own);
        let lost = then.iter().filter(|(owner, _)| **owner != own).map(|(owner, cost)| (*owner, cost - at(now, owner)));
        let lost: Vec<(&str, i128)> = lost.filter(|(_, lost)| *lost > 0).collect();
        moved += gained.min(lost.iter().map(|(_, lost)| lost).sum()).max(0);
        lost.into_iter().for_each(|(owner, lost)| *losers.entry(owner).or_default() += lost);
    }
    let loser = losers.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(a.0)))?.0;
    let loser = if loser.is_empty() { "unattributed" } else { loser };
    (moved > 0).then(|| (moved, loser.to_string()))
}

/// The resource of a line, else its role.
fn carrier<'a>(what: &[&'a str; 7]) -> Option<&'a str> {
    own(what[RESOURCE]).or_else(|| role(what[PRINCIPAL]))
}

/// A resource that is somebody's own: what serves everybody carries nobody's spend.
fn own(resource: &str) -> Option<&str> {
    let serves_all = |arn: &str| arn.contains(":foundation-model/") || arn.contains(":inference-profile/");
    Some(resource).filter(|resource| !resource.is_empty() && !serves_all(resource))
}

fn role(principal: &str) -> Option<&str> {
    Some(principal::without_session(principal)).filter(|role| !role.is_empty())
}

/// A day, a scope and a currency, by number, that a finding is about.
type About = (i32, Seen, u32);

/// A scope as lines name it: by number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Seen {
    Workload(u32),
    Unattributed(u32),
    Account(u32),
    Model(u32),
    Organisation,
}

impl Seen {
    /// A scope by the numbers of names, where a line has its name.
    fn of(scope: &Scope, [workloads, accounts, models, _]: &[HashMap<&str, u32>; NUMBERED.len()]) -> Option<Self> {
        Some(match scope {
            Scope::Workload(name) => Self::Workload(*workloads.get(name.as_str())?),
            Scope::Unattributed(account) => Self::Unattributed(*accounts.get(account.as_str())?),
            Scope::Cell(account, ..) | Scope::Account(account) => Self::Account(*accounts.get(account.as_str())?),
            Scope::Model(model) => Self::Model(*models.get(model.as_str())?),
            Scope::Organisation => Self::Organisation,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_began_where_the_dearest_stretch_begins() {
        let mut hours = [0; HOURS];
        hours[2] = 5;
        hours[3] = -9;
        hours[14..18].fill(7);
        assert_eq!(stretch(&hours), Some((14, 23)), "what costs nothing more does not end it");
        hours[18] = -1;
        hours[19..].fill(-1);
        assert_eq!(stretch(&hours), Some((14, 17)));
        assert_eq!(stretch(&[-1; HOURS]), None);
    }

    #[test]
    fn a_model_that_serves_everybody_carries_nobodys_spend() {
        let line = |resource, principal| ["", "", "", "", resource, principal, ""];
        let role = "arn:aws:sts::111122223333:assumed-role/app";
        let session = "arn:aws:sts::111122223333:assumed-role/app/jane";
        assert_eq!(carrier(&line("arn:aws:bedrock:us-east-1::foundation-model/m", session)), Some(role));
        let own = "arn:aws:bedrock:us-east-1:1:application-inference-profile/p";
        assert_eq!(carrier(&line(own, session)), Some(own));
        assert_eq!(carrier(&line("", "")), None);
    }
}
