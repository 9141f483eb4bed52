//! Invocation logs: whether Bedrock delivers any, as its own metrics of the last two weeks say.

use super::access::Doors;
use super::rights::asked_of_cloudwatch;
use super::stored::Stored;
use super::{Check, Subject, some};
use crate::aws::probe;

/// One line each for where logs arrive, where they fail, and where there are none.
pub(super) fn look(subject: &Subject<'_>, stored: &Stored, doors: &Doors) -> Vec<Check> {
    let (mut delivered, mut failed, mut silent) = (Vec::new(), Vec::new(), Vec::new());
    for (access, name) in asked_of_cloudwatch(subject, stored, doors) {
        // Who may not ask is told by the check of that right.
        let Ok(found) = probe::log_deliveries(subject.aws, &access) else { continue };
        match found {
            (_, true) => failed.push(name),
            (true, false) => delivered.push(name),
            (false, false) => silent.push(name),
        }
    }
    let what = "invocation logs";
    let mut checks = Vec::new();
    if !failed.is_empty() {
        let fix = "let Bedrock write to the bucket or log group of the model invocation logging settings";
        checks.push(Check::warning(what, &some(&failed, 4), "some deliveries of the last two weeks failed", fix));
    }
    if !delivered.is_empty() {
        checks.push(Check::ok(what, &some(&delivered, 4), "they are delivered"));
    }
    if !silent.is_empty() {
        let not = "none were delivered in the last two weeks; billtag does not read them yet, so no figure lacks them";
        checks.push(Check::ok(what, &some(&silent, 4), not));
    }
    checks
}
