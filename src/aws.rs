//! The door to AWS: credentials, regions, roles, retries, time-outs, and what a refusal means.
//!
//! Everything that follows AWS's own conventions is left to the SDK: the credential chain, profiles,
//! `AWS_REGION`, `AWS_ENDPOINT_URL*`. Nothing here is touched by a config that names no AWS source:
//! the runtime and the credentials are made on first use.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_http_client::tls;
use tokio::runtime::Runtime;

pub mod failure;
pub mod probe;
pub mod s3;

use failure::Failure;

/// Where nothing says a region: AWS's global endpoints are there, and S3 names the right one itself.
const DEFAULT_REGION: &str = "us-east-1";
/// Attempts of one request, the first included.
const ATTEMPTS: u32 = 5;
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest wait for one attempt's answer.
const ATTEMPT: Duration = Duration::from_secs(60);

/// The region that the environment names, for what must know it without asking.
pub fn environment_region() -> Option<String> {
    ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| std::env::var(name).ok())
}

/// Which credentials a source is read with.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Access {
    /// The region; the environment's or profile's where none.
    pub region: Option<String>,
    /// A role to assume first.
    pub role_arn: Option<String>,
    /// The external id that the role asks for.
    pub external_id: Option<String>,
    /// Another server's address, in place of AWS's own; the environment's where none.
    pub endpoint: Option<String>,
}

impl Access {
    /// The same credentials in another region.
    pub fn in_region(&self, region: &str) -> Self {
        Self { region: Some(region.to_string()), ..self.clone() }
    }
}

/// AWS, as one command sees it.
#[derive(Debug, Default)]
pub struct Aws {
    profile: Option<String>,
    /// A server that asks no credentials, in place of AWS.
    server: Option<String>,
    runtime: OnceLock<Runtime>,
    /// One pool of connections and one set of root certificates for all accounts and regions.
    http: OnceLock<SharedHttpClient>,
    configs: Mutex<HashMap<Access, SdkConfig>>,
}

impl Aws {
    /// With a named profile, or the environment's choice.
    pub fn new(profile: Option<String>) -> Self {
        Self { profile, ..Self::default() }
    }

    /// For a server that asks no credentials, as tests start them: every request goes to `url` and is
    /// signed with a made-up key.
    pub fn for_endpoint(url: &str) -> Self {
        Self { server: Some(url.to_string()), ..Self::default() }
    }

    /// Runs a request to its end on the calling thread.
    pub fn run<T>(&self, request: impl Future<Output = T>) -> T {
        let runtime = self.runtime.get_or_init(|| {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(2).enable_all();
            builder.build().expect("a runtime needs only threads, and without those no scan runs either")
        });
        runtime.block_on(request)
    }

    /// The SDK's configuration for an access, made once.
    pub fn config(&self, access: &Access) -> SdkConfig {
        let known = self.configs.lock().unwrap_or_else(PoisonError::into_inner).get(access).cloned();
        known.unwrap_or_else(|| {
            let config = self.run(self.load(access));
            let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
            configs.entry(access.clone()).or_insert(config).clone()
        })
    }

    async fn load(&self, access: &Access) -> SdkConfig {
        let client = self.http.get_or_init(|| {
            aws_smithy_http_client::Builder::new()
                .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
                .build_https()
        });
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client.clone())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts);
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &access.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = access.endpoint.as_ref().or(self.server.as_ref()) {
            loader = loader.endpoint_url(endpoint);
        }
        if self.server.is_some() {
            loader = loader.credentials_provider(Credentials::new("test", "test", None, None, "billtag"));
        }
        let config = loader.load().await;
        let config = match config.region() {
            Some(_) => config,
            None => config.into_builder().region(Region::new(DEFAULT_REGION)).build(),
        };
        match &access.role_arn {
            None => config,
            Some(role) => {
                let mut provider = AssumeRoleProvider::builder(role).session_name("billtag").configure(&config);
                if let Some(external_id) = &access.external_id {
                    provider = provider.external_id(external_id);
                }
                let provider = SharedCredentialsProvider::new(provider.build().await);
                config.into_builder().credentials_provider(provider).build()
            }
        }
    }

    /// Who the credentials belong to: account id and ARN.
    ///
    /// # Errors
    /// The refusal, in plain words.
    pub fn identity(&self, access: &Access) -> Result<(String, String), Failure> {
        let (identity, _) = probe::identity(self, access);
        identity.map(|identity| (identity.account, identity.arn))
    }
}
