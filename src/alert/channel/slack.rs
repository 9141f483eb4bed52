//! Slack, as an incoming webhook takes it: a post of its own for each notice, since a webhook cannot change one.
//!
//! Whatever comes from the bill stands in `plain_text`, where nothing is markup and nobody is mentioned; Slack's
//! three control characters are written as entities there too.

use serde_json::{Value, json};

use super::words;
use crate::alert::notice::Notice;

/// Longest header.
const HEADER: usize = 150;
/// Longest text of a section.
const SECTION: usize = 3_000;
/// Longest text beside the blocks.
const TEXT: usize = 1_500;
/// Longest text in a context.
const CONTEXT: usize = 2_000;
/// Sections: with header, runbook and context they are fewer than the fifty blocks that Slack takes.
const SECTIONS: usize = 45;

/// The post of a notice.
pub fn payload(notice: &Notice) -> Value {
    let title = words::title(notice);
    let mut blocks = vec![json!({ "type": "header", "text": plain(&title, HEADER) })];
    for (heading, text) in notice.lines.iter().take(SECTIONS) {
        let text = format!("{heading}\n{}", words::lines(text));
        blocks.push(json!({ "type": "section", "text": plain(&text, SECTION) }));
    }
    if let Some(runbook) = words::runbook(notice) {
        // A button would want an app that answers it.
        let address = entities(&runbook.replace('|', "%7C"), SECTION - 20);
        let link = format!("<{address}|{}>", words::page(notice));
        blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": link } }));
    }
    if !notice.incident.is_empty() {
        let name = plain(&format!("Incident {}", words::line(&notice.incident)), CONTEXT);
        blocks.push(json!({ "type": "context", "elements": [name] }));
    }
    // What a telephone shows, where the marks of a name would be markup.
    json!({ "text": unmarked(&entities(&title, TEXT)), "blocks": blocks })
}

fn plain(text: &str, most: usize) -> Value {
    json!({ "type": "plain_text", "text": entities(text, most), "emoji": false })
}

/// Slack's control characters as entities, at most so long, never cut within one.
fn entities(text: &str, most: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    let piece = |c: char| match c {
        '&' => "&amp;".to_string(),
        '<' => "&lt;".to_string(),
        '>' => "&gt;".to_string(),
        c => c.to_string(),
    };
    let whole: usize = text.chars().map(|c| piece(c).encode_utf16().count()).sum();
    // The last place is for the sign that something is missing.
    let most = if whole <= most { most } else { most - 1 };
    for piece in text.chars().map(piece) {
        length += piece.encode_utf16().count();
        if length > most {
            break;
        }
        out.push_str(&piece);
    }
    if length > most {
        out.push('…');
    }
    out
}

/// Text in which no mark touches what it would mark: something without width stands between.
fn unmarked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        out.push(c);
        if matches!(c, '*' | '_' | '~' | '`' | '@' | '#' | ':') {
            out.push('\u{200b}');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_is_never_cut() {
        assert_eq!(entities("a<b&c", 20), "a&lt;b&amp;c");
        assert_eq!(entities("<<<", 12), "&lt;&lt;&lt;");
        assert_eq!(entities("<<<<", 12), "&lt;&lt;…");
    }
}
