//! The list of what is tested, in order.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use osb_boot::Tools;

use crate::exit::demand;
use crate::kills::Series;
use crate::project::{DEFAULT, Image, Project, RECIPES};
use crate::steps::{Steps, show};
use crate::{
    boot, bootstrap, customise, dist, docs, e2e, ext4, flash, flashed, full, fuzz, image,
    kubernetes, layouts, lint, referee, reproduce, user,
};

/// How long each fuzz target runs: enough to go through its seeds and some way beyond.
const FUZZ_SECONDS: u32 = 20;

/// How much of the list is run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// What needs no real build: no network, no QEMU.
    Code,
    /// The real build of one recipe, its referees and its boot.
    Image(String),
}

/// Runs a part of the list; `full` adds the long proofs.
pub(crate) fn run(part: &Part, full: bool) -> Result<Steps> {
    let project = Project::find()?;
    let mut images = Vec::from(project.images()?);
    let mut steps = Steps::default();
    if let Part::Image(name) = part {
        images.retain(|image| image.name == *name);
        demand!(!images.is_empty(), "no recipe {name}; there are {}", names());
        release(&mut steps, &project);
    } else {
        cargo(&mut steps, &project);
        lint::check(&mut steps, &project);
        bootstrap::check(&mut steps, &project);
        docs::check(&mut steps, &project);
    }
    if *part == Part::Code {
        return Ok(steps);
    }
    // Once is enough, where the images are tested one by one: where the package can be installed.
    if images.iter().any(|image| image.name == dist::NATIVE) {
        dist::check(&mut steps, &project);
    }
    for image in images.clone() {
        steps.about(&image.name);
        // Without an image there is nothing to test; the failed step has been counted.
        let Some(()) = steps.run("build", || build(&project, &image)) else { continue };
        let Some(tools) = artifacts(&mut steps, &project, &image, full) else { continue };
        dist::installs(&mut steps, &project, &image);
        if image.name == DEFAULT {
            docs::render(&mut steps, &project, &tools);
            user::check(&mut steps, &project, &image);
            flash::check(&mut steps, &project, &tools, &image);
            let extent = if full { e2e::Extent::All } else { e2e::Extent::Good };
            e2e::check(&mut steps, &project, &tools, &image, extent);
        }
        if full && image.name == DEFAULT {
            referee::check(&mut steps, &project, &tools);
            reproduce::check(&mut steps, &project, &image);
            ext4::check(&mut steps, &project, &tools, &image);
            customise::check(&mut steps, &project, &tools, &image);
            full::check(&mut steps, &project, &image, &Series::default());
            kubernetes::check(&mut steps, &project, &image.recipe);
            layouts::check(&mut steps, &project, &tools, &image);
            flash::full(&mut steps, &project, &tools, &image);
            fuzz::smoke(&mut steps, &project, FUZZ_SECONDS);
            lint::dependencies(&mut steps, &project);
        }
    }
    steps.whole();
    if *part == Part::Whole {
        docs::commands(&mut steps, &project, &images);
    }
    Ok(steps)
}

/// The names of all recipes, for people.
pub(crate) fn names() -> String {
    RECIPES.map(|(name, _)| name).join(", ")
}

/// Only what looks at finished artifacts of the recipe `name`, in `folder`.
pub(crate) fn image(name: &str, folder: &Path) -> Result<Steps> {
    let project = Project::find()?;
    let image = project.image(name, folder)?;
    let mut steps = Steps::default();
    release(&mut steps, &project);
    artifacts(&mut steps, &project, &image, false);
    Ok(steps)
}

/// Only the file systems of `crates/ext4`; the image in `folder` is the system that mounts them.
pub(crate) fn ext4(name: &str, folder: &Path) -> Result<Steps> {
    let project = Project::find()?;
    let image = project.image(name, folder)?;
    let mut steps = Steps::default();
    release(&mut steps, &project);
    if let Some(tools) = test_tools(&mut steps, &project, &image.recipe) {
        ext4::check(&mut steps, &project, &tools, &image);
    }
    Ok(steps)
}

/// Only the long proofs, with the artifacts in `folder` to compare with.
pub(crate) fn proofs(folder: &Path, series: &Series) -> Result<Steps> {
    let project = Project::find()?;
    let image = project.image(DEFAULT, folder)?;
    let mut steps = Steps::default();
    release(&mut steps, &project);
    full::check(&mut steps, &project, &image, series);
    Ok(steps)
}

/// Only the ordinary user's build, to compare with the artifacts in `folder`.
pub(crate) fn user(folder: &Path) -> Result<Steps> {
    let project = Project::find()?;
    let image = project.image(DEFAULT, folder)?;
    let mut steps = Steps::default();
    release(&mut steps, &project);
    user::check(&mut steps, &project, &image);
    Ok(steps)
}

/// Only the comparison with apt.
pub(crate) fn referee() -> Result<Steps> {
    let project = Project::find()?;
    let mut steps = Steps::default();
    release(&mut steps, &project);
    let recipe = project.default_image()?.recipe;
    if let Some(tools) = test_tools(&mut steps, &project, &recipe) {
        referee::check(&mut steps, &project, &tools);
    }
    Ok(steps)
}

/// The referees, the boot and the sums; the test tools, if they could be had. `full` boots twice.
fn artifacts(steps: &mut Steps, project: &Project, image: &Image, full: bool) -> Option<Tools> {
    let tools = test_tools(steps, project, &image.recipe)?;
    image::check(steps, project, &tools, &image.out);
    flashed::check(steps, project, &tools, image, full);
    boot::check(steps, project, &tools, image);
    // After the boot: this proves, too, that booting leaves the image as it was.
    steps.run("sha256sum -c", || {
        let mut sums = Command::new("sha256sum");
        show(sums.args(["--quiet", "-c", "SHA256SUMS"]).current_dir(&image.out))?;
        Ok(((), "every artifact, after the boot".to_owned()))
    });
    Some(tools)
}

pub(crate) fn test_tools(steps: &mut Steps, project: &Project, recipe: &Path) -> Option<Tools> {
    steps.run("unpack the test tools", || {
        let tools = project.test_tools(recipe)?;
        let text = tools.root().display().to_string();
        Ok((tools, text))
    })
}

fn cargo(steps: &mut Steps, project: &Project) {
    let done = |arguments: &[&str]| Ok((project.cargo(arguments)?, String::new()));
    steps.run("cargo fmt", || done(&["fmt", "--all", "--check"]));
    steps.run("cargo clippy", || {
        done(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])
    });
    steps.run("cargo test", || done(&["test", "--workspace", "--quiet"]));
    release(steps, project);
}

pub(crate) fn release(steps: &mut Steps, project: &Project) {
    steps.run("cargo build --release", || {
        Ok((project.cargo(&["build", "--release", "--package", "osb"])?, String::new()))
    });
}

/// The real build.
fn build(project: &Project, image: &Image) -> Result<((), String)> {
    let Image { recipe, out, .. } = image;
    clear(out)?;
    show(project.osb(&["build", "--verbose", "--recipe"]).arg(recipe).arg("--output").arg(out))?;
    let size = |name: &str| -> Result<String> {
        let path = out.join(name);
        let length = fs::metadata(&path).with_context(|| path.display().to_string())?.len();
        Ok(format!("{name} {} MiB", length >> 20))
    };
    let sizes = [size("disk.img")?, size("rootfs.tar.gz")?, size("sd.img.zst")?];
    Ok(((), sizes.join(", ")))
}

/// Makes sure that nothing is left of an earlier run.
pub(crate) fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("clearing {}", folder.display()))
        }
        _ => Ok(()),
    }
}
