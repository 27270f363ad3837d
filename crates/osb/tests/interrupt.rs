//! Ctrl-C while the archive does not answer: osb ends within seconds, leaves nothing half-written,
//! and its next run continues.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::{Running, World};
use osb_testrepo::Fault;

/// Longer than any test: the server does not answer.
const NEVER: Duration = Duration::from_secs(3600);

/// A run that hangs may take so long to end.
const SOON: Duration = Duration::from_secs(10);

/// Interrupts a run as soon as it waits for `path`, which is not answered.
fn interrupt_at(world: &World, path: &str, arguments: &[&str]) -> common::Run {
    interrupt_during(world, path, Fault::Delay(NEVER), arguments)
}

/// Interrupts a run as soon as it has asked for `path`, with which this goes wrong.
fn interrupt_during(world: &World, path: &str, fault: Fault, arguments: &[&str]) -> common::Run {
    world.server.inject(path, &[fault]);
    let mut running = Running::start(world, arguments);
    running.wait_until("the request", || world.server.count(path) > 0);
    running.interrupt();
    let since = Instant::now();
    let run = running.end();
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    run
}

#[test]
fn while_a_release_is_awaited() {
    let world = World::new();
    let run = interrupt_at(&world, "/dists/trixie/InRelease", &["lock"]);
    run.assert_error(130, &["interrupted"]);
    assert_eq!(world.lock(), None);
    world.succeed(&["lock"]);
    assert!(world.lock().is_some());
    world.assert_nothing_half_written();
}

#[test]
fn while_a_package_is_awaited() {
    let world = World::new();
    world.succeed(&["lock"]);
    let lock = world.lock();
    let path = format!("/{}", world.repo.find("tar_1")[0]);
    let run = interrupt_at(&world, &path, &["tools", "test"]);
    run.assert_error(130, &["interrupted"]);
    assert_eq!(world.lock(), lock);
    assert_eq!(common::files(&world.cache().join("tools-v2")), [""; 0]);

    world.server.forget();
    let run = world.succeed(&["tools", "test"]);
    assert!(std::path::Path::new(run.out.trim()).is_dir(), "{run:?}");
    assert_eq!(world.server.count("/tar_1"), 1, "what was missing");
    world.assert_nothing_half_written();
}

#[test]
fn while_a_package_has_stalled() {
    let world = World::new();
    world.succeed(&["lock"]);
    let path = format!("/{}", world.repo.find("tar_1")[0]);
    let run = interrupt_during(&world, &path, Fault::StallAfter(100), &["tools", "test"]);
    run.assert_error(130, &["interrupted"]);
    world.succeed(&["tools", "test"]);
    world.assert_nothing_half_written();
}

#[test]
fn a_build_leaves_no_output() {
    let world = World::new();
    let path = format!("/{}", world.repo.find("tiny_1.0")[0]);
    let run = interrupt_at(&world, &path, &["build"]);
    run.assert_error(130, &["interrupted"]);
    assert!(!world.project().join("out").exists());
    world.assert_nothing_installed();
    // The next run sweeps what the dead one left, even if it does something else.
    world.succeed(&["lock"]);
    world.assert_nothing_half_written();
}

#[test]
fn the_last_json_object_says_so() {
    let world = World::new();
    let run = interrupt_at(&world, "/dists/trixie/InRelease", &["lock", "--json"]);
    assert_eq!(run.code, Some(130), "{run:?}");
    let last: serde_json::Value = serde_json::from_str(run.out.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["exit_code"]), (&"error".into(), &130.into()));
}
