//! Mistakes in recipes and layers, as the user sees them: file, line, column, and what to do.
#![allow(clippy::unwrap_used)]

mod common;

use common::World;

/// Every command that reads a recipe must refuse it, before it does anything else.
fn assert_refused(world: &World, place: &str, parts: &[&str], hint: &str) {
    for arguments in [&["lock"][..], &["build"], &["build", "--locked"]] {
        let run = world.osb(arguments);
        run.assert_error(2, parts);
        let first = format!("error: {place}: ");
        assert!(run.err.starts_with(&first), "{first:?} begins {run:?}");
        assert!(run.hint().contains(hint), "{hint:?} in {run:?}");
    }
    assert_eq!(world.lock(), None);
    assert!(world.server.requests().is_empty(), "nothing was asked for");
    assert!(!world.cache().exists(), "nothing was made");
}

/// The project with one piece of its recipe replaced.
fn with_recipe(from: &str, to: &str) -> World {
    let world = World::empty();
    let recipe = world.recipe();
    assert!(recipe.contains(from), "{from:?} in {recipe}");
    world.put("osb.toml", &recipe.replacen(from, to, 1));
    world
}

#[test]
fn an_unknown_key() {
    let world = with_recipe("board =", "bord =");
    assert_refused(&world, "osb.toml:4:1", &["bord"], "board");
}

#[test]
fn a_wrong_type() {
    let world = with_recipe("[\"base\"]", "\"base\"");
    assert_refused(&world, "osb.toml:5:10", &["string \"base\"", "a list"], "[\"...\"");
}

#[test]
fn a_value_that_is_not_known() {
    let world = with_recipe("\"uefi\"", "\"uefy\"");
    assert_refused(&world, "osb.toml:4:9", &["uefy"], "uefi");
}

#[test]
fn text_that_is_not_toml() {
    let world = with_recipe("name = \"tiny\"", "name = tiny\"");
    let run = world.osb(&["lock"]);
    run.assert_error(2, &["osb.toml:2:"]);
    assert_eq!(world.lock(), None);
}

#[test]
fn a_missing_layer() {
    let world = with_recipe("[\"base\"]", "[\"base\", \"bootstrp\"]");
    assert_refused(&world, "osb.toml:5:19", &["bootstrp"], "bootstrap");
}

#[test]
fn a_missing_layer_that_another_one_requires() {
    let world = World::empty();
    let text = common::layer("install = [\"tiny\"]");
    world.put("layers/base/layer.toml", &format!("requires = [\"bootstrp\"]\n{text}"));
    assert_refused(&world, "layers/base/layer.toml:1:13", &["bootstrp"], "bootstrap");
}

#[test]
fn layers_that_require_each_other() {
    let world = with_recipe("[\"base\"]", "[\"base\", \"top\"]");
    let text = common::layer("install = [\"tiny\"]");
    world.put("layers/base/layer.toml", &format!("requires = [\"top\"]\n{text}"));
    world.put("layers/top/layer.toml", &format!("requires = [\"base\"]\n{text}"));
    let run = world.osb(&["lock"]);
    run.assert_error(2, &["layer.toml:1:13", "base", "top"]);
    assert!(run.hint().contains("requires"), "{run:?}");
    assert_eq!(world.lock(), None);
}

#[test]
fn an_unknown_key_of_a_layer() {
    let world = World::empty();
    world.put("layers/base/layer.toml", &common::layer("instal = [\"tiny\"]"));
    assert_refused(&world, "layers/base/layer.toml:4:1", &["instal"], "install");
}

#[test]
fn a_certificate_that_is_not_there() {
    let world = with_recipe("archive.asc", "archiv.asc");
    let run = world.osb(&["lock"]);
    run.assert_error(2, &["osb.toml:", "archiv.asc", "No such file"]);
}

#[test]
fn an_option_that_does_not_fit() {
    let world = World::empty();
    let run = world.osb(&["lock", "--set", "image.bord=uefi"]);
    run.assert_error(2, &["--set", "bord"]);
    assert!(run.hint().contains("board"), "{run:?}");
}
