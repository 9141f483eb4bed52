//! Markup: the only place that writes HTML, so that no text of a bill can become markup.

use crate::metrics::Cell;
use crate::report::{Look, Table, safe, words};

/// Letters of the longest text that is kept on one line.
const SHORT: usize = 22;

/// HTML that is being written.
#[derive(Debug, Default)]
pub struct Markup(String);

/// Attributes of an element: names are ours, values may be anybody's.
pub type Attributes = Vec<(&'static str, String)>;

impl Markup {
    /// The HTML.
    pub fn into_text(self) -> String {
        self.0
    }

    /// Adds markup of our own.
    pub fn raw(&mut self, markup: &str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds a text; what cannot be seen in it becomes visible, as on a terminal.
    pub fn text(&mut self, text: &str) -> &mut Self {
        escape(&safe::plain(text), &mut self.0);
        self
    }

    /// Begins an element.
    pub fn open(&mut self, name: &str, attributes: &[(&str, &str)]) -> &mut Self {
        self.0.push('<');
        self.0.push_str(name);
        for (name, value) in attributes {
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            escape(&safe::plain(value), &mut self.0);
            self.0.push('"');
        }
        self.0.push('>');
        self
    }

    /// Ends an element.
    pub fn close(&mut self, name: &str) -> &mut Self {
        self.raw("</").raw(name).raw(">")
    }

    /// An element that holds a text.
    pub fn element(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) -> &mut Self {
        self.open(name, attributes).text(text).close(name)
    }

    /// A table that can be scrolled and sorted; `of_row` gives attributes by which rows are filtered.
    pub fn table(&mut self, table: &Table, of_row: impl Fn(usize) -> Attributes) -> &mut Self {
        if !table.note.is_empty() {
            self.element("p", &[("class", "note")], &table.note);
        }
        if table.rows.is_empty() {
            return self.element("p", &[("class", "none")], "Nothing.");
        }
        let id = format!("table-{}", table.name);
        self.open("div", &[("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", &table.heading)]);
        self.open("table", &[("id", &id), ("data-sort", table.name)]);
        self.element("caption", &[("class", "hidden")], &table.heading).raw("<thead><tr>");
        for column in &table.columns {
            let class = if column.look == Look::Plain { "" } else { "n" };
            let heading = if column.heading.is_empty() { unnamed(column.name) } else { &column.heading };
            self.element("th", &[("scope", "col"), ("class", class), ("data-key", column.name)], heading);
        }
        self.raw("</tr></thead><tbody>");
        for (at, row) in table.rows.iter().enumerate() {
            let attributes = of_row(at);
            let attributes: Vec<(&str, &str)> =
                attributes.iter().map(|(name, value)| (*name, value.as_str())).collect();
            self.open("tr", &attributes);
            for (cell, column) in row.iter().zip(&table.columns) {
                self.cell(cell, column.look, column.name);
            }
            self.close("tr");
        }
        self.raw("</tbody></table></div>\n")
    }

    /// A table whose first column leads to other files; a row without one is a sum.
    pub fn linked_table(&mut self, table: &Table, files: &[String]) -> &mut Self {
        self.element("p", &[("class", "note")], &table.note).raw("<div class=\"scroll\"><table><thead><tr>");
        for column in &table.columns {
            let class = if column.look == Look::Plain { "" } else { "n" };
            self.element("th", &[("scope", "col"), ("class", class)], &column.heading);
        }
        self.raw("</tr></thead><tbody>");
        for (at, row) in table.rows.iter().enumerate() {
            let file = files.get(at);
            self.open("tr", &[("class", if file.is_some() { "" } else { "total" })]);
            for (number, (cell, column)) in row.iter().zip(&table.columns).enumerate() {
                if let Some(file) = file.filter(|_| number == 0) {
                    self.raw("<td>").element("a", &[("href", file)], &words::cell(cell, column.look)).close("td");
                } else {
                    self.cell(cell, column.look, column.name);
                }
            }
            self.close("tr");
        }
        self.raw("</tbody></table></div>\n")
    }

    fn cell(&mut self, cell: &Cell, look: Look, name: &str) {
        let shown = words::cell(cell, look);
        let exact = sortable(cell);
        match (look, name) {
            (Look::Plain, "severity") => self.open("td", &[("class", &format!("severity {}", class(&shown)))]),
            (Look::Plain, "fix") => self.open("td", &[("class", "code")]),
            (Look::Plain, _) if exact.is_empty() => self.open("td", &[("class", width(&shown))]),
            (Look::Plain, _) => self.open("td", &[("class", "s"), ("data-v", &exact)]),
            _ => self.open("td", &[("class", "n"), ("data-v", &exact)]),
        };
        self.text(&shown).close("td");
    }
}

/// What a column of data formats is called by people, where its heading is left out on a terminal.
fn unnamed(name: &str) -> &str {
    match name {
        "billing_currency" => "Currency",
        "severity" => "Severity",
        "what" => "What",
        "value" => "Value",
        "detail" => "Detail",
        other => other,
    }
}

/// Whether a text is kept on one line, or may be broken anywhere.
fn width(text: &str) -> &'static str {
    if text.chars().count() <= SHORT { "s" } else { "w" }
}

/// A word as a class: severities and states are ours, and anything else is none.
fn class(word: &str) -> &'static str {
    ["page", "warn", "note", "ok"].into_iter().find(|known| word.eq_ignore_ascii_case(known)).unwrap_or("")
}

/// A number that sorts as the exact value does; empty for texts.
fn sortable(cell: &Cell) -> String {
    match cell {
        Cell::Day(day) => day.to_string(),
        Cell::Float(value) => value.to_string(),
        Cell::Null | Cell::Text(_) | Cell::Flag(_) | Cell::Time(_) => String::new(),
        Cell::Count(_) | Cell::Decimal(..) => cell.text(),
    }
}

/// Adds a text in which nothing is markup, in elements and in quoted attributes.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
}

/// JSON that no text within can end: as it stands between script tags.
pub fn json(value: &serde_json::Value) -> String {
    let text = value.to_string();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        let mut markup = Markup::default();
        markup.element("p", &[("title", "\" onclick='x'")], "</p><script>alert(1)</script>");
        let text = markup.into_text();
        assert_eq!(text.matches('<').count(), 2, "{text}");
        assert!(!text.contains("\" onclick"), "{text}");
    }

    #[test]
    fn no_text_ends_the_data() {
        let text = json(&serde_json::json!({ "a": "</script><!--\u{2028}&" }));
        assert!(!text.contains(['<', '>', '&', '\u{2028}']), "{text}");
        let back: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(back["a"], "</script><!--\u{2028}&");
    }
}
