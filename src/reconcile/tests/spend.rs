use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::clock;
use crate::money::{CENT, ONE};
use crate::reconcile::services::Service;
use crate::reconcile::spend::{BillChange, Cause, Cell, Cost, DayState, Earlier, Record, Sides, compare, has_findings};

fn day(of_november: i32) -> i32 {
    clock::day_of(clock::parse("2026-11-01").expect("a date")) + of_november - 1
}

fn cost(at: i32, service: &str, record: Record, amount: i128) -> Cost {
    Cost { day: day(at), service: Service::of_name(service), currency: "USD".into(), record, amount }
}

fn bedrock(at: i32, amount: i128) -> Cost {
    cost(at, "Amazon Bedrock", Record::Charge, amount)
}

fn settled(days: std::ops::RangeInclusive<i32>) -> BTreeMap<i32, DayState> {
    days.map(|at| (day(at), DayState::settled())).collect()
}

fn sides(bill: Vec<Cost>, explorer: Vec<Cost>) -> Sides {
    Sides { bill, explorer, days: settled(1..=30), ..Sides::default() }
}

/// Causes and amounts, in the order of cells.
fn causes(cells: &[Cell]) -> Vec<(Cause, i128)> {
    cells.iter().flat_map(|cell| cell.gaps.iter().map(|gap| (gap.cause, gap.amount))).collect()
}

#[test]
fn equal_sides_have_no_gap() {
    let costs = vec![bedrock(1, ONE), cost(1, "Claude Opus 5 (Amazon Bedrock Edition)", Record::Charge, 3)];
    let cells = compare(sides(costs.clone(), costs));
    assert_eq!(cells.len(), 2);
    assert!(cells.iter().all(|cell| cell.difference() == 0 && cell.gaps.is_empty()));
}

#[test]
fn less_than_a_cent_is_rounding_and_a_cent_is_not() {
    let cells = compare(sides(vec![bedrock(1, CENT - 1), bedrock(2, CENT)], vec![bedrock(1, 0), bedrock(2, 0)]));
    assert_eq!(causes(&cells)[0], (Cause::Rounding, CENT - 1));
    assert_ne!(causes(&cells)[1].0, Cause::Rounding);
    assert!(!has_findings(&cells), "a cent is not above a cent");
}

#[test]
fn tax_is_named_since_cost_explorer_files_it_elsewhere() {
    let bill = vec![bedrock(1, 100 * ONE), cost(1, "Amazon Bedrock", Record::Tax, 7 * ONE)];
    assert_eq!(causes(&compare(sides(bill, vec![bedrock(1, 100 * ONE)]))), [(Cause::Tax, 7 * ONE)]);
}

#[test]
fn records_that_both_sides_hold_in_different_amounts_stay_unexplained() {
    let side = |credit| vec![bedrock(1, 100 * ONE), cost(1, "Amazon Bedrock", Record::Credit, credit)];
    assert_eq!(causes(&compare(sides(side(-5 * ONE), side(-4 * ONE)))), [(Cause::Unexplained, -ONE)]);
}

#[test]
fn a_named_record_leaves_the_rest_of_its_cell_unexplained() {
    let bill = vec![bedrock(1, 103 * ONE), cost(1, "Amazon Bedrock", Record::Credit, -5 * ONE)];
    let cells = compare(sides(bill, vec![bedrock(1, 100 * ONE)]));
    assert_eq!(causes(&cells), [(Cause::Credit, -5 * ONE), (Cause::Unexplained, 3 * ONE)]);
    assert!(has_findings(&cells));
}

#[test]
fn a_day_that_is_not_complete_in_the_bill_explains_its_gap() {
    let mut sides = sides(vec![bedrock(1, ONE), bedrock(2, ONE)], vec![bedrock(1, 2 * ONE), bedrock(2, 2 * ONE)]);
    sides.days.insert(day(2), DayState { is_complete: false, ..DayState::settled() });
    assert_eq!(causes(&compare(sides)), [(Cause::Unexplained, -ONE), (Cause::Incomplete, -ONE)]);
}

#[test]
fn an_estimate_may_still_grow_but_not_shrink() {
    let estimated = |bill, explorer| {
        let mut sides = sides(vec![bedrock(1, bill)], vec![bedrock(1, explorer)]);
        sides.days.insert(day(1), DayState { is_estimated: true, ..DayState::settled() });
        causes(&compare(sides))
    };
    assert_eq!(estimated(3 * ONE, ONE), [(Cause::Incomplete, 2 * ONE)]);
    assert_eq!(estimated(ONE, 3 * ONE), [(Cause::Unexplained, -2 * ONE)]);
}

#[test]
fn a_service_that_is_missing_is_no_matter_of_estimates() {
    let mut sides =
        sides(vec![bedrock(1, ONE), cost(1, "Amazon Bedrock X", Record::Charge, ONE)], vec![bedrock(1, ONE)]);
    sides.days.insert(day(1), DayState { is_estimated: true, ..DayState::settled() });
    assert_eq!(causes(&compare(sides.clone())), [(Cause::NotInCostExplorer, ONE)]);
    // Unless the day is so fresh that the service may only not have arrived.
    sides.days.insert(day(1), DayState { is_estimated: true, is_fresh: true, ..DayState::settled() });
    assert_eq!(causes(&compare(sides)), [(Cause::Incomplete, ONE)]);
}

#[test]
fn a_claude_edition_that_the_bill_lacks_is_named_and_found() {
    let claude = cost(1, "Claude Opus 5 (Amazon Bedrock Edition)", Record::Charge, 9 * ONE);
    let cells = compare(sides(vec![bedrock(1, ONE)], vec![bedrock(1, ONE), claude]));
    assert_eq!(causes(&cells), [(Cause::NotInTheBill, -9 * ONE)]);
    assert!(has_findings(&cells));
}

#[test]
fn an_earlier_answer_shows_that_cost_explorer_restated() {
    let mut sides = sides(vec![bedrock(1, 5 * ONE)], vec![bedrock(1, 4 * ONE)]);
    let then = |amount| Earlier { asked: day(3), days: BTreeSet::from([day(1)]), costs: vec![bedrock(1, amount)] };
    sides.earlier = vec![then(6 * ONE)];
    assert_eq!(causes(&compare(sides.clone())), [(Cause::Unexplained, ONE)]);
    sides.earlier.push(then(5 * ONE));
    let cells = compare(sides);
    assert_eq!(causes(&cells), [(Cause::Restated, ONE)]);
    assert!(cells[0].gaps[0].because.contains("2026-11-03"));
}

#[test]
fn a_bill_that_changed_by_just_the_gap_was_restated() {
    let mut sides =
        sides(vec![bedrock(1, 5 * ONE), bedrock(2, 7 * ONE)], vec![bedrock(1, 4 * ONE), bedrock(2, 5 * ONE)]);
    let change = |amount| BillChange { period: "2026-11".into(), currency: "USD".into(), amount };
    sides.changes = vec![change(2 * ONE)];
    assert_eq!(causes(&compare(sides.clone())), [(Cause::Unexplained, ONE), (Cause::Unexplained, 2 * ONE)]);
    sides.changes = vec![change(3 * ONE)];
    assert_eq!(causes(&compare(sides)), [(Cause::Restated, ONE), (Cause::Restated, 2 * ONE)]);
}

#[test]
fn days_that_cancel_within_a_month_are_dated_differently() {
    let cells = compare(sides(vec![bedrock(1, 5 * ONE), bedrock(2, ONE)], vec![bedrock(1, ONE), bedrock(2, 5 * ONE)]));
    assert_eq!(causes(&cells), [(Cause::Dated, 4 * ONE), (Cause::Dated, -4 * ONE)]);
}

#[test]
fn currencies_are_never_compared_with_one_another() {
    let euro = Cost { currency: "EUR".into(), ..bedrock(1, ONE) };
    let cells = compare(sides(vec![euro], vec![bedrock(1, ONE)]));
    assert_eq!(causes(&cells), [(Cause::NotInCostExplorer, ONE), (Cause::NotInTheBill, -ONE)]);
}

#[test]
fn a_day_that_the_answer_lacks_is_incomplete_and_others_are_left_out() {
    let mut sides = sides(vec![bedrock(1, ONE), bedrock(31, ONE)], Vec::new());
    sides.days = BTreeMap::from([(day(1), DayState { is_answered: false, ..DayState::settled() })]);
    assert_eq!(causes(&compare(sides)), [(Cause::Incomplete, ONE)]);
}

#[test]
fn record_types_are_read_in_the_words_of_both_sides() {
    let pairs = [
        ("Enterprise Discount Program Discount", Record::Discount),
        ("EdpDiscount", Record::Discount),
        ("DiscountedUsage", Record::Charge),
        ("Usage", Record::Charge),
        ("Tax", Record::Tax),
        ("Credit", Record::Credit),
        ("Refund", Record::Refund),
        ("Savings Plan Covered Usage", Record::Charge),
        ("", Record::Charge),
    ];
    for (text, record) in pairs {
        assert_eq!(Record::of(text), record, "{text}");
    }
}

fn any_cost() -> impl Strategy<Value = Cost> {
    let service = prop::sample::select(vec![
        "Amazon Bedrock",
        "Amazon Bedrock AgentCore",
        "Claude Opus 5 (Amazon Bedrock Edition)",
        "Claude Haiku 4.5 (Amazon Bedrock Edition)",
    ]);
    let record = prop::sample::select(vec![Record::Charge, Record::Tax, Record::Credit, Record::Discount]);
    (1..40_i32, service, record, -3 * ONE..9 * ONE)
        .prop_map(|(at, service, record, amount)| cost(at, service, record, amount))
}

proptest! {
    #[test]
    fn gaps_add_up_to_the_difference_and_cells_to_the_sides(
        bill in prop::collection::vec(any_cost(), 0..40),
        explorer in prop::collection::vec(any_cost(), 0..40),
        is_estimated in any::<bool>(),
        change in -ONE..ONE,
    ) {
        let mut sides = sides(bill.clone(), explorer.clone());
        sides.days.insert(day(3), DayState { is_estimated, is_fresh: is_estimated, ..DayState::settled() });
        sides.changes = vec![BillChange { period: "2026-11".into(), currency: "USD".into(), amount: change }];
        let days = sides.days.clone();
        let sum = |costs: &[Cost]| costs.iter().filter(|cost| days.contains_key(&cost.day)).map(|cost| cost.amount).sum::<i128>();
        let cells = compare(sides);
        prop_assert_eq!(cells.iter().map(|cell| cell.bill).sum::<i128>(), sum(&bill));
        prop_assert_eq!(cells.iter().map(|cell| cell.explorer).sum::<i128>(), sum(&explorer));
        for cell in &cells {
            prop_assert_eq!(cell.gaps.iter().map(|gap| gap.amount).sum::<i128>(), cell.difference());
        }
    }
}
