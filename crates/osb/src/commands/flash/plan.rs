//! What will be done, before it is.

use std::time::Duration;

use osb_flash::{Disk, Transport};
use serde_json::{Value, json};

use super::image::Facts;
use super::told::Told;
use crate::cli::Flash;
use crate::commands::devices;
use crate::format;
use crate::printable::printable;

/// The plan for people.
pub(super) fn text(arguments: &Flash, image: &Facts, disks: &[&Disk], node: &Told) -> String {
    let mut lines = Vec::new();
    let mut add = |what: &str, text: String| lines.push(format!("{what:9} {text}"));
    let about = if image.about.is_empty() {
        String::new()
    } else {
        format!(" ({})", printable(&image.about))
    };
    add("image", format!("{}{about}", printable(&image.name)));
    add("", image.checked.clone());
    if !image.signed.is_empty() {
        add("", printable(&image.signed));
    }
    for disk in disks {
        let medium = if disk.removable { ", removable" } else { "" };
        let size = format::bytes(disk.size);
        let path = disk.path.display();
        add("disk", format!("{path}  {size}, {}{medium}", disk.transport));
        for (what, text) in [("model", &disk.model), ("serial", &disk.serial)] {
            if !text.is_empty() {
                add("", format!("{what} {}", printable(text)));
            }
        }
        let has: Vec<String> = disk.contents.iter().map(devices::content).collect();
        let has = if has.is_empty() { "nothing known".to_owned() } else { has.join(", ") };
        add("", format!("has {has}: it will be lost"));
    }
    add("write", work(image, disks));
    if arguments.changed_only {
        add("", "only what is not on the disk already".to_owned());
    } else if arguments.resume {
        add("", "from where the interrupted run stopped".to_owned());
    }
    add(
        "identity",
        match (keeps_ids(arguments, image), arguments.keep_ids) {
            (true, true) => "that of the image: two such disks get in each other's way".to_owned(),
            (true, false) => {
                "that of the image, which is not osb's: its root may name its partitions (--new-ids \
                 changes them all the same)"
                    .to_owned()
            }
            (false, _) => "new identifiers for each disk and its partitions".to_owned(),
        },
    );
    if let Some(summary) = node.summary() {
        add("node", printable(&summary));
    }
    lines.join("\n") + "\n"
}

/// The same for programs.
pub(super) fn object(arguments: &Flash, image: &Facts, disks: &[&Disk], node: &Told) -> Value {
    json!({
        "event": "plan",
        "image": {
            "name": image.name,
            "about": image.about,
            "size": image.size,
            "data": image.totals.map(|totals| totals.0),
            "zero": image.totals.map(|totals| totals.1),
            "unused": image.totals.map(|totals| totals.2),
            "foreign": image.foreign,
            "signed": image.signed,
        },
        "devices": disks.iter().map(|disk| devices::machine(disk)).collect::<Vec<_>>(),
        "changed_only": arguments.changed_only,
        "resume": arguments.resume,
        "keep_ids": keeps_ids(arguments, image),
        "node": node.summary(),
        "dry_run": arguments.dry_run,
    })
}

/// Whether the disk gets the image's identifiers. Only of osb's own images is it known that nothing
/// but the boot files names them.
pub(super) fn keeps_ids(arguments: &Flash, image: &Facts) -> bool {
    arguments.keep_ids || (image.foreign && !arguments.new_ids)
}

/// `955.0 MiB; 68.0 MiB of zeroes; 1.5 GiB stay as they are; about 40 s`
fn work(image: &Facts, disks: &[&Disk]) -> String {
    let bytes = format::bytes;
    let mut text = match (image.totals, image.size) {
        (Some((data, zero, unused)), _) => format!(
            "{}, {} of zeroes; {} that nobody reads stay as they are",
            bytes(data),
            bytes(zero),
            bytes(unused)
        ),
        (None, Some(size)) => bytes(size),
        (None, None) => "as much as it decompresses to".to_owned(),
    };
    let data = image.totals.map(|totals| totals.0).or(image.size);
    let slowest = disks.iter().map(|disk| usual_rate(disk.transport)).min();
    if let (Some(data), Some(rate)) = (data, slowest) {
        // It is read back as fast as it was written, or faster.
        let seconds = Duration::from_secs((2 * data / rate).max(1));
        text += &format!(
            "; some {} with reading back, as disks of this kind are",
            format::time(seconds)
        );
    }
    text
}

/// Bytes a second that a common disk of this kind writes for minutes: an order of magnitude, for
/// somebody who wonders whether to wait.
fn usual_rate(transport: Transport) -> u64 {
    let mib = match transport {
        Transport::Nvme => 800,
        Transport::Sata | Transport::Scsi | Transport::Virtio => 250,
        Transport::Loop => 500,
        Transport::Usb | Transport::Emmc => 60,
        Transport::Sd | Transport::Other => 25,
    };
    mib << 20
}
