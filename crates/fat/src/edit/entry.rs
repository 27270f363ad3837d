//! The entries of a directory: read, and changed in place.

use crate::directory::{ATTRIBUTE_ARCHIVE, ATTRIBUTE_DIRECTORY, ATTRIBUTE_LABEL};
use crate::directory::{ATTRIBUTE_LONG_NAME, ENTRY, Facts, LAST_LONG_ENTRY};
use crate::name::UNITS_PER_ENTRY;
use crate::short::{ShortName, checksum};

/// The first byte of an entry that was deleted, and the one that stands for it in a name.
pub(super) const DELETED: u8 = 0xE5;
const STANDS_FOR_DELETED: u8 = 0x05;

/// Bits of an entry's twelfth byte: base and extension are to be shown in lower case (Windows NT).
const LOWER_BASE: u8 = 0x08;
const LOWER_EXTENSION: u8 = 0x10;

/// Most entries of a long name.
const MOST_PARTS: u8 = 20;

/// Where an entry has its UTF-16 units: first byte and count.
const UNITS: [(usize, usize); 3] = [(1, 5), (14, 6), (28, 2)];

/// A file or folder.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Its long name; the short one if it has no other.
    pub(super) name: String,
    /// The short one, as people write it.
    pub(super) alias: String,
    pub(super) short: ShortName,
    /// Where in the directory the short entry is, in bytes.
    pub(super) at: usize,
    pub(super) directory: bool,
    pub(super) first: u32,
    pub(super) size: u32,
}

/// What a directory of these bytes holds, without labels and dots, and where it ends.
pub(super) fn entries(bytes: &[u8]) -> (Vec<Entry>, usize) {
    let mut found = Vec::new();
    let mut long = Long::default();
    for (index, entry) in bytes.chunks_exact(ENTRY).enumerate() {
        let at = index * ENTRY;
        match (entry[0], entry[11]) {
            (0, _) => return (found, at),
            (DELETED, _) => long = Long::default(),
            (_, attribute) if attribute & 0x3F == ATTRIBUTE_LONG_NAME => long.add(entry),
            (_, attribute) => {
                let long = std::mem::take(&mut long);
                if attribute & ATTRIBUTE_LABEL == 0 && entry[0] != b'.' {
                    found.push(Entry::new(entry, at, long));
                }
            }
        }
    }
    (found, bytes.len())
}

impl Entry {
    fn new(entry: &[u8], at: usize, long: Long) -> Entry {
        let mut short = [0; 11];
        short.copy_from_slice(&entry[..11]);
        let alias = alias(short, entry[12]);
        let half = |at: usize| u32::from(u16::from_le_bytes([entry[at], entry[at + 1]]));
        Entry {
            name: long.finish(&short).unwrap_or_else(|| alias.clone()),
            alias,
            short,
            at,
            directory: entry[11] & ATTRIBUTE_DIRECTORY != 0,
            first: half(20) << 16 | half(26),
            size: half(28) | half(30) << 16,
        }
    }
}

/// Gives the entry `entry` other contents: cluster, length and times of `facts`.
pub(super) fn change(entry: &mut [u8], facts: &Facts) {
    let [low_0, low_1, high_0, high_1] = facts.cluster.to_le_bytes();
    entry[11] |= ATTRIBUTE_ARCHIVE;
    entry[18..20].copy_from_slice(&facts.modified.date.to_le_bytes());
    entry[20..22].copy_from_slice(&[high_0, high_1]);
    entry[22..24].copy_from_slice(&facts.modified.time.to_le_bytes());
    entry[24..26].copy_from_slice(&facts.modified.date.to_le_bytes());
    entry[26..28].copy_from_slice(&[low_0, low_1]);
    entry[28..32].copy_from_slice(&facts.size.to_le_bytes());
}

/// A short name as it is shown. Bytes beyond ASCII are in a code page that the volume does not
/// tell.
fn alias(mut short: ShortName, case: u8) -> String {
    if short[0] == STANDS_FOR_DELETED {
        short[0] = DELETED;
    }
    let part = |bytes: &[u8], lower: bool| -> String {
        let end = bytes.iter().rposition(|byte| *byte != b' ').map_or(0, |at| at + 1);
        let chars = bytes[..end].iter().map(|byte| match byte.is_ascii() {
            true if lower => char::from(byte.to_ascii_lowercase()),
            true => char::from(*byte),
            false => char::REPLACEMENT_CHARACTER,
        });
        chars.collect()
    };
    let base = part(&short[..8], case & LOWER_BASE != 0);
    let extension = part(&short[8..], case & LOWER_EXTENSION != 0);
    if extension.is_empty() { base } else { format!("{base}.{extension}") }
}

/// A long name as far as it was read; the last part comes first.
#[derive(Debug, Default)]
struct Long {
    /// Number of the part that must come next, and the sum that all parts have.
    expected: Option<(u8, u8)>,
    parts: Vec<[u16; UNITS_PER_ENTRY]>,
}

impl Long {
    /// Takes the next entry; one that does not fit begins anew, or ends it all.
    fn add(&mut self, entry: &[u8]) {
        let (number, sum) = (entry[0] & !LAST_LONG_ENTRY, entry[13]);
        if entry[0] & LAST_LONG_ENTRY != 0 && (1..=MOST_PARTS).contains(&number) {
            self.parts.clear();
        } else if number == 0 || self.expected != Some((number, sum)) {
            *self = Long::default();
            return;
        }
        let mut units = [0; UNITS_PER_ENTRY];
        let places = UNITS.iter().flat_map(|(at, count)| (0..*count).map(move |nth| at + 2 * nth));
        for (unit, at) in units.iter_mut().zip(places) {
            *unit = u16::from_le_bytes([entry[at], entry[at + 1]]);
        }
        self.parts.push(units);
        self.expected = Some((number - 1, sum));
    }

    /// The name, if it is whole and belongs to this short one.
    fn finish(self, short: &ShortName) -> Option<String> {
        if self.expected != Some((0, checksum(short))) {
            return None;
        }
        let units = self.parts.iter().rev().flatten().copied().take_while(|unit| *unit != 0);
        let name: String = char::decode_utf16(units)
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        (!name.is_empty()).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::push;
    use crate::time::DosTime;

    fn facts(size: u32) -> Facts {
        let time = DosTime::from_unix(0);
        Facts { directory: false, cluster: 0x12_3456, size, created: time, modified: time }
    }

    fn names(bytes: &[u8]) -> Vec<String> {
        entries(bytes).0.into_iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let name = "a name of 26 characters!!!";
        let mut bytes = Vec::new();
        push(&mut bytes, Some(name), b"ANAMEO~1   ", &facts(7));
        push(&mut bytes, None, b"README  TXT", &facts(8));
        let end = bytes.len();
        bytes.resize(512, 0);
        let (found, ends) = entries(&bytes);
        assert_eq!((found.len(), ends), (2, end));
        assert_eq!((found[0].name.as_str(), found[0].alias.as_str()), (name, "ANAMEO~1"));
        assert_eq!((found[0].first, found[0].size), (0x12_3456, 7));
        assert_eq!((found[1].name.as_str(), found[1].at), ("README.TXT", 4 * ENTRY - ENTRY));
        change(&mut bytes[found[1].at..][..ENTRY], &facts(99));
        assert_eq!(entries(&bytes).0[1].size, 99);
    }

    #[test]
    fn a_long_name_that_is_not_whole_is_none() {
        let mut bytes = Vec::new();
        push(&mut bytes, Some("a name of 26 characters!!!"), b"ANAMEO~1   ", &facts(7));
        assert_eq!(names(&bytes[ENTRY..]), ["ANAMEO~1"], "its end is missing");
        let mut deleted = bytes.clone();
        deleted[ENTRY] = DELETED;
        assert_eq!(names(&deleted), ["ANAMEO~1"], "its beginning is missing");
        let mut renamed = bytes.clone();
        renamed[2 * ENTRY] = b'B';
        assert_eq!(names(&renamed), ["BNAMEO~1"], "it is another file's");
        assert_eq!(names(&bytes), ["a name of 26 characters!!!"]);
    }

    #[test]
    fn windows_tells_case_by_two_bits() {
        assert_eq!(alias(*b"README  TXT", LOWER_BASE), "readme.TXT");
        assert_eq!(alias(*b"README  TXT", LOWER_BASE | LOWER_EXTENSION), "readme.txt");
        assert_eq!(alias(*b"\x05A         ", 0), "\u{FFFD}A");
    }
}
