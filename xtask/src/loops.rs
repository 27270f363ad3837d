//! Disks to write on: loop devices over files that are not empty.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::steps::capture;

/// What a disk holds before: neither zeroes nor ones.
pub(crate) const OLD: u8 = 0xA5;

/// Bytes that are written and compared at a time.
pub(crate) const BLOCK: usize = 1 << 20;

/// A file of [`OLD`].
pub(crate) fn fill(path: &Path, size: u64) -> Result<()> {
    let mut file = File::create(path).with_context(|| path.display().to_string())?;
    let block = vec![OLD; BLOCK];
    let mut left = size;
    while left > 0 {
        let step = left.min(block.len() as u64);
        file.write_all(&block[..step as usize])?;
        left -= step;
    }
    Ok(())
}

/// A loop device over a file, until it is dropped.
#[derive(Debug)]
pub(crate) struct Loop(PathBuf);

impl Loop {
    /// With sectors of so many bytes.
    pub(crate) fn over(file: &Path, sector: u32) -> Result<Loop> {
        let mut losetup = Command::new("losetup");
        losetup.args(["--find", "--show", "--sector-size", &sector.to_string()]).arg(file);
        let said = capture(&mut losetup)
            .context("making a loop device, which needs root and a kernel that has them")?;
        Ok(Loop(PathBuf::from(said.trim())))
    }

    /// The device, such as `/dev/loop0`.
    pub(crate) fn device(&self) -> &Path {
        &self.0
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.0).status();
    }
}
