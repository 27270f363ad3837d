//! What is compared: an image, or a folder that `osb build` wrote.

use std::fs;
use std::path::{Path, PathBuf};

use osb_metadata::Metadata;

use super::CompareError;

const METADATA: &str = "metadata.json";
/// Files that hold an image, the one that says most first.
pub(super) const IMAGES: [&str; 3] = ["disk.img", "sd.img.zst", "rootfs.tar.gz"];
/// What else a build writes.
const OTHERS: [&str; 8] = [
    METADATA,
    "SHA256SUMS",
    "disk.img.sha256",
    "disk.img.bmap",
    "disk.img.bmap.sha256",
    "sd.img.zst.sha256",
    "rootfs.tar.gz.sha256",
    "metadata.json.sha256",
];

/// One side of a comparison.
#[derive(Debug, Clone)]
pub enum Side {
    /// A file, or a folder that is an image itself.
    Image(PathBuf),
    /// A folder that `osb build` wrote.
    Output(PathBuf),
}

impl Side {
    /// What lies at `path`: a folder with one of a build's files in it is an output folder.
    pub fn at(path: &Path) -> Side {
        let written = IMAGES.iter().chain(&[METADATA]).any(|name| path.join(name).is_file());
        match written {
            true => Side::Output(path.to_owned()),
            false => Side::Image(path.to_owned()),
        }
    }

    /// The image to look at: of an output folder the one that says most.
    pub fn image(&self) -> Option<PathBuf> {
        match self {
            Side::Image(path) => Some(path.clone()),
            Side::Output(_) => self.images().into_iter().next().map(|(_, path)| path),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        let (Side::Image(path) | Side::Output(path)) = self;
        path
    }

    /// Whether this is a folder that `osb build` wrote.
    pub(super) fn is_output(&self) -> bool {
        matches!(self, Side::Output(_))
    }

    /// The description of an output folder, if it has one.
    pub(super) fn metadata(&self) -> Result<Option<Metadata>, CompareError> {
        let Side::Output(folder) = self else { return Ok(None) };
        let path = folder.join(METADATA);
        if !path.is_file() {
            return Ok(None);
        }
        let shown = path.display().to_string();
        let text = fs::read_to_string(&path)
            .map_err(|source| CompareError::Io { path: shown.clone(), source })?;
        let document = osb_metadata::from_json(&text);
        document.map(Some).map_err(|source| CompareError::Metadata { path: shown, source })
    }

    /// The files of an output folder, by name.
    pub(super) fn files(&self) -> Vec<(&'static str, PathBuf)> {
        let Side::Output(folder) = self else { return Vec::new() };
        let named = IMAGES.iter().chain(&OTHERS).map(|name| (*name, folder.join(name)));
        named.filter(|(_, path)| path.is_file()).collect()
    }

    fn images(&self) -> Vec<(&'static str, PathBuf)> {
        self.files().into_iter().filter(|(name, _)| IMAGES.contains(name)).collect()
    }
}

/// The image of each side: if both have several, the same one.
pub(super) fn choose(a: &Side, b: &Side) -> [Option<PathBuf>; 2] {
    if let (Side::Output(_), Side::Output(_)) = (a, b) {
        let (of_a, of_b) = (a.images(), b.images());
        let common = of_a.iter().find_map(|(name, path)| {
            let (_, other) = of_b.iter().find(|(other, _)| other == name)?;
            Some([Some(path.clone()), Some(other.clone())])
        });
        if let Some(common) = common {
            return common;
        }
    }
    [a, b].map(Side::image)
}
