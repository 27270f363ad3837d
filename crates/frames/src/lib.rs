//! A compressed stream of independent pieces, cut at content boundaries, remembered by digest.

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
