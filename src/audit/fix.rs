//! The fix: the AWS CLI command that sets the tags which are missing or wrong. billtag never runs it.

use super::judge::Judge;
use super::{Carrier, Item};
use crate::classify;
use crate::config::OWNER_NAMES;
use crate::report::safe;

/// The command that mends an item; empty where nothing is wrong.
pub fn command(item: &Item, judge: &Judge) -> String {
    let wrong: Vec<(String, String)> = (0..OWNER_NAMES.len())
        .filter(|key| !item.states[*key].is_right())
        .map(|key| (judge.tag_key(key).to_string(), value(item, key, judge)))
        .collect();
    if wrong.is_empty() {
        return String::new();
    }
    match item.carrier {
        Carrier::Resource => resource_command(&item.id, &wrong),
        Carrier::Principal => principal_command(&item.id, &wrong),
        Carrier::Account => {
            format!(
                "aws organizations tag-resource --resource-id {} --tags {}",
                quote(&item.account),
                pairs(&wrong, "Key", "Value")
            )
        }
    }
}

/// The value that the facts know, else a word to replace.
fn value(item: &Item, key: usize, judge: &Judge) -> String {
    let known = item.owner.get(key).filter(|value| !value.is_empty());
    let model = (key == 4).then(|| item.models.first()).flatten();
    let known = known.and_then(|value| judge.right_value(key, value));
    known.or(model.cloned()).unwrap_or_else(|| format!("<{}>", OWNER_NAMES[key]))
}

fn resource_command(arn: &str, tags: &[(String, String)]) -> String {
    let parsed = classify::bedrock_arn(arn);
    let region =
        parsed.as_ref().and_then(|arn| arn.region.clone()).map(|region| format!(" --region {}", quote(&region)));
    let region = region.unwrap_or_default();
    let service = parsed.map(|arn| arn.service).unwrap_or_default();
    if service == "bedrock-agentcore" {
        let tags: Vec<String> = tags.iter().map(|(key, value)| quote(&format!("{key}={value}"))).collect();
        return format!(
            "aws bedrock-agentcore-control tag-resource{region} --resource-arn {} --tags {}",
            quote(arn),
            tags.join(" ")
        );
    }
    if arn.ends_with("/default") {
        return "the default project cannot be tagged; give the workload a project of its own".into();
    }
    format!("aws bedrock tag-resource{region} --resource-arn {} --tags {}", quote(arn), pairs(tags, "key", "value"))
}

fn principal_command(arn: &str, tags: &[(String, String)]) -> String {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or(arn);
    let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
    let name = if kind == "assumed-role" {
        name.split('/').next().unwrap_or(name)
    } else {
        name.rsplit('/').next().unwrap_or(name)
    };
    if name.is_empty() {
        return "a root or federated user cannot be tagged; let the workload call with a role of its own".into();
    }
    if name.starts_with("AWSReservedSSO_") {
        return "tag the user or its attributes in IAM Identity Center; this role is made by AWS".into();
    }
    let (verb, option) = if kind == "user" { ("tag-user", "--user-name") } else { ("tag-role", "--role-name") };
    format!("aws iam {verb} {option} {} --tags {}", quote(name), pairs(tags, "Key", "Value"))
}

fn pairs(tags: &[(String, String)], key: &str, value: &str) -> String {
    // The short form has no way to write a comma.
    if tags.iter().any(|(name, tag)| name.contains(',') || tag.contains(',')) {
        let pairs: Vec<_> = tags.iter().map(|(name, tag)| serde_json::json!({ key: name, value: tag })).collect();
        return quote(&serde_json::Value::Array(pairs).to_string());
    }
    let pairs: Vec<String> = tags.iter().map(|(name, tag)| quote(&format!("{key}={name},{value}={tag}"))).collect();
    pairs.join(" ")
}

/// A word for a POSIX shell, whatever it holds.
fn quote(text: &str) -> String {
    let text = safe::plain(text);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_word_holds_anything() {
        assert_eq!(quote("abc/d"), "abc/d");
        assert_eq!(quote("a b'; rm -rf /"), r"'a b'\''; rm -rf /'");
    }

    #[test]
    fn each_principal_has_its_own_command() {
        let tags = [("Workload".to_string(), "<workload>".to_string())];
        let role = principal_command("arn:aws:sts::1:assumed-role/app", &tags);
        assert_eq!(role, "aws iam tag-role --role-name app --tags 'Key=Workload,Value=<workload>'");
        assert!(principal_command("arn:aws:iam::1:user/ci", &tags).starts_with("aws iam tag-user --user-name ci"));
    }
}
