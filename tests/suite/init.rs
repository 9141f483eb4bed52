//! A first config: it loads, it runs, it names what was seen, and it knows every key.

use std::path::Path;

use billtag::config::Config;

use crate::bills::{self, batch, nova};
use crate::harness;
use crate::parts::Cloud;
use crate::proxy::Plan;

fn written(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("billtag.toml")).expect("a config")
}

/// The fixtures without their config.
fn fixtures() -> tempfile::TempDir {
    let folder = harness::fixtures();
    std::fs::remove_file(folder.path().join("billtag.toml")).expect("removed");
    folder
}

/// The config with every setting that is switched off switched on.
fn switched_on(config: &str) -> String {
    let setting = |line: &str| {
        let rest = line.strip_prefix('#')?;
        rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[').then(|| rest.to_string())
    };
    config.lines().map(|line| setting(line).unwrap_or_else(|| line.to_string()) + "\n").collect()
}

#[test]
fn a_config_is_written_by_looking_and_the_daily_job_runs_on_it() {
    let folder = fixtures();
    let output = harness::billtag(folder.path(), &["init"]);
    assert!(output.status.success(), "{}", harness::text(&output.stderr));
    assert_eq!(
        harness::text(&output.stderr),
        "bills: cur2/bedrock-export, legacy/acme-legacy\nmetrics: cloudwatch\n\
         wrote billtag.toml; next: `billtag doctor`, `billtag run`\n"
    );
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("init_fixtures", written(folder.path()));
    });
    let config = Config::load(&folder.path().join("billtag.toml")).expect("it loads");
    assert_eq!(config.bill.len(), 2);
    assert_eq!(config.metrics[0].namespace.as_deref(), Some("Acme/GenAI"));
    let report = harness::stdout(folder.path(), &["run", "-q", "--as-of", "2026-11-22T12:00:00Z"]);
    assert!(report.contains(": Amazon Bedrock spend, 2026-11-21 UTC"), "{report}");
    let doctor = harness::billtag(folder.path(), &["doctor", "--as-of", "2026-11-22T12:00:00Z"]);
    assert!(doctor.status.success(), "{}", harness::text(&doctor.stdout));
}

#[test]
fn every_key_of_the_config_stands_in_it_and_every_line_of_it_is_right() {
    let folder = fixtures();
    harness::stdout(folder.path(), &["init", "-q"]);
    let nothing = tempfile::tempdir().expect("a folder");
    harness::stdout(nothing.path(), &["init", "-q"]);
    for config in [written(folder.path()), written(nothing.path())] {
        let all = switched_on(&config);
        let file = folder.path().join("all.toml");
        std::fs::write(&file, &all).expect("written");
        // A source has a path or asks CloudWatch, and what is switched on here has both kinds.
        Config::load(&file).unwrap_or_else(|error| panic!("{error}: {}\n{all}", error.hint()));
        let tables = ["", "[aws]", "[[bill]]", "[[metrics]]", "[tags]", "[[owner]]", "[accounts.123456789012]"];
        let tables = tables.iter().chain(&["[shared]", "[store]", "[anomaly]", "[cache]", "[privacy]", "[router]"]);
        let tables =
            tables.chain(&["[queries]", "[cost_explorer]", "[[channel]]", "[audit]", "[[exempt]]", "[policy.prod]"]);
        for table in tables.chain(&["[showback]", "[[budget]]", "[alerts]", "[digest]"]) {
            let own = section(&all, table);
            for key in keys_of(table) {
                let below = [format!("\n[{key}]"), format!("\n[[{key}]]"), format!("\n[{key}.")];
                let below = below.iter().any(|header| table.is_empty() && all.contains(header.as_str()));
                let beside = all.contains(&format!("\n[{}.{key}]", table.trim_matches(['[', ']'])));
                let is_there = own.lines().any(|line| line.starts_with(&format!("{key} = "))) || below || beside;
                assert!(is_there, "{table} {key} is missing");
            }
        }
    }
}

/// All lines below the headers of a table; those before any header where it is the root.
fn section(config: &str, table: &str) -> String {
    let mut header = "";
    let is_header = |line: &str| line.starts_with('[');
    let own = config.lines().filter(|line| {
        if is_header(line) {
            header = line;
        }
        // Whichever accounts the bill names.
        header == table || (header.starts_with("[accounts.") && table.starts_with("[accounts."))
    });
    own.map(|line| format!("{line}\n")).collect()
}

/// The keys of a table, as the refusal of an unknown one names them.
fn keys_of(table: &str) -> Vec<String> {
    let error = toml::from_str::<Config>(&format!("{table}\nno_such_key = 1\n")).expect_err("an unknown key");
    let text = error.to_string();
    let (_, listed) = text.split_once("expected ").unwrap_or_else(|| panic!("{table}: {text}"));
    let keys: Vec<String> = listed.split('`').skip(1).step_by(2).map(String::from).collect();
    assert!(!keys.is_empty(), "{table}: {text}");
    keys
}

#[test]
fn a_config_that_is_there_is_replaced_only_on_request() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("billtag.toml"), "mine").expect("written");
    let text = harness::failure(folder.path(), &["init"]);
    assert!(text.starts_with("exit 2\n") && text.contains("--force"), "{text}");
    assert_eq!(written(folder.path()), "mine");
    harness::stdout(folder.path(), &["init", "--force"]);
    assert!(written(folder.path()).contains("# None was found: put in the path of yours."));
    let text = harness::failure(folder.path(), &["init", "-o", "other.toml", "no/such/folder"]);
    assert!(text.starts_with("exit 2\n") && text.contains("there is no such folder"), "{text}");
}

#[test]
fn a_config_elsewhere_still_finds_what_was_seen() {
    let folder = fixtures();
    harness::stdout(folder.path(), &["init", "-q", "-o", "conf/acme.toml", "cur2"]);
    let config = Config::load(&folder.path().join("conf/acme.toml")).expect("it loads");
    let bill = config.resolve(&config.bill[0].path);
    assert!(bill.join("metadata").is_dir(), "{}", bill.display());
}

#[test]
fn keys_that_only_seem_to_name_an_owner_are_proposed_and_not_taken() {
    let line = nova().cost(4.0).tag("resourceTags/user_app", "x").tag("resourceTags/Cost Center", "y");
    let folder = bills::world(&batch(&[line]));
    harness::stdout(folder.path(), &["init", "-q", "--force"]);
    let text = written(folder.path());
    assert!(text.contains("\n#   app: 4.00 USD\n"), "{text}");
    assert!(
        text.contains("\n#workload = [\"app\"]\n") && text.contains("\ncost_center = [\"Cost Center\"]\n"),
        "{text}"
    );
    assert!(text.contains("\n#[accounts.111122223333]\n"), "{text}");
}

#[test]
fn whatever_a_tag_or_an_account_is_called_the_config_loads() {
    let key = "Team\"\n[store]\npath = \"/etc\"\n#\u{202e}\\";
    let line = nova()
        .cost(1.0)
        .tag(Box::leak(format!("resourceTags/{key}").into_boxed_str()), "x")
        .tag("resourceTags/Workload\u{7f}\"\\", "x")
        .text("line_item_usage_account_name", "evil\nname = 1\n[store]");
    let folder = bills::world(&batch(&[line]));
    harness::stdout(folder.path(), &["init", "-q", "--force"]);
    let config = Config::load(&folder.path().join("billtag.toml")).expect("it loads");
    assert_eq!(config.store.path, ".billtag");
    assert_eq!(config.tags.aliases["workload"], ["Workload\u{7f}\"\\"]);
}

#[test]
fn exports_in_a_bucket_are_found_below_a_prefix() {
    let cloud = Cloud::new(Plan::default());
    let folder = tempfile::tempdir().expect("a folder");
    for (part, prefix) in [("cur2/bedrock-export", "finops/cur2"), ("cloudwatch/2026/11", "finops/streams/2026/11")] {
        cloud.upload(&harness::root().join("fixtures").join(part), prefix);
    }
    let address = format!("s3://{}/finops", cloud.bucket);
    cloud.stdout(folder.path(), &["init", "-q", &address]);
    let text = written(folder.path());
    let config = Config::load(&folder.path().join("billtag.toml")).expect("it loads");
    assert_eq!(config.bill[0].path, format!("{address}/cur2"), "{text}");
    assert_eq!(config.metrics[0].path, format!("{address}/streams"), "{text}");
    assert_eq!(config.metrics[0].namespace.as_deref(), Some("Acme/GenAI"), "{text}");
    assert!(text.contains("`billtag init` ran as account 111122223333"), "{text}");
}

#[test]
fn an_address_that_may_not_be_read_is_written_all_the_same_and_said() {
    let cloud = Cloud::new(Plan::default());
    let folder = tempfile::tempdir().expect("a folder");
    let output = cloud.billtag(folder.path(), &["init", "s3://no-such-bucket-at-all/cur2"]);
    assert!(output.status.success());
    let said = harness::text(&output.stderr);
    assert!(said.contains("there is no such bucket") && said.contains("hint: check the bucket's name"), "{said}");
    let config = Config::load(&folder.path().join("billtag.toml")).expect("it loads");
    assert_eq!(config.bill[0].path, "s3://no-such-bucket-at-all/cur2");
}
