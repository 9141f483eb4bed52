//! Metric-stream records.

use super::*;

#[test]
fn minutes_of_one_model_become_one_hour() {
    let text = [
        record("Invocations", 0, 4, 4),
        record("InputTokenCount", 0, 4, 1051),
        record("InputTokenCount", 59, 2, 500),
        record("OutputTokenCount", 0, 4, 902),
        record("CacheReadInputTokenCount", 0, 4, 19892),
        record("CacheWriteInputTokens", 0, 4, 0),
        record("InvocationLatency", 0, 4, 9000),
        record("EstimatedTPMQuotaUsage", 0, 4, 9000),
    ];
    let read = read_files(&[("obj", &text.join("\n"))]);
    assert!(is_clean(&read), "{read:?}");
    assert_eq!(
        read.samples,
        [HourSample {
            hour: MIDNIGHT,
            daily: false,
            subject: Arc::new(Subject {
                account_id: ACCOUNT.to_owned(),
                region: REGION.to_owned(),
                scope: Scope::Native,
                namespace: "AWS/Bedrock".to_owned(),
                model_id: Some(HAIKU.to_owned()),
                owner: BTreeMap::new(),
                endpoint: Some(Endpoint::Runtime),
            }),
            source: Source::MetricStream,
            invocations: Some(4),
            input_tokens: Some(1551),
            output_tokens: Some(902),
            cache_read_tokens: Some(19892),
            cache_write_tokens: Some(0),
            business_units: None,
        }]
    );
}

#[test]
fn an_absent_series_is_unknown_and_a_measured_zero_is_zero() {
    let read = read_files(&[("a.json", &record("CacheReadInputTokens", 0, 1, 0))]);
    let sample = &read.samples[0];
    assert_eq!((sample.cache_read_tokens, sample.cache_write_tokens, sample.invocations), (Some(0), None, None));
}

#[test]
fn the_hour_is_that_of_the_timestamp_and_not_of_the_objects_key() {
    let read = read_files(&[("2026/10/01/05/s-1-2026-10-01-05-00-00-x", &record("InputTokenCount", 61, 1, 7))]);
    assert_eq!(inputs(&read), [(1, Some(7))]);
}

#[test]
fn a_redelivered_record_counts_once_and_of_differing_values_the_largest_count_then_sum_stays() {
    let first = [record("InputTokenCount", 0, 3, 900), record("InputTokenCount", 1, 2, 10)].join("\n");
    let again = [
        record("InputTokenCount", 0, 4, 800),
        record("InputTokenCount", 1, 2, 20),
        record("InputTokenCount", 1, 2, 10),
    ]
    .join("\n");
    for (one, two) in [(&first, &again), (&again, &first)] {
        assert_eq!(inputs(&read_files(&[("a", one), ("b", two)])), [(0, Some(820))]);
    }
}

#[test]
fn levels_are_never_added_and_the_ones_left_out_are_counted() {
    let text = [
        record("InputTokenCount", 0, 1, 100),
        record_of("AWS/Bedrock", "InputTokenCount", "{}", 0, r#"{"count":1,"sum":100}"#, "Count"),
        record_of(
            "AWS/Bedrock",
            "InputTokenCount",
            &format!(r#"{{"ModelId":"{HAIKU}","ServiceTier":"x"}}"#),
            0,
            r#"{"sum":100}"#,
            "Count",
        ),
        record_of(
            "AWS/Bedrock",
            "InputTokenCount",
            &format!(r#"{{"ModelId":"{HAIKU}","ServiceTier":"x"}}"#),
            1,
            r#"{"sum":100}"#,
            "Count",
        ),
        record_of(
            "AWS/Bedrock/Agents",
            "InputTokenCount",
            &format!(r#"{{"ModelId":"{HAIKU}"}}"#),
            0,
            r#"{"sum":100}"#,
            "Count",
        ),
    ];
    let read = read_files(&[("a", &text.join("\n"))]);
    assert_eq!(inputs(&read), [(0, Some(100))]);
    let levels: Vec<_> = read.ignored_levels.iter().map(|level| (level.dimensions.len(), level.series)).collect();
    assert_eq!(levels, [(0, 1), (2, 1)]);
}

#[test]
fn custom_metrics_carry_their_owner_and_are_read_only_where_configured() {
    let text = [
        owned("input_tokens", r#"{"Workload":"Chat Bot","Model":"sonnet"}"#, 0, 70),
        owned("input_tokens", r#"{"Workload":"Chat Bot"}"#, 0, 70),
        owned("Requests", r#"{"Workload":"Chat Bot","Model":"sonnet"}"#, 0, 3),
        record("InputTokenCount", 0, 1, 100),
    ];
    let folder = folder(&[("a", &text.join("\n"))]);
    let with_owner = read(&source(folder.path())).unwrap();
    let owned = with_owner.samples.iter().find(|sample| sample.subject.scope == Scope::Owner).unwrap();
    assert_eq!(
        (owned.input_tokens, owned.invocations, owned.subject.model_id.as_deref()),
        (Some(70), Some(3), Some("sonnet"))
    );
    assert_eq!(owned.subject.owner, BTreeMap::from([("workload".to_owned(), "Chat Bot".to_owned())]));
    assert_eq!(owned.subject.endpoint, None);
    assert_eq!(with_owner.samples.len(), 2);
    assert_eq!(with_owner.ignored_levels[0].namespace, "Acme/GenAI");
    assert!(read(&native(folder.path())).unwrap().samples.iter().all(|sample| sample.subject.scope == Scope::Native));
}

#[test]
fn a_configured_level_that_no_metric_has_is_said_with_the_levels_that_are_there() {
    let folder = folder(&[("a", &owned("InputTokens", r#"{"workload":"x","Model":"y"}"#, 0, 1))]);
    let read = read(&source(folder.path())).unwrap();
    assert!(warned(&read, "exactly the configured dimensions {Model, Workload}; it has {Model, workload}"), "{read:?}");
}

#[test]
fn mantle_is_read_at_project_and_model_and_projects_of_one_model_are_summed() {
    let of = |metric: &str, dimensions: &str| {
        record_of("AWS/BedrockMantle", metric, dimensions, 0, r#"{"count":1,"sum":5}"#, "Count")
    };
    let text = [
        of("InputTokens", r#"{"Project":"p","Model":"m"}"#),
        of("InputTokens", r#"{"Project":"q","Model":"m"}"#),
        of("Inferences", r#"{"Project":"p","Model":"m"}"#),
        of("Inferences", r#"{"Model":"m"}"#),
        of("TotalInputTokens", r#"{"Model":"m"}"#),
    ];
    let read = read_files(&[("a", &text.join("\n"))]);
    let sample = &read.samples[0];
    assert_eq!((read.samples.len(), sample.input_tokens, sample.invocations), (1, Some(10), Some(5)));
    assert_eq!((sample.subject.endpoint, sample.cache_read_tokens), (Some(Endpoint::Mantle), None));
}

#[test]
fn values_that_are_no_counts_are_skipped_with_a_warning_and_never_taken_as_zero() {
    let of = |minute, value: &str| {
        record_of("AWS/Bedrock", "InputTokenCount", &format!(r#"{{"ModelId":"{HAIKU}"}}"#), minute, value, "Count")
    };
    for (value, reason) in [
        (r#"{"count":1,"sum":-5.0}"#, "negative"),
        (r#"{"count":1,"sum":"NaN"}"#, "NaN"),
        (r#"{"count":1,"sum":"Infinity"}"#, "absurdly large"),
        (r#"{"count":1,"sum":1e16}"#, "absurdly large"),
        (r#"{"count":1}"#, "its sum is missing"),
        (r#"{"count":1,"sum":null}"#, "its sum is missing"),
    ] {
        let bad = read_files(&[("a", &of(0, value))]);
        assert!(bad.samples.is_empty() && warned(&bad, reason), "{value}: {bad:?}");
        assert_eq!(bad.warnings[0].line, Some(1));
        // A sound redelivery of the same point is used.
        let redelivered = read_files(&[("a", &of(0, value)), ("b", &of(0, r#"{"count":1,"sum":9}"#))]);
        assert_eq!(inputs(&redelivered), [(0, Some(9))]);
    }
}

#[test]
fn tokens_in_another_unit_than_count_are_skipped_and_said_once() {
    let of = |unit: &str, minute| {
        let dimensions = format!(r#"{{"ModelId":"{HAIKU}"}}"#);
        record_of("AWS/Bedrock", "InputTokenCount", &dimensions, minute, r#"{"count":1,"sum":9}"#, unit)
    };
    let bad = read_files(&[("a", &[of("Bytes", 0), of("Bytes", 1)].join("\n"))]);
    assert!(bad.samples.is_empty() && bad.warnings.len() == 1 && warned(&bad, "has the unit Bytes"), "{bad:?}");
    for unit in ["Count", "None", ""] {
        assert_eq!(inputs(&read_files(&[("a", &of(unit, 0))])), [(0, Some(9))], "{unit}");
    }
    let invocations = record_of(
        "AWS/Bedrock",
        "Invocations",
        &format!(r#"{{"ModelId":"{HAIKU}"}}"#),
        0,
        r#"{"sum":9}"#,
        "SampleCount",
    );
    assert_eq!(read_files(&[("a", &invocations)]).samples[0].invocations, Some(9));
}

#[test]
fn a_timestamp_in_seconds_is_refused_and_not_placed_in_1970() {
    let text = record("InputTokenCount", 0, 1, 5).replace(&format!("{MIDNIGHT}000"), &MIDNIGHT.to_string());
    let read = read_files(&[("a", &text)]);
    assert!(read.samples.is_empty() && warned(&read, "milliseconds"), "{read:?}");
}

#[test]
fn a_sum_beyond_all_counting_is_cut_off_with_a_warning() {
    let of = |project: usize, minute| {
        let dimensions = format!(r#"{{"Project":"p{project}","Model":"m"}}"#);
        record_of("AWS/BedrockMantle", "InputTokens", &dimensions, minute, r#"{"count":1,"sum":1e15}"#, "Count")
    };
    let text: Vec<String> = (0..160)
        .flat_map(|project| (0..60).map(move |minute| (project, minute)))
        .map(|(project, minute)| of(project, minute))
        .collect();
    let read = read_files(&[("a", &text.join("\n"))]);
    assert_eq!(read.samples[0].input_tokens, Some(i64::MAX));
    assert!(warned(&read, "cut off"), "{:?}", read.warnings);
}

#[test]
fn samples_are_sorted_by_hour_and_then_by_what_they_measure() {
    let text =
        [record("InputTokenCount", 120, 1, 3), record("InputTokenCount", 0, 1, 1), record("InputTokenCount", 60, 1, 2)];
    assert_eq!(inputs(&read_files(&[("a", &text.join("\n"))])), [(0, Some(1)), (1, Some(2)), (2, Some(3))]);
}
