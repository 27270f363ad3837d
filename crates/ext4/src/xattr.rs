//! Extended attributes: which ext4 can store, in which form, and in how much space.
//!
//! Attributes live in the inode (92 bytes of a 256-byte inode) and in one block besides; the
//! larger forms of newer kernels (`ea_inode`) are not written.

use osb_tree::Meta;

use crate::acl;
use crate::error::{Ext4Error, show};

/// Room for entries and values inside the inode: 256 bytes less the 128 of the old inode, the
/// 32 of `i_extra_isize` and the magic number (fs/ext4/xattr.h).
const IN_INODE: usize = 256 - 128 - 32 - 4;
/// Room in the attribute block: 4096 bytes less the header.
const IN_BLOCK: usize = 4096 - 32;
/// A zero word ends the list of entries.
const END: usize = 4;

/// An attribute as mkext4 takes it.
pub(crate) struct Attribute<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: Vec<u8>,
}

/// The attributes of the inode at `path`, checked, in the on-disk form.
pub(crate) fn attributes<'a>(path: &[u8], meta: &'a Meta) -> Result<Vec<Attribute<'a>>, Ext4Error> {
    let mut out = Vec::with_capacity(meta.xattrs.len());
    for (name, value) in &meta.xattrs {
        let refuse = |reason: String| Ext4Error::Xattr {
            path: show(path),
            name: String::from_utf8_lossy(name).into_owned(),
            reason,
        };
        let Ok(text) = std::str::from_utf8(name) else {
            return Err(refuse("the name is not UTF-8".into()));
        };
        let value = match text {
            "system.posix_acl_access" | "system.posix_acl_default" => {
                acl::to_disk(value).map_err(refuse)?
            }
            _ => {
                let suffix = ["user.", "trusted.", "security."]
                    .iter()
                    .find_map(|prefix| text.strip_prefix(prefix));
                match suffix {
                    Some(suffix) if (1..=255).contains(&suffix.len()) => value.clone(),
                    Some(_) => return Err(refuse("the name is empty or longer than 255".into())),
                    None => return Err(refuse("ext4 does not store this kind".into())),
                }
            }
        };
        out.push(Attribute { name: text, value });
    }
    let sizes: Vec<_> = out.iter().map(|each| (key(each.name), each.value.len())).collect();
    if block_bytes(sizes) > IN_BLOCK {
        return Err(Ext4Error::Xattr {
            path: show(path),
            name: out.last().map(|each| each.name.to_owned()).unwrap_or_default(),
            reason: "all attributes together need more than ext4's one block of 4096 bytes".into(),
        });
    }
    Ok(out)
}

/// Blocks outside the inode that the attributes of `meta` need: 0 or 1.
pub(crate) fn blocks(meta: &Meta) -> u64 {
    if meta.xattrs.is_empty() {
        return 0;
    }
    let sizes = meta
        .xattrs
        .iter()
        .filter_map(|(name, value)| Some((key(std::str::from_utf8(name).ok()?), value.len())))
        .collect();
    u64::from(block_bytes(sizes) > 0)
}

/// On-disk name: prefix number and the rest, the order of attributes being by number, length
/// and bytes of the rest.
fn key(name: &str) -> (u8, usize, &str) {
    let (index, rest) = match name.split_once('.') {
        Some(("user", rest)) => (1, rest),
        Some(("system", "posix_acl_access")) => (2, ""),
        Some(("system", "posix_acl_default")) => (3, ""),
        Some(("trusted", rest)) => (4, rest),
        Some(("security", rest)) => (6, rest),
        _ => (7, name),
    };
    (index, rest.len(), rest)
}

/// Bytes that the attribute block must have room for; 0 if all fit into the inode. Attributes
/// fill the inode in order, and the first that does not fit takes all later ones with it.
fn block_bytes(mut sizes: Vec<((u8, usize, &str), usize)>) -> usize {
    sizes.sort();
    let mut inode = END;
    let mut block = 0;
    for ((_, name, _), value) in sizes {
        let bytes = 16 + name.next_multiple_of(4) + value.next_multiple_of(4);
        if block == 0 && inode + bytes <= IN_INODE {
            inode += bytes;
        } else {
            block += bytes + if block == 0 { END } else { 0 };
        }
    }
    block
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
        assert_eq!(blocks(&meta(&[])), 0);
        assert_eq!(blocks(&meta(&[("security.capability", 20)])), 0);
        assert_eq!(blocks(&meta(&[("user.big", 200)])), 1);
    }

    #[test]
    fn what_ext4_cannot_store_is_refused_by_name() {
        for (name, len) in
            [("system.data", 4), ("bogus", 1), ("user.", 1), ("user.huge", 5000), ("user.x", 4041)]
        {
            let error = attributes(b"etc/x", &meta(&[(name, len)])).map(|_| ()).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("/etc/x") && text.contains(name), "{text}");
        }
        assert!(attributes(b"etc/x", &meta(&[("user.x", 4040)])).is_ok());
    }
}
