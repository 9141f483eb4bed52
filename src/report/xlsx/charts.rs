//! Charts: what a figure's rows show at a glance. Their points stand on a sheet of their own, so that filtering or
//! sorting a figure changes no chart; they are exact sums of the figure's rows: of owners the newest month as billed, of
//! days complete ones alone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use rust_xlsxwriter::{Chart, ChartLegendPosition, ChartType, ObjectMovement};

use super::book::{HEADER, Page, Role, Styles, failed};
use super::cell::{self, Kind};
use super::totals;
use crate::error::Result;
use crate::metrics::{Rows, Value};
use crate::report::words;

/// The sheet of points.
const SHEET: &str = "Chart data";
/// Of what time charts are.
pub const SPAN: &str = "Owners: the newest month as billed; days: complete days alone, ninety at most.";
/// Days of a chart.
const DAYS: i32 = 90;
/// Owners of a chart; all others share a bar.
const OWNERS: usize = 10;
/// Currencies of a figure that have charts.
const CURRENCIES: usize = 4;

/// The points of all charts.
pub struct Points<'a> {
    /// The sheet.
    pub page: Page<'a>,
    column: u16,
}

/// The charts of a figure.
#[derive(Default)]
pub struct Charts {
    /// Those of the currencies with the largest sums.
    pub charts: Vec<Chart>,
    /// Currencies that have none.
    pub left: usize,
}

impl Charts {
    /// What is not drawn; empty where all is.
    pub fn note(&self) -> String {
        match self.left {
            0 => String::new(),
            1 => " 1 currency with a smaller sum has no chart.".into(),
            left => format!(" {left} currencies with smaller sums have no chart."),
        }
    }
}

/// What a figure's charts show, and how many currencies have none.
type Drawings = (Vec<Drawing>, usize);

/// A drawing for each of the currencies with the largest sums. Sums of several currencies say nothing beside one
/// another, but a currency of a few cents should not take the place of one that somebody pays.
fn largest<'a, T>(
    by: BTreeMap<&'a str, T>,
    size: impl Fn(&T) -> i128,
    drawing: impl Fn((&'a str, T)) -> Drawing,
) -> Drawings {
    let mut found: Vec<(&str, T)> = by.into_iter().collect();
    found.sort_by_cached_key(|(currency, of)| (Reverse(size(of)), *currency));
    let left = found.len().saturating_sub(CURRENCIES);
    (found.into_iter().take(CURRENCIES).map(drawing).collect(), left)
}

/// What a chart shows.
struct Drawing {
    title: String,
    form: ChartType,
    kind: Kind,
    categories: Vec<Point>,
    /// What a category is.
    by: &'static str,
    series: Vec<(String, Vec<Option<f64>>)>,
}

/// A category.
enum Point {
    Day(i32),
    Name(String),
}

impl<'a> Points<'a> {
    /// No points yet.
    ///
    /// # Errors
    /// None that can happen: the sheet's name is one.
    pub fn new(styles: &'a Styles) -> Result<Self> {
        let mut page = Page::new(SHEET, styles)?;
        page.say(0, 0, "What the charts show", Role::Title)?;
        let note = format!("Exact sums of the figures' rows. {SPAN} A chart of a currency holds that currency alone.");
        page.say(1, 0, &note, Role::Note)?;
        page.sheet.set_freeze_panes(HEADER + 1, 0).map_err(failed)?;
        Ok(Self { page, column: 0 })
    }

    /// The charts of a figure, whose points are kept.
    ///
    /// # Errors
    /// Where the sheet ends.
    pub fn charts(&mut self, figure: &str, rows: &dyn Rows, last: Option<i32>) -> Result<Charts> {
        let (drawings, left) = match figure {
            "spend_by_workload" => by_owner(rows, "workload", "Spend by workload"),
            "spend_by_team" => by_owner(rows, "team", "Spend by team"),
            "spend_by_cost_center" => by_owner(rows, "cost_center", "Spend by cost center"),
            "daily_spend" => by_day(rows, last, &Lines::of("Spend by day", "cost", ChartType::Column)),
            "spend_by_model_tier" => {
                let lines = Lines::of("Share of each tier in cost", "cost", ChartType::ColumnPercentStacked);
                by_day(rows, last, &lines.by("model_tier"))
            }
            "token_volume" => {
                by_day(rows, last, &Lines::of("Tokens by kind", "tokens", ChartType::ColumnStacked).by("usage_kind"))
            }
            "cache_hit_rate" => ratios(
                rows,
                last,
                &Quotient {
                    title: "Cache hit rate, models that can cache",
                    column: "hit_rate",
                    kind: Kind::Share,
                    has_currency: false,
                },
            ),
            "cost_per_query" => ratios(
                rows,
                last,
                &Quotient {
                    title: "Cost per invocation",
                    column: "cost_per_invocation",
                    kind: Kind::UnitCost,
                    has_currency: true,
                },
            ),
            _ => Drawings::default(),
        };
        let drawn = drawings.iter().filter(|drawing| !drawing.categories.is_empty());
        Ok(Charts { charts: drawn.map(|one| self.keep(one)).collect::<Result<_>>()?, left })
    }

    fn keep(&mut self, drawing: &Drawing) -> Result<Chart> {
        let (first, column) = (HEADER + 1, self.column);
        let last = HEADER + drawing.categories.len() as u32;
        self.page.say(HEADER - 1, column, &drawing.title, Role::Label)?;
        self.page.say(HEADER, column, drawing.by, Role::Heading)?;
        self.page.sheet.set_column_width(column, 24).map_err(failed)?;
        for (row, point) in (first..).zip(&drawing.categories) {
            match point {
                Point::Day(day) => self.page.put(row, column, Value::Day(*day), Kind::Day)?,
                Point::Name(name) => self.page.write(row, column, cell::Content::Text(cell::safe(name)))?,
            }
        }
        let mut chart = Chart::new(drawing.form);
        for (at, (name, points)) in (column + 1..).zip(&drawing.series) {
            self.page.say(HEADER, at, name, Role::Number)?;
            self.page.sheet.set_column_width(at, 16).map_err(failed)?;
            for (row, point) in (first..).zip(points) {
                let Some(point) = point else { continue };
                let styles = self.page.styles;
                let format = styles.plain(drawing.kind);
                self.page.sheet.write_number_with_format(row, at, *point, format).map_err(failed)?;
            }
            let series = chart.add_series().set_name((SHEET, HEADER, at));
            series.set_categories((SHEET, first, column, last, column)).set_values((SHEET, first, at, last, at));
            series.set_gap(50);
            if drawing.form == ChartType::ColumnPercentStacked || drawing.form == ChartType::ColumnStacked {
                series.set_overlap(100);
            }
        }
        self.column = column + drawing.series.len() as u16 + 2;
        shape(&mut chart, drawing);
        Ok(chart)
    }
}

/// Title, axes and size.
fn shape(chart: &mut Chart, drawing: &Drawing) {
    chart.title().set_name(&drawing.title);
    chart.set_width(640).set_height(360).set_object_movement(ObjectMovement::DontMoveOrSizeWithCells);
    chart.set_alt_text(&drawing.title);
    let format = if drawing.form == ChartType::ColumnPercentStacked { "0%" } else { short(drawing.kind) };
    if drawing.form == ChartType::Bar {
        // Of bars, the library's vertical axis is that of the names.
        chart.y_axis().set_reverse();
        chart.x_axis().set_num_format(format);
    } else {
        chart.x_axis().set_num_format("mm-dd").set_date_axis(true);
        chart.y_axis().set_num_format(format);
    }
    if drawing.series.len() > 1 {
        chart.legend().set_position(ChartLegendPosition::Bottom);
    } else {
        chart.legend().set_hidden();
    }
}

/// How an axis says what its cells say.
fn short(kind: Kind) -> &'static str {
    match kind {
        Kind::Money | Kind::Count => "#,##0",
        Kind::UnitCost => "0.0000",
        Kind::Share => "0%",
        other => other.format(),
    }
}

/// Places charts beside a table, one below the other.
///
/// # Errors
/// Where the sheet ends.
pub fn place(page: &mut Page<'_>, charts: &[Chart], row: u32, column: u16) -> Result<()> {
    for (row, chart) in (row..).step_by(20).zip(charts) {
        page.sheet.insert_chart(row, column, chart).map_err(failed)?;
    }
    Ok(())
}

fn column(rows: &dyn Rows, name: &str) -> Option<usize> {
    rows.names().iter().position(|column| column == name)
}

/// The largest owners of the newest month.
fn by_owner(rows: &dyn Rows, owner: &str, title: &str) -> Drawings {
    let names = ["month", "billing_currency", "cost"].map(|name| column(rows, name));
    let (Some(owner), [Some(month), Some(currency), Some(cost)]) = (column(rows, owner), names) else {
        return Drawings::default();
    };
    let newest = (0..rows.height()).map(|row| rows.value(row, month).as_text()).max().unwrap_or_default();
    let mut spent: BTreeMap<&str, BTreeMap<&str, i128>> = BTreeMap::new();
    for row in (0..rows.height()).filter(|row| rows.value(*row, month).as_text() == newest) {
        let Some(units) = rows.value(row, cost).amount() else { continue };
        let owners = spent.entry(rows.value(row, currency).as_text()).or_default();
        *owners.entry(rows.value(row, owner).as_text()).or_default() += units;
    }
    let drawing = |(currency, owners): (&str, BTreeMap<&str, i128>)| {
        let mut owners: Vec<(&str, i128)> = owners.into_iter().collect();
        owners.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
        let rest = owners.split_off(owners.len().min(OWNERS));
        if !rest.is_empty() {
            owners.push(("(all others)", rest.iter().map(|(_, units)| units).sum()));
        }
        let currency = words::currency(currency);
        Drawing {
            title: format!("{title}, {newest}, {currency}"),
            form: ChartType::Bar,
            kind: Kind::Money,
            by: "Owner",
            series: vec![(currency.into(), owners.iter().map(|(_, units)| Some(cell::nearest(*units))).collect())],
            categories: owners.iter().map(|(name, _)| Point::Name((*name).into())).collect(),
        }
    };
    largest(spent, |owners| owners.values().map(|units| units.abs()).sum(), drawing)
}

/// What is summed by day.
struct Lines {
    title: &'static str,
    column: &'static str,
    form: ChartType,
    series: Option<&'static str>,
}

impl Lines {
    fn of(title: &'static str, column: &'static str, form: ChartType) -> Self {
        Self { title, column, form, series: None }
    }

    fn by(self, series: &'static str) -> Self {
        Self { series: Some(series), ..self }
    }
}

/// The day of a row, where a chart shows it.
fn shown(rows: &dyn Rows, row: usize, day: usize, last: Option<i32>) -> Option<i32> {
    let last = last?;
    rows.value(row, day).day().filter(|day| (last - DAYS + 1..=last).contains(day))
}

fn by_day(rows: &dyn Rows, last: Option<i32>, lines: &Lines) -> Drawings {
    let (Some(day), Some(value)) = (column(rows, "day"), column(rows, lines.column)) else {
        return Drawings::default();
    };
    let currency = column(rows, "billing_currency");
    let series = lines.series.and_then(|name| column(rows, name));
    type Days<'a> = BTreeMap<&'a str, BTreeMap<i32, i128>>;
    let mut sums: BTreeMap<&str, Days<'_>> = BTreeMap::new();
    for row in 0..rows.height() {
        let (Some(day), Some(units)) = (shown(rows, row, day, last), rows.value(row, value).amount()) else { continue };
        let currency = currency.map_or("", |at| rows.value(row, at).as_text());
        let name = series.map_or("", |at| rows.value(row, at).as_text());
        *sums.entry(currency).or_default().entry(name).or_default().entry(day).or_default() += units;
    }
    let drawing = |(code, series): (&str, Days<'_>)| {
        let days: BTreeSet<i32> = series.values().flat_map(|days| days.keys().copied()).collect();
        let shown = words::currency(code);
        let title = if currency.is_some() { format!("{}, {shown}", lines.title) } else { lines.title.to_string() };
        let name = |name: &str| match (name, lines.series) {
            ("", None) => shown.to_string(),
            ("", Some(_)) => "(unknown)".to_string(),
            (name, _) => name.to_string(),
        };
        // What was not billed on a day cost nothing then.
        let points = |sums: &BTreeMap<i32, i128>| {
            days.iter().map(|day| Some(cell::nearest(sums.get(day).copied().unwrap_or(0)))).collect()
        };
        Drawing {
            title,
            form: lines.form,
            kind: if currency.is_some() { Kind::Money } else { Kind::Count },
            by: "Day",
            series: series.iter().map(|(of, sums)| (name(of), points(sums))).collect(),
            categories: days.iter().map(|day| Point::Day(*day)).collect(),
        }
    };
    largest(sums, |series| series.values().flat_map(BTreeMap::values).map(|units| units.abs()).sum(), drawing)
}

/// A quotient of sums by day.
struct Quotient {
    title: &'static str,
    column: &'static str,
    kind: Kind,
    has_currency: bool,
}

fn ratios(rows: &dyn Rows, last: Option<i32>, of: &Quotient) -> Drawings {
    let names = (column(rows, "day"), column(rows, of.column), totals::ratio(of.column));
    let (Some(day), Some(quotient), Some(ratio)) = names else { return Drawings::default() };
    let parts: Option<Vec<usize>> = ratio.parts().map(|name| column(rows, name)).collect();
    let Some(parts) = parts else { return Drawings::default() };
    let currency = column(rows, "billing_currency").filter(|_| of.has_currency);
    type Days = BTreeMap<i32, Vec<Option<i128>>>;
    let mut sums: BTreeMap<&str, Days> = BTreeMap::new();
    for row in (0..rows.height()).filter(|row| ratio.takes(rows.value(*row, quotient))) {
        let Some(day) = shown(rows, row, day, last) else { continue };
        let currency = currency.map_or("", |at| rows.value(row, at).as_text());
        let held = sums.entry(currency).or_default().entry(day).or_insert_with(|| vec![None; parts.len()]);
        for (held, at) in held.iter_mut().zip(&parts) {
            let Some(units) = rows.value(row, *at).amount() else { continue };
            *held = Some(held.unwrap_or(0).saturating_add(units));
        }
    }
    sums.retain(|_, days| days.values().any(|parts| totals::quotient(parts).is_some()));
    let drawing = |(code, days): (&str, Days)| {
        let shown = words::currency(code);
        Drawing {
            title: if currency.is_some() { format!("{}, {shown}", of.title) } else { of.title.to_string() },
            form: ChartType::Line,
            kind: of.kind,
            by: "Day",
            series: vec![(of.title.to_string(), days.values().map(|parts| totals::quotient(parts)).collect())],
            categories: days.keys().map(|day| Point::Day(*day)).collect(),
        }
    };
    largest(sums, |days| days.values().flatten().flatten().map(|units| units.abs()).sum(), drawing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Cell, Grid};

    fn grid(columns: &[&str], rows: Vec<Vec<Cell>>) -> Grid {
        Grid { columns: columns.iter().map(ToString::to_string).collect(), rows }
    }

    #[test]
    fn the_currencies_with_the_largest_sums_have_charts_and_the_rest_is_counted() {
        let row = |(currency, cents): (&str, i128)| {
            vec![Cell::Day(20_000), Cell::Text(currency.into()), Cell::Decimal(cents, 2)]
        };
        let costs = [("AUD", 1), ("BRL", 2), ("CAD", -900), ("EUR", 300), ("USD", 500), ("ZAR", 400)];
        let rows = grid(&["day", "billing_currency", "cost"], costs.map(row).to_vec());
        let (drawings, left) = by_day(&rows, Some(20_000), &Lines::of("Spend", "cost", ChartType::Column));
        let titles: Vec<&str> = drawings.iter().map(|drawing| drawing.title.as_str()).collect();
        assert_eq!(titles, ["Spend, CAD", "Spend, USD", "Spend, ZAR", "Spend, EUR"]);
        assert_eq!(left, 2);
        assert_eq!(Charts { charts: Vec::new(), left }.note(), " 2 currencies with smaller sums have no chart.");
    }

    #[test]
    fn a_rate_of_a_chart_is_that_of_the_totals() {
        let columns = ["day", "cache_read_tokens", "cache_write_tokens", "input_tokens", "hit_rate"];
        let row = |(read, rate): (i128, Cell)| {
            vec![Cell::Day(20_000), Cell::Decimal(read, 0), Cell::Decimal(0, 0), Cell::Decimal(10, 0), rate]
        };
        let rates = [(-3, Cell::Float(-0.5)), (5, Cell::Float(0.5)), (100, Cell::Null)];
        let rows = grid(&columns, rates.map(row).to_vec());
        let of = Quotient { title: "Rate", column: "hit_rate", kind: Kind::Share, has_currency: false };
        let (drawings, _) = ratios(&rows, Some(20_000), &of);
        let sums = totals::Sums::of("cache_hit_rate", &rows);
        let group = sums.by_key.values().next().expect("a total");
        let parts = [1, 1, 2, 3].map(|at| group.known.get(&(4, at)).map(|sum| sum.units));
        assert_eq!(drawings[0].series[0].1, [totals::quotient(&parts)]);
    }
}
