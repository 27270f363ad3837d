//! What was written is what the tree says, read back by osb's own reader and by debugfs.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;

use common::{ACL, Written, everything, random_tree};
use osb_tree::{Content, Inode, Kind, Tree};

#[test]
fn everything_comes_back() {
    let tree = everything();
    let image = Written::smallest(&tree);
    image.prove(&tree);

    let debugfs = |request: &str| image.debugfs(request);
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
    let out = image.folder().join("out");
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
fn all_four_times_are_the_trees() {
    let image = Written::smallest(&everything());
    for (path, time) in [("old", "0xfffffffb:00000000"), ("future", "0x2a05f200:00000005")] {
        let text = image.debugfs(&format!("stat /{path}"));
        for name in ["ctime", "atime", "mtime", "crtime"] {
            let line = text.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
            assert!(line.contains(time), "{path} {line}");
        }
    }
}

#[test]
fn random_trees_come_back() {
    for seed in 0..24 {
        let tree = random_tree(seed);
        Written::smallest(&tree).prove(&tree);
    }
}

#[test]
fn contents_of_real_files_are_streamed() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source");
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|at| (at % 253) as u8).collect();
    fs::write(&source, &bytes).unwrap();
    let mut tree = Tree::new();
    let content = Content::File { path: source, size: bytes.len() as u64, fingerprint: None };
    tree.insert("file", Inode::new(0o644, Kind::File(content))).unwrap();
    Written::smallest(&tree).prove(&tree);
}
