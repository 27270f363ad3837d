//! What the root holds: packages, kernels, units.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use osb_image::{Installed, installed};
use osb_tree::Tree;

use super::Facts;
use crate::dpkg::{Dpkg, STATUS};
use crate::parse::initramfs::module_name;
use crate::read::Files;
use crate::rule::Skip;

/// Most bytes of `modules.dep` that are read: Debian's has 1 MiB.
const INDEX: u64 = 8 << 20;

/// Programs that only a machine for containers has.
const NODE: [&str; 3] = ["containerd", "crio", "kubelet"];

/// The modules of one kernel.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    /// Names of what is built in.
    pub(crate) built_in: BTreeSet<String>,
    /// By name: the file, below the kernel's folder, and what it needs.
    pub(crate) files: HashMap<String, (String, Vec<String>)>,
    /// Whether there is an index of files at all.
    pub(crate) has_index: bool,
}

impl Modules {
    /// Whether the kernel has it, built in or as a file.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.built_in.contains(name) || self.files.contains_key(name)
    }

    /// A module and what it needs, by names, without what is built in.
    pub(crate) fn closure(&self, name: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![name.to_owned()];
        while let Some(name) = open.pop() {
            if !self.built_in.contains(&name) && found.insert(name.clone()) {
                let needs = self.files.get(&name).map(|(_, needs)| needs.clone());
                open.extend(needs.unwrap_or_default());
            }
        }
        found
    }
}

impl Facts<'_> {
    /// What dpkg has installed, by name.
    pub(crate) fn packages(&self) -> Result<&BTreeMap<String, Installed>, Skip> {
        let root = self.root()?;
        let packages = self.packages.get_or_init(|| installed([root]));
        if packages.is_empty() {
            self.files.limited(root, "var/lib/dpkg/status", STATUS);
        }
        match packages.is_empty() {
            true => Skip::because("there is no database of dpkg"),
            false => Ok(packages),
        }
    }

    /// dpkg's database.
    pub(crate) fn dpkg(&self) -> Result<&Dpkg, Skip> {
        self.packages()?;
        let root = self.root()?;
        Ok(self.dpkg.get_or_init(|| Dpkg::read(root, &self.files)))
    }

    /// The root's architecture, by Debian's name.
    pub(crate) fn architecture(&self) -> Option<&str> {
        let packages = self.packages().ok()?;
        let native =
            ["dpkg", "libc6", "base-files"].into_iter().find_map(|name| packages.get(name));
        let native = native.or_else(|| packages.values().find(|each| each.architecture != "all"));
        native.map(|package| package.architecture.as_str())
    }

    /// Whether this is a machine for containers.
    pub(crate) fn kubernetes(&self) -> Result<&Tree, Skip> {
        let root = self.root()?;
        match NODE.iter().any(|name| has_program(root, name)) || self.distribution().is_some() {
            true => Ok(root),
            false => Skip::because(
                "it is no Kubernetes node: neither containerd, CRI-O, kubelet nor k3s is there",
            ),
        }
    }

    /// The distribution of Kubernetes, if it is one of those that bring everything in one program, and
    /// set up the kernel and their kubelet themselves (k3s: pkg/agent/syssetup, pkg/daemons).
    pub(crate) fn distribution(&self) -> Option<&'static str> {
        let root = self.root().ok()?;
        let alone = !NODE.iter().any(|name| has_program(root, name));
        ["k3s", "rke2"].into_iter().find(|name| alone && has_program(root, name))
    }

    /// The kernels that the root has modules for, by version.
    pub(crate) fn modules(&self) -> Result<&BTreeMap<String, Modules>, Skip> {
        let root = self.root()?;
        let modules = self.modules.get_or_init(|| modules(root, &self.files));
        match modules.is_empty() {
            true => Skip::because("the root has no kernel modules"),
            false => Ok(modules),
        }
    }
}

fn has_program(root: &Tree, name: &str) -> bool {
    let folders = ["usr/bin", "usr/local/bin", "usr/sbin", "usr/local/sbin", "opt/bin"];
    folders.iter().any(|folder| root.resolve(format!("{folder}/{name}")).is_ok())
}

fn modules(root: &Tree, reader: &Files) -> BTreeMap<String, Modules> {
    let mut found = BTreeMap::new();
    let folder = root.resolve("lib/modules").unwrap_or_else(|_| b"usr/lib/modules".to_vec());
    for (name, id) in root.children(&folder) {
        let Ok(version) = String::from_utf8(name.to_vec()) else { continue };
        if !root.inode(id).is_directory() {
            continue;
        }
        let index = |file: &str| {
            let path = [&folder[..], b"/", name, b"/", file.as_bytes()].concat();
            reader.limited(root, path, INDEX)
        };
        let mut modules = Modules::default();
        let built_in = index("modules.builtin").unwrap_or_default();
        modules.built_in.extend(built_in.lines().map(module_name));
        let files = index("modules.dep");
        modules.has_index = files.is_some();
        for line in files.unwrap_or_default().lines() {
            let Some((path, needs)) = line.split_once(':') else { continue };
            let needs = needs.split_ascii_whitespace().map(module_name).collect();
            modules.files.insert(module_name(path), (path.to_owned(), needs));
        }
        found.insert(version, modules);
    }
    found
}
