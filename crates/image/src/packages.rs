//! Which packages a root has, and which paths are whose: dpkg's database, as files of a tree.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use osb_tree::{Inode, Kind, Tree};

/// Largest file of the database that is read, in bytes. Debian's largest have a few megabytes.
const MOST: u64 = 64 << 20;

/// A package that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub architecture: String,
}

/// The packages of the root `tree`, by name (and architecture, if one name is there several
/// times); empty if it has no database.
pub fn installed(tree: &Tree) -> BTreeMap<String, Installed> {
    let mut found = BTreeMap::new();
    let text = text(tree, b"var/lib/dpkg/status").unwrap_or_default();
    for stanza in text.split("\n\n") {
        let field = |name: &str| {
            let line = stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(str::trim)
        };
        let (Some(name), Some(version)) = (field("Package"), field("Version")) else { continue };
        // `deinstall ok config-files` is a package that left its configuration behind.
        if !field("Status").is_some_and(|status| status.ends_with(" installed")) {
            continue;
        }
        let architecture = field("Architecture").unwrap_or_default().to_owned();
        let package = Installed { version: version.to_owned(), architecture };
        if let Some(first) = found.insert(name.to_owned(), package.clone()) {
            found.insert(name.to_owned(), first);
            found.insert(format!("{name}:{}", package.architecture), package);
        }
    }
    found
}

/// Which package a path of a root belongs to.
#[derive(Debug, Default)]
pub struct Owners {
    /// The package's index in `names`; `None` for a directory that several packages have.
    owners: HashMap<Vec<u8>, Option<usize>>,
    names: Vec<String>,
}

impl Owners {
    /// Reads `var/lib/dpkg/info/*.list` of all `trees`. A file that several packages name belongs to
    /// the first, a directory to none.
    pub fn of<'a>(trees: impl IntoIterator<Item = &'a Tree>) -> Owners {
        let mut owners = Owners::default();
        let mut known = HashMap::new();
        for tree in trees {
            let folder: &[u8] = b"var/lib/dpkg/info";
            for (name, _) in tree.children(folder) {
                let Some(package) = name.strip_suffix(b".list") else { continue };
                // What is there for several architectures is called `NAME:ARCH`.
                let package = package.split(|byte| *byte == b':').next().unwrap_or(package);
                let package = String::from_utf8_lossy(package).into_owned();
                let text = text(tree, &[folder, b"/", name].concat()).unwrap_or_default();
                let index = *known.entry(package).or_insert_with_key(|package| {
                    owners.names.push(package.clone());
                    owners.names.len() - 1
                });
                owners.add(tree, index, &text);
            }
        }
        owners
    }

    fn add(&mut self, tree: &Tree, index: usize, list: &str) {
        for line in list.lines() {
            let path = line.trim_start_matches('/');
            if path.is_empty() || path == "." {
                continue;
            }
            let path = behind_links(tree, path.as_bytes());
            let is_directory = tree.get(&path).is_some_and(Inode::is_directory);
            let owner = self.owners.entry(path).or_insert(Some(index));
            if is_directory && *owner != Some(index) {
                *owner = None;
            }
        }
    }

    /// The package that lists `path`.
    pub fn owner(&self, path: &[u8]) -> Option<&str> {
        self.owners.get(path).copied().flatten().map(|index| self.names[index].as_str())
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

/// A text file of a tree; bytes that are no UTF-8 are replaced.
fn text(tree: &Tree, path: &[u8]) -> Option<String> {
    let content = tree.get(path)?.content()?;
    let mut bytes = Vec::new();
    content.open().ok()?.take(MOST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
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
        tree.lay("lib", Inode::symlink("usr/lib")).unwrap();
        tree
    }

    #[test]
    fn what_is_installed_is_listed() {
        let names: Vec<String> = installed(&tree()).into_keys().collect();
        assert_eq!(names, ["a", "c", "c:armhf"]);
        assert_eq!(installed(&tree())["a"].version, "1:2-3");
        assert!(installed(&Tree::new()).is_empty());
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
}
