//! A forwarding HTTP/1.1 proxy that spoils answers on purpose, to test what a client does then.
//!
//! A [`Plan`] says what becomes of each request: it is forwarded, answered by the plan itself, or gets a [`Fault`].
//! Whether a request gets a fault depends only on the seed, the request and how often it was sent, so parallel
//! clients meet the same faults in every run.

#[path = "http.rs"]
mod http;

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use http::{Reply, Request};

/// Called before the nth (from 1) request that the plan's `only` lets through. It may ask the upstream itself.
pub type Hook = Box<dyn Fn(usize, &Request) -> Action + Send + Sync>;

/// What is done with a request.
#[derive(Clone, Debug)]
pub enum Action {
    Forward,
    Fault(Fault),
    Answer(Reply),
}

/// A way to fail. The upstream never gets a request that meets one of the first three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 500 `InternalError`.
    InternalError,
    /// 503 `SlowDown`.
    SlowDown,
    /// Resets the connection before any answer.
    Reset,
    /// Closes without an answer: the client cannot know that its request was carried out.
    Lost,
    /// Closes in the middle of the body, or in the middle of the head when there is no body.
    CutBody,
    /// Promises a longer body than it sends, then closes.
    WrongLength,
    /// Waits before the answer.
    SlowStart(Duration),
    /// Waits in the middle of the answer.
    SlowMiddle(Duration),
}

/// What the proxy does. The default forwards everything.
pub struct Plan {
    pub seed: u64,
    /// How many of a thousand requests get one of `faults`.
    pub per_mille: u64,
    pub faults: Vec<Fault>,
    /// How often in a row the same request may get a fault.
    pub in_a_row: u32,
    /// The requests that the faults and the hook are for.
    pub only: fn(&Request) -> bool,
    /// Decides before a fault is drawn; on `Forward` the draw goes on.
    pub before: Option<Hook>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { seed: 0, per_mille: 0, faults: Vec::new(), in_a_row: u32::MAX, only: |_| true, before: None }
    }
}

impl Plan {
    /// Faults of every kind, at most two in a row for the same request: asking three times is enough.
    pub fn faults(seed: u64, per_mille: u64) -> Self {
        use Fault::{CutBody, InternalError, Lost, Reset, SlowDown, SlowMiddle, SlowStart, WrongLength};
        let wait = Duration::from_millis(50);
        let slow = [SlowStart(wait), SlowMiddle(wait)];
        let faults = [InternalError, SlowDown, Reset, Lost, CutBody, WrongLength].into_iter().chain(slow).collect();
        Self { seed, per_mille, faults, in_a_row: 2, ..Self::default() }
    }

    /// Asks the hook about every request.
    pub fn hook(before: impl Fn(usize, &Request) -> Action + Send + Sync + 'static) -> Self {
        Self { before: Some(Box::new(before)), ..Self::default() }
    }
}

/// A request that the proxy got, and what became of it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub request: Arc<Request>,
    /// The status that the client was sent; 0 for none.
    pub status: u16,
    /// Bytes of the answer's body that were written to the client.
    pub sent: usize,
    pub fault: Option<Fault>,
}

#[derive(Default)]
struct Log {
    seen: Vec<Seen>,
    /// How many requests the plan's `only` let through.
    matching: usize,
    /// By request: how often it was sent, and how often in a row it got a fault.
    tries: HashMap<u64, (u64, u32)>,
}

impl Log {
    fn count(&mut self) -> usize {
        self.matching += 1;
        self.matching
    }
}

struct Shared {
    upstream: SocketAddr,
    plan: Plan,
    stop: AtomicBool,
    log: Mutex<Log>,
}

/// A running proxy; it stops when dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1. A plan that answers everything itself needs no real upstream.
    pub fn start(upstream: SocketAddr, plan: Plan) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { upstream, plan, stop: AtomicBool::new(false), log: Mutex::default() });
        let for_thread = Arc::clone(&shared);
        let thread = Some(thread::spawn(move || for_thread.accept(&listener)));
        Ok(Self { address, shared, thread })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far, in the order in which they were answered.
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.log().seen.clone()
    }

    /// Forgets all requests; the count for the hook and the draws of faults begin anew.
    pub fn reset(&self) {
        *self.shared.log() = Log::default();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        drop(TcpStream::connect(self.address)); // wakes the thread out of accept()
        drop(self.thread.take().map(JoinHandle::join));
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(&self, listener: &TcpListener) {
        thread::scope(|scope| {
            while let Ok((client, _)) = listener.accept()
                && !self.stop.load(SeqCst)
            {
                scope.spawn(move || while self.exchange(&client).unwrap_or(false) {});
            }
        });
    }

    /// One request and its answer; true when the connection may carry another.
    fn exchange(&self, client: &TcpStream) -> io::Result<bool> {
        client.set_nodelay(true)?;
        let Some(request) = http::receive(client, &self.stop)? else { return Ok(false) };
        let (fault, reply) = match self.decide(&request) {
            Action::Fault(Fault::Reset) => {
                client.peek(&mut [0])?; // closing while the last byte waits unread resets the connection
                self.note(request, 0, 0, Some(Fault::Reset));
                return Ok(false);
            }
            Action::Fault(Fault::InternalError) => (Some(Fault::InternalError), Reply::s3_error(500, "InternalError")),
            Action::Fault(Fault::SlowDown) => (Some(Fault::SlowDown), Reply::s3_error(503, "SlowDown")),
            Action::Fault(fault) => (Some(fault), self.forward(&request)),
            Action::Answer(reply) => (None, reply),
            Action::Forward => (None, self.forward(&request)),
        };
        http::exactly(client, 1)?;
        self.answer(client, request, &reply, fault)
    }

    fn forward(&self, request: &Request) -> Reply {
        let answer = request.send(self.upstream);
        answer.unwrap_or_else(|error| Reply::new(502, "text/plain", format!("upstream: {error}")))
    }

    fn decide(&self, request: &Request) -> Action {
        if !(self.plan.only)(request) {
            return Action::Forward;
        }
        let nth = self.log().count();
        match self.plan.before.as_ref().map_or(Action::Forward, |hook| hook(nth, request)) {
            Action::Forward => self.draw(request).map_or(Action::Forward, Action::Fault),
            decided => decided,
        }
    }

    fn draw(&self, request: &Request) -> Option<Fault> {
        // The calls of an API share a path and differ in the body; what is put to S3 is told by its key.
        let body = if request.method == "POST" { &request.body[..] } else { &[] };
        let range = request.header("range").unwrap_or_default();
        let parts = [request.method.as_bytes(), request.path.as_bytes(), range.as_bytes(), body];
        let key = parts.iter().fold(self.plan.seed, |hash, part| mix(hash, part));
        let mut log = self.log();
        let (sent, in_a_row) = log.tries.entry(key).or_default();
        *sent += 1;
        let drawn = mix(key, &sent.to_le_bytes());
        if drawn % 1000 >= self.plan.per_mille || *in_a_row >= self.plan.in_a_row {
            *in_a_row = 0;
            return None;
        }
        *in_a_row += 1;
        let kinds = self.plan.faults.len().max(1) as u64;
        self.plan.faults.get((drawn / 1000 % kinds) as usize).copied()
    }

    fn note(&self, request: Request, status: u16, sent: usize, fault: Option<Fault>) {
        self.log().seen.push(Seen { request: Arc::new(request), status, sent, fault });
    }

    /// Writes the answer as far as the fault lets it; true when the connection may carry another.
    fn answer(&self, mut client: &TcpStream, to: Request, reply: &Reply, fault: Option<Fault>) -> io::Result<bool> {
        let spoiled = matches!(fault, Some(Fault::Lost | Fault::CutBody | Fault::WrongLength));
        let keep = to.keep_alive && !spoiled;
        let longer = if fault == Some(Fault::WrongLength) { 1000 } else { 0 };
        let body = if to.method == "HEAD" { &[] } else { &reply.body[..] };
        let first = format!("HTTP/1.1 {} -", reply.status);
        let mut bytes = http::head(&first, &reply.headers, reply.length.map(|length| length + longer), keep);
        let middle = if body.is_empty() { bytes.len() / 2 } else { bytes.len() + body.len() / 2 };
        bytes.extend_from_slice(body);
        let (status, sent) = match fault {
            Some(Fault::Lost) => (0, 0),
            Some(Fault::CutBody) if body.is_empty() => (0, 0),
            Some(Fault::CutBody) => (reply.status, body.len() / 2),
            _ => (reply.status, body.len()),
        };
        self.note(to, status, sent, fault); // before the client has the answer and may ask for the log
        match fault {
            Some(Fault::Lost) => bytes.clear(),
            Some(Fault::CutBody) => bytes.truncate(middle),
            Some(Fault::SlowStart(wait)) => thread::sleep(wait),
            Some(Fault::SlowMiddle(wait)) => {
                client.write_all(&bytes[..middle])?;
                bytes.drain(..middle);
                thread::sleep(wait);
            }
            _ => {}
        }
        client.write_all(&bytes)?;
        Ok(keep)
    }
}

/// FNV-1a, then the last steps of `SplitMix64` to spread it over all bits.
fn mix(seed: u64, bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = bytes.iter().fold(seed ^ 0xcbf2_9ce4_8422_2325, step);
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    const BODY: &str = "a body of twenty-six bytes";

    /// A server for as long as the tests run: echoes what is put, answers with `BODY`, in chunks if asked to.
    fn upstream() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("its address");
        thread::spawn(move || listener.incoming().flatten().for_each(|client| drop(echo(&client))));
        address
    }

    fn echo(mut client: &TcpStream) -> io::Result<()> {
        let Some(request) = http::receive(client, &AtomicBool::new(false))? else { return Ok(()) };
        http::exactly(client, 1)?;
        let text = match (request.method.as_str(), request.path.as_str()) {
            ("PUT", _) => format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{:?}", request.body),
            ("HEAD", _) => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", BODY.len()),
            (_, "/304") => "HTTP/1.1 304 Not Modified\r\nETag: e\r\n\r\n".to_owned(),
            (_, "/chunked") => format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}", chunks()),
            _ => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len()),
        };
        client.write_all(text.as_bytes())
    }

    fn chunks() -> String {
        format!("5;x=y\r\n{}\r\n15\r\n{}\r\n0\r\nTrailer: t\r\n\r\n", &BODY[..5], &BODY[5..])
    }

    fn start(plan: Plan) -> Proxy {
        Proxy::start(upstream(), plan).expect("a proxy")
    }

    fn always(fault: Fault) -> Plan {
        Plan::hook(move |_, _| Action::Fault(fault))
    }

    /// Sends one request, or several, and reads until the proxy closes.
    fn ask(proxy: &Proxy, text: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(proxy.address())?;
        stream.write_all(text.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    }

    fn get(proxy: &Proxy, path: &str) -> io::Result<String> {
        ask(proxy, &format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n"))
    }

    #[test]
    fn forwards_messages_of_every_shape() {
        let proxy = start(Plan::default());
        let chunked = format!("PUT /c HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n{}", chunks());
        assert!(ask(&proxy, &chunked).expect("an answer").ends_with(&format!("{:?}", BODY.as_bytes())));
        let expect = "PUT /e HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi";
        let answer = ask(&proxy, expect).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 100 Continue") && answer.ends_with("[104, 105]"), "{answer}");
        assert!(get(&proxy, "/chunked").expect("an answer").ends_with(BODY));
        assert!(!get(&proxy, "/304").expect("an answer").contains("Content-Length"));
        let two = ask(&proxy, "HEAD /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.0\r\nRange: bytes=0-1\r\n\r\n").expect("two");
        assert_eq!((two.matches("Content-Length: 26").count(), two.matches(BODY).count()), (2, 1));
        let last = proxy.requests().pop().expect("a request");
        assert_eq!((last.status, last.sent, last.request.header("range")), (200, 26, Some("bytes=0-1")));
    }

    #[test]
    fn spoils_answers() {
        let reset = get(&start(always(Fault::Reset)), "/").map_err(|error| error.kind());
        assert_eq!(reset, Err(io::ErrorKind::ConnectionReset));
        let answer = |fault| get(&start(always(fault)), "/").expect("an answer");
        assert_eq!(answer(Fault::Lost), "");
        assert!(answer(Fault::SlowDown).contains("503 -") && answer(Fault::InternalError).contains("500 -"));
        assert!(answer(Fault::CutBody).contains("Content-Length: 26") && answer(Fault::CutBody).ends_with(&BODY[..13]));
        assert!(answer(Fault::WrongLength).contains("Content-Length: 1026"));
        assert!(answer(Fault::SlowStart(Duration::ZERO)).ends_with(BODY));
        assert!(answer(Fault::SlowMiddle(Duration::ZERO)).ends_with(BODY));
    }

    #[test]
    fn draws_depend_on_request_and_seed_but_not_on_order() {
        let drawn = |seed, numbers: &mut dyn Iterator<Item = usize>| {
            let proxy = start(Plan { faults: vec![Fault::SlowDown], ..Plan::faults(seed, 300) });
            numbers.for_each(|number| drop(get(&proxy, &format!("/{}", number % 100))));
            let seen = proxy.requests();
            let mut failed: Vec<_> = seen.iter().filter(|seen| seen.fault.is_some()).collect();
            failed.sort_by(|a, b| a.request.path.cmp(&b.request.path));
            failed.iter().map(|seen| seen.request.path.clone()).collect::<Vec<_>>()
        };
        let failed = drawn(1, &mut (0..200));
        assert!((40..80).contains(&failed.len()), "{} of 200", failed.len());
        assert_eq!(failed, drawn(1, &mut (0..200).rev()));
        assert_ne!(failed, drawn(2, &mut (0..200)));
    }

    #[test]
    fn hook_filter_and_limit() {
        let only = |request: &Request| request.path != "/free";
        let proxy = start(Plan {
            only,
            in_a_row: 2,
            per_mille: 1000,
            faults: vec![Fault::SlowDown],
            ..Plan::hook(|nth, _| match nth {
                1 => Action::Answer(Reply::s3_error(403, "AccessDenied")),
                _ => Action::Forward,
            })
        });
        let statuses = |proxy: &Proxy| proxy.requests().iter().map(|seen| seen.status).collect::<Vec<_>>();
        for path in ["/free", "/a", "/a", "/a", "/a", "/a"] {
            drop(get(&proxy, path));
        }
        assert_eq!(statuses(&proxy), [200, 403, 503, 503, 200, 503]);
        proxy.reset();
        drop(get(&proxy, "/a"));
        assert_eq!(statuses(&proxy), [403]);
    }
}
