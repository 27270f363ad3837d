//! Debian's archive keys, and fingerprints.

/// The certificates that sign Debian 12 and 13, armoured, as the `debian-archive-keyring` package
/// ships them.
pub(crate) const DEBIAN: &[u8] = include_bytes!("../keys/debian.asc");

/// Fingerprints of the certificates in [`DEBIAN`] and what each signs.
pub(crate) const DEBIAN_FINGERPRINTS: &[(&str, &str)] = &[
    (
        "04B54C3CDCA79751B16BC6B5225629DF75B188BD",
        "Debian Archive Automatic Signing Key (13/trixie)",
    ),
    (
        "5E04A1E3223A19A20706E20F9904613D4CCE68C6",
        "Debian Security Archive Automatic Signing Key (13/trixie)",
    ),
    ("41587F7DB8C774BCCF131416762F67A0B2C39DE4", "Debian Stable Release Key (13/trixie)"),
    (
        "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8",
        "Debian Archive Automatic Signing Key (12/bookworm)",
    ),
    (
        "05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0",
        "Debian Security Archive Automatic Signing Key (12/bookworm)",
    ),
    ("4D64FEC119C2029067D6E791F8D2585B8783D481", "Debian Stable Release Key (12/bookworm)"),
];

/// A fingerprint without spaces, upper-case; `None` if it is none: short key ids can be forged,
/// so they are not accepted.
pub(crate) fn normalise(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != ' ').collect();
    let whole = matches!(digits.len(), 40 | 64) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    whole.then(|| digits.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints() {
        let spaced = "04B5 4C3C DCA7 9751 B16B  C6B5 2256 29df 75b1 88bd";
        assert_eq!(normalise(spaced).as_deref(), Some(DEBIAN_FINGERPRINTS[0].0));
        for bad in ["", "75B188BD", "0x04B54C3CDCA79751B16BC6B5225629DF75B188BD", "é"] {
            assert_eq!(normalise(bad), None);
        }
    }
}
