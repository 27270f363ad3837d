//! Reading a real directory, plain or the upper half of an overlay, into values.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{lgetxattr, llistxattr, major, minor};

use crate::inode::{Content, Device, Inode, Kind, Meta, Time};
use crate::overlay::{Layer, Stack};
use crate::tree::{Tree, TreeError};

const ACCESS_ACL: &[u8] = b"system.posix_acl_access";
const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";

/// Why a directory could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// A system call failed.
    #[error("reading {}: {source}", path.display())]
    Io {
        /// What was read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Layers that do not fit onto each other.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// Reads the directory `root` and everything below it; contents stay where they are.
pub fn scan(root: &Path) -> Result<Tree, ScanError> {
    let mut stack = Stack::new();
    stack.push(&scan_layer(root)?)?;
    Ok(stack.into_tree())
}

/// Reads the upper directory of an overlay: what it adds, changes and deletes.
pub fn scan_layer(root: &Path) -> Result<Layer, ScanError> {
    let inherits = Attributes::read(root)
        .map_err(|source| ScanError::Io { path: root.to_owned(), source })?
        .acls
        .contains_key(DEFAULT_ACL);
    let mut scanner = Scanner { layer: Layer::default(), seen: HashMap::new(), acls: !inherits };
    scanner.entry(root, Vec::new())?;
    Ok(scanner.layer)
}

struct Scanner {
    layer: Layer,
    /// Inodes with several names: device and number to index in the layer.
    seen: HashMap<(u64, u64), usize>,
    /// Whether access control lists belong to the tree. They do not if the folder itself has a
    /// default one: then everything in it inherited them from the building machine.
    acls: bool,
}

impl Scanner {
    fn entry(&mut self, real: &Path, path: Vec<u8>) -> Result<(), ScanError> {
        let fail = |source| ScanError::Io { path: real.to_owned(), source };
        let stat = fs::symlink_metadata(real).map_err(fail)?;
        let kind = stat.file_type();
        let device = || Device { major: major(stat.rdev()), minor: minor(stat.rdev()) };
        if kind.is_char_device() && stat.rdev() == 0 {
            // Overlayfs marks a deleted name by a character device 0:0.
            self.layer.delete(path);
            return Ok(());
        }
        let shared = stat.nlink() > 1 && !kind.is_dir();
        if shared && let Some(index) = self.seen.get(&(stat.dev(), stat.ino())) {
            self.layer.name(path, *index);
            return Ok(());
        }
        let mut attributes = Attributes::read(real).map_err(fail)?;
        if self.acls {
            attributes.kept.append(&mut attributes.acls);
        }
        let kind = if kind.is_dir() {
            Kind::Directory
        } else if kind.is_file() {
            match stat.len() {
                0 => Kind::File(Content::from(Vec::new())),
                size => {
                    Kind::File(Content::File { path: real.to_owned(), size, fingerprint: None })
                }
            }
        } else if kind.is_symlink() {
            Kind::Symlink(fs::read_link(real).map_err(fail)?.as_os_str().as_bytes().to_vec())
        } else if kind.is_char_device() {
            Kind::CharDevice(device())
        } else if kind.is_block_device() {
            Kind::BlockDevice(device())
        } else if kind.is_fifo() {
            Kind::Fifo
        } else {
            Kind::Socket
        };
        let meta = Meta {
            mode: stat.mode() & 0o7777,
            uid: stat.uid(),
            gid: stat.gid(),
            mtime: Time { secs: stat.mtime(), nanos: stat.mtime_nsec() as u32 },
            xattrs: std::mem::take(&mut attributes.kept),
        };
        let is_directory = matches!(kind, Kind::Directory);
        let inode = Inode { meta, kind };
        let index = self.layer.add(inode, attributes.opaque);
        if shared {
            self.seen.insert((stat.dev(), stat.ino()), index);
        }
        self.layer.name(path.clone(), index);
        if is_directory {
            let mut names: Vec<_> = fs::read_dir(real)
                .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
                .map_err(fail)?;
            names.sort();
            for name in names {
                let mut child = path.clone();
                if !child.is_empty() {
                    child.push(b'/');
                }
                child.extend_from_slice(name.as_bytes());
                self.entry(&real.join(&name), child)?;
            }
        }
        Ok(())
    }
}

/// Extended attributes, split into what belongs to the file and what overlayfs noted on it.
#[derive(Default)]
struct Attributes {
    kept: std::collections::BTreeMap<Vec<u8>, Vec<u8>>,
    /// Access control lists, which systemd-tmpfiles sets by the rules of packages.
    acls: std::collections::BTreeMap<Vec<u8>, Vec<u8>>,
    opaque: bool,
}

impl Attributes {
    fn read(path: &Path) -> io::Result<Self> {
        let mut attributes = Attributes::default();
        let mut names = vec![0_u8; 1024];
        let length = loop {
            match llistxattr(path, &mut names[..]) {
                Ok(length) => break length,
                Err(rustix::io::Errno::RANGE) => names.resize(names.len() * 4, 0),
                Err(rustix::io::Errno::NOTSUP) => break 0,
                Err(error) => return Err(error.into()),
            }
        };
        for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let value = get(path, name)?;
            match name {
                b"user.overlay.opaque" | b"trusted.overlay.opaque" => {
                    attributes.opaque = value == b"y";
                }
                b"security.capability" => {
                    attributes.kept.insert(name.to_vec(), capability_v2(value));
                }
                ACCESS_ACL | DEFAULT_ACL => {
                    attributes.acls.insert(name.to_vec(), value);
                }
                // What else is there was set by the building machine (SELinux labels, IMA hashes,
                // compression flags) or by overlayfs, not by a package.
                _ => {}
            }
        }
        Ok(attributes)
    }
}

fn get(path: &Path, name: &[u8]) -> io::Result<Vec<u8>> {
    // 64 KiB is the kernel's limit (XATTR_SIZE_MAX, include/uapi/linux/limits.h).
    let mut value = vec![0_u8; 65536];
    let length = lgetxattr(path, OsStr::from_bytes(name), &mut value[..])?;
    value.truncate(length);
    Ok(value)
}

/// A file capability set inside a user namespace is stored as revision 3, with the id of the
/// namespace's root behind it (`struct vfs_ns_cap_data`, include/uapi/linux/capability.h). In an
/// image root is root: revision 2, without the id.
fn capability_v2(mut value: Vec<u8>) -> Vec<u8> {
    const REVISION_2: u8 = 2;
    const REVISION_3: u8 = 3;
    if value.len() == 24 && value[3] == REVISION_3 {
        value.truncate(20);
        value[3] = REVISION_2;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_lose_the_namespace() {
        let v3 = [&[1, 0, 0, 3][..], &[9; 16], &[7, 0, 0, 0]].concat();
        let v2 = [&[1, 0, 0, 2][..], &[9; 16]].concat();
        assert_eq!(capability_v2(v3), v2);
        assert_eq!(capability_v2(v2.clone()), v2);
    }

    #[test]
    fn hard_links_and_symlinks_are_seen() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "text").unwrap();
        fs::hard_link(dir.path().join("a"), dir.path().join("b")).unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("c")).unwrap();
        let tree = scan(dir.path()).unwrap();
        assert_eq!(tree.id("a"), tree.id("b"));
        assert_eq!(tree.links(tree.id("a").unwrap()), 2);
        assert!(matches!(&tree.get("c").unwrap().kind, Kind::Symlink(target) if target == b"a"));
        assert_eq!(tree.get("a").unwrap().content().unwrap().read().unwrap(), b"text");
    }

    #[test]
    fn attributes_of_the_building_machine_stay_out() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        fs::write(&file, "text").unwrap();
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(&file, "user.label", b"host", flags).unwrap();
        assert!(scan(dir.path()).unwrap().get("a").unwrap().meta.xattrs.is_empty());
    }

    /// u::rwx, g::r-x, g:4:r-x, m::r-x, o::r-x, as systemd-tmpfiles sets it on /var/log/journal.
    const ACL: [u8; 44] = [
        2, 0, 0, 0, 1, 0, 7, 0, 0xff, 0xff, 0xff, 0xff, 4, 0, 5, 0, 0xff, 0xff, 0xff, 0xff, 8, 0,
        5, 0, 4, 0, 0, 0, 0x10, 0, 5, 0, 0xff, 0xff, 0xff, 0xff, 0x20, 0, 5, 0, 0xff, 0xff, 0xff,
        0xff,
    ];

    #[test]
    fn access_control_lists_stay_unless_the_building_machine_gave_them() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("journal");
        fs::create_dir(&folder).unwrap();
        let set = |path: &Path, name: &[u8]| {
            let name = OsStr::from_bytes(name);
            rustix::fs::setxattr(path, name, &ACL, rustix::fs::XattrFlags::empty())
        };
        if set(&folder, ACCESS_ACL).and_then(|()| set(&folder, DEFAULT_ACL)).is_err() {
            // This file system has none.
            return;
        }
        let lists = || scan(dir.path()).unwrap().get("journal").unwrap().meta.xattrs.clone();
        assert_eq!(lists().len(), 2);
        assert_eq!(lists()[ACCESS_ACL], ACL);
        set(dir.path(), DEFAULT_ACL).unwrap();
        assert!(lists().is_empty());
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = scan(Path::new("/nonexistent/tree")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/tree"));
    }
}
