//! The sets: small ordinary recipes in `xtask/equivalence/sets`, and the project's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use osb_apt::Lock;
use osb_recipe::LoadOptions;

use super::referee;
use crate::project::Project;
use crate::steps::{capture, show};
use crate::test::clear;
use crate::usage::{Usage, measure};

/// The project's own recipe, and what every other set is there to show.
pub(crate) const SETS: [&str; 4] = ["minbase", "system", "desktop", "default"];

/// A set with its lock and everything that the lock names.
pub(crate) struct Ready {
    pub(crate) recipe: PathBuf,
    pub(crate) project: osb_recipe::Project,
    pub(crate) lock: Lock,
    debs: PathBuf,
    pub(crate) tools: PathBuf,
}

impl Ready {
    /// Copies the recipe `name` to `folder`, locks it unless the lock there still holds, and
    /// fetches its packages and the `peer` tools.
    pub(crate) fn prepare(project: &Project, name: &str, folder: &Path) -> Result<Ready> {
        let from = match name {
            "default" => project.root.clone(),
            name => project.root.join("xtask/equivalence/sets").join(name),
        };
        let copy = folder.join("project");
        fs::create_dir_all(&copy).with_context(|| format!("making {}", copy.display()))?;
        clear(&copy.join("layers"))?;
        for name in ["osb.toml", "osb.lock", "layers"] {
            if from.join(name).exists() {
                show(Command::new("cp").arg("-a").arg(from.join(name)).arg(&copy))?;
            }
        }
        Self::open(project, &copy.join("osb.toml"), &[])
    }

    /// The recipe with these settings (`--set`).
    pub(crate) fn open(project: &Project, recipe: &Path, settings: &[String]) -> Result<Ready> {
        let set = settings.iter().flat_map(|setting| ["--set", setting]);
        let mut command = project.osb(&["tools", "peer", "--quiet", "--recipe"]);
        let tools = capture(command.arg(recipe).args(set))?;
        let loaded = osb_recipe::load(&LoadOptions {
            recipe: Some(recipe.to_owned()),
            directory: recipe.parent().context("a recipe without folder")?.to_owned(),
            set: settings.to_vec(),
            arch: None,
        })?;
        Ok(Ready {
            recipe: recipe.to_owned(),
            project: loaded,
            lock: Lock::read(&recipe.with_file_name("osb.lock"))?,
            debs: project.cache.join("debs-v1"),
            tools: tools.trim_end().into(),
        })
    }

    /// What the referee needs to know.
    pub(crate) fn set(&self) -> referee::Set<'_> {
        referee::Set {
            project: &self.project,
            lock: &self.lock,
            debs: &self.debs,
            tools: &self.tools,
        }
    }

    /// Has osb write `rootfs.tar.gz`.
    pub(crate) fn rootfs(&self, project: &Project, out: &Path) -> Result<Usage> {
        clear(out)?;
        let mut command = project.osb(&["build", "--locked", "--only", "rootfs", "--recipe"]);
        command.arg(&self.recipe).arg("--output").arg(out).env_remove("SOURCE_DATE_EPOCH");
        measure(&mut command)
    }
}
