//! The package half of a layer: packages laid as dpkg would unpack them, configured by dpkg.
//!
//! Files are copies of packages that were taken apart (osb-unpack); the preinst scripts run
//! before their packages are laid, the rest is `dpkg --configure`, which keeps the order of
//! dependencies. The first layer must stand before any script can run, so the Essential packages
//! and what they depend on are laid first, and usable; their preinst scripts find them there, as
//! with debootstrap.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use osb_unpack::{Layer, Package, essential, unpack_order, waves};

use crate::background;
use crate::chamber::{self, Chamber, Setup, Workplace};
use crate::error::BuildError;
use crate::job::Job;
use crate::packages;
use crate::plan::{Plan, PlannedLayer};

/// Keeps services from being started by maintainer scripts (invoke-rc.d(8)); gone at the end.
const POLICY: &str = "usr/sbin/policy-rc.d";

/// Where dpkg keeps the control files of the package whose preinst runs.
const CONTROL: &str = "/var/lib/dpkg/tmp.ci";

/// Makes the package half of `planned` on the layers `below`.
pub(crate) fn install(
    job: &Job,
    plan: &Plan,
    planned: &PlannedLayer,
    below: &[PathBuf],
    tools_tree: &Path,
) -> Result<Workplace, BuildError> {
    let name = planned.layer.name.as_str();
    let place = Workplace::new(job, &format!("packages-{name}"))?;
    let folder = place.packages();
    fs::create_dir(&folder).map_err(BuildError::io("making", &folder))?;
    let store = packages::store(job);
    let background = job.cache.scratch("background")?;
    let shown = [(store.root().to_owned(), "packages"), (background.clone(), background::NAME)];
    let setup = Setup { layer: name, below, tools: tools_tree, shown: &shown, epoch: plan.epoch };
    let excludes = job.options.project.recipe.trim.dpkg_excludes();
    let mut roots = chamber::roots(below);
    roots.reverse();
    let mut layer = Layer::new(&place.root(), &folder, &roots, store.filter().clone());
    let session = || Chamber::open(job, &setup, &place);

    let ordered = unpack_order(packages::open(&store, &planned.packages)?)?;
    let mut present = BTreeSet::new();
    let (first, rest) = if below.is_empty() {
        if !ordered.iter().any(|package| package.name() == "dpkg") {
            return Err(BuildError::Recipe(format!(
                "the layer {name} is the lowest and has no dpkg, which configures its packages; \
                 it needs the Essential packages (add \"dpkg\" and \"base-files\" to its \
                 packages, or put it on the layer base)"
            )));
        }
        let architecture = job.options.project.recipe.image.arch.as_str();
        make_root(&place.root(), architecture, &ordered, &excludes)?;
        present = essential(&ordered)?;
        ordered.into_iter().partition(|package| present.contains(package.name()))
    } else {
        (Vec::new(), ordered)
    };
    put(&place.root().join(POLICY), "#!/bin/sh\nexit 101\n", 0o755)?;
    if !first.is_empty() {
        layer.lay(&first, true)?;
        run_preinsts(session, plan, &first)?;
    }
    for wave in waves(rest, &present)? {
        run_preinsts(session, plan, &wave)?;
        layer.lay(&wave, false)?;
    }
    roots.extend([folder.clone(), place.root()]);
    background::prepare(&background, &roots)?;
    let mut chamber = session()?;
    let mut argv = vec![background::RUNNER, "dpkg", "--force-confold", "--force-unsafe-io"];
    argv.extend(["--configure", "--pending"]);
    let what = format!("configuring {} packages", planned.packages.len());
    chamber.run_with(&what, &argv, &[("PATH", background::PATH)])?;
    chamber.run("removing the service policy", &["rm", "-f", &format!("/{POLICY}")])?;
    chamber.close()?;
    Ok(place)
}

/// Runs the preinst scripts of `packages` in order, each as dpkg would (src/main/script.c).
fn run_preinsts<'a>(
    session: impl Fn() -> Result<Chamber<'a>, BuildError>,
    plan: &Plan,
    packages: &[Package],
) -> Result<(), BuildError> {
    let with_script: Vec<&Package> =
        packages.iter().filter(|package| package.member("preinst").is_some()).collect();
    if with_script.is_empty() {
        return Ok(());
    }
    let dpkg = plan.packages.iter().find(|package| package.name == "dpkg");
    let version = dpkg.map_or("", |package| package.version.as_str());
    let mut chamber = session()?;
    for package in with_script {
        let control = format!("/run/osb/packages/{}/control", package.folder_name());
        let prepare = format!("rm -rf {CONTROL} && cp -a {control} {CONTROL}");
        let run = format!("{prepare} && exec {CONTROL}/preinst install");
        let variables = [
            ("DPKG_MAINTSCRIPT_PACKAGE", package.name()),
            ("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "1"),
            ("DPKG_MAINTSCRIPT_ARCH", package.field("Architecture").unwrap_or_default()),
            ("DPKG_MAINTSCRIPT_NAME", "preinst"),
            ("DPKG_MAINTSCRIPT_DEBUG", "0"),
            ("DPKG_RUNNING_VERSION", version),
            ("DPKG_ADMINDIR", "/var/lib/dpkg"),
            ("DPKG_ROOT", ""),
        ];
        let what = format!("the preinst script of {}", package.name());
        chamber.run_with(&what, &["sh", "-c", &run], &variables)?;
    }
    chamber.run("removing the last control files", &["rm", "-rf", CONTROL])?;
    chamber.close()
}

/// Makes the links of merged-/usr unless a package brings them, an empty dpkg database, and dpkg's
/// configuration.
fn make_root(
    root: &Path,
    architecture: &str,
    packages: &[Package],
    excludes: &[String],
) -> Result<(), BuildError> {
    let brought = |name: &&str| packages.iter().any(|package| package.brings_link(name));
    for name in ["bin", "lib", "sbin"].iter().filter(|name| !brought(name)) {
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
    // What dpkg's own postinst script will write; the substituted dpkg needs it before.
    put(&root.join("var/lib/dpkg/arch-native"), &format!("{architecture}\n"), 0o644)?;
    if !excludes.is_empty() {
        put(&root.join("etc/dpkg/dpkg.cfg.d/osb-trim"), &(excludes.join("\n") + "\n"), 0o644)?;
    }
    Ok(())
}

fn put(path: &Path, text: &str, mode: u32) -> Result<(), BuildError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(BuildError::io("making", parent))?;
    }
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .map_err(BuildError::io("writing", path))
}
