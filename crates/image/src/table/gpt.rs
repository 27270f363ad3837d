//! GPT (UEFI specification 2.10, section 5.3).

use super::{Kind, Partition, Table, guid, mbr};
use crate::bytes::Bytes;
use crate::error::Fault;
use crate::window::Window;

const MAGIC: &[u8] = b"EFI PART";
/// Most entries that are read. Tables have 128.
const MOST_ENTRIES: u32 = 1024;
/// Largest entry that is read, in bytes. Entries have 128.
const MOST_ENTRY: u32 = 4096;

const WRONG: &str = "the checksum is wrong";

/// A header whose numbers are sound.
struct Header {
    own: u64,
    other: u64,
    id: [u8; 16],
    entries_at: u64,
    count: u32,
    size: u32,
    entries_crc: u32,
    crc: Option<&'static str>,
}

/// The table: the first copy whose checksums hold, else the first that can be read.
///
/// The last one does not count on a disk with an MBR that has partitions of its own: it is what a
/// former use of the disk has left.
pub(super) fn read(disk: &Window) -> Result<Option<Table>, Fault> {
    let mut damaged = None;
    let replaced = mbr::has_partitions(disk)?;
    for any in [false, true] {
        for sector in [512, 4096] {
            let last = (disk.len / sector).saturating_sub(1);
            for lba in [1, last].into_iter().filter(|lba| *lba == 1 || !replaced) {
                match copy(disk, sector, lba, last) {
                    Ok(Some((table, sound))) if sound || any => return Ok(Some(table)),
                    Ok(_) => {}
                    Err(fault) => damaged = Some(fault),
                }
            }
        }
    }
    damaged.map_or(Ok(None), Err)
}

/// The table by the header in sector `lba`, and whether its checksums hold.
fn copy(disk: &Window, sector: u64, lba: u64, last: u64) -> Result<Option<(Table, bool)>, Fault> {
    let Some(header) = header(disk, sector, lba)? else { return Ok(None) };
    let name = if lba == 1 { "first" } else { "last" };
    let mut problems = Vec::new();
    problems.extend(header.crc.as_ref().map(|why| format!("{name} header: {why}")));
    let (partitions, entries_crc) = partitions(disk, sector, &header)?;
    problems.extend(entries_crc.map(|why| format!("{name} entries: {why}")));
    let sound = problems.is_empty();
    if lba == 1 {
        problems.extend(backup(disk, sector, &header, last));
    } else {
        let why = match self::header(disk, sector, 1) {
            Ok(None) => "there is no first header",
            _ => "the first copy is damaged",
        };
        problems.push(format!("{why}: the last one is used"));
    }
    let id = guid(header.id);
    let sector_size = sector as u32;
    Ok(Some((Table { kind: Kind::Gpt, id, sector_size, partitions, problems }, sound)))
}

fn header(disk: &Window, sector: u64, lba: u64) -> Result<Option<Header>, Fault> {
    let at = lba.checked_mul(sector).filter(|at| lba > 0 && disk.has(*at, sector));
    let Some(at) = at else { return Ok(None) };
    let bytes = disk.bytes(at, sector as usize)?;
    if &bytes[..8] != MAGIC {
        return Ok(None);
    }
    let fields = Bytes(&bytes);
    let size = fields.u32(12) as usize;
    if !(92..=bytes.len()).contains(&size) {
        return Err(Fault::damaged("GPT", format!("a header of {size} bytes in sector {lba}")));
    }
    let mut zeroed = bytes[..size].to_vec();
    zeroed[16..20].fill(0);
    let crc = (crc32(&zeroed) != fields.u32(16)).then_some(WRONG);
    let header = Header {
        own: fields.u64(24),
        other: fields.u64(32),
        id: fields.uuid(56),
        entries_at: fields.u64(72),
        count: fields.u32(80),
        size: fields.u32(84),
        entries_crc: fields.u32(88),
        crc,
    };
    let sound = header.count <= MOST_ENTRIES
        && (128..=MOST_ENTRY).contains(&header.size)
        && header.size.is_multiple_of(8);
    if !sound {
        let Header { count, size, .. } = header;
        return Err(Fault::damaged("GPT", format!("{count} entries of {size} bytes")));
    }
    Ok(Some(header))
}

/// What is wrong with the copy at the end.
fn backup(disk: &Window, sector: u64, first: &Header, last: u64) -> Vec<String> {
    let mut problems = Vec::new();
    if first.own != 1 {
        problems.push(format!("the first header says that it is in sector {}", first.own));
    }
    if first.other != last {
        problems.push(format!(
            "the last header should be in sector {}, and the disk ends with sector {last}",
            first.other
        ));
    }
    match header(disk, sector, first.other) {
        Ok(Some(copy)) => {
            problems.extend(copy.crc.map(|why| format!("last header: {why}")));
            if (copy.id, copy.entries_crc) != (first.id, first.entries_crc) {
                problems.push("the last header has another identifier or other entries".to_owned());
            }
        }
        Ok(None) => problems.push("there is no last header".to_owned()),
        Err(fault) => problems.push(format!("last header: {fault}")),
    }
    problems
}

/// What is used, and what is wrong with the entries.
fn partitions(
    disk: &Window,
    sector: u64,
    header: &Header,
) -> Result<(Vec<Partition>, Option<&'static str>), Fault> {
    let size = header.size as usize;
    let at = header.entries_at.checked_mul(sector);
    let at = at.ok_or_else(|| Fault::damaged("GPT", "entries beyond all sectors"))?;
    let bytes = disk.bytes(at, header.count as usize * size)?;
    let wrong = (crc32(&bytes) != header.entries_crc).then_some(WRONG);
    let used = bytes.chunks_exact(size).zip(1..).filter(|(entry, _)| entry[..16] != [0; 16]);
    Ok((used.map(|(entry, number)| partition(entry, number)).collect(), wrong))
}

fn partition(entry: &[u8], number: u32) -> Partition {
    let fields = Bytes(entry);
    let units = (0..36).map(|index| fields.u16(56 + 2 * index)).take_while(|unit| *unit != 0);
    let name = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER));
    Partition {
        number,
        name: name.collect(),
        kind: guid(fields.uuid(0)),
        id: guid(fields.uuid(16)),
        first_lba: fields.u64(32),
        last_lba: fields.u64(40),
        flags: fields.u64(48),
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
