//! `osb flash` on loop devices: what it writes, what it refuses, and what it leaves behind when it is
//! interrupted.
//!
//! The disks are files of 0xA5 behind loop devices with sectors of 512 and of 4096 bytes. Afterwards
//! the referees look at them, which know nothing of osb, and every byte that the image does not
//! have is still 0xA5.

pub(crate) mod bench;
mod disk;
mod interrupted;
mod refused;
mod written;

use std::path::Path;

use anyhow::Result;
use osb_boot::Tools;

use crate::layouts;
use crate::project::{DEFAULT, Image, Project};
use crate::steps::Steps;
use crate::test::{release, test_tools};
use disk::Site;

/// Everything, with the artifacts in `folder`.
pub(crate) fn run(folder: &Path) -> Result<Steps> {
    let project = Project::find()?;
    let image = project.image(DEFAULT, folder)?;
    let mut steps = Steps::default();
    release(&mut steps, &project);
    if let Some(tools) = test_tools(&mut steps, &project, &image.recipe) {
        check(&mut steps, &project, &tools, &image);
        full(&mut steps, &project, &tools, &image);
    }
    Ok(steps)
}

/// One disk that is written, and one that is mounted.
pub(crate) fn check(steps: &mut Steps, project: &Project, tools: &Tools, image: &Image) {
    let site = Site::new(project, tools, image, 512);
    steps.within("osb flash", |steps| {
        written::check(steps, &site);
        refused::mounted(steps, &site);
    });
    site.clear();
}

/// All that is left: both sizes of sectors, other ways to write, refusals, interruptions.
pub(crate) fn full(steps: &mut Steps, project: &Project, tools: &Tools, image: &Image) {
    let site = Site::new(project, tools, image, 512);
    steps.within("osb flash", |steps| {
        written::again(steps, &site);
        interrupted::check(steps, &site);
        refused::check(steps, &site);
    });
    site.clear();
    steps.within("osb flash, sectors of 4096 bytes", |steps| {
        let built = steps.run("build", || layouts::long_sectors(project, image));
        let Some(image) = built else { return };
        let site = Site::new(project, tools, &image, 4096);
        written::check(steps, &site);
        site.clear();
    });
}
