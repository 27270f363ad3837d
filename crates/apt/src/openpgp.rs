//! Checks OpenPGP signatures of repositories against certificates named by fingerprint.
//!
//! The `pgp` crate reads packets and does the arithmetic; what is *acceptable* is decided here:
//! - a certificate counts only if its full fingerprint is named; the primary key or a signing
//!   subkey of it may sign, and what else is in the key material is ignored;
//! - a signature hashes with SHA-256, SHA-384 or SHA-512, is not expired, is not dated more than a
//!   day into the future or before its key, and has no critical part that is not understood;
//! - keys are RSA of 2048 bits or more, Ed25519, Ed448 or ECDSA; not expired now, not revoked;
//! - a subkey is bound by a valid signature and has signed its consent (see `certificate`).
//!
//! Among several signatures one good one is enough: archives sign with an old and a new key while
//! they change keys.
//!
//! RFC 9580 is the specification; `gpgv` is the referee in the tests.

mod certificate;
pub(crate) mod cleartext;

use std::fmt;
use std::io::Read;

use pgp::armor::{BlockType, Dearmor, DearmorOptions};
use pgp::composed::{Deserializable, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Packet, PacketParser, Signature, SignatureType, SubpacketData};
use pgp::types::KeyDetails;

use self::certificate::Certificate;
use crate::mirror::KeySpec;

/// How far ahead of our clock a signature or a repository may be dated, in seconds: a day.
pub(crate) const FUTURE_TOLERANCE: i64 = 86_400;

/// More signatures than this are not looked at: each costs a public-key operation.
const MAX_SIGNATURES: usize = 32;

/// No signature or certificate file is larger than this when its armour is taken off, in bytes.
const MAX_ARMOR: usize = 4 << 20;

/// The headers of an armour end within so many bytes. `pgp` reads them from the start again for
/// each further piece, which takes time quadratic to their length.
const MAX_ARMOR_HEADERS: usize = 4 << 10;

/// The certificates that may sign one source.
#[derive(Debug)]
pub struct Keyring {
    certificates: Vec<Certificate>,
}

/// A text whose signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Exactly what was signed; nothing else of the file may be used.
    pub text: String,
    /// The fingerprint of the certificate (its primary key), upper-case hexadecimal.
    pub certificate: String,
    /// The fingerprint of the key that signed: the primary key or a subkey.
    pub key: String,
    /// When the signature was made, in seconds since 1970.
    pub created: i64,
}

/// Why a text is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A named certificate cannot be found in its key material.
    #[error("the key {fingerprint} cannot be used: {reason}")]
    Key {
        /// The fingerprint as named.
        fingerprint: String,
        /// What is wrong.
        reason: String,
    },
    /// The file is not a signed message, or is broken.
    #[error("it is not a properly signed file: {0}")]
    Malformed(String),
    /// No signature counts.
    #[error("no valid signature by {}{}", named.join(" or "), list(refusals))]
    Refused {
        /// The certificates that could have signed: fingerprint and user id.
        named: Vec<String>,
        /// The signatures and why each does not count.
        refusals: Vec<Refusal>,
    },
}

/// A signature that does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The fingerprint or key id that the signature names as its maker.
    pub signer: String,
    /// Why the signature does not count.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signature by {}: {}", self.signer, self.reason)
    }
}

fn list(refusals: &[Refusal]) -> String {
    match refusals {
        [] => "; there is no signature at all".to_owned(),
        some => some.iter().map(|r| format!("; {r}")).collect(),
    }
}

impl Keyring {
    /// Reads the named certificates.
    ///
    /// # Errors
    /// No key is named; a fingerprint is not 40 or 64 hexadecimal digits; its material does not
    /// hold that certificate. Whether a certificate is still good is decided when it is used.
    pub fn new(keys: &[KeySpec]) -> Result<Keyring, SignatureError> {
        if keys.is_empty() {
            return Err(SignatureError::Malformed("no key is named that could sign it".into()));
        }
        let certificates = keys.iter().map(read_named).collect::<Result<_, _>>()?;
        Ok(Keyring { certificates })
    }

    /// Checks a cleartext-signed message (`InRelease`) at the time `now`, in seconds since 1970.
    ///
    /// # Errors
    /// The message is malformed, or none of its signatures is good.
    pub fn verify_cleartext(&self, message: &[u8], now: i64) -> Result<Verified, SignatureError> {
        let parts = cleartext::split(message).map_err(SignatureError::Malformed)?;
        let signatures = read_signatures(parts.armor.as_bytes())?;
        let good = self.judge(&signatures, &[SignatureType::Text], &parts.hashed, now)?;
        Ok(good.with_text(parts.text))
    }

    /// Checks a text with a detached signature (`Release` with `Release.gpg`), armoured or binary.
    ///
    /// # Errors
    /// The text is not UTF-8, the signature file is malformed, or no signature is good.
    pub fn verify_detached(
        &self,
        text: &[u8],
        signature: &[u8],
        now: i64,
    ) -> Result<Verified, SignatureError> {
        let signatures = read_signatures(signature)?;
        // Only signatures over the bytes: one over "text" would stay good while line ends change.
        let good = self.judge(&signatures, &[SignatureType::Binary], text, now)?;
        match std::str::from_utf8(text) {
            Ok(text) => Ok(good.with_text(text.to_owned())),
            Err(e) => Err(SignatureError::Malformed(format!("it is not valid UTF-8: {e}"))),
        }
    }

    /// The first good signature, or why there is none.
    fn judge(
        &self,
        signatures: &[Signature],
        types: &[SignatureType],
        data: &[u8],
        now: i64,
    ) -> Result<Good, SignatureError> {
        let mut refusals = Vec::new();
        for signature in signatures.iter().take(MAX_SIGNATURES) {
            match self.judge_one(signature, types, data, now) {
                Ok(good) => return Ok(good),
                Err(reason) => refusals.push(Refusal { signer: signer(signature), reason }),
            }
        }
        let named = self.certificates.iter().map(Certificate::to_string).collect();
        Err(SignatureError::Refused { named, refusals })
    }

    fn judge_one(
        &self,
        signature: &Signature,
        types: &[SignatureType],
        data: &[u8],
        now: i64,
    ) -> Result<Good, String> {
        let created = acceptable(signature, types, now)?;
        let mut reason = "made by a key that the source does not name".to_owned();
        for certificate in &self.certificates {
            let Some(key) = certificate.find(signature) else { continue };
            reason = match certificate.usable(key, created, now) {
                Err(reason) => reason,
                Ok(()) => match certificate.verify(key, signature, data) {
                    Ok(()) => {
                        return Ok(Good {
                            certificate: certificate.fingerprint().to_owned(),
                            key: certificate.key_fingerprint(key),
                            created,
                        });
                    }
                    Err(_) => "it does not fit the text, which was changed after signing".into(),
                },
            };
        }
        Err(reason)
    }
}

/// A signature that counts.
struct Good {
    certificate: String,
    key: String,
    created: i64,
}

impl Good {
    fn with_text(self, text: String) -> Verified {
        Verified { text, certificate: self.certificate, key: self.key, created: self.created }
    }
}

/// Checks everything about a signature that does not depend on its key; gives its time.
fn acceptable(signature: &Signature, types: &[SignatureType], now: i64) -> Result<i64, String> {
    let Some(config) = signature.config() else {
        return Err(format!("its version {:?} is not supported", signature.version()));
    };
    if !types.contains(&config.typ) {
        return Err(format!(
            "it is of type {:?}, not a signature of this kind of file",
            config.typ
        ));
    }
    strong_hash(signature)?;
    // RFC 9580, section 5.2.3.7: a critical part that is not understood makes it invalid.
    let unknown = config.hashed_subpackets().any(|p| {
        use SubpacketData::{Experimental, Notation, Other};
        p.is_critical && matches!(p.data, Other(..) | Experimental(..) | Notation(..))
    });
    if unknown {
        return Err("it has a critical part that osb does not understand".to_owned());
    }
    let Some(created) = signature.created().map(|t| i64::from(t.as_secs())) else {
        return Err("it does not say when it was made".to_owned());
    };
    if created > now.saturating_add(FUTURE_TOLERANCE) {
        return Err(format!("it is dated {}, in the future", date(created)));
    }
    match signature.signature_expiration_time().map(|d| i64::from(d.as_secs())) {
        Some(after) if after != 0 && created + after <= now => {
            Err(format!("it expired on {}", date(created + after)))
        }
        _ => Ok(created),
    }
}

/// Refuses hash algorithms that are weak or unusual.
fn strong_hash(signature: &Signature) -> Result<(), String> {
    match signature.hash_alg() {
        Some(HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512) => Ok(()),
        Some(other) => Err(format!("it uses {other}; only SHA-256, SHA-384 and SHA-512 count")),
        None => Err("its hash algorithm is unknown".to_owned()),
    }
}

/// Who made a signature, as far as it says so.
fn signer(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(|f| f.to_string());
    fingerprint
        .or_else(|| signature.issuer_key_id().first().map(|k| k.to_string()))
        .map_or_else(|| "an unnamed key".to_owned(), |s| s.to_uppercase())
}

/// A date for messages, as `YYYY-MM-DD`.
fn date(unix: i64) -> String {
    crate::date::format_day(unix)
}

/// Reads signature packets, armoured or not.
fn read_signatures(bytes: &[u8]) -> Result<Vec<Signature>, SignatureError> {
    let malformed = |reason: String| SignatureError::Malformed(reason);
    let binary;
    let packets = if bytes.trim_ascii_start().starts_with(b"-----") {
        let (holds, packets) = dearmor(bytes.trim_ascii_start()).map_err(malformed)?;
        if holds != Some(BlockType::Signature) {
            return Err(malformed("its armour does not hold signatures".to_owned()));
        }
        binary = packets;
        binary.as_slice()
    } else {
        bytes
    };
    let mut signatures = Vec::new();
    for packet in PacketParser::new(packets).take(4 * MAX_SIGNATURES) {
        // Other packets, and signatures of kinds that nobody here knows, cannot be good ones.
        if let Ok(Packet::Signature(signature)) = packet {
            signatures.push(signature);
        }
    }
    if signatures.is_empty() {
        return Err(malformed("it holds no readable signature".to_owned()));
    }
    Ok(signatures)
}

/// Takes the armour off what begins with one: what it says that it holds, and the bytes.
fn dearmor(armored: &[u8]) -> Result<(Option<BlockType>, Vec<u8>), String> {
    let start = &armored[..armored.len().min(MAX_ARMOR_HEADERS)];
    let is_blank = |line: &[u8]| line.trim_ascii().is_empty();
    if !start.split_inclusive(|byte| *byte == b'\n').any(is_blank) {
        return Err("its armour is broken: no empty line ends the headers".to_owned());
    }
    let broken = |e: &dyn fmt::Display| format!("its armour is broken: {e}");
    let options = DearmorOptions::new().set_limit(MAX_ARMOR);
    let mut reader = Dearmor::with_options(armored, options);
    reader.read_header().map_err(|e| broken(&e))?;
    let holds = reader.typ;
    let mut bytes = Vec::new();
    reader.take(MAX_ARMOR as u64).read_to_end(&mut bytes).map_err(|e| broken(&e))?;
    Ok((holds, bytes))
}

/// Finds the certificate that `key` names in its material.
fn read_named(key: &KeySpec) -> Result<Certificate, SignatureError> {
    let error = |reason| SignatureError::Key { fingerprint: key.fingerprint.clone(), reason };
    let refuse = |reason: String| Err(error(reason));
    let wanted: String =
        key.fingerprint.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_uppercase();
    let wanted = wanted.strip_prefix("0X").unwrap_or(&wanted);
    if !matches!(wanted.len(), 40 | 64) || !wanted.bytes().all(|b| b.is_ascii_hexdigit()) {
        return refuse("a full fingerprint has 40 (or, version 6, 64) hexadecimal digits".into());
    }
    let mut found = Vec::new();
    for certificate in read_certificates(&key.material).map_err(error)? {
        let fingerprint = certificate.fingerprint().to_string().to_uppercase();
        if fingerprint == wanted {
            return Ok(Certificate::new(certificate));
        }
        found.push(fingerprint);
    }
    refuse(match found.as_slice() {
        [] => "its key material holds no certificate".to_owned(),
        found => format!("its key material holds only {}", found.join(", ")),
    })
}

/// Reads certificates: binary, or any number of armoured blocks. Unreadable ones are left out.
pub(crate) fn read_certificates(material: &[u8]) -> Result<Vec<SignedPublicKey>, String> {
    const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
    if !material.trim_ascii_start().starts_with(b"-----") {
        let parsed = SignedPublicKey::from_bytes_many(material).map_err(|e| e.to_string())?;
        return Ok(parsed.take(1000).filter_map(Result::ok).collect());
    }
    let text = std::str::from_utf8(material).map_err(|e| format!("its armour is broken: {e}"))?;
    let mut certificates = Vec::new();
    for (start, _) in text.match_indices(BEGIN) {
        let (_, binary) = dearmor(&text.as_bytes()[start..])?;
        let parsed =
            SignedPublicKey::from_bytes_many(binary.as_slice()).map_err(|e| e.to_string())?;
        certificates.extend(parsed.take(1000).filter_map(Result::ok));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests;
