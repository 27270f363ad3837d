//! The digest itself, and its hexadecimal form.

use std::fs::File;
use std::io;
use std::path::Path;

use sha2::Digest as _;

use crate::stream::Sha256Reader;

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// A text that is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 digest (64 hexadecimal digits): {0:?}")]
pub struct HexError(pub String);

/// 64 lower-case hexadecimal digits.
pub fn to_hex(digest: &Digest) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let nibbles = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.map(|nibble| char::from(DIGITS[usize::from(nibble)])).collect()
}

/// The digest that 64 hexadecimal digits stand for, upper or lower case, nothing around them.
pub fn parse_hex(text: &str) -> Result<Digest, HexError> {
    let bad = || HexError(text.chars().take(80).collect());
    let nibble = |digit: u8| {
        char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).ok_or_else(bad)
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut digest = Digest::default();
    if pairs.len() != digest.len() || !rest.is_empty() {
        return Err(bad());
    }
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Ok(digest)
}

/// The digest of bytes in memory.
pub fn sha256(bytes: &[u8]) -> Digest {
    sha2::Sha256::digest(bytes).into()
}

/// The digest of a file's content, read once in large steps.
pub fn sha256_file(path: impl AsRef<Path>) -> io::Result<Digest> {
    let mut reader = Sha256Reader::new(File::open(path)?);
    reader.drain()?;
    Ok(reader.finish().1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn known_answer() {
        assert_eq!(to_hex(&sha256(b"abc")), ABC);
    }

    #[test]
    fn hex_is_read_in_either_case() {
        assert_eq!(parse_hex(ABC).unwrap(), sha256(b"abc"));
        assert_eq!(parse_hex(&ABC.to_uppercase()).unwrap(), sha256(b"abc"));
    }

    #[test]
    fn anything_else_is_refused() {
        let sign = format!("+{}", &ABC[1..]);
        let wide = "é".repeat(32);
        for text in ["", "ab", &ABC[1..], &format!("{ABC}0"), &format!("{ABC}\n"), &sign, &wide] {
            assert!(parse_hex(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_file_has_the_digest_of_its_bytes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..1_000_000u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(file.path(), &bytes).unwrap();
        assert_eq!(sha256_file(file.path()).unwrap(), sha256(&bytes));
        assert!(sha256_file(file.path().with_extension("absent")).is_err());
    }
}
