//! A strict reader of tar streams: those inside packages, and those that projects release.
//!
//! dpkg reads old (v7), ustar and GNU archives with long names, and no PAX headers; so does this for
//! packages. Other archives may have PAX headers ([`Dialect::Pax`]).
//! Long names are bounded, and every name is brought into one form (`usr/bin/x`) or refused, so
//! that later code never sees `..`, an absolute path or an empty component.

use std::io::{self, BufRead, Read};

use super::fault::DebFault;
use super::pax::Extended;

/// Bytes of a tar block.
const BLOCK: u64 = 512;
/// Longest path or link target; Linux's PATH_MAX with the final NUL.
const MAX_NAME: u64 = 4096;
/// Largest PAX header: it has a name or two, times, and perhaps attributes.
const MAX_EXTENSION: u64 = 64 << 10;

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file; its content follows.
    File,
    /// A directory.
    Directory,
    /// A symbolic link and its target, as written.
    Symlink(Vec<u8>),
    /// Another name of an earlier entry, given by its path in the form of [`Entry::path`].
    HardLink(Vec<u8>),
}

/// One file, directory or link of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the root of the file system, without `./` and trailing slashes; empty for the
    /// root directory itself.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits with setuid, setgid and sticky (at most 0o7777).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time, seconds since 1970.
    pub mtime: i64,
    /// Bytes of content; 0 unless a regular file.
    pub size: u64,
}

/// Which headers an archive may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Those that dpkg reads.
    Dpkg,
    /// Those and the extended headers of POSIX.1-2001 (pax(1)): of their fields path, link target
    /// and size count; owners and times do not matter to whoever reads such archives.
    Pax,
}

/// Reads entries one after the other; as a [`BufRead`] it is the content of the current one.
pub(crate) struct TarReader<R> {
    input: R,
    dialect: Dialect,
    /// Content of the current entry that was not read yet.
    content: u64,
    /// Zero bytes after the content, up to the next block.
    padding: u64,
    finished: bool,
}

impl<R: BufRead> TarReader<R> {
    /// Reads from the beginning of a tar stream.
    pub(crate) fn new(input: R, dialect: Dialect) -> TarReader<R> {
        TarReader { input, dialect, content: 0, padding: 0, finished: false }
    }

    /// The next entry, or `None` at the end, when the whole input has been read.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, DebFault> {
        self.skip_content()?;
        let (mut long_path, mut long_target) = (None, None);
        let mut extended: Option<Extended> = None;
        while !self.finished {
            let mut block = [0; BLOCK as usize];
            self.input.read_exact(&mut block).map_err(DebFault::io("reading a tar header"))?;
            if block.iter().all(|b| *b == 0) {
                self.finish()?;
                break;
            }
            let mut header = Header::parse(&block)?;
            match header.type_flag {
                b'x' if self.dialect == Dialect::Pax && extended.is_none() => {
                    extended = Some(Extended::parse(&self.extension(&header)?)?);
                }
                // What is said of all entries that follow: comments and times.
                b'g' if self.dialect == Dialect::Pax => drop(self.extension(&header)?),
                b'L' if long_path.is_none() => long_path = Some(self.long_name(&header)?),
                b'K' if long_target.is_none() => long_target = Some(self.long_name(&header)?),
                _ => {
                    if let Some(Extended { path, target, size }) = extended.take() {
                        long_path = path.or(long_path);
                        long_target = target.or(long_target);
                        header.size = size.unwrap_or(header.size);
                    }
                    let entry = header.into_entry(long_path, long_target)?;
                    self.content = entry.size;
                    self.padding = entry.size.next_multiple_of(BLOCK) - entry.size;
                    return Ok(Some(entry));
                }
            }
        }
        match (long_path, long_target, extended) {
            (None, None, None) => Ok(None),
            _ => Err(DebFault::Malformed("its tar ends after a long name".into())),
        }
    }

    /// Reads what follows the end mark. dpkg stops at the first zero block and ignores the rest;
    /// anything but zeros there would be seen by others and not by dpkg, so it is refused.
    fn finish(&mut self) -> Result<(), DebFault> {
        self.finished = true;
        loop {
            let rest = self.input.fill_buf().map_err(DebFault::io("reading the end of a tar"))?;
            if rest.is_empty() {
                return Ok(());
            }
            if rest.iter().any(|b| *b != 0) {
                return Err(DebFault::Malformed("its tar goes on after its end".into()));
            }
            let length = rest.len();
            self.input.consume(length);
        }
    }

    /// The content of a GNU long name or long link entry.
    fn long_name(&mut self, header: &Header) -> Result<Vec<u8>, DebFault> {
        if header.size > MAX_NAME {
            return Err(DebFault::entry(&header.path, format!("a name of {} bytes", header.size)));
        }
        let mut name = vec![0; header.size.next_multiple_of(BLOCK) as usize];
        self.input.read_exact(&mut name).map_err(DebFault::io("reading a long name"))?;
        name.truncate(header.size as usize);
        if name.last() == Some(&0) {
            name.pop();
        }
        Ok(name)
    }

    /// The records of a PAX header.
    fn extension(&mut self, header: &Header) -> Result<Vec<u8>, DebFault> {
        if header.size > MAX_EXTENSION {
            let reason = format!("a PAX header of {} bytes", header.size);
            return Err(DebFault::entry(&header.path, reason));
        }
        let mut records = vec![0; header.size.next_multiple_of(BLOCK) as usize];
        self.input.read_exact(&mut records).map_err(DebFault::io("reading a PAX header"))?;
        records.truncate(header.size as usize);
        Ok(records)
    }

    /// Passes over the rest of the current entry.
    fn skip_content(&mut self) -> Result<(), DebFault> {
        let mut left = self.content + self.padding;
        (self.content, self.padding) = (0, 0);
        while left > 0 {
            let chunk = self.input.fill_buf().map_err(DebFault::io("reading a tar"))?.len() as u64;
            if chunk == 0 {
                return Err(DebFault::Malformed("its tar ends inside a file".into()));
            }
            let step = chunk.min(left);
            self.input.consume(step as usize);
            left -= step;
        }
        Ok(())
    }
}

impl<R: BufRead> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for TarReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.content == 0 {
            return Ok(&[]);
        }
        let chunk = self.input.fill_buf()?;
        if chunk.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = usize::try_from(self.content).unwrap_or(usize::MAX).min(chunk.len());
        Ok(&chunk[..length])
    }

    fn consume(&mut self, amount: usize) {
        self.content = self.content.saturating_sub(amount as u64);
        self.input.consume(amount);
    }
}

/// The fields of a header block, not yet judged.
struct Header {
    path: Vec<u8>,
    target: Vec<u8>,
    mode: u64,
    uid: u64,
    gid: u64,
    size: u64,
    mtime: u64,
    type_flag: u8,
}

impl Header {
    fn parse(block: &[u8; BLOCK as usize]) -> Result<Header, DebFault> {
        let name = text(&block[..100]);
        let number = |from: usize, to: usize, what: &str| {
            parse_number(&block[from..to])
                .ok_or_else(|| DebFault::entry(name, format!("its {what} is not a number")))
        };
        // The checksum counts its own eight bytes as spaces.
        let sum: u64 = block.iter().map(|b| u64::from(*b)).sum::<u64>()
            - block[148..156].iter().map(|b| u64::from(*b)).sum::<u64>()
            + 8 * u64::from(b' ');
        if parse_number(&block[148..156]) != Some(sum) {
            return Err(DebFault::Malformed("a tar header has a wrong checksum".into()));
        }
        let mut path = name.to_vec();
        // POSIX archives split long paths; GNU archives use that space for other things.
        if block[257..263] == *b"ustar\0" && block[345] != 0 {
            path = [text(&block[345..500]), b"/", name].concat();
        }
        Ok(Header {
            mode: number(100, 108, "mode")?,
            uid: number(108, 116, "owner")?,
            gid: number(116, 124, "group")?,
            size: number(124, 136, "size")?,
            mtime: number(136, 148, "time")?,
            type_flag: block[156],
            target: text(&block[157..257]).to_vec(),
            path,
        })
    }

    fn into_entry(
        self,
        long_path: Option<Vec<u8>>,
        long_target: Option<Vec<u8>>,
    ) -> Result<Entry, DebFault> {
        let name = long_path.unwrap_or(self.path);
        let target = long_target.unwrap_or(self.target);
        let fault = |reason: &str| DebFault::entry(&name, reason);
        let refuse = |reason: &str| Err(fault(reason));
        let path = clean(&name).map_err(fault)?;
        let kind = match self.type_flag {
            // Old archives mark a directory only by the slash.
            b'0' | 0 if name.ends_with(b"/") => EntryKind::Directory,
            b'0' | 0 | b'7' => EntryKind::File,
            b'1' => EntryKind::HardLink(
                clean(&target).map_err(|e| fault(&format!("its hard link target: {e}")))?,
            ),
            b'2' if target.is_empty() || target.contains(&0) => {
                return refuse("a symbolic link without a proper target");
            }
            b'2' => EntryKind::Symlink(target),
            b'5' => EntryKind::Directory,
            // Debian's Policy 10.6 forbids both in packages.
            b'3' | b'4' => return refuse("device nodes are not allowed"),
            b'6' => return refuse("named pipes are not allowed"),
            b'x' | b'g' | b'X' => return refuse("PAX headers, which dpkg does not read"),
            other => return refuse(&format!("an entry of unknown type {:?}", char::from(other))),
        };
        if path.is_empty() && kind != EntryKind::Directory {
            return refuse("the root has to be a directory");
        }
        if self.size != 0 && kind != EntryKind::File {
            return refuse("only regular files have content");
        }
        let id = |value: u64| u32::try_from(value).ok().filter(|id| *id != u32::MAX);
        let (Some(uid), Some(gid)) = (id(self.uid), id(self.gid)) else {
            return refuse("its owner or group is out of range");
        };
        let Ok(mtime) = i64::try_from(self.mtime) else {
            return refuse("its time is out of range");
        };
        // The padded size has to be a number, too.
        if self.size > i64::MAX as u64 {
            return refuse("its size is out of range");
        }
        Ok(Entry {
            path,
            kind,
            mode: (self.mode & 0o7777) as u32,
            uid,
            gid,
            mtime,
            size: self.size,
        })
    }
}

/// A field up to its first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|b| *b == 0).next().unwrap_or(field)
}

/// An octal number between spaces and NULs, or GNU's big-endian form with the top bit set.
fn parse_number(field: &[u8]) -> Option<u64> {
    if let [first @ 0x80..=0xbf, rest @ ..] = field {
        return rest.iter().try_fold(u64::from(first & 0x3f), |value, byte| {
            value.checked_mul(256).map(|v| v + u64::from(*byte))
        });
    }
    // As dpkg reads them (lib/dpkg/tarfn.c, `tar_atol8`): nothing but the end may follow.
    let start = field.iter().position(|b| *b != b' ')?;
    let is_end = |b: &u8| matches!(b, 0 | b' ');
    let end = field[start..].iter().position(is_end).map_or(field.len(), |end| start + end);
    if !field[end..].iter().all(is_end) {
        return None;
    }
    field[start..end].iter().try_fold(0u64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8).map(|v| v + u64::from(digit - b'0')),
        _ => None,
    })
}

/// Brings a path into the form of [`Entry::path`].
fn clean(name: &[u8]) -> Result<Vec<u8>, &'static str> {
    if name.is_empty() {
        return Err("a name is empty");
    }
    if name.len() as u64 >= MAX_NAME {
        return Err("the path is too long");
    }
    if name.contains(&0) {
        return Err("the path contains a NUL byte");
    }
    if name.starts_with(b"/") {
        return Err("the path is absolute");
    }
    let rest = match name {
        b"." => return Ok(Vec::new()),
        [b'.', b'/', rest @ ..] => rest,
        _ => name,
    };
    let rest = rest.strip_suffix(b"/").unwrap_or(rest);
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    for component in rest.split(|b| *b == b'/') {
        match component {
            b".." => return Err("the path contains \"..\""),
            b"" | b"." => return Err("the path has an empty component or a \".\""),
            long if long.len() > 255 => return Err("a component of the path is too long"),
            _ => {}
        }
    }
    Ok(rest.to_vec())
}

#[cfg(test)]
mod tests;
