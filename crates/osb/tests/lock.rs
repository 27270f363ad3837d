//! `osb lock` and what `--locked` promises.
#![allow(clippy::unwrap_used)]

mod common;

use common::{THEN, World, arch, layer, tiny};
use osb_apt::Lock;
use osb_testrepo::Deb;

#[test]
fn the_lock_is_sorted_and_names_no_mirror() {
    let world = World::empty();
    let other = Deb::new("aardvark", "2:1.5-1", "all");
    world.publish(world.suite([tiny("1.0").field("Depends", "aardvark"), other]));
    let run = world.succeed(&["lock"]);
    assert!(run.out.contains("2 packages"), "{run:?}");

    let text = world.lock().unwrap();
    let lock = osb_apt::Lock::parse(&text).unwrap();
    let packages: Vec<_> =
        lock.packages.iter().map(|p| (p.name.as_str(), p.version.as_str())).collect();
    assert_eq!(packages, [("aardvark", "2:1.5-1"), ("tiny", "1.0")]);
    let tools: Vec<_> = lock.tools.iter().map(|t| (&t.set, &t.host, &t.package.name)).collect();
    assert!(tools.is_sorted() && tools.iter().any(|tool| *tool.2 == "qemu-user"), "{tools:?}");
    assert_eq!(lock.sources[0].date, THEN);
    let release = world.repo.read("dists/trixie/Release");
    let digest = common::digest(&release);
    assert_eq!(lock.sources[0].release_sha256, digest);

    let deb = world.repo.read(&lock.packages[1].path);
    assert_eq!(lock.packages[1].size, deb.len() as u64);
    let digest = common::digest(&deb);
    assert_eq!(lock.packages[1].sha256, digest);

    assert!(!text.contains("http") && !text.contains("127.0.0.1"), "{text}");
    world.assert_nothing_half_written();
}

#[test]
fn a_second_lock_changes_nothing() {
    let world = World::new();
    world.succeed(&["lock"]);
    let path = world.project().join("osb.lock");
    let first = (world.lock(), std::fs::metadata(&path).unwrap().modified().unwrap());
    let run = world.succeed(&["lock"]);
    assert!(run.out.contains("nothing changed"), "{run:?}");
    let second = (world.lock(), std::fs::metadata(&path).unwrap().modified().unwrap());
    assert_eq!(first, second, "not even written anew");
}

#[test]
fn a_newer_version_is_shown_as_old_and_new() {
    let world = World::new();
    world.succeed(&["lock"]);
    world.publish(world.suite([tiny("1.1")]));
    let run = world.succeed(&["lock"]);
    assert!(run.out.contains("fits the recipe, nothing changed"), "{run:?}");
    let run = world.succeed(&["lock", "--update", "--dry-run"]);
    assert!(run.out.contains("1.0 → 1.1") && run.out.contains("nothing is written"), "{run:?}");
    assert!(world.lock().unwrap().contains("version = \"1.0\""));
    let run = world.succeed(&["lock", "--update"]);
    assert!(run.out.contains("1.0 → 1.1"), "{run:?}");
    assert!(run.out.contains("1 package moved"), "{run:?}");
    assert!(world.lock().unwrap().contains("version = \"1.1\""));
}

#[test]
fn an_archive_that_goes_back_in_time_is_refused() {
    let world = World::new();
    world.succeed(&["lock"]);
    let lock = world.lock();
    world.publish(world.suite([tiny("1.1")]).dated(THEN - 1));
    // The cache has seen a newer one; without it, the lock has.
    for seen in ["been seen", "the lock has seen"] {
        let run = world.osb(&["lock", "--update"]);
        run.assert_error(4, &["archive", seen]);
        assert!(run.hint().contains("mirror"), "{run:?}");
        assert_eq!(world.lock(), lock, "the lock stays");
        std::fs::remove_dir_all(world.cache().join("releases-v1")).unwrap();
    }
}

#[test]
fn locked_forbids_a_lock_of_another_recipe() {
    let world = World::new();
    world.succeed(&["lock"]);
    let lock = world.lock();
    world.put("layers/base/layer.toml", &layer("install = [\"tiny\", \"tar\"]"));
    let run = world.osb(&["build", "--locked", "--only", "tree"]);
    run.assert_error(2, &["osb.lock", "another recipe", "--locked"]);
    assert!(run.hint().contains("osb lock"), "{run:?}");
    assert_eq!(world.lock(), lock, "the lock stays");
    assert_eq!(world.server.count(".deb"), 0);
    world.assert_nothing_half_written();
}

#[test]
fn a_lock_without_the_tools_that_this_osb_wants_is_made_anew() {
    let world = World::new();
    world.succeed(&["lock"]);
    let whole = world.lock().unwrap();
    // What an osb with fewer tool sets would have written: other inputs, no tools.
    let inputs = whole.lines().find(|line| line.starts_with("inputs = ")).unwrap();
    let old = whole.split("\n[[tool]]").next().unwrap();
    let old = old.replace(inputs, &format!("inputs = \"{}\"", "0".repeat(64)));
    world.put("osb.lock", &old);
    let run = world.osb(&["build", "--locked", "--only", "tree"]);
    run.assert_error(2, &["another osb", "--locked"]);
    assert!(run.hint().contains("osb lock"), "{run:?}");
    world.succeed(&["lock"]);
    assert_eq!(world.lock().unwrap(), whole);
}

#[test]
fn a_lock_is_named_like_its_recipe() {
    let world = World::new();
    world.put("server.toml", &world.recipe());
    for asked in ["server.toml", "./server.toml", "server"] {
        world.succeed(&["lock", "--recipe", asked]);
        let lock = world.project().join("server.lock");
        std::fs::remove_file(&lock).unwrap_or_else(|error| panic!("{asked}: {error}"));
        assert_eq!(world.lock(), None, "osb.lock belongs to osb.toml");
    }
}

#[test]
fn locked_needs_a_lock() {
    let world = World::new();
    let run = world.osb(&["build", "--locked", "--only", "tree"]);
    run.assert_error(2, &["no ", "osb.lock", "--locked"]);
    assert!(run.hint().contains("osb lock"), "{run:?}");
    assert_eq!(world.lock(), None);
    assert!(world.server.requests().is_empty(), "asked before the network was");
    world.assert_nothing_half_written();
}

#[test]
fn a_lock_that_a_merge_broke_names_its_line() {
    let world = World::new();
    world.succeed(&["lock"]);
    let text = world.lock().unwrap();
    let at = text.lines().position(|line| line.starts_with("name = \"tiny\"")).unwrap() + 1;
    let broken = text.replace("name = \"tiny\"", "<<<<<<< HEAD\nname = \"tiny\"");
    world.put("osb.lock", &broken);
    let run = world.osb(&["build", "--only", "tree"]);
    run.assert_error(2, &[&format!("osb.lock:{at}"), "osb lock"]);
    assert_eq!(world.lock().unwrap(), broken);
}

/// A project with three packages, of which `top` needs exactly its own version of `lib`.
fn three() -> World {
    let world = World::empty();
    world.put("layers/base/layer.toml", &layer("install = [\"tiny\", \"top\"]"));
    publish(&world, ["1.0", "1.0", "1.0"]);
    world.succeed(&["lock"]);
    world
}

fn publish(world: &World, [tiny_version, top, lib]: [&str; 3]) {
    let lib_version = format!("lib (= {top})");
    world.publish(world.suite([
        tiny(tiny_version),
        Deb::new("top", top, "all").field("Depends", &lib_version),
        Deb::new("lib", lib, "all").file("usr/share/lib", 0o644, lib),
    ]));
}

/// The image's packages with their versions.
fn versions(world: &World) -> Vec<String> {
    let lock = Lock::parse(&world.lock().unwrap()).unwrap();
    lock.packages.iter().map(|p| format!("{} {}", p.name, p.version)).collect()
}

#[test]
fn one_package_moves_with_what_it_forces_and_the_others_stay() {
    let world = three();
    publish(&world, ["2.0", "2.0", "2.0"]);
    let run = world.succeed(&["lock", "--update", "lib"]);
    assert_eq!(versions(&world), ["lib 2.0", "tiny 1.0", "top 2.0"], "{run:?}");
    assert!(run.out.contains("(top 1.0 needs lib (= 1.0))"), "{run:?}");
    assert!(run.out.contains("2 packages moved"), "{run:?}");
    // `tiny` 1.0 is no longer in any index: what it needs came from the package itself.
    let run = world.succeed(&["lock", "--update", "tiny", "--json"]);
    let last: serde_json::Value = serde_json::from_str(run.out.lines().last().unwrap()).unwrap();
    let change = &last["changes"][0];
    assert_eq!((&change["name"], &change["to"]), (&"tiny".into(), &"2.0".into()), "{last}");
    assert_eq!((&change["what"], &change["layer"]), (&"package".into(), &"base".into()));
    assert_eq!((&change["suite"], &change["security"]), (&"trixie".into(), &false.into()));
}

#[test]
fn a_version_that_is_nowhere_cannot_stay() {
    let world = three();
    world.repo.remove(&world.repo.find("tiny_1.0")[0]);
    publish(&world, ["2.0", "2.0", "2.0"]);
    let run = world.succeed(&["lock", "--update", "lib"]);
    assert_eq!(versions(&world), ["lib 2.0", "tiny 2.0", "top 2.0"], "{run:?}");
    assert!(run.out.contains("neither the archive nor the cache has 1.0"), "{run:?}");
}

#[test]
fn offline_is_not_taken_for_gone() {
    let world = three();
    publish(&world, ["2.0", "2.0", "2.0"]);
    // The new index is in the cache then; no package is.
    world.succeed(&["lock", "--update", "--dry-run"]);
    let run = world.succeed(&["lock", "--update", "lib", "--offline"]);
    assert!(run.out.contains("the cache does not have 1.0, and --offline forbids"), "{run:?}");
}

#[test]
fn a_package_that_is_not_locked_is_an_error_with_names_like_it() {
    let world = three();
    let lock = world.lock();
    let run = world.osb(&["lock", "--update", "tinny"]);
    run.assert_error(2, &["no package", "tinny"]);
    assert!(run.hint().contains("did you mean tiny?"), "{run:?}");
    assert_eq!(world.lock(), lock);
    let empty = World::new();
    let run = empty.osb(&["lock", "--update", "tiny"]);
    run.assert_error(2, &["there is no", "osb.lock"]);
}

#[test]
fn a_package_more_in_a_layer_moves_no_other() {
    let world = three();
    publish(&world, ["2.0", "2.0", "2.0"]);
    world.put("layers/base/layer.toml", &layer("install = [\"tiny\", \"tar\", \"top\"]"));
    let run = world.osb(&["lock", "--locked"]);
    run.assert_error(2, &["another recipe", "layer base: +tar"]);
    let run = world.succeed(&["lock"]);
    assert!(run.out.contains("layer base: +tar"), "{run:?}");
    assert!(run.out.contains("0 packages moved; 1 new"), "{run:?}");
    assert_eq!(versions(&world), ["lib 1.0", "tar 1", "tiny 1.0", "top 1.0"]);
    world.succeed(&["lock", "--locked"]);
}

#[test]
fn other_settings_of_a_source_choose_all_anew() {
    let world = three();
    publish(&world, ["2.0", "2.0", "2.0"]);
    world.put("osb.toml", &format!("{}priority = 600\n", world.recipe()));
    let run = world.osb(&["build", "--locked"]);
    run.assert_error(2, &["source archive: its URL, suite"]);
    world.succeed(&["lock"]);
    assert_eq!(versions(&world), ["lib 2.0", "tiny 2.0", "top 2.0"]);
}

/// The others would stay at what the former sources, or the other architecture, had.
#[test]
fn one_package_does_not_move_to_other_sources_or_another_architecture() {
    let world = three();
    let (lock, recipe) = (world.lock(), world.recipe());
    publish(&world, ["2.0", "2.0", "2.0"]);
    let other = if arch().as_str() == "arm64" { "amd64" } else { "arm64" };
    let (from, to) = (format!("arch = \"{}\"", arch().as_str()), format!("arch = \"{other}\""));
    assert!(recipe.contains(&from), "{recipe}");
    for changed in [format!("{recipe}priority = 600\n"), recipe.replace(&from, &to)] {
        world.put("osb.toml", &changed);
        let run = world.osb(&["lock", "--update", "lib"]);
        run.assert_error(2, &["osb.lock", "what differs"]);
        assert!(run.hint().contains("run `osb lock`"), "{run:?}");
        assert_eq!(world.lock(), lock, "the lock stays");
    }
}

#[test]
fn a_lock_of_the_former_format_fits_and_is_written_anew_without_the_network() {
    let world = three();
    let whole = world.lock().unwrap();
    let mut old = String::new();
    for table in whole.split("\n\n").filter(|table| !table.starts_with("[[layer]]")) {
        let second = table.starts_with("[[source]]");
        let gone = |line: &&str| {
            !(line.starts_with("tool_inputs") || second && line.starts_with("inputs"))
        };
        old += &table.lines().filter(gone).collect::<Vec<_>>().join("\n");
        old += "\n\n";
    }
    world.put("osb.lock", &old.replace("version = 2\n", "version = 1\n"));
    world.succeed(&["lock", "--locked", "--offline"]);
    world.succeed(&["lock", "--offline"]);
    assert_eq!(world.lock().unwrap(), whole);
}
