//! One file a command, and what several of them share.

mod boot;
mod build;
mod cache;
mod check;
mod completions;
mod devices;
mod diff;
mod doctor;
mod flash;
mod init;
mod inspect;
mod keys;
mod lock;
mod nodes;
mod plan;
mod provenance;
mod sign;
mod split;
mod timings;
mod tools;
mod vault;
mod verify;
mod why;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use osb_builder::Options;
use osb_recipe::LoadOptions;

use crate::cli::{Cli, Command, Global, Project};
use crate::environment;
use crate::exit::{FAILED, Failure};
use crate::output::Output;

/// What the sandbox starts as its own process: this program.
const LAUNCHER: &str = "/proc/self/exe";

/// Runs the command that was asked for. Must be called with one thread.
pub(crate) fn run(cli: &Cli, output: &Output) -> Result<ExitCode, Failure> {
    // Nearly all of them use the cache, which holds files of many users.
    let identity = osb_sandbox::enter(Path::new(LAUNCHER));
    let global = &cli.global;
    match (&cli.command, identity) {
        // Images can be read without any rights.
        (Command::Diff(arguments), _) => return diff::run(global, arguments, output),
        (Command::Check(arguments), _) => return check::run(arguments, output),
        (Command::Flash(arguments), _) => return flash::run(arguments, output),
        (Command::Inspect(arguments), _) => inspect::run(arguments, output),
        (Command::Sign(arguments), _) => sign::run(arguments, output),
        (Command::Split(arguments), _) => split::run(arguments, output),
        (Command::Verify(arguments), identity) => {
            verify::run(global, arguments, identity.map(drop), output)
        }
        (Command::Devices(_), _) => devices::run(output),
        (Command::Init(arguments), _) => init::run(arguments, output),
        (Command::Nodes(arguments), _) => nodes::run(arguments, output),
        (Command::Completions(arguments), _) => completions::run(arguments, output),
        (Command::Doctor(arguments), identity) => doctor::run(global, arguments, &identity, output),
        (_, Err(missing)) => Err(missing.into()),
        (Command::Build(arguments), Ok(_)) => build::run(global, arguments, output),
        (Command::Plan(arguments), Ok(_)) => plan::run(global, arguments, output),
        (Command::Why(arguments), Ok(_)) => why::run(global, arguments, output),
        (Command::Lock(arguments), Ok(_)) => lock::run(global, arguments, output),
        (Command::Vault(arguments), Ok(_)) => vault::run(global, arguments, output),
        (Command::Boot(arguments), Ok(_)) => boot::run(global, arguments, output),
        (Command::Tools(arguments), Ok(_)) => tools::run(global, arguments, output),
        (Command::Cache(arguments), Ok(_)) => cache::run(global, arguments, output),
    }
    .map(|()| ExitCode::SUCCESS)
}

/// The builder's options for a recipe as the arguments describe it; commands change what differs.
fn options(global: &Global, project: &Project, output: &Output) -> Result<Options, Failure> {
    let interrupted = output.clone();
    let cancel = environment::cancel_flag(move || interrupted.failure(&Failure::interrupted()))?;
    options_with(global, project, cancel)
}

/// The same where there is a flag already.
fn options_with(
    global: &Global,
    project: &Project,
    cancel: Arc<AtomicBool>,
) -> Result<Options, Failure> {
    let directory = std::env::current_dir().map_err(|error| Failure::from_error(FAILED, &error))?;
    let loaded = osb_recipe::load(&LoadOptions {
        set: project.set.clone(),
        arch: project.arch.clone(),
        ..recipe(project.recipe.as_deref())
    })?;
    Ok(Options {
        // Absolute, and without the `./` of the load above.
        lock_path: directory.join(bare(&loaded.origin.lock())),
        project: loaded,
        output: directory.join("out"),
        cache: environment::cache_folder(global.cache_dir.as_deref())?,
        mirror: project.mirror.clone().filter(|mirror| !mirror.is_empty()),
        only: None,
        locked: false,
        offline: project.offline,
        jobs: project.jobs.map_or_else(environment::processors, usize::from),
        source_date_epoch: environment::source_date_epoch()?,
        check: true,
        timings: false,
        now: environment::now(),
        cancel,
        launcher: LAUNCHER.into(),
    })
}

/// How a recipe is found, without changes.
fn recipe(name: Option<&Path>) -> LoadOptions {
    LoadOptions {
        recipe: name.map(Path::to_owned),
        // Relative, so that mistakes are told with the paths that people type.
        directory: ".".into(),
        rules: osb_check::RULES.iter().map(|rule| rule.id).collect(),
        ..LoadOptions::default()
    }
}

/// A path without a leading `./`.
fn bare(path: &Path) -> &Path {
    path.strip_prefix(".").unwrap_or(path)
}
