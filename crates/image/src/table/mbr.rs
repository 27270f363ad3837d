//! MBR: four partitions, one of which may hold a chain of logical ones.
//!
//! It counts in sectors and does not say how long they are. So they are as long as they must be for
//! a file system to lie where a partition begins.

use super::{Kind, Partition, Table};
use crate::bytes::Bytes;
use crate::error::Fault;
use crate::ext4::Ext4;
use crate::fat::Fat;
use crate::window::Window;

/// Bytes of a table, whatever a sector has.
const LENGTH: u64 = 512;
/// The sectors that disks have, likely ones first.
const SECTORS: [u64; 2] = [512, 4096];
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

/// The type of the partition that tells old programs that the disk has a GPT.
const PROTECTIVE: u8 = 0xEE;

/// Whether there is a table, and it is not there to protect a GPT.
pub(super) fn has_partitions(disk: &Window) -> Result<bool, Fault> {
    let Some((records, _)) = records(disk, 0)? else { return Ok(false) };
    let protective = records.iter().any(|record| record.kind == PROTECTIVE);
    Ok(!protective && records.iter().any(|record| record.kind != 0))
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
    let sector = sector_size(disk, &records)?;
    let mut table = Table {
        kind: Kind::Mbr,
        id: format!("{id:08x}"),
        sector_size: sector as u32,
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

/// Bytes in a sector, by where file systems are; the usual ones if there are none.
fn sector_size(disk: &Window, records: &[Record]) -> Result<u64, Fault> {
    for sector in SECTORS {
        for record in records.iter().filter(|record| record.kind != 0) {
            // Two numbers of 32 bits and one of 13: no overflow.
            let part = disk.part(record.first * sector, record.sectors * sector);
            if let Some(part) = part
                && (Fat::is_at(&part)? || Ext4::is_at(&part)?)
            {
                return Ok(sector);
            }
        }
    }
    Ok(SECTORS[0])
}

/// Follows the chain in the extended partition at sector `base`.
fn logical(disk: &Window, base: u64, id: u32, table: &mut Table) -> Result<(), Fault> {
    let mut at = base;
    for number in 5..5 + MOST_LOGICAL {
        let Some((records, _)) = records(disk, at * u64::from(table.sector_size))? else {
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

/// The four records at byte `at`, and the disk's identifier; `None` without the mark behind them.
fn records(disk: &Window, at: u64) -> Result<Option<([Record; 4], u32)>, Fault> {
    if !disk.has(at, LENGTH) {
        return Ok(None);
    }
    let bytes = disk.bytes(at, LENGTH as usize)?;
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
