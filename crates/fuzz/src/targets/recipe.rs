//! Recipes and `--set`: a mistake has a place, and a recipe that is accepted is accepted again.

use std::fs;

use osb_recipe::{LoadOptions, RecipeError, builtin_recipe, load};

use crate::Target;
use crate::seeds::{long, texts};

/// `osb.toml`.
pub(crate) const RECIPE: Target = Target {
    name: "recipe",
    about: "osb.toml with the built-in layers; a mistake has a place in the file",
    run: run_recipe,
    seeds: recipes,
    words: WORDS,
};

/// The options that change a recipe.
pub(crate) const SET: Target = Target {
    name: "set",
    about: "--set, one a line, over the built-in recipe",
    run: run_set,
    seeds: settings,
    words: WORDS,
};

const WORDS: &[&str] = &[
    "[image]\n",
    "name = ",
    "arch = ",
    "board = ",
    "layers = [\"base\"]\n",
    "[kubernetes]\n",
    "upstream = \"1.36\"\n",
    "[disk]\n",
    "[[source]]\n",
    "[suite]\n",
    "[access]\n",
    "image.",
    "=",
    "\"512MiB\"",
    "{}",
    "[]",
    "'''",
    "\"\"\"",
];

fn run_recipe(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("osb.toml");
    fs::write(&file, text).unwrap();
    let options = LoadOptions { directory: place.path().to_owned(), ..LoadOptions::default() };
    match load(&options) {
        Ok(project) => {
            assert_eq!(load(&options).unwrap().recipe.image.name, project.recipe.image.name);
            let digests = |p: osb_recipe::Project| p.layers.iter().map(|l| l.digest).collect();
            let first: Vec<_> = digests(project);
            assert_eq!(digests(load(&options).unwrap()), first);
        }
        Err(RecipeError::Invalid(problem)) => {
            let lines = text.split('\n').count();
            assert!(problem.place.line <= lines, "{problem} in {lines} lines");
        }
        Err(_) => {}
    }
}

fn run_set(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let set: Vec<String> = text.split('\0').take(20).map(str::to_owned).collect();
    let directory = std::path::PathBuf::from("/nonexistent");
    let _ = load(&LoadOptions { directory, set, ..LoadOptions::default() });
}

fn recipes() -> Vec<Vec<u8>> {
    let mut seeds = texts([
        builtin_recipe(),
        "[image]\nname = \"a\"\narch = \"arm64\"\nboard = \"rpi5\"\nlayers = [\"base\"]\n",
    ]);
    let head = "[image]\nname = \"a\"\narch = \"arm64\"\nboard = \"rpi5\"\nlayers = [";
    seeds.extend([
        long(head, "\"l#\",", "]\n"),
        long(head, "\n\"l#\",", "]\n"),
        long("a = ", "[", ""),
        long("a = ", "{a=", ""),
        long("a", ".a", " = 1"),
        long("[a", ".a", "]"),
        long("", "[[source]]\nname = \"s#\"\n", ""),
        long("", "k# = 1\n", ""),
    ]);
    seeds
}

fn settings() -> Vec<Vec<u8>> {
    let mut seeds = texts([
        "image.name=b\0image.layers=[\"base\",\n\"bootstrap\"]",
        "kubernetes.upstream=1.36\0image.arch=amd64\0image.board=uefi",
        "image=7\0=\0a\0a=\0.=1\0image.name='''",
    ]);
    seeds.extend([long("a", ".a", "=1"), long("a=", "[", ""), long("", "image.name=#\0", "")]);
    seeds
}
