//! Words on their way to others: made safe, cut to a length, and named by what they are.

use reqwest::Url;

use crate::alert::notice::{Event, Notice};
use crate::report::safe;

/// One line: line breaks become spaces, and what is not seen becomes visible.
pub(super) fn line(text: &str) -> String {
    safe::plain(&text.replace(['\n', '\r', '\t'], " "))
}

/// The same with its line breaks.
pub(super) fn lines(text: &str) -> String {
    text.lines().map(safe::plain).collect::<Vec<_>>().join("\n")
}

/// At most so many characters, counted as the most cautious server counts them: in UTF-16.
pub(super) fn clip(text: &str, most: usize) -> String {
    if text.encode_utf16().count() <= most {
        return text.to_string();
    }
    let mut left = most.saturating_sub(1);
    let fits = |c: &char| {
        let is_in = c.len_utf16() <= left;
        left -= if is_in { c.len_utf16() } else { left };
        is_in
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// What is the same for the same texts, and says nothing of them: 64 hexadecimal digits.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// Identity of one sending: the same when the same notice is sent again.
pub(super) fn identity(notice: &Notice) -> String {
    // A morning is told once, though a second run of it may know more.
    let body = if notice.event == Event::Digest { String::new() } else { notice.body.to_string() };
    digest(&[&notice.key, notice.event.as_str(), &body])
}

/// The runbook's address as others take it, where it is one.
pub(super) fn runbook(notice: &Notice) -> Option<String> {
    let url = Url::parse(notice.runbook.as_deref()?).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.as_str().len() <= 2_000;
    is_web.then(|| url.to_string())
}

/// What the page is that a notice leads to.
pub(super) fn page(notice: &Notice) -> &'static str {
    if notice.event == Event::Digest { "Report" } else { "Runbook" }
}

/// Severity and summary, for where one line has to tell all.
pub(super) fn title(notice: &Notice) -> String {
    let summary = line(&notice.summary);
    match notice.event {
        Event::Trigger => format!("{}: {summary}", notice.severity.as_str().to_uppercase()),
        Event::Acknowledge => format!("Acknowledged: {summary}"),
        Event::Resolve => format!("Resolved: {summary}"),
        Event::Heartbeat | Event::Digest => summary,
    }
}

/// The first screen as plain text: each heading, and its text below.
pub fn screen(notice: &Notice) -> String {
    let mut out = title(notice) + "\n";
    for (heading, text) in &notice.lines {
        out.push_str(&format!("\n{heading}\n{}\n", indented(text)));
    }
    if !notice.incident.is_empty() {
        out.push_str(&format!("\nIncident\n{}\n", indented(&notice.incident)));
    }
    if let Some(runbook) = runbook(notice) {
        out.push_str(&format!("\n{}\n{}\n", page(notice), indented(&runbook)));
    }
    out
}

fn indented(text: &str) -> String {
    lines(text).lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_says_so() {
        assert_eq!(clip("abc", 3), "abc");
        assert_eq!(clip("abcd", 3), "ab…");
        assert_eq!(clip("a🙂🙂", 4), "a🙂…");
        assert_eq!(clip("🙂🙂", 3), "🙂…");
    }

    #[test]
    fn texts_that_are_divided_elsewhere_are_others() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }
}
