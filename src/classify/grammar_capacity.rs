//! Capacity bought ahead and models of one's own: reserved tokens per minute, provisioned throughput, customisation,
//! custom model import.

use super::meter::Measure;
use super::modifiers::Modifiers;
use super::usage_type::Reading;
use super::words::Words;

/// Reads a capacity or customisation meter.
pub fn read(words: &Words, marketplace: bool) -> Option<Reading> {
    reserved(words, marketplace)
        .or_else(|| custom_import(words))
        .or_else(|| provisioned(words, marketplace))
        .or_else(|| customisation(words))
}

/// `[model] reserved <n> month {input|output} {tpm|tokens per minute}`.
fn reserved(words: &Words, marketplace: bool) -> Option<Reading> {
    let (start, at) = words.find(&["reserved"])?;
    let months = words.at(at);
    let is_count = !months.is_empty() && months.len() <= 2 && months.bytes().all(|byte| byte.is_ascii_digit());
    if !is_count || !matches!(words.at(at + 1), "month" | "months") {
        return None;
    }
    let direction = words.at(at + 2);
    if !matches!(direction, "input" | "output") {
        return None;
    }
    let kind = format!("reserved_{months}month_{direction}_tpm");
    let at = words.phrase(at + 3, &["tpm"]).or_else(|| words.phrase(at + 3, &["tokens", "per", "minute"]))?;
    let mut modifiers = Modifiers::default();
    modifiers.take_rest(words, at)?;
    let model = words.text(0, modifiers.take_before(words, start));
    if model.is_none() && !marketplace {
        return None;
    }
    Some(Reading { model, modifiers, pricing_model: Some("reserved"), ..Reading::new(kind, Measure::TpmHours) })
}

/// `[architecture] CustomModelImport {Inference|Storage} v<n>:<m>`; what is named is an architecture, not a model.
fn custom_import(words: &Words) -> Option<Reading> {
    let (_, at) = words.find(&["custom", "model", "import"])?;
    let (reading, at) = match words.at(at) {
        "inference" => (Reading::new("cmi_inference", Measure::CmuMinutes), at + 1),
        "storage" => (Reading::new("storage", Measure::ModelMonths), at + 1),
        _ => return None,
    };
    let mut modifiers = Modifiers::default();
    modifiers.take_rest(words, skip_version(words, at))?;
    Some(Reading { modifiers, ..reading })
}

/// Skips `v<n>` and `:<m>`.
fn skip_version(words: &Words, at: usize) -> usize {
    let mut at = words.phrase(at, &["v"]).unwrap_or(at);
    while !words.at(at).is_empty() && words.at(at).bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        at += 1;
    }
    at
}

/// The words that describe provisioned throughput besides the commitment.
const PROVISIONED_WORDS: &[&[&str]] = &[
    &["no", "commit"],
    &["nocommit"],
    &["no", "commitment"],
    &["custom"],
    &["base"],
    &["model", "units"],
    &["model", "unit"],
    &["modelunits"],
    &["usage"],
    &["hour"],
    &["hours"],
];

/// `[model] ProvisionedThroughput [Custom] [commitment] [ModelUnits] [Usage]`.
fn provisioned(words: &Words, marketplace: bool) -> Option<Reading> {
    let (start, mut at) = words.find(&["provisioned", "throughput"])?;
    let mut modifiers = Modifiers::default();
    while at < words.len() {
        let described = PROVISIONED_WORDS.iter().find_map(|phrase| words.phrase(at, phrase));
        at = described.or_else(|| commitment(words, at)).or_else(|| modifiers.take(words, at))?;
    }
    let model = words.text(0, modifiers.take_before(words, start));
    if model.is_none() && !marketplace {
        return None;
    }
    let kind = Reading::new("model_unit_hour", Measure::ModelUnitHours);
    Some(Reading { model, modifiers, pricing_model: Some("provisioned"), ..kind })
}

/// `<n> {month|months} commit`.
fn commitment(words: &Words, at: usize) -> Option<usize> {
    let count = words.at(at);
    let is_count = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    let is_span = is_count && matches!(words.at(at + 1), "month" | "months");
    (is_span && matches!(words.at(at + 2), "commit" | "commitment")).then_some(at + 3)
}

/// What training is called.
const TRAINING: &[&[&str]] = &[
    &["customization", "training"],
    &["rft", "training"],
    &["fine", "tuning"],
    &["finetuning"],
    &["customization", "tokens"],
];

/// What keeping a model of one's own is called.
const KEEPING: &[&[&str]] = &[&["customization", "storage"], &["custom", "model", "storage"], &["model", "storage"]];

/// `<model>-Customization-{Training|Storage}` and `<model>-rft-training`.
fn customisation(words: &Words) -> Option<Reading> {
    let training = TRAINING.iter().find_map(|phrase| words.find(phrase));
    let keeping = KEEPING.iter().find_map(|phrase| words.find(phrase));
    let ((start, at), reading) = match (training, keeping) {
        (Some(found), _) => (found, Reading::new("training", Measure::Units)),
        (None, Some(found)) => (found, Reading::new("storage", Measure::ModelMonths)),
        (None, None) => return None,
    };
    let mut modifiers = Modifiers::default();
    take_amount(words, at, &mut modifiers)?;
    let end = words.phrase(start.checked_sub(1)?, &["customization"]).map_or(start, |_| start - 1);
    let model = words.text(0, modifiers.take_before(words, end))?;
    Some(Reading { model: Some(model), modifiers, ..reading })
}

/// What is counted may stand after the meter (`Training-tokens`, `rft-training-hours`).
fn take_amount(words: &Words, from: usize, modifiers: &mut Modifiers) -> Option<()> {
    const AMOUNTS: &[&str] = &[
        "token", "tokens", "image", "images", "hour", "hours", "text", "count", "input", "output", "month", "rft",
        "sft", "training",
    ];
    let mut at = from;
    while at < words.len() {
        at = if AMOUNTS.contains(&words.at(at)) { at + 1 } else { modifiers.take(words, at)? };
    }
    Some(())
}
