//! What the integration tests share.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use osb_apt::{AptError, Fetcher, KeySpec, Limits, Repository, SourceSpec};
use osb_testrepo::{Key, NOW};

/// The bounds of tests: three attempts, short pauses, and as much patience as a busy machine
/// needs.
pub(crate) fn limits() -> Limits {
    Limits { attempts: 3, pause: Duration::from_millis(1), ..Limits::default() }
}

/// A fetcher with short pauses.
pub(crate) fn fetcher(cache: &Path) -> Fetcher {
    Fetcher::new(cache, Arc::default(), false).with_limits(limits())
}

/// A source named "test" that trusts one key.
pub(crate) fn source(base: &str, suite: &str, key: &Key) -> SourceSpec {
    let components = if suite.ends_with('/') { vec![] } else { vec!["main".to_owned()] };
    SourceSpec {
        name: "test".to_owned(),
        base: base.to_owned(),
        mirrored: false,
        suite: suite.to_owned(),
        components,
        keys: vec![KeySpec { fingerprint: key.fingerprint(), material: key.certificate() }],
        priority: 500,
        pins: vec![],
    }
}

/// Opens a source for arm64 with a cache of its own.
pub(crate) fn open(source: &SourceSpec) -> Result<Repository, AptError> {
    let cache = tempfile::tempdir().unwrap();
    osb_apt::open(source, &["arm64"], &fetcher(cache.path()), NOW)
}

/// Names and architectures of the records.
pub(crate) fn names(repository: &Repository) -> Vec<String> {
    repository.records.iter().map(|r| format!("{}:{}", r.name, r.architecture)).collect()
}
