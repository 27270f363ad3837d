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
}

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
