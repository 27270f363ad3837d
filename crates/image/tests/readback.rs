//! What osb's own writers write comes back as the same tree.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::Write;
use std::sync::Arc;

use common::{boot, disk, ext4, fat, file, open, root};
use osb_frames::{Codec, Cuts, Frames, NoStore};
use osb_image::{Form, System, TableKind};
use osb_tree::diff::{Scope, diff};
use osb_tree::{Inode, Kind, Tree};

/// FAT has no owners or permissions, and its root no time.
fn fat_view(tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    let ids: Vec<_> = tree.iter().map(|(path, id, _)| (path.is_empty(), id)).collect();
    for (root, id) in ids {
        let meta = &mut tree.inode_mut(id).meta;
        meta.mode = 0o755;
        if root {
            meta.mtime = Default::default();
        }
    }
    tree
}

fn same(a: &Tree, b: &Tree) {
    let found = diff(a, b, &Scope::ALL).unwrap();
    assert!(found.is_empty(), "{:#?}", &found[..found.len().min(5)]);
}

#[test]
fn a_disk_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (boot, root) = (boot(), root());
    let bytes = disk(&boot, &root);
    let image = open(folder.path(), "disk.img", &bytes);
    let table = image.table.as_ref().unwrap();
    assert_eq!((image.form, table.kind, table.partitions.len()), (Form::Disk, TableKind::Gpt, 2));
    assert_eq!(table.problems, [""; 0]);
    assert_eq!((table.partitions[1].name.as_str(), table.partitions[0].first_lba), ("root", 2048));
    let [first, second] = &image.volumes[..] else { panic!("{}", image.volumes.len()) };
    assert_eq!(
        (first.system, first.uuid.as_str(), first.label.as_str()),
        (System::Fat, "CAFE-F00D", "BOOT")
    );
    assert_eq!(second.uuid, "12345678-9abc-4def-8001-020304050607");
    assert_eq!((second.system, second.label.as_str()), (System::Ext4, "osb-root"));
    same(&fat_view(&boot), &first.tree);
    same(&root, &second.tree);

    // Compressed, as several frames with something to skip between them.
    let (one, other) = bytes.split_at(bytes.len() / 3);
    let mut compressed = zstd::encode_all(one, 1).unwrap();
    compressed.extend([0x5E, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 1, 2]);
    compressed.extend(zstd::encode_all(other, 1).unwrap());
    let image = open(folder.path(), "sd.img.zst", &compressed);
    assert!(image.compressed);
    same(&root, &image.volumes[1].tree);
}

#[test]
fn the_last_table_is_read_if_the_first_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = disk(&boot(), &Tree::new());
    bytes[512..1024].fill(0);
    let image = open(folder.path(), "disk.img", &bytes);
    let table = image.table.unwrap();
    assert_eq!(table.partitions.len(), 2);
    assert!(table.problems[0].contains("no first header"), "{:?}", table.problems);
}

#[test]
fn a_table_that_a_former_use_left_at_the_end_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = disk(&boot(), &Tree::new());
    bytes[512..1024].fill(0);
    // The one record of the protective MBR becomes a partition of Linux.
    bytes[450] = 0x83;
    let image = open(folder.path(), "disk.img", &bytes);
    let table = image.table.unwrap();
    assert_eq!((table.kind, table.partitions.len()), (TableKind::Mbr, 1));
}

#[test]
fn file_systems_without_a_table_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let image = open(folder.path(), "root.ext4", &ext4(&root()));
    assert_eq!(image.form, Form::FileSystem);
    same(&root(), &image.volumes[0].tree);
    let image = open(folder.path(), "boot.vfat", &fat(&boot()));
    same(&fat_view(&boot()), &image.volumes[0].tree);
}

#[test]
fn archives_come_back_in_every_compression() {
    let folder = tempfile::tempdir().unwrap();
    let root = root();
    let plain = osb_archive::tar(&root, Vec::new()).unwrap();
    // Several members, as osb writes them.
    let (codec, cuts) = (Codec::Gzip { level: 6 }, Cuts::new(512, 4096, 16 << 10));
    let mut gzip = Frames::new(Vec::new(), codec, cuts, 1, Arc::new(NoStore)).unwrap();
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap().0;
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
    xz.write_all(&plain).unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    for bytes in [plain, gzip, xz.finish().unwrap(), zstd] {
        let image = open(folder.path(), "root.tar", &bytes);
        assert_eq!(image.form, Form::Archive);
        same(&root, &image.volumes[0].tree);
    }
}

/// A tree of a random shape: deep or flat, few or many files, short or long names.
fn random_tree(seed: u64) -> Tree {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    // xorshift64*: the same in every run.
    let mut below = move |bound: u64| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) % bound
    };
    let mut tree = Tree::new();
    let mut directories = vec![String::new()];
    let mut files = Vec::new();
    let entries = [3, 40, 700, 3000][below(4) as usize];
    let (name, size) = ([1, 12, 60, 230][below(4) as usize], [1, 5000, 300_000][below(3) as usize]);
    let kinds = 4 + below(17);
    for number in 0..entries {
        let parent = &directories[below(directories.len() as u64) as usize];
        let padding = "p".repeat(below(name + 1) as usize);
        let slash = if parent.is_empty() { "" } else { "/" };
        let path = format!("{parent}{slash}{padding}{number}");
        let mut inode = file(vec![number as u8; below(size) as usize]);
        match below(kinds) {
            0 if parent.len() < 1500 => {
                inode.kind = Kind::Directory;
                directories.push(path.clone());
            }
            1 => inode.kind = Kind::Symlink(vec![b'l'; 1 + below(200) as usize]),
            2 if !files.is_empty() => {
                tree.link(&path, files[below(files.len() as u64) as usize]).unwrap();
                continue;
            }
            3 => {
                inode.kind = Kind::Fifo;
                let value = vec![1; below(3000) as usize];
                inode.meta.xattrs.insert(b"user.x".to_vec(), value);
            }
            _ => {
                files.push(tree.insert(&path, inode).unwrap());
                continue;
            }
        }
        tree.insert(&path, inode).unwrap();
    }
    tree
}

#[test]
fn random_trees_come_back_from_ext4_and_tar() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..16 {
        let mut tree = random_tree(seed);
        let archive = osb_archive::tar(&tree, Vec::new()).unwrap();
        same(&tree, &open(folder.path(), "root.tar", &archive).volumes[0].tree);
        let image = open(folder.path(), "root.ext4", &ext4(&tree));
        let lost = image.volumes[0].tree.get("lost+found").unwrap().clone();
        tree.insert("lost+found", lost).unwrap();
        same(&tree, &image.volumes[0].tree);
    }
}

#[test]
fn nanoseconds_and_times_of_other_centuries_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut tree = Tree::new();
    for (number, secs) in [-5, 0, 1, i64::from(i32::MAX) + 1, 5_000_000_000].into_iter().enumerate()
    {
        let mut inode = Inode::file(0o644, Vec::new());
        inode.meta.mtime = osb_tree::Time { secs, nanos: 123_456_789 };
        tree.insert(format!("{number}"), inode).unwrap();
    }
    let image = open(folder.path(), "root.ext4", &ext4(&tree));
    for (path, _, inode) in tree.iter().filter(|(path, ..)| !path.is_empty()) {
        assert_eq!(image.volumes[0].tree.get(path).unwrap().meta.mtime, inode.meta.mtime);
    }
}
