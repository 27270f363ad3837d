//! Signatures, attached and detached: nothing but the signed text is ever believed.

use std::sync::OnceLock;

use osb_apt::{KeySpec, Keyring};
use osb_testrepo::NOW;

use crate::Target;
use crate::seeds::{key, long, repository};

pub(crate) const TARGET: Target = Target {
    name: "signature",
    about: "InRelease and Release.gpg; only the text that the key signed is believed",
    run,
    seeds,
    words: &[
        "-----BEGIN PGP SIGNATURE-----\n\n",
        "-----END PGP SIGNATURE-----\n",
        "\u{88}u\u{4}\0",
        "-----BEGIN PGP SIGNED MESSAGE-----\n",
        "Hash: SHA512\n",
        "\n=",
    ],
};

struct Known {
    keyring: Keyring,
    release: Vec<u8>,
}

fn run(bytes: &[u8]) {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let (fingerprint, material) = (key().fingerprint(), key().certificate());
        let keyring = Keyring::new(&[KeySpec { fingerprint, material }]).unwrap();
        Known { keyring, release: repository("dists/trixie/Release") }
    });
    if let Ok(verified) = known.keyring.verify_cleartext(bytes, NOW) {
        assert_eq!(verified.text.as_bytes(), known.release, "a text that nobody signed");
        assert_eq!(verified.key, key().signing_fingerprint());
    }
    let other = b"Suite: another\n";
    assert!(known.keyring.verify_detached(other, bytes, NOW).is_err(), "a forged signature");
    if let Ok(verified) = known.keyring.verify_detached(&known.release, bytes, NOW) {
        assert_eq!(verified.certificate, key().fingerprint());
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let armored = repository("dists/trixie/Release.gpg");
    let binary = dearmor(&armored);
    // The same signature as often as it fits: each costs a public-key operation.
    let count = crate::MAX_BYTES / binary.len();
    vec![
        repository("dists/trixie/InRelease"),
        armored,
        binary.repeat(count),
        binary,
        long("-----BEGIN PGP SIGNATURE-----\n\n", "AAAA\n", "=AAAA\n-----END PGP SIGNATURE-----\n"),
        long("-----BEGIN PGP SIGNATURE-----\n", "A: #\n", ""),
        long("", "\u{2}\u{4}", ""),
    ]
}

/// The packets in an armour: base64 by hand, since it is for one known text.
fn dearmor(armored: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = String::from_utf8_lossy(armored);
    let body = text.lines().skip(2).take_while(|line| !line.starts_with(['=', '-']));
    let (mut bits, mut count, mut out) = (0_u32, 0, Vec::new());
    for digit in body.flat_map(str::bytes).filter_map(|b| DIGITS.iter().position(|d| *d == b)) {
        (bits, count) = ((bits << 6 | digit as u32) & 0xff_ffff, count + 6);
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    out
}
