//! Images of every form and from everywhere: what is read is what was written, or it is an error.

// Helpers of tests are not #[test] functions, and have nothing better to do than panic.
#![allow(clippy::unwrap_used)]

mod folder;
mod local;
mod remote;
mod signed;
