//! What can go wrong with a boot, and what to do about it.

use std::io;
use std::path::PathBuf;

use crate::ToolsError;

/// Why an image could not be booted.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The image is missing or unreadable.
    #[error("opening the image {path}")]
    Image {
        /// The image.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The image is not a raw disk image.
    #[error("{path} is not a raw disk image: {reason}")]
    NotADisk {
        /// The image.
        path: PathBuf,
        /// What was seen instead.
        reason: String,
    },
    /// There is no machine to emulate for this architecture.
    #[error("no emulated machine for the architecture \"{0}\"; known: arm64, amd64")]
    Architecture(String),
    /// A credential cannot be passed on.
    #[error("the credential \"{name}\" cannot be given to the guest: {reason}")]
    Credential {
        /// The credential's name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A path contains something that QEMU's option syntax cannot carry.
    #[error("the path {0:?} is not valid UTF-8, which QEMU's options need; rename it")]
    Path(PathBuf),
    /// The tools tree is incomplete.
    #[error(transparent)]
    Tools(#[from] ToolsError),
    /// The system refused something.
    #[error("{doing}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// QEMU ended with an error of its own.
    #[error("QEMU ended with status {status}: {message}")]
    Qemu {
        /// Its exit status, 128 + n for signal n.
        status: i32,
        /// The end of what it wrote to standard error.
        message: String,
    },
}
