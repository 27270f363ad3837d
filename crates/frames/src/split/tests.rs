//! What pieces promise, on streams that are made for trouble.

use proptest::prelude::*;

use super::*;

/// Small, so that a test has many pieces: grains of 64 bytes, pieces of 1 to 16 KiB, zeroes from
/// 1 KiB on, at most 8 KiB of them.
const CUTS: Cuts = Cuts::new(64, 4096, 8192);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Data(Vec<u8>),
    Zeros(u64),
}

#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Receive for Pieces {
    fn data(&mut self, piece: Vec<u8>) -> io::Result<Vec<u8>> {
        self.0.push(Piece::Data(piece));
        Ok(Vec::new())
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.0.push(Piece::Zeros(len));
        Ok(())
    }
}

/// The pieces of a stream that is written in calls of `steps` bytes, again and again; where such a
/// part is all zeroes it is told, not written, if `tell`.
fn pieces(stream: &[u8], steps: &[usize], tell: bool) -> Vec<Piece> {
    let (mut splitter, mut pieces) = (Splitter::new(CUTS), Pieces::default());
    let mut rest = stream;
    for step in steps.iter().cycle() {
        let (part, behind) = rest.split_at(rest.len().min(*step));
        if tell && part.iter().all(|byte| *byte == 0) {
            splitter.zeros(part.len() as u64, &mut pieces).unwrap();
        } else {
            splitter.data(part, &mut pieces).unwrap();
        }
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    splitter.finish(&mut pieces).unwrap();
    pieces.0
}

/// Data without any order, the same for the same seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let next = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(next).collect()
}

/// A part of a stream: noise, zeroes, or a byte again and again.
fn part() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => (any::<u64>(), 0usize..40_000).prop_map(|(seed, len)| noise(seed, len)),
        2 => prop_oneof![0usize..3000, Just(1024), Just(8192), 20_000usize..30_000]
            .prop_map(|len| vec![0; len]),
        1 => (any::<u8>(), 0usize..40_000).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(part(), 0..6).prop_map(|parts| parts.concat())
}

fn steps() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1usize..200, 1usize..20_000], 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn pieces_are_the_stream_and_their_sizes_are_in_bounds(stream in stream()) {
        let pieces = pieces(&stream, &[1 << 20], false);
        let mut back = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::Data(bytes) => {
                    back.extend_from_slice(bytes);
                    prop_assert!(bytes.len() <= CUTS.longest());
                    // Zeroes may begin anywhere, and so may the end come.
                    let next = pieces.get(index + 1);
                    let ends_early = matches!(next, None | Some(Piece::Zeros(_)));
                    prop_assert!(bytes.len() >= CUTS.min || ends_early, "{}", bytes.len());
                }
                Piece::Zeros(len) => {
                    back.resize(back.len() + *len as usize, 0);
                    prop_assert!((1..=CUTS.zero_piece).contains(len));
                }
            }
        }
        prop_assert!(back == stream);
    }

    #[test]
    fn pieces_do_not_depend_on_calls(stream in stream(), steps in steps(), tell: bool) {
        prop_assert!(pieces(&stream, &steps, tell) == pieces(&stream, &[1 << 20], false));
    }

    #[test]
    fn behind_an_insertion_the_pieces_are_the_same(
        seed: u64, at in 0usize..4000, insertion in prop::collection::vec(part(), 0..2),
    ) {
        let stream = noise(seed, 64 * 4000);
        let mut insertion = insertion.concat();
        insertion.truncate(insertion.len() / 64 * 64);
        let mut longer = stream.clone();
        longer.splice(64 * at..64 * at, insertion);
        let (before, after) = (pieces(&stream, &[1 << 20], false), pieces(&longer, &[1 << 20], false));
        let head = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
        let tail = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
        // What is not the same lies around the insertion: some pieces, not all that follow.
        let lost: usize = before[head..(before.len() - tail).max(head)]
            .iter()
            .map(|piece| match piece {
                Piece::Data(bytes) => bytes.len(),
                Piece::Zeros(len) => *len as usize,
            })
            .sum();
        prop_assert!(lost <= 5 * CUTS.longest(), "{lost} of {}", stream.len());
    }
}

#[test]
fn pieces_have_about_the_average_size() {
    let pieces = pieces(&noise(7, 4 << 20), &[1 << 20], false);
    let average = (4 << 20) / pieces.len();
    assert!((3000..5500).contains(&average), "{average}");
}

#[test]
fn a_terabyte_of_zeroes_is_told_in_no_time() {
    let (mut splitter, mut pieces) =
        (Splitter::new(Cuts::new(4096, 2 << 20, 1 << 30)), Pieces::default());
    splitter.zeros(1 << 40, &mut pieces).unwrap();
    splitter.finish(&mut pieces).unwrap();
    assert!(pieces.0 == vec![Piece::Zeros(1 << 30); 1 << 10]);
}
