//! What can go wrong with a sandbox.

use std::io;
use std::path::PathBuf;

use crate::{Excess, Process};

use serde::{Deserialize, Serialize};

use crate::Missing;

/// A part of setting up a sandbox that hosts differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Making namespaces and mapping ids.
    Namespaces,
    /// Mounting the stack of layers.
    Layers,
    /// Everything after.
    Other,
}

/// A sandbox that did not start, or a command that could not be run.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The host lacks something.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The specification cannot be carried out.
    #[error("sandbox specification: {0}")]
    Invalid(String),
    /// The child process could not be started.
    #[error("starting the sandbox process {}: {source}", launcher.display())]
    Launch {
        /// The executable.
        launcher: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A step of setting up the namespaces or mounts failed.
    #[error("setting up the sandbox: {reason}")]
    Setup {
        /// Where.
        step: Step,
        /// What was tried, and what the kernel said.
        reason: String,
    },
    /// The program of a command could not be started.
    #[error("cannot run {program} in the sandbox: {reason}")]
    NotStarted {
        /// `argv[0]`.
        program: String,
        /// The kernel's reason.
        reason: String,
    },
    /// A command used more than it may; it and its children were killed.
    #[error("{program} was ended in the sandbox: {excess}{}", list(.processes))]
    Exceeded {
        /// `argv[0]`.
        program: String,
        /// Which limit.
        excess: Excess,
        /// The first few of its processes at that time.
        processes: Vec<Process>,
        /// The last 64 KiB that it wrote.
        tail: Vec<u8>,
        /// How many bytes it wrote in all.
        log_bytes: u64,
    },
    /// The cancel flag was set; everything inside was killed.
    #[error("cancelled")]
    Cancelled,
    /// The sandbox process ended or spoke nonsense.
    #[error("the sandbox process ended unexpectedly ({0}); was it killed, or is memory short?")]
    Lost(String),
}

fn list(processes: &[Process]) -> String {
    let names: Vec<_> = processes.iter().map(|p| format!("{} ({})", p.pid, p.command)).collect();
    if names.is_empty() { String::new() } else { format!("; running: {}", names.join(", ")) }
}
