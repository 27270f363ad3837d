//! What is checked: an image, without its bytes.

use osb_image::{Fault, Form, Image, Space, Table};
use osb_tree::Tree;

/// Where the boot partition is mounted on a node.
pub(crate) const FIRMWARE: &str = "boot/firmware";

/// An image as rules see it. It can be cloned and changed: contents stay where they are.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// The partition table; none for archives and folders.
    pub table: Option<Table>,
    /// The root, without the boot files.
    pub root: Option<Tree>,
    /// The root's partition and the identifiers of its file system.
    pub root_place: Place,
    /// The boot files.
    pub boot: Option<Tree>,
    /// The boot partition and the identifiers of its file system.
    pub boot_place: Place,
    /// Room on the boot partition.
    pub boot_space: Option<Space>,
    /// The other file systems of the disk.
    pub others: Vec<Other>,
    /// Partitions that nothing could be read of, by number, and why.
    pub unread: Vec<(u32, String)>,
}

/// A file system that is neither the root nor the boot partition.
#[derive(Debug, Clone)]
pub struct Other {
    /// Its partition.
    pub place: Place,
    /// What is in it.
    pub tree: Tree,
}

/// Types of partitions that have no files of their own: extended ones, which hold others; GRUB's
/// and Microsoft's reserved ones; swap, which another rule is about.
const WITHOUT_FILES: [&str; 8] = [
    "05",
    "0f",
    "85",
    "82",
    "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F",
    "21686148-6449-6E6F-744E-656564454649",
    "E3C9E316-0B5C-4DB8-817D-F92DF00215AE",
    "EE",
];

/// Where a file system is on its disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Number of the partition.
    pub partition: Option<u32>,
    /// Identifier, as `blkid` shows it.
    pub uuid: String,
    /// Label.
    pub label: String,
}

impl Subject {
    /// What an image holds. The boot files of an archive or a folder are those in
    /// `/boot/firmware`.
    ///
    /// # Errors
    /// If the tables of the boot partition cannot be read.
    pub fn of(image: &Image) -> Result<Subject, Fault> {
        let place = |volume: &osb_image::Volume| Place {
            partition: volume.partition,
            uuid: volume.uuid.clone(),
            label: volume.label.clone(),
        };
        let (root, boot) = (image.root(), image.boot());
        let is = |volume: &osb_image::Volume, other: Option<&osb_image::Volume>| {
            other.is_some_and(|other| std::ptr::eq(volume, other))
        };
        let others = image.volumes.iter().filter(|each| !is(each, root) && !is(each, boot));
        let mut subject = Subject {
            table: image.table.clone(),
            root: root.map(|volume| volume.tree.clone()),
            root_place: root.map(place).unwrap_or_default(),
            boot: boot.map(|volume| volume.tree.clone()),
            boot_place: boot.map(place).unwrap_or_default(),
            boot_space: match boot {
                Some(volume) => volume.space()?,
                None => None,
            },
            others: others
                .map(|volume| Other { place: place(volume), tree: volume.tree.clone() })
                .collect(),
            unread: unread(image),
        };
        if image.form != Form::Disk
            && let Some(root) = &mut subject.root
        {
            let inside = root.subtree(FIRMWARE).filter(|inside| !inside.is_empty());
            if inside.is_some() {
                root.remove_below(FIRMWARE);
                subject.boot = inside;
            }
        }
        Ok(subject)
    }
}

/// The partitions that have no volume.
fn unread(image: &Image) -> Vec<(u32, String)> {
    let table = image.table.iter().flat_map(|table| &table.partitions);
    let without = table.into_iter().filter(|partition| {
        let number = Some(partition.number);
        !WITHOUT_FILES.contains(&partition.kind.as_str())
            && !image.volumes.iter().any(|volume| volume.partition == number)
    });
    without
        .map(|partition| {
            let why = image.unread.iter().find(|(number, _)| *number == partition.number);
            let kind = &partition.kind;
            let unknown = || format!("it has no file system that osb reads; its type is {kind}");
            (partition.number, why.map_or_else(unknown, |(_, why)| why.clone()))
        })
        .collect()
}
