//! HTML: the report as one file that FinOps opens every morning and forwards parts of to teams.
//!
//! ```text
//! facts ─► cube ─┐
//! queries ─► figures ─┼► encode ─► data ─┐
//! findings ─► marks ──┘                  ├► shell ─► one file
//! trust, findings, incidents, audit ─► sections ┘
//! ```
//!
//! | step | in → out | holds afterwards |
//! |---|---|---|
//! | [`cube`] | lines of facts → sums | by day, owner, model and currency; nothing is rounded |
//! | [`figures`], [`marks`] | queries, findings → sums | what lines cannot say: calls, savings, causes, jumps |
//! | [`scope`] | sums → those of a page | a team's page holds nobody else's |
//! | [`encode`], [`pack`] | sums → JSON | exact, with a dictionary of the page's own |
//! | [`sections`], [`markup`] | texts → HTML | no text of a bill becomes markup |
//! | [`shell`] | all of it → a page | no request, and no script but its own |
//!
//! The page's script multiplies and adds whole numbers, so that whatever is filtered is exact too, and rounds as
//! [`crate::report::words`] does.

pub mod cube;
pub mod encode;
pub mod figures;
pub mod lists;
pub mod marks;
pub mod markup;
pub mod names;
pub mod pack;
pub mod scope;
pub mod sections;
pub mod shell;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::alert::Looked;
use crate::alert::ledger::Ledger;
use crate::audit::Audit;
use crate::clock;
use crate::config::Config;
use crate::cores;
use crate::error::{Error, Result};
use crate::metrics::queries::Query;
use crate::metrics::{Cell, Engine};
use crate::money;
use crate::report::{Block, safe, words};
use cube::{Cube, Span};
use encode::Dictionary;
use figures::{Figures, Page};
use markup::Markup;
use scope::Scope;

/// Filled days beyond which the smallest workloads share a row, so that a page stays small and quick.
const MOST_DAYS: usize = 400_000;

/// What a report is made from.
pub struct Sources<'a> {
    /// The facts.
    pub engine: &'a Engine,
    /// The config.
    pub config: &'a Config,
    /// What jumped, and the days.
    pub looked: &'a Looked,
    /// What spends without a name.
    pub audit: &'a Audit,
    /// The incidents.
    pub ledger: &'a Ledger,
    /// Whether the facts are those of a past day, of whose incidents nothing is kept.
    pub is_past: bool,
    /// What spend is grouped by at first.
    pub by: &'static str,
    /// What is to come, where it is reckoned.
    pub forecast: Option<Forecast>,
}

/// What is to come: sentences and tables of the whole bill, which stand after the day. A page without them has no
/// such section.
#[derive(Debug, Clone, Default)]
pub struct Forecast(pub Vec<Block>);

/// What all pages need of the facts, whatever was found: read side by side with what jumped.
pub struct Facts {
    span: Span,
    cube: Cube,
    figures: Figures,
    /// Workloads that share a row.
    folded: usize,
    /// Models that can cache.
    caching: BTreeSet<String>,
}

impl Facts {
    /// Reads the store.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(engine: &Engine, config: &Config) -> Result<Self> {
        let span = Span::of(engine);
        let (cube, figures) = cores::both(|| cube::read(engine, &span), || figures::read(engine, config, &span));
        let (mut cube, figures) = (cube?, figures?);
        let models = "select model_name, can_cache from models where can_cache";
        let models = engine.run(&Query { name: "models".into(), sql: models.into() })?;
        let caching = models.rows.iter().map(|row| models.text(row, "model_name")).collect();
        let folded = cube.fold(MOST_DAYS);
        Ok(Self { span, cube, figures, folded, caching })
    }
}

/// A report, of which pages are written.
pub struct Report<'a> {
    sources: Sources<'a>,
    span: Span,
    cube: Cube,
    figures: Figures,
    /// Workloads that share a row.
    folded: usize,
    /// Models that can cache.
    caching: BTreeSet<String>,
}

impl<'a> Report<'a> {
    /// Of what was read and found.
    pub fn of(sources: Sources<'a>, facts: Facts) -> Self {
        let Facts { span, cube, figures, folded, caching } = facts;
        Self { sources, span, cube, figures, folded, caching }
    }

    /// The page of everybody, or of a team.
    ///
    /// # Errors
    /// Where no such team spends, or the store cannot be read.
    pub fn page(&self, team: Option<&str>) -> Result<String> {
        let scope = team.map_or(Ok(Scope::Whole), |team| Scope::named(team, &self.cube))?;
        self.page_of(&scope)
    }

    /// A page of each team, and an index: names of files and texts.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn by_team(&self) -> Result<Vec<(String, String)>> {
        let teams = Scope::teams(&self.cube);
        let mut pages = vec![("index.html".to_string(), sections::index(self, &teams))];
        for scope in &teams {
            pages.push((scope.file(&self.cube), self.page_of(scope)?));
        }
        let names: BTreeSet<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        if names.len() < pages.len() {
            return Err(Error::input("report", "two teams have one file name", "please report this"));
        }
        Ok(pages)
    }

    fn page_of(&self, scope: &Scope) -> Result<String> {
        let dictionary = Dictionary::of(&self.cube, scope);
        let shared = match scope {
            Scope::Whole => BTreeSet::new(),
            Scope::Team(_) => encode::shared_workloads(&self.cube, scope),
        };
        let page = Page { dictionary: &dictionary, scope, shared: &shared };
        let data = self.data(&page)?;
        let mut body = Markup::default();
        sections::write(self, &page, &mut body)?;
        Ok(shell::page(&sections::title(self, scope), &body.into_text(), Some(&data)))
    }

    fn data(&self, page: &Page<'_>) -> Result<Value> {
        let (engine, cube) = (self.sources.engine, &self.cube);
        let mut data: Map<String, Value> = encode::cube(cube, page.dictionary, page.scope, &self.span)?;
        let is_replaced = engine.cost.is_some();
        data.insert("calls".into(), self.figures.calls(cube, page, is_replaced)?);
        data.insert("savings".into(), self.figures.savings(cube, page));
        data.insert("movers".into(), marks::movers(self.sources.looked, page, &self.span));
        data.insert("jumps".into(), marks::jumps(self.sources.looked, page, &self.span));
        let is_known = |month: &String| engine.records.iter().any(|record| record.period == *month);
        let has_days = |month: &String| engine.days.iter().any(|day| clock::month_of(day.day) == *month);
        let stored: Vec<usize> = (0..cube::DAYS)
            .filter(|at| self.span.first().is_some_and(|first| self.is_stored(first + *at as i32)))
            .collect();
        data.insert("stored".into(), json!(stored));
        let months = self.span.months.iter();
        let months = months.map(|month| json!([month, is_known(month), is_known(month) && has_days(month)]));
        data.insert("months".into(), months.collect());
        let models = page.dictionary.names[cube::MODEL].shown();
        let caching: Vec<bool> = models.iter().map(|model| self.can_cache(model)).collect();
        data.insert("can_cache".into(), json!(caching));
        data.insert("floor".into(), json!(self.sources.config.cache.hit_floor as f64 / money::ONE as f64));
        data.insert("basis".into(), json!(engine.basis("billed_cost")));
        data.insert("unit_basis".into(), json!(engine.basis("unblended_cost")));
        data.insert("unit_is_shown".into(), json!(is_replaced));
        data.insert("by".into(), json!(self.sources.by));
        Ok(data.into())
    }

    fn can_cache(&self, shown: &str) -> bool {
        self.caching.iter().any(|model| safe::plain(model) == shown)
    }

    fn is_stored(&self, day: i32) -> bool {
        self.sources.engine.days.iter().any(|stored| stored.day == day)
    }

    /// How much of the month so far a page shows, in words.
    fn shares(&self, scope: &Scope) -> Vec<String> {
        let shares = scope::shares(scope, &self.cube).into_iter();
        let words = shares.map(|(currency, (part, whole))| {
            let share = words::share(part, whole).map_or(words::UNKNOWN.into(), words::percent);
            let currency = words::currency(&currency);
            format!(
                "{} of {} {currency} in {} ({share})",
                words::amount(part),
                words::amount(whole),
                self.span.months[0]
            )
        });
        words.collect()
    }
}

/// A text as a cell; unknown where there is none.
fn text_or_null(text: &str) -> Cell {
    if text.is_empty() { Cell::Null } else { Cell::Text(text.into()) }
}
