//! Folders, and the osb program under test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use osb_boot::Tools;

use crate::steps::{capture, show};

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

    /// A copy of the recipe, its lock and its layers, so that a lock that has aged is renewed
    /// there and not in the working tree.
    pub(crate) fn copy_recipe(&self) -> Result<PathBuf> {
        let copy = self.work.join("project");
        if copy.exists() {
            fs::remove_dir_all(&copy).with_context(|| format!("clearing {}", copy.display()))?;
        }
        fs::create_dir_all(&copy).with_context(|| format!("making {}", copy.display()))?;
        for name in ["osb.toml", "osb.lock", "layers"] {
            let from = self.root.join(name);
            if from.exists() {
                show(Command::new("cp").arg("-a").arg(&from).arg(&copy))?;
            }
        }
        Ok(copy.join("osb.toml"))
    }

    /// An osb command with the cache of the tests.
    pub(crate) fn osb(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.osb);
        command.arg("--cache-dir").arg(&self.cache).args(arguments).current_dir(&self.work);
        command
    }

    /// The locked tool set `test`, unpacked.
    pub(crate) fn test_tools(&self, recipe: &Path) -> Result<Tools> {
        let folder = capture(self.osb(&["tools", "test", "--quiet", "--recipe"]).arg(recipe))?;
        Ok(Tools::open(Path::new(folder.trim_end()))?)
    }
}
