//! What the root's kernels have.

use osb_tree::Tree;

use crate::facts::{Facts, is_vendors};
use crate::parse::command_line::value;
use crate::rule::{Finding, Rule, Severity, Skip, Verdict};

/// Indices that modprobe reads, made by depmod.
const INDICES: [&str; 4] =
    ["modules.dep.bin", "modules.alias.bin", "modules.symbols.bin", "modules.builtin.bin"];
/// What containers need.
const CONTAINERS: [&str; 4] = ["overlay", "br_netfilter", "nf_conntrack", "veth"];
/// Where modules to load are named, the first that has a file of a name counts (modules-load.d(5)).
const LOADED_IN: [&str; 4] = [
    "etc/modules-load.d",
    "run/modules-load.d",
    "usr/local/lib/modules-load.d",
    "usr/lib/modules-load.d",
];
/// What a Raspberry Pi 5 needs: PCIe, RP1 with clocks and pins, network, card slot, NVMe.
const PI: [&str; 8] = [
    "pcie_brcmstb",
    "irq_bcm2712_mip",
    "rp1_pci",
    "clk_rp1",
    "pinctrl_rp1",
    "macb",
    "sdhci_brcmstb",
    "nvme",
];

pub(super) const INDEX: Rule = Rule {
    id: "kernel-modules-indexed",
    severity: Severity::Error,
    claim: "Every kernel's modules are indexed, and every file in the index is there.",
    reason: "modprobe finds modules by these indices only.",
    source: "depmod(8), modules.dep(5)",
    remedy: "Run `depmod VERSION` in the root, or build the image anew.",
    run: index,
};

fn index(facts: &Facts) -> Verdict {
    let (root, kernels) = (facts.root()?, facts.modules()?);
    let mut found = Vec::new();
    for (version, modules) in kernels {
        let folder = folder(root, version);
        if !modules.has_index {
            found.push(Finding::at(format!("{folder}/modules.dep"), "it is not there"));
            continue;
        }
        for name in INDICES {
            let path = format!("{folder}/{name}");
            if root
                .get(&path)
                .and_then(osb_tree::Inode::content)
                .is_none_or(|file| file.size() == 0)
            {
                found.push(Finding::at(path, "it is not there, or empty"));
            }
        }
        let mut files: Vec<&String> = modules.files.values().map(|(file, _)| file).collect();
        files.sort();
        for file in files {
            let path = format!("{folder}/{file}");
            if root.get(&path).is_none() {
                found.push(Finding::at(path, "it is in the index, and not there"));
            }
        }
    }
    Ok(found)
}

fn folder(root: &Tree, version: &str) -> String {
    let folder = root.resolve("lib/modules").unwrap_or_else(|_| b"usr/lib/modules".to_vec());
    format!("{}/{version}", String::from_utf8_lossy(&folder))
}

pub(super) const CONTAINER_MODULES: Rule = Rule {
    id: "kernel-has-container-modules",
    severity: Severity::Error,
    claim: "The kernel has overlay, br_netfilter, nf_conntrack and veth, and the first two are loaded \
            at every start.",
    reason: "containerd cannot lay images over each other, and services have no addresses.",
    source: "Kubernetes documentation, \"Container Runtimes\"; modules-load.d(5)",
    remedy: "Take a kernel that has them; name them in /etc/modules-load.d.",
    run: container_modules,
};

fn container_modules(facts: &Facts) -> Verdict {
    let root = facts.kubernetes()?;
    let mut found = wanted(facts, &CONTAINERS, |_| true)?;
    if facts.distribution().is_some() {
        // k3s loads them itself.
        return Ok(found);
    }
    let texts = facts.files.merged(root, &LOADED_IN, ".conf").into_iter();
    let loaded: Vec<String> = texts
        .flat_map(|(_, text)| {
            text.lines().map(|line| line.trim().replace('-', "_")).collect::<Vec<_>>()
        })
        .collect();
    for name in &CONTAINERS[..2] {
        let built_in = facts.modules()?.values().all(|modules| modules.built_in.contains(*name));
        if !built_in && !loaded.iter().any(|line| line == name) {
            found.push(Finding::at("etc/modules-load.d", format!("nothing loads {name}")));
        }
    }
    Ok(found)
}

pub(super) const PI_MODULES: Rule = Rule {
    id: "kernel-has-pi-modules",
    severity: Severity::Error,
    claim: "The kernel has a Pi 5's drivers: PCIe, RP1, Ethernet, card slot, NVMe.",
    reason: "trixie's own 6.12 has no driver for the RP1: no network, no USB, no disks.",
    source: "Linux, drivers/misc/rp1; Debian's linux-image packages",
    remedy: "Take the kernel from trixie-backports, or the vendor's.",
    run: pi_modules,
};

fn pi_modules(facts: &Facts) -> Verdict {
    let version = facts.version(facts.pi()?);
    match version {
        // The vendor's kernel has other drivers, all of them built in.
        Some(version) if is_vendors(&version) => Skip::because("it is the vendor's kernel"),
        Some(version) => wanted(facts, &PI, |there| there == version),
        None => wanted(facts, &PI, |there| !is_vendors(there)),
    }
}

/// Modules that the kernels of these versions do not have, or whose file is missing.
fn wanted(facts: &Facts, names: &[&str], which: impl Fn(&str) -> bool) -> Verdict {
    let (root, kernels) = (facts.root()?, facts.modules()?);
    let mut found = Vec::new();
    for (version, modules) in kernels.iter().filter(|(version, _)| which(version)) {
        let folder = folder(root, version);
        for name in names {
            if !modules.has(name) {
                found.push(Finding::at(&folder, format!("the kernel {version} has no {name}")));
            } else if let Some((file, _)) = modules.files.get(*name)
                && root.get(format!("{folder}/{file}")).is_none()
            {
                found.push(Finding::at(format!("{folder}/{file}"), "it is not there"));
            }
        }
    }
    Ok(found)
}

pub(super) const PAGES: Rule = Rule {
    id: "kernel-page-size",
    severity: Severity::Warning,
    claim: "The kernel that starts has pages of 4 KiB.",
    reason: "Programs with jemalloc or tcmalloc, such as redis and mongo, crash on pages of 16 KiB.",
    source: "raspberrypi/bookworm-feedback#107; jemalloc, `--with-lg-page`",
    remedy: "`kernel=kernel8.img` in config.txt.",
    run: pages,
};

fn pages(facts: &Facts) -> Verdict {
    let boot = facts.boot()?;
    let (mut found, mut told) = (Vec::new(), false);
    for start in facts.starts()? {
        let Some(kernel) = &start.kernel else { continue };
        let Some(content) = kernel.content(boot) else { continue };
        let Some(size) = facts.kernel(content).page_size else { continue };
        told = true;
        if size != 4096 {
            let text = format!("{} has pages of {} KiB", kernel.name, size >> 10);
            found.push(Finding::at(&start.by, text));
        }
    }
    match told {
        true => Ok(found),
        false => Skip::because("no kernel for arm64 is started"),
    }
}

pub(super) const CGROUPS: Rule = Rule {
    id: "kernel-memory-cgroup",
    severity: Severity::Error,
    claim: "Cgroups of version 2 count memory.",
    reason: "kubelet does not start without the memory controller, nor with version 1.",
    source: "Kubernetes documentation, \"About cgroup v2\"; Raspberry Pi's bcm2712 device tree",
    remedy: "cgroup_enable=memory for the vendor's kernel; no systemd.unified_cgroup_hierarchy=0.",
    run: cgroups,
};

fn cgroups(facts: &Facts) -> Verdict {
    let (root, kernels) = (facts.kubernetes()?, facts.modules()?);
    let mut found = Vec::new();
    for start in facts.starts()? {
        let Some(line) = &start.line else { continue };
        if line.iter().any(|argument| argument == "cgroup_disable=memory") {
            found.push(Finding::at(&start.line_by, "it turns the memory controller off"));
        }
        if value(line, "systemd.unified_cgroup_hierarchy")
            .is_some_and(|v| matches!(v, "0" | "no" | "false"))
        {
            found.push(Finding::at(&start.line_by, "it asks for version 1"));
        }
        let enabled = line.iter().any(|argument| argument == "cgroup_enable=memory");
        let vendors = facts.version(start).is_some_and(|version| is_vendors(&version));
        if start.pi && vendors && !enabled {
            found.push(Finding::at(&start.line_by, "it lacks cgroup_enable=memory"));
        }
    }
    for version in kernels.keys() {
        let paths = [format!("boot/config-{version}"), format!("{}/config", folder(root, version))];
        let config = paths.iter().find_map(|path| Some((path, facts.files.text(root, path)?)));
        let Some((path, config)) = config else { continue };
        for option in ["CONFIG_MEMCG=y", "CONFIG_CGROUPS=y"] {
            if !config.lines().any(|line| line == option) {
                found.push(Finding::at(path, format!("it has no {option}")));
            }
        }
    }
    Ok(found)
}

pub(super) const HELD: Rule = Rule {
    id: "kernel-held",
    severity: Severity::Warning,
    claim: "The kernel's packages are held, or something copies new kernels to the boot partition.",
    reason: "After an upgrade the boot partition starts the old kernel, whose modules are gone.",
    source: "apt-mark(8); kernel-install(8)",
    remedy: "`hold` in the layer that brings the kernel.",
    run: held,
};

fn held(facts: &Facts) -> Verdict {
    facts.boot()?;
    let (packages, dpkg) = (facts.packages()?, facts.dpkg()?);
    let copies = ["raspi-firmware", "systemd-boot", "flash-kernel"];
    if let Some(name) = copies.iter().find(|name| packages.contains_key(**name)) {
        return Skip::because(format!("{name} copies new kernels"));
    }
    if facts.starts().is_err() {
        return Skip::because("kernels are not started from the boot partition");
    }
    let names = packages.keys().filter(|name| {
        ["linux-image-", "linux-binary-", "linux-modules-", "linux-base-"]
            .iter()
            .any(|begin| name.starts_with(begin))
    });
    let loose = names.filter(|name| !dpkg.held.contains(*name));
    Ok(loose
        .map(|name| Finding::at("var/lib/dpkg/status", format!("{name} is not held")))
        .collect())
}
