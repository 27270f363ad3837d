//! A lock made against signed repositories, from fetching to the text of the file.

// Helpers of tests are not #[test] functions, and have nothing better to do than panic.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Mutex;

use common::{fetcher, source};
use osb_apt::{Kind, Lock, LockEvent, LockRequest, Pin, SourceSpec, lock};
use osb_testrepo::{Deb, Key, NOW, Server, Suite, TestRepo, serve};

/// Two suites: `stable` and, at priority 100, `backports`.
struct World {
    _repo: TestRepo,
    server: Server,
    key: Key,
}

impl World {
    fn new(version: &str) -> World {
        let key = Key::new(1);
        let deb = |name: &str, version: &str, arch: &str| Deb::new(name, version, arch);
        let stable = Suite::new("stable")
            .package("main", deb("sh", "1", "arm64").field("Essential", "yes"))
            .package("main", deb("app", version, "arm64").field("Depends", "lib, mta | gone"))
            .package("main", deb("lib", "1", "arm64"))
            .package("main", deb("kernel", "6", "arm64"))
            .package("main", deb("exim", "4", "all").field("Provides", "mta"))
            .package("main", deb("top", "1", "arm64").field("Depends", "app, lib (>= 1)"))
            .package("main", deb("sh", "1", "amd64").field("Essential", "yes"))
            .package("main", deb("qemu", "9", "amd64").field("Depends", "lib"))
            .package("main", deb("lib", "1", "amd64"))
            .signed_by(&key);
        let backports = Suite::new("backports")
            .package("main", deb("kernel", "7", "arm64"))
            .package("main", deb("lib", "2", "arm64"))
            .dated(NOW - 10)
            .signed_by(&key);
        let repo = TestRepo::new();
        repo.write(&stable);
        repo.write(&backports);
        let server = serve(repo.path());
        World { _repo: repo, server, key }
    }

    fn request(&self) -> LockRequest {
        let named = |name: &str, priority| SourceSpec {
            name: name.to_owned(),
            // Each world has a server of its own, with another address.
            mirrored: true,
            priority,
            ..source(&self.server.url(), name, &self.key)
        };
        let mut backports = named("backports", 100);
        backports.pins = vec![Pin { pattern: "kern*".to_owned(), priority: 990 }];
        let words = |text: &str| text.split(' ').map(str::to_owned).collect();
        LockRequest {
            sources: vec![named("stable", 500), backports],
            architecture: "arm64".to_owned(),
            layers: vec![
                ("base".to_owned(), words("kernel")),
                ("node".to_owned(), words("app")),
                ("extra".to_owned(), words("top")),
            ],
            artifacts: vec![],
            debs: vec![],
            tool_sets: vec![("boot".to_owned(), words("qemu"))],
            hosts: words("amd64"),
        }
    }

    fn lock(&self, request: &LockRequest) -> Result<Lock, osb_apt::AptError> {
        let cache = tempfile::tempdir().unwrap();
        lock(request, &fetcher(cache.path()), NOW, &|_| {})
    }
}

#[test]
fn layers_keep_what_their_parents_chose_and_tools_are_their_own() {
    let world = World::new("1");
    let request = world.request();
    let cache = tempfile::tempdir().unwrap();
    let events = Mutex::new(Vec::new());
    let made = lock(&request, &fetcher(cache.path()), NOW, &|event| {
        events.lock().unwrap().push(event);
    })
    .unwrap();
    let packages: Vec<String> = made
        .packages
        .iter()
        .map(|p| format!("{} {} {} {}", p.layer, p.name, p.version, p.source))
        .collect();
    assert_eq!(
        packages,
        [
            "node app 1 stable",
            "node exim 4 stable",
            "base kernel 7 backports",
            "node lib 1 stable",
            "base sh 1 stable",
            "extra top 1 stable",
        ]
    );
    let tools: Vec<String> = made
        .tools
        .iter()
        .map(|t| format!("{} {} {} {}", t.set, t.host, t.package.name, t.package.architecture))
        .collect();
    assert_eq!(tools, ["boot amd64 lib amd64", "boot amd64 qemu amd64"]);
    assert_eq!(made.newest_date(), NOW - 10);
    assert_eq!(made.inputs, request.inputs_digest());
    let events = events.into_inner().unwrap();
    assert!(events.contains(&LockEvent::Resolved { what: "layer node".into(), packages: 3 }));

    // The text is the same every time, is read back as it was, and names no server.
    let text = made.to_toml();
    assert_eq!(Lock::parse(&text).unwrap(), made);
    assert_eq!(world.lock(&request).unwrap().to_toml(), text);
    assert!(!text.contains(&world.server.url()), "{text}");
}

#[test]
fn a_new_version_is_one_change() {
    let (old, new) = (World::new("1"), World::new("2"));
    let before = old.lock(&old.request()).unwrap();
    let after = new.lock(&new.request()).unwrap();
    let shown: Vec<String> = before.diff(&after).iter().map(ToString::to_string).collect();
    assert_eq!(shown[0], "package app: 1 → 2");
    assert!(shown[1..].iter().all(|change| change.starts_with("source stable")), "{shown:?}");
    assert_eq!(before.inputs, after.inputs);
}

#[test]
fn what_cannot_be_resolved_is_an_error_for_layers_and_tools() {
    let world = World::new("1");
    let mut request = world.request();
    request.tool_sets[0].1.push("kernel".to_owned());
    let error = world.lock(&request).unwrap_err();
    assert_eq!(error.kind(), Kind::Resolution);
    assert!(error.to_string().contains("\"kernel\" for amd64"), "{error}");

    let mut request = world.request();
    request.layers[2].1.push("lib=2".to_owned());
    let error = world.lock(&request).unwrap_err().to_string();
    assert!(error.contains("lib is wanted in version 1 and in version 2"), "{error}");
}
