//! Keys from a seed, for tests: everybody knows them.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "only tests call it")]

use ed25519_dalek::SigningKey;

use crate::{Kind, minisign};

/// A secret key and its public half, as texts of files.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The text of the secret key's file.
    pub secret: String,
    /// The text of the public key's file.
    pub public: String,
}

/// The key of this kind and number; with a password it is encrypted.
pub fn pair(kind: Kind, seed: u8, password: Option<&[u8]>) -> Pair {
    let key = SigningKey::from_bytes(&[seed; 32]);
    match kind {
        Kind::Minisign => Pair {
            secret: minisign::secret_file([seed; 8], &key, password),
            public: minisign::public_file([seed; 8], &key),
        },
        Kind::Ssh => {
            let pair = ssh_key::private::Ed25519Keypair::from_seed(&[seed; 32]);
            let key = ssh_key::PrivateKey::new(pair.into(), "made for a test").unwrap();
            let public = key.public_key().to_openssh().unwrap() + "\n";
            let key = match password {
                // Two rounds: a test should not take its time.
                Some(password) => {
                    let kdf = ssh_key::Kdf::Bcrypt { salt: vec![seed; 16], rounds: 2 };
                    let cipher = ssh_key::Cipher::Aes256Ctr;
                    key.encrypt_with(cipher, kdf, u32::from(seed), password).unwrap()
                }
                None => key,
            };
            Pair { secret: key.to_openssh(ssh_key::LineEnding::LF).unwrap().to_string(), public }
        }
    }
}
