//! The disk, laid out: its partitions, and the file system in each.
//!
//! Everything is computed here; nothing is written before [`Disk::write`] is called.

use std::io;

use osb_board::Boot;
use osb_partition::{Guid, Layout, PartitionSpec, PartitionType, Placed};
use osb_recipe::{Arch, Data, FileSystem, Partition, PartitionContent, Recipe, RootSize};
use osb_sink::Sink;
use osb_tree::Tree;

use crate::error::BuildError;
use crate::plan::Plan;

/// The disk: nothing of it is written yet.
pub(crate) struct Disk {
    pub(crate) layout: Layout,
    pub(crate) boot: Boot,
    /// What is in each partition, in order.
    pub(crate) volumes: Vec<Volume>,
}

/// A file system of the disk.
pub(crate) struct Volume {
    /// Its identifier, as `blkid` shows it.
    pub(crate) uuid: String,
    pub(crate) label: String,
    content: Content,
}

enum Content {
    Fat(Box<osb_fat::Plan>),
    Root(osb_ext4::Options),
    Empty(osb_ext4::Options),
}

impl Volume {
    /// The kernel's name of the file system.
    pub(crate) fn file_system(&self) -> FileSystem {
        match self.content {
            Content::Fat(_) => FileSystem::Vfat,
            Content::Root(_) | Content::Empty(_) => FileSystem::Ext4,
        }
    }
}

/// What the kernel command line calls the root.
pub(crate) fn root_partuuid(recipe: &Recipe, plan: &Plan) -> String {
    let root = recipe.disk.root();
    let guid = guid(plan, "root partition");
    recipe.disk.format.table.partuuid(disk_guid(plan), guid, root + 1)
}

fn guid(plan: &Plan, name: &str) -> Guid {
    Guid::from_digest(&plan.identifier(name))
}

fn disk_guid(plan: &Plan) -> Guid {
    guid(plan, "disk")
}

/// What is noteworthy about the recipe's disk; for people.
pub(crate) fn remark(recipe: &Recipe) -> Option<String> {
    let (root, count) = (recipe.disk.root() + 1, recipe.disk.partitions.len());
    (root < count).then(|| {
        format!(
            "the root is partition {root} of {count}: it cannot grow to the end of a larger disk; \
             only the last one can"
        )
    })
}

/// Lays out partitions and file systems.
pub(crate) fn plan_disk(
    recipe: &Recipe,
    plan: &Plan,
    tree: &Tree,
    boot: Boot,
) -> Result<Disk, BuildError> {
    check_mounts(recipe, tree)?;
    let specs = recipe.disk.partitions.iter().map(|partition| spec(recipe, plan, tree, partition));
    let layout = Layout::with_format(recipe.disk.format, disk_guid(plan), specs.collect())?;
    let volumes = recipe
        .disk
        .partitions
        .iter()
        .zip(layout.partitions())
        .map(|(partition, placed)| volume(plan, &boot, &layout, partition, placed))
        .collect::<Result<_, _>>()?;
    Ok(Disk { layout, boot, volumes })
}

fn spec(recipe: &Recipe, plan: &Plan, tree: &Tree, partition: &Partition) -> PartitionSpec {
    let Partition { name, content } = partition;
    let named = |identifier: &str, kind, size| PartitionSpec {
        name: name.clone(),
        kind,
        guid: guid(plan, identifier),
        size,
    };
    match content {
        PartitionContent::Boot(size) => {
            let kind = match recipe.image.board.as_str() {
                "rpi5" => PartitionType::RaspberryPiBoot,
                _ => PartitionType::EfiSystem,
            };
            named("boot partition", kind, *size)
        }
        PartitionContent::Root(size) => {
            let kind = match recipe.image.arch {
                Arch::Arm64 => PartitionType::LinuxRootArm64,
                Arch::Amd64 => PartitionType::LinuxRootAmd64,
            };
            let size = match size {
                RootSize::Whole(size) => *size,
                // Of what is too large, the layout tells.
                RootSize::Free(free) => {
                    osb_ext4::estimate_size(tree, *free, step(recipe.disk.format.alignment))
                }
            };
            named("root partition", kind, size)
        }
        PartitionContent::Data(Data { size, file_system, .. }) => {
            let kind = match file_system {
                FileSystem::Ext4 => PartitionType::LinuxFilesystem,
                FileSystem::Vfat => PartitionType::BasicData,
            };
            named(&format!("data partition {name}"), kind, *size)
        }
    }
}

/// What the size of a root that is as large as its content is a multiple of: the alignment, but
/// not finer than 4 MiB, so that small changes of the content leave the layout as it is.
fn step(alignment: u64) -> u64 {
    (4_u64 << 20).next_multiple_of(alignment)
}

fn volume(
    plan: &Plan,
    boot: &Boot,
    layout: &Layout,
    partition: &Partition,
    placed: &Placed,
) -> Result<Volume, BuildError> {
    let size = placed.spec.size;
    let fat = |tree: &Tree, label: &str, identifier: &str| {
        let [a, b, c, d, ..] = plan.identifier(identifier);
        let volume_id = u32::from_le_bytes([a, b, c, d]);
        let options = osb_fat::Options {
            size,
            sector_size: layout.sector_size() as u32,
            label: label.to_owned(),
            volume_id,
            timestamp: plan.epoch,
            // Informative only; of a partition beyond 2^32 sectors nobody could say more.
            hidden_sectors: u32::try_from(placed.first_lba).unwrap_or(u32::MAX),
        };
        osb_fat::Plan::new(tree, &options).map(|plan| Volume {
            uuid: format!("{:04X}-{:04X}", volume_id >> 16, volume_id & 0xffff),
            label: label.to_owned(),
            content: Content::Fat(Box::new(plan)),
        })
    };
    let ext4 = |label: &str, identifier: &str, seed: &str| osb_ext4::Options {
        size,
        uuid: guid(plan, identifier).bytes(),
        hash_seed: plan.identifier(seed),
        label: label.to_owned(),
        timestamp: plan.epoch,
    };
    let empty = Tree::new();
    match &partition.content {
        PartitionContent::Boot(_) => {
            Ok(fat(&boot.files, osb_recipe::Disk::BOOT_LABEL, "boot file system")?)
        }
        PartitionContent::Root(_) => {
            let label = osb_recipe::Disk::ROOT_LABEL;
            let options = ext4(label, "root file system", "directory hash");
            let (uuid, label) = (hex_uuid(&options.uuid), label.to_owned());
            Ok(Volume { uuid, label, content: Content::Root(options) })
        }
        PartitionContent::Data(Data { file_system, label, .. }) => {
            let name = &partition.name;
            let identifier = format!("data file system {name}");
            match file_system {
                FileSystem::Vfat => Ok(fat(&empty, label, &identifier)?),
                FileSystem::Ext4 => {
                    let options = ext4(label, &identifier, &format!("directory hash {name}"));
                    let (uuid, label) = (hex_uuid(&options.uuid), label.clone());
                    Ok(Volume { uuid, label, content: Content::Empty(options) })
                }
            }
        }
    }
}

/// Refuses to hide what the image has below a mount point, or to mount at what is no folder.
fn check_mounts(recipe: &Recipe, tree: &Tree) -> Result<(), BuildError> {
    for (mount, data) in recipe.disk.mounts() {
        let path = mount.trim_start_matches('/').as_bytes();
        let hidden = tree.descendants(path).count();
        if hidden > 0 {
            return Err(BuildError::Recipe(format!(
                "the partition labelled {} would hide what the image has below {mount}: {hidden} \
                 files and folders; mount it elsewhere",
                data.label
            )));
        }
        let above = path.split(|byte| *byte == b'/').scan(Vec::new(), |above, part| {
            above.extend_from_slice(part);
            let this = above.clone();
            above.push(b'/');
            Some(this)
        });
        for path in above {
            if tree.get(&path).is_some_and(|inode| !inode.is_directory()) {
                let path = String::from_utf8_lossy(&path).into_owned();
                return Err(BuildError::Recipe(format!(
                    "the partition labelled {} cannot be mounted at {mount}: /{path} is no folder",
                    data.label
                )));
            }
        }
    }
    Ok(())
}

impl Disk {
    /// Sends the whole disk to `sink`, in order.
    pub(crate) fn write(&self, tree: &Tree, sink: &mut dyn Sink) -> Result<(), BuildError> {
        let empty = Tree::new();
        // Before the first byte: of all that is written, only these can still be impossible.
        let mut images = Vec::new();
        for volume in &self.volumes {
            images.push(match &volume.content {
                Content::Fat(_) => None,
                Content::Root(options) => Some(osb_ext4::Image::plan(tree, options)?),
                Content::Empty(options) => Some(osb_ext4::Image::plan(&empty, options)?),
            });
        }
        Ok(self.layout.write(sink, &mut |index, sink| match (
            &self.volumes[index].content,
            images[index].take(),
        ) {
            (Content::Fat(plan), _) => plan.write(sink).map_err(io::Error::other),
            (_, Some(image)) => image.write(sink).map_err(io::Error::other),
            (_, None) => Err(io::Error::other("a partition is written once")),
        })?)
    }
}

fn hex_uuid(uuid: &[u8; 16]) -> String {
    let hex = hex::encode(uuid);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use osb_tree::Inode;

    use super::*;

    fn recipe(order: &str) -> Recipe {
        let boot = r#"{name="boot",content="boot"}"#;
        let root = r#"{name="root",content="root"}"#;
        let data = r#"{name="data",content="data",size="1GiB",mount="/srv/data"}"#;
        let list: Vec<&str> = order
            .split(' ')
            .map(|name| match name {
                "boot" => boot,
                "root" => root,
                _ => data,
            })
            .collect();
        let options = osb_recipe::LoadOptions {
            directory: "/nonexistent".into(),
            set: vec![format!("disk.partition=[{}]", list.join(","))],
            ..osb_recipe::LoadOptions::default()
        };
        osb_recipe::load(&options).unwrap().recipe
    }

    #[test]
    fn a_root_that_cannot_grow_is_told() {
        assert_eq!(remark(&recipe("boot root")), None);
        assert_eq!(remark(&recipe("boot data root")), None);
        let text = remark(&recipe("boot root data")).unwrap();
        assert!(text.starts_with("the root is partition 2 of 3: it cannot grow"), "{text}");
    }

    #[test]
    fn the_size_of_a_root_is_a_multiple_of_the_alignment() {
        let steps = [1, 3, 4, 16, 1024].map(|alignment: u64| step(alignment << 20) >> 20);
        assert_eq!(steps, [4, 6, 4, 16, 1024]);
    }

    #[test]
    fn a_mount_hides_nothing_of_the_image() {
        let recipe = recipe("boot data root");
        let mut tree = Tree::new();
        assert!(check_mounts(&recipe, &tree).is_ok());
        tree.lay("srv/data", Inode::directory(0o755)).unwrap();
        tree.lay("srv/data.txt", Inode::file(0o644, Vec::new())).unwrap();
        assert!(check_mounts(&recipe, &tree).is_ok());
        tree.lay("srv/data/file", Inode::file(0o644, Vec::new())).unwrap();
        let error = check_mounts(&recipe, &tree).unwrap_err().to_string();
        assert!(error.contains("below /srv/data: 1 files"), "{error}");

        let mut tree = Tree::new();
        tree.lay("srv", Inode::file(0o644, Vec::new())).unwrap();
        let error = check_mounts(&recipe, &tree).unwrap_err().to_string();
        assert!(error.ends_with("cannot be mounted at /srv/data: /srv is no folder"), "{error}");
    }
}
