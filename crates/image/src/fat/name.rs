//! Names: the short one of an entry, and the long one in the entries before it.

use crate::bytes::Bytes;

/// UTF-16 units in one entry of a long name.
const UNITS: usize = 13;
/// Most entries of a long name.
const MOST: u8 = 20;
/// Where an entry has its units.
const PLACES: [(usize, usize); 3] = [(1, 5), (14, 6), (28, 2)];

/// A long name as far as it was read; the last part comes first.
#[derive(Debug, Default)]
pub(super) struct Long {
    /// Number of the part that must come next, and the sum that all parts must have.
    expected: Option<(u8, u8)>,
    /// The parts so far, the last one first.
    parts: Vec<[u16; UNITS]>,
}

impl Long {
    /// Takes the next entry; one that does not fit begins anew, or ends it all.
    pub(super) fn add(&mut self, entry: &[u8]) {
        let (order, sum) = (entry[0], entry[13]);
        let number = order & 0x3F;
        let first = order & 0x40 != 0 && (1..=MOST).contains(&number);
        if first {
            self.parts.clear();
        } else if self.expected != Some((number, sum)) || number == 0 {
            *self = Long::default();
            return;
        }
        let mut units = [0; UNITS];
        let places =
            PLACES.iter().flat_map(|(at, count)| (0..*count).map(move |index| at + 2 * index));
        for (slot, at) in units.iter_mut().zip(places) {
            *slot = Bytes(entry).u16(at);
        }
        self.parts.push(units);
        self.expected = Some((number - 1, sum));
    }

    /// The name, if it is complete and belongs to the entry `short`.
    pub(super) fn finish(self, short: &[u8]) -> Option<Vec<u8>> {
        if self.expected != Some((0, checksum(short))) {
            return None;
        }
        let units = self.parts.iter().rev().flatten().copied().take_while(|unit| *unit != 0);
        let name: String = char::decode_utf16(units)
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        (!name.is_empty()).then(|| name.into_bytes())
    }
}

/// The sum over a short name that ties a long one to it.
fn checksum(short: &[u8]) -> u8 {
    short[..11].iter().fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte))
}

/// The short name; two bits tell that its parts are to be shown in lower case (Windows NT).
pub(super) fn short(entry: &[u8]) -> Vec<u8> {
    let flags = entry[12];
    let part = |bytes: &[u8], lower: bool| {
        let end = bytes.iter().rposition(|byte| *byte != b' ').map_or(0, |at| at + 1);
        // In which code page the bytes above 0x7F are, nobody knows: they stay.
        if lower { bytes[..end].to_ascii_lowercase() } else { bytes[..end].to_vec() }
    };
    let mut base = entry[..8].to_vec();
    if base[0] == 0x05 {
        base[0] = 0xE5;
    }
    let (base, ending) = (part(&base, flags & 0x08 != 0), part(&entry[8..11], flags & 0x10 != 0));
    if ending.is_empty() { base } else { [base, ending].join(&b'.') }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_keep_their_bytes() {
        let entry = |name: &[u8; 11], flags| {
            let mut entry = [0; 32];
            entry[..11].copy_from_slice(name);
            entry[12] = flags;
            entry
        };
        assert_eq!(short(&entry(b"NAME    TXT", 0x08)), b"name.TXT");
        assert_eq!(short(&entry(b"\x05\x84         ", 0)), b"\xE5\x84");
    }
}
