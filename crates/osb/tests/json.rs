//! `--json`: standard output is one JSON object a line, the last one the result or the error.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Run, World, layer};
use serde_json::Value;

/// The objects of a run.
fn objects(run: &Run) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
    let objects: Vec<Value> = run.out.lines().map(parse).collect();
    for object in &objects {
        assert!(object["event"].is_string(), "{object}");
    }
    let ends = |object: &&Value| {
        ["error", "lock", "report", "tools"].contains(&object["event"].as_str().unwrap())
    };
    assert_eq!(objects.iter().filter(ends).count(), 1, "one end: {run:?}");
    objects
}

#[test]
fn a_lock_ends_with_its_report() {
    let world = World::new();
    let run = world.succeed(&["lock", "--json"]);
    let objects = objects(&run);
    assert_eq!(objects.first().unwrap()["event"], "begin");
    let last = objects.last().unwrap();
    assert_eq!(last["event"], "lock");
    assert_eq!(last["packages"], 1);
    assert_eq!(last["written"], true);
    assert!(last["path"].as_str().unwrap().ends_with("osb.lock"));
    assert!(run.err.contains("packages"), "people read on standard error: {run:?}");
}

#[test]
fn a_tool_set_ends_with_its_folder() {
    let world = World::new();
    let run = world.succeed(&["tools", "test", "--json"]);
    let last = objects(&run).pop().unwrap();
    assert_eq!(last["event"], "tools");
    assert!(std::path::Path::new(last["path"].as_str().unwrap()).is_dir());
}

#[test]
fn a_failure_ends_with_its_error() {
    let world = World::new();
    world.put("layers/base/layer.toml", &layer("install = [\"tinny\"]"));
    let run = world.osb(&["build", "--json"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    let last = objects(&run).pop().unwrap();
    assert_eq!((&last["event"], &last["exit_code"]), (&"error".into(), &2.into()));
    assert!(last["message"].as_str().unwrap().contains("tinny"));
    assert!(last["hint"].as_str().unwrap().contains("tiny"));
}

#[test]
fn a_recipe_that_cannot_be_read_is_an_error_object_alone() {
    let world = World::empty();
    world.put("osb.toml", "[image]\n");
    let run = world.osb(&["lock", "--json"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    let objects = objects(&run);
    assert_eq!(objects.len(), 1);
    assert_eq!(objects[0]["event"], "error");
}
