//! The recipe, resolved: every default filled in, every value checked.

use crate::disk::Disk;
use crate::trim::Trim;

/// A Debian architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    /// 64-bit ARM.
    Arm64,
    /// 64-bit x86.
    Amd64,
}

impl Arch {
    /// All of them.
    pub const ALL: [Arch; 2] = [Arch::Arm64, Arch::Amd64];

    /// Debian's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Arch::Arm64 => "arm64",
            Arch::Amd64 => "amd64",
        }
    }
}

/// Boards, and the architectures each exists for. The boot files of a board are `osb-board`'s.
pub const BOARDS: &[(&str, &[Arch])] =
    &[("rpi5", &[Arch::Arm64]), ("uefi", &[Arch::Arm64, Arch::Amd64])];

/// What one image consists of.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// What is built, and for which machine.
    pub image: Image,
    /// Code name of the Debian release ("trixie").
    pub suite: String,
    /// The apt repositories, Kubernetes' upstream one included.
    pub sources: Vec<Source>,
    /// Kubernetes packages of the upstream project.
    pub kubernetes: Kubernetes,
    /// The disk: its partition table and partitions.
    pub disk: Disk,
    /// Files of packages that are left out.
    pub trim: Trim,
    /// Who may log in.
    pub access: Access,
    /// Findings of `osb check` that are wanted: `RULE` or `RULE:SUBJECT`.
    pub allow: Vec<String>,
}

/// What is built, and for which machine.
#[derive(Debug, Clone)]
pub struct Image {
    /// Name of the image: lower-case letters, digits, `-`, `.`.
    pub name: String,
    /// Version of the image as written.
    pub version: String,
    /// Architecture.
    pub arch: Arch,
    /// Board: the first member of an entry of [`BOARDS`].
    pub board: String,
    /// Layers as written; the build order is [`crate::Project::layers`].
    pub layers: Vec<String>,
}

/// One apt repository.
#[derive(Debug, Clone)]
pub struct Source {
    /// Name in the lock and in messages.
    pub name: String,
    /// Where it is.
    pub location: Location,
    /// Suite; ends with `/` for a flat repository.
    pub suite: String,
    /// Components; none for a flat repository.
    pub components: Vec<String>,
    /// The keys of which one must have signed the Release file; at least one.
    pub keys: Vec<Key>,
    /// Priority of its versions, as in apt.
    pub priority: i32,
    /// Package name patterns (`*`, `?`) that get `pin_priority` from this source.
    pub pin: Vec<String>,
    /// Priority of the pinned packages.
    pub pin_priority: i32,
    /// Whether the image's own apt knows this source.
    pub in_image: bool,
}

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A Debian archive; its base URL is decided at run time.
    Mirror(MirrorKind),
    /// The repository's root, without or with a trailing slash.
    Url(String),
}

/// Which of Debian's archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirrorKind {
    /// The main archive, with backports and updates.
    Debian,
    /// The security archive.
    DebianSecurity,
}

impl MirrorKind {
    /// The word in the recipe.
    pub const fn as_str(self) -> &'static str {
        match self {
            MirrorKind::Debian => "debian",
            MirrorKind::DebianSecurity => "debian-security",
        }
    }
}

/// An OpenPGP certificate, named by its fingerprint.
#[derive(Debug, Clone)]
pub struct Key {
    /// Upper-case hexadecimal digits, no spaces.
    pub fingerprint: String,
    /// Where the certificate is.
    pub material: KeyMaterial,
}

/// Where a certificate is.
#[derive(Debug, Clone)]
pub enum KeyMaterial {
    /// In osb: the whole armoured keyring that contains it.
    Builtin(&'static [u8]),
    /// A file of the project, already read.
    File(Vec<u8>),
    /// To be downloaded; the fingerprint pins it.
    Url(String),
}

impl KeyMaterial {
    /// The certificates, if they need no download.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            KeyMaterial::Builtin(bytes) => Some(bytes),
            KeyMaterial::File(bytes) => Some(bytes),
            KeyMaterial::Url(_) => None,
        }
    }
}

/// Kubernetes packages of the upstream project.
#[derive(Debug, Clone)]
pub struct Kubernetes {
    /// Minor release ("1.36"), if the upstream packages are wanted.
    pub upstream: Option<String>,
    /// The flat repository's URL, `{minor}` filled in if `upstream` is set.
    pub repository: String,
    /// URL or file of its certificate, placeholders filled in.
    pub key: String,
    /// The certificate's fingerprint, upper-case.
    pub fingerprint: String,
}

/// Who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Public ssh keys, as in an `authorized_keys` file.
    pub ssh_keys: Vec<String>,
    /// Name of the one user.
    pub user: String,
}
