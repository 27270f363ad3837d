//! How much an image may cost whoever reads it.

use crate::error::Fault;

/// What reading an image may take. The defaults hold any image that people build, and are far
/// below what a machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Memory for paths, targets of links, attributes, extents and headers for all entries, in bytes
    /// (an estimate).
    pub memory: u64,
    /// Metadata that is read (inodes, directories, chains of clusters, headers), in bytes. A
    /// structure that several others point to counts each time.
    pub work: u64,
    /// What a compressed image may decompress to, in bytes; zeroes count, though they take no
    /// room.
    pub decompressed: u64,
}

impl Default for Limits {
    /// 256 MiB, 4 GiB, 64 GiB.
    fn default() -> Self {
        Limits { memory: 256 << 20, work: 4 << 30, decompressed: 64 << 30 }
    }
}

/// What is left of the limits.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    limits: Limits,
    memory: u64,
    work: u64,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Budget { limits: *limits, memory: limits.memory, work: limits.work }
    }

    /// Takes memory for something that is kept.
    pub(crate) fn keep(&mut self, bytes: usize) -> Result<(), Fault> {
        let left = self.memory.checked_sub(bytes as u64);
        self.memory = left.ok_or_else(|| {
            Fault::Limit(format!(
                "its paths, attributes and extents take more than {} MiB of memory",
                self.limits.memory >> 20
            ))
        })?;
        Ok(())
    }

    /// Takes memory for a path and its inode.
    pub(crate) fn entry(&mut self, path: &[u8]) -> Result<(), Fault> {
        // An inode, its slots in the tree's maps, and its path in one or two of them.
        const ENTRY: usize = 256;
        self.keep(ENTRY + 2 * path.len())
    }

    /// Takes reading of metadata.
    pub(crate) fn work(&mut self, bytes: u64) -> Result<(), Fault> {
        let left = self.work.checked_sub(bytes);
        self.work = left.ok_or_else(|| {
            Fault::Limit(format!(
                "its metadata make more than {} MiB to read",
                self.limits.work >> 20
            ))
        })?;
        Ok(())
    }
}
