//! A disk of this machine, opened so that nobody else uses it.

mod table;

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::{Disk, Target};

/// How long others may hold the lock, or a partition: udev looks at a disk whenever it is closed.
const OTHERS: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(50);

/// Why a device could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// It is no disk.
    #[error("{path} is no block device")]
    NoDevice {
        /// What was to be opened.
        path: PathBuf,
    },
    /// It is a part of a disk.
    #[error("{path} is a partition: name the disk that it is on")]
    Partition {
        /// What was to be opened.
        path: PathBuf,
    },
    /// Somebody uses it: it or a part of it is mounted, swapped to, or belongs to another device.
    #[error("{path} is in use: `osb devices` says by whom")]
    InUse {
        /// What was to be opened.
        path: PathBuf,
    },
    /// Somebody else has locked it, and so is changing it.
    #[error("{path} is locked by another program that changes it: wait for its end")]
    Locked {
        /// What was to be opened.
        path: PathBuf,
    },
    /// It cannot be opened, or says nothing sensible of itself.
    #[error("opening {path}: {source}")]
    Open {
        /// What was to be opened.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A whole disk that nobody else can mount or claim while this lives (`O_EXCL`, open(2)), locked
/// as systemd asks for (<https://systemd.io/BLOCK_DEVICE_LOCKING>), so that udev does not look at
/// half a table. What is read and written does not pass through the page cache.
#[derive(Debug)]
pub struct Device {
    file: File,
    size: u64,
    sector_size: u32,
}

impl Device {
    /// Opens a whole disk.
    ///
    /// # Errors
    /// If it is none, somebody uses it, or the system refuses. There is no second way to open it:
    /// who cannot have a disk alone does not get it.
    pub fn open(path: &Path) -> Result<Device, DeviceError> {
        let path = || path.to_owned();
        let failed = |source: io::Error| DeviceError::Open { path: path(), source };
        let metadata = std::fs::metadata(path()).map_err(failed)?;
        if !metadata.file_type().is_block_device() {
            return Err(DeviceError::NoDevice { path: path() });
        }
        let number = metadata.rdev();
        let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
        if Path::new(&format!("/sys/dev/block/{major}:{minor}/partition")).exists() {
            return Err(DeviceError::Partition { path: path() });
        }
        let flags = OFlags::RDWR | OFlags::EXCL | OFlags::DIRECT | OFlags::CLOEXEC;
        // Who lists disks claims each for a moment.
        let mut opened = Err(Errno::BUSY);
        let _ = patiently(|| {
            opened = rustix::fs::open(path(), flags, Mode::empty());
            opened.as_ref().map(drop).map_err(|errno| *errno)
        });
        let file = match opened {
            Err(Errno::BUSY) => return Err(DeviceError::InUse { path: path() }),
            file => File::from(file.map_err(|errno| failed(errno.into()))?),
        };
        // The file could have become another since it was looked at.
        if file.metadata().map_err(failed)?.rdev() != number {
            return Err(DeviceError::NoDevice { path: path() });
        }
        match patiently(|| rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)) {
            Err(Errno::WOULDBLOCK) => return Err(DeviceError::Locked { path: path() }),
            locked => locked.map_err(|errno| failed(errno.into()))?,
        }
        let size = (&file).seek(SeekFrom::End(0)).map_err(failed)?;
        let sector_size = rustix::fs::ioctl_blksszget(&file);
        let sector_size = sector_size.map_err(|errno| failed(errno.into()))?;
        if !matches!(sector_size, 512 | 4096) || !size.is_multiple_of(sector_size.into()) {
            let text = format!("it says that it has {size} bytes in sectors of {sector_size}");
            return Err(failed(io::Error::other(text)));
        }
        Ok(Device { file, size, sector_size })
    }
}

impl Device {
    /// Whether this is the disk that was looked at before. A name may have become another disk's
    /// since; while this is open, the disk keeps its number.
    pub fn is(&self, disk: &Disk) -> bool {
        let Ok(metadata) = self.file.metadata() else { return false };
        let number = metadata.rdev();
        let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
        let place = format!("/sys/dev/block/{major}:{minor}");
        disk.number == format!("{major}:{minor}")
            && disk.sequence == crate::devices::sequence(Path::new(&place))
    }
}

impl Target for Device {
    fn size(&self) -> u64 {
        self.size
    }

    fn sector_size(&self) -> u32 {
        self.sector_size
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(&self.file, bytes, offset)
    }

    fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(&self.file, bytes, offset)
    }

    /// The kernel zeroes or says `EOPNOTSUPP`; it never writes zeroes instead (`blkdev_fallocate`
    /// in block/fops.c: `BLKDEV_ZERO_NOFALLBACK`). A discard could leave anything.
    fn punch(&mut self, offset: u64, len: u64) -> io::Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(rustix::fs::fallocate(&self.file, flags, offset, len)?)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Also gives up the lock and waits for udev, so that names below `/dev/disk` are there when
    /// this returns. So it comes last.
    fn reread_table(&mut self) -> io::Result<()> {
        let reread = match patiently(|| table::reread(&self.file)) {
            // It is of a kind that has no partitions: a loop device without `--partscan`.
            Err(Errno::INVAL) => Ok(()),
            reread => reread,
        };
        rustix::fs::flock(&self.file, FlockOperation::Unlock)?;
        settle();
        Ok(reread?)
    }
}

/// Tries again for a while if others have it now.
fn patiently(mut attempt: impl FnMut() -> rustix::io::Result<()>) -> rustix::io::Result<()> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Err(Errno::WOULDBLOCK | Errno::BUSY) if begun.elapsed() < OTHERS => {
                thread::sleep(TICK);
            }
            result => return result,
        }
    }
}

/// Waits until udev has looked at everything, if it runs. Nothing depends on it: without it, names
/// below `/dev/disk` come a moment later.
fn settle() {
    let mut udevadm = Command::new("udevadm");
    udevadm.args(["settle", "--timeout=10"]);
    udevadm.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _ = udevadm.status();
}
