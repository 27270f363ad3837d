//! Measures what runs in the guest, by tracing every process from its first moment to its last.
//!
//! Passive: each process stops for an instant when it is forked, executes a program or is about to
//! get a signal, and goes on as if nothing had been. Groups of processes that are stopped stay
//! stopped, set-user-ID programs keep their rights (pid 1, which traces, has them all), exit
//! statuses and parents are what they were. Only a program that traces others finds them taken.
//!
//! No stop is asked for at the end of a process: until it is reaped its clock can still be read,
//! with the time of all its threads.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use libc::pid_t;

use super::binfmt::INTERPRETER_PATH;
use super::ledger::{Image, Ledger};
use super::mounts::resolve_in;
use super::ptrace::{self, What};
use crate::exec_config::{ROOT, TOOLS};
use crate::interpreter_config::matches;
use crate::probe::Mode;
use crate::spec::{Kind, Stats};
use crate::table::{ROWS, Row};

/// How much of a process's arguments is read: enough for the interpreter's and two paths.
const ARGUMENTS: u64 = 16 << 10;

/// Traces the processes of a session's commands.
#[derive(Debug)]
pub(super) struct Tracer {
    mode: Mode,
    /// The tools tree's, as `/proc/PID/exe` names them.
    loader: Option<String>,
    emulator: Option<String>,
    /// Readable when there is something to serve.
    pub(super) signals: OwnedFd,
    ledger: Ledger,
    /// Threads besides the first of each process.
    threads: HashSet<pid_t>,
}

impl Tracer {
    /// `loader` and `emulator` are paths in the guest with links resolved. For a process with one
    /// thread, whose children are all to be served by [`Tracer::serve`].
    pub(super) fn new(
        mode: Mode,
        loader: Option<String>,
        emulator: Option<String>,
    ) -> io::Result<Self> {
        let signals = ptrace::child_signals()?;
        let (ledger, threads) = (Ledger::default(), HashSet::new());
        Ok(Self { mode, loader, emulator, signals, ledger, threads })
    }

    /// Takes over a command that was prepared by [`ptrace::stop_at_exec`] and has just started.
    pub(super) fn adopt(&mut self, pid: pid_t) -> io::Result<()> {
        match ptrace::next_change(pid, true)?.map(|change| change.what) {
            Some(What::Stopped { .. }) => {}
            // Something killed it at once; its end is still to be served.
            _ => return Ok(()),
        }
        self.executes(pid);
        gone_is_fine(ptrace::take_over(pid))
    }

    /// Lets every stopped process go on and takes the status of every ended one, which is told to
    /// `ended` as shells count it. With `block`, until there is no process left.
    pub(super) fn serve(
        &mut self,
        block: bool,
        mut ended: impl FnMut(pid_t, i32),
    ) -> io::Result<()> {
        // Before looking: what comes later makes it readable again.
        let _ = rustix::io::read(&self.signals, &mut [0; 1024]);
        while let Some(change) = ptrace::next_change(0, block)? {
            match change.what {
                What::Ended(status) => {
                    if !self.threads.remove(&change.pid) {
                        self.ledger.ended(change.pid, ptrace::cpu(change.pid));
                    }
                    ptrace::reap(change.pid)?;
                    ended(change.pid, status);
                }
                What::Stopped { signal, event } => {
                    gone_is_fine(self.stopped(change.pid, signal, event))?;
                }
            }
        }
        Ok(())
    }

    /// What ran in the session.
    pub(super) fn finish(self) -> Stats {
        let mode = self.mode;
        self.ledger.close(|path| why_emulated(mode, path))
    }

    fn stopped(&mut self, pid: pid_t, signal: i32, event: i32) -> io::Result<()> {
        if !self.ledger.knows(pid) && !self.threads.contains(&pid) {
            self.born(pid);
        }
        match event {
            0 => ptrace::resume(pid, signal),
            libc::PTRACE_EVENT_EXEC => {
                // An exec by another thread than the first: that has vanished without a word.
                self.threads.remove(&ptrace::former_id(pid)?);
                self.executes(pid);
                ptrace::resume(pid, 0)
            }
            libc::PTRACE_EVENT_STOP if is_stop(signal) => ptrace::listen(pid),
            _ => ptrace::resume(pid, 0),
        }
    }

    /// The first stop of a new process or thread.
    fn born(&mut self, pid: pid_t) {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let field = |name: &str| -> Option<pid_t> {
            status.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
        };
        if field("Tgid:") != Some(pid) {
            self.threads.insert(pid);
            return;
        }
        match field("PPid:") {
            Some(parent) if self.ledger.knows(parent) => self.ledger.forked(pid, parent),
            // The parent has ended already: a daemon's way. It still runs the same program.
            _ => self.ledger.adopted(pid, self.image(pid)),
        }
    }

    fn executes(&mut self, pid: pid_t) {
        self.ledger.executes(pid, self.image(pid), ptrace::cpu(pid));
    }

    /// What a process runs; `None` for the interpreter, which will run something else.
    fn image(&self, pid: pid_t) -> Option<Image> {
        let executable = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        let executable = executable.to_string_lossy();
        // What was started in the root's second place is the same.
        let executable = executable.strip_prefix(ROOT).unwrap_or(&executable);
        let guest = |path: &str| guest_path(pid, path).into();
        if executable == INTERPRETER_PATH {
            return None;
        }
        if Some(executable) == self.emulator.as_deref() {
            // Its arguments are "-0 NAME PATH …", see `interpreter/main.rs`.
            return Some((Kind::Emulated, guest(&argument(pid, 3)?)));
        }
        if Some(executable) == self.loader.as_deref() {
            let program = loaded(&arguments(pid)).map(|path| in_tools(&path).to_owned());
            return Some((Kind::Substituted, program.unwrap_or(executable.into()).into()));
        }
        if executable.starts_with(TOOLS) {
            return Some((Kind::Substituted, in_tools(executable).into()));
        }
        if self.mode == Mode::Registered && is_emulator(executable) {
            return Some((Kind::Emulated, guest(&argument(pid, 1)?)));
        }
        Some((Kind::Native, executable.into()))
    }
}

/// A process that was killed meanwhile needs no more than its end served.
fn gone_is_fine(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|e| if e.raw_os_error() == Some(libc::ESRCH) { Ok(()) } else { Err(e) })
}

/// Whether a signal's default is to stop a process.
fn is_stop(signal: i32) -> bool {
    matches!(signal, libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU)
}

/// Whether a handler of the host is qemu-user, by whatever name it is installed.
fn is_emulator(executable: &str) -> bool {
    executable.rsplit('/').next().is_some_and(|name| name.starts_with("qemu-"))
}

/// The program that the loader was told to run: the second argument after `--argv0`.
fn loaded(arguments: &[String]) -> Option<String> {
    let option = arguments.iter().position(|argument| argument == "--argv0")?;
    arguments.get(option + 2).cloned()
}

/// A path in the tools tree as one of the guest.
fn in_tools(path: &str) -> &str {
    path.strip_prefix(TOOLS).unwrap_or(path)
}

fn argument(pid: pid_t, index: usize) -> Option<String> {
    arguments(pid).into_iter().nth(index)
}

/// The first arguments of a process.
fn arguments(pid: pid_t) -> Vec<String> {
    let mut bytes = Vec::new();
    let read = File::open(format!("/proc/{pid}/cmdline"))
        .and_then(|file| file.take(ARGUMENTS).read_to_end(&mut bytes));
    if read.is_err() {
        return Vec::new();
    }
    bytes.split(|&byte| byte == 0).map(|a| String::from_utf8_lossy(a).into_owned()).collect()
}

/// A path as a process gave it to exec, links resolved; unchanged if that fails.
fn guest_path(pid: pid_t, path: &str) -> String {
    let start = PathBuf::from(format!("/proc/{pid}/cwd"));
    fs::canonicalize(start.join(path))
        .map_or_else(|_| path.to_owned(), |real| real.to_string_lossy().into_owned())
}

/// Why the interpreter did not find a program to run in place of this one.
fn why_emulated(mode: Mode, path: &str) -> String {
    if mode == Mode::Registered {
        return "everything is: there is no private handler".to_owned();
    }
    let row = ROWS.iter().find(|row| {
        let (Row::Emulate { pattern, .. } | Row::Program { pattern, .. }) = row;
        matches(pattern.as_bytes(), path.as_bytes())
    });
    match row {
        Some(Row::Emulate { why, .. }) => (*why).to_owned(),
        _ if resolve_in(TOOLS, path).is_none_or(|tool| !Path::new(&tool).is_file()) => {
            "the tools tree lacks it".to_owned()
        }
        Some(Row::Program { unless, .. }) if !unless.is_empty() => {
            format!("started with one of the options -{unless}, which disable its additions")
        }
        Some(Row::Program { knows, .. }) if !knows.is_empty() => {
            format!("the tools tree's knows nothing of {knows}")
        }
        _ => "the tools tree's is not for this machine".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_program_is_found_behind_its_options() {
        let line = "ld.so --inhibit-cache --library-path /l --argv0 sh /run/osb/tools/usr/bin/dash";
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let program = loaded(&words(line)).unwrap();
        assert_eq!(in_tools(&program), "/usr/bin/dash");
        assert_eq!(loaded(&words("ld.so --list /bin/sh")), None);
    }

    #[test]
    fn handlers_of_the_host() {
        assert!(is_emulator("/usr/bin/qemu-aarch64-static") && is_emulator("/qemu-x86_64"));
        assert!(!is_emulator("/opt/qemu-stuff/sh") && !is_emulator(""));
    }

    #[test]
    fn reasons_to_emulate() {
        let why = |path| why_emulated(Mode::Private, path);
        assert_eq!(why("/usr/bin/uname"), "prints the machine");
        assert!(why("/usr/bin/dpkg-x").contains("compiled for one architecture"));
        assert_eq!(why("/usr/bin/dpkg-deb"), "the tools tree lacks it");
        assert!(why_emulated(Mode::Registered, "/usr/bin/uname").contains("handler"));
    }
}
