//! POSIX ACLs: from the form of the system calls to the form on disk.
//!
//! `getxattr` gives `struct posix_acl_xattr_header` and entries of 8 bytes
//! (include/uapi/linux/posix_acl_xattr.h, version 2). ext4 stores version 1, where entries that
//! have no id are 4 bytes (fs/ext4/acl.h). A wrong form is not noticed by e2fsck; the kernel
//! refuses every access check on the inode with EINVAL.

/// `POSIX_ACL_XATTR_VERSION`.
const SYSTEM_VERSION: u32 = 2;
/// `EXT4_ACL_VERSION`.
const DISK_VERSION: u32 = 1;

/// ACL_USER_OBJ, ACL_GROUP_OBJ, ACL_MASK, ACL_OTHER (include/uapi/linux/posix_acl.h).
const SHORT_TAGS: [u16; 4] = [0x01, 0x04, 0x10, 0x20];
/// ACL_USER and ACL_GROUP: the entries that name an id.
const LONG_TAGS: [u16; 2] = [0x02, 0x08];

/// The on-disk form of an ACL given in the system calls' form.
pub(crate) fn to_disk(value: &[u8]) -> Result<Vec<u8>, String> {
    let Some((header, body)) = value.split_first_chunk::<4>() else {
        return Err("the ACL is shorter than its header".into());
    };
    let version = u32::from_le_bytes(*header);
    if version != SYSTEM_VERSION {
        return Err(format!("ACL version {version}, where the kernel gives {SYSTEM_VERSION}"));
    }
    let (entries, rest) = body.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(format!("the ACL ends in the middle of an entry: {} bytes", value.len()));
    }
    let mut out = DISK_VERSION.to_le_bytes().to_vec();
    for entry in entries {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        if SHORT_TAGS.contains(&tag) {
            out.extend_from_slice(&entry[..4]);
        } else if LONG_TAGS.contains(&tag) {
            out.extend_from_slice(entry);
        } else {
            return Err(format!("unknown ACL tag {tag:#x}"));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `setfacl -m u:1000:r FILE` on a file of mode 0640, as `getfattr -e hex` shows it.
    const SYSTEM: [u8; 44] = [
        2, 0, 0, 0, // version
        1, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, // owner rw-
        2, 0, 4, 0, 0xe8, 3, 0, 0, // user 1000 r--
        4, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, // group r--
        0x10, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, // mask r--
        0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, // other ---
    ];

    #[test]
    fn only_entries_with_an_id_keep_it() {
        let disk = to_disk(&SYSTEM).unwrap();
        assert_eq!(
            disk,
            [
                1, 0, 0, 0, 1, 0, 6, 0, 2, 0, 4, 0, 0xe8, 3, 0, 0, 4, 0, 4, 0, 0x10, 0, 4, 0, 0x20,
                0, 0, 0
            ]
        );
    }

    #[test]
    fn malformed_acls_are_refused() {
        assert!(to_disk(&[]).is_err());
        assert!(to_disk(&SYSTEM[..43]).is_err());
        let mut version = SYSTEM;
        version[0] = 1;
        assert!(to_disk(&version).is_err(), "already in the on-disk form");
        let mut tag = SYSTEM;
        tag[4] = 0x40;
        assert!(to_disk(&tag).is_err());
    }
}
