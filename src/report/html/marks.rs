//! Marks: why workloads moved since the day before, and which days of the charts jumped.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::cube::{CURRENCY, Span};
use super::figures::Page;
use crate::alert::Looked;
use crate::alert::causes::Causes;
use crate::alert::join;
use crate::money;
use crate::report::safe;

/// Movers that are taken apart, in each currency.
const MOVERS: usize = 200;
/// Jumps that a page marks.
const JUMPS: usize = 5_000;

/// Causes of the largest changes since the day before: currency, workload and the parts, in units of money. A page
/// shows them where its filter leaves the change whole.
pub fn movers(looked: &Looked, page: &Page<'_>, span: &Span) -> Value {
    let history = &looked.history;
    let Some(last) = span.last else { return json!([]) };
    let Some((before, day)) = history.number(last - 1).zip(history.number(last)) else { return json!([]) };
    let mut moved: BTreeMap<&str, Vec<(i128, usize)>> = BTreeMap::new();
    for (series, (owner, costs)) in history.owners.iter().zip(&looked.costs).enumerate() {
        let change = costs[day] - costs[before];
        // What is unattributed is known by account here, and all of it is one row there.
        let is_one = owner.account.is_empty() && owner.workload != "unattributed";
        if change != 0 && is_one && page.owns(&owner.workload) {
            moved.entry(&owner.currency).or_default().push((change, series));
        }
    }
    let mut rows = Vec::new();
    for (currency, mut moved) in moved {
        moved.sort_by_key(|(change, series)| (std::cmp::Reverse(change.abs()), *series));
        for (_, series) in moved.into_iter().take(MOVERS) {
            let owner = &history.owners[series];
            let place = page.dictionary.names[CURRENCY].find(currency).zip(page.dictionary.workload(&owner.workload));
            let Some((currency, workload)) = place else { continue };
            let counted = &history.queries[series];
            let queries = counted.get(&before).zip(counted.get(&day)).map(|(before, day)| [*before, *day]);
            let parts = Causes::of(&join::bought(history, series, Some(before), day), queries).parts();
            rows.push(json!([currency, workload, parts.map(money::to_text)]));
        }
    }
    rows.into()
}

/// What the contract lists of the days that charts show: currency, workload, day, severity, rule, increase.
pub fn jumps(looked: &Looked, page: &Page<'_>, span: &Span) -> Value {
    let dictionary = page.dictionary;
    let (Some(first), Some(last)) = (span.first(), span.last) else { return json!([]) };
    let mut shown: Vec<_> = looked.jumps.iter().filter(|jump| (first..=last).contains(&jump.day)).collect();
    shown.retain(|jump| page.owns(&jump.owner.workload));
    let weight = |severity: &str| ["note", "warn", "page"].iter().position(|known| *known == severity);
    shown.sort_by_key(|jump| (std::cmp::Reverse(weight(&jump.severity)), std::cmp::Reverse(jump.day), &jump.owner));
    let rows = shown.into_iter().take(JUMPS).filter_map(|jump| {
        let currency = dictionary.names[CURRENCY].find(&jump.owner.currency)?;
        let workload = dictionary.workload(&jump.owner.workload)?;
        let [severity, rule] = [&jump.severity, &jump.rule].map(|text| safe::plain(text));
        Some(json!([currency, workload, jump.day - first, severity, rule, money::to_text(jump.increase)]))
    });
    rows.collect()
}
