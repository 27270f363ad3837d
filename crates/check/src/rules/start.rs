//! Kernel and initramfs, whoever starts them.

use std::collections::BTreeSet;

use osb_tree::{Content, Tree};

use crate::facts::{Facts, Named, Start, find, is_vendors, mounted};
use crate::parse::command_line::value;
use crate::read;
use crate::rule::{Finding, Rule, Severity, Skip, Verdict};

/// Modules without which no root is found, on any machine that the image may meet: NVMe, and the
/// disks of virtual machines.
const DISKS: [&str; 3] = ["nvme", "virtio_blk", "virtio_pci"];
/// The same for a Raspberry Pi 5: its card slot, the interrupt controller behind which PCIe and so
/// NVMe is, and USB disks behind the RP1.
const DISKS_OF_A_PI: [&str; 12] = [
    "pcie_brcmstb",
    "irq_bcm2712_mip",
    "sdhci_brcmstb",
    "mmc_block",
    "clk_rp1",
    "pinctrl_rp1",
    "rp1_pci",
    "xhci_plat_hcd",
    "usb_storage",
    "uas",
    "sd_mod",
    "pinctrl_brcmstb_bcm2712",
];
/// Modules for a root on the network, and the card of a Raspberry Pi 5.
const NETWORK: [&str; 2] = ["nfs", "nfsv3"];
const NETWORK_OF_A_PI: &str = "macb";

/// The kernels that are started, each once.
fn kernels<'a>(facts: &'a Facts) -> Result<Vec<(&'a Named, &'a Content)>, Skip> {
    let boot = facts.boot()?;
    Ok(distinct(boot, facts.starts()?.iter().filter_map(|start| start.kernel.as_ref())))
}

fn distinct<'a>(
    boot: &'a Tree,
    named: impl Iterator<Item = &'a Named>,
) -> Vec<(&'a Named, &'a Content)> {
    let mut seen = BTreeSet::new();
    let there = named.filter_map(|named| Some((named, named.content(boot)?)));
    there.filter(|(named, _)| seen.insert(named.path.clone())).collect()
}

pub(super) const KERNEL_WHOLE: Rule = Rule {
    id: "boot-kernel-whole",
    severity: Severity::Error,
    claim: "Every kernel that is started can be read to its end, and tells its version.",
    reason: "A kernel that is cut off crashes, mostly without a word.",
    source: "RFC 1952; Microsoft, \"PE Format\"; Linux, init/version.c",
    remedy: "Build the image anew.",
    run: kernel_whole,
};

fn kernel_whole(facts: &Facts) -> Verdict {
    let mut found = Vec::new();
    for (named, content) in kernels(facts)? {
        let kernel = facts.kernel(content);
        if let Some(damage) = &kernel.damage {
            found.push(Finding::at(mounted(&named.name), damage));
        } else if kernel.version.is_none() {
            found.push(Finding::at(mounted(&named.name), "it tells no version: is it a kernel?"));
        }
    }
    Ok(found)
}

pub(super) const KERNEL_MODULES: Rule = Rule {
    id: "boot-kernel-has-modules",
    severity: Severity::Error,
    claim: "The root has modules for exactly the kernel that is started.",
    reason: "A kernel loads modules of its own version only: without them there is no network.",
    source: "modprobe(8): /lib/modules/`uname -r`",
    remedy: "Build the image anew; on a node, keep boot partition and packages together.",
    run: kernel_modules,
};

fn kernel_modules(facts: &Facts) -> Verdict {
    let modules = facts.modules()?;
    let mut found = Vec::new();
    for (named, content) in kernels(facts)? {
        if let Some(version) = &facts.kernel(content).version
            && !modules.contains_key(version)
        {
            let there: Vec<&str> = modules.keys().map(String::as_str).collect();
            found.push(Finding::at(
                mounted(&named.name),
                format!("it is {version}, and the root has modules for {}", there.join(", ")),
            ));
        }
    }
    Ok(found)
}

pub(super) const KERNEL_CURRENT: Rule = Rule {
    id: "boot-kernel-current",
    severity: Severity::Error,
    claim: "Every kernel that is started is, unpacked, the one of the root's packages.",
    reason: "Two builds of one version may differ: modules are refused, or worse.",
    source: "Linux, CONFIG_MODVERSIONS",
    remedy: "Build the image anew; on a node, copy the kernel to the boot partition again.",
    run: kernel_current,
};

fn kernel_current(facts: &Facts) -> Verdict {
    let root = facts.root()?;
    let (mut found, mut compared) = (Vec::new(), 0);
    for (named, content) in kernels(facts)? {
        let kernel = facts.kernel(content);
        let Some(version) = kernel.version.as_deref() else { continue };
        let paths =
            [format!("usr/lib/modules/{version}/vmlinuz"), format!("boot/vmlinuz-{version}")];
        let own = paths.iter().find_map(|path| read::content(root, path));
        // What Raspberry Pi's packages bring is in place already.
        let Some(own) = own else { continue };
        compared += 1;
        let own = facts.kernel(own);
        if (own.size, own.md5) != (kernel.size, kernel.md5) {
            let text = format!("it is not the kernel {version} of the root");
            found.push(Finding::at(mounted(&named.name), text));
        }
    }
    match compared {
        0 => Skip::because("the root has no copy of the kernel that is started"),
        _ => Ok(found),
    }
}

pub(super) const INITRAMFS: Rule = Rule {
    id: "boot-initramfs-present",
    severity: Severity::Error,
    claim: "Whatever starts names an initramfs that is there and whole, if the kernel needs one.",
    reason: "A kernel that has its root's file system as a module only stops with \"unable to mount \
             root fs\".",
    source: "Linux, Documentation/admin-guide/initrd.rst; buffer-format.rst",
    remedy: "Name it (`initramfs FILE followkernel`; `initrd /FILE`), or build the image anew.",
    run: initramfs,
};

fn initramfs(facts: &Facts) -> Verdict {
    let boot = facts.boot()?;
    let mut found = Vec::new();
    for start in facts.starts()? {
        if start.initramfs.is_empty() && needs_initramfs(facts, start) {
            found.push(Finding::at(&start.by, "it names no initramfs"));
        }
        // One of several may be for the processor alone (microcode).
        let (mut whole, mut has_init) = (true, false);
        for named in &start.initramfs {
            let Some(content) = named.content(boot) else {
                found.push(named.missing("the initramfs"));
                whole = false;
                continue;
            };
            let initramfs = facts.initramfs(content);
            has_init |= initramfs.has_init;
            if let Some(damage) = &initramfs.damage {
                found.push(Finding::at(mounted(&named.name), damage));
                whole = false;
            }
        }
        if let Some(last) = start.initramfs.last().filter(|_| whole && !has_init) {
            found.push(Finding::at(mounted(&last.name), "it has no /init"));
        }
    }
    found.dedup();
    Ok(found)
}

/// Whether the kernel lacks what it needs to mount the root. If it does not tell, it does not.
fn needs_initramfs(facts: &Facts, start: &Start) -> bool {
    let Ok(modules) = facts.modules() else { return true };
    let known = facts.version(start).and_then(|version| modules.get(&version));
    known.is_none_or(|modules| !modules.built_in.contains(&root_type(start)))
}

/// The module of the root's file system.
fn root_type(start: &Start) -> String {
    let line = start.line.as_deref().unwrap_or_default();
    value(line, "rootfstype").unwrap_or("ext4").to_owned()
}

pub(super) const INITRAMFS_CURRENT: Rule = Rule {
    id: "boot-initramfs-current",
    severity: Severity::Error,
    claim: "The initramfs is for the kernel that it is started with, and is the root's own.",
    reason: "Its modules are refused by any other kernel: no disk is found.",
    source: "initramfs-tools(7)",
    remedy: "Build the image anew; on a node, copy /boot/initrd.img-VERSION again.",
    run: initramfs_current,
};

fn initramfs_current(facts: &Facts) -> Verdict {
    let boot = facts.boot()?;
    let mut found = Vec::new();
    for start in facts.starts()? {
        let Some(version) = facts.version(start) else { continue };
        let there: Vec<(&Named, &Content)> = start
            .initramfs
            .iter()
            .filter_map(|named| Some((named, named.content(boot)?)))
            .collect();
        let Some((last, _)) = there.last() else { continue };
        let read: Vec<_> = there.iter().map(|(_, content)| facts.initramfs(content)).collect();
        let kernels: BTreeSet<&str> = read.iter().flat_map(|each| each.kernels()).collect();
        if !kernels.is_empty() && !kernels.contains(version.as_str()) {
            let others: Vec<&str> = kernels.into_iter().collect();
            let text = format!("it is for {}, and the kernel is {version}", others.join(", "));
            found.push(Finding::at(mounted(&last.name), text));
            continue;
        }
        let own = facts
            .root()
            .ok()
            .and_then(|root| read::content(root, format!("boot/initrd.img-{version}")));
        let same = |own: &Content| {
            there.iter().any(|(_, content)| {
                own.size() == content.size() && facts.md5(own) == facts.md5(content)
            })
        };
        if own.is_some_and(|own| !same(own)) {
            let text = format!("it is not /boot/initrd.img-{version} of the root");
            found.push(Finding::at(mounted(&last.name), text));
        }
    }
    found.dedup();
    Ok(found)
}

pub(super) const INITRAMFS_DISKS: Rule = Rule {
    id: "boot-initramfs-finds-disks",
    severity: Severity::Error,
    claim: "The initramfs or the kernel itself has drivers for the disks and the file system that \
            the root may be on: NVMe, virtio, ext4, and a Pi's card slot, PCIe and USB.",
    reason: "The root is not found, and the machine waits in the initramfs.",
    source: "Linux, drivers and arch/arm64/boot/dts/broadcom/bcm2712.dtsi",
    remedy: "Name the modules in the initramfs' hook, and build the image anew.",
    run: initramfs_disks,
};

fn initramfs_disks(facts: &Facts) -> Verdict {
    lacking(facts, |start| {
        let pi: &[&str] = if start.pi { &DISKS_OF_A_PI } else { &[] };
        let names = DISKS.iter().chain(pi).map(|name| (*name).to_owned());
        names.chain([root_type(start)]).collect()
    })
}

pub(super) const INITRAMFS_NETWORK: Rule = Rule {
    id: "boot-initramfs-finds-network-root",
    severity: Severity::Warning,
    claim: "The initramfs can mount a root by NFS.",
    reason: "The same files cannot be started from a network.",
    source: "initramfs-tools(7), `boot=nfs`",
    remedy: "Name nfs, nfsv3 and the network card's driver in the initramfs' hook.",
    run: initramfs_network,
};

fn initramfs_network(facts: &Facts) -> Verdict {
    lacking(facts, |start| {
        let pi = start.pi.then_some(NETWORK_OF_A_PI);
        NETWORK.iter().copied().chain(pi).map(str::to_owned).collect()
    })
}

/// Modules that neither the initramfs nor the kernel of a start has, with all that they need. Of a
/// vendor's kernel, whose drivers are built in and have other names, only those count that it has as
/// modules.
fn lacking(facts: &Facts, wanted: impl Fn(&Start) -> Vec<String>) -> Verdict {
    let (boot, modules) = (facts.boot()?, facts.modules()?);
    let (mut found, mut looked) = (Vec::new(), false);
    for start in facts.starts()? {
        let Some((version, modules)) =
            facts.version(start).and_then(|version| modules.get_key_value(&version))
        else {
            continue;
        };
        let contents = start.initramfs.iter().filter_map(|named| named.content(boot));
        let initramfs: Vec<_> = contents.map(|content| facts.initramfs(content)).collect();
        let Some(named) = start.initramfs.last().filter(|_| !initramfs.is_empty()) else {
            continue;
        };
        looked = true;
        let wanted = wanted(start).into_iter();
        let wanted = wanted.filter(|name| !is_vendors(version) || modules.has(name));
        let needed: BTreeSet<String> = wanted.flat_map(|name| modules.closure(&name)).collect();
        let has = |name: &str| initramfs.iter().any(|each| each.has_module(version, name));
        for name in needed.iter().filter(|name| !has(name)) {
            let text = match modules.has(name) {
                true => format!("the module {name} is not in it"),
                false => format!("the kernel {version} has no module {name}"),
            };
            found.push(Finding::at(mounted(&named.name), text));
        }
    }
    found.sort_by(|a, b| a.text.cmp(&b.text));
    found.dedup();
    match looked {
        true => Ok(found),
        false => Skip::because("nothing is started with an initramfs and a kernel that is known"),
    }
}

pub(super) const CASE: Rule = Rule {
    id: "boot-names-case",
    severity: Severity::Warning,
    claim: "Files are named as they are written, upper and lower case too.",
    reason: "FAT does not mind; a TFTP or HTTP server that serves the same files does.",
    source: "Raspberry Pi documentation, \"Network booting\"",
    remedy: "Write names in config.txt and in loader entries as the files are called.",
    run: case,
};

fn case(facts: &Facts) -> Verdict {
    let boot = facts.boot()?;
    let mut found = Vec::new();
    for start in facts.starts()? {
        for named in start.kernel.iter().chain(&start.initramfs) {
            if let Some(path) = &named.path
                && path != named.name.as_bytes()
            {
                let text =
                    format!("it names {}, and the file is {}", named.name, path.escape_ascii());
                found.push(Finding::at(&named.by, text));
            }
        }
    }
    for name in ["config.txt", "cmdline.txt"] {
        if let Some(path) = find(boot, name).filter(|path| path != name.as_bytes()) {
            found.push(Finding::at(mounted(path), format!("the firmware asks for {name}")));
        }
    }
    Ok(found)
}
