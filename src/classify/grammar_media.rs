//! Searches, generated images and generated video.

use super::meter::Measure;
use super::modifiers::Modifiers;
use super::usage_type::Reading;
use super::words::Words;

/// Reads the meter of a reranker, an image model or a video model.
pub fn read(words: &Words, marketplace: bool) -> Option<Reading> {
    search(words, marketplace)
        .or_else(|| created_image(words, marketplace))
        .or_else(|| image(words))
        .or_else(|| video(words))
}

/// `<model>-search-units`, also written `searchunits`.
fn search(words: &Words, marketplace: bool) -> Option<Reading> {
    let (start, next) = words.find(&["search", "units"]).or_else(|| words.find(&["search", "unit"]))?;
    let mut modifiers = Modifiers::default();
    modifiers.take_rest(words, words.phrase(next, &["count"]).unwrap_or(next))?;
    let model = words.text(0, modifiers.take_before(words, start));
    if model.is_none() && !marketplace {
        return None;
    }
    Some(Reading { model, modifiers, ..Reading::new("search_unit", Measure::Searches) })
}

/// `created_image_<model>`: the model stands after the meter here.
fn created_image(words: &Words, marketplace: bool) -> Option<Reading> {
    let (start, next) = words.find(&["created", "image"]).or_else(|| words.find(&["created", "images"]))?;
    let next = words.phrase(next, &["count"]).unwrap_or(next);
    let mut modifiers = Modifiers::default();
    let end = modifiers.take_before(words, words.len()).max(next);
    let model = words.text(next, end).or_else(|| words.text(0, start));
    if !marketplace && model.is_none() {
        return None;
    }
    Some(Reading { model, modifiers, ..Reading::new("image_created", Measure::Images) })
}

/// The ways to make an image, with the kind each is counted as.
const IMAGE_TASKS: &[(&[&str], &str)] = &[
    (&["t", "2i"], "image_t2i"),
    (&["i", "2i"], "image_i2i"),
    (&["inpainting"], "image_inpainting"),
    (&["outpainting"], "image_outpainting"),
    (&["variation"], "image_variation"),
    (&["background", "removal"], "image_background_removal"),
];

/// `<model>-T2I-<size>-<quality>`.
fn image(words: &Words) -> Option<Reading> {
    let (kind, start, next) = first_task(words, IMAGE_TASKS)?;
    let mut modifiers = Modifiers::default();
    take_sizes(words, next, &mut modifiers)?;
    let model = words.text(0, modifiers.take_before(words, start))?;
    Some(Reading { model: Some(model), modifiers, ..Reading::new(kind, Measure::Images) })
}

fn first_task(words: &Words, tasks: &[(&[&str], &'static str)]) -> Option<(&'static str, usize, usize)> {
    tasks.iter().find_map(|(phrase, kind)| words.find(phrase).map(|(start, next)| (*kind, start, next)))
}

/// The size and the quality of an image, and modifiers between and after them.
fn take_sizes(words: &Words, from: usize, modifiers: &mut Modifiers) -> Option<()> {
    let mut at = from;
    while at < words.len() {
        let word = words.at(at);
        let is_size = word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'x');
        let is_quality = matches!(
            word,
            "premium"
                | "hd"
                | "custom"
                | "image"
                | "images"
                | "count"
                | "resolution"
                | "res"
                | "quality"
                | "step"
                | "steps"
        );
        at = match modifiers.take(words, at) {
            Some(next) => next,
            None if is_size || is_quality => at + 1,
            None => return None,
        };
    }
    Some(())
}

/// The words that describe generated video: task, frame rate, resolution.
const VIDEO_WORDS: &[&[&str]] = &[
    &["t", "2v"],
    &["i", "2v"],
    &["medfps"],
    &["med", "fps"],
    &["standardfps"],
    &["standard", "fps"],
    &["highfps"],
    &["high", "fps"],
    &["lowfps"],
    &["low", "fps"],
    &["hdres"],
    &["hd", "res"],
    &["hd", "resolution"],
    &["hdresolution"],
    &["standardres"],
    &["standard", "res"],
    &["standard", "resolution"],
    &["output"],
    &["video"],
    &["second"],
    &["seconds"],
];

/// `<model>-Medfps-HDRes`: a run of describing words to the end, one of which can only be video's.
fn video(words: &Words) -> Option<Reading> {
    let start = VIDEO_WORDS[..17].iter().filter_map(|phrase| words.find(phrase)).map(|(start, _)| start).min()?;
    let mut modifiers = Modifiers::default();
    let mut at = start;
    while at < words.len() {
        let described = VIDEO_WORDS.iter().find_map(|phrase| words.phrase(at, phrase));
        at = described.or_else(|| modifiers.take(words, at))?;
    }
    let model = words.text(0, modifiers.take_before(words, start))?;
    Some(Reading { model: Some(model), modifiers, ..Reading::new("video_second", Measure::Seconds) })
}
