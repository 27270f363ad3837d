//! The root grows to its disk on the first boot, even if that is cut off.
//!
//! The image lies on a sparse disk of 64 GiB, whose end has what a former use left there. QEMU is
//! killed at random moments of the first boot, half of them while the root grows; each time the next
//! boot must come up, grow, and leave tables and file system without a fault. What the guest wrote
//! before is on the disk then, flushed or not: a real power failure may lose more.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use osb_boot::Tools;

use crate::guest::{Disk, Guest};
use crate::image::{partitions, sound_table};
use crate::project::{Image, Project};
use crate::random::Random;
use crate::steps::{Steps, capture, show};
use crate::test::{release, test_tools};

/// Which power failures there are.
#[derive(Debug, Clone, Args)]
pub(crate) struct Failures {
    /// Kill so many first boots, half of them while the root grows
    #[arg(long, default_value_t = 20, value_name = "N")]
    kills: u32,
    /// Where the random moments come from [default: the clock]
    #[arg(long)]
    seed: Option<u64>,
}

/// The disk under test, in bytes.
const DISK: u64 = 64 << 30;
/// What `osb-grow-root` says on the console when it begins, and when it is done.
const BEGINS: &str = "growing partition";
const DONE: &str = "the root has grown to its disk";
const MIB: u64 = 1 << 20;
/// How a ZFS uberblock begins, 0x00bab10c, on a little-endian machine.
const ZFS: [u8; 8] = [0x0c, 0xb1, 0xba, 0x00, 0, 0, 0, 0];
/// No boot takes longer, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(900);
/// The sectors of these images.
const SECTOR: u64 = 512;
/// Where the table's entries are, and the length of header and entries together, in sectors.
const ENTRIES: u64 = 2;
const BACKUP: u64 = 33;

/// Runs all of it on the artifacts in `folder`.
pub(crate) fn run(name: &str, folder: &Path, failures: &Failures) -> Result<Steps> {
    let project = Project::find()?;
    let image = project.image(name, folder)?;
    let mut steps = Steps::default();
    release(&mut steps, &project);
    if let Some(tools) = test_tools(&mut steps, &project, &image.recipe) {
        check(&mut steps, &project, &tools, &image, failures);
    }
    Ok(steps)
}

/// The growth, a table that was cut short, and the kills.
pub(crate) fn check(
    steps: &mut Steps,
    project: &Project,
    tools: &Tools,
    image: &Image,
    failures: &Failures,
) {
    let site = Site::new(project, tools, image);
    let times = site.grow(steps);
    steps.run("a primary table that was cut short", || {
        site.fresh()?;
        site.tear_table()?;
        Ok(((), site.whole()?))
    });
    let Some((begins, done)) = times else { return };
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = failures.seed.unwrap_or_else(|| clock.unwrap_or_default().as_secs());
    let mut random = Random(seed);
    for number in 1..=failures.kills {
        // The growth itself is a few seconds of a whole minute.
        let (from, span) = match number % 2 {
            0 => (None, done + Duration::from_secs(2)),
            _ => (Some(BEGINS), done - begins + Duration::from_secs(1)),
        };
        let moment = span.mul_f64(random.fraction());
        let name = format!("kill {number} of {}, seed {seed}", failures.kills);
        steps.run(&name, || {
            site.fresh()?;
            let killed = site.kill(from, moment)?;
            Ok(((), format!("{killed}; then {}", site.whole()?)))
        });
    }
    // A disk that failed is kept, to look at.
    if steps.all_passed() {
        let _ = fs::remove_file(&site.disk);
    }
}

/// The growth alone, of an image of any layout.
pub(crate) fn once(steps: &mut Steps, project: &Project, tools: &Tools, image: &Image) {
    let site = Site::new(project, tools, image);
    if site.grow(steps).is_some() {
        let _ = fs::remove_file(&site.disk);
    }
}

/// A disk with the image on it.
struct Site<'a> {
    project: &'a Project,
    tools: &'a Tools,
    image: &'a Image,
    disk: PathBuf,
}

impl<'a> Site<'a> {
    fn new(project: &'a Project, tools: &'a Tools, image: &'a Image) -> Self {
        let disk = project.work.join(format!("grow-{}.img", image.name));
        Site { project, tools, image, disk }
    }

    /// A first boot that nothing disturbs; when the root began to grow, and when it had grown.
    fn grow(&self, steps: &mut Steps) -> Option<(Duration, Duration)> {
        steps.run("the root grows to 64 GiB", || {
            self.fresh()?;
            let guest = self.boot()?;
            let begins = wait_for(&guest, BEGINS)?;
            let done = wait_for(&guest, DONE)?;
            let seen = self.finish(guest)?;
            // The root must be found on the grown disk, too.
            self.whole()?;
            let time = (done - begins).as_secs_f64();
            Ok(((begins, done), format!("in {time:.1} s; {seen}; once more")))
        })
    }

    /// Makes the disk anew, as flashing would.
    fn fresh(&self) -> Result<()> {
        if self.disk.exists() {
            fs::remove_file(&self.disk)?;
        }
        let image = self.image.out.join("disk.img");
        show(Command::new("cp").arg("--sparse=always").arg(image).arg(&self.disk))?;
        let file = OpenOptions::new().write(true).open(&self.disk)?;
        file.set_len(DISK).context("a sparse file of 64 GiB")?;
        // `blkid` takes a partition that ends with a few of these for a part of a ZFS pool, and for
        // nothing else.
        let uberblocks: Vec<u8> =
            (0..2 * MIB).map(|at| ZFS.get(at as usize % 1024).copied().unwrap_or(0xa5)).collect();
        Ok(file.write_all_at(&uberblocks, DISK - 2 * MIB)?)
    }

    fn boot(&self) -> Result<Guest<'a>> {
        Guest::boot(self.project, self.tools, self.image, Disk::Own(&self.disk))
    }

    /// Ends the power `moment` after the start, or after a line of the console.
    fn kill(&self, from: Option<&str>, moment: Duration) -> Result<String> {
        let guest = self.boot()?;
        if let Some(text) = from {
            wait_for(&guest, text)?;
        }
        thread::sleep(moment);
        let console = fs::read(&guest.console)?;
        let killed = guest.started.elapsed();
        drop(guest);
        let has = |text: &str| String::from_utf8_lossy(&console).contains(text);
        let state = match (has(BEGINS), has(DONE)) {
            (false, _) => "before it grew",
            (true, false) => "while it grew",
            (true, true) => "after it had grown",
        };
        Ok(format!("killed after {:.1} s, {state}", killed.as_secs_f64()))
    }

    /// Boots until the root has grown, switches off, and looks at the disk.
    fn whole(&self) -> Result<String> {
        let guest = self.boot()?;
        self.finish(guest)
    }

    fn finish(&self, mut guest: Guest<'_>) -> Result<String> {
        guest.wait_for_login()?;
        let state = guest.ssh("systemctl is-system-running --wait || true")?;
        ensure!(state.trim() == "running", "the system is {}", state.trim());
        guest.ssh("sudo test -e /var/lib/osb/root-grown").context("the root has not grown")?;
        let size = guest.ssh("df --output=size --block-size=1M / | tail -n1")?;
        let size: u64 = size.trim().parse().with_context(|| format!("df says {size:?}"))?;
        ensure!(size > 60 << 10, "the root has {size} MiB on a disk of 64 GiB");
        let _ = guest.ssh("sudo systemctl poweroff");
        guest.wait_for_end()?;
        sound_table(self.tools, &self.disk, &self.image.out)?;
        let root = self.root()?;
        let at = format!("{}?offset={root}", self.disk.display());
        let said = capture(self.tools.command("e2fsck")?.args(["-f", "-n"]).arg(at))?;
        let last = said.lines().last().unwrap_or_default();
        Ok(format!("the root has {size} MiB, the tables and e2fsck have no fault: {}", tail(last)))
    }

    /// Where the root begins, in bytes.
    fn root(&self) -> Result<u64> {
        let places = partitions(self.tools, &self.image.out.join("disk.img"), &self.image.out)?;
        Ok(places.last().context("no partition")?.0)
    }

    /// The power fails while the primary table is written: its entries are new, its header is not.
    /// The backup at the end is written before.
    fn tear_table(&self) -> Result<()> {
        let grown = self.project.work.join("grow-table.img");
        File::create(&grown)?.set_len(DISK)?;
        let disk = OpenOptions::new().read(true).write(true).open(&self.disk)?;
        let table = OpenOptions::new().read(true).write(true).open(&grown)?;
        move_bytes(&disk, &table, 0, (ENTRIES + 32) * SECTOR)?;
        let number = partitions(self.tools, &self.image.out.join("disk.img"), &self.image.out)?;
        let mut sfdisk = self.tools.command("sfdisk")?;
        sfdisk.args(["--quiet", "-N", &number.len().to_string()]).arg(&grown);
        let mut child = sfdisk.stdin(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        std::io::Write::write_all(&mut child.stdin.take().context("no stdin")?, b", +\n")?;
        ensure!(child.wait()?.success(), "sfdisk could not grow the table");
        move_bytes(&table, &disk, DISK - BACKUP * SECTOR, BACKUP * SECTOR)?;
        move_bytes(&table, &disk, ENTRIES * SECTOR, SECTOR)?;
        fs::remove_file(grown)?;
        let said = self.tools.command("sgdisk")?.arg("-v").arg(&self.disk).output()?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        ensure!(!said.contains("No problems found"), "the table is not hurt:\n{said}");
        Ok(())
    }
}

/// The counts of e2fsck's last line.
fn tail(line: &str) -> &str {
    line.rsplit_once(": ").map_or(line, |(_, counts)| counts)
}

fn move_bytes(from: &File, to: &File, at: u64, length: u64) -> Result<()> {
    let mut bytes = vec![0; usize::try_from(length)?];
    from.read_exact_at(&mut bytes, at)?;
    Ok(to.write_all_at(&bytes, at)?)
}

/// Waits for a text on the console; the time since the guest was started.
fn wait_for(guest: &Guest, text: &str) -> Result<Duration> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let console = fs::read(&guest.console)?;
        if String::from_utf8_lossy(&console).contains(text) {
            return Ok(guest.started.elapsed());
        }
        thread::sleep(Duration::from_millis(50));
    }
    bail!("the console does not say {text:?}; see {}", guest.console.display())
}
