//! Why a boot partition cannot be made.

use std::io;

/// Why a boot partition cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// No such board.
    #[error("unknown board `{board}`; there are: {}", known.join(", "))]
    UnknownBoard {
        /// What was asked for.
        board: String,
        /// What exists.
        known: &'static [&'static str],
    },
    /// The board does not exist for the architecture.
    #[error("board `{board}` does not exist for {arch}")]
    WrongArchitecture {
        /// The board.
        board: &'static str,
        /// Debian's name of the architecture.
        arch: String,
    },
    /// There is no kernel.
    #[error(
        "no kernel: neither usr/lib/modules/*/vmlinuz nor boot/vmlinuz-*; \
         add `{package}` to a layer's packages"
    )]
    NoKernel {
        /// The package that would bring it.
        package: String,
    },
    /// There are several kernels, and a boot partition holds one.
    #[error(
        "several kernels: {}; pin one of them, or remove the others in a layer (packages.remove)",
        versions.join(", ")
    )]
    SeveralKernels {
        /// Their versions.
        versions: Vec<String>,
    },
    /// A file that the board needs is not in the tree.
    #[error("{path} is missing; {remedy}")]
    Missing {
        /// The path, or a pattern, relative to the root.
        path: String,
        /// What would bring it.
        remedy: String,
    },
    /// The kernel is of a kind that the board's firmware cannot start.
    #[error("{path} is not {wanted}; its first bytes are {start:02x?}")]
    WrongKernel {
        /// Path relative to the root.
        path: String,
        /// What it should be.
        wanted: &'static str,
        /// The first bytes.
        start: Vec<u8>,
    },
    /// A file is too large for the firmware.
    #[error(
        "{file} has {size} bytes; Raspberry Pi 5 EEPROMs before 2025-06-09 cannot read {limit} \
         bytes or more from NVMe"
    )]
    TooLarge {
        /// Its name on the boot partition.
        file: &'static str,
        /// Bytes, after compression.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The kernel command line cannot be written.
    #[error("kernel command line: {reason}")]
    CommandLine {
        /// What is wrong.
        reason: String,
    },
    /// Content of the tree could not be read.
    #[error("reading {path}")]
    Read {
        /// Path relative to the root.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Two files of the boot partition have one name, or a name is impossible.
    #[error("laying out the boot partition")]
    Layout(#[from] osb_tree::TreeError),
}
