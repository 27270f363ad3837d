//! A small image breaks no rule, and one change makes it break the rule that is about it.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::{
    Change, MODULES, VERSION, broken, data, edited, file, good, held, in_boot, in_root, initramfs,
    kernel, put,
};
use osb_check::{Context, Memo, Outcome, Place, Severity, Subject, check};
use osb_image::Space;
use osb_tree::{Content, Inode, Kind, Tree};

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
            "containerd-pause-image",
            file(
                "etc/containerd/config.toml",
                "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\nSystemdCgroup = true\n",
            ),
        ),
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
        ("no-tokens", file("etc/rancher/k3s/config.yaml", "token: word\n")),
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
        ("pi-overlays-present", edited("config.txt", "[all]", "[all]\ndtoverlay=disable-bt")),
        ("pi-config-present", edited("config.txt", "[all]", "[all]\ninclude more.txt")),
        ("pi-config-present", edited("config.txt", "[all]", "[all]\nos_prefix=other/")),
        ("no-tokens", Box::new(|s| s.others.push(data("token=abcdef.0123456789abcdef")))),
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

#[test]
fn rules_can_be_chosen_and_left_out() {
    let only = Context { only: vec!["no-traces".into()], ..Context::default() };
    assert_eq!(check(&good(), &only, &Memo::default()).results.len(), 1);
    let skip = Context { skip: vec!["no-traces".into()], ..Context::default() };
    let results = check(&good(), &skip, &Memo::default()).results;
    assert_eq!(results.len(), osb_check::RULES.len() - 1);
}
