//! What a refusal of AWS means, and what to do about it.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::error::Error;

/// Why a request did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The credentials may not do this.
    Denied,
    /// There are no credentials.
    NoCredentials,
    /// The credentials' time is over.
    Expired,
    /// The machine's clock is wrong.
    Skewed,
    /// There is no such bucket.
    NoBucket,
    /// There is no such object.
    Missing,
    /// The object is no longer the one that was listed, or a condition of a write does not hold.
    Changed,
    /// The bucket lies in another region, which S3 may name.
    WrongRegion(Option<String>),
    /// Too many requests, even after waiting.
    Throttled,
    /// No connection, no answer, or an answer that was cut.
    Unreachable,
    /// An error of AWS's own.
    Server,
    /// The service does not offer this, or not with these parameters.
    Refused,
}

/// What the SDK itself does before a request, where a role is configured.
const ASSUME_ROLE: &str = "sts:AssumeRole";

/// The codes of credentials that AWS does not know, at least not in the region that was asked.
const UNKNOWN: [&str; 3] = ["InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException"];

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub kind: Kind,
    /// The action, as an IAM policy names it.
    pub action: &'static str,
    /// What it was tried on.
    pub resource: String,
    /// What AWS said, in its own words.
    pub said: String,
}

impl Failure {
    /// Reads the SDK's error.
    pub fn of<E>(action: &'static str, resource: impl Into<String>, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let region = error.raw_response().and_then(|response| response.headers().get("x-amz-bucket-region"));
        let region = region.map(String::from);
        let code = error.code().unwrap_or_default().to_string();
        let chain = chain(&error);
        let kind = match &error {
            SdkError::ServiceError(_) | SdkError::ResponseError(_) => match error.message() {
                Some(said) if is_of_another_time(said) => Kind::Skewed,
                _ => kind_of(&code, status, region),
            },
            _ => kind_of_dispatch(&chain),
        };
        let role = refused_role(&chain).filter(|_| kind == Kind::Denied).map(String::from);
        let message = error.message().map(str::to_string).filter(|message| !message.is_empty() && *message != code);
        let said = match (code.as_str(), message) {
            ("", None) => status.filter(|_| chain.is_empty()).map_or(chain, |status| format!("status {status}")),
            ("", Some(message)) => message,
            (code, None) => code.to_string(),
            (code, Some(message)) => format!("{code}: {message}"),
        };
        match role {
            Some(resource) => Self { kind, action: ASSUME_ROLE, resource, said },
            None => Self { kind, action, resource: resource.into(), said },
        }
    }

    /// A failure that billtag found itself: an answer that is not whole.
    pub fn cut(action: &'static str, resource: impl Into<String>, said: impl Into<String>) -> Self {
        Self { kind: Kind::Unreachable, action, resource: resource.into(), said: said.into() }
    }

    /// Whether the same request may do better later.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, Kind::Throttled | Kind::Unreachable | Kind::Server)
    }

    /// Whether there were credentials, but none that AWS knows in that region.
    fn is_unknown(&self) -> bool {
        UNKNOWN.iter().any(|code| self.said.starts_with(code))
    }

    fn what(&self) -> String {
        let short = match &self.kind {
            Kind::Denied => format!("the credentials may not do {}", self.action),
            Kind::NoCredentials if self.is_unknown() => "AWS does not know the credentials".to_string(),
            Kind::NoCredentials => "there are no AWS credentials".to_string(),
            Kind::Expired => "the AWS credentials have expired".to_string(),
            Kind::Skewed => "AWS refuses the request because this machine's clock is wrong".to_string(),
            Kind::NoBucket => "there is no such bucket".to_string(),
            Kind::Missing => "there is no such object".to_string(),
            Kind::Changed => "the object was replaced while it was read".to_string(),
            Kind::WrongRegion(Some(region)) => format!("the bucket lies in {region}"),
            Kind::WrongRegion(None) => "the bucket lies in another region".to_string(),
            Kind::Throttled => format!("AWS throttles {}, even after several tries", self.action),
            Kind::Unreachable => format!("{} got no whole answer, even after several tries", self.action),
            Kind::Server => format!("{} failed at AWS, even after several tries", self.action),
            Kind::Refused => format!("AWS refuses {}", self.action),
        };
        if self.said.is_empty() { short } else { format!("{short} ({})", self.said) }
    }

    fn hint(&self) -> String {
        match &self.kind {
            Kind::Denied if self.action == ASSUME_ROLE => format!(
                "allow it to the credentials: {{\"Effect\": \"Allow\", \"Action\": \"{ASSUME_ROLE}\", \"Resource\": \"{}\"}}; \
                 and let the role's trust policy name them, with the external id where it asks for one",
                policy_resource(self.action, &self.resource)
            ),
            Kind::Denied => format!(
                "allow it in the policy: {{\"Effect\": \"Allow\", \"Action\": \"{}\", \"Resource\": \"{}\"}}; \
                 `billtag iam-policy` prints the whole policy",
                self.action,
                policy_resource(self.action, &self.resource)
            ),
            Kind::NoCredentials if self.is_unknown() => {
                "check the credentials; in a region that is not enabled for the account good ones are refused, too: \
                 enable it, or take it out of `regions`"
                    .into()
            }
            Kind::NoCredentials => {
                "set AWS_PROFILE or AWS_ACCESS_KEY_ID, use --profile, or give the machine a role".into()
            }
            Kind::Expired => "log in again (`aws sso login`), or renew the session's credentials".into(),
            Kind::Skewed => "set the clock, for example with NTP, and run again".into(),
            Kind::NoBucket => "check the bucket's name in the config, and that its account is the right one".into(),
            Kind::Missing => "wait for the export's next delivery, or check the path in the config".into(),
            Kind::Changed => "the export is being delivered; run again when it is done".into(),
            Kind::WrongRegion(Some(region)) => format!("set `region = \"{region}\"` for this source"),
            Kind::WrongRegion(None) => "set the bucket's region as `region` for this source".into(),
            Kind::Throttled | Kind::Server => "run again in a few minutes; what was stored before is untouched".into(),
            Kind::Unreachable => {
                "check the network, the region and any proxy or AWS_ENDPOINT_URL; what was stored before is untouched"
                    .into()
            }
            Kind::Refused => "check this source's settings in the config".into(),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let (place, what, hint) = (failure.resource.clone(), failure.what(), failure.hint());
        match failure.kind {
            Kind::Changed => Self::Changed { place },
            _ => Self::Input { place, what, hint },
        }
    }
}

/// The resource as a policy names it: an ARN for S3, everything for the rest.
fn policy_resource(action: &str, resource: &str) -> String {
    let Some(address) = resource.strip_prefix("s3://").filter(|_| action.starts_with("s3:")) else {
        return if resource.starts_with("arn:") { resource.to_string() } else { "*".to_string() };
    };
    let bucket = address.split('/').next().unwrap_or(address);
    match action {
        "s3:ListBucket" => format!("arn:aws:s3:::{bucket}"),
        _ => match address.rsplit_once('/') {
            Some((folder, _)) => format!("arn:aws:s3:::{folder}/*"),
            None => format!("arn:aws:s3:::{bucket}/*"),
        },
    }
}

/// Whether a signature was refused for its time, as all services but S3 say it in words alone.
fn is_of_another_time(said: &str) -> bool {
    said.contains("Signature expired") || said.contains("Signature not yet current")
}

fn kind_of(code: &str, status: Option<u16>, region: Option<String>) -> Kind {
    match code {
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "AllAccessDisabled"
        | "Forbidden"
        | "AuthorizationError" => Kind::Denied,
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "RequestExpired" => Kind::Expired,
        "RequestTimeTooSkewed" => Kind::Skewed,
        // A signature made at another time than AWS's own.
        "SignatureDoesNotMatch" | "InvalidSignatureException" => Kind::Refused,
        "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "MissingAuthenticationToken" => Kind::NoCredentials,
        "NoSuchBucket" => Kind::NoBucket,
        "NoSuchKey" | "NotFound" | "NoSuchVersion" => Kind::Missing,
        "PreconditionFailed" | "ConditionalRequestConflict" => Kind::Changed,
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => Kind::WrongRegion(region),
        "SlowDown"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "BandwidthLimitExceeded" => Kind::Throttled,
        "InternalError" | "InternalFailure" | "ServiceUnavailable" | "InternalServerError" | "RequestTimeout" => {
            Kind::Server
        }
        _ => match status {
            Some(300..400) => Kind::WrongRegion(region),
            Some(403) => Kind::Denied,
            Some(404) => Kind::Missing,
            Some(409 | 412) => Kind::Changed,
            Some(429) => Kind::Throttled,
            Some(500..) => Kind::Server,
            // A body that is no answer of AWS at all.
            Some(..300) | None => Kind::Unreachable,
            Some(_) => Kind::Refused,
        },
    }
}

/// Of a request that was never answered.
fn kind_of_dispatch(chain: &str) -> Kind {
    let lower = chain.to_ascii_lowercase();
    if lower.contains("expiredtoken") || lower.contains("session token has expired") || lower.contains("sso token") {
        Kind::Expired
    } else if lower.contains("accessdenied") || lower.contains("not authorized to perform: sts:assumerole") {
        Kind::Denied
    } else if lower.contains("credential") {
        Kind::NoCredentials
    } else {
        Kind::Unreachable
    }
}

/// The role that may not be assumed, where that is what was refused.
fn refused_role(chain: &str) -> Option<&str> {
    let (_, role) = chain.split_once("to perform: sts:AssumeRole on resource: ")?;
    role.split(|letter: char| letter.is_whitespace() || letter == '"').next().filter(|role| role.starts_with("arn:"))
}

/// The innermost reasons of an error, which the SDK hides behind "dispatch failure".
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        next = error.source();
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_read_names_the_policy_line_that_is_missing() {
        let failure = Failure {
            kind: Kind::Denied,
            action: "s3:GetObject",
            resource: "s3://cur/exports/data/x.parquet".into(),
            said: "AccessDenied".into(),
        };
        let error = Error::from(failure);
        assert!(error.to_string().contains("s3:GetObject"), "{error}");
        assert!(error.hint().contains("\"Resource\": \"arn:aws:s3:::cur/exports/data/*\""), "{}", error.hint());
    }

    #[test]
    fn a_role_that_may_not_be_assumed_is_named_and_not_the_request_that_needed_it() {
        let chain = "service error: Error { message: \"User: arn:aws:iam::1:user/x is not authorized to perform: \
                     sts:AssumeRole on resource: arn:aws:iam::2:role/reader\", aws_request_id: \"3\" }";
        assert_eq!((kind_of_dispatch(chain), refused_role(chain)), (Kind::Denied, Some("arn:aws:iam::2:role/reader")));
        let resource = "arn:aws:iam::2:role/reader".into();
        let failure = Failure { kind: Kind::Denied, action: ASSUME_ROLE, resource, said: String::new() };
        assert!(failure.hint().contains("arn:aws:iam::2:role/reader") && failure.hint().contains("trust policy"));
    }

    #[test]
    fn credentials_that_a_region_does_not_know_are_told_from_none() {
        let said = "UnrecognizedClientException: The security token included in the request is invalid.";
        let kind = kind_of("UnrecognizedClientException", Some(403), None);
        let failure = |said: &str| Failure {
            kind: kind.clone(),
            action: "cloudwatch:ListMetrics",
            resource: "111111111111 ap-east-1".into(),
            said: said.into(),
        };
        let error = Error::from(failure(said));
        assert!(error.to_string().contains("does not know the credentials") && error.hint().contains("not enabled"));
        assert!(Error::from(failure("")).hint().contains("AWS_PROFILE"));
    }

    #[test]
    fn a_wrong_region_is_named_where_s3_names_it() {
        let kind = kind_of("PermanentRedirect", Some(301), Some("eu-west-1".into()));
        assert_eq!(kind, Kind::WrongRegion(Some("eu-west-1".into())));
        assert_eq!(kind_of("", Some(301), None), Kind::WrongRegion(None));
    }

    #[test]
    fn what_may_pass_by_itself_is_tried_again_and_nothing_else() {
        let failure = |kind| Failure { kind, action: "s3:GetObject", resource: String::new(), said: String::new() };
        assert!(failure(kind_of("SlowDown", Some(503), None)).is_transient());
        assert!(failure(kind_of("", Some(500), None)).is_transient());
        assert!(!failure(kind_of("AccessDenied", Some(403), None)).is_transient());
        assert!(!failure(kind_of("PreconditionFailed", Some(412), None)).is_transient());
    }
}
