//! Where each partition lies.

use std::collections::BTreeSet;

use crate::{Guid, PartitionError, PartitionType};

/// Bytes in a sector. Disks with sectors of 4096 bytes emulate these, or the image would need a
/// table of its own for them.
pub const SECTOR: u64 = 512;

/// Partitions start, and the disk ends, at multiples of this many bytes: whole erase blocks of
/// common cards and whole stripes of common arrays.
pub const ALIGNMENT: u64 = 1 << 20;

/// The most UTF-16 units a partition's name may have (UEFI specification, GPT partition entry).
const MOST_UNITS: usize = 36;

/// Entries of the table; the least, and by far the most common number.
const MOST_PARTITIONS: usize = 128;

/// A partition that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionSpec {
    /// The name in the table (`PARTLABEL`), at most 36 UTF-16 units.
    pub name: String,
    /// What it is for.
    pub kind: PartitionType,
    /// Its identifier (`PARTUUID`).
    pub guid: Guid,
    /// Its length in bytes, a multiple of 512.
    pub size: u64,
}

/// A partition with its place on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// What was wanted.
    pub spec: PartitionSpec,
    /// First sector.
    pub first_lba: u64,
    /// Last sector, itself part of the partition.
    pub last_lba: u64,
    /// Offset on the disk, in bytes.
    pub start_bytes: u64,
}

/// A disk: partitions in order, and the disk's own identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub(crate) guid: Guid,
    pub(crate) partitions: Vec<Placed>,
    pub(crate) size: u64,
}

impl Layout {
    /// Places the partitions one after the other, the first at 1 MiB, each at a multiple of
    /// [`ALIGNMENT`]; the disk ends one such unit after the last, where the backup table is.
    ///
    /// # Errors
    /// If there is none, a length, name or identifier is not allowed, or the sum overflows.
    pub fn new(disk_guid: Guid, partitions: Vec<PartitionSpec>) -> Result<Layout, PartitionError> {
        if !(1..=MOST_PARTITIONS).contains(&partitions.len()) {
            return Err(PartitionError::Count(partitions.len()));
        }
        check_guids(disk_guid, &partitions)?;
        let mut start = ALIGNMENT;
        let mut placed = Vec::with_capacity(partitions.len());
        for spec in partitions {
            check_name(&spec.name)?;
            let PartitionSpec { size, .. } = spec;
            if size == 0 || !size.is_multiple_of(SECTOR) {
                return Err(PartitionError::Size { name: spec.name, size });
            }
            // File offsets are signed, so a disk ends below 2^63 bytes. One unit is left for the
            // backup table.
            let next = start
                .checked_add(size)
                .and_then(|end| end.checked_next_multiple_of(ALIGNMENT))
                .filter(|next| *next <= i64::MAX as u64 - ALIGNMENT);
            let Some(next) = next else {
                return Err(PartitionError::TooLarge { name: spec.name, size });
            };
            placed.push(Placed {
                first_lba: start / SECTOR,
                last_lba: (start + size) / SECTOR - 1,
                start_bytes: start,
                spec,
            });
            start = next;
        }
        Ok(Layout { guid: disk_guid, partitions: placed, size: start + ALIGNMENT })
    }

    /// Length of the disk in bytes, a multiple of [`ALIGNMENT`].
    pub fn disk_size(&self) -> u64 {
        self.size
    }

    /// The disk's identifier.
    pub fn disk_guid(&self) -> Guid {
        self.guid
    }

    /// The partitions in the order of their numbers, which start at 1, and of their places.
    pub fn partitions(&self) -> &[Placed] {
        &self.partitions
    }
}

fn check_guids(disk: Guid, partitions: &[PartitionSpec]) -> Result<(), PartitionError> {
    let mut seen = BTreeSet::new();
    for guid in [disk].into_iter().chain(partitions.iter().map(|spec| spec.guid)) {
        if guid.bytes() == [0; 16] {
            return Err(PartitionError::Guid { guid, reason: "means an unused entry" });
        }
        if !seen.insert(guid) {
            return Err(PartitionError::Guid { guid, reason: "is used twice on this disk" });
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), PartitionError> {
    let refuse = |reason| Err(PartitionError::Name { name: name.to_owned(), reason });
    if name.encode_utf16().count() > MOST_UNITS {
        return refuse("at most 36 UTF-16 units");
    }
    if name.chars().any(char::is_control) {
        return refuse("control characters are not allowed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn spec(number: u8, size: u64) -> PartitionSpec {
        PartitionSpec {
            name: format!("p{number}"),
            kind: PartitionType::LinuxFilesystem,
            guid: Guid::from_digest(&[number; 16]),
            size,
        }
    }

    fn layout(sizes: &[u64]) -> Result<Layout, PartitionError> {
        let specs = sizes.iter().zip(1..).map(|(size, number)| spec(number, *size)).collect();
        Layout::new(Guid::from_digest(b"the disk"), specs)
    }

    #[test]
    fn everything_is_aligned_and_nothing_overlaps() {
        let layout = layout(&[512, 33 * MIB, MIB + 512, 4 * MIB]).unwrap();
        let places: Vec<_> =
            layout.partitions().iter().map(|p| (p.first_lba, p.last_lba)).collect();
        assert_eq!(places, [(2048, 2048), (4096, 71_679), (71_680, 73_728), (75_776, 83_967)]);
        assert_eq!(layout.disk_size(), 42 * MIB);
        for placed in layout.partitions() {
            assert_eq!(placed.start_bytes, placed.first_lba * SECTOR);
            assert!(placed.start_bytes.is_multiple_of(ALIGNMENT));
            assert_eq!((placed.last_lba - placed.first_lba + 1) * SECTOR, placed.spec.size);
        }
    }

    #[test]
    fn bad_sizes_are_refused() {
        for size in [0, 511, MIB + 1] {
            assert!(matches!(layout(&[MIB, size]), Err(PartitionError::Size { .. })), "{size}");
        }
        for size in [u64::MAX - 511, 1 << 63, (1 << 63) - 2 * MIB] {
            assert!(matches!(layout(&[MIB, size]), Err(PartitionError::TooLarge { .. })), "{size}");
        }
        assert!(layout(&[(1 << 63) - 4 * MIB]).is_ok());
    }

    #[test]
    fn too_few_and_too_many() {
        assert!(matches!(layout(&[]), Err(PartitionError::Count(0))));
        assert!(matches!(layout(&[MIB; 129]), Err(PartitionError::Count(129))));
        assert!(layout(&[MIB; 128]).is_ok());
    }

    #[test]
    fn identifiers_must_differ() {
        let disk = Guid::from_digest(b"the disk");
        let twice = Layout::new(disk, vec![spec(1, MIB), spec(1, MIB)]);
        assert!(matches!(twice, Err(PartitionError::Guid { .. })));
        let as_disk = Layout::new(disk, vec![PartitionSpec { guid: disk, ..spec(1, MIB) }]);
        assert!(matches!(as_disk, Err(PartitionError::Guid { .. })));
        let zero = Guid::from_bytes([0; 16]);
        assert!(matches!(Layout::new(zero, vec![spec(1, MIB)]), Err(PartitionError::Guid { .. })));
    }

    #[test]
    fn names_have_36_units() {
        let disk = Guid::from_digest(b"the disk");
        let named = |name: String| Layout::new(disk, vec![PartitionSpec { name, ..spec(1, MIB) }]);
        assert!(named("ä".repeat(36)).is_ok());
        assert!(matches!(named("a".repeat(37)), Err(PartitionError::Name { .. })));
        assert!(matches!(named("𝄞".repeat(19)), Err(PartitionError::Name { .. })));
        assert!(matches!(named("a\0".into()), Err(PartitionError::Name { .. })));
    }
}
