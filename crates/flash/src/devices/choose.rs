//! The one disk that somebody named, and whether this image may be written to it.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::devices::host::Host;
use crate::devices::refusal::Refusal;
use crate::devices::usage::{Usage, disks_of_number};
use crate::devices::{Disk, devices};
use crate::error::FlashError;

/// Why a name stands for no disk.
#[derive(Debug, thiserror::Error)]
pub enum NoDisk {
    /// Nothing is there.
    #[error("{path}: {source}")]
    Missing {
        /// The name.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is a file, a folder, a terminal.
    #[error("{path} is not a disk")]
    NotADevice {
        /// The name.
        path: PathBuf,
    },
    /// It is a part of a disk.
    #[error("{path} is a partition; name the whole disk: {disk}")]
    Partition {
        /// The name.
        path: PathBuf,
        /// The disk.
        disk: PathBuf,
    },
    /// It is made of other disks, or of memory.
    #[error("{path} is no whole disk that could start a machine: osb devices lists those")]
    Other {
        /// The name.
        path: PathBuf,
    },
    /// The disks cannot be listed.
    #[error(transparent)]
    List(#[from] FlashError),
}

/// The whole disk that `path` names: `/dev/sda`, or any link to it.
///
/// # Errors
/// If it names none.
pub fn find(host: &Host, path: &Path) -> Result<Disk, NoDisk> {
    let missing = |source| NoDisk::Missing { path: path.to_owned(), source };
    let real = fs::canonicalize(path).map_err(missing)?;
    let metadata = fs::metadata(&real).map_err(missing)?;
    if !metadata.file_type().is_block_device() {
        return Err(NoDisk::NotADevice { path: path.to_owned() });
    }
    let number = number(metadata.rdev());
    let place = fs::canonicalize(host.path("sys/dev/block").join(&number)).ok();
    let name = place.as_deref().and_then(Path::file_name).or(real.file_name()).unwrap_or_default();
    let found = devices(host)?.into_iter().find(|disk| disk.path.file_name() == Some(name));
    found.ok_or_else(|| match place.filter(|place| place.join("partition").exists()) {
        Some(place) => {
            let disk = place.parent().and_then(Path::file_name).unwrap_or_default();
            NoDisk::Partition { path: path.to_owned(), disk: Path::new("/dev").join(disk) }
        }
        None => NoDisk::Other { path: path.to_owned() },
    })
}

/// What speaks against writing an image of `needed` bytes, which lies at `image`, to `disk`; beside
/// what speaks against writing anything.
///
/// # Errors
/// If the kernel's tables cannot be read.
pub fn against(
    host: &Host,
    disk: &Disk,
    image: Option<&Path>,
    needed: Option<u64>,
) -> Result<Vec<Refusal>, FlashError> {
    let mut found = Vec::new();
    let name = disk.path.file_name().unwrap_or_default().to_string_lossy();
    if let Some(path) = image
        && let Ok(metadata) = fs::metadata(path)
    {
        // An image may be a disk, too.
        let device = match metadata.file_type().is_block_device() {
            true => metadata.rdev(),
            false => metadata.dev(),
        };
        let mut disks = disks_of_number(host, &number(device));
        if disks.is_empty() {
            disks = Usage::of(host)?.disks_of_file(path);
        }
        if disks.contains(&*name) {
            found.push(Refusal::Image { path: path.to_owned() });
        }
    }
    if let Some(needed) = needed.filter(|needed| disk.size > 0 && *needed > disk.size) {
        found.push(Refusal::TooSmall { size: disk.size, needed });
    }
    Ok(found)
}

/// `major:minor`, as sysfs has it.
fn number(device: u64) -> String {
    format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device))
}
