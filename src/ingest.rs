//! Ingest: brings the store up to date, period by period. The only stage that calls all the others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::attribute::consumers::Consumers;
use crate::attribute::demand::{Profiles, owner_of};
use crate::attribute::owner::{OwnerTexts, Vocabulary};
use crate::attribute::{self, Ladder, carriers::TagReader};
use crate::clock;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::facts::law::Totals;
use crate::facts::store::{self, Change, Fingerprint, Part, Record, Store};
use crate::facts::{self, parquet};
use crate::normalise::lines::Collector;
use crate::normalise::trust::Trust;
use crate::normalise::{Charge, Charges};
use crate::schema::{ChargeText, Table};
use crate::sources::bill::columns::{TextColumn, TimeColumn};
use crate::sources::bill::fingerprint;
use crate::sources::bill::layout::{self, BillPeriod};
use crate::sources::bill::scan::{self, BillFile};
use crate::sources::cloudwatch::{self, HourSample, MetricSource, Scope};
use crate::text::{Text, Texts};

/// What became of a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Stored for the first time.
    New,
    /// Nothing it was made from changed.
    Unchanged,
    /// Made again, for these causes.
    Replaced(Vec<String>),
    /// Refused, with the reason; what was stored before is as it was.
    Refused(String),
    /// Stored before, no longer in any bill; kept.
    Gone,
}

/// What an ingest did.
#[derive(Debug, Default)]
pub struct Summary {
    /// By period.
    pub periods: BTreeMap<String, Outcome>,
    /// Sources or periods that failed, each with what to do.
    pub failures: Vec<String>,
    /// Things worth saying.
    pub warnings: Vec<String>,
}

/// One export's files of one period, opened.
struct Export {
    name: String,
    root: PathBuf,
    period: BillPeriod,
    files: Vec<BillFile>,
}

/// Reads every source and stores what changed.
pub fn ingest(config: &Config, store: &Store, say: &dyn Fn(&str)) -> Result<Summary> {
    let _lock = store.lock()?;
    store.recover()?;
    let mut summary = Summary::default();
    let vocabulary = Vocabulary::new(config);
    let mut unread = Unread::default();
    let samples = read_metrics(config, &mut summary, &mut unread);
    let exports = find_exports(config, &mut summary, &mut unread);
    let rules = rules_fingerprint(config);
    for (period, exports) in &exports {
        if summary.periods.contains_key(period) {
            continue;
        }
        let samples = samples.get(period).map_or(&[][..], Vec::as_slice);
        let job =
            Job { config, store, vocabulary: &vocabulary, period, exports, samples, rules: &rules, unread: &unread };
        match job.run(&mut summary.warnings) {
            Ok(outcome) => {
                if outcome != Outcome::Unchanged {
                    say(&format!("{period} {}", describe(&outcome)));
                }
                summary.periods.insert(period.clone(), outcome);
            }
            Err(error @ (Error::Conservation(_) | Error::Config { .. })) => return Err(error),
            Err(error) => refuse(&mut summary, period, &error),
        }
    }
    for period in store.periods()? {
        if !summary.periods.contains_key(&period) && unread.bills.is_empty() {
            summary.warnings.push(format!("{period} is stored but no longer in any bill; its facts are kept"));
            summary.periods.insert(period, Outcome::Gone);
        }
    }
    Ok(summary)
}

fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::New => "stored".into(),
        Outcome::Unchanged => "unchanged".into(),
        Outcome::Replaced(causes) => format!("replaced (changed: {})", causes.join(", ")),
        Outcome::Refused(reason) => format!("refused: {reason}"),
        Outcome::Gone => "kept".into(),
    }
}

fn refuse(summary: &mut Summary, period: &str, error: &Error) {
    summary.failures.push(format!("{period} is left as it was: {error}\n  hint: {}", error.hint()));
    summary.periods.insert(period.to_string(), Outcome::Refused(error.to_string()));
}

/// Sources that could not be read, so that what is missing is not taken for what is gone.
#[derive(Debug, Default)]
struct Unread {
    /// Exports, by their paths in the config.
    bills: BTreeSet<String>,
    /// Whether metrics are missing, wholly or in part.
    metrics: bool,
}

/// Finds the exports of every period. An export that fails altogether fails alone.
fn find_exports(config: &Config, summary: &mut Summary, unread: &mut Unread) -> BTreeMap<String, Vec<Export>> {
    let mut exports: BTreeMap<String, Vec<Export>> = BTreeMap::new();
    for bill in &config.bill {
        let root = config.resolve(&bill.path);
        let layout = match layout::detect(&root) {
            Ok(layout) => layout,
            Err(error) => {
                summary.failures.push(format!("bill `{}`: {error}\n  hint: {}", bill.path, error.hint()));
                unread.bills.insert(bill.path.clone());
                continue;
            }
        };
        summary.warnings.extend(layout.warnings);
        for (period, error) in &layout.refused {
            refuse(summary, period, error);
        }
        for period in layout.periods {
            match scan::open(&period) {
                Ok(files) => exports.entry(period.period.clone()).or_default().push(Export {
                    name: bill.path.clone(),
                    root: root.clone(),
                    period,
                    files,
                }),
                Err(error) => refuse(summary, &period.period, &error),
            }
        }
    }
    exports
}

/// Reads every metric source; samples by billing period, equal ones once.
fn read_metrics(config: &Config, summary: &mut Summary, unread: &mut Unread) -> BTreeMap<String, Vec<HourSample>> {
    let mut all: BTreeMap<String, BTreeMap<SeriesKey, HourSample>> = BTreeMap::new();
    for metrics in &config.metrics {
        let source = MetricSource {
            path: config.resolve(&metrics.path),
            namespace: metrics.namespace.clone(),
            dimensions: metrics.dimensions.clone(),
            names: metrics.names.clone(),
            account: metrics.account.clone(),
            region: metrics.region.clone(),
        };
        match cloudwatch::read(&source) {
            Ok(read) => {
                unread.metrics |= !read.failures.is_empty();
                summary
                    .failures
                    .extend(read.failures.iter().map(|failure| format!("metrics `{}`: {failure}", metrics.path)));
                for warning in &read.warnings {
                    let line = warning.line.map(|line| format!(", line {line}")).unwrap_or_default();
                    summary.warnings.push(format!("{}{line}: {}", warning.file.display(), warning.text));
                }
                for sample in read.samples {
                    let month = clock::month_of(clock::day_of(sample.hour));
                    // Two sources over one folder both return AWS's own series.
                    all.entry(month).or_default().entry(series_key(&sample)).or_insert(sample);
                }
            }
            Err(error) => {
                unread.metrics = true;
                let hint = error.hint();
                summary.failures.push(format!("metrics `{}`: {error}\n  hint: {hint}", metrics.path));
            }
        }
    }
    all.into_iter().map(|(month, samples)| (month, samples.into_values().collect())).collect()
}

type SeriesKey = (i64, bool, Scope, [String; 5], BTreeMap<String, String>);

/// What tells one measured series and hour from another.
fn series_key(sample: &HourSample) -> SeriesKey {
    let texts = [
        sample.account_id.clone(),
        sample.region.clone(),
        sample.namespace.clone(),
        sample.model_id.clone().unwrap_or_default(),
        sample.endpoint.map_or("", |endpoint| endpoint.as_str()).to_string(),
    ];
    (sample.hour, sample.daily, sample.scope, texts, sample.owner.clone())
}

/// Hash of everything in the config that decides about owners.
fn rules_fingerprint(config: &Config) -> String {
    let parts = (&config.tags, &config.owner, &config.accounts, &config.shared, &config.privacy, &config.router);
    // What serialises here are plain tables of text, which cannot fail.
    let text = serde_json::to_string(&parts).unwrap_or_default();
    blake3::hash(text.as_bytes()).to_hex()[..32].to_string()
}

/// The work on one period.
struct Job<'a> {
    config: &'a Config,
    store: &'a Store,
    vocabulary: &'a Vocabulary,
    period: &'a str,
    exports: &'a [Export],
    samples: &'a [HourSample],
    rules: &'a str,
    unread: &'a Unread,
}

impl Job<'_> {
    fn run(&self, warnings: &mut Vec<String>) -> Result<Outcome> {
        let fingerprint = self.fingerprint()?;
        // A damaged record is made again from the bill, as its own message advises.
        let stored = self.store.record(self.period).unwrap_or_else(|error| {
            warnings.push(format!("{error}; the period is made again"));
            None
        });
        if let Some(stored) = &stored
            && self.store.is_whole(stored)
        {
            let mut expected = fingerprint.clone();
            if self.unread.metrics {
                // Metrics that could not be read are no reason to forget what they said.
                expected.metrics.clone_from(&stored.fingerprint.metrics);
            }
            if stored.fingerprint == expected {
                return Ok(Outcome::Unchanged);
            }
            self.must_be_whole(stored)?;
        }
        let mut record = self.make(warnings)?;
        record.fingerprint = fingerprint;
        let outcome = match stored {
            None => Outcome::New,
            Some(stored) => {
                let mut causes = stored.fingerprint.causes(&record.fingerprint);
                if causes.is_empty() {
                    causes.push("damaged store".into());
                }
                if stored.totals != record.totals {
                    record.changed = Some(Change { causes: causes.clone(), before: stored.totals });
                }
                Outcome::Replaced(causes)
            }
        };
        self.store.commit(&record)?;
        Ok(outcome)
    }

    /// Refuses to replace a period while an export that it was made from cannot be read.
    fn must_be_whole(&self, stored: &Record) -> Result<()> {
        let is_missing = |part: &&Part| {
            let configured = self.config.bill.iter().any(|bill| bill.path == part.bill);
            configured && !part.payers.is_empty() && !self.exports.iter().any(|export| export.name == part.bill)
        };
        match stored.parts.iter().find(|part| self.unread.bills.contains(&part.bill) || is_missing(part)) {
            None => Ok(()),
            Some(part) => Err(Error::input(
                format!("bill `{}`", part.bill),
                "it was part of this period and its part cannot be read now",
                "mend it, or take it out of the config if it is gone for good",
            )),
        }
    }

    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut bill = blake3::Hasher::new();
        for export in self.exports {
            bill.update(export.name.as_bytes());
            bill.update(fingerprint::of(&export.root, &export.period, &export.files)?.as_bytes());
        }
        let mut metrics = blake3::Hasher::new();
        for sample in self.samples {
            metrics.update(format!("{sample:?}\n").as_bytes());
        }
        let short = |hash: &blake3::Hasher| hash.finalize().to_hex()[..32].to_string();
        Ok(Fingerprint {
            bill: short(&bill),
            metrics: short(&metrics),
            rules: self.rules.to_string(),
            version: format!("{}/{}", env!("CARGO_PKG_VERSION"), store::REVISION),
        })
    }

    fn make(&self, warnings: &mut Vec<String>) -> Result<Record> {
        let mut record = Record { period: self.period.to_string(), ..Record::default() };
        let mut charges = self.read_bills(&mut record, warnings)?;
        record.totals = totals_of(&charges.rows, &charges.texts);
        if !record.totals.can_be_stored() {
            return Err(Error::input(
                self.exports.iter().map(|export| export.name.as_str()).collect::<Vec<_>>().join(", "),
                "the period's sum is larger than 28 digits before the point",
                "look for a line with an absurd amount; the period is left as it was",
            ));
        }
        let consumers = self.find_consumers(&mut charges)?;
        let ladder = Ladder::new(self.config, self.vocabulary, &consumers, &mut charges.texts);
        let (facts, profiles) = ladder.attribute(&mut charges, self.samples, &mut record.trust)?;
        let usage = self.usage_rows(&profiles, &mut charges.texts);
        self.write(&mut record, charges, facts, &usage)?;
        let is_typed =
            |export: &Export| export.files.iter().all(|file| file.positions.text(TextColumn::LineItemType).is_some());
        for export in self.exports.iter().filter(|export| !is_typed(export)) {
            warnings.push(format!(
                "{}: `{}` has no column `line_item_line_item_type`; its lines are taken as Usage, tax and credits among them",
                self.period, export.name
            ));
        }
        if record.trust.lines_selected == 0 {
            warnings
                .push(format!("{}: none of the bill's {} lines are Bedrock's", self.period, record.trust.lines_read));
        }
        Ok(record)
    }

    /// Reads the lines of every export; where two hold the same payer, the first in the config counts.
    fn read_bills(&self, record: &mut Record, warnings: &mut Vec<String>) -> Result<Charges> {
        let mut charges = Charges::default();
        let mut payers: BTreeSet<Text> = BTreeSet::new();
        for export in self.exports {
            let mut collector = Collector::new(self.period, export.period.mixed, std::mem::take(&mut charges.texts));
            let seen = scan::candidates(&export.files, &mut |file, lines| collector.take(file, lines))?;
            collector.trust.lines_read = seen.lines;
            let (texts, rows, mut trust) = collector.finish();
            charges.texts = texts;
            let own: BTreeSet<Text> = rows.iter().map(|row| row.text(ChargeText::BillingAccountId)).collect();
            // A payer that the export does not name is nobody's double.
            let doubled: BTreeSet<Text> = own.intersection(&payers).copied().filter(|payer| !payer.is_null()).collect();
            for payer in &doubled {
                let payer = charges.texts.get(*payer).unwrap_or("(unknown)");
                warnings.push(format!(
                    "{}: payer {payer} is in `{}` and in an export named before it; only the first counts",
                    self.period, export.name
                ));
            }
            for row in rows {
                let payer = row.text(ChargeText::BillingAccountId);
                if doubled.contains(&payer) {
                    let name = format!("{} in {}", charges.texts.str(payer), export.name);
                    let currency = charges.texts.str(row.text(ChargeText::BillingCurrency));
                    let cost = row.amounts[crate::normalise::UNBLENDED].unwrap_or(0);
                    trust.duplicate_payers.entry(name).or_default().add(currency, cost);
                } else {
                    charges.rows.push(row);
                }
            }
            record.parts.push(part_of(export, &own, &trust, seen.watermark, &charges.texts));
            record.trust.merge(trust);
            payers.extend(own);
        }
        Ok(charges)
    }

    /// The second pass of rung 3, only where sessions stay unnamed.
    fn find_consumers(&self, charges: &mut Charges) -> Result<Consumers> {
        let wanted = attribute::unnamed_sessions(charges, self.vocabulary);
        let mut consumers = Consumers::default();
        if wanted.is_empty() {
            return Ok(consumers);
        }
        let names: BTreeSet<&str> = wanted.iter().map(|(_, session)| session.as_str()).collect();
        let is_wanted =
            |resource: &str| attribute::consumers::session_name(resource).is_some_and(|name| names.contains(name));
        let mut reader = TagReader::new(self.vocabulary);
        let texts = &mut charges.texts;
        for export in self.exports {
            scan::consumers(&export.files, &is_wanted, &mut |_, lines| {
                for row in 0..lines.len {
                    let account = lines.text(TextColumn::UsageAccount, row);
                    let resource = lines.text(TextColumn::ResourceId, row);
                    let (Some(account), Some(resource)) = (account, resource) else { continue };
                    let Some(tags) = crate::normalise::tags::json(lines, row) else { continue };
                    let time = lines.time(TimeColumn::UsageStart, row).unwrap_or(0);
                    let tags = texts.intern(&tags);
                    consumers.add(account, resource, time, tags, &mut reader, texts);
                }
                Ok(())
            })?;
        }
        Ok(consumers)
    }

    /// The measured demand as rows of `usage`.
    fn usage_rows(&self, profiles: &Profiles, texts: &mut Texts) -> Vec<parquet::Usage> {
        let mut rows: Vec<parquet::Usage> = self
            .samples
            .iter()
            .map(|sample| {
                let account = texts.intern(&sample.account_id);
                let id = sample.model_id.as_deref();
                let model = id.and_then(|id| profiles.resolve(account, id, texts)).unwrap_or_default();
                let owner = match sample.scope {
                    Scope::Owner => owner_of(sample, self.vocabulary, texts),
                    Scope::Native => id
                        .map_or_else(OwnerTexts::default, |id| profiles.owner(account, id, clock::day_of(sample.hour))),
                };
                let text = |text: Text| texts.get(text).map(String::from);
                let tier = if model.model[2].is_null() { model.tier } else { model.model[2] };
                parquet::Usage {
                    start: sample.hour,
                    texts: [
                        Some(sample.account_id.clone()),
                        Some(sample.region.clone()),
                        sample.model_id.clone(),
                        text(model.model[0]),
                        text(model.model[1]),
                        text(tier),
                        text(model.routing),
                        sample.endpoint.map(|endpoint| endpoint.as_str().to_string()),
                        text(owner[0]),
                        text(owner[1]),
                        text(owner[2]),
                        text(owner[3]),
                        Some(sample.source.as_str().to_string()),
                        Some(sample.scope.as_str().to_string()),
                    ],
                    measures: [
                        sample.invocations,
                        sample.input_tokens,
                        sample.output_tokens,
                        sample.cache_read_tokens,
                        sample.cache_write_tokens,
                        sample.business_units,
                    ],
                }
            })
            .collect();
        rows.sort();
        rows
    }

    /// Asserts the law between every two steps and writes the tables.
    fn write(
        &self,
        record: &mut Record,
        mut charges: Charges,
        mut facts: Vec<attribute::Fact>,
        usage: &[parquet::Usage],
    ) -> Result<()> {
        let sessions = self.config.privacy.sessions;
        let Charges { texts, rows } = &mut charges;
        let check = |totals: &Totals, from, to| record.totals.must_equal(totals, self.period, from, to);
        let file = |table| self.store.new_file(table, self.period);

        facts::store_charges(rows, sessions, texts)?;
        check(&totals_of(rows.iter(), texts), "the bill's lines", "charges")?;
        let charges_hash = parquet::charges(&file(Table::Charges)?, rows, texts)?;
        *rows = Vec::new();

        facts::store_facts(&mut facts, sessions, texts)?;
        check(&totals_of(facts.iter().map(|fact| &fact.charge), texts), "charges", "cost_facts")?;
        let facts_hash = parquet::facts(&file(Table::CostFacts)?, &facts, texts)?;

        let daily = facts::daily(&facts, &texts.ranks())?;
        let account = daily_position(ChargeText::SubAccountId);
        let currency = daily_position(ChargeText::BillingCurrency);
        let days =
            daily.iter().map(|row| (texts.str(row.texts[account]), texts.str(row.texts[currency]), &row.amounts));
        check(&Totals::of(days), "cost_facts", "cost_daily")?;

        let files = [
            (Table::Charges, charges_hash),
            (Table::Usage, parquet::usage(&file(Table::Usage)?, usage)?),
            (Table::CostFacts, facts_hash),
            (Table::CostDaily, parquet::daily(&file(Table::CostDaily)?, &daily, texts)?),
        ];
        record.files = files.into_iter().map(|(table, hash)| (table.name().to_string(), hash)).collect();
        Ok(())
    }
}

fn totals_of<'a>(rows: impl IntoIterator<Item = &'a Charge>, texts: &'a Texts) -> Totals {
    Totals::of(rows.into_iter().map(|row| {
        let account = texts.str(row.text(ChargeText::SubAccountId));
        (account, texts.str(row.text(ChargeText::BillingCurrency)), &row.amounts)
    }))
}

fn daily_position(column: ChargeText) -> usize {
    let position = crate::schema::DAILY_TEXTS.iter().position(|kept| *kept == column);
    position.expect("account and currency are columns of cost_daily")
}

fn part_of(export: &Export, payers: &BTreeSet<Text>, trust: &Trust, watermark: Option<i64>, texts: &Texts) -> Part {
    let mut payers: Vec<String> = payers.iter().filter_map(|payer| texts.get(*payer)).map(String::from).collect();
    payers.sort();
    Part {
        bill: export.name.clone(),
        payers,
        watermark,
        bedrock_only: trust.lines_read == trust.lines_selected,
        manifest_time: export.period.manifest_time,
        manifest: export
            .period
            .manifest
            .as_ref()
            .map(|path| path.strip_prefix(&export.root).unwrap_or(path).to_string_lossy().replace('\\', "/")),
    }
}
