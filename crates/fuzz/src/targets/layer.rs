//! `layer.toml` of a project's own layer, beside a few files.

use std::fs;

use osb_recipe::{LoadOptions, Project, load};

use crate::Target;
use crate::seeds::{long, texts};

pub(crate) const TARGET: Target = Target {
    name: "layer",
    about: "layer.toml beside a few files; paths of a layer stay in the image",
    run,
    seeds,
    words: &[
        "description = ",
        "requires = [",
        "[packages]\n",
        "install = [",
        "remove = [",
        "[[files]]\n",
        "path = ",
        "mode = \"0755\"\n",
        "[[links]]\n",
        "target = ",
        "[[directories]]\n",
        "[units]\n",
        "enable = [",
        "[kernel]\n",
        "modules = [",
        "[kernel.sysctls]\n",
        "command_line = [",
        "[[users]]\n",
        "groups = [",
        "[[artifacts]]\n",
        "url = ",
        "sha256 = ",
        "unpack_to = ",
        "scripts = [\"a.sh\"]\n",
        "[expect]\n",
        "access = true\n",
        "kubernetes = true\n",
    ],
};

fn run(bytes: &[u8]) {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("layers/x");
    for name in ["files/etc", "scripts"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    fs::write(folder.join("layer.toml"), bytes).unwrap();
    fs::write(folder.join("files/etc/a"), "a").unwrap();
    if bytes.windows(4).any(|part| part == b"a.sh") {
        fs::write(folder.join("scripts/a.sh"), "#!/bin/sh\n").unwrap();
    }
    let set = vec!["image.layers=[\"x\"]".to_owned()];
    let directory = place.path().to_owned();
    let options = LoadOptions { directory, set, ..LoadOptions::default() };
    if let Ok(project) = load(&options) {
        check(&project);
    }
}

fn check(project: &Project) {
    for file in project.layers.iter().flat_map(|layer| &layer.files) {
        let inside = |part: &str| !matches!(part, "" | "." | "..");
        assert!(file.path.split('/').all(inside), "{:?}", file.path);
        assert!(file.mode <= 0o7777);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let head = "description = \"x\"\n";
    let mut seeds = texts([
        include_str!("../../../../layers/base/layer.toml"),
        include_str!("../../../../layers/bootstrap/layer.toml"),
        include_str!("../../../../layers/k8s-prereq/layer.toml"),
        "description = \"x\"\nscripts = [\"a.sh\"]\n[[files]]\npath = \"etc/*\"\nmode = \"0600\"\n",
        "description = \"x\"\n[[links]]\npath = \"../a\"\ntarget = \"/b\"\n",
    ]);
    seeds.extend([
        long(&format!("{head}requires = ["), "\"l#\",", "]\n"),
        long(head, "[[users]]\nname = \"u#\"\n", ""),
        long(head, "[[files]]\npath = \"*\"\n", ""),
        long(&format!("{head}[[files]]\npath = \""), "*a", "\"\n"),
        long(&format!("{head}[[files]]\npath = \""), "{a,", "\"\n"),
        long(&format!("{head}[[files]]\npath = \""), "**/", "\"\n"),
        long(&format!("{head}[packages]\ninstall = ["), "\"p#\",", "]\n"),
    ]);
    seeds
}
