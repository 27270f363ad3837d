//! Is the root that osb builds the one that Debian's own tools build?
//!
//! The referee is mmdebstrap as its package has it, in a container of its own, fed with exactly
//! the locked packages, every program of the image under qemu-user. Its archive and osb's are
//! compared entry by entry; what may differ stands in `xtask/equivalence/allowed.toml`.

mod allow;
mod archive;
pub(crate) mod container;
mod cpio;
mod customize;
mod facts;
mod lines;
pub(crate) mod referee;
mod report;
mod repository;
pub(crate) mod sets;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::project::Project;
use crate::steps::Steps;
use crate::test::release;
use crate::usage::measure;
use allow::Allowed;
use referee::{Form, Referee};
use report::Report;
use sets::{Ready, SETS};

/// What to compare.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only this set: default, minbase, system or desktop (repeatable)
    #[arg(long = "set", value_name = "NAME")]
    sets: Vec<String>,
    /// Run mmdebstrap even if an equal run's result is kept
    #[arg(long)]
    fresh: bool,
}

/// Runs every set that was asked for.
pub(crate) fn run(arguments: &Arguments) -> Result<Steps> {
    let project = Project::find()?;
    let names: Vec<&str> = match arguments.sets.as_slice() {
        [] => SETS.to_vec(),
        names => names.iter().map(String::as_str).collect(),
    };
    for name in &names {
        ensure!(SETS.contains(name), "no set {name:?}; there are {}", SETS.join(", "));
    }
    let allowed = Allowed::read(&project.root.join("xtask/equivalence/allowed.toml"))?;
    let work = project.work.parent().context("a work folder without parent")?.join("equivalence");
    let mut steps = Steps::default();
    release(&mut steps, &project);
    let mut report = Report::default();
    for name in &names {
        one(&mut steps, &project, &work, name, arguments.fresh, &allowed, &mut report);
    }
    if names.len() == SETS.len() {
        steps.run("every rule is needed", || report.no_stale(&allowed));
    }
    report.print(&allowed);
    Ok(steps)
}

/// One set: osb's root, the referee's, and their differences.
fn one(
    steps: &mut Steps,
    project: &Project,
    work: &Path,
    name: &str,
    fresh: bool,
    allowed: &Allowed,
    report: &mut Report,
) {
    let folder = work.join(name);
    let ready = steps.run(&format!("{name}: osb"), || {
        let ready = Ready::prepare(project, &sets::source(project, name), &folder, &[])?;
        let out = folder.join("osb");
        let usage = measure(&mut ready.build(project, &project.cache, "rootfs", &out)?)?;
        Ok((ready, usage.to_string()))
    });
    let Some(ready) = ready else { return };
    let peer = steps.run(&format!("{name}: mmdebstrap"), || {
        let mut referee = Referee::prepare(&ready.set(), folder.join("peer"), Form::Tar)?;
        let (archive, usage, kept) = referee.cached(&work.join("kept"), fresh)?;
        let text = format!("{usage}{}", if kept { " (kept from an earlier run)" } else { "" });
        Ok((archive, text))
    });
    let Some(peer) = peer else { return };
    steps.run(&format!("{name}: equal"), || {
        let osb: PathBuf = folder.join("osb/rootfs.tar.gz");
        report.compare(name, &osb, &peer, ready.lock.newest_date(), allowed, &folder)
    });
}
