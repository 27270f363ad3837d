//! `provenance.json`: how, when, where and from what one run of osb built its artifacts.
//!
//! An in-toto Statement (version 1) with the predicate SLSA Provenance (version 1). It names the
//! clock, the mirrors and the Git revision, which nothing else that a build writes may.
//!
//! Specifications: <https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>,
//! <https://slsa.dev/spec/v1.0/provenance>.

mod model;
mod read;

use std::collections::BTreeMap;

pub use model::Provenance;
pub use read::ProvenanceError;

use crate::model::SourceInfo;
use crate::time::rfc3339;
use model::{
    BuildDefinition, Builder, Dependency, Digests, External, Internal, Predicate, Run, RunDetails,
    Subject,
};

/// What `_type` says.
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// How the lock is called.
const LOCK: &str = "osb.lock";
/// What `predicateType` says.
const PREDICATE: &str = "https://slsa.dev/provenance/v1";
/// What `buildType` says: docs/supply-chain.md tells what its parameters mean.
pub const BUILD_TYPE: &str = "urn:x-osb:build:1";
/// Who built, if nobody says.
pub const UNKNOWN_BUILDER: &str = "urn:x-osb:builder:unknown";

/// What a run knows of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildRun {
    /// The recipe as it was named: a file of the project, or a built-in recipe's name.
    pub recipe: String,
    /// The values that were changed, `KEY=VALUE`.
    pub set: Vec<String>,
    /// Debian's name of the architecture.
    pub architecture: String,
    /// The one form of the image that was asked for, if it was one.
    pub only: Option<String>,
    /// The image's clock, seconds since 1970.
    pub source_date_epoch: i64,
    /// The base URLs that packages came from, by source.
    pub mirrors: BTreeMap<String, String>,
    /// SHA-256 of the lock, in hexadecimal.
    pub lock_sha256: String,
    /// The sources' signed Releases.
    pub sources: Vec<SourceInfo>,
    /// The project's Git revision, if it has one.
    pub revision: Option<Revision>,
    /// Identifier of the machine or service that built: a URI.
    pub builder: String,
    /// Version of osb.
    pub osb_version: String,
    /// When it began and ended, seconds since 1970.
    pub started: i64,
    /// See `started`.
    pub finished: i64,
}

/// A state of a Git repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revision {
    /// The commit, in hexadecimal.
    pub commit: String,
    /// Whether something of it was changed.
    pub dirty: bool,
    /// Where it was cloned from, if it tells; without user and password.
    pub remote: Option<String>,
}

impl Provenance {
    /// The provenance of a run; `subjects` are what it built, names and SHA-256 in hexadecimal.
    pub fn new(run: BuildRun, subjects: impl IntoIterator<Item = (String, String)>) -> Provenance {
        let mut subject: Vec<Subject> = subjects
            .into_iter()
            .map(|(name, sha256)| Subject { name, digest: Digests::sha256(sha256) })
            .collect();
        subject.sort_by(|a, b| a.name.cmp(&b.name));
        let lock = Dependency::new(LOCK, Digests::sha256(run.lock_sha256));
        let sources = run.sources.into_iter().map(|source| {
            let digest = Digests::sha256(source.release_sha256);
            let release = Dependency::new(format!("Release of {}", source.name), digest);
            let uri = run.mirrors.get(&source.name);
            Dependency { uri: uri.map(|base| release_url(base, &source.suite)), ..release }
                .with("suite", source.suite)
                .with("date", rfc3339(source.date))
        });
        let revision = run.revision.map(|revision| {
            let project = Dependency::new("project", Digests::git(revision.commit));
            let uri = revision.remote.map(|remote| format!("git+{remote}"));
            Dependency { uri, ..project }.with("dirty", revision.dirty)
        });
        let resolved = [lock].into_iter().chain(sources).chain(revision).collect();
        Provenance {
            kind: STATEMENT.to_owned(),
            subject,
            predicate_type: PREDICATE.to_owned(),
            predicate: Predicate {
                build_definition: BuildDefinition {
                    build_type: BUILD_TYPE.to_owned(),
                    external_parameters: External {
                        recipe: run.recipe,
                        set: run.set,
                        architecture: run.architecture,
                        only: run.only,
                    },
                    internal_parameters: Internal {
                        source_date_epoch: run.source_date_epoch,
                        mirrors: run.mirrors,
                    },
                    resolved_dependencies: resolved,
                },
                run_details: RunDetails {
                    builder: Builder {
                        id: run.builder,
                        version: BTreeMap::from([("osb".to_owned(), run.osb_version)]),
                    },
                    metadata: Run {
                        started_on: rfc3339(run.started),
                        finished_on: rfc3339(run.finished),
                    },
                },
            },
        }
    }

    /// SHA-256 of the lock, in hexadecimal, if it is told.
    pub fn lock_sha256(&self) -> Option<&str> {
        let resolved = &self.predicate.build_definition.resolved_dependencies;
        let lock = resolved.iter().find(|dependency| dependency.name == LOCK)?;
        lock.digest.0.get("sha256").map(String::as_str)
    }

    /// What was built: names and SHA-256 in hexadecimal.
    pub fn subjects(&self) -> impl Iterator<Item = (&str, &str)> {
        self.subject.iter().map(|subject| {
            let digest = subject.digest.0.get("sha256").map_or("", String::as_str);
            (subject.name.as_str(), digest)
        })
    }
}

/// Where the Release of a suite is; a flat repository's suite is its folder.
fn release_url(base: &str, suite: &str) -> String {
    let base = base.trim_end_matches('/');
    match suite.strip_suffix('/') {
        Some("") => format!("{base}/Release"),
        Some(folder) => format!("{base}/{folder}/Release"),
        None => format!("{base}/dists/{suite}/Release"),
    }
}
