//! From the tree to mkext4's builder, one call an entry.

use std::collections::HashMap;

use mkext4::{FsBuilder, InodeHandle, ROOT, SpecialKind};
use osb_tree::{Content, Inode, InodeId, Kind, Tree};

use crate::error::{Ext4Error, show};
use crate::xattr;

/// ext4's time stamps: a signed 32-bit number of seconds and two more epoch bits, of which
/// the values 0 to 3 count (fs/ext4/ext4.h, "i_[cma]time_extra").
const TIMES: std::ops::Range<i64> = -(1 << 31)..(3 << 32) + (1 << 31);

/// A declared tree.
pub(crate) struct Declared<'tree> {
    pub(crate) builder: FsBuilder,
    /// Every regular file once, in the order in which its blocks will lie.
    pub(crate) files: Vec<(InodeHandle, &'tree [u8], &'tree Content)>,
}

/// Whether `path` is the directory that the file system makes itself, or below it.
pub(crate) fn is_lost_found(path: &[u8]) -> bool {
    path.strip_prefix(b"lost+found").is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// Parent directory and last component.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

/// Declares every entry of `tree`.
pub(crate) fn declare<'tree>(
    tree: &'tree Tree,
    mut builder: FsBuilder,
) -> Result<Declared<'tree>, Ext4Error> {
    let mut directories: HashMap<&[u8], InodeHandle> = HashMap::new();
    let mut linked: HashMap<InodeId, InodeHandle> = HashMap::new();
    let mut files = Vec::new();
    for (path, id, inode) in tree.iter() {
        if is_lost_found(path) {
            if path.contains(&b'/') || !inode.is_directory() {
                return Err(Ext4Error::LostFound(show(path)));
            }
            continue;
        }
        let refuse =
            |error: mkext4::Error| Ext4Error::Entry { path: show(path), reason: error.to_string() };
        let meta = meta(path, inode)?;
        if path.is_empty() {
            builder.set_meta(ROOT, meta).map_err(refuse)?;
            set_xattrs(&mut builder, ROOT, path, inode)?;
            directories.insert(path, ROOT);
            continue;
        }

        let (parent, name) = split(path);
        let name = checked_name(path, name)?;
        let Some(&parent) = directories.get(parent) else {
            // The tree's own invariant; cheaper to say than to rely on.
            return Err(Ext4Error::Name { path: show(path), reason: "no parent directory" });
        };
        if let Some(first) = linked.get(&id) {
            builder.hardlink(parent, name, *first).map_err(refuse)?;
            continue;
        }
        let special = match &inode.kind {
            Kind::CharDevice(device) => {
                SpecialKind::Char { major: device.major, minor: device.minor }
            }
            Kind::BlockDevice(device) => {
                SpecialKind::Block { major: device.major, minor: device.minor }
            }
            Kind::Socket => SpecialKind::Socket,
            _ => SpecialKind::Fifo,
        };
        let handle = match &inode.kind {
            Kind::Directory => builder.mkdir(parent, name, meta),
            Kind::File(content) => builder.file(parent, name, meta, content.size()),
            Kind::Symlink(target) => {
                builder.symlink(parent, name, checked_target(path, target)?, meta)
            }
            _ => builder.mknod(parent, name, meta, special),
        }
        .map_err(refuse)?;
        set_xattrs(&mut builder, handle, path, inode)?;
        match &inode.kind {
            Kind::Directory => {
                directories.insert(path, handle);
            }
            Kind::File(content) => files.push((handle, path, content)),
            _ => {}
        }
        if tree.links(id) > 1 && !inode.is_directory() {
            linked.insert(id, handle);
        }
    }
    Ok(Declared { builder, files })
}

fn meta(path: &[u8], inode: &Inode) -> Result<mkext4::Meta, Ext4Error> {
    let mtime = inode.meta.mtime;
    if !TIMES.contains(&mtime.secs) {
        return Err(Ext4Error::Time { path: show(path), secs: mtime.secs });
    }
    let nanos = mtime.nanos.min(999_999_999);
    // mkext4 uses mtime for the other three times, which a tree does not have.
    Ok(mkext4::Meta::new(
        (inode.meta.mode & 0o7777) as u16,
        inode.meta.uid,
        inode.meta.gid,
        (mtime.secs, nanos),
    ))
}

fn checked_name<'a>(path: &[u8], name: &'a [u8]) -> Result<&'a str, Ext4Error> {
    if name.len() > 255 {
        return Err(Ext4Error::Name {
            path: show(path),
            reason: "the name is longer than 255 bytes",
        });
    }
    std::str::from_utf8(name).map_err(|_| Ext4Error::Name {
        path: show(path),
        reason: "the name is not UTF-8, which this ext4 writer needs: rename the file",
    })
}

fn checked_target<'a>(path: &[u8], target: &'a [u8]) -> Result<&'a str, Ext4Error> {
    let refuse = |reason| Ext4Error::Name { path: show(path), reason };
    if target.is_empty() || target.len() > 4095 || target.contains(&0) {
        return Err(refuse("a link target has 1 to 4095 bytes, none of them NUL"));
    }
    std::str::from_utf8(target).map_err(|_| {
        refuse("the link target is not UTF-8, which this ext4 writer needs: change the link")
    })
}

fn set_xattrs(
    builder: &mut FsBuilder,
    handle: InodeHandle,
    path: &[u8],
    inode: &Inode,
) -> Result<(), Ext4Error> {
    for attribute in xattr::attributes(path, &inode.meta)? {
        builder.set_xattr(handle, attribute.name, &attribute.value).map_err(|error| {
            Ext4Error::Xattr {
                path: show(path),
                name: attribute.name.to_owned(),
                reason: error.to_string(),
            }
        })?;
    }
    Ok(())
}
