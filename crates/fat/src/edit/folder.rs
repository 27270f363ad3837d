//! Directories: opened, looked in, added to.

use std::collections::BTreeSet;

use super::EditError;
use super::entry::{self, DELETED, Entry};
use super::shape::{Root, Width};
use super::volume::Volume;
use crate::directory::{ENTRY, Facts, MOST_ENTRIES, entries_for, push, push_dots};
use crate::{name, short};

/// Where a directory lies.
#[derive(Debug)]
enum Place {
    /// In a place of its own: the root of FAT16.
    Area(u64),
    Chain(Vec<u32>),
}

/// A directory, all of it.
#[derive(Debug)]
pub(super) struct Folder {
    place: Place,
    bytes: Vec<u8>,
    pub(super) entries: Vec<Entry>,
    /// Bytes up to its last entry.
    end: usize,
    /// What `..` of the folders in it says: the first cluster, 0 for the root.
    first: u32,
}

impl Folder {
    fn new(place: Place, bytes: Vec<u8>, first: u32) -> Folder {
        let (entries, end) = entry::entries(&bytes);
        Folder { place, bytes, entries, end, first }
    }

    /// The entry of this name, long or short, in any case.
    pub(super) fn find(&self, wanted: &str) -> Option<&Entry> {
        let wanted = name::key(wanted);
        let same = |name: &str| name::key(name) == wanted;
        let long = self.entries.iter().find(|entry| same(&entry.name));
        long.or_else(|| self.entries.iter().find(|entry| same(&entry.alias)))
    }

    /// Where so many entries fit, in bytes: behind each other between the others, or at the end.
    fn gap(&self, wanted: usize) -> usize {
        let mut free = 0;
        for (index, entry) in self.bytes[..self.end].chunks_exact(ENTRY).enumerate() {
            free = if entry[0] == DELETED { free + 1 } else { 0 };
            if free == wanted {
                return (index + 1 - wanted) * ENTRY;
            }
        }
        self.end - free * ENTRY
    }
}

impl Volume<'_> {
    pub(super) fn root(&mut self) -> Result<Folder, EditError> {
        match self.shape.root {
            Root::Cluster(first) => Ok(Folder { first: 0, ..self.folder(first)? }),
            Root::Area { at, len } => Ok(Folder::new(Place::Area(at), self.read(at, len)?, 0)),
        }
    }

    /// The directory that begins at a cluster.
    pub(super) fn folder(&mut self, first: u32) -> Result<Folder, EditError> {
        let most = self.shape.clusters_for((MOST_ENTRIES * ENTRY) as u64);
        let chain = self.chain(first, most)?;
        if chain.is_empty() {
            return Err(EditError::damaged("a folder without a cluster"));
        }
        let mut bytes = Vec::new();
        for cluster in &chain {
            let at = self.shape.cluster_at(*cluster)?;
            bytes.extend(self.read(at, self.shape.cluster)?);
        }
        Ok(Folder::new(Place::Chain(chain), bytes, first))
    }

    /// First cluster of an entry; FAT16 uses the upper half of the number for something else.
    pub(super) fn first_of(&self, entry: &Entry) -> u32 {
        match self.shape.width {
            Width::Sixteen => entry.first & 0xFFFF,
            Width::ThirtyTwo => entry.first,
        }
    }

    /// Gives an entry of a folder other contents.
    pub(super) fn change(
        &mut self,
        folder: &mut Folder,
        entry: &Entry,
        facts: &Facts,
    ) -> Result<(), EditError> {
        entry::change(&mut folder.bytes[entry.at..][..ENTRY], facts);
        self.stage_folder(folder)
    }

    /// Adds a name to a folder, which grows if it must.
    pub(super) fn add(
        &mut self,
        path: &str,
        folder: &mut Folder,
        name: &str,
        facts: &Facts,
    ) -> Result<(), EditError> {
        let taken: BTreeSet<_> = folder.entries.iter().map(|entry| entry.short).collect();
        let (short, long) = short::assign_one(name, &taken);
        let count = entries_for(name, long);
        let at = folder.gap(count);
        let after = at + count * ENTRY;
        if after > folder.bytes.len() {
            self.grow(path, folder, after)?;
        }
        let mut bytes = Vec::new();
        push(&mut bytes, long.then_some(name), &short, facts);
        folder.bytes[at..after].copy_from_slice(&bytes);
        // Behind the end anything may lie: it must not come to life.
        if after > folder.end
            && let Some(next) = folder.bytes.get_mut(after..after + ENTRY)
        {
            next.fill(0);
        }
        (folder.entries, folder.end) = entry::entries(&folder.bytes);
        self.stage_folder(folder)
    }

    /// Makes a folder at least `len` bytes long.
    fn grow(&mut self, path: &str, folder: &mut Folder, len: usize) -> Result<(), EditError> {
        let full = || EditError::FolderFull { path: path.to_owned() };
        if len > MOST_ENTRIES * ENTRY {
            return Err(full());
        }
        let Place::Chain(chain) = &mut folder.place else { return Err(full()) };
        let wanted = self.shape.clusters_for(len as u64);
        *chain = self.fit(path, std::mem::take(chain), wanted)?;
        folder.bytes.resize((wanted * self.shape.cluster) as usize, 0);
        Ok(())
    }

    /// Makes an empty folder in another one.
    pub(super) fn make_folder(
        &mut self,
        path: &str,
        parent: &mut Folder,
        name: &str,
        facts: Facts,
    ) -> Result<Folder, EditError> {
        let chain = self.fit(path, Vec::new(), 1)?;
        let facts = Facts { directory: true, cluster: chain[0], size: 0, ..facts };
        self.add(path, parent, name, &facts)?;
        let mut bytes = Vec::new();
        push_dots(&mut bytes, &facts, &Facts { cluster: parent.first, ..facts });
        bytes.resize(self.shape.cluster as usize, 0);
        let folder = Folder::new(Place::Chain(chain), bytes, facts.cluster);
        self.stage_folder(&folder)?;
        Ok(folder)
    }

    fn stage_folder(&mut self, folder: &Folder) -> Result<(), EditError> {
        match &folder.place {
            Place::Area(at) => self.stage(*at, &folder.bytes)?,
            Place::Chain(chain) => {
                let cluster = self.shape.cluster as usize;
                for (cluster, bytes) in chain.iter().zip(folder.bytes.chunks(cluster)) {
                    let at = self.shape.cluster_at(*cluster)?;
                    self.stage(at, bytes)?;
                }
            }
        }
        Ok(())
    }
}
