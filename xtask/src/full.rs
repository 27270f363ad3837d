//! The long proofs: a second cold build gives the same bytes, and an interrupted one leaves
//! nothing behind and can go on.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process, test_kill_process_group};

use crate::project::{Image, Project};
use crate::steps::{Steps, show};
use crate::test::clear;

/// When the second build is interrupted, counted from its start.
const INTERRUPTIONS: [Duration; 3] =
    [Duration::from_secs(2), Duration::from_secs(8), Duration::from_secs(20)];

/// Runs every long proof on an image that is built.
pub(crate) fn check(steps: &mut Steps, project: &Project, image: &Image) {
    let Image { recipe, out, .. } = image;
    let second = Project {
        root: project.root.clone(),
        work: project.work.clone(),
        osb: project.osb.clone(),
        cache: project.work.join("cache-2"),
    };
    let again = project.work.join("out-2");
    let ready = steps.run("a second, cold cache", || {
        clear(&second.cache)?;
        clear(&again)?;
        // Downloads are kept: everything else is made again.
        let packages = second.cache.join("debs-v1");
        fs::create_dir_all(&packages)?;
        show(Command::new("cp").arg("-a").arg(project.cache.join("debs-v1/.")).arg(&packages))?;
        Ok(((), String::new()))
    });
    if ready.is_none() {
        return;
    }
    for after in INTERRUPTIONS {
        steps.run(&format!("interrupted after {} s", after.as_secs()), || {
            interrupt(&second, recipe, &again, after)
        });
    }
    let rebuilt = steps.run("the interrupted build goes on", || {
        show(build(&second, recipe, &again).arg("--locked"))?;
        Ok(((), String::new()))
    });
    if rebuilt.is_some() {
        steps.run("the same bytes", || {
            let sums = |folder: &Path| fs::read_to_string(folder.join("SHA256SUMS"));
            let (first, second) = (sums(out)?, sums(&again)?);
            ensure!(first == second, "two builds differ:\n{first}\n{second}");
            Ok(((), format!("{} files", first.lines().count())))
        });
    }
}

fn build(project: &Project, recipe: &Path, out: &Path) -> Command {
    let mut command = project.osb(&["build", "--recipe"]);
    command.arg(recipe).arg("--output").arg(out);
    command
}

/// Starts a build and sends it SIGINT: it must end with 130, with no mount and no process left.
fn interrupt(
    project: &Project,
    recipe: &Path,
    out: &Path,
    after: Duration,
) -> Result<((), String)> {
    let mounts = || fs::read_to_string("/proc/self/mounts").context("reading the mounts");
    let before = mounts()?;
    // A process group of its own, whose members can be asked for afterwards.
    let mut child = build(project, recipe, out).process_group(0).spawn()?;
    let group = Pid::from_raw(child.id().try_into()?).context("a process without number")?;
    std::thread::sleep(after);
    if let Some(status) = child.try_wait()? {
        ensure!(status.success(), "the build ended with {status} before it was interrupted");
        return Ok(((), "it was done before".to_owned()));
    }
    kill_process(group, Signal::INT)?;
    let asked = Instant::now();
    let status = wait(&mut child, Duration::from_secs(30))?;
    ensure!(status == Some(130), "it ended with {status:?}, not 130");
    let elapsed = asked.elapsed();
    // Killed children may take a moment to vanish.
    std::thread::sleep(Duration::from_millis(200));
    ensure!(test_kill_process_group(group).is_err(), "processes of its group are left");
    // The sandbox's processes are in sessions of their own.
    let running = running(&project.osb)?;
    ensure!(running.is_empty(), "processes are left: {}", running.join(", "));
    ensure!(mounts()? == before, "mounts are left");
    let left = fs::read_dir(out).map(Iterator::count).unwrap_or(0);
    ensure!(left == 0, "{left} files are left in {}", out.display());
    Ok(((), format!("ended within {:.2} s, nothing left", elapsed.as_secs_f64())))
}

/// Numbers of the processes that run `program`.
fn running(program: &Path) -> Result<Vec<String>> {
    let program = program.canonicalize()?;
    let mut numbers = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        // Processes come and go, and kernel threads have no program.
        if fs::read_link(entry.path().join("exe")).is_ok_and(|path| path == program) {
            numbers.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(numbers)
}

fn wait(child: &mut Child, limit: Duration) -> Result<Option<i32>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code());
        }
        if started.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            anyhow::bail!("it did not end within {} s", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
