//! A lock ages: old versions leave the archive.
#![allow(clippy::unwrap_used)]

mod common;

use common::{World, tiny};

/// A world with a lock whose `tiny` has left the archive for a newer one.
fn aged() -> World {
    let world = World::new();
    world.succeed(&["lock"]);
    world.repo.remove(&world.repo.find("tiny_1.0")[0]);
    world.publish(world.suite([tiny("2.0")]));
    world
}

#[test]
fn a_vanished_package_is_locked_anew_and_told() {
    let world = aged();
    // The build itself ends later: the layer has nothing but that package.
    let run = world.osb(&["build", "--only", "tree"]);
    assert!(run.err.contains("warning: the archive no longer has tiny"), "{run:?}");
    assert!(run.err.contains("package tiny: 1.0 → 2.0"), "{run:?}");
    let lock = osb_apt::Lock::parse(&world.lock().unwrap()).unwrap();
    assert_eq!(lock.packages[0].version, "2.0");
    let path = world.cache().join("debs-v1").join(format!("{}.deb", lock.packages[0].sha256));
    assert!(path.exists(), "the build went on with the new one: {run:?}");
    run.assert_error(2, &["dpkg", "Essential"]);
    world.assert_nothing_half_written();
}

#[test]
fn with_locked_a_vanished_package_is_an_error_with_its_remedy() {
    let world = aged();
    let lock = world.lock();
    let run = world.osb(&["build", "--locked", "--only", "tree"]);
    run.assert_error(1, &["tiny 1.0"]);
    let hint = run.hint();
    assert!(hint.contains("osb lock") && hint.contains("--locked"), "{run:?}");
    assert_eq!(world.lock(), lock, "the lock stays");
    world.assert_nothing_half_written();
    world.assert_nothing_installed();
}
