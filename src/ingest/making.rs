//! From the gathered charges of a period to its tables, one stretch of time after the other, and the law
//! between every two steps.
//!
//! What a stretch needs to know of the whole period is found before: sessions without an owner and the
//! resources behind them, the profiles that metrics speak of, what the owners of usage have spent.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, mpsc};
use std::thread::{Scope, ScopedJoinHandle};

use super::usage;
use crate::attribute::consumers::{Consumers, Wanted};
use crate::attribute::demand::{self, Profiles};
use crate::attribute::owner::Vocabulary;
use crate::attribute::shared::Shares;
use crate::attribute::{self, Facts, Ladder};
use crate::clock;
use crate::config::{Config, SharedPolicy};
use crate::error::Result;
use crate::facts::changes::{self, Costs};
use crate::facts::law::Totals;
use crate::facts::parquet::{self, Writer};
use crate::facts::record::Regions;
use crate::facts::store::Store;
use crate::facts::{self, Rollup};
use crate::normalise::gathered::Gathered;
use crate::normalise::trust::Trust;
use crate::normalise::{Amounts, Charge, Charges};
use crate::schema::{self, ChargeText, Table};
use crate::sources::cloudwatch::{self, HourSample};
use crate::text::Texts;

/// Charges in memory that are made into facts together where a charge may become many.
const WHOLE: usize = 4_000;

/// What the whole period is known for before its tables are made.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Sums of the charges.
    pub totals: Totals,
    /// Accounts and regions with charges of models in use.
    pub regions: Regions,
    /// Sessions that no tag names.
    pub wanted: Wanted,
}

impl Survey {
    /// Looks over all charges.
    pub fn of(gathered: &Gathered, most: usize, vocabulary: &Vocabulary) -> Result<Self> {
        let mut survey = Self::default();
        for stretch in gathered.stretches((most, usize::MAX), &|_| true) {
            let mut charges = gathered.load(&stretch)?;
            add_totals(&mut survey.totals, &charges, charges.rows.iter());
            survey.add_regions(&charges);
            attribute::add_unnamed_sessions(&mut charges, vocabulary, &mut survey.wanted);
        }
        Ok(survey)
    }

    fn add_regions(&mut self, charges: &Charges) {
        for set in charges.dimensions.all() {
            let text = |column: ChargeText| charges.texts.get(set[column as usize]);
            let is_usage = text(ChargeText::ModelName).is_some() && text(ChargeText::ChargeCategory) == Some("Usage");
            let place = text(ChargeText::SubAccountId).zip(text(ChargeText::RegionId));
            if let (true, Some((account, region))) = (is_usage, place) {
                let regions = self.regions.entry(account.to_string()).or_default();
                if !regions.contains(region) {
                    regions.insert(region.to_string());
                }
            }
        }
    }
}

/// What makes the tables of a period.
pub(super) struct Making<'a> {
    pub config: &'a Config,
    pub vocabulary: &'a Vocabulary,
    pub store: &'a Store,
    pub period: &'a str,
    pub samples: &'a [HourSample],
    pub consumers: &'a Consumers,
    /// Rows of a stretch, above which a day is taken by the hour.
    pub most: usize,
}

/// What was made.
pub(super) struct Made {
    /// Hashes of the tables' files.
    pub files: Vec<(Table, String)>,
    /// Costs by day and workload.
    pub costs: Costs,
}

impl Making<'_> {
    /// Makes the tables, and asserts that they hold what the charges do.
    pub fn make(&self, mut gathered: Gathered, totals: &Totals, trust: &mut Trust) -> Result<Made> {
        let by_day = by_day(self.samples);
        let claims = |sample: &&HourSample| sample.subject.scope == cloudwatch::Scope::Owner;
        let demanded: BTreeSet<i32> = self.samples.iter().filter(claims).map(day_of).collect();
        // Claims are made within a day, so a day that has some is not cut.
        // A charge with several claims, or one that is spread over owners, is many facts.
        let is_split = !demanded.is_empty() || self.config.shared.policy == SharedPolicy::ProRata;
        let whole = if is_split { WHOLE } else { usize::MAX };
        let stretches = gathered.stretches((self.most, whole), &|day| !demanded.contains(&day));
        let mut profiles = self.profiles(&gathered, &stretches)?;
        let shares = self.shares(&gathered, (&stretches, &by_day), &profiles)?;
        std::thread::scope(|scope| {
            let mut tables = Tables::create(scope, self.store, self.period)?;
            for stretch in &stretches {
                let mut charges = gathered.hand_over(stretch)?;
                let mut facts = self.facts(&mut charges, stretch, &by_day, &profiles, trust);
                profiles.learn_owners(&facts, &charges);
                if let Some(shares) = &shares {
                    facts = shares.spread(facts, &mut charges);
                }
                tables.add(charges, facts, self.config.privacy.sessions, stretch)?;
            }
            self.count_unbilled(&stretches, &by_day, &profiles, trust);
            let usage = usage::rows(self.samples, &profiles, self.vocabulary);
            tables.finish(totals, self.period, usage)
        })
    }

    fn facts(
        &self,
        charges: &mut Charges,
        stretch: &Range<i64>,
        samples: &BTreeMap<i32, Vec<&HourSample>>,
        profiles: &Profiles,
        trust: &mut Trust,
    ) -> Facts {
        let samples: Vec<&HourSample> =
            samples.range(days_of(stretch)).flat_map(|(_, samples)| samples).copied().collect();
        let ladder = Ladder::new(self.config, self.vocabulary, self.consumers, &mut charges.texts);
        ladder.attribute(charges, &samples, profiles, trust)
    }

    /// The models of the profiles that metrics speak of.
    fn profiles(&self, gathered: &Gathered, stretches: &[Range<i64>]) -> Result<Profiles> {
        let mut profiles = Profiles::asked_by(self.samples);
        if profiles.is_asked() {
            for stretch in stretches {
                profiles.learn_models(&gathered.load(stretch)?);
            }
        }
        Ok(profiles)
    }

    /// What the owners of usage have spent, where the rest is spread over them.
    fn shares(
        &self,
        gathered: &Gathered,
        (stretches, samples): (&[Range<i64>], &BTreeMap<i32, Vec<&HourSample>>),
        profiles: &Profiles,
    ) -> Result<Option<Shares>> {
        if self.config.shared.policy != SharedPolicy::ProRata {
            return Ok(None);
        }
        let mut shares = Shares::default();
        for stretch in stretches {
            let mut charges = gathered.load(stretch)?;
            // What the reader must know is counted when the tables are made.
            let facts = self.facts(&mut charges, stretch, samples, profiles, &mut Trust::default());
            shares.add(&facts, &charges);
        }
        Ok(Some(shares))
    }

    /// Counts what was measured on days that no stretch holds.
    fn count_unbilled(
        &self,
        stretches: &[Range<i64>],
        samples: &BTreeMap<i32, Vec<&HourSample>>,
        profiles: &Profiles,
        trust: &mut Trust,
    ) {
        let looked: BTreeSet<i32> = stretches.iter().flat_map(days_of).collect();
        for (_, samples) in samples.iter().filter(|(day, _)| !looked.contains(*day)) {
            demand::demands(samples, profiles, self.vocabulary, &mut Texts::default(), trust);
        }
    }
}

/// The days that a stretch reaches into.
fn days_of(stretch: &Range<i64>) -> RangeInclusive<i32> {
    clock::day_of(stretch.start)..=clock::day_of(stretch.end - 1)
}

fn day_of(sample: &HourSample) -> i32 {
    clock::day_of(sample.hour)
}

fn by_day(samples: &[HourSample]) -> BTreeMap<i32, Vec<&HourSample>> {
    let mut days: BTreeMap<i32, Vec<&HourSample>> = BTreeMap::new();
    for sample in samples {
        days.entry(day_of(sample)).or_default().push(sample);
    }
    days
}

/// Charges and their facts that wait to be written.
type Waiting = mpsc::SyncSender<Arc<(Charges, Facts)>>;
/// Writes rows until there are no more; returns the hash of the file.
type Writing<'scope> = ScopedJoinHandle<'scope, Result<String>>;

/// The files of a period's tables, and what they hold so far. Charges and facts are written by threads
/// of their own, while the next stretch is made.
struct Tables<'scope, 'a> {
    store: &'a Store,
    charges: (Waiting, Writing<'scope>),
    facts: (Waiting, Writing<'scope>),
    daily: Writer,
    /// Of charges, facts and days.
    totals: [Totals; 3],
    /// Days that are not written yet, and the last of them, which may go on.
    rollup: Option<(i32, Rollup)>,
    costs: Costs,
}

impl<'scope, 'a> Tables<'scope, 'a> {
    fn create(scope: &'scope Scope<'scope, '_>, store: &'a Store, period: &str) -> Result<Self> {
        let writer = |table| Writer::create(table, store.new_file(table, period)?);
        Ok(Self {
            store,
            charges: written_aside(scope, writer(Table::Charges)?, |writer, (charges, _)| writer.charges(charges)),
            facts: written_aside(scope, writer(Table::CostFacts)?, |writer, (charges, facts)| {
                writer.facts(facts, charges)
            }),
            daily: writer(Table::CostDaily)?,
            totals: Default::default(),
            rollup: None,
            costs: Costs::new(),
        })
    }

    fn add(&mut self, mut charges: Charges, mut facts: Facts, sessions: bool, stretch: &Range<i64>) -> Result<()> {
        facts::as_stored(&mut charges, &mut facts, sessions)?;
        let made = Arc::new((charges, facts));
        // A writer that failed takes no more, and says why at the end.
        let _stopped = self.charges.0.send(Arc::clone(&made));
        let _stopped = self.facts.0.send(Arc::clone(&made));
        let (charges, facts) = &*made;
        add_totals(&mut self.totals[0], charges, charges.rows.iter());
        add_totals(&mut self.totals[1], charges, facts.rows.iter().map(|fact| &fact.charge));
        let (first, last) = days_of(stretch).into_inner();
        if self.rollup.as_ref().is_some_and(|(last, _)| *last != first) {
            self.end_days()?;
        }
        self.rollup.get_or_insert_with(|| (last, Rollup::default())).1.add(facts, charges)
    }

    fn end_days(&mut self) -> Result<()> {
        let Some((_, rollup)) = self.rollup.take() else { return Ok(()) };
        let days = rollup.finish();
        let [account, currency] = [ChargeText::SubAccountId, ChargeText::BillingCurrency].map(schema::daily_place);
        let mut sums = vec![Amounts::default(); days.kept.all().len()];
        for row in &days.rows {
            facts::law::add(&mut sums[row.kept as usize], &row.amounts);
        }
        for (kept, sum) in days.kept.all().iter().zip(sums) {
            let text = |at: usize| days.texts.str(kept[at]);
            self.totals[2].add(text(account), text(currency), &sum);
        }
        changes::add_costs(&mut self.costs, &days);
        self.daily.daily(&days)
    }

    fn finish(mut self, expected: &Totals, period: &str, (usage, texts): (Vec<parquet::Usage>, Texts)) -> Result<Made> {
        self.end_days()?;
        let daily_hash = self.daily.finish()?;
        let usage_hash = parquet::usage(self.store.new_file(Table::Usage, period)?, &usage, &texts)?;
        let (charges_hash, facts_hash) = (written(self.charges)?, written(self.facts)?);
        let [charges, facts, daily] = &self.totals;
        expected.must_equal(charges, period, "the bill's lines", "charges")?;
        expected.must_equal(facts, period, "charges", "cost_facts")?;
        expected.must_equal(daily, period, "cost_facts", "cost_daily")?;
        let files = vec![
            (Table::Charges, charges_hash),
            (Table::Usage, usage_hash),
            (Table::CostFacts, facts_hash),
            (Table::CostDaily, daily_hash),
        ];
        Ok(Made { files, costs: self.costs })
    }
}

/// Starts a thread that writes what it is sent.
fn written_aside<'scope>(
    scope: &'scope Scope<'scope, '_>,
    mut writer: Writer,
    write: fn(&mut Writer, &(Charges, Facts)) -> Result<()>,
) -> (Waiting, Writing<'scope>) {
    // One stretch is written while the next is made; none waits.
    let (sender, receiver) = mpsc::sync_channel::<Arc<(Charges, Facts)>>(0);
    let thread = scope.spawn(move || {
        for made in receiver {
            write(&mut writer, &made)?;
        }
        writer.finish()
    });
    (sender, thread)
}

fn written((sender, thread): (Waiting, Writing<'_>)) -> Result<String> {
    drop(sender);
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Adds charges to sums by account and currency.
fn add_totals<'a>(totals: &mut Totals, charges: &Charges, rows: impl Iterator<Item = &'a Charge>) {
    let mut sums = vec![Amounts::default(); charges.dimensions.all().len()];
    for row in rows {
        facts::law::add(&mut sums[row.dimensions as usize], &row.amounts);
    }
    for (set, sum) in charges.dimensions.all().iter().zip(sums) {
        let text = |column: ChargeText| charges.texts.str(set[column as usize]);
        totals.add(text(ChargeText::SubAccountId), text(ChargeText::BillingCurrency), &sum);
    }
}
