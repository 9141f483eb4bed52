//! The daily report, in the order in which FinOps reads: is the day complete, what was spent against
//! what was expected, who moved, how much has no name, what does a unit cost, what is left to tag.

use std::collections::BTreeMap;

use super::document::{column, first_of_each, money, text};
use super::forecast::Outlook;
use super::{Document, Look, Table, forecast, trust, words};
use crate::alert::{Alerts, Finding};
use crate::audit::{self, Audit};
use crate::cli::By;
use crate::clock;
use crate::config::Config;
use crate::cores;
use crate::error::{Error, Result};
use crate::metrics::{Answer, Cell, Engine, Part, Range};
use crate::money;
use days::Days;

mod changed;
mod days;
pub mod digest;
mod figures;
mod spend;

pub use changed::since_last_run;

/// Movers shown.
const MOVERS: usize = 5;
/// Findings and debts shown in each currency; the commands of their own show all.
const SHOWN: usize = 10;

/// Everything that the sections read.
pub struct Facts<'a> {
    engine: &'a Engine,
    config: &'a Config,
    /// The last complete day, where there is one.
    day: Option<i32>,
    /// The month that the report is about.
    month: String,
    days: Days,
}

/// What the report says whatever was found: read side by side with what jumped.
pub struct Tables<'a> {
    facts: Facts<'a>,
    identity: Vec<String>,
    spend: Table,
    strip: Table,
    figures: Vec<Table>,
    methods: Table,
}

impl<'a> Tables<'a> {
    /// Reads the store.
    ///
    /// # Errors
    /// Where it cannot be read, or the user's own query of a name cannot be run.
    pub fn read(engine: &'a Engine, config: &'a Config, by: Option<By>) -> Result<Self> {
        let facts = Facts::read(engine, config)?;
        let month = facts.month.as_str();
        let (figures, of_month) = cores::both(
            || figures::tables(&facts),
            || {
                let spend = spend::table(&facts, by.unwrap_or(By::Workload))?;
                let (strip, methods) = (trust::strip(engine, config, month)?, trust::methods(engine, config, month)?);
                Ok::<_, Error>((spend, strip, methods, identity(engine, config, month)?))
            },
        );
        let (figures, (spend, strip, methods, identity)) = (figures?, of_month?);
        Ok(Self { facts, identity, spend, strip, figures, methods })
    }
}

/// The report.
///
/// # Errors
/// Where the store cannot be read.
pub fn report(tables: Tables<'_>, alerts: &Alerts, audit: &Audit, outlook: &Outlook) -> Result<Document> {
    let Tables { facts, identity, spend, strip, figures, methods } = tables;
    let engine = facts.engine;
    let mut document = Document { name: "report", title: title(&facts, alerts), blocks: Vec::new() };
    document.say(trust::completeness(engine));
    document.table(day_table(&facts));
    identity.into_iter().for_each(|line| document.say(line));
    document.blocks.extend(forecast::show::blocks(outlook, &facts.basis()));
    if let Some((sentence, table)) = since_last_run(engine)? {
        document.say(sentence);
        if !table.rows.is_empty() {
            document.table(table);
        }
    }
    document.table(strip);
    document.table(movers(&facts));
    document.table(findings(alerts));
    document.table(spend);
    figures.into_iter().for_each(|table| document.table(table));
    document.table(debt(audit));
    document.table(methods);
    document.table(trust::inputs(engine));
    Ok(document)
}

impl<'a> Facts<'a> {
    fn read(engine: &'a Engine, config: &'a Config) -> Result<Self> {
        let day = engine.last_complete_day();
        let last = engine.records.last().map(|record| record.period.clone());
        let month = day.map(clock::month_of).or(last).unwrap_or_default();
        let days = Days::read(engine, config, day)?;
        Ok(Self { engine, config, day, month, days })
    }

    /// The days of the month up to the last complete one; none where there is none.
    fn month_to_date(&self) -> Option<(i32, i32)> {
        let (first, next) = clock::month_range(&self.month)?;
        self.day.map(|last| (first, last.min(next - 1)))
    }

    /// A figure by day, of the month to date at least.
    fn figure(&self, name: &str) -> Result<Answer> {
        let range = self.engine.range;
        let within = self.month_to_date().map_or(range, |(first, last)| Range {
            from: Some(range.from.map_or(first, |from| from.max(first))),
            to: Some(range.to.map_or(last, |to| to.min(last))),
        });
        self.engine.figure(name, self.config, within)
    }

    /// The cost basis of totals and spend, in words.
    fn basis(&self) -> String {
        self.engine.basis("billed_cost")
    }

    /// Whether a day is stored.
    fn is_stored(&self, day: i32) -> bool {
        self.engine.days.iter().any(|stored| stored.day == day)
    }
}

/// The month, or how far into it the range goes.
fn span(engine: &Engine, month: &str) -> String {
    let end = clock::month_range(month).map_or(i32::MAX, |(_, next)| next - 1);
    match engine.range.to.filter(|to| *to < end) {
        Some(to) => format!("{month} to {}", clock::day_text(to)),
        None => month.to_string(),
    }
}

fn title(facts: &Facts<'_>, alerts: &Alerts) -> String {
    // The worst of all that is listed below, whichever day it is of: findings come most severe first.
    let worst = alerts.findings.first().map(|finding| finding.severity.as_str().to_uppercase());
    let status = match worst {
        _ if facts.day.is_none() => "NO COMPLETE DAY".into(),
        Some(worst) => worst,
        None => "OK".into(),
    };
    let day = facts.day.map_or_else(|| "no complete day".into(), clock::day_text);
    format!("{status}: Amazon Bedrock spend, {day} UTC (as of {})", clock::instant_text(facts.engine.as_of))
}

/// The last complete day against the day before and the same weekday; the month against the same days before.
fn day_table(facts: &Facts<'_>) -> Table {
    let columns = vec![
        column("billing_currency", "", Look::Plain),
        column("day", "Day", Look::Plain),
        column("usage_cost", "Usage", Look::Money),
        column("change", "To day before", Look::Change),
        column("weekday_mean", "Same weekday, mean of 4", Look::Money),
        column("month_cost", "Month to date", Look::Money),
        column("previous_same_days", "Same days before", Look::Money),
    ];
    let basis = facts.basis();
    let note = format!("Usage is unblended cost of Usage; the month is {basis} of all daily lines up to that day");
    let mut table = Table::new("day", "The day", note, columns);
    let Some(day) = facts.day else { return table };
    let weeks: Vec<i32> = (1..=4).map(|week| day - 7 * week).filter(|day| facts.is_stored(*day)).collect();
    let (first, _) = clock::month_range(&facts.month).unwrap_or((day, day));
    let (previous_first, _) = clock::month_range(&clock::month_of(first - 1)).unwrap_or((first, first));
    let same_days = previous_first..=(previous_first + (day - first)).min(first - 1);
    let known = |is_known: bool, units: i128| if is_known { money(units) } else { Cell::Null };
    for currency in facts.days.currencies() {
        let today = facts.days.sum(currency, |known| known == day).usage;
        let before = facts.days.sum(currency, |known| known == day - 1).usage;
        let weekdays = facts.days.sum(currency, |known| weeks.contains(&known)).usage;
        table.rows.push(vec![
            text(currency),
            Cell::Day(day),
            money(today),
            known(facts.is_stored(day - 1), today - before),
            known(weeks.len() == 4, weekdays / 4),
            money(facts.days.sum(currency, |known| (first..=day).contains(&known)).cost),
            known(
                facts.is_stored(*same_days.start()),
                facts.days.sum(currency, |known| same_days.contains(&known)).cost,
            ),
        ]);
    }
    table
}

/// One line for each currency that adds up: the categories are the bill.
///
/// # Errors
/// Where the store cannot be read.
pub fn identity(engine: &Engine, config: &Config, month: &str) -> Result<Vec<String>> {
    let span = span(engine, month);
    let bill = engine.run_named_part("bill_identity", config, Part::Billed(month, month))?;
    let names = ["usage_cost", "purchase_cost", "tax_cost", "credit_cost", "adjustment_cost", "other_cost"];
    let mut lines = Vec::new();
    for row in bill.rows.iter().filter(|row| bill.text(row, "month") == month) {
        let parts = names.map(|name| bill.amount(row, name).unwrap_or(0));
        let Some(total) = bill.amount(row, "cost") else {
            lines.push(format!("{}: the bill has no {}.", month, engine.basis("billed_cost")));
            continue;
        };
        let shown = cents_that_add_up(&parts, total);
        let mut words: Vec<String> = ["Usage", "Purchase", "Tax", "Credit", "Adjustment"]
            .iter()
            .zip(&shown)
            .map(|(name, amount)| format!("{name} {}", words::amount(*amount)))
            .collect();
        if parts[5] != 0 {
            words.push(format!("Other {}", words::amount(shown[5])));
        }
        let currency = bill.text(row, "billing_currency");
        lines.push(format!(
            "{}: {} = {} {}, the bill ({}).",
            span,
            words.join(" + "),
            words::amount(total),
            words::currency(&currency),
            engine.basis("billed_cost")
        ));
    }
    Ok(lines)
}

/// Amounts in whole cents that sum to the rounded total: what rounding leaves goes to the largest remainders.
fn cents_that_add_up(parts: &[i128], total: i128) -> Vec<i128> {
    let cent = money::ONE / 100;
    let rounded = |amount: i128| money::to_whole(amount.saturating_mul(100));
    let mut cents: Vec<i128> = parts.iter().map(|part| part.div_euclid(cent)).collect();
    let left = rounded(total) - cents.iter().sum::<i128>();
    let mut order: Vec<usize> = (0..parts.len()).filter(|at| parts[*at].rem_euclid(cent) > 0).collect();
    order.sort_by_key(|at| std::cmp::Reverse(parts[*at].rem_euclid(cent)));
    for at in order.into_iter().take(left.max(0) as usize) {
        cents[at] += 1;
    }
    cents.into_iter().map(|cents| cents * cent).collect()
}

/// The workloads whose usage moved most against the day before.
fn movers(facts: &Facts<'_>) -> Table {
    let columns = vec![
        column("change", "Change", Look::Change),
        column("cost", "Day", Look::Money),
        column("previous_cost", "Day before", Look::Money),
        column("billing_currency", "", Look::Plain),
        column("workload", "Workload", Look::Plain),
    ];
    let mut table = Table::new("movers", "Movers", "unblended cost of Usage, against the day before", columns);
    if !facts.day.is_some_and(|day| facts.is_stored(day - 1)) {
        return table;
    }
    let mut moved: Vec<_> = facts.days.moved.iter().filter(|(_, (cost, before))| cost != before).collect();
    moved.sort_by_key(|([currency, ..], (cost, before))| (currency, std::cmp::Reverse((cost - before).abs())));
    let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
    for ([currency, _, workload], (cost, before)) in moved {
        let count = shown.entry(currency).or_default();
        *count += 1;
        if *count <= MOVERS {
            table.rows.push(vec![money(cost - before), money(*cost), money(*before), text(currency), text(workload)]);
        }
    }
    table
}

fn findings(alerts: &Alerts) -> Table {
    let columns = vec![
        column("severity", "", Look::Plain),
        column("day", "Day", Look::Plain),
        column("workload", "Workload", Look::Plain),
        column("owner", "Owner", Look::Plain),
        column("rule", "Rule", Look::Plain),
        column("increase", "Increase", Look::Change),
        column("billing_currency", "", Look::Plain),
        column("what", "What", Look::Plain),
    ];
    let span = alerts.from.zip(alerts.to);
    let mut note =
        span.map_or(String::new(), |(from, to)| format!("{} to {}", clock::day_text(from), clock::day_text(to)));
    let shown = first_of_each(&alerts.findings, SHOWN, |finding| &finding.currency);
    let hidden = alerts.findings.len() - shown.len();
    if alerts.is_part {
        note.push_str("; earlier days with `billtag alert --from DATE`");
    }
    if hidden > 0 {
        note.push_str(&format!("; {hidden} more in `billtag alert`"));
    }
    let mut table = Table::new("anomalies", "Anomalies", note, columns);
    for finding in shown {
        table.rows.push(finding_cells(finding));
    }
    table
}

/// A finding as reports list it: severity, day, whose, owner, rule, increase, currency, sentence.
pub fn finding_cells(finding: &Finding) -> Vec<Cell> {
    vec![
        text(finding.severity.as_str()),
        Cell::Day(finding.day),
        text(finding.scope.words()),
        text(finding.owner_text()),
        text(finding.rule()),
        money(finding.increase),
        text(&finding.currency),
        text(finding.sentence()),
    ]
}

fn debt(audit: &Audit) -> Table {
    let columns = vec![
        column("cost", "Not compliant", Look::Money),
        column("billing_currency", "", Look::Plain),
        column("carrier", "What", Look::Plain),
        column("id", "Id", Look::Plain),
        column("faults", "Fault", Look::Plain),
    ];
    let window = audit.window.map(|(from, to)| {
        format!("{} to {}, billed cost; `billtag audit` has the fixes", clock::day_text(from), clock::day_text(to))
    });
    let mut table = Table::new("tag_debt", "Tag debt", window.unwrap_or_default(), columns);
    let wrong = audit.items.iter().filter(|item| item.is_debt());
    for item in first_of_each(wrong, SHOWN, |item| &item.currency) {
        table.rows.push(vec![
            money(item.days.debt()),
            text(&item.currency),
            text(item.carrier.name()),
            text(&item.id),
            text(audit::faults(item)),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_cents_add_up_to_the_shown_total() {
        let cent = money::ONE / 100;
        let parts = [cent / 3, cent / 3, cent / 3 + 1, -cent / 2, 10 * cent];
        let total: i128 = parts.iter().sum();
        let shown = cents_that_add_up(&parts, total);
        assert_eq!(shown.iter().sum::<i128>(), money::to_whole(total * 100) * cent);
        for (shown, part) in shown.iter().zip(parts) {
            assert!((shown - part).abs() < cent, "{shown} {part}");
        }
    }
}
