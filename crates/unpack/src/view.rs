//! What a program in the sandbox would see, looked at from outside: overlay layers, not mounted.

use std::collections::{HashMap, HashSet};
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::error::UnpackError;

/// Links followed on one path, as in the kernel's own walk.
const MAX_LINKS: u32 = 40;
/// How overlayfs marks a directory that hides what lies below it, without privileges (`userxattr`).
const OPAQUE: &str = "user.overlay.opaque";

/// Layers over each other: `upper`, then `files`, which grows while one looks, then `below`.
pub(crate) struct View {
    upper: PathBuf,
    files: PathBuf,
    /// Topmost first.
    below: Vec<PathBuf>,
    /// Directories of `files`: each was made by this crate, none is reached over a link.
    made: HashSet<String>,
    visible: HashMap<String, Visible>,
    /// Directories by a path that may lead over links, to one that does not.
    directories: HashMap<String, String>,
}

/// Which layers may have something to be seen in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Visible {
    upper: bool,
    /// Not whether `files` has the directory, but whether one there would be seen.
    files: bool,
    /// Those that have it, topmost first.
    below: Vec<usize>,
}

/// Something that exists.
pub(crate) struct Found {
    /// Where it lies on the host.
    pub(crate) path: PathBuf,
    pub(crate) stat: Metadata,
}

impl View {
    /// `files` is empty, `below` topmost first.
    pub(crate) fn new(upper: &Path, files: &Path, below: &[PathBuf]) -> Self {
        View {
            upper: upper.to_owned(),
            files: files.to_owned(),
            below: below.to_vec(),
            made: HashSet::from([String::new()]),
            visible: HashMap::new(),
            directories: HashMap::new(),
        }
    }

    /// To be called first if `files` has directories.
    pub(crate) fn note_existing(&mut self, real: &str) -> Result<(), UnpackError> {
        self.note_made(real);
        let folder = self.files.join(real);
        for entry in fs::read_dir(&folder).map_err(UnpackError::io("reading", &folder))? {
            let entry = entry.map_err(UnpackError::io("reading", &folder))?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.note_existing(&join(real, &entry.file_name().to_string_lossy()))?;
            }
        }
        Ok(())
    }

    /// To be called when `upper` was changed by others.
    pub(crate) fn refresh(&mut self) {
        self.visible.clear();
        self.directories.clear();
    }

    /// What is at a path whose parent is free of links; the last component is not followed.
    pub(crate) fn look(&mut self, real: &str) -> Result<Option<Found>, UnpackError> {
        for root in self.roots(parent_of(real))? {
            if let Some(found) = stat(&root.join(real))? {
                return Ok((!is_whiteout(&found.stat)).then_some(found));
            }
        }
        Ok(None)
    }

    /// The layers that have this directory where it can be seen, topmost first.
    fn roots(&mut self, directory: &str) -> Result<Vec<PathBuf>, UnpackError> {
        let seen = self.visible(directory)?;
        let upper = seen.upper.then_some(&self.upper);
        let files = (seen.files && self.made.contains(directory)).then_some(&self.files);
        let below = seen.below.iter().map(|index| &self.below[*index]);
        Ok(upper.into_iter().chain(files).chain(below).cloned().collect())
    }

    /// The path of a directory without links; components that do not exist stay as they are.
    pub(crate) fn directory(&mut self, path: &str) -> Result<String, UnpackError> {
        if let Some(real) = self.directories.get(path) {
            return Ok(real.clone());
        }
        let (real, is_directory) = self.follow(path)?;
        if is_directory {
            self.directories.insert(path.to_owned(), real.clone());
        }
        Ok(real)
    }

    /// Follows all links of a path; also whether a directory is there.
    pub(crate) fn follow(&mut self, path: &str) -> Result<(String, bool), UnpackError> {
        let mut open: Vec<String> = parts(path).rev().map(str::to_owned).collect();
        let mut real: Vec<String> = Vec::new();
        let (mut links, mut is_directory) = (0, true);
        while let Some(part) = open.pop() {
            if part == ".." {
                real.pop();
                continue;
            }
            real.push(part);
            let here = real.join("/");
            let found = self.look(&here)?;
            is_directory = found.as_ref().is_some_and(|found| found.stat.is_dir());
            let Some(link) = found.filter(|found| found.stat.is_symlink()) else { continue };
            links += 1;
            if links > MAX_LINKS {
                let source = io::Error::from(Errno::LOOP);
                return Err(UnpackError::io("following", &link.path)(source));
            }
            let target =
                fs::read_link(&link.path).map_err(UnpackError::io("following", &link.path))?;
            let target = target.to_string_lossy().into_owned();
            real.pop();
            if target.starts_with('/') {
                real.clear();
            }
            open.extend(parts(&target).rev().map(str::to_owned));
        }
        Ok((real.join("/"), is_directory || real.is_empty()))
    }

    /// The text of a file; `None` if it does not exist.
    pub(crate) fn read(&mut self, path: &str) -> Result<Option<String>, UnpackError> {
        let (real, _) = self.follow(path)?;
        let Some(found) = self.look(&real)? else { return Ok(None) };
        if !found.stat.is_file() {
            return Err(UnpackError::database(&real, "not a file"));
        }
        fs::read_to_string(&found.path).map(Some).map_err(UnpackError::io("reading", found.path))
    }

    /// Whether `files` has this directory.
    pub(crate) fn is_made(&self, real: &str) -> bool {
        self.made.contains(real)
    }

    /// `files` has this directory now.
    pub(crate) fn note_made(&mut self, real: &str) {
        self.made.insert(real.to_owned());
    }

    fn visible(&mut self, directory: &str) -> Result<Visible, UnpackError> {
        if directory.is_empty() {
            let below = (0..self.below.len()).collect();
            return Ok(Visible { upper: true, files: true, below });
        }
        if let Some(known) = self.visible.get(directory) {
            return Ok(known.clone());
        }
        let above = self.visible(parent_of(directory))?;
        let mut seen = Visible { upper: false, files: false, below: Vec::new() };
        let upper = if above.upper { stat(&self.upper.join(directory))? } else { None };
        seen.upper = upper.as_ref().is_some_and(|found| found.stat.is_dir());
        let hides = match &upper {
            Some(found) => !seen.upper || is_opaque(&found.path)?,
            None => false,
        };
        if !hides {
            seen.files = above.files;
            seen.below = self.visible_below(directory, &above.below)?;
        }
        self.visible.insert(directory.to_owned(), seen.clone());
        Ok(seen)
    }

    /// Those of the layers `above`, which have the parent, that have this directory, down to one
    /// that hides the others.
    fn visible_below(&self, directory: &str, above: &[usize]) -> Result<Vec<usize>, UnpackError> {
        let mut seen = Vec::new();
        for index in above {
            let Some(found) = stat(&self.below[*index].join(directory))? else { continue };
            if !found.stat.is_dir() {
                break;
            }
            seen.push(*index);
            if is_opaque(&found.path)? {
                break;
            }
        }
        Ok(seen)
    }

    /// Lets the file or directory that is laid into `files` at `real` be seen: `upper` must have
    /// nothing there, and its directories on the way must not hide what is below them.
    pub(crate) fn uncover(&mut self, real: &str, as_directory: bool) -> Result<(), UnpackError> {
        let covering = self.upper.join(real);
        let Some(found) = stat(&covering)? else { return Ok(()) };
        let is_directory = found.stat.is_dir();
        // overlayfs marks every new directory, whether it hides something or not.
        if is_directory && !is_opaque(&covering)? {
            return Ok(());
        }
        // What was hidden must not come back.
        let above = self.visible(parent_of(real))?;
        if (is_directory || as_directory)
            && (above.files && self.is_made(real)
                || !self.visible_below(real, &above.below)?.is_empty())
        {
            let reason = "a maintainer script removed or replaced this directory of a lower layer";
            return Err(UnpackError::database(real, reason));
        }
        if is_directory {
            rustix::fs::lremovexattr(&covering, OPAQUE)
                .map_err(|e| UnpackError::io("uncovering", &covering)(e.into()))?;
        } else {
            fs::remove_file(&covering).map_err(UnpackError::io("removing", covering))?;
        }
        self.refresh();
        Ok(())
    }
}

fn stat(path: &Path) -> Result<Option<Found>, UnpackError> {
    match fs::symlink_metadata(path) {
        Ok(stat) => Ok(Some(Found { path: path.to_owned(), stat })),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(UnpackError::io("looking at", path)(error)),
    }
}

fn is_whiteout(stat: &Metadata) -> bool {
    stat.file_type().is_char_device() && stat.rdev() == 0
}

fn is_opaque(path: &Path) -> Result<bool, UnpackError> {
    let mut value = [0_u8; 2];
    match rustix::fs::lgetxattr(path, OPAQUE, &mut value[..]) {
        Ok(length) => Ok(&value[..length] == b"y"),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(UnpackError::io("looking at", path)(error.into())),
    }
}

/// Everything before the last slash; empty for a name alone.
pub(crate) fn parent_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The last component.
pub(crate) fn name_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// A name in a directory; both below the root.
pub(crate) fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|part| !matches!(*part, "" | "."))
}

#[cfg(test)]
mod tests;
