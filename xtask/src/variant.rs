//! One image out of the table of recipes, boards and series of Kubernetes: what is built from the
//! repository's recipes with settings of its own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::exit::demand;
use crate::project::{DEFAULT, Project, RECIPES};
use crate::steps::{Steps, capture, show};
use crate::test::{clear, names, release};

/// No Kubernetes but what Debian has.
pub(crate) const NONE: &str = "none";

/// How long a boot may take; the runners of arm64 emulate nothing, those of x86-64 all of it.
const PATIENCE: &str = "900";

/// One image.
#[derive(Debug, Clone)]
pub(crate) struct Variant {
    /// The recipe's file without its extension.
    pub(crate) recipe: String,
    /// Another board than the recipe's, or nothing.
    pub(crate) board: String,
    /// A series of upstream Kubernetes, such as 1.36, or [`NONE`].
    pub(crate) kubernetes: String,
}

impl Variant {
    /// Fails if there can be no such image.
    pub(crate) fn check(&self) -> Result<()> {
        let known = RECIPES.iter().any(|(name, _)| *name == self.recipe);
        demand!(known, "no recipe {}; there are {}", self.recipe, names());
        let series = self.kubernetes.split('.').collect::<Vec<_>>();
        let number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        demand!(
            self.kubernetes == NONE || (series.len() == 2 && series.iter().all(number)),
            "{:?} is no series of Kubernetes such as 1.36, nor {NONE}",
            self.kubernetes
        );
        Ok(())
    }

    /// The name of the recipe's image, with the series of Kubernetes if there is one.
    pub(crate) fn name(&self, project: &Project) -> Result<String> {
        let folder =
            RECIPES.iter().find(|(name, _)| *name == self.recipe).map(|(_, folder)| folder);
        let path = project.root.join(folder.context("no such recipe")?).join(&self.recipe);
        let text = std::fs::read_to_string(path.with_extension("toml"))?;
        let recipe: toml::Table = text.parse()?;
        let name = recipe["image"]["name"].as_str().context("a recipe without a name")?;
        Ok(match self.kubernetes.as_str() {
            NONE => name.to_owned(),
            series => format!("{name}-k8s-{series}"),
        })
    }

    /// The recipe, in a new project in `folder`, and its settings as arguments of osb.
    pub(crate) fn place(&self, project: &Project, folder: &Path) -> Result<(PathBuf, Vec<String>)> {
        project.copy_recipes(folder)?;
        let mut settings = Vec::new();
        if !self.board.is_empty() {
            settings.extend(["--set".to_owned(), format!("image.board={}", self.board)]);
        }
        if self.kubernetes != NONE {
            settings
                .extend(["--set".to_owned(), format!("kubernetes.upstream={}", self.kubernetes)]);
        }
        Ok((folder.join(&self.recipe).with_extension("toml"), settings))
    }
}

/// Which image, and where to.
#[derive(Debug, clap::Args)]
pub(crate) struct Build {
    /// A recipe of the repository: osb (rpi5-node) or amd64-node
    #[arg(long, default_value = DEFAULT)]
    recipe: String,
    /// Another board than the recipe's: rpi5 or uefi
    #[arg(long, default_value = "")]
    board: String,
    /// A series of upstream Kubernetes such as 1.36, or none
    #[arg(long, default_value = NONE)]
    kubernetes: String,
    /// A tar with everything that the lock names: read if it is there, else written
    #[arg(long, value_name = "FILE")]
    vault: Option<PathBuf>,
    /// Folder for the artifacts
    #[arg(long, short, default_value = "out", value_name = "DIR")]
    output: PathBuf,
}

/// Builds, checks and boots it.
pub(crate) fn run(arguments: &Build) -> Result<Steps> {
    let Build { recipe, board, kubernetes, vault, output } = arguments;
    let variant =
        Variant { recipe: recipe.clone(), board: board.clone(), kubernetes: kubernetes.clone() };
    variant.check()?;
    let project = Project::find()?;
    let output = std::path::absolute(output)?;
    let vault = vault.as_deref().map(std::path::absolute).transpose()?;
    let mut steps = Steps::default();
    release(&mut steps, &project);
    let (recipe, settings) = variant.place(&project, &project.work.join("variant"))?;
    let osb = |arguments: &[&str]| project.osb(arguments);
    if let Some(vault) = vault.as_deref().filter(|vault| vault.exists()) {
        steps.run("osb vault import", || {
            capture(osb(&["vault", "import"]).arg(vault))?;
            Ok(((), format!("{} MiB", vault.metadata()?.len() >> 20)))
        });
    }
    let built = steps.run("osb build", || {
        clear(&output)?;
        let mut build = osb(&["build", "--verbose", "--recipe"]);
        show(build.arg(&recipe).args(&settings).arg("--output").arg(&output))?;
        Ok(((), variant.name(&project)?))
    });
    let Some(()) = built else { return Ok(steps) };
    steps.run("osb check", || {
        let text = capture(osb(&["check", "--recipe"]).arg(&recipe).arg(&output))?;
        Ok(((), text.lines().last().unwrap_or_default().to_owned()))
    });
    steps.run("osb boot", || {
        let mut boot = osb(&["boot", "--quiet", "--until", "login:", "--timeout", PATIENCE]);
        boot.arg("--recipe").arg(&recipe).args(&settings).arg(output.join("disk.img"));
        let text = capture(&mut boot)?;
        Ok(((), text.lines().last().unwrap_or_default().trim().to_owned()))
    });
    if let Some(vault) = vault.filter(|vault| !vault.exists()) {
        steps.run("osb vault export", || {
            let mut export = osb(&["vault", "export", "--quiet", "--recipe"]);
            capture(export.arg(&recipe).args(&settings).arg(&vault))?;
            Ok(((), format!("{} MiB", vault.metadata()?.len() >> 20)))
        });
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_images_that_can_be_are_built() {
        let check = |recipe: &str, kubernetes: &str| {
            let [recipe, kubernetes] = [recipe, kubernetes].map(str::to_owned);
            Variant { recipe, board: String::new(), kubernetes }.check()
        };
        check("osb", NONE).unwrap();
        check("amd64-node", "1.36").unwrap();
        for (recipe, kubernetes) in [("osb", ""), ("osb", "1"), ("osb", "1.x"), ("none", NONE)] {
            assert!(check(recipe, kubernetes).is_err(), "{recipe} {kubernetes}");
        }
    }

    #[test]
    fn an_images_name_says_what_is_in_it() {
        let project = Project::find().unwrap();
        let name = |recipe: &str, kubernetes: &str| {
            let [recipe, kubernetes] = [recipe, kubernetes].map(str::to_owned);
            Variant { recipe, board: String::new(), kubernetes }.name(&project).unwrap()
        };
        assert_eq!(name("osb", NONE), "rpi5-node");
        assert_eq!(name("amd64-node", "1.36"), "amd64-node-k8s-1.36");
    }
}
