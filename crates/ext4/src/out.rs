//! Small pieces gathered on their way to the sink.
//!
//! Most files, and every inode, are shorter than what is worth a call of a sink that hands over to
//! another thread.

use osb_sink::Sink;

use crate::error::Ext4Error;
use crate::geometry::BLOCK;

/// Bytes that are gathered: few enough to stay in a processor's cache.
const BUFFER: usize = 256 << 10;

/// Gathers data and passes it on.
pub(crate) struct Out<'a> {
    sink: &'a mut dyn Sink,
    buffer: Box<[u8]>,
    filled: usize,
}

impl<'a> Out<'a> {
    pub(crate) fn new(sink: &'a mut dyn Sink) -> Self {
        Out { sink, buffer: vec![0; BUFFER].into(), filled: 0 }
    }

    pub(crate) fn data(&mut self, bytes: &[u8]) -> Result<(), Ext4Error> {
        if bytes.len() > BUFFER - self.filled {
            self.flush()?;
            if bytes.len() >= BUFFER {
                return self.sink.data(bytes).map_err(Ext4Error::Write);
            }
        }
        self.buffer[self.filled..][..bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
        Ok(())
    }

    /// Room for up to `len` bytes, at least one, to be counted by [`Out::filled`].
    pub(crate) fn space(&mut self, len: u64) -> Result<&mut [u8], Ext4Error> {
        if self.filled == BUFFER {
            self.flush()?;
        }
        let room = &mut self.buffer[self.filled..];
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(room.len());
        Ok(&mut room[..len])
    }

    /// The first `len` bytes of the room were filled.
    pub(crate) fn filled(&mut self, len: u64) {
        self.filled += len as usize;
    }

    /// Less than a block of zeroes, as a part of a block with data.
    pub(crate) fn pad(&mut self, len: u64) -> Result<(), Ext4Error> {
        self.data(&[0; BLOCK as usize][..len as usize])
    }

    /// One block, zeroes for `None`.
    pub(crate) fn block(&mut self, bytes: Option<&[u8]>) -> Result<(), Ext4Error> {
        match bytes {
            Some(bytes) => self.data(bytes),
            None => self.zeros(BLOCK),
        }
    }

    pub(crate) fn zeros(&mut self, len: u64) -> Result<(), Ext4Error> {
        if len == 0 {
            return Ok(());
        }
        self.flush()?;
        self.sink.zeros(len).map_err(Ext4Error::Write)
    }

    pub(crate) fn unused(&mut self, len: u64) -> Result<(), Ext4Error> {
        if len == 0 {
            return Ok(());
        }
        self.flush()?;
        self.sink.unused(len).map_err(Ext4Error::Write)
    }

    /// Passes on what was gathered.
    pub(crate) fn flush(&mut self) -> Result<(), Ext4Error> {
        let filled = std::mem::take(&mut self.filled);
        if filled == 0 {
            return Ok(());
        }
        self.sink.data(&self.buffer[..filled]).map_err(Ext4Error::Write)
    }
}
