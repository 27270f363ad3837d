//! Which packages stay at the versions that an older lock has.
//!
//! An archive keeps only the newest version of a package, and an index describes no other. What is
//! needed to resolve an older one (dependencies, conflicts, what it provides) is in the package
//! itself, so it is read from there: from the .deb in the cache, or from where the lock says that
//! it was. A version whose .deb is nowhere cannot be built either: it is not kept.
//!
//! Packages that a layer pins by URL and digest are treated in the same way: no index has them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::LockRequest;
use crate::deb::Deb;
use crate::error::AptError;
use crate::fetch::{Fetcher, Wanted};
use crate::index::Record;
use crate::lock::{ARTIFACT_SOURCE, Lock, LockedArtifact, LockedPackage};
use crate::repository::{Repository, join_url};
use crate::resolve::{Request, ResolveError, stuck};
use crate::universe::Universe;

/// So many packages are asked for at once; most answers are that there is no such file.
const ASKED_AT_ONCE: usize = 8;

/// A package that was to stay and had to move.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Forced {
    /// The package.
    pub name: String,
    /// The tool set and the host architecture, if it is a tool.
    pub tool: Option<(String, String)>,
    /// What made it move.
    pub why: String,
}

/// What is resolved by itself: the image, or one tool set for one host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    Image,
    Tools(String, String),
}

/// The packages that stay, by scope and name, with their digests.
#[derive(Default)]
pub(super) struct Keeping {
    kept: BTreeMap<Scope, BTreeMap<String, String>>,
    /// Those of the image that a layer pins: layer, name, digest. They never move.
    pinned: Vec<(String, String, String)>,
    forced: BTreeSet<Forced>,
}

impl Keeping {
    /// Keeps no older version; what layers pin is added to the repositories.
    pub(super) fn nothing(
        request: &LockRequest,
        fetcher: &Fetcher,
        repositories: &mut Vec<Repository>,
    ) -> Result<Keeping, AptError> {
        let mut keeping = Keeping::default();
        let mut records = Vec::new();
        for LockedArtifact { layer, url, sha256, size } in &request.debs {
            let name = url.rsplit('/').next().unwrap_or(url).to_owned();
            let wanted = Wanted {
                name,
                sha256: sha256.clone(),
                size: *size,
                url: url.clone(),
                pinned: true,
            };
            let record = read(fetcher, &wanted, url)?;
            let architecture = record.architecture.clone();
            if architecture != "all" && architecture != request.architecture {
                let (url, wanted) = (url.clone(), request.architecture.clone());
                return Err(AptError::OtherArchitecture { url, architecture, wanted });
            }
            let other = records
                .iter()
                .find(|known: &&Record| known.name == record.name && known.sha256 != record.sha256);
            if let Some(other) = other {
                return Err(AptError::Resolve(ResolveError::TwoVersions {
                    name: record.name.clone(),
                    first: format!("{} ({})", other.version, other.filename),
                    second: format!("{} ({})", record.version, record.filename),
                }));
            }
            keeping.pinned.push((layer.clone(), record.name.clone(), sha256.clone()));
            records.push(record);
        }
        repositories.push(Repository {
            name: ARTIFACT_SOURCE.to_owned(),
            base: String::new(),
            suite: String::new(),
            // Never taken because of its version: tools must not come from here.
            priority: -1,
            pins: Vec::new(),
            release_sha256: String::new(),
            date: 0,
            signed_by: String::new(),
            records,
        });
        Ok(keeping)
    }

    /// Keeps what `old` has, but for the names in `moving`, as far as it can still be had; adds to
    /// the repositories what their indices no longer list.
    pub(super) fn keep(
        &mut self,
        request: &LockRequest,
        old: &Lock,
        moving: &BTreeSet<String>,
        fetcher: &Fetcher,
        repositories: &mut [Repository],
    ) -> Result<(), AptError> {
        let image = old.packages.iter().map(|package| (Scope::Image, package));
        let tools = old
            .tools
            .iter()
            .map(|tool| (Scope::Tools(tool.set.clone(), tool.host.clone()), &tool.package));
        let mut missing: BTreeMap<&str, (&LockedPackage, Vec<Scope>)> = BTreeMap::new();
        for (scope, package) in image.chain(tools) {
            // What a layer pinned is pinned still, or is no longer wanted.
            if moving.contains(&package.name) || package.source == ARTIFACT_SOURCE {
                continue;
            }
            let repository = repositories.iter().find(|known| known.name == package.source);
            let Some(repository) = repository else {
                let why = format!("the recipe no longer has the source {}", package.source);
                self.force(&scope, &package.name, &why);
                continue;
            };
            let listed = repository.records.iter().any(|record| record.sha256 == package.sha256);
            if listed {
                self.add(scope, package);
            } else {
                missing.entry(&package.sha256).or_insert((package, Vec::new())).1.push(scope);
            }
        }
        for ((package, scopes), record) in find(request, fetcher, missing.into_values())? {
            let repository = repositories.iter_mut().find(|known| known.name == package.source);
            match (record, repository) {
                (Ok(record), Some(repository)) => {
                    repository.records.push(record);
                    scopes.into_iter().for_each(|scope| self.add(scope, package));
                }
                (record, _) => {
                    let why = record.err().unwrap_or_default();
                    scopes.iter().for_each(|scope| self.force(scope, &package.name, &why));
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, scope: Scope, package: &LockedPackage) {
        let kept = self.kept.entry(scope).or_default();
        kept.insert(package.name.clone(), package.sha256.clone());
    }

    fn force(&mut self, scope: &Scope, name: &str, why: &str) {
        let tool = match scope {
            Scope::Image => None,
            Scope::Tools(set, host) => Some((set.clone(), host.clone())),
        };
        self.forced.insert(Forced { name: name.to_owned(), tool, why: why.to_owned() });
    }

    /// What is kept in a scope, for a request.
    pub(super) fn kept(&self, scope: &Scope) -> BTreeMap<String, String> {
        let mut kept = self.kept.get(scope).cloned().unwrap_or_default();
        if *scope == Scope::Image {
            kept.extend(self.pinned.iter().map(|(_, name, sha256)| (name.clone(), sha256.clone())));
        }
        kept
    }

    /// The names of the packages that a layer pins.
    pub(super) fn pinned(&self, layer: &str) -> impl Iterator<Item = String> {
        let own = self.pinned.iter().filter(move |(of, ..)| of == layer);
        own.map(|(_, name, _)| name.clone())
    }

    /// Every package that a layer pins is among those chosen.
    ///
    /// # Errors
    /// Another version of it is, because a layer asks for that by number.
    pub(super) fn all_pinned(
        &self,
        universe: &Universe,
        chosen: &[LockedPackage],
    ) -> Result<(), ResolveError> {
        let repositories = universe.repositories().iter();
        let records = repositories.filter(|known| known.name == ARTIFACT_SOURCE);
        for pinned in records.flat_map(|repository| &repository.records) {
            let other = chosen.iter().find(|p| p.name == pinned.name && p.sha256 != pinned.sha256);
            if let Some(other) = other {
                return Err(ResolveError::TwoVersions {
                    name: pinned.name.clone(),
                    first: format!("{} ({})", pinned.version, pinned.filename),
                    second: format!("{} (layer {})", other.version, other.layer),
                });
            }
        }
        Ok(())
    }

    /// Lets move what stands in the way of a request that failed.
    ///
    /// # Errors
    /// Nothing that is kept does: the `error` of the request.
    pub(super) fn release(
        &mut self,
        universe: &Universe,
        scope: &Scope,
        failed: &Request,
        error: ResolveError,
    ) -> Result<(), AptError> {
        let mut found = stuck(universe, failed);
        let kept = self.kept.entry(scope.clone()).or_default();
        found.retain(|name, _| kept.contains_key(name));
        if found.is_empty() {
            // Another version is asked for by number, or the reason is out of sight.
            let named = |name: &String| match &error {
                ResolveError::TwoVersions { name: wanted, .. } => name == wanted,
                _ => true,
            };
            let names = kept.keys().filter(|name| named(name)).cloned();
            found = names.map(|name| (name, "the packages fit in no other way".into())).collect();
        }
        if found.is_empty() {
            return Err(error.into());
        }
        for (name, why) in found {
            if let Some(kept) = self.kept.get_mut(scope) {
                kept.remove(&name);
            }
            self.force(scope, &name, &why);
        }
        Ok(())
    }

    pub(super) fn into_forced(self) -> Vec<Forced> {
        self.forced.into_iter().collect()
    }
}

/// A package that no index lists, described by itself.
fn read(fetcher: &Fetcher, wanted: &Wanted, filename: &str) -> Result<Record, AptError> {
    let files = fetcher.fetch_all(std::slice::from_ref(wanted), 1, &|_| {})?;
    let path = files.into_iter().next().unwrap_or_default();
    let control = Deb::open(&path)?.control()?;
    Record::from_control(&control, filename, wanted.size, &wanted.sha256)
}

type Missing<'a> = (&'a LockedPackage, Vec<Scope>);
/// A record, or why there is none.
type Found = Result<Record, String>;

/// The records of packages that no index lists; of those that cannot be had, why.
fn find<'a>(
    request: &LockRequest,
    fetcher: &Fetcher,
    missing: impl Iterator<Item = Missing<'a>>,
) -> Result<Vec<(Missing<'a>, Found)>, AptError> {
    let missing: Vec<Missing> = missing.collect();
    let found: Vec<Mutex<Found>> = missing.iter().map(|_| Mutex::new(Err(String::new()))).collect();
    let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
    let look = |package: &LockedPackage| {
        let source = request.sources.iter().find(|source| source.name == package.source);
        let wanted = Wanted {
            name: format!("{} {}", package.name, package.version),
            sha256: package.sha256.clone(),
            size: package.size,
            url: join_url(source.map_or("", |source| &source.base), &package.path),
            pinned: false,
        };
        match read(fetcher, &wanted, &package.path) {
            Ok(record) => Ok(Ok(record)),
            Err(AptError::Offline { .. }) => Ok(Err(format!(
                "the cache does not have {}, and --offline forbids to ask the archive",
                package.version
            ))),
            // Something else is there now, or nothing: it is gone either way.
            Err(AptError::Vanished { .. } | AptError::Digest { .. } | AptError::Size { .. }) => {
                let version = &package.version;
                Ok(Err(format!("neither the archive nor the cache has {version} any more")))
            }
            Err(error) => Err(error),
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..ASKED_AT_ONCE.min(missing.len()) {
            scope.spawn(|| {
                while let Some(index) = Some(next.fetch_add(1, Ordering::Relaxed))
                    .filter(|index| *index < missing.len())
                {
                    match look(missing[index].0) {
                        Ok(record) => *lock(&found[index]) = record,
                        Err(error) => {
                            next.store(missing.len(), Ordering::Relaxed);
                            lock(&failure).get_or_insert(error);
                        }
                    }
                }
            });
        }
    });
    if let Some(error) = lock(&failure).take() {
        return Err(error);
    }
    let records = found
        .into_iter()
        .map(|slot| slot.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner));
    Ok(missing.into_iter().zip(records).collect())
}

/// A panic of another thread is that thread's to report.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
