//! From a request to a lock: repositories opened, layers and tools resolved, choices written down.

mod keep;
mod request;

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::thread;

use crate::error::AptError;
use crate::fetch::Fetcher;
use crate::lock::{LOCK_VERSION, Lock, LockedPackage, LockedSource, LockedTool};
use crate::mirror::SourceSpec;
use crate::repository::{Repository, open};
use crate::resolve::{Chosen, Request, ResolveError, resolve};
use crate::universe::Universe;

pub use keep::Forced;
use keep::{Keeping, Scope};
use request::source_inputs;
pub use request::{Drift, LockRequest, Part};

/// What locking is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockEvent {
    /// A source is being fetched and checked.
    Opening {
        /// The source's name.
        source: String,
    },
    /// A source was checked and read.
    Opened {
        /// The source's name.
        source: String,
        /// Its packages for all architectures asked for.
        packages: usize,
    },
    /// A layer or a tool set was resolved.
    Resolved {
        /// Which one, as `layer base` or `tools build for amd64`.
        what: String,
        /// The packages it adds.
        packages: usize,
    },
}

impl fmt::Display for LockEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockEvent::Opening { source } => write!(f, "opening source {source}"),
            LockEvent::Opened { source, packages } => {
                write!(f, "source {source}: {packages} packages")
            }
            LockEvent::Resolved { what, packages } => write!(f, "{what}: {packages} packages"),
        }
    }
}

/// Opens all sources and resolves all layers and tool sets against them, so that everything in one
/// lock comes from one set of Releases. `now` is in seconds since 1970.
///
/// # Errors
/// A source cannot be had or trusted, or a layer or tool set cannot be resolved.
pub fn lock(
    request: &LockRequest,
    fetcher: &Fetcher,
    now: i64,
    progress: &(dyn Fn(LockEvent) + Sync),
) -> Result<Lock, AptError> {
    let mut repositories = open_all(request, fetcher, now, progress)?;
    let mut keeping = Keeping::nothing(request, fetcher, &mut repositories)?;
    make(request, repositories, &mut keeping, progress)
}

/// As [`lock`], but packages stay at the versions that `old` has, except those called as one of
/// `moving`, and those that must move with them. Tells which had to move, and why.
///
/// A version stays only if it can still be had: from a source, or from the cache.
///
/// # Errors
/// As [`lock`].
pub fn relock(
    request: &LockRequest,
    old: &Lock,
    moving: &BTreeSet<String>,
    fetcher: &Fetcher,
    now: i64,
    progress: &(dyn Fn(LockEvent) + Sync),
) -> Result<(Lock, Vec<Forced>), AptError> {
    let mut repositories = open_all(request, fetcher, now, progress)?;
    let mut keeping = Keeping::nothing(request, fetcher, &mut repositories)?;
    keeping.keep(request, old, moving, fetcher, &mut repositories)?;
    let lock = make(request, repositories, &mut keeping, progress)?;
    Ok((lock, keeping.into_forced()))
}

fn make(
    request: &LockRequest,
    repositories: Vec<Repository>,
    keeping: &mut Keeping,
    progress: &(dyn Fn(LockEvent) + Sync),
) -> Result<Lock, AptError> {
    let universe = Universe::new(repositories)?;
    let sources = request.sources.iter().zip(universe.repositories());
    let sources = sources.map(|(source, repository)| LockedSource {
        name: repository.name.clone(),
        suite: repository.suite.clone(),
        inputs: Some(source_inputs(source)),
        release_sha256: repository.release_sha256.clone(),
        date: repository.date,
    });
    let mut lock = Lock {
        version: LOCK_VERSION,
        architecture: request.architecture.clone(),
        inputs: request.inputs_digest(),
        tool_inputs: Some(request.tool_inputs()),
        layers: request.wants(),
        sources: sources.collect(),
        packages: lock_layers(request, &universe, keeping, progress)?,
        artifacts: request.artifacts.clone(),
        tools: lock_tools(request, &universe, keeping, progress)?,
    };
    lock.sort();
    Ok(lock)
}

impl Lock {
    /// The same lock in today's format, for the request that it was made for.
    pub fn upgraded(&self, request: &LockRequest) -> Lock {
        let sources = request.sources.iter().filter_map(|source| {
            let locked = self.sources.iter().find(|locked| locked.name == source.name)?;
            Some(LockedSource { inputs: Some(source_inputs(source)), ..locked.clone() })
        });
        Lock {
            version: LOCK_VERSION,
            tool_inputs: Some(request.tool_inputs()),
            layers: request.wants(),
            sources: sources.collect(),
            artifacts: request.artifacts.clone(),
            ..self.clone()
        }
    }
}

/// Opens the sources at the same time: most of it is waiting for the network.
fn open_all(
    request: &LockRequest,
    fetcher: &Fetcher,
    now: i64,
    progress: &(dyn Fn(LockEvent) + Sync),
) -> Result<Vec<Repository>, AptError> {
    let architectures: BTreeSet<&str> =
        request.hosts.iter().chain([&request.architecture]).map(String::as_str).collect();
    let architectures: Vec<&str> = architectures.into_iter().collect();
    let open_one = |source: &SourceSpec| {
        progress(LockEvent::Opening { source: source.name.clone() });
        let repository = open(source, &architectures, fetcher, now)?;
        let packages = repository.records.len();
        progress(LockEvent::Opened { source: source.name.clone(), packages });
        Ok(repository)
    };
    thread::scope(|scope| {
        let open_one = &open_one;
        let threads: Vec<_> =
            request.sources.iter().map(|source| scope.spawn(move || open_one(source))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// Resolves the layers one upon the other. If that cannot be done with what is kept, it is tried
/// again without what is in the way, from the first layer on: parents decide for their children.
fn lock_layers(
    request: &LockRequest,
    universe: &Universe,
    keeping: &mut Keeping,
    progress: &(dyn Fn(LockEvent) + Sync),
) -> Result<Vec<LockedPackage>, AptError> {
    loop {
        let mut told = Vec::new();
        match try_layers(request, universe, keeping, &mut told) {
            Ok(packages) => {
                told.into_iter().for_each(progress);
                keeping.all_pinned(universe, &packages)?;
                return Ok(packages);
            }
            Err(failure) => {
                let (failed, error) = *failure;
                keeping.release(universe, &Scope::Image, &failed, error)?;
            }
        }
    }
}

fn try_layers(
    request: &LockRequest,
    universe: &Universe,
    keeping: &Keeping,
    told: &mut Vec<LockEvent>,
) -> Result<Vec<LockedPackage>, Box<(Request, ResolveError)>> {
    let mut packages: Vec<LockedPackage> = Vec::new();
    for (number, (layer, wanted)) in request.layers.iter().enumerate() {
        let mut asked = wanted.clone();
        asked.extend(keeping.pinned(layer).filter(|name| !wanted.contains(name)));
        let wanted = Request {
            architecture: request.architecture.clone(),
            packages: asked,
            essential: number == 0,
            favoured: packages.iter().map(|p| (p.name.clone(), p.version.clone())).collect(),
            kept: keeping.kept(&Scope::Image),
        };
        let chosen = match resolve(universe, &wanted) {
            Ok(chosen) => chosen,
            Err(error) => return Err(Box::new((wanted, error))),
        };
        let known: HashSet<String> = packages.iter().map(|p| p.name.clone()).collect();
        let added = chosen.into_iter().filter(|chosen| !known.contains(&chosen.name));
        let before = packages.len();
        packages.extend(added.map(|chosen| locked(chosen, layer)));
        let what = format!("layer {layer}");
        told.push(LockEvent::Resolved { what, packages: packages.len() - before });
    }
    Ok(packages)
}

/// Resolves every tool set for every host: named packages and what they depend on, no more.
fn lock_tools(
    request: &LockRequest,
    universe: &Universe,
    keeping: &mut Keeping,
    progress: &(dyn Fn(LockEvent) + Sync),
) -> Result<Vec<LockedTool>, AptError> {
    let mut tools = Vec::new();
    for (set, wanted) in &request.tool_sets {
        for host in &request.hosts {
            let scope = Scope::Tools(set.clone(), host.clone());
            let chosen = loop {
                let wanted = Request {
                    architecture: host.clone(),
                    packages: wanted.clone(),
                    kept: keeping.kept(&scope),
                    ..Request::default()
                };
                match resolve(universe, &wanted) {
                    Ok(chosen) => break chosen,
                    Err(error) => keeping.release(universe, &scope, &wanted, error)?,
                }
            };
            let what = format!("tools {set} for {host}");
            progress(LockEvent::Resolved { what, packages: chosen.len() });
            tools.extend(chosen.into_iter().map(|chosen| LockedTool {
                set: set.clone(),
                host: host.clone(),
                package: locked(chosen, ""),
            }));
        }
    }
    Ok(tools)
}

fn locked(chosen: Chosen, layer: &str) -> LockedPackage {
    LockedPackage {
        name: chosen.name,
        version: chosen.version,
        architecture: chosen.architecture,
        sha256: chosen.sha256,
        size: chosen.size,
        path: chosen.path,
        source: chosen.source,
        layer: layer.to_owned(),
    }
}
