//! How far a disk is, and what it waits for.

use std::fmt;
use std::time::Duration;

/// The parts of the work, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Looking whether disk and image fit.
    Check,
    /// Wiping both ends of the disk.
    Wipe,
    /// Writing.
    Copy,
    /// Waiting until the disk has all of it.
    Sync,
    /// Reading it back.
    Verify,
    /// Changing identifiers, partition table and files, but for the first MiB.
    Adapt,
    /// Writing the first MiB.
    Finish,
}

impl Phase {
    /// All of them.
    pub const ALL: [Phase; 7] = [
        Phase::Check,
        Phase::Wipe,
        Phase::Copy,
        Phase::Sync,
        Phase::Verify,
        Phase::Adapt,
        Phase::Finish,
    ];

    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Check => "check",
            Phase::Wipe => "wipe",
            Phase::Copy => "copy",
            Phase::Sync => "sync",
            Phase::Verify => "verify",
            Phase::Adapt => "adapt",
            Phase::Finish => "finish",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Check => "checking",
            Phase::Wipe => "wiping the ends of the disk",
            Phase::Copy => "writing",
            Phase::Sync => "flushing",
            Phase::Verify => "reading back",
            Phase::Adapt => "adapting",
            Phase::Finish => "writing the first MiB",
        })
    }
}

/// How far a disk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Bytes of this phase that are done.
    pub done: u64,
    /// Bytes of this phase, if known.
    pub of: Option<u64>,
    /// What this phase has waited for.
    pub waits: Waits,
    /// For how long the disk has not answered the request under way; zero if it answers.
    pub pending: Duration,
}

/// What a phase has waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waits {
    /// For the disk.
    pub device: Duration,
    /// For the image, or for another disk that is slower: one reader feeds them all.
    pub source: Duration,
    /// For digests.
    pub hash: Duration,
    /// For compressed bytes of the image, of all the time that reading it took since the beginning.
    pub input: Option<(Duration, Duration)>,
}

/// What holds a disk up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bottleneck {
    /// The disk.
    Device,
    /// Where the image comes from: network, or the disk that it lies on.
    Source,
    /// Decompressing it.
    Decompression,
    /// Hashing it.
    Hash,
}

impl Waits {
    /// What was waited for longest.
    pub fn bottleneck(&self) -> Bottleneck {
        if self.device >= self.source.max(self.hash) {
            return Bottleneck::Device;
        }
        match self.input {
            _ if self.hash > self.source => Bottleneck::Hash,
            Some((waited, all)) if waited * 2 < all => Bottleneck::Decompression,
            _ => Bottleneck::Source,
        }
    }
}

/// Hears how far disks are, from several threads.
pub trait Observer: Sync {
    /// Something was done on the disk of this number (from 0), or a second passed without.
    fn progress(&self, target: usize, progress: &Progress);
}

/// Does not listen.
impl Observer for () {
    fn progress(&self, _: usize, _: &Progress) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bottleneck_is_what_was_waited_for() {
        let second = Duration::from_secs;
        let waits = |device, source, hash, input| Waits {
            device: second(device),
            source: second(source),
            hash: second(hash),
            input,
        };
        assert_eq!(waits(3, 2, 1, None).bottleneck(), Bottleneck::Device);
        assert_eq!(waits(2, 3, 1, None).bottleneck(), Bottleneck::Source);
        assert_eq!(waits(1, 2, 3, None).bottleneck(), Bottleneck::Hash);
        let input = |waited| Some((second(waited), second(10)));
        assert_eq!(waits(2, 3, 1, input(6)).bottleneck(), Bottleneck::Source);
        assert_eq!(waits(2, 3, 1, input(1)).bottleneck(), Bottleneck::Decompression);
    }
}
