//! `osb plan` and `osb why`, on a whole small image.
#![allow(clippy::unwrap_used)]

mod common;

use common::{World, image, layer, tiny};
use osb_testrepo::Deb;
use serde_json::{Value, json};

fn json_of(world: &World, arguments: &[&str]) -> Value {
    let run = world.succeed(&[arguments, &["--json"]].concat());
    serde_json::from_str(run.out.lines().last().unwrap()).unwrap()
}

/// `install base: build` and so on.
fn states(plan: &Value) -> Vec<String> {
    let steps = plan["steps"].as_array().unwrap().iter().chain(plan["writing"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    steps
        .map(|step| {
            format!("{} {}: {}", text(&step["stage"]), text(&step["layer"]), text(&step["state"]))
        })
        .collect()
}

#[test]
fn a_plan_tells_what_a_build_would_do_and_does_nothing() {
    let Some(world) = image::project() else { return };
    let run = world.osb(&["plan"]);
    run.assert_error(2, &["there is no lock for this recipe"]);
    assert!(run.hint().contains("osb lock"), "{run:?}");
    world.succeed(&["lock"]);
    let before = common::files(&world.cache());
    let plan = json_of(&world, &["plan"]);
    assert_eq!(
        states(&plan),
        [
            "install base: build",
            "install top: build",
            "dress base: build",
            "dress top: build",
            "initramfs image: depends",
            "seal image: build",
            "write -: build"
        ]
    );
    assert_eq!((&plan["seconds"], &plan["unchanged"]), (&Value::Null, &Value::from(false)));
    assert_eq!(plan["download_files"], 3);
    let sizes = |plan: &Value| {
        ["download_bytes", "cache_bytes", "output_bytes"].map(|key| plan[key].as_u64().unwrap())
    };
    assert!(sizes(&plan).iter().all(|bytes| *bytes > 100_000), "{plan}");
    assert_eq!(common::files(&world.cache()), before);
    assert!(!world.project().join("out").exists());

    world.succeed(&["build"]);
    let plan = json_of(&world, &["plan"]);
    assert!(states(&plan).iter().all(|state| state.ends_with(": cached")), "{plan}");
    assert_eq!((sizes(&plan), &plan["unchanged"]), ([0; 3], &Value::from(true)));

    world.put("layers/top/files/etc/containerd/config.toml", "version = 3\n");
    let plan = json_of(&world, &["plan"]);
    let built: Vec<String> =
        states(&plan).into_iter().filter(|state| !state.ends_with(": cached")).collect();
    let last = ["seal image: build", "write -: build"];
    assert_eq!(built, [&["dress top: build", "initramfs image: depends"], &last[..]].concat());
    assert!(plan["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{plan}");
    let people = world.succeed(&["plan"]);
    for part in
        ["dress         top          to do", "if changed", "download: 0 B", "time:     about"]
    {
        assert!(people.out.contains(part), "{part}: {people:?}");
    }
}

#[test]
fn a_layer_tells_what_changed_since_the_last_build() {
    let Some(world) = image::project() else { return };
    world.succeed(&["lock"]);
    assert!(world.succeed(&["why", "top"]).out.contains("no build into this folder"));
    world.succeed(&["build"]);
    let causes = |name: &str| -> Vec<Value> {
        let why = json_of(&world, &["why", name]);
        why["halves"].as_array().unwrap().iter().map(|half| half["causes"].clone()).collect()
    };
    assert_eq!(causes("top"), [json!([]), json!([])]);
    world.put("layers/top/files/etc/containerd/config.toml", "version = 3\n");
    world.put("layers/top/files/etc/new", "");
    let people = world.succeed(&["why", "top"]);
    for part in [
        "install top: cached; nothing has changed",
        "dress top: to be built; since the last build:",
        "files etc/containerd/config.toml.content.Bytes: ",
        "files etc/new.mode: new, 0644",
    ] {
        assert!(people.out.contains(part), "{part}: {people:?}");
    }
    assert_eq!(causes("base"), [json!([]), json!([])]);

    // A new version of a package below changes everything above.
    world.put("layers/top/files/etc/containerd/config.toml", "version = 2\n");
    std::fs::remove_file(world.project().join("layers/top/files/etc/new")).unwrap();
    world.publish(world.suite([image::system(), image::kernel(), tiny("2.0")]));
    world.succeed(&["lock", "--update"]);
    let why = causes("top");
    assert_eq!(why[0][0]["cause"], "own");
    assert_eq!(why[0][0]["change"]["what"], "tiny");
    assert!(why[0][0]["change"]["from"].as_str().unwrap().starts_with("1.0 ("));
    assert!(why[0][0]["change"]["to"].as_str().unwrap().starts_with("2.0 ("));
    assert_eq!(why[1], json!([{"cause": "below", "stage": "install", "layer": "top"}]));
    assert_eq!(causes("base")[1], why[1], "dressings come after all packages");
}

#[test]
fn a_package_tells_who_asked_for_it() {
    let Some(world) = image::project() else { return };
    let depending = Deb::new("server", "1.5", "all").field("Depends", "engine | none");
    let engine = Deb::new("motor", "3", "all").field("Provides", "engine");
    let engine = engine.field("Depends", "tiny (>= 1.0)");
    let packages = [image::system(), image::kernel(), tiny("1.0"), depending, engine];
    world.publish(world.suite(packages));
    world.put("layers/top/layer.toml", &layer("install = [\"server\"]"));
    world.succeed(&["lock"]);
    world.osb(&["why", "tiny"]).assert_error(2, &["the cache does not have the package"]);
    world.succeed(&["build", "--only", "tree"]);
    let why = json_of(&world, &["why", "tiny"]);
    let chain = json!([
        {"package": "server", "relation": "Depends: engine | none"},
        {"package": "motor", "relation": "Depends: tiny (>= 1.0)"},
        {"package": "tiny", "relation": ""}
    ]);
    assert_eq!((&why["chain"], &why["asked_by"]), (&chain, &"top".into()));
    assert_eq!((&why["layer"], &why["needed_by"]), (&"top".into(), &json!(["motor"])));
    let people = world.succeed(&["why", "tiny"]);
    assert!(people.out.contains("motor needs tiny (Depends: tiny (>= 1.0))"), "{people:?}");
    let run = world.osb(&["why", "tin"]);
    run.assert_error(2, &["no layer and no package of the image is called \"tin\"", "tiny?"]);
}

#[test]
fn a_path_tells_its_layer_and_its_package() {
    let Some(world) = image::project() else { return };
    world.succeed(&["lock"]);
    let run = world.osb(&["why", "/etc/passwd"]);
    run.assert_error(2, &["the cache does not have all layers"]);
    assert!(run.hint().contains("osb build"), "{run:?}");
    world.put("layers/top/scripts/10-say", "#!/bin/sh\necho x >/etc/said\nrm /usr/share/tiny\n");
    world.put(
        "layers/top/layer.toml",
        &format!("scripts = [\"10-say\"]\n{}", layer("install = [\"tiny\"]")),
    );
    world.succeed(&["build"]);
    let origins = |path: &str| -> String {
        let why = json_of(&world, &["why", path]);
        let origins = why["origins"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let lines: Vec<String> = origins
            .map(|o| format!("{} {}: {}", text(&o["stage"]), text(&o["layer"]), text(&o["what"])))
            .collect();
        lines.join("; ")
    };
    let tiny = "install top: file of the package tiny 1.0; dress top: deleted";
    assert_eq!(origins("/usr/share/tiny"), tiny);
    assert_eq!(origins("/bin/sh"), "install base: file of the package dpkg 1.0");
    let laid =
        "dress top: layers/top/files/etc/containerd/config.toml, or the layer's rules for it";
    assert_eq!(origins("etc/containerd/config.toml"), laid);
    let said = "dress top: made by users, artifacts or scripts of layers/top";
    assert_eq!(origins("/etc/said"), said);
    let initramfs = "initramfs image: made or changed by update-initramfs";
    assert_eq!(origins("/boot/initrd.img-6.0-test"), initramfs);
    assert_eq!(origins("/boot/firmware/vmlinuz"), "boot files image: made for the board uefi");
    world.osb(&["why", "/etc/none"]).assert_error(2, &["the image has no /etc/none"]);
    let people = world.succeed(&["why", "/usr/share/tiny"]);
    assert!(people.out.starts_with("/usr/share/tiny: not in the image\n"), "{people:?}");
}
