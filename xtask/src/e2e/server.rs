//! The site's server: HTTPS on this machine, which QEMU's user network shows to the guest as
//! `10.0.2.2`.
//!
//! It has files (the repository, the container's archive), plays the part of the cluster's API that
//! the stand-ins of kubelet and kubectl use, keeps what is sent to it, and can be switched off or show
//! another certificate while the guest runs.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The longest body that is taken, in bytes.
const LONGEST: usize = 1 << 20;

/// What is served and what came in; the guest's requests and the test change it.
#[derive(Debug)]
pub(super) struct State {
    /// The certificate that is shown.
    pub(super) tls: Arc<ServerConfig>,
    /// Files by their paths, with the slash in front.
    pub(super) files: BTreeMap<String, Arc<[u8]>>,
    /// Whether nodes may register.
    pub(super) admits: bool,
    /// Nodes that have registered, and what their kubelets sent.
    pub(super) nodes: BTreeMap<String, Vec<u8>>,
    /// What was put below `/report/`, by its name.
    pub(super) reports: BTreeMap<String, Vec<u8>>,
    /// Every request: method and path.
    pub(super) requests: Vec<String>,
}

/// The server; it stops when dropped.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) port: u16,
    state: Arc<Mutex<State>>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Starts on `port`, or on any if that one is taken.
    pub(super) fn start(port: u16, tls: Arc<ServerConfig>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .context("a port for the server")?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(Mutex::new(State {
            tls,
            files: BTreeMap::new(),
            admits: true,
            nodes: BTreeMap::new(),
            reports: BTreeMap::new(),
            requests: Vec::new(),
        }));
        let running = Some(listen(listener, &state));
        Ok(Self { port, state, running })
    }

    /// What is served and what came in.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody listens any more: connections are refused.
    pub(super) fn down(&mut self) {
        if let Some(Running { stop, thread }) = self.running.take() {
            stop.store(true, Ordering::Relaxed);
            // Wakes the thread that accepts.
            drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
            drop(thread.join());
        }
    }

    /// Listens again.
    pub(super) fn up(&mut self) -> Result<()> {
        if self.running.is_none() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port))
                .with_context(|| format!("port {} for the server", self.port))?;
            self.running = Some(listen(listener, &self.state));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.down();
    }
}

fn listen(listener: TcpListener, state: &Arc<Mutex<State>>) -> Running {
    let (state, stop) = (Arc::clone(state), Arc::new(AtomicBool::new(false)));
    let stopped = Arc::clone(&stop);
    let thread = std::thread::spawn(move || {
        for stream in listener.incoming() {
            if stopped.load(Ordering::Relaxed) {
                return;
            }
            let (Ok(stream), state, stopped) = (stream, Arc::clone(&state), Arc::clone(&stopped))
            else {
                continue;
            };
            // A client that goes away, or does not like the certificate, is its own business.
            std::thread::spawn(move || drop(converse(stream, &state, &stopped)));
        }
    });
    Running { stop, thread }
}

/// Answers one connection's requests.
fn converse(stream: TcpStream, state: &Mutex<State>, stop: &AtomicBool) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
    let tls = Arc::clone(&lock().tls);
    let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    while let Some(request) = Request::read(&mut stream)? {
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (status, body) = lock().answer(&request);
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.get_mut().write_all(head.as_bytes())?;
        stream.get_mut().write_all(&body)?;
        stream.get_mut().flush()?;
    }
    Ok(())
}

/// A request, as far as this server understands it.
#[derive(Debug)]
struct Request {
    method: String,
    path: String,
    body: Vec<u8>,
}

impl Request {
    /// The next one; `None` at the end of the connection.
    fn read(stream: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
        let (method, path) = (method.to_owned(), target.split('?').next().unwrap_or_default());
        let (path, mut length) = (path.to_owned(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        if length > LONGEST {
            return Err(io::Error::other("a body that is too long"));
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        Ok(Some(Self { method, path, body }))
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> (&'static str, Arc<[u8]>) {
        let Request { method, path, body } = request;
        self.requests.push(format!("{method} {path}"));
        let empty = || Arc::from([]);
        let node = path.strip_prefix("/nodes/").map(str::to_owned);
        match (method.as_str(), node, path.strip_prefix("/report/")) {
            ("PUT", Some(node), _) if self.admits => {
                self.nodes.insert(node, body.clone());
                ("201 Created", empty())
            }
            ("PUT", Some(_), _) => ("503 Service Unavailable", empty()),
            ("GET", Some(node), _) if self.nodes.contains_key(&node) => {
                ("200 OK", Arc::from(READY))
            }
            ("PUT", _, Some(name)) => {
                self.reports.insert(name.to_owned(), body.clone());
                ("201 Created", empty())
            }
            ("GET", None, None) => match self.files.get(path) {
                Some(file) => ("200 OK", Arc::clone(file)),
                None => ("404 Not Found", empty()),
            },
            _ => ("404 Not Found", empty()),
        }
    }
}

/// What the cluster says of a node, as far as anybody here looks at it.
const READY: &[u8] = br#"{"status": {"conditions": [{"type": "Ready", "status": "True"}]}}"#;

#[cfg(test)]
mod tests {
    use std::io::Read;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::super::authority::{Authority, Validity};
    use super::*;

    const ALWAYS: Validity = Validity { from: 0, to: 4_000_000_000 };

    /// What the server answers to a client that knows `authority` only.
    fn ask(server: &Server, authority: &Authority, request: &str) -> io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream =
            StreamOwned::new(connection, TcpStream::connect((Ipv4Addr::LOCALHOST, server.port))?);
        stream.write_all(request.as_bytes())?;
        let mut answer = [0; 4096];
        let length = stream.read(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    #[test]
    fn only_who_knows_the_authority_is_served_and_only_while_it_is_up() {
        let [known, strange] = ["known", "strange"].map(|name| Authority::new(name).unwrap());
        let mut server = Server::start(0, known.server("127.0.0.1", ALWAYS).unwrap()).unwrap();
        server.state().files.insert("/a".into(), b"b".as_slice().into());
        let get = "GET /a?mac=1 HTTP/1.1\r\n\r\n";
        assert!(ask(&server, &known, get).unwrap().starts_with("HTTP/1.1 200 OK"));
        assert!(ask(&server, &strange, get).is_err());
        server.down();
        assert!(ask(&server, &known, get).is_err());
        server.up().unwrap();
        assert!(ask(&server, &known, get).unwrap().starts_with("HTTP/1.1 200 OK"));
        server.state().tls = strange.server("127.0.0.1", ALWAYS).unwrap();
        assert!(ask(&server, &known, get).is_err());
        server.state().tls =
            known.server("127.0.0.1", Validity { from: 0, to: 1_000_000_000 }).unwrap();
        assert!(ask(&server, &known, get).is_err());
        assert_eq!(server.state().requests, ["GET /a", "GET /a"]);
    }

    #[test]
    fn nodes_are_known_once_they_were_admitted() {
        let authority = Authority::new("known").unwrap();
        let server = Server::start(0, authority.server("127.0.0.1", ALWAYS).unwrap()).unwrap();
        let ask = |request: &str| {
            let answer = ask(&server, &authority, request).unwrap();
            answer.split(' ').nth(1).unwrap().to_owned()
        };
        server.state().admits = false;
        let put = "PUT /nodes/n HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi";
        assert_eq!(ask(put), "503");
        assert_eq!(ask("GET /nodes/n HTTP/1.1\r\n\r\n"), "404");
        server.state().admits = true;
        assert_eq!(ask(put), "201");
        assert_eq!(ask("GET /nodes/n HTTP/1.1\r\n\r\n"), "200");
        assert_eq!(ask("PUT /report/r HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"), "201");
        assert_eq!(server.state().reports["r"], b"hi");
    }
}
