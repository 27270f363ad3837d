//! Compressed pieces in the cache: what is not what was put there changes no stream.

use std::io;
use std::sync::Mutex;

use osb_checksum::Digest;
use osb_frames::{Codec, Store, single};

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "frame",
    about: "entries of frames-v1; a first byte says which codec: no wrong one is used",
    run,
    seeds,
    words: &["\u{1f}", "(\u{b5}/", "plain"],
};

/// What the pieces are made of.
const PLAIN: &[u8] = b"plain plain plain";

/// Gives one entry, whatever it is asked for, and keeps what is put.
struct One {
    entry: Vec<u8>,
    put: Mutex<Vec<u8>>,
}

impl Store for One {
    fn get(&self, _: &Digest, out: &mut Vec<u8>) -> io::Result<bool> {
        out.extend_from_slice(&self.entry);
        Ok(!self.entry.is_empty())
    }

    fn put(&self, _: &Digest, entry: &[u8]) -> io::Result<()> {
        self.put.lock().unwrap().extend_from_slice(entry);
        Ok(())
    }
}

/// Compresses with this entry in the store: what came out, and the entry that was made.
fn make(which: u8, entry: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let codec = match which % 2 {
        0 => Codec::Gzip { level: 6 },
        _ => Codec::Zstd { level: 3 },
    };
    let store = One { entry: entry.to_vec(), put: Mutex::default() };
    let (piece, tally) = single(codec, PLAIN.to_vec(), &store).unwrap();
    assert_eq!(tally.made + tally.reused, 1);
    (piece, store.put.into_inner().unwrap())
}

fn run(bytes: &[u8]) {
    let [which, entry @ ..] = bytes else { return };
    let (piece, put) = make(*which, entry);
    assert_eq!(piece, make(*which, &[]).0, "an entry that is wrong was used");
    // Either this was the right one, or the right one takes its place.
    let right = if put.is_empty() { entry.to_vec() } else { put };
    assert_eq!(make(*which, &right), (piece, Vec::new()));
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for which in [0, 1] {
        let (piece, entry) = make(which, &[]);
        let seed = |entry: &[u8]| [&[which], entry].concat();
        seeds.extend([
            seed(&entry),
            seed(&piece),
            seed(&entry[1..]),
            seed(&make(1 - which, &[]).1),
        ]);
    }
    seeds
}
