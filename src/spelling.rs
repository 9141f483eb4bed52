//! Spelling: which known word a mistyped one is nearest to.

/// The known word that was probably meant: the fewest letters left out, added, changed or swapped with
/// a neighbour, whatever the case. `None` where a third of the word or more would have to change.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distances = known.into_iter().map(|known| (strsim::osa_distance(&word, &known.to_lowercase()), known));
    let most = (word.chars().count() / 3).max(1);
    distances.filter(|(distance, _)| *distance <= most).min().map(|(_, known)| known)
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
}
