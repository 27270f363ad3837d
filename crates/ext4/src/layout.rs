//! The whole file system laid out: every inode, and what lies in every block that was given out.

use osb_tree::{Content, Kind, Time, Tree};

use crate::Options;
use crate::allocate::Allocator;
use crate::checksum::Sum;
use crate::content::{Run, runs};
use crate::directory::{self, Directory};
use crate::error::{Ext4Error, show};
use crate::extents::{self, Extent};
use crate::geometry::{BLOCK, Geometry};
use crate::inode::{self, DiskInode};
use crate::number::{Named, Numbered, index, number};
use crate::own::{FIRST_INODE, JOURNAL, LOST_FOUND, LOST_FOUND_BLOCKS, RESIZE, ROOT};
use crate::{journal, resize, xattr};

/// Blocks that follow each other, within one group.
#[derive(Debug)]
pub(crate) struct Region<'tree> {
    pub(crate) start: u64,
    pub(crate) len: u64,
    pub(crate) source: Source<'tree>,
}

/// What lies in a region.
#[derive(Debug)]
pub(crate) enum Source<'tree> {
    /// These bytes, whole blocks of them.
    Bytes(Vec<u8>),
    /// The blocks of a file from number `logical` on; those of one file follow each other.
    Content { path: &'tree [u8], content: &'tree Content, logical: u64 },
    /// Zeroes that somebody will read.
    Zeros,
}

/// A file system that is laid out.
#[derive(Debug)]
pub(crate) struct Layout<'tree> {
    pub(crate) geometry: Geometry,
    /// What the checksums begin with.
    pub(crate) sum: Sum,
    /// From number 1 on.
    pub(crate) inodes: Vec<DiskInode>,
    /// In the order of their places.
    pub(crate) regions: Vec<Region<'tree>>,
    /// Behind the last block that was given out.
    pub(crate) end: u64,
}

/// Lays out `tree`; `Ok(None)` if there are not enough blocks.
pub(crate) fn layout<'tree>(
    tree: &'tree Tree,
    options: &Options,
    geometry: Geometry,
) -> Result<Option<Layout<'tree>>, Ext4Error> {
    let numbered = number(tree)?;
    let time = Time::from_secs(options.timestamp);
    if !inode::TIMES.contains(&time.secs) {
        return Err(Ext4Error::Time { path: show(b"lost+found"), secs: time.secs });
    }
    let mut planner = Planner {
        geometry: &geometry,
        allocator: Allocator::new(&geometry),
        sum: Sum::seed(&options.uuid),
        inodes: vec![DiskInode::new(0, Time::default()); FIRST_INODE as usize - 1],
        regions: Vec::new(),
    };
    match planner.all(&numbered, options, time) {
        Err(Stop::Full) => return Ok(None),
        Err(Stop::Refused(error)) => return Err(error),
        Ok(()) => {}
    }
    let Planner { allocator, sum, inodes, regions, .. } = planner;
    let end = allocator.end();
    Ok(Some(Layout { geometry, sum, inodes, regions, end }))
}

/// Why the layout ends early.
enum Stop {
    Full,
    Refused(Ext4Error),
}

impl From<Ext4Error> for Stop {
    fn from(error: Ext4Error) -> Self {
        Stop::Refused(error)
    }
}

struct Planner<'a, 'tree> {
    geometry: &'a Geometry,
    allocator: Allocator<'a>,
    sum: Sum,
    inodes: Vec<DiskInode>,
    regions: Vec<Region<'tree>>,
}

impl<'tree> Planner<'_, 'tree> {
    /// Everything: names, links and attributes first, so that they lie together; then the journal,
    /// then the files.
    fn all(
        &mut self,
        numbered: &Numbered<'tree>,
        options: &Options,
        time: Time,
    ) -> Result<(), Stop> {
        for (place, named) in numbered.inodes.iter().enumerate() {
            let inode = self.inode(named)?;
            match place {
                0 => self.inodes[ROOT as usize - 1] = inode,
                _ => self.inodes.push(inode),
            }
        }
        self.own_directories(time)?;
        let seed = seed_words(&options.hash_seed);
        for directory in &numbered.directories {
            self.directory(directory, &seed, numbered)?;
        }
        for (number, named) in files(numbered) {
            if let Kind::Symlink(target) = &named.inode.kind
                && target.len() > inode::INLINE_TARGET
            {
                let mut block = target.clone();
                block.resize(BLOCK as usize, 0);
                self.bytes(number, block)?;
            }
        }
        self.journal(&options.uuid, time)?;
        for (number, named) in files(numbered) {
            if let Kind::File(content) = &named.inode.kind {
                let path = named.path;
                let source = |logical| Source::Content { path, content, logical };
                self.map(number, &runs(content), source)?;
            }
        }
        Ok(())
    }

    /// The inode of an entry, with everything but its blocks.
    fn inode(&mut self, named: &Named<'tree>) -> Result<DiskInode, Stop> {
        let Named { path, inode: entry, links } = *named;
        let meta = &entry.meta;
        let kind = match entry.kind {
            Kind::Directory => inode::DIRECTORY,
            Kind::File(_) => inode::REGULAR,
            Kind::Symlink(_) => inode::SYMLINK,
            Kind::CharDevice(_) => inode::CHARACTER,
            Kind::BlockDevice(_) => inode::BLOCK_DEVICE,
            Kind::Fifo => inode::FIFO,
            Kind::Socket => inode::SOCKET,
        };
        let mut disk = DiskInode::new(kind | (meta.mode & 0o7777) as u16, meta.mtime);
        (disk.uid, disk.gid) = (meta.uid, meta.gid);
        disk.links = if links > inode::MOST_LINKS { 1 } else { links as u16 };
        match &entry.kind {
            Kind::Directory => disk.flags = inode::EXTENTS,
            Kind::File(content) => {
                // Numbers of blocks within a file have 32 bits.
                if content.size() > (u64::from(u32::MAX)) * BLOCK {
                    let reason = "a file of 16 TiB or more".to_owned();
                    return Err(Ext4Error::Entry { path: show(path), reason }.into());
                }
                disk.size = content.size();
                disk.flags = inode::EXTENTS;
            }
            Kind::Symlink(target) => {
                if target.is_empty() || target.len() > 4095 || target.contains(&0) {
                    let reason = "a link target has 1 to 4095 bytes, none of them NUL";
                    return Err(Ext4Error::Name { path: show(path), reason }.into());
                }
                disk.size = target.len() as u64;
                if target.len() <= inode::INLINE_TARGET {
                    disk.body[..target.len()].copy_from_slice(target);
                } else {
                    disk.flags = inode::EXTENTS;
                }
            }
            Kind::CharDevice(device) | Kind::BlockDevice(device) => {
                disk.body = inode::device(*device).ok_or_else(|| {
                    let reason = format!(
                        "device {}:{}, where Linux has 12 and 20 bits",
                        device.major, device.minor
                    );
                    Ext4Error::Entry { path: show(path), reason }
                })?;
            }
            Kind::Fifo | Kind::Socket => {}
        }
        if disk.flags & inode::EXTENTS != 0 {
            // Files without blocks have an empty tree.
            disk.body = extents::tree(&[], &[], self.sum).0;
        }
        let stored = xattr::stored(path, meta)?;
        disk.attributes = stored.in_inode;
        if let Some(mut block) = stored.block {
            let place = self.block()?;
            xattr::seal(&mut block, place, self.sum);
            self.regions.push(Region { start: place, len: 1, source: Source::Bytes(block) });
            disk.attribute_block = place;
            disk.blocks = 1;
        }
        Ok(disk)
    }

    /// The inode that lists the blocks kept for growth, and `lost+found`.
    fn own_directories(&mut self, time: Time) -> Result<(), Stop> {
        let place = self.block()?;
        let list = Source::Bytes(resize::list(self.geometry));
        self.regions.push(Region { start: place, len: 1, source: list });
        self.inodes[RESIZE as usize - 1] = resize::inode(self.geometry, place, time);

        let mut inode = DiskInode::new(inode::DIRECTORY | 0o700, time);
        inode.links = 2;
        inode.flags = inode::EXTENTS;
        inode.size = LOST_FOUND_BLOCKS * BLOCK;
        self.inodes[LOST_FOUND as usize - 1] = inode;
        let sum = self.sum.inode(LOST_FOUND);
        self.bytes(LOST_FOUND, directory::lost_found(LOST_FOUND, ROOT, LOST_FOUND_BLOCKS, sum))
    }

    fn directory(
        &mut self,
        directory: &Directory<'tree>,
        seed: &[u32; 4],
        numbered: &Numbered<'tree>,
    ) -> Result<(), Stop> {
        let sum = self.sum.inode(directory.inode);
        let Some(bytes) = directory.blocks(seed, sum) else {
            let path = show(numbered.inodes[index(directory.inode)].path);
            let reason = format!(
                "{} entries, more than ext4's directory index can hold",
                directory.entries.len()
            );
            return Err(Ext4Error::Entry { path, reason }.into());
        };
        let inode = &mut self.inodes[directory.inode as usize - 1];
        inode.size = bytes.len() as u64;
        if inode.size > BLOCK {
            inode.flags |= inode::INDEX;
        }
        self.bytes(directory.inode, bytes)
    }

    fn journal(&mut self, uuid: &[u8; 16], time: Time) -> Result<(), Stop> {
        let blocks = self.geometry.journal_blocks;
        let mut inode = DiskInode::new(inode::REGULAR | 0o600, time);
        inode.flags = inode::EXTENTS;
        inode.size = blocks * BLOCK;
        self.inodes[JOURNAL as usize - 1] = inode;
        // In one region of its own each, so that only the first has bytes.
        let runs = [Run { logical: 0, len: 1 }, Run { logical: 1, len: blocks - 1 }];
        self.map(JOURNAL, &runs, |logical| match logical {
            0 => Source::Bytes(journal::superblock(blocks, uuid)),
            _ => Source::Zeros,
        })
    }

    /// Gives an inode blocks with these bytes.
    fn bytes(&mut self, number: u32, bytes: Vec<u8>) -> Result<(), Stop> {
        let len = bytes.len() as u64 / BLOCK;
        let mut rest = bytes;
        let mut extents = Vec::new();
        let mut logical = 0;
        for (start, len) in self.allocator.take(len).ok_or(Stop::Full)? {
            let more = rest.split_off((len * BLOCK) as usize);
            let source = Source::Bytes(std::mem::replace(&mut rest, more));
            self.regions.push(Region { start, len, source });
            extents::add(&mut extents, logical, start, len);
            logical += len;
        }
        self.finish(number, &extents, logical)
    }

    /// Gives an inode blocks for these runs; `source` says what is in those from a number on.
    fn map(
        &mut self,
        number: u32,
        runs: &[Run],
        source: impl Fn(u64) -> Source<'tree>,
    ) -> Result<(), Stop> {
        let mut extents = Vec::new();
        let mut count = 0;
        for run in runs {
            let mut logical = run.logical;
            for (start, len) in self.allocator.take(run.len).ok_or(Stop::Full)? {
                self.regions.push(Region { start, len, source: source(logical) });
                extents::add(&mut extents, logical, start, len);
                logical += len;
            }
            count += run.len;
        }
        self.finish(number, &extents, count)
    }

    /// Sets the extents of an inode, behind whose blocks come the nodes of their tree.
    fn finish(&mut self, number: u32, extents: &[Extent], count: u64) -> Result<(), Stop> {
        let nodes = extents::nodes(extents.len());
        let mut places = Vec::new();
        for (start, len) in self.allocator.take(nodes).ok_or(Stop::Full)? {
            places.extend(start..start + len);
        }
        let (root, blocks) = extents::tree(extents, &places, self.sum.inode(number));
        for (start, bytes) in places.into_iter().zip(blocks) {
            self.regions.push(Region { start, len: 1, source: Source::Bytes(bytes) });
        }
        let inode = &mut self.inodes[number as usize - 1];
        inode.body = root;
        inode.blocks += count + nodes;
        Ok(())
    }

    /// A single block.
    fn block(&mut self) -> Result<u64, Stop> {
        let pieces = self.allocator.take(1).ok_or(Stop::Full)?;
        pieces.first().map(|(start, _)| *start).ok_or(Stop::Full)
    }
}

/// What is no directory, with its number.
fn files<'a, 'tree>(
    numbered: &'a Numbered<'tree>,
) -> impl Iterator<Item = (u32, &'a Named<'tree>)> + use<'a, 'tree> {
    (FIRST_INODE..).zip(numbered.inodes.iter().skip(1))
}

/// `s_hash_seed` is an array of little-endian words.
fn seed_words(seed: &[u8; 16]) -> [u32; 4] {
    let word = |at: usize| u32::from_le_bytes([seed[at], seed[at + 1], seed[at + 2], seed[at + 3]]);
    [word(0), word(4), word(8), word(12)]
}
