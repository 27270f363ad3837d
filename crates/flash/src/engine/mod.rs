//! Writes an image to disks, and proves that it is there.

mod options;

pub use options::{Customise, Mode, Options};
