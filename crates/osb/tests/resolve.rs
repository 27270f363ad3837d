//! Sets of packages that cannot be had: exit code 2, and the reason in the words of packages.
#![allow(clippy::unwrap_used)]

mod common;

use common::{World, layer, tiny};
use osb_testrepo::Deb;

#[test]
fn a_missing_package_brings_up_its_nearest_names() {
    let world = World::new();
    world.put("layers/base/layer.toml", &layer("install = [\"tinny\"]"));
    let run = world.osb(&["lock"]);
    run.assert_error(2, &["tinny"]);
    assert!(run.hint().contains("tiny"), "{run:?}");
    assert_eq!(world.lock(), None);
    world.assert_nothing_half_written();
}

#[test]
fn a_version_that_is_not_there_brings_up_those_that_are() {
    let world = World::new();
    world.put("layers/base/layer.toml", &layer("install = [\"tiny=3.0\"]"));
    world.osb(&["lock"]).assert_error(2, &["tiny 3.0", "1.0"]);
    assert_eq!(world.lock(), None);
}

#[test]
fn a_dependency_too_new_is_told_with_names_and_versions() {
    let world = World::empty();
    let needy = tiny("1.0").field("Depends", "helper (>= 2.0)");
    world.publish(world.suite([needy, Deb::new("helper", "1.5", "all")]));
    let run = world.osb(&["lock"]);
    run.assert_error(2, &["tiny 1.0", "helper (>= 2.0)", "1.5"]);
    assert_eq!(world.lock(), None);
    world.assert_nothing_half_written();
}

#[test]
fn packages_that_exclude_each_other_are_both_named() {
    let world = World::empty();
    let other = Deb::new("other", "4.2", "all").field("Conflicts", "tiny");
    world.publish(world.suite([tiny("1.0"), other]));
    world.put("layers/base/layer.toml", &layer("install = [\"tiny\", \"other\"]"));
    world.osb(&["lock"]).assert_error(2, &["tiny 1.0", "other 4.2"]);
    assert_eq!(world.lock(), None);
}
