//! The secret half: its file, sealed with a password or open, and signing.

use std::fmt;

use blake2::digest::consts::U32;
use blake2::{Blake2b, Blake2b512, Digest};
use ed25519_dalek::{Signer, SigningKey};

use super::signature::Signed;
use super::{HASHED, SEALED, SECRET, decode, id, payload, take};
use crate::error::KeyError;

/// Sealed with scrypt.
const SCRYPT: [u8; 2] = *b"Sc";
/// Not sealed.
const OPEN: [u8; 2] = [0, 0];
/// The checksum is BLAKE2b-256.
const BLAKE2B: [u8; 2] = *b"B2";
/// Most memory that opening a key may take, in bytes: minisign's own.
const MEMORY: u64 = 1 << 30;
/// Most work, in libsodium's unit: minisign's own.
const WORK: u64 = 1 << 25;

/// A secret key of minisign.
pub(crate) struct SecretKey {
    id: [u8; 8],
    key: SigningKey,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretKey").field(&self.id()).finish()
    }
}

impl SecretKey {
    /// Takes a file's text.
    pub(crate) fn read(text: &str, password: Option<&[u8]>) -> Result<SecretKey, KeyError> {
        let bytes: [u8; SECRET] =
            decode(payload(text)).ok_or_else(|| KeyError::malformed("its base64 is damaged"))?;
        let mut rest = &bytes[..];
        let (algorithm, sealing, checksum): ([u8; 2], [u8; 2], [u8; 2]) =
            (take(&mut rest), take(&mut rest), take(&mut rest));
        let salt: [u8; 32] = take(&mut rest);
        let work = u64::from_le_bytes(take(&mut rest));
        let memory = u64::from_le_bytes(take(&mut rest));
        let mut sealed: [u8; SEALED] = take(&mut rest);
        if checksum != BLAKE2B {
            return Err(KeyError::malformed("its checksum is of a kind that is not known"));
        }
        match sealing {
            OPEN => {}
            SCRYPT => {
                let password = password.ok_or(KeyError::Encrypted)?;
                let stream = stream(password, &salt, work, memory)?;
                sealed.iter_mut().zip(stream).for_each(|(byte, mask)| *byte ^= mask);
            }
            _ => return Err(KeyError::malformed("it is encrypted in a way that is not known")),
        }
        let wrong = || match sealing {
            SCRYPT => KeyError::Password,
            _ => KeyError::malformed("it is damaged: its parts do not fit"),
        };
        let mut rest = &sealed[..];
        let (id, pair): ([u8; 8], [u8; 64]) = (take(&mut rest), take(&mut rest));
        let found: [u8; 32] = Blake2b::<U32>::new()
            .chain_update(algorithm)
            .chain_update(id)
            .chain_update(pair)
            .finalize()
            .into();
        // minisign gives a key without a password no checksum; that its halves fit is seen below.
        if rest != found && !(sealing == OPEN && rest == [0; 32]) {
            return Err(wrong());
        }
        let key = SigningKey::from_keypair_bytes(&pair).map_err(|_| wrong())?;
        Ok(SecretKey { id, key })
    }

    /// Its identifier, 16 hexadecimal digits.
    pub(crate) fn id(&self) -> String {
        id(self.id)
    }

    /// The text of a signature file. What of `comment` is not on its first line is left out.
    pub(crate) fn sign(&self, message: &[u8], comment: &str) -> String {
        let comment = comment.lines().next().unwrap_or_default();
        let signature = self.key.sign(&Blake2b512::digest(message)).to_bytes();
        let global = self.key.sign(&[&signature[..], comment.as_bytes()].concat()).to_bytes();
        Signed { algorithm: HASHED, id: self.id, signature, comment, global }.text()
    }
}

/// What the sealed part is mixed with.
fn stream(password: &[u8], salt: &[u8], work: u64, memory: u64) -> Result<[u8; SEALED], KeyError> {
    let too_much = || KeyError::malformed("its password takes more work than any of minisign's");
    if work > WORK || memory > MEMORY {
        return Err(too_much());
    }
    let (log_n, r, p) = parameters(work, memory);
    let parameters = scrypt::Params::new(log_n, r, p, scrypt::Params::RECOMMENDED_LEN)
        .map_err(KeyError::malformed)?;
    let mut stream = [0; SEALED];
    scrypt::scrypt(password, salt, &parameters, &mut stream).map_err(KeyError::malformed)?;
    Ok(stream)
}

/// scrypt's parameters for limits of work and memory: `pickparams` of libsodium's
/// `pwhash_scryptsalsa208sha256.c`.
fn parameters(work: u64, memory: u64) -> (u8, u32, u32) {
    const R: u64 = 8;
    let log = |most: u64| (1..63_u8).find(|log| 1_u64 << log > most / 2).unwrap_or(63);
    let work = work.max(32_768);
    if work < memory / 32 {
        return (log(work / (R * 4)), R as u32, 1);
    }
    let log_n = log(memory / (R * 128));
    let rp = (work / 4 / (1 << log_n)).min(0x3fff_ffff);
    (log_n, R as u32, (rp / R) as u32)
}

/// A key file of these parts, as minisign writes it; sealed if there is a password.
#[cfg(any(test, feature = "made"))]
#[allow(clippy::unwrap_used, reason = "only tests call it")]
pub(crate) fn file(id: [u8; 8], key: &SigningKey, password: Option<&[u8]>) -> String {
    let pair = key.to_keypair_bytes();
    let check = Blake2b::<U32>::new()
        .chain_update(super::PLAIN)
        .chain_update(id)
        .chain_update(pair)
        .finalize();
    let check = password.map_or([0; 32], |_| check.into());
    let mut sealed = [&id[..], &pair, &check].concat();
    let (sealing, salt, work, memory) = match password {
        // Less than minisign takes: a test should not need a gigabyte.
        Some(_) => (SCRYPT, [7; 32], 32_768_u64, 1_u64 << 24),
        None => (OPEN, [0; 32], 0, 0),
    };
    if let Some(password) = password {
        let stream = stream(password, &salt, work, memory).unwrap();
        sealed.iter_mut().zip(stream).for_each(|(byte, mask)| *byte ^= mask);
    }
    let fields = [
        &super::PLAIN[..],
        &sealing,
        &BLAKE2B,
        &salt,
        &work.to_le_bytes(),
        &memory.to_le_bytes(),
        &sealed,
    ]
    .concat();
    format!("{}minisign secret key\n{}\n", super::COMMENT, super::encode(&fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minisigns_own_limits_are_its_own_parameters() {
        // OPSLIMIT_SENSITIVE and MEMLIMIT_SENSITIVE of libsodium: N = 2^20, r = 8, p = 1.
        assert_eq!(parameters(WORK, MEMORY), (20, 8, 1));
        assert_eq!(parameters(0, 1 << 24), (10, 8, 1));
    }

    #[test]
    fn a_sealed_key_needs_its_password() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let text = file([1; 8], &key, Some(b"secret"));
        assert_eq!(SecretKey::read(&text, None).unwrap_err(), KeyError::Encrypted);
        assert_eq!(SecretKey::read(&text, Some(b"Secret")).unwrap_err(), KeyError::Password);
        let read = SecretKey::read(&text, Some(b"secret")).unwrap();
        assert_eq!(read.key.to_bytes(), key.to_bytes());
        assert!(!format!("{read:?}").contains("3, 3"), "no secret is printed");
    }

    #[test]
    fn damage_and_greed_are_refused() {
        let open = file([1; 8], &SigningKey::from_bytes(&[3; 32]), None);
        SecretKey::read(&open, None).unwrap();
        let line = payload(&open).to_owned();
        let mut bytes: [u8; SECRET] = decode(&line).unwrap();
        let text = |bytes: &[u8]| super::super::encode(bytes);
        bytes[80] ^= 1;
        assert!(matches!(SecretKey::read(&text(&bytes), None), Err(KeyError::Malformed(_))));
        bytes[2..4].copy_from_slice(&SCRYPT);
        bytes[38..46].copy_from_slice(&u64::MAX.to_le_bytes());
        let error = SecretKey::read(&text(&bytes), Some(b"x")).unwrap_err();
        assert!(error.to_string().contains("more work"), "{error}");
    }
}
