//! Small bills of our own making: encodings, selection, units and money rules, one at a time.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, MapBuilder, MapFieldNames, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use billtag::facts::store::Store;
use billtag::ingest::{self, Summary};
use billtag::metrics::Grid;
use parquet::arrow::ArrowWriter;

use crate::harness;

/// A bill line, as far as a test cares.
#[derive(Clone)]
pub struct Line {
    pub texts: Vec<(&'static str, &'static str)>,
    pub numbers: Vec<(&'static str, Option<f64>)>,
    pub product: Vec<(&'static str, &'static str)>,
    pub tags: Vec<(&'static str, &'static str)>,
    /// Epoch seconds.
    pub start: i64,
    pub end: i64,
}

pub const NOVEMBER: i64 = 1_793_491_200;

/// An hour of Nova Lite input: a thousand tokens for six hundredths of a cent.
pub fn nova() -> Line {
    Line {
        texts: vec![
            ("bill_billing_entity", "AWS"),
            ("bill_payer_account_id", "000011112222"),
            ("line_item_usage_account_id", "111122223333"),
            ("line_item_line_item_type", "Usage"),
            ("line_item_product_code", "AmazonBedrock"),
            ("line_item_usage_type", "USE1-NovaLite-input-tokens"),
            ("line_item_resource_id", ""),
            ("line_item_currency_code", "USD"),
            ("line_item_line_item_description", ""),
            ("pricing_unit", "1K tokens"),
        ],
        numbers: vec![
            ("line_item_usage_amount", Some(1.0)),
            ("line_item_unblended_cost", Some(0.00006)),
            ("pricing_public_on_demand_cost", Some(0.00006)),
        ],
        product: vec![("region", "us-east-1")],
        tags: vec![],
        start: NOVEMBER,
        end: NOVEMBER + 3_600,
    }
}

impl Line {
    pub fn text(mut self, name: &'static str, value: &'static str) -> Self {
        self.texts.retain(|(known, _)| *known != name);
        self.texts.push((name, value));
        self
    }

    pub fn number(mut self, name: &'static str, value: impl Into<Option<f64>>) -> Self {
        self.numbers.retain(|(known, _)| *known != name);
        self.numbers.push((name, value.into()));
        self
    }

    pub fn product(mut self, key: &'static str, value: &'static str) -> Self {
        self.product.push((key, value));
        self
    }

    pub fn tag(mut self, key: &'static str, value: &'static str) -> Self {
        self.tags.push((key, value));
        self
    }

    pub fn cost(self, cost: f64) -> Self {
        self.number("line_item_unblended_cost", cost)
    }
}

/// Lines as a batch: texts, doubles, microseconds UTC, maps.
pub fn batch(lines: &[Line]) -> RecordBatch {
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    let names = |of: &dyn Fn(&Line) -> Vec<&'static str>| {
        let mut names: Vec<&str> = lines.iter().flat_map(of).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    for name in names(&|line| line.texts.iter().map(|(name, _)| *name).collect()) {
        let value =
            |line: &Line| line.texts.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_string());
        columns.push((name.into(), Arc::new(lines.iter().map(value).collect::<StringArray>())));
    }
    for name in names(&|line| line.numbers.iter().map(|(name, _)| *name).collect()) {
        let value = |line: &Line| line.numbers.iter().find(|(known, _)| *known == name).and_then(|(_, value)| *value);
        columns.push((name.into(), Arc::new(lines.iter().map(value).collect::<Float64Array>())));
    }
    for (name, of) in [("line_item_usage_start_date", 0), ("line_item_usage_end_date", 1)] {
        let times = lines.iter().map(|line| if of == 0 { line.start } else { line.end } * 1_000_000);
        columns
            .push((name.into(), Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("+00:00"))));
    }
    columns.push(("product".into(), map(lines, |line| &line.product)));
    columns.push(("tags".into(), map(lines, |line| &line.tags)));
    RecordBatch::try_from_iter(columns).expect("a batch")
}

fn map(lines: &[Line], of: impl Fn(&Line) -> &Vec<(&'static str, &'static str)>) -> ArrayRef {
    let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
    let mut builder = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for line in lines {
        for (key, value) in of(line) {
            builder.keys().append_value(key);
            builder.values().append_value(value);
        }
        builder.append(true).expect("a map");
    }
    Arc::new(builder.finish())
}

pub fn write(path: &Path, batch: &RecordBatch) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let file = std::fs::File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(batch).expect("written");
    writer.close().expect("closed");
}

/// A folder with a config, whose bill is one plain file.
pub fn world(batch: &RecordBatch) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path(), "");
    write(&folder.path().join("bill/bill.parquet"), batch);
    folder
}

pub fn configure(folder: &Path, more: &str) {
    let text = format!("as_of = \"2026-11-22T12:00:00Z\"\n[[bill]]\npath = \"bill\"\n{more}");
    std::fs::write(folder.join("billtag.toml"), text).expect("a config");
}

pub fn ingest(folder: &Path) -> Summary {
    let config = harness::config(folder);
    ingest::ingest(
        &config,
        &Store::new(config.store()),
        &config.aws(None),
        harness::clock(&config),
        &billtag::watch::Silent,
    )
    .expect("ingested")
}

fn facts(lines: &[Line], sql: &str) -> Grid {
    facts_of(&batch(lines), sql)
}

fn facts_of(batch: &RecordBatch, sql: &str) -> Grid {
    let folder = world(batch);
    harness::ingest_folder(folder.path());
    harness::sql(folder.path(), sql)
}

fn first(grid: &Grid, name: &str) -> String {
    grid.text(&grid.rows[0], name)
}

const ALL: &str = "select * from cost_facts order by unblended_cost, usage_type";

fn recast(batch: &RecordBatch, to: impl Fn(&Field) -> Option<DataType>) -> RecordBatch {
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let target = to(field).unwrap_or(field.data_type().clone());
        columns.push(cast(column, &target).expect("castable"));
        fields.push(Field::new(field.name(), target, true));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("a batch")
}

#[test]
fn every_encoding_of_times_texts_and_costs_reads_the_same() {
    let lines = [
        nova().tag("resourceTags/Workload", "w").text("line_item_unblended_rate", "0.0000600000"),
        nova().cost(1.5).text("line_item_usage_type", "USE1-NovaLite-output-tokens"),
    ];
    let plain = batch(&lines);
    let expected = facts_of(&plain, ALL);
    assert_eq!(first(&expected, "workload"), "w");
    let time = |unit: TimeUnit, zone: bool| {
        move |field: &Field| {
            matches!(field.data_type(), DataType::Timestamp(..))
                .then(|| DataType::Timestamp(unit, zone.then(|| "+00:00".into())))
        }
    };
    let text = |to: DataType| move |field: &Field| (*field.data_type() == DataType::Utf8).then(|| to.clone());
    let number = |to: DataType| move |field: &Field| (*field.data_type() == DataType::Float64).then(|| to.clone());
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let variants = [
        recast(&plain, time(TimeUnit::Millisecond, true)),
        recast(&plain, time(TimeUnit::Millisecond, false)),
        recast(&plain, time(TimeUnit::Nanosecond, false)),
        recast(&plain, |field| matches!(field.data_type(), DataType::Timestamp(..)).then_some(DataType::Utf8)),
        recast(&plain, text(dictionary)),
        recast(&plain, text(DataType::LargeUtf8)),
        recast(&plain, text(DataType::Utf8View)),
        recast(&plain, text(DataType::Binary)),
        recast(&plain, number(DataType::Utf8)),
        recast(&plain, number(DataType::Decimal128(20, 12))),
    ];
    for (at, variant) in variants.iter().enumerate() {
        assert_eq!(facts_of(variant, ALL), expected, "variant {at}");
    }
}

#[test]
fn tags_read_the_same_from_maps_json_text_and_flattened_columns() {
    let line = nova();
    let with = |name: &str, column: ArrayRef| {
        let plain = batch(std::slice::from_ref(&line));
        let mut columns: Vec<(String, ArrayRef)> = plain
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .zip(plain.columns().iter().cloned())
            .collect();
        columns.retain(|(known, _)| known != "tags");
        columns.push((name.into(), column));
        RecordBatch::try_from_iter(columns).expect("a batch")
    };
    let text = |value: &str| Arc::new(StringArray::from(vec![value])) as ArrayRef;
    let map = facts(&[nova().tag("resourceTags/CostCenter", "CC-1")], ALL);
    assert_eq!(first(&map, "cost_center"), "cc-1");
    let flat = [
        with("resource_tags", text(r#"{"user_cost_center":"CC-1"}"#)),
        with("tags", text(r#"{"resourceTags/CostCenter":"CC-1"}"#)),
        with("resource_tags_user_cost_center", text("CC-1")),
        with("resourceTags/user:CostCenter", text("CC-1")),
    ];
    for (at, batch) in flat.iter().enumerate() {
        assert_eq!(first(&facts_of(batch, ALL), "cost_center"), "cc-1", "variant {at}");
    }
}

#[test]
fn all_bedrock_lines_are_selected_and_no_neighbour() {
    let marketplace = || {
        nova()
            .text("bill_billing_entity", "AWS Marketplace")
            .text("line_item_product_code", "4a524th30q694o538qndh9ucht")
    };
    let bedrock = [
        nova(),
        nova().text("line_item_product_code", "AmazonBedrockService"),
        nova().text("line_item_product_code", "AmazonBedrockFoundationModels"),
        nova().text("line_item_product_code", "AmazonBedrockAgentCore"),
        marketplace().product("product_name", "Claude Sonnet 4.6 (Amazon Bedrock Edition)"),
        marketplace()
            .text("line_item_resource_id", "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-6"),
        nova()
            .text("line_item_product_code", "Other")
            .text("line_item_resource_id", "arn:aws:bedrock-agentcore:us-east-1:1:runtime/x"),
        nova().text("line_item_product_code", "Other").text("product_product_family", "Amazon Bedrock"),
    ];
    let neighbours = [
        nova().text("line_item_product_code", "AmazonEC2"),
        nova()
            .text("line_item_product_code", "AmazonCloudWatch")
            .text("line_item_resource_id", "arn:aws:logs:us-east-1:1:log-group:/aws/bedrock/x"),
        marketplace()
            .product("product_name", "Claude Platform on AWS")
            .text("line_item_usage_type", "Global-MP:credits-Units"),
        marketplace().product("product_name", "Prompt Guard for Amazon Bedrock"),
    ];
    let lines: Vec<Line> = bedrock
        .iter()
        .chain(&neighbours)
        .cloned()
        .enumerate()
        .map(|(at, line)| line.cost(f64::from(1 << at)))
        .collect();
    let folder = world(&batch(&lines));
    harness::ingest_folder(folder.path());
    let sum = harness::sql(folder.path(), "select sum(unblended_cost) as cost from charges");
    assert_eq!(first(&sum, "cost"), ((1 << bedrock.len()) - 1).to_string());
    let record = Store::new(folder.path().join(".billtag")).record("2026-11").expect("readable").expect("stored");
    let adjacent: Vec<&String> = record.trust.adjacent.keys().collect();
    assert_eq!(adjacent, ["Claude Platform on AWS", "Prompt Guard for Amazon Bedrock"]);
}

#[test]
fn tokens_are_counted_in_tokens_whatever_the_unit() {
    let millions = nova()
        .text("bill_billing_entity", "AWS Marketplace")
        .text("line_item_product_code", "abc")
        .text("line_item_usage_type", "USE1-MP:USE1_InputTokenCount-Units")
        .text("pricing_unit", "Units")
        .text("line_item_line_item_description", "AWS Marketplace software usage|us-east-1|Million Input Tokens")
        .product("product_name", "Claude Sonnet 4.6 (Amazon Bedrock Edition)")
        .number("line_item_usage_amount", 0.02645)
        .cost(0.07935);
    let grid = facts(&[nova().number("line_item_usage_amount", 196.7).cost(0.011802), millions], ALL);
    let quantities: Vec<String> = grid.rows.iter().map(|row| grid.text(row, "consumed_quantity")).collect();
    assert_eq!(quantities, ["196700", "26450"]);
    assert_eq!(grid.text(&grid.rows[1], "model_name"), "Claude Sonnet 4.6");
    assert_eq!(grid.text(&grid.rows[1], "list_cost"), "", "the Marketplace has no list price");
}

/// The usage types whose unit is in doubt.
fn doubts(lines: &[Line]) -> Vec<String> {
    let folder = world(&batch(lines));
    harness::ingest_folder(folder.path());
    let record = Store::new(folder.path().join(".billtag")).record("2026-11").expect("readable").expect("stored");
    record.trust.unit_doubts.into_keys().collect()
}

#[test]
fn an_amount_that_is_not_in_the_unit_of_its_rate_is_doubted() {
    let unknown = || nova().text("line_item_usage_type", "USE1-Wholly-New-Thing").text("pricing_unit", "Things");
    // The rate is of a thousand tokens; the amount counts single ones.
    let right = unknown().number("line_item_usage_amount", 10.0).cost(0.0006);
    let wrong = unknown().number("line_item_usage_amount", 10_000.0).cost(0.0006);
    let rated = |line: Line| line.text("line_item_unblended_rate", "0.0000600000");
    assert_eq!(doubts(&[rated(wrong.clone())]), ["USE1-Wholly-New-Thing"]);
    assert_eq!(doubts(&[rated(right.clone())]), Vec::<String>::new());
    assert_eq!(doubts(&[wrong.clone().number("line_item_unblended_rate", 0.00006)]), ["USE1-Wholly-New-Thing"]);
    assert_eq!(doubts(&[wrong.clone(), wrong.clone().text("line_item_unblended_rate", "n/a")]), Vec::<String>::new());
    // Tax and credits have no amount that a rate could be of.
    let tax = rated(wrong).text("line_item_line_item_type", "Tax");
    assert_eq!(doubts(&[tax]), Vec::<String>::new());
}

#[test]
fn an_unknown_usage_type_keeps_its_cost_and_is_counted() {
    let folder = world(&batch(&[nova().text("line_item_usage_type", "USE1-Wholly-New-Thing").cost(2.5)]));
    harness::ingest_folder(folder.path());
    let grid = harness::sql(folder.path(), ALL);
    assert_eq!((first(&grid, "usage_kind"), first(&grid, "billed_cost")), (String::new(), "2.5".into()));
    let record = Store::new(folder.path().join(".billtag")).record("2026-11").expect("readable").expect("stored");
    assert!(record.trust.unknown_usage_types.contains_key("USE1-Wholly-New-Thing"));
    let report = harness::stdout(folder.path(), &["report"]);
    assert!(report.contains("USE1-Wholly-New-Thing"), "{report}");
}

#[test]
fn a_line_without_a_type_keeps_its_money_and_is_counted() {
    let silent = nova().cost(2.5).text("line_item_line_item_type", "");
    let folder = world(&batch(&[nova().cost(1.0), silent]));
    harness::ingest_folder(folder.path());
    let sums =
        "select charge_category, sum(billed_cost) as cost from cost_facts where line_item_type is null group by 1";
    let grid = harness::sql(folder.path(), sums);
    assert_eq!((first(&grid, "charge_category"), first(&grid, "cost")), ("Usage".into(), "2.5".into()));
    let report = harness::stdout(folder.path(), &["report"]);
    let line = report.lines().find(|line| line.trim_start().starts_with("unknown line types")).expect("a row");
    assert!(line.contains(" 1 (2.50 USD) ") && line.ends_with("(no line type)"), "{line}");
}

#[test]
fn a_bill_without_line_types_is_read_with_a_warning() {
    let full = batch(&[nova().cost(1.0), nova().cost(2.5)]);
    let keep = |at: &usize| full.schema().field(*at).name() != "line_item_line_item_type";
    let keep: Vec<usize> = (0..full.num_columns()).filter(keep).collect();
    let folder = world(&full.project(&keep).expect("projected"));
    let summary = ingest(folder.path());
    assert!(
        summary.warnings.iter().any(|warning| warning.contains("no column `line_item_line_item_type`")),
        "{:?}",
        summary.warnings
    );
    let grid = harness::sql(folder.path(), "select sum(billed_cost) as cost from cost_facts");
    assert_eq!(first(&grid, "cost"), "3.5");
    let record = Store::new(folder.path().join(".billtag")).record("2026-11").expect("readable").expect("stored");
    assert_eq!(record.trust.unknown_line_types["(no line type)"].lines, 2);
}

#[test]
fn billed_cost_is_net_where_the_period_carries_net_costs() {
    let usage = nova().cost(10.0).number("line_item_net_unblended_cost", 9.0);
    let without = nova()
        .cost(4.0)
        .number("line_item_net_unblended_cost", None)
        .text("line_item_usage_type", "USE1-NovaLite-output-tokens");
    let discount =
        nova().cost(-1.0).number("line_item_net_unblended_cost", 0.0).text("line_item_line_item_type", "EdpDiscount");
    let null_discount = nova()
        .cost(-1.0)
        .number("line_item_net_unblended_cost", None)
        .text("line_item_line_item_type", "PrivateRateDiscount");
    let sums = "select sum(billed_cost) as billed, sum(unblended_cost) as unblended from cost_facts";
    let grid = facts(&[usage, without, discount.clone(), null_discount], sums);
    assert_eq!((first(&grid, "billed"), first(&grid, "unblended")), ("13".into(), "12".into()));
    // Without any net cost the discount lines are the only place where the discount stands.
    let grid = facts(&[nova().cost(10.0), discount.number("line_item_net_unblended_cost", None)], sums);
    assert_eq!(first(&grid, "billed"), "9");
}

#[test]
fn negative_and_zero_costs_are_kept_as_they_are() {
    let grid = facts(
        &[
            nova().cost(-3.25),
            nova().cost(0.0).text("line_item_usage_type", "USE1-NovaPro-cache-write-input-token-count"),
        ],
        ALL,
    );
    let costs: Vec<String> = grid.rows.iter().map(|row| grid.text(row, "billed_cost")).collect();
    assert_eq!(costs, ["-3.25", "0"]);
}

#[test]
fn currencies_are_never_added() {
    let folder = world(&batch(&[nova().cost(1.0), nova().cost(2.0).text("line_item_currency_code", "EUR")]));
    harness::ingest_folder(folder.path());
    let grid = harness::sql(
        folder.path(),
        "select billing_currency, sum(billed_cost) as cost from cost_daily group by 1 order by 1",
    );
    assert_eq!(grid.rows.len(), 2);
    let report = harness::stdout(folder.path(), &["report"]);
    assert!(report.contains("1.00 USD, the bill") && report.contains("2.00 EUR, the bill"), "{report}");
}

#[test]
fn the_same_payer_in_two_exports_counts_once_and_is_said() {
    let folder = world(&batch(&[nova().cost(5.0)]));
    write(&folder.path().join("again/bill.parquet"), &batch(&[nova().cost(5.0)]));
    configure(folder.path(), "[[bill]]\npath = \"again\"\n");
    let summary = ingest(folder.path());
    assert!(summary.warnings.iter().any(|warning| warning.contains("000011112222")), "{:?}", summary.warnings);
    let grid = harness::sql(folder.path(), "select sum(billed_cost) as cost from cost_facts");
    assert_eq!(first(&grid, "cost"), "5");
}

#[test]
fn sessions_stay_out_of_everything_unless_they_are_asked_for() {
    let line = nova()
        .text("line_item_iam_principal", "arn:aws:sts::111122223333:assumed-role/App/jane@example.com")
        .tag("iamPrincipal/Workload", "chat");
    let folder = world(&batch(&[line]));
    harness::ingest_folder(folder.path());
    let seen = |folder: &Path| {
        let grid = harness::sql(folder, "select principal_arn, attribution_evidence from cost_facts");
        let explain = harness::stdout(folder, &["explain", "chat"]);
        format!("{} {} {explain}", first(&grid, "principal_arn"), first(&grid, "attribution_evidence")).contains("jane")
    };
    assert!(!seen(folder.path()));
    configure(folder.path(), "[privacy]\nsessions = true\n");
    harness::ingest_folder(folder.path());
    assert!(seen(folder.path()));
}
