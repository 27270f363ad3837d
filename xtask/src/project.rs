//! Folders, and the osb program under test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use osb_boot::Tools;

use crate::steps::{capture, show};

/// The recipes that osb brings along, as their files are called without the extension, and the
/// folders of the repository that they and their locks are in.
pub(crate) const RECIPES: [(&str, &str); 2] =
    [(DEFAULT, "."), ("amd64-node", "crates/recipe/recipes")];

/// The one that is taken if none is named.
pub(crate) const DEFAULT: &str = "osb";

/// A recipe under test, and the folder that its artifacts are in or will be.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// The recipe's name.
    pub(crate) name: String,
    /// The recipe, with its lock beside it.
    pub(crate) recipe: PathBuf,
    /// The artifacts.
    pub(crate) out: PathBuf,
}

/// Where things are.
#[derive(Debug)]
pub(crate) struct Project {
    /// The repository.
    pub(crate) root: PathBuf,
    /// Everything that a run makes.
    pub(crate) work: PathBuf,
    /// The osb program, release build.
    pub(crate) osb: PathBuf,
    /// osb's cache.
    pub(crate) cache: PathBuf,
}

impl Project {
    /// Finds the repository and its target folder.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("the repository is above xtask")?
            .to_owned();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => root.join(folder),
            None => root.join("target"),
        };
        let work = target.join("xtask");
        let cache = match std::env::var_os("OSB_CACHE_DIR") {
            Some(folder) => root.join(folder),
            None => work.join("cache"),
        };
        fs::create_dir_all(&work).with_context(|| format!("making {}", work.display()))?;
        Ok(Self { root, osb: target.join("release/osb"), work, cache })
    }

    /// cargo, in the repository.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Result<()> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        show(Command::new(cargo).args(arguments).current_dir(&self.root))
    }

    /// Copies of the recipes, their locks and layers, so that a lock that has aged is renewed there
    /// and not in the working tree; their artifacts are below `work`.
    pub(crate) fn images(&self) -> Result<[Image; RECIPES.len()]> {
        let copy = self.work.join("project");
        self.copy_recipes(&copy)?;
        Ok(RECIPES.map(|(name, _)| Image {
            name: name.to_owned(),
            recipe: copy.join(name).with_extension("toml"),
            out: self.work.join("out").join(name),
        }))
    }

    /// Makes `folder` a project with every recipe, lock and layer of the repository, and no more.
    pub(crate) fn copy_recipes(&self, folder: &Path) -> Result<()> {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("clearing {}", folder.display()))?;
        }
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let files = RECIPES.iter().flat_map(|(name, folder)| {
            ["toml", "lock"].map(|extension| format!("{folder}/{name}.{extension}"))
        });
        for name in files.chain(["layers".to_owned()]) {
            let from = self.root.join(name);
            if from.exists() {
                show(Command::new("cp").arg("-a").arg(&from).arg(folder))?;
            }
        }
        Ok(())
    }

    /// The recipe `name`, with artifacts that are there already.
    pub(crate) fn image(&self, name: &str, folder: &Path) -> Result<Image> {
        let out = folder.canonicalize().with_context(|| folder.display().to_string())?;
        let known = self.images()?.into_iter().find(|image| image.name == name);
        let image = known.with_context(|| format!("no recipe {name}"))?;
        Ok(Image { out, ..image })
    }

    /// The default recipe.
    pub(crate) fn default_image(&self) -> Result<Image> {
        let [image, ..] = self.images()?;
        Ok(image)
    }

    /// An osb command with the cache of the tests.
    pub(crate) fn osb(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.osb);
        command.arg("--cache-dir").arg(&self.cache).args(arguments).current_dir(&self.work);
        command
    }

    /// The locked tool set `test`, unpacked.
    pub(crate) fn test_tools(&self, recipe: &Path) -> Result<Tools> {
        self.tools("test", recipe)
    }

    /// A locked tool set, unpacked.
    pub(crate) fn tools(&self, set: &str, recipe: &Path) -> Result<Tools> {
        let folder = capture(self.osb(&["tools", set, "--quiet", "--recipe"]).arg(recipe))?;
        Ok(Tools::open(Path::new(folder.trim_end()))?)
    }
}
