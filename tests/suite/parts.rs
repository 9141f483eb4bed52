//! Real parts: AWS's services as servers of this machine, installed by `tests/parts/setup.sh`. One is
//! started once for all tests and ended with them; a test that needs a world of its own starts one more.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness;
use crate::proxy::{Plan, Proxy, Reply, Request, Seen};

/// A server that ends with this guard, and when this process does: it watches its standard input.
pub struct Emulator {
    child: Child,
    address: SocketAddr,
}

impl Emulator {
    /// Its address, `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Host and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs Python text with boto3 at hand, whose endpoint is this server.
    pub fn python(&self, text: &str) {
        let output = Command::new(python())
            .args(["-c", text])
            .env("AWS_ENDPOINT_URL", self.endpoint())
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .output()
            .expect("python runs");
        assert!(output.status.success(), "{}", harness::text(&output.stderr));
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        assert!(ended.is_ok() || std::thread::panicking(), "the server does not end: {ended:?}");
    }
}

/// Where the servers are installed; a missing one is a failure, never a skipped test.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("parts");
        let setup = Command::new("bash").arg(harness::root().join("tests/parts/setup.sh")).arg(&target).output();
        let setup = setup.expect("bash runs");
        assert!(setup.status.success(), "{}", harness::text(&setup.stderr));
        PathBuf::from(harness::text(&setup.stdout).trim())
    })
}

fn start(script: &str, arguments: &[&str]) -> Emulator {
    let mut child = Command::new(python())
        .arg(harness::root().join("tests/parts").join(script))
        .args(arguments)
        // Python would leave files of its own beside the scripts.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the emulator starts");
    let mut line = String::new();
    let out = child.stdout.take().expect("its output");
    BufReader::new(out).read_line(&mut line).expect("its address");
    let address = line.trim().strip_prefix("http://").and_then(|address| address.parse().ok());
    Emulator { address: address.expect("the emulator answers"), child }
}

/// S3, CloudWatch and STS.
pub fn ministack() -> SocketAddr {
    static SERVER: OnceLock<Emulator> = OnceLock::new();
    SERVER.get_or_init(|| start("emulator.py", &["ministack", "--keep-days", "500"])).address
}

/// CloudWatch, STS and IAM for one test alone, with AWS's own pages, limits and refusals; `arguments`
/// as `tests/parts/cloudwatch.py` takes them. A role's account is the account that calls.
pub fn cloudwatch(arguments: &[&str]) -> Emulator {
    start("cloudwatch.py", arguments)
}

/// Cost Explorer and S3 for one test alone.
pub fn moto() -> Emulator {
    start("emulator.py", &["moto"])
}

/// The same, which lets nobody do what no policy allows.
pub fn guarded() -> SocketAddr {
    static SERVER: OnceLock<Emulator> = OnceLock::new();
    SERVER.get_or_init(|| start("emulator.py", &["ministack", "--auth"])).address
}

/// A mail server for one test alone; arguments as `tests/parts/smtp.py` takes them.
pub fn smtp(arguments: &[&str]) -> Emulator {
    start("smtp.py", arguments)
}

/// One test's bucket, behind a proxy that counts and spoils.
pub struct Cloud {
    pub bucket: String,
    pub proxy: Proxy,
    region: &'static str,
}

impl Cloud {
    /// A new bucket; what the proxy does is the plan's.
    pub fn new(plan: Plan) -> Self {
        Self::in_region("us-east-1", plan)
    }

    /// A new bucket in a region, which is not the one that the binary is told.
    pub fn in_region(region: &'static str, plan: Plan) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let bucket = format!("bucket-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let proxy = Proxy::start(ministack(), plan).expect("a proxy");
        let cloud = Self { bucket, proxy, region };
        let place = format!("<LocationConstraint>{region}</LocationConstraint>");
        let body = format!("<CreateBucketConfiguration>{place}</CreateBucketConfiguration>");
        let body = if region == "us-east-1" { String::new() } else { body };
        assert_eq!(cloud.send("PUT", "", body.into_bytes()).status, 200);
        cloud
    }

    /// A request to the server itself, past the proxy.
    pub fn send(&self, method: &str, key: &str, body: Vec<u8>) -> Reply {
        send(self.region, &self.bucket, method, key, body)
    }

    pub fn put(&self, key: &str, body: Vec<u8>) {
        assert_eq!(self.send("PUT", key, body).status, 200, "{key}");
    }

    pub fn get(&self, key: &str) -> Vec<u8> {
        let reply = self.send("GET", key, Vec::new());
        assert_eq!(reply.status, 200, "{key}");
        reply.body
    }

    /// Uploads a folder under a prefix.
    pub fn upload(&self, folder: &Path, prefix: &str) {
        for (path, bytes) in harness::bytes_below(folder) {
            self.put(&format!("{prefix}/{}", path.display()), bytes);
        }
    }

    /// All keys below a prefix, sorted, with their bytes.
    pub fn everything(&self, prefix: &str) -> Vec<(String, Vec<u8>)> {
        let listing = self.send("GET", &format!("?list-type=2&prefix={prefix}"), Vec::new());
        let text = harness::text(&listing.body);
        let keys = text.split("<Key>").skip(1).filter_map(|part| part.split("</Key>").next());
        keys.map(|key| (key.to_string(), self.get(key))).collect()
    }

    /// Runs the binary against the proxy.
    pub fn billtag(&self, folder: &Path, arguments: &[&str]) -> Output {
        self.command(folder, arguments).output().expect("the binary runs")
    }

    /// The binary's call against the proxy.
    pub fn command(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_billtag"));
        command.args(arguments).current_dir(folder).env_remove("XDG_CONFIG_HOME").env_remove("AWS_PROFILE");
        command.env("HOME", folder).env("XDG_CACHE_HOME", folder.join("cache"));
        command.env("AWS_ENDPOINT_URL", format!("http://{}", self.proxy.address()));
        command.env("AWS_ACCESS_KEY_ID", "111122223333").env("AWS_SECRET_ACCESS_KEY", SECRET);
        command.env("AWS_REGION", "us-east-1").env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    /// Standard output of a run that must succeed.
    pub fn stdout(&self, folder: &Path, arguments: &[&str]) -> String {
        let output = self.billtag(folder, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", harness::text(&output.stderr));
        harness::text(&output.stdout)
    }

    /// Exit code and messages of a run, with what differs from run to run replaced.
    pub fn failure(&self, folder: &Path, arguments: &[&str]) -> String {
        let output = self.billtag(folder, arguments);
        let errors = harness::text(&output.stderr).replace(&folder.display().to_string(), "[DIR]");
        let errors = errors.replace(&self.bucket, "bucket").replace(&self.proxy.address().to_string(), "[S3]");
        assert!(!errors.contains(SECRET), "a secret is told: {errors}");
        format!("exit {}\n{errors}", output.status.code().expect("an exit code"))
    }

    /// Requests for objects' data so far, of keys that hold some text.
    pub fn reads(&self, of: &str) -> Vec<Seen> {
        let is_read = |request: &Request| request.method == "GET" && !request.path.contains("list-type=2");
        let seen = self.proxy.requests();
        seen.into_iter().filter(|seen| is_read(&seen.request) && seen.request.path.contains(of)).collect()
    }
}

/// The secret key of all tests, which no output may hold.
pub const SECRET: &str = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYtests";

fn send(region: &str, bucket: &str, method: &str, key: &str, body: Vec<u8>) -> Reply {
    let credential = format!("Credential=111122223333/20261122/{region}/s3/aws4_request");
    let headers = vec![
        ("host".to_string(), ministack().to_string()),
        ("authorization".to_string(), format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=none")),
        ("content-length".to_string(), body.len().to_string()),
    ];
    let separator = if key.starts_with('?') { "" } else { "/" };
    let path = format!("/{bucket}{separator}{}", key.replace(' ', "%20"));
    let request = Request { method: method.into(), path, headers, body, keep_alive: false };
    request.send(ministack()).expect("the server answers")
}

#[test]
fn a_server_of_ones_own_ends_with_its_guard_even_where_a_test_panics() {
    let server = moto();
    let address = server.address;
    let answers = || std::net::TcpStream::connect(address).is_ok();
    assert!(answers());
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        assert_eq!(server.endpoint(), "", "on purpose");
    }));
    assert!(panic.is_err() && !answers());
}
