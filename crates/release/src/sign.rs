//! Signing a release.

use std::path::{Path, PathBuf};

use osb_sign::SecretKey;

use crate::chain::signature_name;
use crate::error::ReleaseError;
use crate::split::write_whole;

/// Signs documents of a folder, names and content; returns what was written. `now` (seconds since
/// 1970) goes into the comment that minisign's signatures carry.
///
/// The content is what [`crate::verify`] has looked at ([`crate::Verified::documents`]), and is not
/// read again: what somebody has changed since then is not signed.
///
/// # Errors
/// If the key cannot sign, or a file cannot be written.
pub fn sign<'a>(
    folder: &Path,
    documents: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    key: &SecretKey,
    now: i64,
) -> Result<Vec<PathBuf>, ReleaseError> {
    let mut signatures = Vec::new();
    for (name, bytes) in documents {
        // As minisign words it.
        let text = key.sign(bytes, &format!("timestamp:{now}\tfile:{name}\thashed"))?;
        signatures.push((folder.join(signature_name(name, key.kind())), text));
    }
    for (path, text) in &signatures {
        write_whole(path, text.as_bytes())?;
    }
    Ok(signatures.into_iter().map(|(path, _)| path).collect())
}
