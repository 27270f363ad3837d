//! How much of a file system is free.

use crate::bytes::Bytes;
use crate::error::Fault;
use crate::fat::{Fat, Width};

/// Room in a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What contents may take, used or not; for ext4 its own structures, too.
    pub total: u64,
    /// What nobody uses.
    pub free: u64,
}

/// Bytes of the table that are read at a time; a multiple of what entries of any width take.
const PART: u64 = 96 << 10;

impl Fat {
    /// Counts the free clusters in the table: the count in FSInfo is a hint only.
    pub(crate) fn space(&self) -> Result<Space, Fault> {
        let entries = u64::from(self.clusters) + 2;
        // Entries are counted in half bytes: three, four or eight.
        let halves: u64 = match self.width {
            Width::Twelve => 3,
            Width::Sixteen => 4,
            Width::ThirtyTwo => 8,
        };
        let length = (entries * halves).div_ceil(2);
        if length > self.table_len {
            let problem = format!("a table of {} bytes for {entries} entries", self.table_len);
            return Err(Fault::damaged(crate::fat::FORMAT, problem));
        }
        let mut free = 0;
        for at in (0..length).step_by(PART as usize) {
            let bytes = self.window.bytes(self.table_at + at, PART.min(length - at) as usize)?;
            let fields = Bytes(&bytes);
            let first = at * 2 / halves;
            let count = (PART * 2 / halves).min(entries - first) as usize;
            let is_free = |index: usize| match self.width {
                Width::Twelve => {
                    let pair = fields.u16(index + index / 2);
                    if index.is_multiple_of(2) { pair & 0xFFF == 0 } else { pair >> 4 == 0 }
                }
                Width::Sixteen => fields.u16(2 * index) == 0,
                // The four highest bits belong to nobody.
                Width::ThirtyTwo => fields.u32(4 * index) & 0x0FFF_FFFF == 0,
            };
            // The first two entries are no clusters.
            let skip = if first == 0 { 2 } else { 0 };
            free += (skip..count).filter(|index| is_free(*index)).count() as u64;
        }
        let total = u64::from(self.clusters) * self.cluster_size;
        Ok(Space { total, free: free * self.cluster_size })
    }
}
