//! Real devices: loop devices over files, if this machine can make them.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on shall stop, and say why"
)]

mod support;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use osb_flash::{Device, DeviceError, Options, Target, flash};
use osb_partition::SectorSize;
use rustix::fs::{FlockOperation, flock};
use support::disk::Disk;
use support::image::made;
use support::{MIB, flash_one};

const SIZE: u64 = 16 * MIB;

/// A loop device over a file full of 0xA5.
struct Loop {
    device: PathBuf,
    file: tempfile::NamedTempFile,
}

impl Loop {
    /// `None`, and a word why, if this machine makes none.
    fn new(sector: u32) -> Option<Loop> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![0xA5; SIZE as usize]).unwrap();
        let mut losetup = Command::new("losetup");
        losetup.args(["--find", "--show", "--partscan", "--sector-size", &sector.to_string()]);
        let output = match losetup.arg(file.path()).output() {
            Ok(output) if output.status.success() => output,
            Ok(output) => {
                println!("SKIPPED: losetup: {}", String::from_utf8_lossy(&output.stderr).trim());
                return None;
            }
            Err(error) => {
                println!("SKIPPED: losetup: {error}");
                return None;
            }
        };
        let device = String::from_utf8(output.stdout).unwrap().trim().into();
        Some(Loop { device, file })
    }

    fn open(&self) -> Result<Device, DeviceError> {
        Device::open(&self.device)
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let detached = Command::new("losetup").arg("--detach").arg(&self.device).status();
        assert!(detached.is_ok_and(|status| status.success()), "{} stays", self.device.display());
    }
}

#[test]
fn a_real_device_has_the_same_bytes_as_one_in_memory() {
    for (sector, bytes) in [(SectorSize::B512, 512), (SectorSize::B4096, 4096)] {
        let Some(disk) = Loop::new(bytes) else { return };
        let made = made(sector);
        let memory = Disk::used(SIZE, bytes);
        flash_one(made.image(), &memory, &Options::default()).unwrap();
        let device: Box<dyn Target> = Box::new(disk.open().unwrap());
        assert_eq!((device.size(), device.sector_size()), (SIZE, bytes));
        let targets = vec![("disk".to_owned(), device)];
        let stop = AtomicBool::new(false);
        let receipt = flash(made.image(), targets, &Options::default(), &(), &stop).remove(0);
        let receipt = receipt.unwrap();
        assert!(receipt.warnings.is_empty(), "{:?}", receipt.warnings);
        assert!(std::fs::read(disk.file.path()).unwrap() == memory.bytes(), "{bytes}");
        // Loop devices over files zero by themselves.
        assert!(receipt.bytes.punched > MIB, "{:?}", receipt.bytes);
        let name = disk.device.file_name().unwrap().to_str().unwrap();
        let partition = Path::new("/sys/block").join(name).join(format!("{name}p2/size"));
        let known = partition.exists();
        // Somebody else asks for the same.
        let asked = Command::new("blockdev").arg("--rereadpt").arg(&disk.device).status();
        if asked.is_ok_and(|status| status.success()) && !partition.exists() {
            println!("SKIPPED: whether the table is read again: this kernel knows no GPT");
            continue;
        }
        assert!(known, "the kernel has not read the table");
        let sectors = std::fs::read_to_string(partition).unwrap();
        assert_eq!(sectors.trim().parse(), Ok(7 * MIB / 512));
    }
}

#[test]
fn a_device_is_had_alone_or_not_at_all() {
    let Some(disk) = Loop::new(512) else { return };
    let first = disk.open().unwrap();
    assert!(matches!(disk.open(), Err(DeviceError::InUse { .. })));
    drop(first);
    let other = File::open(&disk.device).unwrap();
    flock(&other, FlockOperation::LockShared).unwrap();
    assert!(matches!(disk.open(), Err(DeviceError::Locked { .. })));
    drop(other);
    disk.open().unwrap();
}

#[test]
fn what_is_no_disk_is_not_opened() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for path in [file.path(), Path::new("/dev/null"), Path::new("/")] {
        assert!(matches!(Device::open(path), Err(DeviceError::NoDevice { .. })));
    }
    let absent = Device::open(Path::new("/dev/no-such-disk"));
    assert!(matches!(absent, Err(DeviceError::Open { .. })));
}
