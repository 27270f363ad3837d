//! A byte stream of data, zero regions and unused ones, and its adapters.
//!
//! Image writers lay everything out first and then emit each byte once, in order, into a
//! [`Sink`]. Zero regions are said, not written: a sparse file leaves a hole, and nobody reads or
//! copies them on the way. Of unused regions the writer says that nobody will read them before
//! writing them; they are zero in an image, and need not be written to a disk at all.
//!
//! ```
//! use osb_sink::{HashSink, Sink, Tee, WriteSink};
//! let mut hash = HashSink::new();
//! let mut bytes = WriteSink::new(Vec::new());
//! let mut both = Tee(vec![&mut hash, &mut bytes]);
//! both.data(b"ab").unwrap();
//! both.zeros(2).unwrap();
//! assert_eq!(bytes.into_inner(), b"ab\0\0");
//! assert_eq!(hash.finish().0, 4);
//! ```

use std::io;

mod aligned;
mod counting;
mod direct;
mod hash;
mod sparse;
mod tee;
mod threaded;
mod write;
mod writer;
mod zero;

pub use aligned::{ALIGN, Aligned};
pub use counting::Counting;
pub use direct::DirectFile;
pub use hash::HashSink;
pub use sparse::SparseFile;
pub use tee::Tee;
pub use threaded::Threaded;
pub use write::WriteSink;
pub use writer::SinkWriter;

/// Receives an image from its first byte to its last, in order.
pub trait Sink {
    /// The next bytes.
    fn data(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// `len` zero bytes.
    fn zeros(&mut self, len: u64) -> io::Result<()>;
    /// `len` bytes that nobody reads before writing them, as the free blocks of a file system.
    ///
    /// An image has zeroes there, which is what this does unless a sink tells the two apart.
    fn unused(&mut self, len: u64) -> io::Result<()> {
        self.zeros(len)
    }
}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        (**self).data(bytes)
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        (**self).zeros(len)
    }

    fn unused(&mut self, len: u64) -> io::Result<()> {
        (**self).unused(len)
    }
}
