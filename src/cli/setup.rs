//! The commands around the first run: write a config, print its policy, see whether all is well.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::commands::{FINDINGS, config_file, load_config};
use super::console::Console;
use super::output;
use super::{Common, Feature, Format, IamPolicy, Init};
use crate::aws::{self, Aws};
use crate::clock;
use crate::config::Config;
use crate::doctor::{self, Check, State, Subject};
use crate::error::{Error, Result};
use crate::facts::store::Store;
use crate::init;
use crate::place::write_atomically;
use crate::policy::{self, Deed, Extra, Use};
use crate::report::{render, words};
use crate::watch::{Level, Message, Watch};

/// `billtag doctor`: 1 where anything failed; 3, if asked for, where anything is to be warned of.
pub fn doctor(common: &Common, is_paid: bool) -> Result<u8> {
    let format = output::format(common)?;
    let file = config_file(common).display().to_string();
    let (checks, as_of) = match load_config(common) {
        Ok(config) => {
            let as_of = common.as_of.or(config.as_of).unwrap_or_else(clock::now);
            let mut checks = vec![Check::ok("config", &file, summary(&config))];
            checks.extend(examined(common, &config, as_of, is_paid));
            (checks, as_of)
        }
        Err(error) => (vec![Check::of_error("config", &file, &error)], common.as_of.unwrap_or_else(clock::now)),
    };
    let width = output::width(common);
    let text = match format {
        Format::Json | Format::Csv => render::answer(&doctor::grid(&checks), format, None)?,
        Format::Table | Format::Md | Format::Html | Format::Xlsx => {
            render::documents(&[doctor::document(&checks, as_of)], format, width)?
        }
    };
    output::write(common, &text)?;
    let has = |state| doctor::count(&checks, state) > 0;
    Ok(match () {
        () if has(State::Failure) => 1,
        () if has(State::Warning) && common.fail_on_findings => FINDINGS,
        () => 0,
    })
}

fn examined(common: &Common, config: &Config, as_of: i64, is_paid: bool) -> Vec<Check> {
    let aws = config.aws(common.profile.as_deref());
    let store = Store::open(config, &aws);
    doctor::examine(&Subject { config, store: &store, aws: &aws, as_of, is_paid })
}

fn summary(config: &Config) -> String {
    let metrics = match config.metrics.len() {
        0 => "no metrics".to_string(),
        sources => words::counted(sources, "source") + " of metrics",
    };
    format!("{}, {metrics}, store {}", words::counted(config.bill.len(), "bill"), config.store.path)
}

/// `billtag iam-policy`.
pub fn iam_policy(common: &Common, wanted: &IamPolicy) -> Result<u8> {
    let config = load_config(common)?;
    let roles = policy::roles(&config);
    let known = |role: &String| {
        let names: Vec<&str> = roles.keys().map(String::as_str).collect();
        let names = if names.is_empty() { "it names none".into() } else { format!("it names {}", names.join(", ")) };
        let error = || Error::config(role.as_str(), "the config names no such role", names);
        roles.get(role).ok_or_else(error)
    };
    if let Some(role) = &wanted.trust {
        output::write(common, &policy::trust(role, known(role)?.as_deref()).to_json()?)?;
        say(common, "note: put the ARN of the role that billtag runs as in the place of the principal");
        return Ok(0);
    }
    let role = wanted.role.as_ref();
    role.map(known).transpose()?;
    let role = role.map(String::as_str);
    let extras: BTreeSet<Extra> = wanted.with.iter().map(|feature| extra(*feature)).collect();
    let printed = policy::policy(&config, role, &extras, aws::environment_region().as_deref());
    output::write(common, &printed.to_json()?)?;
    if !common.quiet {
        advise(common, &config, role);
    }
    Ok(0)
}

fn extra(feature: Feature) -> Extra {
    match feature {
        Feature::Reconcile => Extra::Reconcile,
        Feature::Doctor => Extra::Doctor,
    }
}

/// What the policy of a role, or of nobody's role, does not say.
fn advise(common: &Common, config: &Config, role: Option<&str>) {
    let uses = policy::uses(config);
    if uses.is_empty() {
        say(common, "note: this config needs no AWS rights");
    }
    let is_own = |used: &&Use| used.access.role_arn.as_deref() == role;
    if uses.iter().filter(is_own).any(|used| used.deed.is_of_objects()) {
        say(
            common,
            "note: where a bucket is encrypted with a KMS key of your own, allow `kms:Decrypt` on that key too, and \
             for the store `kms:GenerateDataKey`",
        );
    }
    if uses.iter().filter(is_own).any(|used| matches!(used.deed, Deed::Publish(_))) {
        say(
            common,
            "note: where a topic is encrypted with a KMS key of your own, allow `kms:GenerateDataKey` and \
             `kms:Decrypt` on that key too",
        );
    }
    for other in policy::roles(config).into_keys().filter(|_| role.is_none()) {
        say(
            common,
            &format!(
                "note: the config assumes {other}; `billtag iam-policy --role {other}` prints its policy, --trust its trust policy"
            ),
        );
    }
}

/// `billtag init`: a config that is there already is replaced only where that is asked for.
pub fn init(common: &Common, wanted: &Init) -> Result<u8> {
    let file = common.output.clone().or_else(|| common.config.clone()).unwrap_or_else(|| "billtag.toml".into());
    if file.exists() && !wanted.force {
        let hint = "name another file with -o, or replace it with --force";
        return Err(Error::config(file.display().to_string(), "there is a config already", hint));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty() && *folder != Path::new("."));
    let aws = Arc::new(Aws::new(common.profile.clone()));
    let seen = init::look(&init::Wanted { paths: &wanted.paths, folder, profile: common.profile.as_deref() }, &aws)?;
    write_atomically(&file, init::config(&seen).as_bytes())?;
    for note in &seen.notes {
        say(common, &format!("warning: {note}"));
    }
    if common.quiet {
        return Ok(0);
    }
    let found = |paths: Vec<&str>| if paths.is_empty() { "none".into() } else { paths.join(", ") };
    say(common, &format!("bills: {}", found(seen.bills.iter().map(|bill| bill.path.as_str()).collect())));
    say(common, &format!("metrics: {}", found(seen.metrics.iter().map(|metrics| metrics.path.as_str()).collect())));
    let next = if seen.bills.is_empty() { "put the path of an export into it, then try" } else { "next:" };
    say(common, &format!("wrote {}; {next} `billtag doctor`, `billtag run`", file.display()));
    Ok(0)
}

fn say(common: &Common, text: &str) {
    Console::new(common).tells(&Message::new(Level::Info, text));
}
