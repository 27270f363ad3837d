//! Zero bytes for those who need real ones.

use std::io::{self, Write};

/// Zeroes to be handed out again and again. Read-only and never touched by a write, so it stays
/// one shared page range and small enough for the cache.
static ZEROS: [u8; 128 * 1024] = [0; 128 * 1024];

/// Writes `len` zero bytes.
pub(crate) fn write_zeros(out: &mut impl Write, mut len: u64) -> io::Result<()> {
    while len > 0 {
        let step = usize::try_from(len).map_or(ZEROS.len(), |rest| rest.min(ZEROS.len()));
        out.write_all(&ZEROS[..step])?;
        len -= step as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_around_the_buffer_is_exact() {
        let size = ZEROS.len() as u64;
        for len in [0, 1, size - 1, size, size + 1, 3 * size + 7] {
            let mut out = Vec::new();
            write_zeros(&mut out, len).unwrap();
            assert_eq!(out.len() as u64, len);
            assert!(out.iter().all(|byte| *byte == 0));
        }
    }
}
