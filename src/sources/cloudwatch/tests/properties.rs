//! What holds for every input.

use proptest::prelude::*;

use super::*;

/// Records that collide often: few metrics, minutes and values.
fn records() -> impl Strategy<Value = Vec<String>> {
    let metrics = ["InputTokenCount", "CacheReadInputTokens", "CacheReadInputTokenCount", "Invocations"];
    let one = (prop::sample::select(metrics.to_vec()), 0i64..150, 0i64..4, 0i64..6);
    prop::collection::vec(one.prop_map(|(metric, minute, count, sum)| record(metric, minute, count, sum)), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shuffled_and_repeated_records_in_any_files_give_the_same_samples(
        (records, shuffled) in records().prop_flat_map(|records| {
            let twice: Vec<String> = records.iter().chain(&records).cloned().collect();
            (Just(records), Just(twice).prop_shuffle())
        }),
        cut in any::<prop::sample::Index>(),
    ) {
        let once = read_files(&[("a", &records.join("\n"))]);
        let (left, right) = shuffled.split_at(cut.index(shuffled.len()));
        let again = read_files(&[("b", &left.join("\n")), ("a", &right.concat())]);
        prop_assert_eq!(once.samples, again.samples);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), is_packed in any::<bool>()) {
        let folder = folder(&[]);
        let bytes = if is_packed { [&[0x1f, 0x8b, 8, 0][..], &bytes].concat() } else { bytes };
        write(folder.path(), "a", &bytes);
        prop_assert!(read(&source(folder.path())).unwrap().samples.is_empty());
    }

    #[test]
    fn damage_anywhere_never_panics_and_never_invents_samples(
        position in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        is_reply in any::<bool>(),
    ) {
        let text = if is_reply {
            format!("{}\n{}\n", request(&[("a", "InputTokenCount", 300)]), reply(&[("a", "Complete", &[(0, 5)])]))
        } else {
            format!("{}\n{}\n", record("InputTokenCount", 0, 1, 5), record("InputTokenCount", 60, 1, 7))
        };
        let mut bytes = text.into_bytes();
        let position = position.index(bytes.len());
        bytes[position] = byte;
        let folder = folder(&[]);
        write(folder.path(), "a", &bytes);
        prop_assert!(read(&native(folder.path())).unwrap().samples.len() <= 2);
    }
}
