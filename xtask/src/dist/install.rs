//! The package on a system of trixie, by its own dpkg; and `cargo install`.
//!
//! The system is an image of osb for the building machine's own architecture, unpacked. dpkg and
//! osb run in it with a mount namespace of their own, so osb finds nothing there of the repository
//! that it was built in.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use osb_tree::{Manifest, scan_layer};

use super::folder;
use crate::project::{DEFAULT, Image, Project};
use crate::steps::{Steps, capture, show};
use crate::test::clear;

/// The recipe whose image runs on this machine as it is.
pub(crate) const NATIVE: &str = if cfg!(target_arch = "aarch64") { DEFAULT } else { "amd64-node" };

/// Makes the folder `$1` the root and runs the rest in it. Not by chroot, in which no user namespace
/// can be made (user_namespaces(7)), and so no sandbox.
const ENTER: &str = "\
    mount --bind \"$1\" \"$1\"
    cd \"$1\"
    mount -t proc proc proc
    mount --rbind /dev dev
    mount -t tmpfs tmpfs tmp
    shift
    pivot_root . mnt
    cd /srv
    umount -l /mnt
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME=/srv \
        DEBIAN_FRONTEND=noninteractive OSB_CACHE_DIR=/srv/cache \"$@\"";

/// What dpkg keeps of packages that are gone: its database, as it writes it, and its log.
const KEPT: [&str; 2] = ["var/lib/dpkg/", "var/log/dpkg.log"];

/// So many lines of what differs are shown.
const SHOWN: usize = 10;

/// The folder that is the test's own.
const OWN: &str = "srv/";

/// Installs, runs and removes the package that `dist::check` has made; `image` is what was built.
pub(crate) fn check(steps: &mut Steps, project: &Project, image: &Image) {
    if image.name != NATIVE {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        steps.skip("dist: the package installed", "only root can start a system in a folder");
        return;
    }
    let Some(system) = steps.run("dist: a system of trixie", || {
        let system = System::unpack(project, image)?;
        let text = capture(&mut system.command(&["cat", "/etc/debian_version"]))?;
        Ok((system, text.trim().to_owned()))
    }) else {
        return;
    };
    let Some(before) = steps.run("dist: dpkg --install", || system.install(project)) else {
        return;
    };
    steps.run("dist: osb in that system", || system.try_out());
    for how in ["--remove", "--purge"] {
        steps.run(&format!("dist: dpkg {how} leaves nothing"), || system.removed(how, &before));
    }
    if let Err(error) = clear(&system.root) {
        eprintln!("warning: {error:#}");
    }
}

struct System {
    root: PathBuf,
}

impl System {
    fn unpack(project: &Project, image: &Image) -> Result<Self> {
        let root = project.work.join("dist-system");
        clear(&root)?;
        fs::create_dir_all(&root)?;
        let mut tar = Command::new("tar");
        tar.args(["--xattrs", "--xattrs-include=*", "--numeric-owner", "-C"]).arg(&root);
        show(tar.arg("-xpzf").arg(image.out.join("rootfs.tar.gz")))?;
        let system = Self { root };
        // Nodes do without manual pages and other documents, and tell their dpkg so (docs/recipe.md,
        // `[trim]`). An ordinary system has them.
        clear(&system.root.join("etc/dpkg/dpkg.cfg.d"))?;
        // For the default recipe, of which the system has nothing but osb.
        fs::copy(project.root.join("osb.lock"), system.own("osb.lock"))?;
        Ok(system)
    }

    fn own(&self, name: &str) -> PathBuf {
        self.root.join(OWN).join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-ec", ENTER, "sh"]).arg(&self.root).args(words);
        command
    }

    /// What there is: all paths with what they are, and all packages.
    fn state(&self) -> Result<State> {
        let manifest = Manifest::of(&scan_layer(&self.root)?)?;
        let wanted =
            |path: &str| !path.starts_with(OWN) && !KEPT.iter().any(|kept| path.starts_with(kept));
        // Without times: dpkg's coming and going changes those of folders.
        let paths = manifest.extract(0, wanted).lines().map(str::to_owned).collect();
        let query = ["dpkg-query", "--show", "--showformat=${Package} ${Version} ${Status}\n"];
        Ok(State { paths, packages: capture(&mut self.command(&query))? })
    }

    /// The package comes; what was there before.
    fn install(&self, project: &Project) -> Result<(State, String)> {
        let before = self.state()?;
        let made = fs::read_dir(folder(project))
            .context("no package was made")?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<_>>>()?;
        let deb = made.iter().find(|path| path.extension().is_some_and(|end| end == "deb"));
        fs::copy(deb.context("no package was made")?, self.own("osb.deb"))?;
        // dpkg refuses if the system's libraries are older than what the package depends on.
        capture(&mut self.command(&["dpkg", "--install", "osb.deb"]))?;
        for silent in [["dpkg", "--audit", "osb"], ["dpkg", "--verify", "osb"]] {
            let text = capture(&mut self.command(&silent))?;
            ensure!(text.trim().is_empty(), "{} says:\n{text}", silent.join(" "));
        }
        let after = self.state()?;
        let new = difference(&after.paths, &before.paths).len();
        ensure!(new > 0, "nothing was installed");
        let status = capture(&mut self.command(&["dpkg-query", "--show", "osb"]))?;
        Ok((before, format!("{}, {new} paths", status.trim().replace('\t', " "))))
    }

    /// osb does there what it does elsewhere.
    fn try_out(&self) -> Result<((), String)> {
        let version = capture(&mut self.command(&["osb", "--version"]))?;
        capture(&mut self.command(&["osb", "doctor", "--output", "/srv/out"]))?;
        let plan = capture(&mut self.command(&["osb", "plan", "--offline", "--json"]))?;
        let layers = layers_of(&plan)?;
        Ok(((), format!("{}; doctor is content; layers {layers}", version.trim())))
    }

    /// The package goes; nothing of it must be left, nor anything else be gone.
    fn removed(&self, how: &str, before: &State) -> Result<((), String)> {
        // It was removed before, if this is the second time.
        if !self.command(&["dpkg-query", "--show", "osb"]).output()?.status.success() {
            capture(&mut self.command(&["dpkg", "--install", "osb.deb"]))?;
        }
        capture(&mut self.command(&["dpkg", how, "osb"]))?;
        let after = self.state()?;
        let new = difference(&after.paths, &before.paths);
        let gone = difference(&before.paths, &after.paths);
        ensure!(
            new.is_empty() && gone.is_empty(),
            "left or changed:\n{}\nbefore:\n{}",
            new[..new.len().min(SHOWN)].join("\n"),
            gone[..gone.len().min(SHOWN)].join("\n")
        );
        ensure!(
            after.packages == before.packages,
            "dpkg has other packages than before:\n{}",
            after.packages
        );
        Ok(((), format!("{} paths as before", after.paths.len())))
    }
}

struct State {
    /// A line for each, sorted.
    paths: Vec<String>,
    packages: String,
}

/// The lines of `a` that are not in `b`.
fn difference<'a>(a: &'a [String], b: &[String]) -> Vec<&'a str> {
    let b: HashSet<&String> = b.iter().collect();
    a.iter().filter(|line| !b.contains(line)).map(String::as_str).collect()
}

/// The layers that a plan of the default recipe installs; all of them must be there, and so be part
/// of the program.
fn layers_of(plan: &str) -> Result<String> {
    let mut layers: Vec<String> = Vec::new();
    for line in plan.lines() {
        let value: serde_json::Value = serde_json::from_str(line)?;
        let steps = value["steps"].as_array().into_iter().flatten();
        for step in steps.filter(|step| step["stage"] == "install") {
            layers.extend(step["layer"].as_str().map(str::to_owned));
        }
    }
    ensure!(layers == ["base", "bootstrap", "k8s-prereq"], "the plan has the layers {layers:?}");
    Ok(layers.join(", "))
}

/// `cargo install`, and the installed program in a folder with nothing but a lock.
pub(super) fn cargo(steps: &mut Steps, project: &Project) {
    steps.run("dist: cargo install", || {
        let place = project.work.join("installed");
        clear(&place)?;
        let empty = place.join("empty");
        fs::create_dir_all(&empty)?;
        let root = place.to_str().context("the target folder's path is not UTF-8")?;
        // The release build is there: this compiles nothing.
        project.cargo(&[
            "install",
            "--quiet",
            "--locked",
            "--no-track",
            "--path",
            "crates/osb",
            "--root",
            root,
        ])?;
        let program = place.join("bin/osb");
        ensure!(same(&program, &project.osb)?, "it is another program than cargo build made");
        fs::copy(project.root.join("osb.lock"), empty.join("osb.lock"))?;
        let mut plan = Command::new(&program);
        plan.arg("--cache-dir").arg(place.join("cache"));
        let plan = capture(plan.args(["plan", "--offline", "--json"]).current_dir(&empty))?;
        let layers = layers_of(&plan)?;
        clear(&place)?;
        Ok(((), format!("in an empty folder it plans the layers {layers}")))
    });
}

fn same(a: &Path, b: &Path) -> Result<bool> {
    Ok(osb_checksum::sha256_file(a)? == osb_checksum::sha256_file(b)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_without_the_built_in_layers_is_noticed() {
        let plan = |layers: &[&str]| {
            let steps: Vec<_> = layers
                .iter()
                .map(|name| serde_json::json!({"stage": "install", "layer": name}))
                .collect();
            serde_json::json!({"event": "plan", "steps": steps}).to_string()
        };
        assert!(layers_of(&plan(&["base", "bootstrap", "k8s-prereq"])).is_ok());
        assert!(layers_of(&plan(&["base"])).is_err());
        assert!(layers_of("").is_err());
    }

    #[test]
    fn differences_are_lines_of_one_side() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(difference(&lines("a\nb\nc"), &lines("a\nc")), ["b"]);
        assert!(difference(&lines("a"), &lines("a\nb")).is_empty());
    }
}
