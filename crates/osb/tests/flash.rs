//! `osb flash` as a user meets it, as far as no disk is needed; `cargo xtask flash` writes to real
//! devices.
#![allow(clippy::unwrap_used)] // in helpers, too: a failed one is a failed test

use std::fs;
use std::path::Path;

use assert_cmd::Command;

/// Exit code, standard output, standard error.
fn flash(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("osb").unwrap().arg("flash").args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn at(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn what_is_no_disk_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let (code, _, told) = flash(&[at(&file), "--yes"]);
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("file is not a disk"), "{told}");
    assert!(told.contains("hint: see which disks there are: osb devices"), "{told}");
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    let (code, _, told) = flash(&["/dev/null", "--yes"]);
    assert_eq!(code, 3, "{told}");
    let (code, _, told) = flash(&["/dev/nothing-of-the-kind", "--yes"]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("/dev/nothing-of-the-kind"), "{told}");
}

#[test]
fn bad_usage_is_told_before_anything_is_looked_at() {
    for (arguments, part) in [
        (&[][..], "DEVICE"),
        (&["/dev/sda", "--changed-only", "--resume"], "--resume"),
        (&["/dev/sda", "--sha256", "12"], "--sha256"),
        (&["/dev/sda", "--set", "x"], "NAME=VALUE"),
    ] {
        let (code, _, told) = flash(arguments);
        assert_eq!(code, 2, "{arguments:?}: {told}");
        assert!(told.contains(part), "{arguments:?}: {told}");
    }
}

#[test]
fn the_disk_of_the_running_system_is_refused() {
    let (code, listed, _) = {
        let output =
            Command::cargo_bin("osb").unwrap().args(["devices", "--json"]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), ())
    };
    assert_eq!(code, Some(0));
    let system = listed.lines().find(|line| line.contains("\"kind\":\"system\""));
    let Some(line) = system else {
        // In a container no disk is known to have the root.
        println!("SKIPPED: no disk of this machine is known as the system's");
        return;
    };
    let disk: serde_json::Value = serde_json::from_str(line).unwrap();
    let path = disk["path"].as_str().unwrap();
    let serial = disk["serial"].as_str().unwrap_or_default();
    let (code, _, told) = flash(&[path, "--yes", "--serial", serial, "--image", "/nowhere"]);
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("the running system is on it"), "{told}");
}
