//! The audit on worlds with an answer by hand: every defect of every kind is found, and nobody else is accused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::bills::{self, Line, NOVEMBER, batch, nova};
use crate::harness;

const CONFIG: &str = r#"
[tags]
aliases = { cost_center = ["CostCenter", "Kostenstelle"] }
allowed = { environment = ["prod", "dev", "staging"] }
values = { environment = { prod = ["production"] } }
[accounts.222233334444]
environment = "prod"
[accounts.333344445555]
environment = "dev"
[policy.prod]
routing = ["regional", "geo"]
regions = ["us-*", "eu-*"]
[[exempt]]
resource = "*/exempt"
keys = ["team"]
reason = "moves in March"
until = "2027-04-01"
[[exempt]]
account = "444455556666"
reason = "was to move in October"
until = "2026-11-01"
"#;

/// Tags that leave nothing to say.
const RIGHT: [(&str, &str); 5] =
    [("Workload", "chat"), ("Team", "web"), ("Environment", "prod"), ("CostCenter", "cc-1"), ("Model", "Nova Lite")];

pub fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

pub fn tagged(line: Line, carrier: &str, tags: &[(&str, &str)]) -> Line {
    tags.iter()
        .fold(line, |line, (key, value)| line.tag(leaked(format!("{carrier}/{key}")), leaked((*value).to_string())))
}

/// What stands in a tag's place; nothing where it is removed.
pub type Replaced = Option<(&'static str, &'static str)>;

/// A line of a profile in an account, fully tagged but for what replaces or, where empty, removes tags.
pub fn profile(account: &str, id: &str, other: &[(&str, Replaced)]) -> Line {
    let arn = leaked(format!("arn:aws:bedrock:us-east-1:{account}:application-inference-profile/{id}"));
    let tags: Vec<(&str, &str)> = RIGHT
        .into_iter()
        .filter_map(|(key, value)| {
            let replaced = other.iter().find(|(other, _)| *other == key);
            replaced.map_or(Some((key, value)), |(_, replaced)| *replaced)
        })
        .collect();
    let line = nova().cost(10.0).text("line_item_resource_id", arn);
    tagged(line.text("line_item_usage_account_id", leaked(account.into())), "resourceTags", &tags)
}

pub fn role(name: &str) -> Line {
    nova().cost(3.0).text("line_item_iam_principal", leaked(format!("arn:aws:sts::111122223333:assumed-role/{name}")))
}

/// A line of another service, so that the bill reaches to the end of a day.
pub fn until(day: i64) -> Line {
    on(day + 1, nova().text("line_item_product_code", "AmazonEC2").cost(0.0))
}

pub fn on(day: i64, mut line: Line) -> Line {
    line.start = NOVEMBER + day * 86_400;
    line.end = line.start + 3_600;
    line
}

pub fn ingested(lines: &[Line], config: &str) -> tempfile::TempDir {
    let folder = bills::world(&batch(lines));
    bills::configure(folder.path(), config);
    harness::ingest_folder(folder.path());
    folder
}

pub fn json(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let text = harness::stdout(folder, &[&["audit", "--format", "json"], arguments].concat());
    serde_json::from_str::<Value>(&text).expect("JSON").as_array().expect("rows").clone()
}

fn last_part(id: &str) -> &str {
    id.rsplit(['/', ':']).next().unwrap_or(id)
}

const KEYS: [&str; 5] = ["workload", "team", "environment", "cost_center", "model"];

/// What each item is accused of, by the end of its id.
fn accused(items: &[Value]) -> BTreeMap<String, Vec<String>> {
    let of = |item: &Value| {
        let wrong = KEYS.into_iter().filter_map(|key| {
            let state = item[format!("{key}_state")].as_str().expect("a state");
            let why = item[format!("{key}_why")].as_str().unwrap_or("");
            (!["present", "not_applicable"].contains(&state)).then(|| format!("{key} {state} {why}").trim().to_string())
        });
        (last_part(item["id"].as_str().expect("an id")).to_string(), wrong.collect::<Vec<_>>())
    };
    items.iter().map(of).filter(|(_, wrong)| !wrong.is_empty()).collect()
}

/// The labelled world: lines, and of what each item is guilty.
fn labelled() -> (Vec<Line>, BTreeMap<String, Vec<String>>) {
    const OWN: &str = "111122223333";
    let defects: [(&str, &str, Replaced, &str); 13] = [
        ("missing", "Team", None, "team missing"),
        ("empty", "Team", Some(("Team", " ")), "team invalid empty"),
        ("case", "Environment", Some(("Environment", "PROD")), "environment invalid case"),
        ("space", "Environment", Some(("Environment", " prod ")), "environment invalid space"),
        ("alias", "Environment", Some(("Environment", "production")), "environment invalid alias"),
        ("forbidden", "Environment", Some(("Environment", "qa")), "environment invalid not_allowed"),
        ("key-alias", "CostCenter", Some(("Kostenstelle", "cc-1")), "cost_center invalid alias"),
        ("key-case", "CostCenter", Some(("COSTCENTER", "cc-1")), "cost_center invalid case"),
        ("key-space", "CostCenter", Some(("Cost Center", "cc-1")), "cost_center invalid spelling"),
        ("spelling", "Workload", Some(("Workload", "chat_bot")), "workload invalid spelling"),
        ("no-model", "Model", Some(("Model", "the good one")), "model invalid no_model"),
        ("contradicts", "Model", Some(("Model", "Claude Haiku 4.5")), "model contradicts"),
        ("exempt", "Team", None, "team missing"),
    ];
    let mut lines: Vec<Line> = defects.iter().map(|(id, key, tag, _)| profile(OWN, id, &[(*key, *tag)])).collect();
    let mut guilty: BTreeMap<String, Vec<String>> =
        defects.iter().map(|(id, .., said)| ((*id).to_string(), vec![(*said).to_string()])).collect();
    // Nothing to say of these: a profile, a tier for a model, a role, a session's user, a Lambda's calls, an account.
    lines.push(profile(OWN, "right", &[]));
    lines.push(profile(OWN, "right-tier", &[("Model", Some(("Model", "Nova Lite")))]));
    lines.push(tagged(role("right-role"), "iamPrincipal", &RIGHT[..4]));
    lines.push(tagged(role("right-user"), "userAttribute", &RIGHT[..4]));
    lines.push(role("fn-role/chat-fn"));
    let lambda = nova()
        .text("line_item_product_code", "AWSLambda")
        .text("line_item_resource_id", "arn:aws:lambda:us-east-1:111122223333:function:chat-fn");
    lines.push(tagged(lambda, "resourceTags", &RIGHT[..4]));
    let account = nova().cost(2.0).text("line_item_usage_account_id", "555566667777");
    lines.push(tagged(account, "accountTag", &RIGHT[..4]));
    // A role without tags, and calls that nothing could tag: of a model, of the default project.
    lines.push(role("bare-role"));
    let said = |state: &str| KEYS[..4].iter().map(|key| format!("{key} {state}")).collect::<Vec<_>>();
    guilty.insert("bare-role".into(), said("missing"));
    for arn in [
        "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
        "arn:aws:bedrock-mantle:us-east-1:111122223333:project/default",
    ] {
        lines.push(nova().cost(1.0).text("line_item_resource_id", arn));
    }
    guilty.insert(OWN.into(), said("cannot_be_tagged"));
    // Findings beside tags, on what is tagged in full.
    let dev = [("Environment", Some(("Environment", "dev")))];
    lines.push(profile("222233334444", "dev-in-prod", &dev));
    lines.push(profile("222233334444", "prod-in-prod", &[]));
    lines.push(profile("333344445555", "prod-in-dev", &[]));
    lines.push(profile("333344445555", "dev-in-dev", &dev));
    let global = "USE1-NovaLite-input-tokens-cross-region-global";
    lines.push(profile(OWN, "global", &[]).text("line_item_usage_type", global));
    lines.push(profile(OWN, "global-dev", &dev).text("line_item_usage_type", global));
    let mut asia = profile(OWN, "asia", &[]).text("line_item_usage_type", "APS1-NovaLite-input-tokens");
    asia.product = vec![("region", "ap-southeast-1")];
    lines.push(asia);
    // What was exempt until the first of the month.
    lines.push(profile("444455556666", "late", &[("Team", None)]));
    guilty.insert("late".into(), vec!["team missing".into()]);
    lines.push(until(0));
    (lines, guilty)
}

#[test]
fn audit_finds_every_defect_of_a_labelled_world_and_accuses_nobody_else() {
    let (lines, guilty) = labelled();
    let folder = ingested(&lines, CONFIG);
    assert_eq!(accused(&json(folder.path(), &[])), guilty);
    let findings = json(folder.path(), &["--part", "findings"]);
    let found: BTreeSet<(String, String)> = findings
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().expect("a text").to_string();
            (text("kind"), last_part(&text("id")).to_string())
        })
        .collect();
    let expected = [
        ("dev_in_prod", "dev-in-prod"),
        ("prod_in_dev", "prod-in-dev"),
        ("routing_outside_policy", "global"),
        ("region_outside_policy", "asia"),
        ("expired_exemption", "late"),
    ];
    assert_eq!(found, expected.map(|(kind, id)| (kind.to_string(), id.to_string())).into());
}

#[test]
fn audit_judges_each_carrier_alone_and_names_the_likely_owner() {
    let (lines, _) = labelled();
    let folder = ingested(&lines, CONFIG);
    let items = json(folder.path(), &[]);
    let item = |id: &str| {
        let of = |item: &&Value| item["id"].as_str().is_some_and(|found| last_part(found) == id);
        items.iter().find(of).unwrap_or_else(|| panic!("no {id}"))
    };
    let bare = item("bare-role");
    assert!(bare["on_resource"].as_str().is_some_and(|said| said.starts_with("workload cannot be tagged")), "{bare}");
    assert!(bare["on_principal"].as_str().is_some_and(|said| said.starts_with("workload missing")), "{bare}");
    assert!(bare["on_project"].is_null() && bare["on_consumer"].is_null(), "{bare}");
    let lambda = item("fn-role");
    assert!(lambda["on_consumer"].as_str().is_some_and(|said| said.starts_with("workload present")), "{lambda}");
    // Four fifths of what is named in its account belong to one team.
    assert_eq!((bare["likely_team"].as_str(), bare["owner_confidence"].as_str()), (Some("web"), Some("low")));
    let named = item("case");
    assert_eq!((named["likely_workload"].as_str(), named["owner_confidence"].as_str()), (Some("chat"), Some("high")));
    let exempt = item("exempt");
    assert_eq!((exempt["exempt_cost"].as_str(), exempt["debt"].as_str()), (Some("10"), Some("0")));
    assert_eq!(exempt["exempt_reason"], "moves in March");
    assert!(exempt["fix"].is_null(), "{exempt}");
}

/// The sum of a column, exactly.
fn sum<'a>(rows: impl IntoIterator<Item = &'a Value>, name: &str) -> i128 {
    let amount =
        |row: &Value| billtag::money::from_decimal_text(row[name].as_str().expect("an amount")).expect("money");
    rows.into_iter().map(amount).sum()
}

#[test]
fn audit_totals_are_those_of_the_facts() {
    let folder = harness::ingested();
    let sql = "select sum(billed_cost) as cost from cost_facts where charge_category in ('Usage', 'Purchase') \
               and billing_currency = 'USD' \
               and cast(charge_period_start as date) between date '2026-11-15' and date '2026-11-21'";
    let grid = harness::sql(folder, sql);
    let cost = grid.amount(&grid.rows[0], "cost").expect("an amount");
    let of = |part: &str| {
        let rows = json(folder, &["--part", part]);
        rows.into_iter().filter(|row| row["billing_currency"] == "USD").collect::<Vec<_>>()
    };
    let items = of("items");
    assert_eq!(sum(&items, "cost"), cost);
    let split = ["compliant_cost", "exempt_cost", "debt"];
    assert_eq!(split.map(|name| sum(&items, name)).iter().sum::<i128>(), cost);
    for scope in ["all", "team", "account"] {
        let rows: Vec<Value> = of("compliance").into_iter().filter(|row| row["scope"] == scope).collect();
        assert_eq!(sum(&rows, "cost"), cost, "{scope}");
        assert_eq!(sum(&rows, "debt"), sum(&items, "debt"), "{scope}");
        let weeks: Vec<Value> = of("trend").into_iter().filter(|row| row["scope"] == scope).collect();
        let last: Vec<&Value> = weeks.iter().filter(|row| row["last_day"] == "2026-11-21").collect();
        assert_eq!(sum(last, "cost"), cost, "{scope}");
        assert!(weeks.iter().any(|row| row["last_day"] == "2026-10-03"), "eight weeks");
    }
    for row in of("keys") {
        let states = ["present", "missing", "invalid", "not_activated", "cannot_be_tagged", "contradicts"];
        let parts: i128 = states.iter().chain(&["not_applicable"]).map(|state| sum([&row], state)).sum();
        assert_eq!((sum([&row], "cost"), parts), (cost, cost), "{row}");
    }
}

#[test]
fn audit_tells_a_key_that_nobody_activated_from_one_that_is_missing() {
    let lines = [profile("111122223333", "a", &[("Team", None)]), until(0)];
    let folder = ingested(&lines, "");
    assert_eq!(accused(&json(folder.path(), &[]))["a"], ["team missing"]);
    let people = harness::stdout(folder.path(), &["audit"]);
    assert!(people.contains("No line has a tag for team, in any spelling"), "{people}");
    // As `doctor` keeps AWS's answer.
    std::fs::write(folder.path().join(".billtag/cost_allocation_tags.json"), r#"{"team":false,"Workload":true}"#)
        .expect("written");
    let items = json(folder.path(), &[]);
    assert_eq!(accused(&items)["a"], ["team not_activated"]);
    let fix = "aws ce update-cost-allocation-tags-status --cost-allocation-tags-status TagKey=team,Status=Active";
    assert_eq!(items[0]["fix"], fix);
    assert!(harness::stdout(folder.path(), &["audit", "--fix-script", "-"]).contains(&format!("\nrun {fix}\n")));
    assert!(!harness::stdout(folder.path(), &["audit"]).contains("No line has a tag"));
}

#[test]
fn audit_says_what_was_fixed_since_the_last_one() {
    let bare = || profile("111122223333", "a", &[("Team", None)]);
    let folder = ingested(&[on(0, bare()), until(0)], "");
    let note = || std::fs::read_to_string(folder.path().join(".billtag/audit.json")).ok();
    harness::stdout(folder.path(), &["audit", "--from", "2026-11-01"]);
    assert_eq!(note(), None, "a range leaves no note");
    assert_eq!(json(folder.path(), &["--part", "mended"]).len(), 0);
    assert!(note().is_some());
    let lines = [on(0, bare()), on(1, profile("111122223333", "a", &[])), until(1)];
    bills::write(&folder.path().join("bill/bill.parquet"), &batch(&lines));
    harness::ingest_folder(folder.path());
    for _ in 0..2 {
        let mended = json(folder.path(), &["--part", "mended"]);
        assert_eq!(mended.len(), 1, "the same audit says the same again");
        assert_eq!(
            (mended[0]["faults"].as_str(), mended[0]["since"].as_str()),
            (Some("team missing"), Some("2026-11-01"))
        );
        assert_eq!(mended[0]["rules"], "same");
    }
    let changed = "may be all that changed";
    assert!(!harness::stdout(folder.path(), &["audit"]).contains(changed));
    bills::configure(folder.path(), "[tags.aliases]\nteam = [\"Team\", \"Squad\"]\n");
    assert_eq!(json(folder.path(), &["--part", "mended"])[0]["rules"], "changed");
    assert!(harness::stdout(folder.path(), &["audit"]).contains(changed));
}

#[test]
fn audit_fails_only_beyond_the_thresholds_that_are_set() {
    let lines = [profile("111122223333", "a", &[("Team", None)]), profile("111122223333", "b", &[]), until(0)];
    let folder = ingested(&lines, "");
    let code = |config: &str| {
        bills::configure(folder.path(), config);
        harness::billtag(folder.path(), &["audit", "--fail-on-findings"]).status.code()
    };
    assert_eq!(code(""), Some(3));
    assert_eq!(code("[audit]\nfail_below_compliance = \"0.5\"\nfail_above_debt = 10\n"), Some(0));
    assert_eq!(code("[audit]\nfail_below_compliance = \"0.5000000001\"\n"), Some(3));
    assert_eq!(code("[audit]\nfail_above_debt = \"9.99\"\n"), Some(3));
    let exempt = "[[exempt]]\nresource = \"*/a\"\nreason = \"r\"\nuntil = \"2027-01-01\"\n";
    assert_eq!(code(exempt), Some(0));
    let refused = |config: &str| {
        bills::configure(folder.path(), config);
        harness::failure(folder.path(), &["audit"])
    };
    for (config, said) in [
        ("[audit]\nfail_below_compliance = 95\n", "a share lies between 0 and 1"),
        ("[audit]\nfail_above_debt = -1\n", "a cost to bear is not below 0"),
        ("[policy.prod]\n", "it forbids nothing"),
        ("[policy.prod]\nrouting = [\"globl\"]\n", "did you mean `global`?"),
        ("[[exempt]]\nreason = \"r\"\nuntil = \"2027-01-01\"\n", "it has no condition"),
        ("[[exempt]]\naccount = \"*\"\nuntil = \"2027-01-01\"\n", "missing field `reason`"),
        ("[[exempt]]\naccount = \"*\"\nreason = \"r\"\n", "missing field `until`"),
        (
            "[[exempt]]\naccount = \"*\"\nreason = \"r\"\nuntil = \"2027-01-01\"\nkeys = [\"tem\"]\n",
            "did you mean `team`?",
        ),
    ] {
        let text = refused(config);
        assert!(text.starts_with("exit 2\n") && text.contains(said), "{text}");
    }
}

/// Names that break what is careless, each with its own letters in the middle.
fn hostile() -> Vec<String> {
    let long = "x".repeat(500);
    let names = [
        "=cmd|' /C calc'!A0",
        "<script>alert(1)</script>",
        "a'b\"c`d$(touch pwned)${HOME}\\",
        "one\ntwo\r\nrm -rf ~",
        "\u{202e}evil\u{200b}\u{7}",
        "k=v,Key=x,Value=y",
        "%{ if true } 🙂",
        long.as_str(),
    ];
    names.map(String::from).to_vec()
}

#[test]
#[cfg(unix)]
fn audit_scripts_print_first_and_hand_over_every_name_as_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let names = hostile();
    let mut lines: Vec<Line> = names
        .iter()
        .map(|name| profile("111122223333", name, &[("Workload", Some(("Workload", leaked(format!("W_{name}")))))]))
        .collect();
    lines.push(until(0));
    let folder = ingested(&lines, "");
    let items = json(folder.path(), &[]);
    assert_eq!(items.len(), names.len());
    assert_eq!(
        harness::stdout(folder.path(), &["audit", "--fix-script", "fix.sh", "--part", "mended", "--format", "csv"])
            .lines()
            .count(),
        1
    );
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("bin")).expect("a folder");
    std::fs::write(at("bin/aws"), "#!/bin/sh\nprintf '%s\\0' \"$@\" END >> \"$LOG\"\n").expect("written");
    std::fs::set_permissions(at("bin/aws"), std::fs::Permissions::from_mode(0o755)).expect("executable");
    let run = |apply: &str| {
        let path = format!("{}:{}", at("bin").display(), std::env::var("PATH").expect("a path"));
        let mut command = std::process::Command::new("bash");
        command.arg("fix.sh").current_dir(folder.path()).env("PATH", path).env("LOG", at("log"));
        let output = command.env("BILLTAG_APPLY", apply).output().expect("bash runs");
        assert!(output.status.success(), "{}", harness::text(&output.stderr));
        harness::text(&output.stdout)
    };
    assert!(run("").contains("aws bedrock tag-resource"));
    assert!(!at("log").exists(), "read first, run later");
    run("yes");
    let log = std::fs::read_to_string(at("log")).expect("calls");
    let mut called: Vec<Vec<&str>> = log.split("\0END\0").map(|call| call.split('\0').collect()).collect();
    assert_eq!(called.pop(), Some(vec![""]));
    for item in &items {
        let (id, workload) = (item["id"].as_str().expect("an id"), item["workload"].as_str().expect("a workload"));
        let simple = format!("key=Workload,value={workload}");
        let tags =
            if workload.len() > 500 { simple } else { json!([{"key": "Workload", "value": workload}]).to_string() };
        let call = ["bedrock", "tag-resource", "--region", "us-east-1", "--resource-arn", id, "--tags", tags.as_str()];
        assert!(called.iter().any(|found| *found == call), "{call:?}\n{called:?}");
    }
    assert!(!at("pwned").exists());
    let script = std::fs::read_to_string(at("fix.sh")).expect("a script");
    assert!(!script.contains(['\u{202e}', '\u{200b}', '\u{7}', '\r']), "what runs can be seen");
}

#[test]
fn audit_scripts_never_run_a_guess() {
    let config = "[accounts.111122223333]\nworkload = \"misc\"\nteam = \"shop\"\nenvironment = \"prod\"\n\
                  cost_center = \"cc-9\"\n";
    let certain = profile("111122223333", "a", &[("Workload", Some(("Workload", "chat_bot")))]);
    let folder = ingested(&[role("bare-role"), certain, until(0)], config);
    let script = harness::stdout(folder.path(), &["audit", "--fix-script", "-"]);
    assert!(
        script.contains("\ntodo aws iam tag-role --role-name bare-role --tags Key=Workload,Value=misc "),
        "{script}"
    );
    assert!(script.contains("\nrun aws bedrock tag-resource --region us-east-1 "), "{script}");
}

#[test]
fn audit_shows_hostile_names_safely_in_every_part_and_format() {
    let mut lines: Vec<Line> = hostile()
        .iter()
        .map(|name| {
            let value = leaked(name.clone());
            profile("111122223333", name, &[("Workload", Some(("Workload", value))), ("Team", Some(("Team", value)))])
        })
        .collect();
    lines.push(until(0));
    let folder = ingested(&lines, "[[exempt]]\nresource = \"*\"\nreason = \"=1+1 <script>\"\nuntil = \"2026-11-01\"\n");
    let whole: &[&str] = &[];
    let parts = ["items", "keys", "compliance", "trend", "findings", "mended"].map(|part| ["--part", part]);
    for part in parts.iter().map(|part| &part[..]).chain([whole]) {
        let with = |format: &str| harness::stdout(folder.path(), &[&["audit", "--format", format], part].concat());
        for format in ["table", "md"] {
            let text = with(format);
            assert!(!text.contains(['\u{202e}', '\u{200b}', '\u{7}', '\r']), "{part:?} {format}");
        }
        let md = with("md");
        // Commands stand in a fence, where nothing is markup.
        assert!(!md.split("```").step_by(2).any(|text| text.contains("<script>")), "{part:?}");
        for record in csv::ReaderBuilder::new().from_reader(with("csv").as_bytes()).records() {
            for cell in &record.expect("a record") {
                let is_number = cell.parse::<f64>().is_ok();
                assert!(is_number || !cell.starts_with(['=', '+', '-', '@']), "{part:?}: {cell}");
            }
        }
        serde_json::from_str::<Value>(&with("json")).expect("JSON");
    }
}
