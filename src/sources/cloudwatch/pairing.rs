//! Which saved request a reply answers.
//!
//! People save the two beside each other under all sorts of names, so the names are compared by
//! their words: `request-x.json`, `x.request.json` and `x-response-page-2.json` all are about `x`.
//! Where names decide nothing, the only request of the folder that has the reply's ids is taken;
//! two such requests that differ leave the reply unread, because either could be wrong.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::metric_data::Request;

/// The words by which names tell a request from its reply.
const ROLES: [&str; 12] = [
    "request",
    "requests",
    "req",
    "query",
    "queries",
    "response",
    "responses",
    "resp",
    "reply",
    "replies",
    "result",
    "results",
];

/// A saved request and where it stands.
#[derive(Debug)]
pub(super) struct SavedRequest {
    pub(super) file: PathBuf,
    pub(super) request: Request,
}

impl SavedRequest {
    /// Whether it has a query for every id.
    pub(super) fn covers(&self, ids: &BTreeSet<&str>) -> bool {
        ids.iter().all(|id| self.request.queries.contains_key(*id))
    }
}

/// Finds the request that the reply in `file` with these ids answers, or says why there is none.
pub(super) fn request_of(file: &Path, ids: &BTreeSet<&str>, requests: &[SavedRequest]) -> Result<usize, String> {
    let candidates = candidates(file, ids, requests);
    if let [position] = candidates[..] {
        return Ok(position);
    }
    let covering: Vec<usize> = candidates.into_iter().filter(|position| requests[*position].covers(ids)).collect();
    one_request(&covering, requests).ok_or_else(|| {
        if covering.is_empty() {
            return "no request with the ids of this reply stands beside it, and a reply alone does not say what it \
                    measured; save the request (MetricDataQueries) in the same folder, as `x.request.json` to \
                    `x.response.json`."
                .to_owned();
        }
        let names: Vec<String> = covering.iter().map(|position| name_of(&requests[*position].file)).collect();
        format!(
            "several requests have the ids of this reply ({}); name the right one like its reply, as \
             `x.request.json` to `x.response.json`.",
            names.join(", "),
        )
    })
}

/// The requests of the first rule that finds any: the same file, the same name, a looser name, the ids.
fn candidates(file: &Path, ids: &BTreeSet<&str>, requests: &[SavedRequest]) -> Vec<usize> {
    let positions = |wanted: &dyn Fn(&SavedRequest) -> bool| -> Vec<usize> {
        let beside = |saved: &SavedRequest| saved.file.parent() == file.parent();
        (0..requests.len()).filter(|position| beside(&requests[*position]) && wanted(&requests[*position])).collect()
    };
    let mut found = positions(&|saved| saved.file == file);
    for (position, subject) in subjects(file).into_iter().enumerate() {
        if !found.is_empty() {
            return found;
        }
        // A name without its page number may be about something else, unless an id agrees.
        let agrees =
            |saved: &SavedRequest| position == 0 || ids.iter().any(|id| saved.request.queries.contains_key(*id));
        found = positions(&|saved| Name::of(&saved.file).words == subject && agrees(saved));
    }
    if found.is_empty() { positions(&|saved| saved.covers(ids)) } else { found }
}

/// The first of some requests if all of them ask the same.
fn one_request(positions: &[usize], requests: &[SavedRequest]) -> Option<usize> {
    let first = positions.first()?;
    let asked = |position: &usize| (&requests[*position].request.queries, &requests[*position].request.whereabouts);
    positions.iter().all(|position| asked(position) == asked(first)).then_some(*first)
}

/// A file's name without endings, cut into words.
struct Name {
    /// The words that do not tell a request from a reply.
    words: Vec<String>,
    begins_with_role: bool,
}

impl Name {
    fn of(file: &Path) -> Self {
        let name = name_of(file).to_ascii_lowercase();
        let mut stem = name.as_str();
        while let Some(shorter) =
            [".gz", ".json", ".jsonl", ".ndjson"].into_iter().find_map(|ending| stem.strip_suffix(ending))
        {
            stem = shorter;
        }
        let mut words = Vec::new();
        let mut begins_with_role = false;
        for (position, word) in
            stem.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).enumerate()
        {
            let letters = word.trim_end_matches(|letter: char| letter.is_ascii_digit());
            let rest = if ROLES.contains(&letters) { &word[letters.len()..] } else { word };
            begins_with_role |= position == 0 && rest.len() < word.len();
            if !rest.is_empty() {
                words.push(rest.to_owned());
            }
        }
        Self { words, begins_with_role }
    }
}

/// What a reply may be about: all its words, then without page numbers, then nothing in particular.
fn subjects(file: &Path) -> Vec<Vec<String>> {
    let Name { mut words, begins_with_role } = Name::of(file);
    let mut subjects = vec![words.clone()];
    while words.last().is_some_and(|word| is_page(word)) {
        words.pop();
        subjects.push(words.clone());
    }
    if begins_with_role {
        subjects.push(Vec::new());
    }
    subjects
}

/// Whether a word counts pages: `2`, `page`, `page2`, `p2`, `part2`.
fn is_page(word: &str) -> bool {
    let letters = word.trim_end_matches(|letter: char| letter.is_ascii_digit());
    matches!(letters, "" | "page" | "part") || (letters == "p" && word.len() > 1)
}

/// The last part of a path, for messages and comparison.
pub(super) fn name_of(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Sorts `page-2` before `page-10`.
pub(super) fn natural_order(file: &Path) -> Vec<(String, u64)> {
    let name = name_of(file);
    let mut rest = name.as_str();
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len());
        let (text, behind) = rest.split_at(digits);
        let end = behind.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(behind.len());
        let (number, behind) = behind.split_at(end);
        parts.push((text.to_owned(), number.parse().unwrap_or(u64::MAX)));
        rest = behind;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::cloudwatch::metric_data::{self, Document};

    fn request(file: &str, ids: &[&str]) -> SavedRequest {
        let queries: Vec<String> = ids
            .iter()
            .map(|id| format!(r#"{{"Id":"{id}","MetricStat":{{"Metric":{{"Namespace":"{file}","MetricName":"M"}},"Period":60,"Stat":"Sum"}}}}"#))
            .collect();
        let text = format!(r#"{{"MetricDataQueries":[{}]}}"#, queries.join(","));
        let Ok(Document::Request(request, _)) = metric_data::parse(text.as_bytes()) else { panic!("a request") };
        SavedRequest { file: file.into(), request }
    }

    /// The file of the request that is found for a reply.
    fn found(reply: &str, ids: &[&str], requests: &[(&str, &[&str])]) -> Result<String, String> {
        let requests: Vec<SavedRequest> = requests.iter().map(|(file, ids)| request(file, ids)).collect();
        request_of(Path::new(reply), &ids.iter().copied().collect(), &requests)
            .map(|position| requests[position].file.display().to_string())
    }

    #[test]
    fn a_request_is_found_by_its_name() {
        for (reply, request) in [
            ("x.response.json", "x.request.json"),
            ("x.reply.json.gz", "x.request.json"),
            ("x.json", "x.request.json"),
            ("response-x.json", "request-x.json"),
            ("x-response.json", "x-request.json"),
            ("x-response-page-2.json", "x-request.json"),
            ("response.json", "request.json"),
            ("response-prod.json", "request.json"),
            ("response2.json", "request.json"),
            ("page-1.json", "request.json"),
            ("page-10.json", "queries.json"),
            ("get_metric_data_response.json", "get_metric_data_request.json"),
        ] {
            let requests: [(&str, &[&str]); 2] = [(request, &["a"]), ("other.request.json", &["a"])];
            assert_eq!(found(reply, &["a"], &requests), Ok(request.to_owned()), "{reply}");
        }
    }

    #[test]
    fn numbered_pairs_stay_pairs() {
        let requests: [(&str, &[&str]); 3] =
            [("request-1.json", &["a"]), ("request-2.json", &["a"]), ("request.json", &["a"])];
        assert_eq!(found("response-2.json", &["a"], &requests), Ok("request-2.json".to_owned()));
        assert_eq!(found("response-2-page-3.json", &["a"], &requests), Ok("request-2.json".to_owned()));
    }

    #[test]
    fn otherwise_the_only_request_with_the_ids_of_the_reply_is_taken() {
        let requests: [(&str, &[&str]); 2] = [("alpha.json", &["a", "b"]), ("beta.json", &["a"])];
        assert_eq!(found("gamma.json", &["b"], &requests), Ok("alpha.json".to_owned()));
        assert!(
            found("gamma.json", &["a"], &requests)
                .unwrap_err()
                .contains("several requests have the ids of this reply (alpha.json, beta.json)")
        );
        assert!(found("gamma.json", &["c"], &requests).unwrap_err().contains("no request with the ids"));
    }

    #[test]
    fn a_request_of_another_folder_is_never_taken() {
        assert!(found("one/x.response.json", &["a"], &[("two/x.request.json", &["a"])]).is_err());
    }

    #[test]
    fn pages_sort_by_their_number() {
        let mut pages = ["page-10.json", "page-2.json", "page-1.json"];
        pages.sort_by_key(|page| natural_order(Path::new(page)));
        assert_eq!(pages, ["page-1.json", "page-2.json", "page-10.json"]);
    }
}
