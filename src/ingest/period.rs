//! The work on one period: from what changed to what is stored, and the law between every two steps.

use std::collections::BTreeSet;

use super::exports::Export;
use super::{Outcome, Unread};
use crate::attribute::consumers::Consumers;
use crate::attribute::demand::{Profiles, owner_of};
use crate::attribute::owner::{OwnerTexts, Vocabulary};
use crate::attribute::{self, Ladder, carriers::TagReader};
use crate::clock;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::facts::changes::{self, Changed};
use crate::facts::law::Totals;
use crate::facts::store::{self, Change, Fingerprint, Part, Record, Store, Stored};
use crate::facts::{self, parquet};
use crate::normalise::lines::Collector;
use crate::normalise::trust::Trust;
use crate::normalise::{Charge, Charges};
use crate::schema::{ChargeText, Table};
use crate::sources::bill::columns::{TextColumn, TimeColumn};
use crate::sources::bill::scan;
use crate::sources::cloudwatch::{HourSample, Scope};
use crate::text::{Text, Texts};

/// The work on one period.
pub(super) struct Job<'a> {
    pub(super) config: &'a Config,
    pub(super) store: &'a Store,
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) period: &'a str,
    pub(super) exports: &'a [Export],
    pub(super) samples: &'a [HourSample],
    pub(super) rules: &'a str,
    pub(super) unread: &'a Unread,
    pub(super) as_of: i64,
}

impl Job<'_> {
    pub(super) fn run(&self, warnings: &mut Vec<String>) -> Result<Outcome> {
        let fingerprint = self.fingerprint()?;
        // A damaged record is made again from the bill, as its own message advises.
        let stored = self.store.stored(self.period).unwrap_or_else(|error| {
            warnings.push(format!("{error}; the period is made again"));
            None
        });
        if let Some(Stored { record, .. }) = &stored
            && self.store.is_whole(record)
        {
            let mut expected = fingerprint.clone();
            if self.unread.metrics {
                // Metrics that could not be read are no reason to forget what they said.
                expected.metrics.clone_from(&record.fingerprint.metrics);
            }
            if record.fingerprint == expected {
                return Ok(Outcome::Unchanged);
            }
            self.must_be_whole(record)?;
        }
        let causes = match &stored {
            None => Vec::new(),
            Some(Stored { record, .. }) => {
                let causes = record.fingerprint.causes(&fingerprint);
                if causes.is_empty() { vec!["damaged store".into()] } else { causes }
            }
        };
        let old = stored.as_ref().map(|stored| &stored.record);
        let mut record = self.make(old, &causes, warnings)?;
        record.fingerprint = fingerprint;
        if let Some(old) = old {
            let figures = [Table::CostFacts, Table::CostDaily].map(Table::name);
            let differs = figures.iter().any(|name| old.files.get(*name) != record.files.get(*name));
            record.changed = if differs {
                Some(Change { causes: causes.clone(), before: old.totals.clone(), at: self.as_of })
            } else {
                old.changed.clone()
            };
        }
        self.store.commit(&record, stored.as_ref())?;
        Ok(if stored.is_none() { Outcome::New } else { Outcome::Replaced(causes) })
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
            bill.update(export.fingerprint()?.as_bytes());
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
            version: store::version(),
        })
    }

    fn make(&self, old: Option<&Record>, causes: &[String], warnings: &mut Vec<String>) -> Result<Record> {
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
        self.write(&mut record, charges, facts, &usage, (old, causes))?;
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
            let seen = scan::candidates(export.files()?, &mut |file, lines| collector.take(file, lines))?;
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
            scan::consumers(export.files()?, &is_wanted, &mut |_, lines| {
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
        (old, causes): (Option<&Record>, &[String]),
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
        if let Some(old) = old.filter(|old| self.store.is_stored(Table::Changes, old)) {
            rows = parquet::read_changes(&self.store.file(Table::Changes, old)?)?;
        }
        if let Some(old) = old.filter(|old| self.store.is_stored(Table::CostDaily, old)) {
            let before = parquet::read_costs(&self.store.file(Table::CostDaily, old)?)?;
            let watermark = old.watermark().unwrap_or(i64::MIN);
            rows.extend(changes::between(&before, after, watermark, self.as_of, causes));
        }
        rows.sort();
        rows.dedup();
        Ok(rows)
    }
}

/// The fingerprint of no metrics at all.
fn no_metrics() -> String {
    store::hash(&[])
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
        bedrock_only: trust.lines_read
            == trust.lines_selected + trust.adjacent.values().map(|tally| tally.lines).sum::<u64>(),
        manifest_time: export.period.manifest_time,
        manifest: export.period.manifest.as_ref().map(|manifest| manifest.path.clone()),
    }
}
