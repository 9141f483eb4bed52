//! One bucket: listing, whole objects, ranges of an object under its ETag, conditional writes.
//!
//! A body that is cut or of another length than promised is asked for again; the SDK's own retries
//! end where the body begins, so the loop here stands in their place.

use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::failure::{Failure, Kind};
use super::{Access, Aws};

/// Tries of one request, the first included.
const TRIES: u32 = 8;
/// First wait; each next one is twice as long, and each is shortened by chance.
const WAIT: Duration = Duration::from_millis(100);
/// Longest wait.
const WAIT_MAX: Duration = Duration::from_secs(4);
/// When no further try begins.
const ALL_TRIES: Duration = Duration::from_mins(3);
/// Longest wait for an answer's whole body.
const BODY: Duration = Duration::from_secs(120);
/// Ranges of one object that are asked for at the same time.
const ABREAST: usize = 4;
/// Small objects that are asked for at the same time.
const OBJECTS_ABREAST: usize = 16;

/// An object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The whole key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// ETag as S3 writes it, with its quotes.
    pub etag: String,
    /// Last change, epoch seconds.
    pub modified: Option<i64>,
}

/// What must hold for a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Always,
    /// There is no such object yet.
    Absent,
    /// The object is still the one of this ETag.
    Is(String),
}

/// What was asked of S3, for reports of cost and for tests.
#[derive(Debug, Default)]
pub struct Counters {
    /// GetObject requests.
    pub reads: AtomicU64,
    /// Bytes of their bodies.
    pub bytes: AtomicU64,
}

/// A bucket and the credentials it is read with.
#[derive(Debug)]
pub struct Bucket {
    aws: Arc<Aws>,
    access: Access,
    /// Its name.
    pub name: String,
    client: RwLock<Option<Client>>,
    /// What was asked so far.
    pub counters: Counters,
}

impl Bucket {
    /// Names a bucket; nothing is asked yet.
    pub fn new(aws: Arc<Aws>, access: Access, name: &str) -> Self {
        let (client, counters) = (RwLock::new(None), Counters::default());
        Self { aws, access, name: name.to_string(), client, counters }
    }

    /// An address in this bucket.
    pub fn address(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    /// All objects whose keys start with `prefix`, by key.
    ///
    /// # Errors
    /// The refusal.
    pub fn list(&self, prefix: &str) -> Result<Vec<Listed>, Failure> {
        self.list_after(prefix, None)
    }

    /// All objects whose keys start with `prefix` and come after a key, by key.
    ///
    /// # Errors
    /// The refusal.
    pub fn list_after(&self, prefix: &str, key: Option<&str>) -> Result<Vec<Listed>, Failure> {
        let (mut found, mut next) = self.page(prefix, None, key)?;
        while next.is_some() {
            let (more, after) = self.page(prefix, next, key)?;
            found.extend(more);
            next = after;
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    /// The first objects whose keys start with `prefix`: as many as one answer holds.
    ///
    /// # Errors
    /// The refusal.
    pub fn first(&self, prefix: &str) -> Result<Vec<Listed>, Failure> {
        Ok(self.page(prefix, None, None)?.0)
    }

    /// One page of a listing, and where the next one begins.
    fn page(
        &self,
        prefix: &str,
        from: Option<String>,
        after: Option<&str>,
    ) -> Result<(Vec<Listed>, Option<String>), Failure> {
        let page = self.retrying(|client| {
            let request = client.list_objects_v2().bucket(&self.name).prefix(prefix);
            let request = request.set_continuation_token(from.clone()).set_start_after(after.map(String::from));
            async move {
                let answer = request.send().await;
                answer.map_err(|error| Failure::of("s3:ListBucket", self.address(prefix), error))
            }
        })?;
        let mut found = Vec::new();
        for object in page.contents() {
            let (Some(key), Some(etag)) = (object.key(), object.e_tag()) else { continue };
            found.push(Listed {
                key: key.to_string(),
                size: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                etag: etag.to_string(),
                modified: object.last_modified().map(|time| time.secs()),
            });
        }
        let next = page.next_continuation_token().map(String::from).filter(|_| page.is_truncated() == Some(true));
        Ok((found, next))
    }

    /// A whole object, and its ETag; only the one of `etag`, where one is given.
    ///
    /// # Errors
    /// The refusal; [`Kind::Changed`] where the object is another by now.
    pub fn get(&self, key: &str, etag: Option<&str>) -> Result<(Bytes, String), Failure> {
        self.retrying(|client| {
            let request = client.get_object().bucket(&self.name).key(key);
            self.body(request.set_if_match(etag.map(String::from)), key, None)
        })
    }

    /// Whole objects of these keys and ETags, several at a time, in the order asked.
    ///
    /// # Errors
    /// The refusal; [`Kind::Changed`] where an object is another by now.
    pub fn get_all(&self, objects: &[(String, Option<String>)]) -> Result<Vec<Bytes>, Failure> {
        drop(self.client());
        let mut found = Vec::with_capacity(objects.len());
        for some in objects.chunks(OBJECTS_ABREAST) {
            let requests = some.iter().map(|(key, etag)| {
                self.retrying_later(move |client| {
                    let request = client.get_object().bucket(&self.name).key(key);
                    self.body(request.set_if_match(etag.clone()), key, None)
                })
            });
            let answers = self.aws.run(futures_util::future::join_all(requests));
            for answer in answers {
                found.push(answer?.0);
            }
        }
        Ok(found)
    }

    /// Ranges of the object of an ETag, several at a time, in the order asked.
    ///
    /// # Errors
    /// The refusal; [`Kind::Changed`] where the object is another by now.
    pub fn ranges(&self, key: &str, etag: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, Failure> {
        drop(self.client());
        let mut found = Vec::with_capacity(ranges.len());
        for some in ranges.chunks(ABREAST) {
            let requests = some.iter().map(|range| {
                self.retrying_later(move |client| {
                    let request = client.get_object().bucket(&self.name).key(key).if_match(etag);
                    let request = request.range(format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
                    self.body(request, key, Some(range.end - range.start))
                })
            });
            let answers = self.aws.run(futures_util::future::join_all(requests));
            for answer in answers {
                found.push(answer?.0);
            }
        }
        Ok(found)
    }

    async fn body(
        &self,
        request: aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder,
        key: &str,
        wanted: Option<u64>,
    ) -> Result<(Bytes, String), Failure> {
        const ACTION: &str = "s3:GetObject";
        self.counters.reads.fetch_add(1, Ordering::Relaxed);
        let answer = request.send().await.map_err(|error| Failure::of(ACTION, self.address(key), error))?;
        let etag = answer.e_tag().unwrap_or_default().to_string();
        let promised = wanted.or_else(|| answer.content_length().and_then(|length| u64::try_from(length).ok()));
        let cut = |said: String| Failure::cut(ACTION, self.address(key), said);
        let body = tokio::time::timeout(BODY, answer.body.collect()).await;
        let body = body.map_err(|late| cut(format!("the body took too long ({late})")))?;
        let bytes = body.map_err(|error| cut(format!("the body was cut ({error})")))?.into_bytes();
        self.counters.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        match promised {
            Some(promised) if promised != bytes.len() as u64 => {
                Err(cut(format!("{} bytes came, {promised} were promised", bytes.len())))
            }
            _ => Ok((bytes, etag)),
        }
    }

    /// Writes an object; returns its ETag.
    ///
    /// A write whose answer was lost is told from somebody else's by its bytes.
    ///
    /// # Errors
    /// The refusal; [`Kind::Changed`] where the condition does not hold.
    pub fn put(&self, key: &str, bytes: &Bytes, condition: &Condition) -> Result<String, Failure> {
        let result = self.retrying(|client| {
            let request = client.put_object().bucket(&self.name).key(key).body(ByteStream::from(bytes.clone()));
            let request = match condition {
                Condition::Always => request,
                Condition::Absent => request.if_none_match("*"),
                Condition::Is(etag) => request.if_match(etag),
            };
            let patience = TimeoutConfig::builder().operation_attempt_timeout(time_to_send(bytes.len())).build();
            let patience = aws_sdk_s3::config::Builder::new().timeout_config(patience);
            async move {
                let answer = request.customize().config_override(patience).send().await;
                answer.map_err(|error| Failure::of("s3:PutObject", self.address(key), error))
            }
        });
        match result {
            Ok(answer) => Ok(answer.e_tag().unwrap_or_default().to_string()),
            Err(failure) if failure.kind == Kind::Changed => match self.get(key, None) {
                Ok((found, etag)) if found == *bytes => Ok(etag),
                _ => Err(failure),
            },
            Err(failure) => Err(failure),
        }
    }

    /// Copies an object within the bucket.
    ///
    /// # Errors
    /// The refusal.
    pub fn copy(&self, from: &str, to: &str) -> Result<(), Failure> {
        let source = format!("{}/{}", self.name, escaped(from));
        self.retrying(|client| {
            let request = client.copy_object().bucket(&self.name).key(to).copy_source(&source);
            async move {
                let answer = request.send().await;
                answer.map(|_| ()).map_err(|error| Failure::of("s3:PutObject", self.address(to), error))
            }
        })
    }

    /// Removes an object; one that is not there is removed already.
    ///
    /// # Errors
    /// The refusal.
    pub fn delete(&self, key: &str) -> Result<(), Failure> {
        self.retrying(|client| {
            let request = client.delete_object().bucket(&self.name).key(key);
            async move {
                let answer = request.send().await;
                answer.map(|_| ()).map_err(|error| Failure::of("s3:DeleteObject", self.address(key), error))
            }
        })
    }

    fn retrying<T, F>(&self, request: impl Fn(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        // Credentials are loaded by a request of their own, which cannot run inside another.
        drop(self.client());
        self.aws.run(self.retrying_later(request))
    }

    /// Tries until it works, may not, or has been tried often enough. A bucket of another region is
    /// asked there, where S3 says which.
    async fn retrying_later<T, F>(&self, request: impl Fn(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let started = Instant::now();
        let mut moved = false;
        let mut tried = 0;
        loop {
            match request(self.client()).await {
                Err(Failure { kind: Kind::WrongRegion(Some(region)), .. }) if !moved => {
                    moved = true;
                    self.move_to(&region);
                }
                Err(failure) if failure.is_transient() && tried + 1 < TRIES && started.elapsed() < ALL_TRIES => {
                    tokio::time::sleep(wait(tried)).await;
                    tried += 1;
                }
                result => return result,
            }
        }
    }

    fn client(&self) -> Client {
        if let Some(client) = &*self.client.read().unwrap_or_else(PoisonError::into_inner) {
            return client.clone();
        }
        let client = self.connect(None);
        self.client.write().unwrap_or_else(PoisonError::into_inner).get_or_insert(client).clone()
    }

    fn move_to(&self, region: &str) {
        let client = self.connect(Some(region));
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = Some(client);
    }

    fn connect(&self, region: Option<&str>) -> Client {
        let shared = self.aws.config(&self.access);
        let mut config = aws_sdk_s3::config::Builder::from(&shared).retry_config(RetryConfig::disabled());
        // Servers other than AWS's own know buckets by path alone.
        let names = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];
        if shared.endpoint_url().is_some() || names.iter().any(|name| std::env::var_os(name).is_some()) {
            config = config.force_path_style(true);
        }
        if let Some(region) = region {
            config = config.region(aws_config::Region::new(region.to_string()));
        }
        Client::from_conf(config.build())
    }
}

/// How long an upload may take: a minute, and a second more for each half megabyte.
fn time_to_send(bytes: usize) -> Duration {
    Duration::from_secs(60 + (bytes as u64 >> 19))
}

/// The wait before the next try: doubled each time, half of it left to chance.
fn wait(tried: u32) -> Duration {
    let longest = WAIT.saturating_mul(1 << tried.min(10)).min(WAIT_MAX);
    let chance = RandomState::new().build_hasher().finish() % 1_000;
    longest / 2 + longest / 2 * u32::try_from(chance).unwrap_or(0) / 1_000
}

/// A key as a copy's source header writes it.
fn escaped(key: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    key.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
