//! Scopes: what an incident is about, and the identity that it has because of it.

use serde::{Deserialize, Serialize};

use crate::facts::store::hash;

/// Whose spend is looked at, within a currency.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// A workload's, wherever it runs.
    Workload(String),
    /// An account's, as far as nobody owns it.
    Unattributed(String),
    /// What AWS's own series measure where no owner is known: account, region, model.
    Cell(String, String, String),
    /// A whole account's.
    Account(String),
    /// Everybody's on a model.
    Model(String),
    /// Everybody's.
    Organisation,
}

/// Longest name within a key: the longest key that channels take has 255 characters.
const LONGEST: usize = 160;

impl Scope {
    /// The word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Workload(_) => "workload",
            Self::Unattributed(_) => "unattributed",
            Self::Cell(..) => "cell",
            Self::Account(_) => "account",
            Self::Model(_) => "model",
            Self::Organisation => "organisation",
        }
    }

    /// The name, in its parts.
    fn name(&self) -> Vec<&str> {
        match self {
            Self::Workload(name) | Self::Unattributed(name) | Self::Account(name) | Self::Model(name) => vec![name],
            Self::Cell(account, region, model) => vec![account, region, model],
            Self::Organisation => Vec::new(),
        }
    }

    /// Identity of what is about it: the same on every run, day and clock, without date or amount.
    pub fn key(&self, currency: &str) -> String {
        let name = self.name().join(":");
        let is_short = name.len() <= LONGEST && !name.chars().any(char::is_control);
        let name = if is_short { name } else { hash(name.as_bytes()) };
        let parts = ["billtag", self.kind(), &name, currency];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(":")
    }

    /// The workload, where it is one's.
    pub fn workload(&self) -> Option<&str> {
        match self {
            Self::Workload(name) => Some(name),
            _ => None,
        }
    }

    /// Whether spend in an account, region and model is in it, whoever owns it.
    pub fn holds(&self, account: &str, region: &str, model: &str) -> bool {
        match self {
            Self::Workload(_) => false,
            Self::Unattributed(own) | Self::Account(own) => own == account,
            Self::Model(own) => own == model,
            Self::Cell(own, place, what) => own == account && place == region && what == model,
            Self::Organisation => true,
        }
    }

    /// The account, where it is within one.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Unattributed(account) | Self::Account(account) | Self::Cell(account, ..) => Some(account),
            _ => None,
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Workload(name) => name.clone(),
            Self::Unattributed(account) if account.is_empty() => "unattributed".into(),
            Self::Unattributed(account) => format!("unattributed in {account}"),
            Self::Cell(account, region, model) => format!("{model} in {account} {region}"),
            Self::Account(account) => format!("account {account}"),
            Self::Model(model) => format!("everybody on {model}"),
            Self::Organisation => "the whole bill".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_what_it_is_about_and_is_never_too_long() {
        let key = |name: &str| Scope::Workload(name.into()).key("USD");
        assert_eq!(key("checkout-bot"), "billtag:workload:checkout-bot:USD");
        let long = key(&"\u{1f600}".repeat(500));
        assert!(long.len() <= 255 && long != key(&"\u{1f600}".repeat(499)));
        assert!(!key("a\nb").contains('\n'));
        assert_ne!(Scope::Account("1".into()).key("USD"), Scope::Unattributed("1".into()).key("USD"));
        assert_eq!(Scope::Organisation.key(""), "billtag:organisation");
    }
}
