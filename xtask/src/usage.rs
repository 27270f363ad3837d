//! What a program and all that it started have cost.
#![allow(unsafe_code)] // One system call that the standard library does not offer.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// The cost of a finished program, of its children included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// CPU seconds, user and system.
    pub(crate) cpu: f64,
    /// Seconds from start to end.
    pub(crate) wall: f64,
    /// Resident memory of the largest of its processes at its largest, in bytes.
    pub(crate) peak: u64,
}

impl Usage {
    /// The median of each figure.
    pub(crate) fn median<'a>(all: impl Iterator<Item = &'a Usage> + Clone) -> Usage {
        Usage {
            cpu: median(all.clone().map(|usage| usage.cpu)),
            wall: median(all.clone().map(|usage| usage.wall)),
            peak: median(all.map(|usage| usage.peak as f64)) as u64,
        }
    }
}

/// The one in the middle; 0 of none.
pub(crate) fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mib = self.peak >> 20;
        write!(f, "{:.1} s CPU, {:.1} s wall, {mib} MiB", self.cpu, self.wall)
    }
}

/// Runs a program to its end. wait4(2) tells what it cost: the counters of children that the
/// program itself has waited for are in it, and nothing else that this process has started.
pub(crate) fn measure(command: &mut Command) -> Result<Usage> {
    let name = command.get_program().to_string_lossy().into_owned();
    let started = Instant::now();
    let child = command.spawn().with_context(|| format!("starting {name}"))?;
    let pid = libc::pid_t::try_from(child.id()).context("a process without number")?;
    let mut status = 0;
    // SAFETY: rusage is plain data, for which zero is a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live values. The child is waited for here and nowhere
        // else: `Child` does not do it by itself.
        let done = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
        if done == pid {
            break;
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error).with_context(|| format!("waiting for {name}"));
        }
    }
    let wall = started.elapsed().as_secs_f64();
    if status != 0 {
        let status: std::process::ExitStatus =
            std::os::unix::process::ExitStatusExt::from_raw(status);
        bail!("{name} ended with {status}");
    }
    let seconds = |time: libc::timeval| {
        (Duration::from_secs(time.tv_sec.unsigned_abs())
            + Duration::from_micros(time.tv_usec.unsigned_abs()))
        .as_secs_f64()
    };
    Ok(Usage {
        cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        wall,
        peak: usage.ru_maxrss.unsigned_abs() << 10,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_children_count() {
        let script = "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; true";
        let usage = measure(Command::new("sh").args(["-c", script])).unwrap();
        assert!(usage.cpu > 0.02 && usage.wall > 0.02 && usage.peak > 1 << 18, "{usage}");
    }

    #[test]
    fn failure_is_an_error() {
        let error = measure(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert!(error.to_string().contains('3'), "{error}");
    }
}
