//! The units of systemd that start with the machine.

use std::collections::{BTreeMap, BTreeSet};

use osb_tree::{Kind, Tree};

use super::Facts;
use crate::parse::unit::Unit;
use crate::read::Files;
use crate::rule::Skip;

/// Where units are, the first that has one wins (systemd.unit(5)).
const UNITS: [&str; 4] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
];
/// Settings that name units which start, too.
/// More than any system has.
const MOST_UNITS: usize = 20_000;
const PULLS: [&str; 4] = ["Wants", "Requires", "BindsTo", "Upholds"];

/// A unit, with its drop-ins.
#[derive(Debug)]
pub(crate) struct UnitFile {
    /// Its path.
    pub(crate) path: String,
    /// What it says.
    pub(crate) unit: Unit,
}

impl Facts<'_> {
    /// The units that start with the machine, by name, with what they pull in or start later.
    pub(crate) fn units(&self) -> Result<&BTreeMap<String, UnitFile>, Skip> {
        let root = self.root()?;
        if root.get("usr/lib/systemd/system").is_none() {
            return Skip::because("there is no systemd");
        }
        Ok(self.units.get_or_init(|| units(root, &self.files)))
    }
}

/// Links below `*.wants` and `*.requires`, in /etc and as /usr brings them; then what those pull in,
/// and what timers, sockets and paths start.
fn units(root: &Tree, files: &Files) -> BTreeMap<String, UnitFile> {
    let mut open: Vec<String> = Vec::new();
    for folder in UNITS {
        for (path, id) in root.descendants(folder.as_bytes()) {
            let inode = root.inode(id);
            let is_link = matches!(&inode.kind, Kind::Symlink(target) if target != b"/dev/null");
            let inside = path.windows(7).any(|part| part == b".wants/");
            let inside = inside || path.windows(10).any(|part| part == b".requires/");
            if is_link && inside {
                let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
                open.push(String::from_utf8_lossy(name).into_owned());
            }
        }
    }
    let mut found = BTreeMap::new();
    let mut seen = BTreeSet::new();
    while let Some(name) = open.pop() {
        if seen.len() >= MOST_UNITS {
            files.missed(b"etc/systemd/system", format!("more than {MOST_UNITS} units"));
            break;
        }
        if !seen.insert(name.clone()) {
            continue;
        }
        let Some(file) = unit(root, &name, files) else { continue };
        for setting in PULLS {
            let values = file.unit.all("Unit", setting);
            let names = values.flat_map(str::split_ascii_whitespace);
            open.extend(names.filter(|name| !seen.contains(*name)).map(str::to_owned));
        }
        open.extend(started(&name, &file.unit));
        found.insert(name, file);
    }
    found
}

/// The unit that a timer, a socket or a path starts (systemd.timer(5), systemd.socket(5),
/// systemd.path(5)).
fn started(name: &str, unit: &Unit) -> Option<String> {
    let (stem, kind) = name.rsplit_once('.')?;
    let (section, setting) = match kind {
        "timer" => ("Timer", "Unit"),
        "path" => ("Path", "Unit"),
        "socket" => ("Socket", "Service"),
        _ => return None,
    };
    let accepts = unit.all("Socket", "Accept").last();
    match unit.all(section, setting).last() {
        Some(named) => Some(named.to_owned()),
        // One instance for each connection.
        None if accepts.is_some_and(|value| matches!(value, "yes" | "true" | "on" | "1")) => {
            Some(format!("{stem}@.service"))
        }
        None => Some(format!("{stem}.service")),
    }
}

/// The unit of a name, or its template, with its drop-ins; `None` if there is none or it is masked.
fn unit(root: &Tree, name: &str, files: &Files) -> Option<UnitFile> {
    let template = name.split_once('@').and_then(|(stem, rest)| {
        let (_, kind) = rest.rsplit_once('.')?;
        Some(format!("{stem}@.{kind}"))
    });
    let names: Vec<&str> = std::iter::once(name).chain(template.as_deref()).collect();
    let path = names.iter().find_map(|name| {
        UNITS.iter().map(|folder| format!("{folder}/{name}")).find(|path| root.get(path).is_some())
    })?;
    if is_masked(root, &path) {
        return None;
    }
    let mut unit = Unit::parse(&files.text(root, &path)?);
    // Drop-ins count by name, whatever the folder; those of all units of a type come last.
    let kind = name.rsplit('.').next().unwrap_or_default();
    let all = [&names[..], &[kind]].concat();
    let folders = all.iter().flat_map(|name| UNITS.map(|folder| format!("{folder}/{name}.d")));
    let folders: Vec<String> = folders.collect();
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    for (_, text) in files.merged(root, &folders, ".conf") {
        unit.extend(&text);
    }
    Some(UnitFile { path, unit })
}

fn is_masked(root: &Tree, path: &str) -> bool {
    let inode = root.get(path);
    inode.is_some_and(|inode| matches!(&inode.kind, Kind::Symlink(to) if to == b"/dev/null"))
}

#[cfg(test)]
mod tests {
    use osb_tree::Inode;

    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::new();
        for (path, text) in files {
            let inode = match text.strip_prefix("-> ") {
                Some(target) => Inode::symlink(target),
                None => Inode::file(0o644, text.as_bytes().to_vec()),
            };
            tree.lay(*path, inode).unwrap();
        }
        tree
    }

    #[test]
    fn drop_ins_count_by_name_and_the_first_folder_wins() {
        let say = |value: &str| format!("[Service]\nExecStart=\nExecStart={value}\n");
        let with = |files: &[(&str, &str)]| {
            let unit = ("usr/lib/systemd/system/a.service", "[Service]\nExecStart=/usr\n");
            let root = tree(&[&[unit], files].concat());
            let found = super::unit(&root, "a.service", &Files::default()).unwrap().unit;
            found.all("Service", "ExecStart").map(str::to_owned).collect::<Vec<_>>()
        };
        let (ours, theirs) = (say("/etc"), say("/late"));
        let usr = "usr/lib/systemd/system/a.service.d/90-x.conf";
        let etc = "etc/systemd/system/a.service.d/10-x.conf";
        assert_eq!(with(&[(usr, &theirs), (etc, &ours)]), ["/late"], "by name, not by folder");
        let same = "etc/systemd/system/a.service.d/90-x.conf";
        assert_eq!(with(&[(usr, &theirs), (same, &ours)]), ["/etc"]);
        assert_eq!(with(&[(usr, &theirs), (same, "-> /dev/null")]), ["/usr"]);
        assert_eq!(with(&[("etc/systemd/system/service.d/x.conf", &ours)]), ["/etc"]);
    }

    #[test]
    fn what_timers_sockets_and_paths_start_is_found() {
        let wants = "etc/systemd/system/timers.target.wants";
        let folder = "usr/lib/systemd/system";
        let service = "[Service]\nExecStart=/x\n";
        let files: Vec<(String, &str)> = vec![
            (format!("{wants}/a.timer"), "-> /x"),
            (format!("{wants}/b.socket"), "-> /x"),
            (format!("{wants}/c.path"), "-> /x"),
            (format!("{wants}/d.socket"), "-> /x"),
            (format!("{folder}/a.timer"), "[Timer]\n"),
            (format!("{folder}/b.socket"), "[Socket]\nAccept=yes\n"),
            (format!("{folder}/c.path"), "[Path]\nUnit=other.service\n"),
            (format!("{folder}/d.socket"), "[Socket]\nService=dd.service\n"),
            (format!("{folder}/a.service"), service),
            (format!("{folder}/b@.service"), service),
            (format!("{folder}/other.service"), service),
            (format!("{folder}/dd.service"), service),
            (format!("{folder}/c.service"), service),
        ];
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (&path[..], *text)).collect();
        let found = units(&tree(&files), &Files::default());
        let services: Vec<&str> = found.keys().map(String::as_str).collect();
        let services: Vec<&str> =
            services.into_iter().filter(|name| name.ends_with(".service")).collect();
        assert_eq!(services, ["a.service", "b@.service", "dd.service", "other.service"]);
    }
}
