//! `[[budget]]` and `[showback]`: what may be spent, and who is shown what nobody is known to have spent.

use serde::Deserialize;

use super::{Config, SharedPolicy, amount};
use crate::clock;
use crate::error::Result;

/// What may be spent in a month, by everybody or by one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Whose budget it is: of the whole bill where none of the four is given.
    pub team: Option<String>,
    /// Of a workload.
    pub workload: Option<String>,
    /// Of an account, by its id.
    pub account: Option<String>,
    /// Of a cost center.
    pub cost_center: Option<String>,
    /// How much, units of 1e-10.
    #[serde(deserialize_with = "amount")]
    pub amount: i128,
    /// In which currency.
    #[serde(default = "dollars")]
    pub currency: String,
    /// The month, `YYYY-MM`; every month where absent.
    pub month: Option<String>,
}

fn dollars() -> String {
    "USD".into()
}

impl Budget {
    /// The scopes that are given: column and value.
    fn scopes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("team", &self.team),
            ("workload", &self.workload),
            ("sub_account_id", &self.account),
            ("cost_center", &self.cost_center),
        ];
        all.into_iter().filter_map(|(column, value)| Some((column, value.as_deref()?)))
    }

    /// Column of `cost_daily` and the value wanted in it; none where the budget is for all.
    pub fn scope(&self) -> Option<(&'static str, &str)> {
        self.scopes().next()
    }
}

/// Who is shown what nobody is known to have spent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Showback {
    /// `keep` it as a row of its own, or spread it `pro_rata` over the teams.
    pub unattributed: SharedPolicy,
}

impl Config {
    /// Checks budgets.
    pub(super) fn check_budgets(&self, wrong: &dyn Fn(String, String, &str) -> Result<()>) -> Result<()> {
        for (number, budget) in self.budget.iter().enumerate() {
            let place = || format!("[[budget]] number {}", number + 1);
            if budget.amount <= 0 {
                return wrong(place(), "the amount is not above zero".into(), "write `amount = 1000`");
            }
            if budget.scopes().count() > 1 {
                let hint = "give one of team, workload, account and cost_center, or none for the whole bill";
                return wrong(place(), "it is for several at once".into(), hint);
            }
            let is_month =
                |month: &String| clock::month_range(month).is_some_and(|(first, _)| clock::month_of(first) == *month);
            if budget.currency != budget.currency.to_uppercase() {
                let hint = "write it as the bill does, `currency = \"USD\"`";
                return wrong(place(), format!("`{}` is no currency", budget.currency), hint);
            }
            if let Some(month) = budget.month.as_ref().filter(|month| !is_month(month)) {
                let hint = "write it as `month = \"2026-11\"`, or leave it out for every month";
                return wrong(place(), format!("`{month}` is no month"), hint);
            }
        }
        Ok(())
    }
}
