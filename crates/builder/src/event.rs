//! What a build tells while it runs, and what it says at the end.

use std::path::PathBuf;
use std::time::Duration;

use osb_sandbox::Program;

/// Something that happened; only the command line turns it into text.
#[derive(Debug, Clone)]
pub enum Event {
    /// A stage begins; `total` is its work in bytes where that is known.
    Begin {
        /// The stage's name.
        stage: &'static str,
        /// Work to do, in bytes.
        total: Option<u64>,
    },
    /// Work done in the current stage, in bytes.
    Advance {
        /// Bytes since the last event.
        bytes: u64,
    },
    /// What the current stage is doing now.
    Detail {
        /// One short line.
        text: String,
    },
    /// The stage is over.
    End {
        /// The stage's name.
        stage: &'static str,
        /// What came out, in one short line.
        summary: String,
        /// Wall time.
        elapsed: Duration,
    },
    /// Something worth knowing.
    Note(String),
    /// Something that should be changed.
    Warning(String),
}

/// What a build made.
#[derive(Debug, Clone)]
pub struct Report {
    /// The artifacts were there already, made from exactly this: nothing was done.
    pub unchanged: bool,
    /// Files written, in the order of their names.
    pub artifacts: Vec<Artifact>,
    /// Every stage with its times.
    pub stages: Vec<StageTime>,
    /// Number of packages in the image.
    pub packages: usize,
    /// Image name.
    pub name: String,
    /// Image version.
    pub version: String,
    /// Debian architecture.
    pub architecture: String,
    /// Version of the kubelet in the image, if there is one.
    pub kubernetes: Option<String>,
}

/// A file that a build wrote.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// Where it lies.
    pub path: PathBuf,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 in lower-case hex.
    pub sha256: Option<String>,
}

/// How long a stage took, in seconds, and what ran in it.
#[derive(Debug, Clone)]
pub struct StageTime {
    /// The stage's name.
    pub name: &'static str,
    /// The layer that it built a half of, if it is such a stage.
    pub layer: Option<String>,
    /// Wall time.
    pub wall: f64,
    /// CPU time of osb and of the programs it ran.
    pub cpu: f64,
    /// The programs that ran in the sandbox, the one with the most CPU time first; empty unless
    /// [`crate::Options::timings`] asks for them.
    pub programs: Vec<Program>,
}
