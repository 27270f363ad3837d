//! A copy of `disk.img`, whose boot partition can be written to, as `osb flash` does it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use osb_boot::Tools;
use osb_fat::edit::{Editor, Part};

use crate::image::partitions;
use crate::project::Image;
use crate::steps::show;

/// The copy.
#[derive(Debug)]
pub(crate) struct Medium {
    path: PathBuf,
    /// Where the boot partition begins, and its length, in bytes.
    boot: (u64, u64),
}

impl Medium {
    /// Copies the image's disk to `path`.
    pub(crate) fn copy(tools: &Tools, image: &Image, path: &Path) -> Result<Self> {
        let source = image.out.join("disk.img");
        show(Command::new("cp").arg("--sparse=always").arg(&source).arg(path))?;
        let boot = *partitions(tools, &source, &image.out)?.first().context("no partition")?;
        Ok(Self { path: path.to_owned(), boot })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The boot partition, as mtools name it.
    pub(crate) fn volume(&self) -> String {
        format!("{}@@{}", self.path.display(), self.boot.0)
    }

    /// Does something with the boot partition's files.
    pub(crate) fn edit<T>(&self, work: impl FnOnce(&mut Editor<'_>) -> Result<T>) -> Result<T> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let mut disk = File::options().read(true).write(true).open(&self.path)?;
        let (start, len) = self.boot;
        let mut part = Part::new(&mut disk, start);
        work(&mut Editor::open(&mut part, len, i64::try_from(now)?)?)
    }
}
