//! Where two contents differ first.

use std::io::{self, Read};

use crate::inode::Content;

/// Bytes that are compared at a time.
const CHUNK: usize = 256 << 10;
/// Bytes that are shown of each side.
const SHOWN: usize = 32;

/// The first byte in which two contents differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentDifference {
    /// Its offset in bytes; the length of the shorter content, if that is the beginning of the
    /// longer one.
    pub offset: u64,
    /// Its line, from 1, if both contents are text up to there.
    pub line: Option<u64>,
    /// The first content's bytes from `offset` on: a few, or none at its end.
    pub a: Vec<u8>,
    /// The second content's.
    pub b: Vec<u8>,
}

/// Compares two contents; `None` if they are the same. Neither is read if both lie in the same
/// place.
///
/// # Errors
/// If one cannot be read.
pub fn first_difference(a: &Content, b: &Content) -> io::Result<Option<ContentDifference>> {
    if same_place(a, b) {
        return Ok(None);
    }
    let common = a.size().min(b.size());
    let (mut left, mut right) = (At::new(a)?, At::new(b)?);
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let mut at = 0;
    let offset = loop {
        // Where both have holes there is nothing to read, and an image may claim exabytes of them.
        if let (Some(end), Some(other_end)) = (left.hole_end(at), right.hole_end(at)) {
            at = end.min(other_end).min(common);
        }
        let len = usize::try_from(common - at).unwrap_or(CHUNK).min(CHUNK);
        if len == 0 {
            break at;
        }
        left.read(&mut one, at, len)?;
        right.read(&mut other, at, len)?;
        if one != other {
            let equal = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
            break at + equal as u64;
        }
        at += len as u64;
    };
    if offset == common && a.size() == b.size() {
        return Ok(None);
    }
    let (a_bytes, b_bytes) = (excerpt(a, offset)?, excerpt(b, offset)?);
    let shown_text = !a_bytes.contains(&0) && !b_bytes.contains(&0);
    let line = if shown_text { line(a, offset)? } else { None };
    Ok(Some(ContentDifference { offset, line, a: a_bytes, b: b_bytes }))
}

fn same_place(a: &Content, b: &Content) -> bool {
    match (a, b) {
        (Content::Bytes(a), Content::Bytes(b)) => a == b,
        (
            Content::File { path, size, fingerprint },
            Content::File { path: other_path, size: other_size, fingerprint: other },
        ) => {
            (path == other_path || fingerprint.is_some() && fingerprint == other)
                && size == other_size
        }
        (Content::Extents(a), Content::Extents(b)) => a.same_place(b),
        _ => false,
    }
}

/// A content that is read from its beginning to its end, with gaps.
struct At<'a> {
    content: &'a Content,
    /// For what cannot be read at an offset.
    stream: Option<Box<dyn Read + 'a>>,
}

impl<'a> At<'a> {
    fn new(content: &'a Content) -> io::Result<Self> {
        let stream = match content {
            Content::Extents(_) => None,
            _ => Some(content.open()?),
        };
        Ok(At { content, stream })
    }

    fn hole_end(&self, at: u64) -> Option<u64> {
        match self.content {
            Content::Extents(extents) => extents.hole_end(at),
            _ => None,
        }
    }

    fn read(&mut self, buffer: &mut Vec<u8>, at: u64, len: usize) -> io::Result<()> {
        buffer.resize(len, 0);
        match (&mut self.stream, self.content) {
            (Some(stream), _) => stream.read_exact(buffer),
            (None, Content::Extents(extents)) => extents.read_at(buffer, at),
            (None, _) => Ok(()),
        }
    }
}

/// A few bytes from `offset` on.
fn excerpt(content: &Content, offset: u64) -> io::Result<Vec<u8>> {
    let len = usize::try_from(content.size() - offset).unwrap_or(SHOWN).min(SHOWN);
    let mut bytes = vec![0; len];
    match content {
        Content::Extents(extents) => extents.read_at(&mut bytes, offset)?,
        _ => {
            let mut stream = content.open()?;
            io::copy(&mut stream.by_ref().take(offset), &mut io::sink())?;
            stream.read_exact(&mut bytes)?;
        }
    }
    Ok(bytes)
}

/// The line of the byte at `offset`, from 1; `None` if there is a NUL byte before it.
fn line(content: &Content, offset: u64) -> io::Result<Option<u64>> {
    let mut stream = content.open()?.take(offset);
    let mut buffer = vec![0; CHUNK];
    let mut line = 1;
    loop {
        let len = stream.read(&mut buffer)?;
        let part = &buffer[..len];
        if len == 0 {
            return Ok(Some(line));
        }
        if part.contains(&0) {
            return Ok(None);
        }
        line += part.iter().filter(|byte| **byte == b'\n').count() as u64;
    }
}
