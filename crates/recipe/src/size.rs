//! Sizes as people write them: `512MiB`.

/// Binary units and their bytes. Decimal ones (`MB`) are refused: who writes `512MB` for a
/// partition means `512MiB`, and a wrong guess would go unnoticed.
const UNITS: &[(&str, u64)] =
    &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// The number of bytes that `text` stands for.
///
/// # Errors
/// A sentence with what is wrong, to be shown at the value's place.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = &text[digits.len()..];
    let number: u64 = match digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        true => return Err(format!("not a size: {text:?}")),
        false => digits.parse().map_err(|_| format!("size too large: {text:?}"))?,
    };
    let (_, factor) = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(|| format!("not a unit of size: {unit:?}"))?;
    number.checked_mul(*factor).ok_or_else(|| format!("size too large: {text:?}"))
}

/// A number of bytes as people write it, in the largest unit that it is whole in.
pub(crate) fn show(bytes: u64) -> String {
    let unit = UNITS.iter().rev().find(|(_, unit)| bytes != 0 && bytes.is_multiple_of(*unit));
    unit.map_or(format!("{bytes} bytes"), |(name, unit)| format!("{}{name}", bytes / unit))
}

#[cfg(test)]
mod tests {
    use super::{parse, show};

    #[test]
    fn sizes_are_shown_as_they_are_written() {
        for text in ["512MiB", "2GiB", "3TiB", "1025MiB", "7KiB"] {
            assert_eq!(show(parse(text).unwrap()), text);
        }
        assert_eq!(show(513), "513 bytes");
    }

    #[test]
    fn sizes() {
        assert_eq!(parse("512MiB"), Ok(512 << 20));
        assert_eq!(parse("2GiB"), Ok(2 << 30));
        for bad in ["", "MiB", "512", "512MB", "512 MiB", "-1MiB", "1.5GiB", "1é", "99999999999TiB"]
        {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert!(parse("999999999999999999999KiB").unwrap_err().contains("too large"));
    }
}
