//! Why a build failed, and what to do about it.

use std::io;
use std::path::PathBuf;

use osb_apt::{AptError, Kind, ResolveError};

use crate::failed::FailedCommand;

/// Any failure of a build, with the step it happened in.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Repositories, signatures, downloads.
    #[error(transparent)]
    Apt(#[from] AptError),
    /// A pinned archive that is damaged, hostile or too large.
    #[error("layer {layer}: the artifact {url} is refused: {source}")]
    Artifact {
        /// The layer.
        layer: String,
        /// The artifact.
        url: String,
        /// How many bytes it may have when it is decompressed.
        limit: u64,
        /// What is wrong, and with which member.
        source: osb_apt::ArchiveError,
    },
    /// A .deb that is not one, or is hostile.
    #[error("package {package}: {source}")]
    Package {
        /// Name and version.
        package: String,
        /// What is wrong with it.
        source: osb_apt::deb::DebError,
    },
    /// Packages that do not fit together, or a file of the cache.
    #[error(transparent)]
    Unpack(#[from] osb_unpack::UnpackError),
    /// The lock must change, and may not.
    #[error("{0}")]
    LockDrift(String),
    /// There is no lock of which to move a part.
    #[error("there is no lock for this recipe: no {}", .0.display())]
    NoLock(PathBuf),
    /// What was named as a vault is none, or is incomplete.
    #[error("the vault {}: {problem}", path.display())]
    Vault {
        /// The folder or tar.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A file of a vault is not the one that its index names.
    #[error("the vault {} is damaged, or was changed: {problem}", path.display())]
    VaultChanged {
        /// The folder or tar.
        path: PathBuf,
        /// Which file, and how.
        problem: String,
    },
    /// Something is where something new is to be written.
    #[error("{} is there already, and is not overwritten", .0.display())]
    Exists(PathBuf),
    /// A package that is to move is not in the lock.
    #[error("the lock has no package {name:?}")]
    NotLocked {
        /// The name.
        name: String,
        /// Names in the lock that are like it, the most similar first.
        near: Vec<String>,
    },
    /// A source went back in time.
    #[error(
        "source {source_name:?} is from {offered} (seconds since 1970); the lock has seen it of {seen}"
    )]
    Rollback {
        /// The source's name.
        source_name: String,
        /// `Date` of the Release that the mirror offers.
        offered: i64,
        /// `Date` of the Release in the lock.
        seen: i64,
    },
    /// The sandbox could not do its part.
    #[error(transparent)]
    Sandbox(#[from] osb_sandbox::SandboxError),
    /// The host lacks something.
    #[error(transparent)]
    Host(#[from] osb_sandbox::Missing),
    /// A folder that was named as the cache, and holds something else.
    #[error("{} holds other things than a cache of osb", .0.display())]
    NoCache(PathBuf),
    /// A cache whose files belong to other users than they seem to.
    #[error(
        "the cache {} was made by another user, or with other subordinate ids: who owns the files \
         in it cannot be told",
        .0.display()
    )]
    OtherIds(PathBuf),
    /// A program in the sandbox failed, or had to be ended.
    #[error(transparent)]
    Command(Box<FailedCommand>),
    /// The finished tree is not what the recipe and its layers say.
    #[error("the tree is not as declared:\n  {}", .0.join("\n  "))]
    Unexpected(Vec<String>),
    /// The image breaks rules of `osb check`.
    #[error("the image is not fit to start, so it was not given its name:\n  {}", .0.join("\n  "))]
    Unfit(Vec<String>),
    /// Not enough room.
    #[error("{}: {need} MiB are needed, {have} MiB are free", path.display())]
    Space {
        /// The folder that is too small.
        path: PathBuf,
        /// Megabytes (2^20) needed.
        need: u64,
        /// Megabytes free.
        have: u64,
    },
    /// A recipe that asks for something impossible.
    #[error("{0}")]
    Recipe(String),
    /// What is asked for is told from the cache, which does not have it.
    #[error("{0}")]
    NotBuilt(String),
    /// Reading a layer back.
    #[error(transparent)]
    Scan(#[from] osb_tree::ScanError),
    /// Composing a tree.
    #[error(transparent)]
    Tree(#[from] osb_tree::TreeError),
    /// The boot partition's contents.
    #[error(transparent)]
    Board(#[from] osb_board::BoardError),
    /// The boot file system.
    #[error("boot partition: {0}")]
    Fat(#[from] osb_fat::FatError),
    /// The root file system.
    #[error("root partition: {0}")]
    Ext4(#[from] osb_ext4::Ext4Error),
    /// The partition table.
    #[error(transparent)]
    Partition(#[from] osb_partition::PartitionError),
    /// rootfs.tar.gz.
    #[error(transparent)]
    Archive(#[from] osb_archive::ArchiveError),
    /// A file or folder of the building machine.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a gerund.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others have what this run needs alone, and it is not to wait.
    #[error("{0}")]
    Busy(String),
    /// The caller asked to stop.
    #[error("interrupted")]
    Cancelled,
}

impl BuildError {
    /// Adds what was tried, and on what, to an I/O error.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> BuildError {
        let path = path.into();
        move |source| BuildError::Io { action, path, source }
    }

    /// The exit code that the command line promises for this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            BuildError::Cancelled => 130,
            BuildError::Apt(error) => match error.kind() {
                Kind::Verification => 4,
                Kind::NotFound | Kind::Resolution | Kind::Format => 2,
                Kind::Cancelled => 130,
                _ => 1,
            },
            BuildError::Sandbox(osb_sandbox::SandboxError::Cancelled) => 130,
            BuildError::Sandbox(osb_sandbox::SandboxError::Missing(_)) => 5,
            BuildError::Exists(_) => 3,
            BuildError::Vault { .. }
            | BuildError::LockDrift(_)
            | BuildError::NoLock(_)
            | BuildError::NotLocked { .. }
            | BuildError::Recipe(_)
            | BuildError::NoCache(_)
            | BuildError::NotBuilt(_) => 2,
            BuildError::Package { .. }
            | BuildError::Artifact { .. }
            | BuildError::VaultChanged { .. }
            | BuildError::Unexpected(_)
            | BuildError::Unfit(_)
            | BuildError::Rollback { .. } => 4,
            BuildError::Host(_) | BuildError::OtherIds(_) | BuildError::Space { .. } => 5,
            BuildError::Io { source, .. } if source.kind() == io::ErrorKind::Interrupted => 130,
            _ => 1,
        }
    }

    /// What to do next, where that is known.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            BuildError::Unfit(_) => {
                "`osb check --list` tells the reason and the remedy of each rule; --no-check builds \
                 all the same"
                    .into()
            }
            BuildError::Apt(AptError::Vanished { .. }) => {
                "the archive no longer has this version: run `osb lock --update`, or build without \
                 --locked"
                    .into()
            }
            BuildError::Apt(AptError::Resolve(ResolveError::Missing { nearest, .. }))
                if !nearest.is_empty() =>
            {
                format!("did you mean {}?", nearest.join(", "))
            }
            BuildError::Apt(error) if error.kind() == Kind::Network => {
                "check the network, or choose another mirror with --mirror; what is downloaded is \
                 kept, the next run goes on"
                    .into()
            }
            BuildError::Apt(AptError::Digest { what, .. } | AptError::Size { what, .. })
                if what.starts_with("artifact ") =>
            {
                "the file at the URL is another one by now, or layer.toml has another digest or \
                 size: compare them with what the project publishes"
                    .into()
            }
            BuildError::Artifact { source, limit, .. } if source.member.is_none() => format!(
                "its digest is the one in layer.toml: look at what was published. An honest archive \
                 that is larger than {limit} bytes needs a larger `unpacked-max`"
            ),
            BuildError::Apt(AptError::Digest { .. } | AptError::Size { .. }) => {
                "the mirror is being updated, or is broken: try later, or another with --mirror"
                    .into()
            }
            BuildError::Command(failed) => failed.hint(),
            BuildError::Rollback { .. } | BuildError::Apt(AptError::Older { .. }) => {
                "choose a mirror that is up to date; to go back on purpose, remove the lock and the \
                 folder releases-v1 of the cache"
                    .into()
            }
            BuildError::Exists(_) => "choose another name, or remove it first".into(),
            BuildError::Vault { .. } | BuildError::VaultChanged { .. } => {
                "export it anew, or take another copy of it".into()
            }
            BuildError::NoLock(_) => "run `osb lock` to make it".into(),
            BuildError::NotLocked { near, .. } if near.is_empty() => {
                "a package is added to a layer's packages.install; `osb lock` then locks it".into()
            }
            BuildError::NotLocked { near, .. } => format!("did you mean {}?", near.join(", ")),
            BuildError::LockDrift(_) => "run `osb lock` and commit the new lock".into(),
            BuildError::NotBuilt(_) => "`osb build --only tree` makes it".into(),
            BuildError::Busy(_) => "try again when they have ended, or without --no-wait".into(),
            BuildError::Host(_) => "`osb doctor` lists everything osb needs".into(),
            BuildError::NoCache(_) => {
                "name an empty or a new folder with --cache-dir or OSB_CACHE_DIR".into()
            }
            BuildError::OtherIds(_) => {
                "choose another one with --cache-dir or OSB_CACHE_DIR, or remove it as the user who \
                 made it; `osb doctor` lists everything osb needs"
                    .into()
            }
            BuildError::Space { .. } => {
                "free some space, or choose other folders with --cache-dir and --output".into()
            }
            _ => return None,
        })
    }
}
