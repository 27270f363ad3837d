//! The program from outside: exit codes, where text goes, JSON. No network.
#![allow(clippy::unwrap_used)] // in helpers, too: a failed one is a failed test

use std::path::Path;

use assert_cmd::Command;

/// osb in an empty folder, with nothing of the caller's environment that matters to it.
fn osb(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("osb").unwrap();
    command.current_dir(folder).args(arguments).env("OSB_CACHE_DIR", folder.join("cache"));
    command.env_remove("OSB_MIRROR").env_remove("SOURCE_DATE_EPOCH");
    command
}

/// Runs osb; its exit code, standard output and standard error.
fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn wrong_usage_is_code_2() {
    let dir = temporary();
    for arguments in [
        &["no-such-command"][..],
        &["build", "--only", "everything"],
        &["build", "--arch", "sparc"],
        &["build", "--jobs", "0"],
        &["boot", "--until", "("],
        &["boot", "--forward", "22"],
        &["boot", "--credential", "novalue"],
        &["boot", "--timeout", "0"],
        &["doctor", "--quiet", "--verbose"],
    ] {
        let (code, out, err) = run(&mut osb(dir.path(), arguments));
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(out.is_empty() && err.contains("error:"), "{arguments:?}: {out}{err}");
    }
}

#[test]
fn help_has_examples() {
    let dir = temporary();
    for arguments in [&["--help"][..], &["build", "--help"], &["boot", "--help"]] {
        let (code, out, _) = run(&mut osb(dir.path(), arguments));
        assert_eq!(code, Some(0));
        assert!(out.contains("Examples:"), "{out}");
    }
}

#[test]
fn a_missing_recipe_is_bad_input() {
    let dir = temporary();
    for command in ["build", "lock"] {
        let (code, _, err) = run(&mut osb(dir.path(), &[command, "--recipe", "none.toml"]));
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains("none.toml"), "{err}");
    }
}

#[test]
fn a_broken_recipe_names_file_and_line() {
    let dir = temporary();
    std::fs::write(dir.path().join("osb.toml"), "[image]\nname = \"x\"\nlayerz = []\n").unwrap();
    let (code, _, err) = run(&mut osb(dir.path(), &["build"]));
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("osb.toml:3"), "{err}");
    assert!(err.contains("layers"), "a hint at the right spelling: {err}");
}

#[test]
fn a_broken_source_date_epoch_is_bad_input() {
    let dir = temporary();
    let (code, _, err) = run(osb(dir.path(), &["build"]).env("SOURCE_DATE_EPOCH", "yesterday"));
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("SOURCE_DATE_EPOCH"), "{err}");
}

#[test]
fn a_missing_image_is_bad_input_with_a_hint() {
    let dir = temporary();
    let (code, out, err) = run(&mut osb(dir.path(), &["boot"]));
    assert_eq!(code, Some(2), "{err}");
    assert!(out.is_empty());
    assert!(err.contains("out/disk.img") && err.contains("hint: "), "{err}");
    assert!(!dir.path().join("cache").exists(), "nothing is made before the input was looked at");
}

#[test]
fn an_image_of_another_architecture_asks_for_its_recipe() {
    let dir = temporary();
    let image = dir.path().join("disk.img");
    std::fs::write(&image, [0; 512]).unwrap();
    std::fs::write(dir.path().join("metadata.json"), r#"{"arch": "amd64"}"#).unwrap();
    let (code, _, err) = run(&mut osb(dir.path(), &["boot", "disk.img"]));
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("amd64, the recipe for arm64") && err.contains("--recipe"), "{err}");
    assert!(!dir.path().join("cache").exists(), "nothing was downloaded");
    let offline = ["boot", "disk.img", "--recipe", "amd64-node", "--offline"];
    let (_, _, err) = run(&mut osb(dir.path(), &offline));
    assert!(!err.contains("the recipe for"), "{err}");
}

#[test]
fn errors_are_json_too() {
    let dir = temporary();
    let (code, out, err) = run(&mut osb(dir.path(), &["--json", "boot", "none.img"]));
    assert_eq!(code, Some(2));
    assert_eq!(out.lines().count(), 1, "{out}");
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["event"], "error");
    assert_eq!(value["exit_code"], 2);
    assert!(value["hint"].is_string());
    assert!(err.contains("error: "), "people still read it on standard error");
}

#[test]
fn doctor_answers_in_text_and_json() {
    let dir = temporary();
    let (code, out, _) = run(&mut osb(dir.path(), &["doctor"]));
    assert!(matches!(code, Some(0 | 5)), "{code:?}");
    assert!(out.contains("kernel") && out.contains("mirror"), "{out}");
    let (_, out, _) = run(&mut osb(dir.path(), &["doctor", "--json"]));
    let value: serde_json::Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!(value["event"], "doctor");
    assert!(value["checks"].as_array().unwrap().len() >= 5);
}

#[test]
fn the_mirror_is_the_one_that_is_asked_for() {
    let dir = temporary();
    let (_, out, _) =
        run(osb(dir.path(), &["doctor"]).env("OSB_MIRROR", "http://mirror.example/debian"));
    assert!(out.contains("http://mirror.example/debian-security"), "{out}");
}

#[test]
fn the_version_is_told() {
    let dir = temporary();
    for arguments in [&["--version"][..], &["build", "--version"]] {
        let (code, out, _) = run(&mut osb(dir.path(), arguments));
        assert_eq!(code, Some(0));
        // Which commit it is, is in what is released (tests/version.rs; cargo xtask dist).
        assert!(out.contains(env!("CARGO_PKG_VERSION")), "{out}");
    }
}
