//! Reconciliation: the bill's lines, the charges, the facts and the figures beside one another. Differences are
//! formulas, and 0.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rust_xlsxwriter::utility::row_col_to_cell;

use super::book::{HEADER, Page, Role, Styles, failed};
use super::cell::{self, Kind};
use super::figure::{self, Figure, Plan};
use super::totals::{Condition, Key, Ranges, Sum};
use crate::clock;
use crate::error::Result;
use crate::metrics::queries::Query;
use crate::metrics::{Cell, Engine, Grid};
use crate::money;
use crate::reconcile::Reconciliation;
use crate::report::document::{money as amount, text};
use crate::report::words;
use crate::schema::AMOUNTS;

/// The steps between a bill and its figures, whose sums the store holds.
const STEPS: [&str; 3] = ["charges", "cost_facts", "cost_daily"];

/// The money column of totals.
const TOTAL: &str = "billed_cost";
/// Columns that have totals.
const SUMMED: [&str; 4] = ["bill_lines", "charges", "cost_facts", "cost_daily"];

/// The bill, step by step, for each period, account, currency and money column, with totals of what was billed; and what
/// formulas elsewhere need to know of it.
///
/// # Errors
/// Where the store cannot be read.
pub fn steps<'a>(engine: &Engine, styles: &'a Styles) -> Result<(Page<'a>, Steps)> {
    let grid = step_rows(engine)?;
    let formula = |row: usize, column: usize, at: u32| difference(&grid, row, column, at);
    let plan = Plan {
        figure: "reconciliation",
        title: "Reconciliation: is every step from the bill to the figures the same money?".into(),
        notes: [
            "Whole periods, as stored. Bill lines: what was selected while the bill was read; the others: sums of the \
             store's tables. Each difference is a formula and is 0, or nothing would have been written."
                .into(),
            "All ten places are shown. list_cost is unknown where AWS prints none: the last column counts the charges \
             that are in no sum of theirs."
                .into(),
        ],
        is_exact: true,
        formula: Some(&formula),
        ..Plan::default()
    };
    let mut page = Page::new("Reconciliation", styles)?;
    let figure = figure::write(&mut page, &grid, &plan)?;
    let steps = Steps { ranges: figure.ranges, by_key: billed(&grid) };
    let below = HEADER + 2 + grid.rows.len() as u32;
    step_totals(&mut page, &steps, below)?;
    if !steps.by_key.is_empty() {
        page.print(below + steps.by_key.len() as u32, grid.columns.len())?;
    }
    Ok((page, steps))
}

/// What was billed, step by step.
pub struct Steps {
    /// Cells of the sheet.
    ranges: Ranges,
    /// Sums by month and currency.
    by_key: BTreeMap<Key, [Sum; 4]>,
}

impl Steps {
    /// The currencies, and what was billed in each over all periods.
    pub fn by_currency(&self) -> BTreeMap<Key, [Sum; 4]> {
        let mut sums: BTreeMap<Key, [Sum; 4]> = BTreeMap::new();
        for (key, parts) in &self.by_key {
            let held = sums.entry(Key { month: None, currency: key.currency.clone() }).or_default();
            held.iter_mut().zip(parts).for_each(|(held, part)| held.merge(part));
        }
        sums
    }

    /// The formula of a step, with what it comes to; nothing where no formula can say it.
    pub fn formula(&self, key: &Key, sums: &[Sum; 4], step: usize) -> Option<(String, f64)> {
        let text = self.ranges.sum(SUMMED[step], key, &[Condition::Is("money_column", TOTAL)])?;
        Some((format!("=ROUND({text},{})", sums[step].places()), sums[step].result()))
    }
}

fn billed(grid: &Grid) -> BTreeMap<Key, [Sum; 4]> {
    let mut by_key: BTreeMap<Key, [Sum; 4]> = BTreeMap::new();
    for row in grid.rows.iter().filter(|row| grid.text(row, "money_column") == TOTAL) {
        let Some((first, _)) = clock::month_range(&grid.text(row, "month")) else { continue };
        let key = Key { month: Some(Reverse(first)), currency: Some(grid.text(row, "billing_currency")) };
        let held = by_key.entry(key).or_default();
        for (held, name) in held.iter_mut().zip(SUMMED) {
            grid.amount(row, name).into_iter().for_each(|units| held.add(units));
        }
    }
    by_key
}

/// Totals of what was billed, by month and currency, below the rows.
fn step_totals(page: &mut Page<'_>, steps: &Steps, first: u32) -> Result<()> {
    let style = page.styles.total(Kind::Exact);
    let at = |row: u32, column: usize| row_col_to_cell(row, column as u16);
    for (row, (key, sums)) in (first..).zip(&steps.by_key) {
        let month = key.month.and_then(|month| cell::serial(month.0)).unwrap_or_default();
        page.sheet.write_number_with_format(row, 0, month, page.styles.total(Kind::Month)).map_err(failed)?;
        page.say(row, 1, "Total", Role::Label)?;
        page.write(row, 2, cell::Content::Text(cell::safe(key.currency.as_deref().unwrap_or_default())))?;
        page.write(row, 3, cell::Content::Text(TOTAL.into()))?;
        let formulas: Option<Vec<(String, f64)>> = (0..4).map(|step| steps.formula(key, sums, step)).collect();
        for (step, (text, result)) in formulas.iter().flatten().enumerate() {
            page.formula(row, 4 + step as u16, text, Some(*result), style)?;
        }
        for step in (0..3).filter(|_| formulas.is_some()) {
            let places = sums[step].places().min(sums[step + 1].places());
            let text = format!("=ROUND({}-{},{places})", at(row, step + 5), at(row, step + 4));
            let result = cell::nearest(sums[step + 1].units - sums[step].units);
            page.formula(row, 8 + step as u16, &text, Some(result), style)?;
        }
    }
    Ok(())
}

fn step_rows(engine: &Engine) -> Result<Grid> {
    let mut sums: [BTreeMap<[String; 3], Vec<[Cell; 2]>>; 3] = Default::default();
    for (held, step) in sums.iter_mut().zip(STEPS) {
        let sums = AMOUNTS[1..].iter().map(|name| {
            format!("sum({name}) as {name}, sum(case when {name} is null then 1 else 0 end) as {name}_unknown")
        });
        let columns = sums.collect::<Vec<_>>().join(", ");
        let sql =
            format!("select billing_period, sub_account_id, billing_currency, {columns} from {step} group by 1, 2, 3");
        let answer = engine.run(&Query { name: format!("sums of {step}"), sql })?;
        for row in &answer.rows {
            let key = ["billing_period", "sub_account_id", "billing_currency"].map(|name| answer.text(row, name));
            let cells =
                |name: &str| [answer.cell(row, name), answer.cell(row, &format!("{name}_unknown"))].map(Cell::clone);
            held.insert(key, AMOUNTS[1..].iter().map(|name| cells(name)).collect());
        }
    }
    let columns = ["month", "account", "billing_currency", "money_column", "bill_lines", "charges", "cost_facts"];
    let differences = ["charges_less_bill_lines", "cost_facts_less_charges", "cost_daily_less_cost_facts"];
    let columns = columns.into_iter().chain(["cost_daily"]).chain(differences).chain(["charges_without_it"]);
    let mut grid = Grid { columns: columns.map(String::from).collect(), rows: Vec::new() };
    for record in engine.records.iter().rev() {
        for ((account, currency), amounts) in &record.totals.0 {
            let key = [record.period.clone(), account.clone(), currency.clone()];
            for (at, name) in AMOUNTS.iter().enumerate().skip(1) {
                let mut row = step_row(&key, name, amounts[at], |step| {
                    sums[step].get(&key).map_or(0, |cells| cells[at - 1][0].value().amount().unwrap_or(0))
                });
                row.push(sums[0].get(&key).map_or(Cell::Null, |cells| cells[at - 1][1].clone()));
                grid.rows.push(row);
            }
        }
    }
    Ok(grid)
}

fn step_row(key: &[String; 3], column: &str, billed: Option<i128>, stored: impl Fn(usize) -> i128) -> Vec<Cell> {
    let [period, account, currency] = key;
    let mut row = vec![text(period), text(account), text(words::currency(currency)), text(column)];
    let Some(billed) = billed else {
        row.extend([(); 7].map(|()| Cell::Null));
        return row;
    };
    let steps = [billed, stored(0), stored(1), stored(2)];
    row.extend(steps.map(amount));
    row.extend([0, 1, 2].map(|at| amount(steps[at + 1] - steps[at])));
    row
}

/// The difference of two cells four columns to the left.
fn difference(grid: &Grid, row: usize, column: usize, at: u32) -> Option<String> {
    let (first, cell) = (8, grid.rows.get(row)?.get(column)?);
    ((first..first + 3).contains(&column) && *cell != Cell::Null).then(|| {
        let [later, earlier] = [column - 3, column - 4].map(|column| row_col_to_cell(at, column as u16));
        format!("=ROUND({later}-{earlier},10)")
    })
}

/// Facts as checks look at them.
struct Fact {
    period: String,
    currency: String,
    is_daily: bool,
    category: String,
    is_nameless: bool,
    is_routed: bool,
    tier: String,
    kind: String,
    /// Cost on the figures' basis, unblended cost, and tokens.
    amounts: [i128; 3],
}

/// What a figure's column has to come to.
struct Check {
    figure: &'static str,
    column: &'static str,
    by_month: bool,
    amount: Amount,
    holds: fn(&Fact) -> bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Amount {
    Cost,
    Unblended,
    /// Unblended, or the basis that was asked for.
    Unit,
    Tokens,
}

fn checks() -> Vec<Check> {
    use Amount::{Cost, Tokens, Unblended, Unit};
    let check = |figure, column, by_month, amount, holds| Check { figure, column, by_month, amount, holds };
    vec![
        check("spend_by_workload", "cost", true, Cost, |_| true),
        check("spend_by_team", "cost", true, Cost, |_| true),
        check("spend_by_cost_center", "cost", true, Cost, |_| true),
        check("bill_identity", "cost", true, Cost, |_| true),
        check("attribution_methods", "cost", true, Cost, |_| true),
        check("allocation_coverage", "cost", true, Cost, |fact| {
            ["Usage", "Purchase"].contains(&fact.category.as_str())
        }),
        check("showback", "cost", true, Cost, |_| true),
        check("unattributed", "cost", true, Cost, |fact| fact.is_nameless),
        check("daily_spend", "cost", false, Cost, |fact| fact.is_daily),
        check("daily_spend", "usage_cost", false, Unblended, Fact::is_usage),
        check("spend_by_model_tier", "cost", false, Cost, |fact| fact.is_usage() && !fact.is_routed),
        check("spend_by_model_tier", "tokens", false, Tokens, |fact| fact.is_usage() && !fact.is_routed),
        check("haiku_sonnet_ratio", "haiku_cost", false, Cost, |fact| fact.is_of("haiku")),
        check("haiku_sonnet_ratio", "sonnet_cost", false, Cost, |fact| fact.is_of("sonnet")),
        check("cost_per_query", "cost_total", false, Unit, Fact::is_usage),
        check("token_volume", "tokens", false, Tokens, Fact::is_usage),
        check("cache_hit_rate", "cache_read_tokens", false, Tokens, |fact| {
            fact.is_usage() && fact.kind == "cache_read"
        }),
        check("cache_hit_rate", "cache_write_tokens", false, Tokens, |fact| {
            fact.is_usage() && fact.kind == "cache_write"
        }),
        check("cache_hit_rate", "input_tokens", false, Tokens, |fact| fact.is_usage() && fact.kind == "input"),
    ]
}

impl Fact {
    fn is_usage(&self) -> bool {
        self.is_daily && self.category == "Usage"
    }

    fn is_of(&self, tier: &str) -> bool {
        self.is_usage() && !self.is_routed && self.tier == tier
    }
}

/// Lines by what checks ask of them. Batch is a kind of its own: real-time figures leave it out.
const FACTS: &str = "\
    with lines as (select billing_period, billing_currency, charge_category, \
    case when grain <> 'month' then 1 else 0 end as is_daily, case when workload is null then 1 else 0 end as is_nameless, \
    case when is_router then 1 else 0 end as is_routed, \
    case when publisher_name = 'Anthropic' then coalesce(model_tier, '') else '' end as tier, \
    case when coalesce(pricing_model, '') = 'batch' then 'batch' else coalesce(usage_kind, '') end as kind, \
    billed_cost, unblended_cost, case when consumed_unit = 'tokens' then consumed_quantity end as tokens \
    from cost_daily cross join params where day between params.\"from\" and params.\"to\") \
    select billing_period, billing_currency, charge_category, is_daily, is_nameless, is_routed, tier, kind, \
    sum(billed_cost) as billed_cost, sum(unblended_cost) as unblended_cost, sum(tokens) as tokens from lines \
    group by billing_period, billing_currency, charge_category, is_daily, is_nameless, is_routed, tier, kind";

fn facts(engine: &Engine, basis: &str) -> Result<Vec<Fact>> {
    let answer = engine.run(&Query { name: "facts".into(), sql: format!("-- cost: {basis}\n{FACTS}") })?;
    let fact = |row: &Vec<Cell>| {
        let text = |name: &str| answer.text(row, name);
        Fact {
            period: text("billing_period"),
            currency: text("billing_currency"),
            is_daily: text("is_daily") == "1",
            category: text("charge_category"),
            is_nameless: text("is_nameless") == "1",
            is_routed: text("is_routed") == "1",
            tier: text("tier"),
            kind: text("kind"),
            amounts: ["billed_cost", "unblended_cost", "tokens"].map(|name| answer.amount(row, name).unwrap_or(0)),
        }
    };
    Ok(answer.rows.iter().map(fact).collect())
}

/// Every total of the figures beside what the facts come to.
///
/// # Errors
/// Where the store cannot be read.
pub fn figures<'a>(engine: &Engine, figures: &BTreeMap<&str, Figure>, styles: &'a Styles) -> Result<Page<'a>> {
    let of_basis = [facts(engine, "billed_cost")?, facts(engine, "unblended_cost")?];
    let columns = ["figure", "column", "month", "billing_currency", "in_the_sheet", "in_the_facts", "difference"];
    let mut grid = Grid { columns: columns.map(String::from).to_vec(), rows: Vec::new() };
    let mut formulas: Vec<(String, i8)> = Vec::new();
    for check in checks() {
        let Some(figure) = figures.get(check.figure).filter(|figure| figure.is_whole) else { continue };
        for (key, sum) in sums(figure, &check) {
            let Some(formula) = figure.ranges.sum(check.column, &key, &[]) else { continue };
            let expected = expected(&of_basis, &check, &key);
            formulas.push((format!("=ROUND({formula},{})", sum.places()), sum.places()));
            grid.rows.push(vec![
                text(figure::heading(check.figure)),
                text(check.column),
                key.month.map_or(Cell::Null, |month| text(clock::month_of(month.0))),
                key.currency.as_deref().map_or(Cell::Null, |currency| text(words::currency(currency))),
                amount(sum.rounded()),
                amount(expected),
                amount(sum.units - expected),
            ]);
        }
    }
    let formula = |row: usize, column: usize, at: u32| {
        let (sum, places) = formulas.get(row)?;
        // Where doubles are sure of fewer places, the last of them is not compared.
        let compared = if *places == money::SCALE { *places } else { places - 1 };
        match column {
            4 => Some(sum.clone()),
            6 => Some(format!("=ROUND({}-{},{compared})", row_col_to_cell(at, 4), row_col_to_cell(at, 5))),
            _ => None,
        }
    };
    let plan = Plan {
        figure: "totals",
        title: "Totals: does every figure come to what the facts come to?".into(),
        notes: [
            "In the sheet: a formula over the figure's own cells. In the facts: the exact sum of the store's lines. \
             Each difference is a formula."
                .into(),
            "Sums of doubles are rounded to the places that they are sure of, two at least. Tokens have no currency."
                .into(),
        ],
        is_exact: true,
        formula: Some(&formula),
        ..Plan::default()
    };
    let mut page = Page::new("Totals", styles)?;
    figure::write(&mut page, &grid, &plan)?;
    Ok(page)
}

/// What a figure's column comes to; figures by day over all their days, by whatever rows they are shown.
fn sums(figure: &Figure, check: &Check) -> BTreeMap<Key, Sum> {
    let mut sums: BTreeMap<Key, Sum> = BTreeMap::new();
    // A figure by day that was folded has months, whose sum is wanted over all of them, and of rows without one too.
    let is_its = |key: &&Key| !check.by_month || !figure.sums.is_by_month || key.month.is_some();
    for key in figure.sums.by_key.keys().filter(is_its) {
        let Some(sum) = figure.sum(key, check.column) else { continue };
        let month = key.month.filter(|_| check.by_month);
        sums.entry(Key { month, currency: key.currency.clone() }).or_default().merge(&sum);
    }
    sums
}

fn expected([plain, unit]: &[Vec<Fact>; 2], check: &Check, key: &Key) -> i128 {
    let (facts, at) = match check.amount {
        Amount::Cost => (plain, 0),
        Amount::Unblended => (plain, 1),
        Amount::Unit => (unit, 1),
        Amount::Tokens => (plain, 2),
    };
    let month = key.month.map(|month| clock::month_of(month.0));
    let is_its = |fact: &&Fact| {
        (check.holds)(fact)
            && month.as_ref().is_none_or(|month| fact.period == *month)
            && key.currency.as_ref().is_none_or(|currency| fact.currency == *currency)
    };
    facts.iter().filter(is_its).map(|fact| fact.amounts[at]).sum()
}

/// What Cost Explorer said when it was last asked, beside the bill; nothing where nothing is kept.
///
/// # Errors
/// Where the sheet ends.
pub fn explorer<'a>(kept: Option<&(i32, Reconciliation)>, styles: &'a Styles) -> Result<Option<Page<'a>>> {
    let Some((asked, result)) = kept else { return Ok(None) };
    let Some(cells) = &result.spend else { return Ok(None) };
    let columns = ["day", "service", "billing_currency", "bill_cost", "cost_explorer_cost", "difference"];
    let columns = columns.into_iter().chain(["is_estimated", "cause", "because"]);
    let row = |cell: &crate::reconcile::spend::Cell| {
        let joined = |part: &dyn Fn(&crate::reconcile::spend::Gap) -> String| {
            let parts: Vec<String> = cell.gaps.iter().map(part).collect();
            if parts.is_empty() { Cell::Null } else { text(parts.join("; ")) }
        };
        vec![
            Cell::Day(cell.day),
            text(&cell.service),
            text(&cell.currency),
            amount(cell.bill),
            amount(cell.explorer),
            amount(cell.difference()),
            Cell::Flag(cell.is_estimated),
            joined(&|gap| gap.cause.name().to_string()),
            joined(&|gap| gap.because.clone()),
        ]
    };
    let grid = Grid { columns: columns.map(String::from).collect(), rows: cells.iter().map(row).collect() };
    let formula = |_: usize, column: usize, at: u32| {
        (column == 5).then(|| format!("=ROUND({}-{},10)", row_col_to_cell(at, 3), row_col_to_cell(at, 4)))
    };
    let plan = Plan {
        figure: "cost_explorer",
        title: "Does the bill agree with Cost Explorer, day by day?".into(),
        notes: [
            format!(
                "The answer of {}; nothing was asked for this workbook (`billtag reconcile` asks). The bill's {} is \
                 compared with {}.",
                clock::day_text(*asked),
                result.basis.replace('_', " "),
                result.metric
            ),
            "All ten places are shown. Each difference has a cause, or says that it has none.".into(),
        ],
        is_exact: true,
        has_totals: true,
        formula: Some(&formula),
    };
    let mut page = Page::new("Cost Explorer", styles)?;
    figure::write(&mut page, &grid, &plan)?;
    Ok(Some(page))
}
