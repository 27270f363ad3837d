//! Scripts that misbehave: each is ended in bounded time, and the error names the layer, what ran,
//! how it ended, what it printed last, and what to do.
//!
//! The image's system is made of programs of this machine, the real dpkg among them.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod common;

use std::fs;
use std::path::Path;

use common::system::{missing, system};
use common::{Run, World, layer, tiny};
use osb_testrepo::Deb;

/// A project with that system, a package `tiny`, and one script in its layer.
fn world(tiny: Deb, script: &str) -> Option<World> {
    if let Some(reason) = missing() {
        eprintln!("SKIPPED: {reason}");
        return None;
    }
    let world = World::empty();
    world.publish(world.suite([system(), tiny]));
    let text = layer("install = [\"dpkg\", \"tiny\"]");
    world.put("layers/base/layer.toml", &format!("scripts = [\"50-bad\"]\n{text}"));
    world.put("layers/base/scripts/50-bad", script);
    Some(world)
}

/// The error of a build whose layer has this script, and the hint.
fn refused(script: &str, parts: &[&str], hint: &str) -> Option<(World, Run)> {
    let world = world(tiny("1.0"), script)?;
    let run = world.osb(&["build", "--only", "tree"]);
    run.assert_error(1, parts);
    assert!(run.err.contains("error: layer base: scripts/50-bad "), "{run:?}");
    assert!(run.hint().contains(hint), "{hint:?} in {run:?}");
    let log = world.cache().join("failure.log");
    assert!(run.hint().contains(log.to_str().unwrap()) && log.exists(), "{run:?}");
    assert_eq!(common::files(&world.cache().join("work")), [""; 0], "what it wrote is gone");
    Some((world, run))
}

#[test]
fn one_that_fails() {
    let script = "#!/bin/sh\nfor i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21; do \
        echo line $i; done\nexit 3\n";
    let parts = ["failed with exit code 3", "\n    line 2\n", "\n    line 21\n"];
    if let Some((_, run)) = refused(script, &parts, "correct the cause") {
        assert!(!run.err.contains("line 1\n"), "twenty lines: {run:?}");
    }
}

#[test]
fn one_that_leaves_a_daemon() {
    let script = "#!/bin/sh\necho starting it\nsleep 1000 &\n";
    let parts = ["left processes behind", "(sleep 1000)", "\n    starting it\n"];
    refused(script, &parts, "wait for what it starts");
}

#[test]
fn one_that_prints_a_gigabyte() {
    let script = "#!/bin/sh\nline=x\nfor i in 1 2 3 4 5 6 7 8 9 10 11 12; do line=$line$line; done\n\
        i=0\nwhile [ $i -lt 262144 ]; do echo $line; i=$((i+1)); done\n";
    refused(script, &["printed more than 256 MiB"], "print less");
}

#[test]
fn one_that_forks_for_ever() {
    let script = "#!/bin/sh\nbomb() { bomb & bomb; }\nbomb\n";
    refused(script, &["more than 4096 processes", "/run/osb/scripts/50-bad)"], "fewer at a time");
}

#[test]
fn one_that_fills_the_disk() {
    let script = "#!/bin/sh\necho filling\ncat /dev/zero >/var/fill\n";
    let Some(world) = world(tiny("1.0"), script) else { return };
    let cache = world.cache().display().to_string();
    fs::create_dir_all(&cache).unwrap();
    // Of which 512 MiB must stay free.
    let mount = format!("mount -t tmpfs -o size=700m tmpfs '{cache}' && exec \"$@\"");
    let wrapper = ["unshare", "--mount", "sh", "-c", &mount, "sh"];
    let run = Run::of(world.wrapped(&wrapper, &["build", "--only", "tree"]));
    let parts = ["scripts/50-bad", "512 MiB must stay", "(cat /dev/zero)", "filling"];
    run.assert_error(1, &parts);
    assert!(run.hint().contains("--cache-dir"), "{run:?}");
}

#[test]
fn one_that_writes_outside() {
    let outside = format!("/tmp/osb-test-outside-{}", std::process::id());
    let script = format!(
        "#!/bin/sh\nset -e\necho x >{outside}\ncat {outside}\necho >/run/osb/scripts/new || :\n\
         echo 1 >/proc/sys/kernel/core_uses_pid\n"
    );
    refused(&script, &["exit code 2", "\n    x\n", "core_uses_pid", "Read-only"], "correct");
    assert!(!Path::new(&outside).exists(), "its /tmp is its own");
}

#[test]
fn one_that_does_not_start() {
    let Some(world) = world(tiny("1.0"), "#!/bin/nonsense\n") else { return };
    let run = world.osb(&["build", "--only", "tree"]);
    run.assert_error(1, &["layer base: scripts/50-bad did not start", "No such file"]);
    assert!(run.hint().contains("#! line"), "{run:?}");
}

#[test]
fn a_package_whose_postinst_fails_is_named() {
    let bad = tiny("1.0").script("postinst", "#!/bin/sh\necho going down\nexit 7\n");
    let Some(world) = world(bad, "#!/bin/sh\n") else { return };
    let run = world.osb(&["build", "--only", "tree", "--json"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    for part in ["error: layer base: configuring 2 packages failed", "going down"] {
        assert!(run.err.contains(part), "{part:?} in {run:?}");
    }
    let culprit = "the postinst script of tiny: ";
    assert!(run.err.contains(culprit), "{run:?}");
    let last: serde_json::Value = serde_json::from_str(run.out.lines().last().unwrap()).unwrap();
    let details = &last["details"];
    assert_eq!((&details["layer"], &details["status"]), (&"base".into(), &1.into()));
    assert!(details["culprits"][0].as_str().unwrap().starts_with(culprit), "{details}");
    let lines = details["last_lines"].as_array().unwrap();
    assert!(lines.iter().any(|line| line == "going down"), "{details}");
    assert!(Path::new(details["log"].as_str().unwrap()).exists());
}

#[test]
fn a_package_whose_postinst_leaves_a_daemon_is_named() {
    let bad = tiny("1.0").script("postinst", "#!/bin/sh\nsleep 1000 >/dev/null 2>&1 &\n");
    let Some(world) = world(bad, "#!/bin/sh\n") else { return };
    let run = world.osb(&["build", "--only", "tree"]);
    let parts = ["left processes behind", "the postinst script of tiny", "(sleep 1000)"];
    run.assert_error(1, &parts);
}

#[test]
fn a_package_whose_preinst_fails_is_named() {
    let bad = tiny("1.0").script("preinst", "#!/bin/sh\necho no >&2\nexit 4\n");
    let Some(world) = world(bad, "#!/bin/sh\n") else { return };
    let run = world.osb(&["build", "--only", "tree"]);
    run.assert_error(1, &["the preinst script of tiny failed with exit code 4", "\n    no\n"]);
}
