//! Saved replies and their requests.

use super::*;

const POINT: &[(i64, i64)] = &[(0, 5)];

fn pair() -> (String, String) {
    (request(&[("in0", "InputTokenCount", 300)]), reply(&[("in0", "Complete", POINT)]))
}

#[test]
fn a_reply_is_read_with_the_request_beside_it() {
    let (request, reply) = pair();
    for (one, two) in [
        ("x.request.json", "x.response.json"),
        ("x.request.json", "x.json"),
        ("day/request-x.json", "day/response-x.json"),
        ("request.json", "page-1.json"),
        ("some.json", "other.json"),
    ] {
        let read = read_files(&[(one, &request), (two, &reply)]);
        assert_eq!(inputs(&read), [(0, Some(5))], "{one} {two}");
        assert_eq!(read.samples[0].source, Source::GetMetricData);
        assert!(is_clean(&read), "{read:?}");
    }
}

#[test]
fn one_object_one_file_or_a_bare_array_of_queries_will_do() {
    let (request, reply) = pair();
    let inner = |text: &str| text[1..text.len() - 1].to_owned();
    let bare = request.strip_prefix(r#"{"MetricDataQueries":"#).unwrap().strip_suffix('}').unwrap();
    for files in [
        vec![("a.json", format!("{{{},{}}}", inner(&request), inner(&reply)))],
        vec![("a.json", format!(r#"{{"request":{request},"response":{reply}}}"#))],
        vec![("a.json", format!(r#"{{"Request":{request},"Response":{reply},"region":"xx"}}"#))],
        vec![("a.json", format!("{request}\n{reply}\n"))],
        vec![("queries.json", bare.to_owned()), ("b.json", reply.clone())],
    ] {
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let read = read_files(&files);
        assert_eq!(inputs(&read), [(0, Some(5))], "{files:?} {read:?}");
        assert!(is_clean(&read), "{read:?}");
    }
}

#[test]
fn a_pretty_printed_reply_with_iso_times_is_read() {
    let (request, reply) = pair();
    let reply = reply.replace(&MIDNIGHT.to_string(), "\"2026-10-01T02:00:00+02:00\"");
    let pretty =
        |text: &str| serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(text).unwrap()).unwrap();
    let read = read_files(&[("request.json", &pretty(&request)), ("response.json", &pretty(&reply))]);
    assert_eq!(inputs(&read), [(0, Some(5))]);
}

#[test]
fn a_reply_without_its_request_is_a_failure_and_a_request_without_its_reply_a_warning() {
    let (request, reply) = pair();
    let read = read_files(&[("one/x.response.json", &reply), ("two/x.request.json", &request)]);
    assert!(read.samples.is_empty());
    assert!(
        said(&read.failures, "x.response.json: no request with the ids of this reply stands beside it"),
        "{:?}",
        read.failures
    );
    assert!(warned(&read, "no reply to this request was found"));
}

#[test]
fn a_reply_named_directly_finds_its_request() {
    let (request, reply) = pair();
    let folder = folder(&[
        ("x.request.json", &request),
        ("x.response.json", &reply),
        ("y.json", &record("InputTokenCount", 0, 9, 999)),
    ]);
    let read = read(&native(&folder.path().join("x.response.json"))).unwrap();
    assert_eq!(inputs(&read), [(0, Some(5))]);
    assert_eq!(read.files.len(), 2);
}

/// The account and region of what is read, or the failures.
fn place(files: &[(&str, &str)], account: Option<&str>, region: Option<&str>) -> Result<(String, String), Vec<String>> {
    let folder = folder(files);
    let source = MetricSource {
        account: account.map(str::to_owned),
        region: region.map(str::to_owned),
        ..native(folder.path())
    };
    let read = read(&source).unwrap();
    let Some(sample) = read.samples.first() else {
        return Err(read.failures);
    };
    Ok((sample.subject.account_id.clone(), sample.subject.region.clone()))
}

fn at(account: &str, region: &str) -> Result<(String, String), Vec<String>> {
    Ok((account.to_owned(), region.to_owned()))
}

#[test]
fn account_and_region_come_from_query_then_file_then_names_then_configuration() {
    let (request, _) = pair();
    let reply = format!(r#"{{"MetricDataResults":[{}]}}"#, results_text(&[("in0", "Complete", POINT)]));
    let with = |text: &str, members: &str| text.replacen('{', &format!("{{{members},"), 1);
    let both = |request: &str, reply: &str, folder: &str| {
        let names = (format!("{folder}/request.json"), format!("{folder}/response.json"));
        place(&[(&names.0, request), (&names.1, reply)], Some("999999999999"), Some("us-west-2"))
    };
    let named = "222222222222/eu-west-1";
    let asked = request.replace(r#"{"Id""#, r#"{"AccountId":"333333333333","Id""#);
    let in_request = with(&request, r#""account":"444444444444","Region":"ap-south-1""#);
    let in_reply = with(&reply, r#""context":{"account_id":"555555555555","region":"sa-east-1"}"#);
    assert_eq!(both(&request, &reply, "x"), at("999999999999", "us-west-2"));
    assert_eq!(both(&request, &reply, named), at("222222222222", "eu-west-1"));
    assert_eq!(both(&in_request, &reply, named), at("444444444444", "ap-south-1"));
    assert_eq!(both(&in_request, &in_reply, named), at("555555555555", "sa-east-1"));
    assert_eq!(both(&asked, &in_reply, named), at("333333333333", "sa-east-1"));
}

#[test]
fn without_account_or_region_the_failure_says_where_to_put_them() {
    let (request, _) = pair();
    let reply = format!(r#"{{"MetricDataResults":[{}]}}"#, results_text(&[("in0", "Complete", POINT)]));
    let files = [("request.json", request.as_str()), ("response.json", reply.as_str())];
    let neither = place(&files, None, None).unwrap_err();
    assert!(said(&neither, "response.json: nothing says which account and region"), "{neither:?}");
    assert!(said(&neither, r#"add "account_id" and "region" at the top of the reply"#), "{neither:?}");
    assert!(said(place(&files, Some(ACCOUNT), None).unwrap_err(), "which region this reply"));
    assert!(said(place(&files, None, Some(REGION)).unwrap_err(), "which account this reply"));
}

#[test]
fn one_request_serves_the_replies_of_several_accounts() {
    let (request, reply) = pair();
    let other = reply.replace(ACCOUNT, "222222222222");
    let read = read_files(&[("queries.json", &request), ("a.json", &reply), ("b.json", &other)]);
    assert_eq!(inputs(&read), [(0, Some(5)), (0, Some(5))]);
}

/// Reads one query and its reply of one point.
fn ask(query: &str) -> Read {
    let request = format!(r#"{{"MetricDataQueries":[{query}]}}"#);
    read_files(&[("request.json", &request), ("response.json", &reply(&[("q", "Complete", POINT)]))])
}

#[test]
fn only_sums_are_read_and_sample_counts_of_invocations() {
    assert_eq!(ask(&query("q", "Invocations", 60, "SampleCount")).samples[0].invocations, Some(5));
    for stat in ["Average", "Maximum", "SampleCount", "p99", ""] {
        let read = ask(&query("q", "InputTokenCount", 60, stat));
        assert!(
            read.samples.is_empty() && said(&read.failures, "request.json: the query `q` asks for the statistic"),
            "{stat}: {read:?}"
        );
    }
    assert!(
        is_clean(&ask(&query("q", "InvocationLatency", 60, "p99"))),
        "a metric that is not read may have any statistic"
    );
}

#[test]
fn an_expression_is_a_failure_that_says_what_to_ask_instead() {
    let read = ask(r#"{"Id":"q","Expression":"SUM(METRICS())","ReturnData":true}"#);
    assert!(
        said(&read.failures, "request.json: the query `q` is an expression, and only MetricStat is understood"),
        "{read:?}"
    );
}

#[test]
fn a_period_that_is_missing_or_longer_than_a_day_is_a_failure() {
    for period in [0, 604_800] {
        assert!(said(ask(&query("q", "InputTokenCount", period, "Sum")).failures, "fits in no day"), "{period}");
    }
    let without = query("q", "InputTokenCount", 60, "Sum").replace(r#""Period":60,"#, "");
    assert!(said(ask(&without).failures, "has no period"));
}

#[test]
fn a_result_that_does_not_fit_is_a_failure_for_its_id_alone() {
    let request = request(&[("a", "InputTokenCount", 60), ("b", "OutputTokenCount", 60), ("c", "Invocations", 60)]);
    let reply = reply(&[
        ("a", "Complete", POINT),
        ("b", "Complete", POINT),
        ("c", "Complete", POINT),
        ("d", "Complete", POINT),
    ]);
    let reply = reply.replacen(
        r#""Id":"b","StatusCode":"Complete","Timestamps":["#,
        r#""Id":"b","Timestamps":[1790812860,"#,
        1,
    );
    let at_c = reply.find(r#""Id":"c""#).unwrap();
    let reply = reply[..at_c].to_owned() + &reply[at_c..].replacen(&MIDNIGHT.to_string(), "\"2026-10-01T00:00:00\"", 1);
    let read = read_files(&[("request.json", &request), ("response.json", &reply)]);
    assert_eq!(
        (read.samples[0].input_tokens, read.samples[0].output_tokens, read.samples[0].invocations),
        (Some(5), None, None)
    );
    assert!(said(&read.failures, "the result `b` has 2 timestamps and 1 values"), "{:?}", read.failures);
    assert!(said(&read.failures, "the result `c` has the timestamp `2026-10-01T00:00:00`"), "{:?}", read.failures);
    assert!(said(&read.failures, "the result `d` has no query of that id"), "{:?}", read.failures);
}

#[test]
fn values_of_a_reply_that_are_no_counts_are_skipped_with_a_warning() {
    let (request, reply) = pair();
    let read = read_files(&[("request.json", &request), ("response.json", &reply.replace("5.0", "-5.0"))]);
    assert!(
        read.samples.is_empty() && warned(&read, "1 values of the result `in0` are skipped; the first is -5"),
        "{read:?}"
    );
}

#[test]
fn levels_and_namespaces_are_judged_in_replies_too() {
    let other = query("q", "InputTokenCount", 60, "Sum").replace("\"ModelId\"", "\"Other\"");
    let read = ask(&other);
    assert!(read.samples.is_empty() && read.failures.is_empty());
    assert_eq!(read.ignored_levels[0].series, 1);
    assert!(ask(&query("q", "InputTokenCount", 60, "Sum").replace("AWS/Bedrock", "AWS/EC2")).ignored_levels.is_empty());
}

#[test]
fn a_file_that_logs_requests_and_replies_in_turn_pairs_each_reply_with_the_request_before_it() {
    let (request, reply) = pair();
    let output = request.replace("InputTokenCount", "OutputTokenCount");
    let log = format!("{request}\n{reply}\n{output}\n{}\n", reply.replace("5.0", "7.0"));
    let read = read_files(&[("log.jsonl", &log)]);
    assert_eq!((read.samples[0].input_tokens, read.samples[0].output_tokens), (Some(5), Some(7)));
    assert!(is_clean(&read), "{read:?}");
}
