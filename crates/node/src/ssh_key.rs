//! Public ssh keys: whether a line is one, to the last byte.
//!
//! A key with a typing error is found when nobody can log in. Its body tells its own length and
//! kind (RFC 4253, section 6.6; RFC 5656, section 3.1; RFC 8709, section 4; OpenSSH, PROTOCOL.u2f),
//! so that it can be found before.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::rules::clip;

/// The least RSA key that sshd takes (sshd_config(5), `RequiredRSASize`), in bits.
const LEAST_RSA: usize = 1024;

/// What is in a key's body behind the name of its type.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// A string of so many bytes.
    Bytes(usize),
    /// This string.
    Word(&'static str),
    /// A string of any length but none: the application of a security key.
    Application,
    /// A number of any length.
    Exponent,
    /// A number of at least [`LEAST_RSA`] bits.
    Modulus,
}

/// The types that sshd takes, by the first word of their lines.
const TYPES: [(&str, &[Part]); 7] = [
    ("ssh-ed25519", &[Part::Bytes(32)]),
    ("ssh-rsa", &[Part::Exponent, Part::Modulus]),
    ("ecdsa-sha2-nistp256", &[Part::Word("nistp256"), Part::Bytes(65)]),
    ("ecdsa-sha2-nistp384", &[Part::Word("nistp384"), Part::Bytes(97)]),
    ("ecdsa-sha2-nistp521", &[Part::Word("nistp521"), Part::Bytes(133)]),
    ("sk-ssh-ed25519@openssh.com", &[Part::Bytes(32), Part::Application]),
    (
        "sk-ecdsa-sha2-nistp256@openssh.com",
        &[Part::Word("nistp256"), Part::Bytes(65), Part::Application],
    ),
];

/// Whether a line is a public key: `TYPE BASE64 COMMENT`.
pub(crate) fn check(line: &str) -> Result<(), String> {
    let shown = clip(line);
    if line.contains("PRIVATE KEY") {
        return Err(
            "this is a private key: give the public one, the file that ends in .pub".to_owned()
        );
    }
    if line.chars().any(char::is_control) {
        return Err(format!("a key is one line, without control characters: {shown:?}"));
    }
    let mut words = line.split(' ');
    let (kind, body) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let Some((_, parts)) = TYPES.iter().find(|(name, _)| *name == kind) else {
        return Err(match kind {
            "ssh-dss" => {
                "DSA keys are not taken by sshd any more; make one with ssh-keygen -t ed25519"
                    .to_owned()
            }
            _ if kind.contains("-cert-") => {
                format!("{kind}: a certificate lets nobody in by itself; give the key")
            }
            _ => format!("not a public ssh key (TYPE BASE64 COMMENT): {shown:?}"),
        });
    };
    let Ok(bytes) = STANDARD.decode(body) else {
        return Err(format!(
            "the key {shown:?} is cut off or changed: its second word is no base64"
        ));
    };
    body_is(&bytes, kind, parts)
        .ok_or_else(|| {
            format!("the key {shown:?} is cut off or changed: its body is no {kind} key")
        })?
        .then_some(())
        .ok_or_else(|| format!("the key {shown:?} is too weak: sshd wants {LEAST_RSA} bits of RSA"))
}

/// Whether a body of these parts is strong enough; `None` if it is not of these parts.
fn body_is(mut bytes: &[u8], kind: &str, parts: &[Part]) -> Option<bool> {
    let mut strong = true;
    let mut next = || {
        let (len, rest) = bytes.split_first_chunk::<4>()?;
        let (part, rest) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
        bytes = rest;
        Some(part)
    };
    let is = |fine: bool| fine.then_some(());
    is(next()? == kind.as_bytes())?;
    for part in parts {
        let found = next()?;
        match part {
            Part::Bytes(len) => is(found.len() == *len)?,
            Part::Word(word) => is(found == word.as_bytes())?,
            Part::Application | Part::Exponent => is(!found.is_empty())?,
            Part::Modulus => {
                let zeroes = found.iter().take_while(|byte| **byte == 0).count();
                let first = found.get(zeroes).map_or(8, |byte| byte.leading_zeros() as usize);
                strong = (found.len() - zeroes) * 8 >= LEAST_RSA + first;
            }
        }
    }
    bytes.is_empty().then_some(strong)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line whose body has these parts.
    fn line(kind: &str, parts: &[&[u8]]) -> String {
        let mut body = Vec::new();
        for part in [kind.as_bytes()].iter().chain(parts) {
            body.extend((part.len() as u32).to_be_bytes());
            body.extend_from_slice(part);
        }
        format!("{kind} {} me@here", STANDARD.encode(body))
    }

    #[test]
    fn keys_that_ssh_keygen_made() {
        // Made for this test; the private ones were thrown away.
        for key in [
            "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBN1rEEi1\
             N2VjACVOHFn17M7gNIxnIRgUmCUdld5J2muAjaqDXv5i8IzH4Ic/ATRo/bEZXu0BdePoqoTWUnSfvAU=",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICTJO7RAsm+cJElfEIBu7bQiCb8gTBi6IWlYbhshiE6A",
            "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDWIwydvzXvTgoQvwVIIOXEPhtvymJTzcPqOt3xao4h\
             1t58SXwXYOTEkdxYRZZLvht1Jry37I2kH+1m1rTJSNDL8CeVNKU90CWZP8PL1fkMdtKClzORZfq6A0rH\
             FjXbX2XEoAXAOIsRlSLihj5JfS5mb8Dl6akdXR4P3ymx7/xYKE04R/i7DwTGprOGz6jgVUbWuGziWcVw\
             EMTYqmJTEr/8ue5FNcsDfBtcfLbd9qgbclEywheGhkUOOgzl2t3LGDHQ4EQzeHvd8V3Vs5H2SKOLX8PQ\
             C51xGTzJkl1R7V4oFgMX2YCGX3ycrKRlGJcFyhBP7CwOwI6H/CYJdNXMoN2L",
        ] {
            assert_eq!(check(key), Ok(()), "{key}");
        }
    }

    #[test]
    fn keys_of_every_type() {
        let (rsa, ssh) = ([&[0, 0x80][..], &[1; 127]].concat(), b"ssh:".as_slice());
        for key in [
            line("ssh-ed25519", &[&[1; 32]]),
            line("ssh-rsa", &[&[1, 0, 1], &rsa]),
            line("ecdsa-sha2-nistp256", &[b"nistp256", &[4; 65]]),
            line("ecdsa-sha2-nistp384", &[b"nistp384", &[4; 97]]),
            line("ecdsa-sha2-nistp521", &[b"nistp521", &[4; 133]]),
            line("sk-ssh-ed25519@openssh.com", &[&[1; 32], ssh]),
            line("sk-ecdsa-sha2-nistp256@openssh.com", &[b"nistp256", &[4; 65], ssh]),
        ] {
            assert_eq!(check(&key), Ok(()), "{key}");
        }
    }

    #[test]
    fn keys_that_are_none() {
        let good = line("ssh-ed25519", &[&[1; 32]]);
        let cut = &good[..good.len() - 20];
        for (bad, said) in [
            ("", "not a public ssh key"),
            ("hello", "not a public ssh key"),
            ("command=\"true\" ssh-ed25519 AAAA", "not a public ssh key"),
            ("ssh-ed25519", "no ssh-ed25519 key"),
            ("ssh-ed25519 AAA!", "no base64"),
            (cut, "cut off or changed"),
            (&line("ssh-ed25519", &[&[1; 31]]), "no ssh-ed25519 key"),
            (&line("ssh-ed25519", &[&[1; 32], b"more"]), "no ssh-ed25519 key"),
            (&good.replace("ssh-ed25519 ", "ssh-rsa "), "no ssh-rsa key"),
            (&line("ecdsa-sha2-nistp256", &[b"nistp384", &[4; 65]]), "no ecdsa-sha2-nistp256 key"),
            (&line("ssh-rsa", &[&[3], &[0x7F; 128]]), "too weak"),
            (&line("ssh-rsa", &[&[3], &[0; 200]]), "too weak"),
            ("ssh-dss AAAA", "DSA"),
            ("ssh-ed25519-cert-v01@openssh.com AAAA", "certificate"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
            (&format!("{good}\n{good}"), "one line"),
        ] {
            let found = check(bad).unwrap_err();
            assert!(found.contains(said), "{bad:?}: {found}");
        }
    }
}
