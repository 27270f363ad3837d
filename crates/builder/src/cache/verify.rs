//! Reading everything that the cache holds, to find out whether it is what was put there.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use osb_checksum::{sha256_file, to_hex};

use super::contents::read;
use super::entry::{self, Found};
use super::lease::Patience;
use super::{Cache, FOLDERS, FRAMES, SUMS, frames, is_hidden, sums};
use crate::error::BuildError;
use crate::event::Event;
use crate::ids;

/// The buckets whose entries are named by the SHA-256 of what they hold.
const NAMED_BY_DIGEST: [&str; 3] = ["debs-v1", "artifacts-v1", "indices-v1"];

/// What to look at, and what to do with what is damaged.
#[derive(Debug)]
pub struct Verification<'a> {
    /// The cache folder.
    pub cache: &'a Path,
    /// Take damaged entries away, so that the next build makes them anew.
    pub remove: bool,
    /// Set by the caller to stop.
    pub cancel: &'a AtomicBool,
}

/// What a verification found.
#[derive(Debug, Clone, Default)]
pub struct Verified {
    /// How many entries were read.
    pub entries: u64,
    /// Those that are not what they were.
    pub damaged: Vec<Damage>,
}

/// An entry that is not what was put there.
#[derive(Debug, Clone)]
pub struct Damage {
    /// Where it lies or lay.
    pub path: PathBuf,
    /// The first thing that is wrong with it.
    pub what: String,
}

/// Reads every entry of the cache. Other runs may go on meanwhile.
///
/// # Errors
/// [`BuildError::Cancelled`], or a folder that cannot be read.
pub fn verify(
    request: &Verification,
    events: &(dyn Fn(Event) + Sync),
) -> Result<Verified, BuildError> {
    let tell = |text| events(Event::Note(text));
    let patience = Patience { cancel: request.cancel, tell: &tell, wait: true };
    if !request.cache.join(ids::FILE).exists() {
        // No run has used it: it is no cache.
        return Ok(Verified::default());
    }
    let cache = Cache::open(request.cache, &patience)?;
    let go_on = || match request.cancel.load(Ordering::Relaxed) {
        true => Err(BuildError::Cancelled),
        false => Ok(()),
    };
    let mut verified = Verified::default();
    for bucket in NAMED_BY_DIGEST.into_iter().chain([FRAMES, SUMS]).chain(FOLDERS) {
        let entries = read(&cache.root.join(bucket))?;
        for path in entries.iter().filter(|entry| !is_hidden(entry)).map(std::fs::DirEntry::path) {
            go_on()?;
            events(Event::Detail { text: path.display().to_string() });
            let what = look(bucket, &path, &go_on)?;
            verified.entries += 1;
            let Some(what) = what else { continue };
            if request.remove {
                let again = || Ok(look(bucket, &path, &go_on)?.is_some());
                cache.discard(&path, &patience, again)?;
            }
            verified.damaged.push(Damage { path, what });
        }
    }
    Ok(verified)
}

/// What is wrong with an entry, if anything is.
fn look(
    bucket: &str,
    path: &Path,
    go_on: &dyn Fn() -> Result<(), BuildError>,
) -> Result<Option<String>, BuildError> {
    let what = match bucket {
        FRAMES => frames::damage(path),
        SUMS => sums::damage(path),
        _ if FOLDERS.contains(&bucket) => folder(path, go_on)?,
        _ => file(path),
    };
    // Another run may have taken it away.
    Ok(what.filter(|_| path.exists()))
}

fn folder(
    path: &Path,
    go_on: &dyn Fn() -> Result<(), BuildError>,
) -> Result<Option<String>, BuildError> {
    Ok(match entry::verify(path, go_on)? {
        Found::Damaged(mismatch) => Some(mismatch.to_string()),
        Found::Whole(_) | Found::Missing => None,
    })
}

fn file(path: &Path) -> Option<String> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    match sha256_file(path) {
        Ok(digest) if to_hex(&digest) == name => None,
        Ok(digest) => Some(format!("its SHA-256 is {}", to_hex(&digest))),
        Err(error) => Some(error.to_string()),
    }
}
