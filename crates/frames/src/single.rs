//! One piece by itself, for readers that know no more than one.

use std::io;

use crate::codec::{Codec, Piece};
use crate::store::Store;
use crate::tally::Tally;
use crate::work;

/// Makes one member or frame of `bytes`, uncut, or takes it from the store. Zstandard's has no seek
/// table.
///
/// # Errors
/// If the compressor fails.
pub fn single(codec: Codec, bytes: Vec<u8>, store: &dyn Store) -> io::Result<(Vec<u8>, Tally)> {
    let mut done = work::compress(Piece::Data(bytes), Vec::new(), codec, store)?;
    let mut tally = Tally::default();
    tally.count(&mut done);
    Ok((done.compressed, tally))
}
