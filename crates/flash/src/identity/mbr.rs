//! An MBR: its identifier is the signature of the disk (UEFI specification 2.10, section 5.2).

use osb_checksum::Digest;
use osb_image::{Partition, Table, TableKind};

const SIGNATURE: usize = 440;
const RECORDS: usize = 446;
/// Partitions that hold others: CHS, LBA, Linux.
const EXTENDED: [u8; 3] = [0x05, 0x0F, 0x85];
/// The partition that says that there is a GPT.
const PROTECTIVE: u8 = 0xEE;

/// The first sector of a disk that has partitions there.
pub(super) struct Mbr([u8; 512]);

struct Record {
    number: u32,
    active: u8,
    kind: u8,
    first: u32,
    sectors: u32,
}

impl Mbr {
    /// `None` if it is something else that ends with the same mark: the boot sector of a file
    /// system, or what protects a GPT.
    pub(super) fn read(head: &[u8]) -> Option<Mbr> {
        let mbr = Mbr(*head.first_chunk()?);
        let sound = |record: &Record| {
            matches!(record.active, 0 | 0x80)
                && record.kind != PROTECTIVE
                && (record.kind == 0 || record.sectors > 0 && record.first > 0)
        };
        let used = mbr.records().any(|record| record.kind != 0);
        (mbr.0.ends_with(&[0x55, 0xAA]) && used && mbr.records().all(|record| sound(&record)))
            .then_some(mbr)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Gives it another signature, never zero. With logical partitions it keeps the one it has:
    /// their identifiers would change, too, and nobody here follows their chain.
    pub(super) fn rename(&mut self, fresh: &Digest) {
        if self.records().any(|record| EXTENDED.contains(&record.kind)) {
            return;
        }
        let signature = [fresh[0] | 1, fresh[1], fresh[2], fresh[3]];
        self.0[SIGNATURE..][..4].copy_from_slice(&signature);
    }

    /// The four partitions that it has itself.
    pub(super) fn table(&self, sector: u32) -> Table {
        let [a, b, c, d] = [0, 1, 2, 3].map(|at| self.0[SIGNATURE + at]);
        let id = format!("{:08x}", u32::from_le_bytes([a, b, c, d]));
        let used = self.records().filter(|record| record.kind != 0);
        let partition = |record: Record| Partition {
            number: record.number,
            name: String::new(),
            kind: format!("{:02x}", record.kind),
            id: format!("{id}-{:02x}", record.number),
            first_lba: record.first.into(),
            last_lba: u64::from(record.first) + u64::from(record.sectors) - 1,
            flags: record.active.into(),
        };
        let partitions = used.map(partition).collect();
        Table { kind: TableKind::Mbr, id, sector_size: sector, partitions, problems: Vec::new() }
    }

    fn records(&self) -> impl Iterator<Item = Record> {
        let (records, _) = self.0[RECORDS..].as_chunks::<16>();
        records.iter().zip(1..=4).map(|(record, number)| {
            let [active, _, _, _, kind, _, _, _, rest @ ..] = *record;
            let [a, b, c, d, e, f, g, h] = rest;
            Record {
                number,
                active,
                kind,
                first: u32::from_le_bytes([a, b, c, d]),
                sectors: u32::from_le_bytes([e, f, g, h]),
            }
        })
    }
}
