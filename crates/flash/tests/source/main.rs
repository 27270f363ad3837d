//! Images of every form and from everywhere: what is read is what was written, or it is an error.

mod folder;
mod local;
mod remote;
