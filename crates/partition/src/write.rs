//! The disk image, from its first byte to its last.

use std::io;

use osb_sink::Sink;

use crate::{Layout, PartitionError, Table, gpt, mbr};

impl Layout {
    /// Writes the disk: its table, the partitions in order, and a GPT's copy at the end; zero
    /// regions between them.
    ///
    /// `fill` is called once for each partition with its index (from 0) and must write exactly
    /// the partition's bytes into the sink it is given. It cannot write beyond the partition.
    ///
    /// # Errors
    /// If `fill` fails or writes another length, or the sink refuses.
    pub fn write(
        &self,
        sink: &mut dyn Sink,
        fill: &mut dyn FnMut(usize, &mut dyn Sink) -> io::Result<()>,
    ) -> Result<(), PartitionError> {
        let (head, tail) = match self.format.table {
            Table::Gpt => gpt::ends(self),
            Table::Mbr => (mbr::head(self), Vec::new()),
        };
        sink.data(&head)?;
        let mut position = head.len() as u64;
        for (index, placed) in self.partitions.iter().enumerate() {
            sink.zeros(placed.start_bytes - position)?;
            let (name, expected) = (&placed.spec.name, placed.spec.size);
            let mut bounded = Bounded { inner: sink, left: expected, excess: 0 };
            let filled = fill(index, &mut bounded);
            // The reason of an error may be that too much was written; then that is the news.
            let Bounded { left, excess, .. } = bounded;
            if excess > 0 {
                let written = expected - left + excess;
                return Err(PartitionError::Length { name: name.clone(), expected, written });
            }
            filled.map_err(|source| PartitionError::Fill { name: name.clone(), source })?;
            if left > 0 {
                let written = expected - left;
                return Err(PartitionError::Length { name: name.clone(), expected, written });
            }
            position = placed.start_bytes + expected;
        }
        sink.zeros(self.size - position - tail.len() as u64)?;
        Ok(sink.data(&tail)?)
    }
}

/// Lets as many bytes pass as a partition has.
struct Bounded<'a> {
    inner: &'a mut dyn Sink,
    left: u64,
    /// Bytes of the first call that went beyond; none of them was passed on.
    excess: u64,
}

impl Bounded<'_> {
    fn take(&mut self, len: u64) -> io::Result<()> {
        match self.left.checked_sub(len) {
            Some(left) if self.excess == 0 => {
                self.left = left;
                Ok(())
            }
            _ => {
                self.excess = self.excess.saturating_add(len);
                Err(io::Error::new(io::ErrorKind::InvalidInput, "beyond the end of the partition"))
            }
        }
    }
}

impl Sink for Bounded<'_> {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.take(bytes.len() as u64)?;
        self.inner.data(bytes)
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.take(len)?;
        self.inner.zeros(len)
    }

    fn unused(&mut self, len: u64) -> io::Result<()> {
        self.take(len)?;
        self.inner.unused(len)
    }
}
