//! Opens a repository: its signed Release, then the indices that the Release vouches for.
//!
//! Two layouts exist (Debian's repository format): `dists/SUITE/COMPONENT/binary-ARCH/Packages`,
//! and flat ones, where `Packages` lies beside `Release`. Either may be signed inline (`InRelease`)
//! or beside (`Release` with `Release.gpg`).

mod read;
mod signed;

use std::collections::HashSet;

use osb_checksum::{sha256, to_hex};

use crate::error::AptError;
use crate::fetch::Fetcher;
use crate::index::Record;
use crate::mirror::{Pin, SourceSpec};
use crate::release::Release;
use signed::Signed;
pub use signed::kept_release;

/// A repository whose signature was checked, with its packages.
#[derive(Clone, Debug)]
pub struct Repository {
    /// The source's name.
    pub name: String,
    /// The URL of the root, without a slash at the end; [`Record::filename`] is relative to it.
    pub base: String,
    /// The suite as the source names it.
    pub suite: String,
    /// The source's priority.
    pub priority: i32,
    /// The source's pins.
    pub pins: Vec<Pin>,
    /// SHA-256 of the signed text in hexadecimal, the same for `InRelease` and `Release`.
    pub release_sha256: String,
    /// `Date` of the Release, in seconds since 1970.
    pub date: i64,
    /// The fingerprint of the certificate whose signature was good.
    pub signed_by: String,
    /// The packages of the wanted architectures and of `all`, sorted by name, version and
    /// architecture.
    pub records: Vec<Record>,
}

impl Repository {
    /// The URL of a record's .deb.
    pub fn url(&self, record: &Record) -> String {
        join_url(&self.base, &record.filename)
    }
}

/// Appends a path to a URL, escaping what may not stand in one.
pub fn join_url(base: &str, path: &str) -> String {
    let mut url = format!("{}/", base.trim_end_matches('/'));
    for byte in path.bytes() {
        // RFC 3986: unreserved, sub-delims, colon, at and slash stand for themselves in a path.
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}

/// Fetches and verifies a source's Release and the indices of `architectures` at the time `now`,
/// in seconds since 1970.
///
/// # Errors
/// See [`AptError`]: a signature, digest or date that does not hold, a component or architecture
/// that the Release does not offer, a broken file, the network.
pub fn open(
    source: &SourceSpec,
    architectures: &[&str],
    fetcher: &Fetcher,
    now: i64,
) -> Result<Repository, AptError> {
    let signed = signed::fetch(source, fetcher, now)?;
    let Signed { verified, url, .. } = &signed;
    let release = Release::parse(&verified.text, url)?;
    release.check(&source.name, url, &source.suite, now)?;
    signed.keep(source, &release, fetcher, now)?;

    let indices = read::indices(source, &release, architectures)?;
    let parts: Vec<Result<Vec<Record>, AptError>> = std::thread::scope(|scope| {
        let read = |index| read::index(source, &release, index, architectures, fetcher);
        let threads: Vec<_> = indices.iter().map(|i| scope.spawn(move || read(i))).collect();
        threads
            .into_iter()
            .map(|t| t.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let mut records = Vec::new();
    for part in parts {
        records.append(&mut part?);
    }
    sort_and_unite(&mut records);
    Ok(Repository {
        name: source.name.clone(),
        base: source.base.trim_end_matches('/').to_owned(),
        suite: source.suite.clone(),
        priority: source.priority,
        pins: source.pins.clone(),
        release_sha256: to_hex(&sha256(verified.text.as_bytes())),
        date: release.date,
        signed_by: verified.certificate.clone(),
        records,
    })
}

/// Sorts, and drops the second copy of what several indices list: packages for all architectures.
fn sort_and_unite(records: &mut Vec<Record>) {
    let mut seen = HashSet::new();
    records.retain(|r| {
        r.architecture != "all"
            || seen.insert((r.name.clone(), r.version.as_str().to_owned(), r.sha256.clone()))
    });
    records.sort_by(|a, b| {
        (&a.name, &a.version, a.version.as_str(), &a.architecture, &a.sha256).cmp(&(
            &b.name,
            &b.version,
            b.version.as_str(),
            &b.architecture,
            &b.sha256,
        ))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_joined_and_escaped() {
        assert_eq!(
            join_url("http://h/d/", "pool/a_1.0~rc+1.deb"),
            "http://h/d/pool/a_1.0~rc+1.deb"
        );
        assert_eq!(join_url("http://h/d", "a%3a#?é.deb"), "http://h/d/a%253a%23%3F%C3%A9.deb");
    }
}
