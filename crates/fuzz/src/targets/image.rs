//! Images: disks, file systems and archives, as `osb diff` reads them. What is read can be
//! compared with itself and described at any offset, in little memory and time.

use std::io;
use std::sync::Arc;

use osb_image::{Image, Limits, fuzz};
use osb_partition::{Guid, Layout, PartitionSpec, PartitionType};
use osb_sink::WriteSink;
use osb_tree::diff::{Scope, diff};
use osb_tree::{Inode, Kind, ReadAt, Tree};

use crate::Target;
use crate::wrap::fix_checksums;

/// What an input of 64 KiB may take: a thousandth of the default.
const LIMITS: Limits = Limits { memory: 8 << 20, work: 8 << 20, decompressed: 8 << 20 };

/// Bytes of an input that are one thing of the sparse image it stands for.
const PIECE: usize = 64;

pub(crate) const EXT4: Target = Target {
    name: "ext4",
    about: "ext4 file systems, given as the pieces that are not zeroes",
    run: Sparse::read,
    seeds: || samples().map(|tree| pieces(&ext4(&tree))).to_vec(),
    words: &["\u{0}\u{1}", "lost+found", "system.data", "\u{c}\u{0}"],
};

pub(crate) const FAT: Target = Target {
    name: "fat",
    about: "FAT file systems, given as the pieces that are not zeroes",
    run: Sparse::read,
    seeds: || samples().map(|tree| pieces(&fat(&tree))).to_vec(),
    words: &["FAT32   ", "FAT16   ", "FAT12   ", "BOOT       "],
};

pub(crate) const TABLE: Target = Target {
    name: "table",
    about: "partition tables (GPT, MBR), given as the pieces that are not zeroes",
    run: Sparse::read,
    seeds: || vec![pieces(&gpt()), pieces(&mbr())],
    words: &["EFI PART", "\u{0}\u{0}\u{1}\u{0}\u{5c}\u{0}\u{0}\u{0}"],
};

pub(crate) const ARCHIVE: Target = Target {
    name: "archive",
    about: "tar archives as images, checksums made right",
    run: |bytes| {
        let mut bytes = bytes.to_vec();
        fix_checksums(&mut bytes);
        let len = bytes.len() as u64;
        read(Arc::new(bytes), len);
    },
    seeds: || samples().map(|tree| osb_archive::tar(&tree, Vec::new()).unwrap()).to_vec(),
    words: &["ustar\0", "SCHILY.xattr.", "30 mtime=1.5\n", "path=", "././@LongLink"],
};

/// Reads, and uses what was read.
fn read(bytes: Arc<dyn ReadAt>, len: u64) {
    let Ok(image) = fuzz::image(Arc::clone(&bytes), len, LIMITS) else { return };
    for volume in &image.volumes {
        for (path, id, _) in volume.tree.iter().skip(1) {
            assert!(path.split(|byte| *byte == b'/').all(|part| !part.is_empty()));
            assert!(volume.tree.links(id) > 0);
        }
        if let Ok(Some(space)) = volume.space() {
            assert!(space.free <= space.total, "{space:?}");
        }
        let same = diff(&volume.tree, &volume.tree.clone(), &Scope::ALL).unwrap();
        assert!(same.is_empty(), "{same:?}");
    }
    let again = fuzz::image(Arc::clone(&bytes), len, LIMITS).unwrap();
    inspect(fuzz::image(bytes, len, LIMITS).unwrap());
    let images = [image, again];
    let report = fuzz::compare(&images).unwrap();
    assert!(report.is_equal(), "{report:?}");
    for offset in [0, 512, 1100, len / 2, len.saturating_sub(1)] {
        assert!(!images[0].locate(offset).is_empty());
    }
}

/// Looks at an image as `osb inspect` does.
fn inspect(image: Image) {
    let _ = osb_check::Subject::of(&image);
    let Ok(Some(whole)) = image.into_whole() else { return };
    for (path, ..) in whole.iter() {
        if let Ok(real) = whole.resolve(path) {
            let end = whole.get(&real).map(|inode| &inode.kind);
            assert!(end.is_some_and(|kind| !matches!(kind, Kind::Symlink(_))), "a link at the end");
        }
        assert_eq!(whole.resolve_parent(path).as_deref(), Ok(path), "its own path leads elsewhere");
    }
}

/// The image that an input stands for: a number of pieces of zeroes (two bytes), then a piece of
/// bytes, over and over. Images are mostly zeroes, and inputs short.
#[derive(Debug, Default)]
pub(super) struct Sparse {
    /// Where each piece begins.
    pieces: Vec<(u64, Vec<u8>)>,
    pub(super) len: u64,
}

impl Sparse {
    pub(super) fn of(input: &[u8]) -> Self {
        let mut image = Sparse::default();
        for piece in input.chunks(PIECE + 2) {
            let [low, high, data @ ..] = piece else { break };
            image.len += u64::from(u16::from_le_bytes([*low, *high])) * PIECE as u64;
            image.pieces.push((image.len, data.to_vec()));
            image.len += data.len() as u64;
        }
        image
    }

    fn read(input: &[u8]) {
        let image = Sparse::of(input);
        let len = image.len;
        read(Arc::new(image), len);
    }
}

impl ReadAt for Sparse {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset + buffer.len() as u64;
        assert!(end <= self.len, "read behind the end");
        buffer.fill(0);
        let first = self.pieces.partition_point(|(at, data)| at + data.len() as u64 <= offset);
        for (at, data) in self.pieces[first..].iter().take_while(|(at, _)| *at < end) {
            let (from, to) = (offset.max(*at), end.min(at + data.len() as u64));
            buffer[(from - offset) as usize..(to - offset) as usize]
                .copy_from_slice(&data[(from - at) as usize..(to - at) as usize]);
        }
        Ok(())
    }
}

/// An image as such an input.
pub(super) fn pieces(image: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut skip = 0_u16;
    let last = image.len().div_ceil(PIECE) - 1;
    for (index, piece) in image.chunks(PIECE).enumerate() {
        if piece.iter().all(|byte| *byte == 0) && skip < u16::MAX && index < last {
            skip += 1;
            continue;
        }
        out.extend(skip.to_le_bytes());
        out.extend_from_slice(piece);
        skip = 0;
    }
    let back = Sparse::of(&out);
    let mut bytes = vec![0; image.len()];
    back.read_exact_at(&mut bytes, 0).unwrap();
    assert!(back.len == image.len() as u64 && bytes == image);
    out
}

/// A tree without anything, and one with one of most kinds.
pub(super) fn samples() -> [Tree; 2] {
    let mut tree = Tree::new();
    let id = tree.lay("dir/file", Inode::file(0o644, b"content\n".to_vec())).unwrap();
    tree.lay("dir/a longer name.txt", Inode::file(0o600, vec![7; 1000])).unwrap();
    tree.link("dir/link", id).unwrap();
    tree.insert("target", Inode::symlink("dir/file")).unwrap();
    tree.insert("long", Inode::symlink("t".repeat(100))).unwrap();
    tree.insert("pipe", Inode::new(0o600, Kind::Fifo)).unwrap();
    let meta = &mut tree.inode_mut(id).meta;
    meta.xattrs.insert(b"security.capability".to_vec(), vec![1; 20]);
    meta.xattrs.insert(b"user.long".to_vec(), vec![2; 300]);
    [Tree::new(), tree]
}

fn ext4(tree: &Tree) -> Vec<u8> {
    let options = osb_ext4::Options {
        size: 16 << 20,
        uuid: [1; 16],
        hash_seed: [2; 16],
        label: "label".to_owned(),
        timestamp: 1,
    };
    let mut sink = WriteSink::new(Vec::new());
    osb_ext4::Image::plan(tree, &options).unwrap().write(&mut sink).unwrap();
    sink.into_inner()
}

pub(super) fn fat(tree: &Tree) -> Vec<u8> {
    let mut files = Tree::new();
    for (path, _, inode) in tree.iter().filter(|(.., inode)| inode.content().is_some()) {
        files.lay(path, inode.clone()).unwrap();
    }
    let options = osb_fat::Options {
        size: 33 << 20,
        sector_size: 512,
        label: "BOOT".to_owned(),
        volume_id: 1,
        timestamp: 1,
        hidden_sectors: 2048,
    };
    let mut sink = WriteSink::new(Vec::new());
    osb_fat::Plan::new(&files, &options).unwrap().write(&mut sink).unwrap();
    sink.into_inner()
}

/// A disk whose one partition is empty.
fn gpt() -> Vec<u8> {
    let spec = PartitionSpec {
        name: "root".to_owned(),
        kind: PartitionType::LinuxFilesystem,
        guid: Guid::from_digest(&[1; 16]),
        size: 1 << 20,
    };
    let layout = Layout::new(Guid::from_digest(&[2; 16]), vec![spec]).unwrap();
    let mut sink = WriteSink::new(Vec::new());
    layout.write(&mut sink, &mut |_, sink| sink.zeros(1 << 20)).unwrap();
    sink.into_inner()
}

/// A disk with an MBR: one partition, and a chain of two logical ones.
fn mbr() -> Vec<u8> {
    let mut disk = vec![0; 64 << 10];
    let mut sector = |lba: usize, records: &[(u8, u32, u32)]| {
        let bytes = &mut disk[lba * 512..][..512];
        for (index, (kind, first, count)) in records.iter().enumerate() {
            let record = &mut bytes[446 + 16 * index..][..16];
            record[4] = *kind;
            record[8..12].copy_from_slice(&first.to_le_bytes());
            record[12..].copy_from_slice(&count.to_le_bytes());
        }
        bytes[510..].copy_from_slice(&[0x55, 0xAA]);
    };
    sector(0, &[(0x83, 8, 8), (0x05, 16, 64)]);
    sector(16, &[(0x83, 2, 8), (0x05, 32, 16)]);
    sector(48, &[(0x83, 2, 8)]);
    disk
}
