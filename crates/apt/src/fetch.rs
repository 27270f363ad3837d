//! Fetching: small files into memory, everything else into a cache that is named by digest.
//!
//! ```text
//! <cache>/indices-v1/<sha256>        a Packages index as fetched (still compressed)
//! <cache>/releases-v1/<sha256>       verified InRelease by digest of its URL, for --offline
//! <cache>/debs-v1/<sha256>.deb       a package
//! <cache>/artifacts-v1/<sha256>      a file that a layer pins
//! ```
//!
//! A cache entry appears by rename, after its size and digest were checked while it streamed in,
//! and is hashed again whenever it is used: a damaged entry is fetched anew. An interrupted run
//! leaves at most `.part*` files behind.

mod failure;
mod store;

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::error::AptError;
use failure::Failure;
pub use osb_http::Limits;
use osb_http::{Pace, Transport};

/// A file to fetch into the package cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The package's name, for messages.
    pub name: String,
    /// SHA-256, 64 hexadecimal digits.
    pub sha256: String,
    /// Size in bytes.
    pub size: u64,
    /// Where it is.
    pub url: String,
    /// Whether a layer pins it: no later version takes its place if it is gone.
    pub pinned: bool,
}

/// Where in the cache a file has its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// Packages.
    Packages,
    /// Files that layers pin.
    Artifacts,
}

impl Shelf {
    /// The entry of a file in the cache folder `cache`, by its digest in hexadecimal.
    pub fn path(self, cache: &Path, sha256: &str) -> PathBuf {
        match self {
            Shelf::Packages => cache.join("debs-v1").join(format!("{sha256}.deb")),
            Shelf::Artifacts => cache.join("artifacts-v1").join(sha256),
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Shelf::Packages => "package",
            Shelf::Artifacts => "artifact",
        }
    }
}

/// What happens while [`Fetcher::fetch_all`] works. Events come from several threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchEvent<'a> {
    /// A file is being looked for, in the cache and then on the network.
    Started {
        /// [`Wanted::name`].
        name: &'a str,
        /// [`Wanted::size`].
        size: u64,
    },
    /// So many more bytes are there, from the network or the cache.
    Bytes(u64),
    /// So many bytes that were reported must be fetched again.
    Discarded(u64),
    /// The file is in the cache.
    Finished {
        /// [`Wanted::name`].
        name: &'a str,
        /// Nothing had to be fetched.
        cached: bool,
    },
}

/// The network and the cache.
#[derive(Debug)]
pub struct Fetcher {
    transport: Transport,
    cache: PathBuf,
    cancel: Arc<AtomicBool>,
    offline: bool,
    limits: Limits,
}

impl Fetcher {
    /// Fetches over http, https and file, and caches below `cache`.
    ///
    /// Setting `cancel` ends every transfer with [`AptError::Cancelled`] at its next block. With
    /// `offline` only the cache is used (`file:` URLs are local and stay allowed).
    pub fn new(cache: &Path, cancel: Arc<AtomicBool>, offline: bool) -> Fetcher {
        let limits = Limits::default();
        let transport = Transport::new(&limits);
        Fetcher { transport, cache: cache.to_owned(), cancel, offline, limits }
    }

    /// The same with other bounds for its transfers.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Fetcher {
        self.transport = Transport::new(&limits);
        self.limits = limits;
        self
    }

    /// The cache folder.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Whether only the cache may be used.
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    /// Whether the user has interrupted the work.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Fetches a file of at most `limit` bytes into memory. Nothing about it is verified.
    ///
    /// # Errors
    /// [`AptError::NotFound`], [`AptError::Network`] after all attempts, [`AptError::Size`] when
    /// there is more than `limit`, [`AptError::WebPage`], [`AptError::Offline`],
    /// [`AptError::Cancelled`].
    pub fn get_small(&self, url: &str, limit: u64) -> Result<Vec<u8>, AptError> {
        self.forbid_network("this file", url)?;
        self.retry(url, |_| {
            let mut body = self.transport.open(url, None)?;
            let mut bytes = Vec::new();
            let mut block = vec![0; 16 << 10];
            let begun = Instant::now();
            let mut pace = Pace::new(&self.limits);
            loop {
                self.check_cancelled()?;
                let asked = Instant::now();
                let n = body.read(&mut block)?;
                bytes.extend_from_slice(&block[..n]);
                if n == 0 && osb_http::is_web_page(&bytes) {
                    return Err(AptError::WebPage { url: url.to_owned() }.into());
                }
                if n == 0 {
                    return Ok(bytes);
                }
                pace.count(n, asked).map_err(Failure::Transient)?;
                if begun.elapsed() > self.limits.small {
                    let seconds = self.limits.small.as_secs_f64();
                    return Err(Failure::Transient(format!("it took more than {seconds:.1} s")));
                }
                if bytes.len() as u64 > limit {
                    return Err(Failure::Final(AptError::Size {
                        what: "this file".to_owned(),
                        url: url.to_owned(),
                        expected: limit,
                        actual: "more".to_owned(),
                    }));
                }
            }
        })
    }

    /// Brings every wanted file into the cache, `jobs` at a time, and gives their paths in order.
    ///
    /// # Errors
    /// The first failure stops the rest. A file that the server does not have is
    /// [`AptError::Vanished`], or [`AptError::NotFound`] if it is pinned; other bytes than wanted are [`AptError::Digest`] or
    /// [`AptError::Size`].
    pub fn fetch_all(
        &self,
        wanted: &[Wanted],
        jobs: usize,
        progress: &(dyn Fn(FetchEvent<'_>) + Sync),
    ) -> Result<Vec<PathBuf>, AptError> {
        self.fetch_to(Shelf::Packages, wanted, jobs, progress)
    }

    /// As [`Fetcher::fetch_all`], for files that are no packages.
    ///
    /// # Errors
    /// As [`Fetcher::fetch_all`].
    pub fn fetch_artifacts(
        &self,
        wanted: &[Wanted],
        jobs: usize,
        progress: &(dyn Fn(FetchEvent<'_>) + Sync),
    ) -> Result<Vec<PathBuf>, AptError> {
        self.fetch_to(Shelf::Artifacts, wanted, jobs, progress)
    }

    fn fetch_to(
        &self,
        shelf: Shelf,
        wanted: &[Wanted],
        jobs: usize,
        progress: &(dyn Fn(FetchEvent<'_>) + Sync),
    ) -> Result<Vec<PathBuf>, AptError> {
        // The largest first, so that no long transfer is left over at the end; each digest once.
        let mut order: Vec<usize> = (0..wanted.len()).collect();
        order.sort_by_key(|&i| (std::cmp::Reverse(wanted[i].size), i));
        let mut seen = std::collections::HashSet::new();
        order.retain(|&i| seen.insert(wanted[i].sha256.to_ascii_lowercase()));

        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let results = Mutex::new(HashMap::new());
        let failure: Mutex<Option<AptError>> = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..jobs.clamp(1, order.len().max(1)) {
                scope.spawn(|| {
                    while let Some(&i) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        match self.fetch_one(shelf, &wanted[i], progress) {
                            Ok(path) => {
                                lock(&results).insert(wanted[i].sha256.to_ascii_lowercase(), path);
                            }
                            Err(error) => {
                                stop.store(true, Ordering::Relaxed);
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
        let results = lock(&results);
        // Without a failure every digest has its path.
        Ok(wanted
            .iter()
            .filter_map(|w| results.get(&w.sha256.to_ascii_lowercase()).cloned())
            .collect())
    }

    fn fetch_one(
        &self,
        shelf: Shelf,
        wanted: &Wanted,
        progress: &(dyn Fn(FetchEvent<'_>) + Sync),
    ) -> Result<PathBuf, AptError> {
        progress(FetchEvent::Started { name: &wanted.name, size: wanted.size });
        let entry = store::Entry::new(
            format!("{} {}", shelf.noun(), wanted.name),
            &wanted.sha256,
            wanted.size,
            &wanted.url,
        )?;
        let path = shelf.path(&self.cache, &entry.hex());
        let cached = entry.is_good(&path, self)?;
        if cached {
            progress(FetchEvent::Bytes(wanted.size));
        } else {
            self.download(&entry, &path, progress).map_err(|error| match error {
                AptError::NotFound { url } if !wanted.pinned => {
                    AptError::Vanished { name: wanted.name.clone(), url }
                }
                other => other,
            })?;
        }
        progress(FetchEvent::Finished { name: &wanted.name, cached });
        Ok(path)
    }

    /// Brings an index into the cache, from the first of `urls` that exists.
    pub(crate) fn fetch_index(
        &self,
        what: &str,
        urls: &[String],
        sha256: &str,
        size: u64,
    ) -> Result<PathBuf, AptError> {
        let mut missing = None;
        for url in urls {
            let entry = store::Entry::new(what.to_owned(), sha256, size, url)?;
            let path = self.cache.join("indices-v1").join(entry.hex());
            if entry.is_good(&path, self)? {
                return Ok(path);
            }
            match self.download(&entry, &path, &|_| {}) {
                Ok(()) => return Ok(path),
                Err(error @ AptError::NotFound { .. }) => missing = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(missing.unwrap_or_else(|| AptError::NotFound { url: what.to_owned() }))
    }

    /// Keeps a small file for [`Fetcher::recall`]; `key` is its URL.
    pub(crate) fn remember(&self, key: &str, bytes: &[u8]) -> Result<(), AptError> {
        store::write(&self.remembered(key), bytes)
    }

    /// A small file that was kept earlier.
    pub(crate) fn recall(&self, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.remembered(key)).ok()
    }

    fn remembered(&self, key: &str) -> PathBuf {
        let name = osb_checksum::to_hex(&osb_checksum::sha256(key.as_bytes()));
        self.cache.join("releases-v1").join(name)
    }

    fn forbid_network(&self, what: &str, url: &str) -> Result<(), AptError> {
        if self.offline && !url.starts_with("file:") {
            return Err(AptError::Offline { what: what.to_owned(), url: url.to_owned() });
        }
        Ok(())
    }

    fn check_cancelled(&self) -> Result<(), AptError> {
        if self.is_cancelled() { Err(AptError::Cancelled) } else { Ok(()) }
    }

    /// Repeats `attempt` after transient failures, with growing pauses.
    fn retry<T>(
        &self,
        url: &str,
        mut attempt: impl FnMut(u32) -> Result<T, Failure>,
    ) -> Result<T, AptError> {
        let mut pause = self.limits.pause;
        let mut number = 0;
        loop {
            self.check_cancelled()?;
            match attempt(number) {
                Ok(value) => return Ok(value),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Transient(reason)) => {
                    number += 1;
                    if number >= self.limits.attempts {
                        let url = url.to_owned();
                        return Err(AptError::Network { url, attempts: number, reason });
                    }
                }
            }
            let end = Instant::now() + pause;
            while let Some(left) = end.checked_duration_since(Instant::now()) {
                self.check_cancelled()?;
                std::thread::sleep(left.min(Duration::from_millis(50)));
            }
            pause = pause.saturating_mul(2);
        }
    }
}

/// A panic of another worker is that worker's to report: the data behind the lock stays sound.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
