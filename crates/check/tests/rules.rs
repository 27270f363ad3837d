//! A small image breaks no rule, and one change makes it break the rule that is about it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use osb_check::{
    Allow, Context, Memo, Other, Outcome, Place, RULES, Report, RuleResult, Severity, Subject,
    check,
};
use osb_image::{Partition, Space, Table, TableKind};
use osb_tree::{Content, Inode, Kind, Tree};

const VERSION: &str = "7.2.1+x-arm64";
const ROOT_ID: &str = "5D08CFDB-CFEA-844A-9CB8-A99846872165";
/// What the initramfs has, and the root.
const MODULES: [&str; 22] = [
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
fn kernel(version: &str) -> Vec<u8> {
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

fn initramfs(version: &str, modules: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut entry = |name: &str| {
        bytes.extend(b"070701");
        for field in [1, 0o100_644, 0, 0, 1, 0, 0, 0, 0, 0, 0, name.len() + 1, 0] {
            bytes.extend(format!("{field:08x}").bytes());
        }
        bytes.extend(name.bytes());
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    };
    entry("init");
    for module in modules {
        entry(&format!("usr/lib/modules/{version}/kernel/{module}.ko.xz"));
    }
    entry("TRAILER!!!");
    bytes
}

fn put(tree: &mut Tree, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) {
    tree.lay(path, Inode::file(mode, bytes.into())).unwrap();
}

fn root() -> Tree {
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
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\nSystemdCgroup = true\n",
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

fn boot(root: &Tree) -> Tree {
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

fn good() -> Subject {
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

fn held(subject: &Subject) -> Report {
    check(subject, &Context::default(), &Memo::default())
}

fn broken(subject: &Subject) -> BTreeSet<&'static str> {
    held(subject).failed().map(|result| result.rule.id).collect()
}

/// What is done to a good image.
type Change = Box<dyn Fn(&mut Subject)>;

/// A change of the root.
fn in_root(change: impl Fn(&mut Tree) + 'static) -> Change {
    Box::new(move |subject| change(subject.root.as_mut().unwrap()))
}

/// A change of the boot files.
fn in_boot(change: impl Fn(&mut Tree) + 'static) -> Change {
    Box::new(move |subject| change(subject.boot.as_mut().unwrap()))
}

/// A file of the root with another text, or a new one.
fn file(path: &'static str, text: &'static str) -> Change {
    in_root(move |root| put(root, path, 0o644, text))
}

/// A boot file in which a text is replaced.
fn edited(path: &'static str, from: &'static str, to: &'static str) -> Change {
    in_boot(move |boot| {
        let text = String::from_utf8(boot.get(path).unwrap().content().unwrap().read().unwrap());
        let text = text.unwrap();
        assert!(text.contains(from), "{path}: {from}");
        put(boot, path, 0o755, text.replace(from, to));
    })
}

#[test]
fn a_good_image_breaks_no_rule() {
    let report = held(&good());
    let wrong: Vec<_> = report.failed().map(|result| (result.rule.id, &result.outcome)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(report.count(Severity::Error), 0);
}

#[test]
fn each_change_breaks_the_rule_that_is_about_it() {
    let body = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=".repeat(3);
    let key: &'static str = format!("-----BEGIN PRIVATE KEY-----\n{body}\n").leak();
    let other = VERSION.replace('1', "2");
    let other_again = other.clone();
    let changes: Vec<(&str, Change)> = vec![
        (
            "partition-table-sound",
            Box::new(|s| s.table.as_mut().unwrap().problems.push("x".into())),
        ),
        (
            "partition-table-sound",
            Box::new(|s| s.table.as_mut().unwrap().partitions[1].first_lba = 2050),
        ),
        ("boot-partition-present", Box::new(|s| s.boot_place.partition = None)),
        (
            "boot-partition-has-room",
            Box::new(|s| s.boot_space = Some(Space { total: 100, free: 40 })),
        ),
        ("root-partition-found", Box::new(|s| s.root = Some(Tree::new()))),
        ("pi-config-present", in_boot(|boot| assert!(boot.remove("config.txt")))),
        (
            "pi-config-present",
            edited("config.txt", "initramfs initrd.img followkernel", "initramfs initrd.img"),
        ),
        ("pi-kernel-present", edited("config.txt", "kernel8.img", "kernel9.img")),
        (
            "pi-device-trees-present",
            in_boot(|boot| put(boot, "bcm2712-rpi-5-b.dtb", 0o755, "tree")),
        ),
        (
            "pi-device-trees-current",
            in_root(|root| {
                put(
                    root,
                    &format!("usr/lib/modules/{VERSION}/dtb/broadcom/bcm2712-rpi-5-b.dtb"),
                    0o644,
                    "x",
                )
            }),
        ),
        ("pi-command-line-present", edited("cmdline.txt", "root", "\nroot")),
        (
            "pi-file-sizes",
            in_boot(|boot| {
                let hole =
                    osb_tree::Extents::new(std::sync::Arc::new(Vec::new()), Vec::new(), 33_000_000);
                boot.lay("initrd.img", Inode::new(0o755, Kind::File(Content::Extents(hole))))
                    .unwrap();
            }),
        ),
        ("uefi-loader-present", in_boot(|boot| put(boot, "EFI/BOOT/BOOTAA64.EFI", 0o755, "MZ"))),
        ("uefi-entry-present", in_boot(|boot| assert!(boot.remove("loader/entries/osb.conf")))),
        ("uefi-entry-present", edited("loader/entries/osb.conf", "linux /vmlinuz", "linux")),
        ("uefi-entry-version", edited("loader/entries/osb.conf", "version 7.2.1", "version 7.2.0")),
        ("uefi-loader-settings", edited("loader/loader.conf", "editor no", "")),
        (
            "boot-kernel-whole",
            in_boot(|boot| put(boot, "vmlinuz", 0o755, &kernel(VERSION)[..4000])),
        ),
        (
            "boot-kernel-has-modules",
            in_boot(move |boot| put(boot, "vmlinuz", 0o755, kernel(&other))),
        ),
        (
            "boot-kernel-current",
            in_boot(|boot| {
                let mut bytes = kernel(VERSION);
                bytes[3000] = 1;
                put(boot, "vmlinuz", 0o755, bytes);
            }),
        ),
        ("boot-initramfs-present", in_boot(|boot| assert!(boot.remove("initrd.img")))),
        ("boot-initramfs-present", edited("config.txt", "initramfs initrd.img followkernel", "")),
        (
            "boot-initramfs-current",
            in_boot(move |boot| put(boot, "initrd.img", 0o755, initramfs(&other_again, &MODULES))),
        ),
        (
            "boot-initramfs-finds-disks",
            in_boot(|boot| put(boot, "initrd.img", 0o755, initramfs(VERSION, &MODULES[..7]))),
        ),
        (
            "boot-initramfs-finds-network-root",
            in_boot(|boot| put(boot, "initrd.img", 0o755, initramfs(VERSION, &MODULES[..5]))),
        ),
        ("boot-names-case", edited("config.txt", "kernel8", "Kernel8")),
        ("root-named", edited("cmdline.txt", "root=PARTUUID=5", "root=PARTUUID=6")),
        ("root-named", edited("loader/entries/osb.conf", "root=", "toor=")),
        ("command-lines-agree", edited("cmdline.txt", "rw", "ro")),
        ("command-line-consoles", edited("cmdline.txt", "console=tty1", "")),
        (
            "kernel-modules-indexed",
            in_root(|root| {
                assert!(root.remove(format!("usr/lib/modules/{VERSION}/kernel/uas.ko.xz")))
            }),
        ),
        ("kernel-has-container-modules", file("etc/modules-load.d/k.conf", "overlay\n")),
        (
            "kernel-has-pi-modules",
            in_root(|root| {
                put(
                    root,
                    &format!("usr/lib/modules/{VERSION}/modules.dep"),
                    0o644,
                    "kernel/ext4.ko.xz:\n",
                )
            }),
        ),
        (
            "kernel-page-size",
            in_boot(|boot| {
                let mut bytes = kernel(VERSION);
                bytes[24] = 0b0100;
                put(boot, "kernel8.img", 0o755, bytes);
            }),
        ),
        ("kernel-memory-cgroup", edited("cmdline.txt", "rw", "rw cgroup_disable=memory")),
        (
            "kernel-held",
            in_root(|root| {
                let status = format!(
                    "Package: linux-image-{VERSION}\nStatus: install ok installed\nVersion: 1\nArchitecture: arm64\n"
                );
                put(root, "var/lib/dpkg/status", 0o644, status);
            }),
        ),
        ("containerd-cgroup-driver", file("etc/containerd/config.toml", "version = 2\n")),
        ("containerd-cni-paths", in_root(|root| assert!(root.remove("opt/cni/bin/loopback")))),
        ("containerd-socket", file("etc/crictl.yaml", "runtime-endpoint: unix:///run/x.sock\n")),
        (
            "kubernetes-versions-fit",
            file(
                "var/lib/dpkg/status",
                "Package: kubelet\nStatus: hold ok installed\nVersion: 1.38.0-1\nArchitecture: arm64\n\nPackage: kubeadm\nStatus: hold ok installed\nVersion: 1.36.0-1\nArchitecture: arm64\n",
            ),
        ),
        (
            "kubernetes-held",
            file(
                "var/lib/dpkg/status",
                "Package: kubelet\nStatus: install ok installed\nVersion: 1.38.0-1\nArchitecture: arm64\n",
            ),
        ),
        ("kubernetes-sysctls", file("etc/sysctl.d/z.conf", "net.ipv4.ip_forward=0\n")),
        ("swap-off", file("etc/fstab", "/swap none swap sw 0 0\n")),
        (
            "units-exist",
            in_root(|root| {
                assert!(root.lay("etc/systemd/system/a.service", Inode::symlink("/b")).is_ok())
            }),
        ),
        (
            "units-have-programs",
            in_root(|root| root.get_mut("usr/bin/containerd").unwrap().meta.mode = 0o644),
        ),
        (
            "root-grows",
            in_root(|root| {
                assert!(
                    root.remove("etc/systemd/system/multi-user.target.wants/osb-grow-root.service")
                )
            }),
        ),
        (
            "packages-configured",
            file(
                "var/lib/dpkg/status",
                "Package: a\nStatus: install ok half-installed\nVersion: 1\nArchitecture: arm64\n\nPackage: b\nStatus: install ok installed\nVersion: 1\nArchitecture: arm64\n",
            ),
        ),
        ("package-files-present", in_root(|root| assert!(root.remove("usr/bin/sudo")))),
        (
            "package-files-unchanged",
            in_root(|root| put(root, "usr/bin/containerd", 0o755, "Program")),
        ),
        (
            "package-sums-known",
            in_root(|root| assert!(root.remove("var/lib/dpkg/info/containerd.md5sums"))),
        ),
        ("alternatives-lead-somewhere", in_root(|root| assert!(root.remove("usr/bin/mawk")))),
        ("setuid-known", in_root(|root| root.get_mut("usr/bin/mawk").unwrap().meta.mode = 0o4755)),
        (
            "nothing-world-writable",
            in_root(|root| root.get_mut("etc/shadow").unwrap().meta.mode = 0o666),
        ),
        ("no-machine-identity", file("etc/machine-id", "0123456789abcdef0123456789abcdef\n")),
        ("no-host-keys", file("etc/ssh/ssh_host_rsa_key", "x")),
        ("no-private-keys", file("srv/x.pem", key)),
        ("no-kubeconfigs", file("etc/kubernetes/admin.conf", "x")),
        ("no-tokens", file("srv/x", "token=abcdef.0123456789abcdef")),
        ("no-passwords", file("etc/shadow", "root::1::::::\n")),
        ("no-traces", file("root/.bash_history", "ls\n")),
        ("no-build-paths", file("srv/x", "/home/me/.cache/osb/work\n")),
        (
            "no-private-mirrors",
            file("etc/apt/sources.list", "deb http://mirror.lan/debian x main\n"),
        ),
        (
            "packages-configured",
            in_root(|root| {
                put(root, "var/lib/dpkg/info/containerd.list", 0o644, "/.\n/usr/bin/containerd\n")
            }),
        ),
        (
            "packages-configured",
            in_root(|root| {
                let list = "/.\n/usr/bin/containerd\n/usr/bin/sudo\n/etc/contai";
                put(root, "var/lib/dpkg/info/containerd.list", 0o644, list)
            }),
        ),
        ("no-tokens", Box::new(|s| s.others.push(data("token=abcdef.0123456789abcdef")))),
        ("partitions-read", Box::new(|s| s.unread.push((3, "it is of another world".into())))),
        ("files-read", in_root(|root| put(root, "etc/fstab", 0o644, vec![b' '; 2 << 20]))),
    ];
    let mut covered = BTreeSet::new();
    for (rule, change) in changes {
        let mut subject = good();
        change(&mut subject);
        let broken = broken(&subject);
        assert!(broken.contains(rule), "{rule} is not broken, but {broken:?}");
        covered.insert(rule);
    }
    let all: BTreeSet<&str> = osb_check::RULES.iter().map(|rule| rule.id).collect();
    let missing: Vec<_> = all.difference(&covered).collect();
    assert!(missing.is_empty(), "no change breaks {missing:?}");
}

#[test]
fn what_is_not_there_does_not_apply() {
    let report = held(&Subject::default());
    let applies = report.results.iter().filter(|r| !matches!(r.outcome, Outcome::DoesNotApply(_)));
    assert_eq!(applies.map(|result| result.rule.id).collect::<Vec<_>>(), [] as [&str; 0]);
    // An archive has no table, but a root, and boot files.
    let archive = Subject {
        table: None,
        root_place: Place::default(),
        boot_place: Place::default(),
        ..good()
    };
    assert_eq!(broken(&archive), BTreeSet::new());
}

/// A file system of its own, with one file.
fn data(text: &str) -> Other {
    let mut tree = Tree::new();
    put(&mut tree, "home/x", 0o644, text);
    Other { place: Place { partition: Some(3), uuid: "0815".into(), ..Place::default() }, tree }
}

/// What came of one rule.
fn outcome(subject: &Subject, context: &Context, rule: &str) -> RuleResult {
    let report = check(subject, context, &Memo::default());
    report.results.into_iter().find(|result| result.rule.id == rule).unwrap()
}

#[test]
fn files_of_other_partitions_are_told_by_their_mount_or_number() {
    let mut subject = good();
    subject.others.push(data("token=abcdef.0123456789abcdef"));
    let path = |subject: &Subject| match outcome(subject, &Context::default(), "no-tokens").outcome
    {
        Outcome::Found { findings, .. } => {
            String::from_utf8(findings[0].path.clone().unwrap()).unwrap()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(path(&subject), "partition 3:/home/x");
    put(subject.root.as_mut().unwrap(), "etc/fstab", 0o644, "UUID=0815 /srv/data ext4 ro 0 0\n");
    assert_eq!(path(&subject), "srv/data/home/x");
}

#[test]
fn what_could_not_be_read_is_not_said_to_hold() {
    let content = |size| Content::File { path: "/nonexistent".into(), size, fingerprint: None };
    let mut subject = good();
    let root = subject.root.as_mut().unwrap();
    root.lay("srv/gone", Inode::new(0o644, Kind::File(content(5)))).unwrap();
    root.lay("srv/huge", Inode::new(0o644, Kind::File(content(17 << 30)))).unwrap();
    for rule in ["no-private-keys", "no-tokens", "no-build-paths"] {
        let result = outcome(&subject, &Context::default(), rule);
        let Outcome::NotProven { findings, .. } = result.outcome else { panic!("{rule}") };
        let paths: Vec<_> = findings.into_iter().filter_map(|finding| finding.path).collect();
        assert_eq!(paths, [b"srv/huge".to_vec(), b"srv/gone".to_vec()]);
    }
    let report = held(&subject);
    assert_eq!((report.failed().count(), report.not_proven().count()), (0, 5));

    // A package's file behind the limit is neither wrong nor right.
    let mut subject = good();
    let root = subject.root.as_mut().unwrap();
    root.lay("usr/bin/sudo", Inode::new(0o4755, Kind::File(content(17 << 30)))).unwrap();
    let result = outcome(&subject, &Context::default(), "package-files-unchanged");
    assert!(matches!(result.outcome, Outcome::NotProven { .. }), "{:?}", result.outcome);
}

#[test]
fn what_is_allowed_is_told_apart_and_what_allows_nothing_is_told() {
    let mut subject = good();
    for path in ["usr/bin/mawk", "usr/bin/other"] {
        put(subject.root.as_mut().unwrap(), path, 0o4755, "x");
    }
    let allow = ["setuid-known:/usr/bin/mawk", "setuid-known:/usr/bin/nothing", "no-traces"];
    let allow = allow.map(|text| Allow::parse(text).unwrap()).to_vec();
    let context = Context { allow: allow.clone(), ..Context::default() };
    let result = outcome(&subject, &context, "setuid-known");
    assert_eq!(result.allowed.len(), 1);
    let Outcome::Found { findings, .. } = result.outcome else { panic!() };
    assert_eq!(findings[0].path.as_deref(), Some(&b"usr/bin/other"[..]));
    let report = check(&subject, &context, &Memo::default());
    assert_eq!((report.unused, report.results.len()), (allow[1..].to_vec(), RULES.len()));

    let whole = Context { allow: vec![Allow::parse("setuid-known").unwrap()], ..context };
    assert_eq!(outcome(&subject, &whole, "setuid-known").outcome, Outcome::Holds);
}

#[test]
fn rules_can_be_chosen_and_left_out() {
    let only = Context { only: vec!["no-traces".into()], ..Context::default() };
    assert_eq!(check(&good(), &only, &Memo::default()).results.len(), 1);
    let skip = Context { skip: vec!["no-traces".into()], ..Context::default() };
    let results = check(&good(), &skip, &Memo::default()).results;
    assert_eq!(results.len(), osb_check::RULES.len() - 1);
}
