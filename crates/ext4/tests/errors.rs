//! What cannot be written is refused with the path and the reason.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io;

use common::{Bytes, everything, options};
use osb_ext4::{Ext4Error, Image, estimate_size};
use osb_sink::Sink;
use osb_tree::{Content, Inode, Kind, Time, Tree};

const SIZE: u64 = 16 << 20;

fn refused(change: impl FnOnce(&mut Tree)) -> Ext4Error {
    let mut tree = Tree::new();
    tree.insert("etc", Inode::directory(0o755)).unwrap();
    change(&mut tree);
    Image::plan(&tree, &options(SIZE)).unwrap_err()
}

#[test]
fn names_and_targets_that_are_too_long_are_named() {
    let error = refused(|tree| {
        tree.insert("etc/link", Inode::symlink(vec![b'x'; 4096])).unwrap();
    });
    assert!(matches!(&error, Ext4Error::Name { path, .. } if path == "/etc/link"), "{error}");
    let error = refused(|tree| {
        tree.insert("n".repeat(256), Inode::file(0o644, Vec::new())).unwrap();
    });
    assert!(error.to_string().contains("255"), "{error}");
}

#[test]
fn a_tree_that_does_not_fit_is_told_what_would_do() {
    let tree = everything();
    for size in [0, 4 << 20, 16 << 20] {
        match Image::plan(&tree, &options(size)).unwrap_err() {
            Ext4Error::TooSmall { needed, .. } => {
                assert_eq!(needed, estimate_size(&tree, 0));
                Image::plan(&tree, &options(needed)).unwrap();
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn impossible_options_are_refused() {
    let tree = Tree::new();
    assert!(matches!(Image::plan(&tree, &options(SIZE + 512)), Err(Ext4Error::Size(_))));
    assert!(matches!(Image::plan(&tree, &options(1 << 60)), Err(Ext4Error::TooLarge(_))));
    let mut bad = options(SIZE);
    bad.label = "seventeen letters".into();
    assert!(matches!(Image::plan(&tree, &bad), Err(Ext4Error::Label(_))));
}

#[test]
fn times_links_and_devices_beyond_ext4_are_refused() {
    let error = refused(|tree| {
        let mut inode = Inode::file(0o644, Vec::new());
        inode.meta.mtime = Time::from_secs(1 << 40);
        tree.insert("etc/late", inode).unwrap();
    });
    assert!(matches!(error, Ext4Error::Time { .. }), "{error}");
    let error = refused(|tree| {
        let id = tree.insert("etc/a", Inode::file(0o644, Vec::new())).unwrap();
        for number in 0..65_000 {
            tree.link(format!("etc/{number}"), id).unwrap();
        }
    });
    assert!(
        matches!(&error, Ext4Error::Entry { reason, .. } if reason.contains("65000")),
        "{error}"
    );
    let error = refused(|tree| {
        let device = osb_tree::Device { major: 5000, minor: 0 };
        tree.insert("etc/device", Inode::new(0o600, Kind::CharDevice(device))).unwrap();
    });
    assert!(error.to_string().contains("/etc/device"), "{error}");
}

#[test]
fn lost_and_found_must_be_an_empty_directory() {
    let error = refused(|tree| {
        tree.insert("lost+found", Inode::directory(0o700)).unwrap();
        tree.insert("lost+found/x", Inode::file(0o644, Vec::new())).unwrap();
    });
    assert!(matches!(error, Ext4Error::LostFound(_)), "{error}");
    let error = refused(|tree| {
        tree.insert("lost+found", Inode::file(0o644, Vec::new())).unwrap();
    });
    assert!(matches!(error, Ext4Error::LostFound(_)), "{error}");
}

#[test]
fn a_file_that_shrank_or_vanished_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source");
    std::fs::write(&source, b"short").unwrap();
    for path in [source, directory.path().join("missing")] {
        let mut tree = Tree::new();
        let content = Content::File { path, size: 100_000, fingerprint: None };
        tree.insert("file", Inode::new(0o644, Kind::File(content))).unwrap();
        let image = Image::plan(&tree, &options(SIZE)).unwrap();
        let error = image.write(&mut Bytes::default()).unwrap_err();
        assert!(matches!(&error, Ext4Error::Content { path, .. } if path == "/file"), "{error}");
    }
}

#[test]
fn a_failing_sink_ends_the_writing() {
    struct Full(u64);
    impl Sink for Full {
        fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.zeros(bytes.len() as u64)
        }
        fn zeros(&mut self, len: u64) -> io::Result<()> {
            self.0 = self.0.checked_sub(len).ok_or(io::ErrorKind::StorageFull)?;
            Ok(())
        }
    }
    let tree = everything();
    let options = options(estimate_size(&tree, 0));
    for room in [0, 100_000, options.size / 2, options.size - 1] {
        let image = Image::plan(&tree, &options).unwrap();
        let error = image.write(&mut Full(room)).unwrap_err();
        assert!(
            matches!(&error, Ext4Error::Write(io) if io.kind() == io::ErrorKind::StorageFull),
            "{room}: {error}"
        );
    }
}
