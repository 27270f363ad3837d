//! Disks that must not be written, and are not: not one byte.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use super::disk::{Disk, Said, Site};
use crate::steps::{Steps, capture, show};

/// Enough for a file system, and for nothing that is flashed.
const SMALL: u64 = 64 << 20;

/// A disk that is mounted.
pub(super) fn mounted(steps: &mut Steps, site: &Site) {
    steps.run("refused: mounted", || {
        let disk = site.disk()?;
        let mount = Mounted::new(site, &disk)?;
        mount.freeze()?;
        let line = refuse(&disk, &mut site.flash(&disk, &["--yes"]), "mounted")?;
        drop(mount);
        Ok(((), line))
    });
}

/// All others.
pub(super) fn check(steps: &mut Steps, site: &Site) {
    steps.run("refused: somebody has it open", || {
        let disk = site.disk()?;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(OFlags::EXCL.bits() as i32);
        let holder =
            options.open(disk.device.device()).context("opening the disk for ourselves")?;
        let line = refuse(&disk, &mut site.flash(&disk, &["--yes"]), "exclusively")?;
        drop(holder);
        Ok(((), line))
    });
    device_mapper(steps, site);
    steps.run("refused: the image lies on it", || {
        let disk = site.disk()?;
        let mount = Mounted::new(site, &disk)?;
        let copy = mount.0.join("sd.img.zst");
        fs::copy(site.image.out.join("sd.img.zst"), &copy)?;
        mount.freeze()?;
        // A disk that a file can be read from is mounted.
        let line = refuse(&disk, &mut site.flash_file(&disk, &copy, &["--yes"]), "mounted")?;
        drop(mount);
        Ok(((), line))
    });
    steps.run("refused: other sectors", || {
        let other = if site.sector == 512 { 4096 } else { 512 };
        let disk = site.disk_of(site.map()?.size() + SMALL, other)?;
        let line = refuse(&disk, &mut site.flash(&disk, &["--yes"]), "sector")?;
        Ok(((), line))
    });
    steps.run("refused: too small", || {
        let disk = site.disk_of(site.map()?.size() - (1 << 20), site.sector)?;
        let line = refuse(&disk, &mut site.flash(&disk, &["--yes"]), "small")?;
        Ok(((), line))
    });
    steps.run("refused: nobody has agreed", || {
        let disk = site.disk()?;
        let line = refuse(&disk, &mut site.flash(&disk, &[]), "--yes")?;
        Ok(((), line))
    });
}

/// A disk of which another device is made.
fn device_mapper(steps: &mut Steps, site: &Site) {
    let known = fs::read_to_string("/proc/devices").unwrap_or_default();
    if !known.contains("device-mapper") {
        steps.skip("refused: held by device-mapper", "this kernel has no device-mapper");
        return;
    }
    steps.run("refused: held by device-mapper", || {
        let disk = site.disk()?;
        let name = format!("osb-test-{}", std::process::id());
        let table = format!("0 {} linear {} 0", SMALL / 512, disk.device.device().display());
        show(Command::new("dmsetup").args(["create", &name, "--table", &table]))?;
        let line = refuse(&disk, &mut site.flash(&disk, &["--yes"]), &name);
        show(Command::new("dmsetup").args(["remove", &name]))?;
        Ok(((), line?))
    });
}

/// Wants a refusal with these words, and the disk as it was; the line with the words.
fn refuse(disk: &Disk, command: &mut Command, words: &str) -> Result<String> {
    rustix::fs::sync();
    let before = digest(&disk.file)?;
    let line = Said::of(command)?.refused(words)?;
    rustix::fs::sync();
    ensure!(digest(&disk.file)? == before, "the disk has changed");
    Ok(line)
}

fn digest(path: &Path) -> Result<[u8; 32]> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            len => hash.update(&buffer[..len]),
        }
    }
}

/// A file system on a disk, mounted until it is dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn new(site: &Site, disk: &Disk) -> Result<Mounted> {
        let folder = site.folder.join("mounted");
        fs::create_dir_all(&folder)?;
        let device = disk.device.device();
        capture(site.tools.command("mke2fs")?.args(["-q", "-F", "-t", "ext4"]).arg(device))?;
        show(Command::new("mount").arg(device).arg(&folder))?;
        Ok(Mounted(folder))
    }

    /// From here on the kernel itself writes nothing to it: it would go on with inode tables and
    /// the journal for a while.
    fn freeze(&self) -> Result<()> {
        show(Command::new("mount").args(["-o", "remount,ro"]).arg(&self.0))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
