//! How a volume is divided, as its boot sector says.

use super::EditError;
use crate::directory::ENTRY;

/// Bytes of the boot sector that mean something.
pub(super) const BOOT: usize = 512;

/// Fewer clusters than these make a volume FAT12, and from the second number on FAT32 (the
/// specification, "FAT type determination").
const SIXTEEN: u64 = 4085;
const THIRTY_TWO: u64 = 65_525;

/// The highest numbers of an entry have a meaning, so that there are fewer clusters than bits allow.
const MOST_CLUSTERS: u64 = 0x0FFF_FFF5;

/// Width of the table's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Sixteen,
    ThirtyTwo,
}

impl Width {
    /// Bytes of an entry.
    pub(super) fn bytes(self) -> u64 {
        match self {
            Width::Sixteen => 2,
            Width::ThirtyTwo => 4,
        }
    }

    /// The bits of an entry that are a cluster's number.
    pub(super) fn mask(self) -> u32 {
        match self {
            Width::Sixteen => 0xFFFF,
            Width::ThirtyTwo => 0x0FFF_FFFF,
        }
    }

    /// From this value on an entry is the end of a chain; the one before marks a bad cluster.
    pub(super) fn end(self) -> u32 {
        match self {
            Width::Sixteen => 0xFFF8,
            Width::ThirtyTwo => 0x0FFF_FFF8,
        }
    }

    /// The bit of the second entry that says "cleanly unmounted" (the specification, "FAT data
    /// structure", `ClnShutBitMask`).
    pub(super) fn clean(self) -> u32 {
        match self {
            Width::Sixteen => 0x8000,
            Width::ThirtyTwo => 0x0800_0000,
        }
    }
}

/// Where the root directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// A chain of clusters, as any other: FAT32.
    Cluster(u32),
    /// A place of its own before the clusters, which cannot grow: FAT16.
    Area { at: u64, len: u64 },
}

/// The division of a volume; offsets and lengths are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) width: Width,
    /// Bytes in a sector.
    pub(super) sector: u64,
    /// Bytes in a cluster.
    pub(super) cluster: u64,
    /// Number of clusters; they are numbered from 2 on.
    pub(super) clusters: u32,
    /// The allocation tables that are kept up: the first is read, all are written.
    pub(super) tables: Vec<u64>,
    /// Length of one table.
    pub(super) table_len: u64,
    pub(super) root: Root,
    /// Where cluster 2 begins.
    pub(super) data_at: u64,
    /// The FSInfo sector, if there is one.
    pub(super) info: Option<u64>,
}

fn u16_at(bytes: &[u8; BOOT], at: usize) -> u64 {
    u64::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn u32_at(bytes: &[u8; BOOT], at: usize) -> u64 {
    u16_at(bytes, at) | u16_at(bytes, at + 2) << 16
}

impl Shape {
    /// Reads a boot sector (the specification, "Boot sector and BPB") of a volume of `len` bytes.
    pub(super) fn of(boot: &[u8; BOOT], len: u64) -> Result<Shape, EditError> {
        let not = |problem: String| Err(EditError::NotFat(problem));
        if boot[510..] != [0x55, 0xAA] {
            return not("its first sector has no boot signature".to_owned());
        }
        let (sector, in_cluster) = (u16_at(boot, 11), u64::from(boot[13]));
        let sound = sector.is_power_of_two() && (512..=4096).contains(&sector);
        if !sound || !in_cluster.is_power_of_two() {
            return not(format!("sectors of {sector} bytes, clusters of {in_cluster} sectors"));
        }
        let (reserved, copies) = (u16_at(boot, 14), u64::from(boot[16]));
        let either = |short: usize, long: usize| match u16_at(boot, short) {
            0 => u32_at(boot, long),
            short => short,
        };
        let (sectors, table) = (either(19, 32), either(22, 36));
        let root = (u16_at(boot, 17) * ENTRY as u64).next_multiple_of(sector);
        let before = reserved + copies * table + root / sector;
        if reserved == 0 || copies == 0 || table == 0 || before > sectors {
            return not(format!("{sectors} sectors, {before} of them before the files"));
        }
        if sectors * sector > len {
            return not(format!("{sectors} sectors of {sector} bytes, in {len} bytes"));
        }
        let clusters = (sectors - before) / in_cluster;
        let width = match (u16_at(boot, 22), clusters) {
            (0, ..=MOST_CLUSTERS) => Width::ThirtyTwo,
            (1.., SIXTEEN..THIRTY_TWO) => Width::Sixteen,
            (1.., ..SIXTEEN) => return not("it is FAT12, of floppy disks".to_owned()),
            _ => return not(format!("{clusters} clusters")),
        };
        let table_len = table * sector;
        if (clusters + 2) * width.bytes() > table_len {
            return not(format!("{clusters} clusters, and a table of {table_len} bytes"));
        }
        let table_at = |copy: u64| reserved * sector + copy * table_len;
        // With this bit set, one table counts and the others are not kept up (`BPB_ExtFlags`).
        let flags = if width == Width::ThirtyTwo { u16_at(boot, 40) } else { 0 };
        let tables = match flags & 0x80 {
            0 => (0..copies).map(table_at).collect(),
            _ if flags & 0xF < copies => vec![table_at(flags & 0xF)],
            _ => return not(format!("table {} counts, of {copies}", flags & 0xF)),
        };
        let info = (width == Width::ThirtyTwo).then(|| u16_at(boot, 48));
        Ok(Shape {
            width,
            sector,
            cluster: in_cluster * sector,
            clusters: clusters as u32, // at most MOST_CLUSTERS
            tables,
            table_len,
            root: match width {
                Width::ThirtyTwo => Root::Cluster(u32_at(boot, 44) as u32),
                Width::Sixteen => Root::Area { at: table_at(copies), len: root },
            },
            data_at: before * sector,
            info: info.filter(|info| (1..reserved).contains(info)).map(|info| info * sector),
        })
    }

    /// Where a cluster of data begins, if there is one of this number.
    pub(super) fn cluster_at(&self, cluster: u32) -> Result<u64, EditError> {
        match cluster.checked_sub(2) {
            Some(index) if index < self.clusters => {
                Ok(self.data_at + u64::from(index) * self.cluster)
            }
            _ => Err(EditError::damaged(format!(
                "cluster {cluster} is named, and there are those from 2 to {}",
                self.clusters + 1
            ))),
        }
    }

    /// Clusters that `bytes` take.
    pub(super) fn clusters_for(&self, bytes: u64) -> u64 {
        bytes.div_ceil(self.cluster)
    }
}
