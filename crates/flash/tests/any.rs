//! Any image on any disk, in any mode: every byte is where it should be.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod support;

use osb_flash::{Mode, Options};
use proptest::prelude::*;
use support::disk::{Disk, Effect, Kind};
use support::image::{Bytes, any};
use support::{K, MIB, flash_one, noise};

/// Ranges of an image: lengths in blocks, and states; then bytes behind the last block.
fn ranges() -> impl Strategy<Value = Vec<(u64, char)>> {
    let len = prop_oneof![1..40u64, 100..600u64, 900..1100u64];
    let state = prop_oneof![Just('d'), Just('d'), Just('z'), Just('u')];
    let ranges = proptest::collection::vec((len.prop_map(|len| len * 4 * K), state), 1..12);
    (ranges, 0..3u64).prop_map(|(ranges, odd)| {
        let (mut cut, mut offset) = (Vec::new(), 0);
        for (mut len, state) in ranges {
            // Data does not cross a multiple of 4 MiB.
            while len > 0 {
                let part = len.min(4 * MIB - offset % (4 * MIB));
                cut.push((part, state));
                (offset, len) = (offset + part, len - part);
            }
        }
        if let Some((len, _)) = cut.last_mut() {
            *len -= [0, 512, 1001][odd as usize];
        }
        cut
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_byte_is_where_it_should_be(
        ranges in ranges(),
        sector in prop_oneof![Just(512u32), Just(4096u32)],
        more in 0..700u64,
        mode in prop_oneof![Just(Mode::Whole), Just(Mode::ChangedOnly)],
        mapped: bool,
        punches: bool,
        told: bool,
        // What was on the disk: something else, the image, or the image with some wrong bytes.
        before in 0..3u8,
        seed: u64,
    ) {
        let made = any(&ranges);
        let len = (made.bytes.len() as u64).max(2 * MIB).next_multiple_of(sector.into());
        let size = len + more * u64::from(sector);
        let mut bytes = noise(seed, size as usize);
        if before > 0 {
            bytes[..made.bytes.len()].copy_from_slice(&made.bytes);
        }
        if before > 1 {
            let at = seed as usize % made.bytes.len();
            bytes[at] ^= 1;
        }
        let disk = Disk::with(bytes.clone(), sector).failing(move |op| match op.kind {
            Kind::Punch if !punches => Effect::Fail(rustix::io::Errno::OPNOTSUPP),
            _ => Effect::Do,
        });
        let mut image = if mapped { made.image() } else { made.foreign() };
        image.source = Box::new(Bytes { bytes: made.bytes.clone(), size: told, last: 0 });
        let receipt = flash_one(image, &disk, &Options { mode, ..Options::default() }).unwrap();
        let after = disk.bytes();
        let mut expected = made.on(&bytes, mapped);
        // Unused parts of short gaps are zeroed, and so is the sector in which the image ends.
        let whole = made.bytes.len().next_multiple_of(sector as usize);
        expected[made.bytes.len()..whole].fill(0);
        for range in made.map.ranges() {
            let span = range.offset as usize..range.end() as usize;
            let unused = range.state == osb_blockmap::State::Unused;
            let changed = after[span.clone()] != expected[span.clone()];
            if mapped && unused && changed && after[span.clone()].iter().all(|byte| *byte == 0) {
                prop_assert!(range.len < 64 * K || range.offset < MIB || range.end() > size - MIB);
                expected[span].fill(0);
            }
        }
        prop_assert!(after == expected);
        prop_assert!(receipt.identity.is_none());
        if mode == Mode::Whole {
            prop_assert_eq!(receipt.bytes.unchanged, 0);
        }
    }
}
