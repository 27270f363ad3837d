//! The disk of a recipe, resolved: its table, and its partitions in order.

use std::fmt;

use osb_partition::{Format, Table};

/// The disk: what it is, and its partitions in the order of their numbers and places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Kind of the table, sector size, alignment.
    pub format: Format,
    /// The partitions: the boot partition first, exactly one root.
    pub partitions: Vec<Partition>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its name in the table: lower-case letters, digits, `-`, `.`; at most 36.
    pub name: String,
    /// What is in it.
    pub content: PartitionContent,
}

/// What a partition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionContent {
    /// The boot files, in a FAT32 file system of so many bytes.
    Boot(u64),
    /// The root file system.
    Root(RootSize),
    /// A file system of its own, empty at first.
    Data(Data),
}

/// How large the root file system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootSize {
    /// As large as what is in it, and so many bytes free.
    Free(u64),
    /// So many bytes altogether.
    Whole(u64),
}

/// A partition of the node's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// Its bytes.
    pub size: u64,
    /// Its file system.
    pub file_system: FileSystem,
    /// Label of the file system: no other of the disk has it.
    pub label: String,
    /// Where the node mounts it: absolute, letters, digits and `/-_.+` only.
    pub mount: Option<String>,
}

/// File systems that a data partition may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// ext4.
    Ext4,
    /// FAT32.
    Vfat,
}

impl FileSystem {
    /// All of them.
    pub const ALL: [FileSystem; 2] = [FileSystem::Ext4, FileSystem::Vfat];

    /// The kernel's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            FileSystem::Ext4 => "ext4",
            FileSystem::Vfat => "vfat",
        }
    }
}

impl Disk {
    /// Label of the boot partition's file system.
    pub const BOOT_LABEL: &'static str = "BOOT";
    /// Label of the root file system.
    pub const ROOT_LABEL: &'static str = "root";

    /// Index of the root partition.
    pub fn root(&self) -> usize {
        let is_root =
            |partition: &Partition| matches!(partition.content, PartitionContent::Root(_));
        self.partitions.iter().position(is_root).unwrap_or_default()
    }

    /// The partitions that the node mounts, by path: what lies in another comes after it.
    pub fn mounts(&self) -> Vec<(&str, &Data)> {
        let mut mounts: Vec<(&str, &Data)> = self
            .partitions
            .iter()
            .filter_map(|partition| match &partition.content {
                PartitionContent::Data(data) => Some((data.mount.as_deref()?, data)),
                _ => None,
            })
            .collect();
        mounts.sort_by_key(|(path, _)| *path);
        mounts
    }
}

impl fmt::Display for Disk {
    /// What identifiers are derived from. A disk of the usual form reads as it did before there
    /// was any other, so that its images keep the identifiers that they had.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |name: &str, partition: &Partition| partition.name == name;
        match self.partitions.as_slice() {
            [
                boot @ Partition { content: PartitionContent::Boot(size), .. },
                root @ Partition { content: PartitionContent::Root(RootSize::Free(free)), .. },
            ] if named("boot", boot) && named("root", root) && self.format == Format::default() => {
                write!(out, "Disk {{ boot_size: {size}, root_free: {free} }}")
            }
            partitions => {
                let Format { table, sector, alignment } = self.format;
                let (table, sector) = (Table::as_str(table), sector.bytes());
                write!(out, "{table}, sectors of {sector}, alignment {alignment}: {partitions:?}")
            }
        }
    }
}
