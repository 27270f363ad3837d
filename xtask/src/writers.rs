//! osb's writers and the tools that do the same, on the same files, one after the other.
//!
//! Both read from the page cache, write to the same disk, and have ended when their output is on it;
//! the order changes from run to run. osb's side is `crates/bench`: what a build does, without the
//! digests and the cache, which the tools do not have either.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::project::{Image, Project};
use crate::steps::{Steps, capture, show};
use crate::test::{clear, release, test_tools};
use crate::usage::{self, Usage, measure};

/// Both sides of one comparison.
struct Pair {
    what: &'static str,
    peer: &'static str,
    /// osb's size may be so much of the peer's at most; nothing is promised if there is none.
    largest: Option<f64>,
    ours: Command,
    theirs: Command,
    /// Where the two write to.
    outputs: [PathBuf; 2],
}

/// What one side has cost, and what it has written.
#[derive(Debug, Clone, Copy)]
struct Cost {
    usage: Usage,
    /// Length in bytes, and what the disk has allocated for it.
    size: u64,
    allocated: u64,
}

/// Measures `runs` times with the artifacts in `folder`.
pub(crate) fn run(folder: &Path, runs: u16) -> Result<Steps> {
    let project = Project::find()?;
    let image = project.image(crate::project::DEFAULT, folder)?;
    let mut steps = Steps::default();
    release(&mut steps, &project);
    steps.run("cargo build --release osb-bench", || {
        Ok((project.cargo(&["build", "--release", "--package", "osb-bench"])?, String::new()))
    });
    let Some(tools) = test_tools(&mut steps, &project, &image.recipe) else { return Ok(steps) };
    let work = project.work.with_file_name("bench").join("image");
    let prepared = steps.run("the tree", || prepare(&work, &image));
    let Some((tree, size)) = prepared else { return Ok(steps) };
    let disk = image.out.join("disk.img");
    let bench = project.osb.with_file_name("osb-bench");
    let ours = |way: &str, from: &Path, to: &Path| {
        let mut command = Command::new(&bench);
        command.arg(way).arg(from).arg(to);
        command
    };
    let outputs = |name: &str| ["osb", "peer"].map(|side| work.join(format!("{side}.{name}")));

    let [mine, other] = outputs("ext4");
    let (mut ext4, mut mke2fs) = (ours("ext4", &tree, &mine), tools.command("mke2fs")?);
    ext4.arg(size.to_string());
    mke2fs.args(["-q", "-F", "-t", "ext4", "-d"]).arg(&tree).arg(&other);
    mke2fs.arg(format!("{}k", size >> 10));
    let ext4 = Pair {
        what: "ext4",
        peer: "mke2fs -d",
        largest: None,
        ours: ext4,
        theirs: synced(&mke2fs, &other),
        outputs: [mine, other],
    };

    let [mine, other] = outputs("tar.gz");
    let mut pigz = Command::new("sh");
    let line = "tar -C \"$1\" --xattrs --xattrs-include='*' -c . | pigz -6 > \"$2\" && sync \"$2\"";
    pigz.args(["-c", line, "sh"]).arg(&tree).arg(&other);
    let tar_gz = Pair {
        what: "rootfs.tar.gz",
        peer: "tar | pigz -6",
        largest: Some(1.02),
        ours: ours("tar.gz", &tree, &mine),
        theirs: pigz,
        outputs: [mine, other],
    };

    let [mine, other] = outputs("zst");
    let mut zstd = tools.command("zstd")?;
    zstd.args(["-q", "-f", "-T0", "-3"]).arg(&disk).arg("-o").arg(&other);
    let zst = Pair {
        what: "sd.img.zst",
        peer: "zstd -T0 -3",
        largest: Some(1.02),
        ours: ours("zst", &disk, &mine),
        theirs: synced(&zstd, &other),
        outputs: [mine, other],
    };

    steps.run("into the page cache", || {
        capture(Command::new("sh").args(["-c", "tar -C \"$1\" -c . | wc -c", "sh"]).arg(&tree))?;
        capture(Command::new("wc").arg("-c").arg(&disk))?;
        Ok(((), String::new()))
    });
    let mut table = Vec::new();
    for mut pair in [ext4, tar_gz, zst] {
        let measured = steps.run(&format!("{} against {}", pair.what, pair.peer), || {
            let (ours, theirs) = pair.measure(runs)?;
            Ok(((ours, theirs), String::new()))
        });
        let Some((ours, theirs)) = measured else { continue };
        for (what, met, text) in verdicts(&pair, ours, theirs) {
            steps.run(&what, || {
                ensure!(met, "missed: {text}");
                Ok(((), text))
            });
        }
        table.push((pair, ours, theirs));
    }
    print(&table, runs);
    clear(&work)?;
    Ok(steps)
}

/// Unpacks `rootfs.tar.gz`; the folder, and the size of the root partition in bytes.
fn prepare(work: &Path, image: &Image) -> Result<((PathBuf, u64), String)> {
    clear(work)?;
    let tree = work.join("tree");
    fs::create_dir_all(&tree)?;
    let archive = image.out.join("rootfs.tar.gz");
    let mut tar = Command::new("tar");
    tar.args(["--xattrs", "--xattrs-include=*", "--numeric-owner", "-C"]).arg(&tree);
    show(tar.arg("-xzf").arg(&archive))?;
    let text = fs::read_to_string(image.out.join("metadata.json"))?;
    let metadata = osb_metadata::from_json(&text)?;
    let table = metadata.partition_table;
    let root = table.partitions.iter().find(|partition| partition.filesystem == "ext4");
    let root = root.context("the disk has no ext4 partition")?;
    let sectors = root.last_lba - root.first_lba + 1;
    // The boot files are in the archive, too, and not in the partition.
    let size = sectors * u64::from(table.sector_size) + (256 << 20);
    let said = capture(Command::new("du").args(["-s", "--apparent-size", "-BM"]).arg(&tree))?;
    let text = format!("{} of files", said.split_whitespace().next().unwrap_or_default());
    Ok(((tree, size), text))
}

/// The command, and what it has written brought to the disk.
fn synced(command: &Command, output: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "out=$1; shift; \"$@\" && sync \"$out\"", "sh"]).arg(output);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

impl Pair {
    /// The median of each side.
    fn measure(&mut self, runs: u16) -> Result<(Cost, Cost)> {
        let mut costs = [Vec::new(), Vec::new()];
        for run in 0..usize::from(runs) {
            // Who comes first may find a quieter disk, or a colder cache.
            for side in if run % 2 == 0 { [0, 1] } else { [1, 0] } {
                let (command, output) = match side {
                    0 => (&mut self.ours, &self.outputs[0]),
                    _ => (&mut self.theirs, &self.outputs[1]),
                };
                let cost = once(command, output)?;
                let name = if side == 0 { "osb" } else { self.peer };
                eprintln!("    {name}: {}, {} MiB", cost.usage, cost.size >> 20);
                costs[side].push(cost);
            }
        }
        let [ours, theirs] = costs;
        Ok((median(&ours), median(&theirs)))
    }
}

/// Runs one side into a new file.
fn once(command: &mut Command, output: &Path) -> Result<Cost> {
    if output.exists() {
        fs::remove_file(output)?;
    }
    // What was written before must not be paid for now.
    rustix::fs::sync();
    let usage = measure(command)?;
    let meta = fs::metadata(output).with_context(|| output.display().to_string())?;
    Ok(Cost { usage, size: meta.len(), allocated: meta.blocks() * 512 })
}

/// The median of each figure.
fn median(costs: &[Cost]) -> Cost {
    let middle = |figure: &dyn Fn(&Cost) -> u64| {
        usage::median(costs.iter().map(|cost| figure(cost) as f64)) as u64
    };
    Cost {
        usage: Usage::median(costs.iter().map(|cost| &cost.usage)),
        size: middle(&|cost| cost.size),
        allocated: middle(&|cost| cost.allocated),
    }
}

/// What the project promises, whether it holds, and the figures.
fn verdicts(pair: &Pair, ours: Cost, theirs: Cost) -> Vec<(String, bool, String)> {
    let wall = ours.usage.wall / theirs.usage.wall;
    let name = format!("{}, wall", pair.what);
    let mut verdicts = vec![(name, wall <= 0.5, format!("{wall:.2} of {}, target 0.5", pair.peer))];
    if let Some(largest) = pair.largest {
        let size = ours.size as f64 / theirs.size as f64;
        let text = format!("{size:.3} of {}, target {largest}", pair.peer);
        verdicts.push((format!("{}, size", pair.what), size <= largest, text));
    }
    verdicts
}

fn print(table: &[(Pair, Cost, Cost)], runs: u16) {
    println!("\n{runs} runs, median");
    println!(
        "{:14} {:14} {:>7} {:>7} {:>9} {:>9} {:>9}",
        "", "", "wall s", "CPU s", "peak MiB", "size MiB", "disk MiB"
    );
    for (pair, ours, theirs) in table {
        for (what, cost) in [("osb", ours), (pair.peer, theirs)] {
            let Usage { cpu, wall, peak } = cost.usage;
            println!(
                "{:14} {what:14} {wall:7.2} {cpu:7.2} {:9} {:9} {:9}",
                pair.what,
                peak >> 20,
                cost.size >> 20,
                cost.allocated >> 20
            );
        }
        println!(
            "{:14} {:14} {:7.2} {:7.2} {:9.2} {:9.3}",
            "",
            "ratio",
            ours.usage.wall / theirs.usage.wall,
            ours.usage.cpu / theirs.usage.cpu,
            ours.usage.peak as f64 / theirs.usage.peak as f64,
            ours.size as f64 / theirs.size as f64
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(wall: f64, size: u64) -> Cost {
        Cost { usage: Usage { wall, cpu: wall, peak: 1 }, size, allocated: size }
    }

    fn pair(largest: Option<f64>) -> Pair {
        let outputs = [PathBuf::new(), PathBuf::new()];
        let [ours, theirs] = ["true", "true"].map(Command::new);
        Pair { what: "x", peer: "y", largest, ours, theirs, outputs }
    }

    #[test]
    fn targets_are_met_or_missed() {
        let met = |pair: &Pair, ours, theirs| -> Vec<bool> {
            verdicts(pair, ours, theirs).iter().map(|verdict| verdict.1).collect()
        };
        assert_eq!(met(&pair(None), cost(1.0, 9), cost(2.0, 1)), [true]);
        assert_eq!(met(&pair(Some(1.02)), cost(1.1, 102), cost(2.0, 100)), [false, true]);
        assert_eq!(met(&pair(Some(1.02)), cost(0.1, 103), cost(2.0, 100)), [true, false]);
    }

    #[test]
    fn the_median_is_of_each_figure() {
        let middle = median(&[cost(3.0, 1), cost(1.0, 9), cost(2.0, 5)]);
        assert_eq!((middle.usage.wall, middle.size), (2.0, 5));
    }

    #[test]
    fn a_wrapped_command_fails_as_it_does_alone() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let mut touch = Command::new("touch");
        touch.arg(&out);
        measure(&mut synced(&touch, &out)).unwrap();
        assert!(out.exists());
        let mut fails = Command::new("sh");
        fails.args(["-c", "exit 3"]);
        let error = measure(&mut synced(&fails, &out)).unwrap_err();
        assert!(error.to_string().contains('3'), "{error}");
    }
}
