//! Just enough of HTTP/1.1 for the proxy: reads whole messages and writes heads. Bodies are held in memory.

use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::sleep;
use std::time::Duration;

pub type Headers = Vec<(String, String)>;

/// Headers that belong to one connection or to the way a body is sent; the proxy writes its own.
const OWN_HEADERS: [&str; 4] = ["connection", "keep-alive", "transfer-encoding", "content-length"];
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// A request as the client sent it, its body decoded from HTTP chunks.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// The path with its query, still percent-encoded.
    pub path: String,
    pub headers: Headers,
    pub body: Vec<u8>,
    pub keep_alive: bool,
}

impl Request {
    /// The value of a header, whose name may be in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        value(&self.headers, name)
    }

    /// Sends the request to `address` over a connection of its own.
    pub fn send(&self, address: SocketAddr) -> io::Result<Reply> {
        let mut upstream = TcpStream::connect(address)?;
        upstream.set_read_timeout(Some(LONGEST_WAIT))?;
        upstream.set_nodelay(true)?;
        let has_body = !self.body.is_empty() || self.header("content-length").is_some();
        let length = has_body.then_some(self.body.len() as u64);
        let mut bytes = head(&format!("{} {} HTTP/1.1", self.method, self.path), &self.headers, length, false);
        bytes.extend_from_slice(&self.body);
        // Who refuses a request may close before having read all of it: the answer counts.
        let written = upstream.write_all(&bytes);
        read_reply(&mut BufReader::new(upstream), &self.method).or_else(|error| written.and(Err(error)))
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
    /// The promised length: that of the body, after a HEAD that of the body not sent, none for a 204 or 304.
    pub length: Option<u64>,
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { status, headers, length: Some(body.len() as u64), body }
    }

    /// An error as S3 writes it, such as 403 `AccessDenied` or 409 `ConditionalRequestConflict`.
    pub fn s3_error(status: u16, code: &str) -> Self {
        let xml = format!("<Error><Code>{code}</Code><Message>{code}</Message><RequestId>R</RequestId></Error>");
        Self::new(status, "application/xml", format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{xml}"))
    }
}

/// Reads a request but for its very last byte; none when the client has closed or the proxy stops.
pub fn receive(mut client: &TcpStream, stop: &AtomicBool) -> io::Result<Option<Request>> {
    let Some(text) = receive_head(client, stop)? else { return Ok(None) };
    let (first, headers) = parse_head(&text);
    let [method, path, version] = first.split(' ').collect::<Vec<_>>()[..] else {
        return Err(ErrorKind::InvalidData.into());
    };
    let length = value(&headers, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let chunked = says(&headers, "transfer-encoding", "chunked");
    if says(&headers, "expect", "100-continue") {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = Vec::new();
    if chunked {
        exactly(client, 1)?;
        body = read_chunks(&mut client)?;
    } else if length > 0 {
        exactly(client, 1)?;
        body = exactly(client, length - 1)?;
        let mut last = [0];
        if client.peek(&mut last)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        body.extend(last);
    }
    let keep_alive = version != "HTTP/1.0" && !says(&headers, "connection", "close");
    Ok(Some(Request { method: method.to_owned(), path: path.to_owned(), headers, body, keep_alive }))
}

/// Waits for a request's head and reads it but for its last byte.
fn receive_head(client: &TcpStream, stop: &AtomicBool) -> io::Result<Option<String>> {
    client.set_read_timeout(Some(Duration::from_millis(50)))?;
    let mut seen = vec![0; 1 << 16];
    while !stop.load(SeqCst) {
        let count = match client.peek(&mut seen) {
            Ok(0) => return Ok(None),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            count => count?,
        };
        if let Some(at) = seen[..count].windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            client.set_read_timeout(Some(LONGEST_WAIT))?;
            let bytes = exactly(client, at as u64 + 3)?;
            return Ok(Some(String::from_utf8_lossy(&bytes).into_owned()));
        }
        if count == seen.len() {
            return Err(ErrorKind::InvalidData.into());
        }
        sleep(Duration::from_millis(1));
    }
    Ok(None)
}

fn read_reply(reader: &mut impl Read, method: &str) -> io::Result<Reply> {
    let (status, headers) = loop {
        let mut text = String::new();
        while !text.ends_with("\n\n") {
            text += &line(reader)?;
            text.push('\n');
        }
        let (first, headers) = parse_head(&text);
        match first.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or(ErrorKind::InvalidData)? {
            100..200 => {} // 100 Continue: the answer is still to come
            status => break (status, headers),
        }
    };
    let length = value(&headers, "content-length").and_then(|text| text.parse().ok());
    let mut body = Vec::new();
    match length {
        _ if method == "HEAD" || matches!(status, 204 | 304) => return Ok(Reply { status, headers, body, length }),
        _ if says(&headers, "transfer-encoding", "chunked") => body = read_chunks(reader)?,
        Some(length) => body = exactly(reader, length)?,
        None => drop(reader.read_to_end(&mut body)?),
    }
    Ok(Reply { status, headers, length: Some(body.len() as u64), body })
}

/// Decodes a chunked body; its last byte stays unread.
fn read_chunks(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(reader)?;
        let size = size.split(';').next().unwrap_or_default().trim();
        match u64::from_str_radix(size, 16).map_err(io::Error::other)? {
            0 => break,
            size => body.extend(exactly(&mut *reader, size)?),
        }
        line(reader)?;
    }
    while exactly(&mut *reader, 1)? != b"\r" {
        line(reader)?; // a trailer
    }
    Ok(body)
}

/// One line without its end.
fn line(reader: &mut impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    while bytes.last() != Some(&b'\n') {
        bytes.extend(exactly(&mut *reader, 1)?);
    }
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

pub fn exactly(reader: impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let count = reader.take(length).read_to_end(&mut bytes)? as u64;
    if count == length { Ok(bytes) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

/// The first line and the headers.
fn parse_head(text: &str) -> (String, Headers) {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    let pairs = lines.filter_map(|line| line.split_once(':'));
    (first, pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect())
}

/// Writes a head: the first line, the headers that may be passed on, and the proxy's own.
pub fn head(first: &str, headers: &Headers, length: Option<u64>, keep_alive: bool) -> Vec<u8> {
    let passed = headers.iter().filter(|(name, _)| !OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()));
    let mut text = format!("{first}\r\n");
    text.extend(passed.map(|(name, value)| format!("{name}: {value}\r\n")));
    text.extend(length.map(|length| format!("Content-Length: {length}\r\n")));
    text += if keep_alive { "Connection: keep-alive\r\n\r\n" } else { "Connection: close\r\n\r\n" };
    text.into_bytes()
}

fn value<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn says(headers: &Headers, name: &str, word: &str) -> bool {
    value(headers, name).is_some_and(|value| value.to_ascii_lowercase().contains(word))
}
