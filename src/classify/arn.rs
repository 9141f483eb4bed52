//! ARNs of Bedrock resources and what they say about a model.

/// The parts of an ARN that Bedrock owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BedrockArn {
    /// `bedrock`, `bedrock-agentcore` or another service of the family.
    pub service: String,
    /// Region, where the ARN names one.
    pub region: Option<String>,
    /// None for what AWS owns, such as foundation models.
    pub account: Option<String>,
    /// `foundation-model`, `application-inference-profile`, …
    pub resource_type: String,
    /// What follows the type; a model id keeps its `:0`.
    pub resource_id: String,
}

const PARTITIONS: &[&str] =
    &["aws", "aws-us-gov", "aws-cn", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"];

/// Reads an ARN of Bedrock; none for any other text, including ARNs of other services.
pub fn bedrock_arn(text: &str) -> Option<BedrockArn> {
    // Six parts and no more: the resource may hold colons of its own.
    let mut parts = text.trim().splitn(6, ':');
    if parts.next()? != "arn" || !PARTITIONS.contains(&parts.next()?) {
        return None;
    }
    let service = parts.next().filter(|service| *service == "bedrock" || service.starts_with("bedrock-"))?;
    let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let (resource_type, resource_id) = resource.split_once(['/', ':']).unwrap_or((resource, ""));
    if resource_type.is_empty() {
        return None;
    }
    Some(BedrockArn {
        service: service.to_owned(),
        region: some(region),
        account: some(account),
        resource_type: resource_type.to_owned(),
        resource_id: resource_id.to_owned(),
    })
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Whether a resource of this type stands for one model only, so that tokens and cost of the resource are that model's.
pub fn single_model_carrier(resource_type: &str) -> bool {
    matches!(
        resource_type,
        "application-inference-profile"
            | "provisioned-model"
            | "custom-model"
            | "custom-model-deployment"
            | "imported-model"
    )
}
