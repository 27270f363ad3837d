//! The disks of a machine.

mod choose;
mod contents;
mod host;
mod identity;
mod list;
mod refusal;
mod usage;

pub use choose::{NoDisk, against, find, has_own_serial};
pub use contents::Contents;
pub use host::Host;
pub use identity::Transport;
pub use list::devices;
pub(crate) use list::sequence;
pub use refusal::Refusal;

use std::path::PathBuf;

/// A whole disk: nothing that is a part of one, or made of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The device, such as `/dev/nvme0n1`.
    pub path: PathBuf,
    /// Its number, `major:minor`, which another disk may have later.
    pub number: String,
    /// A number that no other disk gets before the next start of this machine; since Linux 5.15.
    pub sequence: Option<u64>,
    /// Names of it that stay the same wherever it is connected, below `/dev/disk/by-id`; sorted.
    pub by_id: Vec<PathBuf>,
    /// Maker and model, as the hardware says; may be empty.
    pub model: String,
    /// Serial number, as the hardware says; may be empty.
    pub serial: String,
    /// Length in bytes; 0 if no medium is inserted.
    pub size: u64,
    /// How it is connected.
    pub transport: Transport,
    /// Whether the medium can be taken out.
    pub removable: bool,
    /// Bytes of a sector, as it is addressed.
    pub logical_sector: u32,
    /// Bytes of a sector, as it is stored.
    pub physical_sector: u32,
    /// Numbers and sizes in bytes of its partitions, as the kernel knows them.
    pub partitions: Vec<(u32, u64)>,
    /// What is on it, as far as this user may look.
    pub contents: Vec<Contents>,
    /// Why it must not be written; empty if it may.
    pub refusals: Vec<Refusal>,
}
