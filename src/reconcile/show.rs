//! The reconciliation in tables.

use std::collections::{BTreeMap, BTreeSet};

use super::cost_explorer::PAGE;
use super::spend::{Cause, Cell as Spend, Gap};
use super::tokens::{self, Row, Seen, TOKEN_KINDS};
use super::{Reconciliation, WINDOW};
use crate::clock;
use crate::metrics::Cell;
use crate::money::{self as amounts, CENT};
use crate::report::document::{column, money, text};
use crate::report::{Column, Document, Look, Table, words};

/// Rows of gaps shown to people; data formats hold all.
const SHOWN: usize = 25;
/// Places named in a cell.
const PLACES: usize = 3;

/// The reconciliation; data formats also get every day of every service.
pub fn document(result: &Reconciliation, is_data: bool) -> Document {
    let Some((first, last)) = result.range else {
        let mut document =
            Document { title: "Reconciliation: no complete day to compare".into(), ..Document::default() };
        document.say(format!(
            "Without --from and --to, the stored complete days of the last {WINDOW} are compared; name both to compare others."
        ));
        return document;
    };
    let title = format!("Reconciliation, {} to {}, UTC", clock::day_text(first), clock::day_text(last));
    let mut document = Document { title, ..Document::default() };
    let shown = if is_data { usize::MAX } else { SHOWN };
    document.say(paid(result));
    if is_data {
        document.table(asked(result));
    }
    spend(result, shown, is_data, &mut document);
    tokens(result, shown, &mut document);
    document
}

/// What this run asked of Cost Explorer, and what that cost.
fn paid(result: &Reconciliation) -> String {
    let pages = match result.paid.pages {
        1 => "1 page".to_string(),
        pages => format!("{pages} pages"),
    };
    let dollars = words::amount(PAGE * i128::from(result.paid.pages));
    let paid = match result.paid.is_cached {
        true => "cached, $0.00".to_string(),
        false => format!("{pages}, ${dollars}"),
    };
    let basis = result.basis.trim_end_matches("_cost");
    let outcome = match &result.refusal {
        None => format!("The bill's {basis} cost is compared with {}", result.metric),
        Some(refusal) => format!("Costs are not compared: {refusal}"),
    };
    format!("Cost Explorer: {paid}. {outcome}.")
}

fn asked(result: &Reconciliation) -> Table {
    let columns = vec![
        column("metric", "Metric", Look::Plain),
        column("cost_column", "Cost", Look::Plain),
        column("pages", "Pages", Look::Count),
        column("usd", "USD", Look::Money),
        column("is_cached", "Cached", Look::Plain),
    ];
    let mut table = Table::new("cost_explorer", "Cost Explorer", "", columns);
    table.rows.push(vec![
        text(result.metric),
        text(&result.basis),
        Cell::Count(result.paid.pages.into()),
        money(PAGE * i128::from(result.paid.pages)),
        Cell::Flag(result.paid.is_cached),
    ]);
    table
}

fn spend(result: &Reconciliation, shown: usize, is_data: bool, document: &mut Document) {
    let Some(cells) = &result.spend else { return };
    for (currency, cells) in by_currency(cells) {
        document.say(summary(currency, &cells));
    }
    if cells.is_empty() {
        document.say("Neither side has any Bedrock cost on these days.");
    }
    if cells.iter().any(|cell| !cell.gaps.is_empty()) {
        document.table(causes(cells));
    }
    document.table(services(cells));
    let gaps = gaps(cells, shown);
    if !gaps.rows.is_empty() {
        document.table(gaps);
    }
    if is_data {
        document.table(all(cells));
    }
}

fn by_currency(cells: &[Spend]) -> BTreeMap<&str, Vec<&Spend>> {
    let mut currencies: BTreeMap<&str, Vec<&Spend>> = BTreeMap::new();
    for cell in cells {
        currencies.entry(&cell.currency).or_default().push(cell);
    }
    currencies
}

fn summary(currency: &str, cells: &[&Spend]) -> String {
    let currency = words::currency(currency);
    let bill: i128 = cells.iter().map(|cell| cell.bill).sum();
    let explorer: i128 = cells.iter().map(|cell| cell.explorer).sum();
    let days = cells.iter().map(|cell| cell.day).collect::<BTreeSet<_>>().len();
    let count = cells.iter().map(|cell| cell.service.as_str()).collect::<BTreeSet<_>>().len();
    let whole = format!("{days} days and {count} services");
    if cells.iter().all(|cell| cell.difference() == 0) {
        return format!("{currency}: equal, {} on both sides, on each of {whole}.", words::amount(bill));
    }
    let sums = format!("{currency}: bill {}, Cost Explorer {}", words::amount(bill), words::amount(explorer));
    if cells.iter().all(|cell| cell.difference().abs() < CENT) {
        let by = amounts::to_text(bill - explorer);
        return format!("{sums}; equal to the cent on each of {whole} (in all they differ by {by}).");
    }
    let open = cells.iter().flat_map(|cell| &cell.gaps).filter(|gap| gap.cause.is_open());
    let open: i128 = open.map(|gap| gap.amount.abs()).sum();
    let rest = match open {
        0 => "every gap has a cause".to_string(),
        open => format!("{} has no cause that could be named", words::amount(open)),
    };
    format!("{sums}, difference {}, on {whole}; {rest}.", words::change(bill - explorer))
}

/// Money by cause, what the bill has more and what it has less apart, so that neither hides the other.
fn causes(cells: &[Spend]) -> Table {
    let columns = vec![
        column("billing_currency", "", Look::Plain),
        column("cause", "Cause", Look::Plain),
        column("bill_more", "Bill has more", Look::Money),
        column("bill_less", "Bill has less", Look::Money),
        column("days", "Days", Look::Count),
        column("services", "Services", Look::Count),
    ];
    let mut table = Table::new("spend_causes", "Bill less Cost Explorer, by cause", "", columns);
    type Sum<'a> = (i128, i128, BTreeSet<i32>, BTreeSet<&'a str>);
    let mut sums: BTreeMap<(&str, Cause), Sum<'_>> = BTreeMap::new();
    for cell in cells {
        for gap in &cell.gaps {
            let sum = sums.entry((&cell.currency, gap.cause)).or_default();
            sum.0 += gap.amount.max(0);
            sum.1 += gap.amount.min(0);
            sum.2.insert(cell.day);
            sum.3.insert(&cell.service);
        }
    }
    for ((currency, cause), (more, less, days, services)) in sums {
        table.rows.push(vec![
            text(words::currency(currency)),
            text(cause.name()),
            money(more),
            money(less),
            Cell::Count(days.len() as i128),
            Cell::Count(services.len() as i128),
        ]);
    }
    table
}

fn services(cells: &[Spend]) -> Table {
    let columns = vec![
        column("billing_currency", "", Look::Plain),
        column("service", "Service", Look::Plain),
        column("bill_cost", "Bill", Look::Money),
        column("explorer_cost", "Cost Explorer", Look::Money),
        column("difference", "Difference", Look::Change),
        column("unexplained", "No cause", Look::Change),
    ];
    let mut table = Table::new("spend_by_service", "Cost by service", "", columns);
    let mut sums: BTreeMap<(&str, &str), [i128; 3]> = BTreeMap::new();
    for cell in cells {
        let sum = sums.entry((&cell.currency, &cell.service)).or_default();
        for (sum, amount) in sum.iter_mut().zip([cell.bill, cell.explorer, cell.open()]) {
            *sum += amount;
        }
    }
    let mut rows: Vec<_> = sums.into_iter().collect();
    rows.sort_by(|((a, _), x), ((b, _), y)| a.cmp(b).then_with(|| y[0].cmp(&x[0])));
    for ((currency, service), [bill, explorer, open]) in rows {
        let name = text(words::currency(currency));
        table.rows.push(vec![name, text(service), money(bill), money(explorer), money(bill - explorer), money(open)]);
    }
    table
}

fn cell_columns() -> Vec<Column> {
    vec![
        column("day", "Day", Look::Plain),
        column("billing_currency", "", Look::Plain),
        column("service", "Service", Look::Plain),
        column("bill_cost", "Bill", Look::Money),
        column("explorer_cost", "Cost Explorer", Look::Money),
    ]
}

fn cell_row(cell: &Spend) -> Vec<Cell> {
    vec![
        Cell::Day(cell.day),
        text(words::currency(&cell.currency)),
        text(&cell.service),
        money(cell.bill),
        money(cell.explorer),
    ]
}

/// Every gap above a cent, those without a cause first, then by money.
fn gaps(cells: &[Spend], shown: usize) -> Table {
    let mut columns = cell_columns();
    columns.push(column("gap", "Gap", Look::Change));
    columns.push(column("cause", "Cause", Look::Plain));
    columns.push(column("because", "Because", Look::Plain));
    let mut gaps: Vec<(&Spend, &Gap)> =
        cells.iter().flat_map(|cell| cell.gaps.iter().map(move |gap| (cell, gap))).collect();
    gaps.retain(|(_, gap)| gap.cause != Cause::Rounding);
    gaps.sort_by(|(a, x), (b, y)| {
        let order = |cell: &Spend, gap: &Gap| (!gap.cause.is_open(), -gap.amount.abs(), cell.day);
        order(a, x).cmp(&order(b, y)).then_with(|| (&a.service, x.cause).cmp(&(&b.service, y.cause)))
    });
    let note = first_of(shown, gaps.len());
    let mut table = Table::new("spend_gaps", "Gaps by day and service", note, columns);
    for (cell, gap) in gaps.into_iter().take(shown) {
        let mut row = cell_row(cell);
        row.extend([money(gap.amount), text(gap.cause.name()), text(&gap.because)]);
        table.rows.push(row);
    }
    table
}

fn first_of(shown: usize, count: usize) -> String {
    if count <= shown {
        return String::new();
    }
    format!("the first {shown} of {count}; --format csv or json has all")
}

fn all(cells: &[Spend]) -> Table {
    let mut columns = cell_columns();
    columns.push(column("difference", "Difference", Look::Change));
    columns.push(column("is_estimated", "Estimated", Look::Plain));
    let mut table = Table::new("spend", "Cost by day and service", "", columns);
    for cell in cells {
        let mut row = cell_row(cell);
        row.extend([money(cell.difference()), Cell::Flag(cell.is_estimated)]);
        table.rows.push(row);
    }
    table
}

fn tokens(result: &Reconciliation, shown: usize, document: &mut Document) {
    let rows = &result.tokens.rows;
    if rows.is_empty() {
        document.say("The bill has no tokens on these days, and no metrics are stored.");
        return;
    }
    if !result.has_metrics {
        document.say("No metrics of AWS's own are stored for these days, so no tokens can be compared.");
        return;
    }
    document.say(token_summary(rows));
    document.table(token_rows(rows));
    let causes = token_causes(rows, shown);
    if !causes.rows.is_empty() {
        document.table(causes);
    }
    if !result.rates.is_empty() {
        document.table(rates(result, shown));
    }
}

fn token_summary(rows: &[Row]) -> String {
    let billed: i128 = rows.iter().map(|row| row.billed).sum();
    let measured: i128 = rows.iter().filter_map(|row| row.measured).sum();
    if rows.iter().all(|row| row.causes.is_empty()) {
        return format!("Tokens: equal, {} billed and measured, by every model and kind.", words::grouped(billed));
    }
    let findings = rows.iter().filter(|row| row.is_finding()).count();
    let rest = match findings {
        0 => "every gap above a hundredth has a cause".to_string(),
        1 => "one model and kind differs by more than a hundredth without a cause".to_string(),
        count => format!("{count} models and kinds differ by more than a hundredth without a cause"),
    };
    format!("Tokens: {} billed, {} measured; {rest}.", words::grouped(billed), words::grouped(measured))
}

fn token_rows(rows: &[Row]) -> Table {
    let columns = vec![
        column("model_name", "Model", Look::Plain),
        column("usage_kind", "Kind", Look::Plain),
        column("billed_tokens", "Billed", Look::Count),
        column("measured_tokens", "Measured", Look::Count),
        column("difference", "Difference", Look::Count),
        column("difference_share", "Of billed", Look::Percent),
        column("unexplained", "No cause", Look::Count),
    ];
    let note = "the bill against AWS's own metrics; a dash where no series exists";
    let mut table = Table::new("tokens", "Tokens by model", note, columns);
    for row in rows {
        table.rows.push(vec![
            text(model(row)),
            text(TOKEN_KINDS[row.kind]),
            Cell::Count(row.billed),
            row.measured.map_or(Cell::Null, Cell::Count),
            Cell::Count(row.difference()),
            share(row.difference(), row.billed),
            Cell::Count(row.open()),
        ]);
    }
    table
}

fn share(part: i128, whole: i128) -> Cell {
    words::share(part, whole).map_or(Cell::Null, Cell::Float)
}

fn model(row: &Row) -> &str {
    if row.model.is_empty() { "(unknown)" } else { &row.model }
}

fn token_causes(rows: &[Row], shown: usize) -> Table {
    let columns = vec![
        column("model_name", "Model", Look::Plain),
        column("usage_kind", "Kind", Look::Plain),
        column("cause", "Cause", Look::Plain),
        column("tokens", "Tokens", Look::Count),
        column("days", "Days", Look::Count),
        column("places", "Accounts and regions", Look::Plain),
    ];
    let mut causes: Vec<(&Row, tokens::Cause, &Seen)> =
        rows.iter().flat_map(|row| row.causes.iter().map(move |(cause, seen)| (row, *cause, seen))).collect();
    causes.sort_by_key(|(row, cause, seen)| (!cause.is_open(), -seen.tokens.abs(), &row.model, row.kind));
    let note = first_of(shown, causes.len());
    let mut table = Table::new("token_gaps", "Token gaps by cause", note, columns);
    for (row, cause, seen) in causes.into_iter().take(shown) {
        table.rows.push(vec![
            text(model(row)),
            text(TOKEN_KINDS[row.kind]),
            text(cause.name()),
            Cell::Count(seen.tokens),
            Cell::Count(seen.days.len() as i128),
            text(places(seen, if shown == usize::MAX { usize::MAX } else { PLACES })),
        ]);
    }
    table
}

fn places(seen: &Seen, most: usize) -> String {
    let named: Vec<String> =
        seen.places.iter().take(most).map(|(account, region)| format!("{account} {region}")).collect();
    match seen.places.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn rates(result: &Reconciliation, shown: usize) -> Table {
    let columns = vec![
        column("day", "Day", Look::Plain),
        column("sub_account_id", "Account", Look::Plain),
        column("model_name", "Model", Look::Plain),
        column("usage_type", "Meter", Look::Plain),
        column("tokens", "Tokens", Look::Count),
        column("billing_currency", "", Look::Plain),
        column("cost", "Cost", Look::Money),
        column("expected_cost", "At the usual rate", Look::Money),
        column("difference", "Difference", Look::Change),
    ];
    let note = format!(
        "cause: rate. The tokens agree, the price is not that of the meter's median day; unblended cost. {}",
        first_of(shown, result.rates.len())
    );
    let mut table = Table::new("rate_gaps", "Days at an unusual rate", note.trim_end(), columns);
    for gap in result.rates.iter().take(shown) {
        let day = &gap.priced;
        table.rows.push(vec![
            Cell::Day(day.place.day),
            text(&day.place.account),
            text(&day.place.model),
            text(&day.meter),
            Cell::Count(day.tokens),
            text(words::currency(&day.currency)),
            money(day.cost),
            money(gap.expected),
            money(day.cost - gap.expected),
        ]);
    }
    table
}
