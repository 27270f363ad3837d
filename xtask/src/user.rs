//! The same build by an ordinary user, who must get the same bytes.
//!
//! The user exists in a mount namespace only: there `/etc/passwd` names one, who has subordinate
//! ids, and a folder of this project is bound to `/mnt`, which everybody can reach. The packages
//! that root's build has downloaded are there already.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::project::{Image, Project};
use crate::reproduce::same_bytes;
use crate::steps::{Steps, capture, show};
use crate::test::clear;

const USER: u32 = 12345;

/// What happens in the mount namespace, with the folder as `$1` and the rest to run as the user.
const SCRIPT: &str = "\
    mount --bind \"$1\" /mnt
    cd /mnt
    mount --bind passwd /etc/passwd
    for file in /etc/subuid /etc/subgid; do
        [ -e $file ] || touch $file
        mount --bind subid $file
    done
    shift
    cd /mnt/home
    exec setpriv --reuid 12345 --regid 12345 --clear-groups \
        env -u OSB_CACHE_DIR -u XDG_CACHE_HOME HOME=/mnt/home USER=tester \"$@\"";

/// Builds the default recipe once more, as the user, and compares with root's sums.
pub(crate) fn check(steps: &mut Steps, project: &Project, image: &Image) {
    if !rustix::process::geteuid().is_root() {
        steps.run("an ordinary user", || Ok(((), "has made all of this".to_owned())));
        return;
    }
    if Command::new("newuidmap").output().is_err() {
        if std::env::var_os("CI").is_none() {
            steps.skip("an ordinary user", "newuidmap is not installed (package uidmap)");
            return;
        }
        steps.run::<()>("an ordinary user", || {
            bail!("newuidmap is not installed; ci/prepare should have done that")
        });
        return;
    }
    let Some(place) = steps
        .run("an ordinary user: home", || Ok((furnish(project, &image.recipe)?, String::new())))
    else {
        return;
    };
    steps.run("an ordinary user: osb doctor", || {
        let text = capture(&mut as_user(&place, &["doctor"]))?;
        let first = text.lines().next().unwrap_or_default().to_owned();
        ensure!(first.contains("user namespace"), "doctor says:\n{text}");
        Ok(((), first))
    });
    steps.run("an ordinary user: the same bytes", || {
        show(&mut as_user(&place, &["build", "--locked", "--quiet"]))?;
        let count = same_bytes(project, &image.out, &place.join("home/out"), "the user")?;
        Ok(((), format!("{count} files")))
    });
    // A second cache and second artifacts: the steps that follow need the room.
    if let Err(error) = clear(&place) {
        eprintln!("warning: {error:#}");
    }
}

/// A home with the project in it and the downloaded packages in its cache, and the program.
fn furnish(project: &Project, recipe: &Path) -> Result<PathBuf> {
    let place = project.work.join("user");
    clear(&place)?;
    let cache = place.join("home/.cache/osb");
    fs::create_dir_all(&cache)?;
    fs::copy(&project.osb, place.join("osb"))?;
    let passwd = fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
    fs::write(
        place.join("passwd"),
        format!("{passwd}tester:x:{USER}:{USER}::/mnt/home:/bin/sh\n"),
    )?;
    fs::write(place.join("subid"), "tester:300000:65536\n")?;
    for name in ["osb.toml", "osb.lock", "layers"] {
        show(
            Command::new("cp").arg("-a").arg(recipe.with_file_name(name)).arg(place.join("home")),
        )?;
    }
    for name in ["debs-v1", "indices-v1", "releases-v1"] {
        link(&project.cache.join(name), &cache.join(name))?;
    }
    give_folders(&place.join("home"))?;
    Ok(place)
}

/// Makes `to` a copy of the folder `from`: links, as its files are only read, or real copies if
/// there can be none, because the cache is on another file system.
pub(crate) fn link(from: &Path, to: &Path) -> Result<()> {
    let copy = |how: &str| {
        let mut command = Command::new("cp");
        command.arg(how).arg(from).arg(to);
        command
    };
    // What it says is not shown: it would be a line for every file.
    if capture(&mut copy("-al")).is_ok() {
        return Ok(());
    }
    clear(to)?;
    show(&mut copy("-a"))
}

/// Makes a folder and all folders in it the user's. Files may be links to root's.
fn give_folders(folder: &Path) -> Result<()> {
    chown(folder, Some(USER), Some(USER)).with_context(|| folder.display().to_string())?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            give_folders(&entry.path())?;
        }
    }
    Ok(())
}

/// osb in the user's home.
fn as_user(place: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", SCRIPT, "sh"]).arg(place).arg("/mnt/osb").args(arguments);
    command
}
