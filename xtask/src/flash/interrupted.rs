//! Ctrl-C in the middle: the disk starts nothing, and the next run goes on from there.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::disk::{Disk, Site, bytes};
use super::written::{compare, summary};
use crate::steps::Steps;

/// So much has been written when the signal comes.
const BEFORE: u64 = 200 << 20;

pub(super) fn check(steps: &mut Steps, site: &Site) {
    let disk = steps.run("Ctrl-C", || {
        let disk = site.disk()?;
        let at = interrupt(site, &disk)?;
        nothing_starts(&disk)?;
        Ok((disk, format!("exit code 130 after {} MiB; both ends are zero", at >> 20)))
    });
    let Some(disk) = disk else { return };
    steps.run("--resume", || {
        let receipt = site.done(&disk, &["--yes", "--keep-ids", "--resume"])?;
        let resumed = bytes(&receipt, "resumed")?;
        ensure!(resumed > 0, "nothing was there already: {receipt}");
        ensure!(compare(site, &disk, &[])?.is_empty(), "it is not the image");
        let text = summary(&receipt)?;
        Ok(((), format!("{text}; {} from before", resumed >> 20)))
    });
}

/// Starts it, and sends the signal in the middle of the copy; how far it was.
fn interrupt(site: &Site, disk: &Disk) -> Result<u64> {
    let mut command = site.flash(disk, &["--yes", "--keep-ids", "--json"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let mut at = None;
    for line in lines {
        let line = line?;
        let told: serde_json::Value = serde_json::from_str(&line).context(line)?;
        let done = told["bytes"].as_u64().unwrap_or_default();
        if at.is_none() && told["stage"] == "copy" && done >= BEFORE {
            kill_process(Pid::from_child(&child), Signal::INT)?;
            at = Some(done);
        }
    }
    let status = child.wait()?;
    let Some(at) = at else { bail!("it ended with {status} before it had written so much") };
    ensure!(status.code() == Some(130), "it ended with {status} after the signal");
    Ok(at)
}

/// Wants a disk on which nobody finds a table.
fn nothing_starts(disk: &Disk) -> Result<()> {
    let file = File::open(&disk.file)?;
    let size = file.metadata()?.len();
    let mut end = vec![1; 1 << 20];
    // The record of how far it came is in the first MiB, where nothing looks for a table.
    for at in [0, size - end.len() as u64] {
        file.read_exact_at(&mut end, at)?;
        let marks = end[510] == 0x55 && end[511] == 0xAA;
        let gpt = end.chunks_exact(512).any(|sector| sector.starts_with(b"EFI PART"));
        ensure!(!marks && !gpt, "there is a table at byte {at}");
    }
    ensure!(osb_image::table(&disk.file)?.is_none(), "the disk has a table");
    Ok(())
}
