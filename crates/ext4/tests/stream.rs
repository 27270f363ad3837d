//! What comes as data, as zeroes, and as unused.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io;

use common::{everything, options, run};
use osb_ext4::Image;
use osb_sink::Sink;
use osb_tree::Tree;

/// Where unused regions are, in bytes.
#[derive(Default)]
struct Unused {
    at: u64,
    regions: Vec<(u64, u64)>,
    bytes: Vec<u8>,
}

impl Sink for Unused {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.at += len;
        self.bytes.resize(self.at as usize, 0);
        Ok(())
    }

    fn unused(&mut self, len: u64) -> io::Result<()> {
        self.regions.push((self.at, self.at + len));
        self.zeros(len)
    }
}

#[test]
fn unused_are_the_free_blocks_but_for_both_ends() {
    // In the smallest one the free blocks begin before the zeroed head of 8 MiB ends.
    for (tree, size) in [(Tree::new(), 16 << 20), (everything(), 300 << 20)] {
        let mut sink = Unused::default();
        Image::plan(&tree, &options(size)).unwrap().write(&mut sink).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.ext4");
        std::fs::write(&path, &sink.bytes).unwrap();

        // dumpe2fs: "  Free blocks: 33025-65535, 70000"
        let text = run("dumpe2fs", &[path.to_str().unwrap()]);
        let lines = text.lines().filter_map(|line| line.strip_prefix("  Free blocks: "));
        let mut free: Vec<(u64, u64)> = Vec::new();
        for range in lines.flat_map(|line| line.split(", ")).filter(|range| !range.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
            let (start, end) = (first * 4096, (last + 1) * 4096);
            free.push((start.max(8 << 20), end.min(size - (1 << 20))));
        }
        assert_eq!(sink.regions, free);
    }
}
