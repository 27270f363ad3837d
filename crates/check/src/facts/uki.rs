//! Unified kernel images: a UEFI program with a kernel, its initramfs and its command line in
//! sections (UAPI group, Unified Kernel Image).

use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use osb_tree::{Content, Extent, Extents, ReadAt};

use crate::parse::kernel::{Section, sections};

/// Bytes at the beginning in which all headers are.
const HEAD: u64 = 64 << 10;
/// Most bytes of a command line (Linux, `COMMAND_LINE_SIZE`, is 4096 at most).
const LINE: u64 = 64 << 10;

/// What is in a unified kernel image. The contents are parts of its own.
pub(super) struct Uki {
    /// `None` if it is cut off.
    pub(super) kernel: Option<Content>,
    /// `None` inside if it is cut off.
    pub(super) initramfs: Option<Option<Content>>,
    pub(super) line: Option<String>,
}

impl Uki {
    /// `None` if it is none: another program, or a kernel alone.
    pub(super) fn read(content: &Content) -> Option<Uki> {
        let mut head = Vec::new();
        content.open().ok()?.take(HEAD).read_to_end(&mut head).ok()?;
        let sections = sections(&head);
        let find = |name: &str| sections.iter().find(|section| section.name == name);
        let line = find(".cmdline").and_then(|section| {
            let bytes = part(content, section).filter(|part| part.size() <= LINE)?.read().ok()?;
            let text = String::from_utf8_lossy(&bytes);
            Some(text.trim_end_matches(['\0', '\n']).to_owned())
        });
        Some(Uki {
            kernel: part(content, find(".linux")?),
            initramfs: find(".initrd").map(|section| part(content, section)),
            line,
        })
    }
}

/// A part of a content, which stays where it is.
fn part(content: &Content, Section { start, len, .. }: &Section) -> Option<Content> {
    let (start, len) = (*start, *len);
    start.checked_add(len).filter(|end| *end <= content.size())?;
    let piece = Extent { at: 0, len, offset: start };
    Some(Content::Extents(Extents::new(Arc::new(Whole(content.clone())), vec![piece], len)))
}

/// A content as a source of others.
#[derive(Debug)]
struct Whole(Content);

impl ReadAt for Whole {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match &self.0 {
            Content::Extents(extents) => extents.read_at(buffer, offset),
            Content::File { path, .. } => {
                FileExt::read_exact_at(&std::fs::File::open(path)?, buffer, offset)
            }
            Content::Bytes(bytes) => {
                let start = usize::try_from(offset).map_err(io::Error::other)?;
                let part = start.checked_add(buffer.len()).and_then(|end| bytes.get(start..end));
                buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}
