//! Images of every form and from everywhere: what is read is what was written, or it is an error.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod folder;
mod local;
mod remote;
