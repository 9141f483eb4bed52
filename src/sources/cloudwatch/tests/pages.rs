//! Pages of one request, and what CloudWatch says about them.

use super::*;

/// Reads pages, each with its token for the next, of a request for input (`in0`) and output (`out0`).
fn pages(pages: &[(&str, &str, bool)]) -> Read {
    let request = request(&[("in0", "InputTokenCount", 300), ("out0", "OutputTokenCount", 300)]);
    let texts: Vec<(&str, String)> = pages
        .iter()
        .map(|(name, text, has_next)| {
            (*name, if *has_next { text.replacen('{', r#"{"NextToken":"more","#, 1) } else { (*text).to_owned() })
        })
        .collect();
    let mut files = vec![("request.json", request.as_str())];
    files.extend(texts.iter().map(|(name, text)| (*name, text.as_str())));
    read_files(&files)
}

#[test]
fn a_later_page_completes_a_partial_one_and_a_repeated_point_counts_once() {
    let first = reply(&[("in0", "PartialData", &[(10, 3), (5, 2)])]);
    let second = reply(&[("in0", "Complete", &[(5, 2), (0, 1)]), ("out0", "Complete", &[(0, 9)])]);
    let read = pages(&[("page-1.json", &first, true), ("page-2.json", &second, false)]);
    assert_eq!(inputs(&read), [(0, Some(6))]);
    assert_eq!(read.samples[0].output_tokens, Some(9));
    assert!(is_clean(&read), "{read:?}");
}

#[test]
fn pages_are_taken_in_the_order_of_their_numbers() {
    let partial = reply(&[("in0", "PartialData", &[(5, 2)])]);
    let whole = reply(&[("in0", "Complete", &[(0, 1)])]);
    let read = pages(&[("page-10.json", &whole, false), ("page-2.json", &partial, true)]);
    assert!(is_clean(&read), "{read:?}");
}

#[test]
fn of_conflicting_values_of_a_point_the_larger_stays() {
    let read = pages(&[
        ("page-1.json", &reply(&[("in0", "Complete", &[(0, 7)])]), true),
        ("page-2.json", &reply(&[("in0", "Complete", &[(0, 4)])]), false),
    ]);
    assert_eq!(inputs(&read), [(0, Some(7))]);
}

#[test]
fn partial_data_without_a_later_page_is_called_incomplete() {
    let read = pages(&[("page-1.json", &reply(&[("in0", "PartialData", &[(0, 7)])]), false)]);
    assert_eq!(inputs(&read), [(0, Some(7))]);
    assert!(warned(&read, "the result `in0` is incomplete (PartialData)"), "{:?}", read.warnings);
}

#[test]
fn a_next_token_without_a_further_page_is_called_incomplete() {
    let read = pages(&[("page-1.json", &reply(&[("in0", "Complete", &[(0, 7)])]), true)]);
    assert!(warned(&read, "the reply is incomplete: it has a NextToken"), "{:?}", read.warnings);
}

#[test]
fn a_refused_query_is_named_with_its_status_and_messages_are_passed_on() {
    let refused = reply(&[("in0", "Forbidden", &[]), ("out0", "InternalError", &[])]);
    let refused = refused.replacen('{', r#"{"Messages":[{"Code":"Sorry","Value":"no"}],"#, 1);
    let read = pages(&[("page-1.json", &refused, false)]);
    for text in [
        "the result `in0` has the status Forbidden",
        "the result `out0` has the status InternalError",
        "CloudWatch said: Sorry no",
    ] {
        assert!(warned(&read, text), "{text}: {:?}", read.warnings);
    }
    assert!(read.samples.is_empty());
}

#[test]
fn a_complete_result_without_points_measured_nothing_and_is_unknown() {
    let read = pages(&[("page-1.json", &reply(&[("in0", "Complete", &[]), ("out0", "Complete", &[(0, 0)])]), false)]);
    assert_eq!((read.samples[0].input_tokens, read.samples[0].output_tokens), (None, Some(0)));
}
