//! A volume with changes that are collected first and written together.
//!
//! Everything that can be refused is refused before the first byte is written. Then the order is
//! such that a volume whose writing was cut off is marked as not clean and at worst has clusters
//! that nobody owns: contents, tables, directories, counts.

use std::collections::BTreeMap;
use std::io;

use super::shape::{BOOT, Shape};
use super::{EditError, Medium};

/// Bytes of the table that are read at a time.
const WINDOW: u64 = 64 << 10;

/// Where FSInfo has its counts (the specification, "FSInfo sector structure").
const INFO_FREE: usize = 488;
const INFO_NEXT: usize = 492;
/// A count that says nothing.
const UNKNOWN: u32 = 0xFFFF_FFFF;

pub(super) struct Volume<'a> {
    medium: &'a mut dyn Medium,
    pub(super) shape: Shape,
    /// Sectors of tables and directories that are to be written, by their offset. Of the tables
    /// only the first is here.
    staged: BTreeMap<u64, Vec<u8>>,
    /// Contents of files that are to be written, by their offset.
    contents: Vec<(u64, Vec<u8>)>,
    /// A piece of the table, as it is on the medium.
    window: (u64, Vec<u8>),
    /// Clusters that were taken, less those given back.
    pub(super) taken: i64,
    /// The cluster that was taken last.
    pub(super) last: Option<u32>,
}

impl<'a> Volume<'a> {
    pub(super) fn open(medium: &'a mut dyn Medium, len: u64) -> Result<Volume<'a>, EditError> {
        if len < BOOT as u64 {
            return Err(EditError::NotFat(format!("{len} bytes are too few")));
        }
        let mut boot = [0; BOOT];
        medium.read_at(&mut boot, 0)?;
        let shape = Shape::of(&boot, len)?;
        Ok(Volume {
            medium,
            shape,
            staged: BTreeMap::new(),
            contents: Vec::new(),
            window: (0, Vec::new()),
            taken: 0,
            last: None,
        })
    }

    /// Reads whole sectors, with the changes so far.
    pub(super) fn read(&mut self, at: u64, len: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len as usize];
        self.medium.read_at(&mut bytes, at)?;
        for (offset, sector) in self.staged.range(at..at + len) {
            bytes[(offset - at) as usize..][..sector.len()].copy_from_slice(sector);
        }
        Ok(bytes)
    }

    /// Changes whole sectors.
    pub(super) fn stage(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let now = self.read(at, bytes.len() as u64)?;
        let len = self.shape.sector as usize;
        for (index, (new, old)) in bytes.chunks(len).zip(now.chunks(len)).enumerate() {
            if new != old {
                self.staged.insert(at + (index * len) as u64, new.to_vec());
            }
        }
        Ok(())
    }

    /// Changes clusters that belong to a file.
    pub(super) fn stage_content(&mut self, at: u64, bytes: Vec<u8>) {
        self.contents.push((at, bytes));
    }

    /// The allocation table's entry of a cluster, its reserved bits included.
    fn raw_entry(&mut self, cluster: u32) -> io::Result<u32> {
        let width = self.shape.width.bytes();
        let into = u64::from(cluster) * width;
        let at = self.shape.tables[0] + into;
        let sector = at - at % self.shape.sector;
        if let Some(bytes) = self.staged.get(&sector) {
            return Ok(number(&bytes[(at - sector) as usize..][..width as usize]));
        }
        let (start, bytes) = &self.window;
        if at < *start || at + width > start + bytes.len() as u64 {
            let from = into - into % WINDOW;
            let len = WINDOW.min(self.shape.table_len - from);
            let mut bytes = vec![0; len as usize];
            self.medium.read_at(&mut bytes, self.shape.tables[0] + from)?;
            self.window = (self.shape.tables[0] + from, bytes);
        }
        let (start, bytes) = &self.window;
        Ok(number(&bytes[(at - start) as usize..][..width as usize]))
    }

    /// The allocation table's entry of a cluster that is there, or of 0 or 1.
    pub(super) fn entry(&mut self, cluster: u32) -> io::Result<u32> {
        Ok(self.raw_entry(cluster)? & 0x0FFF_FFFF)
    }

    /// Changes an entry. The upper four bits of 32 are not ours.
    pub(super) fn set_entry(&mut self, cluster: u32, value: u32) -> io::Result<()> {
        let value = value | self.raw_entry(cluster)? & 0xF000_0000;
        let width = self.shape.width.bytes();
        let at = self.shape.tables[0] + u64::from(cluster) * width;
        let start = at - at % self.shape.sector;
        let mut sector = self.read(start, self.shape.sector)?;
        sector[(at - start) as usize..][..width as usize]
            .copy_from_slice(&value.to_le_bytes()[..width as usize]);
        self.stage(start, &sector)
    }

    /// Forgets all changes.
    pub(super) fn forget(&mut self) {
        self.staged.clear();
        self.contents.clear();
        self.window = (0, Vec::new());
        self.taken = 0;
        self.last = None;
    }

    /// Writes all changes. The volume counts as not clean meanwhile, unless it does anyway.
    pub(super) fn commit(&mut self) -> io::Result<()> {
        self.stage_counts()?;
        let first = self.shape.tables[0];
        let mut before = vec![0; self.shape.sector as usize];
        self.medium.read_at(&mut before, first)?;
        // The bit is in the first sector of the table, which is written first and last.
        let after = self.staged.remove(&first).unwrap_or_else(|| before.clone());
        let (before, unclean) = (self.unclean(before), self.unclean(after.clone()));
        if unclean != after {
            self.write_table(first, &before)?;
        }
        for (at, bytes) in std::mem::take(&mut self.contents) {
            self.medium.write_at(&bytes, at)?;
        }
        let staged = std::mem::take(&mut self.staged);
        let table = first..first + self.shape.table_len;
        self.write_table(first, &unclean)?;
        for (at, sector) in staged.range(table.clone()) {
            self.write_table(*at, sector)?;
        }
        for (at, sector) in staged.range(table.end..).chain(staged.range(..table.start)) {
            self.medium.write_at(sector, *at)?;
        }
        match unclean == after {
            true => Ok(()),
            false => self.write_table(first, &after),
        }
    }

    /// Writes a sector of the table into all tables.
    fn write_table(&mut self, at: u64, sector: &[u8]) -> io::Result<()> {
        let into = at - self.shape.tables[0];
        for table in &self.shape.tables {
            self.medium.write_at(sector, table + into)?;
        }
        Ok(())
    }

    /// The table's first sector with the mark of a clean volume taken off its second entry.
    fn unclean(&self, mut sector: Vec<u8>) -> Vec<u8> {
        let width = self.shape.width;
        let bytes = width.bytes() as usize;
        let second = &mut sector[bytes..2 * bytes];
        let value = number(second) & !width.clean();
        second.copy_from_slice(&value.to_le_bytes()[..bytes]);
        sector
    }

    /// Keeps the counts of FSInfo up. They are hints, so a sector that is none is left alone.
    fn stage_counts(&mut self) -> io::Result<()> {
        let Some(at) = self.shape.info else { return Ok(()) };
        let mut sector = self.read(at, self.shape.sector)?;
        if sector[..4] != *b"RRaA" || sector[484..488] != *b"rrAa" {
            return Ok(());
        }
        let free = number(&sector[INFO_FREE..][..4]);
        if self.taken != 0 && free != UNKNOWN {
            let free = u32::try_from(i64::from(free) - self.taken).ok();
            let free = free.filter(|free| *free <= self.shape.clusters).unwrap_or(UNKNOWN);
            sector[INFO_FREE..][..4].copy_from_slice(&free.to_le_bytes());
        }
        if let Some(last) = self.last {
            sector[INFO_NEXT..][..4].copy_from_slice(&last.to_le_bytes());
        }
        self.stage(at, &sector)
    }

    /// The cluster from which to look for free ones: FSInfo's, if it says one.
    pub(super) fn hint(&mut self) -> io::Result<u32> {
        let first = 2;
        if let Some(last) = self.last {
            return Ok(last);
        }
        let Some(at) = self.shape.info else { return Ok(first) };
        let sector = self.read(at, self.shape.sector)?;
        let hint = number(&sector[INFO_NEXT..][..4]);
        Ok(if self.shape.cluster_at(hint).is_ok() { hint } else { first })
    }
}

/// A number of two or four bytes.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}
