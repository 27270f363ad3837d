//! How many bytes went through.

use std::io;

use crate::Sink;

/// Passes everything on and counts what the inner sink accepted.
#[derive(Debug)]
pub struct Counting<S: Sink> {
    inner: S,
    data: u64,
    zeros: u64,
}

impl<S: Sink> Counting<S> {
    /// Starts at zero. `inner` may be a `&mut dyn Sink`.
    pub fn new(inner: S) -> Self {
        Counting { inner, data: 0, zeros: 0 }
    }

    /// Bytes of data and zero regions together: the position in the image.
    pub fn position(&self) -> u64 {
        self.data + self.zeros
    }

    /// Bytes that came as data.
    pub fn data_bytes(&self) -> u64 {
        self.data
    }

    /// Bytes that came as zero regions, or as unused ones.
    pub fn zero_bytes(&self) -> u64 {
        self.zeros
    }

    /// The inner sink.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Sink> Sink for Counting<S> {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.inner.data(bytes)?;
        self.data += bytes.len() as u64;
        Ok(())
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.inner.zeros(len)?;
        self.zeros += len;
        Ok(())
    }

    fn unused(&mut self, len: u64) -> io::Result<()> {
        self.inner.unused(len)?;
        self.zeros += len;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WriteSink;

    #[test]
    fn data_and_zeros_are_counted_apart() {
        let mut inner = WriteSink::new(Vec::new());
        let mut sink = Counting::new(&mut inner as &mut dyn Sink);
        sink.data(b"abc").unwrap();
        sink.zeros(4).unwrap();
        assert_eq!((sink.data_bytes(), sink.zero_bytes(), sink.position()), (3, 4, 7));
        assert_eq!(inner.into_inner().len(), 7);
    }

    #[test]
    fn what_was_refused_is_not_counted() {
        let mut room = [0; 2];
        let mut sink = Counting::new(WriteSink::new(&mut room[..]));
        assert!(sink.data(b"abc").is_err());
        assert_eq!(sink.position(), 0);
    }
}
