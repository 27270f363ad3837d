//! Why no set of packages could be picked.

use crate::index::Record;
use crate::relation::RelationError;
use crate::repository::Repository;

/// Why a request could not be resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// No source has a package of this name.
    #[error("no source has a package {name:?} for {architecture}")]
    Missing {
        /// The name asked for.
        name: String,
        /// For this architecture.
        architecture: String,
        /// Names that look like it, the most similar first, for a hint.
        nearest: Vec<String>,
    },
    /// A virtual name does not say which package is wanted.
    #[error("{name:?} is a virtual package; name one of its providers: {}", providers.join(", "))]
    Virtual {
        /// The name asked for.
        name: String,
        /// The packages that provide it.
        providers: Vec<String>,
    },
    /// The package exists, but not in the version asked for.
    #[error("no source has {name} {version} for {architecture}; there is: {}", available.join(", "))]
    NoSuchVersion {
        /// The package.
        name: String,
        /// The version asked for.
        version: String,
        /// For this architecture.
        architecture: String,
        /// The versions there are, newest first.
        available: Vec<String>,
    },
    /// One package is wanted in two versions.
    #[error("{name} is wanted in version {first} and in version {second}")]
    TwoVersions {
        /// The package.
        name: String,
        /// One version.
        first: String,
        /// The other one.
        second: String,
    },
    /// The needs of the packages contradict each other.
    #[error("no set of packages fulfils the request:\n{reason}")]
    Unsatisfiable {
        /// Which package needs what, and why that cannot be; one indented line each.
        reason: String,
    },
    /// An index holds a relation that cannot be read.
    #[error("source {repository:?}: package {package}, field {field}: {error}")]
    Relation {
        /// The source's name.
        repository: String,
        /// Name and version of the package.
        package: String,
        /// The field.
        field: &'static str,
        /// What is wrong.
        error: Box<RelationError>,
    },
}

impl ResolveError {
    pub(crate) fn relation(
        repository: &Repository,
        record: &Record,
        field: &'static str,
        error: RelationError,
    ) -> ResolveError {
        ResolveError::Relation {
            repository: repository.name.clone(),
            package: format!("{} {}", record.name, record.version),
            field,
            error: Box::new(error),
        }
    }
}
