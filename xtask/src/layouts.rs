//! Disks of other layouts than the default recipe's: built, looked at by the referees, and started by
//! UEFI, with every data partition mounted. In the guest its kernel reads our FAT volumes, too. Each root
//! grows to a larger disk.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use osb_boot::Tools;

use crate::project::{DEFAULT, Image, Project};
use crate::steps::{Steps, show};
use crate::test::{clear, release, test_tools};
use crate::{boot, grow, image, volumes};

/// A layout, as `--set` says it, and what the running node must show.
struct Layout {
    name: &'static str,
    settings: &'static [&'static str],
    sector: u32,
    /// Kind of the table, as the kernel's tools call it.
    table: &'static str,
    /// Folder, file system and label of the data partition.
    mount: [&'static str; 3],
}

const LAYOUTS: [Layout; 2] = [
    Layout {
        name: "long-sectors",
        settings: &[
            "disk.sector-size=4096",
            "disk.boot-size=300MiB",
            r#"disk.partition=[{name="boot",content="boot"},
                {name="volumes",content="data",size="256MiB",mount="/var/lib/volumes"},
                {name="root",content="root"}]"#,
        ],
        sector: 4096,
        table: "gpt",
        mount: ["/var/lib/volumes", "ext4", "volumes"],
    },
    Layout {
        name: "mbr",
        settings: &[
            "disk.table=mbr",
            "disk.alignment=4MiB",
            r#"disk.partition=[{name="boot",content="boot"},
                {name="exchange",content="data",filesystem="vfat",label="EXCHANGE",size="64MiB",
                mount="/srv/exchange"},
                {name="root",content="root"}]"#,
        ],
        sector: 512,
        table: "dos",
        mount: ["/srv/exchange", "vfat", "EXCHANGE"],
    },
];

/// Builds and starts every layout of the default recipe.
pub(crate) fn run() -> Result<Steps> {
    let project = Project::find()?;
    let default = project.default_image()?;
    let mut steps = Steps::default();
    release(&mut steps, &project);
    if let Some(tools) = test_tools(&mut steps, &project, &default.recipe) {
        check(&mut steps, &project, &tools, &default);
    }
    Ok(steps)
}

/// The same, with the tools that are there.
pub(crate) fn check(steps: &mut Steps, project: &Project, tools: &Tools, default: &Image) {
    for layout in &LAYOUTS {
        let image = Image {
            name: format!("{DEFAULT}-{}", layout.name),
            recipe: default.recipe.clone(),
            out: project.work.join("out").join(layout.name),
        };
        steps.about(&image.name);
        let built = steps.run("build", || build(project, &image, layout));
        if built.is_some() {
            image::check_disk(steps, project, tools, &image.out, &image.out.join("disk.img"));
            start(steps, project, tools, &image, layout);
            grow::once(steps, project, tools, &image);
        }
    }
    steps.about(&default.name);
}

/// The default recipe for disks with sectors of 4096 bytes, built.
pub(crate) fn long_sectors(project: &Project, default: &Image) -> Result<(Image, String)> {
    let [layout, ..] = &LAYOUTS;
    let image = Image {
        name: format!("{DEFAULT}-{}", layout.name),
        recipe: default.recipe.clone(),
        out: project.work.join("out").join(layout.name),
    };
    let ((), text) = build(project, &image, layout)?;
    Ok((image, text))
}

fn build(project: &Project, image: &Image, layout: &Layout) -> Result<((), String)> {
    clear(&image.out)?;
    let mut command = project.osb(&["build", "--only", "disk", "--quiet", "--recipe"]);
    command.arg(&image.recipe).arg("--output").arg(&image.out);
    for setting in layout.settings {
        command.args(["--set", setting]);
    }
    show(&mut command)?;
    let size = |path: &Path| fs::metadata(path).map(|file| file.len() >> 20);
    Ok(((), format!("disk.img {} MiB", size(&image.out.join("disk.img"))?)))
}

fn start(steps: &mut Steps, project: &Project, tools: &Tools, image: &Image, layout: &Layout) {
    let Some(guest) = boot::start(steps, project, tools, image) else { return };
    steps.run("table and mounts of the node", || {
        let disk = guest.ssh(
            "disk=$(lsblk -no PKNAME $(findmnt -no SOURCE /)); \
             cat /sys/block/$disk/queue/logical_block_size; lsblk -dno PTTYPE /dev/$disk; \
             findmnt -no FSTYPE /boot/firmware",
        )?;
        let expected = [&layout.sector.to_string(), layout.table, "vfat"];
        let seen: Vec<&str> = disk.split_whitespace().collect();
        ensure!(seen == expected, "the node's disk has {seen:?}, not {expected:?}");
        let [folder, system, label] = layout.mount;
        let seen = guest.ssh(&format!("findmnt -no TARGET,FSTYPE,LABEL {folder}"))?;
        let seen: Vec<&str> = seen.split_whitespace().collect();
        ensure!(seen == layout.mount, "mounted is {seen:?}, not {:?}", layout.mount);
        guest.ssh(&format!("echo kept | sudo tee {folder}/file && sync {folder}/file"))?;
        Ok(((), format!("{folder} is the {system} file system {label}")))
    });
    volumes::check(steps, &guest, layout.sector);
    boot::stop(steps, guest);
}
