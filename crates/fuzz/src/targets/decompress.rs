//! Compressed members and indices: bounded, and what was compressed comes back.

use osb_apt::fuzz;
use osb_testrepo::Compression;

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "decompress",
    about: "gzip, xz and zstd streams, bounded; a first byte says which",
    run,
    seeds,
    words: &["\u{1f}", "7zXZ\0", "(\u{b5}/", "BZh"],
};

/// More than any input of the longest size should become without a limit being asked for.
const LIMIT: u64 = 16 << 20;

fn run(bytes: &[u8]) {
    let [which, stream @ ..] = bytes else { return };
    let compression = Compression::ALL[usize::from(*which) % Compression::ALL.len()];
    let read = |bytes: &[u8]| fuzz::decompress(compression.extension(), bytes, LIMIT).unwrap();
    let Ok(plain) = read(stream) else { return };
    assert!(plain.len() as u64 <= LIMIT);
    // Compressing all of a bomb again would take longer than reading it.
    let start = &plain[..plain.len().min(4096)];
    assert_eq!(read(&compression.pack(start)).unwrap(), start);
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (index, compression) in Compression::ALL.into_iter().enumerate() {
        let which = [u8::try_from(index).unwrap_or(0)];
        let seed = |plain: &[u8]| [&which[..], &compression.pack(plain)].concat();
        let twice = [seed(b"one "), compression.pack(b"two")].concat();
        seeds.extend([seed(b""), seed(b"Package: a\n"), twice]);
        if compression != Compression::None {
            seeds.push(seed(&vec![0; 20 << 20]));
        }
    }
    seeds.retain(|seed| seed.len() <= crate::MAX_BYTES);
    seeds
}
