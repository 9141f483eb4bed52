//! Spelling: which known word a mistyped one is nearest to.

/// The known word that was probably meant: the fewest letters left out, added, changed or swapped with
/// a neighbour, whatever the case. `None` where a third of the word or more would have to change.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distances = known.into_iter().map(|known| (strsim::osa_distance(&word, &known.to_lowercase()), known));
    let most = (word.chars().count() / 3).max(1);
    distances.filter(|(distance, _)| *distance <= most).min().map(|(_, known)| known)
}

/// The known word that a word is probably a typo of: one letter apart, two in words of six letters or
/// more; words of three are too short to tell. Stricter than [`nearest`], since nobody asked.
pub fn typo_of<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = |word: &str| word.chars().count();
    let most = |known: &str| match length(word).min(length(known)) {
        0..=3 => 0,
        4..=5 => 1,
        _ => 2,
    };
    let distances = known.into_iter().map(|known| (strsim::osa_distance(word, known), known));
    distances.filter(|(distance, known)| (1..=most(known)).contains(distance)).min().map(|(_, known)| known)
}

/// A hint that begins with the word that was probably meant, where there is one.
pub fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>, rest: &str) -> String {
    match nearest(word, known) {
        Some(known) => format!("did you mean `{known}`? {rest}"),
        None => rest.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_named_and_a_far_one_is_not() {
        let known = ["ratio", "page_above", "hit_floor"];
        assert_eq!(nearest("ratoi", known), Some("ratio"));
        assert_eq!(nearest("pageAbove", known), Some("page_above"));
        assert_eq!(nearest("Page_abov", known), Some("page_above"));
        assert_eq!(nearest("threshold", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn a_typo_is_a_letter_or_two_from_a_word_and_never_a_word_of_its_own() {
        let known = ["workload", "team", "model", "environment", "app"];
        for (typo, word) in
            [("wrokload", "workload"), ("enviroment", "environment"), ("worklaods", "workload"), ("teams", "team")]
        {
            assert_eq!(typo_of(typo, known), Some(word), "{typo}");
        }
        for word in ["workload", "item", "module", "apps", "owner", "name", ""] {
            assert_eq!(typo_of(word, known), None, "{word}");
        }
    }
}
