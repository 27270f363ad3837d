//! The trees of two images, paired and compared.

use std::collections::BTreeMap;

use osb_tree::Tree;
use osb_tree::diff::{Change, Difference, Resolution, Scope, Type, diff};

use super::{CompareError, Fact, Group, Report, metadata};
use crate::open::{Form, Image, System, Volume};
use crate::packages::{Owners, installed};

/// Where the boot partition is mounted, and where an archive has its files.
const FIRMWARE: &str = "boot/firmware";

const ROOT: &str = "root";
const BOOT: &str = "boot";

/// What a tree is: its name, where it comes from, and itself.
struct Part {
    name: &'static str,
    system: System,
    tree: Tree,
}

/// Compares the trees of two images.
pub(super) fn compare(images: &[Image; 2], report: &mut Report) -> Result<(), CompareError> {
    for (image, which) in images.iter().zip(["first", "second"]) {
        let tables = image.table.iter().flat_map(|table| &table.problems);
        let problems = tables.chain(image.volumes.iter().flat_map(|volume| &volume.problems));
        report.notes.extend(problems.map(|problem| format!("the {which} image: {problem}")));
    }
    let owners =
        Owners::of(images.iter().flat_map(|image| &image.volumes).map(|volume| &volume.tree));
    if images[0].form == images[1].form {
        for a in &images[0].volumes {
            let other = images[1].volumes.iter().find(|b| b.partition == a.partition);
            // One that is there on one side only is a difference of the partitions.
            let Some(b) = other else { continue };
            let name = name(a);
            let scope = match a.system == b.system {
                true => Scope::ALL,
                false => scope(a.system).and(scope(b.system)),
            };
            let found = diff(&a.tree, &b.tree, &scope)?;
            report.paths.extend(grouped(&name, found, [&a.tree, &b.tree], &owners));
        }
        return Ok(());
    }
    report.notes.push(format!(
        "{} against {}: the trees are compared, as far as both can express them",
        images[0].form.name(),
        images[1].form.name()
    ));
    forms([&images[0], &images[1]], report, &owners)
}

/// Two images of different forms: root with root, boot files with boot files.
fn forms(images: [&Image; 2], report: &mut Report, owners: &Owners) -> Result<(), CompareError> {
    let [first, second] = images;
    let mut a = parts(first, "first", &mut report.notes);
    let mut b = parts(second, "second", &mut report.notes);
    boot_alone(&mut a, &b);
    boot_alone(&mut b, &a);
    // One file system holds one of them; what the other image has besides is not missing there.
    let single = images.iter().any(|image| image.form == Form::FileSystem);
    let mut compared = 0;
    for name in [ROOT, BOOT] {
        match (take(&mut a, name), take(&mut b, name)) {
            (Some(a), Some(b)) => {
                compared += 1;
                pair(name, a, b, report, owners)?;
            }
            (None, None) => {}
            (a, b) if single => {
                let which = if a.is_some() { "first" } else { "second" };
                let count = a.or(b).map_or(0, |part| part.tree.len() - 1);
                report
                    .notes
                    .push(format!("only the {which} image has {name} files: {count} paths"));
            }
            (a, b) => {
                let paths = |part: Part| format!("{} paths", part.tree.len() - 1);
                let subject = format!("{name} files:");
                report.partitions.extend(Fact::of(&subject, a.map(paths), b.map(paths)));
            }
        }
    }
    if compared == 0 {
        let [a, b] = images.map(|image| Some(format!("a {}", image.form.name())));
        let subject = "no tree on one side is like one of the other:".to_owned();
        report.partitions.push(Fact { subject, a, b });
    }
    Ok(())
}

/// A FAT alone may be a boot partition's copy: it is, if the other image has one.
fn boot_alone(parts: &mut [Part], others: &[Part]) {
    if let [only] = parts
        && only.system == System::Fat
        && others.iter().any(|part| part.name == BOOT)
    {
        only.name = BOOT;
    }
}

fn take(parts: &mut Vec<Part>, name: &str) -> Option<Part> {
    let at = parts.iter().position(|part| part.name == name)?;
    Some(parts.swap_remove(at))
}

fn pair(
    name: &str,
    mut a: Part,
    b: Part,
    report: &mut Report,
    owners: &Owners,
) -> Result<(), CompareError> {
    let scope = scope(a.system).and(scope(b.system));
    report.notes.extend(left_out(name, &scope));
    // The root directory of FAT has no time of its own.
    if (a.system == System::Fat) != (b.system == System::Fat)
        && let (Some(own), Some(other)) = (a.tree.get_mut(""), b.tree.get(""))
    {
        own.meta = other.meta.clone();
    }
    let found = diff(&a.tree, &b.tree, &scope)?;
    report.paths.extend(grouped(name, found, [&a.tree, &b.tree], owners));
    Ok(())
}

/// The name of a volume for people.
fn name(volume: &Volume) -> String {
    match (volume.partition, volume.label.as_str()) {
        (Some(number), "") => format!("partition {number}"),
        (Some(number), label) => format!("partition {number} ({label})"),
        (None, _) => "root".to_owned(),
    }
}

/// The root and the boot files, whatever the form; what is neither becomes a note.
fn parts(image: &Image, which: &str, notes: &mut Vec<String>) -> Vec<Part> {
    let mut parts = Vec::new();
    let only = image.volumes.len() == 1;
    let root = image.root().or(image.volumes.first().filter(|_| only));
    let boot = image.boot().filter(|_| !only);
    for volume in &image.volumes {
        if ![root, boot].into_iter().flatten().any(|used| std::ptr::eq(used, volume)) {
            let (name, count) = (name(volume), volume.tree.len() - 1);
            notes.push(format!("{name} of the {which} image is not compared: {count} paths"));
        }
    }
    if let Some(root) = root {
        let mut tree = root.tree.clone();
        let inside = tree.subtree(FIRMWARE).filter(|inside| !inside.is_empty());
        match inside {
            Some(inside) if image.form != Form::Disk => {
                parts.push(Part { name: BOOT, system: root.system, tree: inside });
            }
            Some(inside) => notes.push(format!(
                "/{FIRMWARE} of the {which} image's root is not compared: {} paths, which a boot \
                 partition hides",
                inside.len() - 1
            )),
            None => {}
        }
        tree.remove(FIRMWARE);
        if tree.children(b"lost+found").next().is_none() {
            tree.remove("lost+found");
        }
        parts.push(Part { name: ROOT, system: root.system, tree });
    }
    if let Some(boot) = boot {
        parts.push(Part { name: BOOT, system: System::Fat, tree: boot.tree.clone() });
    }
    parts
}

/// What a form can express.
fn scope(system: System) -> Scope {
    match system {
        System::Ext4 | System::Folder => Scope::ALL,
        System::Tar => Scope { sockets: false, times: Resolution::Seconds, ..Scope::ALL },
        System::Fat => {
            Scope { owners: false, links: false, sockets: false, times: Resolution::TwoSeconds }
        }
    }
}

fn left_out(name: &str, scope: &Scope) -> Option<String> {
    let mut left = Vec::new();
    if !scope.owners {
        left.push("owners, permissions, attributes");
    }
    if !scope.links {
        left.push("hard links");
    }
    if !scope.sockets {
        left.push("sockets");
    }
    match scope.times {
        Resolution::Nanoseconds => {}
        Resolution::Seconds => left.push("fractions of seconds"),
        Resolution::TwoSeconds => left.push("odd seconds"),
    }
    (!left.is_empty()).then(|| format!("{name}: left out are {}", left.join(", ")))
}

/// Differences by package, those of none at the end.
fn grouped(volume: &str, found: Vec<Difference>, trees: [&Tree; 2], owners: &Owners) -> Vec<Group> {
    let mut groups: BTreeMap<(bool, Option<String>), Vec<Difference>> = BTreeMap::new();
    for difference in found {
        let owner = owner(&difference, trees, owners).map(str::to_owned);
        groups.entry((owner.is_none(), owner)).or_default().push(difference);
    }
    let group =
        |((_, package), differences)| Group { volume: volume.to_owned(), package, differences };
    groups.into_iter().map(group).collect()
}

/// The package of a path; of a directory that is there on one side only, that of the first file in
/// it.
fn owner<'a>(difference: &Difference, trees: [&Tree; 2], owners: &'a Owners) -> Option<&'a str> {
    let tree = match difference.change {
        Change::Removed => trees[0],
        Change::Added => trees[1],
        Change::Changed(_) => return owners.owner(&difference.path),
    };
    if difference.kind == Type::Directory {
        let below = tree.descendants(&difference.path);
        let mut files = below.filter(|(_, id)| !tree.inode(*id).is_directory());
        if let Some(owner) = files.find_map(|(path, _)| owners.owner(path)) {
            return Some(owner);
        }
    }
    owners.owner(&difference.path)
}

/// Packages by what the images' own databases say.
pub(super) fn packages(images: &[Image; 2]) -> Vec<Fact> {
    // A FAT alone has boot files: no root is compared, and no package is missing.
    let boot_alone = |image: &Image| {
        image.form == Form::FileSystem
            && image.volumes.iter().all(|volume| volume.system == System::Fat)
    };
    if images.iter().any(boot_alone) {
        return Vec::new();
    }
    let [a, b] = [&images[0], &images[1]].map(|image| -> BTreeMap<String, String> {
        let packages = installed(image.volumes.iter().map(|volume| &volume.tree));
        packages
            .into_iter()
            .map(|(name, each)| (name, format!("{} {}", each.version, each.architecture)))
            .collect()
    });
    metadata::by_name("", &a, &b)
}
