//! Too little disk is found out before anything is downloaded.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Run, World, noise, tiny};
use osb_testrepo::{Compression, Deb};

/// Builds with the cache on a file system of so many MiB.
fn build_in(world: &World, mib: u32, more: &[&str]) -> Run {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test mounts a small file system: run it as root"
    );
    let cache = world.cache();
    std::fs::create_dir_all(&cache).unwrap();
    let script =
        format!("mount -t tmpfs -o size={mib}m tmpfs '{}' && exec \"$@\"", cache.to_str().unwrap());
    let wrapper = ["unshare", "--mount", "sh", "-c", &script, "sh"];
    Run::of(world.wrapped(&wrapper, &[&["build", "--only", "tree"], more].concat()))
}

/// A package of some MiB that stays as large when it is compressed.
fn large(deb: Deb) -> Deb {
    deb.file("usr/share/noise", 0o644, noise(4 << 20)).compressed(Compression::None)
}

fn assert_refused(world: &World, run: &Run) {
    run.assert_error(5, &[world.cache().to_str().unwrap(), "MiB are needed", "MiB are free"]);
    assert!(run.hint().contains("--cache-dir"), "{run:?}");
    assert_eq!(world.server.count(".deb"), 0, "nothing was downloaded");
    let numbers: Vec<u64> =
        run.error().split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(matches!(numbers[..], [need, have, ..] if need > have && have <= 16), "{run:?}");
}

#[test]
fn for_the_packages_of_the_image() {
    let world = World::empty();
    world.publish(world.suite([large(tiny("1.0"))]));
    assert_refused(&world, &build_in(&world, 16, &[]));
}

#[test]
fn for_the_tools() {
    let world = World::empty();
    world.publish(world.suite([tiny("1.0"), large(Deb::new("qemu-user", "1", "all"))]));
    // Only an image for another architecture than this machine's needs tools.
    let foreign = if cfg!(target_arch = "aarch64") { "amd64" } else { "arm64" };
    assert_refused(&world, &build_in(&world, 16, &["--arch", foreign]));
}

#[test]
fn enough_is_enough() {
    let world = World::new();
    let run = build_in(&world, 16, &[]);
    // The build itself ends later: the layer has nothing but that package.
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(world.server.count("tiny_1.0") == 1, "{run:?}");
}
