//! Files in a FAT16 or FAT32 volume that is already there, whoever made it.
//!
//! What [`crate::Plan`] writes is written once. [`Editor`] is for the volume on a disk: it reads
//! small files, lists folders, and writes files, with the folders above them. It knows the volume
//! by its boot sector alone, takes nothing in it for granted, and refuses what contradicts itself.
//! What is refused has changed nothing.
//!
//! Names are found in any case, by their long or their short form, as everywhere on FAT. Paths are
//! relative to the root, with `/` between their parts.

mod clusters;
mod entry;
mod error;
mod folder;
mod medium;
mod shape;
mod volume;

pub use error::EditError;
pub use medium::{Medium, Part};

use crate::directory::Facts;
use crate::name;
use crate::time::DosTime;
use folder::Folder;
use volume::Volume;

/// The longest file that [`Editor::read`] takes into memory, in bytes.
pub const MOST_READ: u64 = 64 << 20;

/// The longest file that FAT can have, in bytes.
const MOST_WRITTEN: u64 = u32::MAX as u64;

/// A file or folder, as [`Editor::names`] tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its long name; the short one if it has no other.
    pub name: String,
    /// Whether it is a folder.
    pub folder: bool,
    /// Length in bytes; 0 for a folder.
    pub size: u32,
}

/// A volume whose files are read and written.
///
/// ```
/// # fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use osb_fat::edit::{Editor, Part};
/// let mut disk = std::fs::File::options().read(true).write(true).open("disk.img")?;
/// let (start, len) = (1 << 20, 512 << 20); // of the boot partition
/// let mut part = Part::new(&mut disk, start);
/// let mut editor = Editor::open(&mut part, len, 1_700_000_000)?;
/// editor.write("osb/node.toml", b"version = 1\n")?;
/// assert_eq!(editor.read("OSB/NODE.TOML")?.as_deref(), Some(&b"version = 1\n"[..]));
/// # Ok(()) }
/// ```
pub struct Editor<'a> {
    volume: Volume<'a>,
    now: DosTime,
}

impl std::fmt::Debug for Editor<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Editor").field("shape", &self.volume.shape).finish_non_exhaustive()
    }
}

impl<'a> Editor<'a> {
    /// Opens the volume of `len` bytes at the start of `medium`. `now` is the time that files get
    /// which are written, in seconds since 1970, UTC.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub fn open(medium: &'a mut dyn Medium, len: u64, now: i64) -> Result<Editor<'a>, EditError> {
        Ok(Editor { volume: Volume::open(medium, len)?, now: DosTime::from_unix(now) })
    }

    /// The content of a file; `None` if there is no such path.
    ///
    /// # Errors
    /// If it is a folder, longer than [`MOST_READ`], or the volume is damaged or unreadable.
    pub fn read(&mut self, path: &str) -> Result<Option<Vec<u8>>, EditError> {
        let (folders, name) = split(path)?;
        let Some(folder) = self.walk(path, &folders)? else { return Ok(None) };
        let Some(entry) = folder.find(name) else { return Ok(None) };
        if entry.directory {
            return Err(EditError::IsFolder { path: path.to_owned() });
        }
        let size = u64::from(entry.size);
        check_size(path, size, MOST_READ)?;
        let mut bytes = Vec::new();
        if size > 0 {
            let wanted = self.volume.shape.clusters_for(size);
            let chain = self.volume.chain_of(self.volume.first_of(entry), wanted)?;
            for cluster in chain {
                let at = self.volume.shape.cluster_at(cluster)?;
                bytes.extend(self.volume.read(at, self.volume.shape.cluster)?);
            }
            bytes.truncate(size as usize);
        }
        Ok(Some(bytes))
    }

    /// What a folder holds, in its own order; `None` if there is no such path. The root is `""`.
    ///
    /// # Errors
    /// If it is a file, or the volume is damaged or unreadable.
    pub fn names(&mut self, path: &str) -> Result<Option<Vec<Item>>, EditError> {
        let parts = if path.is_empty() { Vec::new() } else { checked(path)? };
        let item = |entry: entry::Entry| Item {
            name: entry.name,
            folder: entry.directory,
            size: if entry.directory { 0 } else { entry.size },
        };
        let folder = self.walk(path, &parts)?;
        Ok(folder.map(|folder| folder.entries.into_iter().map(item).collect()))
    }

    /// Bytes in free clusters, counted in the allocation table.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn free(&mut self) -> Result<u64, EditError> {
        Ok(self.volume.count_free()? * self.volume.shape.cluster)
    }

    /// Writes a file, in place of what was there, with the folders above it.
    ///
    /// A file that is as long as before keeps its clusters, so that nothing else of the volume
    /// changes but its time.
    ///
    /// # Errors
    /// If a name is impossible, a part of the path is of another kind, there is no room, or the
    /// volume is damaged: then nothing was changed. If the medium fails, the file may be half
    /// written, and the volume is marked as not clean.
    pub fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), EditError> {
        let result = match self.stage(path, bytes) {
            Ok(()) => self.volume.commit().map_err(EditError::Io),
            Err(error) => Err(error),
        };
        self.volume.forget();
        result
    }

    fn stage(&mut self, path: &str, bytes: &[u8]) -> Result<(), EditError> {
        let (folders, name) = split(path)?;
        check_size(path, bytes.len() as u64, MOST_WRITTEN)?;
        let facts = Facts {
            directory: false,
            cluster: 0,
            size: bytes.len() as u32, // checked above
            created: self.now,
            modified: self.now,
        };
        let mut folder = self.volume.root()?;
        for part in folders {
            folder = match folder.find(part) {
                Some(entry) if entry.directory => {
                    let first = self.volume.first_of(entry);
                    self.volume.folder(first)?
                }
                Some(_) => return Err(not_folder(path, part)),
                None => self.volume.make_folder(path, &mut folder, part, facts)?,
            };
        }
        let old = folder.find(name).cloned();
        let chain = match &old {
            Some(entry) if entry.directory => {
                return Err(EditError::IsFolder { path: path.to_owned() });
            }
            Some(entry) if self.volume.first_of(entry) != 0 => {
                // No chain is longer than the volume.
                let all = u64::from(self.volume.shape.clusters);
                let most = self.volume.shape.clusters_for(MOST_WRITTEN).min(all);
                self.volume.chain(self.volume.first_of(entry), most)?
            }
            _ => Vec::new(),
        };
        let wanted = self.volume.shape.clusters_for(bytes.len() as u64);
        let chain = self.volume.fit(path, chain, wanted)?;
        let size = self.volume.shape.cluster as usize;
        for (cluster, part) in chain.iter().zip(bytes.chunks(size)) {
            let mut part = part.to_vec();
            part.resize(size, 0);
            self.volume.stage_content(self.volume.shape.cluster_at(*cluster)?, part);
        }
        let facts = Facts { cluster: chain.first().copied().unwrap_or(0), ..facts };
        match old {
            Some(entry) => self.volume.change(&mut folder, &entry, &facts),
            None => self.volume.add(path, &mut folder, name, &facts),
        }
    }

    /// The folder below the root that these names lead to.
    fn walk(&mut self, path: &str, parts: &[&str]) -> Result<Option<Folder>, EditError> {
        let mut folder = self.volume.root()?;
        for part in parts {
            folder = match folder.find(part) {
                Some(entry) if entry.directory => {
                    let first = self.volume.first_of(entry);
                    self.volume.folder(first)?
                }
                Some(_) => return Err(not_folder(path, part)),
                None => return Ok(None),
            };
        }
        Ok(Some(folder))
    }
}

fn not_folder(path: &str, part: &str) -> EditError {
    EditError::NotFolder { path: path.to_owned(), part: part.to_owned() }
}

fn check_size(path: &str, size: u64, most: u64) -> Result<(), EditError> {
    match size > most {
        true => Err(EditError::TooLarge { path: path.to_owned(), size, most }),
        false => Ok(()),
    }
}

/// The parts of a path, all of which FAT can store.
fn checked(path: &str) -> Result<Vec<&str>, EditError> {
    let error = |reason| EditError::Name { path: path.to_owned(), reason };
    path.split('/')
        .map(|part| match part {
            "" => Err(error("it has an empty part; write it without a slash in front")),
            _ => name::check(part.as_bytes()).map_err(error),
        })
        .collect()
}

/// A path as the folders above, and the name.
fn split(path: &str) -> Result<(Vec<&str>, &str), EditError> {
    let mut parts = checked(path)?;
    // A path has one part at least.
    let name = parts.pop().unwrap_or_default();
    Ok((parts, name))
}
