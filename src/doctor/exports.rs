//! Exports: whether they still come, and what they do not carry. A column that is absent is not the
//! same as nothing having been spent.

use super::rights::Closed;
use super::stored::Stored;
use super::{Check, Subject};
use crate::clock::{self, HOUR};
use crate::config::Bill;
use crate::facts::store::Part;
use crate::place::Place;
use crate::sources::bill::columns::{PairSource, TextColumn};
use crate::sources::bill::file::BillFile;
use crate::sources::bill::known::Known;
use crate::sources::bill::layout::{self, BillPeriod, Layout};
use crate::sources::bill::scan;

/// Age of a delivery that is still normal: AWS delivers at least daily.
const FRESH: i64 = 36 * HOUR;
/// Age beyond which the export is broken.
const BROKEN: i64 = 72 * HOUR;

/// Looks at every export.
pub(super) fn look(subject: &Subject<'_>, stored: &Stored, closed: &Closed) -> Vec<Check> {
    let mut known = subject.store.known();
    let mut checks = Vec::new();
    for bill in &subject.config.bill {
        let on = format!("bill {}", bill.path);
        if !closed.contains(&on) {
            checks.extend(export(subject, stored, bill, &on, &mut known));
        }
    }
    checks
}

fn export(subject: &Subject<'_>, stored: &Stored, bill: &Bill, on: &str, known: &mut Known) -> Vec<Check> {
    let place = subject.config.place_of(bill, subject.aws);
    let Layout { periods, refused, warnings } = match layout::detect(&place, known) {
        Ok(layout) => layout,
        Err(error) => return vec![Check::of_error("export", on, &error)],
    };
    let mut checks = Vec::new();
    let fix = "keep in this folder what the export delivers, as it delivers it, and nothing else";
    checks.extend(warnings.into_iter().map(|warning| Check::warning("export", on, warning, fix)));
    checks.extend(refused.iter().map(|(_, error)| Check::of_error("export", on, error)));
    let Some(newest) = periods.last() else { return checks };
    let part = part_of(stored, bill, &newest.period);
    checks.push(freshness(subject.as_of, on, &place, newest, part));
    checks.extend(part.and_then(|part| granularity(stored, on, newest, part)));
    match scan::open(&place, newest) {
        Ok(files) => {
            checks.extend(files.iter().find_map(|file| Some(Check::of_error("export", on, &file.check().err()?))));
            checks.extend([principals(on, &newest.period, &files), resources(on, &files), tags(on, &files)]);
        }
        Err(error) => checks.push(Check::of_error("export", on, &error)),
    }
    checks
}

/// What the store knows of an export's part of a period.
fn part_of<'a>(stored: &'a Stored, bill: &Bill, period: &str) -> Option<&'a Part> {
    let record = stored.records.iter().find(|record| record.period == period)?;
    record.parts.iter().find(|part| part.bill == bill.path)
}

/// How old the newest delivery is.
fn freshness(as_of: i64, on: &str, place: &Place, newest: &BillPeriod, part: Option<&Part>) -> Check {
    let lines = part.filter(|part| !part.bedrock_only).and_then(|part| part.watermark);
    let Some(delivered) = delivered(place, newest, lines) else {
        return Check::ok("freshness", on, format!("its newest period is {}; nothing tells its age", newest.period));
    };
    let age = (as_of - delivered).max(0);
    let reach = lines.map_or_else(String::new, |lines| format!("; lines reach to {}", clock::instant_text(lines)));
    let found = format!("{} came {} ago, {}{reach}", newest.period, span(age), clock::instant_text(delivered));
    let fix = match place {
        Place::Local(_) => "copy the export again, and look at its status in the Data Exports console",
        Place::S3(..) => {
            "look at the export's status in the Data Exports console, and at the bucket policy that lets it deliver"
        }
    };
    match age {
        age if age > BROKEN => Check::failure("freshness", on, found, fix),
        age if age > FRESH => Check::warning("freshness", on, found, fix),
        _ => Check::ok("freshness", on, found),
    }
}

/// When the newest period was delivered: what its manifest or S3 says, else how far its lines reach,
/// else the time of its files, which tells of the copy at least.
fn delivered(place: &Place, newest: &BillPeriod, lines: Option<i64>) -> Option<i64> {
    let said = newest.manifest_time.or_else(|| newest.files.iter().filter_map(|file| file.modified).max());
    said.max(lines).or_else(|| {
        let Place::Local(folder) = place else { return None };
        let entries = newest.manifest.iter().chain(&newest.files);
        let times = entries.filter_map(|entry| std::fs::metadata(folder.join(&entry.path)).ok()?.modified().ok());
        let time = times.max()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        i64::try_from(time.as_secs()).ok()
    })
}

/// A length of time in its largest sensible unit.
fn span(seconds: i64) -> String {
    match seconds / HOUR {
        0 => format!("{} min", seconds / 60),
        hours @ 1..48 => format!("{hours} h"),
        hours => format!("{} days", hours / 24),
    }
}

/// How long the lines are. Without hourly or daily ones there are no daily figures.
fn granularity(stored: &Stored, on: &str, newest: &BillPeriod, part: &Part) -> Option<Check> {
    if part.watermark.is_none() {
        let fix = "choose hourly time granularity in the Data Export; daily works too";
        let found = format!("{} has monthly lines alone: no figure by day, no anomaly and no metric fits", part.bill);
        return (!part.payers.is_empty()).then(|| Check::warning("granularity", on, found, fix));
    }
    let sql = format!(
        "select distinct billing_account_id, grain from cost_daily \
         where billing_period = '{}' and charge_category = 'Usage'",
        newest.period.replace('\'', "")
    );
    let grid = stored.ask(&sql)?;
    let own = |row: &&Vec<_>| part.payers.contains(&grid.text(row, "billing_account_id"));
    let grains: Vec<String> = grid.rows.iter().filter(own).map(|row| grid.text(row, "grain")).collect();
    let has = |grain: &str| grains.iter().any(|known| known == grain);
    let found = match () {
        () if has("hour") => "hourly",
        () if has("day") => "daily; metrics are matched by day",
        () => "finer than a month",
    };
    Some(Check::ok("granularity", on, found))
}

/// Whether a column is in the files, and whether any line has a value in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Absent,
    Empty,
    Filled,
}

fn column(files: &[BillFile], at: impl Fn(&BillFile) -> Option<usize>) -> Column {
    let mut found = Column::Absent;
    for file in files {
        let Some(position) = at(file) else { continue };
        if (0..file.row_groups())
            .any(|group| file.has_values(group, Some(position)) && !is_blank(file, group, position))
        {
            return Column::Filled;
        }
        found = Column::Empty;
    }
    found
}

/// Whether the largest text of a column is the empty one, as far as its statistics tell.
fn is_blank(file: &BillFile, group: usize, position: usize) -> bool {
    let largest = |leaf: usize| file.column(group, leaf).statistics().and_then(|known| known.max_bytes_opt());
    file.leaves(position).into_iter().all(|leaf| largest(leaf).is_some_and(<[u8]>::is_empty))
}

fn principals(on: &str, period: &str, files: &[BillFile]) -> Check {
    const WHAT: &str = "principals";
    match column(files, |file| file.positions.text(TextColumn::Principal)) {
        Column::Filled => Check::ok(WHAT, on, "the export carries who called"),
        Column::Empty => Check::warning(
            WHAT,
            on,
            format!("the column `line_item_iam_principal` is there and empty in {period}"),
            "nobody may have called since it was switched on, which takes a day to show; look again tomorrow",
        ),
        Column::Absent => Check::warning(
            WHAT,
            on,
            "the export has no column `line_item_iam_principal`; that is not the same as no principal having spent",
            "switch on INCLUDE_IAM_PRINCIPAL_DATA in the Data Export; a legacy report cannot carry it, CUR 2.0 can",
        ),
    }
}

fn resources(on: &str, files: &[BillFile]) -> Check {
    const WHAT: &str = "resource ids";
    let fix = "include resource ids (INCLUDE_RESOURCES) in the export";
    let lost = "so no line can be traced to its inference profile, project or agent";
    match column(files, |file| file.positions.text(TextColumn::ResourceId)) {
        Column::Filled => Check::ok(WHAT, on, "the export carries them"),
        Column::Empty => Check::warning(WHAT, on, format!("no line has one, {lost}"), fix),
        Column::Absent => Check::warning(WHAT, on, format!("the export has no such column, {lost}"), fix),
    }
}

fn tags(on: &str, files: &[BillFile]) -> Check {
    const WHAT: &str = "tag columns";
    let has = |source| files.iter().any(|file| file.positions.map(source).is_some());
    if files.iter().all(|file| file.positions.tags().is_empty()) {
        let found = "the export has no column of tags, so no tag can name an owner";
        let fix = "add `resource_tags` and `tags` to the export's columns, and activate the keys";
        return Check::warning(WHAT, on, found, fix);
    }
    let names_principals = files.iter().any(|file| file.positions.text(TextColumn::Principal).is_some());
    if names_principals && !files.iter().any(|file| file.positions.can_hold_principal_tags()) {
        let found = "the export names principals and has no column `tags`, so no line can show their tags";
        return Check::warning(WHAT, on, found, "add the column `tags` to the export");
    }
    let found = match (has(PairSource::ResourceTags), has(PairSource::Tags)) {
        (_, true) => "`tags`, with the tags of resources, principals and accounts",
        (true, false) => "`resource_tags` alone: tags of resources, none of principals or accounts",
        (false, false) => "one column for each key",
    };
    Check::ok(WHAT, on, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_largest_sensible_unit() {
        assert_eq!(span(59 * 60), "59 min");
        assert_eq!(span(36 * HOUR), "36 h");
        assert_eq!(span(72 * HOUR), "3 days");
    }
}
