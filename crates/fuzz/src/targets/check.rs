//! Images as `osb check` sees them: every file that a rule reads, with any content.

use osb_check::{Context, Memo, RULES, Subject, check};
use osb_tree::{Inode, Tree};

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "check",
    about: "files that rules of `osb check` read: a number, a length of two bytes, the content; over and over",
    run,
    seeds,
    words: &[
        "initramfs ",
        "[pi5]",
        "root=PARTUUID=",
        "console=",
        "linux /",
        "ExecStart=",
        "070701",
        "TRAILER!!!",
        "ARM\u{64}",
        "Linux version 7",
        "path-exclude=",
        "Conffiles:\n /",
    ],
};

/// Files of the boot partition, then of the root.
const BOOT: [&str; 8] = [
    "config.txt",
    "cmdline.txt",
    "kernel8.img",
    "initrd.img",
    "bcm2712-rpi-5-b.dtb",
    "loader/loader.conf",
    "loader/entries/a.conf",
    "EFI/BOOT/BOOTAA64.EFI",
];
const ROOT: [&str; 20] = [
    "var/lib/dpkg/status",
    "var/lib/dpkg/diversions",
    "var/lib/dpkg/info/a.list",
    "var/lib/dpkg/info/a.md5sums",
    "etc/dpkg/dpkg.cfg.d/x",
    "usr/lib/modules/7/modules.dep",
    "usr/lib/modules/7/modules.builtin",
    "usr/lib/modules/7/vmlinuz",
    "boot/config-7",
    "etc/containerd/config.toml",
    "etc/crictl.yaml",
    "usr/bin/containerd",
    "etc/fstab",
    "etc/shadow",
    "etc/machine-id",
    "etc/apt/sources.list.d/a.sources",
    "usr/lib/systemd/system/a.service",
    "etc/modules-load.d/a.conf",
    "etc/sysctl.d/a.conf",
    "boot/initrd.img-7",
];

fn run(mut bytes: &[u8]) {
    let (mut boot, mut root) = (Tree::new(), Tree::new());
    let link = Inode::symlink("/usr/lib/systemd/system/a.service");
    root.lay("etc/systemd/system/multi-user.target.wants/a.service", link).unwrap();
    while let [which, low, high, rest @ ..] = bytes {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (content, behind) = rest.split_at(length);
        let which = usize::from(*which) % (BOOT.len() + ROOT.len());
        let (tree, path) = match BOOT.get(which) {
            Some(path) => (&mut boot, *path),
            None => (&mut root, ROOT[which - BOOT.len()]),
        };
        tree.lay(path, Inode::file(0o755, content.to_vec())).unwrap();
        bytes = behind;
    }
    let subject = Subject { boot: Some(boot), root: Some(root), ..Subject::default() };
    let (context, memo) = (Context { jobs: 1, ..Context::default() }, Memo::default());
    let report = check(&subject, &context, &memo);
    assert_eq!(report.results.len(), RULES.len());
    // What is remembered changes nothing.
    let again = check(&subject, &context, &memo);
    for (a, b) in report.results.iter().zip(&again.results) {
        assert_eq!(a.outcome, b.outcome, "{}", a.rule.id);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let seed = |files: &[(u8, &str)]| -> Vec<u8> {
        let one = |(which, text): &(u8, &str)| {
            let length = (text.len() as u16).to_le_bytes();
            [&[*which], &length[..], text.as_bytes()].concat()
        };
        files.iter().flat_map(one).collect()
    };
    vec![
        seed(&[
            (0, "[pi5]\nkernel=kernel8.img\ninitramfs initrd.img followkernel\n"),
            (1, "root=PARTUUID=5d08cfdb-cfea-844a-9cb8-a99846872165 console=tty1\n"),
            (2, "MZ"),
            (5, "default a.conf\neditor no\n"),
            (6, "title a\nlinux /kernel8.img\ninitrd /initrd.img\noptions root=x\n"),
        ]),
        seed(&[
            (8, "Package: a\nStatus: hold ok installed\nVersion: 1\nConffiles:\n /etc/a 0\n"),
            (9, "/usr/bin/a\n/usr/bin/b\na\n"),
            (10, "/.\n/lib/a\n/usr/bin/containerd\n"),
            (11, "d41d8cd98f00b204e9800998ecf8427e  usr/bin/containerd\n"),
            (12, "path-exclude=/usr/*\n"),
            (13, "kernel/a.ko.xz: kernel/b.ko.xz\n"),
            (17, "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = \"/x\"\n"),
            (19, ""),
            (24, "[Service]\nExecStart=-/usr/bin/a \\\n b\n"),
        ]),
    ]
}
