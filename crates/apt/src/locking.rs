//! From a request to a lock: repositories opened, layers and tools resolved, choices written down.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::thread;

use osb_checksum::{sha256, to_hex};

use crate::error::AptError;
use crate::fetch::Fetcher;
use crate::lock::{LOCK_VERSION, Lock, LockedPackage, LockedSource, LockedTool};
use crate::mirror::SourceSpec;
use crate::repository::{Repository, open};
use crate::resolve::{Chosen, Request, resolve};
use crate::universe::Universe;

/// What has to be locked.
#[derive(Clone, Debug)]
pub struct LockRequest {
    /// The sources; of equal packages those of the first one are taken.
    pub sources: Vec<SourceSpec>,
    /// The image's Debian architecture.
    pub architecture: String,
    /// Layers by name with their packages, parents first. The first one also gets everything that
    /// is `Essential: yes`; each keeps what those before it chose.
    pub layers: Vec<(String, Vec<String>)>,
    /// Sets of tools by name, with their packages.
    pub tool_sets: Vec<(String, Vec<String>)>,
    /// The Debian architectures of building machines, for which tools are locked.
    pub hosts: Vec<String>,
}

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

impl LockRequest {
    /// A digest over everything that decides what a lock holds, in hexadecimal: a lock with another
    /// one was made for another request.
    ///
    /// Mirrors do not count ([`SourceSpec::mirrored`]); other URLs do: one key may sign several
    /// repositories with suites of one name.
    pub fn inputs_digest(&self) -> String {
        let mut text = Canonical(String::from("osb lock inputs 1\n"));
        text.item("architecture", [&self.architecture]);
        for source in &self.sources {
            text.item("source", [&source.name, &source.suite]);
            if !source.mirrored {
                text.item("base", [source.base.trim_end_matches('/')]);
            }
            text.item("components", &source.components);
            // The certificate may be fetched anew with other signatures; the fingerprint stays.
            let spelled = |fingerprint: &str| -> String {
                fingerprint.split_whitespace().collect::<String>().to_ascii_uppercase()
            };
            let keys: BTreeSet<String> =
                source.keys.iter().map(|key| spelled(&key.fingerprint)).collect();
            text.item("keys", &keys);
            text.item("priority", [source.priority.to_string()]);
            for pin in &source.pins {
                text.item("pin", [&pin.pattern, &pin.priority.to_string()]);
            }
        }
        for (name, packages) in &self.layers {
            text.item("layer", [name]);
            text.item("packages", packages);
        }
        for (name, packages) in &self.tool_sets {
            text.item("tools", [name]);
            text.item("packages", packages);
        }
        text.item("hosts", &self.hosts);
        to_hex(&sha256(text.0.as_bytes()))
    }
}

/// Text in which different lists never look alike: every word carries its length.
struct Canonical(String);

impl Canonical {
    fn item(&mut self, name: &str, words: impl IntoIterator<Item = impl AsRef<str>>) {
        self.0.push_str(name);
        for word in words {
            let word = word.as_ref();
            self.0.push_str(&format!(" {}:{word}", word.len()));
        }
        self.0.push('\n');
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
    let universe = Universe::new(open_all(request, fetcher, now, progress)?)?;
    let sources = universe.repositories().iter().map(|repository| LockedSource {
        name: repository.name.clone(),
        suite: repository.suite.clone(),
        release_sha256: repository.release_sha256.clone(),
        date: repository.date,
    });
    let mut lock = Lock {
        version: LOCK_VERSION,
        architecture: request.architecture.clone(),
        inputs: request.inputs_digest(),
        sources: sources.collect(),
        packages: lock_layers(request, &universe, progress)?,
        tools: lock_tools(request, &universe, progress)?,
    };
    lock.sort();
    Ok(lock)
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

/// Resolves the layers one upon the other.
fn lock_layers(
    request: &LockRequest,
    universe: &Universe,
    progress: &(dyn Fn(LockEvent) + Sync),
) -> Result<Vec<LockedPackage>, AptError> {
    let mut packages: Vec<LockedPackage> = Vec::new();
    for (number, (layer, wanted)) in request.layers.iter().enumerate() {
        let favoured = packages.iter().map(|p| (p.name.clone(), p.version.clone())).collect();
        let chosen = resolve(
            universe,
            &Request {
                architecture: request.architecture.clone(),
                packages: wanted.clone(),
                essential: number == 0,
                favoured,
            },
        )?;
        let known: HashSet<String> = packages.iter().map(|p| p.name.clone()).collect();
        let added = chosen.into_iter().filter(|chosen| !known.contains(&chosen.name));
        let before = packages.len();
        packages.extend(added.map(|chosen| locked(chosen, layer)));
        let what = format!("layer {layer}");
        progress(LockEvent::Resolved { what, packages: packages.len() - before });
    }
    Ok(packages)
}

/// Resolves every tool set for every host: named packages and what they depend on, no more.
fn lock_tools(
    request: &LockRequest,
    universe: &Universe,
    progress: &(dyn Fn(LockEvent) + Sync),
) -> Result<Vec<LockedTool>, AptError> {
    let mut tools = Vec::new();
    for (set, wanted) in &request.tool_sets {
        for host in &request.hosts {
            let chosen = resolve(
                universe,
                &Request {
                    architecture: host.clone(),
                    packages: wanted.clone(),
                    ..Request::default()
                },
            )?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::{KeySpec, Pin};

    fn request() -> LockRequest {
        let source = |name: &str, base: &str, suite: &str| SourceSpec {
            name: name.into(),
            base: base.into(),
            mirrored: name == "debian",
            suite: suite.into(),
            components: vec!["main".into()],
            keys: vec![KeySpec { fingerprint: "AB CD".into(), material: vec![1] }],
            priority: 500,
            pins: vec![Pin { pattern: "linux-*".into(), priority: 990 }],
        };
        LockRequest {
            sources: vec![
                source("debian", "http://a.example/debian", "trixie"),
                source("flat", "http://a.example/v1.35/deb", "/"),
            ],
            architecture: "arm64".into(),
            layers: vec![("base".into(), vec!["apt".into(), "curl".into()])],
            tool_sets: vec![("build".into(), vec!["dash".into()])],
            hosts: vec!["amd64".into()],
        }
    }

    #[test]
    fn mirrors_and_spelling_do_not_change_the_inputs() {
        let digest = request().inputs_digest();
        assert_eq!(digest.len(), 64);
        let mut other = request();
        other.sources[0].base = "file:///srv/mirror".into();
        other.sources[1].base.push('/');
        other.sources[0].keys[0] = KeySpec { fingerprint: "abcd".into(), material: vec![2] };
        assert_eq!(other.inputs_digest(), digest);
    }

    #[test]
    fn everything_else_changes_the_inputs() {
        let changes: [fn(&mut LockRequest); 13] = [
            |r| r.architecture = "amd64".into(),
            |r| r.sources[1].base = "http://a.example/v1.36/deb".into(),
            |r| r.sources[0].mirrored = false,
            |r| r.sources[0].suite = "sid".into(),
            |r| r.sources[0].components.clear(),
            |r| r.sources[0].keys[0].fingerprint = "EF".into(),
            |r| r.sources[0].priority = 100,
            |r| r.sources[0].pins.clear(),
            |r| r.sources.swap(0, 1),
            |r| r.layers[0].1 = vec!["aptcurl".into()],
            |r| r.layers[0].1 = vec!["apt curl".into()],
            |r| r.tool_sets[0].1.push("bash".into()),
            |r| r.hosts.push("arm64".into()),
        ];
        let mut seen = HashSet::from([request().inputs_digest()]);
        for (number, change) in changes.iter().enumerate() {
            let mut changed = request();
            change(&mut changed);
            assert!(seen.insert(changed.inputs_digest()), "{number}");
        }
    }
}
