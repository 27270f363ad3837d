//! Entries: headers, contents, links.

use std::collections::HashMap;
use std::io::{self, Read, Write};

use osb_tree::{Content, Inode, InodeId, Kind, Meta, Tree};
use tar::{EntryType, Header};

use crate::error::{ArchiveError, show};
use crate::pax::Records;

/// Archives consist of blocks of so many bytes and end with two of zeroes.
pub const BLOCK: usize = 512;
/// Bytes read from a file at a time.
const BUFFER: usize = 256 << 10;
/// Largest number in the fields of 8 bytes: seven octal digits.
const MAX_SHORT: u64 = 0o777_7777;
/// Largest number in the fields of 12 bytes: eleven octal digits.
const MAX_LONG: u64 = 0o777_7777_7777;

/// Writes all entries and the end of the archive.
pub(crate) fn write_tree(tree: &Tree, out: &mut dyn Write) -> Result<(), ArchiveError> {
    let mut first_names: HashMap<InodeId, Vec<u8>> = HashMap::new();
    let mut buffer = vec![0; BUFFER];
    for (path, id, inode) in tree.iter() {
        // Sockets first, or a second name of one would link to an entry that is not there.
        let Some(shape) = Shape::of(inode) else { continue };
        let name = entry_name(path, inode);
        if tree.links(id) > 1 && !inode.is_directory() {
            if let Some(first) = first_names.get(&id) {
                write_header(path, &name, inode, Shape::link(first), out)?;
                continue;
            }
            first_names.insert(id, name.clone());
        }
        write_header(path, &name, inode, shape, out)?;
        if let Kind::File(content) = &inode.kind {
            write_content(path, content, &mut buffer, out)?;
        }
    }
    out.write_all(&[0; 2 * BLOCK]).map_err(ArchiveError::Write)
}

/// `./path`, with a slash at the end of directories.
fn entry_name(path: &[u8], inode: &Inode) -> Vec<u8> {
    let mut name = b"./".to_vec();
    name.extend_from_slice(path);
    if inode.is_directory() && !path.is_empty() {
        name.push(b'/');
    }
    name
}

/// What makes the headers of kinds differ.
struct Shape<'a> {
    entry_type: EntryType,
    size: u64,
    link: &'a [u8],
    device: Option<(u32, u32)>,
    /// Attributes belong to the inode and are written with its first name.
    xattrs: bool,
}

impl<'a> Shape<'a> {
    fn new(entry_type: EntryType) -> Self {
        Shape { entry_type, size: 0, link: b"", device: None, xattrs: true }
    }

    fn link(first: &'a [u8]) -> Self {
        Shape { link: first, xattrs: false, ..Shape::new(EntryType::Link) }
    }

    /// `None` for a socket, which tar has no type for.
    fn of(inode: &'a Inode) -> Option<Self> {
        Some(match &inode.kind {
            Kind::Directory => Shape::new(EntryType::Directory),
            Kind::File(content) => Shape { size: content.size(), ..Shape::new(EntryType::Regular) },
            Kind::Symlink(target) => Shape { link: target, ..Shape::new(EntryType::Symlink) },
            Kind::CharDevice(device) => {
                Shape { device: Some((device.major, device.minor)), ..Shape::new(EntryType::Char) }
            }
            Kind::BlockDevice(device) => {
                Shape { device: Some((device.major, device.minor)), ..Shape::new(EntryType::Block) }
            }
            Kind::Fifo => Shape::new(EntryType::Fifo),
            Kind::Socket => return None,
        })
    }
}

fn write_header(
    path: &[u8],
    name: &[u8],
    inode: &Inode,
    shape: Shape<'_>,
    out: &mut dyn Write,
) -> Result<(), ArchiveError> {
    let meta = &inode.meta;
    let mut header = Header::new_ustar();
    let mut records = Records::default();
    header.set_entry_type(shape.entry_type);
    header.set_mode(meta.mode & 0o7777);
    if let Some(fields) = header.as_ustar_mut() {
        put_text(&mut fields.name, name, b"path", &mut records);
        put_text(&mut fields.linkname, shape.link, b"linkpath", &mut records);
    }
    if let Some((major, minor)) = shape.device {
        let refuse = |error: io::Error| ArchiveError::Entry {
            path: show(path),
            reason: format!("device {major}:{minor}: {error}"),
        };
        if u64::from(major.max(minor)) > MAX_SHORT {
            return Err(refuse(io::Error::other("tar has seven octal digits for each number")));
        }
        header.set_device_major(major).map_err(refuse)?;
        header.set_device_minor(minor).map_err(refuse)?;
    } else {
        // Not given by the constructor, and readers differ over empty fields.
        let _ = header.set_device_major(0).and_then(|()| header.set_device_minor(0));
    }
    header.set_size(in_field(shape.size, MAX_LONG, b"size", &mut records));
    header.set_uid(in_field(u64::from(meta.uid), MAX_SHORT, b"uid", &mut records));
    header.set_gid(in_field(u64::from(meta.gid), MAX_SHORT, b"gid", &mut records));
    // Whole seconds, rounded down: what mke2fs, dpkg and most tars keep too.
    match u64::try_from(meta.mtime.secs) {
        Ok(secs) => header.set_mtime(in_field(secs, MAX_LONG, b"mtime", &mut records)),
        Err(_) => {
            records.push(b"mtime", meta.mtime.secs.to_string().as_bytes());
            header.set_mtime(0);
        }
    }
    if shape.xattrs {
        push_xattrs(path, meta, &mut records)?;
    }
    header.set_cksum();
    let records = records.into_bytes();
    if !records.is_empty() {
        write_records(&records, out).map_err(ArchiveError::Write)?;
    }
    out.write_all(header.as_bytes()).map_err(ArchiveError::Write)
}

/// Fills a text field; what is longer goes into a record, and its beginning into the field.
fn put_text(field: &mut [u8; 100], text: &[u8], key: &[u8], records: &mut Records) {
    let len = text.len().min(field.len());
    field[..len].copy_from_slice(&text[..len]);
    if len < text.len() {
        records.push_name(key, text);
    }
}

/// What stands in a number's field: the number, or the field's maximum if a record says it.
fn in_field(number: u64, max: u64, key: &[u8], records: &mut Records) -> u64 {
    if number > max {
        records.push(key, number.to_string().as_bytes());
    }
    number.min(max)
}

fn push_xattrs(path: &[u8], meta: &Meta, records: &mut Records) -> Result<(), ArchiveError> {
    for (name, value) in &meta.xattrs {
        if name.is_empty() || name.contains(&0) {
            return Err(ArchiveError::Entry {
                path: show(path),
                reason: format!("bad attribute name {:?}", String::from_utf8_lossy(name)),
            });
        }
        records.push_xattr(name, value);
    }
    Ok(())
}

/// The entry of type `x` that precedes the described one.
fn write_records(records: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::XHeader);
    // Readers that do not know the type unpack it as a file of this name.
    if let Some(fields) = header.as_ustar_mut() {
        let name = b"./PaxHeaders/x";
        fields.name[..name.len()].copy_from_slice(name);
    }
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(records.len() as u64);
    header.set_cksum();
    out.write_all(header.as_bytes())?;
    out.write_all(records)?;
    pad(records.len() as u64, out)
}

fn write_content(
    path: &[u8],
    content: &Content,
    buffer: &mut [u8],
    out: &mut dyn Write,
) -> Result<(), ArchiveError> {
    let size = content.size();
    let refuse = |source| ArchiveError::Content { path: show(path), source };
    let mut reader = content.open().map_err(refuse)?;
    let mut left = size;
    while left > 0 {
        let part = &mut buffer[..left.min(BUFFER as u64) as usize];
        reader.read_exact(part).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => refuse(io::Error::new(
                error.kind(),
                "the file has become shorter since the tree was read",
            )),
            _ => refuse(error),
        })?;
        out.write_all(part).map_err(ArchiveError::Write)?;
        left -= part.len() as u64;
    }
    pad(size, out).map_err(ArchiveError::Write)
}

/// Zeroes up to the next block.
fn pad(len: u64, out: &mut dyn Write) -> io::Result<()> {
    let rest = len.next_multiple_of(BLOCK as u64) - len;
    out.write_all(&[0; BLOCK][..rest as usize])
}
