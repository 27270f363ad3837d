//! Both codecs, with stores of every kind: readers get the input back, and the bytes are always the
//! same.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};

use osb_checksum::{Digest, sha256, to_hex};
use osb_frames::{Codec, Cuts, Frames, NoStore, Store, Tally, single};
use osb_sink::Sink;

const CODECS: [Codec; 2] = [Codec::Gzip { level: 6 }, Codec::Zstd { level: 3 }];
/// Small, so that a test has many pieces.
const CUTS: Cuts = Cuts::new(512, 32 << 10, 1 << 20);

/// Remembers in memory.
#[derive(Default)]
struct Memory(Mutex<HashMap<Digest, Vec<u8>>>);

impl Store for Memory {
    fn get(&self, key: &Digest, out: &mut Vec<u8>) -> io::Result<bool> {
        let entries = self.0.lock().unwrap();
        Ok(entries.get(key).map(|entry| out.extend_from_slice(entry)).is_some())
    }

    fn put(&self, key: &Digest, entry: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().insert(*key, entry.to_vec());
        Ok(())
    }
}

/// Text, noise and zeroes; three mebibytes.
fn input() -> Vec<u8> {
    let mut state = 1u32;
    let mut input: Vec<u8> = (0..1 << 20)
        .map(|at: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if at & 0x8000 == 0 { b'a' + (state >> 28) as u8 } else { (state >> 24) as u8 }
        })
        .collect();
    input.resize(2 << 20, 0);
    let again = input[..1 << 20].iter().rev().copied().collect::<Vec<_>>();
    input.extend(again);
    input
}

/// Words of a language, the short ones more often, in lines: matches of all lengths and distances.
fn text() -> Vec<u8> {
    let licence = include_str!("../../../LICENSE");
    let words: Vec<&str> = licence.split_whitespace().collect();
    let mut state = 7u64;
    let mut text = licence.to_owned();
    while text.len() < 1 << 20 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (at, length) = ((state >> 40) as usize % words.len(), (state >> 33) as usize % 9 + 1);
        text += &words[at..words.len().min(at + length)].join(" ");
        text.push(if state >> 61 == 0 { '\n' } else { ' ' });
    }
    text.into_bytes()
}

/// Records as programs and tables have them: opcodes, small numbers, offsets that grow.
fn program() -> Vec<u8> {
    let (mut state, mut bytes) = (3u32, Vec::new());
    for number in 0..60_000u32 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.extend([0x48, 0x8b, (state >> 29) as u8, 0xe8]);
        bytes.extend((number * 24 + (state >> 28)).to_le_bytes());
        bytes.extend(u64::from(state >> 20 & 0x3f).to_le_bytes());
        if state >> 30 == 0 {
            let back = bytes.len() - (state >> 12 & 0xffff) as usize % bytes.len();
            let again = bytes[back.min(bytes.len() - 16)..].iter().take(40).copied();
            bytes.extend(again.collect::<Vec<_>>());
        }
    }
    bytes
}

fn compress_in_steps(
    codec: Codec,
    input: &[u8],
    store: Arc<dyn Store>,
    jobs: usize,
    step: usize,
) -> (Vec<u8>, Tally) {
    let mut frames = Frames::new(Vec::new(), codec, CUTS, jobs, store).unwrap();
    for part in input.chunks(step) {
        frames.data(part).unwrap();
    }
    frames.finish().unwrap()
}

fn compress(codec: Codec, input: &[u8], store: Arc<dyn Store>) -> (Vec<u8>, Tally) {
    compress_in_steps(codec, input, store, 2, 1 << 20)
}

fn decompress(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match codec {
        Codec::Gzip { .. } => {
            flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
        }
        Codec::Zstd { .. } => {
            let mut decoder = zstd::Decoder::new(bytes).unwrap();
            // What decoders allow without being asked: 8 MiB (RFC 8878, section 3.1.1.1.2).
            decoder.window_log_max(23).unwrap();
            decoder.read_to_end(&mut plain).unwrap();
        }
    }
    plain
}

#[test]
fn readers_get_the_input_back() {
    let long = input();
    for codec in CODECS {
        for input in [&b""[..], b"x", &[0; 100], &[0; 100_000], &long, &long[..1_500_001]] {
            let (bytes, _) = compress(codec, input, Arc::new(NoStore));
            assert!(decompress(codec, &bytes) == input, "{codec:?} {}", input.len());
        }
    }
}

#[test]
fn the_bytes_depend_neither_on_threads_nor_on_calls() {
    let input = input();
    for codec in CODECS {
        let (first, _) = compress(codec, &input, Arc::new(NoStore));
        for (jobs, step) in [(0, 4096), (1, 333), (2, 65_536), (5, 100_003), (3, 1 << 30)] {
            let (bytes, _) = compress_in_steps(codec, &input, Arc::new(NoStore), jobs, step);
            assert!(bytes == first, "{codec:?} {jobs} {step}");
        }
        let mut told = Frames::new(Vec::new(), codec, CUTS, 2, Arc::new(NoStore)).unwrap();
        told.write_all(&input[..1 << 20]).unwrap();
        told.zeros(1 << 20).unwrap();
        told.write_all(&input[2 << 20..]).unwrap();
        assert!(told.finish().unwrap().0 == first, "{codec:?}: zeroes that are told");
    }
}

#[test]
fn what_is_remembered_is_the_same() {
    let input = input();
    for codec in CODECS {
        let store = Arc::new(Memory::default());
        let (cold, first) = compress(codec, &input, store.clone());
        assert_eq!(
            (first.reused, first.made_bytes),
            (0, 2 << 20),
            "{codec:?}: zeroes do not count"
        );
        let (warm, second) = compress(codec, &input, store.clone());
        assert!(warm == cold, "{codec:?}");
        assert_eq!((second.made, second.reused), (0, first.made), "{codec:?}");

        // One byte more, at the beginning of a block that a writer adds.
        let mut changed = input.clone();
        changed.splice(512 * 300..512 * 300, [7; 512]);
        let (with_store, third) = compress(codec, &changed, store);
        assert!(third.made <= 3 && third.reused > 40, "{codec:?}: {third:?}");
        assert!(with_store == compress(codec, &changed, Arc::new(NoStore)).0, "{codec:?}");
    }
}

#[test]
fn damaged_entries_are_made_again_and_told() {
    let input = input();
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 5] = [
        ("a flipped bit", |entry| entry[10] ^= 1),
        ("a flipped bit at the end", |entry| *entry.last_mut().unwrap() ^= 1),
        ("cut short", |entry| entry.truncate(entry.len() / 2)),
        ("empty", Vec::clear),
        ("something else", |entry| *entry = b"<html>".repeat(20)),
    ];
    for codec in CODECS {
        let store = Arc::new(Memory::default());
        let (cold, first) = compress(codec, &input, store.clone());
        for (what, damage) in &damages {
            store.0.lock().unwrap().values_mut().for_each(damage);
            let (bytes, tally) = compress(codec, &input, store.clone());
            assert!(bytes == cold, "{codec:?}: {what}");
            // Zeroes are remembered, too.
            assert!(tally.damaged >= first.made && tally.reused == 0, "{what}: {tally:?}");
            let (_, tally) = compress(codec, &input, store.clone());
            assert_eq!(
                (tally.damaged, tally.made),
                (0, 0),
                "{codec:?}: {what}: they were replaced"
            );
        }
        // Whole entries under each other's names.
        let swap = |entries: &mut HashMap<Digest, Vec<u8>>| {
            let mut values: Vec<_> = entries.values().cloned().collect();
            values.rotate_left(1);
            entries.values_mut().zip(values).for_each(|(entry, other)| *entry = other);
        };
        swap(&mut store.0.lock().unwrap());
        let (bytes, tally) = compress(codec, &input, store);
        assert!(bytes == cold && tally.damaged >= first.made, "{codec:?}: {tally:?}");
    }
}

#[test]
fn a_store_that_fails_costs_time_only() {
    struct Broken;
    impl Store for Broken {
        fn get(&self, _: &Digest, out: &mut Vec<u8>) -> io::Result<bool> {
            out.extend_from_slice(b"half of an ent");
            Err(io::Error::other("the disk is broken"))
        }
        fn put(&self, _: &Digest, _: &[u8]) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }
    let input = input();
    for codec in CODECS {
        let (bytes, tally) = compress(codec, &input, Arc::new(Broken));
        assert!(bytes == compress(codec, &input, Arc::new(NoStore)).0);
        assert_eq!(tally.unsaved.unwrap().kind(), io::ErrorKind::StorageFull);
        assert!(tally.damaged >= tally.made && tally.reused == 0);
    }
}

#[test]
fn errors_of_the_writer_and_panics_of_threads_are_errors() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    struct Panics;
    impl Store for Panics {
        fn get(&self, _: &Digest, _: &mut Vec<u8>) -> io::Result<bool> {
            panic!("on purpose");
        }
        fn put(&self, _: &Digest, _: &[u8]) -> io::Result<()> {
            Ok(())
        }
    }
    let input = input();
    for codec in CODECS {
        let mut frames = Frames::new(Full, codec, CUTS, 2, Arc::new(NoStore)).unwrap();
        let result = frames.write_all(&input).and_then(|()| frames.finish());
        assert_eq!(result.map(drop).unwrap_err().kind(), io::ErrorKind::StorageFull);
        let mut frames = Frames::new(Vec::new(), codec, CUTS, 2, Arc::new(Panics)).unwrap();
        let result = frames.write_all(&input).and_then(|()| frames.finish());
        assert!(result.map(drop).unwrap_err().to_string().contains("panicked"));
    }
}

/// Entries are found by what they were made of, and by the version of what made them: whoever
/// changes the second, or another library does, must raise the version in `codec.rs`, and put the
/// new digests here.
#[test]
fn the_same_bytes_as_ever() {
    let digest = |codec, input| to_hex(&sha256(&single(codec, input, &NoStore).unwrap().0));
    let digests =
        [input(), text(), program()].map(|input| CODECS.map(|c| digest(c, input.clone())));
    assert_eq!(
        digests,
        [
            [
                "e8e8f9a4240d1418ca5b969b65b19fb8dafe7c5f31dd55ae65f649fe9609889f",
                "0c6ebcbe30624ab0b8f9fd76cf351c7ecd6380c66d79d8162f7753daf677c4e1",
            ],
            [
                "275328197b6374eb2d8eee2da60a684dc47d779ce0e94cc78c5e43801a6ff050",
                "db1d5962188c6eb614c26b9e7dc4d5644ad85b951c26e702c5e6b2becc1c613a"
            ],
            [
                "9d59960941262fb6721a21dde0acfa6838dcd18534781eb5a7d3ac5b762b7175",
                "b9bc033c0f7c5f64141596e39a4e3e726ce13ee2116cefc287879d6183191081"
            ],
        ]
    );
}

#[test]
fn gzip_headers_have_no_time_and_no_system() {
    let (bytes, _) = compress(CODECS[0], b"x", Arc::new(NoStore));
    // RFC 1952, section 2.3: MTIME and OS.
    assert_eq!((&bytes[4..8], bytes[9]), (&[0; 4][..], 255));
}

/// Walks through the frames, as the format describes them, and through the table.
#[test]
fn the_seek_table_tells_every_frame() {
    let input = input();
    let (bytes, _) = compress(CODECS[1], &input, Arc::new(NoStore));
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!(number(bytes.len() - 4), 0x8F92_EAB1);
    assert_eq!(bytes[bytes.len() - 5], 0, "no checksums in the table");
    let frames = number(bytes.len() - 9);
    let table = bytes.len() - 9 - 8 * frames - 8;
    assert_eq!((number(table), number(table + 4)), (0x184D_2A5E, 8 * frames + 9));
    let (mut at, mut plain_at) = (0, 0);
    for entry in 0..frames {
        let (compressed, plain) = (number(table + 8 + 8 * entry), number(table + 12 + 8 * entry));
        let frame = &bytes[at..at + compressed];
        // Frame_Header_Descriptor, bit 2: Content_Checksum_flag (RFC 8878, section 3.1.1.1.1).
        assert_eq!(frame[4] & 4, 4);
        let told = zstd::zstd_safe::get_frame_content_size(frame).unwrap();
        assert_eq!(told, Some(plain as u64));
        assert!(zstd::decode_all(frame).unwrap() == input[plain_at..plain_at + plain]);
        at += compressed;
        plain_at += plain;
    }
    assert_eq!((at, plain_at), (table, input.len()));
    assert!(frames > 40, "{frames}");
}

#[test]
fn zeroes_cost_next_to_nothing() {
    let cuts = Cuts::new(4096, 2 << 20, 64 << 20);
    let mut frames =
        Frames::new(Vec::new(), CODECS[1], cuts, 2, Arc::new(Memory::default())).unwrap();
    frames.data(b"disk").unwrap();
    frames.zeros((1 << 30) - 4).unwrap();
    let (bytes, tally) = frames.finish().unwrap();
    assert!(bytes.len() < 200_000, "{}", bytes.len());
    assert!(tally.made_bytes <= 4096, "{tally:?}");
    let mut decoder = zstd::Decoder::new(&bytes[..]).unwrap();
    decoder.window_log_max(23).unwrap();
    assert_eq!(io::copy(&mut decoder, &mut io::sink()).unwrap(), 1 << 30);
}

#[test]
fn one_piece_by_itself_is_remembered_as_well() {
    let (input, store) = (input(), Memory::default());
    for codec in CODECS {
        let (cold, first) = single(codec, input.clone(), &store).unwrap();
        let (warm, second) = single(codec, input.clone(), &store).unwrap();
        assert!(cold == warm && (first.made, second.reused) == (1, 1));
        assert!(decompress(codec, &cold) == input);
    }
    let (member, _) = single(CODECS[0], input.clone(), &store).unwrap();
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&member[..]).read_to_end(&mut plain).unwrap();
    assert!(plain == input, "it is one member");
}
