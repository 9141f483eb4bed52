//! The fix: the AWS CLI command that sets the tags which are missing or wrong, and the same for
//! Terraform. billtag never runs it.

use super::judge::Judge;
use super::known::OWNED;
use super::shell::{self, hcl};
use super::state::{State, Why};
use super::{Carrier, Item};
use crate::classify;
use crate::config::OWNER_NAMES;

/// What mends an item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fix {
    /// The command, word by word; none where nothing is wrong, or no command mends it.
    pub words: Vec<String>,
    /// Whether a value is still to be filled in or confirmed.
    pub is_open: bool,
    /// Keys in which the item's lines differ, with the values that they have: none is right for all.
    pub split: Vec<(&'static str, Vec<String>)>,
    /// The only account whose credentials may run it, where no word of it names one.
    pub only_of: String,
    /// What to do where no command does it.
    pub advice: String,
    /// Tags for a resource of Terraform.
    pub terraform: String,
    /// Commands that activate keys, which is done once for all.
    pub activations: Vec<Vec<String>>,
}

impl Fix {
    /// In a line, for people and data; empty where there is nothing to mend.
    pub fn text(&self) -> String {
        if !self.advice.is_empty() {
            return self.advice.clone();
        }
        let activations = self.activations.iter().map(Vec::as_slice);
        let commands = [self.words.as_slice()].into_iter().chain(activations).filter(|words| !words.is_empty());
        let text = commands.map(shell::command).collect::<Vec<_>>().join("; ");
        let keys: Vec<&str> = self.split.iter().map(|(key, _)| *key).collect();
        if keys.is_empty() { text } else { format!("{text} # lines differ in {}", keys.join(", ")) }
    }

    /// Why a value is left open that lines have, in words; empty where they agree.
    pub fn split_words(&self) -> String {
        let of = |(key, values): &(&str, Vec<String>)| {
            let shown: Vec<String> = values.iter().take(SHOWN).map(|value| format!("{value:?}")).collect();
            let more = if values.len() > SHOWN { format!(" and {} more", values.len() - SHOWN) } else { String::new() };
            format!("{key}: {}{more}", shown.join(", "))
        };
        let keys: Vec<String> = self.split.iter().map(of).collect();
        if keys.is_empty() {
            return String::new();
        }
        format!(
            "lines differ in {}; callers, sessions or days do not agree, and one value for all would be wrong for some",
            keys.join("; ")
        )
    }
}

/// What mends calls whose principal's tags no line could show.
pub const HIDDEN: &str =
    "add the column `tags` to the export: without it no line shows the tags of principals and accounts";
/// Differing values that are named.
const SHOWN: usize = 4;

/// A tag to set.
struct Tag {
    key: String,
    value: String,
}

/// What mends an item.
pub fn of(item: &Item, judge: &Judge) -> Fix {
    if item.exemption.is_some() {
        return Fix::default();
    }
    let is_wrong = |key: &usize| item.faults.iter().any(|fault| fault.key == *key && fault.state.asks_for_a_tag());
    let keys: Vec<usize> = (0..OWNER_NAMES.len()).filter(is_wrong).collect();
    let values: Vec<Option<String>> = keys.iter().map(|key| value(item, *key, judge)).collect();
    let tags: Vec<Tag> = keys
        .iter()
        .zip(&values)
        .map(|(key, value)| Tag {
            key: judge.tag_key(*key).to_string(),
            value: value.clone().unwrap_or_else(|| format!("<{}>", OWNER_NAMES[*key])),
        })
        .collect();
    let mut fix = if tags.is_empty() {
        Fix::default()
    } else if let Some(caller) = faulty_caller(item) {
        of_caller(caller, &item.account, &tags)
    } else {
        match item.carrier {
            Carrier::Account if item.is_hidden => Fix { advice: HIDDEN.into(), ..Fix::default() },
            Carrier::Principal => Fix { only_of: account_of(item).to_string(), ..of_principal(&item.id, &tags) },
            Carrier::Account => of_account(&item.account, &tags),
            Carrier::Resource | Carrier::Project | Carrier::Consumer => of_resource(&item.id, &tags),
        }
    };
    // What only measurements or the account say is nobody's own word: who runs the script must make it theirs.
    let is_guess = |key: &usize| !item.known[*key].is_certain || is_case_alone(item, *key, judge);
    fix.is_open = values.iter().any(Option::is_none) || keys.iter().any(is_guess);
    let split = keys.iter().filter(|key| item.known[**key].is_split());
    fix.split = split.map(|key| (OWNER_NAMES[*key], item.known[*key].values.clone())).collect();
    let inactive = (0..OWNER_NAMES.len()).filter(|key| item.states[*key] == State::NotActivated && !item.excused[*key]);
    fix.activations = inactive.filter_map(|key| judge.inactive_key(key)).map(activation).collect();
    fix
}

/// The resource that called, where every tag that is there and wrong is a tag of its.
fn faulty_caller(item: &Item) -> Option<&str> {
    let on_caller = &item.by_carrier[Carrier::Consumer as usize];
    let mut there = item.states.iter().zip(on_caller).filter(|(state, _)| state.is_there() && !state.is_right());
    let first = there.next()?;
    let is_its = |(state, on_caller): (&State, &State)| state == on_caller;
    (is_its(first) && there.all(is_its)).then_some(item.caller.as_deref()).flatten()
}

/// Whether capitals alone are wrong with a key, and no config says which are right: those of a company may be.
fn is_case_alone(item: &Item, key: usize, judge: &Judge) -> bool {
    let mut faults = item.faults.iter().filter(|fault| fault.key == key);
    !judge.names_values(key) && faults.any(|fault| matches!(fault.state, State::Invalid(Why::Case, _)))
}

/// The account that a caller is of, which is another than its usage is billed to where it calls across accounts.
fn account_of(item: &Item) -> &str {
    item.id.split(':').nth(4).filter(|account| !account.is_empty()).unwrap_or(&item.account)
}

/// The value that the facts know, where they know one alone.
fn value(item: &Item, key: usize, judge: &Judge) -> Option<String> {
    let value = item.known[key].value()?;
    if key == OWNED { Some(value.to_string()) } else { judge.right_value(key, value) }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// An option with its value, which may look like an option itself.
fn option(name: &str, value: &str) -> Vec<String> {
    if value.starts_with('-') { vec![format!("{name}={value}")] } else { words(&[name, value]) }
}

fn activation(key: &str) -> Vec<String> {
    let status = if is_simple(key) {
        format!("TagKey={key},Status=Active")
    } else {
        serde_json::json!([{ "TagKey": key, "Status": "Active" }]).to_string()
    };
    words(&["aws", "ce", "update-cost-allocation-tags-status", "--cost-allocation-tags-status", &status])
}

fn of_account(account: &str, tags: &[Tag]) -> Fix {
    let mut command = words(&["aws", "organizations", "tag-resource"]);
    command.extend(option("--resource-id", account));
    command.push("--tags".into());
    command.extend(pairs(tags, "Key", "Value"));
    let terraform = terraform(Ok("aws_organizations_account"), "id", account, tags);
    Fix { words: command, terraform, ..Fix::default() }
}

/// Which command of the AWS CLI tags a resource, and whether it takes the tags as one map. Which resources each takes
/// stands in the patterns of the service models that the CLI is made from (botocore 1.43, `TaggableResourcesArn`).
fn tagger(service: &str, kind: &str) -> Option<(&'static str, bool)> {
    match (service, kind) {
        ("bedrock-agentcore", _) => Some(("bedrock-agentcore-control", true)),
        ("bedrock", "agent" | "agent-alias" | "knowledge-base" | "flow" | "prompt") => Some(("bedrock-agent", true)),
        ("bedrock", "blueprint") => Some(("bedrock-data-automation", false)),
        ("bedrock", kind) if kind.starts_with("data-automation-") => Some(("bedrock-data-automation", false)),
        (service, _) if service.starts_with("bedrock-") => None,
        _ => Some(("bedrock", false)),
    }
}

/// An ARN without what follows the resource's id.
fn without_version(arn: &str) -> &str {
    arn.rsplit_once('/').and_then(|(kind, id)| arn.get(..kind.len() + 1 + id.find(':')?)).unwrap_or(arn)
}

fn of_resource(arn: &str, tags: &[Tag]) -> Fix {
    let parsed = classify::bedrock_arn(arn);
    let (service, region, kind) = parsed.map(|arn| (arn.service, arn.region, arn.resource_type)).unwrap_or_default();
    // A version has no tags of its own.
    let arn = if kind == "guardrail" { without_version(arn) } else { arn };
    let terraform = terraform(terraform_type(&service, &kind), "arn", arn, tags);
    let Some((program, is_map)) = tagger(&service, &kind) else {
        let advice = "no command of the AWS CLI tags it: set its tags through the Projects API of the bedrock-mantle \
                      endpoint, or where it is declared";
        return Fix { advice: advice.into(), terraform, ..Fix::default() };
    };
    let mut command = words(&["aws", program, "tag-resource"]);
    command.extend(region.iter().flat_map(|region| option("--region", region)));
    command.extend(option("--resource-arn", arn));
    command.push("--tags".into());
    if !is_map {
        command.extend(pairs(tags, "key", "value"));
    } else {
        command.push(map(tags));
    }
    Fix { words: command, terraform, ..Fix::default() }
}

/// Of whatever service: the tagging API takes the ARN of a function or task, EC2 the id of an instance.
fn of_caller(resource: &str, account: &str, tags: &[Tag]) -> Fix {
    if !resource.starts_with("arn:") {
        let mut command = words(&["aws", "ec2", "create-tags", "--resources", resource, "--tags"]);
        command.extend(pairs(tags, "Key", "Value"));
        let terraform = terraform(Ok("aws_instance"), "id", resource, tags);
        return Fix { words: command, only_of: account.into(), terraform, ..Fix::default() };
    }
    let mut parts = resource.split(':').skip(2);
    let (service, region) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    // A qualifier after the function's name is no resource that has tags.
    let arn = if service == "lambda" {
        resource.splitn(8, ':').take(7).collect::<Vec<_>>().join(":")
    } else {
        resource.to_string()
    };
    let mut command = words(&["aws", "resourcegroupstaggingapi", "tag-resources"]);
    command.extend(option("--region", region));
    command.extend(option("--resource-arn-list", &arn));
    command.push("--tags".into());
    command.push(map(tags));
    let kind = match service {
        "lambda" => Ok("aws_lambda_function"),
        "ec2" => Ok("aws_instance"),
        other => Err(format!("no resource type of the AWS provider is known for what calls from {other}")),
    };
    Fix { words: command, terraform: terraform(kind, "arn", &arn, tags), ..Fix::default() }
}

fn of_principal(arn: &str, tags: &[Tag]) -> Fix {
    let advice = |text: &str| Fix { advice: text.into(), ..Fix::default() };
    let resource = arn.splitn(6, ':').nth(5).unwrap_or(arn);
    let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
    let name = if kind == "assumed-role" {
        name.split('/').next().unwrap_or(name)
    } else {
        name.rsplit('/').next().unwrap_or(name)
    };
    if name.is_empty() || !matches!(kind, "assumed-role" | "role" | "user") {
        let service =
            "an AWS service called by itself and cannot be tagged; name whom it calls for with an `[[owner]]` rule";
        let user = "a root or federated user cannot be tagged; let the workload call with a role of its own";
        return advice(if is_service(arn) { service } else { user });
    }
    if name.starts_with("AWSReservedSSO_") {
        return advice("tag the user or its attributes in IAM Identity Center; this role is made by AWS");
    }
    let is_user = kind == "user";
    let (verb, name_option) = if is_user { ("tag-user", "--user-name") } else { ("tag-role", "--role-name") };
    let mut command = words(&["aws", "iam", verb]);
    command.extend(option(name_option, name));
    command.push("--tags".into());
    command.extend(pairs(tags, "Key", "Value"));
    let terraform = terraform(Ok(if is_user { "aws_iam_user" } else { "aws_iam_role" }), "name", name, tags);
    Fix { words: command, terraform, ..Fix::default() }
}

/// Whether a principal is a service, as `bedrock.amazonaws.com` is.
fn is_service(principal: &str) -> bool {
    !principal.starts_with("arn:") && principal.contains(".amazonaws.com")
}

/// What Terraform's AWS provider calls a resource, or why nothing can be named: a guess would send people astray.
fn terraform_type(service: &str, kind: &str) -> Result<&'static str, String> {
    Ok(match (service, kind) {
        ("bedrock", "application-inference-profile") => "aws_bedrock_inference_profile",
        ("bedrock", "provisioned-model") => "aws_bedrock_provisioned_model_throughput",
        ("bedrock", "custom-model") => "aws_bedrock_custom_model",
        ("bedrock", "guardrail") => "aws_bedrock_guardrail",
        ("bedrock", "agent") => "aws_bedrockagent_agent",
        ("bedrock", "agent-alias") => "aws_bedrockagent_agent_alias",
        ("bedrock", "flow") => "aws_bedrockagent_flow",
        ("bedrock", "prompt") => "aws_bedrockagent_prompt",
        ("bedrock", "knowledge-base") => "aws_bedrockagent_knowledge_base",
        ("bedrock-agentcore", "runtime") => "aws_bedrockagentcore_agent_runtime",
        ("bedrock-agentcore", "memory") => "aws_bedrockagentcore_memory",
        ("bedrock-agentcore", "gateway") => "aws_bedrockagentcore_gateway",
        ("bedrock-mantle", "project") => {
            return Err("the AWS provider has no resource type for a project of bedrock-mantle, CloudFormation has \
                        AWS::BedrockMantle::Project"
                .into());
        }
        ("bedrock", "imported-model") => {
            return Err("the AWS provider has no resource type for an imported-model".into());
        }
        _ => return Err(format!("no resource type of the AWS provider is known for {service} {kind}")),
    })
}

/// The tags to add to those of a resource of Terraform, in one line: an argument in place of the resource's own
/// would drop the rest of its tags.
fn terraform(kind: Result<&str, String>, by: &str, name: &str, tags: &[Tag]) -> String {
    let pairs: Vec<String> = tags.iter().map(|tag| format!("{} = {}", hcl(&tag.key), hcl(&tag.value))).collect();
    let whose = format!("whose {by} is {}", hcl(name));
    let add = match kind {
        Ok(kind) => format!("add to the resource's tags: {kind} {whose}"),
        Err(none) => format!("add to the resource's tags where it is declared, {whose}: {none}"),
    };
    format!("tags = {{ {} }} # {add}", pairs.join(", "))
}

impl Tag {
    fn is_simple(&self) -> bool {
        is_simple(&self.key) && is_simple(&self.value)
    }
}

/// Whether the AWS CLI's short form can hold a text.
fn is_simple(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " -_./:+<>".contains(c);
    !text.is_empty() && text.trim() == text && text.chars().all(is_plain)
}

/// Tags as one map, as some commands take them.
fn map(tags: &[Tag]) -> String {
    if tags.iter().all(Tag::is_simple) {
        let pairs: Vec<String> = tags.iter().map(|tag| format!("{}={}", tag.key, tag.value)).collect();
        return pairs.join(",");
    }
    let map = tags.iter().map(|tag| (tag.key.clone(), serde_json::json!(tag.value)));
    serde_json::Value::Object(map.collect()).to_string()
}

fn pairs(tags: &[Tag], key: &str, value: &str) -> Vec<String> {
    if !tags.iter().all(Tag::is_simple) {
        let pairs = tags.iter().map(|tag| serde_json::json!({ key: tag.key, value: tag.value })).collect();
        return vec![serde_json::Value::Array(pairs).to_string()];
    }
    tags.iter().map(|tag| format!("{key}={},{value}={}", tag.key, tag.value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(value: &str) -> Vec<Tag> {
        vec![Tag { key: "Workload".into(), value: value.into() }]
    }

    #[test]
    fn each_principal_has_its_own_command() {
        let of = |arn: &str| of_principal(arn, &tags("<workload>")).text();
        let role = of("arn:aws:sts::1:assumed-role/app/session");
        assert_eq!(role, "aws iam tag-role --role-name app --tags 'Key=Workload,Value=<workload>'");
        assert!(of("arn:aws:iam::1:user/path/ci").starts_with("aws iam tag-user --user-name ci"));
        assert!(of("arn:aws:sts::1:assumed-role/-rf").contains("--role-name=-rf"));
        assert!(of("arn:aws:sts::1:federated-user").starts_with("a root or federated user"));
        assert!(of("bedrock.amazonaws.com").starts_with("an AWS service"));
    }

    #[test]
    fn each_resource_is_tagged_by_the_service_that_takes_it() {
        let of = |rest: &str| of_resource(&format!("arn:aws:{rest}"), &tags("x")).text();
        for (rest, program) in [
            ("bedrock:r:1:provisioned-model/p", "bedrock"),
            ("bedrock:r:1:knowledge-base/K", "bedrock-agent"),
            ("bedrock:r:1:data-automation-project/d", "bedrock-data-automation"),
            ("bedrock-agentcore:r:1:memory/m", "bedrock-agentcore-control"),
        ] {
            assert!(of(rest).starts_with(&format!("aws {program} tag-resource --region r ")), "{}", of(rest));
        }
        assert!(of("bedrock-mantle:r:1:project/p").contains("Projects API"));
    }

    #[test]
    fn what_the_short_form_cannot_hold_is_json() {
        let of = |value: &str| of_principal("arn:aws:iam::1:role/app", &tags(value));
        let last = |value: &str| of(value).words.last().cloned().unwrap_or_default();
        assert_eq!(last("a b"), "Key=Workload,Value=a b");
        assert_eq!(last("a,b=c"), r#"[{"Key":"Workload","Value":"a,b=c"}]"#);
        let terraform = r#"tags = { "Workload" = "x" } # add to the resource's tags: aws_iam_role whose name is "app""#;
        assert_eq!(of("x").terraform, terraform);
    }

    #[test]
    fn terraform_names_a_type_of_its_own_or_says_that_there_is_none() {
        let of = |rest: &str| of_resource(&format!("arn:aws:{rest}"), &tags("x")).terraform;
        for (rest, said) in [
            ("bedrock:r:1:agent-alias/a/b", "tags: aws_bedrockagent_agent_alias whose arn is "),
            ("bedrock:r:1:flow/f", "tags: aws_bedrockagent_flow whose arn is "),
            ("bedrock-agentcore:r:1:memory/m", "tags: aws_bedrockagentcore_memory whose arn is "),
            ("bedrock:r:1:imported-model/i", "the AWS provider has no resource type for an imported-model"),
            ("bedrock-mantle:r:1:project/p", "the AWS provider has no resource type for a project"),
            ("bedrock:r:1:blueprint/b", "no resource type of the AWS provider is known for bedrock blueprint"),
        ] {
            assert!(of(rest).contains(said) && of(rest).contains("# add to the resource's tags"), "{}", of(rest));
        }
    }
}
