//! OpenPGP keys, good ones and bad ones.

use pgp::armor::{self, BlockType};
use pgp::composed::KeyType;
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{
    KeyFlags, PacketTrait, PubKeyInner, PublicKey, PublicSubkey, SecretKey, SecretSubkey,
    Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData, UserId,
};
use pgp::types::{Duration, KeyDetails, KeyVersion, Password, Tag, Timestamp};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::NOW;
use crate::sign::Raw;

/// A secret key with its certificate.
#[derive(Clone, Debug)]
pub struct Key {
    pub(crate) primary: SecretKey,
    pub(crate) subkey: Option<SecretSubkey>,
    certificate: Vec<u8>,
    /// Where the subkey begins in the certificate.
    subkey_at: usize,
}

/// Makes keys with special properties; [`Key::build`] begins one.
#[derive(Clone, Debug)]
pub struct KeyBuilder {
    seed: u64,
    user: String,
    created: i64,
    expires_after: Option<u32>,
    rsa: Option<u32>,
    revoked: bool,
    may_sign: bool,
    weak: bool,
    subkey: bool,
    subkey_expires_after: Option<u32>,
    subkey_revoked: bool,
    subkey_consents: bool,
    subkey_weak: bool,
}

impl Key {
    /// An Ed25519 key made a year before [`NOW`], which signs with its primary key.
    pub fn new(seed: u64) -> Key {
        Key::build(seed).finish()
    }

    /// Begins a special key.
    pub fn build(seed: u64) -> KeyBuilder {
        KeyBuilder {
            seed,
            user: format!("Test Key {seed} <key{seed}@example.org>"),
            created: NOW - 365 * 86_400,
            expires_after: None,
            rsa: None,
            revoked: false,
            may_sign: true,
            weak: false,
            subkey: false,
            subkey_expires_after: None,
            subkey_revoked: false,
            subkey_consents: true,
            subkey_weak: false,
        }
    }

    /// The primary key's fingerprint, 40 upper-case hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        self.primary.fingerprint().to_string().to_uppercase()
    }

    /// The fingerprint of the key that signs: the subkey's if there is one.
    pub fn signing_fingerprint(&self) -> String {
        match &self.subkey {
            Some(subkey) => subkey.fingerprint().to_string().to_uppercase(),
            None => self.fingerprint(),
        }
    }

    /// The certificate, binary.
    pub fn certificate(&self) -> Vec<u8> {
        self.certificate.clone()
    }

    /// The part of the certificate that is the subkey with its signatures, binary.
    pub fn subkey_packets(&self) -> Vec<u8> {
        self.certificate[self.subkey_at..].to_vec()
    }

    /// The certificate, armoured.
    pub fn armored(&self) -> String {
        let mut out = Vec::new();
        let raw = Raw(self.certificate.clone());
        armor::write(&raw, BlockType::PublicKey, &mut out, None, true).unwrap();
        String::from_utf8(out).unwrap()
    }
}

impl KeyBuilder {
    /// Sets the creation time, in seconds since 1970.
    #[must_use]
    pub fn created(mut self, unix: i64) -> Self {
        self.created = unix;
        self
    }

    /// Lets the key expire so many seconds after its creation.
    #[must_use]
    pub fn expires_after(mut self, seconds: u32) -> Self {
        self.expires_after = Some(seconds);
        self
    }

    /// Makes an RSA key of so many bits instead.
    #[must_use]
    pub fn rsa(mut self, bits: u32) -> Self {
        self.rsa = Some(bits);
        self
    }

    /// Revokes the key.
    #[must_use]
    pub fn revoked(mut self) -> Self {
        self.revoked = true;
        self
    }

    /// Leaves out the flag that lets the primary key sign data.
    #[must_use]
    pub fn certify_only(mut self) -> Self {
        self.may_sign = false;
        self
    }

    /// Signs the user id with SHA-1, as old keys do; for RSA keys.
    #[must_use]
    pub fn weak_self_signature(mut self) -> Self {
        self.weak = true;
        self
    }

    /// Adds a subkey, which then signs in place of the primary key.
    #[must_use]
    pub fn subkey(mut self) -> Self {
        self.subkey = true;
        self
    }

    /// Lets the subkey expire so many seconds after its creation.
    #[must_use]
    pub fn subkey_expires_after(mut self, seconds: u32) -> Self {
        (self.subkey, self.subkey_expires_after) = (true, Some(seconds));
        self
    }

    /// Revokes the subkey.
    #[must_use]
    pub fn subkey_revoked(mut self) -> Self {
        (self.subkey, self.subkey_revoked) = (true, true);
        self
    }

    /// Leaves out the subkey's own signature that it belongs to the primary key.
    #[must_use]
    pub fn subkey_without_consent(mut self) -> Self {
        (self.subkey, self.subkey_consents) = (true, false);
        self
    }

    /// Binds the subkey with SHA-1; for RSA keys.
    #[must_use]
    pub fn subkey_weak_binding(mut self) -> Self {
        (self.subkey, self.subkey_weak) = (true, true);
        self
    }

    /// Makes the key.
    pub fn finish(self) -> Key {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let kind = self.rsa.map_or(KeyType::Ed25519Legacy, KeyType::Rsa);
        let created = Timestamp::from_secs(u32::try_from(self.created).unwrap());
        let mut inner = || {
            let (public, secret) = kind.generate(&mut rng).unwrap();
            let key = PubKeyInner::new(KeyVersion::V4, kind.to_alg(), created, None, public);
            (key.unwrap(), secret)
        };
        let (public, secret) = inner();
        let primary = SecretKey::new(PublicKey::from_inner(public).unwrap(), secret).unwrap();
        let subkey = self.subkey.then(|| {
            let (public, secret) = inner();
            SecretSubkey::new(PublicSubkey::from_inner(public).unwrap(), secret).unwrap()
        });

        let mut certificate = Vec::new();
        let public = primary.public_key();
        public.to_writer_with_header(&mut certificate).unwrap();
        if self.revoked {
            let config = self.config(&primary, SignatureType::KeyRevocation, false, vec![]);
            push(config.sign_key(&primary, &Password::empty(), public), &mut certificate);
        }
        let user = UserId::from_str(Default::default(), &self.user).unwrap();
        user.to_writer_with_header(&mut certificate).unwrap();
        let mut extra = vec![flags(true, self.may_sign)];
        extra.extend(expiry(self.expires_after));
        let config = self.config(&primary, SignatureType::CertPositive, self.weak, extra);
        let password = Password::empty();
        push(
            config.sign_certification(&primary, public, &password, Tag::UserId, &user),
            &mut certificate,
        );
        let subkey_at = certificate.len();
        if let Some(subkey) = &subkey {
            self.push_subkey(&primary, subkey, &mut certificate);
        }
        Key { primary, subkey, certificate, subkey_at }
    }

    fn push_subkey(&self, primary: &SecretKey, subkey: &SecretSubkey, out: &mut Vec<u8>) {
        let (public, sub) = (primary.public_key(), subkey.public_key());
        let password = Password::empty();
        sub.to_writer_with_header(out).unwrap();
        let mut extra = vec![flags(false, true)];
        extra.extend(expiry(self.subkey_expires_after));
        if self.subkey_consents {
            let mut config = SignatureConfig::v4(
                SignatureType::KeyBinding,
                subkey.algorithm(),
                HashAlgorithm::Sha256,
            );
            config.hashed_subpackets = issued(self.created, subkey);
            let back = config.sign_primary_key_binding(subkey, sub, &password, public).unwrap();
            extra.push(SubpacketData::EmbeddedSignature(Box::new(back)));
        }
        let config = self.config(primary, SignatureType::SubkeyBinding, self.subkey_weak, extra);
        push(config.sign_subkey_binding(primary, public, &password, sub), out);
        if self.subkey_revoked {
            let config = self.config(primary, SignatureType::SubkeyRevocation, false, vec![]);
            push(config.sign_subkey_binding(primary, public, &password, sub), out);
        }
    }

    fn config(
        &self,
        signer: &SecretKey,
        kind: SignatureType,
        weak: bool,
        extra: Vec<SubpacketData>,
    ) -> SignatureConfig {
        let hash = if weak { HashAlgorithm::Sha1 } else { HashAlgorithm::Sha256 };
        let mut config = SignatureConfig::v4(kind, signer.algorithm(), hash);
        config.hashed_subpackets = issued(self.created, signer);
        config.hashed_subpackets.extend(extra.into_iter().map(|d| Subpacket::regular(d).unwrap()));
        config
    }
}

/// Time and issuer of a signature.
pub(crate) fn issued(created: i64, signer: &impl KeyDetails) -> Vec<Subpacket> {
    let created = Timestamp::from_secs(u32::try_from(created).unwrap());
    vec![
        Subpacket::critical(SubpacketData::SignatureCreationTime(created)).unwrap(),
        Subpacket::regular(SubpacketData::IssuerFingerprint(signer.fingerprint())).unwrap(),
        Subpacket::regular(SubpacketData::IssuerKeyId(signer.legacy_key_id())).unwrap(),
    ]
}

fn flags(certify: bool, sign: bool) -> SubpacketData {
    let mut flags = KeyFlags::default();
    flags.set_certify(certify);
    flags.set_sign(sign);
    SubpacketData::KeyFlags(flags)
}

fn expiry(after: Option<u32>) -> Option<SubpacketData> {
    after.map(|s| SubpacketData::KeyExpirationTime(Duration::from_secs(s)))
}

fn push(signature: pgp::errors::Result<Signature>, out: &mut Vec<u8>) {
    signature.unwrap().to_writer_with_header(out).unwrap();
}
