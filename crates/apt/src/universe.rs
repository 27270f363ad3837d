//! All packages of all repositories, and apt's policy for choosing one version of each name.
//!
//! apt_preferences(5): of the versions of a package the one with the highest priority is the
//! *candidate*; among equal priorities the highest version. Nothing else is ever installed unless
//! a version is asked for by number. Priorities come from the source, and from its pins for the
//! names that a pin's pattern matches.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::index::{MultiArch, Record};
use crate::relation::{Relation, parse_relations};
use crate::repository::Repository;
use crate::resolve::ResolveError;
use crate::version::Version;

/// Where a record is: the number of its repository, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RecordId {
    repository: u32,
    record: u32,
}

/// A package that provides a virtual name.
#[derive(Clone, Debug)]
struct Provider {
    id: RecordId,
    /// The version provided, if one is given.
    version: Option<Version>,
}

/// The packages of several repositories.
pub struct Universe {
    repositories: Vec<Repository>,
    by_name: HashMap<String, Vec<RecordId>>,
    providers: HashMap<String, Vec<Provider>>,
    /// Priorities of records whose name a pin matches; all others have their source's.
    pinned: HashMap<RecordId, i32>,
}

impl Universe {
    /// Indexes the packages of `repositories`; of equal packages those of the first one are taken.
    ///
    /// # Errors
    /// A `Provides` field that cannot be read.
    pub fn new(repositories: Vec<Repository>) -> Result<Universe, ResolveError> {
        let mut by_name: HashMap<String, Vec<RecordId>> = HashMap::new();
        let mut providers: HashMap<String, Vec<Provider>> = HashMap::new();
        let mut pinned = HashMap::new();
        for (number, repository) in repositories.iter().enumerate() {
            for (index, record) in repository.records.iter().enumerate() {
                let id = RecordId { repository: number as u32, record: index as u32 };
                match by_name.get_mut(&record.name) {
                    Some(ids) => ids.push(id),
                    None => drop(by_name.insert(record.name.clone(), vec![id])),
                }
                let matching = repository
                    .pins
                    .iter()
                    .filter(|pin| glob_match::glob_match(&pin.pattern, &record.name))
                    .map(|pin| pin.priority);
                if let Some(priority) = matching.max() {
                    pinned.insert(id, priority);
                }
                if record.provides.is_empty() {
                    continue;
                }
                let groups = parse_relations(&record.provides)
                    .map_err(|e| ResolveError::relation(repository, record, "Provides", e))?;
                for relation in groups.into_iter().flatten() {
                    // Policy 7.5: only "=" has a meaning in Provides.
                    let version = relation.version.map(|(_, version)| version);
                    providers.entry(relation.name).or_default().push(Provider { id, version });
                }
            }
        }
        Ok(Universe { repositories, by_name, providers, pinned })
    }

    /// The repositories, in the order given.
    pub fn repositories(&self) -> &[Repository] {
        &self.repositories
    }

    /// The version of `name` that apt would install on `architecture`, with its repository.
    pub fn candidate(&self, name: &str, architecture: &str) -> Option<(&Repository, &Record)> {
        self.candidate_id(name, architecture).map(|id| (self.repository(id), self.record(id)))
    }

    /// Up to three names for `architecture` that `name` could have meant: first those with few
    /// letters changed, then those that go on after it, as `linux-image-arm64`.
    pub fn nearest_names(&self, name: &str, architecture: &str) -> Vec<&str> {
        let near = (name.len() / 3).max(2);
        let mut scored: Vec<(usize, &str)> = self
            .by_name
            .iter()
            .filter(|(known, _)| {
                known.len().abs_diff(name.len()) <= near || known.starts_with(name)
            })
            .filter(|(_, ids)| ids.iter().any(|id| self.is_for(*id, architecture)))
            .map(|(known, _)| (strsim::damerau_levenshtein(name, known), known.as_str()))
            .filter(|(distance, known)| {
                // Two letters of three in common mean nothing.
                *distance <= near && *distance * 2 < name.len() || known.starts_with(name)
            })
            .collect();
        scored.sort_unstable();
        scored.into_iter().take(3).map(|(_, known)| known).collect()
    }

    pub(crate) fn repository(&self, id: RecordId) -> &Repository {
        &self.repositories[id.repository as usize]
    }

    pub(crate) fn record(&self, id: RecordId) -> &Record {
        &self.repositories[id.repository as usize].records[id.record as usize]
    }

    /// As [`Universe::candidate`].
    pub(crate) fn candidate_id(&self, name: &str, architecture: &str) -> Option<RecordId> {
        let ids = self.by_name.get(name)?.iter().copied();
        ids.filter(|id| self.is_for(*id, architecture) && self.priority(*id) >= 0).max_by(|a, b| {
            let (x, y) = (self.record(*a), self.record(*b));
            (self.priority(*a).cmp(&self.priority(*b)))
                .then_with(|| x.version.cmp(&y.version))
                // The first source wins, and a native package before one for all architectures.
                .then_with(|| Reverse(a.repository).cmp(&Reverse(b.repository)))
                .then_with(|| (y.architecture == "all").cmp(&(x.architecture == "all")))
                .then_with(|| Reverse(a.record).cmp(&Reverse(b.record)))
        })
    }

    /// The package of exactly this version, from the source with the highest priority.
    pub(crate) fn exact(&self, name: &str, version: &str, architecture: &str) -> Option<RecordId> {
        let ids = self.by_name.get(name)?.iter().copied();
        ids.filter(|id| self.is_for(*id, architecture))
            .filter(|id| self.record(*id).version.as_str() == version)
            .max_by_key(|id| (self.priority(*id), Reverse(*id)))
    }

    /// The package of this name with exactly these bytes, if it is for `architecture`.
    pub(crate) fn by_digest(
        &self,
        name: &str,
        sha256: &str,
        architecture: &str,
    ) -> Option<RecordId> {
        let mut ids = self.by_name.get(name)?.iter().copied();
        ids.find(|id| self.is_for(*id, architecture) && self.record(*id).sha256 == sha256)
    }

    /// All versions of a name for an architecture, newest first, for messages.
    pub(crate) fn versions(&self, name: &str, architecture: &str) -> Vec<&Version> {
        let ids = self.by_name.get(name).map_or(&[][..], Vec::as_slice);
        let fitting = ids.iter().filter(|id| self.is_for(**id, architecture));
        let mut versions: Vec<_> = fitting.map(|id| &self.record(*id).version).collect();
        versions.sort_by(|a, b| b.cmp(a));
        versions.dedup();
        versions
    }

    /// All names, in no particular order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The packages, of any version, that provide what `relation` names. The provided version
    /// counts, not the package's (Policy 7.5); without one no versioned relation is fulfilled.
    pub(crate) fn providers(&self, relation: &Relation) -> impl Iterator<Item = RecordId> {
        let all = self.providers.get(&relation.name).map_or(&[][..], Vec::as_slice);
        all.iter()
            .filter(|provider| match (&relation.version, &provider.version) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(_), Some(version)) => relation.accepts(version),
            })
            .map(|provider| provider.id)
    }

    /// Whether a package satisfies the qualifier of a relation on a system of one architecture.
    pub(crate) fn qualifies(&self, id: RecordId, relation: &Relation, architecture: &str) -> bool {
        match relation.qualifier.as_deref() {
            None | Some("native") => true,
            // deb-control(5): only packages that say so may serve any architecture.
            Some("any") => self.record(id).multi_arch == MultiArch::Allowed,
            Some(other) => other == architecture,
        }
    }

    fn is_for(&self, id: RecordId, architecture: &str) -> bool {
        let own = &self.record(id).architecture;
        own == architecture || own == "all"
    }

    fn priority(&self, id: RecordId) -> i32 {
        self.pinned.get(&id).copied().unwrap_or_else(|| self.repository(id).priority)
    }
}
