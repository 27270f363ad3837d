//! What is believed and what is not, with keys and signatures made for each case.

use osb_testrepo::{Hash, Key, NOW, Signer, sign_detached, sign_inline};
use proptest::prelude::*;

use super::*;

const TEXT: &str = "Suite: trixie\n- a dash  \nDate: today\n";
const SIGNED: &str = "Suite: trixie\n- a dash\nDate: today\n";

fn named(key: &Key) -> KeySpec {
    KeySpec { fingerprint: key.fingerprint(), material: key.certificate() }
}

fn ring(keys: &[&Key]) -> Keyring {
    Keyring::new(&keys.iter().map(|k| named(k)).collect::<Vec<_>>()).unwrap()
}

/// Verifies an inline message of one signer with the signer's own certificate.
fn verify(signer: &Signer) -> Result<Verified, SignatureError> {
    let message = sign_inline(TEXT, std::slice::from_ref(signer));
    ring(&[&signer.key]).verify_cleartext(message.as_bytes(), NOW)
}

/// The reason why the only signature was refused.
fn reason(result: Result<Verified, SignatureError>) -> String {
    match result {
        Err(SignatureError::Refused { refusals, .. }) if refusals.len() == 1 => {
            refusals[0].reason.clone()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn good_signatures_of_every_kind_of_key() {
    for key in [Key::new(1), Key::build(1).subkey().finish(), Key::build(1).rsa(2048).finish()] {
        for hash in [Hash::Sha256, Hash::Sha512] {
            let signer = Signer { hash, ..Signer::new(&key) };
            let verified = verify(&signer).unwrap();
            assert_eq!(verified.text, SIGNED);
            assert_eq!(verified.certificate, key.fingerprint());
            assert_eq!(verified.key, key.signing_fingerprint());
            assert_eq!(verified.created, NOW - 86_400);
            let detached = sign_detached(TEXT.as_bytes(), &[signer]);
            let verified =
                ring(&[&key]).verify_detached(TEXT.as_bytes(), detached.as_bytes(), NOW).unwrap();
            assert_eq!(verified.text, TEXT);
        }
    }
}

#[test]
fn a_changed_text_is_refused() {
    let key = Key::new(1);
    let message = sign_inline(TEXT, &[Signer::new(&key)]).replace("trixie", "trixiE");
    let result = ring(&[&key]).verify_cleartext(message.as_bytes(), NOW);
    assert!(reason(result).contains("changed after signing"));
    let detached = sign_detached(TEXT.as_bytes(), &[Signer::new(&key)]);
    let other = TEXT.replace("trixie", "trixiE");
    let result = ring(&[&key]).verify_detached(other.as_bytes(), detached.as_bytes(), NOW);
    assert!(reason(result).contains("changed after signing"));
}

#[test]
fn an_unknown_key_is_named_with_the_known_ones() {
    let (ours, theirs) = (Key::new(1), Key::new(2));
    let message = sign_inline(TEXT, &[Signer::new(&theirs)]);
    let error = ring(&[&ours]).verify_cleartext(message.as_bytes(), NOW).unwrap_err().to_string();
    for part in [ours.fingerprint(), theirs.fingerprint(), "Test Key 1".into(), "not name".into()] {
        assert!(error.contains(&part), "{part:?} in {error:?}");
    }
}

#[test]
fn one_good_signature_among_several_is_enough() {
    let keys = [Key::new(1), Key::new(2), Key::build(3).revoked().finish()];
    let signers: Vec<Signer> = keys.iter().map(Signer::new).collect();
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let message = sign_inline(TEXT, &order.map(|i| signers[i].clone()));
        let verified = ring(&[&keys[2], &keys[0]]).verify_cleartext(message.as_bytes(), NOW);
        assert_eq!(verified.unwrap().certificate, keys[0].fingerprint());
        let error = ring(&[&keys[2]]).verify_cleartext(message.as_bytes(), NOW).unwrap_err();
        match error {
            SignatureError::Refused { refusals, .. } => assert_eq!(refusals.len(), 3),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn weak_expired_and_future_signatures_are_refused() {
    let good = Signer::new(&Key::new(1));
    let weak = Signer { hash: Hash::Sha1, ..Signer::new(&Key::build(1).rsa(2048).finish()) };
    assert!(reason(verify(&weak)).contains("only SHA-256"));
    let expired = Signer { expires_after: Some(86_400), ..good.clone() };
    assert!(reason(verify(&expired)).contains("expired on 2026-09-21"));
    let still_good = Signer { expires_after: Some(86_401), ..good.clone() };
    assert!(verify(&still_good).is_ok());
    let future = Signer { created: NOW + 86_401, ..good.clone() };
    assert!(reason(verify(&future)).contains("in the future"));
    let slightly_ahead = Signer { created: NOW + 86_400, ..good.clone() };
    assert!(verify(&slightly_ahead).is_ok());
    let older_than_key = Signer { created: NOW - 366 * 86_400, ..good };
    assert!(reason(verify(&older_than_key)).contains("older than its key"));
}

#[test]
fn bad_keys_are_refused() {
    const YEAR: u32 = 365 * 86_400;
    let key = || Key::build(1);
    for (key, part) in [
        (key().expires_after(YEAR), "key expired on 2026-09-21"),
        (key().expires_after(YEAR).subkey(), "key expired"),
        (key().revoked(), "key was revoked"),
        (key().revoked().subkey(), "key was revoked"),
        (key().certify_only(), "not meant for signing"),
        (key().rsa(1024), "less than 2048 bits"),
        (key().subkey_expires_after(YEAR), "key expired"),
        (key().subkey_revoked(), "subkey was revoked"),
        (key().subkey_without_consent(), "has not signed that it belongs"),
        (key().rsa(2048).subkey_weak_binding(), "bound by a weak signature"),
        (key().rsa(2048).weak_self_signature().expires_after(YEAR), "key expired"),
    ] {
        let reason = reason(verify(&Signer::new(&key.finish())));
        assert!(reason.contains(part), "{part:?} in {reason:?}");
    }
    for key in [
        key().expires_after(YEAR + 1),
        key().subkey_expires_after(YEAR + 1),
        key().certify_only().subkey(),
        key().rsa(2048).weak_self_signature(),
    ] {
        verify(&Signer::new(&key.finish())).unwrap();
    }
}

/// Somebody else's signing subkey, adopted: the primary key binds it, but it never agreed.
#[test]
fn a_subkey_of_another_certificate_does_not_count() {
    let (ours, theirs) = (Key::build(1).subkey().finish(), Key::build(2).subkey().finish());
    let material = [ours.certificate(), theirs.subkey_packets()];
    let ring =
        Keyring::new(&[KeySpec { fingerprint: ours.fingerprint(), material: material.concat() }]);
    let message = sign_inline(TEXT, &[Signer::new(&theirs)]);
    let result = ring.unwrap().verify_cleartext(message.as_bytes(), NOW);
    assert!(reason(result).contains("does not belong to the named key"));
}

#[test]
fn fingerprints_must_be_full_and_present() {
    let (key, other) = (Key::new(1), Key::new(2));
    let new =
        |fingerprint: String, material: Vec<u8>| Keyring::new(&[KeySpec { fingerprint, material }]);
    let full = key.fingerprint();
    let error = |result: Result<Keyring, SignatureError>| result.unwrap_err().to_string();
    assert!(error(new(full[24..].into(), key.certificate())).contains("full fingerprint"));
    assert!(error(new(full.clone(), other.certificate())).contains(&other.fingerprint()));
    assert!(error(new(full.clone(), vec![])).contains("no certificate"));
    assert!(error(new(full.clone(), b"<html>".to_vec())).contains("no certificate"));
    assert!(error(Keyring::new(&[])).contains("no key is named"));

    let spaced = full.to_lowercase().chars().flat_map(|c| [c, ' ']).collect::<String>();
    assert!(new(spaced, key.certificate()).is_ok());
    let both = [other.certificate(), key.certificate()].concat();
    assert!(new(full.clone(), both).is_ok());
    let blocks = format!("words\n{}\n{}", other.armored(), key.armored());
    assert!(new(full.clone(), blocks.trim_start_matches("words\n").into()).is_ok());
    assert!(new(full, key.armored().into_bytes()).is_ok());
}

#[test]
fn what_is_not_signed_is_malformed() {
    let key = Key::new(1);
    let ring = ring(&[&key]);
    let good = sign_inline(TEXT, &[Signer::new(&key)]);
    let none = sign_inline(TEXT, &[]);
    for bad in [
        TEXT.to_owned(),
        String::new(),
        format!("Suite: sid\n{good}"),
        format!("{good}Suite: sid\n"),
        good[..good.len() - 40].to_owned(),
        none,
    ] {
        let result = ring.verify_cleartext(bad.as_bytes(), NOW);
        assert!(matches!(result, Err(SignatureError::Malformed(_))), "{bad}: {result:?}");
    }
    let detached = sign_detached(TEXT.as_bytes(), &[Signer::new(&key)]);
    for bad in ["", "nonsense", key.armored().as_str(), &detached[..60]] {
        let result = ring.verify_detached(TEXT.as_bytes(), bad.as_bytes(), NOW);
        assert!(matches!(result, Err(SignatureError::Malformed(_))), "{bad}: {result:?}");
    }
    // An inline signature is over "text" and must not pass for a detached one.
    let armor = &good[good.find(cleartext::BEGIN_SIGNATURE).unwrap()..];
    let result = ring.verify_detached(SIGNED.trim_end().as_bytes(), armor.as_bytes(), NOW);
    assert!(reason(result).contains("not a signature of this kind"));
}

/// Found by fuzzing: 64 KiB of armour headers took 20 seconds.
#[test]
fn armour_headers_are_bounded() {
    let key = Key::new(1);
    let headers = format!("-----BEGIN PGP SIGNATURE-----\n{}\n", "A: b\n".repeat(100_000));
    let error = ring(&[&key]).verify_detached(b"x", headers.as_bytes(), NOW).unwrap_err();
    assert!(error.to_string().contains("no empty line ends the headers"), "{error}");
    let material = headers.replace("SIGNATURE", "PUBLIC KEY BLOCK").into_bytes();
    let spec = KeySpec { fingerprint: key.fingerprint(), material };
    let error = Keyring::new(&[spec]).unwrap_err();
    assert!(error.to_string().contains("no empty line ends the headers"), "{error}");
}

/// gpgv agrees about what this crate accepts, and about a changed text.
#[test]
fn gpgv_agrees() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    for key in [Key::new(1), Key::build(2).subkey().finish(), Key::build(3).rsa(2048).finish()] {
        let signers = [Signer::new(&key)];
        let keyring = put("key.gpg", &key.certificate());
        let inline = sign_inline(TEXT, &signers);
        let good = put("InRelease", inline.as_bytes());
        let bad = put("Changed", inline.replace("trixie", "trixiE").as_bytes());
        let text = put("Release", TEXT.as_bytes());
        let detached = put("Release.gpg", sign_detached(TEXT.as_bytes(), &signers).as_bytes());
        let gpgv = |files: &[&std::path::Path]| {
            let mut command = std::process::Command::new("gpgv");
            // The tests' time need not be this machine's.
            command.args(["--ignore-time-conflict", "--keyring"]).arg(&keyring).args(files);
            command.output()
        };
        let Ok(output) = gpgv(&[&good]) else {
            eprintln!("SKIPPED: there is no gpgv on this machine to compare with");
            return;
        };
        assert!(output.status.success(), "{output:?}");
        assert!(gpgv(&[&detached, &text]).unwrap().status.success());
        assert!(!gpgv(&[&bad]).unwrap().status.success());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let key = Key::new(1);
        let ring = ring(&[&key]);
        prop_assert!(ring.verify_cleartext(&bytes, NOW).is_err());
        prop_assert!(ring.verify_detached(TEXT.as_bytes(), &bytes, NOW).is_err());
        let material = [key.certificate(), bytes.clone()].concat();
        let _ = Keyring::new(&[KeySpec { fingerprint: key.fingerprint(), material }]);
        let _ = Keyring::new(&[KeySpec { fingerprint: key.fingerprint(), material: bytes }]);
    }

    /// Whatever happens to a signed message, it gives the signed text or an error.
    #[test]
    fn a_damaged_message_never_gives_another_text(at in 0usize..700, with in any::<u8>()) {
        let key = Key::new(1);
        let mut message = sign_inline(TEXT, &[Signer::new(&key)]).into_bytes();
        let at = at % message.len();
        message[at] = with;
        if let Ok(verified) = ring(&[&key]).verify_cleartext(&message, NOW) {
            prop_assert_eq!(verified.text, SIGNED);
        }
    }

    /// A damaged certificate may lose signatures, but nothing panics.
    #[test]
    fn a_damaged_certificate_does_not_panic(at in 0usize..900, with in any::<u8>()) {
        let key = Key::build(1).subkey().finish();
        let mut material = key.certificate();
        let at = at % material.len();
        material[at] = with;
        let spec = KeySpec { fingerprint: key.fingerprint(), material };
        if let Ok(ring) = Keyring::new(&[spec]) {
            let message = sign_inline(TEXT, &[Signer::new(&key)]);
            let _ = ring.verify_cleartext(message.as_bytes(), NOW);
        }
    }
}
