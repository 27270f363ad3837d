//! A disk to write on, the program that writes, and what it says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use osb_blockmap::BlockMap;
use osb_boot::Tools;
use serde_json::Value;

use crate::loops::{Loop, fill};
use crate::project::{Image, Project};

/// How much larger disks are than images.
const MORE: u64 = 64 << 20;

/// Where disks are made, and for which image.
pub(super) struct Site<'a> {
    pub(super) project: &'a Project,
    pub(super) tools: &'a Tools,
    pub(super) image: &'a Image,
    /// Bytes of a sector, of the image and of its disks.
    pub(super) sector: u32,
    /// Everything that is made.
    pub(super) folder: PathBuf,
}

impl<'a> Site<'a> {
    pub(super) fn new(
        project: &'a Project,
        tools: &'a Tools,
        image: &'a Image,
        sector: u32,
    ) -> Site<'a> {
        let folder = project.work.join("flash").join(&image.name);
        Site { project, tools, image, sector, folder }
    }

    /// The block map of the image.
    pub(super) fn map(&self) -> Result<BlockMap> {
        let text = fs::read_to_string(self.image.out.join("metadata.json"))?;
        let map = osb_metadata::from_json(&text)?.block_map;
        Ok(map.context("metadata.json has no block map")?.to_map()?)
    }

    /// A disk of 0xA5 on which the image has room.
    pub(super) fn disk(&self) -> Result<Disk> {
        self.disk_of(self.map()?.size() + MORE, self.sector)
    }

    /// A disk of 0xA5.
    pub(super) fn disk_of(&self, size: u64, sector: u32) -> Result<Disk> {
        fs::create_dir_all(&self.folder).with_context(|| self.folder.display().to_string())?;
        let file = self.folder.join("disk.img");
        fill(&file, size)?;
        let device = Loop::over(&file, sector)?;
        Ok(Disk { file, device })
    }

    /// `osb flash` of this image onto a disk, with more arguments.
    pub(super) fn flash(&self, disk: &Disk, arguments: &[&str]) -> Command {
        self.flash_file(disk, &self.image.out, arguments)
    }

    /// The same for any image.
    pub(super) fn flash_file(&self, disk: &Disk, image: &Path, arguments: &[&str]) -> Command {
        let mut command = self.project.osb(&["flash"]);
        command.arg(disk.device.device()).arg("--image").arg(image);
        command.arg("--receipt").arg(self.receipt()).args(arguments);
        command
    }

    fn receipt(&self) -> PathBuf {
        self.folder.join("receipt.json")
    }

    /// The receipt of the only disk.
    pub(super) fn read_receipt(&self) -> Result<Value> {
        let text = fs::read_to_string(self.receipt()).context("reading the receipt")?;
        let all: Value = serde_json::from_str(&text)?;
        Ok(all["devices"][0]["receipt"].clone())
    }

    /// Runs the program to a good end; the receipt.
    pub(super) fn done(&self, disk: &Disk, arguments: &[&str]) -> Result<Value> {
        self.ends(&mut self.flash(disk, arguments))
    }

    /// The same for a command of its own.
    pub(super) fn ends(&self, command: &mut Command) -> Result<Value> {
        let _ = fs::remove_file(self.receipt());
        Said::of(command)?.ended(0)?;
        let receipt = self.read_receipt()?;
        ensure!(receipt["result"] == "verified", "the receipt says {receipt}");
        Ok(receipt)
    }

    /// Takes away what is as large as a disk.
    pub(super) fn clear(&self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A file behind a loop device.
pub(super) struct Disk {
    pub(super) file: PathBuf,
    pub(super) device: Loop,
}

/// How a run ended, and what it said.
pub(super) struct Said {
    pub(super) code: Option<i32>,
    pub(super) text: String,
}

impl Said {
    pub(super) fn of(command: &mut Command) -> Result<Said> {
        let output = command.stdin(std::process::Stdio::null()).output().context("starting osb")?;
        let text = [output.stdout, output.stderr].concat();
        Ok(Said { code: output.status.code(), text: String::from_utf8_lossy(&text).into_owned() })
    }

    /// Wants this exit code.
    pub(super) fn ended(&self, code: i32) -> Result<()> {
        let found = self.code;
        ensure!(found == Some(code), "exit code {found:?}, expected {code}:\n{}", self.text);
        Ok(())
    }

    /// Wants a refusal with these words in it; its first line.
    pub(super) fn refused(&self, words: &str) -> Result<String> {
        self.ended(3)?;
        ensure!(self.text.contains(words), "{words:?} is not said:\n{}", self.text);
        let line = self.text.lines().find(|line| line.contains(words));
        Ok(line.unwrap_or_default().trim().to_owned())
    }
}

/// A figure of a receipt, in bytes.
pub(super) fn bytes(receipt: &Value, name: &str) -> Result<u64> {
    receipt["bytes"][name].as_u64().with_context(|| format!("no {name} in the receipt: {receipt}"))
}
