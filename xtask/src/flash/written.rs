//! Disks that are written, under the referees and byte by byte.

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result, ensure};
use osb_blockmap::{BLOCK, State};
use osb_image::{Limits, Options, Table};
use serde_json::Value;

use super::disk::{Disk, Site, bytes};
use crate::loops::OLD;
use crate::steps::Steps;
use crate::{image, loops};

/// The ends of a disk that are wiped.
const END: u64 = 1 << 20;
/// What may differ on the boot partition where identifiers are adapted: a few small files.
const MOST_ADAPTED: u64 = 1 << 20;
/// What a second run may write that changes nothing: both ends, which it has wiped.
const MOST_AGAIN: u64 = 4 * END;

/// One disk with the image's identifiers, so that it is the image in every byte, and again with its
/// own.
pub(super) fn check(steps: &mut Steps, site: &Site) {
    let disk = steps.run("write", || {
        let disk = site.disk()?;
        let receipt = site.done(&disk, &["--yes", "--keep-ids"])?;
        Ok((disk, summary(&receipt)?))
    });
    let Some(disk) = disk else { return };
    image::check_disk(steps, site.project, site.tools, &site.image.out, &disk.file);
    steps.run("every byte", || {
        let differing = compare(site, &disk, &[])?;
        ensure!(differing.is_empty(), "wrong from byte {} on", differing[0]);
        let (data, zero, unused) = site.map()?.totals();
        let [data, zero, unused] = [data, zero, unused].map(|bytes| bytes >> 20);
        Ok(((), format!("{data} MiB of data, {zero} MiB zero, {unused} MiB as they were")))
    });
    steps.run("with identifiers of its own", || {
        let receipt = site.done(&disk, &["--yes"])?;
        let text = own_identifiers(site, &disk, &receipt)?;
        Ok(((), text))
    });
}

/// Ways to write a disk that is the image already.
pub(super) fn again(steps: &mut Steps, site: &Site) {
    let disk = steps.run("sd.img.zst", || {
        let disk = site.disk()?;
        let image = site.image.out.join("sd.img.zst");
        let mut command = site.flash_file(&disk, &image, &["--yes", "--keep-ids"]);
        let receipt = site.ends(&mut command)?;
        let differing = compare(site, &disk, &[])?;
        ensure!(differing.is_empty(), "wrong from byte {} on", differing[0]);
        Ok((disk, summary(&receipt)?))
    });
    let Some(disk) = disk else { return };
    steps.run("--changed-only, of a disk that has it", || {
        let receipt = site.done(&disk, &["--yes", "--keep-ids", "--changed-only"])?;
        let written = bytes(&receipt, "written")? + bytes(&receipt, "punched")?;
        ensure!(written <= MOST_AGAIN, "{written} bytes were written");
        ensure!(compare(site, &disk, &[])?.is_empty(), "it is another disk now");
        Ok(((), summary(&receipt)?))
    });
    steps.run("--changed-only, of a disk with one wrong byte", || {
        let map = site.map()?;
        let data = map.ranges().iter().rev().find(|range| {
            matches!(range.state, State::Data(_)) && range.offset > END && range.len > 1 << 20
        });
        let at = data.context("no large range")?.offset + 12_345;
        let file = fs::OpenOptions::new().write(true).open(disk.device.device())?;
        file.write_all_at(&[OLD; 3], at)?;
        file.sync_all()?;
        let receipt = site.done(&disk, &["--yes", "--keep-ids", "--changed-only"])?;
        let written = bytes(&receipt, "written")?;
        ensure!(written <= MOST_AGAIN + 2 * END, "{written} bytes were written");
        ensure!(compare(site, &disk, &[])?.is_empty(), "it was not put right");
        Ok(((), summary(&receipt)?))
    });
}

pub(super) fn summary(receipt: &Value) -> Result<String> {
    let mib = |name| bytes(receipt, name).map(|bytes| bytes >> 20);
    Ok(format!(
        "MiB: {} written, {} punched, {} skipped, {} unchanged, {} verified",
        mib("written")?,
        mib("punched")?,
        mib("skipped")?,
        mib("unchanged")?,
        mib("verified")?
    ))
}

/// Wants sound tables with new identifiers, boot files that name the new root, and nothing else
/// that differs from the image.
fn own_identifiers(site: &Site, disk: &Disk, receipt: &Value) -> Result<String> {
    image::sound_table(site.tools, &disk.file, &site.image.out)?;
    let table = |path: &std::path::Path| -> Result<Table> {
        osb_image::table(path)?.with_context(|| format!("{} has no table", path.display()))
    };
    let (old, new) = (table(&site.image.out.join("disk.img"))?, table(&disk.file)?);
    ensure!(new.problems.is_empty(), "its table: {:?}", new.problems);
    ensure!(old.id != new.id, "the disk has the image's identifier {}", new.id);
    for (old, new) in old.partitions.iter().zip(&new.partitions) {
        ensure!(old.id != new.id, "partition {} has the image's {}", new.number, new.id);
    }
    let said = receipt["identity"]["disk"]["new"].as_str().unwrap_or_default();
    ensure!(said.eq_ignore_ascii_case(&new.id), "the receipt says {said}, the disk {}", new.id);
    let limits = Limits::default();
    let opened = osb_image::open(&disk.file, &Options { scratch: &site.folder, limits })?;
    let (boot, root) = (opened.boot().context("no boot partition")?, opened.root());
    let root = root.and_then(|root| root.partition).context("no root partition")?;
    let root = new.partitions.iter().find(|partition| partition.number == root);
    let root = root.context("no root partition")?.id.to_lowercase();
    let mut named = 0;
    for (path, _, inode) in boot.tree.iter() {
        let Some(content) = inode.content().filter(|content| content.size() < 64 << 10) else {
            continue;
        };
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut content.open()?, &mut text)?;
        let text = String::from_utf8_lossy(&text);
        let name = String::from_utf8_lossy(path);
        for old in &old.partitions {
            ensure!(
                !text.to_lowercase().contains(&old.id.to_lowercase()),
                "{name} names the old disk"
            );
        }
        named += usize::from(text.contains(&root));
    }
    ensure!(named > 0, "no boot file names the root {root}");
    let number = boot.partition.context("no boot partition")?;
    let partition = new.partitions.iter().find(|partition| partition.number == number);
    let (start, len) =
        partition.and_then(|partition| new.place(partition)).context("no boot partition")?;
    let differing = compare(site, disk, &[start..start + len])?;
    ensure!(differing.is_empty(), "wrong from byte {} on", differing[0]);
    let inside = compare(site, disk, &[0..start, start + len..u64::MAX])?.len() as u64 * BLOCK;
    ensure!(inside <= MOST_ADAPTED, "{inside} bytes of the boot partition differ");
    Ok(format!("{named} boot files name {root}, {} KiB adapted", inside >> 10))
}

/// The blocks that are not as they should be: the image's where it has something, and the old ones
/// elsewhere. The tables and what was wiped on the way are left out, and so is `except`.
pub(super) fn compare(site: &Site, disk: &Disk, except: &[Range<u64>]) -> Result<Vec<u64>> {
    let map = site.map()?;
    let (image, disk) = (File::open(site.image.out.join("disk.img"))?, File::open(&disk.file)?);
    let size = disk.metadata()?.len();
    // 128 entries of 128 bytes, two headers, and a master boot record.
    let table = 128 * 128 + 2 * u64::from(site.sector);
    let is_table = |at: u64| {
        at < table || at >= map.size() - table - BLOCK && at < map.size() || at + END >= size
    };
    let step = loops::BLOCK as u64;
    let (mut expected, mut found) = (vec![0; loops::BLOCK], vec![0; loops::BLOCK]);
    let mut differing = Vec::new();
    let old =
        osb_blockmap::Range { offset: map.size(), len: size - map.size(), state: State::Unused };
    for range in map.ranges().iter().chain([&old]) {
        let mut at = range.offset;
        while at < range.end() {
            let len = step.min(range.end() - at) as usize;
            match range.state {
                State::Data(_) => image.read_exact_at(&mut expected[..len], at)?,
                State::Zero => expected[..len].fill(0),
                State::Unused => expected[..len].fill(OLD),
            }
            disk.read_exact_at(&mut found[..len], at)?;
            for from in (0..len).step_by(BLOCK as usize) {
                let (to, place) = (len.min(from + BLOCK as usize), at + from as u64);
                // The beginning is written whole, with zeroes where nothing is used.
                let passed = place < END && matches!(range.state, State::Unused);
                if expected[from..to] != found[from..to]
                    && !is_table(place)
                    && !passed
                    && !except.iter().any(|except| except.contains(&place))
                {
                    differing.push(place);
                }
            }
            at += len as u64;
        }
    }
    Ok(differing)
}
