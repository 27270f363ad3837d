//! Waits for the end of a command: its own, and that of everything that it started.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, WaitId, WaitIdOptions, WaitOptions, WaitStatus, pidfd_open, wait, waitid,
};

use super::log::Log;
use super::trace::Tracer;
use super::watchdog::{self, Watchdog};
use super::{Doing, Failure};
use crate::{Excess, Limits, Process, sys};

/// How often a command's children are looked for after its end: most are gone at once.
const GRACE_INTERVAL: Duration = Duration::from_millis(5);

/// How the wait for a command ended.
pub(super) enum End {
    /// By itself, with everything that it started.
    Gone,
    /// It must not go on.
    Exceeded(Excess, Vec<Process>),
    /// Nobody wants to know any more.
    SessionClosed,
}

/// A running command.
pub(super) struct Watch<'t> {
    pid: Pid,
    pidfd: OwnedFd,
    output: OwnedFd,
    output_open: bool,
    pub(super) log: Log,
    /// As shells count it.
    pub(super) status: Option<i32>,
    /// Present when the session measures.
    tracer: Option<&'t mut Tracer>,
}

impl<'t> Watch<'t> {
    pub(super) fn new(
        pid: u32,
        output: OwnedFd,
        tracer: Option<&'t mut Tracer>,
    ) -> Result<Self, Failure> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| Failure::Step("a command has no process id".to_owned()))?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).doing("opening a command's pidfd")?;
        let log = Log::default();
        let mut watch = Self { pid, pidfd, output, output_open: true, log, status: None, tracer };
        if let Some(tracer) = &mut watch.tracer {
            tracer.adopt(pid.as_raw_pid()).doing("measuring a command")?;
        }
        Ok(watch)
    }

    /// Waits until the command and all that it started have ended, or must end. After the command
    /// itself the others get the limits' grace: the tail of a pipeline has something to do still.
    pub(super) fn until_end(
        &mut self,
        socket: &UnixStream,
        time: Option<Duration>,
        limits: &Limits,
    ) -> io::Result<End> {
        let mut watchdog = Watchdog::new(*limits);
        let deadline = time.map(|time| Instant::now() + time);
        // When the others' grace ends; none as long as the command itself runs.
        let mut others: Option<Instant> = None;
        loop {
            let now = Instant::now();
            let (interval, end) = match others {
                None => (watchdog::INTERVAL, deadline),
                Some(end) => (GRACE_INTERVAL, Some(end)),
            };
            let left = end.map(|end| end.saturating_duration_since(now));
            if left == Some(Duration::ZERO) {
                return self.late(time, limits, others.is_some());
            }
            let pause = left.map_or(interval, |left| left.min(interval));
            if !self.pause(socket, pause, others.is_none())? {
                return Ok(End::SessionClosed);
            }
            self.reap(WaitOptions::NOHANG)?;
            if let Some(excess) = watchdog.look(self.log.total)? {
                return Ok(End::Exceeded(excess, watchdog::running()?));
            }
            if self.status.is_some() {
                if alone() {
                    return Ok(End::Gone);
                }
                others = others.or_else(|| Some(now + limits.grace));
            }
        }
    }

    /// What it means that the time is over.
    fn late(&self, time: Option<Duration>, limits: &Limits, ended: bool) -> io::Result<End> {
        let processes = watchdog::running()?;
        if !ended {
            return Ok(End::Exceeded(Excess::Time(time.unwrap_or_default()), processes));
        }
        // A command that failed is to be told of as such; what it left is killed without a word.
        let failed = self.status != Some(0);
        Ok(if failed || processes.is_empty() {
            End::Gone
        } else {
            End::Exceeded(Excess::LeftBehind(limits.grace), processes)
        })
    }

    /// Waits until something happens, no longer than `pause`, and reads output; `false` if the
    /// session is closed.
    fn pause(&mut self, socket: &UnixStream, pause: Duration, running: bool) -> io::Result<bool> {
        let pause = Timespec { tv_sec: 0, tv_nsec: pause.subsec_nanos().into() };
        let mut events = vec![PollFd::new(socket, PollFlags::RDHUP)];
        if self.output_open {
            events.push(PollFd::new(&self.output, PollFlags::IN));
        }
        // These only wake: who waits is served in any case.
        if running {
            events.push(PollFd::new(&self.pidfd, PollFlags::IN));
        }
        if let Some(tracer) = &self.tracer {
            events.push(PollFd::new(&tracer.signals, PollFlags::IN));
        }
        match poll(&mut events, Some(&pause)) {
            Err(Errno::INTR) => return Ok(true),
            other => other?,
        };
        let ready = |i: usize| events.get(i).is_some_and(|e| !e.revents().is_empty());
        let (closed, readable) = (ready(0), self.output_open && ready(1));
        if readable {
            self.output_open = self.log.read_once(self.output.as_fd())?;
        }
        Ok(!closed)
    }

    /// Kills what there still is and takes all statuses and the rest of the output.
    pub(super) fn finish(mut self) -> Result<(Log, Option<i32>), Failure> {
        // Once is enough, for a fork bomb, too: the kernel lets no process with a deadly signal
        // fork, and holds its list of them still meanwhile (kernel/fork.c, `copy_process`).
        sys::kill_all_others();
        self.reap(WaitOptions::empty()).doing("ending a command")?;
        self.log.drain(&mut File::from(self.output)).doing("reading a command's output")?;
        Ok((self.log, self.status))
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

/// Whether there is no other process: pid 1 is the parent of all whose own has ended.
fn alone() -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::All, options), Err(Errno::CHILD))
}

fn exit_code(status: WaitStatus) -> i32 {
    status.exit_status().or_else(|| status.terminating_signal().map(|n| 128 + n)).unwrap_or(255)
}
