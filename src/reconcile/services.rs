//! Services: the bill's product codes and Cost Explorer's product names brought under one key.
//!
//! Cost Explorer has no product codes. AWS's own services show as `Amazon Bedrock`, `Amazon Bedrock
//! AgentCore`, …, Marketplace models each as a service of its own, `Claude Sonnet 4.6 (Amazon Bedrock
//! Edition)`. The bill keeps an opaque code for those, but knows the model. Where names still differ,
//! services are compared as one pool, but only if that is what makes the days agree.

use std::collections::{BTreeMap, BTreeSet};

use super::spend::{Cost, DayState, Record};
use crate::classify;
use crate::money;
use crate::normalise::select;

/// Who sells a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seller {
    /// AWS itself.
    Aws,
    /// A publisher, through AWS Marketplace.
    Marketplace,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// What it is compared by.
    pub key: String,
    /// What it is called.
    pub name: String,
    /// Who sells it.
    pub seller: Seller,
}

/// Whether a service of Cost Explorer is Bedrock's: the same words by which lines of the bill are.
pub fn is_bedrock(name: &str) -> bool {
    select::is_bedrock_edition(name) || select::is_bedrock_product(name) || select::is_bedrock_code(name)
}

impl Service {
    /// A service of Cost Explorer, by its name.
    pub fn of_name(name: &str) -> Self {
        if select::is_bedrock_edition(name) {
            let key = match classify::recognise_model(name) {
                Some(model) => edition_key(&model.name),
                None => squeezed(name),
            };
            return Self { key, name: name.trim().into(), seller: Seller::Marketplace };
        }
        Self { key: squeezed(name), name: name.trim().into(), seller: Seller::Aws }
    }

    /// The service of a bill line, by its billing entity, product code and model; empty where unknown.
    pub fn of_line(entity: &str, code: &str, model: &str) -> Self {
        let is_own = select::is_bedrock_code(code) || (!select::is_marketplace(entity) && !is_opaque(code));
        if is_own {
            let code = if code.is_empty() { "AmazonBedrock" } else { code };
            return Self { key: squeezed(code), name: spaced(code), seller: Seller::Aws };
        }
        let (key, name) = match model {
            "" => (squeezed(code), format!("Marketplace product {code}")),
            model => (edition_key(model), format!("{model} (Amazon Bedrock Edition)")),
        };
        Self { key, name, seller: Seller::Marketplace }
    }
}

fn edition_key(model: &str) -> String {
    format!("edition of {}", squeezed(model))
}

/// Letters and digits alone, in lower case: `Amazon Bedrock AgentCore` and its code are then equal.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Marketplace product codes are 25 letters and digits without a capital.
fn is_opaque(code: &str) -> bool {
    code.len() >= 20 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// `AmazonBedrockAgentCore` as products are called: `Amazon Bedrock AgentCore`.
fn spaced(code: &str) -> String {
    match code.get(13..).filter(|_| select::is_bedrock_code(code)) {
        Some("") => "Amazon Bedrock".into(),
        Some(rest) => format!("Amazon Bedrock {rest}"),
        None => code.into(),
    }
}

/// Brings both sides' services under the same keys and names.
pub fn align(bill: &mut [Cost], explorer: &mut [Cost], days: &BTreeMap<i32, DayState>) {
    let keys = |costs: &[Cost], seller: Seller| -> BTreeSet<String> {
        let paid = costs.iter().filter(|cost| cost.amount != 0 && cost.service.seller == seller);
        paid.map(|cost| cost.service.key.clone()).collect()
    };
    for seller in [Seller::Aws, Seller::Marketplace] {
        let (ours, theirs) = (keys(bill, seller), keys(explorer, seller));
        let alone: BTreeSet<String> = ours.symmetric_difference(&theirs).cloned().collect();
        let mut pools = vec![alone.clone()];
        // One of AWS's own services may hold another's spend; an edition holds only its own.
        if seller == Seller::Aws && !alone.is_empty() {
            let with = |key: &String| alone.iter().chain([key]).cloned().collect::<BTreeSet<_>>();
            pools.extend(ours.intersection(&theirs).map(with));
            pools.push(ours.union(&theirs).cloned().collect());
        }
        if let Some(pool) = pools.into_iter().find(|pool| is_better_together(bill, explorer, pool, days)) {
            let name = pool_name(bill, explorer, &pool);
            for cost in bill.iter_mut().chain(explorer.iter_mut()).filter(|cost| pool.contains(&cost.service.key)) {
                cost.service = Service { key: name.clone(), name: name.clone(), seller };
            }
        }
    }
    // What Cost Explorer calls it is what the reader finds there.
    let names: BTreeMap<String, String> =
        explorer.iter().map(|cost| (cost.service.key.clone(), cost.service.name.clone())).collect();
    for cost in bill.iter_mut().chain(explorer.iter_mut()) {
        if let Some(name) = names.get(&cost.service.key) {
            cost.service.name.clone_from(name);
        }
    }
}

/// Whether as one the services agree on nine settled days of ten, and one by one on fewer.
fn is_better_together(
    bill: &[Cost],
    explorer: &[Cost],
    pool: &BTreeSet<String>,
    days: &BTreeMap<i32, DayState>,
) -> bool {
    let counts = |cost: &&Cost| {
        let settled = days.get(&cost.day).is_some_and(DayState::is_settled);
        settled && cost.record == Record::Charge && pool.contains(&cost.service.key)
    };
    let sides = [(1, bill), (-1, explorer)];
    if sides.iter().any(|(_, costs)| !costs.iter().any(|cost| counts(&cost))) {
        return false;
    }
    let mut together: BTreeMap<(i32, &str), i128> = BTreeMap::new();
    let mut apart: BTreeMap<(i32, &str, &str), i128> = BTreeMap::new();
    for (sign, costs) in sides {
        for cost in costs.iter().filter(counts) {
            let (day, currency, amount) = (cost.day, cost.currency.as_str(), sign * cost.amount);
            *together.entry((day, currency)).or_default() += amount;
            *apart.entry((day, currency, &cost.service.key)).or_default() += amount;
        }
    }
    let agrees = |gap: &&i128| gap.abs() < money::CENT;
    let days_apart: BTreeSet<(i32, &str)> =
        apart.iter().filter(|(_, gap)| !agrees(gap)).map(|((day, currency, _), _)| (*day, *currency)).collect();
    let agreed = together.values().filter(agrees).count();
    agreed * 10 >= together.len() * 9 && agreed > together.len() - days_apart.len()
}

fn pool_name(bill: &[Cost], explorer: &[Cost], pool: &BTreeSet<String>) -> String {
    let names = |costs: &[Cost]| {
        let names = costs.iter().filter(|cost| pool.contains(&cost.service.key));
        let names: BTreeSet<&str> = names.map(|cost| cost.service.name.as_str()).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    };
    format!("{} (on the bill: {})", names(explorer), names(bill))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::ONE;

    #[test]
    fn codes_and_names_of_one_service_have_one_key() {
        let pairs = [
            (("AWS", "AmazonBedrock", "Nova Lite"), "Amazon Bedrock"),
            (("AWS", "AmazonBedrockAgentCore", ""), "Amazon Bedrock AgentCore"),
            (
                ("AWS Marketplace", "7zgyu5r4uonlsrnaq20qq63eo", "Claude Sonnet 4.6"),
                "Claude Sonnet 4.6 (Amazon Bedrock Edition)",
            ),
            (("", "4a524th30q694o538qndh9ucht", "Claude 3.5 Sonnet"), "Claude 3.5 Sonnet (Amazon Bedrock Edition)"),
        ];
        for ((entity, code, model), name) in pairs {
            assert_eq!(Service::of_line(entity, code, model).key, Service::of_name(name).key, "{name}");
        }
    }

    #[test]
    fn every_edition_is_bedrock_and_its_neighbours_are_not() {
        assert!(is_bedrock("Amazon Bedrock") && is_bedrock("Claude Opus 5 (Amazon Bedrock Edition)"));
        assert!(is_bedrock("Amazon Bedrock Service"));
        for other in ["Tax", "Amazon Elastic Compute Cloud - Compute", "Claude Platform on AWS", "Bedrock Guard Pro"] {
            assert!(!is_bedrock(other), "{other}");
        }
    }

    fn cost(day: i32, service: Service, amount: i128) -> Cost {
        Cost { day, service, currency: "USD".into(), record: Record::Charge, amount: amount * ONE }
    }

    fn settled(days: std::ops::Range<i32>) -> BTreeMap<i32, DayState> {
        days.map(|day| (day, DayState::settled())).collect()
    }

    #[test]
    fn own_services_that_cost_explorer_names_otherwise_are_compared_as_one() {
        let own = |code| Service::of_line("AWS", code, "");
        let mut bill = vec![cost(1, own("AmazonBedrock"), 10), cost(1, own("AmazonBedrockAgentCore"), 3)];
        let mut explorer = vec![cost(1, Service::of_name("Amazon Bedrock"), 13)];
        align(&mut bill, &mut explorer, &settled(1..2));
        assert_eq!(bill[0].service, explorer[0].service);
        assert_eq!(bill[1].service, explorer[0].service);
    }

    #[test]
    fn the_smallest_pool_leaves_other_services_as_they_are() {
        let own = |code| Service::of_line("AWS", code, "");
        let mut bill = vec![
            cost(1, own("AmazonBedrock"), 10),
            cost(1, own("AmazonBedrockAgentCore"), 3),
            cost(1, own("AmazonBedrockNew"), 2),
        ];
        let named = Service::of_name;
        let mut explorer = vec![cost(1, named("Amazon Bedrock"), 12), cost(1, named("Amazon Bedrock AgentCore"), 3)];
        align(&mut bill, &mut explorer, &settled(1..2));
        assert_eq!(bill[1].service.name, "Amazon Bedrock AgentCore");
        assert_eq!(bill[2].service, explorer[0].service);
    }

    #[test]
    fn a_service_that_is_truly_missing_stays_apart() {
        let own = |code| Service::of_line("AWS", code, "");
        let mut bill = vec![cost(1, own("AmazonBedrock"), 10), cost(1, own("AmazonBedrockAgentCore"), 3)];
        let mut explorer = vec![cost(1, Service::of_name("Amazon Bedrock"), 10)];
        align(&mut bill, &mut explorer, &settled(1..2));
        assert_eq!(bill[0].service, explorer[0].service);
        assert_eq!(bill[1].service.name, "Amazon Bedrock AgentCore");
    }

    #[test]
    fn editions_under_two_names_are_paired_only_if_their_days_agree() {
        let bill = |amount| vec![cost(1, Service::of_line("AWS Marketplace", "abcdefghijklmnopqrstuvwxy", ""), amount)];
        let explorer = || vec![cost(1, Service::of_name("Model X (Amazon Bedrock Edition)"), 7)];
        let (mut ours, mut theirs) = (bill(7), explorer());
        align(&mut ours, &mut theirs, &settled(1..2));
        assert_eq!(ours[0].service, theirs[0].service);
        let (mut ours, mut theirs) = (bill(8), explorer());
        align(&mut ours, &mut theirs, &settled(1..2));
        assert_ne!(ours[0].service, theirs[0].service);
    }
}
