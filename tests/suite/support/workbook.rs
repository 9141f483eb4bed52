//! Workbooks as other programs read them: openpyxl, and LibreOffice, which reckons every formula anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{harness, parts};

/// A cell: kind, value, number format.
pub type Cell = Option<(String, String, String)>;

/// A sheet: cells, and for formulas the results that stand beside them.
#[derive(Debug, Clone)]
pub struct Sheet {
    pub cells: Vec<Vec<Cell>>,
    pub results: Vec<Vec<Cell>>,
    pub frozen: Option<String>,
    pub filter: Option<String>,
    pub charts: u64,
    pub printed: String,
    pub repeated: Option<String>,
    pub wrapped: Vec<String>,
}

/// A workbook by sheet.
#[derive(Debug, Clone)]
pub struct Book {
    pub sheets: BTreeMap<String, Sheet>,
    pub order: Vec<String>,
    pub created: String,
}

/// The row of a sheet's only table that holds its headings.
pub const HEADER: usize = 3;

fn cells(value: &Value) -> Vec<Vec<Cell>> {
    serde_json::from_value(value.clone()).expect("rows of cells")
}

/// Reads a workbook with openpyxl.
pub fn read(path: &Path) -> Book {
    let output = Command::new(parts::python())
        .arg(harness::root().join("tests/parts/workbook.py"))
        .arg(path)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python runs");
    assert!(output.status.success(), "{}", harness::text(&output.stderr));
    let book: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = |value: &Value| value.as_str().map(String::from);
    let sheet = |(name, sheet): (&String, &Value)| {
        assert_eq!(sheet["links"], serde_json::json!([]), "{name} has links");
        let sheet = Sheet {
            cells: cells(&sheet["cells"]),
            results: cells(&sheet["results"]),
            frozen: text(&sheet["frozen"]),
            filter: text(&sheet["filter"]),
            charts: sheet["charts"].as_u64().expect("a number"),
            printed: text(&sheet["printed"]).unwrap_or_default(),
            repeated: text(&sheet["repeated"]),
            wrapped: serde_json::from_value(sheet["wrapped"].clone()).expect("columns"),
        };
        (name.clone(), sheet)
    };
    Book {
        sheets: book["sheets"].as_object().expect("sheets").iter().map(sheet).collect(),
        order: serde_json::from_value(book["order"].clone()).expect("names"),
        created: text(&book["created"]).expect("a time"),
    }
}

/// Lets LibreOffice open a workbook, with a profile of its own that reckons everything anew, and write it in another
/// form into a folder.
pub fn convert(path: &Path, form: &str, folder: &Path) -> PathBuf {
    // That it is there is seen to with the other parts.
    parts::python();
    let profile = folder.join("profile");
    let settings = profile.join("user");
    std::fs::create_dir_all(&settings).expect("a folder");
    let always = r#"<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load"><prop oor:name="OOXMLRecalcMode" oor:op="fuse"><value>0</value></prop></item>
</oor:items>"#;
    std::fs::write(settings.join("registrymodifications.xcu"), always).expect("settings");
    let out = folder.join("converted");
    let output = Command::new("soffice")
        .arg(format!("-env:UserInstallation=file://{}", profile.display()))
        .args(["--headless", "--norestore", "--convert-to", form, "--outdir"])
        .arg(&out)
        .arg(path)
        .output()
        .expect("soffice runs");
    assert!(output.status.success(), "{}", harness::text(&output.stderr));
    out
}

/// The workbook as LibreOffice reckons it.
pub fn reckoned(path: &Path) -> Book {
    let folder = tempfile::tempdir().expect("a folder");
    let out = convert(path, "xlsx", folder.path());
    read(&out.join(path.file_name().expect("a name")))
}

/// What LibreOffice shows of each sheet, by name: rows of texts.
pub fn shown(path: &Path) -> BTreeMap<String, Vec<Vec<String>>> {
    let folder = tempfile::tempdir().expect("a folder");
    // Every sheet, as shown, in UTF-8.
    let out =
        convert(path, "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false,true,false,false,-1", folder.path());
    let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
    let mut sheets = BTreeMap::new();
    for entry in std::fs::read_dir(out).expect("files") {
        let file = entry.expect("a file").path();
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a name");
        let name = name.strip_prefix(stem).and_then(|rest| rest.strip_prefix('-')).unwrap_or(name).to_string();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_path(&file).expect("CSV");
        let rows = reader.records().map(|row| row.expect("a row").iter().map(String::from).collect());
        sheets.insert(name, rows.collect());
    }
    sheets
}

impl Sheet {
    /// The value of a cell, as it was last reckoned; empty where there is none.
    pub fn value(&self, row: usize, column: usize) -> &str {
        let cell = self.results.get(row).and_then(|row| row.get(column));
        cell.and_then(Option::as_ref).map_or("", |(_, value, _)| value)
    }

    /// The heading of a column of the only table.
    pub fn column(&self, heading: &str) -> usize {
        let headings = 0..self.cells[HEADER].len();
        headings
            .into_iter()
            .find(|at| self.value(HEADER, *at) == heading)
            .unwrap_or_else(|| panic!("no column {heading}"))
    }

    /// Every formula with its place and the result that stands beside it.
    pub fn formulas(&self) -> Vec<((usize, usize), &str, &str)> {
        let rows = self.cells.iter().enumerate();
        let cells =
            rows.flat_map(|(row, cells)| cells.iter().enumerate().map(move |(column, cell)| (row, column, cell)));
        cells
            .filter_map(|(row, column, cell)| {
                let (_, text, _) = cell.as_ref().filter(|(kind, ..)| kind == "f")?;
                Some(((row, column), text.as_str(), self.value(row, column)))
            })
            .collect()
    }
}
