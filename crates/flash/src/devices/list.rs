//! The list of disks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::FlashError;
use crate::devices::contents::probe;
use crate::devices::host::{Host, attribute, names, number};
use crate::devices::identity::{Transport, model, serial};
use crate::devices::refusal::Refusal;
use crate::devices::usage::{Usage, holders};
use crate::devices::{Disk, identity};

/// Beginnings of names of what is no disk: made of others, of memory, or read-only by nature.
const NO_DISKS: [&str; 9] = ["dm-", "fd", "md", "mtdblock", "nbd", "ram", "sr", "zd", "zram"];

/// The whole disks of a machine, by name. Loop devices are listed if a file is behind them.
///
/// # Errors
/// If the kernel's tables cannot be read.
pub fn devices(host: &Host) -> Result<Vec<Disk>, FlashError> {
    list(host, &|_| true)
}

/// All disks; only those whose names are `wanted` are opened and looked into. Opening one claims it
/// for a moment, which another run may just be about to do.
pub(crate) fn list(host: &Host, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Disk>, FlashError> {
    let usage = Usage::of(host)?;
    let by_id = by_id(host);
    let block = host.path("sys/block");
    fs::read_dir(&block).map_err(FlashError::read(&block))?;
    let mut disks = Vec::new();
    for name in names(&block) {
        // A card that was taken out meanwhile is no longer there.
        let Ok(place) = fs::canonicalize(block.join(&name)) else { continue };
        if is_disk(&name, &place) {
            let mut disk = disk(&name, &place, &usage, &by_id);
            if wanted(&name) {
                look(host, &place, &mut disk);
            }
            disks.push(disk);
        }
    }
    Ok(disks)
}

fn is_disk(name: &str, place: &Path) -> bool {
    let number_behind = |start: &&str| {
        name.strip_prefix(*start).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    if NO_DISKS.iter().any(number_behind) {
        return false;
    }
    // Hardware partitions of an eMMC chip: the firmware's.
    let firmware = name.starts_with("mmcblk") && (name.contains("boot") || name.contains("rpmb"));
    let unused_loop = name.starts_with("loop") && !place.join("loop/backing_file").exists();
    // Of a multipath NVMe disk, the paths are hidden.
    let hidden = number(&place.join("hidden")) == Some(1);
    !firmware && !unused_loop && !hidden
}

fn disk(name: &str, place: &Path, usage: &Usage, by_id: &BTreeMap<String, Vec<PathBuf>>) -> Disk {
    let read = |attribute: &str| number(&place.join(attribute));
    let sector = |attribute, default| {
        read(attribute).and_then(|bytes| u32::try_from(bytes).ok()).unwrap_or(default)
    };
    let logical_sector = sector("queue/logical_block_size", 512);
    // Units of 512 bytes, whatever a sector has.
    let bytes = |place: &Path| number(&place.join("size")).unwrap_or(0).saturating_mul(512);
    let size = bytes(place);
    let mut partitions: Vec<(u32, u64)> = names(place)
        .iter()
        .filter_map(|part| {
            let part = place.join(part);
            let number = u32::try_from(number(&part.join("partition"))?).ok()?;
            Some((number, bytes(&part)))
        })
        .collect();
    partitions.sort_unstable();
    let mut refusals: Vec<Refusal> = usage.refusals(name).collect();
    refusals.extend(holders(place, name));
    if read("ro") == Some(1) {
        refusals.push(Refusal::ReadOnly);
    }
    if size == 0 {
        refusals.push(Refusal::NoMedium);
    }
    refusals.sort();
    refusals.dedup();
    Disk {
        path: Path::new("/dev").join(identity::clean(name)),
        number: attribute(&place.join("dev")).unwrap_or_default(),
        sequence: sequence(place),
        by_id: by_id.get(name).cloned().unwrap_or_default(),
        model: model(place),
        serial: serial(place),
        size,
        transport: Transport::of(place),
        removable: read("removable") == Some(1),
        logical_sector,
        physical_sector: sector("queue/physical_block_size", logical_sector),
        partitions,
        contents: Vec::new(),
        refusals,
    }
}

/// Looks at the disk itself, as far as this user may.
fn look(host: &Host, place: &Path, disk: &mut Disk) {
    let Some(name) = disk.path.file_name().filter(|_| disk.size > 0) else { return };
    let path = host.path("dev").join(name);
    let starts: Vec<(u32, u64)> = names(place)
        .iter()
        .filter_map(|part| {
            let part = place.join(part);
            let partition = u32::try_from(number(&part.join("partition"))?).ok()?;
            Some((partition, number(&part.join("start"))?.checked_mul(512)?))
        })
        .collect();
    if let Ok(device) = fs::File::open(&path) {
        disk.contents = probe(&device, &starts);
    }
    // Whoever else has claimed it in the kernel makes an exclusive open fail (open(2), O_EXCL). A
    // partition's mount does so, too, and is known by name already.
    let exclusive = rustix::fs::open(&path, OFlags::EXCL | OFlags::CLOEXEC, Mode::empty());
    if disk.refusals.is_empty() {
        disk.refusals.extend(match exclusive {
            Err(Errno::BUSY) => Some(Refusal::Busy),
            Err(Errno::ACCESS | Errno::PERM) => Some(Refusal::Closed),
            Ok(_) | Err(_) => None,
        });
    }
}

/// The lasting names of every device.
fn by_id(host: &Host) -> BTreeMap<String, Vec<PathBuf>> {
    let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let folder = host.path("dev/disk/by-id");
    for name in names(&folder) {
        let Ok(target) = fs::read_link(folder.join(&name)) else { continue };
        if let Some(device) = target.file_name() {
            let device = device.to_string_lossy().into_owned();
            found.entry(device).or_default().push(Path::new("/dev/disk/by-id").join(name));
        }
    }
    found
}

/// `diskseq` of a disk at a place in sysfs.
pub(crate) fn sequence(place: &Path) -> Option<u64> {
    number(&place.join("diskseq"))
}
