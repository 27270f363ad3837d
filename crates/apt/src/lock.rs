//! `osb.lock`: every byte that comes from outside, named by its digest.
//!
//! A sorted TOML file with one table for each source, package and tool, so that a change
//! of one package is a change of a few lines in review. It never names a mirror: paths are relative
//! to the root of their source.

mod diff;
mod read;
mod write;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use diff::{Change, Subject};

use crate::error::AptError;

/// The version of the format that is written. Version 1 is read, too: it lacked `tool_inputs`, the
/// sources' `inputs`, layers and artifacts, so what drifted from it cannot be told.
pub const LOCK_VERSION: u32 = 2;

/// Stands for a source of packages that a layer names one by one, by URL and digest.
pub const ARTIFACT_SOURCE: &str = "artifact";

/// What a recipe was resolved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The format: [`LOCK_VERSION`], or 1 if it was read from such a file.
    pub version: u32,
    /// The image's Debian architecture.
    pub architecture: String,
    /// [`crate::LockRequest::inputs_digest`] of the request that was resolved.
    pub inputs: String,
    /// A digest of the tool sets and hosts in that request; none in format 1.
    pub tool_inputs: Option<String>,
    /// What each layer asked for, in build order; none in format 1.
    pub layers: Vec<LockedLayer>,
    /// The sources, in the recipe's order: of equal packages those of the first one are taken.
    /// Sorted by name in format 1.
    pub sources: Vec<LockedSource>,
    /// The image's packages, sorted by name.
    pub packages: Vec<LockedPackage>,
    /// Files from outside any repository, sorted by layer and URL. Packages among them are in
    /// `packages`, from the source [`ARTIFACT_SOURCE`].
    pub artifacts: Vec<LockedArtifact>,
    /// Packages for the machines that build, sorted by set, host and name.
    pub tools: Vec<LockedTool>,
}

/// What a layer asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedLayer {
    /// Its name.
    pub name: String,
    /// The packages, `NAME` or `NAME=VERSION`, as the layer lists them.
    pub wants: Vec<String>,
    /// The URLs of the packages that it pins, sorted.
    pub debs: Vec<String>,
}

/// A file that a layer pins by URL and digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedArtifact {
    /// The layer.
    pub layer: String,
    /// Where it is.
    pub url: String,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Size in bytes.
    pub size: u64,
}

/// The state of a source that was resolved against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedSource {
    /// The source's name in the recipe.
    pub name: String,
    /// Its suite.
    pub suite: String,
    /// A digest of what the recipe says of it (URL, suite, components, keys, priorities); none in
    /// format 1.
    pub inputs: Option<String>,
    /// SHA-256 of the signed Release text, hexadecimal.
    pub release_sha256: String,
    /// `Date` of the Release, seconds since 1970.
    pub date: i64,
}

/// A package of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, or `all`.
    pub architecture: String,
    /// SHA-256 of the .deb, hexadecimal.
    pub sha256: String,
    /// Bytes of the .deb.
    pub size: u64,
    /// Where the .deb is, relative to the root URL of its source; see [`crate::join_url`]. The
    /// whole URL if the source is [`ARTIFACT_SOURCE`].
    pub path: String,
    /// The name of its source, or [`ARTIFACT_SOURCE`].
    pub source: String,
    /// The first layer that needs it; empty for tools.
    pub layer: String,
}

/// A package of the machine that builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedTool {
    /// What it is for, as `build` or `boot`.
    pub set: String,
    /// The Debian architecture of the building machine.
    pub host: String,
    /// The package.
    pub package: LockedPackage,
}

/// Why a lock cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The file cannot be read.
    #[error("reading the lock {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// The file does not follow the format.
    #[error("{}: {problem} (osb lock --update makes it anew)", position(path.as_deref(), *line))]
    Invalid {
        /// The file, if it is one.
        path: Option<PathBuf>,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// Another version of osb wrote it.
    #[error(
        "{} has format {found}, this osb knows format {LOCK_VERSION}: use a matching osb, or make it anew with osb lock --update",
        path.as_deref().unwrap_or(Path::new("the lock")).display()
    )]
    Version {
        /// The file, if it is one.
        path: Option<PathBuf>,
        /// The format it has.
        found: i64,
    },
}

fn position(path: Option<&Path>, line: usize) -> String {
    match path {
        Some(path) => format!("{}:{line}", path.display()),
        None => format!("the lock, line {line}"),
    }
}

impl Lock {
    /// Reads and checks a lock file.
    ///
    /// # Errors
    /// The file cannot be read, is of another format, or a value in it is impossible; the error
    /// names file and line.
    pub fn read(path: &Path) -> Result<Lock, AptError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| LockError::Io { path: path.to_owned(), error })?;
        Ok(read::parse(&text, Some(path))?)
    }

    /// Reads and checks the text of a lock file.
    ///
    /// # Errors
    /// As [`Lock::read`].
    pub fn parse(text: &str) -> Result<Lock, AptError> {
        Ok(read::parse(text, None)?)
    }

    /// The text of the lock file; equal locks have equal texts.
    pub fn to_toml(&self) -> String {
        write::to_toml(self)
    }

    /// The newest Release date, in seconds since 1970; 0 without sources.
    pub fn newest_date(&self) -> i64 {
        self.sources.iter().map(|source| source.date).max().unwrap_or(0)
    }

    /// What is different in `new`, sorted.
    pub fn diff(&self, new: &Lock) -> Vec<Change> {
        diff::diff(self, new)
    }

    /// Whether anything of the source `name` is a security update: its suite is called so, as
    /// Debian's are (`trixie-security`).
    pub fn is_security(&self, name: &str) -> bool {
        self.sources.iter().any(|source| source.name == name && source.suite.ends_with("-security"))
    }

    /// Whether it has the package `name`, for the image or as a tool.
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// The names of all packages and tools, some of them several times.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let tools = self.tools.iter().map(|tool| &tool.package);
        self.packages.iter().chain(tools).map(|package| package.name.as_str())
    }

    /// Up to three names of packages or tools that `name` could have meant, the most similar first.
    pub fn nearest_names(&self, name: &str) -> Vec<String> {
        let all: BTreeSet<&str> = self.names().collect();
        let mut near: Vec<(usize, &str)> = all
            .into_iter()
            .map(|known| (strsim::damerau_levenshtein(name, known), known))
            .filter(|(distance, known)| {
                *distance <= (name.len() / 3).max(1) || name.len() > 2 && known.starts_with(name)
            })
            .collect();
        near.sort_unstable();
        near.into_iter().take(3).map(|(_, known)| known.to_owned()).collect()
    }

    /// Brings the tables into the order of the file.
    pub(crate) fn sort(&mut self) {
        self.packages.sort_by(|a, b| a.name.cmp(&b.name));
        self.artifacts.sort();
        self.tools.sort_by(|a, b| {
            (&a.set, &a.host, &a.package.name).cmp(&(&b.set, &b.host, &b.package.name))
        });
    }
}

#[cfg(test)]
mod tests;
