//! A private root file system to run foreign-architecture programs in.
//!
//! A [`Session`] lays an overlay over directories of packages, enters it in namespaces of its own
//! (user, mount, pid, network, ipc, uts, cgroup) and runs commands there. Programs of the guest's
//! architecture are started through a small interpreter that the kernel calls (`binfmt_misc`,
//! private to the user namespace): if the *tools tree* has the same program for this machine, that
//! runs instead, at full speed; else qemu-user emulates it. File contents stay the guest's: only
//! starting is redirected, see `interpreter/main.rs` and [`table`].
//!
//! ```no_run
//! use osb_sandbox::{Command, Machine, Session, Spec, ToolsTree};
//! # fn main() -> Result<(), osb_sandbox::SandboxError> {
//! // First thing in `main`: the session starts this executable again for its child.
//! osb_sandbox::dispatch();
//!
//! let mut session = Session::start(&Spec {
//!     lower: vec!["/cache/base".into()],
//!     upper: "/build/upper".into(),
//!     work: "/build/work".into(),
//!     guest: Machine::Aarch64,
//!     tools: ToolsTree { root: "/cache/tools".into(), architecture: Machine::host() },
//!     binds: Vec::new(),
//!     hostname: "build".into(),
//!     environment: Vec::new(),
//!     drop_fsync: true,
//!     measure: true,
//!     rights: Default::default(),
//!     limits: Default::default(),
//!     cancel: Default::default(),
//!     launcher: "/proc/self/exe".into(),
//! })?;
//! let finished = session.run(&Command::new(["dpkg", "--configure", "-a"]))?;
//! for program in session.finish()?.programs {
//!     println!("{:?} {}: {} starts", program.kind, program.path, program.starts);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Invariants: no mount outside the session's own mount namespace; no process outlives its command,
//! nor a session its process, however that dies; no network; the host's files are not reachable
//! from inside, except what [`Spec`] names; commands cannot change a mount, nor pid 1, nor the
//! kernel's settings, and use no more than their [`Limits`]; fsync of the guest costs nothing if the
//! spec says so.
//! What runs inside, and what Debian has to do with it, is the caller's business.

mod child;
mod confine;
// The interpreter's parts are tested here: it is compiled for no test harness.
#[cfg(test)]
#[path = "../interpreter/elf.rs"]
#[allow(unreachable_pub, dead_code)]
mod elf;
mod enter;
mod error;
mod exec_config;
mod host;
mod ids;
#[path = "../interpreter/config.rs"]
#[allow(unreachable_pub, dead_code)]
mod interpreter_config;
mod limits;
mod machine;
mod need;
mod probe;
mod protocol;
mod seccomp;
mod session;
mod spec;
mod sys;
pub mod table;

pub use child::{CHILD_NAME, child_main, dispatch};
pub use enter::{Identity, enter};
pub use error::{SandboxError, Step};
pub use host::{examine, identity, kernel};
pub use limits::{Excess, Limits, Process};
pub use machine::Machine;
pub use need::{Missing, Need, Verdict};
pub use probe::Mode;
pub use session::Session;
pub use spec::{Bind, Command, Finished, Kind, Program, Rights, Spec, Stats, ToolsTree};
