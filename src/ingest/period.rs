//! The work on one period: from what changed to what is stored.

use std::collections::{BTreeMap, BTreeSet};

use super::exports::Export;
use super::live::Work;
use super::making::{Made, Making, Survey};
use super::measured::Measured;
use super::{Outcome, Unread};
use crate::attribute::carriers::TagReader;
use crate::attribute::consumers::{Consumers, Wanted};
use crate::attribute::owner::Vocabulary;
use crate::error::{Error, Result};
use crate::facts::changes::{self, Changed};
use crate::facts::law::Totals;
use crate::facts::parquet;
use crate::facts::store::{self, Change, Fingerprint, Found, Part, Record};
use crate::normalise::gathered::Gathered;
use crate::normalise::lines::{Collected, Collector};
use crate::normalise::trust::Trust;
use crate::normalise::{BILLED, UNBLENDED, too_large};
use crate::place::Entry;
use crate::schema::Table;
use crate::sources::bill::columns::{TextColumn, TimeColumn};
use crate::sources::bill::scan;
use crate::watch::Watch;

/// Which part of the memory gathered charges may take. What is not written out is attributed as a whole,
/// and takes that four times over, beside the program itself and the columns that are being written.
const GATHERED: usize = 6;
/// Which part a stretch of charges that were written out may take, with its facts.
const STRETCH: usize = 8;
/// Bytes of a row while facts are made of it, and of those that wait to be written meanwhile, where no two rows
/// have a text in common.
const ROW_BYTES: usize = 2_000;

/// A bill that was read.
struct Read {
    record: Record,
    gathered: Gathered,
    wanted: Wanted,
    /// Rows of a stretch, above which a day is taken by the hour.
    most: usize,
}

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
                None => read.insert(self.read(warnings)?).record.regions.clone(),
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
    fn read(&self, warnings: &mut Vec<String>) -> Result<Read> {
        let mut record = Record { period: self.period.to_string(), ..Record::default() };
        let memory = self.work.config.limits.bytes();
        let mut gathered = Gathered::new(memory / GATHERED);
        let bill = self.read_bills(&mut record, &mut gathered, warnings)?;
        let most = memory / STRETCH / ROW_BYTES;
        let Survey { totals, regions, wanted } = Survey::of(&gathered, most, self.vocabulary)?;
        if !totals.can_be_stored() {
            let names: Vec<&str> = self.exports.iter().map(|export| export.name.as_str()).collect();
            return Err(too_large(&names.join(", ")));
        }
        let found = totals.only(&[BILLED, UNBLENDED]);
        bill.must_equal(&found, self.period, "the bill's lines", "charges as they were joined")?;
        (record.totals, record.regions) = (totals, regions);
        Ok(Read { record, gathered, wanted, most })
    }

    fn make(
        &self,
        read: Read,
        measured: &Measured<'_>,
        (old, causes): (Option<&Record>, &[String]),
        warnings: &mut Vec<String>,
    ) -> Result<Record> {
        let Read { mut record, gathered, wanted, most } = read;
        let consumers = self.find_consumers(&wanted)?;
        let samples = measured.samples(self.work.store, self.period)?;
        let (Work { config, store, .. }, vocabulary, period) = (&self.work, self.vocabulary, self.period);
        let (samples, consumers) = (&samples[..], &consumers);
        let making = Making { config, vocabulary, store, period, samples, consumers, most };
        let Made { files, costs } = making.make(gathered, &record.totals, &mut record.trust)?;
        let changes = self.changes(old, causes, &costs)?;
        let changes = (Table::Changes, parquet::changes(store.new_file(Table::Changes, period)?, &changes)?);
        let files = files.into_iter().chain([changes]);
        record.files = files.map(|(table, hash)| (table.name().to_string(), hash)).collect();
        self.warn(&record, warnings)?;
        Ok(record)
    }

    /// Warns of what a reader should know of the bill as a whole.
    fn warn(&self, record: &Record, warnings: &mut Vec<String>) -> Result<()> {
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
        Ok(())
    }

    /// Reads the lines of every export; where two hold the same payer, the first in the config counts.
    /// Returns what the lines sum to.
    fn read_bills(&self, record: &mut Record, gathered: &mut Gathered, warnings: &mut Vec<String>) -> Result<Totals> {
        let _told = Told::begins(self)?;
        let mut payers: BTreeSet<String> = BTreeSet::new();
        let mut bill = Totals::default();
        for export in self.exports {
            let mut collector = Collector::new(self.period, export.period.mixed, gathered, &payers);
            let seen = scan::candidates(export.files()?, self.watch, &mut |file, lines| collector.take(file, lines))?;
            let mut collected = collector.finish();
            for ((account, currency), amounts) in &collected.bill().0 {
                bill.add(account, currency, amounts);
            }
            let Collected { payers: own, doubled, trust, .. } = &mut collected;
            trust.lines_read = seen.lines;
            for (payer, tally) in std::mem::take(doubled) {
                warnings.push(format!(
                    "{}: payer {payer} is in `{}` and in an export named before it; only the first counts",
                    self.period, export.name
                ));
                trust.duplicate_payers.insert(format!("{payer} in {}", export.name), tally);
            }
            record.parts.push(part_of(export, own, trust, seen.watermark));
            record.trust.merge(std::mem::take(trust));
            payers.append(own);
        }
        gathered.end()?;
        Ok(bill)
    }

    /// The second pass of rung 3, only where sessions stay unnamed.
    fn find_consumers(&self, wanted: &Wanted) -> Result<Consumers> {
        let mut consumers = Consumers::default();
        if wanted.is_empty() {
            return Ok(consumers);
        }
        let is_wanted = |resource: &str| wanted.may_be(resource);
        let mut reader = TagReader::new(self.vocabulary);
        for export in self.exports {
            scan::consumers(export.files()?, &is_wanted, self.watch, &mut |_, lines| {
                for row in 0..lines.len {
                    let account = lines.text(TextColumn::UsageAccount, row);
                    let resource = lines.text(TextColumn::ResourceId, row);
                    let (Some(account), Some(resource)) = (account, resource) else { continue };
                    let Some(tags) = crate::normalise::tags::json(lines, row) else { continue };
                    let time = lines.time(TimeColumn::UsageStart, row).unwrap_or(0);
                    consumers.add(account, resource, time, &tags, &mut reader);
                }
                Ok(())
            })?;
        }
        Ok(consumers)
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

/// What S3 knows the files of an export's period by; nothing of local files.
fn tags_of(export: &Export) -> BTreeMap<String, String> {
    let files = export.period.files.iter().chain(&export.period.manifest);
    files.filter_map(|file| Some((file.path.clone(), file.tag.clone()?))).collect()
}

fn part_of(export: &Export, payers: &BTreeSet<String>, trust: &Trust, watermark: Option<i64>) -> Part {
    // Lines of Bedrock's neighbours and of payers that another export counts are lines of the export, too.
    let others = trust.adjacent.values().chain(trust.duplicate_payers.values()).map(|tally| tally.lines).sum::<u64>();
    Part {
        bill: export.name.clone(),
        payers: payers.iter().cloned().collect(),
        watermark,
        bedrock_only: trust.lines_read == trust.lines_selected + others,
        tags: tags_of(export),
        manifest_time: export.period.manifest_time,
        manifest: export.period.manifest.as_ref().map(|manifest| manifest.path.clone()),
    }
}
