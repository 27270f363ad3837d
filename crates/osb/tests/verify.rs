//! `osb sign`, `verify` and `split`, and what a build leaves for them.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // in helpers, too: a failed one is a failed test

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::{Run, World, image};
use osb_sign::Kind;
use osb_sign::made::pair;
use serde_json::Value;

/// Runs osb in a folder.
fn osb(folder: &Path, arguments: &[&str]) -> Run {
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("osb"));
    command.args(arguments).current_dir(folder).env("RELEASE_PASSWORD", "open sesame");
    Run::of(command)
}

/// A folder `out` with a list of one file, and keys beside it.
fn release() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("disk.img"), vec![7; 5000]).unwrap();
    let digest = common::digest(&[7; 5000]);
    fs::write(out.join("SHA256SUMS"), format!("{digest}  disk.img\n")).unwrap();
    for (name, kind, seed, password) in [
        ("mini", Kind::Minisign, 1, None),
        ("other", Kind::Minisign, 2, None),
        ("ssh", Kind::Ssh, 1, None),
        ("closed", Kind::Ssh, 3, Some(&b"open sesame"[..])),
        ("sealed", Kind::Minisign, 3, Some(b"open sesame")),
    ] {
        let pair = pair(kind, seed, password);
        let secret = dir.path().join(format!("{name}.key"));
        fs::write(&secret, pair.secret).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(dir.path().join(format!("{name}.pub")), pair.public).unwrap();
    }
    dir
}

#[test]
fn what_is_signed_is_verified() {
    let dir = release();
    let run = osb(dir.path(), &["verify", "out", "--key", "mini.pub"]);
    run.assert_error(4, &["SHA256SUMS of out is not signed", "no SHA256SUMS.minisig"]);
    let run = osb(dir.path(), &["verify", "out"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.contains("nobody says whose they are"), "{run:?}");
    for (key, file) in [("mini", "SHA256SUMS.minisig"), ("ssh", "SHA256SUMS.sig")] {
        let run = osb(dir.path(), &["sign", "out", "--key", &format!("{key}.key")]);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(run.out.contains(&format!("out/{file}: signed with the")), "{run:?}");
        let public = format!("{key}.pub");
        let run = osb(dir.path(), &["verify", "out", "--key", &public]);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(run.out.contains("every link holds"), "{run:?}");
        // The key itself instead of its file.
        let literal = fs::read_to_string(dir.path().join(&public)).unwrap();
        let literal = literal.lines().last().unwrap();
        let run = osb(dir.path(), &["verify", "out", "--key", literal, "--json"]);
        assert_eq!(run.code, Some(0), "{run:?}");
        let told: Value = serde_json::from_str(run.out.lines().last().unwrap()).unwrap();
        assert_eq!(
            (&told["event"], &told["signature"]["checked"]),
            (&"verify".into(), &true.into())
        );
    }
    let run = osb(dir.path(), &["verify", "out"]);
    assert!(run.out.contains("not checked: whose SHA256SUMS.minisig is, --key tells"), "{run:?}");
    let run = osb(dir.path(), &["verify", "out", "--key", "other.pub"]);
    run.assert_error(4, &["SHA256SUMS.minisig of out", "by the key 0101010101010101"]);
    // A key beside the image came with it.
    fs::copy(dir.path().join("mini.pub"), dir.path().join("out/key.pub")).unwrap();
    let run = osb(dir.path(), &["verify", "out", "--key", "out/key.pub"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.err.contains("lies in the folder that it should vouch for"), "{run:?}");
    assert!(run.out.contains("not covered     key.pub"), "{run:?}");
    fs::write(dir.path().join("out/disk.img"), vec![8; 5000]).unwrap();
    let run = osb(dir.path(), &["verify", "out", "--key", "mini.pub"]);
    run.assert_error(4, &["1 of 1 files", "disk.img: differs"]);
    // Nor does anybody sign it.
    osb(dir.path(), &["sign", "out", "--key", "mini.key"]).assert_error(4, &["disk.img: differs"]);
}

#[test]
fn bad_keys_are_told_before_anything_is_read() {
    let dir = release();
    let sign = |key: &str| osb(dir.path(), &["sign", "out", "--key", key]);
    let verify = |key: &str| osb(dir.path(), &["verify", "out", "--key", key]);
    sign("nowhere.key").assert_error(2, &["opening the key nowhere.key"]);
    verify("nowhere.pub").assert_error(2, &["opening the key nowhere.pub"]);
    sign("mini.pub").assert_error(2, &["this is a public key"]);
    verify("mini.key").assert_error(2, &["this is a secret key"]);
    sign("out").assert_error(2, &["is a folder, not a key"]);
    sign("out/SHA256SUMS").assert_error(3, &["can be read by others"]);
    verify("out/SHA256SUMS").assert_error(2, &["not a public key of minisign or OpenSSH"]);
    let open = dir.path().join("ssh.key");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o640)).unwrap();
    let run = sign("ssh.key");
    run.assert_error(3, &["ssh.key can be read by others (mode 0640)"]);
    assert_eq!(run.hint(), "if nobody has: chmod 600 ssh.key");
    assert!(!dir.path().join("out/SHA256SUMS.sig").exists());
}

#[test]
fn passwords_come_from_where_they_are_said_to_be() {
    let dir = release();
    let password = dir.path().join("password");
    fs::write(&password, "open sesame\n").unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    for key in ["closed", "sealed"] {
        let secret = format!("{key}.key");
        let sign = |more: &[&str]| {
            let mut command = std::process::Command::new("setsid");
            command.arg("--wait").arg(assert_cmd::cargo::cargo_bin("osb"));
            command.args(["sign", "out", "--key", &secret]).args(more).current_dir(dir.path());
            // setsid: nobody is at the terminal of a test.
            Run::of({
                command.env("RELEASE_PASSWORD", "open sesame").env("WRONG", "x");
                command
            })
        };
        let run = sign(&[]);
        run.assert_error(2, &["is encrypted, and nobody can be asked"]);
        assert!(run.hint().contains("--password-file"), "{run:?}");
        sign(&["--password-env", "WRONG"]).assert_error(2, &["the password does not open the key"]);
        sign(&["--password-env", "ABSENT"]).assert_error(2, &["ABSENT is not set"]);
        for from in [["--password-env", "RELEASE_PASSWORD"], ["--password-file", "password"]] {
            let run = sign(&from);
            assert_eq!(run.code, Some(0), "{run:?}");
            let run = osb(dir.path(), &["verify", "out", "--key", &format!("{key}.pub")]);
            assert_eq!(run.code, Some(0), "{run:?}");
        }
    }
}

#[test]
fn parts_are_verified_as_the_whole() {
    let dir = release();
    let run = osb(dir.path(), &["split", "out"]);
    assert_eq!((run.code, run.out.as_str()), (Some(0), "no file has more than 2.0 GiB\n"));
    let run = osb(dir.path(), &["split", "out", "--limit", "2KiB"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.contains("out/disk.img.parts.json: 3 parts"), "{run:?}");
    let run = osb(dir.path(), &["split", "out", "--limit", "2KiB"]);
    assert_eq!(run.code, Some(0), "what is in parts stays so: {run:?}");
    let run = osb(dir.path(), &["verify", "out"]);
    assert!(run.out.contains("disk.img (in 3 parts)"), "{run:?}");
    let part = dir.path().join("out/disk.img.part-002");
    fs::write(&part, "short").unwrap();
    let run = osb(dir.path(), &["verify", "out"]);
    run.assert_error(4, &["disk.img.part-002 has 5 bytes, and 904 were expected"]);
    osb(dir.path(), &["split", "out", "--limit", "2GB"]).assert_usage("is no size");
    osb(dir.path(), &["split", "nowhere"]).assert_error(2, &["nowhere has no SHA256SUMS"]);
}

trait Usage {
    fn assert_usage(&self, part: &str);
}

impl Usage for Run {
    fn assert_usage(&self, part: &str) {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert!(self.err.contains(part), "{self:?}");
    }
}

fn read(world: &World, name: &str) -> Value {
    serde_json::from_slice(&fs::read(at(world, name)).unwrap()).unwrap()
}

fn at(world: &World, name: &str) -> PathBuf {
    world.project().join("out").join(name)
}

#[test]
fn a_build_says_what_it_is_made_of_and_can_be_done_again() {
    let Some(world) = image::project() else { return };
    let run = world.osb(&["build", "--only", "rootfs", "--set", "image.version=7"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let bill = read(&world, "sbom.cdx.json");
    let components = bill["components"].as_array().unwrap();
    let tiny = components.iter().find(|component| component["name"] == "tiny").unwrap();
    assert_eq!(tiny["purl"], "pkg:deb/archive/tiny@1.0?arch=all");
    assert_eq!(bill["metadata"]["component"]["version"], "7");

    let provenance = read(&world, "provenance.json");
    let subjects: Vec<_> = provenance["subject"].as_array().unwrap().iter().collect();
    let names: Vec<_> = subjects.iter().map(|subject| subject["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["metadata.json", "rootfs.tar.gz", "sbom.cdx.json"]);
    let definition = &provenance["predicate"]["buildDefinition"];
    assert_eq!(definition["externalParameters"]["recipe"], "osb.toml");
    assert_eq!(definition["externalParameters"]["set"][0], "image.version=7");
    let lock = fs::read(world.project().join("osb.lock")).unwrap();
    let resolved = &definition["resolvedDependencies"];
    assert_eq!(resolved[0]["digest"]["sha256"], common::digest(&lock));
    assert_eq!(resolved[1]["uri"], format!("{}/dists/trixie/Release", world.server.url()));
    let sums = fs::read_to_string(at(&world, "SHA256SUMS")).unwrap();
    assert!(sums.contains("sbom.cdx.json") && !sums.contains("provenance.json"), "{sums}");

    // What was there already was built by the run that the provenance is of.
    let before = fs::read(at(&world, "provenance.json")).unwrap();
    world.succeed(&["build", "--only", "rootfs", "--set", "image.version=7"]);
    assert!(fs::read(at(&world, "provenance.json")).unwrap() == before);

    let key = world.project().join("release.key");
    fs::write(&key, pair(Kind::Ssh, 1, None).secret).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let public = pair(Kind::Ssh, 1, None).public;
    world.succeed(&["sign", "out", "--key", "release.key"]);
    let run = world.succeed(&["verify", "out", "--key", public.trim()]);
    for part in ["tiny 7", "of the same artifacts", "SSH key SHA256:"] {
        assert!(run.out.contains(part), "{part}: {run:?}");
    }
    let run = world.succeed(&["verify", "out", "--rebuild", "--set", "image.version=7"]);
    assert!(run.out.contains("rebuilt         3 files, byte for byte"), "{run:?}");

    let scratch = world.project().parent().unwrap().join("scratch");
    fs::create_dir(&scratch).unwrap();
    let mut command = world.command(&["verify", "out", "--rebuild", "--set", "image.version=8"]);
    command.env("TMPDIR", &scratch);
    let run = Run::of(command);
    run.assert_error(4, &["a rebuild from the lock gives another", "metadata.json"]);
    assert!(run.hint().starts_with("see what differs: osb diff out /"), "{run:?}");

    // A new build takes away what was made of the old one.
    world.succeed(&["build", "--only", "rootfs"]);
    assert!(!at(&world, "SHA256SUMS.sig").exists() && !at(&world, "provenance.json.sig").exists());
}
