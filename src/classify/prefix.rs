//! The region prefix of a usage type.

/// Billing prefix and AWS region. `EU` is the oldest prefix and has no number; `APS3` is Mumbai although `APS1` and
/// `APS2` are in the south-east.
const REGIONS: &[(&str, &str)] = &[
    ("USE1", "us-east-1"),
    ("USE2", "us-east-2"),
    ("USW1", "us-west-1"),
    ("USW2", "us-west-2"),
    ("UGW1", "us-gov-west-1"),
    ("UGE1", "us-gov-east-1"),
    ("CAN1", "ca-central-1"),
    ("CAN2", "ca-west-1"),
    ("CAW1", "ca-west-1"),
    ("MXC1", "mx-central-1"),
    ("SAE1", "sa-east-1"),
    ("EU", "eu-west-1"),
    ("EUW1", "eu-west-1"),
    ("EUW2", "eu-west-2"),
    ("EUW3", "eu-west-3"),
    ("EUC1", "eu-central-1"),
    ("EUC2", "eu-central-2"),
    ("EUN1", "eu-north-1"),
    ("EUS1", "eu-south-1"),
    ("EUS2", "eu-south-2"),
    ("APN1", "ap-northeast-1"),
    ("APN2", "ap-northeast-2"),
    ("APN3", "ap-northeast-3"),
    ("APE1", "ap-east-1"),
    ("APE2", "ap-east-2"),
    ("APS1", "ap-southeast-1"),
    ("APS2", "ap-southeast-2"),
    ("APS3", "ap-south-1"),
    ("APS4", "ap-southeast-3"),
    ("APS5", "ap-south-2"),
    ("APS6", "ap-southeast-4"),
    ("APS7", "ap-southeast-5"),
    ("APS8", "ap-southeast-6"),
    ("APS9", "ap-southeast-7"),
    ("MES1", "me-south-1"),
    ("MEC1", "me-central-1"),
    ("ILC1", "il-central-1"),
    ("AFS1", "af-south-1"),
    ("CPT", "af-south-1"),
    ("CNN1", "cn-north-1"),
    ("CNW1", "cn-northwest-1"),
];

/// The AWS region of a billing prefix; none for a prefix that is not known.
pub fn region_of_prefix(prefix: &str) -> Option<&'static str> {
    REGIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(prefix)).map(|(_, region)| *region)
}

/// A region younger than the table: three capitals and a number, as every numbered prefix is made.
fn looks_like_prefix(text: &str) -> bool {
    let bytes = text.as_bytes();
    (4..=5).contains(&bytes.len())
        && bytes[..3].iter().all(u8::is_ascii_uppercase)
        && bytes[3..].iter().all(u8::is_ascii_digit)
}

/// Whether `text` is a region prefix, known or not.
pub fn is_prefix(text: &str) -> bool {
    region_of_prefix(text).is_some() || looks_like_prefix(text)
}

/// What stands around the dimension of a usage type.
#[derive(Debug, PartialEq, Eq)]
pub struct Split<'a> {
    pub region: Option<&'static str>,
    /// Whether the string has the `MP:` of AWS Marketplace dimensions.
    pub marketplace: bool,
    /// The dimension itself.
    pub body: &'a str,
}

/// Takes the region prefix and the Marketplace wrapping (`USE1-MP:USE1_…-Units`) off a usage type.
pub fn split_prefix(text: &str) -> Split<'_> {
    let (outer, rest) = take_prefix(text, '-');
    let Some(wrapped) = strip_start(rest, "MP:") else {
        return Split { region: outer.and_then(region_of_prefix), marketplace: false, body: rest };
    };
    let (inner, rest) = take_prefix(wrapped, '_');
    let body = strip_end(rest, "-Units").unwrap_or(rest);
    let region = outer.and_then(region_of_prefix).or_else(|| inner.and_then(region_of_prefix));
    Split { region, marketplace: true, body }
}

fn take_prefix(text: &str, separator: char) -> (Option<&str>, &str) {
    match text.split_once(separator) {
        Some((head, rest)) if is_prefix(head) => (Some(head), rest),
        _ => (None, text),
    }
}

fn strip_start<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let head = text.get(..start.len())?;
    head.eq_ignore_ascii_case(start).then(|| &text[start.len()..])
}

fn strip_end<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    let cut = text.len().checked_sub(end.len())?;
    text.get(cut..)?.eq_ignore_ascii_case(end).then(|| &text[..cut])
}
