//! A tree with one of everything that ext4 can store and a Linux system can show.

use std::sync::Arc;

use anyhow::Result;
use osb_tree::{Content, Device, Extent, Extents, Inode, Kind, Meta, Time, Tree};

/// Entries of the large folder.
pub(super) const MANY: u32 = 20_000;
/// A file of more than 4 GiB with a few pieces, which is looked at by itself: nobody wants to read
/// its holes twice.
pub(super) const HUGE: &str = "huge";
/// Its length in bytes.
pub(super) const HUGE_SIZE: u64 = 5 << 30;

/// What lies at its end.
pub(super) fn huge_end() -> Vec<u8> {
    bytes(3, 5000)
}

/// An ACL in the system calls' form: owner rw-, user 70000 r--, group r--, mask r--, other ---.
const ACL: [u8; 44] = [
    2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 0x70, 0x11, 1, 0, 4, 0, 4, 0, 255, 255,
    255, 255, 0x10, 0, 4, 0, 255, 255, 255, 255, 0x20, 0, 0, 0, 255, 255, 255, 255,
];

/// Without `lost+found`, which the file system makes.
pub(super) fn conformance() -> Result<Tree> {
    let mut tree = Tree::new();
    let folder = |meta: Meta| Inode { meta, kind: Kind::Directory };
    tree.insert("", folder(meta(0o755)))?;
    for name in ["acl", "dev", "ids", "links", "many", "names", "sparse", "times"] {
        tree.insert(name, folder(meta(0o755)))?;
    }
    names(&mut tree)?;
    many(&mut tree)?;
    special(&mut tree)?;
    owners_and_times(&mut tree)?;
    attributes(&mut tree)?;
    links(&mut tree)?;
    contents(&mut tree)?;
    Ok(tree)
}

fn meta(mode: u32) -> Meta {
    Meta { mode, mtime: Time { secs: 1_700_000_000, nanos: 123_456_789 }, ..Meta::default() }
}

fn file(bytes: impl Into<Content>) -> Inode {
    Inode { meta: meta(0o644), kind: Kind::File(bytes.into()) }
}

/// A pattern that differs from file to file and from block to block.
fn bytes(seed: u32, length: u32) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(seed | 1) >> 7) as u8 ^ seed as u8).collect()
}

/// Names of every length, names that are no text, and a path of some thousand bytes.
fn names(tree: &mut Tree) -> Result<()> {
    for length in 1..=255 {
        let mut name = b"names/".to_vec();
        name.resize(6 + length, 0x80 | (length % 0x70) as u8);
        tree.insert(name, file(bytes(length as u32, 10)))?;
    }
    for byte in (1..=255).filter(|byte| !matches!(byte, b'.' | b'/')) {
        tree.insert([b"names/", &[byte][..]].concat(), file(vec![byte]))?;
    }
    let mut path = b"deep".to_vec();
    for level in 0..40 {
        tree.insert(&path, Inode { meta: meta(0o711), kind: Kind::Directory })?;
        path.push(b'/');
        path.resize(path.len() + 60, b'a' + level % 26);
    }
    tree.insert(path, file(b"here".to_vec()))?;
    Ok(())
}

/// A folder whose index has two levels.
fn many(tree: &mut Tree) -> Result<()> {
    for number in 0..MANY {
        let mut name = format!("many/{number}-").into_bytes();
        name.resize(name.len() + (number % 230) as usize, 0xE0 | (number % 31) as u8);
        tree.insert(name, file(bytes(number, number % 40)))?;
    }
    Ok(())
}

fn special(tree: &mut Tree) -> Result<()> {
    for (name, major, minor) in [("null", 1, 3), ("large", 4095, 1_048_575), ("mixed", 259, 300)] {
        let device = Device { major, minor };
        let character = Inode { meta: meta(0o666), kind: Kind::CharDevice(device) };
        tree.insert(format!("dev/char-{name}"), character)?;
        let block = Inode { meta: meta(0o660), kind: Kind::BlockDevice(device) };
        tree.insert(format!("dev/block-{name}"), block)?;
    }
    tree.insert("dev/fifo", Inode { meta: meta(0o600), kind: Kind::Fifo })?;
    tree.insert("dev/socket", Inode { meta: meta(0o755), kind: Kind::Socket })?;
    Ok(())
}

fn owners_and_times(tree: &mut Tree) -> Result<()> {
    let ids = [0, 1, 65_535, 65_536, 100_000, u32::MAX - 1];
    for (index, id) in ids.into_iter().enumerate() {
        let mut inode = file(Vec::new());
        (inode.meta.uid, inode.meta.gid) = (id, ids[ids.len() - 1 - index]);
        tree.insert(format!("ids/{id}"), inode)?;
    }
    for mode in [0, 0o7777, 0o4755, 0o2755, 0o1777, 0o111] {
        tree.insert(format!("ids/mode-{mode:o}"), Inode { meta: meta(mode), ..file(Vec::new()) })?;
    }
    // The first and the last that can be stored, and both sides of every step between them.
    let steps = (0..3).flat_map(|epoch| {
        let end = (epoch << 32) + (1 << 31);
        [end - 1, end]
    });
    let last = (2 << 32) + (1 << 31);
    for secs in steps.chain([-(1 << 31), -1, 0, 1]).filter(|secs| *secs != last) {
        let mut inode = file(Vec::new());
        inode.meta.mtime = Time { secs, nanos: (secs.unsigned_abs() % 1_000_000_000) as u32 };
        tree.insert(format!("times/{secs}"), inode)?;
    }
    Ok(())
}

fn attributes(tree: &mut Tree) -> Result<()> {
    let with = |list: &[(&[u8], &[u8])]| {
        let mut inode = file(b"attributes".to_vec());
        for (name, value) in list {
            inode.meta.xattrs.insert(name.to_vec(), value.to_vec());
        }
        inode
    };
    let access: &[u8] = b"system.posix_acl_access";
    // The group's permissions are the mask's where there is an ACL.
    let mut acl = with(&[(access, &ACL)]);
    acl.meta.mode = 0o640;
    tree.insert("acl/file", acl)?;
    let mut folder = Inode { meta: meta(0o640), kind: Kind::Directory };
    folder.meta.xattrs.insert(access.to_vec(), ACL.to_vec());
    folder.meta.xattrs.insert(b"system.posix_acl_default".to_vec(), ACL.to_vec());
    tree.insert("acl/folder", folder)?;
    let capability = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    tree.insert("acl/capable", with(&[(b"security.capability", capability)]))?;
    let long = [b"user.".to_vec(), vec![b'n'; 240]].concat();
    let both: [(&[u8], &[u8]); 4] = [
        (b"trusted.small", b"in the inode"),
        (b"user.bytes", &[0, 255, 10, 61]),
        (b"user.large", &bytes(9, 3000)),
        (&long, b"x"),
    ];
    tree.insert("acl/block", with(&both))?;
    tree.insert("acl/full", with(&[(b"user.full", &bytes(5, 4040))]))?;
    Ok(())
}

fn links(tree: &mut Tree) -> Result<()> {
    for length in [1, 59, 60, 61, 255, 4095] {
        let kind = Kind::Symlink(vec![b'0' + (length % 10) as u8; length]);
        tree.insert(format!("links/to-{length}"), Inode { meta: meta(0o777), kind })?;
    }
    let odd = Kind::Symlink(b"../\xff\xfe".to_vec());
    tree.insert("links/to-bytes", Inode { meta: meta(0o777), kind: odd })?;
    let id = tree.insert("links/first", file(b"one inode".to_vec()))?;
    for path in ["ids/second", "many/third", "links/fourth"] {
        tree.link(path, id)?;
    }
    Ok(())
}

fn contents(tree: &mut Tree) -> Result<()> {
    for length in [0, 1, 4095, 4096, 4097, 1_048_575, 1_048_577] {
        tree.insert(format!("sparse/plain-{length}"), file(bytes(length, length)))?;
    }
    // So long that copies of the superblock interrupt it.
    tree.insert("sparse/dense", file(bytes(77, 150 << 20)))?;
    let source = Arc::new(bytes(3, 1 << 20));
    let sparse = |pieces: Vec<Extent>, size| {
        file(Content::Extents(Extents::new(source.clone(), pieces, size)))
    };
    let scattered = (0..2000).map(|at| Extent { at: at * 8192 + 100, len: 5000, offset: at });
    tree.insert("sparse/scattered", sparse(scattered.collect(), 32 << 20))?;
    tree.insert("sparse/hole", sparse(Vec::new(), 10 << 20))?;
    let end = Extent { at: HUGE_SIZE - 5000, len: 5000, offset: 0 };
    let huge = vec![Extent { at: 3 << 30, len: 1 << 20, offset: 0 }, end];
    tree.insert(HUGE, sparse(huge, HUGE_SIZE))?;
    Ok(())
}
