//! Builds that are killed at random points: what they leave behind, and what becomes of the next.
//!
//! One cache sees all of it: after each kill the next run goes on there. A run that is done before
//! its kill must have written the same bytes as the first build; then everything but the downloads
//! is cleared, so that the next runs begin anew.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use rustix::process::Signal;

use crate::host::{BEGINNING, Host, Running, names, stage};
use crate::project::Project;
use crate::random::Random;
use crate::steps::{Steps, show};
use crate::test::clear;

/// How a run may be asked to end, and how often that is tried.
#[derive(Debug, Clone, Args)]
pub(crate) struct Series {
    /// Kills with each of SIGKILL and SIGINT
    #[arg(long, default_value_t = 20, value_name = "N")]
    kills: u32,
    /// Where the random points come from [default: the clock]
    #[arg(long)]
    seed: Option<u64>,
    /// Kill within so many seconds of a run's start [default: what a cold build takes]
    #[arg(long, value_name = "SECONDS")]
    within: Option<u64>,
}

impl Default for Series {
    fn default() -> Self {
        Self { kills: 20, seed: None, within: None }
    }
}

/// A process that was killed may take so long to vanish with all that it has started, on a machine
/// that is busy; the statistics tell what it took.
const DEATH: Duration = Duration::from_secs(20);
/// osb promises to end within three seconds of Ctrl-C, on a machine that is not busy.
const END: Duration = Duration::from_secs(15);
/// What osb promises.
const GRACE: Duration = Duration::from_secs(3);
/// No build takes longer.
const PATIENCE: Duration = Duration::from_secs(1800);
/// Folders of the cache that a build makes from its downloads. Without the records, no build finds
/// that it has nothing to do.
const DERIVED: [&str; 7] =
    ["packages-v2", "tools-v2", "layers-v2", "initramfs-v1", "frames-v1", "records-v1", "sums-v1"];

/// Where the builds of this proof run.
pub(crate) struct Site<'a> {
    /// With a cache of its own.
    pub(crate) project: Project,
    recipe: &'a Path,
    /// Where builds write.
    out: PathBuf,
    /// Their folder for temporary files.
    temporary: PathBuf,
    /// The sums that every build must have.
    sums: String,
}

/// Prepares a cache with the downloads only.
pub(crate) fn site<'a>(
    steps: &mut Steps,
    project: &Project,
    recipe: &'a Path,
    first: &Path,
) -> Option<Site<'a>> {
    let site = Site {
        project: Project {
            root: project.root.clone(),
            work: project.work.clone(),
            osb: project.osb.clone(),
            cache: project.work.join("cache-2"),
        },
        recipe,
        out: project.work.join("out-2"),
        temporary: project.work.join("tmp-2"),
        sums: fs::read_to_string(first.join("SHA256SUMS")).unwrap_or_default(),
    };
    steps.run("a second, cold cache", || {
        ensure!(!site.sums.is_empty(), "there is no build in {}", first.display());
        for folder in [&site.project.cache, &site.out, &site.temporary] {
            clear(folder)?;
            fs::create_dir_all(folder)?;
        }
        for bucket in ["debs-v1", "indices-v1", "releases-v1"] {
            let from = project.cache.join(bucket);
            if from.exists() {
                show(Command::new("cp").arg("-a").arg(from).arg(&site.project.cache))?;
            }
        }
        Ok(((), String::new()))
    })?;
    Some(site)
}

impl Site<'_> {
    /// A build into `out`.
    pub(crate) fn build(&self, out: &Path) -> Command {
        let mut command = self.project.osb(&["build", "--locked", "--json", "--quiet"]);
        command.arg("--recipe").arg(self.recipe).arg("--output").arg(out);
        command.env("TMPDIR", &self.temporary).stdin(Stdio::null());
        command
    }

    /// Takes what builds make from downloads out of the cache, and returns where it is.
    pub(crate) fn put_aside(&self) -> Result<PathBuf> {
        let aside = self.project.work.join("aside");
        clear(&aside)?;
        fs::create_dir_all(&aside)?;
        for name in DERIVED.map(Path::new) {
            match fs::rename(self.project.cache.join(name), aside.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error)?,
                _ => {}
            }
        }
        Ok(aside)
    }

    /// Removes what builds make from downloads. First out of the way, so that there is a cache
    /// without half-removed entries whatever happens.
    fn make_cold(&self) -> Result<()> {
        clear(&self.put_aside()?)
    }

    /// Fails unless a finished build in `out` has the first build's sums.
    pub(crate) fn same_bytes(&self, out: &Path) -> Result<()> {
        let sums = fs::read_to_string(out.join("SHA256SUMS")).context("reading the sums")?;
        ensure!(sums == self.sums, "two builds differ:\n{}\n{sums}", self.sums);
        Ok(())
    }

    /// Fails if temporary files are left anywhere.
    pub(crate) fn nothing_left(&self) -> Result<()> {
        let cache = &self.project.cache;
        let mut left = names(&cache.join("work"));
        left.extend(names(&self.temporary));
        let project = self.recipe.parent().context("a recipe without folder")?;
        for folder in [&self.out, project, &cache.join("debs-v1"), &cache.join("indices-v1")] {
            left.extend(names(folder).into_iter().filter(|path| is_hidden(path)));
        }
        ensure!(left.is_empty(), "files are left: {left:?}");
        Ok(())
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// The whole series; returns whether the last build was good.
pub(crate) fn check(steps: &mut Steps, site: &Site, series: &Series) -> Option<()> {
    let before = steps.run("the host before", || {
        Ok((Host::now(&[site.project.cache.as_path(), site.out.as_path()])?, String::new()))
    })?;
    let cold = steps.run("a second cold build, the same bytes", || {
        let begun = Instant::now();
        whole(site)?;
        Ok((begun.elapsed(), String::new()))
    })?;
    let span = series.within.map_or(cold, Duration::from_secs);
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = series.seed.unwrap_or_else(|| clock.unwrap_or_default().as_secs());
    let mut random = Random(seed);
    let mut signals = vec![Signal::KILL; series.kills as usize];
    signals.extend(vec![Signal::INT; series.kills as usize]);
    random.shuffle(&mut signals);
    steps.run(&format!("killed at random points, --seed {seed}"), || {
        let mut statistics = Statistics::default();
        site.make_cold()?;
        for (number, signal) in signals.iter().enumerate() {
            kill(site, *signal, span, &mut random, &before, &mut statistics)
                .with_context(|| format!("kill {} of {}", number + 1, signals.len()))?;
        }
        let text = statistics.text();
        eprintln!("{text}");
        statistics.check()?;
        Ok(((), text.lines().next().unwrap_or_default().to_owned()))
    })?;
    steps.run("the next build goes on, the same bytes", || {
        whole(site)?;
        show(
            Command::new("sha256sum").args(["--quiet", "-c", "SHA256SUMS"]).current_dir(&site.out),
        )?;
        before.check()?;
        Ok(((), "nothing is left".to_owned()))
    })
}

/// Where a run tells what it is doing.
fn log(site: &Site) -> PathBuf {
    site.project.work.join("killed.log")
}

fn run(site: &Site) -> Result<Running> {
    let log = log(site);
    let events = File::create(&log).with_context(|| log.display().to_string())?;
    Running::start(site.build(&site.out).stdout(events))
}

/// A run that nobody kills.
fn whole(site: &Site) -> Result<()> {
    let status = run(site)?.end(PATIENCE)?;
    ensure!(status.success(), "the build ended with {status}");
    site.same_bytes(&site.out)?;
    site.nothing_left()
}

/// Sends `signal` to a run at a random point; runs that are done before are cleared away.
fn kill(
    site: &Site,
    signal: Signal,
    span: Duration,
    random: &mut Random,
    before: &Host,
    statistics: &mut Statistics,
) -> Result<()> {
    for _ in 0..10 {
        let mut child = run(site)?;
        let point = span.mul_f64(random.fraction());
        let begun = Instant::now();
        let mut ended = None;
        while ended.is_none() && begun.elapsed() < point {
            std::thread::sleep(Duration::from_millis(2));
            ended = child.ended()?;
        }
        if let Some(status) = ended {
            ensure!(status.success(), "the build ended with {status} before it was killed");
            site.same_bytes(&site.out)?;
            site.nothing_left()?;
            before.check()?;
            statistics.completed += 1;
            site.make_cold()?;
            continue;
        }
        let family = child.family(&site.project.osb)?;
        let asked = Instant::now();
        child.send(signal)?;
        let status = child.end(END)?;
        let ending = asked.elapsed();
        let name = if signal == Signal::KILL { "SIGKILL" } else { "SIGINT" };
        let dying =
            family.gone(DEATH).with_context(|| format!("{name}, osb ended with {status}"))?;
        before.check()?;
        let temporary = names(&site.temporary);
        ensure!(temporary.is_empty(), "temporary files are left: {temporary:?}");
        let stage = stage(&log(site))?;
        let hard = ended_hard(site, signal, status, ending, &stage)?;
        statistics.hard += u32::from(hard);
        statistics.add(name, point, &stage, ending + dying);
        return Ok(());
    }
    bail!("ten builds in a row were done before they were killed")
}

/// Fails unless a run may end like this; whether it did not heed SIGINT in time, and ended itself.
fn ended_hard(
    site: &Site,
    signal: Signal,
    status: ExitStatus,
    ending: Duration,
    stage: &str,
) -> Result<bool> {
    if status.success() {
        // It came after the last moment at which anything could be stopped.
        site.same_bytes(&site.out)?;
    } else if signal == Signal::INT && status.code() == Some(130) {
        if ending >= GRACE {
            return Ok(true);
        }
        // A run clears what killed ones have left, unless it has not come to that.
        if stage != BEGINNING {
            site.nothing_left()?;
        }
    } else {
        // SIGINT kills, too, but only while the program is still being loaded.
        let may_die = signal == Signal::KILL || stage == BEGINNING;
        ensure!(
            may_die && status.signal() == Some(signal.as_raw()),
            "it ended with {status}, stage: {stage}"
        );
    }
    Ok(false)
}

/// What the series met.
#[derive(Default)]
struct Statistics {
    completed: u32,
    /// By signal: how often each stage was hit.
    stages: BTreeMap<&'static str, BTreeMap<String, u32>>,
    /// By signal: how long it took until no process was left.
    times: BTreeMap<&'static str, Vec<Duration>>,
    /// Runs that did not end in time after SIGINT, ended hard, and left their work folders to the
    /// next run.
    hard: u32,
}

impl Statistics {
    fn add(&mut self, name: &'static str, point: Duration, stage: &str, time: Duration) {
        let (at, took) = (point.as_secs_f64(), time.as_millis());
        eprintln!("    {name:7} at {at:5.1} s, {stage}: gone after {took} ms");
        *self.stages.entry(name).or_default().entry(stage.to_owned()).or_default() += 1;
        self.times.entry(name).or_default().push(time);
    }

    /// Fails if Ctrl-C was not heeded in time more often than not.
    fn check(&self) -> Result<()> {
        let (hard, all) = (self.hard as usize, self.times.get("SIGINT").map_or(0, Vec::len));
        ensure!(hard * 2 <= all, "{hard} of {all} runs ended hard after SIGINT");
        Ok(())
    }

    /// One line in sum, then one a signal.
    fn text(&self) -> String {
        let count: usize = self.times.values().map(Vec::len).sum();
        let mut text = format!(
            "{count} kills, {} builds done in between; {} ended hard after SIGINT",
            self.completed, self.hard
        );
        for (name, times) in &self.times {
            let mut times = times.clone();
            times.sort();
            let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
            let stages = self.stages.get(name).into_iter().flatten();
            let stages: Vec<_> = stages.map(|(stage, n)| format!("{stage} {n}")).collect();
            text += &format!(
                "\n    {} {name}: gone after {} ms (median), {} ms (longest); {}",
                times.len(),
                median.as_millis(),
                longest.as_millis(),
                stages.join(", ")
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_its_points() {
        let points = |seed| {
            let mut random = Random(seed);
            let mut list: Vec<u32> = (0..10).collect();
            random.shuffle(&mut list);
            (list, random.fraction().to_bits())
        };
        assert_eq!(points(1), points(1));
        assert_ne!(points(1), points(2));
        assert!((0..100).all(|seed| (0.0..1.0).contains(&Random(seed).fraction())));
    }

    #[test]
    fn hard_ends_must_be_few() {
        let met = |hard| {
            let times = BTreeMap::from([("SIGINT", vec![Duration::ZERO; 3])]);
            Statistics { hard, times, ..Statistics::default() }.check()
        };
        assert!(met(0).is_ok() && met(1).is_ok());
        assert!(met(2).unwrap_err().to_string().contains("2 of 3"));
    }
}
