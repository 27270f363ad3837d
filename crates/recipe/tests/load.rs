//! Loading recipes and layers: what comes out, and what each mistake says.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::Path;

use osb_recipe::{
    Arch, FileContent, KeyMaterial, LoadOptions, Location, Origin, Project, RecipeError, load,
};

const RECIPE: &str = r#"[image]
name = "test"
arch = "arm64"
board = "uefi"
layers = ["one"]

[[source]]
name = "main"
url = "https://example.org/debian"
suite = "stable"
keys = [{ fingerprint = "04B5 4C3C DCA7 9751 B16B  C6B5 2256 29DF 75B1 88BD" }]
"#;

/// A project folder with files; paths of `layers/` included.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        for (path, text) in files {
            folder.write(path, text);
        }
        folder
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn load(&self, set: &[&str]) -> Result<Project, RecipeError> {
        load(&LoadOptions {
            directory: self.0.path().to_owned(),
            set: set.iter().map(|text| (*text).to_owned()).collect(),
            ..LoadOptions::default()
        })
    }

    fn named(&self, recipe: Option<&str>) -> Result<Project, RecipeError> {
        load(&LoadOptions {
            recipe: recipe.map(Into::into),
            directory: self.0.path().to_owned(),
            ..LoadOptions::default()
        })
    }

    /// The error, with the folder's own path taken out, and its hint.
    fn mistake(&self, set: &[&str]) -> (String, String) {
        let error = self.load(set).unwrap_err();
        let prefix = format!("{}/", self.0.path().display());
        (error.to_string().replace(&prefix, ""), error.hint().unwrap_or("").to_owned())
    }
}

fn one(layer: &str) -> Folder {
    Folder::new(&[("osb.toml", RECIPE), ("layers/one/layer.toml", layer)])
}

fn builtin(set: &[&str]) -> Result<Project, RecipeError> {
    Folder::new(&[]).load(set)
}

#[test]
fn the_builtin_recipes_are_nodes_of_debian_alone() {
    let folder = Folder::new(&[]);
    for (name, lock, arch, board, kernel) in [
        (None, "osb.lock", Arch::Arm64, "rpi5", "linux-image-arm64"),
        (Some("rpi5-node"), "rpi5-node.lock", Arch::Arm64, "rpi5", "linux-image-arm64"),
        (Some("amd64-node"), "amd64-node.lock", Arch::Amd64, "uefi", "linux-image-amd64"),
    ] {
        let project = folder.named(name).unwrap();
        assert!(matches!(project.origin, Origin::BuiltIn(_)), "{:?}", project.origin);
        assert_eq!(project.origin.lock(), folder.0.path().join(lock));
        let image = &project.recipe.image;
        assert_eq!((image.arch, image.board.as_str()), (arch, board));
        assert!(name.is_none_or(|name| name == image.name), "a recipe has its image's name");
        let names: Vec<&str> = project.layers.iter().map(|layer| layer.name.as_str()).collect();
        assert_eq!(names, ["base", "bootstrap", "k8s-prereq"]);
        assert!(project.recipe.kubernetes.upstream.is_none());
        for source in &project.recipe.sources {
            assert!(matches!(source.location, Location::Mirror(_)), "{}", source.name);
            assert!(matches!(source.keys[0].material, KeyMaterial::Builtin(_)));
        }
        let base = &project.layers[0];
        let kernels: Vec<&String> =
            base.packages.iter().filter(|name| name.starts_with("linux-image")).collect();
        assert_eq!(kernels, [kernel]);
        assert_eq!(base.users[0].name, "node");
    }
}

#[test]
fn a_name_is_a_file_of_that_name_before_it_is_a_builtin_recipe() {
    let folder = one("description = \"\"\n");
    folder.write("amd64-node.toml", RECIPE);
    folder.write("other.toml", RECIPE);
    for name in ["amd64-node", "other"] {
        let project = folder.named(Some(name)).unwrap();
        let file = folder.0.path().join(format!("{name}.toml"));
        assert_eq!(project.origin.lock(), file.with_extension("lock"));
        assert_eq!(project.origin, Origin::File(file));
        assert_eq!(project.recipe.image.name, "test");
    }
}

#[test]
fn an_unknown_name_is_told_with_the_known_ones() {
    let folder = Folder::new(&[]);
    let error = folder.named(Some("server")).unwrap_err();
    assert!(error.to_string().starts_with("--recipe: no recipe `server`"), "{error}");
    assert!(error.hint().unwrap().contains("server.toml"));
    assert!(error.hint().unwrap().contains("rpi5-node, amd64-node"));
    let error = folder.named(Some("amd64_node")).unwrap_err();
    assert_eq!(error.hint().unwrap(), "did you mean `amd64-node`?");
}

#[test]
fn a_lock_is_not_taken_for_a_recipe() {
    let folder = Folder::new(&[("x.lock", RECIPE)]);
    let path = folder.0.path().join("x.lock");
    let error = folder.named(path.to_str()).unwrap_err();
    assert!(error.to_string().contains("name of a lock"), "it would be overwritten: {error}");
}

#[test]
fn embedded_layers_equal_the_repository_s() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let disk = load(&LoadOptions { directory: repository, ..LoadOptions::default() }).unwrap();
    let embedded = builtin(&[]).unwrap();
    assert!(matches!(disk.origin, Origin::File(_)));
    for (a, b) in disk.layers.iter().zip(&embedded.layers) {
        assert_eq!((&a.name, a.digest), (&b.name, b.digest));
    }
}

#[test]
fn modes_come_from_rules_never_from_the_disk() {
    let layer = "description = \"\"\n[[files]]\npath = \"bin/*\"\nmode = \"0755\"\ngid = 5\n";
    let folder = one(layer);
    folder.write("layers/one/files/bin/run", "#!/bin/sh\n");
    folder.write("layers/one/files/etc/x", "x\n");
    let before = folder.load(&[]).unwrap();
    use std::os::unix::fs::PermissionsExt;
    let path = folder.0.path().join("layers/one/files/etc/x");
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    let after = folder.load(&[]).unwrap();
    assert_eq!(before.layers[0].digest, after.layers[0].digest);
    let modes: Vec<(&str, u32, u32)> =
        after.layers[0].files.iter().map(|f| (f.path.as_str(), f.mode, f.gid)).collect();
    assert_eq!(modes, [("bin/run", 0o755, 5), ("etc/x", 0o644, 0)]);
}

#[test]
fn every_change_of_a_layer_changes_its_digest() {
    let digest = |layer: &str, text: &str| {
        let folder = one(layer);
        folder.write("layers/one/files/etc/x", text);
        folder.load(&[]).unwrap().layers[0].digest
    };
    let plain = digest("description = \"\"\n", "x");
    assert_eq!(plain, digest("# only a comment\ndescription = \"other words\"\n", "x"));
    assert_ne!(plain, digest("description = \"\"\n", "y"));
    assert_ne!(plain, digest("description = \"\"\ngroups = [\"g\"]\n", "x"));
    let rule = "description = \"\"\n[[files]]\npath = \"etc/x\"\nmode = \"0600\"\n";
    assert_ne!(plain, digest(rule, "x"));
}

#[test]
fn requirements_come_first_and_once() {
    let folder = Folder::new(&[
        ("osb.toml", &RECIPE.replace("[\"one\"]", "[\"three\", \"one\"]")),
        ("layers/one/layer.toml", "description = \"\"\n"),
        ("layers/two/layer.toml", "description = \"\"\nrequires = [\"one\"]\n"),
        ("layers/three/layer.toml", "description = \"\"\nrequires = [\"two\", \"one\"]\n"),
    ]);
    let project = folder.load(&[]).unwrap();
    let names: Vec<&str> = project.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["one", "two", "three"]);
}

#[test]
fn a_project_s_own_layer_comes_before_the_builtin_one() {
    let folder = Folder::new(&[
        ("osb.toml", &RECIPE.replace("[\"one\"]", "[\"base\"]")),
        ("layers/base/layer.toml", "description = \"mine\"\n"),
    ]);
    assert_eq!(folder.load(&[]).unwrap().layers[0].description, "mine");
}

#[test]
fn upstream_kubernetes_is_one_more_source_and_four_packages() {
    let project = builtin(&["kubernetes.upstream=1.36"]).unwrap();
    let source = project.recipe.sources.last().unwrap();
    assert_eq!(
        (source.name.as_str(), source.suite.as_str(), source.priority),
        ("kubernetes", "/", 900)
    );
    let url = "https://pkgs.k8s.io/core:/stable:/v1.36/deb/";
    assert_eq!(source.location, Location::Url(url.to_owned()));
    match &source.keys[0].material {
        KeyMaterial::Url(key) => assert_eq!(key, &format!("{url}Release.key")),
        other => panic!("{other:?}"),
    }
    let layer = &project.layers[2];
    for name in ["kubeadm", "kubelet", "kubectl", "cri-tools"] {
        assert_eq!(layer.packages.iter().filter(|package| *package == name).count(), 1, "{name}");
        assert!(layer.hold.contains(&name.to_owned()));
    }
    assert_ne!(layer.digest, builtin(&[]).unwrap().layers[2].digest);
}

#[test]
fn upstream_kubernetes_may_come_from_elsewhere() {
    let folder = Folder::new(&[("key.asc", "a certificate")]);
    let key = folder.0.path().join("key.asc").display().to_string();
    let project = builtin(&[
        "kubernetes.upstream=1.36",
        "kubernetes.repository=file:///srv/k8s-{minor}",
        &format!("kubernetes.key={key}"),
    ])
    .unwrap();
    let source = project.recipe.sources.last().unwrap();
    assert_eq!(source.location, Location::Url("file:///srv/k8s-1.36/".to_owned()));
    assert_eq!(source.keys[0].material.bytes(), Some(&b"a certificate"[..]));
}

#[test]
fn access_reaches_the_layer_that_asks_for_it() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me";
    let set = format!("access.ssh-keys=[\"{key}\"]");
    let project = builtin(&["access.user=ops", &set]).unwrap();
    let base = &project.layers[0];
    let file = base.files.iter().find(|f| f.path == "etc/ssh/authorized_keys.d/ops").unwrap();
    assert!(matches!(&file.content, FileContent::Bytes(b) if *b == format!("{key}\n").as_bytes()));
    let generated = base.generated_files();
    let rule = generated.iter().find(|f| f.path == "etc/sudoers.d/osb-ops").unwrap();
    assert_eq!(rule.mode, 0o440);
    assert!(base.files.windows(2).all(|pair| pair[0].path < pair[1].path), "sorted, no path twice");
}

#[test]
fn kernel_settings_become_files() {
    let project = builtin(&[]).unwrap();
    let files = project.layers[2].generated_files();
    let text = |path: &str| match &files.iter().find(|f| f.path == path).unwrap().content {
        FileContent::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(text("usr/lib/modules-load.d/osb-k8s-prereq.conf"), "overlay\nbr_netfilter\n");
    assert!(text("usr/lib/sysctl.d/60-osb-k8s-prereq.conf").contains("net.ipv4.ip_forward = 1\n"));
}

#[test]
fn mistakes_in_a_recipe_name_place_and_remedy() {
    let cases = [
        ("board = \"uefi\"", "bord = \"uefi\"", "osb.toml:4:1: unknown key `bord`", "`board`"),
        ("\"uefi\"", "7", "osb.toml:4:9: invalid type", ""),
        ("\"uefi\"", "\"uefy\"", "osb.toml:4:9: unknown board `uefy`", "`uefi`"),
        ("\"uefi\"", "\"rpi9\"", "osb.toml:4:9: unknown board", "rpi5"),
        (
            "\"arm64\"",
            "\"aarch64\"",
            "osb.toml:3:8: unknown architecture",
            "Debian calls it `arm64`",
        ),
        ("[\"one\"]", "[\"one\", \"tow\"]", "osb.toml:5:18: no layer `tow`", "layers/tow"),
        ("[\"one\"]", "[\"one\", \"k8s-prereqs\"]", "osb.toml:5:18: no layer", "`k8s-prereq`"),
        ("[\"one\"]", "[\"one\", \"one\"]", "osb.toml:5:18: layer `one` twice", ""),
        ("[\"one\"]", "[]", "osb.toml:5:10: an image needs", ""),
        (
            "04B5 4C3C DCA7 9751 B16B  C6B5 2256 29DF ",
            "",
            "osb.toml:11:25: not a fingerprint",
            "40 hex",
        ),
        ("04B5", "04B6", "osb.toml:11:25: not one of the keys", "file = "),
        ("url = \"https:", "url = \"htps:", "osb.toml:9:7: not a URL", ""),
        (
            "url = \"https://example.org/debian\"",
            "mirror = \"debain\"",
            "osb.toml:9:10: unknown mirror",
            "`debian`",
        ),
        (
            "url = \"https://example.org/debian\"\n",
            "",
            "osb.toml:8:8: the source does not say",
            "mirror =",
        ),
        ("name = \"test\"", "name = \"Test\"", "osb.toml:2:8: not a name", ""),
        ("name = \"test\"\n", "", "osb.toml:1:1: missing key `name`", ""),
    ];
    for (from, to, message, hint) in cases {
        assert!(RECIPE.contains(from), "{from}");
        let folder = one("description = \"\"\n");
        folder.write("osb.toml", &RECIPE.replacen(from, to, 1));
        let (found, remedy) = folder.mistake(&[]);
        assert!(found.starts_with(message), "{found:?} should start with {message:?}");
        assert!(remedy.contains(hint), "{remedy:?} should contain {hint:?}");
    }
}

#[test]
fn mistakes_in_appended_tables() {
    let cases = [
        ("[disk]\nboot-size = \"512MB\"\n", "osb.toml:13:13: not a unit of size", "512MiB"),
        (
            "[disk]\nboot_size = \"512MiB\"\n",
            "osb.toml:13:1: unknown key `boot_size`",
            "`boot-size`",
        ),
        ("[disk]\nboot-size = \"32MiB\"\n", "osb.toml:13:13: partition `boot`", ""),
        ("[access]\nuser = \"root\"\n", "osb.toml:13:8: root stays locked", ""),
        ("[access]\nssh-keys = [\"x\"]\n", "osb.toml:13:13: not a public ssh key", ""),
        ("[kubernetes]\nupstream = \"1.36.2\"\n", "osb.toml:13:12: not a minor release", "1.36"),
        (
            "[kubernetes]\nupstream = \"1.29\"\n",
            "osb.toml:13:12: Kubernetes 1.29 is too old",
            "1.30",
        ),
        ("[kubernetes]\nupstream = \"1.36\"\n", "osb.toml:13:12: no layer takes", "k8s-prereq"),
        (
            "[[source]]\nname = \"main\"\nmirror = \"debian\"\nsuite = \"x\"\nkeys = []\n",
            "osb.toml:13:8: a source of this name",
            "",
        ),
        (
            "[[source]]\nname = \"b\"\nmirror = \"debian\"\nsuite = \"x\"\nkeys = []\n",
            "osb.toml:16:8: a source without a key",
            "keys =",
        ),
        ("[disk\n", "osb.toml:12:", ""),
    ];
    for (more, message, hint) in cases {
        let folder = one("description = \"\"\n");
        folder.write("osb.toml", &format!("{RECIPE}{more}"));
        let (found, remedy) = folder.mistake(&[]);
        assert!(found.starts_with(message), "{found:?} should start with {message:?}");
        assert!(remedy.contains(hint), "{remedy:?} should contain {hint:?}");
    }
}

#[test]
fn mistakes_in_a_layer_name_place_and_remedy() {
    let cases = [
        ("requries = []\n", "layers/one/layer.toml:2:1: unknown key `requries`", "`requires`"),
        ("requires = [\"base2\"]\n", "layers/one/layer.toml:2:13: no layer `base2`", "`base`"),
        (
            "requires = [\"one\"]\n",
            "layers/one/layer.toml:2:13: layers require each other: one -> one",
            "requires",
        ),
        ("[packages]\ninstall = [\"a1 | b1\"]\n", "layers/one/layer.toml:3:12: alternatives", ""),
        (
            "[[files]]\npath = \"nothing/*\"\n",
            "layers/one/layer.toml:3:8: no file matches",
            "files/",
        ),
        (
            "[[links]]\npath = \"/etc/x\"\ntarget = \"y\"\n",
            "layers/one/layer.toml:3:8: not a path relative",
            "",
        ),
        (
            "[[directories]]\npath = \"srv\"\nmode = \"755\"\n",
            "layers/one/layer.toml:4:8: not a mode",
            "",
        ),
        ("scripts = [\"missing\"]\n", "layers/one/layer.toml:2:12: no ", ""),
        ("[units]\nenable = [\"ssh\"]\n", "layers/one/layer.toml:3:11: not a systemd unit", ""),
        (
            "[[users]]\nname = \"a\"\n[[users]]\nname = \"a\"\n",
            "layers/one/layer.toml:5:8: user `a` is made twice",
            "",
        ),
        ("[kernel]\nsysctls = { \"a\" = 1 }\n", "layers/one/layer.toml:3:19: invalid type", ""),
    ];
    for (more, message, hint) in cases {
        let folder = one(&format!("description = \"\"\n{more}"));
        let (found, remedy) = folder.mistake(&[]);
        assert!(found.starts_with(message), "{found:?} should start with {message:?}");
        assert!(remedy.contains(hint), "{remedy:?} should contain {hint:?}");
    }
}

/// A layer with one artifact for both architectures.
fn artifact(settings: &str) -> Folder {
    one(&format!(
        "description = \"\"\n[[artifacts]]\nurl = \"https://example.org/a-{{arch}}.tar.gz\"\n{settings}"
    ))
}

#[test]
fn an_artifact_has_a_digest_for_each_architecture() {
    let (one, two) = ("a".repeat(64), "B".repeat(64));
    let folder = artifact(&format!(
        "format = \"tar.gz\"\nunpack-to = \"/\"\nsize = 5\n\
         [artifacts.arm64]\nsha256 = \"{one}\"\n\
         [artifacts.amd64]\nsha256 = \"{two}\"\nsize = 1000000000\n"
    ));
    for (arch, sha256, size, max) in
        [("arm64", one.clone(), 5, 64 << 20), ("amd64", two.to_lowercase(), 1_000_000_000, 2 << 30)]
    {
        let project = folder.load(&[&format!("image.arch={arch}"), "image.board=uefi"]).unwrap();
        let artifact = &project.layers[0].artifacts[0];
        assert_eq!(artifact.url, format!("https://example.org/a-{arch}.tar.gz"));
        assert_eq!((&artifact.sha256, artifact.size), (&sha256, size));
        assert_eq!((artifact.unpack_to.as_str(), artifact.unpacked_max), ("", max));
    }
}

#[test]
fn mistakes_in_artifacts_name_place_and_remedy() {
    let digest = "a".repeat(64);
    let whole = format!("sha256 = \"{digest}\"\nsize = 5\n");
    let tar = "format = \"tar\"\nunpack-to = \"usr/local\"\n";
    for (settings, message, hint) in [
        (
            format!("{tar}size = 5\n"),
            "no `sha256` for arm64",
            "curl -LO https://example.org/a-arm64",
        ),
        (format!("{tar}sha256 = \"{digest}\"\n"), "no `size` for arm64", ".sha256sum"),
        (format!("{tar}sha256 = \"abc\"\nsize = 5\n"), "not a SHA-256 digest", "SHA256SUMS"),
        (format!("{whole}format = \"zip\"\nunpack-to = \"a\"\n"), "unknown value `zip`", ""),
        (format!("{whole}format = \"file\"\n"), "does not say where it goes", "unpack-to"),
        (format!("{whole}format = \"file\"\nunpack-to = \"/\"\n"), "not a path", ""),
        (format!("{whole}format = \"tar\"\nunpack-to = \"../x\"\n"), "not a path", ""),
        (format!("{whole}format = \"deb\"\nunpack-to = \"a\"\n"), "no `unpack-to`", ""),
        (format!("{whole}{tar}mode = \"0755\"\n"), "only a `file` has a `mode`", ""),
        (
            format!("{whole}format = \"file\"\nunpack-to = \"a\"\nstrip = 1\n"),
            "`strip`, `setuid` and `unpacked-max` are for archives",
            "",
        ),
        (format!("{whole}{tar}unpacked-max = \"5\"\n"), "", "MiB"),
        (format!("{whole}{tar}[artifacts.arm]\nsize = 1\n"), "unknown key", "arm64"),
    ] {
        let (found, remedy) = artifact(&settings).mistake(&["image.arch=arm64"]);
        assert!(found.starts_with("layers/one/layer.toml:"), "{found}");
        assert!(found.contains(message), "{found:?} should contain {message:?}");
        assert!(remedy.contains(hint), "{remedy:?} should contain {hint:?}");
    }
}

#[test]
fn a_longer_cycle_is_spelt_out() {
    let folder = one("description = \"\"\nrequires = [\"two\"]\n");
    folder.write("layers/two/layer.toml", "description = \"\"\nrequires = [\"one\"]\n");
    let (message, _) = folder.mistake(&[]);
    assert_eq!(message, "layers/two/layer.toml:2:13: layers require each other: one -> two -> one");
}

#[test]
fn stray_files_and_symlinks_in_a_layer_are_refused() {
    let folder = one("description = \"\"\n");
    folder.write("layers/one/README.md", "fine\n");
    folder.load(&[]).unwrap();
    folder.write("layers/one/scripts/unlisted", "#!/bin/sh\n");
    assert!(folder.mistake(&[]).0.contains("the script is not used"));

    let folder = one("description = \"\"\n");
    folder.write("layers/one/etc/x", "");
    assert!(folder.mistake(&[]).1.contains("files/"));

    let folder = one("description = \"\"\n");
    folder.write("layers/one/files/x", "");
    std::os::unix::fs::symlink("/etc/shadow", folder.0.path().join("layers/one/files/y")).unwrap();
    assert!(folder.mistake(&[]).1.contains("[[links]]"));
}

#[test]
fn mistakes_on_the_command_line_name_the_option() {
    let folder = Folder::new(&[]);
    let (message, hint) = folder.mistake(&["trim.docs=no", "image.version=2"]);
    assert!(message.starts_with("--set:1:11: invalid type"), "{message}");
    assert_eq!(hint, "write true or false, without quotes");
    let (message, hint) = folder.mistake(&["kubernetes.upstrem=1.36"]);
    assert_eq!(message, "--set:1:12: unknown key `upstrem`");
    assert!(hint.contains("`upstream`"));
    let (message, hint) = folder.mistake(&["kubernetes"]);
    assert!(message.starts_with("--set:1:") && hint.contains("--set table.key=value"), "{message}");

    let options = LoadOptions {
        directory: folder.0.path().to_owned(),
        arch: Some("amd64".to_owned()),
        ..LoadOptions::default()
    };
    let error = load(&options).unwrap_err();
    assert!(error.to_string().starts_with("--arch:1:"), "{error}");
    assert!(error.hint().unwrap().contains("uefi"));
    let options = LoadOptions { set: vec!["image.board=uefi".to_owned()], ..options };
    assert_eq!(load(&options).unwrap().recipe.image.arch, Arch::Amd64);
}

#[test]
fn a_named_recipe_must_exist() {
    let options =
        LoadOptions { recipe: Some("/nonexistent/osb.toml".into()), ..LoadOptions::default() };
    let error = load(&options).unwrap_err();
    assert!(matches!(error, RecipeError::Io { .. }));
    assert!(error.to_string().contains("/nonexistent/osb.toml"));
}

#[test]
fn what_is_allowed_names_a_rule_at_its_place() {
    let load = |recipe: &str, layer: &str| {
        let folder = Folder::new(&[("osb.toml", recipe), ("layers/one/layer.toml", layer)]);
        let directory = folder.0.path().to_owned();
        let rules = vec!["setuid-known", "no-tokens"];
        load(&LoadOptions { directory, rules, ..LoadOptions::default() })
    };
    let recipe = |allow: &str| format!("{RECIPE}\n[check]\nallow = [{allow}]\n");
    let layer = "description = \"x\"\n[check]\nallow = [\"no-tokens:/srv/x\", \"setuid-known\"]\n";
    let plain = "description = \"x\"\n";
    let project = load(&recipe("\"setuid-known\""), layer).unwrap();
    assert_eq!(project.allow(), ["no-tokens:/srv/x", "setuid-known"]);
    let other = load(&recipe(""), plain).unwrap();
    assert_eq!(project.layers[0].digest, other.layers[0].digest, "the tree is the same");
    for (text, message, hint) in [
        ("\"no-token\"", "unknown rule `no-token`", "did you mean `no-tokens`?"),
        ("\"zzz:/x\"", "unknown rule `zzz`", "`osb check --list` has all rules"),
        ("\"no-tokens:\"", "nothing is behind the colon", "write RULE alone"),
    ] {
        let error = load(&recipe(text), plain).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
        assert!(error.to_string().contains("osb.toml:"), "{error}");
        assert!(error.hint().unwrap().starts_with(hint), "{error}");
    }
    let error = load(&recipe(""), &layer.replace("tokens", "toks")).unwrap_err().to_string();
    assert!(error.contains("layer.toml:3:10: unknown rule `no-toks`"), "{error}");
}
