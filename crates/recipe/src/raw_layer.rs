//! `layer.toml` as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_spanned::Spanned;

use crate::raw::RawCheck;

/// A layer: packages, files and settings that belong together.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "layer.toml")]
pub(crate) struct RawLayer {
    /// What the layer is for, in one sentence.
    pub(crate) description: String,
    /// Layers that must be built before this one.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) requires: Vec<Spanned<String>>,
    /// The recipe's `[access]` (user, sudo, ssh keys) is applied in this layer.
    #[serde(default)]
    pub(crate) access: bool,
    /// `kubernetes.upstream` adds its packages to this layer.
    #[serde(default)]
    pub(crate) kubernetes: bool,
    /// Scripts of the layer's `scripts/` folder, run as root inside the image in this order,
    /// after packages and files, without a network.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) scripts: Vec<Spanned<String>>,
    /// System groups to make.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) groups: Vec<Spanned<String>>,
    /// Debian packages.
    #[serde(default)]
    pub(crate) packages: RawPackages,
    /// Modes and owners of what lies in the layer's `files/` folder. The last rule that matches
    /// counts; without one a file is root's, mode 0644. Git's executable bit is not used.
    #[serde(default)]
    pub(crate) files: Vec<RawFileRule>,
    /// Symbolic links.
    #[serde(default)]
    pub(crate) links: Vec<RawLink>,
    /// Directories. Those that a file needs are made anyway (root's, mode 0755).
    #[serde(default)]
    pub(crate) directories: Vec<RawDirectory>,
    /// systemd units.
    #[serde(default)]
    pub(crate) units: RawUnits,
    /// Kernel settings.
    #[serde(default)]
    pub(crate) kernel: RawKernel,
    /// Users to make.
    #[serde(default)]
    pub(crate) users: Vec<RawUser>,
    /// Files from outside Debian, pinned by digest.
    #[serde(default)]
    pub(crate) artifacts: Vec<RawArtifact>,
    /// What the finished tree is checked for.
    #[serde(default)]
    pub(crate) expect: RawExpect,
    /// The rules of `osb check`.
    #[serde(default)]
    pub(crate) check: RawCheck,
}

/// Debian packages.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawPackages {
    /// Packages to install, `NAME` or `NAME=VERSION`, with what they depend on.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) install: Vec<Spanned<String>>,
    /// Packages to remove after all of the layer's are configured.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) remove: Vec<Spanned<String>>,
    /// Packages (`*` and `?` allowed) that the node's apt must not change.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) hold: Vec<Spanned<String>>,
    /// More for arm64.
    #[serde(default)]
    pub(crate) arm64: RawArchPackages,
    /// More for amd64.
    #[serde(default)]
    pub(crate) amd64: RawArchPackages,
}

/// Packages for one architecture only.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawArchPackages {
    /// Packages to install.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) install: Vec<Spanned<String>>,
    /// Packages to remove.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) remove: Vec<Spanned<String>>,
}

/// Mode and owner of the files that match.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawFileRule {
    /// Path below `files/`; `*` within one component, `**` across components.
    #[schemars(with = "String")]
    pub(crate) path: Spanned<String>,
    /// Permission bits in octal, as a string: `"0755"`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) mode: Option<Spanned<String>>,
    /// Number of the owner.
    #[serde(default)]
    pub(crate) uid: Option<u32>,
    /// Number of the group.
    #[serde(default)]
    pub(crate) gid: Option<u32>,
}

/// A symbolic link.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawLink {
    /// Where, relative to the root.
    #[schemars(with = "String")]
    pub(crate) path: Spanned<String>,
    /// To what, as written into the link.
    #[schemars(with = "String")]
    pub(crate) target: Spanned<String>,
}

/// A directory.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawDirectory {
    /// Where, relative to the root.
    #[schemars(with = "String")]
    pub(crate) path: Spanned<String>,
    /// Permission bits in octal, as a string. Default: `"0755"`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) mode: Option<Spanned<String>>,
    /// Number of the owner.
    #[serde(default)]
    pub(crate) uid: u32,
    /// Number of the group.
    #[serde(default)]
    pub(crate) gid: u32,
}

/// systemd units.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawUnits {
    /// Units to enable.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) enable: Vec<Spanned<String>>,
    /// Units to disable.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) disable: Vec<Spanned<String>>,
    /// Units that must never start.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) mask: Vec<Spanned<String>>,
}

/// Kernel settings.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawKernel {
    /// Modules loaded at boot.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) modules: Vec<Spanned<String>>,
    /// Arguments added to the kernel command line.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) command_line: Vec<Spanned<String>>,
    /// sysctl settings; the values are strings: `"net.ipv4.ip_forward" = "1"`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub(crate) sysctls: BTreeMap<Spanned<String>, Spanned<String>>,
}

/// A user; the password is locked.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawUser {
    /// Login name.
    #[schemars(with = "String")]
    pub(crate) name: Spanned<String>,
    /// Groups besides the user's own.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) groups: Vec<Spanned<String>>,
    /// Login shell. Default: `/bin/bash`, for a system user `/usr/sbin/nologin`.
    #[serde(default)]
    pub(crate) shell: Option<String>,
    /// Home directory. Default: `/home/NAME`, for a system user `/nonexistent`.
    #[serde(default)]
    pub(crate) home: Option<String>,
    /// Full name or purpose.
    #[serde(default)]
    pub(crate) comment: String,
    /// May become root without a password.
    #[serde(default)]
    pub(crate) sudo: bool,
    /// A user of a service, not of a person.
    #[serde(default)]
    pub(crate) system: bool,
}

/// A file from outside Debian, pinned by digest.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawArtifact {
    /// Where it is downloaded from; `{arch}` stands for the image's architecture.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) url: Option<Spanned<String>>,
    /// SHA-256 of the download, 64 hexadecimal digits.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) sha256: Option<Spanned<String>>,
    /// Size of the download in bytes.
    #[serde(default)]
    pub(crate) size: Option<u64>,
    /// What differs for arm64.
    #[serde(default)]
    pub(crate) arm64: RawDownload,
    /// What differs for amd64.
    #[serde(default)]
    pub(crate) amd64: RawDownload,
    /// `file` (copied as it is), `tar`, `tar.gz`, `tar.xz`, `tar.zst`, or `deb` (installed with the
    /// layer's packages).
    #[schemars(with = "crate::layer::Format")]
    pub(crate) format: Spanned<crate::layer::Format>,
    /// Path relative to the root: of the file, or of the folder an archive is unpacked into (`/`
    /// for the root itself). Not for `deb`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) unpack_to: Option<Spanned<String>>,
    /// Leading path components of an archive's entries that are dropped.
    #[serde(default)]
    pub(crate) strip: u32,
    /// Permission bits of a `file` in octal, as a string. Default: `"0755"`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) mode: Option<Spanned<String>>,
    /// How much an archive may hold when unpacked, `"500MiB"`. Default: ten times the download, at
    /// least 64MiB, at most 2GiB.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) unpacked_max: Option<Spanned<String>>,
    /// Whether an archive may hold set-user-ID and set-group-ID files.
    #[serde(default)]
    pub(crate) setuid: bool,
}

/// An artifact's file for one architecture; what is not said is the artifact's own.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawDownload {
    /// Where it is downloaded from; `{arch}` stands for the image's architecture.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) url: Option<Spanned<String>>,
    /// SHA-256 of the download.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) sha256: Option<Spanned<String>>,
    /// Size of the download in bytes.
    #[serde(default)]
    pub(crate) size: Option<u64>,
}

/// What the finished tree is checked for.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawExpect {
    /// Paths that must exist.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) files: Vec<Spanned<String>>,
    /// Paths that must not exist.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) absent: Vec<Spanned<String>>,
    /// Users that must exist.
    #[serde(default)]
    pub(crate) users: Vec<String>,
    /// Groups that must exist.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// Units that must be enabled.
    #[serde(default)]
    pub(crate) units_enabled: Vec<String>,
}
