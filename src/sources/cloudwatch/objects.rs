//! Cuts a stream of bytes into its outermost JSON objects, whatever stands between them.
//!
//! Firehose delivers records on lines of their own or one behind the other; a person saves a reply
//! pretty-printed over many lines, or an array of records. All of them are a sequence of objects
//! with white space, commas and square brackets between, so one cut serves them all and a file of
//! any size passes through without being held in memory.
//!
//! A damaged object must not take its neighbours along. JSON forbids a raw line break inside a
//! string, so an object whose line ends in a string is damaged; and a metric-stream record is never
//! nested, so one that begins a line proves that the object still open before it is damaged.

use std::io::{self, BufRead};

use super::metric_stream;

/// The longest single object that is put together; only saved replies come near it.
const OBJECT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What the cut finds, with the line (from 1) on which it begins.
pub(super) enum Piece<'a> {
    /// A balanced object; whether it is JSON inside is for the reader to find out.
    Object {
        /// Where it begins.
        line: u64,
        /// The object's text.
        bytes: &'a [u8],
    },
    /// Something that is no object: damage, or text that is not JSON.
    Junk {
        /// Where it begins.
        line: u64,
    },
}

/// Who takes the pieces.
pub(super) trait Visit {
    /// Takes the object that `text` begins with without cutting it out first, where that can be told by
    /// its form, and says how long it is; its line breaks, of which it has none, would not be counted.
    fn take_known(&mut self, text: &[u8]) -> Option<usize> {
        let _unknown = text;
        None
    }

    /// Takes a piece.
    fn take(&mut self, piece: Piece<'_>);
}

impl<F: FnMut(Piece<'_>)> Visit for F {
    fn take(&mut self, piece: Piece<'_>) {
        self(piece);
    }
}

/// Hands every piece of `reader` to `visit`, in order.
///
/// # Errors
/// Whatever the reader fails with, such as the early end of a gzip file. All whole objects before
/// that point have been visited then.
pub(super) fn scan(mut reader: impl BufRead, visit: &mut impl Visit) -> io::Result<()> {
    let mut scanner = Scanner::default();
    loop {
        let chunk = match reader.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if chunk.is_empty() {
            scanner.end(visit);
            return Ok(());
        }
        let length = chunk.len();
        let mut rest = chunk;
        while let Some((&byte, behind)) = rest.split_first() {
            if let Some(length) = scanner.known(rest, visit) {
                rest = &rest[length..];
                continue;
            }
            rest = scanner.rest_of_string(rest).unwrap_or_else(|| {
                scanner.feed(byte, visit);
                behind
            });
        }
        reader.consume(length);
    }
}

/// Where the cut stands.
#[derive(Default)]
struct Scanner {
    /// The open object so far; empty outside of objects.
    pending: Vec<u8>,
    /// How many brackets are open.
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// Line breaks seen so far.
    breaks: u64,
    /// The line on which the open object began.
    began: u64,
    /// Where the current line begins within `pending`.
    line_start: usize,
    /// Whether the rest of the line is skipped as junk.
    skipping: bool,
}

impl Scanner {
    /// Lets an object that begins here be taken as it lies, where that is possible.
    fn known(&self, bytes: &[u8], visit: &mut impl Visit) -> Option<usize> {
        if self.depth > 0 || self.skipping || bytes.first() != Some(&b'{') {
            return None;
        }
        visit.take_known(bytes)
    }

    /// Takes the plain letters of an open string at once, which most of a file consists of.
    fn rest_of_string<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        if !self.in_string || self.escaped {
            return None;
        }
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | b'\n');
        let plain = bytes.iter().position(is_special).unwrap_or(bytes.len());
        self.pending.extend_from_slice(&bytes[..plain]);
        (plain > 0).then(|| &bytes[plain..])
    }

    fn feed(&mut self, byte: u8, visit: &mut impl Visit) {
        if byte == b'\n' {
            self.line_break(visit);
        } else if self.depth > 0 {
            self.inside(byte, visit);
        } else if !self.skipping {
            self.between(byte, visit);
        }
    }

    /// Takes a byte between objects.
    fn between(&mut self, byte: u8, visit: &mut impl Visit) {
        match byte {
            b'{' => {
                self.pending.push(byte);
                self.depth = 1;
                self.began = self.breaks + 1;
            }
            b' ' | b'\t' | b'\r' | b',' | b'[' | b']' => {}
            _ => {
                self.skipping = true;
                visit.take(Piece::Junk { line: self.breaks + 1 });
            }
        }
    }

    /// Takes a byte of the open object.
    fn inside(&mut self, byte: u8, visit: &mut impl Visit) {
        self.pending.push(byte);
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth -= 1;
                if self.depth == 0 {
                    visit.take(Piece::Object { line: self.began, bytes: &self.pending });
                    self.reset();
                }
            }
            _ => {}
        }
    }

    fn line_break(&mut self, visit: &mut impl Visit) {
        self.settle_line(visit);
        if self.depth > 0 {
            self.pending.push(b'\n');
            self.line_start = self.pending.len();
        }
        self.breaks += 1;
        self.skipping = false;
    }

    /// Judges, at the end of a line, whether the open object can still be whole.
    fn settle_line(&mut self, visit: &mut impl Visit) {
        if self.depth == 0 {
            return;
        }
        let damaged = self.in_string || self.pending.len() > OBJECT_BYTES_MAX;
        let next = self.line_start > 0 && metric_stream::begins_with_record(&self.pending[self.line_start..]);
        if !damaged && !next {
            return;
        }
        let line = if next { self.pending.split_off(self.line_start) } else { Vec::new() };
        visit.take(Piece::Junk { line: self.began });
        self.reset();
        for byte in line {
            self.feed(byte, visit);
        }
        if self.in_string {
            // The record was whole, but something behind it on the same line is cut off.
            visit.take(Piece::Junk { line: self.began });
            self.reset();
        }
    }

    fn end(&mut self, visit: &mut impl Visit) {
        self.settle_line(visit);
        if self.depth > 0 {
            visit.take(Piece::Junk { line: self.began });
            self.reset();
        }
    }

    /// Goes back to the state between objects, on the same line.
    fn reset(&mut self) {
        self.pending.clear();
        self.depth = 0;
        self.in_string = false;
        self.escaped = false;
        self.line_start = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"namespace":"N","metric_name":"M","timestamp":1,"value":{"sum":1}}"#;

    /// Pieces as text: an object with its line, or `junk` with its line.
    fn cut(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        // A small buffer makes objects span several reads.
        let reader = io::BufReader::with_capacity(7, text.as_bytes());
        scan(reader, &mut |piece: Piece<'_>| {
            found.push(match piece {
                Piece::Object { line, bytes } => {
                    format!("{line} {}", String::from_utf8_lossy(bytes))
                }
                Piece::Junk { line } => format!("{line} junk"),
            });
        })
        .unwrap();
        found
    }

    #[test]
    fn objects_are_found_on_lines_concatenated_in_arrays_and_pretty_printed() {
        assert_eq!(cut("{\"a\":1}\r\n\n{\"b\":{}}"), ["1 {\"a\":1}", "3 {\"b\":{}}"]);
        assert_eq!(cut("{\"a\":1}{\"b\":2}"), ["1 {\"a\":1}", "1 {\"b\":2}"]);
        assert_eq!(cut("[\n {\"a\":[1]},\n {\"b\":2}\n]\n"), ["2 {\"a\":[1]}", "3 {\"b\":2}"]);
        assert_eq!(cut("{\n \"a\": {\n  \"b\": 1\n }\n}"), ["1 {\n \"a\": {\n  \"b\": 1\n }\n}"]);
    }

    #[test]
    fn brackets_and_quotes_inside_strings_do_not_cut() {
        let text = r#"{"a":"}{][\"\\"}"#;
        assert_eq!(cut(text), [format!("1 {text}")]);
    }

    #[test]
    fn a_line_cut_inside_a_string_loses_only_itself() {
        assert_eq!(cut("{\"a\":\"b\n{\"c\":1}"), ["1 junk", "2 {\"c\":1}"]);
    }

    #[test]
    fn a_line_cut_between_tokens_is_given_up_when_a_record_begins_the_next_line() {
        let text = format!("{{\"a\":{{\n{RECORD}{RECORD}\n{RECORD}");
        assert_eq!(
            cut(&text),
            ["1 junk".to_owned(), format!("2 {RECORD}"), format!("2 {RECORD}"), format!("3 {RECORD}")]
        );
    }

    #[test]
    fn text_that_is_not_json_is_one_piece_of_junk_a_line() {
        assert_eq!(cut("oops {\"a\":1}\n}\n{\"b\":2} x\n"), ["1 junk", "2 junk", "3 {\"b\":2}", "3 junk"]);
    }

    #[test]
    fn an_object_still_open_at_the_end_is_junk() {
        assert_eq!(cut("{\"a\":1}\n{\"b\":"), ["1 {\"a\":1}", "2 junk"]);
    }
}
