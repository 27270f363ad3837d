//! Directory entries: 32 bytes each.

use crate::name;
use crate::short::{ShortName, checksum};
use crate::time::DosTime;

/// Bytes in an entry.
pub(crate) const ENTRY: usize = 32;

/// The most entries a directory may have (the specification: a size of 65536 × 32 bytes).
pub(crate) const MOST_ENTRIES: usize = 65_536;

pub(crate) const ATTRIBUTE_LABEL: u8 = 0x08;
pub(crate) const ATTRIBUTE_DIRECTORY: u8 = 0x10;
pub(crate) const ATTRIBUTE_ARCHIVE: u8 = 0x20;
pub(crate) const ATTRIBUTE_LONG_NAME: u8 = 0x0F;

/// The mark on the entry that comes first and holds the end of a long name.
pub(crate) const LAST_LONG_ENTRY: u8 = 0x40;

/// What an entry says about a file or directory, apart from its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) directory: bool,
    /// First cluster; 0 for an empty file, and in `..` for the root.
    pub(crate) cluster: u32,
    /// Length in bytes; 0 for a directory.
    pub(crate) size: u32,
    pub(crate) created: DosTime,
    pub(crate) modified: DosTime,
}

/// How many entries a name takes.
pub(crate) fn entries_for(name: &str, long: bool) -> usize {
    let long = if long { name.encode_utf16().count().div_ceil(name::UNITS_PER_ENTRY) } else { 0 };
    long + 1
}

/// The entries of one file or directory: those of its long name, last part first, then the short
/// one.
pub(crate) fn push(bytes: &mut Vec<u8>, name: Option<&str>, short: &ShortName, facts: &Facts) {
    let sum = checksum(short);
    let parts = name.map(name::units).unwrap_or_default();
    for (index, units) in parts.iter().enumerate().rev() {
        let mark = if index + 1 == parts.len() { LAST_LONG_ENTRY } else { 0 };
        // At most 20 entries: a name has at most 255 units.
        push_long(bytes, mark | (index as u8 + 1), sum, units);
    }
    let attribute = if facts.directory { ATTRIBUTE_DIRECTORY } else { ATTRIBUTE_ARCHIVE };
    push_short(bytes, short, attribute, facts);
}

/// The `.` and `..` entries that start every directory but the root. `parent` is 0 for the root
/// (the specification, "FAT directory structure").
pub(crate) fn push_dots(bytes: &mut Vec<u8>, own: &Facts, parent: &Facts) {
    push_short(bytes, b".          ", ATTRIBUTE_DIRECTORY, own);
    push_short(bytes, b"..         ", ATTRIBUTE_DIRECTORY, parent);
}

/// The volume label, an entry of the root directory.
pub(crate) fn push_label(bytes: &mut Vec<u8>, label: &[u8; 11], time: DosTime) {
    let facts = Facts { directory: false, cluster: 0, size: 0, created: time, modified: time };
    push_short(bytes, label, ATTRIBUTE_LABEL, &facts);
}

fn push_short(bytes: &mut Vec<u8>, short: &ShortName, attribute: u8, facts: &Facts) {
    let [low_0, low_1, high_0, high_1] = facts.cluster.to_le_bytes();
    bytes.extend_from_slice(short);
    bytes.extend_from_slice(&[attribute, 0, 0]);
    bytes.extend_from_slice(&facts.created.time.to_le_bytes());
    bytes.extend_from_slice(&facts.created.date.to_le_bytes());
    bytes.extend_from_slice(&facts.created.date.to_le_bytes()); // last access: a date only
    bytes.extend_from_slice(&[high_0, high_1]);
    bytes.extend_from_slice(&facts.modified.time.to_le_bytes());
    bytes.extend_from_slice(&facts.modified.date.to_le_bytes());
    bytes.extend_from_slice(&[low_0, low_1]);
    bytes.extend_from_slice(&facts.size.to_le_bytes());
}

fn push_long(bytes: &mut Vec<u8>, order: u8, sum: u8, units: &[u16; name::UNITS_PER_ENTRY]) {
    let push_units = |bytes: &mut Vec<u8>, part: &[u16]| {
        part.iter().for_each(|unit| bytes.extend_from_slice(&unit.to_le_bytes()));
    };
    bytes.push(order);
    push_units(bytes, &units[..5]);
    bytes.extend_from_slice(&[ATTRIBUTE_LONG_NAME, 0, sum]);
    push_units(bytes, &units[5..11]);
    bytes.extend_from_slice(&[0, 0]);
    push_units(bytes, &units[11..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_entries_come_last_part_first_and_carry_the_sum() {
        let time = DosTime::from_unix(0);
        let facts =
            Facts { directory: false, cluster: 0x12_3456, size: 7, created: time, modified: time };
        let name = "a name of 26 characters!!!";
        let short = b"ANAMEO~1   ";
        let mut bytes = Vec::new();
        push(&mut bytes, Some(name), short, &facts);
        assert_eq!(bytes.len(), ENTRY * entries_for(name, true));
        assert_eq!(bytes.len(), 3 * ENTRY);
        assert_eq!((bytes[0], bytes[ENTRY]), (0x42, 0x01));
        assert_eq!((bytes[13], bytes[ENTRY + 13]), (checksum(short), checksum(short)));
        let entry = &bytes[2 * ENTRY..];
        assert_eq!(&entry[..12], b"ANAMEO~1    ");
        assert_eq!((&entry[20..22], &entry[26..28]), (&[0x12, 0][..], &[0x56, 0x34][..]));
        assert_eq!(&entry[28..], [7, 0, 0, 0]);
    }
}
