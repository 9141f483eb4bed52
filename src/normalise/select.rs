//! The selector: all Bedrock spend and nothing else.
//!
//! Bedrock is not one product code. A line is Bedrock's if its product or service code says so, if it
//! is a Marketplace product of the "(Amazon Bedrock Edition)", if its product family says so, or if
//! its resource is a Bedrock ARN. Neighbours that only look alike are counted as adjacent, excluded.

use super::known::{Known, Product};
use crate::classify;
use crate::sources::bill::columns::TextColumn;
use crate::sources::bill::lines::Lines;

/// What a line is to billtag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Bedrock's.
    Bedrock,
    /// Not Bedrock's, but near enough that a reader would ask: the product's name.
    Adjacent(String),
    /// Somebody else's.
    Other,
}

/// Whether a product or service code is Bedrock's: the four known ones and any that AWS may add.
pub fn is_bedrock_code(code: &str) -> bool {
    code.get(..13).is_some_and(|start| start.eq_ignore_ascii_case("AmazonBedrock"))
}

/// Whether a product code is one of the four known ones.
pub fn is_known_code(code: &str) -> bool {
    const KNOWN: [&str; 4] =
        ["AmazonBedrock", "AmazonBedrockService", "AmazonBedrockFoundationModels", "AmazonBedrockAgentCore"];
    KNOWN.iter().any(|known| known.eq_ignore_ascii_case(code))
}

/// Whether a billing entity is AWS Marketplace.
pub fn is_marketplace(entity: &str) -> bool {
    entity.to_ascii_lowercase().contains("marketplace")
}

/// Whether a product family is Bedrock's.
pub fn is_bedrock_family(family: &str) -> bool {
    family.trim().eq_ignore_ascii_case("Amazon Bedrock")
}

/// Whether a product name is a Bedrock edition of a third party's model.
pub fn is_bedrock_edition(name: &str) -> bool {
    let squeezed: String = name.to_ascii_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    squeezed.contains("(amazon bedrock edition)")
}

/// Whether a product name is Bedrock's own, as exports without product codes show it.
pub fn is_bedrock_product(name: &str) -> bool {
    let name = name.trim();
    name.get(..14).is_some_and(|start| start.eq_ignore_ascii_case("Amazon Bedrock"))
        && name[14..].chars().all(|c| c.is_alphanumeric() || c == ' ')
}

/// Whether a product name deserves the exact look: it mentions Bedrock.
pub fn is_interesting_name(name: &str) -> bool {
    name.to_ascii_lowercase().contains("bedrock")
}

/// Whether a resource id is an ARN of Bedrock or one of its parts. The service field decides: a log
/// group named after Bedrock is a log group.
pub fn is_bedrock_resource(resource: &str) -> bool {
    if !resource.starts_with("arn:") {
        return false;
    }
    let mut parts = resource.splitn(4, ':');
    let service = parts.nth(2).unwrap_or("");
    service == "bedrock" || service.starts_with("bedrock-")
}

/// Whether bytes begin as such an ARN does: said of every text that [`is_bedrock_resource`] and of hardly
/// any other.
pub fn looks_like_bedrock_resource(resource: &[u8]) -> bool {
    let Some(rest) = resource.strip_prefix(b"arn:") else { return false };
    let partition = rest.iter().position(|byte| *byte == b':');
    partition.is_some_and(|at| rest[at + 1..].starts_with(b"bedrock"))
}

/// Whether a line type is metered usage: what moves the watermark and carries quantities.
pub fn is_usage_type_of_line(line_type: &str) -> bool {
    matches!(line_type, "Usage" | "DiscountedUsage" | "SavingsPlanCoveredUsage")
}

/// Decides on one line.
pub fn select(lines: &Lines, row: usize, known: &mut Known) -> Selection {
    let says = |column: TextColumn, test: fn(&str) -> bool| lines.text(column, row).is_some_and(test);
    if says(TextColumn::ProductCode, is_bedrock_code) || says(TextColumn::ResourceId, is_bedrock_resource) {
        return Selection::Bedrock;
    }
    let columns = [
        TextColumn::ProductCode,
        TextColumn::ServiceCode,
        TextColumn::ProductFamily,
        TextColumn::ProductName,
        TextColumn::BillingEntity,
        TextColumn::UsageType,
    ];
    let product = known.product_of(lines, row);
    let key = (Known::numbers(lines, columns, row), product);
    if let Some(selection) = known.selections.get(&key) {
        return selection.clone();
    }
    let selection = select_by_rest(lines, row, known.product(product));
    known.selections.insert(key, selection.clone());
    selection
}

/// Decides by all but product code and resource.
fn select_by_rest(lines: &Lines, row: usize, product: &Product) -> Selection {
    let says = |column: TextColumn, test: fn(&str) -> bool| lines.text(column, row).is_some_and(test);
    if says(TextColumn::ServiceCode, is_bedrock_code)
        || says(TextColumn::ProductFamily, is_bedrock_family)
        || product.family.as_deref().is_some_and(is_bedrock_family)
        || product.service_code.as_deref().is_some_and(is_bedrock_code)
    {
        return Selection::Bedrock;
    }
    let marketplace = says(TextColumn::BillingEntity, is_marketplace);
    match lines.text(TextColumn::ProductName, row).or(product.name.as_deref()) {
        Some(name) if is_bedrock_edition(name) => Selection::Bedrock,
        Some(name) if !marketplace && is_bedrock_product(name) => Selection::Bedrock,
        Some(name) if marketplace && (is_interesting_name(name) || classify::names_ai_publisher(name)) => {
            Selection::Adjacent(name.to_string())
        }
        Some(name) if is_interesting_name(name) => Selection::Adjacent(name.to_string()),
        // Without a name the usage type is the only witness: only a token meter of Bedrock's own
        // Marketplace grammar counts.
        None if marketplace && says(TextColumn::UsageType, is_token_meter) => Selection::Bedrock,
        _ => Selection::Other,
    }
}

fn is_token_meter(usage_type: &str) -> bool {
    classify::parse_usage_type(usage_type).is_some_and(|meter| classify::TOKEN_KINDS.contains(&meter.kind.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_field_of_an_arn_decides() {
        assert!(is_bedrock_resource("arn:aws:bedrock:us-east-1::foundation-model/a.b-v1:0"));
        assert!(is_bedrock_resource("arn:aws-us-gov:bedrock-agentcore:us-gov-west-1:1:runtime/x"));
        assert!(!is_bedrock_resource("arn:aws:logs:us-east-1:1:log-group:/aws/bedrock/x"));
        assert!(!is_bedrock_resource("arn:aws:s3:::bedrock"));
        assert!(!is_bedrock_resource("bedrock"));
        for arn in ["arn:aws:bedrock:us-east-1::x", "arn:aws-cn:bedrock-agentcore:r:1:y", "arn::bedrock:"] {
            assert!(is_bedrock_resource(arn) && looks_like_bedrock_resource(arn.as_bytes()), "{arn}");
        }
        assert!(!looks_like_bedrock_resource(b"arn:aws:s3:::bedrock") && !looks_like_bedrock_resource(b"arn:aws"));
    }

    #[test]
    fn only_the_bedrock_edition_of_a_marketplace_product_is_bedrock() {
        assert!(is_bedrock_edition("Claude Sonnet 4.6 (Amazon Bedrock Edition)"));
        assert!(is_bedrock_edition("Claude  3 Haiku (amazon bedrock edition) "));
        assert!(!is_bedrock_edition("Claude Platform on AWS"));
        assert!(!is_bedrock_edition("Guard for Amazon Bedrock"));
    }

    #[test]
    fn a_fifth_product_code_is_still_bedrock() {
        assert!(is_bedrock_code("AmazonBedrockRuntime") && !is_known_code("AmazonBedrockRuntime"));
        assert!(!is_bedrock_code("AmazonBedroc") && !is_bedrock_code("AmazonEC2"));
    }
}
