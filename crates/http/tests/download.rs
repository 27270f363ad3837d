//! Whole files as readers, from servers that do what servers do. (What [`osb_http::Transport`] does
//! with one connection is tested where packages are fetched: `crates/apt/tests`.)

// Helpers of tests are not #[test] functions, and have nothing better to do than panic.
#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use osb_http::{Download, HttpError, Limits};
use osb_testrepo::{Fault, Server, serve};

/// A file of some length, and its server.
fn served(len: usize) -> (tempfile::TempDir, Vec<u8>, Server) {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..len as u32).map(|at| (at / 251) as u8 ^ at as u8).collect();
    std::fs::write(folder.path().join("file"), &bytes).unwrap();
    let server = serve(folder.path());
    (folder, bytes, server)
}

fn limits() -> Limits {
    Limits { attempts: 3, pause: Duration::from_millis(1), ..Limits::default() }
}

fn open(server: &Server, limits: Limits) -> Result<Download, HttpError> {
    Download::open(&format!("{}/file", server.url()), limits, Arc::default())
}

#[test]
fn a_stalled_download_is_resumed_and_not_for_ever() {
    let (_folder, bytes, server) = served(3 << 20);
    let limits = Limits { silence: Duration::from_millis(300), ..limits() };
    let stall = Fault::StallAfter(1 << 20);
    server.inject("/file", &[stall.clone(), stall.clone()]);
    let mut read = Vec::new();
    open(&server, limits.clone()).unwrap().read_to_end(&mut read).unwrap();
    assert!(read == bytes);
    assert_eq!(server.count("(range)"), 2);
    server.inject("/file", &vec![Fault::StallAfter(10); 9]);
    let error = open(&server, limits).unwrap().read_to_end(&mut read).unwrap_err();
    assert!(error.to_string().contains("(3 attempts)"), "{error}");
}

#[test]
fn progress_makes_an_interruption_a_new_one() {
    let (_folder, bytes, server) = served(8 << 20);
    // More of them than attempts.
    server.inject("/file", &vec![Fault::CutAfter((1 << 20) + 5); 6]);
    let mut read = Vec::new();
    open(&server, limits()).unwrap().read_to_end(&mut read).unwrap();
    assert!(read == bytes);
}

#[test]
fn a_slow_reader_is_no_slow_server() {
    let (_folder, bytes, server) = served(4 << 20);
    let limits = Limits { window: Duration::from_millis(100), least: 64 << 10, ..limits() };
    let mut download = open(&server, limits.clone()).unwrap();
    let mut read = vec![0; 10];
    for part in read.chunks_mut(2) {
        download.read_exact(part).unwrap();
        std::thread::sleep(Duration::from_millis(60));
    }
    download.read_to_end(&mut read).unwrap();
    assert!(read == bytes);
    assert_eq!(server.count("(range)"), 0, "it was asked again");
    server.inject("/file", &vec![Fault::Trickle(Duration::from_millis(5)); 9]);
    let error = open(&server, limits).unwrap().read_to_end(&mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("too slow"), "{error}");
}

#[test]
fn it_ends_when_it_is_told_to() {
    let (_folder, _, server) = served(1 << 20);
    server.inject("/file", &[Fault::CutAfter(1000)]);
    let cancel = Arc::new(AtomicBool::new(false));
    let limits = Limits { pause: Duration::from_secs(3600), ..limits() };
    let url = format!("{}/file", server.url());
    let mut download = Download::open(&url, limits, Arc::clone(&cancel)).unwrap();
    let late = Arc::clone(&cancel);
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        late.store(true, Ordering::Relaxed);
    });
    let error = download.read_to_end(&mut Vec::new()).unwrap_err();
    let cause = error.get_ref().and_then(|error| error.downcast_ref());
    assert!(matches!(cause, Some(HttpError::Cancelled)), "{error}");
    thread.join().unwrap();
}

#[test]
fn small_files_are_small_and_files() {
    let (_folder, bytes, server) = served(10_000);
    let small = |limit| open(&server, limits()).and_then(|file| file.small(limit));
    assert!(small(10_000).unwrap() == bytes);
    assert!(matches!(small(9_999), Err(HttpError::Large { limit: 9_999, .. })));
    server.inject("/file", &[Fault::EndlessBody]);
    assert!(matches!(small(1 << 20), Err(HttpError::Large { .. })));
    server.inject("/file", &[Fault::Page("<html>log in</html>")]);
    assert!(matches!(small(1 << 20), Err(HttpError::Page { .. })));
    server.inject("/file", &[Fault::Status(404)]);
    assert!(matches!(small(1), Err(HttpError::NotFound { .. })));
    let other = Download::open("file:///etc/passwd", limits(), Arc::default());
    assert!(matches!(other, Err(HttpError::BadUrl { .. })));
}
