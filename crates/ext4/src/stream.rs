//! Emission in order.
//!
//! mkext4 emits in two passes: first all metadata and free space, ascending, leaving out the
//! blocks of files; then the files' contents. Both passes ascend, and the layout says where each
//! file lies. So the first pass alone is enough: whenever it jumps, the gap is file data, and
//! this adapter fills it from the tree before it lets the next region through. Nothing is kept
//! in memory, and mkext4's second pass is not used.

use std::io::{self, Read};

use mkext4::{InodeHandle, Layout, RegionSink};
use osb_sink::Sink;
use osb_tree::Content;

use crate::error::{Ext4Error, show};
use crate::geometry::BLOCK;

/// Bytes read from a file at a time.
const BUFFER: usize = 1 << 20;

/// A regular file and where its bytes go.
#[derive(Debug)]
struct File<'tree> {
    path: &'tree [u8],
    content: &'tree Content,
    handle: InodeHandle,
}

/// All regular files that have bytes, in the order of their blocks.
#[derive(Debug)]
pub(crate) struct Files<'tree>(Vec<File<'tree>>);

impl<'tree> Files<'tree> {
    /// Takes the files in the order in which they were declared, which is the order in which
    /// mkext4 gives them blocks.
    pub(crate) fn new(
        layout: &Layout,
        declared: Vec<(InodeHandle, &'tree [u8], &'tree Content)>,
    ) -> Self {
        let files = declared
            .into_iter()
            .filter(|(handle, ..)| !layout.extents(*handle).is_empty())
            .map(|(handle, path, content)| File { path, content, handle })
            .collect();
        Files(files)
    }
}

/// Writes the file system and zeroes up to `size` bytes.
pub(crate) fn write(
    layout: &Layout,
    files: Files<'_>,
    size: u64,
    sink: &mut dyn Sink,
) -> Result<(), Ext4Error> {
    let mut out = InOrder {
        layout,
        sink,
        at: 0,
        files: files.0.into_iter(),
        current: None,
        buffer: vec![0; BUFFER],
        failure: None,
    };
    // The writer that comes back would do the second pass.
    if let Err(error) = layout.writer(&mut out) {
        return Err(out.failure.unwrap_or_else(|| Ext4Error::Layout(error.to_string())));
    }
    let end = layout.image_len();
    out.fill_to(end).and_then(|()| out.zeros_now(size - end))
}

/// The file whose extents are being written.
struct Current<'tree> {
    file: File<'tree>,
    reader: Box<dyn Read + 'tree>,
    /// Offset in the image and length in bytes, the next one last.
    extents: Vec<(u64, u64)>,
}

/// Sends mkext4's regions and the files between them to the sink.
struct InOrder<'a, 'tree> {
    layout: &'a Layout,
    sink: &'a mut dyn Sink,
    /// Bytes emitted so far.
    at: u64,
    files: std::vec::IntoIter<File<'tree>>,
    current: Option<Current<'tree>>,
    buffer: Vec<u8>,
    /// The typed error behind the `io::Error` that mkext4 was given.
    failure: Option<Ext4Error>,
}

impl InOrder<'_, '_> {
    /// Emits file data until `offset`.
    fn fill_to(&mut self, offset: u64) -> Result<(), Ext4Error> {
        while self.at < offset {
            let Some((start, len)) = self.next_extent()? else {
                return Err(out_of_order(self.at));
            };
            let end = (start + len).next_multiple_of(BLOCK);
            if start != self.at || end > offset {
                return Err(out_of_order(start));
            }
            self.copy(len)?;
            self.zeros_now(end - start - len)?;
        }
        if self.at == offset { Ok(()) } else { Err(out_of_order(offset)) }
    }

    /// The next piece of file data, its file opened.
    fn next_extent(&mut self) -> Result<Option<(u64, u64)>, Ext4Error> {
        loop {
            if let Some(extent) = self.current.as_mut().and_then(|current| current.extents.pop()) {
                return Ok(Some(extent));
            }
            let Some(file) = self.files.next() else { return Ok(None) };
            let reader = file
                .content
                .open()
                .map_err(|source| Ext4Error::Content { path: show(file.path), source })?;
            let mut extents = self.layout.extents(file.handle);
            extents.reverse();
            self.current = Some(Current { file, reader, extents });
        }
    }

    /// Copies `len` bytes of the current file.
    fn copy(&mut self, mut len: u64) -> Result<(), Ext4Error> {
        let Some(current) = &mut self.current else { return Err(out_of_order(self.at)) };
        while len > 0 {
            let part = &mut self.buffer[..len.min(BUFFER as u64) as usize];
            current.reader.read_exact(part).map_err(|error| {
                let source = match error.kind() {
                    io::ErrorKind::UnexpectedEof => io::Error::new(
                        error.kind(),
                        "the file has become shorter since the tree was read",
                    ),
                    _ => error,
                };
                Ext4Error::Content { path: show(current.file.path), source }
            })?;
            self.sink.data(part).map_err(Ext4Error::Write)?;
            self.at += part.len() as u64;
            len -= part.len() as u64;
        }
        Ok(())
    }

    fn zeros_now(&mut self, len: u64) -> Result<(), Ext4Error> {
        if len > 0 {
            self.sink.zeros(len).map_err(Ext4Error::Write)?;
            self.at += len;
        }
        Ok(())
    }

    /// Keeps the typed error and gives mkext4 one that it can carry.
    fn keep(&mut self, result: Result<(), Ext4Error>) -> io::Result<()> {
        result.map_err(|error| {
            self.failure = Some(error);
            io::Error::other("see the error that was kept")
        })
    }
}

impl RegionSink for InOrder<'_, '_> {
    fn data(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let result = self.fill_to(offset).and_then(|()| {
            self.sink.data(bytes).map_err(Ext4Error::Write)?;
            self.at += bytes.len() as u64;
            Ok(())
        });
        self.keep(result)
    }

    fn zeros(&mut self, offset: u64, len: u64) -> io::Result<()> {
        let result = self.fill_to(offset).and_then(|()| self.zeros_now(len));
        self.keep(result)
    }
}

/// mkext4 promises ascending regions and ascending files; a version that does not must be
/// noticed, not written.
fn out_of_order(offset: u64) -> Ext4Error {
    Ext4Error::Layout(format!("mkext4's layout is not ascending at byte {offset}"))
}
