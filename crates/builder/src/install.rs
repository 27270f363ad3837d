//! The package half of a layer: unpacked and configured by the real dpkg.
//!
//! Unpacking is done by the host-architecture dpkg of the tools tree; configuring by the
//! image's own, emulated, since only it knows which architecture is native and keeps the order
//! of dependencies. The first layer must stand before any maintainer script can run, so the
//! Essential packages and what they depend on are laid out as plain files first, and are
//! installed properly, over themselves, before the others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use osb_apt::relation::parse_relations;
use osb_apt::{LockedPackage, deb};

use crate::chamber::{Chamber, Setup};
use crate::error::BuildError;
use crate::job::Job;
use crate::plan::{Plan, PlannedLayer};
use crate::tools;

/// Where the sandbox shows the unwrapped packages.
const PACKAGES: &str = "/run/osb/debs";

/// Keeps services from being started by maintainer scripts (invoke-rc.d(8)); gone at the end.
const POLICY: &str = "usr/sbin/policy-rc.d";

/// Builds the package half of `planned` onto the layers `below`.
pub(crate) fn install(
    job: &Job,
    plan: &Plan,
    planned: &PlannedLayer,
    below: &[PathBuf],
    tools_tree: &Path,
) -> Result<(), BuildError> {
    let layer = planned.layer.name.as_str();
    let facts = planned
        .packages
        .iter()
        .map(|package| Ok((package.name.as_str(), Facts::read(job, package)?)))
        .collect::<Result<BTreeMap<&str, Facts>, BuildError>>()?;
    let order = unpack_order(&facts);
    let essential = if below.is_empty() { essential(&facts) } else { BTreeSet::new() };
    let excludes = job.options.project.recipe.trim.dpkg_excludes();
    let setup = Setup {
        layer,
        below,
        tools: tools_tree,
        shown: &[(job.cache.plain_folder(), "debs")],
        epoch: plan.epoch,
    };
    let mut chamber = Chamber::open(job, &setup, |upper| {
        if below.is_empty() {
            lay_out(upper, &essential, &facts, &excludes)?;
        }
        put(&upper.join(POLICY), "#!/bin/sh\nexit 101\n", 0o755)
    })?;
    let files: Vec<String> =
        order.iter().map(|name| format!("{PACKAGES}/{}.deb", facts[name].sha256)).collect();
    let count = files.len();
    let architecture = job.options.project.recipe.image.arch.as_str();
    let foreign = architecture != tools::host();
    if foreign {
        chamber
            .run_native("naming the architecture", &["dpkg", "--add-architecture", architecture])?;
    }
    let mut argv = vec!["dpkg", "--force-depends", "--force-unsafe-io", "--force-confold"];
    argv.extend(["--no-triggers", "--unpack"]);
    argv.extend(files.iter().map(String::as_str));
    chamber.run_native(&format!("unpacking {count} packages"), &argv)?;
    if foreign {
        // Only the unpacking dpkg needed it; to the image's own, its architecture is native.
        chamber.run("forgetting the architecture", &["rm", "-f", "/var/lib/dpkg/arch"])?;
    }
    chamber.run(
        &format!("configuring {count} packages"),
        &["dpkg", "--force-confold", "--force-unsafe-io", "--configure", "--pending"],
    )?;
    chamber.run("removing the service policy", &["rm", "-f", &format!("/{POLICY}")])?;
    chamber.publish(&plan.folder(job, &planned.package_key))?;
    Ok(())
}

/// What the order of work needs to know of a package.
struct Facts {
    sha256: String,
    plain: PathBuf,
    essential: bool,
    /// Names in Pre-Depends and Depends, alternatives included.
    needs: Vec<String>,
}

impl Facts {
    fn read(job: &Job, package: &LockedPackage) -> Result<Self, BuildError> {
        let plain = job.cache.plain(&package.sha256);
        let fail = |source| BuildError::Package { package: package.name.clone(), source };
        let control = deb::Deb::open(&plain).and_then(|deb| deb.control()).map_err(fail)?;
        let mut needs = Vec::new();
        for field in ["Pre-Depends", "Depends"] {
            if let Some(value) = control.get(field) {
                let groups = parse_relations(value).map_err(|error| {
                    BuildError::Recipe(format!("package {}: {field}: {error}", package.name))
                })?;
                needs.extend(groups.into_iter().flatten().map(|relation| relation.name));
            }
        }
        let essential = control.get("Essential").is_some_and(|value| value == "yes");
        Ok(Facts { sha256: package.sha256.clone(), plain, essential, needs })
    }
}

/// Essential packages and, as far as this layer has them, all they need.
fn essential<'a>(facts: &BTreeMap<&'a str, Facts>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> =
        facts.iter().filter(|(_, facts)| facts.essential).map(|(name, _)| *name).collect();
    while let Some(name) = open.pop() {
        if let Some((name, facts)) = facts.get_key_value(name)
            && found.insert(*name)
        {
            open.extend(facts.needs.iter().map(String::as_str));
        }
    }
    found
}

/// Packages after what they need, cycles cut at the name that sorts first.
fn unpack_order<'a>(facts: &BTreeMap<&'a str, Facts>) -> Vec<&'a str> {
    fn visit<'a>(
        name: &str,
        facts: &BTreeMap<&'a str, Facts>,
        seen: &mut BTreeSet<&'a str>,
        order: &mut Vec<&'a str>,
    ) {
        let Some((name, found)) = facts.get_key_value(name) else { return };
        if !seen.insert(*name) {
            return;
        }
        for need in &found.needs {
            visit(need, facts, seen, order);
        }
        order.push(*name);
    }
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    // Every maintainer script may count on the links, users and shell of these.
    for name in ["base-files", "base-passwd", "dash"].into_iter().chain(facts.keys().copied()) {
        visit(name, facts, &mut seen, &mut order);
    }
    order
}

/// Makes a root in which programs run, and an empty dpkg database.
fn lay_out(
    root: &Path,
    essential: &BTreeSet<&str>,
    facts: &BTreeMap<&str, Facts>,
    excludes: &[String],
) -> Result<(), BuildError> {
    for name in ["bin", "lib", "sbin"] {
        let directory = root.join("usr").join(name);
        fs::create_dir_all(&directory).map_err(BuildError::io("making", &directory))?;
        let link = root.join(name);
        symlink(format!("usr/{name}"), &link).map_err(BuildError::io("linking", &link))?;
    }
    for directory in ["info", "updates", "triggers", "parts", "alternatives"] {
        let directory = root.join("var/lib/dpkg").join(directory);
        fs::create_dir_all(&directory).map_err(BuildError::io("making", &directory))?;
    }
    put(&root.join("var/lib/dpkg/status"), "", 0o644)?;
    put(&root.join("var/lib/dpkg/available"), "", 0o644)?;
    if !excludes.is_empty() {
        put(&root.join("etc/dpkg/dpkg.cfg.d/osb-trim"), &(excludes.join("\n") + "\n"), 0o644)?;
    }
    for name in essential {
        let facts = &facts[name];
        deb::extract(&facts.plain, root, &needed_to_run)
            .map_err(|source| BuildError::Package { package: (*name).to_owned(), source })?;
    }
    Ok(())
}

/// What programs need to run. dpkg unpacks these packages once more, by its own rules, and must
/// not find what those rules leave out.
fn needed_to_run(path: &[u8]) -> bool {
    const NOT: [&[u8]; 6] = [
        b"usr/share/bug/",
        b"usr/share/doc/",
        b"usr/share/info/",
        b"usr/share/lintian/",
        b"usr/share/locale/",
        b"usr/share/man/",
    ];
    !NOT.iter().any(|prefix| path.starts_with(prefix))
}

fn put(path: &Path, text: &str, mode: u32) -> Result<(), BuildError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(BuildError::io("making", parent))?;
    }
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .map_err(BuildError::io("writing", path))
}
