//! What goes into a session and what comes out: plain values.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Limits, Machine};

/// An unpacked tree of programs for this machine, from the same suite as the guest.
#[derive(Debug, Clone)]
pub struct ToolsTree {
    /// Its root directory.
    pub root: PathBuf,
    /// What its programs run on: the host's machine.
    pub architecture: Machine,
}

/// A directory or file of the host that the guest sees.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bind {
    /// Where it lies on the host.
    pub source: PathBuf,
    /// Where the guest sees it: an absolute path below `/run/osb/`.
    pub target: String,
    /// Whether the guest may change it.
    pub writable: bool,
}

/// What commands may do to the world that they run in. It is theirs alone in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rights {
    /// What installing and configuring packages takes.
    #[default]
    Package,
    /// All that root of a user namespace may do: mount, make namespaces, write to /proc. If root
    /// started the session it can harm the host; for programs that are trusted as the caller is.
    Full,
}

/// Everything that a session is made of.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Directories that are laid over each other, topmost first, never written. May be empty: then
    /// `upper` alone is the root, without an overlay.
    pub lower: Vec<PathBuf>,
    /// What the commands change lands here, in overlayfs' form (whiteouts as character devices 0:0,
    /// `user.overlay.*` attributes).
    pub upper: PathBuf,
    /// overlayfs' scratch directory, on the file system of `upper`; unused without `lower`.
    pub work: PathBuf,
    /// The architecture of the programs in the root.
    pub guest: Machine,
    /// The host's programs to run in their place.
    pub tools: ToolsTree,
    /// More of the host that the guest sees.
    pub binds: Vec<Bind>,
    /// The host name inside.
    pub hostname: String,
    /// Variables for all commands, on top of the built-in ones (`PATH`, `HOME`, `LC_ALL`, `TZ`).
    pub environment: Vec<(String, String)>,
    /// Make fsync and its like do nothing inside. The tree is then durable only when the caller
    /// makes it so.
    pub drop_fsync: bool,
    /// Find out which programs run, how often and how long: [`crate::Session::finish`] tells. Costs
    /// a few stops per process.
    pub measure: bool,
    /// What each command may do.
    pub rights: Rights,
    /// What each command may use.
    pub limits: Limits,
    /// Set it from anywhere to end the session: calls return [`crate::SandboxError::Cancelled`].
    pub cancel: Arc<AtomicBool>,
    /// An executable that calls [`crate::dispatch`] first: normally `/proc/self/exe`.
    pub launcher: PathBuf,
}

/// A program to run in the session.
#[derive(Debug, Clone, Default)]
pub struct Command {
    /// The program (searched in `PATH` if it has no slash) and its arguments.
    pub argv: Vec<String>,
    /// Variables on top of the session's.
    pub environment: Vec<(String, String)>,
    /// What it reads from standard input; at most 64 MiB.
    pub stdin: Vec<u8>,
    /// Its working directory; empty means `/`.
    pub directory: String,
    /// How long it may run.
    pub timeout: Option<Duration>,
}

impl Command {
    /// A command with default settings.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its exit status; 128 + n if signal n ended it.
    pub status: i32,
    /// The last 64 KiB of what it and its children wrote to standard output and standard error.
    pub tail: Vec<u8>,
    /// How many bytes they wrote in all.
    pub log_bytes: u64,
    /// CPU time in user mode, of all processes of the command.
    pub user: Duration,
    /// CPU time in the kernel, of all processes of the command.
    pub system: Duration,
}

/// What ran in a session, the one that used the most CPU time first. Empty unless
/// [`Spec::measure`] was set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Every program of the session, each once for every way in which it ran.
    pub programs: Vec<Program>,
}

/// A program that ran in a session, all its processes together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// How it ran.
    pub kind: Kind,
    /// Its path in the guest, links resolved.
    pub path: String,
    /// How often it was executed. A fork, or a thread, is no start.
    pub starts: u64,
    /// CPU time in user mode and in the kernel, of all its processes and threads, forks that
    /// executed nothing else included; what they started in turn is not.
    pub cpu: Duration,
    /// Why it was emulated, if it was.
    pub why: Option<String>,
}

/// How a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Under qemu-user.
    Emulated,
    /// From the tools tree, in place of the guest's.
    Substituted,
    /// As it is, by the machine itself.
    Native,
}
