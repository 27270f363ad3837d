//! A reader of FAT12, FAT16 and FAT32 file systems.
//!
//! After Microsoft's "FAT32 File System Specification" 1.03, with long names as Linux reads them
//! (fs/fat). Owners and permissions, which FAT has not, are root's and 0755.

use std::collections::HashSet;

use osb_tree::{Content, Extent, Inode, Kind, Time, Tree};

use crate::bytes::Bytes;
use crate::error::Fault;
use crate::limits::Budget;
use crate::window::Window;

mod name;

pub(crate) const FORMAT: &str = "FAT file system";

const ENTRY: usize = 32;
const DIRECTORY: u8 = 0x10;
const VOLUME_LABEL: u8 = 0x08;
const LONG_NAME: u8 = 0x0F;

/// Width of the table's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    Twelve,
    Sixteen,
    ThirtyTwo,
}

/// What is called with every path, its entry, and where its bytes lie.
type Visit<'a> = dyn FnMut(&[u8], &Entry, Vec<Extent>) -> Result<(), Fault> + 'a;

/// A file system, opened.
#[derive(Debug)]
pub(crate) struct Fat {
    pub(crate) window: Window,
    pub(crate) width: Width,
    pub(crate) cluster_size: u64,
    /// Number of clusters; they are numbered from 2 on.
    pub(crate) clusters: u32,
    /// The table that counts, in bytes.
    pub(crate) table_at: u64,
    pub(crate) table_len: u64,
    /// Bytes before the first table, and in all of them.
    reserved: u64,
    tables: u64,
    /// The root directory: a first cluster, or a place of its own.
    root: Root,
    data_at: u64,
    id: u32,
    label: [u8; 11],
}

#[derive(Debug, Clone, Copy)]
enum Root {
    Cluster(u32),
    Area { at: u64, len: u64 },
}

impl Fat {
    /// Whether a boot sector may be there.
    pub(crate) fn is_at(window: &Window) -> Result<bool, Fault> {
        if !window.has(0, 512) {
            return Ok(false);
        }
        let bytes = window.bytes(0, 512)?;
        let jump = matches!(bytes[..3], [0xEB, _, 0x90] | [0xE9, ..]);
        Ok(jump && bytes[510..] == [0x55, 0xAA] && Fat::open(window.clone()).is_ok())
    }

    /// Reads the boot sector.
    pub(crate) fn open(window: Window) -> Result<Fat, Fault> {
        let damaged = |problem: String| Fault::damaged(FORMAT, problem);
        let bytes = window.bytes(0, 512)?;
        let fields = Bytes(&bytes);
        let sector = u64::from(fields.u16(11));
        let in_cluster = u64::from(fields.u8(13));
        if !(512..=4096).contains(&sector)
            || !sector.is_power_of_two()
            || !in_cluster.is_power_of_two()
        {
            return Err(damaged(format!(
                "sectors of {sector} bytes, clusters of {in_cluster} of them"
            )));
        }
        let reserved = u64::from(fields.u16(14));
        let copies = u64::from(fields.u8(16));
        let root_entries = u64::from(fields.u16(17));
        let sectors = match fields.u16(19) {
            0 => u64::from(fields.u32(32)),
            short => u64::from(short),
        };
        let short_table = fields.u16(22);
        let table = match short_table {
            0 => u64::from(fields.u32(36)),
            short => u64::from(short),
        };
        let root_sectors = (root_entries * ENTRY as u64).div_ceil(sector);
        let before = reserved + copies * table + root_sectors;
        if reserved == 0
            || copies == 0
            || table == 0
            || before > sectors
            || sectors * sector > window.len
        {
            return Err(damaged(format!("{sectors} sectors, {before} of them before the data")));
        }
        let clusters = u32::try_from((sectors - before) / in_cluster)
            .map_err(|_| damaged("too many clusters".to_owned()))?;
        let width = match (short_table, clusters) {
            (0, _) => Width::ThirtyTwo,
            (_, 0..4085) => Width::Twelve,
            _ => Width::Sixteen,
        };
        // The lowest bits name the table that counts, if they are not all kept the same.
        let active = match (width, u64::from(fields.u16(40))) {
            (Width::ThirtyTwo, flags) if flags & 0x80 != 0 => (flags & 0xF).min(copies - 1),
            _ => 0,
        };
        let root = match width {
            Width::ThirtyTwo => Root::Cluster(fields.u32(44)),
            _ => Root::Area {
                at: (reserved + copies * table) * sector,
                len: root_entries * ENTRY as u64,
            },
        };
        let names = if width == Width::ThirtyTwo { 64 } else { 36 };
        let mut label = [b' '; 11];
        label.copy_from_slice(&bytes[names + 7..names + 18]);
        Ok(Fat {
            width,
            cluster_size: in_cluster * sector,
            clusters,
            table_at: (reserved + active * table) * sector,
            table_len: table * sector,
            reserved: reserved * sector,
            tables: copies * table * sector,
            root,
            data_at: before * sector,
            id: fields.u32(names + 3),
            label,
            window,
        })
    }

    /// Identifier, as `blkid` shows it.
    pub(crate) fn uuid(&self) -> String {
        format!("{:04X}-{:04X}", self.id >> 16, self.id & 0xFFFF)
    }

    /// Label, as the boot sector says.
    pub(crate) fn label(&self) -> String {
        let text = String::from_utf8_lossy(&self.label).trim_end().to_owned();
        if text == "NO NAME" { String::new() } else { text }
    }

    /// Everything in it.
    pub(crate) fn tree(&self, budget: &mut Budget) -> Result<Tree, Fault> {
        let mut tree = Tree::new();
        let mut shares = self.window.shares();
        self.walk(budget, &mut |path, entry, pieces| {
            let kind = match pieces {
                _ if entry.directory => Kind::Directory,
                pieces if entry.size > 0 => {
                    Kind::File(Content::Extents(self.window.content(pieces, u64::from(entry.size))))
                }
                _ => Kind::File(Content::from(Vec::new())),
            };
            if tree.get(path).is_some() {
                let problem = format!("{:?} is there twice", String::from_utf8_lossy(path));
                return Err(Fault::damaged(FORMAT, problem));
            }
            let mut inode = Inode::new(0o755, kind);
            inode.meta.mtime = entry.modified;
            shares.take(&inode, FORMAT)?;
            tree.insert(path, inode).map(drop).map_err(Fault::tree(FORMAT))
        })?;
        Ok(tree)
    }

    /// Describes the byte at `offset`.
    pub(crate) fn locate(&self, offset: u64, budget: &mut Budget) -> Result<String, Fault> {
        if offset < self.reserved {
            return Ok(format!("the reserved sectors, byte {offset:#x}"));
        }
        let into = offset - self.reserved;
        if into < self.tables {
            return Ok(format!(
                "allocation table {}, byte {:#x}",
                into / self.table_len + 1,
                into % self.table_len
            ));
        }
        let holds = |pieces: &[Extent]| {
            pieces.iter().any(|piece| (piece.offset..piece.offset + piece.len).contains(&offset))
        };
        if holds(&self.root(budget)?) {
            return Ok("the root directory".to_owned());
        }
        let mut found = None;
        self.walk(budget, &mut |path, entry, pieces| {
            if found.is_none() && holds(&pieces) {
                let what = if entry.directory { "directory" } else { "file" };
                found = Some(format!("{what} {:?}", format!("/{}", String::from_utf8_lossy(path))));
            }
            Ok(())
        })?;
        Ok(found.unwrap_or_else(|| "a free cluster".to_owned()))
    }

    fn root(&self, budget: &mut Budget) -> Result<Vec<Extent>, Fault> {
        match self.root {
            Root::Cluster(first) => self.chain(first, None, budget),
            Root::Area { at, len } => Ok(vec![Extent { at: 0, len, offset: at }]),
        }
    }

    /// Calls `visit` with every path below the root, parents first.
    fn walk(&self, budget: &mut Budget, visit: &mut Visit) -> Result<(), Fault> {
        let mut seen = HashSet::new();
        let mut open = vec![(Vec::new(), self.root(budget)?)];
        while let Some((path, pieces)) = open.pop() {
            for entry in self.entries(&pieces, budget)? {
                let mut child = path.clone();
                if !child.is_empty() {
                    child.push(b'/');
                }
                child.extend_from_slice(&entry.name);
                budget.entry(&child)?;
                let pieces = match (entry.directory, entry.first) {
                    (true, first) => self.chain(first, None, budget)?,
                    (false, 0) if entry.size == 0 => Vec::new(),
                    (false, first) => self.chain(first, Some(entry.size), budget)?,
                };
                visit(&child, &entry, pieces.clone())?;
                if entry.directory {
                    if !seen.insert(entry.first) {
                        let problem = format!(
                            "directory {:?} has a second name",
                            String::from_utf8_lossy(&child)
                        );
                        return Err(Fault::damaged(FORMAT, problem));
                    }
                    open.push((child, pieces));
                }
            }
        }
        Ok(())
    }

    /// The clusters from `first` on, as pieces: all of them, or as many as `size` bytes need.
    fn chain(
        &self,
        first: u32,
        size: Option<u32>,
        budget: &mut Budget,
    ) -> Result<Vec<Extent>, Fault> {
        let wanted = size.map(|size| u64::from(size).div_ceil(self.cluster_size));
        let mut pieces: Vec<Extent> = Vec::new();
        let (mut cluster, mut count) = (first, 0);
        while wanted.is_none_or(|wanted| count < wanted) {
            if cluster < 2 || cluster - 2 >= self.clusters || count > u64::from(self.clusters) {
                let problem =
                    format!("a chain of clusters that leads to {cluster}, or in a circle");
                return Err(Fault::damaged(FORMAT, problem));
            }
            let offset = self.data_at + u64::from(cluster - 2) * self.cluster_size;
            let at = count * self.cluster_size;
            match pieces.last_mut() {
                Some(last) if last.offset + last.len == offset => last.len += self.cluster_size,
                _ => {
                    budget.keep(size_of::<Extent>())?;
                    pieces.push(Extent { at, len: self.cluster_size, offset });
                }
            }
            count += 1;
            match self.next(cluster, budget)? {
                Some(next) => cluster = next,
                None if wanted.is_some_and(|wanted| count < wanted) => {
                    let problem =
                        format!("a file of {} bytes has {count} clusters", size.unwrap_or(0));
                    return Err(Fault::damaged(FORMAT, problem));
                }
                None => break,
            }
        }
        Ok(pieces)
    }

    /// The cluster behind this one; `None` at the end of a chain.
    fn next(&self, cluster: u32, budget: &mut Budget) -> Result<Option<u32>, Fault> {
        let index = u64::from(cluster);
        let (at, len) = match self.width {
            Width::Twelve => (index + index / 2, 2),
            Width::Sixteen => (index * 2, 2),
            Width::ThirtyTwo => (index * 4, 4),
        };
        if at + len > self.table_len {
            return Err(Fault::damaged(FORMAT, format!("cluster {cluster} is behind the table")));
        }
        // A system call costs more than what it reads.
        budget.work(64)?;
        let bytes = self.window.bytes(self.table_at + at, len as usize)?;
        let fields = Bytes(&bytes);
        let (value, end) = match self.width {
            Width::Twelve if cluster % 2 == 1 => (u32::from(fields.u16(0) >> 4), 0xFF8),
            Width::Twelve => (u32::from(fields.u16(0) & 0xFFF), 0xFF8),
            Width::Sixteen => (u32::from(fields.u16(0)), 0xFFF8),
            Width::ThirtyTwo => (fields.u32(0) & 0x0FFF_FFFF, 0x0FFF_FFF8),
        };
        Ok((value < end).then_some(value))
    }

    /// The entries of a directory, without labels and dots.
    fn entries(&self, pieces: &[Extent], budget: &mut Budget) -> Result<Vec<Entry>, Fault> {
        let mut found = Vec::new();
        let mut long = name::Long::default();
        for piece in pieces {
            let mut at = 0;
            while at < piece.len {
                let len = (piece.len - at).min(1 << 16);
                budget.work(len)?;
                let bytes = self.window.bytes(piece.offset + at, len as usize)?;
                at += len;
                for bytes in bytes.chunks_exact(ENTRY) {
                    match bytes[0] {
                        0 => return Ok(found),
                        0xE5 => long = name::Long::default(),
                        _ if bytes[11] & 0x3F == LONG_NAME => long.add(bytes),
                        _ => {
                            let long = std::mem::take(&mut long);
                            if bytes[11] & VOLUME_LABEL == 0 && bytes[0] != b'.' {
                                let entry = Entry::new(bytes, long, self.width);
                                if entry.name.contains(&b'/') {
                                    let name = String::from_utf8_lossy(&entry.name).into_owned();
                                    let problem = format!("a name with a slash in it: {name:?}");
                                    return Err(Fault::damaged(FORMAT, problem));
                                }
                                budget.keep(size_of::<Entry>() + entry.name.len())?;
                                found.push(entry);
                            }
                        }
                    }
                }
            }
        }
        Ok(found)
    }
}

/// A file or directory.
#[derive(Debug)]
struct Entry {
    name: Vec<u8>,
    directory: bool,
    first: u32,
    size: u32,
    modified: Time,
}

impl Entry {
    fn new(bytes: &[u8], long: name::Long, width: Width) -> Entry {
        let fields = Bytes(bytes);
        let high = if width == Width::ThirtyTwo { u32::from(fields.u16(20)) << 16 } else { 0 };
        Entry {
            name: long.finish(bytes).unwrap_or_else(|| name::short(bytes)),
            directory: bytes[11] & DIRECTORY != 0,
            first: high | u32::from(fields.u16(26)),
            size: fields.u32(28),
            modified: time(fields.u16(24), fields.u16(22)),
        }
    }
}

/// Date and time as UTC. Fields that are out of range count on, as in Linux.
fn time(date: u16, time: u16) -> Time {
    let (year, month, day) = (
        1980 + i64::from(date >> 9),
        i64::from(date >> 5 & 15).max(1),
        i64::from(date & 31).max(1),
    );
    // Days since 1970 of a civil date: Howard Hinnant, "chrono-Compatible Low-Level Date
    // Algorithms", days_from_civil.
    let shifted = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + day_of_year - 719_468;
    let seconds =
        i64::from(time >> 11) * 3600 + i64::from(time >> 5 & 63) * 60 + i64::from(time & 31) * 2;
    Time::from_secs(days * 86400 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(time(0x21, 0).secs, 315_532_800); // 1980-01-01
        // 2024-02-29 12:34:56
        assert_eq!(time(44 << 9 | 2 << 5 | 29, 12 << 11 | 34 << 5 | 28).secs, 1_709_210_096);
    }
}
