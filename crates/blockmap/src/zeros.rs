//! Digests of zeroes.

use std::collections::{BTreeMap, BTreeSet};

use osb_checksum::Digest;
use sha2::{Digest as _, Sha256};

/// Zeroes that are hashed at a time.
pub(crate) static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// SHA-256 of so many zeroes, for each of the lengths. All of them cost as much as the longest:
/// the shorter are on its way.
pub(crate) fn digests(lengths: &BTreeSet<u64>) -> BTreeMap<u64, Digest> {
    let mut hash = Sha256::new();
    let mut done = 0;
    let mut digest = |&length: &u64| {
        while done < length {
            let step = (length - done).min(ZEROS.len() as u64);
            hash.update(&ZEROS[..step as usize]);
            done += step;
        }
        (length, hash.clone().finalize().into())
    };
    lengths.iter().map(&mut digest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_of_plain_zeroes() {
        let lengths = BTreeSet::from([0, 1, 4096, 65_536, 65_537, 300_000]);
        let digests = digests(&lengths);
        assert_eq!(digests.len(), lengths.len());
        for (length, digest) in digests {
            assert_eq!(digest, osb_checksum::sha256(&vec![0; length as usize]), "{length}");
        }
    }
}
