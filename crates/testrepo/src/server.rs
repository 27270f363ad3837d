//! A minimal HTTP/1.1 server of a folder, on a local socket.

mod fault;

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use sha2::{Digest, Sha256};

pub use fault::Fault;

#[derive(Debug)]
struct State {
    folder: PathBuf,
    stop: AtomicBool,
    requests: Mutex<Vec<String>>,
    faults: Mutex<HashMap<String, Vec<Fault>>>,
}

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

/// Serves a folder on a free port of 127.0.0.1: GET, single ranges, keep-alive, ETags.
pub fn serve(folder: &Path) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let state = Arc::new(State {
        folder: folder.to_owned(),
        stop: AtomicBool::new(false),
        requests: Mutex::default(),
        faults: Mutex::default(),
    });
    let shared = Arc::clone(&state);
    let thread = std::thread::spawn(move || {
        for stream in listener.incoming() {
            if shared.stop.load(Ordering::Relaxed) {
                return;
            }
            let (Ok(stream), state) = (stream, Arc::clone(&shared)) else { continue };
            // A client that goes away is its own business.
            std::thread::spawn(move || drop(state.converse(stream)));
        }
    });
    Server { address, state, thread: Some(thread) }
}

impl Server {
    /// The root's URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The paths that were asked for, in order; a ranged request has ` (range)` appended.
    pub fn requests(&self) -> Vec<String> {
        self.state.requests.lock().unwrap().clone()
    }

    /// How many requests were for paths that contain `part`.
    pub fn count(&self, part: &str) -> usize {
        self.requests().iter().filter(|r| r.contains(part)).count()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.state.requests.lock().unwrap().clear();
    }

    /// Lets the next answers for `path` (with its leading slash) go wrong, one fault each.
    pub fn inject(&self, path: &str, faults: &[Fault]) {
        let mut all = self.state.faults.lock().unwrap();
        all.entry(path.to_owned()).or_default().extend_from_slice(faults);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// A request, as far as this server understands it.
struct Request {
    path: String,
    /// The first byte of `Range: bytes=N-`.
    range: Option<usize>,
    if_range: Option<String>,
}

impl State {
    fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        while !self.stop.load(Ordering::Relaxed) {
            let Some(request) = read_request(&mut reader)? else { return Ok(()) };
            let ranged = if request.range.is_some() { " (range)" } else { "" };
            self.requests.lock().unwrap().push(format!("{}{ranged}", request.path));
            if !self.answer(&request, &mut stream)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Answers; whether the connection can be used again.
    fn answer(&self, request: &Request, out: &mut TcpStream) -> io::Result<bool> {
        let fault = {
            let mut faults = self.faults.lock().unwrap();
            faults.get_mut(&request.path).filter(|f| !f.is_empty()).map(|f| f.remove(0))
        };
        if let Some(fault) = &fault
            && let Some(again) = fault.answer(out)?
        {
            return Ok(again);
        }
        let path = self.folder.join(request.path.trim_start_matches('/'));
        let safe = !request.path.contains("..");
        let Some(body) = safe.then(|| fs::read(&path).ok()).flatten() else {
            write!(out, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(true);
        };
        let tag = format!("\"{}\"", &hex::encode(Sha256::digest(&body))[..16]);
        let is = |kind: Fault| fault.as_ref() == Some(&kind);
        let fresh = request.if_range.as_ref().is_none_or(|t| *t == tag);
        let start = request
            .range
            .filter(|start| *start < body.len() && !is(Fault::IgnoreRange))
            .filter(|_| fresh || is(Fault::IgnoreIfRange))
            .unwrap_or(0);
        let rest = &body[start..];
        if start == 0 {
            write!(out, "HTTP/1.1 200 OK\r\nETag: {tag}\r\n")?;
        } else {
            let first = if is(Fault::WrongContentRange) { 0 } else { start };
            let total = body.len() + usize::from(is(Fault::WrongTotal));
            let last = total - 1;
            write!(
                out,
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{total}\r\n"
            )?;
            if is(Fault::WrongTag) {
                write!(out, "ETag: \"another\"\r\n")?;
            } else if !is(Fault::IgnoreIfRange) {
                write!(out, "ETag: {tag}\r\n")?;
            }
        }
        if let Some(fault) = &fault
            && let Some(again) = fault.body(rest, out)?
        {
            return Ok(again);
        }
        write!(out, "Content-Length: {}\r\n\r\n", rest.len())?;
        out.write_all(rest).map(|()| true)
    }
}

/// Reads a request; `None` at the end of the connection or for what is not a GET.
fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (Some("GET"), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let mut request = Request { path: decode(path), range: None, if_range: None };
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("range", value) => {
                let start = value.strip_prefix("bytes=").and_then(|r| r.strip_suffix('-'));
                request.range = start.and_then(|s| s.parse().ok());
            }
            ("if-range", value) => request.if_range = Some(value.to_owned()),
            _ => {}
        }
    }
    Ok(Some(request))
}

/// Undoes `%XX`.
fn decode(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        let escaped = (first == b'%' && rest.len() >= 2).then(|| hex::decode(&rest[..2]));
        match escaped {
            Some(Ok(byte)) => {
                bytes.extend(byte);
                rest = &rest[2..];
            }
            _ => bytes.push(first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
