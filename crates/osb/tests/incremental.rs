//! What a build takes from the one before it, and that this gives the same bytes as a first build.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{World, image};
use serde_json::Value;

/// The final report of a build that must succeed.
fn build(world: &World, more: &[&str]) -> Value {
    let run = world.succeed(&[&["build", "--json"], more].concat());
    serde_json::from_str(run.out.lines().last().unwrap()).unwrap()
}

fn sums(world: &World, out: &str) -> String {
    fs::read_to_string(world.project().join(out).join("SHA256SUMS")).unwrap()
}

/// `install base`, `dress top` and so on: what ran of layers.
fn stages(report: &Value) -> Vec<String> {
    let stages = report["stages"].as_array().unwrap();
    let of_layers = stages.iter().filter(|stage| !stage["layer"].is_null());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    of_layers.map(|stage| format!("{} {}", text(&stage["name"]), text(&stage["layer"]))).collect()
}

/// The sums of a build that finds nothing in its cache but packages as downloaded.
fn cold(world: &World) -> String {
    let empty = world.project().with_file_name("empty");
    let debs = empty.join("debs-v1");
    fs::create_dir_all(&debs).unwrap();
    for entry in fs::read_dir(world.cache().join("debs-v1")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), debs.join(entry.file_name())).unwrap();
    }
    let report = build(world, &["--cache-dir", empty.to_str().unwrap(), "-o", "cold"]);
    assert_eq!(stages(&report).len(), 6, "{report}");
    fs::remove_dir_all(empty).unwrap();
    sums(world, "cold")
}

/// The one file of this name in the cache's layers.
fn in_layers(world: &World, name: &str) -> PathBuf {
    let layers = world.cache().join("layers-v2");
    let found: Vec<String> =
        common::files(&layers).into_iter().filter(|path| path.ends_with(name)).collect();
    let [path] = &found[..] else { panic!("{found:?}") };
    layers.join(path)
}

/// Writes other bytes of the same length, and gives the file its old time.
fn spoil(path: &Path) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    bytes[0] ^= 1;
    fs::write(path, bytes).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn a_build_with_nothing_to_do_does_nothing() {
    let Some(world) = image::project() else { return };
    let first = build(&world, &[]);
    assert_eq!((&first["unchanged"], stages(&first).len()), (&false.into(), 6), "{first}");
    let disk = world.project().join("out/disk.img");
    let before = fs::metadata(&disk).unwrap().modified().unwrap();
    let second = build(&world, &[]);
    assert_eq!(second["unchanged"], true);
    assert_eq!(second["artifacts"], first["artifacts"]);
    assert_eq!(second["stages"], Value::from(Vec::<Value>::new()));
    assert_eq!(fs::metadata(&disk).unwrap().modified().unwrap(), before);
    let people = world.succeed(&["build"]);
    assert!(people.out.contains("nothing has changed since"), "{people:?}");

    // Another folder has nothing yet; what somebody has touched is made again.
    assert_eq!(build(&world, &["-o", "other"])["unchanged"], false);
    for name in ["disk.img", "disk.img.bmap", "rootfs.tar.gz.sha256", "SHA256SUMS"] {
        let path = world.project().join("out").join(name);
        spoil(&path);
        assert_eq!(build(&world, &[])["unchanged"], false, "{name}");
        assert_eq!(sums(&world, "out"), sums(&world, "other"));
    }
    fs::remove_file(world.project().join("out/metadata.json")).unwrap();
    assert_eq!(build(&world, &[])["unchanged"], false);
    // One form is not all of them.
    assert_eq!(build(&world, &["--only", "disk"])["unchanged"], false);
    assert_eq!(build(&world, &["--only", "disk"])["unchanged"], true);
    assert_eq!(build(&world, &[])["unchanged"], false);
}

#[test]
fn a_changed_file_runs_no_dpkg_and_gives_the_bytes_of_a_first_build() {
    let Some(world) = image::project() else { return };
    build(&world, &[]);
    let before = sums(&world, "out");
    world.put("layers/top/files/etc/containerd/config.toml", "version = 3\n");
    let report = build(&world, &[]);
    assert_eq!(stages(&report), ["dress top", "seal image"], "no initramfs either");
    assert_ne!(sums(&world, "out"), before);
    assert_eq!(sums(&world, "out"), cold(&world));

    world.put("layers/top/files/etc/containerd/config.toml", "version = 2\n");
    assert_eq!(stages(&build(&world, &[])), [""; 0], "all of it is still there");
    assert_eq!(sums(&world, "out"), before);
}

#[test]
fn an_artifact_that_cannot_be_written_ends_the_others() {
    let Some(world) = image::project() else { return };
    for name in ["rootfs.tar.gz", "disk.img", "disk.img.bmap", "sd.img.zst"] {
        // Where it is to be made lies something that is no file.
        let partial = world.project().join("out").join(format!(".{name}.partial"));
        fs::create_dir_all(&partial).unwrap();
        world.osb(&["build"]).assert_error(1, &[name]);
        assert_eq!(fs::read_dir(world.project().join("out")).unwrap().count(), 1, "{name}");
        fs::remove_dir(partial).unwrap();
    }
    build(&world, &[]);
}

#[test]
fn what_goes_into_the_initramfs_makes_it_anew() {
    let Some(world) = image::project() else { return };
    build(&world, &[]);
    world.put("layers/top/files/etc/initramfs-tools/more.conf", "MORE=yes\n");
    let report = build(&world, &[]);
    assert_eq!(stages(&report), ["dress top", "initramfs image", "seal image"]);
    assert_eq!(sums(&world, "out"), cold(&world));
    // From here on a hook names a folder that otherwise has no part in it.
    world.put("layers/top/files/etc/initramfs-tools/more.conf", "cp /etc/containerd/config.toml\n");
    build(&world, &[]);
    world.put("layers/top/files/etc/containerd/config.toml", "version = 4\n");
    assert_eq!(stages(&build(&world, &[])), ["dress top", "initramfs image", "seal image"]);
}

#[test]
fn a_verification_finds_what_no_build_looks_at() {
    let Some(world) = image::project() else { return };
    world.succeed(&["build"]);
    let run = world.succeed(&["cache", "verify"]);
    assert!(run.out.ends_with(" entries read, 0 damaged\n"), "{run:?}");
    let deb = world.cache().join("debs-v1");
    let deb = deb.join(&common::files(&deb)[0]);
    let frame = world.cache().join("frames-v1");
    let frame = frame.join(&common::files(&frame)[0]);
    for path in [&deb, &frame, &in_layers(&world, "bin/sleep")] {
        spoil(path);
    }
    let run = world.osb(&["cache", "verify", "--json"]);
    assert_eq!(run.code, Some(4), "{run:?}");
    assert!(run.err.contains("error: 3 entries of the cache are damaged"), "{run:?}");
    assert!(run.hint().contains("--remove"), "{run:?}");
    let report = run.out.lines().find(|line| line.contains("\"verify\"")).unwrap();
    let report: Value = serde_json::from_str(report).unwrap();
    assert_eq!(report["damaged"].as_array().unwrap().len(), 3, "{report}");
    world.succeed(&["cache", "verify", "--remove"]);
    assert!(!deb.exists() && !frame.exists());
    world.succeed(&["cache", "verify"]);
    build(&world, &["-o", "again"]);
    assert_eq!(sums(&world, "again"), sums(&world, "out"));
}

#[test]
fn damage_in_the_cache_is_noticed_told_and_repaired() {
    let Some(world) = image::project() else { return };
    build(&world, &[]);
    let good = sums(&world, "out");
    let repaired = |what: &str, stage: &[&str]| {
        let run = world.succeed(&["build", "--json", "-o", "again"]);
        assert!(run.err.contains("warning: ") && run.err.contains(what), "{what}: {run:?}");
        let report = serde_json::from_str(run.out.lines().last().unwrap()).unwrap();
        assert_eq!(stages(&report), stage);
        assert_eq!(sums(&world, "again"), good);
        fs::remove_dir_all(world.project().join("again")).unwrap();
    };
    fs::write(in_layers(&world, "usr/share/tiny"), "longer").unwrap();
    repaired("install top: damaged in the cache (packages/usr/share/tiny: ", &["install top"]);
    fs::remove_file(in_layers(&world, "containerd/config.toml")).unwrap();
    repaired("dress top: damaged in the cache (root/etc/containerd", &["dress top"]);
    spoil(&in_layers(&world, "modules/6.0-test/vmlinuz"));
    repaired("the content is not what was recorded", &["install base"]);
    spoil(&in_layers(&world, "bin/sleep"));
    repaired("the content is not what was recorded", &["install base"]);
    let initramfs = world.cache().join("initramfs-v1");
    let names = common::files(&initramfs);
    let name = names.iter().find(|name| name.ends_with("initrd.img-6.0-test")).unwrap();
    fs::write(initramfs.join(name), "").unwrap();
    repaired("initramfs: damaged in the cache (root/boot/initrd", &["initramfs image"]);
    for name in common::files(&world.cache().join("frames-v1")) {
        spoil(&world.cache().join("frames-v1").join(name));
    }
    repaired("damaged entries of frames-v1", &[]);
    // Packages are looked over when a layer is made from them.
    let packages = world.cache().join("packages-v2");
    let names = common::files(&packages);
    let name = names.iter().find(|name| name.ends_with("data/usr/share/tiny")).unwrap();
    fs::write(packages.join(name), "").unwrap();
    fs::remove_dir_all(world.cache().join("layers-v2")).unwrap();
    let run = world.succeed(&["build", "-o", "again"]);
    assert!(run.err.contains("tiny 1.0: damaged in the cache (data/usr/share/tiny"), "{run:?}");
    assert_eq!(sums(&world, "again"), good);
    // And read: a layer would have the damage as its own.
    spoil(&packages.join(name));
    fs::remove_dir_all(world.cache().join("layers-v2")).unwrap();
    fs::remove_dir_all(world.project().join("again")).unwrap();
    let run = world.succeed(&["build", "-o", "again"]);
    assert!(run.err.contains("tiny 1.0: damaged in the cache (data/usr/share/tiny"), "{run:?}");
    assert_eq!(sums(&world, "again"), good);
}
