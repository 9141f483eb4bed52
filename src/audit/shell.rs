//! Words for a shell and for Terraform, whatever a name holds: they arrive as they are, and what cannot
//! be seen is written as its code, so that who reviews them sees what runs.

use crate::report::safe;

/// A word for bash.
pub fn quote(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_string();
    }
    if safe::plain(text) == text {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    // Quotes in this form are bash's own; its codes are those of bytes, which no locale changes.
    let mut out = String::from("$'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            c if safe::plain(c.encode_utf8(&mut [0; 4])) != c.to_string() => {
                out.extend(c.to_string().bytes().map(|byte| format!("\\{byte:03o}")));
            }
            c => out.push(c),
        }
    }
    out + "'"
}

/// Words as one command.
pub fn command(words: &[String]) -> String {
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

/// A text as Terraform writes it, with no template in it.
pub fn hcl(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if safe::plain(c.encode_utf8(&mut [0; 4])) != c.to_string() => {
                out.push_str(&format!("\\U{:08X}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    // A doubled sign is the sign itself, where a brace would make a template of it.
    out.replace("${", "$${").replace("%{", "%%{")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_word_holds_anything() {
        assert_eq!(quote("abc/d"), "abc/d");
        assert_eq!(quote("a b'; rm -rf /"), r"'a b'\''; rm -rf /'");
        assert_eq!(quote("a\n\u{202e}'\\"), r"$'a\012\342\200\256\'\\'");
        assert_eq!(quote(""), "''");
    }

    #[test]
    fn terraform_reads_no_template() {
        assert_eq!(hcl("a\"${b}\n%{c} $d"), r#""a\"$${b}\U0000000A%%{c} $d""#);
    }
}
