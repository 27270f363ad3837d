//! What the node does when it starts: units, growth, swap.

use std::collections::BTreeSet;

use osb_tree::{Inode, Kind, Tree};

use crate::facts::{Facts, UnitFile};
use crate::parse::unit::programs;
use crate::rule::{Finding, Rule, Severity, Skip, Verdict};

/// Where systemd looks for programs that are named without a folder.
const PROGRAMS: [&str; 4] = ["usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin"];
/// Units that let the root grow: osb's own, systemd's.
const GROWERS: [&str; 4] = [
    "osb-grow-root.service",
    "osb-grow.service",
    "systemd-growfs-root.service",
    "systemd-growfs@-.service",
];
/// Packages that make swap: on a disk, or in memory.
const SWAPPERS: [&str; 5] =
    ["dphys-swapfile", "rpi-swap", "systemd-zram-generator", "zram-tools", "zramswap"];
/// Types of swap partitions.
const SWAP_TYPES: [&str; 2] = ["0657FD6D-A4AB-43C4-84E5-0933C84B4F4F", "82"];

pub(super) const UNITS_THERE: Rule = Rule {
    id: "units-exist",
    severity: Severity::Warning,
    claim: "Every unit that is enabled is there.",
    reason: "What was wanted does not start, and nothing says so.",
    source: "systemd.unit(5)",
    remedy: "Install what brings the unit, or do not enable it.",
    run: units_there,
};

fn units_there(facts: &Facts) -> Verdict {
    facts.units()?;
    let root = facts.root()?;
    let mut found = Vec::new();
    for (path, id) in root.descendants(b"etc/systemd/system") {
        let Kind::Symlink(target) = &root.inode(id).kind else { continue };
        if target != b"/dev/null" && root.resolve(path).is_err() {
            let text = format!("it is a link to {}, which is not there", target.escape_ascii());
            found.push(Finding::at(path, text));
        }
    }
    Ok(found)
}

pub(super) const UNITS_WORK: Rule = Rule {
    id: "units-have-programs",
    severity: Severity::Error,
    claim: "Every unit that starts with the machine has its programs, and they can be run.",
    reason: "The unit fails at every start (status 203/EXEC).",
    source: "systemd.exec(5)",
    remedy: "Install the package that brings the program, or disable the unit.",
    run: units_work,
};

fn units_work(facts: &Facts) -> Verdict {
    let (root, units) = (facts.root()?, facts.units()?);
    let mut found = Vec::new();
    for file in units.values().filter(|file| may_start(root, file)) {
        for (_, value) in file.unit.beginning("Service", "ExecStart") {
            for (prefixes, path) in programs(value) {
                // A minus sign: it may fail. What is filled in later cannot be looked up.
                if prefixes.contains('-') || path.contains(['%', '$', '\\']) {
                    continue;
                }
                if let Err(why) = runs(root, &path) {
                    found.push(Finding::at(&file.path, format!("{path} {why}")));
                }
            }
        }
    }
    Ok(found)
}

/// Whether a program is there and may be run.
fn runs(root: &Tree, path: &str) -> Result<(), &'static str> {
    let resolved = match path.starts_with('/') {
        true => root.resolve(path).ok(),
        false => PROGRAMS.iter().find_map(|folder| root.resolve(format!("{folder}/{path}")).ok()),
    };
    match resolved.and_then(|path| root.get(path)) {
        None => Err("is not there"),
        Some(inode) if inode.content().is_none() || inode.meta.mode & 0o111 == 0 => {
            Err("cannot be run")
        }
        Some(_) => Ok(()),
    }
}

/// Whether the conditions on files hold, as far as the image tells.
fn may_start(root: &Tree, file: &UnitFile) -> bool {
    let conditions = ["ConditionPathExists", "ConditionFileIsExecutable", "ConditionFileNotEmpty"];
    conditions.iter().all(|condition| {
        file.unit.all("Unit", condition).all(|path| {
            path.starts_with('!')
                || path.starts_with('|')
                || is_of_the_kernel(path)
                || root.resolve(path).is_ok()
        })
    })
}

fn is_of_the_kernel(path: &str) -> bool {
    ["/sys", "/proc", "/dev", "/run"].iter().any(|folder| path.starts_with(folder))
}

pub(super) const GROWTH: Rule = Rule {
    id: "root-grows",
    severity: Severity::Warning,
    claim: "Something lets the root grow to its disk at the first start.",
    reason: "The node stays as small as the image and fills up with container images.",
    source: "systemd-repart(8), systemd-growfs(8); osb's base layer",
    remedy: "Take osb's base layer, or enable systemd-repart and systemd-growfs-root.",
    run: growth,
};

fn growth(facts: &Facts) -> Verdict {
    facts.table()?;
    let (root, units) = (facts.root()?, facts.units()?);
    let unit = GROWERS.iter().any(|name| {
        units.get(*name).is_some_and(|file| {
            file.unit
                .all("Service", "ExecStart")
                .all(|line| programs(line).iter().all(|(_, path)| runs(root, path).is_ok()))
        })
    });
    let fstab = facts.files.text(root, "etc/fstab").unwrap_or_default();
    let fstab =
        fstab.lines().any(|line| !line.starts_with('#') && line.contains("x-systemd.growfs"));
    let cloud = root.resolve("usr/bin/growpart").is_ok()
        && units.contains_key("cloud-init-network.service");
    let cloud = cloud
        && !facts
            .files
            .texts(root, "etc/cloud/cloud.cfg.d", ".cfg")
            .iter()
            .any(|(_, text)| text.contains("growpart:\n  mode: off"));
    // Raspberry Pi OS does it from the initramfs or by a program in place of init.
    let vendor = facts.starts().is_ok_and(|starts| {
        let mut arguments = starts.iter().filter_map(|start| start.line.as_ref()).flatten();
        arguments.any(|argument| argument == "resize" || argument.contains("firstboot"))
    });
    let initramfs = root.resolve("usr/share/initramfs-tools/scripts/local-bottom/growroot").is_ok();
    Ok(match unit || fstab || cloud || vendor || initramfs {
        true => Vec::new(),
        false => vec![Finding::whole("no unit that grows the root is enabled")],
    })
}

pub(super) const SWAP: Rule = Rule {
    id: "swap-off",
    severity: Severity::Error,
    claim: "Nothing makes swap: no partition, no file, no memory that is packed (zram).",
    reason: "kubelet refuses to start with swap, unless it is told otherwise.",
    source: "Kubernetes documentation, \"Swap memory management\" (`failSwapOn`)",
    remedy: "Remove the package or the line that makes it.",
    run: swap,
};

fn swap(facts: &Facts) -> Verdict {
    let root = facts.kubernetes()?;
    if let Some(name) = facts.distribution() {
        return Skip::because(format!("{name} tells its kubelet to start with swap"));
    }
    if let Some(path) = swap_allowed(facts, root) {
        return Skip::because(format!("kubelet is told to start with swap (/{path})"));
    }
    let mut found = Vec::new();
    for line in facts.files.text(root, "etc/fstab").unwrap_or_default().lines() {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        if !line.trim_start().starts_with('#') && fields.get(2) == Some(&"swap") {
            found.push(Finding::at("etc/fstab", format!("it has a line for swap: {line}")));
        }
    }
    if let Ok(packages) = facts.packages() {
        for name in SWAPPERS.iter().filter(|name| packages.contains_key(**name)) {
            found
                .push(Finding::at("var/lib/dpkg/status", format!("the package {name} makes swap")));
        }
    }
    for path in [
        "usr/lib/systemd/system-generators/zram-generator",
        "etc/systemd/zram-generator.conf",
        "usr/sbin/dphys-swapfile",
        "var/swap",
        "swapfile",
    ] {
        if root.resolve(path).is_ok() {
            found.push(Finding::at(path, "it makes swap"));
        }
    }
    if let Ok(units) = facts.units() {
        let swaps = units.iter().filter(|(name, _)| name.ends_with(".swap"));
        found.extend(swaps.map(|(_, file)| Finding::at(&file.path, "a swap unit is enabled")));
    }
    for partition in facts.subject.table.iter().flat_map(|table| &table.partitions) {
        if SWAP_TYPES.contains(&partition.kind.as_str()) {
            found.push(Finding::whole(format!("partition {} is for swap", partition.number)));
        }
    }
    Ok(found)
}

/// Where kubelet is told not to mind swap, if it is.
fn swap_allowed(facts: &Facts, root: &Tree) -> Option<&'static str> {
    let settings = ["var/lib/kubelet/config.yaml", "etc/kubernetes/kubelet.yaml"];
    let arguments = ["etc/default/kubelet", "var/lib/kubelet/kubeadm-flags.env"];
    let has = |path: &str, wanted: &str| {
        let text = facts.files.text(root, path).unwrap_or_default();
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        lines.into_iter().any(|line| line.contains(wanted))
    };
    let yaml = settings.into_iter().find(|path| has(path, "failSwapOn: false"));
    yaml.or_else(|| arguments.into_iter().find(|path| has(path, "--fail-swap-on=false")))
}

/// Programs that may run with the rights of their owner or group: all that Debian's packages bring
/// and a node may have.
const SETUID: [&str; 28] = [
    "usr/bin/at",
    "usr/bin/chage",
    "usr/bin/chfn",
    "usr/bin/chsh",
    "usr/bin/crontab",
    "usr/bin/dotlockfile",
    "usr/bin/expiry",
    "usr/bin/fusermount3",
    "usr/bin/gpasswd",
    "usr/bin/mount",
    "usr/bin/newgidmap",
    "usr/bin/newgrp",
    "usr/bin/newuidmap",
    "usr/bin/passwd",
    "usr/bin/ping",
    "usr/bin/pkexec",
    "usr/bin/ssh-agent",
    "usr/bin/su",
    "usr/bin/sudo",
    "usr/bin/umount",
    "usr/bin/wall",
    "usr/bin/write",
    "usr/lib/dbus-1.0/dbus-daemon-launch-helper",
    "usr/lib/openssh/ssh-keysign",
    "usr/lib/polkit-1/polkit-agent-helper-1",
    "usr/sbin/mount.cifs",
    "usr/sbin/mount.nfs",
    "usr/sbin/unix_chkpwd",
];

pub(super) const SETUID_KNOWN: Rule = Rule {
    id: "setuid-known",
    severity: Severity::Error,
    claim: "Only programs of packages that are known to need it run with their owner's rights, or \
            with capabilities.",
    reason: "Each is a way from any user to root.",
    source: "Debian policy, section 10.9; the list in crates/check/src/rules/node.rs",
    remedy: "Take the bit away; for one that is needed, add it to the list.",
    run: setuid_known,
};

fn setuid_known(facts: &Facts) -> Verdict {
    let root = facts.root()?;
    let dpkg = facts.dpkg().ok();
    let mut found = Vec::new();
    for (path, _, inode) in root.iter().filter(|(_, _, inode)| inode.content().is_some()) {
        let special = inode.meta.mode & 0o6000 != 0;
        let capable = inode.meta.xattrs.contains_key(&b"security.capability"[..]);
        if !special && !capable {
            continue;
        }
        let known = SETUID.iter().any(|known| known.as_bytes() == path);
        let packaged = dpkg.is_none_or(|dpkg| dpkg.at(path).is_some());
        if !known || !packaged {
            let what = match special {
                true => format!("mode {:04o}", inode.meta.mode),
                false => "capabilities".to_owned(),
            };
            found.push(Finding::at(path, format!("{what}, and it is not on the list")));
        }
    }
    Ok(found)
}

pub(super) const WRITABLE: Rule = Rule {
    id: "nothing-world-writable",
    severity: Severity::Error,
    claim: "Nobody but the owner and the group may write, but in folders where users may delete only \
            their own; the system's files are root's, and devices are in /dev.",
    reason: "Any process of any user can put its own program in place of another.",
    source: "Debian policy, section 10.9",
    remedy: "Set mode and owner in the layer (`[[files]] mode = ...`).",
    run: writable,
};

fn writable(facts: &Facts) -> Verdict {
    let root = facts.root()?;
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, id, inode) in root.iter() {
        let Inode { meta, kind } = inode;
        let device = matches!(kind, Kind::CharDevice(_) | Kind::BlockDevice(_));
        let in_dev = path.starts_with(b"dev/");
        if matches!(kind, Kind::Symlink(_)) || in_dev || !seen.insert(id) {
            continue;
        }
        let sticky = inode.is_directory() && meta.mode & 0o1000 != 0;
        if meta.mode & 0o002 != 0 && !sticky {
            found.push(Finding::at(path, format!("mode {:04o}: anybody may write", meta.mode)));
        }
        if device {
            found.push(Finding::at(path, "a device outside of /dev"));
        }
        if path.starts_with(b"usr/") && meta.uid != 0 {
            found.push(Finding::at(path, format!("it is of the user {}", meta.uid)));
        }
    }
    Ok(found)
}
