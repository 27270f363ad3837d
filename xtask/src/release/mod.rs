//! A tag becomes a release: every image is built twice and compared, checked, cut to what a server
//! takes, signed and verified, and the changelog becomes the notes.
//!
//! The workflow runs the phases in jobs of their own, so that no build is near the secret key;
//! without `--only` all of them run here. docs/release.md is what people do.

mod build;
mod notes;
mod sign;
mod tag;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::exit::demand;
use crate::host::names;
use crate::project::{Project, RECIPES};
use crate::steps::Steps;
use crate::test::release;
use crate::variant::{NONE, Variant};

/// What to release, and how.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask release v0.2.0 --key osb.key --output release   all of it, on this machine
  cargo xtask release v0.2.0 --only check                     could it be released?
  cargo xtask release v0.2.0 --only build --recipe osb --kubernetes 1.36 --output release
  cargo xtask release v0.2.0 --only sign --key osb.key --output release")]
pub(crate) struct Arguments {
    /// The tag: `v` and the version of this workspace
    tag: String,
    /// Folder for the release, a folder for each image; new or empty before the build
    #[arg(long, short, value_name = "DIR", default_value = "release")]
    output: PathBuf,
    /// The secret key: of minisign, or of ssh
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The public key [default: KEY.pub]
    #[arg(long, value_name = "FILE", requires = "key")]
    public_key: Option<PathBuf>,
    /// A recipe of the repository (repeatable) [default: all]
    #[arg(long, value_name = "RECIPE")]
    recipe: Vec<String>,
    /// A series of upstream Kubernetes, or none (repeatable) [default: none]
    #[arg(long, value_name = "SERIES")]
    kubernetes: Vec<String>,
    /// Cut files that are larger: GitHub takes what is less than 2 GiB
    #[arg(long, value_name = "SIZE", default_value = "1900MiB")]
    limit: String,
    /// One phase alone
    #[arg(long, value_enum)]
    only: Option<Phase>,
}

/// The phases of a release, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Phase {
    /// Is the tag what the repository says?
    Check,
    /// The images, without signatures
    Build,
    /// Signatures, their verification, and the notes
    Sign,
}

/// Runs all phases, or one.
pub(crate) fn run(arguments: &Arguments) -> Result<Steps> {
    let project = Project::find()?;
    let runs = |phase: Phase| arguments.only.is_none_or(|only| only == phase);
    tag::check(&project, &arguments.tag)?;
    let output = std::path::absolute(&arguments.output)?;
    // What is wrong is told before hours of work.
    let keys = if runs(Phase::Sign) { Some(sign::Keys::find(arguments)?) } else { None };
    let variants = variants(arguments)?;
    if runs(Phase::Build) {
        demand!(names(&output).is_empty(), "{} is not empty", output.display());
    } else if runs(Phase::Sign) {
        demand!(
            !folders(&output).is_empty(),
            "{} has nothing to sign; --only build makes images",
            output.display()
        );
    }
    let mut steps = Steps::default();
    steps.run("tag", || Ok(((), format!("{} is this version, and HEAD", arguments.tag))));
    if arguments.only == Some(Phase::Check) {
        return Ok(steps);
    }
    release(&mut steps, &project);
    if runs(Phase::Build) {
        fs::create_dir_all(&output).with_context(|| output.display().to_string())?;
        for variant in &variants {
            build::image(&mut steps, &project, variant, &output, &arguments.limit);
        }
    }
    if let Some(keys) = keys.filter(|_| steps.all_passed()) {
        for folder in folders(&output) {
            sign::folder(&mut steps, &project, &folder, &keys);
        }
        steps.run("notes", || {
            let path = output.join("NOTES.md");
            let text = notes::write(&project, &arguments.tag, &folders(&output), &keys.public)?;
            fs::write(&path, text).with_context(|| path.display().to_string())?;
            Ok(((), path.display().to_string()))
        });
    }
    Ok(steps)
}

/// What is built: every recipe with every Kubernetes.
fn variants(arguments: &Arguments) -> Result<Vec<Variant>> {
    let or = |given: &[String], default: &[&str]| -> Vec<String> {
        if given.is_empty() {
            default.iter().map(|&name| name.into()).collect()
        } else {
            given.into()
        }
    };
    let mut variants = Vec::new();
    for recipe in or(&arguments.recipe, &RECIPES.map(|(name, _)| name)) {
        for kubernetes in or(&arguments.kubernetes, &[NONE]) {
            let variant = Variant { recipe: recipe.clone(), board: String::new(), kubernetes };
            variant.check()?;
            variants.push(variant);
        }
    }
    Ok(variants)
}

/// The folders of a release: those of images, and of whatever else has a list of its files.
fn folders(output: &Path) -> Vec<PathBuf> {
    let mut folders = names(output);
    folders.retain(|folder| folder.join("SHA256SUMS").is_file());
    folders
}
