//! What to build, from what, and where.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Everything a build needs to know; the environment and the clock are read by the caller.
#[derive(Debug, Clone)]
pub struct Options {
    /// The recipe and its layers.
    pub project: osb_recipe::Project,
    /// Where the lock lies or will lie.
    pub lock_path: PathBuf,
    /// Folder for the artifacts.
    pub output: PathBuf,
    /// Folder for everything that can be made again.
    pub cache: PathBuf,
    /// Base URL of the Debian mirror; `None`: the host's own, else the built-in default.
    pub mirror: Option<String>,
    /// One form only.
    pub only: Option<Only>,
    /// Fail if the lock would change.
    pub locked: bool,
    /// Use no network.
    pub offline: bool,
    /// Threads and parallel downloads, at least 1.
    pub jobs: usize,
    /// Clock of the image, seconds since 1970; `None`: the newest Release date in the lock.
    pub source_date_epoch: Option<i64>,
    /// Hold the image against the rules of `osb check` before it gets its name.
    pub check: bool,
    /// Measure which programs of the image run: [`crate::StageTime::programs`].
    pub timings: bool,
    /// The time now, seconds since 1970: decides whether a Release or a key has expired.
    pub now: i64,
    /// Set by the caller to stop.
    pub cancel: Arc<AtomicBool>,
    /// A program that calls [`osb_sandbox::dispatch`] first: osb itself.
    pub launcher: PathBuf,
}

/// A single form of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    /// Build and check the tree; write nothing.
    Tree,
    /// `disk.img`.
    Disk,
    /// `rootfs.tar.gz`.
    Rootfs,
    /// `sd.img.zst`.
    Sd,
}
