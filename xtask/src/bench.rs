//! osb and mmdebstrap on the same packages, on the same machine, one after the other.
//!
//! mmdebstrap runs as it comes: its own fsyncs, its own number of threads. It is spared what is
//! not its fault: the packages lie on the disk, and it makes one initramfs, at the end, as osb
//! does. Nothing is kept from earlier runs but the downloaded packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::equivalence::referee::{Form, Referee, host};
use crate::equivalence::sets::Ready;
use crate::flash;
use crate::project::Project;
use crate::rebuild;
use crate::steps::{Steps, show};
use crate::test::{clear, release};
use crate::usage::{Usage, measure};
use crate::writers;

/// What to measure.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    /// The root of the default recipe, by mmdebstrap and by osb
    Build {
        /// The image's architecture (repeatable) [default: both]
        #[arg(long)]
        arch: Vec<Arch>,
        /// Measure so often, and take the median
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
        runs: u16,
    },
    /// All artifacts of the default recipe: a first build, one with nothing to do, and one after a
    /// changed file
    Rebuild {
        /// Measure so often, and take the median
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
        runs: u16,
    },
    /// ext4, rootfs.tar.gz and sd.img.zst, by osb and by mke2fs, pigz and zstd
    Image {
        /// The folder that `osb build` wrote to, with the default recipe
        #[arg(default_value = "out")]
        folder: PathBuf,
        /// Measure so often, and take the median
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
        runs: u16,
    },
    /// `osb flash`, dd with cmp, and bmaptool, onto a loop device
    Flash {
        /// The folder that `osb build` wrote to, with the default recipe
        #[arg(default_value = "out")]
        folder: PathBuf,
        /// Measure so often, and take the median
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
        runs: u16,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Arch {
    Arm64,
    Amd64,
}

/// The costs of one way to build.
#[derive(Debug, Default)]
struct Costs(Vec<Usage>);

/// All ways, for one architecture.
#[derive(Debug, Default)]
struct Measured {
    peer: Costs,
    cold: Costs,
    unpacked: Costs,
}

pub(crate) fn run(bench: &Bench) -> Result<Steps> {
    let (arch, runs) = match bench {
        Bench::Build { arch, runs } => (arch, runs),
        Bench::Rebuild { runs } => return rebuild::run(*runs),
        Bench::Image { folder, runs } => return writers::run(folder, *runs),
        Bench::Flash { folder, runs } => return flash::bench::run(folder, *runs),
    };
    let project = Project::find()?;
    let mut steps = Steps::default();
    release(&mut steps, &project);
    let all = [Arch::Arm64, Arch::Amd64];
    for arch in if arch.is_empty() { all.as_slice() } else { arch.as_slice() } {
        architecture(&mut steps, &project, *arch, *runs);
    }
    Ok(steps)
}

fn architecture(steps: &mut Steps, project: &Project, arch: Arch, runs: u16) {
    let (name, settings) = match arch {
        Arch::Arm64 => ("arm64", vec![]),
        Arch::Amd64 => {
            ("amd64", vec!["image.arch=amd64".to_owned(), "image.board=uefi".to_owned()])
        }
    };
    let folder = project.work.with_file_name("bench").join(name);
    let ready = steps.run(&format!("{name}: packages"), || {
        let ready = Ready::prepare(project, &project.root, &folder, &settings)?;
        // Into the cache once, so that no download is measured.
        show(ready.build(project, &project.cache, "tree", &folder.join("out"))?.arg("--quiet"))?;
        let text = format!("{} packages", ready.lock.packages.len());
        Ok((ready, text))
    });
    let Some(ready) = ready else { return };
    let mut measured = Measured::default();
    for number in 1..=runs {
        steps.run(&format!("{name}: run {number} of {runs}"), || {
            once(project, &ready, &folder, &mut measured)?;
            Ok(((), String::new()))
        });
    }
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("run-") {
            steps.run(&format!("{name}: clearing"), || Ok((clear(&entry.path())?, String::new())));
        }
    }
    if measured.unpacked.0.len() == usize::from(runs) {
        for (what, met, text) in measured.verdicts(name != host()) {
            steps.run(&format!("{name}: {what}"), || {
                anyhow::ensure!(met, "missed: {text}");
                Ok(((), text))
            });
        }
        measured.print(name);
    }
}

/// One measurement of every way. Everything is made in folders that are new, and nothing is
/// removed in between: for a minute ext4 passes over the inodes of deleted files, one by one
/// (`recently_deleted`, fs/ext4/ialloc.c), which a build of twenty thousand files would pay for.
fn once(project: &Project, ready: &Ready, folder: &Path, measured: &mut Measured) -> Result<()> {
    let folder = folder.join(format!("run-{}-{}", std::process::id(), measured.peer.0.len()));
    let usage = Referee::prepare(&ready.set(), folder.join("peer"), Form::Directory)?.run(false)?;
    eprintln!("    mmdebstrap: {usage}");
    measured.peer.0.push(usage);

    let cache = folder.join("cache");
    fs::create_dir_all(&cache).with_context(|| format!("making {}", cache.display()))?;
    let debs = project.cache.join("debs-v1");
    show(Command::new("cp").arg("-al").arg(&debs).arg(&cache))?;
    let out: PathBuf = folder.join("out");
    let osb = || ready.build(project, &cache, "tree", &out);
    let usage = measure(osb()?.arg("--offline"))?;
    eprintln!("    osb, cold: {usage}");
    measured.cold.0.push(usage);

    for bucket in ["layers-v2", "initramfs-v1"] {
        fs::rename(cache.join(bucket), folder.join(bucket)).context("putting layers aside")?;
    }
    let usage = measure(osb()?.arg("--offline"))?;
    eprintln!("    osb, packages and tools unpacked: {usage}");
    measured.unpacked.0.push(usage);
    Ok(())
}

impl Costs {
    /// The median of each figure.
    fn median(&self) -> Usage {
        let middle = |figure: &dyn Fn(&Usage) -> f64| {
            let mut figures: Vec<f64> = self.0.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied().unwrap_or_default()
        };
        Usage {
            cpu: middle(&|usage| usage.cpu),
            wall: middle(&|usage| usage.wall),
            peak: middle(&|usage| usage.peak as f64) as u64,
        }
    }
}

impl Measured {
    /// What the project promises, whether it holds, and the figures.
    fn verdicts(&self, foreign: bool) -> Vec<(&'static str, bool, String)> {
        let (peer, cold, unpacked) =
            (self.peer.median(), self.cold.median(), self.unpacked.median());
        let mut verdicts = Vec::new();
        let mut faster = |what, peer: f64, osb: f64, least: f64| {
            let ratio = peer / osb;
            verdicts.push((what, ratio >= least, format!("1/{ratio:.1}, target 1/{least}")));
        };
        if foreign {
            faster("CPU against mmdebstrap", peer.cpu, cold.cpu, 20.0);
            faster("wall against mmdebstrap", peer.wall, cold.wall, 20.0);
        } else {
            faster("wall against mmdebstrap", peer.wall, cold.wall, 2.5);
        }
        let part = unpacked.wall / cold.wall;
        let text = format!("{part:.2} of cold, target 0.67");
        verdicts.push(("packages unpacked, wall", part < 2.0 / 3.0, text));
        let peak = cold.peak.max(unpacked.peak) >> 20;
        verdicts.push(("memory", peak < 300, format!("{peak} MiB, target 300 MiB")));
        verdicts
    }

    fn print(&self, name: &str) {
        println!("\n{name} on {}, {} runs, median", host(), self.peer.0.len());
        println!("{:36} {:>9} {:>9} {:>9}", "", "CPU s", "wall s", "peak MiB");
        for (what, costs) in [
            ("mmdebstrap", &self.peer),
            ("osb, cold", &self.cold),
            ("osb, packages and tools unpacked", &self.unpacked),
        ] {
            let Usage { cpu, wall, peak } = costs.median();
            println!("{what:36} {cpu:9.1} {wall:9.1} {:9}", peak >> 20);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(figures: &[(f64, f64, u64)]) -> Costs {
        let usage = |&(cpu, wall, mib): &(f64, f64, u64)| Usage { cpu, wall, peak: mib << 20 };
        Costs(figures.iter().map(usage).collect())
    }

    #[test]
    fn the_median_is_taken_figure_by_figure() {
        let median = costs(&[(1.0, 30.0, 7), (3.0, 10.0, 8), (2.0, 20.0, 900)]).median();
        assert_eq!(median, Usage { cpu: 2.0, wall: 20.0, peak: 8 << 20 });
    }

    #[test]
    fn targets_are_met_or_missed() {
        let measured = Measured {
            peer: costs(&[(1200.0, 1000.0, 100)]),
            cold: costs(&[(50.0, 60.0, 310)]),
            unpacked: costs(&[(30.0, 30.0, 200)]),
        };
        let met: Vec<bool> = measured.verdicts(true).iter().map(|verdict| verdict.1).collect();
        assert_eq!(met, [true, false, true, false]);
        assert_eq!(measured.verdicts(false).len(), 3);
    }
}
