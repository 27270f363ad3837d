//! What the files beside an image say of it: `SHA256SUMS`, and `metadata.json`, which it names.
//!
//! The chain is read from its beginning: nothing of a file is believed before its digest is known to
//! be the promised one.

use osb_blockmap::BlockMap;
use osb_checksum::{Digest, Sums, parse_hex, sha256};
use osb_metadata::{ArtifactInfo, Metadata, MetadataError};
use osb_release::{Signed, signed};
use osb_sign::Keys;

use super::error::SourceError;

/// The list of digests in a folder.
pub(super) const SUMS: &str = "SHA256SUMS";
/// The description of a build.
pub(super) const METADATA: &str = "metadata.json";
/// The images that a build may leave, the best to write first.
pub(super) const IMAGES: [&str; 2] = ["disk.img", "sd.img.zst"];
/// Most bytes of either file. The largest map of a disk of 64 GiB has a third of it.
pub(super) const MOST: u64 = 16 << 20;

/// What is said of the files of a folder.
#[derive(Debug, Clone)]
pub(super) struct Promise {
    pub(super) sums: Option<Sums>,
    pub(super) metadata: Option<Metadata>,
    /// Who vouches for the list.
    pub(super) signed: Signed,
}

/// What is said of one image.
#[derive(Debug, Clone, Default)]
pub(super) struct Word {
    /// Length of the file in bytes, and its SHA-256, as it lies there.
    pub(super) size: Option<u64>,
    pub(super) digest: Option<Digest>,
    /// Length of its content in bytes, and the SHA-256 of that, without compression.
    pub(super) content_size: Option<u64>,
    pub(super) content_digest: Option<Digest>,
    /// What of the content must be written.
    pub(super) map: Option<BlockMap>,
}

impl Promise {
    /// Nobody says anything.
    pub(super) fn none() -> Promise {
        Promise { sums: None, metadata: None, signed: Signed::Nobody }
    }

    /// Takes the files as they were read; `None` for one that is not there. `place` is for errors;
    /// `beside` reads signatures.
    pub(super) fn read(
        place: &str,
        sums: Option<&[u8]>,
        metadata: Option<&[u8]>,
        keys: Option<&Keys>,
        beside: impl Fn(&str) -> Result<Option<Vec<u8>>, SourceError>,
    ) -> Result<Promise, SourceError> {
        let signed = match sums {
            Some(bytes) => signed(place, SUMS, bytes, keys, beside)?,
            None => Signed::Nobody,
        };
        let promise = Promise::of_files(place, sums, metadata)?;
        Ok(Promise { signed, ..promise })
    }

    /// The same without a look at who has signed.
    fn of_files(
        place: &str,
        sums: Option<&[u8]>,
        metadata: Option<&[u8]>,
    ) -> Result<Promise, SourceError> {
        let sums = sums.map(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            Sums::parse(&text)
                .map_err(|source| SourceError::Sums { place: place.to_owned(), source })
        });
        let sums = sums.transpose()?;
        // One that the list does not name is nothing of this list's.
        let promised = sums.as_ref().map(|sums| sums.get(METADATA).copied());
        let metadata = metadata.filter(|_| promised != Some(None));
        let Some(bytes) = metadata else { return Ok(Promise { sums, ..Promise::none() }) };
        if let Some(Some(expected)) = promised {
            same(expected, sha256(bytes), || {
                format!("{place}: {METADATA} is not what {SUMS} says")
            })?;
        }
        let metadata = match osb_metadata::from_json(&String::from_utf8_lossy(bytes)) {
            Ok(metadata) => Some(metadata),
            // Other programs call their files so, too.
            Err(MetadataError::Json(_)) if sums.is_none() => None,
            Err(source) => return Err(SourceError::Metadata { place: place.to_owned(), source }),
        };
        Ok(Promise { sums, metadata, ..Promise::none() })
    }

    /// Wants the list to name the image, if somebody must have signed it.
    pub(super) fn vouches(
        &self,
        place: &str,
        name: &str,
        keys: Option<&Keys>,
    ) -> Result<(), SourceError> {
        let listed = self.sums.as_ref().is_some_and(|sums| sums.get(name).is_some());
        match keys {
            Some(_) if !listed => {
                Err(SourceError::NotSigned { place: place.to_owned(), name: name.to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// The same with the other file, which was read later.
    pub(super) fn with_metadata(self, place: &str, bytes: &[u8]) -> Result<Promise, SourceError> {
        let sums = self.sums.as_ref().map(ToString::to_string);
        let promise = Promise::of_files(place, sums.as_ref().map(String::as_bytes), Some(bytes))?;
        Ok(Promise { signed: self.signed, ..promise })
    }

    fn artifact(&self, name: &str) -> Option<&ArtifactInfo> {
        let metadata = self.metadata.as_ref()?;
        metadata.artifacts.iter().find(|artifact| artifact.name == name)
    }

    /// What is said of the image `name`; nothing if nobody speaks of it. `place` is for errors.
    pub(super) fn of(&self, place: &str, name: &str) -> Result<Word, SourceError> {
        let contradiction = |what: &str| SourceError::Contradiction {
            link: format!("{place}: {what} of {name} in {METADATA} cannot be"),
        };
        let listed = self.sums.as_ref().and_then(|sums| sums.get(name)).copied();
        let Some(artifact) = self.artifact(name) else {
            return Ok(Word { digest: listed, ..Word::default() });
        };
        let hex = |text: &str| parse_hex(text).map_err(|_| contradiction("the SHA-256"));
        let digest = hex(&artifact.sha256)?;
        if let Some(listed) = listed {
            same(listed, digest, || {
                format!("{place}: {METADATA} says another SHA-256 of {name} than {SUMS}")
            })?;
        }
        let map = self.metadata.as_ref().and_then(|metadata| metadata.block_map.as_ref());
        let map = map.map(|map| map.to_map().map_err(|_| contradiction("the block map")));
        let map = map.transpose()?;
        let (content_size, content_digest) = match &artifact.content_sha256 {
            Some(content) => (artifact.content_size, Some(hex(content)?)),
            None => (Some(artifact.size), Some(digest)),
        };
        if map.as_ref().is_some_and(|map| Some(map.size()) != content_size) {
            return Err(contradiction("the size"));
        }
        let size = Some(artifact.size);
        Ok(Word { size, digest: Some(digest), content_size, content_digest, map })
    }
}

/// An error with what `link` says, unless the two are the same.
pub(super) fn same(
    expected: Digest,
    found: Digest,
    link: impl FnOnce() -> String,
) -> Result<(), SourceError> {
    match expected == found {
        true => Ok(()),
        false => Err(SourceError::Digest { link: link(), expected, found }),
    }
}
