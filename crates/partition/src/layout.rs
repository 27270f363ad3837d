//! Where each partition lies.

use std::collections::BTreeSet;

use crate::format::ALIGNMENT;
use crate::{Format, Guid, PartitionError, PartitionType, Table};

/// The most UTF-16 units a partition's name may have (UEFI specification, GPT partition entry).
const MOST_UNITS: usize = 36;

/// A partition that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionSpec {
    /// The name in the table (`PARTLABEL`), at most 36 UTF-16 units; an MBR does not store it.
    pub name: String,
    /// What it is for.
    pub kind: PartitionType,
    /// Its identifier (`PARTUUID`); an MBR does not store it.
    pub guid: Guid,
    /// Its length in bytes, a multiple of the sector's.
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

/// A disk: its format, its partitions in order, and its own identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub(crate) format: Format,
    pub(crate) guid: Guid,
    pub(crate) partitions: Vec<Placed>,
    pub(crate) size: u64,
}

impl Layout {
    /// A disk of the default [`Format`]: see [`Layout::with_format`].
    ///
    /// # Errors
    /// If there is no partition, a length, name or identifier is not allowed, or the sum overflows.
    pub fn new(disk_guid: Guid, partitions: Vec<PartitionSpec>) -> Result<Layout, PartitionError> {
        Layout::with_format(Format::default(), disk_guid, partitions)
    }

    /// Places the partitions one after the other, each at a multiple of the alignment, the first
    /// after the table. A disk with a GPT ends one such unit after the last, where the table's
    /// copy is.
    ///
    /// # Errors
    /// If there is no partition, a length, name or identifier is not allowed, or the table cannot
    /// hold so many, or so large ones.
    pub fn with_format(
        format: Format,
        disk_guid: Guid,
        partitions: Vec<PartitionSpec>,
    ) -> Result<Layout, PartitionError> {
        let Format { table, sector, alignment } = format;
        if alignment == 0 || !alignment.is_multiple_of(ALIGNMENT) {
            return Err(PartitionError::Alignment(alignment));
        }
        if !(1..=table.most_partitions()).contains(&partitions.len()) {
            return Err(PartitionError::Count { table, count: partitions.len() });
        }
        check_guids(disk_guid, &partitions)?;
        if table == Table::Mbr && disk_guid.signature() == 0 {
            let reason = "has no first part, which an MBR is told by";
            return Err(PartitionError::Guid { guid: disk_guid, reason });
        }
        let (limit, tail) = limit(&format);
        let sector = sector.bytes();
        let mut start = alignment;
        let mut placed = Vec::with_capacity(partitions.len());
        for spec in partitions {
            check_name(&spec.name)?;
            let PartitionSpec { size, .. } = spec;
            if size == 0 || !size.is_multiple_of(sector) {
                return Err(PartitionError::Size { name: spec.name, size, sector });
            }
            let next = start
                .checked_add(size)
                .and_then(|end| end.checked_next_multiple_of(alignment))
                .filter(|next| next.checked_add(tail).is_some_and(|end| end <= limit));
            let Some(next) = next else {
                return Err(PartitionError::TooLarge { name: spec.name, size, table, limit });
            };
            placed.push(Placed {
                first_lba: start / sector,
                last_lba: (start + size) / sector - 1,
                start_bytes: start,
                spec,
            });
            start = next;
        }
        Ok(Layout { format, guid: disk_guid, partitions: placed, size: start + tail })
    }

    /// Length of the disk in bytes, a multiple of the alignment.
    pub fn disk_size(&self) -> u64 {
        self.size
    }

    /// What the disk is apart from its partitions.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Bytes in a sector.
    pub fn sector_size(&self) -> u64 {
        self.format.sector.bytes()
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

/// Where a disk must end, and the bytes that it has after its last partition. File offsets are
/// signed, so every disk ends below 2^63 bytes; an MBR counts sectors with 32 bits.
fn limit(format: &Format) -> (u64, u64) {
    match format.table {
        Table::Gpt => (i64::MAX as u64, format.alignment),
        Table::Mbr => (format.sector.bytes() << 32, 0),
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
    use crate::SectorSize;

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
            assert_eq!(placed.start_bytes, placed.first_lba * 512);
            assert!(placed.start_bytes.is_multiple_of(ALIGNMENT));
            assert_eq!((placed.last_lba - placed.first_lba + 1) * 512, placed.spec.size);
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
        assert!(matches!(layout(&[]), Err(PartitionError::Count { count: 0, .. })));
        assert!(matches!(layout(&[MIB; 129]), Err(PartitionError::Count { count: 129, .. })));
        assert!(layout(&[MIB; 128]).is_ok());
    }

    fn formatted(format: Format, sizes: &[u64]) -> Result<Layout, PartitionError> {
        let specs = sizes.iter().zip(1..).map(|(size, number)| spec(number, *size)).collect();
        Layout::with_format(format, Guid::from_digest(b"the disk"), specs)
    }

    #[test]
    fn places_are_counted_in_the_sectors_of_the_disk() {
        let format = Format { sector: SectorSize::B4096, alignment: 4 * MIB, ..Format::default() };
        let layout = formatted(format, &[4096, 5 * MIB]).unwrap();
        let places: Vec<_> =
            layout.partitions().iter().map(|p| (p.first_lba, p.last_lba)).collect();
        assert_eq!(places, [(1024, 1024), (2048, 2048 + 1279)]);
        assert_eq!(layout.disk_size(), 20 * MIB);
        let error = formatted(format, &[MIB + 512]).unwrap_err().to_string();
        assert!(error.contains("multiple of 4096"), "{error}");
        for alignment in [0, 4096, MIB + 4096] {
            let format = Format { alignment, ..Format::default() };
            assert!(matches!(formatted(format, &[MIB]), Err(PartitionError::Alignment(_))));
        }
    }

    #[test]
    fn an_mbr_has_four_partitions_below_two_to_the_32_sectors() {
        let mbr = Format { table: Table::Mbr, ..Format::default() };
        assert_eq!(formatted(mbr, &[MIB; 4]).unwrap().disk_size(), 5 * MIB);
        let error = formatted(mbr, &[MIB; 5]).unwrap_err().to_string();
        assert_eq!(error, "5 partitions: an MBR table holds 1 to 4");
        const TIB: u64 = 1 << 40;
        assert!(formatted(mbr, &[2 * TIB - MIB]).is_ok());
        let error = formatted(mbr, &[MIB, 2 * TIB - MIB]).unwrap_err().to_string();
        assert!(error.contains("\"p2\"") && error.contains("2199023255552"), "{error}");
        let long = Format { sector: SectorSize::B4096, ..mbr };
        assert!(formatted(long, &[16 * TIB - MIB]).is_ok());
        assert!(formatted(long, &[16 * TIB]).is_err());
    }

    #[test]
    fn an_mbr_needs_a_signature() {
        let mut bytes = [7; 16];
        bytes[..4].fill(0);
        let disk = Guid::from_bytes(bytes);
        assert!(Layout::new(disk, vec![spec(1, MIB)]).is_ok());
        let mbr = Format { table: Table::Mbr, ..Format::default() };
        let layout = Layout::with_format(mbr, disk, vec![spec(1, MIB)]);
        assert!(matches!(layout, Err(PartitionError::Guid { .. })));
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
