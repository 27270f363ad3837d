//! Boots a disk image in QEMU with UEFI firmware, unmodified and, unless asked, untouched.
//!
//! QEMU, the firmware and every library they need come from a *tools tree*: unpacked Debian
//! packages of this machine's architecture. Nothing of the host is used but the kernel.
//! The image is opened read-only; what the guest writes goes to an unnamed overlay that
//! vanishes with QEMU ([`Writes`] tells how to keep it).
//!
//! ```no_run
//! use osb_boot::{Options, Outcome, run};
//!
//! let mut options = Options::new("out/disk.img".into(), "arm64", "tools/boot".into());
//! options.until = Some(regex::bytes::Regex::new("login:").unwrap());
//! match run(&options, &mut |_console| {})? {
//!     Outcome::Matched { line, after } => assert!(line.contains("login:"), "{after:?}"),
//!     other => panic!("{other:?}"),
//! }
//! # Ok::<(), osb_boot::BootError>(())
//! ```
//!
//! Invariants: the image is opened for writing only if [`Writes::Kept`]; QEMU does not outlive the thread that
//! called [`run`]; no file is left behind.

mod command;
mod console;
mod credential;
mod error;
mod guest;
mod machine;
mod parent_death;
mod tools;

pub use command::{Plan, command};
pub use console::Watch;
pub use error::BootError;
pub use guest::run;
pub use tools::{Tools, ToolsError};

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// What to boot, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The raw disk image.
    pub image: PathBuf,
    /// Bytes in a logical sector of the disk that the guest sees; its partition table is for these.
    pub sector_size: u32,
    /// What becomes of the guest's writes to it.
    pub writes: Writes,
    /// Debian's name of the guest's architecture: `arm64` or `amd64`.
    pub architecture: String,
    /// The unpacked `boot` tool set, of this machine's architecture.
    pub tools: PathBuf,
    /// The guest's memory, in MiB.
    pub memory_mib: u32,
    /// The number of virtual processors.
    pub cpus: u32,
    /// System credentials for systemd in the guest, as (name, value).
    pub credentials: Vec<(String, String)>,
    /// TCP ports of 127.0.0.1 that lead to the guest, as (host port, guest port).
    pub forwards: Vec<(u16, u16)>,
    /// Stop, successfully, as soon as a console line matches.
    pub until: Option<regex::bytes::Regex>,
    /// Give up after this time.
    pub timeout: Option<Duration>,
    /// Connect the terminal's keyboard to the guest's console (`Ctrl-A x` quits).
    pub interactive: bool,
    /// Set by someone else to stop the guest.
    pub cancel: Arc<AtomicBool>,
}

impl Options {
    /// Sectors of 512 bytes, two processors, 2 GiB, no credentials, no forwards, no end.
    #[must_use]
    pub fn new(image: PathBuf, architecture: &str, tools: PathBuf) -> Self {
        Self {
            image,
            sector_size: 512,
            writes: Writes::Discarded,
            architecture: architecture.to_owned(),
            tools,
            memory_mib: 2048,
            cpus: 2,
            credentials: Vec::new(),
            forwards: Vec::new(),
            until: None,
            timeout: None,
            interactive: false,
            cancel: Arc::new(AtomicBool::new(false)),
        }
    }
}

/// What becomes of what the guest writes to its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// The image is opened read-only, and stays as it is.
    Discarded,
    /// The image is the guest's disk. What the guest has written and flushed is in the file, even
    /// if QEMU is killed.
    Kept,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A console line matched [`Options::until`].
    Matched {
        /// The line, without escape sequences.
        line: String,
        /// Time since QEMU was started.
        after: Duration,
    },
    /// The guest switched itself off or rebooted (a reboot ends the run).
    Exited {
        /// QEMU's exit status.
        status: i32,
        /// Time since QEMU was started.
        after: Duration,
    },
    /// [`Options::timeout`] passed first.
    TimedOut,
    /// [`Options::cancel`] was set.
    Cancelled,
}
