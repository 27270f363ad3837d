//! The mutants: each a name and a change.

use anyhow::{Context, Result};
use osb_check::Subject;
use osb_tree::{Content, Inode, Kind, Tree};

use super::contents::{boot, bytes, gunzip, gzip, renamed, replace, root, text};
use super::{secrets, settings, tree};
use crate::random::Random;

/// A changed image.
pub(super) struct Mutant {
    /// What kind of change it is.
    pub(super) group: &'static str,
    /// What was changed; the list of harmless ones goes by it.
    pub(super) name: String,
    /// Makes the change.
    pub(super) change: Box<dyn Fn(&mut Subject) + Send + Sync>,
}

impl Mutant {
    pub(super) fn new(
        group: &'static str,
        name: impl Into<String>,
        change: impl Fn(&mut Subject) + Send + Sync + 'static,
    ) -> Mutant {
        Mutant { group, name: name.into(), change: Box::new(change) }
    }
}

/// All mutants of an image.
pub(super) fn all(subject: &Subject, files: usize, random: &mut Random) -> Result<Vec<Mutant>> {
    let mut all = Vec::new();
    all.extend(without_boot_files(tree(&subject.boot, "boot partition")?));
    all.extend(without_tokens(tree(&subject.boot, "boot partition")?)?);
    all.extend(identifiers(subject)?);
    all.extend(cut(tree(&subject.boot, "boot partition")?)?);
    all.extend(swapped(subject)?);
    all.extend(without_files(tree(&subject.root, "root")?, files, random)?);
    all.extend(changed_files(tree(&subject.root, "root")?, files / 5, random)?);
    all.extend(secrets::all());
    all.extend(settings::all(subject)?);
    all.extend(settings::databases(tree(&subject.root, "root")?)?);
    Ok(all)
}

/// Each boot file is missing.
fn without_boot_files(boot_files: &Tree) -> Vec<Mutant> {
    let files = boot_files.iter().filter(|(_, _, inode)| inode.content().is_some());
    let paths = files.map(|(path, ..)| String::from_utf8_lossy(path).into_owned());
    paths
        .map(|path| {
            Mutant::new("boot files deleted", format!("no {path}"), move |subject| {
                boot(subject).remove(&path);
            })
        })
        .collect()
}

/// Each word of each line of the files that tell what to start is missing, and each line.
fn without_tokens(boot_files: &Tree) -> Result<Vec<Mutant>> {
    let mut files = vec!["config.txt".to_owned(), "cmdline.txt".to_owned()];
    for (name, _) in boot_files.children(b"loader/entries") {
        files.push(format!("loader/entries/{}", String::from_utf8_lossy(name)));
    }
    let mut found = Vec::new();
    for path in files.into_iter().filter(|path| boot_files.get(path).is_some()) {
        let text = text(boot_files, &path)?;
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let real = lines.iter().enumerate();
        for (number, line) in real.filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let mut variants = Vec::new();
            for word in 0..words.len() {
                let rest: Vec<&str> = words
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| *at != word)
                    .map(|(_, w)| *w)
                    .collect();
                let name = match (words.len(), words[0]) {
                    (1, only) => only.to_owned(),
                    // In a line of many the word says enough.
                    (_, first) if word > 0 && path != "cmdline.txt" => {
                        format!("{} ({first})", words[word])
                    }
                    _ => words[word].to_owned(),
                };
                variants.push((name, rest.join(" ")));
            }
            if words.len() > 1 {
                variants.push((format!("the line {}", words[0]), String::new()));
            }
            for (name, changed) in variants {
                let mut lines = lines.clone();
                lines[number] = changed;
                let (path, bytes) = (path.clone(), (lines.join("\n") + "\n").into_bytes());
                let name = format!("{path} without {name}");
                found.push(Mutant::new("tokens deleted", name, move |subject| {
                    replace(boot(subject), &path, bytes.clone());
                }));
            }
        }
    }
    Ok(found)
}

/// One digit of each identifier that something depends on is another.
fn identifiers(subject: &Subject) -> Result<Vec<Mutant>> {
    let group = "identifiers flipped";
    let table = subject.table.as_ref().context("the image has no partition table")?;
    let number = subject.root_place.partition.context("the root is in no partition")?;
    let id = table.partitions.iter().find(|each| each.number == number);
    let id = id.context("the root's partition is not in the table")?.id.clone();
    let flipped = flip(&id);
    let mut found = vec![
        Mutant::new(group, "the root partition has another identifier", {
            let flipped = flipped.clone();
            move |subject| {
                let partitions = subject.table.iter_mut().flat_map(|table| &mut table.partitions);
                for partition in partitions.filter(|each| each.number == number) {
                    partition.id.clone_from(&flipped);
                }
            }
        }),
        Mutant::new(group, "all partitions have one identifier", move |subject| {
            let partitions = subject.table.iter_mut().flat_map(|table| &mut table.partitions);
            partitions.for_each(|partition| partition.id.clone_from(&id));
        }),
        Mutant::new(group, "the boot partition has another type", move |subject| {
            let partitions = subject.table.iter_mut().flat_map(|table| &mut table.partitions);
            for partition in partitions.filter(|each| each.number != number) {
                partition.kind = flip(&partition.kind);
            }
        }),
        Mutant::new(group, "the table's last header is damaged", |subject| {
            if let Some(table) = &mut subject.table {
                table.problems.push("last header: the checksum is wrong".to_owned());
            }
        }),
    ];
    let boot_files = tree(&subject.boot, "boot partition")?;
    let entries = boot_files.children(b"loader/entries");
    let entries =
        entries.map(|(name, _)| format!("loader/entries/{}", String::from_utf8_lossy(name)));
    for path in entries.chain(["cmdline.txt".to_owned()]) {
        let Ok(line) = text(boot_files, &path) else { continue };
        let Some((before, rest)) = line.split_once("root=PARTUUID=") else { continue };
        let changed = format!("{before}root=PARTUUID={}", flip(rest));
        found.push(Mutant::new(group, format!("{path} names another root"), move |subject| {
            replace(boot(subject), &path, changed.clone().into_bytes());
        }));
    }
    Ok(found)
}

/// The first digit as another.
fn flip(id: &str) -> String {
    let first = if id.starts_with('0') { "1" } else { "0" };
    format!("{first}{}", id.get(1..).unwrap_or_default())
}

/// What firmware and loader read, cut off.
fn cut(boot_files: &Tree) -> Result<Vec<Mutant>> {
    let mut found = Vec::new();
    let files = boot_files
        .iter()
        .filter(|(_, _, inode)| inode.content().is_some_and(|content| content.size() > 16 << 10));
    for (path, ..) in files {
        let path = String::from_utf8_lossy(path).into_owned();
        let bytes = bytes(boot_files, &path)?;
        for (what, length) in [
            ("half of it", bytes.len() / 2),
            ("all of it", 0),
            ("its last 512 bytes", bytes.len() - 512),
        ] {
            let (path, bytes) = (path.clone(), bytes[..length].to_vec());
            let content = Content::from(bytes);
            found.push(Mutant::new(
                "boot files cut",
                format!("{path} without {what}"),
                move |subject| {
                    if let Some(inode) = boot(subject).get_mut(&path) {
                        inode.kind = Kind::File(content.clone());
                    }
                },
            ));
        }
    }
    Ok(found)
}

/// Kernel and initramfs of another version, and an initramfs without one driver.
fn swapped(subject: &Subject) -> Result<Vec<Mutant>> {
    let group = "kernels swapped";
    let boot_files = tree(&subject.boot, "boot partition")?;
    let root_files = tree(&subject.root, "root")?;
    let mut folders = root_files.children(b"usr/lib/modules");
    let version = folders.next().context("the root has no kernel")?.0;
    let version = String::from_utf8(version.to_vec())?;
    let digit = version.rfind(|char: char| char.is_ascii_digit()).context("no digit")?;
    let other = if version[digit..].starts_with('0') { "1" } else { "0" };
    let other = format!("{}{other}{}", &version[..digit], &version[digit + 1..]);
    let initramfs = bytes(boot_files, "initrd.img")?;
    let own = format!("boot/initrd.img-{version}");
    let mut found = Vec::new();
    // Once on the boot partition alone, once in the root, too: nothing can be compared then.
    let mut both = |name: &str, bytes: Vec<u8>| {
        let content = Content::from(bytes);
        for with_root in [false, true] {
            let (content, own) = (content.clone(), own.clone());
            let name = if with_root { format!("{name}, in the root too") } else { name.to_owned() };
            found.push(Mutant::new(group, name, move |subject| {
                let inode = Inode::file(0o644, content.clone());
                if with_root {
                    let _ = root(subject).lay(&own, inode.clone());
                }
                let _ = boot(subject).lay("initrd.img", inode);
            }));
        }
    };
    let swapped = renamed(&initramfs, &version, &other)?;
    both("the initramfs of another kernel", swapped.context("the initramfs tells no kernel")?);
    let pi = boot_files.get("config.txt").is_some();
    let of_a_pi = ["sdhci-brcmstb", "irq-bcm2712-mip", "rp1_pci"].into_iter().filter(|_| pi);
    for module in ["nvme", "ext4", "virtio_blk", "virtio_pci"].into_iter().chain(of_a_pi) {
        let (from, to) = (format!("/{module}.ko"), format!("/{}_.ko", &module[..module.len() - 1]));
        // What is built in is not there.
        if let Some(changed) = renamed(&initramfs, &from, &to)? {
            both(&format!("an initramfs without {module}"), changed);
        }
    }
    for path in ["vmlinuz", "kernel8.img"].into_iter().filter(|path| boot_files.get(path).is_some())
    {
        let bytes = bytes(boot_files, path)?;
        let packed = bytes.starts_with(&[0x1F, 0x8B]);
        let plain = if packed { gunzip(&bytes)? } else { bytes };
        let changed = renamed(&plain, &version, &other)?.context("the kernel tells no version")?;
        let mut flipped = plain.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        for (name, bytes) in [("of another version", changed), ("with one bit flipped", flipped)] {
            let content = Content::from(if packed { gzip(&bytes)? } else { bytes });
            found.push(Mutant::new(group, format!("{path} {name}"), move |subject| {
                let _ = boot(subject).lay(path, Inode::file(0o644, content.clone()));
            }));
        }
    }
    found.push(Mutant::new(group, "no modules for the kernel", move |subject| {
        root(subject).remove(format!("usr/lib/modules/{version}"));
    }));
    Ok(found)
}

/// Files that packages list, and that are there.
fn packaged(root: &Tree) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let lists = root.children(b"var/lib/dpkg/info").filter(|(name, _)| name.ends_with(b".list"));
    for (name, _) in lists {
        let list = text(root, &format!("var/lib/dpkg/info/{}", String::from_utf8_lossy(name)))?;
        for path in list.lines() {
            let path = path.trim_start_matches('/');
            if root.get(path).is_some_and(|inode| !inode.is_directory()) {
                found.push(path.to_owned());
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Files of packages are missing.
fn without_files(root_files: &Tree, count: usize, random: &mut Random) -> Result<Vec<Mutant>> {
    let mut paths = packaged(root_files)?;
    random.shuffle(&mut paths);
    paths.truncate(count);
    let mutant = |path: String| {
        Mutant::new("package files deleted", format!("no /{path}"), move |subject| {
            root(subject).remove(&path);
        })
    };
    Ok(paths.into_iter().map(mutant).collect())
}

/// One bit of files of packages is another; configuration may be changed and is left out.
fn changed_files(root_files: &Tree, count: usize, random: &mut Random) -> Result<Vec<Mutant>> {
    let mut paths = packaged(root_files)?;
    paths.retain(|path| {
        let content = root_files.get(path).and_then(Inode::content);
        !path.starts_with("etc/") && content.is_some_and(|c| (1..1 << 20).contains(&c.size()))
    });
    random.shuffle(&mut paths);
    let mut found = Vec::new();
    for path in paths.into_iter().take(count) {
        let mut bytes = bytes(root_files, &path)?;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let content = Content::from(bytes);
        found.push(Mutant::new(
            "package files changed",
            format!("a bit of /{path}"),
            move |subject| {
                if let Some(inode) = root(subject).get_mut(&path) {
                    inode.kind = Kind::File(content.clone());
                }
            },
        ));
    }
    Ok(found)
}
