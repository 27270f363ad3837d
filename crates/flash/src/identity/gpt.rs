//! A GPT (UEFI specification 2.10, section 5.3) that is changed and moved to a disk of another
//! length. Whatever this does not know stays as it is.

use std::io;

use osb_checksum::Digest;
use osb_image::{Partition, Table, TableKind};
use osb_partition::{Guid, crc32};

use crate::Overlay;

const MAGIC: &[u8] = b"EFI PART";
/// Most entries that are read. Tables have 128.
const MOST_ENTRIES: u32 = 1024;
/// Largest entry that is read, in bytes. Entries have 128.
const MOST_ENTRY: u32 = 4096;
/// The record of the protective MBR: its type, its first sector, its length.
const PROTECTIVE: (usize, usize, usize) = (450, 454, 458);

/// Where fields of the header are.
mod field {
    pub(super) const SIZE: usize = 12;
    pub(super) const SUM: usize = 16;
    pub(super) const OWN: usize = 24;
    pub(super) const OTHER: usize = 32;
    pub(super) const LAST_USABLE: usize = 48;
    pub(super) const DISK: usize = 56;
    pub(super) const ARRAY: usize = 72;
    pub(super) const COUNT: usize = 80;
    pub(super) const ENTRY: usize = 84;
    pub(super) const ARRAY_SUM: usize = 88;
}

/// Reads bytes from an offset on.
type Read<'a> = dyn FnMut(u64, &mut [u8]) -> io::Result<()> + 'a;

/// A table whose sums are right.
pub(super) struct Gpt {
    sector: u64,
    /// The first header, a sector.
    header: Vec<u8>,
    array: Vec<u8>,
}

impl Gpt {
    /// Whether the disk begins with one that counts in such sectors.
    pub(super) fn is_at(head: &[u8], sector: u32) -> bool {
        head.get(sector as usize..).is_some_and(|rest| rest.starts_with(MAGIC))
    }

    /// The table at the beginning of the disk. One with a wrong sum is none: whoever made it so
    /// should find it so.
    pub(super) fn read(read: &mut Read<'_>, sector: u32) -> io::Result<Option<Gpt>> {
        let mut header = vec![0; sector as usize];
        read(sector.into(), &mut header)?;
        let size = u32_at(&header, field::SIZE) as usize;
        if !header.starts_with(MAGIC) || !(92..=header.len()).contains(&size) {
            return Ok(None);
        }
        let (count, entry) = (u32_at(&header, field::COUNT), u32_at(&header, field::ENTRY));
        let sound = sum(&header, size) == u32_at(&header, field::SUM)
            && u64_at(&header, field::OWN) == 1
            && (1..=MOST_ENTRIES).contains(&count)
            && (128..=MOST_ENTRY).contains(&entry)
            && entry.is_multiple_of(8);
        let at = u64_at(&header, field::ARRAY).checked_mul(sector.into());
        let Some(at) = at.filter(|_| sound) else { return Ok(None) };
        let mut array = vec![0; (count * entry) as usize];
        read(at, &mut array)?;
        let sound = crc32(&array) == u32_at(&header, field::ARRAY_SUM);
        let gpt = Gpt { sector: sector.into(), header, array };
        let placed = gpt.used().all(|(_, entry)| u64_at(entry, 40) < u64::MAX >> 16);
        Ok((sound && placed).then_some(gpt))
    }

    /// Bytes of the shortest disk for it.
    pub(super) fn needed(&self) -> u64 {
        let last = self.used().map(|(_, entry)| u64_at(entry, 40)).max().unwrap_or(0);
        // Behind the last partition the array and the header.
        (last + 1 + self.array_sectors() + 1) * self.sector
    }

    /// Gives disk and partitions other identifiers.
    pub(super) fn rename(&mut self, fresh: &mut dyn FnMut(&str) -> Digest) {
        put(&mut self.header, field::DISK, &Guid::from_digest(&fresh("disk")).bytes());
        let size = u32_at(&self.header, field::ENTRY) as usize;
        for (entry, number) in self.array.chunks_exact_mut(size).zip(1..) {
            if entry[..16] != [0; 16] {
                let guid = Guid::from_digest(&fresh(&format!("partition {number}")));
                put(entry, 16, &guid.bytes());
            }
        }
    }

    /// Puts the table to the beginning and the end of the disk, and takes its copy away from where
    /// the image ended.
    pub(super) fn place(&mut self, disk: &mut Overlay<'_>) -> io::Result<()> {
        let (sector, array) = (self.sector, self.array_sectors());
        let last = disk.size() / sector - 1;
        self.remove_copy(disk, last)?;
        put(&mut self.header, field::OTHER, &last.to_le_bytes());
        put(&mut self.header, field::LAST_USABLE, &(last - array - 1).to_le_bytes());
        let array_sum = crc32(&self.array).to_le_bytes();
        put(&mut self.header, field::ARRAY_SUM, &array_sum);
        seal(&mut self.header);
        let mut copy = self.header.clone();
        put(&mut copy, field::OWN, &last.to_le_bytes());
        put(&mut copy, field::OTHER, &1u64.to_le_bytes());
        put(&mut copy, field::ARRAY, &(last - array).to_le_bytes());
        seal(&mut copy);
        disk.write_at(&self.array, (last - array) * sector)?;
        disk.write_at(&copy, last * sector)?;
        disk.write_at(&self.array, u64_at(&self.header, field::ARRAY) * sector)?;
        disk.write_at(&self.header, sector)?;
        protect(disk, last)
    }

    pub(super) fn table(&self) -> Table {
        let partition = |(number, entry): (u32, &[u8])| {
            let units =
                entry[56..128].as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit));
            let name = char::decode_utf16(units.take_while(|unit| *unit != 0));
            Partition {
                number,
                name: name.map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect(),
                kind: guid(entry, 0),
                id: guid(entry, 16),
                first_lba: u64_at(entry, 32),
                last_lba: u64_at(entry, 40),
                flags: u64_at(entry, 48),
            }
        };
        Table {
            kind: TableKind::Gpt,
            id: guid(&self.header, field::DISK),
            sector_size: self.sector as u32,
            partitions: self.used().map(partition).collect(),
            problems: Vec::new(),
        }
    }

    /// Zeroes the copy that the image has, if the disk ends elsewhere and it lies where it should:
    /// behind everything that a partition may have.
    fn remove_copy(&self, disk: &mut Overlay<'_>, last: u64) -> io::Result<()> {
        let at = u64_at(&self.header, field::OTHER);
        let usable = u64_at(&self.header, field::LAST_USABLE);
        if at >= last || at <= usable {
            return Ok(());
        }
        let mut header = vec![0; self.sector as usize];
        disk.read_at(&mut header, at * self.sector)?;
        let array = u64_at(&header, field::ARRAY);
        let own = header.starts_with(MAGIC) && u64_at(&header, field::OWN) == at;
        if !own || array <= usable || array >= at {
            return Ok(());
        }
        let sectors = (at - array + 1).min(self.array_sectors() + 1);
        disk.write_at(&vec![0; (sectors * self.sector) as usize], array * self.sector)?;
        disk.write_at(&vec![0; header.len()], at * self.sector)
    }

    fn array_sectors(&self) -> u64 {
        (self.array.len() as u64).div_ceil(self.sector)
    }

    /// Entries in use, with their numbers.
    fn used(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let size = u32_at(&self.header, field::ENTRY) as usize;
        let entries = (1..).zip(self.array.chunks_exact(size));
        entries.filter(|(_, entry)| entry[..16] != [0; 16])
    }
}

/// Makes the protective MBR cover the disk, if it has covered the image: one that also has true
/// partitions (a "hybrid") stays as it is.
fn protect(disk: &mut Overlay<'_>, last: u64) -> io::Result<()> {
    let mut mbr = [0; 512];
    disk.read_at(&mut mbr, 0)?;
    let (kind, first, length) = PROTECTIVE;
    let others = mbr[462..510].iter().any(|byte| *byte != 0);
    if mbr.ends_with(&[0x55, 0xAA]) && mbr[kind] == 0xEE && u32_at(&mbr, first) == 1 && !others {
        let sectors = u32::try_from(last).unwrap_or(u32::MAX);
        put(&mut mbr, length, &sectors.to_le_bytes());
        disk.write_at(&mbr, 0)?;
    }
    Ok(())
}

/// Sets the header's own sum.
fn seal(header: &mut [u8]) {
    let size = u32_at(header, field::SIZE) as usize;
    let sum = sum(header, size);
    put(header, field::SUM, &sum.to_le_bytes());
}

/// The sum of a header, which is made with zero in its own place.
fn sum(header: &[u8], size: usize) -> u32 {
    let mut bytes = header[..size].to_vec();
    put(&mut bytes, field::SUM, &[0; 4]);
    crc32(&bytes)
}

fn guid(bytes: &[u8], at: usize) -> String {
    Guid::from_bytes(std::array::from_fn(|index| bytes[at + index])).to_string()
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..][..value.len()].copy_from_slice(value);
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}
