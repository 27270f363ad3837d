//! The dressing half of a layer: removals, users, files, artifacts, units, holds, scripts.
//!
//! Files go in as one tar, read by the image's own tar, so that paths through links end where
//! they would on the running system and directories that exist keep their owner and mode.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use glob_match::glob_match;
use osb_apt::LockedPackage;
use osb_recipe::{FileContent, Layer};
use osb_tree::{Inode, Kind, Time, Tree};

use crate::artifacts;
use crate::chamber::{Chamber, Setup, Workplace};
use crate::error::BuildError;
use crate::job::Job;
use crate::plan::{Plan, PlannedLayer};

/// Makes the dressing half of `planned` on the layers `below`.
pub(crate) fn dress(
    job: &Job,
    plan: &Plan,
    planned: &PlannedLayer,
    below: &[PathBuf],
    tools: &Path,
    prepared: &Path,
) -> Result<Workplace, BuildError> {
    let layer = planned.layer;
    let scripts = job.cache.scratch(&format!("scripts-{}", layer.name))?;
    for script in &layer.scripts {
        let path = scripts.join(&script.name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(BuildError::io("making", parent))?;
        }
        fs::write(&path, &script.body)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
            .map_err(BuildError::io("writing", &path))?;
    }
    let shown = [(scripts, "scripts"), (prepared.to_owned(), "artifacts")];
    let setup = Setup { layer: &layer.name, below, tools, shown: &shown, epoch: plan.epoch };
    let place = Workplace::new(job, &format!("dressing-{}", layer.name))?;
    let mut chamber = Chamber::open(job, &setup, &place)?;
    remove_packages(&mut chamber, layer)?;
    add_users(&mut chamber, layer)?;
    make_directories(&mut chamber, layer)?;
    lay_files(&mut chamber, "laying files", &files(layer)?, plan.epoch)?;
    artifacts::lay(&mut chamber, layer)?;
    set_units(&mut chamber, layer)?;
    hold(&mut chamber, layer, &plan.packages)?;
    for script in &layer.scripts {
        let file = format!("scripts/{}", script.name);
        chamber.run(&file, &[&format!("/run/osb/{file}")])?;
    }
    chamber.close()?;
    Ok(place)
}

fn remove_packages(chamber: &mut Chamber, layer: &Layer) -> Result<(), BuildError> {
    if layer.remove_packages.is_empty() {
        return Ok(());
    }
    let mut argv = vec!["dpkg", "--force-remove-essential", "--purge"];
    argv.extend(layer.remove_packages.iter().map(String::as_str));
    chamber.run("removing packages", &argv).map(drop)
}

fn add_users(chamber: &mut Chamber, layer: &Layer) -> Result<(), BuildError> {
    for group in &layer.groups {
        chamber.run(&format!("adding group {group}"), &["groupadd", "--system", "-f", group])?;
    }
    for user in &layer.users {
        let groups = user.groups.join(",");
        let mut argv = vec!["useradd", "--home-dir", &user.home, "--shell", &user.shell];
        argv.extend(["--comment", &user.comment]);
        argv.push(if user.system { "--no-create-home" } else { "--create-home" });
        if user.system {
            argv.push("--system");
        } else {
            argv.push("--user-group");
        }
        if !user.groups.is_empty() {
            argv.extend(["--groups", &groups]);
        }
        argv.push(&user.name);
        chamber.run(&format!("adding user {}", user.name), &argv)?;
    }
    Ok(())
}

/// Makes the directories that the layer names, or gives those that exist its owner and mode;
/// directories that only lie on the way to a file keep theirs.
fn make_directories(chamber: &mut Chamber, layer: &Layer) -> Result<(), BuildError> {
    for file in &layer.files {
        if matches!(file.content, FileContent::Directory) {
            let (mode, path) = (format!("--mode={:04o}", file.mode), format!("/{}", file.path));
            let (owner, group) = (format!("--owner={}", file.uid), format!("--group={}", file.gid));
            let argv = ["install", "--directory", &mode, &owner, &group, &path];
            chamber.run(&format!("making {}", file.path), &argv)?;
        }
    }
    Ok(())
}

fn set_units(chamber: &mut Chamber, layer: &Layer) -> Result<(), BuildError> {
    let units = &layer.units;
    for (verb, names) in
        [("mask", &units.mask), ("disable", &units.disable), ("enable", &units.enable)]
    {
        if !names.is_empty() {
            let mut argv = vec!["systemctl", verb];
            argv.extend(names.iter().map(String::as_str));
            chamber.run(&format!("{verb} units"), &argv)?;
        }
    }
    Ok(())
}

/// Marks packages of the image whose names match the layer's globs as held.
fn hold(
    chamber: &mut Chamber,
    layer: &Layer,
    packages: &[&LockedPackage],
) -> Result<(), BuildError> {
    let selections: String = packages
        .iter()
        .filter(|package| layer.hold.iter().any(|glob| glob_match(glob, &package.name)))
        .map(|package| format!("{} hold\n", package.name))
        .collect();
    if selections.is_empty() {
        return Ok(());
    }
    chamber.feed("holding packages", &["dpkg", "--set-selections"], selections.into_bytes())?;
    Ok(())
}

/// The layer's files as a tree: those it brings and those that its settings stand for.
fn files(layer: &Layer) -> Result<Tree, BuildError> {
    let mut tree = Tree::new();
    for file in layer.files.iter().chain(&layer.generated_files()) {
        let kind = match &file.content {
            FileContent::Bytes(bytes) => Kind::File(bytes.clone().into()),
            FileContent::Symlink(target) => Kind::Symlink(target.clone().into_bytes()),
            FileContent::Directory => continue,
        };
        let mut inode = Inode::new(file.mode, kind);
        (inode.meta.uid, inode.meta.gid) = (file.uid, file.gid);
        tree.lay(&file.path, inode)?;
    }
    Ok(tree)
}

/// A file of root's.
#[cfg(test)]
pub(crate) fn text_file(mode: u32, text: &str) -> Inode {
    Inode::file(mode, text.as_bytes().to_vec())
}

/// Lays `files` over the root; every file gets the image's clock.
pub(crate) fn lay_files(
    chamber: &mut Chamber,
    what: &str,
    files: &Tree,
    epoch: i64,
) -> Result<(), BuildError> {
    if files.is_empty() {
        return Ok(());
    }
    let mut files = files.clone();
    let ids: Vec<_> = files.iter().map(|(_, id, _)| id).collect();
    for id in ids {
        files.inode_mut(id).meta.mtime = Time::from_secs(epoch);
    }
    let archive = osb_archive::tar(&files, Vec::new())?;
    let mut argv = artifacts::LAY.to_vec();
    argv.push("--file=-");
    chamber.feed(what, &argv, archive)?;
    Ok(())
}
