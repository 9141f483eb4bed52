//! Several ways to the same tokens: one is taken, nothing is added twice.

use super::*;

#[test]
fn of_two_spellings_the_one_with_data_is_taken_without_a_word() {
    let read = read_files(&[(
        "a",
        &[record("CacheReadInputTokens", 0, 1, 5), record("CacheReadInputTokenCount", 60, 1, 7)].join("\n"),
    )]);
    assert_eq!(read.samples.iter().map(|sample| sample.cache_read_tokens).collect::<Vec<_>>(), [Some(5), Some(7)]);
    assert!(is_clean(&read), "{read:?}");
}

#[test]
fn of_two_spellings_with_data_the_larger_is_taken_and_it_is_said_once() {
    let text: Vec<String> = (0..3)
        .flat_map(|hour| {
            [record("CacheReadInputTokens", hour * 60, 2, 5), record("CacheReadInputTokenCount", hour * 60, 3, 4)]
        })
        .collect();
    let read = read_files(&[("a", &text.join("\n"))]);
    assert!(read.samples.iter().all(|sample| sample.cache_read_tokens == Some(4)), "{:?}", read.samples);
    assert_eq!(read.warnings.len(), 1);
    assert!(
        warned(&read, "cache_read_tokens under CacheReadInputTokenCount and CacheReadInputTokens"),
        "{:?}",
        read.warnings
    );
}

#[test]
fn a_spelling_that_only_says_zero_has_no_data() {
    let read = read_files(&[(
        "a",
        &[record("CacheReadInputTokens", 0, 9, 0), record("CacheReadInputTokenCount", 0, 3, 4)].join("\n"),
    )]);
    assert_eq!(read.samples[0].cache_read_tokens, Some(4));
}

#[test]
fn custom_spellings_of_one_measure_are_never_added() {
    let dimensions = r#"{"Workload":"w","Model":"m"}"#;
    let text = [owned("InputTokens", dimensions, 0, 10), owned("TotalInputTokens", dimensions, 0, 30)];
    let folder = folder(&[("a", &text.join("\n"))]);
    assert_eq!(read(&source(folder.path())).unwrap().samples[0].input_tokens, Some(30));
}

#[test]
fn a_configured_name_is_read_for_its_measure() {
    let dimensions = r#"{"Workload":"w","Model":"m"}"#;
    let text = [
        owned("Tickets closed", dimensions, 0, 10),
        owned("InputTokens", dimensions, 0, 30),
        owned("TokIn", dimensions, 0, 40),
    ];
    let folder = folder(&[("a", &text.join("\n"))]);
    let names = [("business_units", "Tickets closed"), ("input_tokens", "TokIn")];
    let source = MetricSource {
        names: names.map(|(key, name)| (key.to_owned(), name.to_owned())).into(),
        ..source(folder.path())
    };
    let sample = &read(&source).unwrap().samples[0];
    assert_eq!((sample.business_units, sample.input_tokens), (Some(10), Some(40)));
}

#[test]
fn an_hour_seen_by_stream_and_reply_is_taken_from_the_one_that_saw_more() {
    let stream = [
        record("InputTokenCount", 0, 1, 10),
        record("InputTokenCount", 1, 1, 10),
        record("InputTokenCount", 60, 1, 10),
    ]
    .join("\n");
    let request = request(&[("a", "InputTokenCount", 300)]);
    let reply = reply(&[("a", "Complete", &[(0, 15), (60, 15)])]);
    let read = read_files(&[("stream", &stream), ("x.request.json", &request), ("x.response.json", &reply)]);
    assert_eq!(inputs(&read), [(0, Some(20)), (1, Some(15))]);
    let sources: Vec<_> = read.samples.iter().map(|sample| sample.source.as_str()).collect();
    assert_eq!(sources, ["metric_stream", "get_metric_data"]);
    assert!(is_clean(&read), "{read:?}");
}

#[test]
fn replies_of_several_periods_or_phases_are_never_added() {
    let request = request(&[("a", "InputTokenCount", 300), ("b", "InputTokenCount", 3600)]);
    let reply = reply(&[("a", "Complete", &[(0, 10), (5, 10)]), ("b", "Complete", &[(0, 20), (30, 12)])]);
    let read = read_files(&[("request.json", &request), ("response.json", &reply)]);
    assert_eq!(inputs(&read), [(0, Some(20))]);
    assert!(warned(&read, "periods of 3600 seconds do not end with the hour"), "{:?}", read.warnings);
}

#[test]
fn periods_longer_than_an_hour_stand_for_their_day() {
    let request = request(&[("a", "InputTokenCount", 21_600)]);
    let reply = reply(&[("a", "Complete", &[(0, 1), (360, 2), (720, 4), (1080, 8), (1440, 16)])]);
    let read = read_files(&[("request.json", &request), ("response.json", &reply)]);
    assert_eq!(inputs(&read), [(0, Some(15)), (24, Some(16))]);
    assert!(read.samples.iter().all(|sample| sample.daily));
}

#[test]
fn a_day_is_told_by_its_hours_unless_they_saw_less_than_the_daily_value() {
    let stream = [
        record("InputTokenCount", 0, 1, 10),
        record("InputTokenCount", 60, 1, 10),
        record("InputTokenCount", 1500, 1, 10),
    ]
    .join("\n");
    let request = request(&[("a", "InputTokenCount", 86_400)]);
    let reply = reply(&[("a", "Complete", &[(0, 20), (1440, 11), (2880, 5)])]);
    let read = read_files(&[("stream", &stream), ("request.json", &request), ("response.json", &reply)]);
    let told: Vec<_> = read
        .samples
        .iter()
        .map(|sample| ((sample.hour - MIDNIGHT) / 3600, sample.daily, sample.input_tokens))
        .collect();
    assert_eq!(told, [(0, false, Some(10)), (1, false, Some(10)), (24, true, Some(11)), (48, true, Some(5))]);
}
