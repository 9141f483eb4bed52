//! Rates: what a token costs this customer, as the bill's own sums of cost and tokens; the list price where the bill
//! has none yet.
//!
//! A rate is never stored, only the two sums that it is the quotient of. A measurement knows its account, region,
//! model and routing, or less: the finest sums that fit it are taken.

use std::sync::OnceLock;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::classify::{self, TOKEN_KINDS};
use crate::money::{self, ONE};

/// Sums of what was bought in real time over the days that rates are learned from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bought {
    /// Account.
    pub account: String,
    /// Region.
    pub region: String,
    /// Model.
    pub model: String,
    /// Its tier.
    pub tier: String,
    /// Routing.
    pub routing: String,
    /// Usage kind.
    pub kind: String,
    /// Currency.
    pub currency: String,
    /// Cost, units of 1e-10.
    pub cost: i128,
    /// Tokens, units of 1e-10.
    pub tokens: i128,
}

/// What some tokens cost: so much for so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Cost, units of 1e-10.
    cost: i128,
    /// Tokens, units of 1e-10.
    tokens: i128,
    /// Whether it is the list price.
    pub is_list: bool,
}

impl Price {
    /// What whole tokens cost, units of 1e-10.
    pub fn of(self, tokens: i64) -> i128 {
        let tokens = i128::from(tokens) * ONE;
        match tokens.checked_mul(self.cost) {
            Some(product) => product / self.tokens.max(1),
            // An estimate of what nobody can pay needs no more digits than these.
            None => (tokens as f64 / self.tokens.max(1) as f64 * self.cost as f64) as i128,
        }
    }
}

/// Account, region, what, routing, kind; empty where any is meant, and a currency where any account is.
type Key<'a> = (&'a str, &'a str, What<'a>, &'a str, &'a str);

/// What was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What<'a> {
    Model(&'a str),
    Tier(&'a str),
}

/// What sums are kept under and looked for under, the finest first.
fn keys<'a>(asked: &Asked<'a>, currency: &'a str, kind: &'a str) -> [Key<'a>; 8] {
    let Asked { account, region, routing, .. } = *asked;
    let (model, tier) = (What::Model(asked.model), What::Tier(asked.tier));
    [
        (account, region, model, routing, kind),
        (account, region, model, "", kind),
        (account, "", model, routing, kind),
        (account, "", model, "", kind),
        (currency, "", model, routing, kind),
        (currency, "", model, "", kind),
        (account, "", tier, "", kind),
        (currency, "", tier, "", kind),
    ]
}

/// The sums of a bill, by everything that a measurement may know.
pub struct Rates<'a> {
    sums: HashMap<Key<'a>, (i128, i128)>,
    /// By account: what it pays with.
    currencies: HashMap<&'a str, HashMap<&'a str, i128>>,
}

/// What a measurement knows of what it measured.
#[derive(Debug, Clone, Default)]
pub struct Asked<'a> {
    /// Account.
    pub account: &'a str,
    /// Region.
    pub region: &'a str,
    /// Model; empty where only the tier is known.
    pub model: &'a str,
    /// Tier.
    pub tier: &'a str,
    /// Routing, where known.
    pub routing: &'a str,
}

impl<'a> Rates<'a> {
    /// Of what was bought. An account's prices are those in the currency that it pays most in, and what stands for all
    /// accounts is by currency: amounts of two are never added.
    pub fn of(bought: impl Iterator<Item = &'a Bought> + Clone) -> Self {
        let mut rates = Self { sums: HashMap::new(), currencies: HashMap::new() };
        for one in bought.clone() {
            let paid = rates.currencies.entry(one.account.as_str()).or_default();
            *paid.entry(one.currency.as_str()).or_default() += one.cost;
        }
        for one in bought {
            let currency = one.currency.as_str();
            if rates.currency(&one.account) != currency {
                continue;
            }
            let [account, region, model, tier, routing] =
                [&one.account, &one.region, &one.model, &one.tier, &one.routing].map(String::as_str);
            for key in keys(&Asked { account, region, model, tier, routing }, currency, &one.kind) {
                let sum = rates.sums.entry(key).or_default();
                *sum = (sum.0 + one.cost, sum.1 + one.tokens);
            }
        }
        rates
    }

    /// What tokens of a kind cost; nothing where neither the bill nor the list knows.
    pub fn price(&self, asked: &Asked<'_>, kind: &str) -> Option<Price> {
        let currency = self.currency(asked.account);
        let keys = keys(asked, currency, kind);
        // A tier stands in only where no model is named.
        let wanted = keys.iter().filter(|(_, _, what, ..)| match what {
            What::Model(model) => !model.is_empty(),
            What::Tier(_) => asked.model.is_empty(),
        });
        let mut sums = wanted.filter_map(|key| self.sums.get(key)).filter(|(_, tokens)| *tokens > 0);
        match sums.next() {
            Some((cost, tokens)) => Some(Price { cost: *cost, tokens: *tokens, is_list: false }),
            // The list is in dollars.
            None => list_price(asked.model, asked.routing, kind).filter(|_| currency == "USD"),
        }
    }

    /// The currency that an account pays most in; that of most accounts where it has paid nothing yet.
    pub fn currency(&self, account: &str) -> &'a str {
        let most = |paid: &HashMap<&'a str, i128>| {
            paid.iter().max_by_key(|(name, cost)| (**cost, **name)).map(|(name, _)| *name)
        };
        if let Some(currency) = self.currencies.get(account).and_then(most) {
            return currency;
        }
        let mut accounts: HashMap<&'a str, i128> = HashMap::new();
        self.currencies.values().filter_map(most).for_each(|currency| *accounts.entry(currency).or_default() += 1);
        most(&accounts).unwrap_or("USD")
    }
}

/// Tokens that list prices are for, units of 1e-10.
const MILLION: i128 = 1_000_000 * ONE;

/// The list price of a model by its name. Calls that stay in a region cost a tenth more with Anthropic's models.
fn list_price(model: &str, routing: &str, kind: &str) -> Option<Price> {
    static PRICES: OnceLock<HashMap<String, Listed>> = OnceLock::new();
    let prices = PRICES.get_or_init(|| include_str!("list_prices.csv").lines().filter_map(listed).collect());
    let listed = prices.get(model)?;
    let cost = listed.prices[TOKEN_KINDS.iter().position(|known| *known == kind)?]?;
    let cost = if listed.is_dearer_in_region && routing == "regional" { cost * 11 / 10 } else { cost };
    Some(Price { cost, tokens: MILLION, is_list: true })
}

/// What the list says of a model.
struct Listed {
    /// Of a million tokens, by [`TOKEN_KINDS`]; units of 1e-10.
    prices: [Option<i128>; 4],
    /// Whether calls that stay in a region cost a tenth more.
    is_dearer_in_region: bool,
}

/// A line of the list: the model's name, and what it costs.
fn listed(line: &str) -> Option<(String, Listed)> {
    let mut cells = line.split(',');
    let id = cells.next().filter(|id| !id.starts_with('#') && *id != "model_id")?;
    let model = classify::recognise_model(id)?;
    let mut price = || cells.next().and_then(|text| money::from_decimal_text(text).ok());
    let [input, output, cache_read, cache_write] = std::array::from_fn(|_| price());
    let by_kind = |kind: &str| match kind {
        "input" => input,
        "output" => output,
        "cache_read" => cache_read,
        _ => cache_write,
    };
    let prices = TOKEN_KINDS.map(by_kind);
    Some((model.name, Listed { prices, is_dearer_in_region: id.starts_with("anthropic.") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bought(region: &str, kind: &str, cost: i128, tokens: i128) -> Bought {
        let text = |text: &str| text.to_string();
        Bought {
            account: text("1"),
            region: text(region),
            model: text("Claude Sonnet 4.5"),
            tier: text("sonnet"),
            routing: text("regional"),
            kind: text(kind),
            currency: text("USD"),
            cost,
            tokens: tokens * ONE,
        }
    }

    fn asked<'a>(region: &'a str, model: &'a str, tier: &'a str) -> Asked<'a> {
        Asked { account: "1", region, model, tier, routing: "regional" }
    }

    #[test]
    fn the_finest_sums_that_fit_are_taken_and_the_list_only_where_there_are_none() {
        let all = [bought("a", "input", 300, 100), bought("b", "input", 100, 100)];
        let rates = Rates::of(all.iter());
        let price = |asked: &Asked<'_>, kind: &str| rates.price(asked, kind);
        assert_eq!(price(&asked("a", "Claude Sonnet 4.5", "sonnet"), "input").unwrap().of(10), 30);
        assert_eq!(price(&asked("c", "Claude Sonnet 4.5", "sonnet"), "input").unwrap().of(10), 20);
        assert_eq!(price(&asked("a", "", "sonnet"), "input").unwrap().of(10), 20);
        let listed = price(&asked("a", "Claude Sonnet 4.5", "sonnet"), "output").unwrap();
        assert!(listed.is_list);
        assert_eq!(listed.of(1_000_000), 165 * ONE / 10, "15 dollars, and a tenth within a region");
        assert_eq!(price(&asked("a", "No Such Model", ""), "input"), None);
        let others = [Bought { currency: "EUR".into(), ..all[0].clone() }];
        let rates = Rates::of(others.iter());
        assert_eq!((rates.currency("1"), rates.currency("2")), ("EUR", "EUR"));
        let unknown = rates.price(&asked("a", "Claude Sonnet 4.5", "sonnet"), "output");
        assert_eq!(unknown, None, "a list in dollars says nothing of euros");
    }

    #[test]
    fn every_listed_model_is_one_that_the_catalogue_knows() {
        let lines = include_str!("list_prices.csv").lines().filter(|line| !line.starts_with(['#', 'm']));
        let unknown: Vec<&str> = lines.filter(|line| listed(line).is_none()).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn no_number_of_tokens_overflows() {
        let price = Price { cost: i128::from(i64::MAX), tokens: ONE, is_list: false };
        assert!(price.of(i64::MAX) > 0);
    }
}
