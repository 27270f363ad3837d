//! What the node is told: gathered before anything else, so that a mistake is told while every disk
//! is as it was.

use crate::cli::Flash;
use crate::exit::Failure;

#[derive(Debug)]
pub(super) struct Told {}

pub(super) fn gather(_: &Flash) -> Result<Told, Failure> {
    Ok(Told {})
}

impl Told {
    pub(super) fn summary(&self) -> Option<String> {
        None
    }
}
