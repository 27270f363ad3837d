//! Memory that `O_DIRECT` accepts (open(2)).

use std::ops::{Deref, DerefMut};

/// What offsets, lengths and memory are multiples of: no disk has larger sectors.
pub const ALIGN: usize = 4096;

/// Bytes that begin at a multiple of [`ALIGN`] in memory; zero at first.
#[derive(Debug)]
pub struct Aligned {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// So many zero bytes.
    pub fn new(len: usize) -> Aligned {
        // Never moved: a vector that does not grow stays where it is.
        let memory = vec![0; len + ALIGN];
        let start = memory.as_ptr().addr().next_multiple_of(ALIGN) - memory.as_ptr().addr();
        Aligned { memory, start, len }
    }
}

impl Deref for Aligned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.start..][..self.len]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..][..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_aligned_wherever_it_is_moved() {
        for len in [0, 1, 4096, 1 << 20] {
            let moved = Box::new(Aligned::new(len));
            assert_eq!(moved.len(), len);
            assert!(moved.as_ptr().addr().is_multiple_of(ALIGN));
        }
    }
}
