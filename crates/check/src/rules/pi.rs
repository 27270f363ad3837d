//! What a Raspberry Pi 5's firmware reads.

use std::io::Read;

use osb_tree::{Inode, Tree};

use crate::facts::{Facts, find, mounted};
use crate::parse::kernel::Form;
use crate::rule::{Finding, Rule, Severity, Skip, Verdict};

/// Device trees of the Pi 5, without one of which the firmware refuses the partition; the second
/// is for boards with the stepping D0.
const DEVICE_TREES: [&str; 2] = ["bcm2712-rpi-5-b.dtb", "bcm2712-d-rpi-5-b.dtb"];
/// What a device tree begins with (Devicetree Specification, section 5.2).
const DEVICE_TREE_MAGIC: [u8; 4] = [0xD0, 0x0D, 0xFE, 0xED];
/// Bytes of a file that firmware before 2025-06-09 cannot read from NVMe.
const NVME_LIMIT: u64 = 32_000_000;
/// Overlays that are looked for: a Pi has fewer pins.
const MOST_OVERLAYS: usize = 256;
/// Most bytes of the map of overlays: the vendor's has 6 KiB.
const MAP_LIMIT: u64 = 1 << 20;
/// Bytes that the firmware reads of a command line.
const LINE_LIMIT: u64 = 1024;

pub(super) const CONFIG: Rule = Rule {
    id: "pi-config-present",
    severity: Severity::Error,
    claim: "config.txt is there, each of its lines is a setting, and what it includes is there.",
    reason: "Without it the firmware takes its own defaults: another kernel, and no initramfs.",
    source: "Raspberry Pi documentation, \"config.txt\"",
    remedy: "Write it as `osb build` does: `name=value` lines, and `initramfs FILE followkernel`.",
    run: config,
};

fn config(facts: &Facts) -> Verdict {
    let by = mounted("config.txt");
    let boot = facts.boot()?;
    let Some(config) = facts.config_txt()? else {
        return Ok(vec![Finding::at(by, "it is not there")]);
    };
    let mut found = Vec::new();
    let of = |file: &str| match find(boot, file) {
        Some(path) => mounted(path),
        None => by.clone(),
    };
    for line in &config.not_included {
        let text = format!("line {}: what it includes is not there: {:?}", line.number, line.text);
        found.push(Finding::at(of(&line.file), text));
    }
    if let Some(prefix) = config.get("os_prefix").filter(|text| !text.is_empty())
        && crate::facts::prefix(boot, &config).is_empty()
    {
        let text = format!(
            "os_prefix={prefix} is passed over: there are not both a kernel and a device tree under it"
        );
        found.push(Finding::at(&by, text));
    }
    for line in &config.lines {
        let mut words = line.text.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        let good = match (first, line.text.split_once('=')) {
            ("initramfs", _) => words.count() == 2,
            ("include", _) => words.count() == 1,
            // It ends what the parameters of an overlay are about.
            (_, Some(("dtoverlay", ""))) => true,
            (_, Some((name, value))) => !name.trim().is_empty() && !value.trim().is_empty(),
            (_, None) => false,
        };
        if !good {
            let text = format!("line {} is no whole setting: {:?}", line.number, line.text);
            found.push(Finding::at(of(&line.file), text));
        }
    }
    Ok(found)
}

pub(super) const OVERLAYS: Rule = Rule {
    id: "pi-overlays-present",
    severity: Severity::Warning,
    claim: "Every overlay that config.txt names is there.",
    reason: "The firmware passes over an overlay that it does not find: a device is missing.",
    source: "Raspberry Pi documentation, `dtoverlay`, `overlay_prefix`",
    remedy: "Copy it from the kernel's package into overlays/, or take the line out.",
    run: overlays,
};

fn overlays(facts: &Facts) -> Verdict {
    let boot = facts.boot()?;
    let config = facts.config_txt()?.unwrap_or_default();
    let folder = config.get("overlay_prefix").unwrap_or("overlays/");
    let prefix = crate::facts::prefix(boot, &config);
    // Those of all systems, unless the prefix has its own.
    let own = find(boot, &format!("{prefix}{folder}README")).is_some();
    let folder = if own { format!("{prefix}{folder}") } else { folder.to_owned() };
    // It tells which overlay another name stands for on a Pi 5.
    let map = find(boot, &format!("{folder}overlay_map.dtb"));
    let map = map.and_then(|path| crate::read::bytes(boot.get(path)?.content()?, MAP_LIMIT).ok());
    let is_there = |name: &str| {
        [format!("{name}.dtbo"), format!("{name}-pi5.dtbo"), format!("{name}-overlay.dtb")]
            .iter()
            .any(|file| find(boot, &format!("{folder}{file}")).is_some())
            // Names of nodes end with a zero byte, and follow a number of four (device tree
            // specification, section 5.4).
            || map.iter().any(|map| {
                let node = [b"\x01", name.as_bytes(), b"\0"].concat();
                map.windows(node.len()).any(|part| part == node)
            })
    };
    let mut found = Vec::new();
    for (line, value) in config.all("dtoverlay").take(MOST_OVERLAYS) {
        let name = value.split([',', ':']).next().unwrap_or_default().trim();
        if !name.is_empty() && !is_there(name) {
            let path = find(boot, &line.file).unwrap_or_else(|| b"config.txt".to_vec());
            let text = format!("line {}: there is no {folder}{name}.dtbo", line.number);
            found.push(Finding::at(mounted(path), text));
        }
    }
    Ok(found)
}

pub(super) const KERNEL: Rule = Rule {
    id: "pi-kernel-present",
    severity: Severity::Error,
    claim: "The kernel that config.txt names is there, and is an arm64 image, plain or gzip.",
    reason: "The firmware starts nothing else.",
    source: "Raspberry Pi documentation, `kernel`; Linux, Documentation/arch/arm64/booting.rst",
    remedy: "Build the image anew, or correct `kernel=`.",
    run: kernel,
};

fn kernel(facts: &Facts) -> Verdict {
    let (boot, start) = (facts.boot()?, facts.pi()?);
    let Some(kernel) = &start.kernel else { return Ok(Vec::new()) };
    let Some(content) = kernel.content(boot) else { return Ok(vec![kernel.missing("the kernel")]) };
    let found = facts.kernel(content);
    Ok(match found.form {
        Form::Arm64Image => Vec::new(),
        _ => vec![Finding::at(mounted(&kernel.name), "it is no arm64 kernel image")],
    })
}

pub(super) const DEVICE_TREE: Rule = Rule {
    id: "pi-device-trees-present",
    severity: Severity::Error,
    claim: "The device trees of the Pi 5 are there, for both steppings of its chip.",
    reason: "The firmware refuses a partition without the board's own (`os_check`).",
    source: "Raspberry Pi documentation, `os_check`; rpi-eeprom release notes",
    remedy: "Copy them from the kernel's package (usr/lib/modules/VERSION/dtb/broadcom).",
    run: device_tree,
};

fn device_tree(facts: &Facts) -> Verdict {
    let boot = facts.boot()?;
    let config = facts.config_txt()?.unwrap_or_default();
    let prefix = crate::facts::prefix(boot, &config);
    let named = config.get("device_tree");
    let mut found = Vec::new();
    let names = named.map_or(DEVICE_TREES.to_vec(), |name| vec![name]);
    for name in names {
        let path = format!("{prefix}{name}");
        let Some(inode) = find(boot, &path).and_then(|path| boot.get(path)) else {
            found.push(Finding::at(mounted(&path), "it is not there"));
            continue;
        };
        let mut magic = [0; 4];
        let content = inode.content().and_then(|content| content.open().ok());
        let read = content.is_some_and(|mut reader| reader.read_exact(&mut magic).is_ok());
        if !read || magic != DEVICE_TREE_MAGIC {
            found.push(Finding::at(mounted(&path), "it is no device tree"));
        }
    }
    Ok(found)
}

pub(super) const DEVICE_TREES_CURRENT: Rule = Rule {
    id: "pi-device-trees-current",
    severity: Severity::Warning,
    claim: "The device trees on the boot partition are those of the kernel there.",
    reason: "A kernel with the device tree of another one misses devices.",
    source: "Linux, Documentation/devicetree/bindings: a tree may be newer, not older",
    remedy: "Build the image anew, or copy them from the kernel's package.",
    run: device_trees_current,
};

fn device_trees_current(facts: &Facts) -> Verdict {
    let (boot, root, start) = (facts.boot()?, facts.root()?, facts.pi()?);
    let content = start.kernel.as_ref().and_then(|kernel| kernel.content(boot));
    let Some(version) = content.and_then(|content| facts.kernel(content).version.clone()) else {
        return Skip::because("the kernel on the boot partition does not tell its version");
    };
    let own = own_trees(root, &version);
    if own.is_empty() {
        return Skip::because(format!("the root has no device trees for the kernel {version}"));
    }
    let config = facts.config_txt()?.unwrap_or_default();
    let prefix = crate::facts::prefix(boot, &config);
    let mut found = Vec::new();
    for (name, inode) in own {
        let path = [prefix.as_bytes(), &name[..]].concat();
        let there = boot.get(&path).and_then(Inode::content);
        let same = match (there, inode.content()) {
            (Some(a), Some(b)) => a.size() == b.size() && facts.md5(a).ok() == facts.md5(b).ok(),
            _ => false,
        };
        if !same {
            let text = match there {
                Some(_) => format!("it is not that of the kernel {version}"),
                None => format!("it is not there, and the kernel {version} has one"),
            };
            found.push(Finding::at(mounted(&path), text));
        }
    }
    Ok(found)
}

/// The device trees for the chip that a kernel's package brings.
fn own_trees<'a>(root: &'a Tree, version: &str) -> Vec<(Vec<u8>, &'a Inode)> {
    let folders = [
        format!("usr/lib/modules/{version}/dtb/broadcom"),
        format!("usr/lib/linux-image-{version}/broadcom"),
    ];
    let found = folders.iter().map(|folder| {
        let children = root.children(folder.as_bytes());
        let trees =
            children.filter(|(name, _)| name.starts_with(b"bcm2712") && name.ends_with(b".dtb"));
        trees.map(|(name, id)| (name.to_vec(), root.inode(id))).collect::<Vec<_>>()
    });
    found.into_iter().find(|trees| !trees.is_empty()).unwrap_or_default()
}

pub(super) const COMMAND_LINE: Rule = Rule {
    id: "pi-command-line-present",
    severity: Severity::Error,
    claim: "cmdline.txt is there, is one line, and no longer than the firmware reads.",
    reason: "The firmware passes the first line on, and cuts it.",
    source: "Raspberry Pi documentation, \"Kernel command line (cmdline.txt)\"",
    remedy: "Write all arguments in one line of at most 1024 bytes.",
    run: command_line,
};

fn command_line(facts: &Facts) -> Verdict {
    let (boot, start) = (facts.boot()?, facts.pi()?);
    let path = &start.line_by[crate::subject::FIRMWARE.len() + 1..];
    let name = String::from_utf8_lossy(path).into_owned();
    let Some(content) = find(boot, &name).and_then(|path| boot.get(path)?.content()) else {
        return Ok(vec![Finding::at(&start.line_by, "it is not there")]);
    };
    if content.size() > LINE_LIMIT {
        let text = format!("{} bytes; the firmware reads {LINE_LIMIT}", content.size());
        return Ok(vec![Finding::at(&start.line_by, text)]);
    }
    let text = facts.files.of_boot(boot, &name).unwrap_or_default();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let mut found = Vec::new();
    if first.trim().is_empty() {
        found.push(Finding::at(&start.line_by, "its first line is empty"));
    }
    if lines.any(|line| !line.trim().is_empty()) {
        found.push(Finding::at(&start.line_by, "it has more than one line"));
    }
    Ok(found)
}

pub(super) const SIZES: Rule = Rule {
    id: "pi-file-sizes",
    severity: Severity::Warning,
    claim: "What the firmware loads is smaller than 32 MB.",
    reason: "EEPROMs before 2025-06-09 fail to read larger files from NVMe; by TFTP, those before \
             2025-09-23 stop near 96 MB.",
    source: "rpi-eeprom release notes",
    remedy: "Pack the kernel with gzip; leave drivers out of the initramfs.",
    run: sizes,
};

fn sizes(facts: &Facts) -> Verdict {
    let (boot, start) = (facts.boot()?, facts.pi()?);
    let mut found = Vec::new();
    for named in start.kernel.iter().chain(&start.initramfs) {
        let size = named.content(boot).map_or(0, osb_tree::Content::size);
        if size >= NVME_LIMIT {
            let text = format!("{size} bytes; old firmware reads {NVME_LIMIT} from NVMe");
            found.push(Finding::at(mounted(&named.name), text));
        }
    }
    Ok(found)
}
