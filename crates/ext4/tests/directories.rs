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
