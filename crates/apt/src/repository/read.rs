//! Which indices a source needs, and reading one: fetched, checked, decompressed, parsed.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use osb_checksum::{sha256, to_hex};

use crate::deb::Compression;
use crate::error::{AptError, io};
use crate::fetch::Fetcher;
use crate::index::{Record, parse_packages};
use crate::mirror::SourceSpec;
use crate::release::{IndexEntry, Release};

/// No index is larger than this when decompressed, in bytes; Debian's main has 55 MB.
const MAX_INDEX: u64 = 1 << 30;

/// How an index may be compressed, the smallest first.
const COMPRESSIONS: [Compression; 4] =
    [Compression::Xz, Compression::Zstd, Compression::Gzip, Compression::None];

/// An index that the Release vouches for.
#[derive(Debug)]
pub(super) struct Index {
    /// Relative to the Release file, without the compression's extension.
    path: String,
    compression: Compression,
    entry: IndexEntry,
}

/// The indices of the wanted components and architectures.
pub(super) fn indices(
    source: &SourceSpec,
    release: &Release,
    architectures: &[&str],
) -> Result<Vec<Index>, AptError> {
    let missing = |kind, wanted: &str, offered: String| {
        let (name, wanted) = (source.name.clone(), wanted.to_owned());
        Err(AptError::NotOffered { name, kind, wanted, offered })
    };
    if source.is_flat() {
        return match find(release, "Packages".to_owned()) {
            Some(index) => Ok(vec![index]),
            None => missing("index", "Packages", list(release.files.keys().cloned())),
        };
    }
    if source.components.is_empty() {
        return missing("component", "", list(release.components.iter().cloned()));
    }
    let mut indices = Vec::new();
    for component in &source.components {
        // Debian's security archive offers `updates/main` and keeps it under `main/`; apt
        // compares what follows the last slash, too (apt-pkg/deb/debmetaindex.cc).
        let offered = |known: &String| known.rsplit('/').next() == Some(component.as_str());
        if !release.components.contains(component) && !release.components.iter().any(offered) {
            return missing("component", component, list(release.components.iter().cloned()));
        }
        for architecture in architectures {
            if !release.architectures.iter().any(|a| a == architecture) {
                let offered = list(release.architectures.iter().cloned());
                return missing("architecture", architecture, offered);
            }
            match find(release, format!("{component}/binary-{architecture}/Packages")) {
                Some(index) => indices.push(index),
                None => {
                    let wanted = format!("{component}/binary-{architecture}/Packages");
                    let ours = |p: &&String| p.contains("/Packages");
                    return missing(
                        "index",
                        &wanted,
                        list(release.files.keys().filter(ours).cloned()),
                    );
                }
            }
        }
        // Repositories that keep packages for all architectures apart list them here.
        if release.architectures.iter().any(|a| a == "all") && !release.all_in_every_index {
            indices.extend(find(release, format!("{component}/binary-all/Packages")));
        }
    }
    Ok(indices)
}

fn list(words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<String> = words.collect();
    words.sort();
    let more = words.len().saturating_sub(20);
    words.truncate(20);
    match (words.is_empty(), more) {
        (true, _) => "nothing".to_owned(),
        (_, 0) => words.join(", "),
        _ => format!("{} and {more} more", words.join(", ")),
    }
}

/// The best compression of an index that the Release lists.
fn find(release: &Release, path: String) -> Option<Index> {
    let (compression, entry) = COMPRESSIONS.into_iter().find_map(|c| {
        release.files.get(&format!("{path}{}", c.ending())).map(|entry| (c, *entry))
    })?;
    Some(Index { path, compression, entry })
}

/// Fetches and parses one index.
pub(super) fn index(
    source: &SourceSpec,
    release: &Release,
    index: &Index,
    architectures: &[&str],
    fetcher: &Fetcher,
) -> Result<Vec<Record>, AptError> {
    let folder = source.release_url();
    let name = format!("{}{}", index.path, index.compression.ending());
    let url = format!("{folder}{name}");
    let digest = to_hex(&index.entry.sha256);
    let mut urls = Vec::new();
    if release.acquire_by_hash {
        let (parent, _) = name.rsplit_once('/').map_or(("", ""), |(p, f)| (p, f));
        let slash = if parent.is_empty() { "" } else { "/" };
        urls.push(format!("{folder}{parent}{slash}by-hash/SHA256/{digest}"));
    }
    urls.push(url.clone());
    let what = format!("the index {name} of source {:?}", source.name);
    let path = fetcher.fetch_index(&what, &urls, &digest, index.entry.size)?;

    let signed = release.files.get(&index.path).filter(|_| index.compression != Compression::None);
    let text = decompress(&path, index.compression, &what, &url, signed)?;
    let wanted = |a: &str| a == "all" || architectures.contains(&a);
    parse_packages(&text, &url, wanted)
}

/// Reads a whole index into memory, no further than its signed size.
fn decompress(
    path: &Path,
    compression: Compression,
    what: &str,
    url: &str,
    signed: Option<&IndexEntry>,
) -> Result<String, AptError> {
    let broken = |problem: String| AptError::Compression { url: url.to_owned(), problem };
    let file = BufReader::with_capacity(128 << 10, File::open(path).map_err(io("opening", path))?);
    let reader = compression.decode(file).map_err(|e| broken(e.to_string()))?;
    let limit = signed.map_or(MAX_INDEX, |entry| entry.size.min(MAX_INDEX));
    let mut bytes = Vec::with_capacity(signed.map_or(0, |_| limit.min(128 << 20) as usize));
    reader.take(limit + 1).read_to_end(&mut bytes).map_err(|e| broken(e.to_string()))?;
    if bytes.len() as u64 > limit {
        return Err(broken(format!("it holds more than {limit} bytes")));
    }
    if let Some(entry) = signed {
        let (what, url) = (format!("{what}, decompressed,"), url.to_owned());
        if bytes.len() as u64 != entry.size {
            let actual = format!("{} bytes", bytes.len());
            return Err(AptError::Size { what, url, expected: entry.size, actual });
        }
        let digest = sha256(&bytes);
        if digest != entry.sha256 {
            let (expected, actual) = (to_hex(&entry.sha256), to_hex(&digest));
            return Err(AptError::Digest { what, url, expected, actual });
        }
    }
    String::from_utf8(bytes).map_err(|e| broken(format!("it is not valid UTF-8: {e}")))
}
