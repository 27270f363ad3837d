//! Partition tables: GPT, and MBR with logical partitions.

mod gpt;
mod mbr;

use crate::error::Fault;
use crate::window::Window;

/// Which kind of table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UEFI's.
    Gpt,
    /// The one in the first sector.
    Mbr,
}

/// A partition table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its kind.
    pub kind: Kind,
    /// Identifier of the disk: a GUID, upper case, or the eight hexadecimal digits of an MBR.
    pub id: String,
    /// Bytes in a sector.
    pub sector_size: u32,
    /// What is used, by number.
    pub partitions: Vec<Partition>,
    /// What is wrong with it, though it could be read; for people.
    pub problems: Vec<String>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number, from 1.
    pub number: u32,
    /// Its name; empty in an MBR.
    pub name: String,
    /// Its type: a GUID, upper case, or two hexadecimal digits.
    pub kind: String,
    /// Its identifier (PARTUUID): a GUID, upper case, or the disk's digits with the number.
    pub id: String,
    /// First sector.
    pub first_lba: u64,
    /// Last sector, which belongs to the partition.
    pub last_lba: u64,
    /// Attribute bits; for an MBR, 0x80 if it is active.
    pub flags: u64,
}

impl Table {
    /// Where a partition's bytes lie on the disk: first byte and length. `None` if numbers
    /// overflow.
    pub fn place(&self, partition: &Partition) -> Option<(u64, u64)> {
        let size = u64::from(self.sector_size);
        let sectors = partition.last_lba.checked_sub(partition.first_lba)?.checked_add(1)?;
        Some((partition.first_lba.checked_mul(size)?, sectors.checked_mul(size)?))
    }
}

/// The table of a disk; `None` if it has none.
///
/// # Errors
/// If there is one, and it is damaged beyond use.
pub(crate) fn read(disk: &Window) -> Result<Option<Table>, Fault> {
    if let Some(table) = gpt::read(disk)? {
        return Ok(Some(table));
    }
    mbr::read(disk)
}

/// A GUID in text: the first three fields little-endian (UEFI specification, appendix A).
pub(crate) fn guid(bytes: [u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, i, j, rest @ ..] = bytes;
    let rest: String = rest.iter().map(|byte| format!("{byte:02X}")).collect();
    format!(
        "{:08X}-{:04X}-{:04X}-{:04X}-{rest}",
        u32::from_le_bytes([a, b, c, d]),
        u16::from_le_bytes([e, f]),
        u16::from_le_bytes([g, h]),
        u16::from_be_bytes([i, j]),
    )
}
