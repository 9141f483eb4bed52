//! Shell: what makes a page whole and safe: one file, which asks the network for nothing and runs nothing but what
//! it was written with.

use aws_smithy_types::base64;
use sha2::{Digest, Sha256};

use super::markup::{self, Markup};
use serde_json::Value;

/// The charts: uPlot 1.6.32, MIT; its licence stands beside it.
const LIBRARY: &str = include_str!("assets/uPlot.iife.min.js");
const LIBRARY_STYLE: &str = include_str!("assets/uPlot.min.css");
const LICENSE: &str = include_str!("assets/uPlot-LICENSE");
const STYLE: &str = include_str!("assets/page.css");
const SCRIPT: [&str; 7] = [
    include_str!("assets/words.js"),
    include_str!("assets/data.js"),
    include_str!("assets/state.js"),
    include_str!("assets/tables.js"),
    include_str!("assets/charts.js"),
    include_str!("assets/figures.js"),
    include_str!("assets/page.js"),
];

/// What stands at the beginning of every page that is written here.
pub const MARK: &str = "<meta name=\"generator\" content=\"billtag\">";

/// A whole page: its title, what it shows, and the data that its script reads; without data it needs no charts.
pub fn page(title: &str, body: &str, data: Option<&Value>) -> String {
    let style = if data.is_some() { format!("{LIBRARY_STYLE}\n{STYLE}") } else { STYLE.to_string() };
    let script = match data {
        Some(_) => format!("\"use strict\";\n(() => {{\n{}}})();\n", SCRIPT.concat()),
        None => String::new(),
    };
    let library = data.map_or("", |_| LIBRARY);
    let mut page = Markup::default();
    page.raw("<!doctype html>\n");
    if data.is_some() {
        page.raw("<!--\nThe charts are drawn by uPlot 1.6.32, https://github.com/leeoniya/uPlot\n\n")
            .raw(LICENSE.trim())
            .raw("\n-->\n");
    }
    page.raw("<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n").raw(MARK).raw("\n");
    page.open("meta", &[("http-equiv", "Content-Security-Policy"), ("content", &policy(&style, &[library, &script]))]);
    page.raw("\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.raw("<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light dark\">\n");
    page.element("title", &[], title).raw("\n<link rel=\"icon\" href=\"data:,\">\n");
    page.raw("<style>").raw(&style).raw("</style>\n</head>\n<body>\n").raw(body);
    if let Some(data) = data {
        page.raw("<script type=\"application/json\" id=\"data\">").raw(&markup::json(data)).raw("</script>\n");
        page.raw("<script>").raw(library).raw("</script>\n<script>").raw(&script).raw("</script>\n");
    }
    page.raw("</body>\n</html>\n");
    page.into_text()
}

/// Nothing may be loaded, and of what stands in the page nothing may run but what has one of these hashes.
fn policy(style: &str, scripts: &[&str]) -> String {
    let scripts: Vec<String> = scripts.iter().filter(|script| !script.is_empty()).map(|script| hash(script)).collect();
    let scripts = if scripts.is_empty() { "'none'".into() } else { scripts.join(" ") };
    format!(
        "default-src 'none'; script-src {scripts}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'",
        hash(style)
    )
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", base64::encode(Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_embedded_ends_the_element_that_it_stands_in() {
        let texts = SCRIPT.iter().chain([&LIBRARY]);
        texts.for_each(|text| assert!(!text.to_lowercase().contains("</script") && !text.contains("<!--")));
        assert!(!format!("{STYLE}{LIBRARY_STYLE}").contains("</") && !LICENSE.contains("--"));
    }

    #[test]
    fn the_policy_allows_what_the_page_holds_and_nothing_else() {
        assert_eq!(hash(""), "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='");
        let page = page("<b>", "", Some(&serde_json::json!({})));
        assert!(!page.contains("unsafe-") && !page.contains("<b>"), "{}", &page[..2_000]);
        assert!(page.contains("default-src &#39;none&#39;"), "{}", &page[..2_000]);
    }

    #[test]
    fn own_scripts_write_no_markup() {
        for script in SCRIPT {
            for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
                assert!(!script.contains(word), "{word}");
            }
        }
    }
}
