//! The short way of reading gives what the parser gives, for text of every form.

use std::io::{BufReader, Cursor};

use proptest::prelude::*;

use super::*;
use crate::sources::cloudwatch::objects::{self, Piece, Visit};
use crate::sources::cloudwatch::reader::{FileVisit, Reader};

/// All that a reader tells of a text.
#[derive(Debug, PartialEq)]
struct Told {
    series: Vec<Series>,
    ignored: Vec<IgnoredLevel>,
    warnings: Vec<Warning>,
    failures: Vec<String>,
    saved: usize,
}

/// Reads texts as files of one reader, in chunks of so many bytes, and not the short way unless `short`.
/// Says too how many records were read the short way.
fn told(texts: &[Vec<u8>], chunk: usize, short: bool) -> (Told, u64) {
    let source = MetricSource { region: Some("from-config".to_owned()), ..source(Path::new("")) };
    let mut reading = Reading::of(&source).unwrap();
    let mut reader = Reader::of(&source, &reading.levels, 1);
    let mut saved = Saved::default();
    let mut short_ones = 0;
    for text in texts {
        let mut visit = FileVisit::of(&mut reader, Path::new("file"));
        let text = BufReader::with_capacity(chunk, Cursor::new(text));
        let end = match short {
            true => objects::scan(text, &mut Counted(&mut visit, &mut short_ones)),
            false => objects::scan(text, &mut |piece: Piece<'_>| visit.take(piece)),
        };
        reading.take(vec![visit.finish(end)], &mut saved);
    }
    let ignored = reader.store.ignored_levels();
    let series = reader.store.into_sorted().into_iter().filter(|series| !series.points.is_empty()).collect();
    let (warnings, failures) = (reading.notes.warnings, reading.notes.failures);
    (Told { series, ignored, warnings, failures, saved: saved.requests.len() + saved.replies.len() }, short_ones)
}

struct Counted<'v, 'r, 'a>(&'v mut FileVisit<'r, 'a>, &'v mut u64);

impl Visit for Counted<'_, '_, '_> {
    fn take_known(&mut self, text: &[u8]) -> Option<usize> {
        let length = self.0.take_known(text)?;
        *self.1 += 1;
        Some(length)
    }

    fn take(&mut self, piece: Piece<'_>) {
        self.0.take(piece);
    }
}

fn pick(texts: &[&'static str]) -> impl Strategy<Value = &'static str> + use<> {
    prop::sample::select(texts.to_vec())
}

/// One of the texts that are common, or, once in a while, of those that are not.
fn mostly(common: &[&'static str], rare: &[&'static str]) -> impl Strategy<Value = &'static str> + use<> {
    prop_oneof![12 => pick(common), 1 => pick(rare)]
}

const NUMBERS: [&str; 22] = [
    "0",
    "-0",
    "-0.0",
    "7",
    "1.5",
    "2.5",
    "-3.0",
    "1e3",
    "1.25E2",
    "1E-2",
    "12E-1",
    "1e15",
    "1e16",
    "1e400",
    "007",
    "1.",
    "14.123456789012345",
    "12345678901234567890",
    "null",
    "\"5\"",
    "\"NaN\"",
    "[1]",
];

/// The members of a record as they are written; an empty one is left out.
fn members() -> impl Strategy<Value = Vec<String>> {
    let text = |name: &'static str| {
        move |value: &'static str| match value {
            "" => String::new(),
            value => format!("\"{name}\":{value}"),
        }
    };
    let account = mostly(&["\"111111111111\"", "\"222222222222\""], &["", "\"\"", "7", "\"\\u0031\""]);
    let region = mostly(&["\"us-east-1\""], &["", "\"\"", "null", "\"é\""]);
    let namespace = mostly(
        &["\"AWS/Bedrock\"", "\"AWS/EC2\"", "\"Acme/GenAI\"", "\"AWS/BedrockMantle\""],
        &["\"AWS\\/Bedrock\"", "", "3", "\"AWS/Bedrock \""],
    );
    let metric = mostly(
        &["\"InputTokenCount\"", "\"Invocations\"", "\"InputTokens\"", "\"Requests\""],
        &["\"CPUUtilization\"", "\"Input\\u0054okenCount\"", "\"\"", "", "\",\\\"timestamp\\\":5\""],
    );
    let dimensions = mostly(
        &[r#"{"ModelId":"m"}"#, r#"{"ModelId":"n"}"#, r#"{"Workload":"w","Model":"m"}"#, "{}"],
        &[
            "",
            "null",
            r#"{"ModelId":"a\"b"}"#,
            r#"{"ModelId":"a,"timestamp":1}"#,
            r#"{"ModelId":"m","timestamp":"5"}"#,
            r#"{"ModelId":"m","timestamp":5,"value":{"sum":1},"unit":"Count"}"#,
            r#"{"ModelId":{"a":1}}"#,
            "{\"ModelId\":\"tab\tinside\"}",
        ],
    );
    let timestamp = mostly(
        &["1790812800000", "1790812860000", "1790816400000"],
        &["1790812800", "1790812800000.0", "\"1790812800000\"", "null", "", "01790812800000", "1.7908128E12", "-5"],
    );
    let number = || mostly(&["1.0", "2", "30.0", "1.234E7", "400.0"], &NUMBERS);
    let name =
        || mostly(&["\"sum\"", "\"count\""], &["\"max\"", "\"s\\u0075m\"", "\"p99.9\"", "\"TM(25%:75%)\"", "\"é\""]);
    let statistics = prop::collection::vec((name(), number()), 0..4).prop_map(|statistics| {
        let all: Vec<String> = statistics.iter().map(|(name, number)| format!("{name}:{number}")).collect();
        format!("\"value\":{{{}}}", all.join(","))
    });
    let plain = (number(), number())
        .prop_map(|(sum, count)| format!("\"value\":{{\"max\":1.0,\"min\":0.25,\"sum\":{sum},\"count\":{count}}}"));
    let value = prop_oneof![8 => plain, 2 => statistics, 1 => Just("\"value\":null".to_owned())];
    let unit = mostly(
        &["\"Count\"", "\"None\"", ""],
        &["\"Bytes\"", "\"count\"", "null", "\"Co\\u0075nt\"", "\" Count \"", "3"],
    );
    let more = mostly(
        &["", "\"metric_stream_name\":\"s\""],
        &["\"unit\":\"Count\"", "\"new\":[{\"a\":\"}\"}]", "\"x\":1e400"],
    );
    (
        more.prop_map(|more| more.to_owned()),
        account.prop_map(text("account_id")),
        region.prop_map(text("region")),
        namespace.prop_map(text("namespace")),
        metric.prop_map(text("metric_name")),
        dimensions.prop_map(text("dimensions")),
        timestamp.prop_map(text("timestamp")),
        value,
        unit.prop_map(text("unit")),
    )
        .prop_map(|(a, b, c, d, e, f, g, h, i)| vec![a, b, c, d, e, f, g, h, i])
        .prop_flat_map(|members| {
            // As CloudWatch writes them, sorted by their names, or in any order.
            let mut sorted = members.clone();
            sorted.sort();
            prop_oneof![8 => Just(members.clone()), 2 => Just(sorted), 1 => Just(members).prop_shuffle()]
        })
        .prop_map(|members| members.into_iter().filter(|member| !member.is_empty()).collect())
}

fn records() -> impl Strategy<Value = String> {
    let comma = prop_oneof![24 => Just(","), 1 => pick(&[", ", " ,", ",\n  ", ",,", ""])];
    (members(), prop::collection::vec(comma, 10), mostly(&[":"], &[": ", " :", ""])).prop_map(
        |(members, commas, colon)| {
            let members = members.into_iter().map(|member| member.replacen(':', colon, 1));
            let text: String = members.zip(commas).flat_map(|(member, comma)| [member, comma.to_owned()]).collect();
            format!("{{{}}}", text.trim_end_matches(','))
        },
    )
}

/// Pieces of a file: records, and now and then something else or something cut.
fn pieces() -> impl Strategy<Value = String> {
    let junk =
        pick(&["oops", "{", "}", "\"", "[", "]", "{\"a\":\"", "{}", "{\"MetricDataQueries\":[]}", "\u{feff}", "\\"]);
    let cut = (records(), any::<prop::sample::Index>()).prop_map(|(record, at)| {
        let ends: Vec<usize> = record.char_indices().map(|(at, _)| at).collect();
        record[..ends[at.index(ends.len())]].to_owned()
    });
    prop_oneof![16 => records(), 1 => junk.prop_map(str::to_owned), 1 => cut]
}

fn texts() -> impl Strategy<Value = Vec<u8>> {
    let between = mostly(&["\n"], &["", "\r\n", ",", "\n\n", " \n ", ",\n", "]\n["]);
    prop::collection::vec((pieces(), between), 0..30)
        .prop_map(|pieces| pieces.into_iter().flat_map(|(piece, between)| (piece + between).into_bytes()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_short_way_gives_what_the_parser_gives(
        texts in prop::collection::vec(texts(), 1..3),
        chunk in prop_oneof![1_usize..400, Just(1 << 16)],
    ) {
        prop_assert_eq!(told(&texts, chunk, true).0, told(&texts, 1 << 16, false).0);
    }

    #[test]
    fn a_byte_that_is_another_changes_both_ways_alike(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = [record("InputTokenCount", 0, 1, 5), record("InputTokenCount", 0, 2, 6), record("Invocations", 1, 1, 7)]
            .join("\n")
            .into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        prop_assert_eq!(told(&[text.clone()], 1 << 16, true).0, told(&[text], 1 << 16, false).0);
    }
}

#[test]
fn what_cloudwatch_writes_is_read_the_short_way() {
    let as_documented = concat!(
        r#"{"metric_stream_name":"S","account_id":"1","region":"r","namespace":"AWS/EC2","metric_name":"M","dimensions":{"A":"b"},"#,
        r#""timestamp":1611929698000,"value":{"count":3.0,"sum":20.0,"max":18.0,"min":0.0,"p99.9":17.56,"TM(25%:75%)":16.4},"unit":"Seconds"}"#
    );
    let text =
        [record("InputTokenCount", 0, 1, 5), record("Invocations", 0, 1, 5), as_documented.to_owned()].join("\n");
    let (told, short) = told(&[text.into_bytes()], 1 << 16, true);
    assert_eq!((short, told.series.len(), told.warnings.len()), (3, 2, 0), "{told:?}");
}
