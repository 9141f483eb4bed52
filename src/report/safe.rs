//! Safe text: whatever a tag holds, it cannot break the output that shows it.

/// Text for a terminal: control characters, line breaks and direction overrides become visible.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_plain(text, &mut out);
    out
}

/// Adds text for a terminal.
pub fn push_plain(text: &str, out: &mut String) {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        out.push_str(text);
        return;
    }
    for c in text.chars() {
        if c.is_control() || is_invisible(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
}

/// Characters that change how their neighbours look without being seen.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{061c}' | '\u{e0000}'..='\u{e007f}')
}

/// Text for a Markdown table or paragraph: nothing of it is markup.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    // A bare address would become a link of its own.
    out.replace("://", ":\u{2f}\\/").replace("www.", "www\\.")
}

/// Text for a CSV cell that a spreadsheet must not run as a formula.
pub fn csv(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_csv(text, &mut out);
    out
}

/// Adds text for a CSV cell.
pub fn push_csv(text: &str, out: &mut String) {
    if could_run(text) {
        out.push('\'');
    }
    out.push_str(text);
}

/// Whether a spreadsheet could take a text for a formula.
pub fn could_run(text: &str) -> bool {
    // Most texts begin as names do.
    if text.as_bytes().first().is_none_or(u8::is_ascii_alphanumeric) {
        return false;
    }
    let risky = text.trim_start_matches([' ', '\u{a0}', '\u{feff}', '\u{200b}']);
    risky.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
        || text.starts_with(['\t', '\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_never_sees_a_control_character() {
        assert_eq!(plain("a\u{1b}[31mb\nc\u{202e}d"), "a\\u{1b}[31mb\\u{a}c\\u{202e}d");
        assert_eq!(plain("Ünïcödé 🙂"), "Ünïcödé 🙂");
    }

    #[test]
    fn markdown_shows_markup_as_text() {
        assert_eq!(markdown("a|b<script>*x*"), "a\\|b&lt;script&gt;\\*x\\*");
        assert!(!markdown("x\ny").contains('\n'));
    }

    #[test]
    fn a_spreadsheet_runs_no_cell() {
        for text in ["=1+1", "+1", "-1", "@x", "\t=1", " =cmd|' /C calc'!A0", "＝1"] {
            assert!(csv(text).starts_with('\''), "{text:?}");
        }
        assert_eq!(csv("checkout-bot"), "checkout-bot");
    }
}
