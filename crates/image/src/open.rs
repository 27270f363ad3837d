//! What lies at a path, opened: a disk, a file system, an archive, a layer, a folder.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use osb_tree::{Device, Inode, Kind, ReadAt, Stack, Tree, scan, scan_layer};

use crate::compression::Compression;
use crate::error::{Fault, ImageError};
use crate::ext4::Ext4;
use crate::fat::Fat;
use crate::limits::{Budget, Limits};
use crate::scratch::decompress;
use crate::seekable::Seekable;
use crate::space::Space;
use crate::table::{self, Table};
use crate::tar;
use crate::window::Window;

/// How to open an image.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// A folder with room for what a compressed image decompresses to. Nothing is left there.
    pub scratch: &'a Path,
    /// How much it may cost.
    pub limits: Limits,
}

/// Which form an image has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A disk with a partition table.
    Disk,
    /// One file system, without a partition table.
    FileSystem,
    /// A tar archive.
    Archive,
    /// A layer of osb's cache.
    Layer,
    /// Any other folder.
    Folder,
}

impl Form {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Form::Disk => "disk",
            Form::FileSystem => "file system",
            Form::Archive => "archive",
            Form::Layer => "layer",
            Form::Folder => "folder",
        }
    }
}

/// What a tree was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// ext2, ext3 or ext4.
    Ext4,
    /// FAT12, FAT16 or FAT32.
    Fat,
    /// A tar archive.
    Tar,
    /// A folder of this machine.
    Folder,
}

impl System {
    /// Its name, for file systems as `blkid` has it.
    pub fn name(self) -> &'static str {
        match self {
            System::Ext4 => "ext4",
            System::Fat => "vfat",
            System::Tar => "tar",
            System::Folder => "folder",
        }
    }
}

/// A tree of an image, and where it was.
#[derive(Debug)]
pub struct Volume {
    /// Number of the partition, on a disk.
    pub partition: Option<u32>,
    /// What it is.
    pub system: System,
    /// Identifier of the file system, as `blkid` shows it; empty for what has none.
    pub uuid: String,
    /// Its label.
    pub label: String,
    /// What is in it.
    pub tree: Tree,
    /// What is noteworthy about it; for people.
    pub problems: Vec<String>,
    /// Its bytes; empty for a folder.
    place: Option<Reader>,
}

#[derive(Debug)]
enum Reader {
    Ext4(Ext4, Window),
    Fat(Fat, Window),
    Tar(Window),
}

/// An image, read.
#[derive(Debug)]
pub struct Image {
    /// Its form.
    pub form: Form,
    /// Whether it was compressed.
    pub compressed: bool,
    /// Its partition table.
    pub table: Option<Table>,
    /// What is in it; on a disk, partitions without a file system that is known are left out.
    pub volumes: Vec<Volume>,
    /// Partitions with a file system that uses what osb does not read, by number, and what it is.
    pub unread: Vec<(u32, String)>,
    /// All bytes, decompressed; none for folders.
    bytes: Option<Window>,
    limits: Limits,
}

/// Opens the image at `path` and reads everything but contents.
///
/// # Errors
/// If it cannot be read, is none that osb knows, is damaged, or exceeds the limits.
pub fn open(path: &Path, options: &Options) -> Result<Image, ImageError> {
    let opened = match path.is_dir() {
        true => folder(path, options),
        false => file(path, options),
    };
    opened.map_err(|fault| ImageError { path: path.to_owned(), fault })
}

/// The partition table of the disk at `path`, which is not compressed; `None` if it has none. Nothing
/// else is read.
///
/// # Errors
/// If it cannot be read, or its table is damaged beyond use.
pub fn table(path: &Path) -> Result<Option<Table>, ImageError> {
    let read = whole(path).and_then(|disk| table::read(&disk));
    read.map_err(|fault| ImageError { path: path.to_owned(), fault })
}

/// The partition table in the first `len` bytes of a disk, as far as they show it; `None` if there is
/// none.
///
/// # Errors
/// If they cannot be read, or the table is damaged beyond use.
pub fn table_in(bytes: Arc<dyn ReadAt>, len: u64) -> Result<Option<Table>, Fault> {
    table::read(&Window::new(bytes, len))
}

/// All bytes of a file, or of a disk.
fn whole(path: &Path) -> Result<Window, Fault> {
    let mut file = File::open(path).map_err(Fault::io("opening"))?;
    let len = file.seek(SeekFrom::End(0)).map_err(Fault::io("opening"))?;
    Ok(Window::new(Arc::new(file), len))
}

fn file(path: &Path, options: &Options) -> Result<Image, Fault> {
    let whole = whole(path)?;
    let len = whole.len;
    let head = whole.bytes(0, len.min(8) as usize)?;
    let Some(compression) = Compression::of(&head) else {
        return read(whole, options.limits, false);
    };
    let mut file = File::open(path).map_err(Fault::io("opening"))?;
    if compression == Compression::Zstd {
        let limit = options.limits.decompressed;
        if let Some(seekable) = Seekable::open(file, len, limit)? {
            let len = seekable.len();
            return read(Window::new(Arc::new(seekable), len), options.limits, true);
        }
        file = File::open(path).map_err(Fault::io("opening"))?;
    }
    let (file, len) = decompress(file, compression, options.scratch, options.limits.decompressed)?;
    read(Window::new(Arc::new(file), len), options.limits, true)
}

/// Reads what has no compression around it.
pub(crate) fn read(bytes: Window, limits: Limits, compressed: bool) -> Result<Image, Fault> {
    let mut budget = Budget::new(&limits);
    let image = |form, table, volumes| Image {
        form,
        compressed,
        table,
        volumes,
        unread: Vec::new(),
        bytes: Some(bytes.clone()),
        limits,
    };
    // A file system first: its boot sector may look like a table.
    if let Some(volume) = file_system(&bytes, None, &mut budget)? {
        return Ok(image(Form::FileSystem, None, vec![volume]));
    }
    if let Some(table) = table::read(&bytes)? {
        let (volumes, unread) = partitions(&bytes, &table, &mut budget)?;
        return Ok(Image { unread, ..image(Form::Disk, Some(table), volumes) });
    }
    if tar::is_at(&bytes)? {
        let (tree, problems) = tar::tree(&bytes, &mut budget)?;
        let volume = Volume {
            partition: None,
            system: System::Tar,
            uuid: String::new(),
            label: String::new(),
            tree,
            problems,
            place: Some(Reader::Tar(bytes.clone())),
        };
        return Ok(image(Form::Archive, None, vec![volume]));
    }
    // Then it is what its magic number says, and a damaged one.
    if Ext4::is_at(&bytes)? {
        Ext4::open(bytes)?;
    }
    Err(Fault::Unknown)
}

/// What is in the partitions, and which of them osb cannot read: one of many does not keep the others
/// from being looked at. A damaged one does.
type Partitions = (Vec<Volume>, Vec<(u32, String)>);

fn partitions(disk: &Window, table: &Table, budget: &mut Budget) -> Result<Partitions, Fault> {
    let (mut volumes, mut unread) = (Vec::new(), Vec::new());
    for partition in &table.partitions {
        let place = table.place(partition);
        let Some(window) = place.and_then(|(start, len)| disk.part(start, len)) else {
            // An extended partition of an MBR may say anything; so may one that is not used.
            continue;
        };
        match file_system(&window, Some(partition.number), budget) {
            Ok(volume) => volumes.extend(volume),
            Err(fault @ Fault::Unsupported { .. }) => {
                unread.push((partition.number, fault.to_string()));
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok((volumes, unread))
}

/// The file system in a window; `None` if there is none that is known.
fn file_system(
    window: &Window,
    partition: Option<u32>,
    budget: &mut Budget,
) -> Result<Option<Volume>, Fault> {
    let ext4 = if Ext4::is_at(window)? { Some(Ext4::open(window.clone())) } else { None };
    // Outside of a partition the two bytes may be anything: code of a boot loader, a name in an
    // archive.
    if let Some(ext4) = ext4.filter(|ext4| ext4.is_ok() || partition.is_some()) {
        let ext4 = ext4?;
        return Ok(Some(Volume {
            partition,
            system: System::Ext4,
            uuid: ext4.uuid(),
            label: ext4.label(),
            tree: ext4.tree(budget)?,
            problems: ext4.problems(),
            place: Some(Reader::Ext4(ext4, window.clone())),
        }));
    }
    if Fat::is_at(window)? {
        let fat = Fat::open(window.clone())?;
        return Ok(Some(Volume {
            partition,
            system: System::Fat,
            uuid: fat.uuid(),
            label: fat.label(),
            tree: fat.tree(budget)?,
            problems: Vec::new(),
            place: Some(Reader::Fat(fat, window.clone())),
        }));
    }
    Ok(None)
}

/// A folder; one with `packages` or `root` and nothing else but files is a layer.
fn folder(path: &Path, options: &Options) -> Result<Image, Fault> {
    let (form, tree) = match is_layer(path) {
        true => (Form::Layer, layer(path)?),
        false => (Form::Folder, scan(path)?),
    };
    let volume = Volume {
        partition: None,
        system: System::Folder,
        uuid: String::new(),
        label: String::new(),
        tree,
        problems: Vec::new(),
        place: None,
    };
    let volumes = vec![volume];
    let limits = options.limits;
    let unread = Vec::new();
    Ok(Image { form, compressed: false, table: None, volumes, unread, bytes: None, limits })
}

fn is_layer(path: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(path) else { return false };
    let mut folders = entries.flatten().filter(|entry| entry.path().is_dir()).peekable();
    folders.peek().is_some()
        && folders.all(|entry| ["packages", "root"].iter().any(|name| entry.file_name() == *name))
}

/// The two halves of a layer, one over the other. What the layer deletes from those below it stands
/// there as overlayfs has it, as a character device 0:0.
fn layer(path: &Path) -> Result<Tree, Fault> {
    let mut stack = Stack::new();
    let mut deleted = Vec::new();
    for half in ["packages", "root"].map(|name| path.join(name)) {
        if half.is_dir() {
            let layer = scan_layer(&half)?;
            deleted.extend(layer.deleted().map(<[u8]>::to_vec));
            stack.push(&layer).map_err(osb_tree::ScanError::from)?;
        }
    }
    let mut tree = stack.into_tree();
    for path in deleted {
        if tree.get(&path).is_none() {
            let kind = Kind::CharDevice(Device { major: 0, minor: 0 });
            tree.lay(&path, Inode::new(0, kind)).map_err(osb_tree::ScanError::from)?;
        }
    }
    Ok(tree)
}

impl Volume {
    /// How much of the file system is free; `None` for what is none.
    ///
    /// # Errors
    /// If its tables cannot be read.
    pub fn space(&self) -> Result<Option<Space>, Fault> {
        match &self.place {
            Some(Reader::Ext4(ext4, _)) => Ok(Some(ext4.space())),
            Some(Reader::Fat(fat, _)) => fat.space().map(Some),
            Some(Reader::Tar(_)) | None => Ok(None),
        }
    }
}

impl Image {
    /// What is noteworthy about the table and the trees; for people.
    pub fn problems(&self) -> Vec<String> {
        let tables = self.table.iter().flat_map(|table| table.problems.iter().cloned());
        let volumes = self.volumes.iter().flat_map(|volume| {
            let place = volume.partition.map(|number| format!("partition {number}: "));
            let place = place.unwrap_or_default();
            volume.problems.iter().map(move |problem| format!("{place}{problem}"))
        });
        let unread = self.unread.iter().map(|(number, why)| format!("partition {number}: {why}"));
        tables.chain(volumes).chain(unread).collect()
    }

    /// Length of the image in bytes, decompressed; `None` for a folder.
    pub fn size(&self) -> Option<u64> {
        self.bytes.as_ref().map(|bytes| bytes.len)
    }

    /// All bytes after decompression, as a content to compare; `None` for a folder.
    pub fn bytes(&self) -> Option<osb_tree::Content> {
        let window = self.bytes.as_ref()?;
        let piece = osb_tree::Extent { at: 0, len: window.len, offset: 0 };
        Some(osb_tree::Content::Extents(window.content(vec![piece], window.len)))
    }

    /// Describes the byte at `offset` of [`Image::bytes`].
    pub fn locate(&self, offset: u64) -> String {
        let mut budget = Budget::new(&self.limits);
        let volume = self.volumes.iter().find_map(|volume| {
            let (Reader::Ext4(_, window) | Reader::Fat(_, window) | Reader::Tar(window)) =
                volume.place.as_ref()?;
            let into = offset.checked_sub(window.start).filter(|into| *into < window.len)?;
            Some((volume, into))
        });
        if let Some((volume, into)) = volume {
            let found = match &volume.place {
                Some(Reader::Ext4(ext4, _)) => ext4.locate(into, &mut budget),
                Some(Reader::Fat(fat, _)) => fat.locate(into, &mut budget),
                Some(Reader::Tar(window)) => tar::locate(window, into, &mut budget),
                None => Ok(String::new()),
            };
            let place = match (volume.partition, volume.system) {
                (Some(number), system) => format!("partition {number} ({}): ", system.name()),
                (None, System::Tar) => String::new(),
                (None, system) => format!("{}: ", system.name()),
            };
            return match found {
                Ok(text) => format!("{place}{text}"),
                Err(fault) => format!("{place}byte {into:#x} ({fault})"),
            };
        }
        self.outside(offset)
    }

    /// A byte of a disk that is in no known file system.
    fn outside(&self, offset: u64) -> String {
        let Some(table) = &self.table else { return "outside of everything known".to_owned() };
        for partition in &table.partitions {
            if let Some((start, len)) = table.place(partition)
                && (start..start.saturating_add(len)).contains(&offset)
            {
                return format!("partition {}, byte {:#x}", partition.number, offset - start);
            }
        }
        let size = u64::from(table.sector_size);
        let end = self.bytes.as_ref().map_or(0, |bytes| bytes.len);
        // 128 entries of 128 bytes and a header, at the beginning behind the protective MBR.
        let entries = (128_u64 * 128).div_ceil(size);
        match offset / size {
            0 => "the master boot record".to_owned(),
            1 if table.kind == table::Kind::Gpt => "the GPT's first header".to_owned(),
            sector if table.kind == table::Kind::Gpt && sector < 2 + entries => {
                "the GPT's first entries".to_owned()
            }
            sector if table.kind == table::Kind::Gpt && sector + 1 == end / size => {
                "the GPT's last header".to_owned()
            }
            sector if table.kind == table::Kind::Gpt && sector + 1 + entries >= end / size => {
                "the GPT's last entries".to_owned()
            }
            _ => "between partitions".to_owned(),
        }
    }
}
