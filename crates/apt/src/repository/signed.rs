//! The signed Release: fetched, its signature checked, compared with the one that was seen last.

use osb_checksum::{sha256, to_hex};

use crate::error::AptError;
use crate::fetch::Fetcher;
use crate::mirror::SourceSpec;
use crate::openpgp::{Keyring, SignatureError, Verified};
use crate::release::Release;

/// A Release file is not larger than this, in bytes: Debian's, with all its architectures, has
/// 200 kB.
const MAX_RELEASE: u64 = 16 << 20;

/// A Release with a good signature.
pub(super) struct Signed {
    /// What was signed, and by whom.
    pub(super) verified: Verified,
    /// The URL of the text.
    pub(super) url: String,
    /// The files as they came, by their URLs.
    files: Vec<(String, Vec<u8>)>,
}

/// The URLs of a signed Release: inline, else the text and the signature beside it.
struct Urls {
    inline: String,
    text: String,
    detached: String,
}

impl Urls {
    fn new(source: &SourceSpec) -> Urls {
        let folder = source.release_url();
        let url = |name: &str| format!("{folder}{name}");
        Urls { inline: url("InRelease"), text: url("Release"), detached: url("Release.gpg") }
    }
}

/// Fetches `InRelease`, else `Release` and `Release.gpg`, and checks the signature.
pub(super) fn fetch(source: &SourceSpec, fetcher: &Fetcher, now: i64) -> Result<Signed, AptError> {
    let urls = Urls::new(source);
    let refuse = |url: &str, error| {
        let (name, url) = (source.name.clone(), url.to_owned());
        AptError::Signature { name, url, error }
    };
    // Before the network is used: keys that are not what they should be are a mistake here.
    let keyring = Keyring::new(&source.keys).map_err(|error| refuse(&urls.inline, error))?;
    let get = |url: &str| match fetcher.get_small(url, MAX_RELEASE) {
        Err(AptError::Offline { what, url }) => fetcher
            .recall(&url)
            .ok_or(AptError::Offline { what: format!("{what} of source {:?}", source.name), url }),
        other => other,
    };
    match get(&urls.inline) {
        Ok(message) => {
            return inline(&keyring, urls.inline.clone(), message, now)
                .map_err(|error| refuse(&urls.inline, error));
        }
        Err(AptError::NotFound { .. } | AptError::Offline { .. }) => {}
        Err(error) => return Err(error),
    }
    let (message, signature) = (get(&urls.text)?, get(&urls.detached)?);
    let url = urls.text.clone();
    detached(&keyring, urls, message, signature, now).map_err(|error| refuse(&url, error))
}

fn inline(
    keyring: &Keyring,
    url: String,
    message: Vec<u8>,
    now: i64,
) -> Result<Signed, SignatureError> {
    let verified = keyring.verify_cleartext(&message, now)?;
    Ok(Signed { verified, url: url.clone(), files: vec![(url, message)] })
}

fn detached(
    keyring: &Keyring,
    urls: Urls,
    message: Vec<u8>,
    signature: Vec<u8>,
    now: i64,
) -> Result<Signed, SignatureError> {
    let verified = keyring.verify_detached(&message, &signature, now)?;
    let files = vec![(urls.text.clone(), message), (urls.detached, signature)];
    Ok(Signed { verified, url: urls.text, files })
}

impl Signed {
    /// Keeps the files as they came, for `--offline` and for the next comparison: a Release that
    /// is older than the one that was kept is refused. A mirror that lags behind is no harm to
    /// wait for; one that hides security updates is.
    pub(super) fn keep(
        &self,
        source: &SourceSpec,
        release: &Release,
        fetcher: &Fetcher,
        now: i64,
    ) -> Result<(), AptError> {
        if self.url.starts_with("file:") || fetcher.is_offline() {
            return Ok(());
        }
        if let Some(seen) = seen(source, fetcher, now)
            && release.date < seen.date
        {
            return Err(AptError::Older {
                name: source.name.clone(),
                url: self.url.clone(),
                offered: release.date_text.clone(),
                seen: seen.date_text,
            });
        }
        self.files.iter().try_for_each(|(url, bytes)| fetcher.remember(url, bytes))
    }
}

/// The signed Release of `source` with this SHA-256 of its text, as it came: file names and contents.
/// Nothing if the cache has another one by now, or none, or its signature is no longer good.
pub fn kept_release(
    source: &SourceSpec,
    release_sha256: &str,
    fetcher: &Fetcher,
    now: i64,
) -> Vec<(&'static str, Vec<u8>)> {
    let Ok(keyring) = Keyring::new(&source.keys) else { return Vec::new() };
    let urls = Urls::new(source);
    let names = [(urls.inline.clone(), "InRelease"), (urls.text.clone(), "Release")];
    let named = |signed: Signed| {
        let text = signed.verified.text.as_bytes();
        (to_hex(&sha256(text)) == release_sha256).then(|| {
            let name = |url: &str| {
                names.iter().find(|(known, _)| known == url).map_or("Release.gpg", |(_, n)| *n)
            };
            signed.files.into_iter().map(|(url, bytes)| (name(&url), bytes)).collect()
        })
    };
    let message = fetcher.recall(&urls.inline);
    let one = message.and_then(|m| inline(&keyring, urls.inline.clone(), m, now).ok());
    if let Some(files) = one.and_then(named) {
        return files;
    }
    let (message, signature) = (fetcher.recall(&urls.text), fetcher.recall(&urls.detached));
    let two = message.zip(signature).and_then(|(m, s)| {
        let urls = Urls::new(source);
        detached(&keyring, urls, m, s, now).ok()
    });
    two.and_then(named).unwrap_or_default()
}

/// The Release that was kept, if its signature is good still: a damaged or outdated file says
/// nothing.
fn seen(source: &SourceSpec, fetcher: &Fetcher, now: i64) -> Option<Release> {
    let (keyring, urls) = (Keyring::new(&source.keys).ok()?, Urls::new(source));
    let read = |signed: Signed| Release::parse(&signed.verified.text, &signed.url).ok();
    let message = fetcher.recall(&urls.inline);
    let one = message.and_then(|m| inline(&keyring, urls.inline.clone(), m, now).ok());
    let (message, signature) = (fetcher.recall(&urls.text), fetcher.recall(&urls.detached));
    let two = message.zip(signature).and_then(|(m, s)| detached(&keyring, urls, m, s, now).ok());
    [one, two].into_iter().flatten().filter_map(read).max_by_key(|release| release.date)
}
