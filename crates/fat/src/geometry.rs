//! How a volume of a given length is divided: cluster size, length of the tables, clusters.

use crate::FatError;

/// Bytes in a sector. Every card and disk an image goes to presents or emulates it.
pub(crate) const SECTOR: u64 = 512;

/// Sectors before the first table: boot sector, FSInfo, their copies, and room.
pub(crate) const RESERVED: u64 = 32;

/// Copies of the allocation table.
pub(crate) const TABLES: u64 = 2;

/// The number of the first cluster; 0 and 1 are reserved entries of the table.
pub(crate) const FIRST_CLUSTER: u32 = 2;

/// Fewer clusters would make every reader take the volume for FAT16 (the specification, "FAT type
/// determination").
const LEAST_CLUSTERS: u64 = 65_525;

/// The least volume that [`Geometry::new`] accepts, in bytes.
const LEAST_SIZE: u64 = 33 << 20;

/// The division of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Length of the volume in sectors.
    pub(crate) sectors: u32,
    /// Sectors in a cluster: a power of two, at most 64.
    pub(crate) cluster_sectors: u8,
    /// Sectors in one copy of the table.
    pub(crate) table_sectors: u32,
    /// Number of clusters that hold data.
    pub(crate) clusters: u32,
}

impl Geometry {
    /// Divides a volume of `size` bytes.
    pub(crate) fn new(size: u64) -> Result<Geometry, FatError> {
        let refuse = |reason| Err(FatError::Size { size, reason });
        if !size.is_multiple_of(SECTOR) {
            return refuse("it must be a multiple of 512");
        }
        if size < LEAST_SIZE {
            return refuse("at least 33 MiB (34603008 bytes) are needed for FAT32");
        }
        let Ok(sectors) = u32::try_from(size / SECTOR) else {
            return refuse("FAT32 ends at 2 TiB");
        };
        // A size just above a step of the table may have too few clusters; smaller ones give more.
        let mut cluster_sectors = preferred_cluster_sectors(size);
        while cluster_sectors > 1 && divide(sectors, cluster_sectors).1 < LEAST_CLUSTERS {
            cluster_sectors /= 2;
        }
        let (table_sectors, clusters) = divide(sectors, cluster_sectors);
        // Both are below `sectors`, so they fit.
        match (u32::try_from(table_sectors), u32::try_from(clusters)) {
            (Ok(table_sectors), Ok(clusters)) if u64::from(clusters) >= LEAST_CLUSTERS => {
                Ok(Geometry { sectors, cluster_sectors, table_sectors, clusters })
            }
            _ => refuse("it cannot be divided into clusters"),
        }
    }

    /// Bytes in a cluster.
    pub(crate) fn cluster_size(&self) -> u64 {
        u64::from(self.cluster_sectors) * SECTOR
    }

    /// Clusters that `bytes` take.
    pub(crate) fn clusters_for(&self, bytes: u64) -> u64 {
        bytes.div_ceil(self.cluster_size())
    }

    /// Clusters that must stay free: a hundredth, and at least 16. Some boot loaders of the
    /// Raspberry Pi fail on a volume that is full to its last cluster (rpi-eeprom issue 521).
    pub(crate) fn spare(&self) -> u64 {
        u64::from(self.clusters.div_ceil(100).max(16))
    }
}

/// What `mkfs.vfat` takes for FAT32: 512 bytes up to 260 MiB, 4 KiB up to 8 GiB, and so on, as
/// Microsoft's table in the specification does.
fn preferred_cluster_sectors(size: u64) -> u8 {
    match size.div_ceil(1 << 20) {
        0..=260 => 1,
        261..=8_192 => 8,
        8_193..=16_384 => 16,
        16_385..=32_768 => 32,
        _ => 64,
    }
}

/// Sectors in a table and number of clusters.
///
/// A table of `t` sectors has `128 t` entries of four bytes, two of them reserved, and must have
/// one for each of the `(data - 2 t) / c` clusters; solved for the least `t`. It is rounded up
/// to whole clusters, so that clusters of up to 16 KiB are aligned with the volume's start.
fn divide(sectors: u32, cluster_sectors: u8) -> (u64, u64) {
    let cluster = u64::from(cluster_sectors);
    let data = u64::from(sectors).saturating_sub(RESERVED);
    let entries = SECTOR / 4;
    let table = (data + 2 * cluster).div_ceil(entries * cluster + TABLES).next_multiple_of(cluster);
    (table, data.saturating_sub(TABLES * table) / cluster)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn every_size_gives_a_consistent_division() {
        let steps = [33, 34, 64, 100, 256, 259, 260, 261, 262, 300, 512, 4096, 8192, 8193, 32_769];
        let odd = [0, 512, MIB - 512];
        for size in steps.iter().flat_map(|mib| odd.map(|more| mib * MIB + more)) {
            let geometry = Geometry::new(size).unwrap();
            let Geometry { sectors, cluster_sectors, table_sectors, clusters } = geometry;
            assert!(u64::from(clusters) >= LEAST_CLUSTERS, "{size}: {clusters}");
            let entries = u64::from(table_sectors) * SECTOR / 4;
            assert!(entries >= u64::from(clusters) + 2, "{size}: {geometry:?}");
            let used = RESERVED
                + TABLES * u64::from(table_sectors)
                + u64::from(clusters) * u64::from(cluster_sectors);
            let left = u64::from(sectors) - used;
            assert!(left < u64::from(cluster_sectors), "{size}: {geometry:?}");
        }
    }

    #[test]
    fn small_volumes_have_clusters_of_one_sector() {
        assert_eq!(Geometry::new(33 * MIB).unwrap().cluster_size(), 512);
        assert_eq!(Geometry::new(256 * MIB).unwrap().cluster_size(), 512);
        assert_eq!(Geometry::new(512 * MIB).unwrap().cluster_size(), 4096);
    }

    #[test]
    fn sizes_outside_the_limits_are_refused() {
        for size in [0, 513, 32 * MIB, 33 * MIB - 512, 33 * MIB + 1, 1 << 41] {
            assert!(Geometry::new(size).is_err(), "{size}");
        }
        assert!(Geometry::new((1 << 41) - 512).is_ok());
    }
}
