//! What the launcher becomes: first the outer child, then, started by it, pid 1 of the guest.
//!
//! ```text
//! session ──socket──► outer child: new namespaces; waits                  (host's pid namespace)
//!              └────► inner child: builds the root, runs the commands     (pid 1 of the guest's)
//! ```
//! Both hold the same socket as standard input, but only one reads from it at any time: the outer
//! child one message, then the inner child all the others. The session's death closes the socket:
//! the outer child sees that even while the inner one is busy, kills it, and with pid 1 the kernel
//! kills everything in the pid namespace; the last process takes the mounts with it. The outer
//! child's own death kills the inner child by its parent-death signal. (No such signal ties the
//! outer child to the session: it would fire when the *thread* that started it ends.)

mod binfmt;
mod init;
mod ledger;
mod log;
mod mounts;
mod own_program;
mod procfs;
mod ptrace;
mod run;
mod trace;
mod watch;
mod watchdog;

use std::fmt::Display;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{self, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags};

use self::own_program::OwnProgram;
use crate::protocol::{self, Reply, Request};
use crate::{Step, enter, sys};

/// `argv[0]` of the session's child process.
pub const CHILD_NAME: &str = "osb-sandbox";
/// Its first argument when it is to be pid 1 of the guest.
const INIT: &str = "init";

/// Becomes the session's child process if that is what this process was started for, and returns
/// otherwise. Call it before anything else in `main`, while there is one thread.
pub fn dispatch() {
    if std::env::args_os().next().is_some_and(|name| name == CHILD_NAME) {
        child_main()
    }
}

/// The child process, see [`dispatch`].
pub fn child_main() -> ! {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|argument| argument == enter::MAPPER) {
        let mapped = enter::mapper(&arguments[1..]);
        if let Err(text) = &mapped {
            // To the process that is being mapped, not to a user.
            let _ = writeln!(io::stderr(), "{text}");
        }
        process::exit(if mapped.is_ok() { 0 } else { 1 })
    }
    let run = || -> Result<(), Failure> {
        sys::close_others_on_exec().doing("closing what is not the session's")?;
        // Standard input is the session's socket; a copy, so that it can become a stream.
        let socket: OwnedFd =
            io::stdin().as_fd().try_clone_to_owned().doing("taking the session's socket")?;
        let mut socket = UnixStream::from(socket);
        let result = if arguments.first().is_some_and(|argument| argument == INIT) {
            init::main(&mut socket)
        } else {
            outer(&mut socket)
        };
        if let Err(failure) = result {
            let reply = match failure {
                Failure::NoHandler(why) => Reply::NoHandler(why),
                Failure::At(step, text) => Reply::Failed(step, text),
                Failure::Step(text) => Reply::Failed(Step::Other, text),
            };
            protocol::send(&mut socket, &reply, b"").doing("reporting a failure")?;
        }
        Ok(())
    };
    process::exit(if run().is_ok() { 0 } else { 1 })
}

/// The outer child.
fn outer(socket: &mut UnixStream) -> Result<(), Failure> {
    rustix::process::setsid().doing("starting a new session")?;
    sys::unshare_everything()
        .doing("making new namespaces")
        .map_err(|failure| failure.at(Step::Namespaces))?;
    protocol::send(socket, &Reply::Unshared, b"").doing("answering the session")?;
    match protocol::receive(socket).doing("waiting for the id maps")?.0 {
        Request::Mapped => {}
        other => return Err(Failure::Step(format!("expected the id maps, got {other:?}"))),
    }
    sys::drop_groups().doing("dropping supplementary groups")?;
    let stdin = socket.try_clone().doing("copying the session's socket")?;
    let program = OwnProgram::read_only().doing("mounting this program read-only")?;
    let mut inner = process::Command::new(program.path())
        .arg0(CHILD_NAME)
        .arg(INIT)
        // The guest can read /proc/1/environ.
        .env_clear()
        .stdin(OwnedFd::from(stdin))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .doing("starting the guest's first process")?;
    wait_for_either(socket, &inner).doing("watching the guest")?;
    // Pid 1 dies last: its exit waits until the kernel has killed the whole pid namespace.
    let _ = inner.kill();
    let _ = inner.wait();
    Ok(())
}

/// Returns when the session has closed its end or the inner child has ended.
fn wait_for_either(socket: &UnixStream, inner: &process::Child) -> io::Result<()> {
    let pid = i32::try_from(inner.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the child has no process id"))?;
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    loop {
        // Not IN: messages are the inner child's, they must not wake this one.
        let mut events =
            [PollFd::new(socket, PollFlags::RDHUP), PollFd::new(&pidfd, PollFlags::IN)];
        match poll(&mut events, None) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(()),
        }
    }
}

/// Why a child could not do its work; reported to the session.
#[derive(Debug)]
enum Failure {
    /// No way to run the guest's programs.
    NoHandler(String),
    /// What hosts differ in failed.
    At(Step, String),
    /// Which step failed, and how.
    Step(String),
}

impl Failure {
    fn at(self, step: Step) -> Self {
        match self {
            Failure::Step(text) => Failure::At(step, text),
            other => other,
        }
    }
}

/// Says what was being done when an error came.
trait Doing<T> {
    fn doing(self, what: impl Display) -> Result<T, Failure>;
}

impl<T, E: Display> Doing<T> for Result<T, E> {
    fn doing(self, what: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::Step(format!("{what}: {error}")))
    }
}
