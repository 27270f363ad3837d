//! Doors to the readers, for `crates/fuzz` alone (feature `fuzz`).

use std::sync::Arc;

use osb_tree::ReadAt;

use crate::compare::{CompareError, Report, compare_images};
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

/// Compares two images, but for their bytes, as [`crate::compare::compare`] does.
///
/// # Errors
/// As there.
pub fn compare(images: &[Image; 2]) -> Result<Report, CompareError> {
    let mut report = Report::default();
    compare_images(images, true, &mut report)?;
    Ok(report)
}
