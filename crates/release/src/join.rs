//! The parts of a file as one reader.

use std::io::{self, Read, Sink, Write};

use osb_checksum::{Sha256Writer, to_hex};

use crate::parts::{Manifest, Part};
use crate::shelf::{Content, Shelf};

/// Reads the parts one after the other; each is compared with the manifest at its end, so that an
/// error names the part. Whether the manifest is right, only the digest of the whole tells.
pub struct Joined {
    shelf: Shelf,
    /// Those that have not begun, the next one last.
    rest: Vec<Part>,
    current: Option<Open>,
}

/// The part that is being read.
struct Open {
    part: Part,
    content: Content,
    hash: Sha256Writer<Sink>,
    read: u64,
}

impl Joined {
    /// Of parts that lie on `shelf`.
    pub fn new(shelf: Shelf, manifest: &Manifest) -> Joined {
        Joined { shelf, rest: manifest.parts.iter().rev().cloned().collect(), current: None }
    }

    /// Goes on to the next part; none is left at the end.
    fn next(&mut self) -> io::Result<Option<&mut Open>> {
        let Some(part) = self.rest.pop() else { return Ok(None) };
        let place = &self.shelf;
        let content =
            self.shelf.open(&part.name).map_err(io::Error::other)?.ok_or_else(|| {
                damage(format!("{} of {place} is missing: copy it, too", part.name))
            })?;
        if let Some(size) = content.size.filter(|size| *size != part.size) {
            return Err(wrong_size(&part, size));
        }
        let hash = Sha256Writer::new(io::sink());
        Ok(Some(self.current.insert(Open { part, content, hash, read: 0 })))
    }
}

impl Read for Joined {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let open = match &mut self.current {
                Some(open) => open,
                None => match self.next()? {
                    Some(open) => open,
                    None => return Ok(0),
                },
            };
            let len = open.content.reader.read(buffer)?;
            open.read += len as u64;
            if open.read > open.part.size || len == 0 && open.read < open.part.size {
                return Err(wrong_size(&open.part, open.read));
            }
            if len > 0 {
                open.hash.write_all(&buffer[..len])?;
                return Ok(len);
            }
            if let Some(Open { part, hash, .. }) = self.current.take() {
                let (_, found, _) = hash.finish();
                if found != part.sha256 {
                    return Err(damage(format!(
                        "{} has SHA-256 {}, and {} was expected: copy it anew",
                        part.name,
                        to_hex(&found),
                        to_hex(&part.sha256)
                    )));
                }
            }
        }
    }
}

fn wrong_size(part: &Part, found: u64) -> io::Error {
    damage(format!(
        "{} has {found} bytes, and {} were expected: copy it anew",
        part.name, part.size
    ))
}

fn damage(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}
