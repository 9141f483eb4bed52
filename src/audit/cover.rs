//! Coverage: how much money each key is on, carrier by carrier, and how much is fully tagged, by team,
//! account and week. Everything here adds up to the facts.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::judge::Verdict;
use super::state::{CARRIERS, Carrier, STATES};
use crate::config::OWNER_NAMES;

/// Weeks whose compliance is shown, the last of which ends with the last judged day.
pub const WEEKS: i32 = 8;
/// Days of a week.
pub const WEEK: i32 = 7;

/// Whose compliance it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everybody's.
    All,
    /// A team's; none where the facts name none.
    Team(Option<String>),
    /// An account's.
    Account(String),
}

/// Money, and what of it is as it should be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Money {
    /// Billed cost.
    pub cost: i128,
    /// Of that, with every required tag right.
    pub compliant: i128,
    /// Of the rest, what an exemption lets pass.
    pub exempt: i128,
}

impl Money {
    /// Adds a line.
    pub fn add(&mut self, line: &Self) {
        self.cost += line.cost;
        self.compliant += line.compliant;
        self.exempt += line.exempt;
    }

    /// What is not as it should be.
    pub fn debt(&self) -> i128 {
        self.cost - self.compliant - self.exempt
    }

    /// What is judged: all but what is exempt.
    pub fn judged(&self) -> i128 {
        self.cost - self.exempt
    }
}

/// Money by the state of a key, in the order of [`STATES`].
pub type ByState = [i128; STATES.len()];
/// Money by key and state.
pub type ByKey = [ByState; OWNER_NAMES.len()];

/// What all lines come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cover {
    /// By currency: the judged days' money by key and state; first whichever carrier has the key, then on
    /// each carrier alone, in the order of [`Carrier::ALL`].
    pub keys: BTreeMap<String, [ByKey; CARRIERS + 1]>,
    /// By scope and currency: the judged days' money.
    pub scopes: BTreeMap<(Scope, String), Money>,
    /// By scope, currency and weeks ago.
    pub weeks: BTreeMap<(Scope, String), BTreeMap<i32, Money>>,
}

/// Names of the carriers of [`Cover::keys`].
pub fn carrier_names() -> [&'static str; CARRIERS + 1] {
    let mut names = ["any"; CARRIERS + 1];
    names[1..].copy_from_slice(&Carrier::ALL.map(Carrier::name));
    names
}

/// Who a line is summed for: currency, team, account.
type Whom<'a> = [&'a str; 3];

/// Sums, while lines are gathered.
#[derive(Debug, Default)]
pub struct Summing<'a> {
    days: HashMap<Whom<'a>, Money>,
    weeks: HashMap<(Whom<'a>, i32), Money>,
    verdicts: HashMap<(&'a str, usize), i128>,
}

impl<'a> Summing<'a> {
    /// Adds a line of a judged day, by the number of its verdict.
    pub fn add(&mut self, whom: Whom<'a>, money: &Money, verdict: usize) {
        self.days.entry(whom).or_default().add(money);
        *self.verdicts.entry((whom[0], verdict)).or_default() += money.cost;
    }

    /// Adds a line of a week.
    pub fn add_to_week(&mut self, whom: Whom<'a>, money: &Money, weeks_ago: i32) {
        self.weeks.entry((whom, weeks_ago)).or_default().add(money);
    }

    /// The sums.
    pub fn done(self, verdicts: &[Verdict]) -> Cover {
        let mut cover = Cover::default();
        for ((currency, verdict), cost) in self.verdicts {
            let keys = cover.keys.entry(currency.to_string()).or_default();
            let verdict = &verdicts[verdict];
            for (sums, states) in keys.iter_mut().zip([&verdict.states].into_iter().chain(&verdict.by_carrier)) {
                for (sums, state) in sums.iter_mut().zip(states) {
                    sums[state.place()] += cost;
                }
            }
        }
        for (whom, money) in self.days {
            for key in scopes(whom) {
                cover.scopes.entry(key).or_default().add(&money);
            }
        }
        for ((whom, ago), money) in self.weeks {
            for key in scopes(whom) {
                cover.weeks.entry(key).or_default().entry(ago).or_default().add(&money);
            }
        }
        cover
    }
}

fn scopes([currency, team, account]: Whom<'_>) -> [(Scope, String); 3] {
    let team = (!team.is_empty()).then(|| team.to_string());
    [Scope::All, Scope::Team(team), Scope::Account(account.to_string())].map(|scope| (scope, currency.to_string()))
}
