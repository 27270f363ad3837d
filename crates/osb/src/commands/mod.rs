//! One file a command, and what several of them share.

mod boot;
mod build;
mod cache;
mod doctor;
mod lock;
mod timings;
mod tools;

use std::path::{Path, PathBuf};

use osb_builder::Options;
use osb_recipe::{LoadOptions, Origin};

use crate::cli::{Cli, Command, Global, Project};
use crate::environment;
use crate::exit::{FAILED, Failure};
use crate::output::Output;

/// Runs the command that was asked for.
pub(crate) fn run(cli: &Cli, output: &Output) -> Result<(), Failure> {
    match &cli.command {
        Command::Build(arguments) => build::run(&cli.global, arguments, output),
        Command::Lock(arguments) => lock::run(&cli.global, arguments, output),
        Command::Boot(arguments) => boot::run(&cli.global, arguments, output),
        Command::Doctor(arguments) => doctor::run(&cli.global, arguments, output),
        Command::Cache(arguments) => cache::run(&cli.global, arguments, output),
        Command::Tools(arguments) => tools::run(&cli.global, arguments, output),
    }
}

/// The builder's options for a recipe as the arguments describe it; commands change what differs.
fn options(global: &Global, project: &Project, output: &Output) -> Result<Options, Failure> {
    let directory = std::env::current_dir().map_err(|error| Failure::from_error(FAILED, &error))?;
    let loaded = osb_recipe::load(&LoadOptions {
        recipe: project.recipe.clone(),
        // Relative, so that mistakes are told with the paths that people type.
        directory: ".".into(),
        set: project.set.clone(),
        arch: project.arch.clone(),
    })?;
    let interrupted = output.clone();
    let cancel = environment::cancel_flag(move || interrupted.failure(&Failure::interrupted()))?;
    Ok(Options {
        lock_path: lock_path(&loaded.origin, &directory),
        project: loaded,
        output: directory.join("out"),
        cache: environment::cache_folder(global.cache_dir.as_deref())?,
        mirror: project.mirror.clone().filter(|mirror| !mirror.is_empty()),
        only: None,
        locked: false,
        offline: project.offline,
        jobs: project.jobs.map_or_else(environment::processors, usize::from),
        source_date_epoch: environment::source_date_epoch()?,
        timings: false,
        now: environment::now(),
        cancel,
        launcher: "/proc/self/exe".into(),
    })
}

/// The lock lies beside its recipe; the built-in recipe's lies in the current folder.
fn lock_path(origin: &Origin, directory: &Path) -> PathBuf {
    match origin {
        Origin::File(recipe) => {
            let recipe = recipe.strip_prefix(".").unwrap_or(recipe);
            directory.join(recipe).with_file_name("osb.lock")
        }
        Origin::BuiltIn => directory.join("osb.lock"),
    }
}
