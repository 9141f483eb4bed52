//! Answers of Cost Explorer, kept in the store: one file for each day on which it was asked.
//!
//! `<store>/cost_explorer/<day>.json`. A question that an answer of the same day covers costs
//! nothing; answers of earlier days show what Cost Explorer has restated since.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cost_explorer::{Answer, Question};
use crate::clock;
use crate::error::{Error, Result};
use crate::facts::store::write_atomically;

/// Earlier days that are looked at.
const EARLIER: usize = 14;

/// The answers of one day.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    answers: Vec<Answer>,
}

/// The kept answers of a store.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache of a store.
    pub fn of(store: &Path) -> Self {
        Self { folder: store.join("cost_explorer") }
    }

    fn path(&self, day: i32) -> PathBuf {
        self.folder.join(format!("{}.json", clock::day_text(day)))
    }

    /// A damaged file is as good as none: the question is then asked anew.
    fn read(&self, day: i32) -> Kept {
        let bytes = std::fs::read(self.path(day)).ok();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// An answer of that day that covers a question of the same asker.
    pub fn find(&self, day: i32, question: &Question) -> Option<Answer> {
        self.read(day).answers.into_iter().rev().find(|answer| covers(&answer.question, question))
    }

    /// Keeps an answer in the place of those that it covers.
    pub fn keep(&self, day: i32, answer: &Answer) -> Result<()> {
        let mut kept = self.read(day);
        kept.answers.retain(|old| !covers(&answer.question, &old.question));
        kept.answers.push(answer.clone());
        let path = self.path(day);
        let bytes = serde_json::to_vec_pretty(&kept)
            .map_err(|error| Error::input(path.display().to_string(), error.to_string(), "please report this"))?;
        write_atomically(&path, &bytes)
    }

    /// Answers to the same asker before that day, newest first, with the day of each.
    pub fn earlier(&self, day: i32, question: &Question) -> Vec<(i32, Answer)> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let mut days: Vec<i32> = entries
            .flatten()
            .filter_map(|entry| clock::parse(entry.file_name().to_str()?.strip_suffix(".json")?).ok())
            .map(clock::day_of)
            .filter(|asked| *asked < day)
            .collect();
        days.sort_unstable_by(|a, b| b.cmp(a));
        let kept = days.into_iter().take(EARLIER).map(|day| (day, self.read(day)));
        let answers = kept.flat_map(|(day, kept)| kept.answers.into_iter().map(move |answer| (day, answer)));
        answers.filter(|(_, answer)| is_same_asker(&answer.question, question)).collect()
    }
}

fn is_same_asker(a: &Question, b: &Question) -> bool {
    (&a.role_arn, &a.profile) == (&b.role_arn, &b.profile)
}

/// Days are texts that sort as days do.
fn covers(answered: &Question, asked: &Question) -> bool {
    is_same_asker(answered, asked) && answered.from <= asked.from && answered.to >= asked.to
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(from: &str, to: &str) -> Question {
        Question { from: from.into(), to: to.into(), ..Question::default() }
    }

    fn answer(from: &str, to: &str, pages: u32) -> Answer {
        Answer { question: question(from, to), pages, ..Answer::default() }
    }

    #[test]
    fn a_days_answer_serves_every_question_within_it_and_only_its_asker() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::of(folder.path());
        cache.keep(10, &answer("2026-10-01", "2026-11-09", 2)).expect("kept");
        assert_eq!(cache.find(10, &question("2026-11-01", "2026-11-09")).map(|answer| answer.pages), Some(2));
        assert_eq!(cache.find(10, &question("2026-11-01", "2026-11-10")), None);
        assert_eq!(cache.find(11, &question("2026-11-01", "2026-11-09")), None);
        let other = Question { role_arn: Some("r".into()), ..question("2026-11-01", "2026-11-09") };
        assert_eq!(cache.find(10, &other), None);
    }

    #[test]
    fn a_refreshed_answer_takes_the_old_ones_place_and_earlier_days_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::of(folder.path());
        for pages in 1..3 {
            cache.keep(10, &answer("2026-10-01", "2026-11-09", pages)).expect("kept");
            cache.keep(9, &answer("2026-10-01", "2026-11-08", pages)).expect("kept");
        }
        assert_eq!(cache.read(10).answers.len(), 1);
        let asked = question("2026-11-01", "2026-11-09");
        assert_eq!(cache.find(10, &asked).map(|answer| answer.pages), Some(2));
        assert_eq!(cache.earlier(10, &asked).iter().map(|(day, _)| *day).collect::<Vec<_>>(), [9]);
        std::fs::write(cache.path(10), "{").expect("damaged");
        assert_eq!(cache.find(10, &asked), None);
    }
}
