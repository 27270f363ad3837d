//! From a vault into the cache, or nowhere: then it is only verified.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use osb_apt::{Lock, Shelf};
use tempfile::NamedTempFile;

use super::VaultReport;
use super::index::{FileKind, VaultFile, VaultIndex};
use super::read::{Fault, Reader, copy, read};
use crate::cache::Cache;
use crate::cache::lease::Patience;
use crate::error::BuildError;
use crate::event::Event;
use crate::{partial, space};

/// What to do with a vault.
#[derive(Debug, Clone, Copy)]
pub struct Import<'a> {
    /// The vault: a folder or a tar.
    pub source: &'a Path,
    /// The cache to fill; none to verify only.
    pub cache: Option<&'a Path>,
    /// Where to write the vault's lock; there must be no file.
    pub lock: Option<&'a Path>,
    /// Set by the caller to stop.
    pub cancel: &'a AtomicBool,
}

/// Checks every file of a vault against its index and brings packages and artifacts into the cache.
/// An entry of the cache appears when its file was checked, whatever comes after it.
///
/// # Errors
/// See [`BuildError`]: a vault that is damaged or hostile, or does not fit into the cache.
pub fn import(
    request: &Import,
    events: &(dyn Fn(Event) + Sync),
) -> Result<VaultReport, BuildError> {
    if let Some(lock) = request.lock
        && lock.exists()
    {
        return Err(BuildError::Exists(lock.to_owned()));
    }
    let tell = |text| events(Event::Note(text));
    let patience = Patience { cancel: request.cancel, tell: &tell, wait: true };
    let cache = request.cache.map(|root| Cache::open(root, &patience)).transpose()?;
    let mut importer = Importer { request, cache: cache.as_ref(), events, lock: Vec::new() };
    let (stage, begun) = (importer.stage(), Instant::now());
    let index = read(request.source, &mut importer).map_err(|fault| fault.at(request.source))?;
    let summary = format!("{} files", index.files.len());
    events(Event::End { stage, summary, elapsed: begun.elapsed() });
    let text = String::from_utf8(std::mem::take(&mut importer.lock))
        .map_err(|_| Fault::Bad("its lock is not UTF-8".into()).at(request.source))?;
    if let Some(problem) = lacks(&index, &text) {
        events(Event::Warning(format!("the vault {}: {problem}", request.source.display())));
    }
    if let Some(path) = request.lock {
        partial::write(path, &text)?;
    }
    Ok(VaultReport { path: request.source.to_owned(), index, written: cache.is_some() })
}

/// What the vault does not have of what its lock names, for its hosts; every file that its index names
/// is there.
fn lacks(index: &VaultIndex, lock: &str) -> Option<String> {
    let lock = match Lock::parse(lock) {
        Ok(lock) => lock,
        Err(error) => return Some(format!("its lock cannot be read by this osb: {error}")),
    };
    let there: BTreeSet<&str> = index.files.iter().map(|file| file.sha256.as_str()).collect();
    let tools = lock.tools.iter().filter(|tool| index.hosts.contains(&tool.host));
    let packages = lock.packages.iter().chain(tools.map(|tool| &tool.package));
    let names: Vec<&str> = (packages.map(|package| (&package.name, &package.sha256)))
        .chain(lock.artifacts.iter().map(|file| (&file.url, &file.sha256)))
        .filter(|(_, sha256)| !there.contains(sha256.as_str()))
        .map(|(name, _)| name.as_str())
        .collect();
    let first = names.first()?;
    let count = names.len();
    Some(format!(
        "it lacks {count} of what its lock names, first {first}: a build needs them from elsewhere"
    ))
}

struct Importer<'a> {
    request: &'a Import<'a>,
    cache: Option<&'a Cache>,
    events: &'a (dyn Fn(Event) + Sync),
    lock: Vec<u8>,
}

impl Importer<'_> {
    fn stage(&self) -> &'static str {
        if self.cache.is_some() { "import" } else { "verify" }
    }

    /// Where the file goes; nothing if it is only checked.
    fn place(&self, file: &VaultFile) -> Option<PathBuf> {
        let shelf = match file.kind {
            FileKind::Package => Shelf::Packages,
            FileKind::Artifact => Shelf::Artifacts,
            // Evidence for people: which mirror they came from is not known here.
            FileKind::Release | FileKind::Lock => return None,
        };
        self.cache.map(|cache| shelf.path(&cache.root, &file.sha256))
    }
}

impl Reader for Importer<'_> {
    fn begin(&mut self, index: &VaultIndex) -> Result<(), Fault> {
        if let Some(cache) = self.cache {
            space::room(&cache.root, index.bytes())?;
        }
        (self.events)(Event::Begin { stage: self.stage(), total: Some(index.bytes()) });
        Ok(())
    }

    fn file(&mut self, file: &VaultFile, content: &mut dyn Read) -> Result<(), Fault> {
        (self.events)(Event::Detail { text: file.name.clone() });
        let (events, cancel) = (self.events, self.request.cancel);
        let mut advance = |bytes| {
            events(Event::Advance { bytes });
            match cancel.load(Ordering::Relaxed) {
                true => Err(BuildError::Cancelled),
                false => Ok(()),
            }
        };
        match self.place(file) {
            Some(path) => {
                let mut part = beside(&path)?;
                copy(file, content, part.as_file_mut(), &mut advance)?;
                name(part, &path)?;
            }
            None if file.kind == FileKind::Lock => {
                // A lock is text for people, too: a few hundred kilobytes.
                if file.size > super::index::MAX_INDEX {
                    return Err(Fault::Bad(format!("its lock has {} bytes", file.size)));
                }
                let mut text = Vec::new();
                copy(file, content, &mut text, &mut advance)?;
                self.lock = text;
            }
            None => copy(file, content, &mut io::sink(), &mut advance)?,
        }
        Ok(())
    }
}

/// A temporary file in the folder of `path`, called as the cache's sweep knows it.
fn beside(path: &Path) -> Result<NamedTempFile, BuildError> {
    let folder = partial::folder(path);
    fs::create_dir_all(folder).map_err(BuildError::io("making", folder))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".part").tempfile_in(folder).map_err(BuildError::io("making a file in", folder))
}

fn name(mut part: NamedTempFile, path: &Path) -> Result<(), BuildError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::Permissions::from_mode(0o644);
    part.flush()
        .and_then(|()| part.as_file().set_permissions(mode))
        .and_then(|()| part.persist(path).map(drop).map_err(|error| error.error))
        .map_err(BuildError::io("writing", path))
}
