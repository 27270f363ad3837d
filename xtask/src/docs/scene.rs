//! A scratch project for the commands of one page, and what stands in for what a reader has and a
//! test has not: disks, a company's repository, the Kubernetes project's.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use osb_testrepo::{Deb, Key, Server, Suite, TestRepo, serve};
use regex::Regex;

use crate::kubernetes;
use crate::loops::Loop;
use crate::project::{Image, Project};
use crate::steps::show;
use crate::test::clear;

/// How large a disk is that stands in for a reader's: the default image has room on it.
const DISK: u64 = 4 << 30;

/// How many of the last lines of a failed block are told: the console of a guest has thousands.
const LAST: usize = 40;

/// How the pages call a disk, the repository of somebody else, and the key that signed it.
const DISKS: &str = r"/dev/(disk/by-id/[\w.:-]+|sd[a-z])\b";
const REPOSITORY: &str = "https://apt.example.org";
const FINGERPRINT: &str = "0123456789ABCDEF0123456789ABCDEF01234567";
const CERTIFICATE: &str = "keys/example.asc";
/// What asks for the Kubernetes project's repository.
const UPSTREAM: &str = "kubernetes.upstream=1.36";

/// A reader's public key; nobody has the other half.
const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB me@here\n";

/// Where a page's commands are run.
pub(super) struct Scene<'a> {
    project: &'a Project,
    /// Everything of this page.
    place: PathBuf,
    /// What is written in the page, and what is used in its place.
    stand_ins: Vec<(String, String)>,
    /// What lives as long as the scene.
    disks: Vec<Loop>,
    servers: Vec<(TestRepo, Server)>,
}

impl<'a> Scene<'a> {
    /// A project with the default recipe, and the locks that the images were built from.
    pub(super) fn new(project: &'a Project, images: &[Image], name: &str) -> Result<Scene<'a>> {
        let place = project.work.join("documented").join(name);
        clear(&place)?;
        for folder in ["project", "bin", "home/.ssh"] {
            fs::create_dir_all(place.join(folder))?;
        }
        fs::write(place.join("home/.ssh/id_ed25519.pub"), PUBLIC_KEY)?;
        symlink(&project.osb, place.join("bin/osb")).context("linking osb")?;
        let scene =
            Scene { project, place, stand_ins: Vec::new(), disks: Vec::new(), servers: Vec::new() };
        scene.shim()?;
        for image in images {
            let lock = image.recipe.with_extension("lock");
            show(Command::new("cp").arg(lock).arg(scene.folder()))?;
        }
        let default = images.first().context("there is a default image")?;
        show(Command::new("cp").arg(&default.recipe).arg(scene.folder()))?;
        Ok(scene)
    }

    /// The project's folder.
    fn folder(&self) -> PathBuf {
        self.place.join("project")
    }

    /// cargo, on the repository's workspace: the project here has none.
    fn shim(&self) -> Result<()> {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let home = std::env::var("HOME").unwrap_or_default();
        let manifest = self.project.root.join("Cargo.toml");
        // Where the program is already, whatever folder a relative path in the environment means here.
        let target =
            self.project.work.parent().context("the work folder is in the target folder")?;
        let text = format!(
            "#!/bin/sh\ntask=$1; shift\nexport HOME='{home}' CARGO_TARGET_DIR='{}'\n\
             exec '{cargo}' \"$task\" --quiet --manifest-path '{}' \"$@\"\n",
            target.display(),
            manifest.display()
        );
        let path = self.place.join("bin/cargo");
        fs::write(&path, text)?;
        Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?)
    }

    /// A page's text with the stand-ins in it; they are made when they are first named.
    pub(super) fn stage(&mut self, text: &str) -> Result<String> {
        for disk in Regex::new(DISKS)?.find_iter(text).map(|found| found.as_str()) {
            if !self.knows(disk) {
                let device = self.disk()?;
                self.stand_ins.push((disk.to_owned(), device));
            }
        }
        if text.contains(REPOSITORY) && !self.knows(REPOSITORY) {
            self.repository()?;
        }
        if text.contains(UPSTREAM) && !self.knows(UPSTREAM) {
            self.upstream();
        }
        let all = self.stand_ins.iter();
        Ok(all.fold(text.to_owned(), |text, (written, used)| text.replace(written, used)))
    }

    fn knows(&self, name: &str) -> bool {
        self.stand_ins.iter().any(|(written, _)| written == name)
    }

    /// Writes a file of the project.
    pub(super) fn put(&mut self, path: &str, text: &str) -> Result<()> {
        let text = self.stage(text)?;
        let path = self.folder().join(path);
        fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
        fs::write(&path, &text).with_context(|| path.display().to_string())?;
        let script = text.starts_with("#!");
        let mode = fs::Permissions::from_mode(if script { 0o755 } else { 0o644 });
        Ok(fs::set_permissions(&path, mode)?)
    }

    /// Runs a script in the project; everything that it printed, in order.
    pub(super) fn run(&mut self, script: &str) -> Result<String> {
        let script = format!("exec 2>&1\n{}", self.stage(script)?);
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.place.join("bin").display());
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", &script]).current_dir(self.folder()).env("PATH", path);
        bash.env("HOME", self.place.join("home")).env("OSB_CACHE_DIR", &self.project.cache);
        bash.env("GIT_CONFIG_NOSYSTEM", "1").stdin(std::process::Stdio::null());
        let output = bash.output().context("starting bash")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let lines: Vec<&str> = text.lines().collect();
            let last = lines[lines.len().saturating_sub(LAST)..].join("\n");
            bail!("ended with {}:\n{script}\n{last}", output.status);
        }
        Ok(text)
    }

    /// A disk that nobody needs.
    fn disk(&mut self) -> Result<String> {
        let file = self.place.join(format!("disk-{}.img", self.disks.len()));
        fs::File::create(&file)?.set_len(DISK)?;
        let device = Loop::over(&file, 512)?;
        let name = device.device().display().to_string();
        self.disks.push(device);
        Ok(name)
    }

    /// A company's repository with one package, signed and served here.
    fn repository(&mut self) -> Result<()> {
        let key = Key::new(37);
        let repository = TestRepo::new();
        let deb = Deb::new("example-agent", "2.4-1", "all")
            .directory("usr", 0o755)
            .directory("usr/bin", 0o755)
            .file("usr/bin/example-agent", 0o755, "#!/bin/sh\nexit 0\n");
        repository.write(
            &Suite::new("trixie")
                .architectures(&["arm64", "amd64"])
                .package("main", deb)
                .signed_by(&key),
        );
        let server = serve(repository.path());
        self.stand_ins.push((REPOSITORY.to_owned(), server.url()));
        self.stand_ins.push((FINGERPRINT.to_owned(), key.fingerprint()));
        self.put(CERTIFICATE, &key.armored())?;
        self.servers.push((repository, server));
        Ok(())
    }

    /// The Kubernetes project's repository, as in the test of `kubernetes.upstream`.
    fn upstream(&mut self) {
        let (repository, key) = kubernetes::repository();
        let server = serve(repository.path());
        let settings: String =
            kubernetes::settings(&server, &key).iter().map(|one| format!(" --set {one}")).collect();
        self.stand_ins.push((UPSTREAM.to_owned(), format!("{UPSTREAM}{settings}")));
        self.servers.push((repository, server));
    }
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        // Images and disks: the steps that follow need the room.
        self.disks.clear();
        if let Err(error) = clear(&self.place) {
            eprintln!("warning: {error:#}");
        }
    }
}
