//! Directories with an index.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::Written;
use osb_tree::{Inode, Tree};

#[test]
fn twenty_thousand_entries_are_found() {
    let mut tree = Tree::new();
    tree.insert("many", Inode::directory(0o755)).unwrap();
    let mut path = |name: &[u8]| {
        tree.insert([b"many/", name].concat(), Inode::file(0o644, Vec::new())).unwrap();
    };
    for number in 0..20_000_u32 {
        // Not UTF-8, of any length.
        let mut name = number.to_string().into_bytes();
        name.resize(name.len() + (number % 240) as usize, 0xF0 | (number % 16) as u8);
        path(&name);
    }
    let image = Written::smallest(&tree);
    image.prove(&tree);
    assert!(image.debugfs("htree_dump /many").contains("Indirect levels: 1"));
    // By name, through the index.
    for number in [0, 1, 240, 9999, 19_920] {
        let plain = 240 * (number / 240);
        assert!(image.debugfs(&format!("stat /many/{plain}")).contains("Type: regular"), "{plain}");
    }
}

#[test]
fn a_directory_of_every_length_is_sound() {
    // Around the step from one block to an index, and from one leaf to two.
    let mut tree = Tree::new();
    for entries in (250..265).chain(500..520) {
        let folder = format!("{entries}");
        tree.insert(&folder, Inode::directory(0o755)).unwrap();
        for number in 0..entries {
            let path = format!("{folder}/name{number:04}");
            tree.insert(path, Inode::file(0o644, Vec::new())).unwrap();
        }
    }
    Written::smallest(&tree).prove(&tree);
}

#[test]
fn more_subdirectories_than_links_can_be_counted() {
    let mut tree = Tree::new();
    tree.insert("more", Inode::directory(0o755)).unwrap();
    for number in 0..64_999 {
        tree.insert(format!("more/{number}"), Inode::directory(0o755)).unwrap();
    }
    let image = Written::smallest(&tree);
    image.check();
    assert!(image.debugfs("stat /more").contains("Links: 1 "));
}

#[test]
fn equal_hashes_in_two_leaves_are_found() {
    // 13522 and 45517 have the same hash under the tests' seed (a unit test of directory.rs looks
    // for such a pair), 14 names come before them, and 15 fill a leaf.
    let below = [3, 6, 10, 18, 22, 25, 27, 29, 30, 31, 33, 35, 36, 40];
    let above = [0, 1, 2, 4, 5, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 23, 24];
    let mut tree = Tree::new();
    tree.insert("even", Inode::directory(0o755)).unwrap();
    for number in [13522, 45517].into_iter().chain(below).chain(above) {
        let path = format!("even/{number:0251}");
        tree.insert(path, Inode::file(0o644, Vec::new())).unwrap();
    }
    let image = Written::smallest(&tree);
    image.prove(&tree);
    let index = image.debugfs("htree_dump /even");
    let hashes = index.lines().filter_map(|line| line.split_once("Hash 0x")?.1.split(',').next());
    assert!(
        hashes.into_iter().any(|hash| hash.ends_with(['1', '3', '5', '7', '9', 'b', 'd', 'f']))
    );
    for number in [13522, 45517] {
        assert!(image.debugfs(&format!("stat /even/{number:0251}")).contains("Type: regular"));
    }
}
