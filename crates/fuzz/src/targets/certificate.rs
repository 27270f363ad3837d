//! Key material: any certificate, named by its own fingerprint, judges a real signature.

use std::sync::OnceLock;

use osb_apt::{KeySpec, Keyring, fuzz};
use osb_testrepo::{Key, NOW};

use crate::Target;
use crate::seeds::{key, long, repository};

pub(crate) const TARGET: Target = Target {
    name: "certificate",
    about: "key material; a certificate that is not the signer's never makes a signature good",
    run,
    seeds,
    words: &[
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n",
        "-----END PGP PUBLIC KEY BLOCK-----\n",
        "\u{99}",
    ],
};

fn run(bytes: &[u8]) {
    static MESSAGE: OnceLock<(Vec<u8>, String)> = OnceLock::new();
    let (message, signer) =
        MESSAGE.get_or_init(|| (repository("dists/trixie/InRelease"), key().fingerprint()));
    let Ok(fingerprints) = fuzz::fingerprints(bytes) else { return };
    for fingerprint in fingerprints.into_iter().take(4) {
        let material = bytes.to_vec();
        let keyring = Keyring::new(&[KeySpec { fingerprint: fingerprint.clone(), material }])
            .expect("what was found is found again");
        if keyring.verify_cleartext(message, NOW).is_ok() {
            assert_eq!(&fingerprint, signer, "another certificate has adopted the key");
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let plain = Key::new(8);
    let revoked = Key::build(9).revoked().finish();
    let subkeys = Key::build(7).subkey_expires_after(86_400 * 365 * 2).subkey_revoked().finish();
    // Somebody else's primary key with the signer's subkey.
    let adopted = [plain.certificate(), key().subkey_packets()].concat();
    let many = key().certificate().repeat(crate::MAX_BYTES / key().certificate().len());
    let subkey = key().subkey_packets();
    let room = crate::MAX_BYTES - key().certificate().len();
    let crowd = [key().certificate(), subkey.repeat(room / subkey.len())].concat();
    vec![
        key().certificate(),
        key().armored().into_bytes(),
        [key().armored(), plain.armored()].concat().into_bytes(),
        revoked.certificate(),
        subkeys.certificate(),
        adopted,
        many,
        crowd,
        long("", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n", "AAAA"),
    ]
}
