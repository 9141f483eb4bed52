use std::collections::BTreeSet;

use crate::money::{CENT, ONE};
use crate::reconcile::rates::{Priced, find};
use crate::reconcile::tokens::Place;

fn priced(day: i32, cost: i128, tokens: i128) -> Priced {
    let place = Place { day, account: "1".into(), region: "us-east-1".into(), model: "Nova Lite".into() };
    Priced { place, kind: 0, meter: "USE1-NovaLite-input-tokens".into(), currency: "USD".into(), cost, tokens }
}

fn agreed(days: std::ops::RangeInclusive<i32>) -> BTreeSet<(Place, usize)> {
    days.map(|day| (priced(day, 0, 0).place, 0)).collect()
}

#[test]
fn a_day_at_another_rate_is_found_where_its_tokens_agree() {
    let days =
        || vec![priced(1, ONE, 1_000), priced(2, 2 * ONE, 2_000), priced(3, 2 * ONE, 1_000), priced(4, ONE, 1_000)];
    let gaps = find(days(), &agreed(1..=4));
    assert_eq!(gaps.len(), 1);
    assert_eq!((gaps[0].priced.place.day, gaps[0].expected), (3, ONE));
    assert_eq!(find(days(), &agreed(1..=2)), []);
}

#[test]
fn a_cent_or_a_thousandth_is_no_other_rate() {
    let days = vec![priced(1, ONE, 1_000), priced(2, ONE, 1_000), priced(3, ONE + CENT, 1_000), priced(4, ONE, 1_000)];
    assert_eq!(find(days, &agreed(1..=4)), []);
    let big = |cost| priced(9, cost, 1_000_000);
    let days = vec![priced(1, 1_000 * ONE, 1_000_000), priced(2, 1_000 * ONE, 1_000_000), big(1_001 * ONE)];
    assert_eq!(find(days, &agreed(1..=9)), []);
}

#[test]
fn two_days_make_no_usual_rate() {
    assert_eq!(find(vec![priced(1, ONE, 1_000), priced(2, 9 * ONE, 1_000)], &agreed(1..=2)), []);
}
