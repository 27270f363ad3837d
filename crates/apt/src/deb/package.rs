//! One package file, opened.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

use super::ar::{Layout, Member, read_layout};
use super::control::Control;
use super::fault::{DebError, DebFault, LimitReached};
use super::guard::Guard;
use super::tar::{Dialect, Entry, TarReader};

/// Bytes read from a file or a decompressor at once.
const CHUNK: usize = 128 << 10;

/// What a package may cost at most. The defaults are several times what the largest packages of
/// Debian need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files, directories and links.
    pub entries: u64,
    /// Bytes of the uncompressed `data.tar`. An `ar` member has less than 10^10 bytes.
    pub data_bytes: u64,
    /// Bytes of the uncompressed `control.tar`.
    pub control_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { entries: 1_000_000, data_bytes: 8 << 30, control_bytes: 64 << 20 }
    }
}

/// A package file whose container was found to be well-formed.
#[derive(Debug)]
pub struct Deb {
    path: PathBuf,
    file: File,
    layout: Layout,
}

impl Deb {
    /// Opens a package file and reads the headers of its members.
    ///
    /// # Errors
    /// The file cannot be read, or is not a package of format 2.x.
    pub fn open(path: &Path) -> Result<Deb, DebError> {
        let mut file = File::open(path).map_err(|e| DebFault::io("opening it")(e).at(path))?;
        let layout = read_layout(&mut file).map_err(|fault| fault.at(path))?;
        Ok(Deb { path: path.to_owned(), file, layout })
    }

    /// The fields of the package's `control` file.
    ///
    /// # Errors
    /// The control archive is damaged or has no `control` file.
    pub fn control(&self) -> Result<Control, DebError> {
        self.read_control().map_err(|fault| fault.at(&self.path))
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The stored bytes of a member.
    fn raw_member(&self, member: &Member) -> Result<Take<File>, DebFault> {
        // Every reader gets its own file description: positions must not be shared.
        let mut file = File::open(&self.path).map_err(DebFault::io("opening it"))?;
        // The name could meanwhile mean another file.
        if !same_file(&file, &self.file).map_err(DebFault::io("reading it"))? {
            return Err(DebFault::Malformed("it was replaced while being read".into()));
        }
        file.seek(SeekFrom::Start(member.span.start)).map_err(DebFault::io("reading it"))?;
        Ok(file.take(member.span.size))
    }

    /// The decompressed bytes of a member, at most `limit` of them.
    pub(crate) fn open_member(
        &self,
        member: &Member,
        limit: u64,
    ) -> Result<impl BufRead + use<>, DebFault> {
        let raw = BufReader::with_capacity(CHUNK, self.raw_member(member)?);
        let input =
            member.compression.decode(raw).map_err(DebFault::io("preparing the decompression"))?;
        let bounded = Bounded::new(input, limit, member.name.clone());
        Ok(BufReader::with_capacity(CHUNK, bounded))
    }

    fn read_control(&self) -> Result<Control, DebFault> {
        let limits = Limits::default();
        let input = self.open_member(&self.layout.control, limits.control_bytes)?;
        let mut found = None;
        walk(input, limits.entries, &mut |entry, content| {
            if entry.path == b"control" {
                let mut text = Vec::new();
                content.read_to_end(&mut text).map_err(DebFault::io("reading control"))?;
                found = Some(text);
            }
            Ok(())
        })?;
        match found {
            Some(text) => Control::parse(&text),
            None => Err(DebFault::Malformed("its control.tar has no file control".into())),
        }
    }
}

/// Calls `visit` for every entry of a tar stream after all checks.
pub(crate) fn walk(
    input: impl BufRead,
    max_entries: u64,
    visit: &mut dyn FnMut(&Entry, &mut dyn BufRead) -> Result<(), DebFault>,
) -> Result<(), DebFault> {
    let mut reader = TarReader::new(input, Dialect::Dpkg);
    let mut guard = Guard::default();
    let mut count = 0;
    while let Some(entry) = reader.next_entry()? {
        count += 1;
        if count > max_entries {
            return Err(DebFault::TooLarge(format!("more than {max_entries} entries")));
        }
        guard.admit(&entry)?;
        visit(&entry, &mut reader)?;
    }
    Ok(())
}

fn same_file(a: &File, b: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (a, b) = (a.metadata()?, b.metadata()?);
    Ok((a.dev(), a.ino()) == (b.dev(), b.ino()))
}

/// Fails, rather than ends, after a number of bytes.
pub(crate) struct Bounded<R> {
    input: R,
    left: u64,
    limit: u64,
    name: String,
}

impl<R> Bounded<R> {
    /// Reads at most `limit` bytes; `name` is what they come from, for the error.
    pub(crate) fn new(input: R, limit: u64, name: String) -> Bounded<R> {
        Bounded { input, left: limit, limit, name }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        match self.left.checked_sub(length as u64) {
            Some(left) => self.left = left,
            None => {
                let Bounded { name, limit, .. } = self;
                return Err(
                    LimitReached(format!("{name} unpacks to more than {limit} bytes")).into_io()
                );
            }
        }
        Ok(length)
    }
}
