//! One certificate: which of its keys may sign, and until when.
//!
//! A certificate is a primary key, user ids and subkeys, held together by signatures of the primary
//! key. The primary key needs no proof of identity, since its fingerprint is named in the recipe;
//! its newest self-signature says what it may do and when it expires. Old keys of vendors carry
//! SHA-1 self-signatures only; such a one is believed for an expiry date, which can only take
//! rights away, and never to bind a subkey.

use std::fmt;

use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::packet::{PublicKey, Signature, SignatureType, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, PublicParams, Tag};

use super::{FUTURE_TOLERANCE, date, strong_hash};

/// A certificate that the source names.
#[derive(Debug)]
pub(super) struct Certificate {
    inner: SignedPublicKey,
    fingerprint: String,
}

/// A key of a certificate.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key {
    Primary,
    /// Index into the subkeys.
    Sub(usize),
}

impl Certificate {
    pub(super) fn new(inner: SignedPublicKey) -> Certificate {
        let fingerprint = inner.primary_key.fingerprint().to_string().to_uppercase();
        Certificate { inner, fingerprint }
    }

    /// The primary key's fingerprint, upper case.
    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The fingerprint of one of the keys, upper case.
    pub(super) fn key_fingerprint(&self, key: Key) -> String {
        match key {
            Key::Primary => self.fingerprint.clone(),
            Key::Sub(i) => {
                self.inner.public_subkeys[i].key.fingerprint().to_string().to_uppercase()
            }
        }
    }

    /// The key that `signature` names as its maker.
    pub(super) fn find(&self, signature: &Signature) -> Option<Key> {
        if names(signature, &self.inner.primary_key) {
            return Some(Key::Primary);
        }
        self.inner.public_subkeys.iter().position(|s| names(signature, &s.key)).map(Key::Sub)
    }

    /// Whether `signature` is made by `key` over `data`: the arithmetic alone.
    pub(super) fn verify(
        &self,
        key: Key,
        signature: &Signature,
        data: &[u8],
    ) -> Result<(), pgp::errors::Error> {
        match key {
            Key::Primary => signature.verify(&self.inner.primary_key, data),
            Key::Sub(i) => signature.verify(&self.inner.public_subkeys[i].key, data),
        }
    }

    /// Whether `key` may have signed at the time `signed` and still counts at the time `now`.
    pub(super) fn usable(&self, key: Key, signed: i64, now: i64) -> Result<(), String> {
        let primary = self.primary_rights(now)?;
        let (created, rights) = match key {
            Key::Primary => {
                strong_key(&self.inner.primary_key)?;
                (seconds(&self.inner.primary_key), primary)
            }
            Key::Sub(i) => {
                let subkey = &self.inner.public_subkeys[i];
                strong_key(&subkey.key)?;
                (seconds(&subkey.key), subkey_rights(&self.inner.primary_key, subkey, now)?)
            }
        };
        if signed < created {
            return Err("it is older than its key".to_owned());
        }
        if rights.may_sign { Ok(()) } else { Err("its key is not meant for signing".to_owned()) }
    }

    /// Checks that the primary key is neither revoked nor expired.
    fn primary_rights(&self, now: i64) -> Result<Rights, String> {
        let key = &self.inner.primary_key;
        let details = &self.inner.details;
        // A revocation counts whatever its date, reason and hash: it only takes rights away.
        let revoked = details
            .revocation_signatures
            .iter()
            .any(|s| s.typ() == Some(SignatureType::KeyRevocation) && s.verify_key(key).is_ok());
        if revoked {
            return Err("its key was revoked".to_owned());
        }
        // The newest signature over the key itself and the newest over a user id.
        let direct = newest(
            details
                .direct_signatures
                .iter()
                .filter(|s| s.typ() == Some(SignatureType::Key) && s.verify_key(key).is_ok()),
            now,
        );
        let certifications = details.users.iter().flat_map(|user| {
            let valid = |s: &&Signature| {
                names(s, key) && s.verify_certification(key, Tag::UserId, &user.id).is_ok()
            };
            let revoked_at = (user.signatures.iter())
                .filter(|s| s.typ() == Some(SignatureType::CertRevocation))
                .filter(valid)
                .filter_map(time)
                .max();
            (user.signatures.iter())
                .filter(|s| s.is_certification())
                .filter(move |s| revoked_at.is_none_or(|at| time(s) > Some(at)))
                .filter(valid)
        });
        let user = newest(certifications, now);
        if direct.is_none() && user.is_none() {
            return Err("its key has no valid signature by itself".to_owned());
        }
        let mut rights = Rights { may_sign: true };
        for signature in [direct, user].into_iter().flatten() {
            check_expiry(seconds(key), signature, now)?;
            if let Some(may_sign) = signing_flag(signature) {
                rights.may_sign = may_sign;
            }
        }
        Ok(rights)
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint)?;
        match self.inner.details.users.first().and_then(|u| u.id.as_str()) {
            Some(user) => write!(f, " ({})", user.escape_debug()),
            None => Ok(()),
        }
    }
}

/// What a key may do.
struct Rights {
    may_sign: bool,
}

/// Checks the binding of a subkey in both directions (RFC 9580, section 10.1.5).
fn subkey_rights(
    primary: &PublicKey,
    subkey: &SignedPublicSubKey,
    now: i64,
) -> Result<Rights, String> {
    let valid = |s: &&Signature| s.verify_subkey_binding(primary, &subkey.key).is_ok();
    let revoked = (subkey.signatures.iter())
        .filter(|s| s.typ() == Some(SignatureType::SubkeyRevocation))
        .any(|s| valid(&s));
    if revoked {
        return Err("its subkey was revoked".to_owned());
    }
    let bindings =
        subkey.signatures.iter().filter(|s| s.typ() == Some(SignatureType::SubkeyBinding));
    let Some(binding) = newest(bindings.filter(valid), now) else {
        return Err("its subkey does not belong to the named key".to_owned());
    };
    strong_hash(binding).map_err(|e| format!("its subkey is bound by a weak signature: {e}"))?;
    check_expiry(seconds(&subkey.key), binding, now)?;
    let may_sign = signing_flag(binding).unwrap_or(false);
    if may_sign {
        // Without its consent, somebody could adopt a foreign signing subkey.
        let Some(back) = binding.embedded_signature() else {
            return Err("its subkey has not signed that it belongs to the named key".to_owned());
        };
        strong_hash(back).map_err(|e| format!("its subkey's consent is weak: {e}"))?;
        if back.verify_primary_key_binding(&subkey.key, primary).is_err() {
            return Err("its subkey's consent to belong to the named key is invalid".to_owned());
        }
    }
    Ok(Rights { may_sign })
}

/// The newest signature that is valid at `now`; one with a strong hash goes before any weak one.
fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>, now: i64) -> Option<&'a Signature> {
    signatures
        .filter(|s| {
            let Some(created) = time(s) else { return false };
            let ends = match s.signature_expiration_time().map(|d| i64::from(d.as_secs())) {
                None | Some(0) => i64::MAX,
                Some(after) => created + after,
            };
            created <= now.saturating_add(FUTURE_TOLERANCE) && now < ends
        })
        .max_by_key(|s| (strong_hash(s).is_ok(), time(s)))
}

/// Refuses a key whose self-signature or binding says that it has expired.
fn check_expiry(created: i64, signature: &Signature, now: i64) -> Result<(), String> {
    match signature.key_expiration_time().map(|d| i64::from(d.as_secs())) {
        Some(after) if after != 0 && created + after <= now => {
            Err(format!("its key expired on {}", date(created + after)))
        }
        _ => Ok(()),
    }
}

/// The "may sign data" flag, if there are flags at all.
fn signing_flag(signature: &Signature) -> Option<bool> {
    signature.config()?.hashed_subpackets().find_map(|p| match &p.data {
        SubpacketData::KeyFlags(flags) => Some(flags.sign()),
        _ => None,
    })
}

/// Refuses algorithms and sizes that are too weak.
fn strong_key(key: &impl KeyDetails) -> Result<(), String> {
    match key.public_params() {
        PublicParams::RSA(rsa) => {
            // The modulus comes first, as its length in bits and its bytes (RFC 9580, 3.2).
            let bytes = rsa.to_bytes().map_err(|e| format!("its key is broken: {e}"))?;
            match bytes.as_slice() {
                [a, b, ..] if u16::from_be_bytes([*a, *b]) >= 2048 => Ok(()),
                _ => Err("its key is RSA of less than 2048 bits".to_owned()),
            }
        }
        PublicParams::ECDSA(_)
        | PublicParams::EdDSALegacy(_)
        | PublicParams::Ed25519(_)
        | PublicParams::Ed448(_) => Ok(()),
        _ => {
            Err(format!("its key is of the algorithm {:?}, which does not count", key.algorithm()))
        }
    }
}

/// Whether `signature` names `key` as its maker. One that names nobody is not looked at.
fn names(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        signature.issuer_key_id().contains(&&key.legacy_key_id())
    } else {
        fingerprints.contains(&&key.fingerprint())
    }
}

fn time(signature: &Signature) -> Option<i64> {
    signature.created().map(|t| i64::from(t.as_secs()))
}

/// When a key was made, in seconds since 1970.
fn seconds(key: &impl KeyDetails) -> i64 {
    i64::from(key.created_at().as_secs())
}
