//! Extended attributes: which ext4 can store, in which form, and where.
//!
//! Attributes live in the inode (92 bytes of a 256-byte inode) and in one block besides; the
//! larger forms of newer kernels (`ea_inode`) are not written. After fs/ext4/xattr.h.

use std::borrow::Cow;

use osb_tree::Meta;

use crate::acl;
use crate::bytes::Record;
use crate::checksum::Sum;
use crate::error::{Ext4Error, show};
use crate::geometry::BLOCK;
use crate::inode::{EXTRA, INODE};

/// `EXT4_XATTR_MAGIC`, before attributes in an inode and at the head of a block of them.
const MAGIC: u32 = 0xEA02_0000;
/// Room behind the fields of an inode, the magic number included.
pub(crate) const IN_INODE: usize = INODE - 128 - EXTRA as usize;
/// The head of a block.
const HEAD: usize = 32;
/// A zero word ends the list of entries.
const END: usize = 4;

/// An attribute in the on-disk form. The order is that of a block's entries: by number, length
/// and bytes of the name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Attribute<'a> {
    index: u8,
    length: usize,
    /// What follows the prefix that the number stands for.
    name: &'a [u8],
    value: Cow<'a, [u8]>,
}

impl Attribute<'_> {
    /// Bytes of entry and value together.
    fn bytes(&self) -> usize {
        16 + self.length.next_multiple_of(4) + self.value.len().next_multiple_of(4)
    }
}

/// The attributes of an inode in their final form.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// For the end of the inode; empty if none are there.
    pub(crate) in_inode: Box<[u8]>,
    /// For a block besides; see [`seal`].
    pub(crate) block: Option<Vec<u8>>,
}

/// The attributes of the inode at `path`, checked and encoded.
pub(crate) fn stored(path: &[u8], meta: &Meta) -> Result<Stored, Ext4Error> {
    if meta.xattrs.is_empty() {
        return Ok(Stored::default());
    }
    let attributes = meta
        .xattrs
        .iter()
        .map(|(name, value)| attribute(name, value).map_err(|reason| refuse(path, name, reason)))
        .collect::<Result<_, _>>()?;
    let (inside, outside) = divide(attributes);
    let mut stored = Stored::default();
    if !inside.is_empty() {
        let mut area = vec![0; IN_INODE];
        Record(&mut area).u32(0, MAGIC);
        // Offsets of values count from the first entry.
        fill(&mut area, 4, 4, &inside);
        stored.in_inode = area.into();
    }
    if !outside.is_empty() {
        if room(&outside) > BLOCK as usize - HEAD {
            let last = meta.xattrs.keys().next_back().map_or(&b""[..], Vec::as_slice);
            let reason = "all attributes together need more than ext4's one block of 4096 bytes";
            return Err(refuse(path, last, reason.to_owned()));
        }
        let mut block = vec![0; BLOCK as usize];
        let mut head = Record(&mut block);
        head.u32(0, MAGIC);
        // One inode has it, and it is one block.
        head.u32(4, 1);
        head.u32(8, 1);
        head.u32(12, block_hash(&outside));
        fill(&mut block, HEAD, 0, &outside);
        stored.block = Some(block);
    }
    Ok(stored)
}

/// Whether the attributes of `meta` need a block outside the inode.
pub(crate) fn needs_block(meta: &Meta) -> bool {
    let valid = meta.xattrs.iter().filter_map(|(name, value)| attribute(name, value).ok());
    !meta.xattrs.is_empty() && !divide(valid.collect()).1.is_empty()
}

/// Sets the checksum of a block of attributes that will lie at `place`.
pub(crate) fn seal(block: &mut [u8], place: u64, sum: Sum) {
    let value = sum.and(&place.to_le_bytes()).and(block).value();
    Record(block).u32(16, value);
}

fn refuse(path: &[u8], name: &[u8], reason: String) -> Ext4Error {
    Ext4Error::Xattr { path: show(path), name: String::from_utf8_lossy(name).into_owned(), reason }
}

/// The on-disk form: a number for the prefix, the rest of the name, and ACLs in their own form.
fn attribute<'a>(name: &'a [u8], value: &'a [u8]) -> Result<Attribute<'a>, String> {
    let acl = match name {
        b"system.posix_acl_access" => Some(2),
        b"system.posix_acl_default" => Some(3),
        _ => None,
    };
    if let Some(index) = acl {
        let value = Cow::Owned(acl::to_disk(value)?);
        return Ok(Attribute { index, length: 0, name: b"", value });
    }
    const PREFIXES: [(&[u8], u8); 3] = [(b"user.", 1), (b"trusted.", 4), (b"security.", 6)];
    let found = PREFIXES
        .iter()
        .find_map(|(prefix, index)| name.strip_prefix(*prefix).map(|rest| (rest, *index)));
    let Some((rest, index)) = found else {
        return Err("ext4 does not store this kind".to_owned());
    };
    if !(1..=255).contains(&rest.len()) || rest.contains(&0) {
        return Err("the name is empty, longer than 255, or has a NUL".to_owned());
    }
    Ok(Attribute { index, length: rest.len(), name: rest, value: Cow::Borrowed(value) })
}

/// Those that go into the inode, in order as long as there is room, and the others.
fn divide(mut attributes: Vec<Attribute>) -> (Vec<Attribute>, Vec<Attribute>) {
    attributes.sort();
    let mut left = IN_INODE - 4 - END;
    attributes.into_iter().partition(|attribute| {
        let fits = attribute.bytes() <= left;
        left -= if fits { attribute.bytes() } else { 0 };
        fits
    })
}

/// Bytes that entries and values take together with the end of the list.
fn room(attributes: &[Attribute]) -> usize {
    attributes.iter().map(Attribute::bytes).sum::<usize>() + END
}

/// Entries from `at` on, values from the end of `area` backwards; their offsets count from `base`.
fn fill(area: &mut [u8], mut at: usize, base: usize, attributes: &[Attribute]) {
    let mut end = area.len();
    let mut record = Record(area);
    for attribute in attributes {
        let size = attribute.value.len();
        end -= size.next_multiple_of(4);
        record.u8(at, attribute.length as u8);
        record.u8(at + 1, attribute.index);
        // An empty value has no place.
        record.u16(at + 2, if size == 0 { 0 } else { (end - base) as u16 });
        record.u32(at + 8, size as u32);
        record.u32(at + 12, entry_hash(attribute));
        record.bytes(at + 16, attribute.name);
        record.bytes(end, &attribute.value);
        at += 16 + attribute.length.next_multiple_of(4);
    }
}

/// `ext4_xattr_hash_entry`: over the bytes of the name and the words of the value.
fn entry_hash(attribute: &Attribute) -> u32 {
    let name =
        attribute.name.iter().fold(0_u32, |hash, byte| hash.rotate_left(5) ^ u32::from(*byte));
    attribute.value.chunks(4).fold(name, |hash, chunk| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        hash.rotate_left(16) ^ u32::from_le_bytes(word)
    })
}

/// `ext4_xattr_rehash`: over those of the entries; 0, which means "not to be shared", if one is 0.
fn block_hash(attributes: &[Attribute]) -> u32 {
    let mut hashes = attributes.iter().map(entry_hash);
    let all = hashes.try_fold(0_u32, |all, hash| (hash != 0).then_some(all.rotate_left(16) ^ hash));
    all.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn meta(list: &[(&str, usize)]) -> Meta {
        let xattrs = list.iter().map(|(name, len)| (name.as_bytes().to_vec(), vec![7; *len]));
        Meta { xattrs: BTreeMap::from_iter(xattrs), ..Meta::default() }
    }

    #[test]
    fn a_capability_fits_into_the_inode_and_a_long_value_does_not() {
        assert!(!needs_block(&meta(&[])));
        assert!(!needs_block(&meta(&[("security.capability", 20)])));
        assert!(needs_block(&meta(&[("user.big", 200)])));
    }

    #[test]
    fn what_does_not_fit_leaves_the_inode_to_what_does() {
        let meta = meta(&[("security.capability", 20), ("user.big", 200)]);
        let stored = stored(b"x", &meta).unwrap();
        assert!(stored.block.is_some() && stored.in_inode.len() == IN_INODE);
    }

    #[test]
    fn what_ext4_cannot_store_is_refused_by_name() {
        for (name, len) in
            [("system.data", 4), ("bogus", 1), ("user.", 1), ("user.huge", 5000), ("user.x", 4041)]
        {
            let error = stored(b"etc/x", &meta(&[(name, len)])).map(|_| ()).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("/etc/x") && text.contains(name), "{text}");
        }
        assert!(stored(b"etc/x", &meta(&[("user.x", 4040)])).is_ok());
    }
}
