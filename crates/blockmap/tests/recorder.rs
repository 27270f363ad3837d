//! Maps of random disks against a model that looks at every block.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use osb_blockmap::{BLOCK, BlockMap, PIECE, Recorder, SHORT_GAP, State};
use osb_checksum::sha256;
use osb_sink::{Sink, Threaded};
use proptest::prelude::*;

/// A part of a disk, as its writer tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Unused,
    Zero,
    Data,
}
use Told::{Data, Unused, Zero};

fn write(sink: &mut dyn Sink, parts: &[(Told, usize)], step: usize) {
    for &(told, len) in parts {
        for at in (0..len).step_by(step) {
            let len = step.min(len - at);
            match told {
                Data => sink.data(&vec![7; len]).unwrap(),
                Zero => sink.zeros(len as u64).unwrap(),
                Unused => sink.unused(len as u64).unwrap(),
            }
        }
    }
}

fn map(parts: &[(Told, usize)]) -> BlockMap {
    let mut recorder = Recorder::new();
    write(&mut recorder, parts, usize::MAX);
    recorder.finish()
}

/// States and lengths.
fn shape(map: &BlockMap) -> Vec<(Told, u64)> {
    let told = |state| match state {
        State::Data(_) => Data,
        State::Zero => Zero,
        State::Unused => Unused,
    };
    map.ranges().iter().map(|range| (told(range.state), range.len)).collect()
}

const K: usize = 1 << 10;
const GAP: usize = SHORT_GAP as usize;

#[test]
fn a_block_has_the_strongest_of_its_states() {
    let big = 1 << 20;
    let parts = [(Unused, big + 1), (Zero, 1), (Unused, big - 2), (Data, 1), (Unused, big - 1)];
    let (big, block) = (big as u64, BLOCK);
    assert_eq!(
        shape(&map(&parts)),
        [(Unused, big), (Zero, block), (Unused, big - block), (Data, block), (Unused, big - block)]
    );
}

#[test]
fn short_gaps_are_data_and_long_ones_are_not() {
    for gap in [Zero, Unused] {
        let parts = [(Data, 4 * K), (gap, GAP - 4 * K), (Data, 4 * K)];
        assert_eq!(shape(&map(&parts)), [(Data, SHORT_GAP + 4096)]);
        let parts = [(Data, 4 * K), (gap, GAP), (Data, 4 * K)];
        assert_eq!(shape(&map(&parts)), [(Data, 4096), (gap, SHORT_GAP), (Data, 4096)]);
        // Not between data: at the ends of the disk.
        let parts = [(gap, 4 * K), (Data, 4 * K), (gap, 8 * K)];
        assert_eq!(shape(&map(&parts)), [(gap, 4096), (Data, 4096), (gap, 8192)]);
    }
    let parts = [(Data, 4 * K), (Zero, 32 * K), (Unused, 32 * K), (Data, 4 * K)];
    assert_eq!(shape(&map(&parts)), [(Data, 4096), (Zero, 65_536), (Data, 4096)]);
}

#[test]
fn a_short_unused_part_becomes_zero_and_never_the_other_way() {
    let long = 2 * GAP;
    let parts = [(Unused, 4 * K), (Zero, 4 * K), (Unused, long), (Zero, 4 * K), (Unused, 4 * K)];
    assert_eq!(shape(&map(&parts)), [(Zero, 8192), (Unused, long as u64), (Zero, 8192)]);
}

#[test]
fn data_ends_at_multiples_of_a_piece() {
    let piece = PIECE as usize;
    let parts = [(Data, piece - 4 * K), (Zero, 8 * K), (Data, piece), (Data, 5)];
    let map = map(&parts);
    assert_eq!(shape(&map), [(Data, PIECE), (Data, PIECE), (Data, 4096 + 5)]);
    let mut first = vec![7; piece - 4 * K];
    first.resize(piece, 0);
    assert_eq!(map.ranges()[0].state, State::Data(sha256(&first)));
}

#[test]
fn no_disk_is_no_range() {
    assert_eq!(Recorder::new().finish(), BlockMap::new(0, Vec::new()).unwrap());
}

fn parts() -> impl Strategy<Value = Vec<(Told, usize)>> {
    let told = prop_oneof![Just(Data), Just(Zero), Just(Unused)];
    let length = prop_oneof![
        0usize..10_000,
        (1usize..40).prop_map(|blocks| blocks * 4 * K),
        (GAP - 2)..(GAP + 2),
        ((1usize << 20) - 2)..(3 << 20),
    ];
    prop::collection::vec((told, length), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_rule_holds(parts in parts()) {
        let map = map(&parts);
        let told: Vec<Told> = parts.iter().flat_map(|&(told, len)| vec![told; len]).collect();
        let bytes: Vec<u8> = told.iter().map(|told| 7 * u8::from(*told == Data)).collect();
        // The invariants of the crate, by the code that looks at foreign maps.
        let again = BlockMap::new(bytes.len() as u64, map.ranges().to_vec());
        prop_assert_eq!(again.as_ref(), Ok(&map));
        for range in map.ranges() {
            let place = range.offset as usize..range.end() as usize;
            let strongest = told[place.clone()].iter().max().copied();
            match range.state {
                State::Data(digest) => prop_assert_eq!(digest, sha256(&bytes[place])),
                State::Zero => prop_assert_eq!(strongest, Some(Zero)),
                State::Unused => prop_assert_eq!(strongest, Some(Unused)),
            }
        }
        let shape = shape(&map);
        for three in shape.windows(3) {
            let short = three[1].0 != Data && three[1].1 < SHORT_GAP;
            prop_assert!(!(three[0].0 == Data && short && three[2].0 == Data), "{:?}", three);
        }
        for two in shape.windows(2) {
            prop_assert!(two[0].0 == Data || two[0].0 != two[1].0, "{:?}", two);
        }
        // Nothing was made data that need not be.
        let data: u64 = shape.iter().filter(|(told, _)| *told == Data).map(|(_, len)| len).sum();
        let most: usize = parts.iter().map(|(told, len)| match told {
            Data => len + 2 * 4 * K,
            // A gap may lose a block at each end.
            _ if *len < GAP + 8 * K => *len,
            _ => 0,
        }).sum();
        prop_assert!(data <= most as u64, "{} of {}", data, most);
    }

    #[test]
    fn calls_and_threads_do_not_matter(parts in parts(), step in 1000usize..100_000) {
        let mut divided = Recorder::new();
        write(&mut divided, &parts, step);
        let mut threaded = Threaded::start("test", Recorder::new()).unwrap();
        write(&mut threaded, &parts, step);
        prop_assert_eq!(divided.finish(), map(&parts));
        prop_assert_eq!(threaded.finish().unwrap().finish(), map(&parts));
    }
}
