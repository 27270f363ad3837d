//! Runs one command in the guest and cleans up after it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, WaitOptions, WaitStatus, pidfd_open, wait};

use super::trace::Tracer;
use super::{Doing, Failure, mounts, ptrace};
use crate::exec_config::{self, TOOLS};
use crate::protocol::{Reply, Run};
use crate::{Machine, sys};

/// How much of a command's output is kept.
const TAIL: usize = 64 << 10;
/// Orphans are reaped at least that often: who waits for a daemon to vanish must see it vanish.
const REAP_INTERVAL: Duration = Duration::from_millis(100);

/// What holds for all commands of a session.
pub(super) struct Environment {
    loader: Option<String>,
    libraries: String,
    variables: Vec<(String, String)>,
}

impl Environment {
    pub(super) fn new(
        host: Machine,
        loader: Option<String>,
        additional: Vec<(String, String)>,
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
        Self { loader, libraries: exec_config::library_path(host), variables }
    }

    fn command(&self, run: &Run) -> Result<process::Command, String> {
        let (program, arguments) = run.argv.split_first().ok_or("no program was named")?;
        let mut command = if run.native {
            self.native(program, &run.environment)?
        } else {
            process::Command::new(program)
        };
        command.args(arguments).env_clear();
        command.envs(self.variables.iter().cloned()).envs(run.environment.iter().cloned());
        command.current_dir(if run.directory.is_empty() { "/" } else { &run.directory });
        Ok(command)
    }

    /// A program of the tools tree, through the tools tree's loader if it has one.
    fn native(&self, name: &str, own: &[(String, String)]) -> Result<process::Command, String> {
        let path = own.iter().chain(self.variables.iter().rev()).find(|(name, _)| name == "PATH");
        let directories = path.map_or("", |(_, value)| value.as_str());
        let found = if name.contains('/') {
            mounts::resolve_in(TOOLS, name)
        } else {
            let in_directory = |d: &str| mounts::resolve_in(TOOLS, &format!("{d}/{name}"));
            directories.split(':').find_map(in_directory)
        };
        let program = found.ok_or_else(|| format!("the tools tree has no {name}"))?;
        let Some(loader) = self.loader.as_ref().filter(|_| is_dynamic(&program)) else {
            let mut command = process::Command::new(program);
            command.arg0(name);
            return Ok(command);
        };
        let mut command = process::Command::new(loader);
        command.args(["--inhibit-cache", "--library-path", &self.libraries, "--argv0", name]);
        command.arg(program);
        Ok(command)
    }
}

/// Runs a command to its end.
pub(super) fn serve_one(
    socket: &UnixStream,
    environment: &Environment,
    tracer: Option<&mut Tracer>,
    run: &Run,
    stdin: &[u8],
) -> Result<(Reply, Vec<u8>), Failure> {
    let mut command = match environment.command(run) {
        Ok(command) => command,
        Err(reason) => return Ok((Reply::NotStarted(reason), Vec::new())),
    };
    let (output, theirs) = pipe_with(PipeFlags::CLOEXEC).doing("making a pipe")?;
    let copy = theirs.try_clone().doing("copying a pipe")?;
    command.stdin(input(stdin).doing("storing the command's input")?).stdout(theirs).stderr(copy);
    let cpu = sys::children_cpu();
    sys::in_new_session(&mut command);
    if tracer.is_some() {
        ptrace::stop_at_exec(&mut command);
    }
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ok((Reply::NotStarted(error.to_string()), Vec::new())),
    };
    // Its copies of the pipe's other end would keep the output from ending.
    drop(command);
    let deadline = run.timeout_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
    let mut watch = Watch::new(child.id(), output, tracer)?;
    let end = watch.until_end(socket, deadline).doing("watching a command")?;
    // Daemons that it left behind must not see the next command's world, nor hold this one's output.
    sys::kill_all_others();
    watch.reap(WaitOptions::empty()).doing("ending a command")?;
    watch.log.drain(&mut File::from(watch.output)).doing("reading a command's output")?;
    if let End::SessionClosed = end {
        return Err(Failure::Step("the session is closed".to_owned()));
    }
    let (user, system) = sys::children_cpu();
    let reply = Reply::Finished {
        status: watch.status.unwrap_or(128 + libc::SIGKILL),
        log_bytes: watch.log.total,
        user_us: micros(user.saturating_sub(cpu.0)),
        system_us: micros(system.saturating_sub(cpu.1)),
        timed_out: matches!(end, End::TimedOut),
    };
    Ok((reply, watch.log.tail.into()))
}

/// How the wait for a command ended.
enum End {
    Exited,
    TimedOut,
    SessionClosed,
}

/// A running command.
struct Watch<'t> {
    pid: Pid,
    pidfd: OwnedFd,
    output: OwnedFd,
    log: Log,
    /// As shells count it.
    status: Option<i32>,
    /// Present when the session measures.
    tracer: Option<&'t mut Tracer>,
}

impl<'t> Watch<'t> {
    fn new(pid: u32, output: OwnedFd, tracer: Option<&'t mut Tracer>) -> Result<Self, Failure> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| Failure::Step("a command has no process id".to_owned()))?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).doing("opening a command's pidfd")?;
        let mut watch = Self { pid, pidfd, output, log: Log::default(), status: None, tracer };
        if let Some(tracer) = &mut watch.tracer {
            tracer.adopt(pid.as_raw_pid()).doing("measuring a command")?;
        }
        Ok(watch)
    }

    fn until_end(&mut self, socket: &UnixStream, deadline: Option<Instant>) -> io::Result<End> {
        let mut output_open = true;
        loop {
            let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(End::TimedOut);
            }
            let pause = left.map_or(REAP_INTERVAL, |left| left.min(REAP_INTERVAL));
            let pause = Timespec { tv_sec: 0, tv_nsec: pause.subsec_nanos().into() };
            let mut events = vec![
                PollFd::new(&self.pidfd, PollFlags::IN),
                PollFd::new(socket, PollFlags::RDHUP),
            ];
            if output_open {
                events.push(PollFd::new(&self.output, PollFlags::IN));
            }
            if let Some(tracer) = &self.tracer {
                // Only wakes: who waits is served below in any case.
                events.push(PollFd::new(&tracer.signals, PollFlags::IN));
            }
            match poll(&mut events, Some(&pause)) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            let ready = |i: usize| events.get(i).is_some_and(|e| !e.revents().is_empty());
            let (exited, closed, readable) = (ready(0), ready(1), output_open && ready(2));
            if closed {
                return Ok(End::SessionClosed);
            }
            if readable {
                output_open = self.log.read_once(self.output.as_fd())?;
            }
            self.reap(WaitOptions::NOHANG)?;
            if exited {
                return Ok(End::Exited);
            }
        }
    }

    /// Takes the status of every process that has ended; without NOHANG, of every process.
    fn reap(&mut self, options: WaitOptions) -> io::Result<()> {
        if let Some(tracer) = &mut self.tracer {
            let (own, status) = (self.pid.as_raw_pid(), &mut self.status);
            let note = |pid, code| {
                if pid == own {
                    *status = Some(code);
                }
            };
            return tracer.serve(!options.contains(WaitOptions::NOHANG), note);
        }
        loop {
            match wait(options) {
                Ok(Some((pid, status))) if pid == self.pid => self.status = Some(exit_code(status)),
                Ok(Some(_)) | Err(Errno::INTR) => {}
                // None left to wait for now, or none at all.
                Ok(None) | Err(_) => return Ok(()),
            }
        }
    }
}

/// The end of what a command wrote, and how much it was.
#[derive(Default)]
struct Log {
    tail: VecDeque<u8>,
    total: u64,
}

impl Log {
    /// Reads what is there; `false` at the end.
    fn read_once(&mut self, output: impl AsFd) -> io::Result<bool> {
        let mut buffer = [0; 16 << 10];
        let length = match rustix::io::read(output, &mut buffer) {
            Err(Errno::INTR | Errno::AGAIN) => return Ok(true),
            other => other?,
        };
        self.add(&buffer[..length]);
        Ok(length > 0)
    }

    fn drain(&mut self, output: &mut File) -> io::Result<()> {
        let mut buffer = [0; 16 << 10];
        loop {
            match output.read(&mut buffer)? {
                0 => return Ok(()),
                length => self.add(&buffer[..length]),
            }
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        self.tail.extend(bytes);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
    }
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

fn is_dynamic(program: &str) -> bool {
    let mut head = Vec::new();
    let read = File::open(Path::new(program))
        .and_then(|f| f.take(crate::elf::HEAD as u64).read_to_end(&mut head));
    read.is_ok() && crate::elf::Program::parse(&head).is_some_and(|p| p.dynamic)
}

fn exit_code(status: WaitStatus) -> i32 {
    status.exit_status().or_else(|| status.terminating_signal().map(|n| 128 + n)).unwrap_or(255)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
