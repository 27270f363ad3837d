//! Emission: every byte once, in order.
//!
//! A group's fixed blocks come first, then what was laid out in it, then what is free. Zeroes that
//! somebody reads (bitmaps of unused groups, inode tables, the journal) are said to be zero; free
//! blocks are said to be unused, but for those at both ends of the file system, where tools look
//! for the signatures of what was on a disk before.

use std::io::{self, Read};

use osb_sink::Sink;
use osb_tree::Content;

use crate::Options;
use crate::descriptors::Usage;
use crate::error::{Ext4Error, show};
use crate::geometry::BLOCK;
use crate::inode::reserved;
use crate::layout::{Layout, Region, Source};
use crate::out::Out;
use crate::own::{JOURNAL, LOST_FOUND};
use crate::resize;
use crate::superblock::{SUPERBLOCK, Superblock};

/// Bytes at both ends in which free blocks are zeroed.
const ENDS: u64 = 1 << 20;

/// Writes the file system and zeroes up to `options.size` bytes.
pub(crate) fn write(
    layout: &Layout<'_>,
    options: &Options,
    sink: &mut dyn Sink,
) -> Result<(), Ext4Error> {
    let usage = Usage { geometry: &layout.geometry, end: layout.end, inodes: &layout.inodes };
    let journal = &layout.inodes[JOURNAL as usize - 1];
    let superblock = Superblock {
        geometry: &layout.geometry,
        options,
        free_blocks: usage.free_blocks(),
        free_inodes: layout.geometry.inodes() - layout.inodes.len() as u64,
        journal,
    };
    let mut emitter = Emitter {
        descriptors: usage.descriptors(layout.sum),
        layout,
        usage,
        superblock,
        out: Out::new(sink),
        reader: None,
    };
    let mut regions = layout.regions.iter().peekable();
    for index in 0..layout.geometry.groups {
        let group = layout.geometry.group(index);
        emitter.fixed(index)?;
        let mut at = group.free;
        while let Some(region) = regions.next_if(|region| region.start < group.end) {
            debug_assert_eq!(at, region.start, "regions follow each other");
            emitter.region(region)?;
            at += region.len;
        }
        emitter.free(at * BLOCK, group.end * BLOCK)?;
    }
    let rest = options.size - layout.geometry.blocks * BLOCK;
    emitter.out.zeros(rest)?;
    emitter.out.flush()
}

struct Emitter<'a, 'tree> {
    layout: &'a Layout<'tree>,
    usage: Usage<'a>,
    superblock: Superblock<'a>,
    descriptors: Vec<u8>,
    out: Out<'a>,
    /// The file whose blocks are being written.
    reader: Option<Box<dyn Read + 'tree>>,
}

impl<'tree> Emitter<'_, 'tree> {
    /// What a group has at its beginning.
    fn fixed(&mut self, index: u64) -> Result<(), Ext4Error> {
        let geometry = self.usage.geometry;
        let group = geometry.group(index);
        if group.has_copy {
            let mut block = [0; BLOCK as usize];
            let at = if index == 0 { SUPERBLOCK } else { 0 };
            block[at..at + SUPERBLOCK].copy_from_slice(&self.superblock.encode(index));
            self.out.data(&block)?;
            self.out.data(&self.descriptors)?;
            match index {
                0 => self.out.data(&resize::kept(geometry))?,
                _ => self.out.zeros(geometry.growth_blocks * BLOCK)?,
            }
        }
        let members = index..index + group.leads;
        for member in members.clone() {
            let bitmap = self.usage.block_bitmap(member);
            self.out.block(bitmap.as_deref())?;
        }
        for member in members.clone() {
            let bitmap = self.usage.inode_bitmap(member);
            self.out.block(bitmap.as_deref())?;
        }
        for member in members {
            self.inodes(member)?;
        }
        Ok(())
    }

    /// The inode table of a group.
    fn inodes(&mut self, index: u64) -> Result<(), Ext4Error> {
        let geometry = self.usage.geometry;
        let inodes = self.usage.inodes_of(index);
        let first = index * geometry.inodes_per_group + 1;
        let mut written = 0;
        for (number, inode) in (first as u32..).zip(inodes) {
            let sum = self.layout.sum.inode(number);
            let bytes = match inode.mode {
                0 if number < LOST_FOUND => reserved(sum),
                _ => inode.encode(sum),
            };
            self.out.data(&bytes)?;
            written += bytes.len() as u64;
        }
        let slack = written.next_multiple_of(BLOCK) - written;
        self.out.pad(slack)?;
        self.out.zeros(geometry.table_blocks() * BLOCK - written - slack)
    }

    /// What was laid out.
    fn region(&mut self, region: &Region<'tree>) -> Result<(), Ext4Error> {
        let bytes = region.len * BLOCK;
        match &region.source {
            Source::Bytes(bytes) => self.out.data(bytes),
            Source::Zeros => self.out.zeros(bytes),
            Source::Content { path, content, logical } => {
                let at = logical * BLOCK;
                let len = bytes.min(content.size() - at);
                self.content(path, content, at, len)?;
                self.out.pad(bytes - len)
            }
        }
    }

    /// `len` bytes of a file from `at` on.
    fn content(
        &mut self,
        path: &[u8],
        content: &'tree Content,
        mut at: u64,
        mut len: u64,
    ) -> Result<(), Ext4Error> {
        let failed = |source| Ext4Error::Content { path: show(path), source: shorter(source) };
        let reader = match content {
            Content::Bytes(bytes) => return self.out.data(&bytes[at as usize..][..len as usize]),
            Content::Extents(extents) => {
                while len > 0 {
                    let part = self.out.space(len)?;
                    extents.read_at(part, at).map_err(failed)?;
                    let done = part.len() as u64;
                    self.out.filled(done);
                    (at, len) = (at + done, len - done);
                }
                return Ok(());
            }
            Content::File { .. } => {
                if at == 0 {
                    self.reader = Some(content.open().map_err(failed)?);
                }
                self.reader.as_mut().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?
            }
        };
        while len > 0 {
            let part = self.out.space(len)?;
            reader.read_exact(part).map_err(failed)?;
            let done = part.len() as u64;
            self.out.filled(done);
            len -= done;
        }
        Ok(())
    }

    /// Free blocks, in bytes from the beginning.
    fn free(&mut self, from: u64, to: u64) -> Result<(), Ext4Error> {
        let end = self.usage.geometry.blocks * BLOCK;
        // At least 16 MiB: the ends do not meet.
        let (first, last) = (ENDS.clamp(from, to), (end - ENDS).clamp(from, to));
        self.out.zeros(first - from)?;
        self.out.unused(last - first)?;
        self.out.zeros(to - last)
    }
}

fn shorter(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            io::Error::new(error.kind(), "the file has become shorter since the tree was read")
        }
        _ => error,
    }
}
