//! The initramfs: made once for the one kernel, and again when something that goes into it changed.
//!
//! Its key is over all packages and over what the dressings changed, path by path, with contents.
//! Left out are the folders of [`NOT_READ`], of which initramfs-tools and Debian's own hooks read
//! nothing. A layer's own hook may: a folder that is named anywhere in the hooks and settings of
//! initramfs-tools, or that a link of a dressing leads to, counts like all others. So a changed file
//! for containerd makes no initramfs anew, and whatever may matter does.

use std::path::{Path, PathBuf};

use osb_tree::{Manifest, Tree};

use crate::chamber::{Chamber, Setup, Workplace};
use crate::error::BuildError;
use crate::job::Job;
use crate::plan::{Plan, key};

/// Raised when the same inputs would give another initramfs.
const FORMAT: &str = "osb-initramfs 1";

/// Where initramfs-tools has its hooks, scripts and settings (initramfs-tools(7)).
const HOOKS: [&str; 2] = ["etc/initramfs-tools", "usr/share/initramfs-tools"];

/// Settings and programs of the running system that no initramfs is made from.
const NOT_READ: [&str; 20] = [
    "etc/apt",
    "etc/cloud",
    "etc/cni",
    "etc/containerd",
    "etc/crictl.yaml",
    "etc/kubernetes",
    "etc/osb",
    "etc/ssh",
    "etc/sudoers.d",
    "etc/sysctl.d",
    "etc/systemd/system",
    "home",
    "opt",
    "srv",
    "usr/lib/osb",
    "usr/lib/sysctl.d",
    "usr/lib/systemd/journald.conf.d",
    "usr/lib/systemd/networkd.conf.d",
    "usr/lib/systemd/system",
    "var/lib",
];

/// What an initramfs is the same by: `below` is the tree that it is made from, `dressings` what its
/// uppermost layers, all but those of packages, have changed.
pub(crate) fn make_key(
    plan: &Plan,
    below: &Tree,
    dressings: &[Manifest],
) -> Result<String, BuildError> {
    let mut words = hooks(below)?;
    let ignored = not_read(&words);
    for manifest in dressings {
        for target in manifest.targets(|path| !is_ignored(path, &ignored)) {
            words.push('\n');
            words += target;
        }
    }
    let ignored = not_read(&words);
    let wanted = |path: &str| !is_ignored(path, &ignored);
    let changed: Vec<String> =
        dressings.iter().map(|manifest| manifest.extract(plan.epoch, wanted)).collect();
    let packages = plan.layers.last().map_or("", |layer| &layer.package_key);
    Ok(key(&[FORMAT, packages, &changed.join("\n")]))
}

/// Makes the initramfs on the layers `below`.
pub(crate) fn make(
    job: &Job,
    plan: &Plan,
    below: &[PathBuf],
    tools: &Path,
) -> Result<Workplace, BuildError> {
    let setup = Setup { layer: "initramfs", below, tools, shown: &[], epoch: plan.epoch };
    let place = Workplace::new(job, "initramfs")?;
    let mut chamber = Chamber::open(job, &setup, &place)?;
    let listing = chamber.ask("looking for the kernel", &["ls", "/usr/lib/modules"])?;
    let versions: Vec<&str> = listing.split_whitespace().collect();
    let [version] = versions.as_slice() else {
        return Err(BuildError::Recipe(format!(
            "an image needs exactly one kernel; this one has {}: {}",
            versions.len(),
            versions.join(", ")
        )));
    };
    chamber.run("making the initramfs", &["update-initramfs", "-c", "-k", version])?;
    chamber.close()?;
    Ok(place)
}

/// The folders whose changes do not matter, since nothing in these texts names them.
fn not_read(words: &str) -> Vec<&'static str> {
    NOT_READ.into_iter().filter(|folder| !names(words, folder)).collect()
}

/// Whether a text names a folder, something in it, or one above it; also as it was called before
/// /usr was merged. What is above all of them names nothing.
fn names(text: &str, folder: &str) -> bool {
    let old = folder.strip_prefix("usr/").unwrap_or(folder);
    [folder, old].into_iter().any(|folder| {
        let above = folder.match_indices('/').map(|(at, _)| &folder[..at]);
        let above = above.filter(|name| !["etc", "usr", "usr/lib", "lib", "var"].contains(name));
        mentions(text, folder, true) || above.into_iter().any(|name| mentions(text, name, false))
    })
}

/// Whether `text` has the path `name` as a whole; with `inside`, also the beginning of a longer one.
fn mentions(text: &str, name: &str, inside: bool) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    text.match_indices(name).any(|(at, _)| {
        let before = at.checked_sub(1).map(|at| text.as_bytes()[at]);
        let mut behind = text.as_bytes()[at + name.len()..].iter().copied();
        let (next, after) = (behind.next(), behind.next());
        // A single name is a word like any other, unless it is written as a path.
        let begins = match name.contains('/') {
            true => before.is_none_or(|byte| !is_word(byte)),
            false => before == Some(b'/'),
        };
        let goes_on = next == Some(b'/') && after.is_some_and(is_word);
        begins && next.is_none_or(|byte| !is_word(byte)) && (inside || !goes_on)
    })
}

/// The texts of all hooks, scripts and settings.
fn hooks(tree: &Tree) -> Result<String, BuildError> {
    let mut texts = String::new();
    for folder in HOOKS {
        for (path, id) in tree.descendants(folder.as_bytes()) {
            if let Some(content) = tree.inode(id).content() {
                let name = String::from_utf8_lossy(path).into_owned();
                let bytes = content.read().map_err(BuildError::io("reading", name))?;
                texts.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
    }
    Ok(texts)
}

fn is_ignored(path: &str, ignored: &[&str]) -> bool {
    ignored.iter().any(|folder| is_within(path, folder))
}

fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dressing::text_file;

    #[test]
    fn a_folder_that_a_hook_names_matters() {
        assert_eq!(not_read("").len(), NOT_READ.len());
        for (hook, named) in [
            ("cp -a /etc/ssh/ssh_host* x", "etc/ssh"),
            ("tar -C / -c etc/osb", "etc/osb"),
            ("copy_exec /lib/osb/unlock", "usr/lib/osb"),
            ("cp -a /etc/systemd $DESTDIR/etc", "etc/systemd/system"),
            ("cp -a /etc/systemd/", "etc/systemd/system"),
            ("../../opt/x/bin/x", "opt"),
        ] {
            assert!(!not_read(hook).contains(&named), "{hook}");
        }
        for hook in ["for opt in $@; do /etc/sshd; done", "/etc/systemd/network/*.link"] {
            assert_eq!(not_read(hook).len(), NOT_READ.len(), "{hook}");
        }
    }

    #[test]
    fn hooks_of_layers_and_of_packages_are_read() {
        let mut tree = Tree::new();
        tree.lay("etc/initramfs-tools/hooks/ours", text_file(0o755, "/etc/osb/key")).unwrap();
        tree.lay("usr/share/initramfs-tools/hooks/x", text_file(0o755, "/opt/x")).unwrap();
        tree.lay("etc/other", text_file(0o644, "/home")).unwrap();
        let ignored = not_read(&hooks(&tree).unwrap());
        assert_eq!(ignored.len(), NOT_READ.len() - 2);
        assert!(ignored.contains(&"home"));
    }

    #[test]
    fn a_folder_is_not_its_neighbour() {
        assert!(is_within("etc/ssh", "etc/ssh") && is_within("etc/ssh/a", "etc/ssh"));
        assert!(!is_within("etc/ssh2", "etc/ssh") && !is_within("etc", "etc/ssh"));
    }
}
