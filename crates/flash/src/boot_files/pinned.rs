//! What names partitions and cannot be changed.
//!
//! osb's own images have nothing of the kind. Others do: Raspberry Pi OS mounts both of its
//! partitions by PARTUUID in `/etc/fstab`, and a unified kernel image carries its command line in a
//! program that may be signed. With new identifiers those would not start, or hang while they wait
//! for a disk that never comes.

use std::fmt;
use std::io;

use osb_fat::edit::{EditError, Editor, MOST_READ};
use osb_tree::Tree;

use super::{files, ids};

/// Files of a root that are read when it starts or makes its next initramfs or boot menu, and that
/// name disks: fstab(5), crypttab(5), grub, kernel-install(8), initramfs-tools, extlinux.
const FILES: [&str; 10] = [
    "etc/crypttab",
    "etc/default/grub",
    "etc/fstab",
    "etc/initramfs-tools/conf.d/resume",
    "etc/kernel/cmdline",
    "boot/cmdline.txt",
    "boot/firmware/cmdline.txt",
    "boot/extlinux/extlinux.conf",
    "boot/grub/grub.cfg",
    "boot/grub2/grub.cfg",
];

/// Folders of a root, all files of which are read so.
const FOLDERS: [&str; 3] = ["boot/loader/entries", "etc/default/grub.d", "etc/systemd/system"];

/// How partitions are named where their identifiers are not known to the letter.
const NAMES: [&str; 2] = ["partuuid=", "/by-partuuid/"];

/// The longest of these files that is read, in bytes.
const MOST_TEXT: u64 = 1 << 20;

/// Why the identifiers of an image must stay as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The file that names a partition.
    pub path: String,
    /// The line that does, or what does.
    pub what: String,
}

impl fmt::Display for Pinned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} names a partition by its identifier: {}", self.path, self.what)
    }
}

/// What in a root file system names a partition by its identifier, if anything does.
///
/// Any identifier counts, not those of the image alone: a file that was written for this disk may
/// write them in ways that are not foreseen here.
///
/// # Errors
/// If a file cannot be read.
pub fn pinned_in_root(root: &Tree) -> io::Result<Option<Pinned>> {
    let folders = FOLDERS.iter().flat_map(|folder| root.descendants(folder));
    let mut paths: Vec<Vec<u8>> = FILES.iter().map(|path| path.as_bytes().to_vec()).collect();
    paths.extend(folders.map(|(path, _)| path.to_vec()));
    for path in paths {
        // Through links, as the node itself would read it.
        let Ok(real) = root.resolve(&path) else { continue };
        let Some(content) = root.get(&real).and_then(|inode| inode.content()) else { continue };
        if content.size() > MOST_TEXT {
            continue;
        }
        let bytes = content.read()?;
        let text = String::from_utf8_lossy(&bytes);
        let names = |line: &&str| {
            let lower = line.to_ascii_lowercase();
            !line.trim_start().starts_with('#') && NAMES.iter().any(|name| lower.contains(name))
        };
        if let Some(line) = text.lines().find(names) {
            let path = format!("/{}", String::from_utf8_lossy(&path));
            return Ok(Some(Pinned { path, what: clip(line.trim()) }));
        }
    }
    Ok(None)
}

/// What on the boot partition names one of these identifiers (in lower case) and is no text: a
/// program that UEFI starts, with a command line in it.
///
/// # Errors
/// If the volume is damaged or cannot be read.
pub fn pinned_in_boot(
    editor: &mut Editor<'_>,
    partitions: &[String],
) -> Result<Option<Pinned>, EditError> {
    let program = |name: &str, size: u32| {
        name.to_ascii_lowercase().ends_with(".efi") && u64::from(size) <= MOST_READ
    };
    for (path, _) in files(editor, program)? {
        let bytes = editor.read(&path)?.unwrap_or_default();
        if let Some(id) = ids::find(&bytes, partitions) {
            let what = format!("{id}, within a program");
            return Ok(Some(Pinned { path: format!("/{path}"), what }));
        }
    }
    Ok(None)
}

/// The first 80 characters, without any that a terminal could take for something else.
fn clip(line: &str) -> String {
    line.chars().filter(|char| !char.is_control()).take(80).collect()
}
