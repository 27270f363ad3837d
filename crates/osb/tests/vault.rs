//! `osb vault`: a project that is built when the archive has forgotten it.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod common;

use std::fs;
use std::path::Path;

use common::{World, files, tiny};

/// A world with a lock and a vault of it, called `name`; then the archive drops the locked version
/// and the cache is lost.
fn forgotten(name: &str) -> World {
    let world = World::new();
    world.succeed(&["lock"]);
    let run = world.succeed(&["vault", "export", name]);
    assert!(run.out.contains(" packages ("), "{run:?}");
    let whole = fs::metadata(world.project().join(name)).is_ok();
    assert!(whole, "{run:?}");
    world.repo.remove(&world.repo.find("tiny_1.0")[0]);
    world.publish(world.suite([tiny("2.0")]));
    fs::remove_dir_all(world.cache()).unwrap();
    world
}

fn build_offline(world: &World) -> common::Run {
    world.osb(&["build", "--offline", "--locked", "--only", "tree"])
}

#[test]
fn a_vault_gives_back_what_the_archive_has_dropped() {
    for name in ["vault", "vault.tar"] {
        let world = forgotten(name);
        build_offline(&world).assert_error(1, &["tiny 1.0", "--offline"]);
        world.succeed(&["vault", "verify", name]);
        let run = world.succeed(&["vault", "import", name]);
        assert!(run.out.contains("imported"), "{run:?}");
        let requests = world.server.requests().len();
        // All packages are there and taken apart; the layer then lacks a dpkg, which `tiny` is not.
        build_offline(&world).assert_error(2, &["dpkg", "Essential"]);
        assert_eq!(world.server.requests().len(), requests, "nobody was asked");
    }
}

#[test]
fn a_tar_has_the_same_bytes_every_time_and_appears_whole() {
    let world = World::new();
    world.succeed(&["lock"]);
    world.succeed(&["vault", "export", "a.tar"]);
    fs::remove_dir_all(world.cache().join("debs-v1")).unwrap();
    world.succeed(&["vault", "export", "b.tar", "-j", "3"]);
    let read = |name: &str| fs::read(world.project().join(name)).unwrap();
    assert_eq!(read("a.tar"), read("b.tar"));
    let text = String::from_utf8_lossy(&read("a.tar")).into_owned();
    assert!(
        text.contains("releases/archive.InRelease") && !text.contains("127.0.0.1"),
        "no mirror"
    );
    let names = files(&world.project());
    assert!(!names.iter().any(|name| name.contains("partial")), "{names:?}");
}

#[test]
fn what_is_there_is_not_overwritten() {
    let world = World::new();
    world.succeed(&["lock"]);
    world.put("vault/mine", "x");
    let run = world.osb(&["vault", "export", "vault"]);
    run.assert_error(3, &["vault is there already"]);
    let run = world.osb(&["vault", "import", "vault", "--lock", "osb.lock"]);
    run.assert_error(3, &["osb.lock is there already"]);
}

#[test]
fn a_dry_run_and_json_tell_what_would_be_there() {
    let world = World::new();
    world.succeed(&["lock"]);
    let count = |arguments: &[&str]| {
        let run = world.succeed(arguments);
        let last: serde_json::Value =
            serde_json::from_str(run.out.lines().last().unwrap()).unwrap();
        assert_eq!((&last["event"], &last["written"]), (&"vault".into(), &false.into()));
        last["packages"].as_u64().unwrap()
    };
    let here = count(&["vault", "export", "v", "--dry-run", "--json"]);
    // The tools of these tests are for all architectures: every host has the same.
    assert_eq!(here, count(&["vault", "export", "v", "--dry-run", "--json", "--all-hosts"]));
    assert!(here > 10 && !world.project().join("v").exists());
}

#[test]
fn a_lost_lock_is_in_the_vault() {
    let world = World::new();
    world.succeed(&["lock"]);
    world.succeed(&["vault", "export", "vault.tar"]);
    let lock = world.lock().unwrap();
    fs::remove_file(world.project().join("osb.lock")).unwrap();
    world.osb(&["vault", "export", "other"]).assert_error(2, &["no ", "osb.lock"]);
    world.succeed(&["vault", "import", "vault.tar", "--lock", "osb.lock"]);
    assert_eq!(world.lock().unwrap(), lock);
}

/// The first package of the vault's folder.
fn a_package(vault: &Path) -> std::path::PathBuf {
    vault.join(files(vault).into_iter().find(|name| name.starts_with("debs/")).unwrap())
}

#[test]
fn damaged_folders_are_refused() {
    let world = forgotten("vault");
    let vault = world.project().join("vault");
    let deb = a_package(&vault);
    let good = fs::read(&deb).unwrap();
    let refused = |code, parts: &[&str]| {
        for command in ["verify", "import"] {
            world.osb(&["vault", command, "vault"]).assert_error(code, parts);
        }
        let name = deb.file_name().unwrap();
        assert!(!world.cache().join("debs-v1").join(name).exists(), "{parts:?}");
    };
    assert!(vault.join("releases/archive.InRelease").exists(), "it is kept in the cache");
    let mut bad = good.clone();
    bad[100] ^= 1;
    fs::write(&deb, &bad).unwrap();
    refused(4, &["vault", "damaged", "SHA-256"]);
    fs::write(&deb, &good[..good.len() - 1]).unwrap();
    refused(4, &["fewer than"]);
    fs::write(&deb, [&good[..], b"x"].concat()).unwrap();
    refused(4, &["more than"]);
    fs::remove_file(&deb).unwrap();
    refused(2, &["is missing"]);
    fs::write(vault.join("elsewhere"), &good).unwrap();
    std::os::unix::fs::symlink("../elsewhere", &deb).unwrap();
    refused(2, &["symbolic link"]);
    fs::remove_file(&deb).unwrap();
    fs::create_dir(&deb).unwrap();
    refused(2, &["not a regular file"]);
    let index = vault.join("INDEX.json");
    let text = fs::read_to_string(&index).unwrap();
    fs::write(&index, text.replacen("debs/", "../debs/", 1)).unwrap();
    refused(2, &["does not lie at"]);
    let size = text.find("\"size\": ").unwrap() + 8;
    let end = size + text[size..].find(',').unwrap();
    fs::write(&index, format!("{}99999999999999999{}", &text[..size], &text[end..])).unwrap();
    world.osb(&["vault", "import", "vault"]).assert_error(5, &["MiB are needed"]);
    fs::write(&index, "[]").unwrap();
    refused(2, &["INDEX.json"]);
    fs::remove_file(&index).unwrap();
    refused(2, &["INDEX.json is missing"]);
}

#[test]
fn what_the_lock_names_and_the_index_does_not_is_told() {
    let world = forgotten("vault");
    let run = world.succeed(&["vault", "verify", "vault"]);
    assert!(!run.err.contains("warning"), "{run:?}");
    let vault = world.project().join("vault");
    let mut index: serde_json::Value =
        serde_json::from_slice(&fs::read(vault.join("INDEX.json")).unwrap()).unwrap();
    let files = index["files"].as_array_mut().unwrap();
    files.retain(|file| file["name"] != "tiny");
    fs::write(vault.join("INDEX.json"), index.to_string()).unwrap();
    let run = world.succeed(&["vault", "verify", "vault"]);
    assert!(run.err.contains("lacks 1 of what its lock names, first tiny"), "{run:?}");
}

#[test]
fn damaged_tars_are_refused() {
    let world = forgotten("vault.tar");
    let path = world.project().join("vault.tar");
    let good = fs::read(&path).unwrap();
    let refused = |bytes: &[u8], code, parts: &[&str]| {
        fs::write(&path, bytes).unwrap();
        world.osb(&["vault", "import", "vault.tar"]).assert_error(code, parts);
    };
    // In the middle of the packages, and of the index.
    refused(&good[..good.len() / 2], 2, &["ends"]);
    refused(&good[..700], 2, &["ends"]);
    refused(b"", 2, &["ends"]);
    refused(b"no tar at all", 2, &["ends"]);
    let at = good.windows(6).position(|bytes| bytes == b"!<arch").unwrap();
    let mut bad = good.clone();
    bad[at + 40] ^= 1;
    refused(&bad, 4, &["SHA-256"]);
    // Another name for the first member.
    let at = good.windows(12).position(|bytes| bytes == b"./INDEX.json").unwrap();
    let mut bad = good.clone();
    bad[at..at + 12].copy_from_slice(b"../INDEX.jso");
    refused(&bad, 2, &["vault.tar"]);
    fs::write(&path, &good).unwrap();
    world.succeed(&["vault", "import", "vault.tar"]);
}
