//! A file system gets another identifier without its metadata being written anew.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;

use common::{Written, everything, options, run};

#[test]
fn another_uuid_changes_superblocks_only() {
    let tree = everything();
    let image = Written::with(&tree, &options(300 << 20));
    let before = fs::read(&image.path).unwrap();
    let uuid = "01234567-89ab-4cde-8f01-23456789abcd";
    run("tune2fs", &["-U", uuid, image.path.to_str().unwrap()]);
    let after = fs::read(&image.path).unwrap();
    let blocks = before.chunks(4096).zip(after.chunks(4096)).enumerate();
    let changed: Vec<_> =
        blocks.filter(|(_, (old, new))| old != new).map(|(block, _)| block).collect();
    // The primary and the copy in group 1; 300 MiB have three groups.
    assert_eq!(changed, [0, 32768]);
    assert!(run("dumpe2fs", &["-h", image.path.to_str().unwrap()]).contains(uuid));
    image.prove(&tree);
}
