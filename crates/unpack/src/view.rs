//! What a program in the sandbox would see, looked at from outside: overlay layers, not mounted.

use std::collections::HashMap;
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
    /// Per directory: whether `upper` has it and which of `below` are to be seen in it.
    visible: HashMap<String, (bool, Vec<usize>)>,
    /// Directories by a path that may lead over links, to one that does not.
    directories: HashMap<String, String>,
}

/// Something that exists.
pub(crate) struct Found {
    /// Where it lies on the host.
    pub(crate) path: PathBuf,
    pub(crate) stat: Metadata,
}

impl View {
    /// `below` is topmost first.
    pub(crate) fn new(upper: &Path, files: &Path, below: &[PathBuf]) -> Self {
        View {
            upper: upper.to_owned(),
            files: files.to_owned(),
            below: below.to_vec(),
            visible: HashMap::new(),
            directories: HashMap::new(),
        }
    }

    /// What is at a path whose parent is free of links; the last component is not followed.
    pub(crate) fn look(&mut self, real: &str) -> Result<Option<Found>, UnpackError> {
        if real.is_empty() {
            return stat(&self.upper);
        }
        let (in_upper, below) = self.visible(parent_of(real))?;
        let upper = in_upper.then_some(&self.upper);
        let below: Vec<&PathBuf> = below.iter().map(|index| &self.below[*index]).collect();
        for root in upper.into_iter().chain([&self.files]).chain(below) {
            if let Some(found) = stat(&root.join(real))? {
                return Ok((!is_whiteout(&found.stat)).then_some(found));
            }
        }
        Ok(None)
    }

    /// As [`View::look`] without `files`.
    pub(crate) fn look_outside_files(&mut self, real: &str) -> Result<Option<Found>, UnpackError> {
        let (in_upper, below) = self.visible(parent_of(real))?;
        let upper = in_upper.then_some(&self.upper);
        for root in upper.into_iter().chain(below.iter().map(|index| &self.below[*index])) {
            if let Some(found) = stat(&root.join(real))? {
                return Ok((!is_whiteout(&found.stat)).then_some(found));
            }
        }
        Ok(None)
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
        fs::read_to_string(&found.path).map(Some).map_err(UnpackError::io("reading", found.path))
    }

    fn visible(&mut self, directory: &str) -> Result<(bool, Vec<usize>), UnpackError> {
        if directory.is_empty() {
            return Ok((true, (0..self.below.len()).collect()));
        }
        if let Some(known) = self.visible.get(directory) {
            return Ok(known.clone());
        }
        let (in_upper, above) = self.visible(parent_of(directory))?;
        let mut result = (false, Vec::new());
        let upper = in_upper.then_some(None);
        for index in upper.into_iter().chain(above.into_iter().map(Some)) {
            let root = index.map_or(&self.upper, |index| &self.below[index]);
            let Some(found) = stat(&root.join(directory))? else { continue };
            if !found.stat.is_dir() {
                break;
            }
            match index {
                None => result.0 = true,
                Some(index) => result.1.push(index),
            }
            if is_opaque(&found.path)? {
                break;
            }
        }
        self.visible.insert(directory.to_owned(), result.clone());
        Ok(result)
    }

    /// Lets what is laid into `files` at `real` be seen: `upper` must have nothing there, and its
    /// directories on the way must not hide what is below them.
    pub(crate) fn uncover(&mut self, real: &str) -> Result<(), UnpackError> {
        let covering = self.upper.join(real);
        let Some(found) = stat(&covering)? else { return Ok(()) };
        if found.stat.is_dir() {
            // overlayfs marks every new directory, whether it hides something or not.
            if is_opaque(&covering)? {
                rustix::fs::lremovexattr(&covering, OPAQUE)
                    .map_err(|e| UnpackError::io("uncovering", &covering)(e.into()))?;
                self.visible.remove(real);
                if !self.visible(real)?.1.is_empty() {
                    return Err(UnpackError::Database {
                        path: covering,
                        reason: "a maintainer script replaced this directory of a lower layer"
                            .to_owned(),
                    });
                }
            }
            return Ok(());
        }
        fs::remove_file(&covering).map_err(UnpackError::io("removing", covering))
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

fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|part| !matches!(*part, "" | "."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_lead_through_all_layers_and_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        let (upper, files, low) =
            (dir.path().join("u"), dir.path().join("f"), dir.path().join("l"));
        for folder in ["u", "f/usr/lib", "l/usr/lib/deep", "l/etc"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        symlink("usr/lib", upper.join("lib")).unwrap();
        symlink("/lib/deep", low.join("etc/link")).unwrap();
        symlink("../../../etc", files.join("usr/lib/out")).unwrap();
        fs::write(low.join("usr/lib/deep/file"), "text").unwrap();
        let mut view = View::new(&upper, &files, &[low]);
        assert_eq!(view.directory("lib").unwrap(), "usr/lib");
        assert_eq!(view.follow("etc/link/file").unwrap(), ("usr/lib/deep/file".to_owned(), false));
        assert_eq!(view.follow("usr/lib/out/link").unwrap(), ("usr/lib/deep".to_owned(), true));
        assert_eq!(view.follow("lib/new/thing").unwrap(), ("usr/lib/new/thing".to_owned(), false));
        assert_eq!(view.read("/etc/link/file").unwrap().as_deref(), Some("text"));
        assert_eq!(view.read("etc/none").unwrap(), None);
        symlink("b", upper.join("a")).unwrap();
        symlink("a", upper.join("b")).unwrap();
        assert!(view.follow("a").unwrap_err().to_string().contains("following"));
    }

    #[test]
    fn an_opaque_directory_hides_and_is_uncovered() {
        let dir = tempfile::tempdir().unwrap();
        let (upper, files, low) =
            (dir.path().join("u"), dir.path().join("f"), dir.path().join("l"));
        for folder in ["u/a", "u/b", "f", "l/a"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        fs::write(low.join("a/x"), "").unwrap();
        for name in ["a", "b"] {
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(upper.join(name), OPAQUE, b"y", flags).unwrap();
        }
        let mut view = View::new(&upper, &files, &[low]);
        assert!(view.look("a/x").unwrap().is_none());
        view.uncover("b").unwrap();
        assert!(!is_opaque(&upper.join("b")).unwrap());
        assert!(view.uncover("a").is_err());
    }
}
