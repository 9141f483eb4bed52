//! The pages that answer one call → points: merged by query, as a function of what came.
//!
//! A page may hold a part of a query's points (PartialData) that later pages complete, so a query's
//! status is that of the last page that names it.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::operation::get_metric_data::GetMetricDataOutput;
use aws_sdk_cloudwatch::types::{MessageData, MetricDataResult};

use super::plan::Call;
use crate::clock;
use crate::sources::cloudwatch::number::Scalar;
use crate::sources::cloudwatch::points::Points;
use crate::sources::cloudwatch::series::{Origin, Point, SeriesName};

/// How many series of one trouble are named before the rest is only counted.
const NAMED_MAX: usize = 5;

/// Points by series and origin.
pub(super) type Answered = BTreeMap<(SeriesName, Origin), Points>;

/// The id of the query that stands at a position of its call; ids begin with a small letter.
pub(super) fn id(position: usize) -> String {
    format!("m{position}")
}

/// What came for one call so far.
pub(super) struct Answers<'a> {
    call: &'a Call<'a>,
    /// By the query's position in the call: the last status that came.
    statuses: BTreeMap<usize, String>,
    messages: BTreeSet<String>,
    /// Trouble → the series that have it.
    troubles: BTreeMap<Trouble, BTreeSet<String>>,
}

/// What can be wrong with a series' answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    /// It does not hold all points; with CloudWatch's word for it.
    NotWhole(String),
    /// Timestamps and values cannot be paired.
    Unpaired,
    /// A value is no count, and is left out.
    NoCount,
    /// A value is no whole number, and is rounded.
    Rounded,
}

impl<'a> Answers<'a> {
    /// Before any page has come.
    pub(super) fn to(call: &'a Call<'a>) -> Self {
        Self { call, statuses: BTreeMap::new(), messages: BTreeSet::new(), troubles: BTreeMap::new() }
    }

    /// Takes a page.
    pub(super) fn add(&mut self, page: &GetMetricDataOutput, points: &mut Answered) {
        self.messages.extend(page.messages().iter().map(message));
        for result in page.metric_data_results() {
            self.messages.extend(result.messages().iter().map(message));
            match self.position(result) {
                Some(position) => self.add_result(position, result, points),
                None => {
                    let unknown = result.id().unwrap_or_default();
                    self.messages.insert(format!("a result for the query `{unknown}`, which was not asked"));
                }
            }
        }
    }

    fn position(&self, result: &MetricDataResult) -> Option<usize> {
        let position = result.id()?.strip_prefix('m')?.parse().ok()?;
        (position < self.call.series.len()).then_some(position)
    }

    fn add_result(&mut self, position: usize, result: &MetricDataResult, points: &mut Answered) {
        let status = result.status_code().map_or("Complete", |status| status.as_str());
        self.statuses.insert(position, status.to_owned());
        let name = &self.call.series[position];
        let (stamps, values) = (result.timestamps(), result.values());
        if stamps.len() != values.len() {
            return self.note(Trouble::Unpaired, describe(name));
        }
        for (stamp, value) in stamps.iter().zip(values) {
            match Scalar::Real(*value).counted() {
                Ok(sum) => {
                    if value.fract() != 0.0 {
                        self.note(Trouble::Rounded, format!("{}, which was {value} once", describe(name)));
                    }
                    self.add_point(name, stamp.secs(), sum, points);
                }
                Err(reason) => self.note(Trouble::NoCount, format!("{}, of which one {reason}", describe(name))),
            }
        }
    }

    /// A point that another page repeats is settled like a redelivery: the larger stays.
    fn add_point(&self, name: &SeriesName, at: i64, sum: i64, points: &mut Answered) {
        let period = self.call.part.period;
        let origin = Origin::Reply { period, phase: at.rem_euclid(period), sample_count: false };
        let point = Point { count: None, sum };
        points.entry((name.clone(), origin)).or_default().settle(at, point);
    }

    fn note(&mut self, trouble: Trouble, series: String) {
        self.troubles.entry(trouble).or_default().insert(series);
    }

    /// Judges the answer when no further page follows: whether every query got all its points, and
    /// what is to be said.
    pub(super) fn finish(mut self) -> (bool, Vec<String>) {
        for position in 0..self.call.series.len() {
            let status = self.statuses.remove(&position).unwrap_or_else(|| "no result".to_owned());
            if status != "Complete" {
                self.note(Trouble::NotWhole(status), describe(&self.call.series[position]));
            }
        }
        let is_whole = !self.troubles.keys().any(|trouble| matches!(trouble, Trouble::NotWhole(_) | Trouble::Unpaired));
        let said = self.messages.iter().map(|message| format!("CloudWatch said: {message}"));
        let troubles = self.troubles.iter().map(|(trouble, series)| self.warning(trouble, series));
        let warnings = said.chain(troubles).collect();
        (is_whole, warnings)
    }

    fn warning(&self, trouble: &Trouble, series: &BTreeSet<String>) -> String {
        let window = self.call.part.window;
        let window = format!("from {} to {}", clock::instant_text(window.from), clock::instant_text(window.until));
        let named: Vec<&str> = series.iter().take(NAMED_MAX).map(String::as_str).collect();
        let more = match series.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more series"),
        };
        let series = format!("{}{more}", named.join("; "));
        match trouble {
            Trouble::NotWhole(status) => {
                format!("the answer {window} is not whole ({status}) and must be asked for again: {series}")
            }
            Trouble::Unpaired => format!(
                "the answer {window} has not as many values as timestamps and must be asked for again: {series}"
            ),
            Trouble::NoCount => format!("values {window} that are no counts are left out: {series}"),
            Trouble::Rounded => format!("values {window} that are no whole numbers are rounded: {series}"),
        }
    }
}

/// A series in a message.
fn describe(name: &SeriesName) -> String {
    format!("{} of {}", name.metric, name.describe())
}

/// A message of CloudWatch in one line.
fn message(message: &MessageData) -> String {
    format!("{} {}", message.code().unwrap_or_default(), message.value().unwrap_or_default()).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::primitives::DateTime;
    use aws_sdk_cloudwatch::types::StatusCode;
    use proptest::prelude::*;

    use super::super::Window;
    use super::super::plan::Part;
    use super::*;

    const START: i64 = 1_790_812_800; // 2026-10-01T00:00:00Z

    fn series(count: usize) -> Vec<SeriesName> {
        let name = |number| SeriesName {
            account_id: "111111111111".into(),
            region: "us-east-1".into(),
            namespace: "AWS/Bedrock".into(),
            metric: "InputTokenCount".into(),
            dimensions: BTreeMap::from([("ModelId".into(), format!("m{number:03}"))]),
        };
        (0..count).map(name).collect()
    }

    fn result(id: &str, points: &[(i64, f64)], status: StatusCode) -> MetricDataResult {
        MetricDataResult::builder()
            .id(id)
            .set_timestamps(Some(points.iter().map(|(hour, _)| DateTime::from_secs(START + hour * 3600)).collect()))
            .set_values(Some(points.iter().map(|(_, value)| *value).collect()))
            .status_code(status)
            .build()
    }

    fn page(results: Vec<MetricDataResult>) -> GetMetricDataOutput {
        GetMetricDataOutput::builder().set_metric_data_results(Some(results)).build()
    }

    /// Sums by model and hour, whether the answer is whole, and the warnings.
    fn read(count: usize, pages: &[GetMetricDataOutput]) -> (Vec<(String, i64, i64)>, bool, Vec<String>) {
        let series = series(count);
        let part = Part { window: Window { from: START, until: START + 10 * 3600 }, period: 3600 };
        let call = Call { series: &series, part };
        let (mut answers, mut points) = (Answers::to(&call), Answered::new());
        for page in pages {
            answers.add(page, &mut points);
        }
        let (is_whole, warnings) = answers.finish();
        let flat = points.iter().flat_map(|((name, origin), points)| {
            assert_eq!(*origin, Origin::Reply { period: 3600, phase: 0, sample_count: false });
            points.iter().map(|(at, point)| (name.dimensions["ModelId"].clone(), (at - START) / 3600, point.sum))
        });
        (flat.collect(), is_whole, warnings)
    }

    #[test]
    fn what_one_page_leaves_partial_a_later_page_completes() {
        let pages = [
            page(vec![result("m1", &[(0, 5.0)], StatusCode::PartialData), result("m0", &[], StatusCode::Complete)]),
            page(vec![result("m1", &[(1, 7.0), (2, 9.0)], StatusCode::Complete)]),
        ];
        let points = [("m001", 0, 5), ("m001", 1, 7), ("m001", 2, 9)].map(|(id, hour, sum)| (id.to_owned(), hour, sum));
        assert_eq!(read(2, &pages), (points.to_vec(), true, vec![]));
    }

    #[test]
    fn an_answer_that_stays_partial_fails_or_never_comes_names_its_series_and_must_be_asked_again() {
        for (status, word) in [
            (StatusCode::PartialData, "PartialData"),
            (StatusCode::InternalError, "InternalError"),
            (StatusCode::Forbidden, "Forbidden"),
            (StatusCode::from("Odd"), "Odd"),
        ] {
            let (points, is_whole, warnings) = read(1, &[page(vec![result("m0", &[(0, 5.0)], status)])]);
            assert_eq!((points.len(), is_whole, warnings.len()), (1, false, 1));
            let expected = format!(
                "the answer from 2026-10-01T00:00:00Z to 2026-10-01T10:00:00Z is not whole ({word}) and must be \
                 asked for again: InputTokenCount of AWS/Bedrock {{ModelId=m000}} in 111111111111 us-east-1"
            );
            assert_eq!(warnings[0], expected);
        }
        let (_, is_whole, warnings) = read(8, &[page(vec![])]);
        assert!(!is_whole && warnings[0].contains("(no result)"), "{warnings:?}");
        assert!(warnings[0].ends_with("{ModelId=m004} in 111111111111 us-east-1 and 3 more series"), "{warnings:?}");
    }

    #[test]
    fn a_value_that_is_no_whole_count_is_said_and_never_taken_as_zero() {
        let points = [(0, 5.0), (1, -1.0), (2, f64::NAN), (3, 2.5), (4, 1e300), (5, 0.0)];
        let (points, is_whole, warnings) = read(1, &[page(vec![result("m0", &points, StatusCode::Complete)])]);
        let sums: Vec<_> = points.iter().map(|(_, hour, sum)| (*hour, *sum)).collect();
        assert_eq!((sums, is_whole, warnings.len()), (vec![(0, 5), (3, 2), (5, 0)], true, 2));
        assert!(warnings[0].contains("no counts are left out") && warnings[0].contains("is -1"), "{warnings:?}");
        assert!(warnings[1].contains("are rounded") && warnings[1].contains("which was 2.5 once"), "{warnings:?}");
    }

    #[test]
    fn values_without_their_timestamps_are_not_paired_by_guess() {
        let odd = MetricDataResult::builder().id("m0").values(1.0).status_code(StatusCode::Complete).build();
        let (points, is_whole, warnings) = read(1, &[page(vec![odd])]);
        assert_eq!((points.len(), is_whole), (0, false));
        assert!(warnings[0].contains("not as many values as timestamps"), "{warnings:?}");
    }

    #[test]
    fn messages_are_kept_and_a_result_that_nobody_asked_for_is_said() {
        let told = |code: &str| MessageData::builder().code(code).value("of it").build();
        let result = MetricDataResult::builder().id("m0").status_code(StatusCode::Complete).messages(told("Inner"));
        let foreign = result.clone().id("m1").set_messages(None).build();
        let page = GetMetricDataOutput::builder().messages(told("Outer")).metric_data_results(result.build());
        let (_, is_whole, warnings) = read(1, &[page.metric_data_results(foreign).build()]);
        let expected = ["Inner of it", "Outer of it", "a result for the query `m1`, which was not asked"];
        assert_eq!((is_whole, warnings), (true, expected.map(|text| format!("CloudWatch said: {text}")).to_vec()));
    }

    proptest! {
        #[test]
        fn the_same_points_come_out_however_pages_cut_them(
            counts in prop::collection::vec(0_i64..10, 1..6), size in 1_usize..12,
        ) {
            let point = |series: usize, hour: i64| f64::from(u32::try_from(hour).unwrap()) + series as f64 * 100.0;
            // A series without points has one row all the same, so that its status comes.
            let rows: Vec<(usize, Option<i64>)> = counts
                .iter()
                .enumerate()
                .flat_map(|(series, count)| {
                    let hours = (0..*count).map(move |hour| (series, Some(hour)));
                    hours.chain((*count == 0).then_some((series, None)))
                })
                .collect();
            let pages: Vec<GetMetricDataOutput> = rows
                .chunks(size)
                .map(|rows| {
                    let results = rows.chunk_by(|left, right| left.0 == right.0).map(|rows| {
                        let (series, last) = rows[rows.len() - 1];
                        let points: Vec<_> =
                            rows.iter().filter_map(|(_, hour)| hour.map(|hour| (hour, point(series, hour)))).collect();
                        let is_last = last.is_none_or(|hour| hour + 1 == counts[series]);
                        let status = if is_last { StatusCode::Complete } else { StatusCode::PartialData };
                        result(&id(series), &points, status)
                    });
                    page(results.collect())
                })
                .collect();
            let expected: Vec<_> = rows
                .iter()
                .filter_map(|(series, hour)| Some((format!("m{series:03}"), (*hour)?, *series as i64 * 100 + (*hour)?)))
                .collect();
            prop_assert_eq!(read(counts.len(), &pages), (expected, true, vec![]));
            let cut = read(counts.len(), &pages[..pages.len() - 1]);
            prop_assert!(!cut.1 && !cut.2.is_empty());
        }
    }
}
