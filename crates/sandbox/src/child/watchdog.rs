//! Looks several times a second at what a command uses.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use crate::exec_config::TOOLS;
use crate::{Excess, Limits, Process};

/// How often. What is written between two looks is usually less than the limits leave; one call
/// may still take all there is (fallocate), but then the next look ends it.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);
/// How many processes an error names, and how many characters of each one's arguments.
const NAMED: usize = 10;
const ARGUMENTS: usize = 200;
/// How much is read of a process's arguments or variables.
const READ: u64 = 16 << 10;

pub(super) struct Watchdog {
    limits: Limits,
    next: Instant,
}

impl Watchdog {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, next: Instant::now() }
    }

    /// The limit that is exceeded, if one is; looks only when it is time to.
    pub(super) fn look(&mut self, written: u64) -> io::Result<Option<Excess>> {
        if written > self.limits.output {
            return Ok(Some(Excess::Output(self.limits.output)));
        }
        let now = Instant::now();
        if now < self.next {
            return Ok(None);
        }
        self.next = now + INTERVAL;
        // An overlay answers for the file system of its upper directory.
        let space = rustix::fs::statvfs("/")?;
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        let reserve = self.limits.free_space;
        if free < reserve {
            return Ok(Some(Excess::Space { free, reserve }));
        }
        let limit = self.limits.processes;
        Ok((tasks(limit)? > u64::from(limit)).then_some(Excess::Processes(limit)))
    }
}

/// Processes and threads besides this one; no more than it takes to exceed `limit`.
///
/// One entry in /proc and one look at its folder `task`, whose number of links is two more than
/// that of threads (fs/proc/base.c, `proc_task_getattr`).
fn tasks(limit: u32) -> io::Result<u64> {
    let mut count = 0;
    for pid in processes()? {
        // One that has ended meanwhile counts once more, for nothing.
        let threads = fs::metadata(format!("/proc/{pid}/task"))
            .map_or(1, |task| task.nlink().saturating_sub(2));
        count += threads;
        if count > u64::from(limit) {
            break;
        }
    }
    Ok(count)
}

/// The first few processes besides this one.
pub(super) fn running() -> io::Result<Vec<Process>> {
    let process = |pid| Process { pid, command: command(pid), environment: environment(pid) };
    Ok(processes()?.filter(|pid| !is_dead(*pid)).take(NAMED).map(process).collect())
}

fn processes() -> io::Result<impl Iterator<Item = u32>> {
    let pid = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    Ok(fs::read_dir("/proc")?.filter_map(pid).filter(|pid| *pid != 1))
}

/// Whether a process has ended and was not waited for by its parent.
fn is_dead(pid: u32) -> bool {
    // "PID (NAME) STATE …", where NAME may contain anything (proc_pid_stat(5)).
    read(pid, "stat").rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

fn command(pid: u32) -> String {
    let arguments = read(pid, "cmdline");
    let arguments: Vec<&str> = arguments.split_terminator('\0').collect();
    let mut text = as_started(&arguments).join(" ");
    if text.is_empty() {
        text = format!("[{}]", read(pid, "comm").trim_end());
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(ARGUMENTS).collect()
}

fn environment(pid: u32) -> Vec<(String, String)> {
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    read(pid, "environ").split('\0').filter_map(|pair| pair.split_once('=').map(own)).collect()
}

/// The beginning of a file of a process; nothing if it is gone.
fn read(pid: u32, file: &str) -> String {
    let mut bytes = Vec::new();
    let read = File::open(format!("/proc/{pid}/{file}"))
        .and_then(|file| file.take(READ).read_to_end(&mut bytes));
    if read.is_ok() { String::from_utf8_lossy(&bytes).into_owned() } else { String::new() }
}

/// The arguments as the process was started with, if the interpreter started another program in its
/// place: "LOADER … --argv0 NAME PATH …" or "EMULATOR -0 NAME PATH …" (`interpreter/main.rs`).
fn as_started<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let name = match arguments {
        [program, rest @ ..] if program.starts_with(TOOLS) => match rest {
            ["-0", ..] => Some(2),
            _ => rest.iter().position(|word| *word == "--argv0").map(|at| at + 2),
        },
        _ => None,
    };
    match name.and_then(|at| arguments.get(at..)) {
        Some([name, _, rest @ ..]) => [&[*name], rest].concat(),
        _ => arguments.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::as_started;

    #[test]
    fn people_see_what_was_started() {
        for (line, shown) in [
            ("sleep 9", "sleep 9"),
            ("/run/osb/tools/lib/ld.so --inhibit-cache --argv0 sleep /run/x 9", "sleep 9"),
            ("/run/osb/tools/usr/bin/qemu-aarch64 -0 sh /bin/sh -c x", "sh -c x"),
            ("ld.so --argv0", "ld.so --argv0"),
            ("", ""),
        ] {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(as_started(&words).join(" "), shown);
        }
    }
}
