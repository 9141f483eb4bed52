//! The measured demand of a period as rows of `usage`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::attribute::demand::{MeasuredModel, Profiles, owner_of};
use crate::attribute::owner::{OwnerTexts, Vocabulary};
use crate::clock;
use crate::facts::parquet::Usage;
use crate::sources::cloudwatch::{HourSample, Scope, Subject};
use crate::text::{Text, Texts};

/// What the rows of a subject have in common, found once.
struct Known {
    account: Text,
    region: Text,
    model_id: Text,
    model: MeasuredModel,
    endpoint: Text,
    scope: Text,
    /// Of a series that carries its owner; else of its profile on the day that was asked for last.
    owner: OwnerTexts,
    day: Option<i32>,
}

/// Samples as rows, sorted, and the texts of their columns.
pub(super) fn rows(samples: &[HourSample], profiles: &Profiles, vocabulary: &Vocabulary) -> (Vec<Usage>, Texts) {
    let mut texts = Texts::default();
    let mut rows = Vec::with_capacity(samples.len());
    // Subjects stand where they are for as long as there are samples, so that their addresses tell them apart.
    let mut subjects: HashMap<*const Subject, Known> = HashMap::new();
    for sample in samples {
        let known = subjects
            .entry(Arc::as_ptr(&sample.subject))
            .or_insert_with(|| Known::of(sample, profiles, vocabulary, &mut texts));
        known.move_to(sample, profiles, &mut texts);
        let [publisher, name, tier] = known.model.model;
        let [workload, team, environment, cost_center, ..] = known.owner;
        let source = texts.intern(sample.source.as_str());
        rows.push(Usage {
            start: sample.hour,
            texts: [
                known.account,
                known.region,
                known.model_id,
                publisher,
                name,
                tier.or(known.model.tier),
                known.model.routing,
                known.endpoint,
                workload,
                team,
                environment,
                cost_center,
                source,
                known.scope,
            ],
            measures: [
                sample.invocations,
                sample.input_tokens,
                sample.output_tokens,
                sample.cache_read_tokens,
                sample.cache_write_tokens,
                sample.business_units,
            ],
        });
    }
    let ranks = texts.ranks();
    let order = |row: &Usage| (row.start, row.texts.map(|text| ranks.of(text)), row.measures);
    rows.sort_unstable_by_key(order);
    (rows, texts)
}

impl Known {
    fn of(sample: &HourSample, profiles: &Profiles, vocabulary: &Vocabulary, texts: &mut Texts) -> Self {
        let subject = &sample.subject;
        let id = subject.model_id.as_deref();
        Self {
            account: texts.intern(&subject.account_id),
            region: texts.intern(&subject.region),
            model_id: texts.intern_opt(id),
            model: id.and_then(|id| profiles.resolve(&subject.account_id, id, texts)).unwrap_or_default(),
            endpoint: texts.intern_opt(subject.endpoint.map(|endpoint| endpoint.as_str())),
            scope: texts.intern(subject.scope.as_str()),
            owner: match subject.scope {
                Scope::Owner => owner_of(sample, vocabulary, texts),
                Scope::Native => OwnerTexts::default(),
            },
            day: None,
        }
    }

    /// Looks up who owned the subject's profile on the sample's day.
    fn move_to(&mut self, sample: &HourSample, profiles: &Profiles, texts: &mut Texts) {
        let day = clock::day_of(sample.hour);
        let (Scope::Native, Some(id)) = (sample.subject.scope, sample.subject.model_id.as_deref()) else { return };
        if self.day != Some(day) {
            self.day = Some(day);
            let owner = profiles.owner(&sample.subject.account_id, id, day);
            self.owner = owner.map(|owner| owner.each_ref().map(|text| texts.intern(text))).unwrap_or_default();
        }
    }
}
