//! The boot partition of a disk that was just written: its files name the root by an identifier that
//! the disk no longer has, and one of them tells the node what it is.

use osb_fat::edit::{EditError, Editor, Medium, Part};
use osb_image::{Partition, Table, TableKind};

use crate::{Identity, Overlay};

/// GPT's type of an EFI system partition (UEFI 2.10, table 5.7), as [`Partition::kind`] has it.
const EFI_SYSTEM: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
/// GPT's type of a Windows data partition, which partitioning tools give to FAT.
const BASIC_DATA: &str = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7";
/// MBR's types of FAT16, FAT32 and EFI system partitions.
const MBR_FAT: [&str; 6] = ["04", "06", "0B", "0C", "0E", "EF"];
/// The longest boot file that is looked into, in bytes: what names a root is text.
const MOST: u32 = 64 << 10;
/// Files and folders that are looked at, at most: a boot partition has hundreds.
const MOST_ITEMS: usize = 10_000;
/// How deep folders are looked into: `EFI/BOOT/grub.cfg`, `loader/entries/x.conf`.
const DEPTH: usize = 4;

/// Why the boot partition cannot be adapted.
#[derive(Debug, thiserror::Error)]
pub enum BootVolumeError {
    /// There is no partition of its kind.
    #[error("the image has no boot partition with a FAT file system")]
    None,
    /// It cannot be read or written.
    #[error("the boot partition: {0}")]
    Edit(#[from] EditError),
    /// Two identifiers are of different lengths, so a file could not be changed in place.
    #[error("{old} cannot become {new} in place")]
    Length {
        /// In the image.
        old: String,
        /// On the disk.
        new: String,
    },
}

impl Medium for Overlay<'_> {
    fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
        Overlay::read_at(self, bytes, offset)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> std::io::Result<()> {
        Overlay::write_at(self, bytes, offset)
    }
}

/// The FAT file system that firmware reads.
pub struct BootVolume<'disk, 'below> {
    disk: &'disk mut Overlay<'below>,
    start: u64,
    len: u64,
    now: i64,
}

impl<'disk, 'below> BootVolume<'disk, 'below> {
    /// The boot partition of a disk. `now` is the time that changed files get, in seconds since
    /// 1970.
    ///
    /// # Errors
    /// If the table has none.
    pub fn find(
        disk: &'disk mut Overlay<'below>,
        table: &Table,
        now: i64,
    ) -> Result<Self, BootVolumeError> {
        let of = |kinds: &[&str]| {
            let kind = |partition: &&Partition| {
                kinds.iter().any(|kind| partition.kind.eq_ignore_ascii_case(kind))
            };
            table.partitions.iter().find(kind)
        };
        let found = match table.kind {
            TableKind::Gpt => of(&[EFI_SYSTEM]).or_else(|| of(&[BASIC_DATA])),
            TableKind::Mbr => of(&MBR_FAT),
        };
        let place = found.and_then(|partition| table.place(partition));
        let (start, len) = place.ok_or(BootVolumeError::None)?;
        Ok(BootVolume { disk, start, len, now })
    }

    /// Puts new identifiers where the boot files have old ones. Returns the files that were changed.
    ///
    /// Every small file is looked into, whatever its name: each boot loader has its own.
    ///
    /// # Errors
    /// If the file system cannot be read or written.
    pub fn rename(&mut self, identity: &Identity) -> Result<Vec<String>, BootVolumeError> {
        let all = identity.partitions.iter().map(|(_, renamed)| renamed);
        let renamed: Vec<_> = all
            .chain([&identity.disk])
            .filter(|renamed| renamed.old != renamed.new)
            .map(|renamed| (renamed.old.as_str(), renamed.new.as_str()))
            .collect();
        if renamed.is_empty() {
            return Ok(Vec::new());
        }
        if let Some((old, new)) = renamed.iter().find(|(old, new)| old.len() != new.len()) {
            let (old, new) = ((*old).to_owned(), (*new).to_owned());
            return Err(BootVolumeError::Length { old, new });
        }
        self.edit(|editor| {
            let mut changed = Vec::new();
            for path in small_files(editor)? {
                let Some(bytes) = editor.read(&path)? else { continue };
                if let Some(bytes) = replaced(&bytes, &renamed) {
                    editor.write(&path, &bytes)?;
                    changed.push(path);
                }
            }
            Ok(changed)
        })
    }

    /// Writes a file, with the folders above it.
    ///
    /// # Errors
    /// If there is no room, or the file system cannot be read or written.
    pub fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), BootVolumeError> {
        self.edit(|editor| editor.write(path, bytes))
    }

    fn edit<T>(
        &mut self,
        work: impl FnOnce(&mut Editor<'_>) -> Result<T, EditError>,
    ) -> Result<T, BootVolumeError> {
        let mut part = Part::new(self.disk, self.start);
        let mut editor = Editor::open(&mut part, self.len, self.now)?;
        Ok(work(&mut editor)?)
    }
}

/// Paths of files that may be text.
fn small_files(editor: &mut Editor<'_>) -> Result<Vec<String>, EditError> {
    let mut found = Vec::new();
    let mut folders = vec![(String::new(), 0)];
    let mut seen = 0;
    while let Some((folder, depth)) = folders.pop() {
        if seen > MOST_ITEMS {
            break;
        }
        for item in editor.names(&folder)?.unwrap_or_default() {
            seen += 1;
            let path = match folder.as_str() {
                "" => item.name,
                _ => format!("{folder}/{}", item.name),
            };
            match item.folder {
                true if depth < DEPTH => folders.push((path, depth + 1)),
                false if (1..=MOST).contains(&item.size) => found.push(path),
                _ => {}
            }
        }
    }
    Ok(found)
}

/// The bytes with new identifiers, of the same length, whatever case the old ones are written in;
/// `None` if there are none.
fn replaced(bytes: &[u8], renamed: &[(&str, &str)]) -> Option<Vec<u8>> {
    let mut out: Option<Vec<u8>> = None;
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let hit = renamed.iter().find(|(old, _)| {
            rest.get(..old.len()).is_some_and(|part| part.eq_ignore_ascii_case(old.as_bytes()))
                && alone(bytes, at, old.len())
        });
        let Some((old, new)) = hit else {
            at += 1;
            continue;
        };
        let out = out.get_or_insert_with(|| bytes.to_vec());
        let upper = rest[..old.len()].iter().any(u8::is_ascii_uppercase);
        let new = if upper { new.to_ascii_uppercase() } else { new.to_ascii_lowercase() };
        out[at..][..old.len()].copy_from_slice(new.as_bytes());
        at += old.len();
    }
    out
}

/// Whether an identifier is no part of a longer word: eight digits of an MBR's signature may be
/// anything else.
fn alone(bytes: &[u8], at: usize, len: usize) -> bool {
    let word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    !word(at.checked_sub(1).and_then(|before| bytes.get(before))) && !word(bytes.get(at + len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_replaced_in_any_case_and_place() {
        let renamed = [("0a1b-02", "ffee-02"), ("0a1b", "ffee")];
        let text = b"root=PARTUUID=0a1b-02 x=0A1B-02\nid 0a1b, not 0a1b2 nor 90a1b\n";
        let expected = b"root=PARTUUID=ffee-02 x=FFEE-02\nid ffee, not 0a1b2 nor 90a1b\n";
        assert_eq!(replaced(text, &renamed).unwrap(), expected);
        assert_eq!(replaced(b"nothing of 0a1c", &renamed), None);
        assert_eq!(replaced(b"", &renamed), None);
        assert_eq!(replaced(b"0a1b", &renamed).unwrap(), b"ffee");
    }
}
