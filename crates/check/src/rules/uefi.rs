//! What UEFI firmware and systemd-boot read.

use std::io::Read;

use glob_match::glob_match;

use crate::facts::{Facts, find, mounted};
use crate::parse::kernel::pe;
use crate::parse::loader::Lines;
use crate::rule::{Finding, Rule, Severity, Skip, Verdict};

/// By Debian's name of the architecture: the file that firmware starts, and the processor in it.
const FALLBACK: [(&str, &str, u16); 2] =
    [("arm64", "EFI/BOOT/BOOTAA64.EFI", 0xAA64), ("amd64", "EFI/BOOT/BOOTX64.EFI", 0x8664)];

pub(super) const LOADER: Rule = Rule {
    id: "uefi-loader-present",
    severity: Severity::Error,
    claim: "The program that UEFI starts from a removable disk is there, for this processor.",
    reason: "Firmware that was told nothing about this disk starts that file or none.",
    source: "UEFI specification 2.10, section 3.5.1.1",
    remedy: "Install `systemd-boot-efi` in a layer and build anew.",
    run: loader,
};

fn loader(facts: &Facts) -> Verdict {
    let boot = facts.boot()?;
    if find(boot, "EFI").is_none() && find(boot, "loader").is_none() {
        return Skip::because("it is not for UEFI");
    }
    let wanted = match facts.architecture() {
        Some(architecture) => FALLBACK.iter().find(|(name, ..)| *name == architecture),
        // Without packages to ask, one that is there.
        None => FALLBACK.iter().find(|(_, path, _)| find(boot, path).is_some()),
    };
    let Some((architecture, path, machine)) = wanted else {
        return Skip::because("no loader is known for the architecture");
    };
    let content = find(boot, path).and_then(|path| boot.get(path)?.content());
    let Some(content) = content else {
        return Ok(vec![Finding::at(mounted(path), "it is not there")]);
    };
    let mut head = Vec::new();
    let read = content.open().and_then(|reader| reader.take(64 << 10).read_to_end(&mut head));
    Ok(match (read, pe(&head)) {
        (Ok(_), Some(pe)) if pe.machine == *machine && pe.end <= content.size() => Vec::new(),
        (Ok(_), Some(pe)) if pe.machine == *machine => {
            vec![Finding::at(mounted(path), "it is cut off")]
        }
        _ => vec![Finding::at(mounted(path), format!("it is no UEFI program for {architecture}"))],
    })
}

pub(super) const ENTRY: Rule = Rule {
    id: "uefi-entry-present",
    severity: Severity::Error,
    claim: "systemd-boot has an entry, and every entry names a kernel that is there and UEFI can \
            start.",
    reason: "systemd-boot starts what its entries name.",
    source: "UAPI group, Boot Loader Specification; systemd-boot(7)",
    remedy: "Build the image anew, or correct loader/entries/*.conf.",
    run: entry,
};

fn entry(facts: &Facts) -> Verdict {
    let (boot, entries) = (facts.boot()?, facts.loader_entries()?);
    // Unified kernel images need no entry.
    let others = facts.starts().is_ok_and(|starts| starts.iter().any(|start| !start.pi));
    if entries.is_empty() && !others {
        return Ok(vec![Finding::at(mounted("loader/entries"), "there is no entry")]);
    }
    let mut found = Vec::new();
    for (path, lines) in &entries {
        let by = mounted(path);
        for key in lines.keys().filter(|key| !KEYS.contains(key)) {
            found.push(Finding::at(&by, format!("{key:?} is no key of an entry")));
        }
        for key in lines.keys().filter(|key| lines.all(key).any(str::is_empty)) {
            found.push(Finding::at(&by, format!("{key} has no value")));
        }
        if lines.get("efi").is_none() && lines.get("uki").is_none() && lines.get("linux").is_none()
        {
            found.push(Finding::at(&by, "it names no kernel"));
        }
    }
    for start in facts.starts()?.iter().filter(|start| !start.pi) {
        let Some(kernel) = &start.kernel else { continue };
        match kernel.content(boot).map(|content| facts.kernel(content)) {
            None => found.push(kernel.missing("the kernel")),
            Some(kernel_file) if kernel_file.pe.is_none() => found
                .push(Finding::at(mounted(&kernel.name), "UEFI cannot start it: it is no PE file")),
            Some(_) => {}
        }
    }
    Ok(found)
}

/// Keys of an entry (UAPI group, Boot Loader Specification, type 1).
const KEYS: [&str; 16] = [
    "architecture",
    "devicetree",
    "devicetree-overlay",
    "efi",
    "grub_hotkey",
    "initrd",
    "linux",
    "machine-id",
    "options",
    "sort-key",
    "title",
    "uki",
    "version",
    "extra",
    "profile",
    "uki-url",
];

pub(super) const VERSION: Rule = Rule {
    id: "uefi-entry-version",
    severity: Severity::Warning,
    claim: "An entry tells the version of the kernel that it starts.",
    reason: "With several entries systemd-boot starts the newest version.",
    source: "UAPI group, Boot Loader Specification, \"Sorting\"",
    remedy: "Write the kernel's version (`uname -r`) into `version`.",
    run: version,
};

fn version(facts: &Facts) -> Verdict {
    let (boot, entries) = (facts.boot()?, facts.loader_entries()?);
    let mut found = Vec::new();
    for (path, lines) in &entries {
        let by = mounted(path);
        let start = facts.starts()?.iter().find(|start| start.by == by);
        let kernel = start.and_then(|start| start.kernel.as_ref()?.content(boot));
        let Some(real) = kernel.and_then(|content| facts.kernel(content).version.clone()) else {
            continue;
        };
        match lines.get("version") {
            Some(told) if told == real => {}
            Some(told) => {
                found.push(Finding::at(by, format!("it says {told}, and the kernel is {real}")));
            }
            None => found.push(Finding::at(by, format!("it does not tell the version ({real})"))),
        }
    }
    Ok(found)
}

pub(super) const SETTINGS: Rule = Rule {
    id: "uefi-loader-settings",
    severity: Severity::Warning,
    claim: "loader.conf names an entry that is there, and forbids to edit command lines.",
    reason: "Whoever is at the console gets a root shell by editing the command line, and a default \
             that matches nothing starts whatever sorts first.",
    source: "loader.conf(5)",
    remedy: "Write `default NAME.conf` and `editor no` into loader/loader.conf.",
    run: settings,
};

fn settings(facts: &Facts) -> Verdict {
    let (boot, entries) = (facts.boot()?, facts.loader_entries()?);
    let by = mounted("loader/loader.conf");
    let Some(text) = facts.files.of_boot(boot, "loader/loader.conf") else {
        return Ok(vec![Finding::at(by, "it is not there")]);
    };
    let lines = Lines::parse(&text);
    let mut found = Vec::new();
    let ukis = facts.starts()?.iter().filter_map(|start| start.kernel.as_ref());
    let ukis = ukis.filter(|kernel| kernel.is_part()).map(|kernel| kernel.name.as_str());
    let paths: Vec<&str> = entries.iter().map(|(path, _)| path.as_str()).chain(ukis).collect();
    let names = || paths.iter().filter_map(|path| path.rsplit('/').next());
    match lines.get("default") {
        // `@saved` and the like.
        Some(pattern) if pattern.starts_with('@') => {}
        Some(pattern) => {
            if !names().any(|name| glob_match(pattern, name)) {
                found.push(Finding::at(&by, format!("no entry is called {pattern:?}")));
            }
        }
        None => found.push(Finding::at(&by, "it names no default")),
    }
    if !lines
        .get("editor")
        .is_some_and(|value| matches!(value, "no" | "0" | "false" | "off" | "n" | "f"))
    {
        found.push(Finding::at(&by, "command lines may be edited"));
    }
    Ok(found)
}
