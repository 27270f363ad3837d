//! What a board's boot partition holds.
//!
//! A board is a function from the root tree to the boot partition's tree. One FAT partition can
//! serve two worlds: a Raspberry Pi reads `config.txt`, UEFI firmware reads `EFI/BOOT`; so the
//! very same image starts on a Pi and in a virtual machine.
//!
//! ```
//! use osb_board::{Inputs, boot};
//! use osb_tree::Tree;
//! let tree = Tree::new();
//! let inputs = Inputs {
//!     tree: &tree, arch: "arm64", root_partuuid: "0b", command_line: &[], version: "1", name: "x",
//!     gzip: &Ok,
//! };
//! let error = boot("rpi5", &inputs).unwrap_err();
//! assert!(error.to_string().contains("linux-image-arm64"));
//! ```
//!
//! Invariants: nothing is written, nothing is run; the output is a function of the inputs; no
//! file of the boot partition has a time of its own.

mod command_line;
mod error;
mod kernel;
mod layout;
mod rpi5;
mod uefi;

use std::io;

use osb_tree::Tree;

pub use error::BoardError;

use kernel::Kernel;

/// What a boot partition is made from.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The merged root tree, with the kernel and `/boot/initrd.img-*`.
    pub tree: &'a Tree,
    /// Debian's name of the architecture: `arm64` or `amd64`.
    pub arch: &'a str,
    /// Identifier of the root's partition, as in `root=PARTUUID=`.
    pub root_partuuid: &'a str,
    /// Arguments for the kernel, from layers and recipe.
    pub command_line: &'a [String],
    /// Version of the image, shown in the loader's menu.
    pub version: &'a str,
    /// Name of the image, shown in the loader's menu.
    pub name: &'a str,
    /// Makes one gzip member of bytes, the same whenever they are the same.
    pub gzip: &'a dyn Fn(Vec<u8>) -> io::Result<Vec<u8>>,
}

/// A boot partition.
#[derive(Debug, Clone)]
pub struct Boot {
    /// Its files; all times are zero, all owners root.
    pub files: Tree,
    /// Version of the kernel, as in `uname -r`.
    pub kernel_version: String,
}

/// The boards' names.
pub fn boards() -> &'static [&'static str] {
    &["rpi5", "uefi"]
}

/// The boot partition of `board`.
///
/// # Errors
/// No kernel or several; a file is missing, of the wrong kind or too large for the firmware; a
/// command line that cannot be written.
pub fn boot(board: &str, inputs: &Inputs<'_>) -> Result<Boot, BoardError> {
    let pi = match board {
        "rpi5" => true,
        "uefi" => false,
        other => {
            return Err(BoardError::UnknownBoard { board: other.to_owned(), known: boards() });
        }
    };
    let kernel = Kernel::find(inputs.tree, inputs.arch)?;
    let mut files = Tree::new();
    uefi::add(&mut files, inputs, &kernel)?;
    if pi {
        rpi5::add(&mut files, inputs, &kernel)?;
    }
    Ok(Boot { files, kernel_version: kernel.version })
}
