//! The estimated size is enough, leaves what was asked for, and is not wasteful.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Written, everything, options, random_tree, run};
use osb_ext4::{Image, estimate_size};
use osb_tree::{Inode, Kind, Tree};

/// Bytes that users can fill, as statfs computes them from the superblock: without root's share
/// and the kernel's (2 %, 4096 blocks at most).
fn available(image: &Written) -> u64 {
    let text = run("dumpe2fs", &["-h", image.path.to_str().unwrap()]);
    let field = |name: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_once(':').unwrap().1.trim().parse().unwrap()
    };
    let kernel = (field("Block count") / 50).min(4096);
    field("Free blocks").saturating_sub(field("Reserved block count") + kernel) * 4096
}

#[test]
fn an_estimate_is_always_enough() {
    for seed in 100..220 {
        let tree = random_tree(seed);
        let size = estimate_size(&tree, 0);
        assert_eq!(size % (4 << 20), 0);
        Image::plan(&tree, &options(size)).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}

#[test]
fn what_was_asked_for_is_free_and_not_much_more() {
    for (seed, free) in (0..12).zip([0, 1, 5 << 20, 64 << 20].into_iter().cycle()) {
        let tree = random_tree(seed);
        let size = estimate_size(&tree, free);
        let left = available(&Written::with(&tree, &options(size)));
        assert!(left >= free, "seed {seed}: {left} of {free}");
        // 4 MiB is the granularity; the rest is the upper bound for directories.
        let most = free + (5 << 20) + size / 20;
        assert!(left <= most || size == 16 << 20, "seed {seed}: {left}, {size}");
    }
}

#[test]
fn many_empty_files_get_their_inodes() {
    let mut tree = Tree::new();
    for number in 0..70_000 {
        tree.insert(format!("{number}"), Inode::file(0o644, Vec::new())).unwrap();
    }
    let size = estimate_size(&tree, 32 << 20);
    let image = Written::with(&tree, &options(size));
    let text = run("dumpe2fs", &["-h", image.path.to_str().unwrap()]);
    let free = text.lines().find_map(|line| line.strip_prefix("Free inodes:")).unwrap();
    // One for each 16 KiB of the room that is left.
    assert!(free.trim().parse::<u64>().unwrap() >= (32 << 20) / 16384);
    image.prove(&tree);
}

#[test]
fn sizes_around_a_flex_group_are_planned() {
    let mut tree = everything();
    tree.insert("again", Inode::new(0o755, Kind::Directory)).unwrap();
    let edge = 16 * 32768 * 4096_u64;
    for size in [edge - 4096, edge, edge + 4096, edge + (2 << 20), edge + (4 << 20)] {
        Written::with(&tree, &options(size)).prove(&tree);
    }
}
