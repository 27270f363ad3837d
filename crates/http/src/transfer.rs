//! One transfer: opens a URL for reading, over http, https or from the local disk.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use ureq::http::{Response, StatusCode, header};

use crate::error::{Failure, HttpError};
use crate::limits::Limits;
use crate::redirect;

/// Where to go on with a file of which a part is there already.
#[derive(Clone, Debug)]
pub struct Resume {
    /// Bytes that are there.
    pub offset: u64,
    /// Bytes of the whole file.
    pub size: u64,
    /// The ETag or Last-Modified of the answer that the part came from.
    pub validator: String,
}

/// An open transfer.
pub struct Body {
    reader: Box<dyn Read + Send>,
    /// Where in the file the body begins: 0, or where it was to be resumed.
    pub offset: u64,
    /// The length of the body, if the server tells.
    pub length: Option<u64>,
    /// What names this state of the file, for a resumed transfer.
    pub validator: Option<String>,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Body { offset, length, validator, .. } = self;
        write!(f, "Body from {offset} on, {length:?} bytes, {validator:?}")
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

/// The HTTP client; connections are kept and shared between threads.
#[derive(Debug)]
pub struct Transport {
    agent: ureq::Agent,
    redirects: u32,
}

impl Transport {
    /// Waits no longer than these bounds say.
    pub fn new(limits: &Limits) -> Transport {
        let tls =
            ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::PlatformVerifier);
        let config = ureq::Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .timeout_resolve(Some(limits.connect))
            .timeout_connect(Some(limits.connect))
            .timeout_send_request(Some(limits.answer))
            .timeout_recv_response(Some(limits.answer))
            .timeout_recv_body(Some(limits.whole))
            .timeout_per_read(Some(limits.silence))
            // ureq reads the bodies of redirects to their ends, which may be none.
            .max_redirects(0)
            .max_idle_connections_per_host(16)
            .user_agent(concat!("osb/", env!("CARGO_PKG_VERSION")))
            // Digests are over the files as they lie on the server.
            .accept_encoding("identity")
            .build();
        Transport { agent: config.new_agent(), redirects: limits.redirects }
    }

    /// Opens `url`, at `resume` if the server still has the same file and can do so.
    ///
    /// # Errors
    /// If there is nothing, or the server does not answer as it should.
    pub fn open(&self, url: &str, resume: Option<&Resume>) -> Result<Body, Failure> {
        match url.split_once("://") {
            Some(("http" | "https", _)) => self.open_http(url, resume),
            Some(("file", path)) => open_file(url, path),
            _ => Err(bad_url(url, "it must begin with http://, https:// or file:///")),
        }
    }

    /// Asks for `url` and follows redirects.
    fn follow(&self, url: &str, resume: Option<&Resume>) -> Result<Response<ureq::Body>, Failure> {
        let mut at = url.to_owned();
        for _ in 0..=self.redirects {
            let mut request = self.agent.get(&at);
            if let Some(resume) = resume {
                request = request
                    .header(header::RANGE, format!("bytes={}-", resume.offset))
                    .header(header::IF_RANGE, &resume.validator);
            }
            let response = request.call().map_err(|error| http_failure(&at, error))?;
            let location = response.headers().get(header::LOCATION).and_then(|l| l.to_str().ok());
            match (response.status().as_u16(), location) {
                (301 | 302 | 303 | 307 | 308, Some(location)) => {
                    at = redirect::target(&at, location).map_err(|reason| refuse(url, reason))?;
                }
                _ => return Ok(response),
            }
        }
        Err(refuse(url, format!("more than {} redirects, the last to {at}", self.redirects)))
    }

    fn open_http(&self, url: &str, resume: Option<&Resume>) -> Result<Body, Failure> {
        let response = self.follow(url, resume)?;
        let status = response.status();
        let field = |name| response.headers().get(name).and_then(|v| v.to_str().ok());
        let offset = match (status, resume) {
            (StatusCode::OK, _) => 0,
            // Some servers and proxies answer a range with the wrong part, or with the right
            // part of another file: believe only exactly what was asked for.
            (StatusCode::PARTIAL_CONTENT, Some(resume))
                if is_rest(field(header::CONTENT_RANGE), resume)
                    && names_no_other(field(header::ETAG), resume) =>
            {
                resume.offset
            }
            (StatusCode::NOT_FOUND | StatusCode::GONE, _) => {
                return Err(Failure::Final(HttpError::NotFound { url: url.to_owned() }));
            }
            (StatusCode::FORBIDDEN, _) => {
                return Err(Failure::Final(HttpError::Forbidden { url: url.to_owned() }));
            }
            (status, _) if is_transient(status, resume.is_some()) => {
                return Err(Failure::Transient(format!("the server answers {status}")));
            }
            (status, _) => return Err(refuse(url, format!("the server answers {status}"))),
        };
        let strong = |tag: &&str| !tag.starts_with("W/");
        let validator = field(header::ETAG)
            .filter(strong)
            .or_else(|| field(header::LAST_MODIFIED))
            .map(str::to_owned);
        let body = response.into_body();
        let length = body.content_length();
        // ureq's own limit is off: every caller counts and stops at its own.
        let reader = body.into_with_config().limit(u64::MAX).reader();
        Ok(Body { reader: Box::new(reader), offset, length, validator })
    }
}

/// Whether an answer's ETag, if it has one, is that of the part that is there. (The validator may
/// be a date, of an answer without an ETag.)
fn names_no_other(tag: Option<&str>, resume: &Resume) -> bool {
    let is_tag = |text: &str| text.ends_with('"');
    tag.is_none_or(|tag| !is_tag(&resume.validator) || tag == resume.validator)
}

/// Whether `Content-Range` is `bytes OFFSET-(SIZE-1)/SIZE`.
fn is_rest(content_range: Option<&str>, resume: &Resume) -> bool {
    let expected =
        format!("bytes {}-{}/{}", resume.offset, resume.size.saturating_sub(1), resume.size);
    content_range.is_some_and(|r| r.eq_ignore_ascii_case(&expected))
}

/// Overload, time-outs and broken gateways pass; so does a range that was not to the server's
/// liking, since the next attempt asks for the whole file.
fn is_transient(status: StatusCode, ranged: bool) -> bool {
    status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
        || (ranged
            && matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE))
}

fn http_failure(url: &str, error: ureq::Error) -> Failure {
    match error {
        ureq::Error::Io(_)
        | ureq::Error::Timeout(_)
        | ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::Protocol(_) => Failure::Transient(error.to_string()),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => bad_url(url, &error.to_string()),
        other => refuse(url, other.to_string()),
    }
}

/// A failure of the network that another attempt would meet again.
fn refuse(url: &str, reason: String) -> Failure {
    Failure::Final(HttpError::Network { url: url.to_owned(), attempts: 1, reason })
}

/// Whether a file begins like a page for people. No file of a repository does.
pub fn is_web_page(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    [b"<!doctype html".as_slice(), b"<html"]
        .iter()
        .any(|tag| text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag)))
}

fn bad_url(url: &str, reason: &str) -> Failure {
    Failure::Final(HttpError::BadUrl { url: url.to_owned(), reason: reason.to_owned() })
}

/// Opens the file of a `file:///path` URL.
fn open_file(url: &str, path: &str) -> Result<Body, Failure> {
    let path = path.strip_prefix("localhost").unwrap_or(path);
    let path = match percent_decode(path) {
        Some(path) if path.is_absolute() => path,
        _ => return Err(bad_url(url, "a file URL needs an absolute path")),
    };
    // Looked at first: opening a pipe waits for who writes to it.
    let found = std::fs::metadata(&path).and_then(|meta| match meta.is_file() {
        true => Ok((Some(File::open(&path)?), meta)),
        false => Ok((None, meta)),
    });
    match found {
        Ok((Some(file), meta)) => Ok(Body {
            reader: Box::new(file),
            offset: 0,
            length: Some(meta.len()),
            validator: None,
        }),
        Ok(_) => Err(bad_url(url, "it is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Failure::Final(HttpError::NotFound { url: url.to_owned() }))
        }
        Err(error) => Err(Failure::Final(HttpError::Io { action: "opening", path, error })),
    }
}

/// Undoes `%XX`; `None` when an escape is broken.
fn percent_decode(text: &str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(*hex::decode(digits).ok()?.first()?);
        } else {
            bytes.push(byte);
        }
    }
    Some(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_rest_is_believed() {
        let resume = Resume { offset: 10, size: 100, validator: String::new() };
        assert!(is_rest(Some("bytes 10-99/100"), &resume));
        for wrong in ["bytes 0-99/100", "bytes 10-98/100", "bytes 10-99/101", "bytes 10-99/*", ""] {
            assert!(!is_rest(Some(wrong), &resume), "{wrong}");
        }
        assert!(!is_rest(None, &resume));
    }

    #[test]
    fn another_tag_is_another_file() {
        let resume = |validator: &str| Resume { offset: 1, size: 2, validator: validator.into() };
        assert!(names_no_other(Some("\"a\""), &resume("\"a\"")));
        assert!(!names_no_other(Some("\"b\""), &resume("\"a\"")));
        assert!(names_no_other(None, &resume("\"a\"")));
        assert!(names_no_other(Some("W/\"b\""), &resume("Thu, 01 Jan 2026 00:00:00 GMT")));
    }

    #[test]
    fn web_pages() {
        assert!(is_web_page(b"\r\n <!DOCTYPE html><html>"));
        assert!(is_web_page(b"<HTML lang=en>"));
        for file in [b"!<arch>\ndebian-binary".as_slice(), b"-----BEGIN PGP", b"", b"<htm"] {
            assert!(!is_web_page(file));
        }
    }

    #[test]
    fn what_passes_by_itself() {
        assert!(is_transient(StatusCode::BAD_GATEWAY, false));
        assert!(is_transient(StatusCode::RANGE_NOT_SATISFIABLE, true));
        assert!(!is_transient(StatusCode::PARTIAL_CONTENT, false));
        assert!(!is_transient(StatusCode::FORBIDDEN, true));
    }

    #[test]
    fn file_urls() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a b");
        std::fs::write(&path, "x").unwrap();
        let open = |url: String| Transport::new(&Limits::default()).open(&url, None);
        let url = format!("file://{}", path.display());
        assert_eq!(open(url.replace(' ', "%20")).ok().unwrap().length, Some(1));
        assert!(matches!(open(format!("{url}c")), Err(Failure::Final(HttpError::NotFound { .. }))));
        for bad in
            ["file://a/b".into(), format!("file://{}", dir.path().display()), "file:///%".into()]
        {
            assert!(matches!(open(bad), Err(Failure::Final(HttpError::BadUrl { .. }))));
        }
        assert!(matches!(open("ftp://x/y".into()), Err(Failure::Final(HttpError::BadUrl { .. }))));
    }
}
