//! Boot partitions of several kinds of images, with the files as those have them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::io;

use osb_fat::Plan;
use osb_fat::edit::{EditError, Editor, Medium};
use osb_sink::WriteSink;
use osb_tree::{Inode, Tree};

use super::{ChangedFile, pinned_in_boot, pinned_in_root, rename};
use crate::Renamed;

const BOOT: [&str; 2] =
    ["afd9efc9-158d-8206-995f-70fd85ab53a4", "00000000-1111-4222-8333-444444444444"];
const ROOT: [&str; 2] =
    ["996ee968-20af-8c34-8588-0c8e12c3e426", "55555555-6666-4777-8888-999999999999"];

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

fn renamed() -> Vec<Renamed> {
    [BOOT, ROOT].map(|[old, new]| Renamed { old: old.to_owned(), new: new.to_owned() }).to_vec()
}

#[test]
fn every_text_file_that_names_a_partition_is_changed() {
    let line = format!("console=tty1 root=PARTUUID={} rw\n", ROOT[0]);
    let upper = format!("options root=PARTUUID={}\n", ROOT[0].to_uppercase());
    let grub = format!("# {}\nsearch {} {}\n", "x".repeat(5000), BOOT[0], ROOT[0]);
    let binary = [line.as_bytes(), b"\0"].concat();
    let large = [line.as_bytes(), &vec![b' '; 300 << 10]].concat();
    let mut memory = volume(&[
        ("cmdline.txt", line.as_bytes()),
        ("config.txt", b"kernel=kernel8.img\n"),
        ("loader/entries/osb.conf", upper.as_bytes()),
        ("boot/grub/grub.cfg", grub.as_bytes()),
        ("own notes", line.as_bytes()),
        ("overlays/a.dtbo", line.as_bytes()),
        ("kernel8.img", line.as_bytes()),
        ("data", &binary),
        ("large.txt", &large),
        ("other.txt", b"root=PARTUUID=996ee968-20af-8c34-8588-0c8e12c3e427\n"),
    ]);
    let changed = with(&mut memory, |editor| rename(editor, &renamed()).unwrap());
    let file = |path: &str, identifiers| ChangedFile { path: path.to_owned(), identifiers };
    assert_eq!(
        changed,
        [
            file("boot/grub/grub.cfg", 2),
            file("cmdline.txt", 1),
            file("loader/entries/osb.conf", 1),
            file("own notes", 1),
        ]
    );
    with(&mut memory, |editor| {
        let mut text = |path| String::from_utf8(editor.read(path).unwrap().unwrap()).unwrap();
        assert_eq!(text("cmdline.txt"), line.replace(ROOT[0], ROOT[1]));
        assert_eq!(
            text("loader/entries/osb.conf"),
            upper.replace(&ROOT[0].to_uppercase(), ROOT[1])
        );
        assert_eq!(
            text("boot/grub/grub.cfg"),
            grub.replace(ROOT[0], ROOT[1]).replace(BOOT[0], BOOT[1])
        );
        assert_eq!(text("kernel8.img"), line);
        // Once more: nothing names an old one.
        assert_eq!(rename(editor, &renamed()).unwrap(), []);
    });
}

#[test]
fn identifiers_of_an_mbr_are_changed_too() {
    let mut memory =
        volume(&[("cmdline.txt", b"root=PARTUUID=1a2b3c4d-02 rw"), ("a", b"1a2b3c4d-021")]);
    let pairs = ["01", "02"].map(|number| Renamed {
        old: format!("1a2b3c4d-{number}"),
        new: format!("deadbeef-{number}"),
    });
    with(&mut memory, |editor| {
        assert_eq!(rename(editor, &pairs).unwrap().len(), 1);
        assert_eq!(editor.read("cmdline.txt").unwrap().unwrap(), b"root=PARTUUID=deadbeef-02 rw");
    });
}

#[test]
fn folders_that_hold_each_other_are_an_error() {
    let mut memory = volume(&[("folder/inner/file", b"")]);
    // `inner` becomes a second name of `folder`, whose cluster the root's second entry has.
    let entry = |memory: &Memory, name: &[u8]| {
        memory.0.windows(11).position(|window| window == name).unwrap()
    };
    let (outer, inner) = (entry(&memory, b"FOLDER     "), entry(&memory, b"INNER      "));
    let cluster = memory.0[outer + 26..outer + 28].to_vec();
    memory.0[inner + 26..inner + 28].copy_from_slice(&cluster);
    let error = with(&mut memory, |editor| rename(editor, &renamed()).unwrap_err());
    assert!(matches!(error, EditError::Damaged(_)), "{error}");
}

#[test]
fn a_command_line_within_a_program_pins_the_identifiers() {
    let ids = [BOOT[0].to_owned(), ROOT[0].to_owned()];
    let program = format!("MZ\0\0root=PARTUUID={}\0", ROOT[0].to_uppercase());
    let mut memory =
        volume(&[("EFI/BOOT/BOOTX64.EFI", b"MZ"), ("EFI/Linux/a.efi", program.as_bytes())]);
    let pinned = with(&mut memory, |editor| pinned_in_boot(editor, &ids).unwrap()).unwrap();
    assert_eq!(
        pinned.to_string(),
        format!(
            "/EFI/Linux/a.efi names a partition by its identifier: {}, within a program",
            ROOT[0]
        )
    );
    let mut memory =
        volume(&[("EFI/BOOT/BOOTX64.EFI", b"MZ"), ("cmdline.txt", program.as_bytes())]);
    assert_eq!(with(&mut memory, |editor| pinned_in_boot(editor, &ids).unwrap()), None);
}

#[test]
fn a_root_that_mounts_by_identifier_pins_them() {
    let pinned = |path: &str, text: &str| {
        pinned_in_root(&tree(&[(path, text.as_bytes())])).unwrap().map(|pinned| pinned.to_string())
    };
    // As Raspberry Pi OS has it.
    assert_eq!(
        pinned("etc/fstab", "proc /proc proc defaults 0 0\nPARTUUID=1a2b3c4d-02  /  ext4  defaults  0  1\n"),
        Some("/etc/fstab names a partition by its identifier: PARTUUID=1a2b3c4d-02  /  ext4  defaults  0  1".into())
    );
    assert!(pinned("etc/crypttab", "data /dev/disk/by-partuuid/1a2b3c4d-03 none luks\n").is_some());
    assert!(pinned("boot/loader/entries/a.conf", "options root=PARTUUID=1a2b3c4d-02\n").is_some());
    assert!(pinned("boot/grub/grub.cfg", "linux /vmlinuz root=partuuid=1a2b\n").is_some());
    for (path, text) in [
        ("etc/fstab", "# PARTUUID=1a2b3c4d-02 / ext4 defaults 0 1\nUUID=1 / ext4 defaults 0 1\n"),
        ("etc/crypttab", "data UUID=1 none luks\n"),
        ("etc/motd", "PARTUUID=1a2b3c4d-02\n"),
    ] {
        assert_eq!(pinned(path, text), None, "{path}");
    }
    let mut linked = tree(&[("etc/real", b"PARTUUID=1a2b3c4d-02 / ext4 defaults 0 1\n")]);
    linked.insert("etc/fstab", Inode::symlink("real")).unwrap();
    assert!(pinned_in_root(&linked).unwrap().is_some());
}
