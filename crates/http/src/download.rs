//! A file of a server as a reader, over as many connections as it takes.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Failure, HttpError};
use crate::limits::{Limits, Pace};
use crate::transfer::{Body, Resume, Transport, is_web_page};

/// After so many bytes an interruption is a new one, with all its attempts.
const PROGRESS: u64 = 1 << 20;

/// A file that is being read from its beginning to its end.
///
/// When a connection breaks, the next one goes on where it was: if the server still has the same file
/// (by its ETag or date), and either sends exactly the rest, or all of it, of which what is there
/// already is thrown away. Nothing else is taken for the rest. An error of a reader is an
/// [`HttpError`] within an [`io::Error`].
#[derive(Debug)]
pub struct Download {
    transport: Transport,
    limits: Limits,
    cancel: Arc<AtomicBool>,
    url: String,
    connection: Option<Connection>,
    /// Bytes that were handed out.
    offset: u64,
    /// Bytes of the whole file, and what names this state of it.
    size: Option<u64>,
    validator: Option<String>,
    /// Attempts since there was progress, and where that was.
    attempts: u32,
    since: u64,
}

/// A body that is being read.
#[derive(Debug)]
struct Connection {
    body: Body,
    pace: Pace,
    /// Bytes that have been handed out already.
    known: u64,
}

impl Download {
    /// Asks for `url`, which must be http or https. Setting `cancel` ends the transfer at its next
    /// block.
    ///
    /// # Errors
    /// If there is no such file, the server does not answer after all attempts, or answers with a
    /// page for people.
    pub fn open(url: &str, limits: Limits, cancel: Arc<AtomicBool>) -> Result<Download, HttpError> {
        let mut download = Download {
            transport: Transport::new(&limits),
            limits,
            cancel,
            url: url.to_owned(),
            connection: None,
            offset: 0,
            size: None,
            validator: None,
            attempts: 0,
            since: 0,
        };
        if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
            let reason = "it must begin with http:// or https://".to_owned();
            return Err(HttpError::BadUrl { url: url.to_owned(), reason });
        }
        download.connect()?;
        Ok(download)
    }

    /// Bytes of the file, if the server tells.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Reads a small file, of at most `limit` bytes.
    ///
    /// # Errors
    /// As when reading; if there is more; if it takes longer than [`Limits::small`].
    pub fn small(mut self, limit: u64) -> Result<Vec<u8>, HttpError> {
        let begun = Instant::now();
        let (mut bytes, mut block) = (Vec::new(), vec![0; 16 << 10]);
        loop {
            let n = self.next(&mut block)?;
            bytes.extend_from_slice(&block[..n]);
            if bytes.len() as u64 > limit {
                return Err(HttpError::Large { url: self.url, limit });
            }
            if begun.elapsed() > self.limits.small {
                let seconds = self.limits.small.as_secs();
                return Err(self.given_up(format!("it took more than {seconds} s")));
            }
            if n == 0 && is_web_page(&bytes) {
                return Err(HttpError::Page { url: self.url });
            }
            if n == 0 {
                return Ok(bytes);
            }
        }
    }

    /// The next bytes, from whichever connection; none at the end.
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize, HttpError> {
        while !buffer.is_empty() && self.size != Some(self.offset) {
            let reason = match self.read_some(buffer) {
                Ok(0) if self.size.is_none() => return Ok(0),
                Ok(0) => format!("the connection ended after {} bytes", self.offset),
                Ok(n) => {
                    self.offset += n as u64;
                    return Ok(n);
                }
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Transient(reason)) => reason,
            };
            self.connection = None;
            self.again(reason)?;
            self.connect()?;
        }
        Ok(0)
    }

    /// One read of this connection, past what is known.
    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let Some(connection) = &mut self.connection else {
            return Err(Failure::Transient("there is no connection".to_owned()));
        };
        loop {
            if self.cancel.load(Ordering::Relaxed) {
                return Err(HttpError::Cancelled.into());
            }
            let known = usize::try_from(connection.known).unwrap_or(usize::MAX);
            let room = buffer.len().min(if known > 0 { known } else { usize::MAX });
            let asked = Instant::now();
            let n = connection.body.read(&mut buffer[..room])?;
            connection.pace.count(n, asked).map_err(Failure::Transient)?;
            if connection.known == 0 || n == 0 {
                let rest = self.size.map_or(u64::MAX, |size| size - self.offset);
                if n as u64 > rest {
                    return Err(Failure::Transient("there is more than announced".to_owned()));
                }
                return Ok(n);
            }
            connection.known -= n as u64;
        }
    }

    /// Opens a connection, at the place where the last one ended.
    fn connect(&mut self) -> Result<(), HttpError> {
        loop {
            if self.cancel.load(Ordering::Relaxed) {
                return Err(HttpError::Cancelled);
            }
            match self.open_body() {
                Ok(connection) => {
                    self.connection = Some(connection);
                    return Ok(());
                }
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Transient(reason)) => self.again(reason)?,
            }
        }
    }

    fn open_body(&mut self) -> Result<Connection, Failure> {
        let pace = Pace::new(&self.limits);
        if self.offset == 0 {
            let mut body = self.transport.open(&self.url, None)?;
            self.size = body.length;
            self.validator = body.validator.take();
            return Ok(Connection { body, pace, known: 0 });
        }
        let (Some(size), Some(validator)) = (self.size, self.validator.clone()) else {
            let reason = "the connection broke, and the server does not say enough about the file \
                          to go on with it";
            return Err(self.given_up(reason.to_owned()).into());
        };
        let resume = Resume { offset: self.offset, size, validator };
        let body = self.transport.open(&self.url, Some(&resume))?;
        let known = self.offset - body.offset;
        if known > 0 && (body.length != Some(size) || body.validator != self.validator) {
            let reason = "the file on the server has changed while it was read";
            return Err(self.given_up(reason.to_owned()).into());
        }
        Ok(Connection { body, pace, known })
    }

    /// Waits before the next attempt, if there is one.
    fn again(&mut self, reason: String) -> Result<(), HttpError> {
        if self.offset - self.since >= PROGRESS {
            self.attempts = 0;
        }
        self.since = self.offset;
        self.attempts += 1;
        if self.attempts >= self.limits.attempts {
            return Err(self.given_up(reason));
        }
        let doubled = 2_u32.saturating_pow(self.attempts - 1);
        let end = Instant::now() + self.limits.pause.saturating_mul(doubled);
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            if self.cancel.load(Ordering::Relaxed) {
                return Err(HttpError::Cancelled);
            }
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
        Ok(())
    }

    fn given_up(&self, reason: String) -> HttpError {
        HttpError::Network { url: self.url.clone(), attempts: self.attempts.max(1), reason }
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.next(buffer).map_err(io::Error::other)
    }
}
