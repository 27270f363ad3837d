//! Short names: the eleven bytes that every entry has, whether or not a long name stands before.

use std::collections::{BTreeMap, BTreeSet};

/// Eight bytes of name and three of extension, upper case, padded with spaces.
pub(crate) type ShortName = [u8; 11];

/// The sum that ties long-name entries to their short entry (the specification, "ChkSum").
pub(crate) fn checksum(short: &ShortName) -> u8 {
    short.iter().fold(0, |sum: u8, byte| sum.rotate_right(1).wrapping_add(*byte))
}

/// A short name for each name of a directory, all different, and whether a long name must
/// stand before it. The names must differ by more than case.
///
/// Names that fit 8.3 (in any case) get themselves in upper case; since no two names differ by
/// case only, these never collide and no made-up short name may take them. All others
/// get `~1`, `~2`, ... in the order given.
pub(crate) fn assign(names: &[&str]) -> Vec<(ShortName, bool)> {
    let fitting: Vec<Option<ShortName>> = names.iter().map(|name| fit(name)).collect();
    let mut taken: BTreeSet<ShortName> = fitting.iter().flatten().copied().collect();
    let mut next: BTreeMap<ShortName, u32> = BTreeMap::new();
    names
        .iter()
        .zip(fitting)
        .map(|(name, fitting)| match fitting {
            Some(short) => (short, name.bytes().any(|byte| byte.is_ascii_lowercase())),
            None => {
                let basis = basis(name);
                let number = next.entry(basis).or_insert(1);
                let short = numbered(&basis, number, &taken);
                taken.insert(short);
                (short, true)
            }
        })
        .collect()
}

/// The same for one more name, in a directory whose short names are `taken`.
pub(crate) fn assign_one(name: &str, taken: &BTreeSet<ShortName>) -> (ShortName, bool) {
    match fit(name).filter(|short| !taken.contains(short)) {
        Some(short) => (short, name.bytes().any(|byte| byte.is_ascii_lowercase())),
        None => (numbered(&basis(name), &mut 1, taken), true),
    }
}

/// The basis with the first number, from `number` on, that makes a name of its own.
fn numbered(basis: &ShortName, number: &mut u32, taken: &BTreeSet<ShortName>) -> ShortName {
    loop {
        let candidate = with_tail(basis, *number);
        *number += 1;
        if !taken.contains(&candidate) {
            return candidate;
        }
    }
}

/// Whether a byte may stand in a short name (the specification, "Short directory names"), lower
/// case counting as upper. Spaces are legal there but many programs stop at them.
fn allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'()-@^_`{}~".contains(&byte)
}

/// The short name that says the same as `name`, apart from case.
fn fit(name: &str) -> Option<ShortName> {
    let (base, extension) = match name.rsplit_once('.') {
        Some((base, extension)) if !extension.is_empty() => (base, extension),
        Some(_) => return None,
        None => (name, ""),
    };
    let fits = (1..=8).contains(&base.len())
        && extension.len() <= 3
        && base.bytes().chain(extension.bytes()).all(allowed);
    fits.then(|| padded(base.bytes(), extension.bytes()))
}

/// The best that short names can do for a name that does not fit: illegal characters become `_`,
/// spaces and all dots but the last vanish, the rest is cut.
fn basis(name: &str) -> ShortName {
    let name = name.trim_start_matches(['.', ' ']);
    let (base, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let legal = |part: &str| -> Vec<u8> {
        part.chars()
            .filter(|char| !matches!(char, '.' | ' '))
            .map(|char| u8::try_from(char).ok().filter(|byte| allowed(*byte)).unwrap_or(b'_'))
            .collect()
    };
    padded(legal(base).into_iter().take(8), legal(extension).into_iter().take(3))
}

/// The basis with `~NUMBER` at the end of its first part, cut to make room.
fn with_tail(basis: &ShortName, number: u32) -> ShortName {
    let tail = format!("~{number}");
    let base = basis[..8].iter().copied().take_while(|byte| *byte != b' ');
    let kept = base.take(8usize.saturating_sub(tail.len()));
    let extension = basis[8..].iter().copied().take_while(|byte| *byte != b' ');
    padded(kept.chain(tail.bytes()), extension)
}

fn padded(base: impl Iterator<Item = u8>, extension: impl Iterator<Item = u8>) -> ShortName {
    let mut short = [b' '; 11];
    let (first, last) = short.split_at_mut(8);
    first.iter_mut().zip(base).for_each(|(slot, byte)| *slot = byte.to_ascii_uppercase());
    last.iter_mut().zip(extension).for_each(|(slot, byte)| *slot = byte.to_ascii_uppercase());
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shorts(names: &[&str]) -> Vec<(String, bool)> {
        let text = |short: ShortName| String::from_utf8(short.to_vec()).unwrap();
        assign(names).into_iter().map(|(short, long)| (text(short), long)).collect()
    }

    #[test]
    fn plain_names_need_no_long_one() {
        assert_eq!(
            shorts(&["README", "BOOTAA64.EFI", "A_B-C~1.X", "readme.txt"]),
            [
                ("README     ".into(), false),
                ("BOOTAA64EFI".into(), false),
                ("A_B-C~1 X  ".into(), false),
                ("README  TXT".into(), true),
            ]
        );
    }

    #[test]
    fn other_names_are_cut_and_numbered() {
        assert_eq!(
            shorts(&[
                "bcm2712-d-rpi-5-b.dtb",
                "bcm2712-rpi-5-b.dtb",
                ".config",
                "a b",
                "x.tar.gz",
                "ünï",
                "日本語",
                "a+b.c=d",
                "two.html",
            ])
            .into_iter()
            .map(|(short, _)| short)
            .collect::<Vec<_>>(),
            [
                "BCM271~1DTB",
                "BCM271~2DTB",
                "CONFIG~1   ",
                "AB~1       ",
                "XTAR~1  GZ ",
                "_N_~1      ",
                "___~1      ",
                "A_B~1   C_D",
                "TWO~1   HTM",
            ]
        );
    }

    #[test]
    fn a_made_up_name_never_takes_a_real_one() {
        let names = ["LONGNA~1.TXT", "longname one.txt", "longna~2.txt"];
        let shorts = shorts(&names);
        assert_eq!(shorts[0].0, "LONGNA~1TXT");
        assert_eq!(shorts[1].0, "LONGNA~3TXT");
        assert_eq!(shorts[2].0, "LONGNA~2TXT");
    }

    #[test]
    fn numbers_grow_into_the_name() {
        let names: Vec<String> = (0..1200).map(|i| format!("collision number {i}.data")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let shorts = shorts(&names);
        assert_eq!(shorts[8].0, "COLLIS~9DAT");
        assert_eq!(shorts[9].0, "COLLI~10DAT");
        assert_eq!(shorts[999].0, "COL~1000DAT");
        let distinct: BTreeSet<&String> = shorts.iter().map(|(short, _)| short).collect();
        assert_eq!(distinct.len(), names.len());
    }

    #[test]
    fn the_checksum_is_the_specifications() {
        // Computed by hand from the loop in the specification, for eleven spaces.
        let mut sum = 0u8;
        for _ in 0..11 {
            sum = ((sum & 1) << 7).wrapping_add(sum >> 1).wrapping_add(b' ');
        }
        assert_eq!(checksum(&[b' '; 11]), sum);
        assert_ne!(checksum(b"A          "), checksum(b"          A"));
    }
}
