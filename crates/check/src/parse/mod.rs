//! Readers of the files that rules are about.

pub(crate) mod command_line;
pub(crate) mod config_txt;
pub(crate) mod containerd;
pub(crate) mod initramfs;
pub(crate) mod kernel;
pub(crate) mod loader;
pub(crate) mod secret;
pub(crate) mod unit;
