//! `resize2fs` makes an image larger without its content changing.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs::File;

use common::{Written, everything, options, run};

#[test]
fn two_gibibytes_become_sixty_four() {
    let tree = everything();
    let image = Written::with(&tree, &options(2 << 30));
    let path = image.path.to_str().unwrap();
    File::options().write(true).open(&image.path).unwrap().set_len(64 << 30).unwrap();
    run("resize2fs", &[path]);
    let text = run("dumpe2fs", &["-h", path]);
    let field = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(field("Block count:").ends_with(" 16777216"), "{text}");
    // The room that was kept was enough: no blocks were moved for the descriptors.
    assert!(field("Reserved GDT blocks:").ends_with(" 248"), "{text}");
    assert!(!field("Filesystem features:").contains("meta_bg"), "{text}");
    image.prove(&tree);
}
