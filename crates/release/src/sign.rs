//! Signing a release.

use std::path::{Path, PathBuf};

use osb_sign::SecretKey;

use crate::chain::{PROVENANCE, SUMS, signature_name};
use crate::error::ReleaseError;
use crate::shelf::Shelf;
use crate::split::write_whole;

/// Signs `SHA256SUMS` of a folder, and `provenance.json` if there is one; returns what was written.
/// `now` (seconds since 1970) goes into the comment that minisign's signatures carry.
///
/// What is signed is not looked at: [`crate::verify`] should have been content before.
///
/// # Errors
/// If there is no `SHA256SUMS`, the key cannot sign, or a file cannot be written.
pub fn sign(folder: &Path, key: &SecretKey, now: i64) -> Result<Vec<PathBuf>, ReleaseError> {
    let shelf = Shelf::Folder(folder.to_owned());
    let mut signatures = Vec::new();
    for name in [SUMS, PROVENANCE] {
        match shelf.small(name)? {
            Some(bytes) => {
                // As minisign words it.
                let text = key.sign(&bytes, &format!("timestamp:{now}\tfile:{name}\thashed"))?;
                signatures.push((folder.join(signature_name(name, key.kind())), text));
            }
            None if name == SUMS => {
                return Err(ReleaseError::NoSums { place: shelf.to_string() });
            }
            None => {}
        }
    }
    for (path, text) in &signatures {
        write_whole(path, text.as_bytes())?;
    }
    Ok(signatures.into_iter().map(|(path, _)| path).collect())
}
