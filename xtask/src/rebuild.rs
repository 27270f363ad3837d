//! What a build costs that changes nothing, and one that changes one file, beside the first build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::project::Project;
use crate::steps::{Steps, capture, show};
use crate::test::{clear, release};
use crate::usage::{Usage, measure};

/// The file that is changed, in the last layer.
const FILE: &str = "layers/k8s-prereq/files/etc/containerd/config.toml";

/// What one run has measured.
struct Measured {
    cold: Usage,
    unchanged: Usage,
    one_file: Usage,
}

/// Measures `runs` times. "Cold" is with packages downloaded and nothing else; every form is
/// written each time.
pub(crate) fn run(runs: u16) -> Result<Steps> {
    let project = Project::find()?;
    let mut steps = Steps::default();
    release(&mut steps, &project);
    let folder = project.work.with_file_name("bench").join("rebuild");
    let prepared = steps.run("packages", || {
        clear(&folder)?;
        let copy = folder.join("project");
        fs::create_dir_all(&copy)?;
        for name in ["osb.toml", "osb.lock", "layers"] {
            show(Command::new("cp").arg("-a").arg(project.root.join(name)).arg(&copy))?;
        }
        // Into the cache once, so that no download is measured.
        show(
            build(&project, &copy, &project.cache, &folder.join("warm")).args(["--only", "tree"]),
        )?;
        Ok((copy, String::new()))
    });
    let Some(copy) = prepared else { return Ok(steps) };
    let mut all = Vec::new();
    for number in 1..=runs {
        let measured = steps.run(&format!("run {number} of {runs}"), || {
            let measured = once(&project, &copy, &folder.join(format!("run-{number}")))?;
            let Measured { cold, unchanged, one_file } = &measured;
            eprintln!(
                "    cold:      {cold}\n    unchanged: {unchanged}\n    one file:  {one_file}"
            );
            let text = format!(
                "one file is 1/{:.1} of cold in wall time, 1/{:.1} in CPU time; unchanged {:.2} s",
                cold.wall / one_file.wall,
                cold.cpu / one_file.cpu,
                unchanged.wall
            );
            Ok((measured, text))
        });
        all.extend(measured);
    }
    if let Some(last) = all.len().checked_sub(1) {
        steps.run("the bytes of a first build", || {
            let (cold, warm) = (folder.join("cold"), folder.join(format!("run-{}/out", last + 1)));
            let cache = fresh(&project, &cold)?;
            show(build(&project, &copy, &cache, &cold.join("out")).arg("--offline"))?;
            let sums = |out: &Path| fs::read_to_string(out.join("SHA256SUMS"));
            let (cold, warm) = (sums(&cold.join("out"))?, sums(&warm)?);
            ensure!(cold == warm, "they differ:\n{cold}\n{warm}");
            Ok(((), format!("{} files", cold.lines().count())))
        });
        for (what, goal, figure) in [
            (
                "one file, wall time against cold",
                0.1,
                median(&all, |m| m.one_file.wall / m.cold.wall),
            ),
            ("unchanged, seconds", 0.3, median(&all, |m| m.unchanged.wall)),
        ] {
            steps.run(what, || {
                ensure!(figure <= goal, "missed: {figure:.3}, the goal is {goal}");
                Ok(((), format!("{figure:.3}, the goal is {goal}")))
            });
        }
    }
    Ok(steps)
}

/// A first build, one that has nothing to do, and one after a change.
fn once(project: &Project, copy: &Path, folder: &Path) -> Result<Measured> {
    let cache = fresh(project, folder)?;
    let out = folder.join("out");
    let again = || {
        // What the run before has left to be written must not be paid for by this one.
        rustix::fs::sync();
        measure(build(project, copy, &cache, &out).arg("--offline"))
    };
    let (cold, unchanged) = (again()?, again()?);
    let path = copy.join(FILE);
    let mut text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    text.push_str("# One more line.\n");
    fs::write(&path, text)?;
    Ok(Measured { cold, unchanged, one_file: again()? })
}

/// A cache with nothing but the packages as downloaded, in a new folder.
fn fresh(project: &Project, folder: &Path) -> Result<PathBuf> {
    let cache = folder.join("cache");
    fs::create_dir_all(&cache)?;
    let debs = project.cache.join("debs-v1");
    capture(Command::new("cp").arg("-al").arg(debs).arg(&cache))?;
    Ok(cache)
}

/// A build of every form into `out`.
fn build(project: &Project, copy: &Path, cache: &Path, out: &Path) -> Command {
    let mut command = Command::new(&project.osb);
    command.current_dir(copy).arg("--cache-dir").arg(cache);
    command.args(["build", "--locked", "--quiet", "--output"]).arg(out);
    command
}

fn median(all: &[Measured], figure: impl Fn(&Measured) -> f64) -> f64 {
    let mut figures: Vec<f64> = all.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
