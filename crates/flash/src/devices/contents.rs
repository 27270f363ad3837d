//! What is on a disk, told by the marks that formats leave at fixed places.
//!
//! For people who are about to overwrite it: the first bytes of the disk and of each partition are
//! looked at, and nothing is taken for true.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::devices::identity::clean;

/// What a disk or a partition has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Number of the partition; none for the whole disk.
    pub partition: Option<u32>,
    /// Name of the format, as `blkid` has it: `gpt`, `dos`, `ext4`, `vfat`, `LVM2_member`.
    pub format: &'static str,
    /// Label of a file system; may be empty.
    pub label: String,
}

/// A mark: format, where it is, and where a label is (place and length).
type Mark = (&'static str, u64, &'static [u8], Option<(u64, usize)>);

/// Marks of what lies on a disk or in a partition; the first that fits counts. A boot sector looks
/// like an MBR, so that comes last.
const MARKS: [Mark; 16] = [
    ("gpt", 512, b"EFI PART", None),
    ("gpt", 4096, b"EFI PART", None),
    ("crypto_LUKS", 0, b"LUKS\xba\xbe", Some((24, 48))),
    ("LVM2_member", 512, b"LABELONE", None),
    ("linux_raid_member", 4096, &[0xfc, 0x4e, 0x2b, 0xa9], Some((4096 + 32, 32))),
    ("btrfs", 0x10040, b"_BHRfS_M", Some((0x1012b, 256))),
    ("xfs", 0, b"XFSB", Some((108, 12))),
    ("ext4", 0x438, &[0x53, 0xef], Some((0x478, 16))),
    ("ntfs", 3, b"NTFS    ", None),
    ("exfat", 3, b"EXFAT   ", None),
    ("vfat", 82, b"FAT32   ", Some((71, 11))),
    ("vfat", 54, b"FAT16   ", Some((43, 11))),
    ("squashfs", 0, b"hsqs", None),
    ("iso9660", 0x8001, b"CD001", Some((0x8028, 32))),
    ("swap", 4086, b"SWAPSPACE2", Some((1052, 16))),
    ("dos", 510, &[0x55, 0xaa], None),
];

/// Looks at `device`, and at its partitions: number and first byte of each.
pub(crate) fn probe(device: &File, partitions: &[(u32, u64)]) -> Vec<Contents> {
    let whole = look(device, 0, None);
    let parts = partitions.iter().filter_map(|(number, start)| look(device, *start, Some(*number)));
    whole.into_iter().chain(parts).collect()
}

fn look(device: &File, start: u64, partition: Option<u32>) -> Option<Contents> {
    let read = |at: u64, length: usize| {
        let mut bytes = vec![0; length];
        device.read_exact_at(&mut bytes, start.checked_add(at)?).ok().map(|()| bytes)
    };
    let (format, _, _, label) = MARKS
        .iter()
        .filter(|(format, ..)| partition.is_none() || !matches!(*format, "gpt" | "dos"))
        .find(|(_, at, mark, _)| read(*at, mark.len()).as_deref() == Some(*mark))?;
    let label = label.and_then(|(at, length)| read(at, length)).unwrap_or_default();
    let end = label.iter().position(|byte| *byte == 0).unwrap_or(label.len());
    let label = clean(&String::from_utf8_lossy(&label[..end]));
    // What mkfs.vfat writes for none.
    let label = if label == "NO NAME" { String::new() } else { label };
    Some(Contents { partition, format, label })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn formats_are_told_by_their_marks() {
        let mut disk = vec![0; 4 << 20];
        disk[512..520].copy_from_slice(b"EFI PART");
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        let (fat, ext4) = (1 << 20, 2 << 20);
        disk[fat + 82..fat + 90].copy_from_slice(b"FAT32   ");
        disk[fat + 510..fat + 512].copy_from_slice(&[0x55, 0xaa]);
        disk[fat + 71..fat + 82].copy_from_slice(b"BOOT       ");
        disk[ext4 + 0x438..ext4 + 0x43a].copy_from_slice(&[0x53, 0xef]);
        disk[ext4 + 0x478..ext4 + 0x480].copy_from_slice(b"ro\x1bot\0xx");
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&disk).unwrap();
        let found = probe(&file, &[(1, fat as u64), (2, ext4 as u64), (3, 3 << 20), (4, u64::MAX)]);
        let found: Vec<_> =
            found.iter().map(|c| (c.partition, c.format, c.label.as_str())).collect();
        assert_eq!(
            found,
            [(None, "gpt", ""), (Some(1), "vfat", "BOOT"), (Some(2), "ext4", "root")]
        );
    }
}
