//! Runs one command in the guest and cleans up after it.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::net::UnixStream;
use std::process::{self, Stdio};
use std::time::Duration;

use rustix::fs::MemfdFlags;
use rustix::pipe::{PipeFlags, pipe_with};

use super::trace::Tracer;
use super::watch::{End, Watch};
use super::{Doing, Failure, ptrace};
use crate::confine::Confinement;
use crate::protocol::{Reply, Run};
use crate::{Limits, sys};

/// What holds for all commands of a session.
pub(super) struct World {
    variables: Vec<(String, String)>,
    limits: Limits,
    confinement: Confinement,
}

impl World {
    pub(super) fn new(
        additional: Vec<(String, String)>,
        limits: Limits,
        confinement: Confinement,
    ) -> Self {
        let mut variables: Vec<(String, String)> = [
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/root"),
            ("LC_ALL", "C.UTF-8"),
            ("TZ", "UTC"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        variables.extend(additional);
        Self { variables, limits, confinement }
    }

    fn command(&self, run: &Run) -> Result<process::Command, String> {
        let (program, arguments) = run.argv.split_first().ok_or("no program was named")?;
        let mut command = process::Command::new(program);
        command.args(arguments).env_clear();
        command.envs(self.variables.iter().cloned()).envs(run.environment.iter().cloned());
        command.current_dir(if run.directory.is_empty() { "/" } else { &run.directory });
        Ok(command)
    }
}

/// Runs a command to its end.
pub(super) fn serve_one(
    socket: &UnixStream,
    world: &World,
    tracer: Option<&mut Tracer>,
    run: &Run,
    stdin: &[u8],
) -> Result<(Reply, Vec<u8>), Failure> {
    let mut command = match world.command(run) {
        Ok(command) => command,
        Err(reason) => return Ok((Reply::NotStarted(reason), Vec::new())),
    };
    let (output, theirs) = pipe_with(PipeFlags::CLOEXEC).doing("making a pipe")?;
    let copy = theirs.try_clone().doing("copying a pipe")?;
    command.stdin(input(stdin).doing("storing the command's input")?).stdout(theirs).stderr(copy);
    let cpu = sys::children_cpu();
    if tracer.is_some() {
        ptrace::stop_at_exec(&mut command);
    }
    // The last of the preparations: it takes the right to trace, too.
    sys::confined(&mut command, world.confinement.clone());
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ok((Reply::NotStarted(error.to_string()), Vec::new())),
    };
    // Its copies of the pipe's other end would keep the output from ending.
    drop(command);
    let time = run.timeout_ms.map(Duration::from_millis);
    let mut watch = Watch::new(child.id(), output, tracer)?;
    let end = watch.until_end(socket, time, &world.limits).doing("watching a command")?;
    let (log, status) = watch.finish()?;
    let (excess, processes) = match end {
        End::Gone => (None, Vec::new()),
        End::Exceeded(excess, processes) => (Some(excess), processes),
        End::SessionClosed => return Err(Failure::Step("the session is closed".to_owned())),
    };
    let (user, system) = sys::children_cpu();
    let reply = Reply::Finished {
        status: status.unwrap_or(128 + libc::SIGKILL),
        log_bytes: log.total,
        user_us: micros(user.saturating_sub(cpu.0)),
        system_us: micros(system.saturating_sub(cpu.1)),
        excess,
        processes,
    };
    Ok((reply, log.tail.into()))
}

/// A command's standard input: all of it in memory, so that nobody has to feed a pipe.
fn input(bytes: &[u8]) -> io::Result<Stdio> {
    if bytes.is_empty() {
        return Ok(Stdio::null());
    }
    let mut file = File::from(rustix::fs::memfd_create("stdin", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
