//! Little-endian numbers into records that are being made.

/// A record of zeroes until its fields are set.
pub(crate) struct Record<'a>(pub(crate) &'a mut [u8]);

impl Record<'_> {
    pub(crate) fn u8(&mut self, at: usize, value: u8) {
        self.0[at] = value;
    }

    pub(crate) fn u16(&mut self, at: usize, value: u16) {
        self.bytes(at, &value.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, at: usize, value: u32) {
        self.bytes(at, &value.to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, at: usize, value: &[u8]) {
        self.0[at..at + value.len()].copy_from_slice(value);
    }

    /// A number whose halves lie apart, as all do that grew with the file systems: the low 32 bits
    /// at `low`, the high ones at `high`.
    pub(crate) fn split_u32(&mut self, low: usize, high: usize, value: u64) {
        self.u32(low, value as u32);
        self.u32(high, (value >> 32) as u32);
    }

    /// The same with halves of 16 bits.
    pub(crate) fn split_u16(&mut self, low: usize, high: usize, value: u32) {
        self.u16(low, value as u16);
        self.u16(high, (value >> 16) as u16);
    }
}
