//! Budgets: how much of a month's budget is spent, how much will be, and on which day it is crossed.

use super::document::{column, money, text};
use super::forecast::{self, Course, Part};
use super::{Look, Table, words};
use crate::clock;
use crate::config::Config;
use crate::config::budgets::Budget;
use crate::error::Result;
use crate::metrics::{Cell, Engine};

/// A budget in a month.
#[derive(Debug, Clone)]
pub struct Burn {
    /// What it is for, in words.
    pub scope: String,
    /// The month.
    pub month: String,
    /// Currency.
    pub currency: String,
    /// The budget, units of 1e-10.
    pub amount: i128,
    /// What is billed, and what the month will have cost.
    pub course: Course,
}

impl Burn {
    /// Whether more is billed than the budget.
    pub fn is_crossed(&self) -> bool {
        self.course.outcome.billed > self.amount
    }

    /// The day on which it was or will be crossed; none where it is expected to last.
    pub fn crossed_on(&self) -> Option<i32> {
        // A credit may bring it back, so that the last crossing counts.
        let ends_above = self.course.days.last().is_some_and(|(_, sum)| *sum > self.amount);
        let below = self.course.days.iter().rposition(|(_, sum)| *sum <= self.amount);
        let first = below.map_or(0, |at| at + 1);
        self.course.days.get(first).filter(|_| ends_above).map(|(day, _)| *day)
    }

    /// `crossed`, `will be crossed`, `may be crossed`, `within`, or `unknown` where nothing stored is of it.
    pub fn state(&self) -> &'static str {
        let exceeds = |units: i128| units > self.amount;
        match self.course.outcome.end {
            _ if !self.course.is_known => "unknown",
            _ if self.is_crossed() => "crossed",
            Some(end) if exceeds(end.middle) => "will be crossed",
            Some(end) if exceeds(end.high) => "may be crossed",
            _ => "within",
        }
    }
}

/// The budgets of the months that are shown, and those that name a month.
///
/// # Errors
/// Where the store cannot be read.
pub fn burns(engine: &Engine, config: &Config) -> Result<Vec<Burn>> {
    let leading = forecast::leading(engine);
    let mut burns = Vec::new();
    for budget in &config.budget {
        let months = budget.month.as_ref().map_or(leading.as_slice(), std::slice::from_ref);
        for month in months {
            burns.push(burn(engine, budget, month)?);
        }
    }
    Ok(burns)
}

fn burn(engine: &Engine, budget: &Budget, month: &str) -> Result<Burn> {
    let (scope, part) = match budget.scope() {
        Some((column, value)) => {
            let shown = if column == "sub_account_id" { "account".into() } else { column.replace('_', " ") };
            (format!("{shown} {value}"), Part { column, value: Some(value) })
        }
        None => ("all".to_string(), Part { column: "billing_currency", value: None }),
    };
    let course = forecast::course(engine, part, month, &budget.currency)?;
    let (month, currency) = (month.to_string(), budget.currency.clone());
    Ok(Burn { scope, month, currency, amount: budget.amount, course })
}

/// Budgets, the most used first.
pub fn table(burns: &[Burn], basis: &str) -> Table {
    let columns = vec![
        column("state", "", Look::Plain),
        column("scope", "Budget", Look::Plain),
        column("month", "Month", Look::Plain),
        column("billing_currency", "", Look::Plain),
        column("amount", "Amount", Look::Money),
        column("spent", "Spent", Look::Money),
        column("share_used", "Used", Look::Percent),
        column("forecast", "Month's end", Look::Money),
        column("left", "Left at its end", Look::Change),
        column("crossed_on", "Crossed on", Look::Plain),
    ];
    let note = format!("{basis}, all charges; the day of a crossing to come follows from the expected costs");
    let mut table = Table::new("budgets", "Budgets", note, columns);
    let mut shown: Vec<&Burn> = burns.iter().collect();
    let used = |burn: &Burn| words::share(burn.course.outcome.billed, burn.amount).unwrap_or(0.0);
    shown.sort_by(|a, b| used(b).total_cmp(&used(a)).then_with(|| (&a.scope, &a.month).cmp(&(&b.scope, &b.month))));
    for burn in shown {
        let outcome = &burn.course.outcome;
        let end = outcome.end.filter(|_| burn.course.is_known);
        let known = |cell: Cell| if burn.course.is_known { cell } else { Cell::Null };
        table.rows.push(vec![
            text(burn.state()),
            text(&burn.scope),
            text(&burn.month),
            text(&burn.currency),
            money(burn.amount),
            known(money(outcome.billed)),
            known(Cell::Float(used(burn))),
            end.map_or(Cell::Null, |end| money(end.middle)),
            end.map_or(Cell::Null, |end| money(burn.amount - end.middle)),
            burn.crossed_on().map_or(Cell::Null, Cell::Day),
        ]);
    }
    table
}

/// One sentence for each budget that nothing stored is of: it would be kept for ever.
pub fn unmatched(burns: &[Burn]) -> Vec<String> {
    let unmatched = burns.iter().filter(|burn| !burn.course.is_known);
    let sentence = |burn: &Burn| {
        let Burn { scope, month, currency, .. } = burn;
        format!(
            "The budget for {scope} in {month}, {currency}, is of nothing that is stored: check its name, month and currency."
        )
    };
    unmatched.map(sentence).collect()
}

/// One sentence for each budget that is crossed.
pub fn crossed(burns: &[Burn]) -> Vec<String> {
    let crossed = burns.iter().filter(|burn| burn.is_crossed());
    let sentence = |burn: &Burn| {
        let on = burn.crossed_on().map_or(String::new(), |day| format!(" on {}", clock::day_text(day)));
        let spent = words::amount(burn.course.outcome.billed);
        format!(
            "The budget of {} {} for {} in {} was crossed{on}: {spent} is billed.",
            words::amount(burn.amount),
            burn.currency,
            burn.scope,
            burn.month
        )
    };
    crossed.map(sentence).collect()
}
