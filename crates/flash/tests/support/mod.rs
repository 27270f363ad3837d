//! What the tests of the engine share: disks in memory that fail as real ones do, and images.

#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

pub(crate) mod disk;
pub(crate) mod image;

use std::sync::atomic::AtomicBool;

use disk::Disk;
use osb_flash::{EngineError, Image, Options, Receipt, Target, flash};

pub(crate) const K: u64 = 1 << 10;
pub(crate) const MIB: u64 = 1 << 20;

/// Writes to one disk.
pub(crate) fn flash_one(
    image: Image,
    disk: &Disk,
    options: &Options<'_>,
) -> Result<Receipt, EngineError> {
    let target: Box<dyn Target> = Box::new(disk.clone());
    let targets = vec![("disk".to_owned(), target)];
    flash(image, targets, options, &(), &AtomicBool::new(false)).remove(0)
}

/// Whether some firmware could take the first MiB for the beginning of something to boot.
pub(crate) fn looks_bootable(head: &[u8]) -> bool {
    let mark = head[510..512] == [0x55, 0xAA];
    let gpt = [512, 4096].iter().any(|sector| head[*sector..].starts_with(b"EFI PART"));
    let fat =
        matches!(head[0], 0xEB | 0xE9) && (&head[54..57] == b"FAT" || &head[82..85] == b"FAT");
    mark || gpt || fat
}

/// Bytes that look like nothing, the same every time.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend((state | 1).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
