//! Fetching packages: the cache, resumed transfers, and servers that misbehave.

// Helpers of tests are not #[test] functions, and have nothing better to do than panic.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::fetcher;
use osb_apt::{AptError, FetchEvent, Fetcher, Kind, Limits, Wanted};
use osb_testrepo::{Fault, Server, TestRepo, serve};

/// Bytes that differ from place to place, so that a misplaced part is noticed.
fn content(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|i| (i / 251) as u8 ^ (i as u8).wrapping_mul(31) ^ seed).collect()
}

fn wanted(server: &Server, name: &str, bytes: &[u8]) -> Wanted {
    Wanted {
        name: name.to_owned(),
        sha256: osb_checksum::to_hex(&osb_checksum::sha256(bytes)),
        size: bytes.len() as u64,
        url: format!("{}/{name}.deb", server.url()),
        pinned: false,
    }
}

struct Case {
    repo: TestRepo,
    server: Server,
    cache: tempfile::TempDir,
    wanted: Wanted,
    bytes: Vec<u8>,
}

/// One package of 300,000 bytes and what is to go wrong with it.
fn case(faults: &[Fault]) -> Case {
    let repo = TestRepo::new();
    let bytes = content(1, 300_000);
    repo.put("a.deb", &bytes);
    let server = serve(repo.path());
    server.inject("/a.deb", faults);
    let wanted = wanted(&server, "a", &bytes);
    Case { repo, server, cache: tempfile::tempdir().unwrap(), wanted, bytes }
}

impl Case {
    fn fetch(&self) -> Result<Vec<PathBuf>, AptError> {
        fetcher(self.cache.path()).fetch_all(std::slice::from_ref(&self.wanted), 2, &|_| {})
    }

    /// Fetches, and checks the file and that nothing else lies around.
    fn must_succeed(&self) {
        let paths = self.fetch().unwrap();
        assert_eq!(std::fs::read(&paths[0]).unwrap(), self.bytes);
        assert_eq!(self.entries(), 1);
    }

    /// Fetches in vain, and checks that nothing is left behind.
    fn must_fail(&self) -> AptError {
        let error = self.fetch().unwrap_err();
        assert_eq!(self.entries(), 0, "{error}");
        error
    }

    fn entries(&self) -> usize {
        std::fs::read_dir(self.cache.path().join("debs-v1")).map_or(0, Iterator::count)
    }
}

#[test]
fn many_files_in_parallel_then_from_the_cache() {
    let repo = TestRepo::new();
    let all: Vec<Vec<u8>> = (0..20).map(|i| content(i, 1000 * i as usize + 1)).collect();
    for (i, bytes) in all.iter().enumerate() {
        repo.put(&format!("p{i}.deb"), bytes);
    }
    let server = serve(repo.path());
    let mut list: Vec<Wanted> =
        all.iter().enumerate().map(|(i, b)| wanted(&server, &format!("p{i}"), b)).collect();
    list.push(Wanted { name: "again".into(), ..list[3].clone() });
    let cache = tempfile::tempdir().unwrap();
    for round in 0..2 {
        let bytes = AtomicU64::new(0);
        let cached = AtomicU64::new(0);
        let progress = |event: FetchEvent<'_>| {
            match event {
                FetchEvent::Bytes(n) => bytes.fetch_add(n, Ordering::Relaxed),
                FetchEvent::Finished { cached: true, .. } => cached.fetch_add(1, Ordering::Relaxed),
                _ => 0,
            };
        };
        let paths = fetcher(cache.path()).fetch_all(&list, 4, &progress).unwrap();
        assert_eq!(paths.len(), list.len());
        for (path, content) in paths.iter().zip(all.iter().chain([&all[3]])) {
            assert_eq!(&std::fs::read(path).unwrap(), content);
        }
        assert_eq!(bytes.into_inner(), all.iter().map(|b| b.len() as u64).sum::<u64>());
        assert_eq!(cached.into_inner(), round * 20);
        assert_eq!(server.requests().len(), 20);
    }
}

#[test]
fn nothing_wanted_is_nothing_done() {
    let cache = tempfile::tempdir().unwrap();
    assert!(fetcher(cache.path()).fetch_all(&[], 0, &|_| {}).unwrap().is_empty());
}

#[test]
fn a_damaged_cache_entry_is_fetched_anew() {
    let case = case(&[]);
    case.must_succeed();
    let path = case.fetch().unwrap().remove(0);
    std::fs::write(&path, content(2, 300_000)).unwrap();
    case.must_succeed();
    std::fs::write(&path, "short").unwrap();
    case.must_succeed();
    assert_eq!(case.server.requests().len(), 3);
}

#[test]
fn a_cut_transfer_is_resumed() {
    let case = case(&[Fault::CutAfter(100_000), Fault::CutAfter(50_000)]);
    case.must_succeed();
    assert_eq!(case.server.requests(), ["/a.deb", "/a.deb (range)", "/a.deb (range)"]);
}

/// A proxy that answers a Range with 200 and the whole file once corrupted a naive resume.
#[test]
fn a_server_that_ignores_the_range_gives_a_whole_file() {
    let case = case(&[Fault::CutAfter(100_000), Fault::IgnoreRange]);
    case.must_succeed();
}

#[test]
fn a_range_of_something_else_is_not_believed() {
    for wrong in [Fault::WrongContentRange, Fault::WrongTotal, Fault::WrongTag] {
        let case = case(&[Fault::CutAfter(100_000), wrong]);
        case.must_succeed();
        assert_eq!(case.server.requests(), ["/a.deb", "/a.deb (range)", "/a.deb"]);
    }
}

#[test]
fn a_refused_range_gives_a_whole_file() {
    let case = case(&[Fault::CutAfter(100_000), Fault::Status(416)]);
    case.must_succeed();
    assert_eq!(case.server.requests(), ["/a.deb", "/a.deb (range)", "/a.deb"]);
}

#[test]
fn busy_servers_are_asked_again_but_not_for_ever() {
    case(&[Fault::Status(503), Fault::Status(429)]).must_succeed();
    let error = case(&[Fault::Status(503), Fault::Status(500), Fault::Status(502)]).must_fail();
    assert!(
        matches!(&error, AptError::Network { attempts: 3, reason, .. } if reason.contains("502"))
    );
    assert_eq!(error.kind(), Kind::Network);
    let refused = case(&[Fault::Status(403)]);
    assert!(matches!(refused.must_fail(), AptError::Network { attempts: 1, .. }));
    assert_eq!(refused.server.requests().len(), 1);
}

#[test]
fn a_vanished_package_is_told_apart() {
    let case = case(&[Fault::Status(404)]);
    let error = case.must_fail();
    assert!(matches!(&error, AptError::Vanished { name, .. } if name == "a"));
    assert_eq!(error.kind(), Kind::Vanished);
}

#[test]
fn too_short_and_too_long_bodies_are_refused() {
    let short = case(&[Fault::Shorten(299_999)]).must_fail();
    assert!(matches!(&short, AptError::Size { actual, .. } if actual == "299999 bytes"));
    assert_eq!(short.kind(), Kind::Verification);
    let long = case(&[Fault::Append(vec![0; 10])]).must_fail();
    assert!(matches!(&long, AptError::Size { actual, .. } if actual == "more"));
}

#[test]
fn a_changed_byte_is_found() {
    let case = case(&[]);
    case.repo.flip("a.deb");
    let error = case.must_fail();
    assert!(matches!(&error, AptError::Digest { what, .. } if what == "package a"));
    assert_eq!(error.kind(), Kind::Verification);
}

/// The file changes between the two halves: If-Range gives the whole new one.
#[test]
fn a_file_that_changes_in_between_is_not_stitched_together() {
    changes_in_between(&[Fault::CutAfter(100_000)]);
}

/// The server gives the second half of the new file, as if nothing had happened.
#[test]
fn halves_of_two_files_are_found_by_the_digest() {
    let server = changes_in_between(&[Fault::CutAfter(100_000), Fault::IgnoreIfRange]);
    assert_eq!(server.requests(), ["/a.deb", "/a.deb (range)", "/a.deb"]);
}

fn changes_in_between(faults: &[Fault]) -> Server {
    let case = case(faults);
    let old = content(9, 300_000);
    case.repo.put("a.deb", &old);
    let changed = AtomicBool::new(false);
    let progress = |event: FetchEvent<'_>| {
        if matches!(event, FetchEvent::Bytes(_)) && !changed.swap(true, Ordering::Relaxed) {
            case.repo.put("a.deb", &case.bytes);
        }
    };
    let paths = fetcher(case.cache.path())
        .fetch_all(std::slice::from_ref(&case.wanted), 1, &progress)
        .unwrap();
    assert_eq!(std::fs::read(&paths[0]).unwrap(), case.bytes);
    case.server
}

#[test]
fn bytes_reported_and_discarded_add_up() {
    let case = case(&[Fault::CutAfter(100_000), Fault::IgnoreRange]);
    let sum = Mutex::new(0i64);
    let progress = |event: FetchEvent<'_>| match event {
        FetchEvent::Bytes(n) => *sum.lock().unwrap() += n as i64,
        FetchEvent::Discarded(n) => *sum.lock().unwrap() -= n as i64,
        _ => {}
    };
    fetcher(case.cache.path()).fetch_all(std::slice::from_ref(&case.wanted), 1, &progress).unwrap();
    assert_eq!(*sum.lock().unwrap(), 300_000);
}

#[test]
fn a_digest_that_is_none_never_becomes_a_path() {
    let mut case = case(&[]);
    case.wanted.sha256 = "../../../etc/passwd".to_owned();
    assert_eq!(case.must_fail().kind(), Kind::Verification);
    assert!(case.server.requests().is_empty());
}

#[test]
fn cancelling_stops_soon_and_leaves_nothing() {
    let case = case(&[Fault::Status(503); 1]);
    let cancel = Arc::new(AtomicBool::new(false));
    let fetcher = Fetcher::new(case.cache.path(), Arc::clone(&cancel), false)
        .with_limits(Limits { pause: Duration::from_secs(60), ..Limits::default() });
    let start = Instant::now();
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            cancel.store(true, Ordering::Relaxed);
        });
        fetcher.fetch_all(std::slice::from_ref(&case.wanted), 1, &|_| {}).unwrap_err()
    });
    assert_eq!(error.kind(), Kind::Cancelled);
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(case.entries(), 0);
}

#[test]
fn offline_means_the_cache_only() {
    let case = case(&[]);
    let offline = Fetcher::new(case.cache.path(), Arc::default(), true);
    let list = std::slice::from_ref(&case.wanted);
    assert_eq!(offline.fetch_all(list, 1, &|_| {}).unwrap_err().kind(), Kind::Offline);
    case.must_succeed();
    assert_eq!(offline.fetch_all(list, 1, &|_| {}).unwrap().len(), 1);
}

#[test]
fn small_files_are_bounded() {
    let case = case(&[]);
    let fetcher = fetcher(case.cache.path());
    assert_eq!(fetcher.get_small(&case.wanted.url, 300_000).unwrap(), case.bytes);
    let error = fetcher.get_small(&case.wanted.url, 299_999).unwrap_err();
    assert!(matches!(error, AptError::Size { expected: 299_999, .. }));
    let error = fetcher.get_small(&format!("{}/none", case.server.url()), 9).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    let error = fetcher.get_small("gopher://x/", 9).unwrap_err();
    assert_eq!(error.kind(), Kind::Format);
}

#[test]
fn nobody_listening_is_a_network_error() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let cache = tempfile::tempdir().unwrap();
    let error = fetcher(cache.path()).get_small(&format!("http://127.0.0.1:{port}/x"), 9);
    assert!(matches!(error, Err(AptError::Network { attempts: 3, .. })), "{error:?}");
}
