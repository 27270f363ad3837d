//! How a volume of a given length is divided: cluster size, length of the tables, clusters.

use crate::FatError;

/// The sectors that a volume may have. FAT knows 1024 and 2048, too, but disks do not.
const SECTORS: [u32; 2] = [512, 4096];

/// Sectors before the first table: boot sector, FSInfo, their copies, and room.
pub(crate) const RESERVED: u64 = 32;

/// Copies of the allocation table.
pub(crate) const TABLES: u64 = 2;

/// The number of the first cluster; 0 and 1 are reserved entries of the table.
pub(crate) const FIRST_CLUSTER: u32 = 2;

/// Fewer clusters would make every reader take the volume for FAT16 (the specification, "FAT type
/// determination").
const LEAST_CLUSTERS: u64 = 65_525;

/// An entry of the table has 28 bits, of which the highest values have a meaning.
const MOST_CLUSTERS: u64 = 0x0FFF_FFF5;

/// The least volume with sectors of `sector_size` bytes, in whole MiB, in bytes: one that has enough
/// clusters of one sector each.
const fn least_size(sector_size: u32) -> u64 {
    let sector = sector_size as u64;
    // Rounded up once more than the tables are, which a MiB has room for.
    let table = ((LEAST_CLUSTERS + 2) * 4).div_ceil(sector) + 1;
    ((RESERVED + TABLES * table + LEAST_CLUSTERS) * sector).next_multiple_of(1 << 20)
}

/// Whether a FAT32 volume of `size` bytes is possible with sectors of `sector_size` bytes.
///
/// # Errors
/// If not, with the limit that is broken.
pub fn check_size(size: u64, sector_size: u32) -> Result<(), FatError> {
    Geometry::new(size, sector_size).map(drop)
}

/// The division of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Bytes in a sector.
    pub(crate) sector: u64,
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
    pub(crate) fn new(size: u64, sector_size: u32) -> Result<Geometry, FatError> {
        if !SECTORS.contains(&sector_size) {
            return Err(FatError::Sector(sector_size));
        }
        let sector = u64::from(sector_size);
        if !size.is_multiple_of(sector) {
            return Err(FatError::Uneven { size, sector_size });
        }
        let least = least_size(sector_size);
        if size < least {
            return Err(FatError::TooSmall { size, sector_size, least });
        }
        let Ok(sectors) = u32::try_from(size / sector) else {
            return Err(FatError::TooLarge { size, sector_size });
        };
        // A size just above a step of the table may have too few clusters; smaller ones give more.
        let mut cluster_sectors = (preferred_cluster(size) / sector).max(1);
        while cluster_sectors > 1 && divide(sectors, cluster_sectors, sector).1 < LEAST_CLUSTERS {
            cluster_sectors /= 2;
        }
        let (table_sectors, clusters) = divide(sectors, cluster_sectors, sector);
        match (u8::try_from(cluster_sectors), u32::try_from(table_sectors), clusters) {
            (Ok(cluster_sectors), Ok(table_sectors), LEAST_CLUSTERS..=MOST_CLUSTERS) => {
                let clusters = clusters as u32;
                Ok(Geometry { sector, sectors, cluster_sectors, table_sectors, clusters })
            }
            _ => Err(FatError::TooLarge { size, sector_size }),
        }
    }

    /// Bytes in a cluster.
    pub(crate) fn cluster_size(&self) -> u64 {
        u64::from(self.cluster_sectors) * self.sector
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

/// Bytes in a cluster: what `mkfs.vfat` takes for FAT32, 512 up to 260 MiB, 4 KiB up to 8 GiB, and
/// so on, as Microsoft's table in the specification does. A sector is the least.
fn preferred_cluster(size: u64) -> u64 {
    match size.div_ceil(1 << 20) {
        0..=260 => 512,
        261..=8_192 => 4_096,
        8_193..=16_384 => 8_192,
        16_385..=32_768 => 16_384,
        _ => 32_768,
    }
}

/// Sectors in a table and number of clusters.
///
/// A table of `t` sectors has `e t` entries of four bytes (128 or 1024 in each sector), two of them
/// reserved, and must have one for each of the `(data - 2 t) / c` clusters; solved for the least
/// `t`. It is rounded up to whole clusters, so that clusters of up to 32 sectors are aligned with
/// the volume's start.
fn divide(sectors: u32, cluster: u64, sector: u64) -> (u64, u64) {
    let data = u64::from(sectors).saturating_sub(RESERVED);
    let entries = sector / 4;
    let table = (data + 2 * cluster).div_ceil(entries * cluster + TABLES).next_multiple_of(cluster);
    (table, data.saturating_sub(TABLES * table) / cluster)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn every_size_gives_a_consistent_division() {
        let steps =
            [33, 34, 64, 100, 256, 257, 259, 260, 261, 262, 300, 512, 4096, 8192, 8193, 32_769];
        for sector in SECTORS {
            let odd = [0, u64::from(sector), MIB - u64::from(sector)];
            let sizes = steps.iter().flat_map(|mib| odd.map(|more| mib * MIB + more));
            for size in sizes.filter(|size| *size >= least_size(sector)) {
                let geometry = Geometry::new(size, sector).unwrap();
                let Geometry { sectors, cluster_sectors, table_sectors, clusters, .. } = geometry;
                assert!(u64::from(clusters) >= LEAST_CLUSTERS, "{size}: {clusters}");
                let entries = u64::from(table_sectors) * geometry.sector / 4;
                assert!(entries >= u64::from(clusters) + 2, "{size}: {geometry:?}");
                let used = RESERVED
                    + TABLES * u64::from(table_sectors)
                    + u64::from(clusters) * u64::from(cluster_sectors);
                let left = u64::from(sectors) - used;
                assert!(left < u64::from(cluster_sectors), "{size}: {geometry:?}");
            }
        }
    }

    #[test]
    fn small_volumes_have_clusters_of_one_sector() {
        let cluster = |mib: u64, sector| Geometry::new(mib * MIB, sector).unwrap().cluster_size();
        assert_eq!((cluster(33, 512), cluster(256, 512), cluster(512, 512)), (512, 512, 4096));
        assert_eq!(
            (cluster(257, 4096), cluster(512, 4096), cluster(9000, 4096)),
            (4096, 4096, 8192)
        );
        assert_eq!((cluster(40_000, 512), cluster(40_000, 4096)), (32_768, 32_768));
    }

    #[test]
    fn sizes_outside_the_limits_are_refused() {
        for size in [0, 513, 32 * MIB, 33 * MIB - 512, 33 * MIB + 1, 1 << 41] {
            assert!(Geometry::new(size, 512).is_err(), "{size}");
        }
        assert!(Geometry::new((1 << 41) - 512, 512).is_ok());
        for size in [33 * MIB, 256 * MIB, 257 * MIB + 512, 1 << 44] {
            assert!(Geometry::new(size, 4096).is_err(), "{size}");
        }
        for sector in [0, 1, 1024, 8192] {
            assert!(matches!(Geometry::new(1 << 30, sector), Err(FatError::Sector(_))));
        }
    }

    #[test]
    fn the_least_size_is_the_least_of_whole_mebibytes() {
        assert_eq!(SECTORS.map(least_size), [33 * MIB, 257 * MIB]);
        for sector in SECTORS {
            let least = least_size(sector);
            assert!(Geometry::new(least, sector).is_ok());
            let sectors = ((least - MIB) / u64::from(sector)) as u32;
            assert!(divide(sectors, 1, u64::from(sector)).1 < LEAST_CLUSTERS, "{sector}");
        }
    }
}
