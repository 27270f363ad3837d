//! `osb flash`, and what one would type otherwise, onto the same loop device, one after the other.
//!
//! All read the image from the page cache, and have ended when the disk has everything. osb and dd
//! with cmp look at what is on the disk afterwards, bmaptool does not. The file behind the device is
//! as long as the image, has all its blocks, and was brought to the disk before each run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::loops::{Loop, fill};
use crate::project::{DEFAULT, Project};
use crate::steps::{Steps, capture};
use crate::test::{clear, release};
use crate::usage::{self, Usage, measure};

/// osb may take so much of the time of dd and cmp, and of that of bmaptool.
const OF_DD: f64 = 0.6;
const OF_BMAPTOOL: f64 = 1.0;
/// And so much memory, in bytes.
const MEMORY: u64 = 128 << 20;

/// A way to write, and what it has cost so far.
struct Way {
    name: &'static str,
    command: Command,
    costs: Vec<Cost>,
}

/// What one run has cost.
#[derive(Debug, Clone, Copy)]
struct Cost {
    usage: Usage,
    /// Bytes that the disk was given.
    written: u64,
}

/// The places of the ways in the list.
const DISK: usize = 0;
const ZST: usize = 1;
const DD: usize = 2;
const BMAPTOOL: usize = 3;

/// Measures `runs` times with the artifacts in `folder`.
pub(crate) fn run(folder: &Path, runs: u16) -> Result<Steps> {
    let project = Project::find()?;
    let image = project.image(DEFAULT, folder)?;
    let mut steps = Steps::default();
    release(&mut steps, &project);
    let work = project.work.with_file_name("bench").join("flash");
    let made = steps.run("the disk", || {
        clear(&work)?;
        fs::create_dir_all(&work)?;
        let file = work.join("disk.img");
        let size = fs::metadata(image.out.join("disk.img"))?.len();
        fill(&file, size)?;
        let device = Loop::over(&file, 512)?;
        let mut cat = Command::new("sh");
        cat.args(["-c", "cat \"$@\" | wc -c", "sh"]);
        capture(cat.args(["disk.img", "sd.img.zst"].map(|name| image.out.join(name))))?;
        Ok((device, format!("{} MiB, in the page cache as the image is", size >> 20)))
    });
    let Some(device) = made else { return Ok(steps) };
    let mut ways = ways(&project, &image.out, device.device());
    for number in 0..usize::from(runs) {
        steps.run(&format!("run {} of {runs}", number + 1), || {
            for at in 0..ways.len() {
                // Who comes first may find a quieter disk.
                let count = ways.len();
                let way = &mut ways[(at + number) % count];
                let cost = once(&mut way.command, device.device())?;
                eprintln!("    {}: {}, {} MiB written", way.name, cost.usage, cost.written >> 20);
                way.costs.push(cost);
            }
            Ok(((), String::new()))
        });
    }
    if ways.iter().all(|way| way.costs.len() == usize::from(runs)) {
        let costs: Vec<Cost> = ways.iter().map(|way| median(&way.costs)).collect();
        for (what, met, text) in verdicts(&costs) {
            steps.run(&what, || {
                ensure!(met, "missed: {text}");
                Ok(((), text))
            });
        }
        print(&ways, &costs, runs);
    }
    drop(device);
    clear(&work)?;
    Ok(steps)
}

fn ways(project: &Project, out: &Path, device: &Path) -> [Way; 4] {
    let osb = |name: &str| {
        let mut command = project.osb(&["flash", "--yes", "--quiet"]);
        command.arg(device).arg("--image").arg(out.join(name));
        command
    };
    let shell = |line: &str, arguments: [PathBuf; 3]| {
        let mut command = Command::new("sh");
        command.args(["-c", line, "sh"]).args(arguments);
        command
    };
    let image = |name: &str| out.join(name);
    let dd = "zstd -dcq \"$1\" | dd of=\"$3\" bs=4M iflag=fullblock oflag=direct conv=fsync \
              status=none && cmp \"$2\" \"$3\"";
    let dd = shell(dd, [image("sd.img.zst"), image("disk.img"), device.to_owned()]);
    let bmaptool = [image("disk.img.bmap"), image("disk.img"), device.to_owned()];
    let bmaptool = shell("bmaptool -q copy --bmap \"$1\" \"$2\" \"$3\"", bmaptool);
    let way = |name, command| Way { name, command, costs: Vec::new() };
    [
        way("osb flash disk.img", osb("disk.img")),
        way("osb flash sd.img.zst", osb("sd.img.zst")),
        way("zstd | dd, cmp", dd),
        way("bmaptool, writes only", bmaptool),
    ]
}

/// Runs it on a disk that is as it was before the first.
fn once(command: &mut Command, device: &Path) -> Result<Cost> {
    rustix::fs::sync();
    // What the kernel remembers of the device is the run's before.
    capture(Command::new("blockdev").arg("--flushbufs").arg(device))?;
    let before = written(device)?;
    let usage = measure(command)?;
    Ok(Cost { usage, written: written(device)? - before })
}

/// Bytes that a device was given since it is there: field 7 of its `stat`, in sectors of 512 bytes
/// whatever its own are (Documentation/block/stat.rst).
fn written(device: &Path) -> Result<u64> {
    let name = device.file_name().context("a device without a name")?;
    let stat = Path::new("/sys/block").join(name).join("stat");
    let text = fs::read_to_string(&stat).with_context(|| stat.display().to_string())?;
    let field = text.split_whitespace().nth(6).context("a short line of statistics")?;
    Ok(field.parse::<u64>()? * 512)
}

/// The median of each figure.
fn median(costs: &[Cost]) -> Cost {
    let middle = |figure: &dyn Fn(&Cost) -> u64| {
        usage::median(costs.iter().map(|cost| figure(cost) as f64)) as u64
    };
    Cost {
        usage: Usage::median(costs.iter().map(|cost| &cost.usage)),
        written: middle(&|cost| cost.written),
    }
}

/// What the project promises, whether it holds, and the figures.
fn verdicts(costs: &[Cost]) -> Vec<(String, bool, String)> {
    let mut verdicts = Vec::new();
    for (ours, name) in [(DISK, "disk.img"), (ZST, "sd.img.zst")] {
        for (peer, other, most) in [(DD, "dd and cmp", OF_DD), (BMAPTOOL, "bmaptool", OF_BMAPTOOL)]
        {
            let part = costs[ours].usage.wall / costs[peer].usage.wall;
            let text = format!("{part:.2} of its time, target {most}");
            verdicts.push((format!("{name} against {other}"), part <= most, text));
        }
        let peak = costs[ours].usage.peak;
        let text = format!("{} MiB, target {} MiB", peak >> 20, MEMORY >> 20);
        verdicts.push((format!("{name}, memory"), peak < MEMORY, text));
    }
    verdicts
}

fn print(ways: &[Way], costs: &[Cost], runs: u16) {
    println!("\n{runs} runs, median");
    println!("{:24} {:>8} {:>8} {:>9} {:>12}", "", "wall s", "CPU s", "peak MiB", "written MiB");
    for (way, cost) in ways.iter().zip(costs) {
        let Usage { cpu, wall, peak } = cost.usage;
        let (peak, written) = (peak >> 20, cost.written >> 20);
        println!("{:24} {wall:8.2} {cpu:8.2} {peak:9} {written:12}", way.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(wall: f64, mib: u64) -> Cost {
        Cost { usage: Usage { wall, cpu: wall, peak: mib << 20 }, written: 0 }
    }

    #[test]
    fn targets_are_met_or_missed() {
        let costs = [cost(5.0, 100), cost(7.0, 200), cost(10.0, 1), cost(6.0, 1)];
        let met: Vec<bool> = verdicts(&costs).iter().map(|verdict| verdict.1).collect();
        assert_eq!(met, [true, true, true, false, false, false]);
    }

    #[test]
    fn the_median_is_of_each_figure() {
        let middle = median(&[cost(3.0, 1), cost(1.0, 9), cost(2.0, 5)]);
        assert_eq!((middle.usage.wall, middle.usage.peak), (2.0, 5 << 20));
    }
}
