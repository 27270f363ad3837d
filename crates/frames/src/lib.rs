//! Compressed streams of independent pieces, cut at content boundaries, remembered by digest.
//!
//! [`Frames`] is a sink and a writer. It cuts what it is given into pieces ([`Cuts`]), compresses each
//! by itself, on several threads, into a gzip member or a zstd frame ([`Codec`]), and asks a
//! [`Store`] first whether it has been done before. After a change somewhere in the stream all
//! pieces but a few are the same as before.
//!
//! ```
//! use std::io::Write;
//! use std::sync::Arc;
//! use osb_frames::{Codec, Cuts, Frames, NoStore};
//! let cuts = Cuts::new(512, 1 << 20, 64 << 20);
//! let codec = Codec::Gzip { level: 6 };
//! let mut frames = Frames::new(Vec::new(), codec, cuts, 2, Arc::new(NoStore)).unwrap();
//! frames.write_all(b"some bytes").unwrap();
//! let (compressed, tally) = frames.finish().unwrap();
//! assert_eq!(compressed[..2], [0x1f, 0x8b]);
//! assert_eq!((tally.made, tally.reused), (1, 0));
//! ```
//!
//! Invariants: the bytes that come out are a function of the bytes that go in, the codec and the
//! cuts; threads, calls and the store have no part in them. A store is never believed: an entry
//! that is not what was put there is made again, and counted. Memory is bounded by the cuts and the
//! number of threads. Nothing here knows what an image or an archive is.

mod codec;
mod cut;
mod frames;
mod seek;
mod single;
mod split;
mod store;
mod tally;
mod work;

pub use codec::Codec;
pub use cut::Cuts;
pub use frames::Frames;
pub use single::single;
pub use store::{NoStore, Store, open};
pub use tally::Tally;
