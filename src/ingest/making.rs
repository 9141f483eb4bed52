//! From the gathered charges of a period to its tables, one stretch of time after the other, and the law
//! between every two steps.
//!
//! What a stretch needs to know of the whole period is found before: sessions without an owner and the
//! resources behind them, the profiles that metrics speak of, what the owners of usage have spent.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, mpsc};
use std::thread::{Scope, ScopedJoinHandle};

use super::usage;
use crate::attribute::consumers::{Consumers, Wanted};
use crate::attribute::demand::{self, Profiles};
use crate::attribute::owner::Vocabulary;
use crate::attribute::shared::Shares;
use crate::attribute::{self, Fact, Ladder};
use crate::clock;
use crate::config::{Config, SharedPolicy};
use crate::error::{Error, Result};
use crate::facts::changes::{self, Costs};
use crate::facts::law::Totals;
use crate::facts::parquet::{self, Writer};
use crate::facts::record::Regions;
use crate::facts::store::Store;
use crate::facts::{self, Rollup};
use crate::normalise::gathered::Gathered;
use crate::normalise::trust::Trust;
use crate::normalise::{Charge, Charges};
use crate::schema::{ChargeText, Table};
use crate::sources::cloudwatch::{self, HourSample};
use crate::text::{Text, Texts};

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
    pub fn of(gathered: &mut Gathered, most: usize, vocabulary: &Vocabulary) -> Result<Self> {
        let mut survey = Self::default();
        gathered.each_part(most, &mut |charges| {
            add_totals(&mut survey.totals, charges.rows.iter(), &charges.texts);
            survey.add_regions(charges);
            attribute::add_unnamed_sessions(charges, vocabulary, &mut survey.wanted);
        })?;
        Ok(survey)
    }

    fn add_regions(&mut self, charges: &Charges) {
        let mut seen: BTreeSet<[Text; 2]> = BTreeSet::new();
        for row in &charges.rows {
            let text = |column| charges.texts.get(row.text(column));
            let is_usage =
                !row.text(ChargeText::ModelName).is_null() && text(ChargeText::ChargeCategory) == Some("Usage");
            let place = [ChargeText::SubAccountId, ChargeText::RegionId].map(|column| row.text(column));
            if is_usage && seen.insert(place) {
                let [Some(account), Some(region)] = place.map(|text| charges.texts.get(text)) else { continue };
                self.regions.entry(account.to_string()).or_default().insert(region.to_string());
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
    pub gathered: &'a Gathered,
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
    pub fn make(&self, totals: &Totals, trust: &mut Trust) -> Result<Made> {
        let by_day = by_day(self.samples);
        let claims = |sample: &&HourSample| sample.subject.scope == cloudwatch::Scope::Owner;
        let demanded: BTreeSet<i32> = self.samples.iter().filter(claims).map(day_of).collect();
        // Claims are made within a day, so a day that has some is not cut.
        let stretches = self.gathered.stretches(self.most, &|day| !demanded.contains(&day));
        let mut profiles = self.profiles(&stretches)?;
        let shares = self.shares(&stretches, &by_day, &profiles)?;
        std::thread::scope(|scope| {
            let mut tables = Tables::create(scope, self.store, self.period)?;
            for stretch in &stretches {
                let mut charges = self.gathered.load(stretch)?;
                let mut facts = self.facts(&mut charges, stretch, &by_day, &profiles, trust);
                profiles.learn_owners(&facts, &charges.texts);
                if let Some(shares) = &shares {
                    facts = shares.spread(facts, &mut charges.texts);
                }
                tables.add(charges, facts, self.config.privacy.sessions, stretch)?;
            }
            self.count_unbilled(&by_day, &stretches, &profiles, trust);
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
    ) -> Vec<Fact> {
        let samples = samples.get(&clock::day_of(stretch.start)).map_or(&[][..], Vec::as_slice);
        let ladder = Ladder::new(self.config, self.vocabulary, self.consumers, &mut charges.texts);
        ladder.attribute(charges, samples, profiles, trust)
    }

    /// The models of the profiles that metrics speak of.
    fn profiles(&self, stretches: &[Range<i64>]) -> Result<Profiles> {
        let mut profiles = Profiles::asked_by(self.samples);
        if profiles.is_asked() {
            for stretch in stretches {
                profiles.learn_models(&self.gathered.load(stretch)?);
            }
        }
        Ok(profiles)
    }

    /// What the owners of usage have spent, where the rest is spread over them.
    fn shares(
        &self,
        stretches: &[Range<i64>],
        samples: &BTreeMap<i32, Vec<&HourSample>>,
        profiles: &Profiles,
    ) -> Result<Option<Shares>> {
        if self.config.shared.policy != SharedPolicy::ProRata {
            return Ok(None);
        }
        let mut shares = Shares::default();
        for stretch in stretches {
            let mut charges = self.gathered.load(stretch)?;
            // What the reader must know is counted when the tables are made.
            let facts = self.facts(&mut charges, stretch, samples, profiles, &mut Trust::default());
            shares.add(&facts, &charges.texts);
        }
        Ok(Some(shares))
    }

    /// Counts what was measured on days without a charge.
    fn count_unbilled(
        &self,
        samples: &BTreeMap<i32, Vec<&HourSample>>,
        stretches: &[Range<i64>],
        profiles: &Profiles,
        trust: &mut Trust,
    ) {
        let billed: BTreeSet<i32> = stretches.iter().map(|stretch| clock::day_of(stretch.start)).collect();
        for (_, samples) in samples.iter().filter(|(day, _)| !billed.contains(*day)) {
            demand::demands(samples, profiles, self.vocabulary, &mut Charges::default(), trust);
        }
    }
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

/// Rows that wait to be written.
type Waiting<Row> = mpsc::SyncSender<(Vec<Row>, Arc<Texts>)>;
/// Writes rows until there are no more; returns the hash of the file.
type Writing<'scope> = ScopedJoinHandle<'scope, Result<String>>;

/// The files of a period's tables, and what they hold so far. Charges and facts are written by threads
/// of their own, while the next stretch is made.
struct Tables<'scope, 'a> {
    store: &'a Store,
    charges: (Waiting<Charge>, Writing<'scope>),
    facts: (Waiting<Fact>, Writing<'scope>),
    daily: Writer,
    /// Of charges, facts and days.
    totals: [Totals; 3],
    /// The day that is not complete yet.
    rollup: Option<(i32, Rollup)>,
    costs: Costs,
}

impl<'scope, 'a> Tables<'scope, 'a> {
    fn create(scope: &'scope Scope<'scope, '_>, store: &'a Store, period: &str) -> Result<Self> {
        let writer = |table| Writer::create(table, store.new_file(table, period)?);
        Ok(Self {
            store,
            charges: written_aside(scope, writer(Table::Charges)?, Writer::charges),
            facts: written_aside(scope, writer(Table::CostFacts)?, Writer::facts),
            daily: writer(Table::CostDaily)?,
            totals: Default::default(),
            rollup: None,
            costs: Costs::new(),
        })
    }

    fn add(&mut self, charges: Charges, mut facts: Vec<Fact>, sessions: bool, stretch: &Range<i64>) -> Result<()> {
        let Charges { mut texts, mut rows } = charges;
        facts::as_stored(&mut rows, &mut facts, sessions, &mut texts)?;
        add_totals(&mut self.totals[0], rows.iter(), &texts);
        add_totals(&mut self.totals[1], facts.iter().map(|fact| &fact.charge), &texts);
        let day = clock::day_of(stretch.start);
        if self.rollup.as_ref().is_some_and(|(rolled, _)| *rolled != day) {
            self.end_day()?;
        }
        self.rollup.get_or_insert_with(|| (day, Rollup::default())).1.add(&facts, &texts)?;
        let texts = Arc::new(texts);
        // A writer that failed takes no more, and says why at the end.
        let _stopped = self.charges.0.send((rows, Arc::clone(&texts)));
        let _stopped = self.facts.0.send((facts, texts));
        Ok(())
    }

    fn end_day(&mut self) -> Result<()> {
        let Some((_, rollup)) = self.rollup.take() else { return Ok(()) };
        let (rows, texts) = rollup.finish();
        let place = |column: ChargeText| crate::schema::DAILY_TEXTS.iter().position(|kept| *kept == column);
        let [account, currency] = [ChargeText::SubAccountId, ChargeText::BillingCurrency].map(place);
        for row in &rows {
            let text = |at: Option<usize>| at.map_or("", |at| texts.str(row.texts[at]));
            self.totals[2].add(text(account), text(currency), &row.amounts);
        }
        changes::add_costs(&mut self.costs, &rows, &texts);
        self.daily.daily(&rows, &texts)
    }

    fn finish(mut self, expected: &Totals, period: &str, (usage, texts): (Vec<parquet::Usage>, Texts)) -> Result<Made> {
        self.end_day()?;
        let (charges_hash, facts_hash) = (written(self.charges)?, written(self.facts)?);
        let [charges, facts, daily] = &self.totals;
        expected.must_equal(charges, period, "the bill's lines", "charges")?;
        expected.must_equal(facts, period, "charges", "cost_facts")?;
        expected.must_equal(daily, period, "cost_facts", "cost_daily")?;
        let files = vec![
            (Table::Charges, charges_hash),
            (Table::Usage, parquet::usage(self.store.new_file(Table::Usage, period)?, &usage, &texts)?),
            (Table::CostFacts, facts_hash),
            (Table::CostDaily, self.daily.finish()?),
        ];
        Ok(Made { files, costs: self.costs })
    }
}

/// Starts a thread that writes what it is sent.
fn written_aside<'scope, Row: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    mut writer: Writer,
    write: fn(&mut Writer, &[Row], &Texts) -> Result<()>,
) -> (Waiting<Row>, Writing<'scope>) {
    // One stretch is written while the next is made; none waits.
    let (sender, receiver) = mpsc::sync_channel::<(Vec<Row>, Arc<Texts>)>(0);
    let thread = scope.spawn(move || {
        for (rows, texts) in receiver {
            write(&mut writer, &rows, &texts)?;
        }
        writer.finish()
    });
    (sender, thread)
}

fn written<Row>((sender, thread): (Waiting<Row>, Writing<'_>)) -> Result<String> {
    drop(sender);
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Adds charges to sums by account and currency.
fn add_totals<'a>(totals: &mut Totals, rows: impl Iterator<Item = &'a Charge>, texts: &Texts) {
    let mut sums: BTreeMap<[Text; 2], Totals> = BTreeMap::new();
    for row in rows {
        let place = [ChargeText::SubAccountId, ChargeText::BillingCurrency].map(|column| row.text(column));
        sums.entry(place).or_default().add("", "", &row.amounts);
    }
    for ([account, currency], sum) in sums {
        for amounts in sum.0.values() {
            totals.add(texts.str(account), texts.str(currency), amounts);
        }
    }
}

/// A sum that no column holds.
pub(super) fn too_large(names: &str) -> Error {
    Error::input(
        names,
        "the period's sum is larger than 28 digits before the point",
        "look for a line with an absurd amount; the period is left as it was",
    )
}
