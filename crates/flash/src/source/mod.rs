//! What is written: an image, wherever it comes from.
//!
//! [`open`] finds it: a file, the folder of a build, an address. Bytes are read once, from the
//! beginning to the end, by a [`Source`]; what is compressed is decompressed ahead of whoever reads.
//! Nothing is believed for its name: the content tells how it is compressed, and the files beside it
//! what it should be.

mod checked;
mod error;
mod found;
mod frames;
mod open;
mod parts;
mod place;
mod promise;
mod raw;
mod remote;
mod stream;
mod verify;

use std::io;
use std::time::Duration;

use osb_blockmap::BlockMap;
use osb_checksum::Digest;

pub use error::{SourceError, SourceFailure};
pub use found::{About, Found, Trust};
pub use open::{Options as SourceOptions, open};
pub use place::Place;

/// An image, read from its beginning to its end.
pub trait Source: Send {
    /// Bytes of the image, if known before it has been read.
    fn size(&self) -> Option<u64>;

    /// Fills `buffer` from `offset` on, which never goes back from call to call (a stream throws
    /// away what lies between). Less than the buffer's length only at the image's end.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Whether all of it was compared with its map when it was opened, and [`Source::finish`] tells
    /// if it was changed since: then it need not be hashed while it is copied. What has been written
    /// is compared with the map all the same.
    fn compared(&self) -> bool {
        false
    }

    /// Reads what is left, and compares all of it with what it should be, if the source knows that
    /// only at its end.
    ///
    /// # Errors
    /// If it cannot be read, or is not what it should be.
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Of the time that calls of `read_at` took, what they waited for compressed bytes to come
    /// in; the rest was decompression. `None` if there is no such difference.
    fn waited(&self) -> Option<Duration> {
        None
    }
}

/// An image that was opened, and what is known of it.
pub struct Image {
    /// Its path or address, for people.
    pub name: String,
    /// Its bytes.
    pub source: Box<dyn Source>,
    /// What of it must be written. Without one all is data, and runs of zeroes must be zero.
    pub map: Option<BlockMap>,
    /// SHA-256 of the decompressed image, if it is known from somebody who is to be trusted. It
    /// is checked if there is no map, whose own digests say the same in smaller parts.
    pub digest: Option<Digest>,
    /// Bytes of a sector that its partition table was made for, if known. The engine looks into
    /// the table itself, too.
    pub sector_size: Option<u32>,
}
