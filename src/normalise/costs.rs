//! Cost rules: which category a line is, and its cost on each basis.
//!
//! `unblended` is the bill before private discounts. `billed` is net of them: the net column where
//! the period's lines carry it, with a null net meaning unblended, and discount lines then counting
//! nothing, since the net column holds them already; else unblended. `effective` is the amortised
//! cost by the rules that AWS's own cost dashboards use, on the billed basis.

use crate::money::{self, NotAnAmount};
use crate::sources::bill::columns::{AmountColumn, TextColumn};
use crate::sources::bill::lines::Lines;

/// The FOCUS charge category of a CUR line type.
///
/// Refunds and discounts are Adjustments, as is any line type that AWS may add: it keeps its money
/// and is counted as unknown.
pub fn category(line_type: &str) -> &'static str {
    match line_type {
        "Usage" | "DiscountedUsage" | "SavingsPlanCoveredUsage" | "SavingsPlanNegation" => "Usage",
        "Fee"
        | "RIFee"
        | "SavingsPlanUpfrontFee"
        | "SavingsPlanRecurringFee"
        | "FlatRateSubscription"
        | "FlateRateSubscription" => "Purchase",
        "Tax" => "Tax",
        "Credit" => "Credit",
        _ => "Adjustment",
    }
}

/// Whether AWS's list of line types has this one.
pub fn is_known_line_type(line_type: &str) -> bool {
    category(line_type) != "Adjustment" || line_type == "Refund" || is_discount(line_type)
}

/// Whether a line is a discount of its own: `EdpDiscount`, `PrivateRateDiscount`, `BundledDiscount`, …
pub fn is_discount(line_type: &str) -> bool {
    line_type.ends_with("Discount")
}

/// The costs of one line, units of 1e-10, before it is known whether the period carries net costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineCosts {
    /// Before private discounts.
    pub unblended: i128,
    /// After them, if the period carries net costs.
    pub net: i128,
    /// Amortised, if it does not.
    pub effective: i128,
    /// Amortised, if it does.
    pub effective_net: i128,
    /// Public price; unknown on Marketplace lines, where AWS prints 0.
    pub list: Option<i128>,
    /// Whether this line carries a net cost.
    pub carries_net: bool,
}

/// Why a line's cost cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadCost {
    /// The unblended cost is null.
    Missing,
    /// It, or another cost, is no amount.
    NotAnAmount(&'static str, NotAnAmount),
}

/// Costs below a ten-thousandth of a cent say nothing of their rate.
const NOISE: i128 = money::ONE / 1_000_000;

/// Whether a cost is what its amount costs at the bill's own rate, within what rounding can do: rates
/// are printed to ten places, so one is off by up to a unit of them, and some exports round further.
/// Signs are left out, since corrections turn amounts round.
pub fn fits_rate(cost: i128, amount: i128, rate: i128) -> bool {
    let (cost, amount, rate) = (cost.abs(), amount.abs(), rate.abs());
    // A free tier has a rate and costs nothing; a rate of nothing is a plan's or unknown.
    if cost == 0 || amount == 0 || rate == 0 {
        return true;
    }
    // Both in units of 1e-20, where the product of two amounts is whole.
    let (Some(expected), Some(found)) = (amount.checked_mul(rate), cost.checked_mul(money::ONE)) else { return true };
    let tolerance = expected / 100 + amount + NOISE * money::ONE;
    (found - expected).abs() <= tolerance
}

/// Reads the costs of a line.
pub fn read(lines: &Lines, row: usize, line_type: &str, marketplace: bool) -> Result<LineCosts, BadCost> {
    let amount = |column: AmountColumn, name: &'static str| {
        lines.amount(column, row).transpose().map_err(|error| BadCost::NotAnAmount(name, error))
    };
    let unblended = amount(AmountColumn::UnblendedCost, "line_item_unblended_cost")?.ok_or(BadCost::Missing)?;
    let net_cell = amount(AmountColumn::NetUnblendedCost, "line_item_net_unblended_cost")?;
    let discount = is_discount(line_type);
    let net = if discount { 0 } else { net_cell.unwrap_or(unblended) };
    let amortised = amortised(line_type, lines, row, &amount)?;
    let list = match line_type {
        _ if marketplace => None,
        "SavingsPlanNegation" => Some(0),
        _ => amount(AmountColumn::ListCost, "pricing_public_on_demand_cost")?,
    };
    Ok(LineCosts {
        unblended,
        net,
        effective: amortised.map_or(unblended, |(gross, _)| gross),
        effective_net: amortised.map_or(net, |(_, net)| net),
        list,
        carries_net: net_cell.is_some() && !discount,
    })
}

/// Amortised cost of commitment lines, gross and net; `None` for lines that cost what they cost.
fn amortised(
    line_type: &str,
    lines: &Lines,
    row: usize,
    amount: &dyn Fn(AmountColumn, &'static str) -> Result<Option<i128>, BadCost>,
) -> Result<Option<(i128, i128)>, BadCost> {
    let covered = |gross: Option<i128>, net: Option<i128>| gross.map(|gross| (gross, net.unwrap_or(gross)));
    Ok(match line_type {
        "SavingsPlanCoveredUsage" => covered(
            amount(AmountColumn::SavingsPlanEffective, "savings_plan_savings_plan_effective_cost")?,
            amount(AmountColumn::SavingsPlanNetEffective, "savings_plan_net_savings_plan_effective_cost")?,
        ),
        "DiscountedUsage" => covered(
            amount(AmountColumn::ReservationEffective, "reservation_effective_cost")?,
            amount(AmountColumn::ReservationNetEffective, "reservation_net_effective_cost")?,
        ),
        "SavingsPlanNegation" | "SavingsPlanUpfrontFee" => Some((0, 0)),
        "SavingsPlanRecurringFee" => {
            let total = amount(AmountColumn::CommitmentToDate, "savings_plan_total_commitment_to_date")?;
            let used = amount(AmountColumn::UsedCommitment, "savings_plan_used_commitment")?;
            total.map(|total| total - used.unwrap_or(0)).map(|unused| (unused, unused))
        }
        "RIFee" => {
            let upfront =
                amount(AmountColumn::UnusedUpfront, "reservation_unused_amortized_upfront_fee_for_billing_period")?;
            let recurring = amount(AmountColumn::UnusedRecurring, "reservation_unused_recurring_fee")?;
            (upfront.is_some() || recurring.is_some())
                .then(|| upfront.unwrap_or(0) + recurring.unwrap_or(0))
                .map(|unused| (unused, unused))
        }
        "Fee" if lines.text(TextColumn::ReservationArn, row).is_some() => Some((0, 0)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_type_has_a_category_and_unknown_ones_are_adjustments() {
        assert_eq!(category("Usage"), "Usage");
        assert_eq!(category("Fee"), "Purchase");
        assert_eq!(category("EdpDiscount"), "Adjustment");
        assert_eq!(category("BrandNewThing"), "Adjustment");
        assert!(!is_known_line_type("BrandNewThing") && is_known_line_type("SppDiscount"));
    }

    #[test]
    fn a_cost_fits_its_rate_within_rounding_and_not_by_a_thousand() {
        let amount = |text: &str| money::from_decimal_text(text).expect("an amount");
        let fits = |cost: &str, used: &str, rate: &str| fits_rate(amount(cost), amount(used), amount(rate));
        assert!(fits("0.011802", "196.7", "0.00006") && fits("-0.011802", "-196.7", "0.00006"));
        // 0.00875 a million tokens, billed by the token: the rate keeps two digits.
        assert!(fits("0.00875", "1000000", "0.0000000088"));
        assert!(fits("0.0000000006", "0.01", "0.00006"), "noise");
        assert!(fits("0", "1000", "0.00006") && fits("3", "1000", "0"));
        assert!(!fits("0.011802", "196700", "0.00006"), "tokens at the rate of a thousand");
        assert!(!fits("11.802", "196.7", "0.00006") && !fits("0.0236", "196.7", "0.00006"));
    }

    #[test]
    fn discounted_usage_is_no_discount() {
        assert!(!is_discount("DiscountedUsage") && is_discount("PrivateRateDiscount"));
    }
}
