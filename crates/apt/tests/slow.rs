//! Servers that are slow, endless, or lead elsewhere: every transfer ends, soon, and says why.

// Helpers of tests are not #[test] functions, and have nothing better to do than panic.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::limits;
use osb_apt::{AptError, Fetcher, Kind, Limits, Wanted};
use osb_testrepo::{Fault, Server, TestRepo, serve};

/// No test of this file may take longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(20);

/// Long for anything that a server of these tests does do, even on a machine that is busy.
const SILENCE: Duration = Duration::from_secs(2);

/// A bound that is to be reached, whatever the machine.
const SHORT: Duration = Duration::from_millis(300);

struct Case {
    _repo: TestRepo,
    server: Server,
    cache: tempfile::TempDir,
    url: String,
    bytes: Vec<u8>,
}

/// One file of 300,000 bytes and what is to go wrong with it.
fn case(faults: &[Fault]) -> Case {
    let repo = TestRepo::new();
    let bytes: Vec<u8> = (0..300_000).map(|i| (i / 251) as u8).collect();
    repo.put("a.deb", &bytes);
    let server = serve(repo.path());
    server.inject("/a.deb", faults);
    let url = format!("{}/a.deb", server.url());
    Case { _repo: repo, server, cache: tempfile::tempdir().unwrap(), url, bytes }
}

impl Case {
    fn fetcher(&self, limits: Limits) -> Fetcher {
        Fetcher::new(self.cache.path(), Arc::default(), false).with_limits(limits)
    }

    fn fetch(&self, limits: Limits) -> Result<Vec<PathBuf>, AptError> {
        let wanted = Wanted {
            name: "a".to_owned(),
            sha256: osb_checksum::to_hex(&osb_checksum::sha256(&self.bytes)),
            size: self.bytes.len() as u64,
            url: self.url.clone(),
            pinned: false,
        };
        let begun = Instant::now();
        let result = self.fetcher(limits).fetch_all(&[wanted], 1, &|_| {});
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
        result
    }

    fn must_succeed(&self, limits: Limits) {
        let paths = self.fetch(limits).unwrap();
        assert_eq!(std::fs::read(&paths[0]).unwrap(), self.bytes);
    }

    /// Fetches in vain: a failure of the network that names the URL and has `part`. Nothing is
    /// left behind.
    fn must_fail(&self, limits: Limits, part: &str) {
        let error = self.fetch(limits).unwrap_err();
        self.check(&error, part);
        let left = std::fs::read_dir(self.cache.path().join("debs-v1")).map_or(0, Iterator::count);
        assert_eq!(left, 0);
    }

    fn check(&self, error: &AptError, part: &str) {
        assert_eq!(error.kind(), Kind::Network, "{error}");
        let text = error.to_string();
        assert!(text.contains(&self.url) && text.contains(part), "{text}");
    }
}

#[test]
fn a_stalled_transfer_is_resumed() {
    let case = case(&[Fault::StallAfter(100_000)]);
    case.must_succeed(Limits { silence: SILENCE, ..limits() });
    assert_eq!(case.server.requests(), ["/a.deb", "/a.deb (range)"]);
    let stalls = [Fault::StallAfter(100_000), Fault::StallAfter(0), Fault::StallAfter(0)];
    let hasty = Limits { silence: SHORT, ..limits() };
    self::case(&stalls).must_fail(hasty, "after 3 attempts: timeout");
}

/// No single read waits long: only the pace tells.
#[test]
fn a_trickling_transfer_is_given_up() {
    let trickle = || Fault::Trickle(Duration::from_millis(10));
    let patient = || Limits { silence: PATIENCE, window: SHORT, ..limits() };
    case(&[trickle()]).must_succeed(patient());
    let case = case(&[trickle(), trickle(), trickle()]);
    case.must_fail(patient(), "it is too slow");
    assert_eq!(case.server.requests(), ["/a.deb", "/a.deb (range)", "/a.deb (range)"]);

    // A small file without a size is bounded as a whole, even at a good pace.
    case.server.inject("/a.deb", &[trickle(), trickle(), trickle()]);
    let at_all = Limits { least: 0, small: Duration::from_millis(200), ..patient() };
    let begun = Instant::now();
    let error = case.fetcher(at_all).get_small(&case.url, 300_000).unwrap_err();
    assert!(begun.elapsed() < PATIENCE);
    case.check(&error, "it took more than 0.2 s");
}

#[test]
fn a_body_is_bounded_whatever_its_pace() {
    let trickle = || Fault::Trickle(Duration::from_millis(10));
    let whole = Limits { least: 0, whole: Duration::from_millis(200), ..limits() };
    let case = case(&[trickle(), trickle(), trickle()]);
    case.must_fail(whole, "timeout");
}

/// A server that accepts, or whose kernel does, and says nothing.
#[test]
fn a_silent_server_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let cache = tempfile::tempdir().unwrap();
    let hasty = Limits { connect: SHORT, answer: SHORT, ..limits() };
    let fetcher = Fetcher::new(cache.path(), Arc::default(), false).with_limits(hasty);
    for scheme in ["http", "https"] {
        let url = format!("{scheme}://{}/x", listener.local_addr().unwrap());
        let begun = Instant::now();
        let error = fetcher.get_small(&url, 9).unwrap_err();
        assert!(matches!(error, AptError::Network { attempts: 3, .. }), "{error}");
        assert!(begun.elapsed() < PATIENCE, "{scheme}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_connection_closed_without_an_answer_is_replaced() {
    let case = case(&[Fault::HangUp, Fault::HangUp]);
    case.must_succeed(limits());
    // The third answer came over a connection that is kept, and that the server closes at the
    // next request.
    let fetcher = case.fetcher(limits());
    assert_eq!(fetcher.get_small(&case.url, 300_000).unwrap(), case.bytes);
    case.server.inject("/a.deb", &[Fault::HangUp]);
    assert_eq!(fetcher.get_small(&case.url, 300_000).unwrap(), case.bytes);
}

#[test]
fn endless_headers_are_bounded() {
    case(&[const { Fault::EndlessHeader }; 3]).must_fail(limits(), "header");
}

#[test]
fn endless_bodies_are_bounded() {
    let error = case(&[Fault::EndlessBody]).fetch(limits()).unwrap_err();
    assert!(matches!(&error, AptError::Size { actual, .. } if actual == "more"), "{error}");
    let case = case(&[Fault::EndlessBody]);
    let error = case.fetcher(limits()).get_small(&case.url, 1 << 20).unwrap_err();
    assert!(matches!(error, AptError::Size { expected, .. } if expected == 1 << 20));
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    let to_itself = || Fault::Redirect("a.deb".to_owned());
    let case = case(&[to_itself(), to_itself()]);
    case.must_succeed(limits());
    // The range that is asked for survives a redirect.
    let resumed = self::case(&[Fault::CutAfter(1000), to_itself()]);
    resumed.must_succeed(limits());
    assert_eq!(resumed.server.count("(range)"), 2);

    let for_ever: Vec<Fault> = (0..20).map(|_| to_itself()).collect();
    let case = self::case(&for_ever);
    case.must_fail(limits(), "more than 5 redirects");
    assert_eq!(case.server.requests().len(), 6);
}

#[test]
fn redirects_lead_to_no_other_place() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let url = format!("file://{}", file.path().display());
    case(&[Fault::Redirect(url)]).must_fail(limits(), "neither http nor https");
}

#[test]
fn a_web_page_is_called_one() {
    let page = "<!DOCTYPE html>\n<title>Please log in</title>\n";
    case(&[Fault::Page(page)]).must_fail(limits(), "web page");
    let case = case(&[Fault::Page(page)]);
    case.check(&case.fetcher(limits()).get_small(&case.url, 300_000).unwrap_err(), "web page");
}
