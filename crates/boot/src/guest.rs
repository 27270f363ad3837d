//! A running guest: its process, its console, and the ways it ends.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

use crate::parent_death::die_with_parent;
use crate::{BootError, Options, Outcome, Plan, Watch, command};

/// How often the cancel flag is looked at while the console is silent.
const TICK: Duration = Duration::from_millis(50);
/// How long QEMU may take to end after SIGTERM. It puts the terminal back in order meanwhile.
const GRACE: Duration = Duration::from_secs(2);
/// How much of QEMU's own messages is kept for an error.
const MESSAGE_LIMIT: usize = 4096;

/// Boots the image and follows its console until the run ends in one of the ways of [`Outcome`].
///
/// `console` gets every byte of the serial console as it arrives, escape sequences included.
///
/// # Errors
/// If the image, the tools or an option do not fit, QEMU cannot be started, or it ends with an
/// error of its own.
pub fn run(options: &Options, console: &mut dyn FnMut(&[u8])) -> Result<Outcome, BootError> {
    let mut plan = Plan::locate(options)?;
    let mut silent = true;
    let mut listen = |bytes: &[u8]| {
        silent = false;
        console(bytes);
    };
    match follow(start(options, &plan)?, options, &mut listen) {
        // That `/dev/kvm` opens does not mean that it works: nested virtualisation may lack what
        // QEMU asks for, which it notices before the guest's first instruction.
        Err(BootError::Qemu { .. }) if plan.kvm && silent => {
            plan.kvm = false;
            follow(start(options, &plan)?, options, console)
        }
        result => result,
    }
}

/// Starts QEMU as planned.
fn start(options: &Options, plan: &Plan) -> Result<Guest, BootError> {
    let argv = command(options, plan)?;
    let mut process = Command::new(&argv[0]);
    process
        .args(&argv[1..])
        .env_remove("LD_LIBRARY_PATH")
        .env_remove("LD_PRELOAD")
        .env("QEMU_MODULE_DIR", &plan.modules)
        .stdin(if options.interactive { Stdio::inherit() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    die_with_parent(&mut process);
    Guest::start(&mut process)
}

/// The loop: console bytes in, outcome out.
fn follow(
    mut guest: Guest,
    options: &Options,
    console: &mut dyn FnMut(&[u8]),
) -> Result<Outcome, BootError> {
    let mut watch = options.until.clone().map(Watch::new);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        if options.cancel.load(Ordering::Relaxed) {
            return Ok(Outcome::Cancelled);
        }
        let after = guest.started.elapsed();
        if options.timeout.is_some_and(|timeout| after >= timeout) {
            return Ok(Outcome::TimedOut);
        }
        match guest.read(&mut buffer)? {
            Input::Nothing => {}
            Input::Console(bytes) => {
                console(bytes);
                if let Some(line) = watch.as_mut().and_then(|watch| watch.feed(bytes)) {
                    return Ok(Outcome::Matched { line, after: guest.started.elapsed() });
                }
            }
            Input::End => {
                let (status, message) = guest.wait()?;
                // Ctrl-C reaches QEMU too, as a member of the terminal's process group.
                return if options.cancel.load(Ordering::Relaxed) {
                    Ok(Outcome::Cancelled)
                } else if status == 0 {
                    Ok(Outcome::Exited { status, after: guest.started.elapsed() })
                } else {
                    Err(BootError::Qemu { status, message })
                };
            }
        }
    }
}

/// What a wait for the guest brought.
enum Input<'a> {
    Nothing,
    Console(&'a [u8]),
    End,
}

/// A QEMU process. Dropping it ends it.
struct Guest {
    child: Child,
    console: File,
    messages: File,
    messages_open: bool,
    message: Vec<u8>,
    started: Instant,
}

impl Guest {
    fn start(process: &mut Command) -> Result<Self, BootError> {
        let started = Instant::now();
        let mut child = process.spawn().map_err(io_error("starting QEMU"))?;
        let missing = || io_error("connecting to QEMU")(io::ErrorKind::BrokenPipe.into());
        let console = child.stdout.take().ok_or_else(missing)?;
        let messages = child.stderr.take().ok_or_else(missing)?;
        Ok(Self {
            child,
            console: File::from(std::os::fd::OwnedFd::from(console)),
            messages: File::from(std::os::fd::OwnedFd::from(messages)),
            messages_open: true,
            message: Vec::new(),
            started,
        })
    }

    /// Waits at most one tick for console bytes; collects QEMU's messages on the way.
    fn read<'a>(&mut self, buffer: &'a mut [u8]) -> Result<Input<'a>, BootError> {
        let tick = Timespec { tv_sec: 0, tv_nsec: TICK.subsec_nanos().into() };
        let (console, messages) = {
            let mut ports = vec![PollFd::new(&self.console, PollFlags::IN)];
            if self.messages_open {
                ports.push(PollFd::from_borrowed_fd(self.messages.as_fd(), PollFlags::IN));
            }
            match poll(&mut ports, Some(&tick)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(io_error("waiting for QEMU")(error.into())),
            }
            (!ports[0].revents().is_empty(), ports.get(1).is_some_and(|p| !p.revents().is_empty()))
        };
        if messages {
            self.read_message()?;
        }
        if !console {
            return Ok(Input::Nothing);
        }
        match self.console.read(buffer) {
            Ok(0) => Ok(Input::End),
            Ok(length) => Ok(Input::Console(&buffer[..length])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Input::Nothing),
            Err(error) => Err(io_error("reading the console")(error)),
        }
    }

    /// Keeps the end of what QEMU says on standard error.
    fn read_message(&mut self) -> Result<(), BootError> {
        let mut piece = [0; 1024];
        match self.messages.read(&mut piece) {
            Ok(0) => self.messages_open = false,
            Ok(length) => {
                self.message.extend_from_slice(&piece[..length]);
                let excess = self.message.len().saturating_sub(MESSAGE_LIMIT);
                self.message.drain(..excess);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(io_error("reading QEMU's messages")(error)),
        }
        Ok(())
    }

    /// QEMU's status and the end of its messages, after the console has closed.
    fn wait(&mut self) -> Result<(i32, String), BootError> {
        let status = self.child.wait().map_err(io_error("waiting for QEMU to end"))?;
        while self.messages_open {
            self.read_message()?;
        }
        let message = String::from_utf8_lossy(&self.message).trim().to_owned();
        Ok((code(status), message))
    }

    /// Asks QEMU to end, then makes it.
    fn stop(&mut self) {
        let deadline = Instant::now() + GRACE;
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // An error means that it is gone already.
            let _ = kill_process(pid, Signal::TERM);
        }
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // `wait` remembers the status of a child that was waited for: no signal to a stranger.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}

/// A shell's idea of an exit status: 128 + n for signal n.
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

fn io_error(doing: &'static str) -> impl Fn(io::Error) -> BootError {
    move |source| BootError::Io { doing, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::bytes::Regex;

    /// A guest that is a shell script: the loop does not know the difference.
    fn guest(script: &str) -> Guest {
        let mut process = Command::new("/bin/sh");
        process.args(["-c", script]).stdin(Stdio::null());
        process.stdout(Stdio::piped()).stderr(Stdio::piped());
        die_with_parent(&mut process);
        Guest::start(&mut process).unwrap()
    }

    fn options() -> Options {
        Options::new("/none".into(), "arm64", "/none".into())
    }

    #[test]
    fn a_prompt_without_line_end_is_matched_and_the_guest_ended() {
        let mut options = options();
        options.until = Some(Regex::new("login: $").unwrap());
        let mut seen = Vec::new();
        let guest = guest("printf 'hello\\nlogin: '; exec sleep 100");
        let pid = guest.child.id();
        let outcome = follow(guest, &options, &mut |bytes| seen.extend_from_slice(bytes)).unwrap();
        assert!(matches!(outcome, Outcome::Matched { ref line, .. } if line == "login: "));
        assert_eq!(seen, b"hello\nlogin: ");
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn silence_times_out() {
        let mut options = options();
        options.timeout = Some(Duration::from_millis(120));
        let outcome = follow(guest("exec sleep 100"), &options, &mut |_| {}).unwrap();
        assert_eq!(outcome, Outcome::TimedOut);
    }

    #[test]
    fn the_cancel_flag_ends_the_run() {
        let options = options();
        options.cancel.store(true, Ordering::Relaxed);
        let outcome = follow(guest("exec sleep 100"), &options, &mut |_| {}).unwrap();
        assert_eq!(outcome, Outcome::Cancelled);
    }

    #[test]
    fn a_guest_that_switches_off_has_exited() {
        let outcome = follow(guest("echo bye"), &options(), &mut |_| {}).unwrap();
        assert!(matches!(outcome, Outcome::Exited { status: 0, .. }));
    }

    #[test]
    fn an_error_of_qemu_carries_its_message() {
        let error = follow(guest("echo 'no such board' >&2; exit 1"), &options(), &mut |_| {});
        let text = error.unwrap_err().to_string();
        assert!(text.contains("status 1") && text.contains("no such board"), "{text}");
    }

    #[test]
    fn a_guest_that_ignores_sigterm_is_killed() {
        let mut options = options();
        options.until = Some(Regex::new("ready").unwrap());
        let guest = guest("trap '' TERM; echo ready; while :; do sleep 0.1; done");
        let pid = guest.child.id();
        follow(guest, &options, &mut |_| {}).unwrap();
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
}
