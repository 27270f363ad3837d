//! What was written is what the tree says, read back by mkext4's reader and by debugfs.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::collections::HashMap;
use std::fs;

use common::{ACL, TIMESTAMP, check, everything, options, random_tree, run, write, write_smallest};
use mkext4::reader::Fs;
use mkext4::spec::inode::{FileType, Inode as DiskInode};
use osb_ext4::estimate_size;
use osb_tree::{Inode, Kind, Tree};

/// Compares every path of the tree with the image, and that the image has no others.
fn compare(tree: &Tree, image: &[u8]) {
    let fs = Fs::open(image).unwrap();
    let mut numbers = HashMap::new();
    let mut found = 0;
    let mut directories = vec![(Vec::new(), 2)];
    while let Some((path, number)) = directories.pop() {
        for entry in fs.read_dir(number).unwrap() {
            if entry.name == b"." || entry.name == b".." {
                continue;
            }
            let mut child = path.clone();
            if !child.is_empty() {
                child.push(b'/');
            }
            child.extend_from_slice(&entry.name);
            if child == b"lost+found" {
                continue;
            }
            found += 1;
            let id = tree.id(&child).unwrap_or_else(|| panic!("{child:?} is not in the tree"));
            let inode = fs.inode(entry.inode).unwrap();
            assert_eq!(*numbers.entry(id).or_insert(entry.inode), entry.inode, "one inode each");
            compare_inode(&fs, tree.inode(id), entry.inode, &inode);
            if tree.inode(id).is_directory() {
                directories.push((child, entry.inode));
            } else {
                assert_eq!(u32::from(inode.links_count), tree.links(id));
            }
        }
    }
    let paths = tree.iter().filter(|(path, ..)| !path.is_empty() && *path != b"lost+found");
    assert_eq!(found, paths.count());
    compare_inode(&fs, tree.get("").unwrap(), 2, &fs.inode(2).unwrap());
}

fn compare_inode(fs: &Fs<&[u8]>, wanted: &Inode, number: u32, inode: &DiskInode) {
    let meta = &wanted.meta;
    assert_eq!(u32::from(inode.mode) & 0o7777, meta.mode);
    assert_eq!((inode.uid, inode.gid), (meta.uid, meta.gid));
    let time = (meta.mtime.secs, meta.mtime.nanos);
    for (low, extra) in [
        (inode.mtime, inode.mtime_extra),
        (inode.atime, inode.atime_extra),
        (inode.ctime, inode.ctime_extra),
        (inode.crtime, inode.crtime_extra),
    ] {
        assert_eq!(DiskInode::timestamp(low, extra), time);
    }
    assert_eq!(fs.xattrs(number).unwrap().len(), meta.xattrs.len());
    match &wanted.kind {
        Kind::Directory => assert_eq!(inode.file_type(), FileType::Dir),
        Kind::File(content) => {
            assert_eq!(inode.file_type(), FileType::Regular);
            assert!(fs.read_file(number).unwrap() == content.read().unwrap(), "content differs");
        }
        Kind::Symlink(target) => assert_eq!(&fs.symlink_target(number).unwrap(), target),
        Kind::CharDevice(_) => assert_eq!(inode.file_type(), FileType::CharDev),
        Kind::BlockDevice(_) => assert_eq!(inode.file_type(), FileType::BlockDev),
        Kind::Fifo => assert_eq!(inode.file_type(), FileType::Fifo),
        Kind::Socket => assert_eq!(inode.file_type(), FileType::Socket),
    }
}

#[test]
fn everything_comes_back() {
    let tree = everything();
    let image = write_smallest(&tree);
    compare(&tree, &image);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.ext4");
    fs::write(&path, &image).unwrap();
    check(&path);

    let path = path.to_str().unwrap();
    let debugfs = |request: &str| run("debugfs", &["-R", request, path]);
    assert!(debugfs("stat /dev/null").contains("Device major/minor number: 01:03"));
    assert!(debugfs("stat /dev/disk").contains("Device major/minor number: 259:300"));
    assert!(debugfs("stat /lost+found").contains("Mode:  0700"));
    assert!(debugfs("stat /usr/many").contains("Flags: 0x81000"), "extents and hash index");
    assert!(debugfs("htree_dump /usr/many").contains("Indirect levels: 0"));
    assert!(debugfs("ea_list /usr/ping").contains("security.capability (20) = 01 00 00 02"));
    // debugfs converts what is on disk back to the system calls' form, with zeroes as the ids
    // of entries that have none.
    let hex: String = ACL
        .chunks(4)
        .flat_map(|word| if word == [255; 4] { [0; 4] } else { <[u8; 4]>::try_from(word).unwrap() })
        .map(|byte| format!("{byte:02x} "))
        .collect();
    let shown = debugfs("ea_get -x /etc/acl system.posix_acl_access");
    assert!(shown.contains(&hex), "{shown}");

    // A second reader for contents: debugfs unpacks everything into a directory.
    let out = directory.path().join("out");
    fs::create_dir(&out).unwrap();
    debugfs(&format!("rdump /etc /usr {}", out.display()));
    for (path, _, inode) in tree.iter() {
        if let (true, Some(content)) =
            (path.starts_with(b"etc/") || path.starts_with(b"usr/"), inode.content())
        {
            let path = out.join(std::str::from_utf8(path).unwrap());
            assert!(fs::read(&path).unwrap() == content.read().unwrap(), "{}", path.display());
        }
    }
}

#[test]
fn random_trees_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.ext4");
    for seed in 0..24 {
        let tree = random_tree(seed);
        let image = write_smallest(&tree);
        compare(&tree, &image);
        fs::write(&path, &image).unwrap();
        check(&path);
    }
}

#[test]
fn the_superblock_says_what_was_asked() {
    let tree = everything();
    let size = estimate_size(&tree, 200 << 20);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.ext4");
    fs::write(&path, write(&tree, &options(size))).unwrap();
    check(&path);
    let text = run("dumpe2fs", &["-h", path.to_str().unwrap()]);
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_once(':').unwrap().1.trim().to_owned()
    };
    assert_eq!(field("Filesystem UUID"), "12345678-9abc-4def-8001-020304050607");
    assert_eq!(field("Filesystem volume name"), "osb-root");
    assert_eq!(field("Filesystem state"), "clean");
    assert_eq!(field("Block size"), "4096");
    assert_eq!(field("Directory Hash Seed"), "30313233-3435-3637-3839-616263646566");
    assert_eq!(field("Block count").parse::<u64>().unwrap() * 4096, size);
    assert!(field("Inode count").parse::<u64>().unwrap() >= size / 16384);
    let features = field("Filesystem features");
    for feature in ["has_journal", "ext_attr", "dir_index", "extent", "metadata_csum", "flex_bg"] {
        assert!(features.split(' ').any(|each| each == feature), "{feature} in {features}");
    }
    let created = run("date", &["-u", "-d", &format!("@{TIMESTAMP}"), "+%Y"]);
    assert!(field("Filesystem created").ends_with(created.trim()));
}

#[test]
fn two_runs_give_the_same_bytes() {
    assert!(write_smallest(&everything()) == write_smallest(&everything()));
}

#[test]
fn contents_of_real_files_are_streamed() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source");
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|at| (at % 253) as u8).collect();
    fs::write(&source, &bytes).unwrap();
    let mut tree = Tree::new();
    let content =
        osb_tree::Content::File { path: source, size: bytes.len() as u64, fingerprint: None };
    tree.insert("file", Inode::new(0o644, Kind::File(content))).unwrap();
    compare(&tree, &write_smallest(&tree));
}
