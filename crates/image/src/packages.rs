//! Which packages a root has, and which paths are whose: dpkg's database, as files of a tree.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use osb_tree::{Inode, Kind, Tree};

/// How much of the lists of files is read, in bytes, over all trees. Debian's desktops have some
/// 30 MiB.
const LISTS: u64 = 64 << 20;
/// How much of the databases of packages is read, in bytes, over all trees. Debian's desktops have
/// some 6 MiB; in memory a package takes a few times what it takes there.
const STATUS: u64 = 16 << 20;
/// Longest path in a list (`PATH_MAX`).
const MOST_PATH: usize = 4096;

/// A package that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub architecture: String,
}

/// The packages of the roots `trees`, by name (and architecture, if one name is there several
/// times); empty if they have no database.
pub fn installed<'a>(trees: impl IntoIterator<Item = &'a Tree>) -> BTreeMap<String, Installed> {
    let mut found = BTreeMap::new();
    let mut allowance = STATUS;
    for tree in trees {
        let bytes = take(tree, b"var/lib/dpkg/status", &mut allowance);
        let text = String::from_utf8_lossy(&bytes);
        for (name, package) in text.split("\n\n").filter_map(stanza) {
            if let Some(first) = found.insert(name.to_owned(), package.clone()) {
                found.insert(name.to_owned(), first);
                found.insert(format!("{name}:{}", package.architecture), package);
            }
        }
    }
    found
}

/// The package that a stanza is of, if it is installed.
fn stanza(stanza: &str) -> Option<(&str, Installed)> {
    let field = |name: &str| {
        let line = stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim)
    };
    // `deinstall ok config-files` is a package that left its configuration behind.
    if !field("Status")?.ends_with(" installed") {
        return None;
    }
    let version = field("Version")?.to_owned();
    let architecture = field("Architecture").unwrap_or_default().to_owned();
    Some((field("Package")?, Installed { version, architecture }))
}

/// Which package a path of a root belongs to.
#[derive(Debug, Default)]
pub struct Owners {
    /// The package's index in `names`; `None` for a directory that several packages have. Only
    /// paths that are there: lists may name anything.
    owners: HashMap<Vec<u8>, Option<usize>>,
    names: Vec<String>,
}

impl Owners {
    /// Reads `var/lib/dpkg/info/*.list` of all `trees`. A file that several packages name belongs to
    /// the first, a directory to none.
    pub fn of<'a>(trees: impl IntoIterator<Item = &'a Tree>) -> Owners {
        let mut owners = Owners::default();
        let mut known = HashMap::new();
        let mut allowance = LISTS;
        for tree in trees {
            let folder: &[u8] = b"var/lib/dpkg/info";
            let diversions = take(tree, b"var/lib/dpkg/diversions", &mut allowance);
            let diversions = Diversions::parse(&diversions);
            for (name, _) in tree.children(folder) {
                let Some(package) = name.strip_suffix(b".list") else { continue };
                // What is there for several architectures is called `NAME:ARCH`.
                let package = package.split(|byte| *byte == b':').next().unwrap_or(package);
                let list = take(tree, &[folder, b"/", name].concat(), &mut allowance);
                let index = *known.entry(package.to_vec()).or_insert_with_key(|package| {
                    owners.names.push(String::from_utf8_lossy(package).into_owned());
                    owners.names.len() - 1
                });
                for line in lines(&list) {
                    owners.add(tree, index, diversions.behind(line, package));
                }
            }
        }
        owners
    }

    fn add(&mut self, tree: &Tree, index: usize, line: &[u8]) {
        let start = line.iter().position(|byte| *byte != b'/').unwrap_or(line.len());
        let path = behind_links(tree, &line[start..]);
        let Some(inode) = tree.get(&path).filter(|_| !path.is_empty()) else { return };
        let owner = self.owners.entry(path).or_insert(Some(index));
        if inode.is_directory() && *owner != Some(index) {
            *owner = None;
        }
    }

    /// The package that lists `path`.
    pub fn owner(&self, path: &[u8]) -> Option<&str> {
        self.owners.get(path).copied().flatten().map(|index| self.names[index].as_str())
    }
}

/// Files that one package has moved out of the way of its own: the path that others list, where
/// their file is, and the package that has its own at the path (`:` for the administrator).
#[derive(Debug)]
pub struct Diversions<'a>(HashMap<&'a [u8], [&'a [u8]; 2]>);

impl<'a> Diversions<'a> {
    /// Reads `var/lib/dpkg/diversions`: three lines for each.
    pub fn parse(text: &'a [u8]) -> Self {
        let mut lines = lines(text);
        let mut found = HashMap::new();
        while let (Some(path), Some(to), Some(by)) = (lines.next(), lines.next(), lines.next()) {
            found.insert(path, [to, by]);
        }
        Diversions(found)
    }

    /// Where the file is that `package` lists as `path`.
    pub fn behind<'b>(&self, path: &'b [u8], package: &[u8]) -> &'b [u8]
    where
        'a: 'b,
    {
        match self.0.get(path) {
            Some([to, by]) if *by != package => to,
            _ => path,
        }
    }
}

/// Where a path leads if its first component is a link (`/lib` to `usr/lib`, since usr was merged;
/// packages may still say `/lib`).
fn behind_links(tree: &Tree, path: &[u8]) -> Vec<u8> {
    let end = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
    match tree.get(&path[..end]).map(|inode| &inode.kind) {
        Some(Kind::Symlink(target)) if end < path.len() => {
            let target = target.strip_prefix(b"/").unwrap_or(target);
            [target, &path[end..]].concat()
        }
        _ => path.to_vec(),
    }
}

/// The lines of a list that may be paths.
fn lines(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = list.split(|byte| *byte == b'\n');
    lines.filter(|line| (1..=MOST_PATH).contains(&line.len()))
}

/// As much of a file as is allowed; nothing if it cannot be read.
fn take(tree: &Tree, path: &[u8], allowance: &mut u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let content = tree.get(path).and_then(Inode::content).and_then(|content| content.open().ok());
    if content.is_some_and(|content| content.take(*allowance).read_to_end(&mut bytes).is_err()) {
        bytes.clear();
    }
    *allowance -= bytes.len() as u64;
    bytes
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use osb_tree::{Content, Extents};

    use super::*;

    fn tree() -> Tree {
        let mut tree = Tree::new();
        let mut put = |path: &str, text: &str| {
            tree.lay(path, Inode::file(0o644, text.as_bytes().to_vec())).unwrap();
        };
        put(
            "var/lib/dpkg/status",
            "Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 1:2-3\n\n\
             Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
             Package: c\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1\n\n\
             Package: c\nStatus: install ok installed\nArchitecture: armhf\nVersion: 1\n",
        );
        put("var/lib/dpkg/info/a.list", "/.\n/lib\n/lib/x\n/etc/conf\n");
        put("var/lib/dpkg/info/c:arm64.list", "/.\n/etc/conf\n/usr/bin/c\n");
        for path in ["usr/lib/x", "etc/conf", "usr/bin/c"] {
            put(path, "");
        }
        tree.lay("lib", Inode::symlink("usr/lib")).unwrap();
        tree
    }

    #[test]
    fn what_is_installed_is_listed() {
        let names: Vec<String> = installed([&tree()]).into_keys().collect();
        assert_eq!(names, ["a", "c", "c:armhf"]);
        assert_eq!(installed([&tree()])["a"].version, "1:2-3");
        assert!(installed([&Tree::new()]).is_empty());
    }

    #[test]
    fn paths_have_owners_behind_the_links_of_merged_usr() {
        let owners = Owners::of([&tree()]);
        assert_eq!(owners.owner(b"usr/lib/x"), Some("a"));
        assert_eq!(owners.owner(b"lib"), Some("a"));
        assert_eq!(owners.owner(b"etc/conf"), Some("a"));
        assert_eq!(owners.owner(b"usr/bin/c"), Some("c"));
        assert_eq!(owners.owner(b"usr/bin/d"), None);
    }

    #[test]
    fn a_directory_of_several_packages_is_nobodys() {
        let mut tree = tree();
        tree.lay("opt/both", Inode::directory(0o755)).unwrap();
        for name in ["a", "c"] {
            let list = Inode::file(0o644, b"/.\n/opt\n/opt/both\n".to_vec());
            tree.insert(format!("var/lib/dpkg/info/{name}.list"), list).unwrap();
        }
        assert_eq!(Owners::of([&tree, &tree]).owner(b"opt/both"), None);
        tree.remove("var/lib/dpkg/info/a.list");
        assert_eq!(Owners::of([&tree, &tree]).owner(b"opt/both"), Some("c"));
    }
    #[test]
    fn what_was_diverted_belongs_to_the_package_that_lists_it() {
        let mut tree = tree();
        let mut put = |path: &str, text: &str| {
            tree.lay(path, Inode::file(0o644, text.as_bytes().to_vec())).unwrap();
        };
        put("bin/sh", "dash's");
        put("bin/sh.distrib", "bash's");
        put("var/lib/dpkg/diversions", "/bin/sh\n/bin/sh.distrib\ndash\n");
        put("var/lib/dpkg/info/bash.list", "/bin/sh\n");
        put("var/lib/dpkg/info/dash.list", "/bin/sh\n");
        let owners = Owners::of([&tree]);
        assert_eq!(owners.owner(b"bin/sh"), Some("dash"));
        assert_eq!(owners.owner(b"bin/sh.distrib"), Some("bash"));
    }

    #[test]
    fn lists_of_any_length_cost_what_is_allowed() {
        let mut tree = tree();
        // Sparse files: all zeroes, and nothing in the image.
        for number in 0..1000 {
            let hole = Extents::new(Arc::new(Vec::new()), Vec::new(), 1 << 40);
            let list = Inode::new(0o644, Kind::File(Content::Extents(hole)));
            tree.insert(format!("var/lib/dpkg/info/z{number}.list"), list).unwrap();
        }
        let owners = Owners::of([&tree, &tree]);
        assert_eq!(owners.owner(b"etc/conf"), Some("a"));
        let listed = b"/usr/bin/c\n".repeat(2);
        tree.insert("var/lib/dpkg/info/c:arm64.list", Inode::file(0o644, listed)).unwrap();
        assert_eq!(take(&tree, b"var/lib/dpkg/info/c:arm64.list", &mut 5), b"/usr/");
        let long = [&b"/"[..], &[b'x'; 5000], b"\n/y\n"].concat();
        assert_eq!(lines(&long).collect::<Vec<_>>(), [b"/y"]);
        assert_eq!(owners.owners.len(), 4, "only paths that are there are kept");
    }
}
