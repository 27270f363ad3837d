//! What a disk is apart from its partitions: kind of table, length of a sector, alignment.

use std::fmt;

use crate::{Guid, PartitionType};

/// Partitions start, and the disk ends, at multiples of this many bytes unless a [`Format`] says
/// otherwise: whole erase blocks of common cards and whole stripes of common arrays.
pub const ALIGNMENT: u64 = 1 << 20;

/// Which kind of partition table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Table {
    /// UEFI's: 128 partitions of any length, with names, and a copy at the end of the disk.
    #[default]
    Gpt,
    /// The one in the first sector: four partitions below 2^32 sectors.
    Mbr,
}

impl Table {
    /// All of them.
    pub const ALL: [Table; 2] = [Table::Gpt, Table::Mbr];

    /// Its name in recipes and descriptions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Table::Gpt => "gpt",
            Table::Mbr => "mbr",
        }
    }

    /// The most partitions it holds: the entries of a GPT (which could have more, but never has),
    /// the primary ones of an MBR.
    pub const fn most_partitions(self) -> usize {
        match self {
            Table::Gpt => 128,
            Table::Mbr => 4,
        }
    }

    /// How the kernel names a disk (`PTUUID`): a GUID, upper case; or the signature of an MBR,
    /// eight lower-case hexadecimal digits, which is the first part of that GUID.
    pub fn disk_id(self, disk: Guid) -> String {
        match self {
            Table::Gpt => disk.to_string(),
            Table::Mbr => format!("{:08x}", disk.signature()),
        }
    }

    /// A partition's identifier: its own GUID, upper case; or an MBR's signature with the
    /// partition's `number`, from 1, lower case (block/partitions/msdos.c).
    pub fn partition_id(self, disk: Guid, partition: Guid, number: usize) -> String {
        match self {
            Table::Gpt => partition.to_string(),
            Table::Mbr => format!("{:08x}-{number:02x}", disk.signature()),
        }
    }

    /// The same as `root=PARTUUID=` takes it: lower case.
    pub fn partuuid(self, disk: Guid, partition: Guid, number: usize) -> String {
        self.partition_id(disk, partition, number).to_ascii_lowercase()
    }

    /// What stands in the table for a type: a GUID, upper case, or two lower-case hexadecimal
    /// digits.
    pub fn type_id(self, kind: PartitionType) -> String {
        match self {
            Table::Gpt => kind.guid().to_string(),
            Table::Mbr => format!("{:02x}", kind.mbr()),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Table::Gpt => "a GPT",
            Table::Mbr => "an MBR table",
        })
    }
}

/// Length of a logical sector: the unit that a disk counts in, and all that it reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SectorSize {
    /// 512 bytes: cards, and nearly all disks, which emulate it if theirs are longer.
    #[default]
    B512,
    /// 4096 bytes: disks called "4Kn".
    B4096,
}

impl SectorSize {
    /// All of them.
    pub const ALL: [SectorSize; 2] = [SectorSize::B512, SectorSize::B4096];

    /// Its bytes.
    pub const fn bytes(self) -> u64 {
        match self {
            SectorSize::B512 => 512,
            SectorSize::B4096 => 4096,
        }
    }
}

/// What a disk is apart from its partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Format {
    /// Kind of the table.
    pub table: Table,
    /// Length of a sector.
    pub sector: SectorSize,
    /// Partitions start, and the disk ends, at multiples of this many bytes: a multiple of
    /// [`ALIGNMENT`].
    pub alignment: u64,
}

impl Default for Format {
    fn default() -> Self {
        Format { table: Table::default(), sector: SectorSize::default(), alignment: ALIGNMENT }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_written_as_the_kernel_does() {
        let (disk, partition) = (Guid::from_digest(&[0xAB; 16]), Guid::from_digest(&[0xCD; 16]));
        assert_eq!(Table::Gpt.disk_id(disk), "ABABABAB-ABAB-8BAB-ABAB-ABABABABABAB");
        assert_eq!(Table::Gpt.partuuid(disk, partition, 3), "cdcdcdcd-cdcd-8dcd-8dcd-cdcdcdcdcdcd");
        assert_eq!(Table::Mbr.disk_id(disk), "abababab");
        assert_eq!(Table::Mbr.partuuid(disk, partition, 3), "abababab-03");
        assert_eq!(Table::Mbr.partition_id(disk, partition, 3), "abababab-03");
        assert_eq!(
            Table::Gpt.partition_id(disk, partition, 3),
            "CDCDCDCD-CDCD-8DCD-8DCD-CDCDCDCDCDCD"
        );
        assert_eq!(Table::Mbr.type_id(PartitionType::EfiSystem), "ef");
        assert_eq!(Table::Mbr.type_id(PartitionType::RaspberryPiBoot), "0c");
        assert_eq!(Table::Mbr.type_id(PartitionType::LinuxRootAmd64), "83");
    }
}
