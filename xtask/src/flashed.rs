//! `disk.img`, written by bmaptool onto a disk that is not empty.
//!
//! The disk is a file of 0xA5 behind a loop device, since bmaptool empties a file before it writes.
//! What is there afterwards is what a node starts from: table, file systems and, in `ci --full`, a
//! boot. bmaptool is the host's (`ci/prepare` installs it): it is Python, which the locked tools
//! have no whole installation of.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use osb_blockmap::{BlockMap, State};
use osb_boot::Tools;

use crate::loops::{Loop, OLD, fill};
use crate::project::{Image, Project};
use crate::steps::{Steps, capture};
use crate::{boot, image};

/// Writes the disk and looks at it; boots it if asked to.
pub(crate) fn check(
    steps: &mut Steps,
    project: &Project,
    tools: &Tools,
    image: &Image,
    boots: bool,
) {
    let folder = project.work.join("flashed");
    let disk = folder.join("disk.img");
    let written = steps.run("bmaptool copy", || {
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let text = copy(&image.out, &disk)?;
        Ok(((), text))
    });
    if written.is_some() {
        steps.within("bmaptool", |steps| {
            image::check_disk(steps, project, tools, &image.out, &disk);
            if boots {
                let image = Image {
                    name: image.name.clone(),
                    recipe: image.recipe.clone(),
                    out: folder.clone(),
                };
                boot::check(steps, project, tools, &image);
            }
        });
    }
    // As large as the disk, and of no use to anybody.
    let _ = fs::remove_file(&disk);
}

/// Writes `disk.img` of `out` over a disk of [`OLD`], and compares what is there then.
fn copy(out: &Path, disk: &Path) -> Result<String> {
    let text = fs::read_to_string(out.join("metadata.json"))?;
    let map =
        osb_metadata::from_json(&text)?.block_map.context("metadata.json has no block map")?;
    let map = map.to_map()?;
    fill(disk, map.size())?;
    // Beside the disk, so that a boot knows the architecture.
    fs::write(disk.with_file_name("metadata.json"), text)?;
    {
        let device = Loop::over(disk, 512)?;
        let mut bmaptool = Command::new("bmaptool");
        let bmap = out.join("disk.img.bmap");
        bmaptool.arg("copy").arg("--bmap").arg(bmap).arg(out.join("disk.img")).arg(device.device());
        capture(&mut bmaptool).context("bmaptool (Debian's bmap-tools; ci/prepare installs it)")?;
    }
    compare(&map, &File::open(out.join("disk.img"))?, &File::open(disk)?)?;
    let (data, zero, unused) = map.totals();
    Ok(format!(
        "{} ranges: {} MiB of data, {} MiB zero, {} MiB as they were",
        map.ranges().len(),
        data >> 20,
        zero >> 20,
        unused >> 20
    ))
}

/// Wants the image's bytes in every range that must be written, and the old ones in all others.
fn compare(map: &BlockMap, image: &File, disk: &File) -> Result<()> {
    let (mut expected, mut found) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    for range in map.ranges() {
        let mut at = range.offset;
        while at < range.end() {
            let len = expected.len().min(usize::try_from(range.end() - at)?);
            match range.state {
                State::Data(_) => image.read_exact_at(&mut expected[..len], at)?,
                State::Zero => expected[..len].fill(0),
                State::Unused => expected[..len].fill(OLD),
            }
            disk.read_exact_at(&mut found[..len], at)?;
            ensure!(
                expected[..len] == found[..len],
                "wrong within the MiB from byte {at}: {range:?}"
            );
            at += len as u64;
        }
    }
    Ok(())
}
