//! Long names: what may be one, when two are the same, and how they are cut into entries.

/// UTF-16 units in one long-name entry.
pub(crate) const UNITS_PER_ENTRY: usize = 13;

/// The most UTF-16 units a name may have.
const MOST_UNITS: usize = 255;

/// A name that FAT can store, or the rule that it breaks.
pub(crate) fn check(name: &[u8]) -> Result<&str, &'static str> {
    let name = str::from_utf8(name).map_err(|_| "FAT names must be valid UTF-8")?;
    if name.chars().any(|char| char < ' ' || "\x7f\"*/:<>?\\|".contains(char)) {
        return Err(
            "FAT names cannot have control characters or any of \" * / : < > ? \\ |; rename it",
        );
    }
    if name.ends_with(['.', ' ']) {
        // Windows and mtools drop them, so the name would not be found again.
        return Err("FAT names cannot end with a dot or a space; rename it");
    }
    if name.encode_utf16().count() > MOST_UNITS {
        return Err("FAT names have at most 255 UTF-16 units; shorten it");
    }
    Ok(name)
}

/// Names with the same key are the same name to FAT.
///
/// Systems differ in how they fold case beyond ASCII. This one folds more than any of them
/// (up, then down, character by character), so what passes is distinct everywhere.
pub(crate) fn key(name: &str) -> String {
    fn single(mut folded: impl Iterator<Item = char>, char: char) -> char {
        match (folded.next(), folded.next()) {
            (Some(only), None) => only,
            _ => char,
        }
    }
    name.chars()
        .map(|char| single(char.to_uppercase(), char))
        .map(|char| single(char.to_lowercase(), char))
        .collect()
}

/// The units of a name by entry, in order: ended by a zero and filled up with 0xFFFF, unless they
/// fill the last entry exactly (the specification, "Name and checksum storage").
pub(crate) fn units(name: &str) -> Vec<[u16; UNITS_PER_ENTRY]> {
    let units: Vec<u16> = name.encode_utf16().collect();
    units
        .chunks(UNITS_PER_ENTRY)
        .map(|part| {
            let mut entry = [0xFFFF; UNITS_PER_ENTRY];
            entry[..part.len()].copy_from_slice(part);
            if let Some(end) = entry.get_mut(part.len()) {
                *end = 0;
            }
            entry
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_and_bad_names() {
        let longest = "ä".repeat(255);
        for name in ["a", "config.txt", ".hidden", "a b", "x;y+z=[1],", "ß", "𝄞", &longest] {
            assert_eq!(check(name.as_bytes()), Ok(name));
        }
        let too_long = "a".repeat(256);
        let pairs = "𝄞".repeat(128);
        for name in ["a:b", "a?", "tab\t", "dot.", "space ", "back\\slash", &too_long, &pairs] {
            assert!(check(name.as_bytes()).is_err(), "{name:?}");
        }
        assert!(check(b"latin\xE4").is_err());
    }

    #[test]
    fn case_does_not_count() {
        assert_eq!(key("Config.TXT"), key("config.txt"));
        assert_eq!(key("ÄÖ"), key("äö"));
        assert_eq!(key("\u{212A}"), key("k")); // the Kelvin sign
        assert_ne!(key("ß"), key("ss"));
        assert_ne!(key("a"), key("b"));
    }

    #[test]
    fn a_name_is_ended_unless_it_fills_its_last_entry() {
        assert_eq!(units("a")[0][..3], [0x61, 0, 0xFFFF]);
        assert_eq!(units("1234567890123").len(), 1);
        assert_eq!(units("1234567890123")[0][12], u16::from(b'3'));
        let two = units("12345678901234");
        assert_eq!(two.len(), 2);
        assert_eq!(two[1][..3], [u16::from(b'4'), 0, 0xFFFF]);
    }
}
