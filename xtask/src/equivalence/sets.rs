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

/// The project's own recipe, and what every other set is there to show.
pub(crate) const SETS: [&str; 4] = ["minbase", "system", "desktop", "default"];

/// A set with its lock and everything that the lock names.
pub(crate) struct Ready {
    recipe: PathBuf,
    project: osb_recipe::Project,
    pub(crate) lock: Lock,
    settings: Vec<String>,
    debs: PathBuf,
    tools: PathBuf,
}

/// Where the recipe of a set lies.
pub(crate) fn source(project: &Project, name: &str) -> PathBuf {
    match name {
        "default" => project.root.clone(),
        name => project.root.join("xtask/equivalence/sets").join(name),
    }
}

impl Ready {
    /// Copies the recipe in `from` to `folder/project`, locks it unless the lock there still
    /// holds, and unpacks the `peer` tools. `settings` are osb's `--set`.
    pub(crate) fn prepare(
        project: &Project,
        from: &Path,
        folder: &Path,
        settings: &[String],
    ) -> Result<Ready> {
        let copy = folder.join("project");
        fs::create_dir_all(&copy).with_context(|| format!("making {}", copy.display()))?;
        clear(&copy.join("layers"))?;
        for name in ["osb.toml", "layers"] {
            show(Command::new("cp").arg("-a").arg(from.join(name)).arg(&copy))?;
        }
        // The project's own lock, but for another architecture or where there is none.
        if settings.is_empty() && from.join("osb.lock").exists() {
            show(Command::new("cp").arg("-a").arg(from.join("osb.lock")).arg(&copy))?;
        }
        let recipe = copy.join("osb.toml");
        let mut command = project.osb(&["tools", "peer", "--quiet", "--recipe"]);
        let tools = capture(command.arg(&recipe).args(set(settings)))?;
        let loaded = osb_recipe::load(&LoadOptions {
            recipe: Some(recipe.clone()),
            directory: copy.clone(),
            set: settings.to_vec(),
            ..LoadOptions::default()
        })?;
        Ok(Ready {
            project: loaded,
            lock: Lock::read(&copy.join("osb.lock"))?,
            debs: project.cache.join("debs-v1"),
            tools: tools.trim_end().into(),
            settings: settings.to_vec(),
            recipe,
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

    /// The command by which osb builds one form of it into the empty folder `out`.
    pub(crate) fn build(
        &self,
        project: &Project,
        cache: &Path,
        form: &str,
        out: &Path,
    ) -> Result<Command> {
        clear(out)?;
        let mut command = Command::new(&project.osb);
        command.arg("--cache-dir").arg(cache).args(["build", "--locked", "--only", form]);
        command.arg("--output").arg(out).arg("--recipe").arg(&self.recipe);
        command.args(set(&self.settings)).current_dir(&project.work);
        // The image's clock is the lock's, as it is for the referee.
        command.env_remove("SOURCE_DATE_EPOCH");
        Ok(command)
    }
}

fn set(settings: &[String]) -> impl Iterator<Item = &str> {
    settings.iter().flat_map(|setting| ["--set", setting.as_str()])
}
