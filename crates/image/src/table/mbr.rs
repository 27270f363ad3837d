//! MBR: four partitions, one of which may hold a chain of logical ones.

use super::{Kind, Partition, Table};
use crate::bytes::Bytes;
use crate::error::Fault;
use crate::window::Window;

const SECTOR: u64 = 512;
/// Partitions that hold others: CHS, LBA, Linux.
const EXTENDED: [u8; 3] = [0x05, 0x0F, 0x85];
/// Most logical partitions. The kernel stops at 256 of all kinds (`DISK_MAX_PARTS`).
const MOST_LOGICAL: u32 = 256;

struct Record {
    active: u8,
    kind: u8,
    first: u64,
    sectors: u64,
}

pub(super) fn read(disk: &Window) -> Result<Option<Table>, Fault> {
    let Some((records, id)) = records(disk, 0)? else { return Ok(None) };
    // A FAT boot sector ends with the same mark; where a table would be it has code.
    let plausible = records.iter().all(|record| {
        matches!(record.active, 0 | 0x80)
            && (record.kind == 0 || record.sectors > 0 && record.first > 0)
    });
    if !plausible || records.iter().all(|record| record.kind == 0) {
        return Ok(None);
    }
    let mut table = Table {
        kind: Kind::Mbr,
        id: format!("{id:08x}"),
        sector_size: SECTOR as u32,
        partitions: Vec::new(),
        problems: Vec::new(),
    };
    for (record, number) in records.iter().zip(1..) {
        if record.kind != 0 {
            table.partitions.push(partition(record, number, 0, id));
        }
        if EXTENDED.contains(&record.kind) {
            logical(disk, record.first, id, &mut table)?;
        }
    }
    table.partitions.sort_by_key(|partition| partition.number);
    Ok(Some(table))
}

/// Follows the chain in the extended partition at sector `base`.
fn logical(disk: &Window, base: u64, id: u32, table: &mut Table) -> Result<(), Fault> {
    let mut at = base;
    for number in 5..5 + MOST_LOGICAL {
        let Some((records, _)) = records(disk, at)? else {
            table.problems.push(format!("the chain of logical partitions breaks at sector {at}"));
            return Ok(());
        };
        if records[0].kind != 0 {
            table.partitions.push(partition(&records[0], number, at, id));
        }
        if !EXTENDED.contains(&records[1].kind) {
            return Ok(());
        }
        // Links count from the extended partition, and lead forward.
        let next = base + records[1].first;
        if next <= at {
            return Err(Fault::damaged("MBR", "the chain of logical partitions is a circle"));
        }
        at = next;
    }
    Err(Fault::Limit(format!("more than {MOST_LOGICAL} logical partitions")))
}

fn partition(record: &Record, number: u32, base: u64, id: u32) -> Partition {
    let first_lba = base + record.first;
    Partition {
        number,
        name: String::new(),
        kind: format!("{:02x}", record.kind),
        id: format!("{id:08x}-{number:02x}"),
        first_lba,
        last_lba: (first_lba + record.sectors).saturating_sub(1),
        flags: u64::from(record.active),
    }
}

/// The four records of a sector, and the disk's identifier; `None` without the mark at its end.
fn records(disk: &Window, lba: u64) -> Result<Option<([Record; 4], u32)>, Fault> {
    let at = lba * SECTOR;
    if !disk.has(at, SECTOR) {
        return Ok(None);
    }
    let bytes = disk.bytes(at, SECTOR as usize)?;
    let fields = Bytes(&bytes);
    if fields.u16(510) != 0xAA55 {
        return Ok(None);
    }
    let record = |index: usize| {
        let at = 446 + 16 * index;
        Record {
            active: fields.u8(at),
            kind: fields.u8(at + 4),
            first: u64::from(fields.u32(at + 8)),
            sectors: u64::from(fields.u32(at + 12)),
        }
    };
    Ok(Some((std::array::from_fn(record), fields.u32(440))))
}
