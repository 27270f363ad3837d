//! Into any writer, with zero regions written out.

use std::io::{self, Write};

use crate::Sink;
use crate::zero::write_zeros;

/// Hands everything to a writer; zero regions become real zeroes.
#[derive(Debug)]
pub struct WriteSink<W: Write>(W);

impl<W: Write> WriteSink<W> {
    /// Writes to `inner`, unbuffered.
    pub fn new(inner: W) -> Self {
        WriteSink(inner)
    }

    /// The writer, not flushed.
    pub fn into_inner(self) -> W {
        self.0
    }
}

impl<W: Write> Sink for WriteSink<W> {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        write_zeros(&mut self.0, len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_regions_become_zeroes() {
        let mut sink = WriteSink::new(Vec::new());
        sink.data(b"ab").unwrap();
        sink.zeros(3).unwrap();
        sink.data(b"c").unwrap();
        assert_eq!(sink.into_inner(), b"ab\0\0\0c");
    }
}
