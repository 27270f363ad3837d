//! What can go wrong with an answer.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Something that goes wrong with one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answer with this status and no body.
    Status(u16),
    /// Announce the whole body, send so many bytes of it, then close the connection.
    CutAfter(usize),
    /// Announce and send only so many bytes.
    Shorten(usize),
    /// Announce no length, send the body followed by these bytes, then close the connection.
    Append(Vec<u8>),
    /// Ignore a Range and send the whole file with status 200.
    IgnoreRange,
    /// Send the range that was asked for, although If-Range names another state of the file, and
    /// tell no ETag.
    IgnoreIfRange,
    /// Answer a Range with 206 and a Content-Range of the whole file, but send the rest only.
    WrongContentRange,
    /// Answer a Range with 206 and a Content-Range of a file that is one byte longer.
    WrongTotal,
    /// Answer a Range with 206 and another ETag.
    WrongTag,
    /// Wait before answering.
    Delay(Duration),
    /// Close the connection instead of answering.
    HangUp,
    /// Send header fields until the client goes away.
    EndlessHeader,
    /// Announce no length and send `x` until the client goes away.
    EndlessBody,
    /// Announce the whole body, send so many bytes of it, then nothing until the client goes away.
    StallAfter(usize),
    /// Announce the whole body and send one byte of it after each pause.
    Trickle(Duration),
    /// Redirect to this place, with a body that never ends.
    Redirect(String),
    /// Answer 200 with this page instead of the file.
    Page(&'static str),
}

impl Fault {
    /// Sends an answer that has nothing to do with the file, if this is such a fault; whether the
    /// connection can be used again.
    pub(super) fn answer(&self, out: &mut TcpStream) -> io::Result<Option<bool>> {
        match self {
            Fault::Delay(time) => {
                std::thread::sleep(*time);
                Ok(None)
            }
            Fault::Status(status) => {
                write!(out, "HTTP/1.1 {status} Injected\r\nContent-Length: 0\r\n\r\n")?;
                Ok(Some(true))
            }
            Fault::HangUp => Ok(Some(false)),
            Fault::EndlessHeader => {
                write!(out, "HTTP/1.1 200 OK\r\n")?;
                endless(out, b"X-More: and more\r\n")
            }
            Fault::EndlessBody => {
                write!(out, "HTTP/1.1 200 OK\r\n\r\n")?;
                endless(out, &[b'x'; 8192])
            }
            Fault::Redirect(to) => {
                write!(out, "HTTP/1.1 302 Found\r\nLocation: {to}\r\n\r\n")?;
                endless(out, &[b'x'; 8192])
            }
            Fault::Page(page) => {
                let length = page.len();
                write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{page}")?;
                Ok(Some(true))
            }
            _ => Ok(None),
        }
    }

    /// Sends the body, of which `rest` was asked for, if this fault changes how.
    pub(super) fn body(&self, rest: &[u8], out: &mut TcpStream) -> io::Result<Option<bool>> {
        let announced =
            |out: &mut TcpStream, length: usize| write!(out, "Content-Length: {length}\r\n\r\n");
        match self {
            Fault::CutAfter(n) => {
                announced(out, rest.len())?;
                out.write_all(&rest[..rest.len().min(*n)])?;
                Ok(Some(false))
            }
            Fault::Append(more) => {
                write!(out, "Connection: close\r\n\r\n")?;
                out.write_all(rest)?;
                out.write_all(more)?;
                Ok(Some(false))
            }
            Fault::Shorten(n) => {
                let rest = &rest[..rest.len().min(*n)];
                announced(out, rest.len())?;
                out.write_all(rest)?;
                Ok(Some(true))
            }
            Fault::StallAfter(n) => {
                announced(out, rest.len())?;
                out.write_all(&rest[..rest.len().min(*n)])?;
                // The client says nothing more: this returns when it goes away.
                out.read(&mut [0]).map(|_| Some(false))
            }
            Fault::Trickle(pause) => {
                announced(out, rest.len())?;
                for byte in rest {
                    out.write_all(&[*byte])?;
                    std::thread::sleep(*pause);
                }
                Ok(Some(true))
            }
            _ => Ok(None),
        }
    }
}

/// Sends `piece` until the client goes away, which is an error.
fn endless(out: &mut TcpStream, piece: &[u8]) -> io::Result<Option<bool>> {
    loop {
        out.write_all(piece)?;
    }
}
