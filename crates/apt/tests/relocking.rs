//! Locks that change as little as they must: what moves, what stays, and why.

// Helpers of tests are not #[test] functions, and have nothing better to do than panic.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use common::{fetcher, source};
use osb_apt::{Forced, Lock, LockRequest, SourceSpec, Subject, lock, relock};
use osb_testrepo::{Deb, Key, NOW, Server, Suite, TestRepo, serve};

/// An archive with a main and a security suite, whose packages change.
struct World {
    repo: TestRepo,
    server: Server,
    key: Key,
    cache: tempfile::TempDir,
}

/// Name, version, and fields.
type Package<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

impl World {
    fn new(main: &[Package]) -> World {
        let repo = TestRepo::new();
        let server = serve(repo.path());
        let cache = tempfile::tempdir().unwrap();
        let world = World { repo, server, key: Key::new(1), cache };
        world.publish(main, &[]);
        world
    }

    fn publish(&self, main: &[Package], security: &[Package]) {
        for (name, packages) in [("stable", main), ("stable-security", security)] {
            let suite = packages.iter().fold(Suite::new(name), |suite, (name, version, fields)| {
                ["arm64", "amd64"].iter().fold(suite, |suite, arch| {
                    let deb = Deb::new(name, version, arch);
                    let deb = fields.iter().fold(deb, |deb, (key, value)| deb.field(key, value));
                    suite.package("main", deb)
                })
            });
            // A suite has the component even if it has no package.
            let suite = suite
                .package("main", Deb::new("filler", "1", "arm64"))
                .package("main", Deb::new("filler", "1", "amd64"));
            self.repo.write(&suite.signed_by(&self.key));
        }
    }

    fn request(&self, layers: &[(&str, &str)]) -> LockRequest {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        let named = |name: &str| SourceSpec {
            name: name.to_owned(),
            ..source(&self.server.url(), name, &self.key)
        };
        LockRequest {
            sources: vec![named("stable"), named("stable-security")],
            architecture: "arm64".to_owned(),
            layers: layers.iter().map(|(name, wants)| ((*name).to_owned(), words(wants))).collect(),
            artifacts: vec![],
            debs: vec![],
            tool_sets: vec![("build".to_owned(), words("tool"))],
            hosts: words("amd64"),
        }
    }

    /// A new lock, its packages downloaded as a build would do it.
    fn lock(&self, layers: &[(&str, &str)]) -> Lock {
        lock(&self.request(layers), &fetcher(self.cache.path()), NOW, &|_| {}).unwrap()
    }

    fn relock(&self, layers: &[(&str, &str)], old: &Lock, moving: &str) -> (Lock, Vec<Forced>) {
        self.relock_with(self.cache.path(), layers, old, moving)
    }

    fn relock_with(
        &self,
        cache: &Path,
        layers: &[(&str, &str)],
        old: &Lock,
        moving: &str,
    ) -> (Lock, Vec<Forced>) {
        let moving: BTreeSet<String> = moving.split_whitespace().map(str::to_owned).collect();
        let request = self.request(layers);
        relock(&request, old, &moving, &fetcher(cache), NOW, &|_| {}).unwrap()
    }
}

/// `name version` of the image's packages, then of the tools.
fn versions(lock: &Lock) -> String {
    let tools = lock.tools.iter().map(|tool| &tool.package);
    let all = lock.packages.iter().chain(tools).map(|p| format!("{} {}", p.name, p.version));
    all.collect::<Vec<_>>().join(", ")
}

const NONE: &[(&str, &str)] = &[];
const BASE: &[(&str, &str)] = &[("base", "app other")];

#[test]
fn nothing_moves_that_is_not_named() {
    let old = [("app", "1", NONE), ("other", "1", NONE), ("tool", "1", NONE)];
    let world = World::new(&old);
    let before = world.lock(BASE);
    world.publish(&[("app", "2", NONE), ("other", "2", NONE), ("tool", "2", NONE)], &[]);
    let (after, forced) = world.relock(BASE, &before, "");
    assert_eq!(versions(&after), "app 1, other 1, tool 1");
    assert_eq!((after.packages, forced), (before.packages.clone(), vec![]));
    let (after, forced) = world.relock(BASE, &before, "app");
    assert_eq!((versions(&after), forced), ("app 2, other 1, tool 1".into(), vec![]));
    let (after, _) = world.relock(BASE, &before, "app tool");
    assert_eq!(versions(&after), "app 2, other 1, tool 2");
}

#[test]
fn a_dependency_moves_in_the_layer_where_it_is() {
    let fields: &[(&str, &str)] = &[("Depends", "lib (>= 1)")];
    let world = World::new(&[
        ("lib", "1", NONE),
        ("app", "1", fields),
        ("other", "1", NONE),
        ("tool", "1", NONE),
    ]);
    let layers: &[(&str, &str)] = &[("base", "lib other"), ("node", "app")];
    let before = world.lock(layers);
    let newer: &[(&str, &str)] = &[("Depends", "lib (>= 2)")];
    world.publish(
        &[("lib", "2", NONE), ("app", "2", newer), ("other", "2", NONE), ("tool", "1", NONE)],
        &[],
    );
    let (after, forced) = world.relock(layers, &before, "app");
    assert_eq!(versions(&after), "app 2, lib 2, other 1, tool 1");
    let lib = after.packages.iter().find(|package| package.name == "lib").unwrap();
    assert_eq!(lib.layer, "base", "its parents decide for a layer");
    let [Forced { name, why, .. }] = forced.as_slice() else { panic!("{forced:?}") };
    assert_eq!((name.as_str(), why.as_str()), ("lib", "app 2 needs lib (>= 2)"));
}

#[test]
fn what_is_no_longer_needed_goes_and_what_is_new_comes() {
    let old: &[(&str, &str)] = &[("Depends", "was")];
    let new: &[(&str, &str)] = &[("Depends", "comes")];
    let rest = [("other", "1", NONE), ("tool", "1", NONE), ("was", "1", NONE)];
    let world = World::new(&[&[("app", "1", old)], &rest[..]].concat());
    let before = world.lock(BASE);
    assert_eq!(versions(&before), "app 1, other 1, was 1, tool 1");
    world.publish(&[&[("app", "2", new), ("comes", "5", NONE)], &rest[..]].concat(), &[]);
    let (after, _) = world.relock(BASE, &before, "app");
    assert_eq!(versions(&after), "app 2, comes 5, other 1, tool 1");
}

#[test]
fn a_package_that_a_newer_one_breaks_moves_with_it() {
    let world = World::new(&[("app", "1", NONE), ("other", "1", NONE), ("tool", "1", NONE)]);
    let before = world.lock(BASE);
    let breaks: &[(&str, &str)] = &[("Breaks", "other (<< 2)")];
    world.publish(&[("app", "2", breaks), ("other", "2", NONE), ("tool", "1", NONE)], &[]);
    let (after, forced) = world.relock(BASE, &before, "app");
    assert_eq!(versions(&after), "app 2, other 2, tool 1");
    assert!(forced[0].why.contains("app 2 breaks other (<< 2)"), "{forced:?}");
}

#[test]
fn what_provides_a_name_in_another_version_moves() {
    let abi = |n: &'static str| -> &'static [(&'static str, &'static str)] {
        match n {
            "1" => &[("Provides", "abi-1")],
            _ => &[("Provides", "abi-2")],
        }
    };
    let world = World::new(&[
        ("other", "1", abi("1")),
        ("app", "1", &[("Depends", "abi-1")]),
        ("tool", "1", NONE),
    ]);
    let before = world.lock(BASE);
    world.publish(
        &[("other", "2", abi("2")), ("app", "2", &[("Depends", "abi-2")]), ("tool", "1", NONE)],
        &[],
    );
    let (after, _) = world.relock(BASE, &before, "app");
    assert_eq!(versions(&after), "app 2, other 2, tool 1");
}

#[test]
fn a_version_asked_for_by_number_is_not_kept_back() {
    let world = World::new(&[("app", "1", NONE), ("other", "1", NONE), ("tool", "1", NONE)]);
    let before = world.lock(BASE);
    world.publish(&[("app", "2", NONE), ("other", "2", NONE), ("tool", "1", NONE)], &[]);
    let (after, _) = world.relock(&[("base", "app=2 other")], &before, "");
    assert_eq!(versions(&after), "app 2, other 1, tool 1");
    let twice: &[(&str, &str)] = &[("base", "app other"), ("node", "app=2")];
    let (after, _) = world.relock(twice, &before, "");
    assert_eq!(versions(&after), "app 2, other 1, tool 1");
}

#[test]
fn what_is_gone_from_archive_and_cache_is_told() {
    let world = World::new(&[("app", "1", NONE), ("other", "1", NONE), ("tool", "1", NONE)]);
    let before = world.lock(BASE);
    world.publish(&[("app", "2", NONE), ("other", "2", NONE), ("tool", "2", NONE)], &[]);
    // The pool has all versions still: other's is fetched once, to read what it needs.
    let (after, forced) = world.relock(BASE, &before, "app tool");
    assert_eq!((versions(&after), forced), ("app 2, other 1, tool 2".into(), vec![]));
    for path in world.repo.find("other_1") {
        world.repo.remove(&path);
    }
    let (after, forced) = world.relock(BASE, &before, "app tool");
    assert_eq!((versions(&after), forced.len()), ("app 2, other 1, tool 2".into(), 0), "cached");
    let empty = tempfile::tempdir().unwrap();
    let (after, forced) = world.relock_with(empty.path(), BASE, &before, "app tool");
    assert_eq!(versions(&after), "app 2, other 2, tool 2");
    assert!(forced[0].why.contains("neither the archive nor the cache has 1"), "{forced:?}");
}

#[test]
fn a_security_update_is_known_by_its_suite() {
    let main = [("app", "1", NONE), ("other", "1", NONE), ("tool", "1", NONE)];
    let world = World::new(&main);
    let before = world.lock(BASE);
    world.publish(&main, &[("app", "1.1", NONE)]);
    let (after, _) = world.relock(BASE, &before, "app");
    let changes = before.diff(&after);
    let app = changes.iter().find(|change| change.name == "app").unwrap();
    assert_eq!((app.security, app.suite.as_str()), (true, "stable-security"));
    assert_eq!(app.subject, Subject::Package("base".into()));
}
