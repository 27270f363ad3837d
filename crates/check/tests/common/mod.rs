//! A small image that breaks no rule, and ways to change it.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses some of it, and may panic")]

use std::collections::BTreeSet;

use osb_check::{Context, Memo, Other, Place, Report, RuleResult, Subject, check};
use osb_image::{Partition, Space, Table, TableKind};
use osb_tree::{Inode, Tree};

pub(crate) const VERSION: &str = "7.2.1+x-arm64";
pub(crate) const ROOT_ID: &str = "5D08CFDB-CFEA-844A-9CB8-A99846872165";
/// What the initramfs has, and the root.
pub(crate) const MODULES: [&str; 22] = [
    "clk-rp1",
    "ext4",
    "irq-bcm2712-mip",
    "macb",
    "mmc_block",
    "nfs",
    "nfsv3",
    "nvme",
    "pcie-brcmstb",
    "pinctrl-brcmstb-bcm2712",
    "pinctrl-rp1",
    "rp1_pci",
    "sd_mod",
    "sdhci-brcmstb",
    "uas",
    "usb-storage",
    "virtio_blk",
    "virtio_pci",
    "xhci-plat-hcd",
    "overlay",
    "br_netfilter",
    "nf_conntrack",
];

/// An arm64 kernel that is a PE file, too.
pub(crate) fn kernel(version: &str) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    bytes[..2].copy_from_slice(b"MZ");
    bytes[24] = 0b1010;
    bytes[56..60].copy_from_slice(b"ARM\x64");
    bytes[0x3C] = 0x40;
    bytes[0x40..0x44].copy_from_slice(b"PE\0\0");
    bytes[0x44..0x48].copy_from_slice(&[0x64, 0xAA, 1, 0]);
    // The only section, behind a header of 20 bytes: from byte 1024 to the end.
    bytes[0x58 + 16..0x58 + 20].copy_from_slice(&3072_u32.to_le_bytes());
    bytes[0x58 + 20..0x58 + 24].copy_from_slice(&1024_u32.to_le_bytes());
    let banner = format!("Linux version {version} (x)");
    bytes[2000..2000 + banner.len()].copy_from_slice(banner.as_bytes());
    bytes
}

pub(crate) fn initramfs(version: &str, modules: &[&str]) -> Vec<u8> {
    let module = |name: &&str| format!("usr/lib/modules/{version}/kernel/{name}.ko.xz");
    let paths: Vec<String> = modules.iter().map(module).collect();
    let files = paths.iter().map(|path| (path.as_str(), &b""[..]));
    initramfs_with(&[("init", &b""[..])].into_iter().chain(files).collect::<Vec<_>>())
}

pub(crate) fn initramfs_with(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in files.iter().chain(&[("TRAILER!!!", &b""[..])]) {
        bytes.extend(b"070701");
        let (size, length) = (content.len(), name.len() + 1);
        for field in [1, 0o100_644, 0, 0, 1, 0, size, 0, 0, 0, 0, length, 0] {
            bytes.extend(format!("{field:08x}").bytes());
        }
        bytes.extend(name.bytes());
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

pub(crate) fn put(tree: &mut Tree, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) {
    tree.lay(path, Inode::file(mode, bytes.into())).unwrap();
}

pub(crate) fn root() -> Tree {
    let mut root = Tree::new();
    let modules = format!("usr/lib/modules/{VERSION}");
    let mut index = String::new();
    for module in MODULES.iter().chain(&["veth"]) {
        put(&mut root, &format!("{modules}/kernel/{module}.ko.xz"), 0o644, *module);
        index += &format!("kernel/{module}.ko.xz:\n");
    }
    put(&mut root, &format!("{modules}/modules.dep"), 0o644, index);
    for name in ["dep", "alias", "symbols", "builtin"] {
        put(&mut root, &format!("{modules}/modules.{name}.bin"), 0o644, "x");
    }
    put(&mut root, &format!("{modules}/vmlinuz"), 0o644, kernel(VERSION));
    put(&mut root, &format!("boot/initrd.img-{VERSION}"), 0o644, initramfs(VERSION, &MODULES));
    let status = |name: &str, state: &str| {
        format!(
            "Package: {name}\nStatus: {state} ok installed\nArchitecture: arm64\nVersion: 1.7.24\n\n"
        )
    };
    let held = format!("linux-image-{VERSION}");
    let packages = [status("containerd", "install"), status(&held, "hold")].concat();
    put(&mut root, "var/lib/dpkg/status", 0o644, packages);
    put(
        &mut root,
        "var/lib/dpkg/info/containerd.list",
        0o644,
        "/.\n/usr/bin/containerd\n/usr/bin/sudo\n",
    );
    // The sums of "program" and "sudo".
    let sums = "a9c449d4fa44e9e5a41c574ae55ce4d9  usr/bin/containerd\n\
                d338b3f0f405eb5e51c8cc1e5ca66f02  usr/bin/sudo\n";
    put(&mut root, "var/lib/dpkg/info/containerd.md5sums", 0o644, sums);
    put(&mut root, &format!("var/lib/dpkg/info/{held}.list"), 0o644, "/.\n");
    for path in [
        "usr/bin/containerd",
        "usr/sbin/runc",
        "opt/cni/bin/bridge",
        "opt/cni/bin/loopback",
        "opt/cni/bin/host-local",
        "usr/lib/osb/grow-root",
    ] {
        put(&mut root, path, 0o755, "program");
    }
    put(&mut root, "usr/bin/sudo", 0o4755, "sudo");
    root.lay("etc/cni/net.d", Inode::directory(0o755)).unwrap();
    put(
        &mut root,
        "etc/containerd/config.toml",
        0o644,
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"x/pause:1\"\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\nSystemdCgroup = true\n",
    );
    put(
        &mut root,
        "etc/crictl.yaml",
        0o644,
        "runtime-endpoint: unix:///run/containerd/containerd.sock\n",
    );
    put(&mut root, "etc/modules-load.d/k.conf", 0o644, "overlay\nbr_netfilter\n");
    put(
        &mut root,
        "etc/sysctl.d/k.conf",
        0o644,
        "net.ipv4.ip_forward = 1\nnet.bridge.bridge-nf-call-iptables = 1\nnet.bridge.bridge-nf-call-ip6tables = 1\n",
    );
    put(&mut root, "etc/machine-id", 0o444, "");
    put(&mut root, "etc/shadow", 0o640, "root:*:1::::::\nnode:!:1::::::\n");
    put(
        &mut root,
        "etc/apt/sources.list.d/d.sources",
        0o644,
        "URIs: http://ftp.debian.org/debian\n",
    );
    for (unit, program) in
        [("containerd", "usr/bin/containerd"), ("osb-grow-root", "usr/lib/osb/grow-root")]
    {
        let path = format!("usr/lib/systemd/system/{unit}.service");
        put(&mut root, &path, 0o644, format!("[Service]\nExecStart=/{program}\n"));
        let link = format!("etc/systemd/system/multi-user.target.wants/{unit}.service");
        root.lay(link, Inode::symlink(format!("/{path}"))).unwrap();
    }
    put(&mut root, "usr/bin/mawk", 0o755, "mawk");
    root.lay("etc/alternatives/awk", Inode::symlink("/usr/bin/mawk")).unwrap();
    root
}

pub(crate) fn boot(root: &Tree) -> Tree {
    let mut boot = Tree::new();
    let line = format!("root=PARTUUID={} rw console=tty1 console=", ROOT_ID.to_lowercase());
    put(
        &mut boot,
        "config.txt",
        0o755,
        "kernel=kernel8.img\n[all]\ninitramfs initrd.img followkernel\n",
    );
    put(&mut boot, "cmdline.txt", 0o755, format!("{line}ttyAMA10,115200\n"));
    for name in ["bcm2712-rpi-5-b.dtb", "bcm2712-d-rpi-5-b.dtb"] {
        put(&mut boot, name, 0o755, [0xD0, 0x0D, 0xFE, 0xED, 1]);
    }
    let kernel = root.get(format!("usr/lib/modules/{VERSION}/vmlinuz")).unwrap().clone();
    let initrd = root.get(format!("boot/initrd.img-{VERSION}")).unwrap().clone();
    boot.lay("kernel8.img", kernel.clone()).unwrap();
    boot.lay("vmlinuz", kernel.clone()).unwrap();
    boot.lay("EFI/BOOT/BOOTAA64.EFI", kernel).unwrap();
    boot.lay("initrd.img", initrd).unwrap();
    put(&mut boot, "loader/loader.conf", 0o755, "default osb.conf\neditor no\n");
    put(
        &mut boot,
        "loader/entries/osb.conf",
        0o755,
        format!(
            "title x\nversion {VERSION}\nlinux /vmlinuz\ninitrd /initrd.img\noptions {line}ttyAMA0\n"
        ),
    );
    boot
}

pub(crate) fn good() -> Subject {
    let partition = |number, kind: &str, id: &str, first| Partition {
        number,
        name: String::new(),
        kind: kind.to_owned(),
        id: id.to_owned(),
        first_lba: first,
        last_lba: first + 999,
        flags: 0,
    };
    let root = root();
    let place = |partition| Place { partition: Some(partition), ..Place::default() };
    Subject {
        table: Some(Table {
            kind: TableKind::Gpt,
            id: String::new(),
            sector_size: 512,
            partitions: vec![
                partition(1, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "AA", 2048),
                partition(2, "B921B045-1DF0-41C3-AF44-4C6F280D3FAE", ROOT_ID, 4096),
            ],
            problems: Vec::new(),
        }),
        boot: Some(boot(&root)),
        root: Some(root),
        root_place: place(2),
        boot_place: place(1),
        boot_space: Some(Space { total: 100, free: 60 }),
        ..Subject::default()
    }
}

pub(crate) fn held(subject: &Subject) -> Report {
    check(subject, &Context::default(), &Memo::default())
}

pub(crate) fn broken(subject: &Subject) -> BTreeSet<&'static str> {
    held(subject).failed().map(|result| result.rule.id).collect()
}

/// What is done to a good image.
pub(crate) type Change = Box<dyn Fn(&mut Subject)>;

/// A change of the root.
pub(crate) fn in_root(change: impl Fn(&mut Tree) + 'static) -> Change {
    Box::new(move |subject| change(subject.root.as_mut().unwrap()))
}

/// A change of the boot files.
pub(crate) fn in_boot(change: impl Fn(&mut Tree) + 'static) -> Change {
    Box::new(move |subject| change(subject.boot.as_mut().unwrap()))
}

/// A file of the root with another text, or a new one.
pub(crate) fn file(path: &'static str, text: &'static str) -> Change {
    in_root(move |root| put(root, path, 0o644, text))
}

/// A boot file in which a text is replaced.
pub(crate) fn edited(path: &'static str, from: &'static str, to: &'static str) -> Change {
    in_boot(move |boot| {
        let text = String::from_utf8(boot.get(path).unwrap().content().unwrap().read().unwrap());
        let text = text.unwrap();
        assert!(text.contains(from), "{path}: {from}");
        put(boot, path, 0o755, text.replace(from, to));
    })
}

/// A file system of its own, with one file.
pub(crate) fn data(text: &str) -> Other {
    let mut tree = Tree::new();
    put(&mut tree, "home/x", 0o644, text);
    Other { place: Place { partition: Some(3), uuid: "0815".into(), ..Place::default() }, tree }
}

/// What came of one rule.
pub(crate) fn outcome(subject: &Subject, context: &Context, rule: &str) -> RuleResult {
    let report = check(subject, context, &Memo::default());
    report.results.into_iter().find(|result| result.rule.id == rule).unwrap()
}
