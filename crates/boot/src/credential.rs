//! System credentials as SMBIOS strings, which systemd in the guest reads at boot.
//!
//! Format: `smbios-type-11(7)`. A value travels as text if it is plain, otherwise as Base64, which
//! keeps commas (QEMU's option separator), line ends and anything else out of the way.

use crate::BootError;

/// Linux refuses a single argument of 128 KiB or more (`MAX_ARG_STRLEN`), and Base64 grows by a
/// third; QEMU's SMBIOS tables are smaller than that anyway (64 KiB in all).
const LIMIT: usize = 40 * 1024;

/// The value of QEMU's `-smbios` option that hands one credential to the guest.
pub(crate) fn smbios_option(name: &str, value: &str) -> Result<String, BootError> {
    let refuse = |reason| Err(BootError::Credential { name: name.to_owned(), reason });
    // systemd: a credential's name is a file name of printable ASCII without a colon. The equals
    // sign would end the name early, the comma QEMU's option.
    let name_ok = |b: u8| b.is_ascii_graphic() && !b"/:,=".contains(&b);
    if name.is_empty() || name == "." || name == ".." || name.len() > 255 {
        return refuse("a name has 1 to 255 characters and is not \".\" or \"..\"");
    }
    if !name.bytes().all(name_ok) {
        return refuse("a name is printable ASCII without blanks, '/', ':', ',' and '='");
    }
    if value.len() > LIMIT {
        return refuse("a value may have at most 40 KiB");
    }
    let plain = !value.is_empty() && value.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b',');
    Ok(if plain {
        format!("type=11,value=io.systemd.credential:{name}={value}")
    } else {
        format!("type=11,value=io.systemd.credential.binary:{name}={}", base64(value.as_bytes()))
    })
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, &b| bits << 8 | u32::from(b)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            if digit <= group.len() {
                let index = bits >> (18 - 6 * digit) & 63;
                text.push(char::from(ALPHABET[index as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_test_vectors_of_rfc_4648() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn plain_values_stay_text() {
        assert_eq!(
            smbios_option("ssh.authorized_keys.node", "ssh-ed25519 AAAA me=x").unwrap(),
            "type=11,value=io.systemd.credential:ssh.authorized_keys.node=ssh-ed25519 AAAA me=x"
        );
    }

    #[test]
    fn awkward_values_become_base64() {
        for value in ["a,b", "two\nlines\n", "", "ä"] {
            let option = smbios_option("x", value).unwrap();
            assert!(option.starts_with("type=11,value=io.systemd.credential.binary:x="));
            assert_eq!(option.matches(',').count(), 1, "{option}");
        }
    }

    #[test]
    fn bad_names_and_giants_are_refused() {
        for name in ["", ".", "..", "a/b", "a:b", "a,b", "a=b", "a b", "ä", &"x".repeat(256)] {
            assert!(smbios_option(name, "v").is_err(), "{name}");
        }
        assert!(smbios_option("x", &"v".repeat(LIMIT + 1)).is_err());
    }
}
