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

/// The most files and folders of a boot partition that are looked at.
const MOST_FILES: usize = 20_000;
/// The deepest folder that is looked into.
const MOST_DEPTH: usize = 8;

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
    let folders = FOLDERS.iter().flat_map(|folder| root.descendants(folder.as_bytes()));
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
    for path in programs(editor)? {
        let bytes = editor.read(&path)?.unwrap_or_default().to_ascii_lowercase();
        let named = |id: &&String| bytes.windows(id.len()).any(|part| part == id.as_bytes());
        if let Some(id) = partitions.iter().filter(|id| !id.is_empty()).find(named) {
            let what = format!("{id}, within a program");
            return Ok(Some(Pinned { path: format!("/{path}"), what }));
        }
    }
    Ok(None)
}

/// Paths of the programs that UEFI may start.
fn programs(editor: &mut Editor<'_>) -> Result<Vec<String>, EditError> {
    let (mut found, mut seen) = (Vec::new(), 0);
    let mut folders = vec![(String::new(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for item in editor.names(&folder)?.unwrap_or_default() {
            seen += 1;
            if seen > MOST_FILES {
                return Err(EditError::Damaged(format!("more than {MOST_FILES} files")));
            }
            let path = match folder.as_str() {
                "" => item.name,
                _ => format!("{folder}/{}", item.name),
            };
            if item.folder {
                // Not without end, if folders of a damaged volume hold each other.
                if depth < MOST_DEPTH {
                    folders.push((path, depth + 1));
                }
            } else if path.to_ascii_lowercase().ends_with(".efi")
                && u64::from(item.size) <= MOST_READ
            {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// The first 80 characters, without any that a terminal could take for something else.
fn clip(line: &str) -> String {
    line.chars().filter(|char| !char.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use osb_fat::Plan;
    use osb_fat::edit::Medium;
    use osb_sink::WriteSink;
    use osb_tree::Inode;

    use super::*;

    const BOOT: &str = "afd9efc9-158d-8206-995f-70fd85ab53a4";
    const ROOT: &str = "996ee968-20af-8c34-8588-0c8e12c3e426";

    struct Memory(Vec<u8>);

    impl Medium for Memory {
        fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
            bytes.copy_from_slice(&self.0[offset as usize..][..bytes.len()]);
            Ok(())
        }

        fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
            self.0[offset as usize..][..bytes.len()].copy_from_slice(bytes);
            Ok(())
        }
    }

    fn tree(files: &[(&str, &[u8])]) -> Tree {
        let mut tree = Tree::new();
        for (path, bytes) in files {
            tree.lay(path, Inode::file(0o644, bytes.to_vec())).unwrap();
        }
        tree
    }

    /// A boot partition with these files.
    fn volume(files: &[(&str, &[u8])]) -> Memory {
        let options = osb_fat::Options {
            size: 33 << 20,
            sector_size: 512,
            label: "BOOT".into(),
            volume_id: 1,
            timestamp: 0,
            hidden_sectors: 2048,
        };
        let mut sink = WriteSink::new(Vec::new());
        Plan::new(&tree(files), &options).unwrap().write(&mut sink).unwrap();
        Memory(sink.into_inner())
    }

    fn with<T>(memory: &mut Memory, work: impl FnOnce(&mut Editor<'_>) -> T) -> T {
        let len = memory.0.len() as u64;
        work(&mut Editor::open(memory, len, 0).unwrap())
    }

    #[test]
    fn folders_that_hold_each_other_have_an_end() {
        let mut memory = volume(&[("folder/inner/file", b"")]);
        // `inner` becomes a second name of `folder`, whose cluster the root's second entry has.
        let entry = |memory: &Memory, name: &[u8]| {
            memory.0.windows(11).position(|window| window == name).unwrap()
        };
        let (outer, inner) = (entry(&memory, b"FOLDER     "), entry(&memory, b"INNER      "));
        let cluster = memory.0[outer + 26..outer + 28].to_vec();
        memory.0[inner + 26..inner + 28].copy_from_slice(&cluster);
        let pinned = with(&mut memory, |editor| pinned_in_boot(editor, &[]).unwrap());
        assert_eq!(pinned, None);
    }

    #[test]
    fn a_command_line_within_a_program_pins_the_identifiers() {
        let ids = [BOOT.to_owned(), ROOT.to_owned()];
        let program = format!("MZ\0\0root=PARTUUID={}\0", ROOT.to_uppercase());
        let mut memory =
            volume(&[("EFI/BOOT/BOOTX64.EFI", b"MZ"), ("EFI/Linux/a.efi", program.as_bytes())]);
        let pinned = with(&mut memory, |editor| pinned_in_boot(editor, &ids).unwrap()).unwrap();
        assert_eq!(
            pinned.to_string(),
            format!(
                "/EFI/Linux/a.efi names a partition by its identifier: {}, within a program",
                ROOT
            )
        );
        let mut memory =
            volume(&[("EFI/BOOT/BOOTX64.EFI", b"MZ"), ("cmdline.txt", program.as_bytes())]);
        assert_eq!(with(&mut memory, |editor| pinned_in_boot(editor, &ids).unwrap()), None);
    }

    #[test]
    fn a_root_that_mounts_by_identifier_pins_them() {
        let pinned = |path: &str, text: &str| {
            pinned_in_root(&tree(&[(path, text.as_bytes())]))
                .unwrap()
                .map(|pinned| pinned.to_string())
        };
        // As Raspberry Pi OS has it.
        assert_eq!(
            pinned("etc/fstab", "proc /proc proc defaults 0 0\nPARTUUID=1a2b3c4d-02  /  ext4  defaults  0  1\n"),
            Some("/etc/fstab names a partition by its identifier: PARTUUID=1a2b3c4d-02  /  ext4  defaults  0  1".into())
        );
        assert!(
            pinned("etc/crypttab", "data /dev/disk/by-partuuid/1a2b3c4d-03 none luks\n").is_some()
        );
        assert!(
            pinned("boot/loader/entries/a.conf", "options root=PARTUUID=1a2b3c4d-02\n").is_some()
        );
        assert!(pinned("boot/grub/grub.cfg", "linux /vmlinuz root=partuuid=1a2b\n").is_some());
        for (path, text) in [
            (
                "etc/fstab",
                "# PARTUUID=1a2b3c4d-02 / ext4 defaults 0 1\nUUID=1 / ext4 defaults 0 1\n",
            ),
            ("etc/crypttab", "data UUID=1 none luks\n"),
            ("etc/motd", "PARTUUID=1a2b3c4d-02\n"),
        ] {
            assert_eq!(pinned(path, text), None, "{path}");
        }
        let mut linked = tree(&[("etc/real", b"PARTUUID=1a2b3c4d-02 / ext4 defaults 0 1\n")]);
        linked.insert("etc/fstab", Inode::symlink("real")).unwrap();
        assert!(pinned_in_root(&linked).unwrap().is_some());
    }
}
