//! Programs that look at text: spelling, workflows, and the scripts of `ci`.
//!
//! `ci/prepare` installs them. Without one nothing is known, which is said; on GitHub, where all of
//! them can be had, it is a failure.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::host::names;
use crate::project::Project;
use crate::steps::{Steps, capture};

/// Runs all of them.
pub(crate) fn check(steps: &mut Steps, project: &Project) {
    let workflows = names(&project.root.join(".github/workflows"));
    let scripts = scripts(project);
    tool(steps, project, "typos", |typos| {
        capture(typos.arg("--hidden"))?;
        Ok("nothing misspelled".to_owned())
    });
    tool(steps, project, "zizmor", |zizmor| {
        // What asks GitHub would make the result depend on the day.
        capture(zizmor.args(["--offline", "--no-progress", ".github"]))?;
        Ok(format!("{} workflows, no findings", workflows.len()))
    });
    tool(steps, project, "actionlint", |actionlint| {
        capture(actionlint.args(&workflows))?;
        Ok(format!("{} workflows, no findings", workflows.len()))
    });
    tool(steps, project, "shellcheck", |shellcheck| {
        ensure!(!scripts.is_empty(), "there are no scripts in ci");
        capture(shellcheck.args(&scripts))?;
        Ok(format!("{} scripts of ci, no findings", scripts.len()))
    });
}

/// Only what may be depended on, without the advisories, which need GitHub: `ci/deny` has those.
pub(crate) fn dependencies(steps: &mut Steps, project: &Project) {
    let Some(mut deny) = find(project, "cargo-deny") else {
        steps.skip("cargo deny", "this machine has no cargo-deny; ci/deny installs it");
        return;
    };
    steps.run("cargo deny", || {
        let quiet = ["--log-level", "error", "--offline", "--workspace", "--all-features"];
        capture(deny.args(quiet).args(["check", "bans", "licenses", "sources"]))?;
        Ok(((), "bans, licences, sources; not advisories".to_owned()))
    });
}

/// Runs `step` with the program `name`, in the repository.
fn tool(
    steps: &mut Steps,
    project: &Project,
    name: &str,
    step: impl FnOnce(&mut Command) -> Result<String>,
) {
    match find(project, name) {
        Some(mut command) => {
            steps.run(name, || Ok(((), step(&mut command)?)));
        }
        None if std::env::var_os("GITHUB_ACTIONS").is_none() => {
            steps.skip(name, &format!("this machine has no {name}; ci/prepare installs it"));
        }
        None => {
            steps.run::<()>(name, || bail!("{name} is missing; ci/prepare should have had it"));
        }
    }
}

/// The program that `ci/prepare` has installed, else any.
fn find(project: &Project, name: &str) -> Option<Command> {
    let prepared = project.work.with_file_name("lint").join("bin").join(name);
    let program = if prepared.exists() { prepared } else { PathBuf::from(name) };
    let mut command = Command::new(&program);
    Command::new(&program).arg("--version").output().ok()?;
    command.current_dir(&project.root);
    Some(command)
}

/// The shell scripts that CI is made of.
fn scripts(project: &Project) -> Vec<PathBuf> {
    let mut scripts = names(&project.root.join("ci"));
    scripts.push(project.root.join(".ci/run"));
    scripts.retain(|path| {
        std::fs::read(path).is_ok_and(|text| text.starts_with(b"#!/usr/bin/env bash\n"))
    });
    scripts
}
