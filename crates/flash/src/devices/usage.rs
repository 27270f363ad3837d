//! Who uses a block device: mounts, swap, and devices that are made of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::FlashError;
use crate::devices::host::{Host, attribute, names};
use crate::devices::refusal::Refusal;

/// Where the running system's own files are, and what it needs to start again.
const SYSTEM: [&str; 7] = ["/", "/boot", "/boot/efi", "/boot/firmware", "/efi", "/usr", "/var"];

/// Everything that is in use, each with the names of the whole disks below it.
#[derive(Debug, Default)]
pub(crate) struct Usage(Vec<(BTreeSet<String>, Refusal)>);

impl Usage {
    /// Reads the kernel's tables.
    pub(crate) fn of(host: &Host) -> Result<Usage, FlashError> {
        let mut usage = Usage::default();
        for line in host.table("proc/self/mountinfo")?.lines() {
            usage.mount(host, line);
        }
        // A kernel without swap has no such table.
        let swaps = host.table("proc/swaps").unwrap_or_default();
        for name in swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next()) {
            let path = PathBuf::from(unescape(name));
            let disks = disks_of_path(host, &path);
            usage.0.push((disks, Refusal::Swap { device: path }));
        }
        Ok(usage)
    }

    /// What is known of the disk `name`.
    pub(crate) fn refusals(&self, name: &str) -> impl Iterator<Item = Refusal> {
        self.0.iter().filter(move |(disks, _)| disks.contains(name)).map(|(_, what)| what.clone())
    }

    /// The disks of the file system that a file is in, for file systems whose device number is
    /// none of a disk, as btrfs has them: told by the mount that the file is below.
    pub(crate) fn disks_of_file(&self, file: &Path) -> BTreeSet<String> {
        let Ok(file) = fs::canonicalize(file) else { return BTreeSet::new() };
        let mounts = self.0.iter().filter_map(|(disks, refusal)| match refusal {
            Refusal::System { at, .. } | Refusal::Mounted { at, .. } => Some((at, disks)),
            _ => None,
        });
        let below = mounts.filter(|(at, _)| file.starts_with(at));
        let nearest = below.max_by_key(|(at, _)| at.components().count());
        nearest.map(|(_, disks)| disks.clone()).unwrap_or_default()
    }

    /// A line of `mountinfo` (proc_pid_mountinfo(5)): the third field is the device's number, the
    /// fifth the place; behind the dash are type and source.
    fn mount(&mut self, host: &Host, line: &str) {
        let Some((left, right)) = line.split_once(" - ") else { return };
        let left: Vec<&str> = left.split(' ').collect();
        let (Some(number), Some(at)) = (left.get(2), left.get(4)) else { return };
        let source = right.split(' ').nth(1).unwrap_or_default();
        let at = PathBuf::from(unescape(at));
        let mut disks = disks_of_number(host, number);
        let device = PathBuf::from(unescape(source));
        // btrfs has a number of its own for every mount; its source is one of its disks.
        if disks.is_empty() && device.starts_with("/dev") {
            disks = disks_of_path(host, &device);
        }
        if disks.is_empty() {
            return;
        }
        let system = SYSTEM.iter().any(|path| at == Path::new(path));
        let refusal = match system {
            true => Refusal::System { device, at },
            false => Refusal::Mounted { device, at },
        };
        self.0.push((disks, refusal));
    }
}

/// The devices that hold this disk or one of its partitions.
pub(crate) fn holders(place: &Path, disk: &str) -> Vec<Refusal> {
    let mut found = Vec::new();
    let partitions =
        names(place).into_iter().filter(|name| place.join(name).join("partition").exists());
    let parts = partitions.map(|name| (place.join(&name), name));
    for (folder, name) in [(place.to_owned(), disk.to_owned())].into_iter().chain(parts) {
        for holder in names(&folder.join("holders")) {
            let own = folder.join("holders").join(&holder);
            let own = attribute(&own.join("dm/name")).unwrap_or_default();
            let device = Path::new("/dev").join(&name);
            found.push(Refusal::Held { device, holder, name: own });
        }
    }
    found
}

/// The whole disks below the device that a path names.
fn disks_of_path(host: &Host, path: &Path) -> BTreeSet<String> {
    let Ok(below) = path.strip_prefix("/") else { return BTreeSet::new() };
    let real = fs::canonicalize(host.path(&below.to_string_lossy())).ok();
    let name = real.as_deref().unwrap_or(path).file_name().unwrap_or_default();
    // What a name means is in one of two places: whole disks, and parts of them.
    let whole = host.path("sys/class/block").join(name);
    fs::canonicalize(whole).map(|place| disks_below(&place)).unwrap_or_default()
}

/// The whole disks below the device with this number, `major:minor`.
pub(crate) fn disks_of_number(host: &Host, number: &str) -> BTreeSet<String> {
    let place = host.path("sys/dev/block").join(number);
    fs::canonicalize(place).map(|place| disks_below(&place)).unwrap_or_default()
}

/// The whole disks that the device at this place in sysfs is on: itself, the disk that it is a
/// partition of, or all that it is made of.
fn disks_below(place: &Path) -> BTreeSet<String> {
    let whole = match (place.join("partition").exists(), place.parent()) {
        (true, Some(disk)) => disk,
        _ => place,
    };
    let mut disks: BTreeSet<String> =
        whole.file_name().map(|name| name.to_string_lossy().into_owned()).into_iter().collect();
    // A loop device that was made of a disk, which the kernel does not list below it.
    let backing = attribute(&whole.join("loop/backing_file"));
    if let Some(below) = backing.and_then(|file| backing_disk(whole, &file)) {
        disks.extend(disks_below(&below));
    }
    for slave in names(&whole.join("slaves")) {
        // Devices are made of those that were there before: there is no circle.
        if let Ok(below) = fs::canonicalize(whole.join("slaves").join(slave)) {
            disks.extend(disks_below(&below));
        }
    }
    disks
}

/// The place in sysfs of the device that a loop device reads, if it is one and not a file.
fn backing_disk(whole: &Path, file: &str) -> Option<PathBuf> {
    let name = Path::new(file).strip_prefix("/dev").ok()?.file_name()?;
    // `…/sys/devices/virtual/block/loop0`: three folders above is `…/sys/devices`.
    let sys =
        whole.ancestors().find(|above| above.file_name().is_some_and(|name| name == "sys"))?;
    fs::canonicalize(sys.join("class/block").join(name)).ok().filter(|below| below != whole)
}

/// Undoes the octal escapes of the kernel's tables: `\040` is a space.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits =
            tail.get(..3).filter(|digits| digits.iter().all(|b| (b'0'..=b'7').contains(b)));
        match (first, digits) {
            (b'\\', Some(digits)) => {
                let value =
                    digits.iter().fold(0u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
                bytes.push(value as u8);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_escapes_are_undone() {
        assert_eq!(unescape(r"/media/my\040disk\134x"), r"/media/my disk\x");
        assert_eq!(unescape(r"a\04"), r"a\04");
    }
}
