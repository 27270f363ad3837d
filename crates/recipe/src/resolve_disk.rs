//! From `[disk]` as written to a disk: every value checked, at its place.

use osb_partition::{ALIGNMENT, Format, Guid, Layout, PartitionError, PartitionSpec, SectorSize};
use osb_partition::{PartitionType, Table};
use serde_spanned::Spanned;

use crate::check;
use crate::disk::{Data, Disk, FileSystem, Partition, PartitionContent, RootSize};
use crate::error::Problem;
use crate::raw_disk::{RawDisk, RawPartition};
use crate::resolve::Resolver;
use crate::size;

/// Smallest boot partition: the kernel twice and an initramfs need it, and osb-fat leaves clusters
/// free. With long sectors FAT32 itself needs more.
const SMALLEST_BOOT: u64 = 64 << 20;

/// Smallest ext4 with a journal (mke2fs(8): 1024 blocks of it, a quarter of the whole at most).
const SMALLEST_EXT4: u64 = 16 << 20;

/// Beyond this a gap between partitions is a mistake.
const LARGEST_ALIGNMENT: u64 = 1 << 30;

/// The most characters of a partition's name (UEFI specification, GPT partition entry).
const LONGEST_NAME: usize = 36;

/// What the system puts into these by itself, or needs before anything is mounted.
const NO_MOUNTS: [&str; 8] =
    ["/boot/firmware", "/dev", "/etc", "/proc", "/run", "/sys", "/tmp", "/usr"];

/// What holds for every partition, and where it is written.
struct Ground<'a> {
    format: Format,
    alignment: &'a Spanned<String>,
}

/// A partition, and where problems with it are shown.
struct Wanted<'a> {
    partition: Partition,
    name: &'a Spanned<String>,
    size: &'a Spanned<String>,
}

impl Resolver<'_> {
    /// The disk that `raw` describes.
    pub(crate) fn disk(&self, raw: &RawDisk) -> Result<Disk, Problem> {
        let format = self.format(raw)?;
        let ground = Ground { format, alignment: &raw.alignment };
        let wanted = match raw.partition.as_slice() {
            [] => vec![
                Wanted {
                    partition: self.boot("boot", &raw.boot_size, &ground)?,
                    name: &raw.table,
                    size: &raw.boot_size,
                },
                Wanted {
                    partition: Partition {
                        name: "root".to_owned(),
                        content: PartitionContent::Root(RootSize::Free(self.size(&raw.root_free)?)),
                    },
                    name: &raw.table,
                    size: &raw.root_free,
                },
            ],
            listed => self.listed(raw, listed, &ground)?,
        };
        self.fits(&format, &wanted, &raw.table)?;
        let partitions = wanted.into_iter().map(|wanted| wanted.partition).collect();
        Ok(Disk { format, partitions })
    }

    fn format(&self, raw: &RawDisk) -> Result<Format, Problem> {
        let known = Table::ALL.map(Table::as_str);
        let table = Table::ALL.into_iter().find(|table| table.as_str() == raw.table.get_ref());
        let table = table.ok_or_else(|| {
            let problem = self.unknown("partition table", &raw.table, known);
            match raw.table.get_ref().as_str() {
                "dos" | "msdos" => problem.hint("write it as `mbr`"),
                _ => problem,
            }
        })?;
        let bytes = raw.sector_size.get_ref().0;
        let sector = SectorSize::ALL.into_iter().find(|sector| sector.bytes() == bytes);
        let sector = sector.ok_or_else(|| {
            self.at(&raw.sector_size, format!("no disk has sectors of {bytes} bytes"))
                .hint("possible here: 512, 4096")
        })?;
        let alignment = self.size(&raw.alignment)?;
        if !alignment.is_multiple_of(ALIGNMENT) || !(1..=LARGEST_ALIGNMENT).contains(&alignment) {
            let message = format!("an alignment of {}", raw.alignment.get_ref());
            return Err(self.at(&raw.alignment, message).hint("whole MiB, from 1MiB to 1GiB"));
        }
        Ok(Format { table, sector, alignment })
    }

    /// The partitions as listed, with the rules that are about several of them.
    fn listed<'a>(
        &self,
        raw: &'a RawDisk,
        listed: &'a [RawPartition],
        ground: &Ground<'_>,
    ) -> Result<Vec<Wanted<'a>>, Problem> {
        let mut wanted: Vec<Wanted> = Vec::new();
        for entry in listed {
            let next = self.partition(raw, entry, ground)?;
            let PartitionContent::Data(data) = &next.partition.content else {
                let alike = wanted.iter().any(|other| {
                    std::mem::discriminant(&other.partition.content)
                        == std::mem::discriminant(&next.partition.content)
                });
                if alike {
                    let message = format!("a second `{}` partition", entry.content.get_ref());
                    return Err(self.at(&entry.content, message).hint("exactly one is possible"));
                }
                self.unique_name(&wanted, &next)?;
                wanted.push(next);
                continue;
            };
            self.unique_name(&wanted, &next)?;
            self.unique_data(&wanted, entry, data)?;
            wanted.push(next);
        }
        let first = &listed[0].content;
        for content in ["boot", "root"] {
            if !listed.iter().any(|entry| entry.content.get_ref() == content) {
                let message = format!("no partition has the content `{content}`");
                let hint = format!("add a [[disk.partition]] with content = \"{content}\"");
                return Err(self.at(&listed[0].name, message).hint(hint));
            }
        }
        if first.get_ref() != "boot" {
            return Err(self.at(first, "the boot partition must be the first one").hint(
                "firmware of the Raspberry Pi wants it at the start of the disk, and the node mounts \
                 partition 1 at /boot/firmware; all others may have any order",
            ));
        }
        Ok(wanted)
    }

    fn unique_name(&self, wanted: &[Wanted], next: &Wanted) -> Result<(), Problem> {
        let name = &next.partition.name;
        match wanted.iter().any(|other| other.partition.name == *name) {
            true => Err(self.at(next.name, format!("a second partition called `{name}`"))),
            false => Ok(()),
        }
    }

    /// Whether a label and a mount point are the only ones; the node finds partitions by label.
    fn unique_data(
        &self,
        wanted: &[Wanted],
        entry: &RawPartition,
        data: &Data,
    ) -> Result<(), Problem> {
        let others = wanted.iter().filter_map(|other| match &other.partition.content {
            PartitionContent::Data(data) => Some(data),
            _ => None,
        });
        let mut labels = vec![Disk::BOOT_LABEL, Disk::ROOT_LABEL];
        for other in others {
            labels.push(&other.label);
            if let (Some(mount), Some(written)) = (&other.mount, &entry.mount)
                && *mount == *written.get_ref()
            {
                return Err(self.at(written, format!("a second partition for {mount}")));
            }
        }
        if labels.iter().any(|label| label.eq_ignore_ascii_case(&data.label)) {
            let message = format!("another file system of the disk has the label {:?}", data.label);
            let place = entry.label.as_ref().unwrap_or(&entry.name);
            return Err(self.at(place, message).hint("say another one: label = \"...\""));
        }
        Ok(())
    }

    fn partition<'a>(
        &self,
        raw: &'a RawDisk,
        entry: &'a RawPartition,
        ground: &Ground<'_>,
    ) -> Result<Wanted<'a>, Problem> {
        self.valid(&entry.name, check::name)?;
        let name = entry.name.get_ref();
        if name.len() > LONGEST_NAME {
            let message = format!("a name of {} characters: at most {LONGEST_NAME}", name.len());
            return Err(self.at(&entry.name, message));
        }
        let wanted = |partition, size| Wanted { partition, name: &entry.name, size };
        match entry.content.get_ref().as_str() {
            "boot" => {
                self.without(entry, &[("free", &entry.free)])?;
                self.no_data_keys(entry)?;
                let size = self.one_of(&raw.boot_size, "disk.boot-size", entry.size.as_ref())?;
                Ok(wanted(self.boot(name, size, ground)?, size))
            }
            "root" => {
                self.no_data_keys(entry)?;
                let (size, place) = match (&entry.size, &entry.free) {
                    (Some(_), Some(free)) => {
                        let message = "the root has either `size` or `free`, not both";
                        return Err(self.at(free, message));
                    }
                    (Some(size), None) => {
                        self.one_of(&raw.root_free, "disk.root-free", Some(size))?;
                        (RootSize::Whole(self.whole(size, ground)?), size)
                    }
                    (None, free) => {
                        let free = self.one_of(&raw.root_free, "disk.root-free", free.as_ref())?;
                        (RootSize::Free(self.size(free)?), free)
                    }
                };
                let content = PartitionContent::Root(size);
                Ok(wanted(Partition { name: name.clone(), content }, place))
            }
            "data" => {
                self.without(entry, &[("free", &entry.free)])?;
                let Some(size) = &entry.size else {
                    return Err(self
                        .at(&entry.name, format!("the size of `{name}` is missing"))
                        .hint("add it: size = \"4GiB\""));
                };
                let content = PartitionContent::Data(self.data(entry, size, ground)?);
                Ok(wanted(Partition { name: name.clone(), content }, size))
            }
            _ => Err(self.unknown("content", &entry.content, ["boot", "root", "data"])),
        }
    }

    /// What is said of a size: in the partition, else in `[disk]`, but not in both.
    fn one_of<'a>(
        &self,
        of_disk: &'a Spanned<String>,
        key: &str,
        own: Option<&'a Spanned<String>>,
    ) -> Result<&'a Spanned<String>, Problem> {
        match own {
            None => Ok(of_disk),
            Some(own) if of_disk.span().is_empty() => Ok(own),
            Some(own) => Err(self
                .at(own, format!("the partition says this itself, and {key} does, too"))
                .hint("take one of them out")),
        }
    }

    fn no_data_keys(&self, entry: &RawPartition) -> Result<(), Problem> {
        let RawPartition { filesystem, label, mount, .. } = entry;
        self.without(entry, &[("filesystem", filesystem), ("label", label), ("mount", mount)])
    }

    fn without(
        &self,
        entry: &RawPartition,
        keys: &[(&str, &Option<Spanned<String>>)],
    ) -> Result<(), Problem> {
        let content = entry.content.get_ref();
        match keys.iter().find_map(|(key, value)| value.as_ref().map(|value| (key, value))) {
            Some((key, value)) => {
                Err(self.at(value, format!("a `{content}` partition has no `{key}`")))
            }
            None => Ok(()),
        }
    }

    fn boot(
        &self,
        name: &str,
        raw: &Spanned<String>,
        ground: &Ground<'_>,
    ) -> Result<Partition, Problem> {
        let size = self.whole(raw, ground)?;
        self.fat(raw, "boot", size, ground)?;
        if size < SMALLEST_BOOT {
            let message = format!(
                "a boot partition of {} has no room for kernel and initramfs: at least {}",
                raw.get_ref(),
                size::show(SMALLEST_BOOT)
            );
            return Err(self.at(raw, message));
        }
        Ok(Partition { name: name.to_owned(), content: PartitionContent::Boot(size) })
    }

    fn data(
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
            FileSystem::Ext4 if size < SMALLEST_EXT4 => {
                let least = size::show(SMALLEST_EXT4);
                let message = format!(
                    "partition `{name}` of {} cannot be ext4: at least {least}",
                    raw.get_ref()
                );
                return Err(self.at(raw, message));
            }
            FileSystem::Ext4 => 16,
            FileSystem::Vfat => {
                self.fat(raw, name, size, ground)?;
                11
            }
        };
        let label = entry.label.as_ref().unwrap_or(&entry.name);
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let text = label.get_ref();
        if text.is_empty() || text.len() > longest || !text.bytes().all(legal) {
            let message =
                format!("{text:?} cannot be the label of a {} file system", file_system.as_str());
            let hint = format!("label = \"...\": 1 to {longest} letters, digits, `-` or `_`");
            return Err(self.at(label, message).hint(hint));
        }
        if let Some(mount) = &entry.mount {
            self.mount(mount)?;
        }
        let mount = entry.mount.as_ref().map(|mount| mount.get_ref().clone());
        Ok(Data { size, file_system, label: text.clone(), mount })
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

    /// Whether FAT32 can have this size.
    fn fat(
        &self,
        raw: &Spanned<String>,
        name: &str,
        size: u64,
        ground: &Ground<'_>,
    ) -> Result<(), Problem> {
        osb_fat::check_size(size, ground.format.sector.bytes() as u32)
            .map_err(|error| self.at(raw, format!("partition `{name}`: {error}")))
    }

    /// A size that is a multiple of the alignment.
    fn whole(&self, raw: &Spanned<String>, ground: &Ground<'_>) -> Result<u64, Problem> {
        let (size, alignment) = (self.size(raw)?, ground.format.alignment);
        if size != 0 && size.is_multiple_of(alignment) {
            return Ok(size);
        }
        let unit = size::show(alignment);
        let message = format!("{} is not a multiple of the alignment, {unit}", raw.get_ref());
        let below = size / alignment * alignment;
        let above = below.saturating_add(alignment);
        let hint = match below {
            0 => format!("make it at least {unit}"),
            _ => format!("make it {} or {}", size::show(below), size::show(above)),
        };
        // What is not written has no place; then the alignment is what is unusual.
        let place = if raw.span().is_empty() { ground.alignment } else { raw };
        Err(self.at(place, message).hint(hint))
    }

    /// Whether the table can hold the partitions; of the root only a part is known yet.
    fn fits(
        &self,
        format: &Format,
        wanted: &[Wanted],
        table: &Spanned<String>,
    ) -> Result<(), Problem> {
        let specs = wanted.iter().map(|wanted| PartitionSpec {
            name: wanted.partition.name.clone(),
            kind: PartitionType::LinuxFilesystem,
            guid: Guid::from_digest(wanted.partition.name.as_bytes()),
            size: match &wanted.partition.content {
                PartitionContent::Boot(size) | PartitionContent::Root(RootSize::Whole(size)) => {
                    *size
                }
                PartitionContent::Root(RootSize::Free(free)) => {
                    free.max(&1).checked_next_multiple_of(format.alignment).unwrap_or(u64::MAX)
                }
                PartitionContent::Data(data) => data.size,
            },
        });
        let disk = Guid::from_bytes([0xFF; 16]);
        let sector = format.sector.bytes();
        match Layout::with_format(*format, disk, specs.collect()) {
            Ok(_) => Ok(()),
            Err(PartitionError::Count { table: kind, count }) => {
                let most = kind.most_partitions();
                let place = wanted.get(most).map_or(table, |wanted| wanted.name);
                let message = format!("{count} partitions in {kind}, which has {most}");
                Err(self.at(place, message))
            }
            Err(PartitionError::TooLarge { name, limit, table: kind, .. }) => {
                let found = wanted.iter().find(|wanted| wanted.partition.name == name);
                let place = found.map_or(table, |wanted| wanted.size);
                let message = format!(
                    "partition `{name}` ends beyond {}, which {kind} with {sector}-byte sectors cannot say",
                    size::show(limit)
                );
                Err(self.at(place, message))
            }
            Err(other) => Err(self.at(table, other.to_string())),
        }
    }
}
