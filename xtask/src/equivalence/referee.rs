//! One run of unmodified mmdebstrap on a locked set, kept until something about it changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use osb_apt::Lock;
use osb_recipe::{Arch, Project};
use sha2::{Digest, Sha256};

use super::container::{Container, KIT, OUT};
use super::{customize, repository};
use crate::test::clear;
use crate::usage::{Usage, measure};

/// What the container runs.
const RUN: &str = include_str!("run.sh");

/// A set, ready for mmdebstrap.
pub(crate) struct Referee {
    container: Container,
    digest: String,
}

/// What mmdebstrap is asked to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A tar archive, to compare.
    Tar,
    /// The root as a directory, which is thrown away.
    Directory,
}

/// What is to be refereed.
pub(crate) struct Set<'a> {
    pub(crate) project: &'a Project,
    pub(crate) lock: &'a Lock,
    /// osb's folder of packages.
    pub(crate) debs: &'a Path,
    /// The unpacked `peer` tools.
    pub(crate) tools: &'a Path,
}

impl Referee {
    /// Writes everything that the run reads into `folder/kit`.
    pub(crate) fn prepare(set: &Set, folder: PathBuf, form: Form) -> Result<Referee> {
        clear(&folder)?;
        let kit = folder.join("kit");
        fs::create_dir_all(&kit).with_context(|| format!("making {}", kit.display()))?;
        fs::create_dir_all(folder.join("out"))?;
        let suite = &set.project.recipe.suite;
        let architecture = set.project.recipe.image.arch;
        let packages = &set.lock.packages;
        repository::write(&kit.join("repository"), suite, architecture, packages, set.debs)?;
        customize::write(&kit, set.project, packages)?;
        fs::write(kit.join("run"), RUN)?;
        // INITRD=No: the kernel's scripts leave the initramfs to the end of the run, where the
        // recipe has it made. Otherwise mmdebstrap would pay for two.
        let epoch = set.lock.newest_date();
        fs::write(
            kit.join("environment"),
            format!("export SOURCE_DATE_EPOCH={epoch} INITRD=No LC_ALL=C.UTF-8 TZ=UTC\n"),
        )?;
        if architecture.as_str() != host() {
            let machine = match architecture {
                Arch::Arm64 => "aarch64",
                Arch::Amd64 => "x86_64",
            };
            fs::write(kit.join("emulate"), format!("{machine}\n"))?;
        }
        let lines = arguments(set, form);
        fs::write(kit.join("arguments"), lines.join("\n") + "\n")?;
        let mut hash = Sha256::new();
        for tool in set.lock.tools.iter().filter(|tool| tool.set == "peer" && tool.host == host()) {
            hash.update(&tool.package.sha256);
        }
        digest_folder(&kit, &mut hash)?;
        let digest = hex::encode(hash.finalize());
        let container = Container { tools: set.tools.to_owned(), folder, drop_fsync: true };
        Ok(Referee { container, digest })
    }

    /// Runs mmdebstrap; what it made lies in `folder/out`. With `drop_fsync`, as osb's own
    /// programs run; without, as it comes.
    pub(crate) fn run(&mut self, drop_fsync: bool) -> Result<Usage> {
        self.container.drop_fsync = drop_fsync;
        let log = self.container.folder.join("out/log");
        measure(Command::new(std::env::current_exe()?).args(self.container.arguments()))
            .with_context(|| format!("mmdebstrap failed; see {}", log.display()))
    }

    /// The archive and the cost of this run or, unless `fresh`, of an equal one before.
    pub(crate) fn cached(&mut self, cache: &Path, fresh: bool) -> Result<(PathBuf, Usage, bool)> {
        let entry = cache.join(&self.digest);
        let (archive, usage) = (entry.join("root.tar"), entry.join("usage.json"));
        if !fresh && usage.is_file() {
            return Ok((archive, serde_json::from_slice(&fs::read(&usage)?)?, true));
        }
        clear(&entry)?;
        eprintln!("    takes minutes; log: {}", self.container.folder.join("out/log").display());
        eprintln!("    kept as {}", entry.display());
        let cost = self.run(true)?;
        fs::create_dir_all(&entry)?;
        for name in ["root.tar", "log"] {
            fs::rename(self.container.folder.join("out").join(name), entry.join(name))?;
        }
        fs::write(&usage, serde_json::to_vec(&cost)?)?;
        Ok((archive, cost, false))
    }
}

/// mmdebstrap's arguments. Every locked package is named, and the repository has no other: there
/// is nothing to choose.
fn arguments(set: &Set, form: Form) -> Vec<String> {
    let names: Vec<&str> = set.lock.packages.iter().map(|package| package.name.as_str()).collect();
    let recipe = &set.project.recipe;
    let mut lines = vec![
        "--mode=root".to_owned(),
        "--variant=essential".to_owned(),
        format!("--architectures={}", recipe.image.arch.as_str()),
        format!("--include={}", names.join(",")),
        format!("--customize-hook={KIT}/customize"),
        "--verbose".to_owned(),
    ];
    lines.extend(recipe.trim.dpkg_excludes().iter().map(|line| format!("--dpkgopt={line}")));
    let (format, target) = match form {
        Form::Tar => ("tar", "root.tar"),
        Form::Directory => ("directory", "tree"),
    };
    lines.push(format!("--format={format}"));
    lines.push(recipe.suite.clone());
    lines.push(format!("{OUT}/{target}"));
    lines.push(format!("deb [trusted=yes] copy:{KIT}/repository ./"));
    lines
}

/// The Debian name of this machine's architecture.
pub(crate) fn host() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

/// Covers names and bytes of all files, but of the packages, whose digests stand in the index.
fn digest_folder(folder: &Path, hash: &mut Sha256) -> Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            digest_folder(&path, hash)?;
        } else if path.extension().is_none_or(|extension| extension != "deb") {
            let bytes = fs::read(&path)?;
            hash.update(entry.file_name().as_encoded_bytes());
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        }
    }
    Ok(())
}
