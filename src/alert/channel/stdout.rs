//! Standard output: the first screen as text, which the command prints with the rest of its data.

use super::words;
use crate::alert::notice::Notice;

/// The text of a notice, with an empty line behind it.
pub fn text(notice: &Notice) -> String {
    words::screen(notice) + "\n"
}
