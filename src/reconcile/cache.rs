//! Answers of Cost Explorer, kept in the store: one file for each day on which it was asked.
//!
//! `<store>/cost_explorer/<day>.json`. A question that an answer of the same day covers costs
//! nothing; answers of earlier days show what Cost Explorer has restated since.

use serde::{Deserialize, Serialize};

use super::cost_explorer::{Answer, Question};
use crate::clock;
use crate::error::Result;
use crate::facts::store::Store;

/// Where they are kept.
const FOLDER: &str = "cost_explorer";
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
    store: Store,
}

impl Cache {
    /// The cache of a store.
    pub fn of(store: &Store) -> Self {
        Self { store: store.clone() }
    }

    /// A damaged file is as good as none: the question is then asked anew.
    fn read(&self, day: i32) -> Kept {
        self.store.read_json(&path(day)).ok().flatten().unwrap_or_default()
    }

    /// An answer of that day that covers a question of the same asker.
    pub fn find(&self, day: i32, question: &Question) -> Option<Answer> {
        self.read(day).answers.into_iter().rev().find(|answer| covers(&answer.question, question))
    }

    /// The newest answer to the same asker up to that day, with its day; one that covers the question where there is.
    pub fn newest(&self, day: i32, question: &Question) -> Option<(i32, Answer)> {
        let today = self.find(day, question).map(|answer| (day, answer));
        today.or_else(|| self.earlier(day + 1, question).into_iter().next())
    }

    /// Keeps an answer in the place of those that it covers.
    pub fn keep(&self, day: i32, answer: &Answer) -> Result<()> {
        let mut kept = self.read(day);
        kept.answers.retain(|old| !covers(&answer.question, &old.question));
        kept.answers.push(answer.clone());
        self.store.write_json(&path(day), &kept)?;
        self.forget(day)
    }

    /// Removes answers of days that nobody looks at any more.
    fn forget(&self, day: i32) -> Result<()> {
        let old: Vec<i32> = self.days()?.into_iter().filter(|asked| *asked < day).skip(EARLIER).collect();
        old.into_iter().try_for_each(|day| self.store.place().remove(&path(day)))
    }

    /// The days of which there are answers, newest first.
    fn days(&self) -> Result<Vec<i32>> {
        let entries = self.store.place().below(&format!("{FOLDER}/"))?;
        let name = |path: &str| Some(path.strip_prefix(FOLDER)?.strip_prefix('/')?.strip_suffix(".json")?.to_string());
        let asked = entries.iter().filter_map(|entry| clock::parse(&name(&entry.path)?).ok());
        let mut days: Vec<i32> = asked.map(clock::day_of).collect();
        days.sort_unstable_by(|a, b| b.cmp(a));
        Ok(days)
    }

    /// Answers to the same asker before that day, newest first, with the day of each.
    pub fn earlier(&self, day: i32, question: &Question) -> Vec<(i32, Answer)> {
        // Without a listing only what was restated since is not known.
        let days = self.days().unwrap_or_default().into_iter().filter(|asked| *asked < day);
        let kept = days.take(EARLIER).map(|day| (day, self.read(day)));
        let answers = kept.flat_map(|(day, kept)| kept.answers.into_iter().map(move |answer| (day, answer)));
        answers.filter(|(_, answer)| is_same_asker(&answer.question, question)).collect()
    }
}

fn path(day: i32) -> String {
    format!("{FOLDER}/{}.json", clock::day_text(day))
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
        let cache = Cache::of(&Store::new(folder.path().to_path_buf()));
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
        let cache = Cache::of(&Store::new(folder.path().to_path_buf()));
        for pages in 1..3 {
            cache.keep(10, &answer("2026-10-01", "2026-11-09", pages)).expect("kept");
            cache.keep(9, &answer("2026-10-01", "2026-11-08", pages)).expect("kept");
        }
        assert_eq!(cache.read(10).answers.len(), 1);
        let asked = question("2026-11-01", "2026-11-09");
        assert_eq!(cache.find(10, &asked).map(|answer| answer.pages), Some(2));
        assert_eq!(cache.earlier(10, &asked).iter().map(|(day, _)| *day).collect::<Vec<_>>(), [9]);
        std::fs::write(folder.path().join(path(10)), "{").expect("damaged");
        assert_eq!(cache.find(10, &asked), None);
    }
}
