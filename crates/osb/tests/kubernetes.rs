//! `kubernetes.upstream`: the project's own flat repository as one more locked source.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Run, THEN, World, key, signer};
use osb_apt::Lock;
use osb_testrepo::{Compression, Deb, Key, Server, Suite, TestRepo, serve};

/// What upstream brings.
const UPSTREAM: [&str; 4] = ["cri-tools", "kubeadm", "kubectl", "kubelet"];

/// The packages' versions, as upstream writes them.
const VERSION: &str = "1.36.2-1.1";

/// A project whose layer takes upstream's packages, and upstream.
struct Upstream {
    world: World,
    repo: TestRepo,
    server: Server,
    key: Key,
}

impl Upstream {
    fn new() -> Upstream {
        Upstream::dated(THEN + 60)
    }

    fn dated(date: i64) -> Upstream {
        let world = World::new();
        let text = common::layer("install = [\"tiny\"]");
        world.put("layers/base/layer.toml", &format!("kubernetes = true\n{text}"));
        let (repo, key) = (TestRepo::new(), key(3));
        let suite = Suite::flat("/").dated(date).compressions(&[Compression::Gzip]);
        let suite = UPSTREAM.iter().fold(suite, |suite, name| {
            suite
                .package("", Deb::new(name, VERSION, "arm64"))
                .package("", Deb::new(name, VERSION, "amd64"))
        });
        repo.write(&suite.signed(signer(&key)));
        repo.put("Release.key", key.armored().as_bytes());
        let server = serve(repo.path());
        Upstream { world, repo, server, key }
    }

    fn lock(&self, fingerprint: &str) -> Run {
        let url = self.server.url();
        self.world.osb(&[
            "lock",
            "--set",
            "kubernetes.upstream=1.36",
            "--set",
            &format!("kubernetes.repository={url}"),
            "--set",
            &format!("kubernetes.key={url}/Release.key"),
            "--set",
            &format!("kubernetes.fingerprint={fingerprint}"),
        ])
    }
}

#[test]
fn upstream_is_one_more_locked_source() {
    let upstream = Upstream::new();
    let run = upstream.lock(&upstream.key.fingerprint());
    assert_eq!(run.code, Some(0), "{run:?}");
    let text = upstream.world.lock().unwrap();
    let lock = Lock::parse(&text).unwrap();
    for name in UPSTREAM {
        let package = lock.packages.iter().find(|package| package.name == name).unwrap();
        assert_eq!(package.source, "kubernetes");
        assert_eq!(package.version, VERSION);
        let deb = upstream.repo.read(&package.path);
        assert_eq!(package.sha256, common::digest(&deb));
    }
    let source = lock.sources.iter().find(|source| source.name == "kubernetes").unwrap();
    assert_eq!((source.suite.as_str(), source.date), ("/", THEN + 60));
    assert_eq!(source.release_sha256, common::digest(&upstream.repo.read("Release")));
    assert!(!text.contains("127.0.0.1"), "{text}");
    upstream.world.assert_nothing_half_written();
}

#[test]
fn without_the_setting_there_is_nothing_of_it() {
    let upstream = Upstream::new();
    upstream.world.succeed(&["lock"]);
    let lock = Lock::parse(&upstream.world.lock().unwrap()).unwrap();
    let names: Vec<_> = lock.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["tiny"]);
    assert!(lock.sources.iter().all(|source| source.name != "kubernetes"));
    assert!(upstream.server.requests().is_empty(), "nor was upstream asked");
}

#[test]
fn a_key_with_another_fingerprint_is_refused() {
    let upstream = Upstream::new();
    let wrong = key(4).fingerprint();
    upstream.lock(&wrong).assert_error(4, &["kubernetes", &wrong]);
    assert_eq!(upstream.world.lock(), None);
    upstream.world.assert_nothing_half_written();
}

#[test]
fn another_fingerprint_makes_the_lock_another_recipes() {
    let upstream = Upstream::new();
    assert_eq!(upstream.lock(&upstream.key.fingerprint()).code, Some(0));
    let run = upstream.world.osb(&["build", "--locked", "--only", "tree"]);
    run.assert_error(2, &["another recipe"]);
}

/// The former release has a repository of its own, and fewer updates.
#[test]
fn another_url_may_be_older() {
    let (mut newer, mut older) = (Upstream::new(), Upstream::dated(THEN + 30));
    assert_eq!(newer.lock(&newer.key.fingerprint()).code, Some(0));
    std::mem::swap(&mut newer.world, &mut older.world);
    let run = older.lock(&older.key.fingerprint());
    assert_eq!(run.code, Some(0), "{run:?}");
    let lock = Lock::parse(&older.world.lock().unwrap()).unwrap();
    assert!(lock.sources.iter().any(|source| source.date == THEN + 30), "{run:?}");
}

#[test]
fn a_minor_release_is_what_it_takes() {
    let upstream = Upstream::new();
    let run = upstream.world.osb(&["lock", "--set", "kubernetes.upstream=1.36.2"]);
    run.assert_error(2, &["--set", "1.36.2"]);
    assert!(run.hint().contains("1.36"), "{run:?}");
    assert_eq!(upstream.world.lock(), None);
}
