//! Where the kernel tells about itself.

use std::fs;
use std::path::{Path, PathBuf};

use crate::FlashError;

/// The folders below which `sys`, `proc` and `dev` lie.
#[derive(Debug, Clone)]
pub struct Host {
    root: PathBuf,
}

impl Host {
    /// The machine that this program runs on.
    pub fn this() -> Host {
        Host::at(Path::new("/"))
    }

    /// A machine whose folders were copied or made up, for tests.
    pub fn at(root: &Path) -> Host {
        Host { root: root.to_owned() }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// Reads a table of the kernel.
    pub(crate) fn table(&self, below: &str) -> Result<String, FlashError> {
        let path = self.path(below);
        let bytes = fs::read(&path).map_err(FlashError::read(&path))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// An attribute in sysfs, without the end of its line; `None` if there is none.
pub(crate) fn attribute(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some(text.trim_end_matches(['\n', '\0']).to_owned())
}

/// A number in sysfs.
pub(crate) fn number(path: &Path) -> Option<u64> {
    attribute(path)?.trim().parse().ok()
}

/// Names in a folder, sorted; none if it is not there.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}
