//! Trees of any shape.

use std::collections::BTreeMap;

use osb_tree::Tree;
use proptest::prelude::*;

use super::{add, content};

/// Paths as their parts, and lengths.
type Files = Vec<(Vec<String>, usize)>;

/// Up to 80 files, at most three folders deep.
pub(crate) fn files() -> impl Strategy<Value = Files> {
    prop::collection::vec((prop::collection::vec(name(), 1..4), size()), 0..80)
}

/// The tree of these files.
pub(crate) fn tree(files: Files) -> Tree {
    let mut tree = Tree::new();
    // Lower-case spelling to first spelling, so that no two names differ by case only.
    let mut spelling: BTreeMap<String, String> = BTreeMap::new();
    for (seed, (parts, len)) in files.into_iter().enumerate() {
        let parts: Vec<String> = parts
            .into_iter()
            .map(|part| spelling.entry(part.to_lowercase()).or_insert(part).clone())
            .collect();
        add(&mut tree, &parts.join("/"), content(seed, len));
    }
    tree
}

/// A name: short, long, colliding in 8.3, or with characters beyond ASCII.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Z0-9_]{1,8}",
        "[A-Z]{1,8}\\.[A-Z]{1,3}",
        "[a-z0-9]{1,8}(\\.[a-z]{1,4})?",
        "collision[0-9]{1,3}\\.dtb[a-z]?",
        "COLLIS~[0-9]\\.DTB",
        "[a-zäöß日+;. ]{0,20}[a-z日𝄞]",
        "[a-z]{12,14}",
        "[a-z]{25,27}",
        "[a-z]{1,250}",
    ]
}

/// A length in bytes, near multiples of the cluster size more often than not.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        Just(0),
        1usize..2000,
        (0usize..20, 0usize..3).prop_map(|(n, d)| (n * 512 + d).saturating_sub(1)),
    ]
}
