//! Is the tree what the recipe and its layers declared?
//!
//! dpkg exits 0 on trees with hundreds of files missing, so what matters is looked at in the
//! finished tree: packages, users, groups, files, units.

use std::collections::BTreeSet;

use osb_recipe::Layer;
use osb_tree::{Kind, Tree};

use crate::error::BuildError;
use crate::plan::Plan;

/// Checks the tree against the plan; all that is wrong is reported together.
pub(crate) fn check(tree: &Tree, plan: &Plan) -> Result<usize, BuildError> {
    let mut findings = Findings { wrong: Vec::new(), checked: 0 };
    packages(tree, plan, &mut findings)?;
    for planned in &plan.layers {
        layer(tree, planned.layer, &mut findings)?;
    }
    if findings.wrong.is_empty() {
        Ok(findings.checked)
    } else {
        Err(BuildError::Unexpected(findings.wrong))
    }
}

struct Findings {
    wrong: Vec<String>,
    checked: usize,
}

impl Findings {
    fn expect(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        self.checked += 1;
        if !holds {
            self.wrong.push(otherwise());
        }
    }
}

/// Every locked package is installed in its locked version, and nothing else is.
fn packages(tree: &Tree, plan: &Plan, findings: &mut Findings) -> Result<(), BuildError> {
    let status = text(tree, "var/lib/dpkg/status")?;
    let removed: BTreeSet<&str> = plan
        .layers
        .iter()
        .flat_map(|planned| planned.layer.remove_packages.iter().map(String::as_str))
        .collect();
    let field = |stanza: &str, name: &str| {
        stanza.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    };
    let installed: BTreeSet<(String, String)> = status
        .split("\n\n")
        .filter_map(|stanza| Some((field(stanza, "Package:")?, stanza)))
        .filter_map(|(name, stanza)| {
            let state = field(stanza, "Status:")?;
            let whole = state.ends_with(" ok installed");
            findings.expect(whole || state.ends_with(" config-files"), || {
                format!("package {name} is in state {state:?}")
            });
            whole.then(|| (name, field(stanza, "Version:").unwrap_or_default()))
        })
        .collect();
    let locked: BTreeSet<(String, String)> = plan
        .packages
        .iter()
        .filter(|package| !removed.contains(package.name.as_str()))
        .map(|package| (package.name.clone(), package.version.clone()))
        .collect();
    for (name, version) in locked.symmetric_difference(&installed) {
        let holder = if locked.contains(&(name.clone(), version.clone())) {
            "locked, but not installed"
        } else {
            "installed, but not locked"
        };
        findings.wrong.push(format!("package {name} {version} is {holder}"));
    }
    findings.checked += locked.len();
    Ok(())
}

fn layer(tree: &Tree, layer: &Layer, findings: &mut Findings) -> Result<(), BuildError> {
    let name = &layer.name;
    let expect = &layer.expect;
    for path in &expect.files {
        findings.expect(tree.resolve(path).is_ok(), || format!("layer {name}: no {path}"));
    }
    for path in &expect.absent {
        let path = path.trim_start_matches('/');
        findings.expect(tree.get(path).is_none(), || format!("layer {name}: {path} is there"));
    }
    let passwd = text(tree, "etc/passwd")?;
    let users = layer.users.iter().map(|user| &user.name).chain(&expect.users);
    for user in users {
        findings.expect(has_account(&passwd, user), || format!("layer {name}: no user {user}"));
    }
    let group = text(tree, "etc/group")?;
    for wanted in layer.groups.iter().chain(&expect.groups) {
        findings.expect(has_account(&group, wanted), || format!("layer {name}: no group {wanted}"));
    }
    for unit in layer.units.enable.iter().chain(&expect.units_enabled) {
        findings.expect(is_enabled(tree, unit), || format!("layer {name}: {unit} is not enabled"));
    }
    for unit in &layer.units.mask {
        let masked = matches!(
            tree.get(format!("etc/systemd/system/{unit}")).map(|inode| &inode.kind),
            Some(Kind::Symlink(target)) if target == b"/dev/null"
        );
        findings.expect(masked, || format!("layer {name}: {unit} is not masked"));
    }
    Ok(())
}

fn has_account(table: &str, name: &str) -> bool {
    table.lines().any(|line| line.split(':').next() == Some(name))
}

/// Whether a link below `/etc/systemd/system/*.{wants,requires}` or an alias pulls the unit in.
fn is_enabled(tree: &Tree, unit: &str) -> bool {
    let mut links = tree.descendants(b"etc/systemd/system");
    links.any(|(path, id)| match &tree.inode(id).kind {
        Kind::Symlink(target) => {
            let named = path.rsplit(|byte| *byte == b'/').next() == Some(unit.as_bytes());
            let pointed = target.rsplit(|byte| *byte == b'/').next() == Some(unit.as_bytes());
            (named || pointed) && target != b"/dev/null"
        }
        _ => false,
    })
}

fn text(tree: &Tree, path: &str) -> Result<String, BuildError> {
    let content = tree
        .get(path)
        .and_then(|inode| inode.content())
        .ok_or_else(|| BuildError::Unexpected(vec![format!("no {path}")]))?;
    let bytes = content.read().map_err(BuildError::io("reading", path))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use osb_tree::Inode;

    #[test]
    fn a_unit_is_enabled_by_a_link_and_not_by_a_mask() {
        let mut tree = Tree::new();
        let link = Inode::symlink("/usr/lib/systemd/system/a.service");
        tree.lay("etc/systemd/system/multi-user.target.wants/a.service", link).unwrap();
        tree.lay("etc/systemd/system/b.service", Inode::symlink("/dev/null")).unwrap();
        assert!(is_enabled(&tree, "a.service"));
        assert!(!is_enabled(&tree, "b.service"));
    }
}
