//! Identifiers of disks and partitions.

use std::fmt;

/// A GUID as it stands in a partition table: the first three fields little-endian, the last two
/// in order (UEFI specification, appendix A).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid([u8; 16]);

impl Guid {
    /// The identifier with the given bytes, in the table's order.
    pub const fn from_bytes(bytes: [u8; 16]) -> Guid {
        Guid(bytes)
    }

    /// An identifier from the first 16 bytes of a digest (missing ones count as zero), marked as
    /// one that was made by its maker's own rules: version 8, variant 1 (RFC 9562, section 5.8).
    pub fn from_digest(digest: &[u8]) -> Guid {
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(digest).for_each(|(slot, byte)| *slot = *byte);
        // The version is the high half of the third field's high byte, which little-endian puts
        // at 7.
        bytes[7] = bytes[7] & 0x0F | 0x80;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        Guid(bytes)
    }

    /// An identifier from its fields as written, `first-second-third-rest`.
    pub(crate) const fn from_fields(first: u32, second: u16, third: u16, rest: [u8; 8]) -> Guid {
        let [a, b, c, d] = first.to_le_bytes();
        let [e, f] = second.to_le_bytes();
        let [g, h] = third.to_le_bytes();
        let [i, j, k, l, m, n, o, p] = rest;
        Guid([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    /// The first four bytes, little-endian, which are the first part of the text: what stands for
    /// the whole in an MBR, whose disk signature has no room for more.
    pub(crate) const fn signature(&self) -> u32 {
        let [a, b, c, d, ..] = self.0;
        u32::from_le_bytes([a, b, c, d])
    }

    /// The bytes as they stand in the table.
    pub const fn bytes(&self) -> [u8; 16] {
        self.0
    }

    /// Lower case, as in the kernel's `root=PARTUUID=`.
    pub fn partuuid(&self) -> String {
        self.to_string().to_ascii_lowercase()
    }
}

impl fmt::Display for Guid {
    /// Upper case, `C12A7328-F81F-11D2-BA4B-00A0C93EC93B`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f, g, h, rest @ ..] = self.0;
        let first = u32::from_le_bytes([a, b, c, d]);
        let second = u16::from_le_bytes([e, f]);
        let third = u16::from_le_bytes([g, h]);
        let [i, j, k, l, m, n, o, p] = rest;
        let clock = u16::from_be_bytes([i, j]);
        let node = u64::from_be_bytes([0, 0, k, l, m, n, o, p]);
        write!(out, "{first:08X}-{second:04X}-{third:04X}-{clock:04X}-{node:012X}")
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Guid({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_mixed_endian() {
        let bytes = std::array::from_fn(|index| index as u8);
        assert_eq!(Guid(bytes).to_string(), "03020100-0504-0706-0809-0A0B0C0D0E0F");
        assert_eq!(Guid(bytes).partuuid(), "03020100-0504-0706-0809-0a0b0c0d0e0f");
    }

    #[test]
    fn a_digest_gives_version_and_variant() {
        let text = Guid::from_digest(&[0xFF; 32]).to_string();
        assert_eq!(text, "FFFFFFFF-FFFF-8FFF-BFFF-FFFFFFFFFFFF");
        assert_eq!(Guid::from_digest(&[]).to_string(), "00000000-0000-8000-8000-000000000000");
        assert_ne!(Guid::from_digest(&[1; 32]), Guid::from_digest(&[2; 32]));
    }
}
