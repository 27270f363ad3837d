//! Tool sets: host-architecture programs from the same locked archive.
//!
//! A set is a list of packages, locked with their dependencies for every host architecture,
//! unpacked side by side into one tree and never configured. `build` is what the sandbox
//! substitutes for foreign programs, `boot` is QEMU with firmware for machines of the image's
//! architecture and no other, `peer` is mmdebstrap with all it needs, `test` are the other referees
//! of the project's own tests.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use osb_apt::{Lock, LockedPackage, LockedTool, Wanted, deb};
use osb_recipe::Arch;
use osb_unpack::{Filter, Store};
use sha2::{Digest, Sha256};

use crate::cache::entry;
use crate::error::BuildError;
use crate::job::Job;
use crate::packages;
use crate::{chamber, survey};

/// Host architectures that every lock has tools for.
pub(crate) const HOSTS: [&str; 2] = ["amd64", "arm64"];

/// The folder of an entry that is the root of the tools' tree.
const TREE: &str = "tree";

const BUILD: &str = "base-files base-passwd bash bsdutils bzip2 coreutils cpio dash debconf \
    debianutils diffutils dpkg dracut-install e2fsprogs findutils gawk grep gzip hostname init-system-helpers \
    initramfs-tools-core kmod libc-bin libcap2-bin login mawk mount openssh-client openssl passwd \
    perl perl-base procps python3 python3-minimal python3-yaml qemu-user sed systemd tar udev \
    ucf util-linux xz-utils zstd";

/// QEMU and UEFI firmware for an emulated machine.
const fn boot(guest: Arch) -> &'static str {
    match guest {
        Arch::Arm64 => "qemu-efi-aarch64 qemu-system-arm",
        Arch::Amd64 => "ovmf qemu-system-x86",
    }
}

/// A complete small root for mmdebstrap, the referee of `cargo xtask equivalence`: what a Debian
/// system has that is asked to run it, everything Essential included.
const PEER: &str = "apt arch-test base-files base-passwd bash bsdutils coreutils cpio dash \
    debian-archive-keyring debianutils diffutils dpkg findutils gawk gpgv grep gzip hostname \
    init-system-helpers kmod libc-bin libcap2-bin login mawk mmdebstrap mount ncurses-bin passwd \
    perl perl-base procps qemu-user qemu-user-binfmt sed sysvinit-utils tar util-linux xz-utils zstd";

/// What looks at artifacts, and what renders the project's book.
const TEST: &str = "apt dosfstools dpkg e2fsprogs fdisk gdisk gpgv mdbook mtools openssh-client tar \
    xz-utils zstd";

/// What programs do not need to run.
const UNNEEDED: [&str; 3] = [
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
];

/// The sets by name, for the lock of an image of this architecture.
pub(crate) fn sets(image: Arch) -> Vec<(String, Vec<String>)> {
    [("build", BUILD), ("boot", boot(image)), ("peer", PEER), ("test", TEST)]
        .map(|(set, packages)| {
            (set.to_owned(), packages.split_whitespace().map(str::to_owned).collect())
        })
        .to_vec()
}

/// Every package that the lock of an image of this architecture asks its sources for besides those
/// of the layers, sorted: an archive that takes Debian's place must hold them, and what they depend
/// on, for amd64 and arm64.
pub fn tool_packages(image: Arch) -> Vec<String> {
    let names: BTreeSet<String> =
        sets(image).into_iter().flat_map(|(_, packages)| packages).collect();
    names.into_iter().collect()
}

/// The Debian name of the architecture that osb runs on.
pub(crate) fn host() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

/// The packages of `set` for this host.
pub(crate) fn locked<'a>(lock: &'a Lock, set: &str) -> Vec<&'a LockedPackage> {
    let here = |tool: &&LockedTool| tool.set == set && tool.host == host();
    lock.tools.iter().filter(here).map(|tool| &tool.package).collect()
}

/// The only file that is needed of a package, if it is not all. qemu-user has emulators for some
/// forty architectures, which make up two thirds of all tools: the image's own is enough.
fn part(job: &Job, set: &str, package: &LockedPackage) -> Option<&'static str> {
    let emulator = chamber::guest(job).emulator().trim_start_matches('/');
    (set == "build" && package.name == "qemu-user").then_some(emulator)
}

/// The cache entry that these packages are unpacked in, or will be.
pub(crate) fn folder(job: &Job, set: &str, packages: &[&LockedPackage]) -> PathBuf {
    let mut hash = Sha256::new();
    for package in packages {
        let part = part(job, set, package).unwrap_or_default();
        hash.update(format!("{} {} {part}\n", package.name, package.sha256));
    }
    job.cache.tools(&hex::encode(hash.finalize()))
}

/// The tools' packages that were taken apart, without what programs do not need.
pub(crate) fn store(job: &Job) -> Store {
    job.cache.store(Filter::parse(UNNEEDED))
}

/// What the sandbox of this image's layers substitutes programs from: nothing, if they are this
/// host's own.
pub(crate) fn for_layers<'a>(job: &Job, lock: &'a Lock) -> Vec<&'a LockedPackage> {
    let native = job.options.project.recipe.image.arch.as_str() == host();
    if native { Vec::new() } else { locked(lock, "build") }
}

/// Downloads and unpacks the tools for this image's layers; returns the tree, empty if none are
/// needed.
pub(crate) fn unpack_for_layers(job: &Job, lock: &Lock) -> Result<PathBuf, BuildError> {
    match for_layers(job, lock).is_empty() {
        true => job.cache.scratch("no-tools"),
        false => unpack(job, lock, "build"),
    }
}

/// Downloads and unpacks `set` of `lock`; returns the tree.
pub(crate) fn unpack(job: &Job, lock: &Lock, set: &str) -> Result<PathBuf, BuildError> {
    let tools = locked(lock, set);
    if tools.is_empty() {
        return Err(BuildError::Recipe(format!(
            "the lock has no tools of the set {set:?} for {} hosts",
            host()
        )));
    }
    let entry = folder(job, set, &tools);
    if survey::look_over(job, &format!("tools {set}"), &entry)?.is_some() {
        return Ok(entry.join(TREE));
    }
    let wanted: Vec<Wanted> =
        tools.iter().map(|package| packages::wanted(job, package)).collect::<Result<_, _>>()?;
    let files = packages::download(job, "download tools", &wanted)?;
    let (parts, whole): (Vec<_>, Vec<_>) = tools
        .iter()
        .copied()
        .zip(files)
        .partition(|(package, _)| part(job, set, package).is_some());
    let (whole, files): (Vec<&LockedPackage>, Vec<PathBuf>) = whole.into_iter().unzip();
    let store = store(job);
    for package in &whole {
        // One that is damaged is taken apart once more.
        let what = format!("{} {}", package.name, package.version);
        survey::read_over(job, &what, &store.folder(&package.sha256))?;
    }
    packages::take_apart(job, "unpack tools", &store, &whole, &files)?;
    let scratch = job.cache.scratch(&format!("tools-{set}"))?;
    let root = scratch.join(TREE);
    // The directories that merged-/usr systems reach through links; unpacked packages may name
    // either side.
    for (name, target) in
        [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")]
    {
        let directory = root.join(target);
        fs::create_dir_all(&directory).map_err(BuildError::io("making", &directory))?;
        symlink(target, root.join(name)).map_err(BuildError::io("linking", root.join(name)))?;
    }
    osb_unpack::lay_plain(&root, &packages::open(&store, &whole)?, store.filter().clone())?;
    for (package, file) in parts {
        let paths = part(job, set, package).unwrap_or_default();
        deb::extract_files(&file, &root, &[paths]).map_err(|source| BuildError::Package {
            package: format!("{} {}", package.name, package.version),
            source,
        })?;
    }
    entry::seal(&scratch)?;
    job.cache.publish(&scratch, &entry)?;
    Ok(entry.join(TREE))
}
