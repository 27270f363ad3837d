//! The reserved sectors: boot sector, FSInfo, and their copies.

use crate::Options;
use crate::geometry::{FIRST_CLUSTER, Geometry, RESERVED, TABLES};

/// Where the copies of the first two sectors are (the specification recommends 6 and no other).
const BACKUP: usize = 6;

/// The media descriptor of a fixed disk; also the low byte of the table's first entry.
pub(crate) const MEDIA: u8 = 0xF8;

/// Bytes of the boot sector and of FSInfo that mean something, marks included, however long a
/// sector is.
const PART: usize = 512;

/// The boot sector's OEM name.
const OEM: &[u8; 8] = b"OSB     ";

/// What a label is stored as: padded with spaces, `NO NAME` if empty.
pub(crate) fn padded_label(label: &str) -> [u8; 11] {
    let text = if label.is_empty() { "NO NAME" } else { label };
    let mut padded = [b' '; 11];
    for (slot, byte) in padded.iter_mut().zip(text.bytes()) {
        *slot = byte;
    }
    padded
}

/// All reserved sectors, for a volume with `used` clusters taken from the first one on.
pub(crate) fn reserved_sectors(geometry: &Geometry, options: &Options, used: u32) -> Vec<u8> {
    let sector = geometry.sector as usize;
    let boot = boot_sector(geometry, options);
    let info = info_sector(geometry, used);
    let mut bytes = vec![0; RESERVED as usize * sector];
    for start in [0, BACKUP * sector] {
        bytes[start..][..PART].copy_from_slice(&boot);
        bytes[start + sector..][..PART].copy_from_slice(&info);
    }
    bytes
}

/// The specification, "Boot sector and BPB", FAT32 structure.
fn boot_sector(geometry: &Geometry, options: &Options) -> [u8; PART] {
    let mut bytes = [0; PART];
    let mut put = |at: usize, value: &[u8]| bytes[at..][..value.len()].copy_from_slice(value);
    put(0, &[0xEB, 0x58, 0x90]); // a jump over the parameters, to offset 90
    put(3, OEM);
    put(11, &(geometry.sector as u16).to_le_bytes());
    put(13, &[geometry.cluster_sectors]);
    put(14, &(RESERVED as u16).to_le_bytes());
    put(16, &[TABLES as u8]);
    put(21, &[MEDIA]);
    put(24, &63u16.to_le_bytes()); // sectors in a track and heads: nobody asks today,
    put(26, &255u16.to_le_bytes()); // these are what BIOSes assume for large disks
    put(28, &options.hidden_sectors.to_le_bytes());
    put(32, &geometry.sectors.to_le_bytes());
    put(36, &geometry.table_sectors.to_le_bytes());
    put(44, &FIRST_CLUSTER.to_le_bytes()); // the root directory
    put(48, &1u16.to_le_bytes()); // FSInfo
    put(50, &(BACKUP as u16).to_le_bytes());
    put(64, &[0x80]); // a fixed disk, to a BIOS
    put(66, &[0x29]); // the three fields that follow are valid
    put(67, &options.volume_id.to_le_bytes());
    put(71, &padded_label(&options.label));
    put(82, b"FAT32   ");
    put(90, &[0xCD, 0x18, 0xF4, 0xEB, 0xFD]); // int 18h (try the next device); hlt; again
    put(510, &[0x55, 0xAA]);
    bytes
}

/// The specification, "FSInfo sector structure". The counts are hints, but true ones.
fn info_sector(geometry: &Geometry, used: u32) -> [u8; PART] {
    let mut bytes = [0; PART];
    let mut put = |at: usize, value: &[u8]| bytes[at..][..value.len()].copy_from_slice(value);
    put(0, b"RRaA");
    put(484, b"rrAa");
    put(488, &(geometry.clusters - used).to_le_bytes());
    put(492, &(FIRST_CLUSTER + used).to_le_bytes());
    put(508, &[0, 0, 0x55, 0xAA]);
    bytes
}
