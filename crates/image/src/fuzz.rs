//! Doors to the readers, for `crates/fuzz` alone (feature `fuzz`).

use std::sync::Arc;

use osb_tree::ReadAt;

use crate::error::Fault;
use crate::limits::Limits;
use crate::open::{Image, read};
use crate::window::Window;

/// Reads `len` bytes that have no compression around them, as [`crate::open`] does.
///
/// # Errors
/// As there.
pub fn image(bytes: Arc<dyn ReadAt>, len: u64, limits: Limits) -> Result<Image, Fault> {
    read(Window::new(bytes, len), limits, false)
}
