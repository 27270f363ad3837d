//! Fields of headers: paths, numbers, times, the checksum.

use osb_tree::Time;

use super::FORMAT;
use crate::error::Fault;

/// Prefix and name of a header; GNU's has other things where the prefix is.
pub(super) fn ustar_path(header: &[u8]) -> Vec<u8> {
    let name = until_nul(&header[..100]);
    let prefix = until_nul(&header[345..500]);
    if &header[257..263] == b"ustar\0" && !prefix.is_empty() {
        return [prefix, b"/", name].concat();
    }
    name.to_vec()
}

/// A path without what says nothing: slashes at its ends or doubled, and dots; the empty one is the
/// root.
pub(super) fn plain(path: &[u8]) -> Vec<u8> {
    let said = path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    said.collect::<Vec<_>>().join(&b'/')
}

pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len())]
}

/// A number in octal digits, or, with the highest bit set, in binary (GNU).
pub(super) fn number(field: &[u8]) -> Result<u64, Fault> {
    if field[0] & 0x80 != 0 {
        let first = u64::from(field[0] & 0x7F);
        let value = field[1..]
            .iter()
            .try_fold(first, |value, byte| Some(value.checked_mul(256)? | u64::from(*byte)));
        return value.ok_or_else(|| Fault::damaged(FORMAT, "a number of more than 64 bits"));
    }
    let text = until_nul(field).trim_ascii();
    text.iter().try_fold(0_u64, |value, byte| match byte {
        b'0'..=b'7' => Ok(value << 3 | u64::from(byte - b'0')),
        _ => Err(Fault::damaged(FORMAT, "a number that is not octal")),
    })
}

/// Seconds since 1970; GNU tar writes those before it as a binary number with a sign.
pub(super) fn seconds(field: &[u8]) -> Result<i64, Fault> {
    if field[0] & 0xC0 != 0xC0 {
        return Ok(i64::try_from(number(field)?).unwrap_or(i64::MAX));
    }
    let first = i128::from(field[0] as i8);
    let value = field[1..].iter().fold(first, |value, byte| value << 8 | i128::from(*byte));
    i64::try_from(value).map_err(|_| Fault::damaged(FORMAT, "a time of more than 64 bits"))
}

/// The sum of all bytes, those of the sum itself counted as spaces; some old programs took them
/// as signed.
pub(super) fn checksum_holds(header: &[u8]) -> bool {
    let Ok(said) = number(&header[148..156]) else { return false };
    let byte = |(at, byte): (usize, &u8)| if (148..156).contains(&at) { b' ' } else { *byte };
    let unsigned: u64 = header.iter().enumerate().map(|each| u64::from(byte(each))).sum();
    let signed: i64 = header.iter().enumerate().map(|each| i64::from(byte(each) as i8)).sum();
    said == unsigned || i64::try_from(said) == Ok(signed)
}

/// Seconds with an optional fraction.
pub(super) fn time(text: &[u8]) -> Result<Time, Fault> {
    let parse = || {
        let text = std::str::from_utf8(text).ok()?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let secs: i64 = whole.parse().ok()?;
        let mut digits = fraction.to_owned();
        digits.extend(std::iter::repeat_n('0', 9_usize.saturating_sub(fraction.len())));
        let nanos: u32 = digits.get(..9)?.parse().ok()?;
        Some(match (whole.starts_with('-'), nanos) {
            (true, 1..) => Time { secs: secs.checked_sub(1)?, nanos: 1_000_000_000 - nanos },
            _ => Time { secs, nanos },
        })
    };
    parse().ok_or_else(|| Fault::damaged(FORMAT, "a time that is none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_what_says_nothing() {
        for (path, wanted) in [
            (&b"./a//b/./c/"[..], &b"a/b/c"[..]),
            (b"/", b""),
            (b".", b""),
            (b"./", b""),
            (b"a/../b", b"a/../b"),
            (b".a/b.", b".a/b."),
        ] {
            assert_eq!(plain(path), wanted);
        }
    }

    #[test]
    fn times_may_be_before_1970() {
        let binary = |first: u8, rest: u8| {
            let mut field = [rest; 12];
            field[0] = first;
            field
        };
        assert_eq!(seconds(&binary(0xFF, 0xFF)).unwrap(), -1);
        assert_eq!(seconds(b"00000000017\0").unwrap(), 15);
        assert!(seconds(&binary(0xC0, 0)).is_err());
        assert_eq!(time(b"-1.5").unwrap(), Time { secs: -2, nanos: 500_000_000 });
    }
}
