//! Why a disk must not be written.

use std::fmt;
use std::path::PathBuf;

/// A reason, with what one would do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The running system is on it.
    System {
        /// The device that is mounted.
        device: PathBuf,
        /// Where, such as `/` or `/boot`.
        at: PathBuf,
    },
    /// A file system on it is mounted.
    Mounted {
        /// The device that is mounted.
        device: PathBuf,
        /// Where.
        at: PathBuf,
    },
    /// It is swapped to.
    Swap {
        /// The device.
        device: PathBuf,
    },
    /// Another device is made of it: LVM, encryption, RAID.
    Held {
        /// The part of the disk.
        device: PathBuf,
        /// Who holds it, such as `dm-0`.
        holder: String,
        /// The holder's own name, such as `vg-root`; may be empty.
        name: String,
    },
    /// The kernel keeps it for somebody, and does not say for whom: ZFS, or another mount namespace.
    Busy,
    /// This user may not open it, so nobody knows whether it is in use.
    Closed,
    /// The image that is to be written lies on it.
    Image {
        /// The image.
        path: PathBuf,
    },
    /// It cannot be written.
    ReadOnly,
    /// There is no medium in it.
    NoMedium,
    /// It is too small for the image; both in bytes.
    TooSmall {
        /// What it has.
        size: u64,
        /// What is needed.
        needed: u64,
    },
}

impl Refusal {
    /// A short name for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Refusal::System { .. } => "system",
            Refusal::Mounted { .. } => "mounted",
            Refusal::Swap { .. } => "swap",
            Refusal::Held { .. } => "held",
            Refusal::Busy => "busy",
            Refusal::Closed => "closed",
            Refusal::Image { .. } => "image",
            Refusal::ReadOnly => "read-only",
            Refusal::NoMedium => "no-medium",
            Refusal::TooSmall { .. } => "too-small",
        }
    }

    /// What to do, if there is something.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Refusal::Mounted { at, .. } => Some(format!("umount {}", at.display())),
            Refusal::Swap { device } => Some(format!("swapoff {}", device.display())),
            Refusal::Held { holder, name, .. } if holder.starts_with("dm-") => {
                Some(format!("dmsetup remove {name} (vgchange -an, cryptsetup close)"))
            }
            Refusal::Held { holder, .. } if holder.starts_with("md") => {
                Some(format!("mdadm --stop /dev/{holder}"))
            }
            Refusal::Image { .. } => Some("copy the image to another disk".to_owned()),
            Refusal::NoMedium => Some("insert a card".to_owned()),
            Refusal::ReadOnly => Some("look for a switch on the card or its adapter".to_owned()),
            Refusal::Closed => Some("ask again as root".to_owned()),
            Refusal::Busy => Some("zpool export, or look into other containers".to_owned()),
            Refusal::System { .. } | Refusal::Held { .. } | Refusal::TooSmall { .. } => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::System { device, at } => write!(
                f,
                "the running system is on it: {} is mounted at {}",
                device.display(),
                at.display()
            ),
            Refusal::Mounted { device, at } => {
                write!(f, "{} is mounted at {}", device.display(), at.display())
            }
            Refusal::Swap { device } => write!(f, "{} is used for swap", device.display()),
            Refusal::Held { device, holder, name } if name.is_empty() => {
                write!(f, "{} is part of {holder}", device.display())
            }
            Refusal::Held { device, holder, name } => {
                write!(f, "{} is part of {holder} ({name})", device.display())
            }
            Refusal::Busy => f.write_str("somebody holds it exclusively"),
            Refusal::Closed => f.write_str("this user may not open it: it may be in use"),
            Refusal::Image { path } => write!(f, "the image is on it: {}", path.display()),
            Refusal::ReadOnly => f.write_str("it is read-only"),
            Refusal::NoMedium => f.write_str("there is no medium in it"),
            Refusal::TooSmall { size, needed } => {
                write!(f, "it is too small: {size} bytes, and the image has {needed}")
            }
        }
    }
}
