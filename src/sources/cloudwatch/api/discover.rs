//! Which series the targets have by now.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::catalogue::Catalogue;
use super::listing::Listing;
use super::wire::Line;
use super::{Question, Requests, Target, abreast, is_read, line};
use crate::aws::Aws;
use crate::aws::failure::Failure;
use crate::sources::cloudwatch::CloudWatchError;
use crate::sources::cloudwatch::levels::Levels;
use crate::sources::cloudwatch::series::SeriesName;

/// Where AWS itself publishes tokens.
const NAMESPACES: [&str; 2] = ["AWS/Bedrock", "AWS/BedrockMantle"];

/// What a discovery did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovered {
    /// Series that the catalogue did not know before, by target. Windows that were settled without
    /// them may hold points of theirs.
    pub new: Vec<(Target, SeriesName)>,
    /// Targets that refused, by target.
    pub refused: Vec<(Target, Failure)>,
    /// What was passed over.
    pub warnings: Vec<String>,
    /// What was asked.
    pub requests: Requests,
}

/// Finds the series of all targets and keeps them in the catalogue, which forgets only those of which
/// CloudWatch holds no point any more.
///
/// `as_of` is the machine's clock in epoch seconds, as CloudWatch's own memory goes by it.
///
/// # Errors
/// When the question itself is wrong. A target that refuses is no error but one of [`Discovered::refused`].
pub fn discover(
    aws: &Arc<Aws>,
    question: &Question,
    targets: &[Target],
    catalogue: &mut Catalogue,
    as_of: i64,
) -> Result<Discovered, CloudWatchError> {
    let levels = Levels::of(&question.source)?;
    let targets: BTreeSet<&Target> = targets.iter().collect();
    let lines: Vec<Line<'_>> = targets.into_iter().map(|target| line(aws, question, target)).collect();
    let answers: Vec<Listed> = abreast(aws, lines.iter().map(|line| list(line, &levels)));
    let mut found = Discovered::default();
    let mut other_levels = BTreeSet::new();
    for (Line { target, .. }, Listed { listing, refusal, requests }) in lines.iter().zip(answers) {
        found.requests.add(requests);
        found.refused.extend(refusal.map(|failure| ((*target).clone(), failure)));
        found.warnings.extend(listing.warnings);
        other_levels.extend(listing.other_levels);
        for name in listing.series {
            if catalogue.see(target, name.clone(), as_of) {
                found.new.push(((*target).clone(), name));
            }
        }
    }
    catalogue.prune(as_of);
    let is_custom = |name: &SeriesName| levels.namespace() == Some(&name.namespace);
    if let Some(namespace) = levels.namespace()
        && found.refused.is_empty()
        && !catalogue.all().any(|name| is_custom(name) && is_read(name, &levels))
    {
        found.warnings.push(levels.no_custom_metric(namespace, &other_levels));
    }
    Ok(found)
}

/// What one target listed, before it refused where it did.
struct Listed {
    listing: Listing,
    refusal: Option<Failure>,
    requests: Requests,
}

async fn list(line: &Line<'_>, levels: &Levels) -> Listed {
    let mut listed = Listed { listing: Listing::default(), refusal: None, requests: Requests::default() };
    for namespace in NAMESPACES.into_iter().chain(levels.namespace()).collect::<BTreeSet<_>>() {
        let Listed { listing, refusal, requests } = &mut listed;
        let pages = line.list(namespace, requests, |page| listing.add(page, line.target, levels, line.linked));
        if let Err(failure) = pages.await {
            *refusal = Some(failure);
            break;
        }
    }
    listed
}
