//! A data partition as written, checked: its file system, label and mount point.

use serde_spanned::Spanned;

use crate::check;
use crate::disk::{Data, FileSystem};
use crate::error::Problem;
use crate::raw_disk::RawPartition;
use crate::resolve::Resolver;
use crate::resolve_disk::Ground;

/// What the system puts into these by itself, or needs before anything is mounted.
const NO_MOUNTS: [&str; 8] =
    ["/boot/firmware", "/dev", "/etc", "/proc", "/run", "/sys", "/tmp", "/usr"];

impl Resolver<'_> {
    /// The data partition of an entry, whose size is `raw`.
    pub(crate) fn data(
        &self,
        entry: &RawPartition,
        raw: &Spanned<String>,
        ground: &Ground<'_>,
    ) -> Result<Data, Problem> {
        let size = self.whole(raw, ground)?;
        let name = entry.name.get_ref();
        let file_system = match &entry.filesystem {
            None => FileSystem::Ext4,
            Some(written) => FileSystem::ALL
                .into_iter()
                .find(|system| system.as_str() == written.get_ref())
                .ok_or_else(|| {
                    let known = FileSystem::ALL.map(FileSystem::as_str);
                    self.unknown("file system", written, known)
                })?,
        };
        let longest = match file_system {
            FileSystem::Ext4 => {
                self.ext4(raw, name, size)?;
                16
            }
            FileSystem::Vfat => {
                self.fat(raw, name, size, ground)?;
                11
            }
        };
        let place = entry.label.as_ref().unwrap_or(&entry.name);
        // FAT's specification has no lower-case letters in labels; names have no others.
        let (letters, label) = match (file_system, &entry.label) {
            (FileSystem::Ext4, _) => ("letters", place.get_ref().clone()),
            (FileSystem::Vfat, Some(written)) => ("upper-case letters", written.get_ref().clone()),
            (FileSystem::Vfat, None) => ("upper-case letters", name.to_ascii_uppercase()),
        };
        let legal = |byte: u8| match byte {
            b'a'..=b'z' => file_system == FileSystem::Ext4,
            _ => byte.is_ascii_alphanumeric() || b"-_".contains(&byte),
        };
        if label.is_empty() || label.len() > longest || !label.bytes().all(legal) {
            let message =
                format!("{label:?} cannot be the label of a {} file system", file_system.as_str());
            let hint = format!("label = \"...\": 1 to {longest} {letters}, digits, `-` or `_`");
            return Err(self.at(place, message).hint(hint));
        }
        if let Some(mount) = &entry.mount {
            self.mount(mount)?;
        }
        let mount = entry.mount.as_ref().map(|mount| mount.get_ref().clone());
        Ok(Data { size, file_system, label, mount })
    }

    fn mount(&self, raw: &Spanned<String>) -> Result<(), Problem> {
        let path = raw.get_ref();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.+".contains(&byte);
        let inside = path.strip_prefix('/').filter(|inside| check::path(inside).is_none());
        if inside.is_none() || !path.bytes().all(plain) {
            return Err(self
                .at(raw, format!("not a folder to mount at: {path:?}"))
                .hint("an absolute path of letters, digits and `-_.+`, such as /var/lib/data"));
        }
        let taken = NO_MOUNTS.iter().find(|taken| {
            path.strip_prefix(**taken).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        match taken {
            Some(taken) => Err(self.at(raw, format!("nothing can be mounted at or below {taken}"))),
            None => Ok(()),
        }
    }
}
