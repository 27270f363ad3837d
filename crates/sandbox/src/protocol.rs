//! The messages between a session and its child processes, over one stream socket.
//!
//! A frame is two little-endian `u32` lengths, then JSON, then raw bytes (a command's input or the
//! tail of its log). Both ends are this crate, of the same build: there is no version.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Bind, Excess, Limits, Machine, Mode, Process, Rights, Stats, Step};

/// No frame part may be larger: a damaged length must not allocate without bound.
pub(crate) const PART_MAX: usize = 64 << 20;

/// What the session asks.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// The id maps are written: go on. The only message for the outer child.
    Mapped,
    /// Build the root. The first message for the inner child.
    Setup(Setup),
    /// Run a command; the raw bytes are its standard input.
    Run(Run),
    /// Report what ran and end.
    Finish,
}

/// The part of [`crate::Spec`] that the child needs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub lower: Vec<PathBuf>,
    pub upper: PathBuf,
    pub work: PathBuf,
    pub guest: Machine,
    pub host: Machine,
    pub tools: PathBuf,
    pub binds: Vec<Bind>,
    pub hostname: String,
    pub environment: Vec<(String, String)>,
    pub drop_fsync: bool,
    pub measure: bool,
    pub rights: Rights,
    pub limits: Limits,
    /// The host has a usable handler of its own for the guest's programs.
    pub registered: bool,
}

/// The part of [`crate::Command`] that is not raw bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub argv: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub directory: String,
    pub timeout_ms: Option<u64>,
}

/// What the children answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// The outer child has its namespaces and waits for the id maps.
    Unshared,
    /// The inner child has built the root.
    Ready(Mode),
    /// Neither a private nor a registered handler runs the guest's programs; with the reason.
    NoHandler(String),
    /// Setting up failed, where and how.
    Failed(Step, String),
    /// A command ended; the raw bytes are the tail of its log.
    Finished {
        status: i32,
        log_bytes: u64,
        user_us: u64,
        system_us: u64,
        excess: Option<Excess>,
        processes: Vec<Process>,
    },
    /// A command did not start.
    NotStarted(String),
    /// What ran; the child ends after this.
    Stats(Stats),
}

/// Writes one frame.
pub(crate) fn send(out: &mut impl Write, message: &impl Serialize, raw: &[u8]) -> io::Result<()> {
    let json = serde_json::to_vec(message)?;
    let too_large = || io::Error::new(io::ErrorKind::InvalidInput, "a message is too large");
    let length = |part: &[u8]| {
        u32::try_from(part.len()).ok().filter(|_| part.len() <= PART_MAX).ok_or_else(too_large)
    };
    let mut head = Vec::with_capacity(8 + json.len());
    head.extend(length(&json)?.to_le_bytes());
    head.extend(length(raw)?.to_le_bytes());
    head.extend(json);
    out.write_all(&head)?;
    out.write_all(raw)
}

/// Reads one frame; never a byte more.
pub(crate) fn receive<M: DeserializeOwned>(input: &mut impl Read) -> io::Result<(M, Vec<u8>)> {
    let mut lengths = [0; 8];
    input.read_exact(&mut lengths)?;
    let (json, raw) = lengths.split_at(4);
    let mut part = |length: &[u8]| -> io::Result<Vec<u8>> {
        let length = length.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b));
        if length > PART_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too large"));
        }
        let mut bytes = vec![0; length];
        input.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    let json = part(json)?;
    let raw = part(raw)?;
    Ok((serde_json::from_slice(&json)?, raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_the_wire_one_by_one() {
        let mut wire = Vec::new();
        send(&mut wire, &Request::Mapped, b"").unwrap();
        send(&mut wire, &Reply::Failed(Step::Layers, "no".into()), b"tail\0").unwrap();
        let mut input = wire.as_slice();
        let (first, raw): (Request, _) = receive(&mut input).unwrap();
        assert!(matches!(first, Request::Mapped) && raw.is_empty());
        let (second, raw): (Reply, _) = receive(&mut input).unwrap();
        assert!(matches!(second, Reply::Failed(Step::Layers, reason) if reason == "no"));
        assert_eq!(raw, b"tail\0");
        assert!(receive::<Reply>(&mut input).is_err(), "the end of the stream is an error");
    }

    #[test]
    fn a_damaged_length_allocates_nothing() {
        let error = receive::<Reply>(&mut [0xff; 64].as_slice()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
