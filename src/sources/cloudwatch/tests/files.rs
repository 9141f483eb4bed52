//! Files of all kinds.

use super::*;

fn two() -> [String; 2] {
    [record("InputTokenCount", 0, 1, 1), record("InputTokenCount", 1, 1, 2)]
}

#[test]
fn records_are_read_on_lines_concatenated_in_an_array_and_pretty_printed() {
    let [one, two] = two();
    let value: serde_json::Value = serde_json::from_str(&one).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    for text in [
        format!("{one}\n{two}\n"),
        format!("{one}\r\n{two}"),
        format!("{one}{two}"),
        format!("[{one},{two}]"),
        format!("[\n  {one},\n  {two}\n]\n"),
        format!("{pretty}\n{two}"),
        format!("\u{feff}{one}\n{two}"),
    ] {
        let read = read_files(&[("s-1-2026-10-01-00-00-00-uuid", &text)]);
        assert_eq!(inputs(&read), [(0, Some(3))], "{text}");
        assert!(is_clean(&read), "{read:?}");
    }
}

#[test]
fn gzip_is_told_by_its_bytes_and_may_have_several_members() {
    let [one, two] = two();
    let folder = folder(&[("plain.gz", &one)]);
    let members = [gzip(&format!("{one}\n")), gzip(&two)].concat();
    write(folder.path(), "packed.json", &members);
    assert_eq!(inputs(&read(&native(folder.path())).unwrap()), [(0, Some(3))]);
}

#[test]
fn a_truncated_gzip_gives_its_whole_lines_and_a_failure() {
    let lines: Vec<String> =
        (0..2000).map(|minute| record("InputTokenCount", minute, 1, minute * 7919 % 1009)).collect();
    let packed = gzip(&lines.join("\n"));
    for length in [packed.len() - 4, packed.len() / 2] {
        let folder = folder(&[]);
        write(folder.path(), "obj", &packed[..length]);
        let read = read(&native(folder.path())).unwrap();
        assert!(said(&read.failures, "obj: the file ends early or is damaged"), "{:?}", read.failures);
        assert!(read.warnings.is_empty(), "{:?}", read.warnings);
        assert!(!read.samples.is_empty());
    }
    let folder = folder(&[]);
    write(folder.path(), "obj", &packed[..12]);
    let read = read(&native(folder.path())).unwrap();
    assert!(read.samples.is_empty() && read.failures.len() == 1, "{read:?}");
}

#[test]
fn a_bad_line_is_told_with_its_number_and_the_rest_is_used() {
    let [one, two] = two();
    for bad in [
        "oops",
        r#"{"metric_stream_name":"s","acc"#,
        r#"{"a":"b""#,
        r#"{"a":1,,}"#,
        r#"{"metric_name":"x","namespace":3}"#,
    ] {
        let read = read_files(&[("a.jsonl", &format!("{one}\n{bad}\n{two}\n"))]);
        assert_eq!(inputs(&read), [(0, Some(3))], "{bad}");
        assert_eq!(read.warnings.iter().map(|warning| warning.line).collect::<Vec<_>>(), [Some(2)], "{bad}");
        assert!(read.failures.is_empty(), "{bad}: {:?}", read.failures);
    }
}

#[test]
fn of_many_bad_lines_five_are_named_and_the_rest_is_counted() {
    let [one, _] = two();
    let read = read_files(&[("a.jsonl", &format!("{one}\n{}", "oops\n".repeat(8)))]);
    assert_eq!(read.warnings.iter().filter_map(|warning| warning.line).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    assert!(warned(&read, "3 more lines could not be used"), "{:?}", read.warnings);
}

#[test]
fn a_metric_stream_in_opentelemetry_format_says_to_switch_to_json() {
    let folder = folder(&[]);
    write(
        folder.path(),
        "obj",
        b"\xb5\x02\n\xb2\x02\n\x1d\n\x0ecloud.provider\x12\x05\n\x03aws\x12 amazonaws.com/AWS/Bedrock/InputTokenCount",
    );
    let read = read(&native(folder.path())).unwrap();
    assert!(said(&read.failures, "switch the stream's output format to JSON"), "{:?}", read.failures);
    assert_eq!(read.failures.len(), 1);
}

#[test]
fn a_file_without_any_json_is_a_failure_and_an_empty_one_is_nothing() {
    let read = read_files(&[
        ("a.json", "METRICDATARESULTS in0\n"),
        ("b.json", ""),
        ("c.json", "[]\n"),
        ("d.json", "{\"Metric"),
    ]);
    assert_eq!(read.failures.len(), 2, "{:?}", read.failures);
    assert!(said(&read.failures, "a.json: nothing in the file could be used (line 1"), "{:?}", read.failures);
    assert!(read.warnings.is_empty(), "{:?}", read.warnings);
}

#[test]
fn utf_16_text_says_to_save_as_utf_8() {
    let folder = folder(&[]);
    write(folder.path(), "a.json", b"\xff\xfe{\0}\0");
    assert!(said(read(&native(folder.path())).unwrap().failures, "save the file as UTF-8"));
}

#[test]
fn other_json_in_the_folder_is_ignored_with_a_warning() {
    let read =
        read_files(&[("log.jsonl", "{\"schemaType\":\"ModelInvocationLog\",\"region\":{\"a\":1}}\n{\"b\":2}\n")]);
    assert!(warned(&read, "neither metric-stream records nor a request or reply"), "{read:?}");
    assert!(read.failures.is_empty());
}

#[test]
fn a_missing_path_is_an_error_with_a_hint_and_an_empty_folder_a_warning() {
    let empty = folder(&[]);
    let error = read(&native(&empty.path().join("nowhere"))).unwrap_err();
    assert!(error.to_string().contains("nowhere") && error.hint().contains("path"));
    assert!(warned(&read(&native(empty.path())).unwrap(), "no file of metrics was found"));
}

#[test]
fn a_single_file_can_be_the_source() {
    let [one, two] = two();
    let folder = folder(&[("a.json", &one), ("b.json", &two)]);
    assert_eq!(inputs(&read(&native(&folder.path().join("b.json"))).unwrap()), [(0, Some(2))]);
}
