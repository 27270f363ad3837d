//! Features and geometry, as `dumpe2fs` tells them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::path::Path;

use common::{Written, everything, options, run, write};
use osb_ext4::estimate_size;

/// What `dumpe2fs -h` says of one gibibyte with one of everything. A change of it is a change of
/// every image: set `OSB_BLESS` to write the file anew, and read the difference.
#[test]
fn the_superblock_is_the_golden_one() {
    let image = Written::with(&everything(), &options(1 << 30));
    let text = run("dumpe2fs", &["-h", image.path.to_str().unwrap()]);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/dumpe2fs.txt");
    if std::env::var_os("OSB_BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap();
    for (line, expected) in text.lines().zip(golden.lines()) {
        assert_eq!(line, expected);
    }
    assert_eq!(text, golden);
}

#[test]
fn two_runs_give_the_same_bytes() {
    let tree = everything();
    let options = options(estimate_size(&tree, 0));
    assert!(write(&tree, &options) == write(&everything(), &options));
}
