//! The parent's end of a sandbox: starts the child, writes its id maps, sends commands.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::probe::{self, Mode};
use crate::protocol::{self, PART_MAX, Reply, Request, Run, Setup};
use crate::{CHILD_NAME, Command, Finished, Machine, SandboxError, Spec, Stats, Step, ids};

/// How often a waiting call looks at the cancel flag.
const CANCEL_INTERVAL: Duration = Duration::from_millis(200);
/// How long the child may take to end by itself before it is killed.
const END_GRACE: Duration = Duration::from_secs(10);

/// Names below /run/osb that the sandbox uses itself.
const RESERVED: [&str; 5] = ["binfmt", "exec.conf", "interpreter", "root", "tools"];

/// A running sandbox. Dropping it kills everything inside and waits until it is gone.
#[derive(Debug)]
pub struct Session {
    child: Child,
    socket: UnixStream,
    cancel: Arc<AtomicBool>,
    mode: Mode,
    ended: bool,
}

impl Session {
    /// Builds the root and starts its first process.
    ///
    /// # Errors
    /// [`SandboxError::Invalid`] for a specification that cannot work, otherwise the step that
    /// failed; [`crate::examine`] tells what the host has to do with it.
    pub fn start(spec: &Spec) -> Result<Self, SandboxError> {
        check(spec)?;
        let setup = setup(spec)?;
        let (socket, theirs) = UnixStream::pair().map_err(|e| launch_error(spec, e))?;
        let child = std::process::Command::new(&spec.launcher)
            .arg0(CHILD_NAME)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| launch_error(spec, e))?;
        let mut session = Self {
            child,
            socket,
            cancel: Arc::clone(&spec.cancel),
            mode: Mode::Native,
            ended: false,
        };
        match session.receive().map(|(reply, _)| reply) {
            Ok(Reply::Unshared) => {}
            Ok(other) => return Err(failed(other, spec.guest)),
            Err(SandboxError::Lost(_)) => {
                return Err(SandboxError::Setup {
                    step: Step::Other,
                    reason: format!(
                        "{} did not answer; does its main function call osb_sandbox::dispatch() \
                         first?",
                        spec.launcher.display()
                    ),
                });
            }
            Err(error) => return Err(error),
        }
        session.map_ids()?;
        session.send(&Request::Mapped, b"")?;
        session.send(&Request::Setup(setup), b"")?;
        match session.receive()?.0 {
            Reply::Ready(mode) => session.mode = mode,
            other => return Err(failed(other, spec.guest)),
        }
        Ok(session)
    }

    /// How the guest's programs are started here.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Runs one command and waits until it has ended, and everything that it started.
    ///
    /// # Errors
    /// [`SandboxError::NotStarted`], [`SandboxError::Exceeded`], [`SandboxError::Cancelled`]; after
    /// the last and after [`SandboxError::Lost`] the session is of no more use. An exit status
    /// other than zero is not an error.
    pub fn run(&mut self, command: &Command) -> Result<Finished, SandboxError> {
        let program = command.argv.first().cloned().unwrap_or_default();
        if program.is_empty() {
            return Err(SandboxError::Invalid("a command without a program".to_owned()));
        }
        if command.stdin.len() > PART_MAX {
            return Err(SandboxError::Invalid(format!("more than 64 MiB of input for {program}")));
        }
        let run = Run {
            argv: command.argv.clone(),
            environment: command.environment.clone(),
            directory: command.directory.clone(),
            timeout_ms: command.timeout.map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX)),
        };
        self.send(&Request::Run(run), &command.stdin)?;
        match self.receive()? {
            (Reply::Finished { excess: Some(excess), processes, log_bytes, .. }, tail) => {
                Err(SandboxError::Exceeded { program, excess, processes, tail, log_bytes })
            }
            (Reply::Finished { status, log_bytes, user_us, system_us, .. }, tail) => Ok(Finished {
                status,
                tail,
                log_bytes,
                user: Duration::from_micros(user_us),
                system: Duration::from_micros(system_us),
            }),
            (Reply::NotStarted(reason), _) => Err(SandboxError::NotStarted { program, reason }),
            (other, _) => Err(SandboxError::Lost(format!("answered {other:?}"))),
        }
    }

    /// Ends the session, and tells what ran in it if [`Spec::measure`] was set; every mount and
    /// process of it is gone when this returns.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn finish(mut self) -> Result<Stats, SandboxError> {
        self.send(&Request::Finish, b"")?;
        let stats = match self.receive()?.0 {
            Reply::Stats(stats) => stats,
            other => return Err(SandboxError::Lost(format!("answered {other:?}"))),
        };
        self.end();
        Ok(stats)
    }

    /// Writes the child's id maps: the ids of a Debian system, one to one.
    fn map_ids(&self) -> Result<(), SandboxError> {
        for name in ["uid_map", "gid_map"] {
            let own = fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
            let map = ids::hand_on(&ids::parse_map(&own));
            fs::write(format!("/proc/{}/{name}", self.child.id()), map).map_err(|error| {
                let reason = format!("writing the child's {name}: {error}");
                SandboxError::Setup { step: Step::Namespaces, reason }
            })?;
        }
        Ok(())
    }

    fn send(&mut self, request: &Request, raw: &[u8]) -> Result<(), SandboxError> {
        if self.cancel.load(Ordering::Relaxed) {
            self.end();
            return Err(SandboxError::Cancelled);
        }
        protocol::send(&mut self.socket, request, raw)
            .map_err(|e| SandboxError::Lost(e.to_string()))
    }

    fn receive(&mut self) -> Result<(Reply, Vec<u8>), SandboxError> {
        self.socket
            .set_read_timeout(Some(CANCEL_INTERVAL))
            .map_err(|e| SandboxError::Lost(e.to_string()))?;
        let mut input = Cancellable { socket: &self.socket, cancel: &self.cancel };
        let result = protocol::receive(&mut input);
        if self.cancel.load(Ordering::Relaxed) {
            self.end();
            return Err(SandboxError::Cancelled);
        }
        result.map_err(|e| SandboxError::Lost(e.to_string()))
    }

    /// Lets the child see the end of the conversation, which ends it and everything inside, and
    /// waits for that.
    fn end(&mut self) {
        if self.ended {
            return;
        }
        self.ended = true;
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        let start = Instant::now();
        let mut pause = Duration::from_micros(200);
        while matches!(self.child.try_wait(), Ok(None)) {
            if start.elapsed() > END_GRACE {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads the socket; gives up when the flag is set.
struct Cancellable<'a> {
    socket: &'a UnixStream,
    cancel: &'a AtomicBool,
}

impl Read for Cancellable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.cancel.load(Ordering::Relaxed) {
                return Err(io::Error::other("cancelled"));
            }
            match self.socket.read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }
}

/// Refuses what can be seen to be wrong before anything is started.
fn check(spec: &Spec) -> Result<(), SandboxError> {
    let invalid = |reason: String| Err(SandboxError::Invalid(reason));
    if spec.tools.architecture != Machine::host() {
        return invalid(format!(
            "the tools tree is for {}, this host is {}",
            spec.tools.architecture.kernel_name(),
            Machine::host().kernel_name()
        ));
    }
    let scratch = (!spec.lower.is_empty()).then_some(&spec.work);
    let directories = spec.lower.iter().chain([&spec.upper, &spec.tools.root]).chain(scratch);
    for directory in directories {
        if !directory.is_dir() {
            return invalid(format!("{} is not a directory", directory.display()));
        }
    }
    for bind in &spec.binds {
        let inside = bind.target.strip_prefix("/run/osb/").unwrap_or_default();
        if inside.is_empty() || inside.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return invalid(format!("the bind target {} is not below /run/osb/", bind.target));
        }
        if RESERVED.contains(&inside.split('/').next().unwrap_or_default()) {
            return invalid(format!("the bind target {} is the sandbox's own", bind.target));
        }
        if !bind.source.exists() {
            return invalid(format!("the bind source {} does not exist", bind.source.display()));
        }
    }
    Ok(())
}

/// The message for the child, with absolute paths: its working directory is another.
fn setup(spec: &Spec) -> Result<Setup, SandboxError> {
    let absolute = |path: &std::path::PathBuf| {
        fs::canonicalize(path)
            .map_err(|e| SandboxError::Invalid(format!("{}: {e}", path.display())))
            .and_then(|path| match path.to_str() {
                Some(_) => Ok(path),
                None => Err(SandboxError::Invalid(format!("{} is not UTF-8", path.display()))),
            })
    };
    let work = if spec.lower.is_empty() { spec.work.clone() } else { absolute(&spec.work)? };
    Ok(Setup {
        lower: spec.lower.iter().map(absolute).collect::<Result<_, _>>()?,
        upper: absolute(&spec.upper)?,
        work,
        guest: spec.guest,
        host: Machine::host(),
        tools: absolute(&spec.tools.root)?,
        binds: spec
            .binds
            .iter()
            .map(|bind| Ok(crate::Bind { source: absolute(&bind.source)?, ..bind.clone() }))
            .collect::<Result<_, SandboxError>>()?,
        hostname: spec.hostname.clone(),
        environment: spec.environment.clone(),
        drop_fsync: spec.drop_fsync,
        measure: spec.measure,
        rights: spec.rights,
        limits: spec.limits,
        registered: spec.guest != Machine::host() && probe::registered(spec.guest),
    })
}

fn launch_error(spec: &Spec, source: io::Error) -> SandboxError {
    SandboxError::Launch { launcher: spec.launcher.clone(), source }
}

/// The error for a reply that is not the one that was hoped for.
fn failed(reply: Reply, guest: Machine) -> SandboxError {
    match reply {
        Reply::NoHandler(why) => SandboxError::Missing(probe::no_handler(guest, &why).into()),
        Reply::Failed(step, reason) => SandboxError::Setup { step, reason },
        other => SandboxError::Lost(format!("answered {other:?}")),
    }
}
