//! Machines that are made up: folders like those of the kernel.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)] // in helpers, too: a failed one is a failed test

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use osb_flash::{Disk, Host, NoDisk, Refusal, Transport, against, devices, find};

/// A made-up machine.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Machine {
        let machine = Machine(tempfile::tempdir().unwrap());
        machine.write("proc/self/mountinfo", "22 27 0:21 / /proc rw - proc proc rw\n");
        machine.write("proc/swaps", "Filename Type Size Used Priority\n");
        for folder in ["sys/block", "sys/class/block", "sys/dev/block", "dev/disk/by-id"] {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        machine
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A block device below `sys/devices`, with its links.
    fn device(&self, place: &str, number: &str, files: &[(&str, &str)]) {
        let place = format!("sys/devices/{place}");
        fs::create_dir_all(self.path(&place)).unwrap();
        for (name, text) in files {
            self.write(&format!("{place}/{name}"), &format!("{text}\n"));
        }
        let name = place.rsplit('/').next().unwrap();
        let real = self.path(&place);
        symlink(&real, self.path("sys/class/block").join(name)).unwrap();
        symlink(&real, self.path("sys/dev/block").join(number)).unwrap();
        if !files.iter().any(|(name, _)| *name == "partition") {
            symlink(&real, self.path("sys/block").join(name)).unwrap();
        }
        self.write(&format!("dev/{name}"), "");
    }

    /// `above` is made of `below`.
    fn stack(&self, above: &str, below: &str) {
        let place = |name: &str| fs::canonicalize(self.path("sys/class/block").join(name)).unwrap();
        for (of, folder, other) in [(above, "slaves", below), (below, "holders", above)] {
            fs::create_dir_all(place(of).join(folder)).unwrap();
            symlink(place(other), place(of).join(folder).join(other)).unwrap();
        }
    }

    fn mounts(&self, lines: &[&str]) {
        self.write("proc/self/mountinfo", &(lines.join("\n") + "\n"));
    }

    fn disks(&self) -> Vec<Disk> {
        devices(&Host::at(self.0.path())).unwrap()
    }

    fn disk(&self, name: &str) -> Disk {
        let path = Path::new("/dev").join(name);
        self.disks().into_iter().find(|disk| disk.path == path).expect("the disk is listed")
    }
}

const USB: &str = "pci0/usb1/1-2/1-2:1.0/host0/target0/0:0:0:0/block/sda";
const NVME: &str = "pci0/nvme/nvme0/nvme0n1";

fn machine() -> Machine {
    let machine = Machine::new();
    machine.device(
        USB,
        "8:0",
        &[
            ("size", "62333952"),
            ("removable", "1"),
            ("ro", "0"),
            ("queue/logical_block_size", "512"),
            ("queue/physical_block_size", "4096"),
            ("device/vendor", "Generic "),
            ("device/model", "STORAGE \u{1b}[31mDEVICE"),
        ],
    );
    machine.write("sys/devices/pci0/usb1/1-2/idVendor", "05e3\n");
    machine.write("sys/devices/pci0/usb1/1-2/serial", "000000001206\n");
    machine.device(&format!("{USB}/sda1"), "8:1", &[("partition", "1"), ("size", "1048576")]);
    machine.device(&format!("{USB}/sda2"), "8:2", &[("partition", "2"), ("size", "2048")]);
    machine.device(
        NVME,
        "259:0",
        &[
            ("size", "1953525168"),
            ("queue/logical_block_size", "4096"),
            ("device/model", "Samsung SSD 990 PRO 1TB                 "),
            ("device/serial", "S6Z1NJ0W"),
        ],
    );
    machine.device(&format!("{NVME}/nvme0n1p1"), "259:1", &[("partition", "1"), ("size", "4096")]);
    for (link, device) in [
        ("usb-Generic_STORAGE_DEVICE_000000001206-0:0", "sda"),
        ("nvme-Samsung_SSD_990_PRO_1TB_S6Z1NJ0W", "nvme0n1"),
        ("nvme-eui.0025384", "nvme0n1"),
        ("nvme-eui.0025384-part1", "nvme0n1p1"),
    ] {
        symlink(format!("../../{device}"), machine.path("dev/disk/by-id").join(link)).unwrap();
    }
    machine
}

#[test]
fn a_disk_is_told_with_all_its_names() {
    let machine = machine();
    let stick = machine.disk("sda");
    assert_eq!(stick.model, "Generic STORAGE [31mDEVICE", "no escape sequence");
    assert_eq!(stick.serial, "000000001206", "the bridge's");
    assert_eq!(stick.transport, Transport::Usb);
    assert!(stick.removable);
    assert_eq!(
        (stick.size, stick.logical_sector, stick.physical_sector),
        (31_914_983_424, 512, 4096)
    );
    assert_eq!(stick.partitions, [(1, 512 << 20), (2, 1 << 20)]);
    assert_eq!(stick.refusals, []);

    let internal = machine.disk("nvme0n1");
    assert_eq!(internal.model, "Samsung SSD 990 PRO 1TB");
    assert_eq!(internal.serial, "S6Z1NJ0W");
    assert_eq!(internal.transport, Transport::Nvme);
    assert_eq!(internal.logical_sector, 4096);
    assert_eq!(
        internal.by_id,
        ["nvme-Samsung_SSD_990_PRO_1TB_S6Z1NJ0W", "nvme-eui.0025384"]
            .map(|name| Path::new("/dev/disk/by-id").join(name))
    );
    assert_eq!(internal.refusals, [], "an internal disk that nobody uses is a normal target");
}

#[test]
fn whoever_mounts_or_swaps_is_named() {
    let machine = machine();
    machine.mounts(&[
        "27 1 259:1 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p1 rw",
        r"30 27 8:1 / /media/my\040card rw - vfat /dev/sda1 rw",
        "31 27 0:44 / /data rw - btrfs /dev/sda2 rw",
    ]);
    machine.write("proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n");
    let texts = |name: &str| -> Vec<String> {
        machine.disk(name).refusals.iter().map(Refusal::to_string).collect()
    };
    assert_eq!(
        texts("sda"),
        [
            "/dev/sda1 is mounted at /media/my card",
            "/dev/sda2 is mounted at /data",
            "/dev/sda2 is used for swap",
        ]
    );
    assert_eq!(texts("nvme0n1"), ["the running system is on it: /dev/nvme0n1p1 is mounted at /"]);
}

#[test]
fn what_is_made_of_a_disk_keeps_it() {
    let machine = machine();
    machine.device("virtual/block/dm-0", "253:0", &[("dm/name", "crypt"), ("size", "8")]);
    machine.device("virtual/block/dm-1", "253:1", &[("dm/name", "vg-root"), ("size", "8")]);
    machine.stack("dm-0", "nvme0n1p1");
    machine.stack("dm-1", "dm-0");
    machine.mounts(&["27 1 253:1 / / rw - ext4 /dev/mapper/vg-root rw"]);
    let disk = machine.disk("nvme0n1");
    assert_eq!(
        disk.refusals,
        [
            Refusal::System { device: "/dev/mapper/vg-root".into(), at: "/".into() },
            Refusal::Held {
                device: "/dev/nvme0n1p1".into(),
                holder: "dm-0".into(),
                name: "crypt".into(),
            },
        ]
    );
    assert!(disk.refusals[1].remedy().unwrap().contains("crypt"));
    let names: Vec<_> = machine.disks().into_iter().map(|disk| disk.path).collect();
    assert_eq!(names, [Path::new("/dev/nvme0n1"), Path::new("/dev/sda")], "no dm devices");
}

#[test]
fn what_is_no_disk_is_not_listed() {
    let machine = machine();
    for (place, number) in [
        ("virtual/block/zram0", "251:0"),
        ("virtual/block/loop0", "7:0"),
        ("virtual/block/md127", "9:127"),
        ("pci0/ata1/host1/target1/block/sr0", "11:0"),
        ("pci0/mmc_host/mmc0/mmc0:0001/block/mmcblk0boot0", "179:8"),
    ] {
        machine.device(place, number, &[("size", "100")]);
    }
    machine.device(
        "pci0/mmc_host/mmc0/mmc0:0001/block/mmcblk0",
        "179:0",
        &[("size", "0"), ("ro", "1"), ("device/name", "SD32G"), ("device/type", "SD")],
    );
    let file = [("size", "100"), ("loop/backing_file", "/srv/my.img")];
    machine.device("virtual/block/loop1", "7:1", &file);
    let names: Vec<_> = machine
        .disks()
        .iter()
        .map(|disk| disk.path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, ["loop1", "mmcblk0", "nvme0n1", "sda"]);
    let empty = machine.disk("mmcblk0");
    assert_eq!(empty.refusals, [Refusal::ReadOnly, Refusal::NoMedium]);
    assert_eq!((empty.transport, empty.model.as_str()), (Transport::Sd, "SD32G"));
    let file = machine.disk("loop1");
    assert_eq!((file.transport, file.model.as_str()), (Transport::Loop, "/srv/my.img"));
}

#[test]
fn this_machine_can_be_looked_at() {
    let host = Host::this();
    for disk in devices(&host).unwrap() {
        assert!(disk.path.starts_with("/dev"), "{disk:?}");
    }
}

#[test]
fn an_image_must_fit_and_lie_elsewhere() {
    let machine = machine();
    let host = Host::at(machine.path("").as_path());
    let stick = machine.disk("sda");
    let against = |image: Option<&Path>, needed| against(&host, &stick, image, needed).unwrap();
    assert_eq!(against(None, Some(stick.size)), []);
    let needed = stick.size + 1;
    assert_eq!(against(None, Some(needed)), [Refusal::TooSmall { size: stick.size, needed }]);
    // The file is on a device of this machine; the made-up one says that this is its stick.
    let image = machine.path("disk.img");
    fs::write(&image, "").unwrap();
    assert_eq!(against(Some(&image), None), []);
    let device = fs::metadata(&image).unwrap().dev();
    let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let stick_place = fs::canonicalize(machine.path("sys/class/block/sda1")).unwrap();
    symlink(stick_place, machine.path("sys/dev/block").join(number)).unwrap();
    assert_eq!(against(Some(&image), None), [Refusal::Image { path: image.clone() }]);
}

#[test]
fn an_image_is_found_by_its_mount_where_numbers_say_nothing() {
    let machine = machine();
    let image = fs::canonicalize(machine.path("")).unwrap().join("disk.img");
    fs::write(&image, "").unwrap();
    let folder = image.parent().unwrap().display();
    machine.mounts(&[
        &format!("30 1 0:40 / {folder} rw - btrfs /dev/sda2 rw"),
        "31 1 259:1 / / rw - ext4 /dev/nvme0n1p1 rw",
    ]);
    let host = Host::at(machine.path("").as_path());
    let found = against(&host, &machine.disk("sda"), Some(&image), None).unwrap();
    assert_eq!(found, [Refusal::Image { path: image.clone() }]);
    assert_eq!(against(&host, &machine.disk("nvme0n1"), Some(&image), None).unwrap(), []);
}

#[test]
fn only_a_whole_disk_is_found() {
    let machine = machine();
    let host = Host::at(machine.path("").as_path());
    let file = machine.path("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(find(&host, &file), Err(NoDisk::NotADevice { .. })));
    assert!(matches!(find(&host, Path::new("/nowhere")), Err(NoDisk::Missing { .. })));
    let node = |name: &str, major, minor| {
        let path = machine.path(name);
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let device = rustix::fs::makedev(major, minor);
        let kind = rustix::fs::FileType::BlockDevice;
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, device).map(|()| path)
    };
    let Ok(disk) = node("a", 8, 0) else {
        eprintln!("SKIPPED: only root can make devices");
        return;
    };
    // The name says nothing; the number does.
    assert_eq!(find(&host, &disk).unwrap(), machine.disk("sda"));
    let told = find(&host, &node("b", 8, 1).unwrap()).unwrap_err().to_string();
    assert!(told.ends_with("b is a partition; name the whole disk: /dev/sda"), "{told}");
    assert!(matches!(find(&host, &node("c", 7, 99).unwrap()), Err(NoDisk::Other { .. })));
}
