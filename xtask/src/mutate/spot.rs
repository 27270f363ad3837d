//! Mutants that are started: what `osb check` calls fatal must not come up, what stands on the list
//! of harmless ones must.
//!
//! QEMU starts as a UEFI machine does. Of the Raspberry Pi's own files it reads none, so mutants of
//! those can only be called harmless here, never fatal.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use osb_boot::Tools;
use osb_check::Subject;

use super::mutants::Mutant;
use super::{Fate, disk};
use crate::guest::{Disk, Guest};
use crate::project::{Image, Project};
use crate::random::Random;
use crate::steps::Steps;

/// How many of each kind are started.
const EACH: usize = 5;

/// Fatal mutants that a UEFI machine meets: in the loader, the kernel, the initramfs, the root.
const MET: [&str; 10] = [
    "no EFI/BOOT/BOOTAA64.EFI",
    "no loader/entries/osb.conf",
    "no vmlinuz",
    "vmlinuz without half of it",
    "no initrd.img",
    "initrd.img without half of it",
    "an initramfs without virtio_blk",
    "an initramfs without ext4",
    "the initramfs of another kernel",
    "loader/entries/osb.conf names another root",
];

/// What the console says when there is nothing more to wait for.
const ENDS: [&str; 3] = ["end Kernel panic", "(initramfs)", "emergency mode"];

/// A boot that works takes so much of the time of the unchanged image at most.
const SLOWER: u32 = 3;

/// Starts the unchanged image, then [`EACH`] mutants of both kinds, chosen at random.
pub(super) fn check(
    steps: &mut Steps,
    site: &Site,
    subject: &Subject,
    judged: &[(Mutant, Fate)],
    random: &mut Random,
) {
    let good = steps.run("the unchanged image starts", || {
        site.make(subject, &|_| {})?;
        let time = site.start(None)?;
        Ok((time, format!("{:.1} s", time.as_secs_f64())))
    });
    let Some(good) = good else { return };
    let fatal = |fate: &Fate| matches!(fate, Fate::Fatal(_));
    let of = |wanted: &dyn Fn(&(Mutant, Fate)) -> bool, random: &mut Random| {
        let mut found: Vec<&Mutant> =
            judged.iter().filter(|each| wanted(each)).map(|each| &each.0).collect();
        random.shuffle(&mut found);
        found.truncate(EACH);
        found
    };
    let met = |name: &str| MET.contains(&name);
    let harmless = of(&|(_, fate)| matches!(fate, Fate::Harmless), random);
    let fatal = of(&|(mutant, fate)| fatal(fate) && met(&mutant.name), random);
    steps.run("there are enough of both kinds", || {
        ensure!(harmless.len() == EACH, "only {} harmless mutants", harmless.len());
        ensure!(fatal.len() == EACH, "only {} of those that are met are fatal", fatal.len());
        Ok(((), format!("{EACH} and {EACH}")))
    });
    for mutant in harmless {
        steps.run(&format!("starts: {}", mutant.name), || {
            site.make(subject, &mutant.change)?;
            let time = site.start(None)?;
            Ok(((), format!("{:.1} s", time.as_secs_f64())))
        });
    }
    for mutant in fatal {
        steps.run(&format!("does not start: {}", mutant.name), || {
            site.make(subject, &mutant.change)?;
            let limit = good * SLOWER;
            Ok(((), site.fails(limit)?))
        });
    }
    let _ = std::fs::remove_file(site.disk());
}

/// Where mutants are started.
pub(super) struct Site<'a> {
    pub(super) project: &'a Project,
    pub(super) tools: &'a Tools,
    pub(super) image: &'a Image,
}

impl Site<'_> {
    fn disk(&self) -> std::path::PathBuf {
        self.project.work.join("mutant.img")
    }

    /// Makes the disk of a mutant.
    fn make(&self, subject: &Subject, change: &dyn Fn(&mut Subject)) -> Result<()> {
        let mut changed = subject.clone();
        change(&mut changed);
        let image: &Path = &self.image.out.join("disk.img");
        disk::write(image, &self.disk(), subject, &changed)
    }

    /// Boots until somebody can log in and everything has started.
    fn start(&self, limit: Option<Duration>) -> Result<Duration> {
        let disk = self.disk();
        let mut guest = Guest::boot(self.project, self.tools, self.image, Disk::Own(&disk))?;
        let time = guest.wait_for_login()?;
        ensure!(limit.is_none_or(|limit| time < limit), "it took {time:.1?}");
        let state = guest.ssh("systemctl is-system-running --wait || true")?;
        ensure!(state.trim() == "running", "the system is {}", state.trim());
        Ok(time)
    }

    /// Boots, and sees it come to an end, or to nothing within `limit`.
    fn fails(&self, limit: Duration) -> Result<String> {
        let disk = self.disk();
        let mut guest = Guest::boot(self.project, self.tools, self.image, Disk::Own(&disk))?;
        let started = Instant::now();
        loop {
            thread::sleep(Duration::from_millis(500));
            let console = std::fs::read(&guest.console).context("reading the console")?;
            let console = String::from_utf8_lossy(&console);
            if guest.prompt.try_recv().is_ok() {
                bail!("it came up all the same");
            }
            let end = ENDS.iter().find(|end| console.contains(**end)).copied();
            let end = if guest.has_ended()? { Some("the machine ended") } else { end };
            let waited = started.elapsed();
            if end.is_some() || waited > limit {
                let why = end.map_or_else(
                    || format!("nothing more within {:.0} s", limit.as_secs_f64()),
                    |end| format!("{end:?} after {:.0} s", waited.as_secs_f64()),
                );
                return Ok(format!("{why}; the last line: {}", last(&console)));
            }
        }
    }
}

/// The last line of a console that says something, without what moves the cursor.
fn last(console: &str) -> String {
    let plain = regex::Regex::new("\x1b\\[[0-9;?=]*[A-Za-z]|[\x00-\x08\x0b-\x1f]")
        .map(|escape| escape.replace_all(console, "").into_owned())
        .unwrap_or_default();
    let line = plain.lines().rev().map(str::trim).find(|line| !line.is_empty());
    line.unwrap_or("(none)").chars().take(100).collect()
}
