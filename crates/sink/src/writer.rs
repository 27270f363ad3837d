//! For code that knows `io::Write` only.

use std::io::{self, Write};

use crate::Sink;

/// A writer whose bytes go into a sink as data.
pub struct SinkWriter<'a>(&'a mut dyn Sink);

impl<'a> SinkWriter<'a> {
    /// Writes to `sink`, unbuffered.
    pub fn new(sink: &'a mut dyn Sink) -> Self {
        SinkWriter(sink)
    }
}

impl Write for SinkWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.data(bytes)?;
        Ok(bytes.len())
    }

    /// Does nothing: sinks are finished, not flushed.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WriteSink;

    #[test]
    fn written_bytes_arrive_in_order() {
        let mut inner = WriteSink::new(Vec::new());
        let mut writer = SinkWriter::new(&mut inner);
        io::copy(&mut &b"some bytes"[..], &mut writer).unwrap();
        write!(writer, " and {}", 7).unwrap();
        assert_eq!(inner.into_inner(), b"some bytes and 7");
    }
}
