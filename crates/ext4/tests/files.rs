//! Large files, and files with holes.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;

use common::Written;
use osb_tree::{Content, Extent, Extents, Inode, Kind, Tree};

/// Something recognisable in every block of a mebibyte that is mostly zeroes.
fn source() -> Arc<Vec<u8>> {
    let mut bytes = vec![0; 1 << 20];
    for (index, block) in bytes.chunks_mut(4096).enumerate() {
        if index % 16 == 3 {
            block[index] = index as u8;
        }
    }
    Arc::new(bytes)
}

fn one(pieces: Vec<Extent>, size: u64) -> Tree {
    let mut tree = Tree::new();
    let content = Content::Extents(Extents::new(source(), pieces, size));
    tree.insert("file", Inode::new(0o644, Kind::File(content))).unwrap();
    tree
}

#[test]
fn three_gigabytes_without_a_hole() {
    let size = (3 << 30) - 1234;
    let pieces = (0..size).step_by(1 << 20).map(|at| Extent { at, len: 1 << 20, offset: 0 });
    let tree = one(pieces.collect(), size);
    let image = Written::smallest(&tree);
    image.prove(&tree);
    // More extents than the inode has room for: copies of the superblock lie between them.
    assert!(image.debugfs("ex /file").contains(" 0/ 1"));
}

#[test]
fn fifteen_terabytes_of_hole() {
    let piece = Extent { at: 15 << 40, len: 5000, offset: 0 };
    let tree = one(vec![piece], (15 << 40) + (1 << 30));
    let image = Written::smallest(&tree);
    image.check();
    let text = image.debugfs("stat /file");
    assert!(text.contains("Size: 16493748158464") && text.contains("Blockcount: 16"), "{text}");
}

#[test]
fn thousands_of_pieces_make_a_deep_tree() {
    for (count, depth) in [(300, 1), (2000, 2)] {
        let pieces = (0..count).map(|at| Extent { at: at * 8192 + 1, len: 3000, offset: 0 });
        let tree = one(pieces.collect(), 1 << 25);
        let image = Written::smallest(&tree);
        image.prove(&tree);
        assert!(image.debugfs("ex /file").contains(&format!(" 0/ {depth}")), "{count}");
    }
}
