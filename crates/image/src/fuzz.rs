//! Doors to the readers, for `crates/fuzz` alone (feature `fuzz`).

use std::sync::Arc;

use crate::error::Fault;
use crate::limits::Limits;
use crate::open::{Image, read};
use crate::window::Window;

/// Reads bytes that have no compression around them, as [`crate::open`] does.
///
/// # Errors
/// As there.
pub fn image(bytes: Vec<u8>, limits: Limits) -> Result<Image, Fault> {
    let len = bytes.len() as u64;
    read(Window::new(Arc::new(bytes), len), limits, false)
}
