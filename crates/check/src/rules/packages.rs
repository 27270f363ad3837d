//! dpkg's database against the files that are there.

use osb_tree::Kind;

use crate::dpkg::Dpkg;
use crate::facts::Facts;
use crate::rule::{Finding, Rule, Severity, Verdict};

/// Folders that are emptied, or that another file system lies over: what packages put there is gone
/// at the latest when the machine starts.
const VOLATILE: [&str; 8] =
    ["dev/", "proc/", "run/", "sys/", "tmp/", "var/cache/", "var/log/", "var/tmp/"];

pub(super) const STATES: Rule = Rule {
    id: "packages-configured",
    severity: Severity::Error,
    claim: "Every package is installed and configured, and has a whole list of its files.",
    reason: "A package half-way misses users, links or caches, and the next apt run stumbles.",
    source: "dpkg(1), \"Package states\"",
    remedy: "Build the image anew; on a node `dpkg --configure -a`.",
    run: states,
};

fn states(facts: &Facts) -> Verdict {
    let dpkg = facts.dpkg()?;
    let odd =
        dpkg.odd_states.iter().map(|(name, state)| format!("{name} is in the state {state:?}"));
    let odd = odd.map(|text| Finding::at("var/lib/dpkg/status", text));
    let unlisted = dpkg.without_list.iter().map(|(name, problem)| {
        let path = format!("var/lib/dpkg/info/{name}.list");
        Finding::at(path, format!("the list of files of {name}: {problem}"))
    });
    Ok(odd.chain(unlisted).chain(unread(dpkg)).collect())
}

/// What could not be read of the database.
fn unread(dpkg: &Dpkg) -> impl Iterator<Item = Finding> {
    dpkg.unread.iter().map(|(path, why)| Finding::unseen(path, why))
}

pub(super) const PRESENT: Rule = Rule {
    id: "package-files-present",
    severity: Severity::Error,
    claim: "Every path that a package lists is there, but for what dpkg was told not to unpack.",
    reason: "dpkg exits 0 on trees with hundreds of files missing.",
    source: "/var/lib/dpkg/info/*.list; dpkg(1), `path-exclude`",
    remedy: "Build the image anew; if a layer's script removes files, exclude them instead.",
    run: present,
};

fn present(facts: &Facts) -> Verdict {
    let (root, dpkg) = (facts.root()?, facts.dpkg()?);
    let expected = dpkg.files.iter().filter(|file| !file.excluded && !is_volatile(&file.path));
    let missing = expected.filter(|file| root.get(&file.path).is_none());
    let told = missing.map(|file| {
        Finding::at(&file.path, format!("it is not there; package {}", dpkg.package(file)))
    });
    Ok(told.chain(unread(dpkg)).collect())
}

fn is_volatile(path: &[u8]) -> bool {
    VOLATILE.iter().any(|folder| path.starts_with(folder.as_bytes()))
}

pub(super) const UNCHANGED: Rule = Rule {
    id: "package-files-unchanged",
    severity: Severity::Error,
    claim: "Every file of a package is, byte for byte, the package's; configuration may differ.",
    reason: "What was signed and checked is not what runs.",
    source: "/var/lib/dpkg/info/*.md5sums",
    remedy: "Build the image anew; a layer that changes a package's file diverts it (dpkg-divert(1)).",
    run: unchanged,
};

fn unchanged(facts: &Facts) -> Verdict {
    let dpkg = facts.dpkg()?;
    let changed = facts.changed()?;
    let mut found: Vec<Finding> = changed
        .wrong
        .iter()
        .map(|(index, text)| {
            let file = &dpkg.files[*index];
            Finding::at(&file.path, format!("{text}; package {}", dpkg.package(file)))
        })
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    let unseen = changed.unseen.iter();
    found.extend(unseen.map(|(index, why)| Finding::unseen(&dpkg.files[*index].path, why)));
    found.extend(unread(dpkg));
    Ok(found)
}

pub(super) const SUMS: Rule = Rule {
    id: "package-sums-known",
    severity: Severity::Warning,
    claim: "Every package brings the sums of all of its files.",
    reason: "Files without sums can only be missing, not wrong, for these rules.",
    source: "Debian policy, section 12.7 does not ask for them",
    remedy: "`osb diff` against a build of the same lock compares every byte; allow it for a package \
             that brings none.",
    run: sums,
};

fn sums(facts: &Facts) -> Verdict {
    let dpkg = facts.dpkg()?;
    let told = dpkg.without_sums.iter().map(|(name, count)| {
        let text = format!("package {name} has no sums of {count} of its files");
        Finding::at(format!("var/lib/dpkg/info/{name}.md5sums"), text)
    });
    Ok(told.chain(unread(dpkg)).collect())
}

pub(super) const ALTERNATIVES: Rule = Rule {
    id: "alternatives-lead-somewhere",
    severity: Severity::Error,
    claim: "Every link in /etc/alternatives leads to something.",
    reason: "A command that everything uses, such as awk or iptables, is not there.",
    source: "update-alternatives(1)",
    remedy: "Build the image anew; on a node `update-alternatives --auto NAME`.",
    run: alternatives,
};

fn alternatives(facts: &Facts) -> Verdict {
    let (root, dpkg) = (facts.root()?, facts.dpkg()?);
    let mut found = Vec::new();
    for (name, id) in root.children(b"etc/alternatives") {
        let Kind::Symlink(target) = &root.inode(id).kind else { continue };
        let path = [b"etc/alternatives/", name].concat();
        let plain = target.strip_prefix(b"/").unwrap_or(target);
        // Manuals are left out of small images.
        let excluded = dpkg.at(plain).is_some_and(|file| file.excluded);
        if !excluded && root.resolve(&path).is_err() {
            let text = format!("it leads to {}, which is not there", target.escape_ascii());
            found.push(Finding::at(path, text));
        }
    }
    Ok(found)
}
