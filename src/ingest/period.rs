//! The work on one period: from what changed to what is stored, and the law between every two steps.

use std::collections::{BTreeMap, BTreeSet};

use super::exports::Export;
use super::live::Work;
use super::measured::Measured;
use super::{Outcome, Unread};
use crate::attribute::consumers::Consumers;
use crate::attribute::demand::{Profiles, owner_of};
use crate::attribute::owner::{OwnerTexts, Vocabulary};
use crate::attribute::{self, Ladder, carriers::TagReader};
use crate::clock;
use crate::error::{Error, Result};
use crate::facts::changes::{self, Changed};
use crate::facts::law::Totals;
use crate::facts::record::Regions;
use crate::facts::store::{self, Change, Fingerprint, Found, Part, Record};
use crate::facts::{self, parquet};
use crate::normalise::lines::{Collected, Collector};
use crate::normalise::trust::Trust;
use crate::normalise::{BILLED, Charge, Charges, UNBLENDED};
use crate::place::Entry;
use crate::schema::{ChargeText, Table};
use crate::sources::bill::columns::{TextColumn, TimeColumn};
use crate::sources::bill::scan;
use crate::sources::cloudwatch::{HourSample, Scope};
use crate::text::{Text, Texts};
use crate::watch::Watch;

/// The work on one period.
pub(super) struct Job<'a> {
    pub(super) work: Work<'a>,
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) period: &'a str,
    pub(super) exports: &'a [Export],
    pub(super) rules: &'a str,
    pub(super) unread: &'a Unread,
    pub(super) watch: &'a dyn Watch,
}

impl Job<'_> {
    pub(super) fn run(&self, measured: &mut Measured<'_>, warnings: &mut Vec<String>) -> Result<Outcome> {
        let bill = self.bill_fingerprint()?;
        // A damaged record is made again from the bill, as its own message advises.
        let found = self.work.store.find(self.period)?;
        if let Found::Damaged { error, .. } = &found {
            warnings.push(format!("{error}; the period is made again"));
        }
        let stored = if let Found::Whole(stored) = &found { Some(stored) } else { None };
        // Who used models where is known of an unchanged bill; else the bill is read first.
        let known = stored.map(|stored| &stored.record).filter(|record| record.fingerprint.bill == bill);
        let mut read = None;
        if !measured.live.is_empty() {
            let regions = match known {
                Some(record) => record.regions.clone(),
                None => read.insert(self.read(warnings)?).0.regions.clone(),
            };
            measured.prepare(&self.work, self.period, &regions, warnings)?;
        }
        let fingerprint = self.fingerprint(bill, measured);
        if let Some(record) = stored.map(|stored| &stored.record) {
            let mut expected = fingerprint.clone();
            if self.unread.metrics {
                // Metrics that could not be read are no reason to forget what they said.
                expected.metrics.clone_from(&record.fingerprint.metrics);
            }
            if record.fingerprint == expected && self.work.store.is_whole(record)? {
                return Ok(Outcome::Unchanged);
            }
            self.must_be_whole(record)?;
            self.must_be_delivered(record)?;
        }
        let old = stored.map(|stored| &stored.record);
        let causes = old.map(|old| old.fingerprint.causes(&fingerprint)).unwrap_or_default();
        let causes = if old.is_some() && causes.is_empty() { vec!["damaged store".into()] } else { causes };
        let read = match read {
            Some(read) => read,
            None => self.read(warnings)?,
        };
        let mut record = self.make(read, measured, (old, &causes), warnings)?;
        record.fingerprint = fingerprint;
        if let Some(old) = old {
            let figures = [Table::CostFacts, Table::CostDaily].map(Table::name);
            let differs = figures.iter().any(|name| old.files.get(*name) != record.files.get(*name));
            record.changed = if differs {
                Some(Change { causes: causes.clone(), before: old.totals.clone(), at: self.work.as_of })
            } else {
                old.changed.clone()
            };
        }
        self.work.store.commit(&record, &found)?;
        Ok(if stored.is_none() { Outcome::New } else { Outcome::Replaced(causes) })
    }

    /// Refuses an export of which some files are another delivery's and others are not, under the manifest
    /// of the delivery before: each delivery writes all of its files and the manifest last.
    fn must_be_delivered(&self, stored: &Record) -> Result<()> {
        for export in self.exports {
            let Some(part) = stored.parts.iter().find(|part| part.bill == export.name) else { continue };
            let tags = tags_of(export);
            let (Some(manifest), false) = (&export.period.manifest, part.tags.is_empty()) else { continue };
            if tags.get(&manifest.path) != part.tags.get(&manifest.path) || tags.keys().ne(part.tags.keys()) {
                continue;
            }
            let data = || export.period.files.iter();
            let is_new = |file: &&Entry| tags.get(&file.path) != part.tags.get(&file.path);
            let is_later = data().filter(is_new).any(|file| file.modified > manifest.modified);
            if is_later && !data().all(|file| is_new(&file)) {
                return Err(Error::input(
                    export.place.address(&manifest.path),
                    "some files of the export are newer than its manifest and others are not",
                    "the delivery is not finished; run again after it; the period is left as it was",
                ));
            }
        }
        Ok(())
    }

    /// Refuses to replace a period while an export that it was made from cannot be read.
    fn must_be_whole(&self, stored: &Record) -> Result<()> {
        if self.unread.metrics && stored.fingerprint.metrics != no_metrics() {
            return Err(Error::input(
                "metrics",
                "the period was made with metrics that cannot be read now",
                "mend the source that is named above; the period is left as it was",
            ));
        }
        let is_missing = |part: &&Part| {
            let configured = self.work.config.bill.iter().any(|bill| bill.path == part.bill);
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

    fn bill_fingerprint(&self) -> Result<String> {
        let mut bill = blake3::Hasher::new();
        for export in self.exports {
            bill.update(export.name.as_bytes());
            bill.update(export.fingerprint()?.as_bytes());
        }
        Ok(bill.finalize().to_hex()[..32].to_string())
    }

    fn fingerprint(&self, bill: String, measured: &Measured<'_>) -> Fingerprint {
        Fingerprint {
            bill,
            metrics: measured.fingerprint(self.period),
            rules: self.rules.to_string(),
            version: store::version(),
        }
    }

    /// Reads the bill: charges, and a record of what they sum to.
    fn read(&self, warnings: &mut Vec<String>) -> Result<(Record, Charges)> {
        let mut record = Record { period: self.period.to_string(), ..Record::default() };
        let charges = self.read_bills(&mut record, warnings)?;
        record.totals = totals_of(&charges.rows, &charges.texts);
        record.regions = regions_of(&charges);
        if !record.totals.can_be_stored() {
            return Err(Error::input(
                self.exports.iter().map(|export| export.name.as_str()).collect::<Vec<_>>().join(", "),
                "the period's sum is larger than 28 digits before the point",
                "look for a line with an absurd amount; the period is left as it was",
            ));
        }
        Ok((record, charges))
    }

    fn make(
        &self,
        (mut record, mut charges): (Record, Charges),
        measured: &Measured<'_>,
        replaced: (Option<&Record>, &[String]),
        warnings: &mut Vec<String>,
    ) -> Result<Record> {
        let consumers = self.find_consumers(&mut charges)?;
        let ladder = Ladder::new(self.work.config, self.vocabulary, &consumers, &mut charges.texts);
        let samples = measured.samples(self.work.store, self.period)?;
        let (facts, profiles) = ladder.attribute(&mut charges, &samples, &mut record.trust)?;
        let usage = self.usage_rows(&samples, &profiles, &mut charges.texts);
        self.write(&mut record, charges, facts, &usage, replaced)?;
        for export in self.exports {
            let is_typed = export.files()?.iter().all(|file| file.positions.text(TextColumn::LineItemType).is_some());
            if !is_typed {
                warnings.push(format!(
                    "{}: `{}` has no column `line_item_line_item_type`; its lines are taken as Usage, tax and credits among them",
                    self.period, export.name
                ));
            }
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
        let _told = Told::begins(self)?;
        let mut payers: BTreeSet<Text> = BTreeSet::new();
        let mut bill = Totals::default();
        for export in self.exports {
            let (mixed, texts) = (export.period.mixed, std::mem::take(&mut charges.texts));
            let mut collector = Collector::new(self.period, mixed, texts, payers.clone());
            let seen = scan::candidates(export.files()?, self.watch, &mut |file, lines| collector.take(file, lines))?;
            collector.trust.lines_read = seen.lines;
            let Collected { texts, rows, bill: own_bill, payers: own, doubled, mut trust } = collector.finish();
            charges.texts = texts;
            for ((account, currency), amounts) in &own_bill.0 {
                bill.add(account, currency, amounts);
            }
            for (payer, tally) in doubled {
                let payer = charges.texts.str(payer);
                warnings.push(format!(
                    "{}: payer {payer} is in `{}` and in an export named before it; only the first counts",
                    self.period, export.name
                ));
                trust.duplicate_payers.insert(format!("{payer} in {}", export.name), tally);
            }
            charges.rows.extend(rows);
            record.parts.push(part_of(export, &own, &trust, seen.watermark, &charges.texts));
            record.trust.merge(trust);
            payers.extend(own);
        }
        let columns = [BILLED, UNBLENDED];
        let found = totals_of(&charges.rows, &charges.texts).only(&columns);
        bill.must_equal(&found, self.period, "the bill's lines", "charges as they were joined")?;
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
            scan::consumers(export.files()?, &is_wanted, self.watch, &mut |_, lines| {
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
    fn usage_rows(&self, samples: &[HourSample], profiles: &Profiles, texts: &mut Texts) -> Vec<parquet::Usage> {
        let mut rows: Vec<parquet::Usage> = samples
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
        (old, causes): (Option<&Record>, &[String]),
    ) -> Result<()> {
        let sessions = self.work.config.privacy.sessions;
        let Charges { texts, rows } = &mut charges;
        let check = |totals: &Totals, from, to| record.totals.must_equal(totals, self.period, from, to);
        let file = |table| self.work.store.new_file(table, self.period);

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

        let changes = self.changes(old, causes, &changes::costs(&daily, texts))?;
        let files = [
            (Table::Changes, parquet::changes(&file(Table::Changes)?, &changes)?),
            (Table::Charges, charges_hash),
            (Table::Usage, parquet::usage(&file(Table::Usage)?, usage)?),
            (Table::CostFacts, facts_hash),
            (Table::CostDaily, parquet::daily(&file(Table::CostDaily)?, &daily, texts)?),
        ];
        record.files = files.into_iter().map(|(table, hash)| (table.name().to_string(), hash)).collect();
        Ok(())
    }

    /// What is known of the period's restatements, and what this one adds to it.
    fn changes(&self, old: Option<&Record>, causes: &[String], after: &changes::Costs) -> Result<Vec<Changed>> {
        let mut rows = Vec::new();
        // A damaged file, or one of another layout, cannot be compared with.
        if let Some(old) = old
            && self.work.store.is_stored(Table::Changes, old)?
        {
            rows = parquet::read_changes(&self.work.store.file(Table::Changes, old)?)?;
        }
        if let Some(old) = old
            && self.work.store.is_stored(Table::CostDaily, old)?
        {
            let before = parquet::read_costs(&self.work.store.file(Table::CostDaily, old)?)?;
            let watermark = old.watermark().unwrap_or(i64::MIN);
            rows.extend(changes::between(&before, after, watermark, self.work.as_of, causes));
        }
        rows.sort();
        rows.dedup();
        Ok(rows)
    }
}

/// Tells that the reading of a period's bills goes on, until dropped.
struct Told<'a>(&'a dyn Watch);

impl<'a> Told<'a> {
    fn begins(job: &Job<'a>) -> Result<Self> {
        let (mut files, mut bytes) = (0, 0);
        for export in job.exports {
            let opened = export.files()?;
            files += opened.len() as u64;
            bytes += opened
                .iter()
                .map(|file| (0..file.row_groups()).map(|group| file.bytes(group)).sum::<u64>())
                .sum::<u64>();
        }
        job.watch.begins(job.period, files, bytes);
        Ok(Self(job.watch))
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.0.ends();
    }
}

/// The fingerprint of no metrics at all.
fn no_metrics() -> String {
    store::hash(&[])
}

/// Accounts and regions with charges of models in use.
fn regions_of(charges: &Charges) -> Regions {
    let mut regions = Regions::new();
    for row in &charges.rows {
        let text = |column| charges.texts.get(row.text(column));
        let is_usage = text(ChargeText::ChargeCategory) == Some("Usage") && text(ChargeText::ModelName).is_some();
        if let (true, Some(account), Some(region)) =
            (is_usage, text(ChargeText::SubAccountId), text(ChargeText::RegionId))
        {
            regions.entry(account.to_string()).or_default().insert(region.to_string());
        }
    }
    regions
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

/// What S3 knows the files of an export's period by; nothing of local files.
fn tags_of(export: &Export) -> BTreeMap<String, String> {
    let files = export.period.files.iter().chain(&export.period.manifest);
    files.filter_map(|file| Some((file.path.clone(), file.tag.clone()?))).collect()
}

fn part_of(export: &Export, payers: &BTreeSet<Text>, trust: &Trust, watermark: Option<i64>, texts: &Texts) -> Part {
    // Lines of Bedrock's neighbours and of payers that another export counts are lines of the export, too.
    let others = trust.adjacent.values().chain(trust.duplicate_payers.values()).map(|tally| tally.lines).sum::<u64>();
    let mut payers: Vec<String> = payers.iter().filter_map(|payer| texts.get(*payer)).map(String::from).collect();
    payers.sort();
    Part {
        bill: export.name.clone(),
        payers,
        watermark,
        bedrock_only: trust.lines_read == trust.lines_selected + others,
        tags: tags_of(export),
        manifest_time: export.period.manifest_time,
        manifest: export.period.manifest.as_ref().map(|manifest| manifest.path.clone()),
    }
}
