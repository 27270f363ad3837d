//! `osb cache`: what is listed, what prune removes, and that it takes nothing from a run.
#![allow(clippy::unwrap_used)]

mod common;

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::{Running, World, files};
use osb_testrepo::Fault;
use serde_json::Value;

/// Longer than any test: the server does not answer.
const NEVER: Duration = Duration::from_secs(3600);

/// No run of these tests takes longer, unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run whose standard error can be read while it is under way.
struct Talking {
    child: Child,
    log: tempfile::NamedTempFile,
}

impl Talking {
    fn start(world: &World, arguments: &[&str]) -> Talking {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut command = world.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.reopen().unwrap());
        Talking { child: command.spawn().unwrap(), log }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    /// Waits until it has said `text`.
    fn wait_for(&mut self, text: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.said().contains(text) {
            assert!(Instant::now() < end, "waited in vain for {text:?}: {}", self.said());
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended before {text:?}: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends Ctrl-C's signal.
    fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }

    /// Fails unless it ends with `code`, soon.
    fn must_end(&mut self, code: i32, within: Duration) {
        let end = Instant::now() + within;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(Instant::now() < end, "it does not end: {}", self.said()),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(status.code(), Some(code), "{}", self.said());
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        // A failed test must not leave its program behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A run that hangs in the middle of its work, with tools in the cache.
fn hanging(world: &World) -> Running {
    world.succeed(&["tools", "boot"]);
    let path = format!("/{}", world.repo.find("tar_1")[0]);
    world.server.inject(&path, &[Fault::Delay(NEVER)]);
    let mut run = Running::start(world, &["tools", "test"]);
    run.wait_until("the request", || world.server.count(&path) > 0);
    run
}

#[test]
fn there_may_be_no_cache() {
    let world = World::new();
    for action in [&["cache"][..], &["cache", "list"], &["cache", "prune", "--all"]] {
        let run = world.succeed(action);
        assert!(run.out.contains("nothing"), "{run:?}");
        assert!(!world.cache().exists());
    }
}

#[test]
fn what_there_is_is_listed_and_removed() {
    let world = World::new();
    world.succeed(&["tools", "test"]);
    let list =
        || -> Value { serde_json::from_str(&world.succeed(&["cache", "--json"]).out).unwrap() };
    let entries = |name: &str| {
        let buckets = list()["buckets"].as_array().unwrap().clone();
        buckets.iter().find(|bucket| bucket["name"] == name).unwrap()["entries"].clone()
    };
    assert_eq!((entries("tools-v2"), entries("layers-v2")), (Value::from(1), Value::from(0)));
    assert!(list()["bytes"].as_u64().unwrap() > 10_000);
    let people = world.succeed(&["cache"]).out;
    assert!(people.contains("tools-v2") && people.contains("tools trees"), "{people}");

    let before = files(&world.cache());
    world.succeed(&["cache", "prune", "--all", "--dry-run"]);
    world.succeed(&["cache", "prune"]);
    world.succeed(&["cache", "prune", "--older-than", "1d"]);
    assert_eq!(files(&world.cache()), before, "all of it is new, and of this version");

    let run = world.succeed(&["cache", "prune", "--older-than", "0", "--json"]);
    let pruned: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(
        (&pruned["event"], &pruned["dry_run"]),
        (&Value::from("prune"), &Value::from(false))
    );
    assert_eq!((entries("tools-v2"), entries("debs-v1")), (Value::from(0), Value::from(0)));
    assert_eq!(entries("releases-v1"), Value::from(1), "what mirrors have shown is remembered");
    world.succeed(&["cache", "prune", "--all"]);
    assert_eq!(files(&world.cache()), ["ids"]);
    world.succeed(&["tools", "test"]);
    world.assert_nothing_half_written();
}

#[test]
fn ages_are_told_and_what_was_used_last_stays() {
    let world = World::new();
    world.succeed(&["tools", "test"]);
    let bucket = |name: &str| -> Value {
        let list: Value = serde_json::from_str(&world.succeed(&["cache", "--json"]).out).unwrap();
        let buckets = list["buckets"].as_array().unwrap().clone();
        buckets.into_iter().find(|bucket| bucket["name"] == name).unwrap()
    };
    assert_eq!(bucket("frames-v1")["oldest_use"], Value::Null);
    let debs = std::fs::read_dir(world.cache().join("debs-v1")).unwrap();
    let debs: Vec<_> = debs.map(|entry| entry.unwrap().path()).collect();
    assert!(debs.len() > 1);
    let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000);
    std::fs::File::open(&debs[0]).unwrap().set_modified(long_ago).unwrap();
    assert_eq!(bucket("debs-v1")["oldest_use"], 1_000_000);
    assert!(bucket("debs-v1")["newest_use"].as_i64().unwrap() > 1_700_000_000);
    assert!(world.succeed(&["cache"]).out.contains(" d "), "an age in days");

    let before = files(&world.cache());
    world.succeed(&["cache", "prune", "--keep-size", "5G"]);
    world.succeed(&["cache", "prune", "--layers"]);
    assert_eq!(files(&world.cache()), before);
    world.succeed(&["cache", "prune", "--keep-size", "1G", "--older-than", "30d"]);
    assert!(!debs[0].exists() && debs[1].exists());
    world.succeed(&["cache", "prune", "--keep-size", "0"]);
    assert!(!debs[1].exists());
    for bad in ["5X", "G", "", "5iB", "5 G", "99999999T"] {
        world.osb(&["cache", "prune", "--keep-size", bad]).assert_error(2, &["a size"]);
    }
    world.osb(&["cache", "prune", "--all", "--keep-size", "1G"]).assert_error(2, &["--keep-size"]);
}

#[test]
fn prune_waits_for_runs_and_can_be_stopped() {
    let world = World::new();
    let mut run = hanging(&world);
    let entries = || -> Vec<String> {
        files(&world.cache()).into_iter().filter(|path| !path.contains("/.part")).collect()
    };
    let before = entries();
    let refused = world.osb(&["cache", "prune", "--all", "--no-wait"]);
    refused.assert_error(1, &["other runs of osb are using the cache"]);
    assert!(refused.hint().contains("--no-wait"), "{refused:?}");

    let busy = "waiting: other runs of osb";
    let mut waiting = Talking::start(&world, &["cache", "prune", "--all"]);
    waiting.wait_for(busy);
    waiting.interrupt();
    waiting.must_end(130, Duration::from_secs(10));
    // The run may have made more meanwhile.
    let after = entries();
    assert!(before.iter().all(|path| after.contains(path)), "{before:?} {after:?}");

    let mut waiting = Talking::start(&world, &["cache", "prune", "--all"]);
    waiting.wait_for(busy);
    run.interrupt();
    assert_eq!(run.end().code, Some(130));
    waiting.must_end(0, PATIENCE);
    assert_eq!(files(&world.cache()), ["ids"]);
}

#[test]
fn a_run_waits_for_prune_and_says_so() {
    let world = World::new();
    world.succeed(&["lock"]);
    // What prune holds while it takes entries away.
    let prune = std::fs::File::open(world.cache()).unwrap();
    prune.lock().unwrap();
    let mut run = Talking::start(&world, &["tools", "test"]);
    run.wait_for("waiting: `osb cache prune` is removing entries");
    assert_eq!(files(&world.cache().join("tools-v2")), [""; 0]);
    drop(prune);
    run.must_end(0, PATIENCE);
}
