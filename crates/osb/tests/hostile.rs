//! Changed, expired, foreign and hostile input from an archive: exit code 4, and nothing of it
//! is kept or installed.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Run, THEN, World, key, signer, tiny};
use osb_testrepo::Deb;

/// `osb lock` must refuse what the archive has.
fn refused_lock(world: &World, parts: &[&str]) -> Run {
    let run = world.osb(&["lock"]);
    run.assert_error(4, parts);
    assert_eq!(world.lock(), None, "no lock");
    world.assert_nothing_half_written();
    run
}

#[test]
fn a_changed_byte_in_inrelease() {
    let world = World::new();
    world.repo.flip("dists/trixie/InRelease");
    refused_lock(&world, &["archive", "InRelease", "not signed"]);
}

#[test]
fn a_changed_byte_in_an_index() {
    let world = World::new();
    for path in world.repo.find("Packages").iter().chain(&world.repo.find("by-hash")) {
        world.repo.flip(path);
    }
    refused_lock(&world, &["index", "Packages.gz", "archive", "SHA-256"]);
}

#[test]
fn an_expired_release() {
    let world = World::empty();
    world.publish(world.suite([tiny("1.0")]).valid_until(THEN + 7 * 86_400));
    refused_lock(&world, &["archive", "valid until", "20 Sep 2020"]);
}

#[test]
fn a_right_signature_by_a_key_that_nobody_named() {
    let world = World::empty();
    world.publish(world.unsigned_suite([tiny("1.0")]).signed(signer(&key(2))));
    let run = refused_lock(&world, &["archive", "not signed by a key"]);
    assert!(run.err.contains(&world.key.fingerprint()), "names the key: {run:?}");
}

#[test]
fn a_certificate_that_is_not_the_named_one() {
    let world = World::new();
    world.put("archive.asc", &key(2).armored());
    refused_lock(&world, &["archive", &world.key.fingerprint()]);
}

#[test]
fn a_changed_byte_in_a_package() {
    let world = World::new();
    world.succeed(&["lock"]);
    world.repo.flip(&world.repo.find("tiny_1.0")[0]);
    let run = world.osb(&["build", "--only", "tree"]);
    run.assert_error(4, &["tiny 1.0", "SHA-256"]);
    world.assert_nothing_half_written();
    world.assert_nothing_installed();
}

#[test]
fn a_package_that_is_longer_than_its_index_says() {
    let world = World::new();
    world.succeed(&["lock"]);
    let path = &world.repo.find("tiny_1.0")[0];
    world.repo.put(path, &[world.repo.read(path), b"more".to_vec()].concat());
    let run = world.osb(&["build", "--only", "tree"]);
    run.assert_error(4, &["tiny 1.0", "bytes"]);
    world.assert_nothing_half_written();
}

/// Packages whose data would leave the root, by what they do.
fn escapes(name: &str) -> Vec<(&'static str, Deb)> {
    let deb = || Deb::new(name, "1.0", "all");
    vec![
        ("../escaped", deb().hostile(b"./usr/../../escaped", b"x")),
        ("../escaped", deb().hostile(b"../escaped", b"x")),
        ("/escaped", deb().hostile(b"/escaped", b"x")),
        ("link/escaped", deb().symlink("link", "/").hostile(b"link/escaped", b"x")),
        ("link/escaped", deb().symlink("link", "../../..").hostile(b"link/escaped", b"x")),
    ]
}

#[test]
fn packages_of_the_image_that_would_leave_its_root() {
    for (entry, deb) in escapes("tiny") {
        let world = World::empty();
        world.publish(world.suite([deb]));
        let run = world.osb(&["build", "--only", "tree"]);
        run.assert_error(4, &["tiny 1.0", entry, "refused"]);
        assert!(!run.err.contains("\ninstall "), "before anything is installed: {run:?}");
        world.assert_nothing_half_written();
        world.assert_nothing_installed();
    }
}

#[test]
fn tools_that_would_leave_their_folder() {
    for (entry, deb) in escapes("gdisk") {
        let world = World::empty();
        world.publish(world.suite([tiny("1.0"), deb]));
        let run = world.osb(&["tools", "test"]);
        run.assert_error(4, &["gdisk", entry, "refused"]);
        world.assert_nothing_half_written();
        assert_eq!(common::files(&world.cache().join("tools-v2")), [""; 0]);
        let escaped = ["/escaped".into(), world.cache().join("escaped")];
        assert!(escaped.iter().all(|path| !path.exists()), "{entry}");
    }
}
