//! Certificates: the authority that the image pins, one that it does not know, and what they sign.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

/// A certificate authority.
#[derive(Debug)]
pub(super) struct Authority {
    params: CertificateParams,
    key: KeyPair,
    /// Its own certificate, as `ca.pem` has it.
    pub(super) pem: String,
}

/// From when to when a certificate is valid, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Validity {
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Authority {
    /// A new one, of this name.
    pub(super) fn new(name: &str) -> Result<Self> {
        let key = KeyPair::generate()?;
        let params = parameters(name)?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { params, key, pem })
    }

    /// The one that is kept in `folder`; made if there is none. An image that pins it is good for
    /// later runs, too.
    pub(super) fn kept(folder: &Path, name: &str) -> Result<Self> {
        let (certificate, key) = (folder.join("ca.pem"), folder.join("ca.key"));
        if !certificate.exists() {
            let new = Self::new(name)?;
            fs::write(&key, new.key.serialize_pem())?;
            fs::write(&certificate, &new.pem)?;
            return Ok(new);
        }
        let read = |path| fs::read_to_string(path).with_context(|| format!("reading {path:?}"));
        Ok(Self {
            params: parameters(name)?,
            key: KeyPair::from_pem(&read(&key)?)?,
            pem: read(&certificate)?,
        })
    }

    /// What a server at `address` needs to show a certificate of this authority.
    pub(super) fn server(&self, address: &str, validity: Validity) -> Result<Arc<ServerConfig>> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![address.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, "bootstrap server");
        params.use_authority_key_identifier_extension = true;
        let at = |seconds| date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
        (params.not_before, params.not_after) = (at(validity.from), at(validity.to));
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(|error| anyhow::anyhow!("a key of our own: {error}"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        Ok(Arc::new(config))
    }
}

/// An authority's certificate but for its key. It is valid at any time that a guest may have.
fn parameters(name: &str) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2099, 1, 1));
    Ok(params)
}
