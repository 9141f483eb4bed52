use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::reconcile::tokens::{Billed, Cause, Measured, Place, Row, Sides, compare};

fn place(day: i32, model: &str) -> Place {
    Place { day, account: "111122223333".into(), region: "us-east-1".into(), model: model.into() }
}

fn billed(day: i32, tokens: i128) -> Billed {
    Billed { place: place(day, "Nova Lite"), kind: 0, is_batch: false, tokens }
}

fn measured(day: i32, tokens: i128) -> Measured {
    Measured { place: place(day, "Nova Lite"), tokens: [Some(tokens), None, None, None] }
}

fn sides(billed: Vec<Billed>, measured: Vec<Measured>) -> Sides {
    Sides { billed, measured, days: (1..=9).map(|day| (day, true)).collect(), capacity: BTreeSet::new() }
}

fn causes(rows: &[Row]) -> Vec<(Cause, i128)> {
    rows.iter().flat_map(|row| row.causes.iter().map(|(cause, seen)| (*cause, seen.tokens))).collect()
}

#[test]
fn equal_tokens_have_no_gap() {
    let comparison = compare(&sides(vec![billed(1, 500)], vec![measured(1, 500)]));
    assert_eq!(causes(&comparison.rows), []);
    assert_eq!((comparison.rows[0].billed, comparison.rows[0].measured), (500, Some(500)));
    assert_eq!(comparison.agreed, BTreeSet::from([(place(1, "Nova Lite"), 0)]));
}

#[test]
fn batch_explains_what_it_used_and_no_more() {
    let batch = Billed { is_batch: true, ..billed(1, 300) };
    let rows = compare(&sides(vec![billed(1, 500), batch.clone()], vec![measured(1, 500)])).rows;
    assert_eq!(causes(&rows), [(Cause::Batch, 300)]);
    let rows = compare(&sides(vec![billed(1, 500), batch], vec![measured(1, 400)])).rows;
    assert_eq!(causes(&rows), [(Cause::Unexplained, 100), (Cause::Batch, 300)]);
    assert!(rows[0].is_finding());
}

#[test]
fn a_day_without_data_is_a_missing_series() {
    let comparison = compare(&sides(vec![billed(1, 500), billed(2, 70)], vec![measured(1, 500)]));
    assert_eq!(causes(&comparison.rows), [(Cause::MissingSeries, 70)]);
    assert!(!comparison.rows[0].is_finding());
    assert!(!comparison.agreed.contains(&(place(2, "Nova Lite"), 0)), "what was not measured does not agree");
}

#[test]
fn capacity_is_measured_and_bills_no_tokens() {
    let mut sides = sides(Vec::new(), vec![measured(1, 900)]);
    assert_eq!(causes(&compare(&sides).rows), [(Cause::NotInTheBill, -900)]);
    assert!(compare(&sides).rows[0].is_finding());
    sides.capacity.insert(("111122223333".into(), "Nova Lite".into()));
    assert_eq!(causes(&compare(&sides).rows), [(Cause::Provisioned, -900)]);
    assert!(!compare(&sides).rows[0].is_finding());
}

#[test]
fn a_day_that_is_not_complete_explains_its_gap_and_agrees_with_nothing() {
    let mut sides = sides(vec![billed(1, 500)], vec![measured(1, 900)]);
    sides.days.insert(1, false);
    let comparison = compare(&sides);
    assert_eq!(causes(&comparison.rows), [(Cause::Incomplete, -400)]);
    assert!(comparison.agreed.is_empty());
}

#[test]
fn calls_around_midnight_cancel() {
    let rows = compare(&sides(vec![billed(1, 500), billed(2, 520)], vec![measured(1, 510), measured(2, 510)])).rows;
    assert_eq!(causes(&rows), []);
}

#[test]
fn a_token_a_day_is_rounding() {
    let rows = compare(&sides(vec![billed(1, 500), billed(2, 500)], vec![measured(1, 499), measured(2, 499)])).rows;
    assert_eq!(causes(&rows), [(Cause::Rounding, 2)]);
}

#[test]
fn input_that_was_measured_with_its_cached_part_is_named() {
    let cached = Measured { place: place(1, "Nova Lite"), tokens: [Some(1_000), None, Some(600), Some(100)] };
    let cache = [(2, 600), (3, 100)].map(|(kind, tokens)| Billed { kind, ..billed(1, tokens) });
    let bill = [vec![billed(1, 300)], cache.to_vec()].concat();
    assert_eq!(causes(&compare(&sides(bill, vec![cached])).rows), [(Cause::CachedInput, -700)]);
}

#[test]
fn a_hundredth_without_a_cause_is_no_finding_yet() {
    let rows = compare(&sides(vec![billed(1, 100_000)], vec![measured(1, 99_000)])).rows;
    assert!(!rows[0].is_finding() && rows[0].open() == 1_000);
    let rows = compare(&sides(vec![billed(1, 100_000)], vec![measured(1, 98_999)])).rows;
    assert!(rows[0].is_finding());
}

#[test]
fn days_outside_the_range_do_not_count() {
    assert_eq!(compare(&sides(vec![billed(10, 5)], vec![measured(0, 5)])).rows, []);
}

proptest! {
    #[test]
    fn causes_add_up_to_the_difference(
        lines in prop::collection::vec((1..5_i32, 0..4_usize, any::<bool>(), -50..900_i128), 0..30),
        points in prop::collection::vec((1..5_i32, 0..4_usize, 0..900_i128), 0..30),
        incomplete in 1..5_i32,
        has_capacity in any::<bool>(),
    ) {
        let bill = lines.iter().map(|(day, kind, is_batch, tokens)| Billed { kind: *kind, is_batch: *is_batch, ..billed(*day, *tokens) });
        let metrics = points.iter().map(|(day, kind, tokens)| {
            let mut all = [None; 4];
            all[*kind] = Some(*tokens);
            Measured { tokens: all, ..measured(*day, 0) }
        });
        let mut sides = sides(bill.collect(), metrics.collect());
        sides.days = BTreeMap::from([1, 2, 3, 4].map(|day| (day, day != incomplete)));
        if has_capacity {
            sides.capacity.insert(("111122223333".into(), "Nova Lite".into()));
        }
        let rows = compare(&sides).rows;
        for row in &rows {
            prop_assert_eq!(row.causes.values().map(|seen| seen.tokens).sum::<i128>(), row.difference());
        }
        prop_assert_eq!(rows.iter().map(|row| row.billed).sum::<i128>(), lines.iter().map(|line| line.3).sum::<i128>());
        prop_assert_eq!(rows.iter().filter_map(|row| row.measured).sum::<i128>(), points.iter().map(|point| point.2).sum::<i128>());
    }
}
