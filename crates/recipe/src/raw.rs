//! `osb.toml` as written.
//!
//! These types are the format: the JSON schema is made from them, their doc comments are its
//! descriptions. Values that are checked later keep their span, so that a mistake is reported at
//! its line.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_spanned::Spanned;

use crate::raw_disk::RawDisk;

/// A recipe: what one image consists of.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "osb.toml")]
pub(crate) struct RawRecipe {
    /// What is built, and for which machine.
    pub(crate) image: RawImage,
    /// The Debian release.
    #[serde(default)]
    pub(crate) suite: RawSuite,
    /// The apt repositories that packages come from.
    #[serde(default)]
    pub(crate) source: Vec<RawSource>,
    /// Kubernetes packages of the upstream project.
    #[serde(default)]
    pub(crate) kubernetes: RawKubernetes,
    /// The disk: its partition table and partitions.
    #[serde(default)]
    pub(crate) disk: RawDisk,
    /// Files of packages that are left out.
    #[serde(default)]
    pub(crate) trim: RawTrim,
    /// Who may log in.
    #[serde(default)]
    pub(crate) access: RawAccess,
    /// The rules of `osb check`.
    #[serde(default)]
    pub(crate) check: RawCheck,
}

/// The rules of `osb check`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawCheck {
    /// Findings that are wanted: `RULE`, or `RULE:SUBJECT` with a path on the node (`*` within one
    /// component, `**` across components) or a word of what is told, such as a host or a package.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) allow: Vec<Spanned<String>>,
}

/// What is built, and for which machine.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawImage {
    /// Name of the image: lower-case letters, digits, `-`, `.`.
    #[schemars(with = "String")]
    pub(crate) name: Spanned<String>,
    /// Version of the image, shown in the loader menu and in metadata.json.
    #[serde(default = "default_version")]
    #[schemars(with = "String")]
    pub(crate) version: Spanned<String>,
    /// Architecture in Debian's words: `arm64` or `amd64`.
    #[schemars(with = "String")]
    pub(crate) arch: Spanned<String>,
    /// Board: `rpi5` (which boots by UEFI too) or `uefi`.
    #[schemars(with = "String")]
    pub(crate) board: Spanned<String>,
    /// Layers in the order they are built; a layer that another one requires may be left out.
    #[schemars(with = "Vec<String>")]
    pub(crate) layers: Spanned<Vec<Spanned<String>>>,
}

/// The Debian release.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawSuite {
    /// Code name of the release that the root and the tools tree are made of.
    #[schemars(with = "String")]
    pub(crate) name: Spanned<String>,
}

/// One apt repository. Either `mirror` or `url` says where it is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawSource {
    /// Name of the source in the lock and in messages.
    #[schemars(with = "String")]
    pub(crate) name: Spanned<String>,
    /// Whether the source is used.
    #[serde(default = "yes")]
    pub(crate) enabled: bool,
    /// A Debian archive whose mirror is chosen when osb runs: `debian` or `debian-security`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) mirror: Option<Spanned<String>>,
    /// Root of a repository: `https://`, `http://` or `file://`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) url: Option<Spanned<String>>,
    /// Suite (`trixie-backports`); for a flat repository the folder, ending in `/`.
    #[schemars(with = "String")]
    pub(crate) suite: Spanned<String>,
    /// Components; a flat repository has none. Default: `main`.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    pub(crate) components: Option<Spanned<Vec<String>>>,
    /// The keys of which one must have signed the Release file.
    #[schemars(with = "Vec<RawKey>")]
    pub(crate) keys: Spanned<Vec<RawKey>>,
    /// Priority of its versions, as in apt: 500 for a release, 100 for backports.
    #[serde(default = "default_priority")]
    pub(crate) priority: i32,
    /// Names of packages (`*` and `?` allowed) that are taken from here with `pin-priority`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) pin: Vec<Spanned<String>>,
    /// Priority of the pinned packages.
    #[serde(default = "default_pin_priority")]
    pub(crate) pin_priority: i32,
    /// Whether the image's own apt knows this source.
    #[serde(default = "yes")]
    pub(crate) in_image: bool,
}

/// An OpenPGP certificate, named by its fingerprint. Without `file` and `url` it is one of
/// Debian's that osb brings along.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawKey {
    /// Fingerprint of the primary key: 40 (or 64) hexadecimal digits, spaces allowed.
    #[schemars(with = "String")]
    pub(crate) fingerprint: Spanned<String>,
    /// The certificate's file, relative to the recipe.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) file: Option<Spanned<String>>,
    /// Where the certificate is downloaded from when the lock is made.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) url: Option<Spanned<String>>,
}

/// Kubernetes packages of the upstream project.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawKubernetes {
    /// Minor release (`1.36`) whose kubeadm, kubelet, kubectl and cri-tools are installed.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) upstream: Option<Spanned<String>>,
    /// The flat repository; `{minor}` stands for `upstream`.
    #[serde(default = "default_kubernetes_repository")]
    #[schemars(with = "String")]
    pub(crate) repository: Spanned<String>,
    /// Its certificate: a URL or a file; `{repository}` stands for the repository.
    #[serde(default = "default_kubernetes_key")]
    #[schemars(with = "String")]
    pub(crate) key: Spanned<String>,
    /// The certificate's fingerprint.
    #[serde(default = "default_kubernetes_fingerprint")]
    #[schemars(with = "String")]
    pub(crate) fingerprint: Spanned<String>,
}

/// Files of packages that are left out, now and when the node installs more.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawTrim {
    /// Leave out documentation; copyright files always stay.
    #[serde(default)]
    pub(crate) docs: bool,
    /// Leave out manual pages.
    #[serde(default)]
    pub(crate) man: bool,
    /// Languages whose translations are kept (`en`, `de`); `*` keeps all.
    #[serde(default = "all_locales")]
    #[schemars(with = "Vec<String>")]
    pub(crate) locales: Vec<Spanned<String>>,
}

/// Who may log in. No secret belongs here: only public keys.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawAccess {
    /// Name of the one user, who may use sudo.
    #[serde(default = "default_user")]
    #[schemars(with = "String")]
    pub(crate) user: Spanned<String>,
    /// Public ssh keys of this user, as in an `authorized_keys` file.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) ssh_keys: Vec<Spanned<String>>,
}

/// A default has no place in the file.
fn unwritten<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

fn yes() -> bool {
    true
}

fn default_version() -> Spanned<String> {
    unwritten("0.1.0".to_owned())
}

fn default_priority() -> i32 {
    500
}

/// Above every release (500) and the target release (990's floor in apt), so that a pinned name
/// comes from its source whatever version the others have to offer.
fn default_pin_priority() -> i32 {
    990
}

fn default_kubernetes_repository() -> Spanned<String> {
    unwritten("https://pkgs.k8s.io/core:/stable:/v{minor}/deb/".to_owned())
}

fn default_kubernetes_key() -> Spanned<String> {
    unwritten("{repository}Release.key".to_owned())
}

/// The `isv:kubernetes` project key of the Open Build Service, which signs pkgs.k8s.io.
fn default_kubernetes_fingerprint() -> Spanned<String> {
    unwritten("DE15B14486CD377B9E876E1A234654DA9A296436".to_owned())
}

fn all_locales() -> Vec<Spanned<String>> {
    vec![unwritten("*".to_owned())]
}

fn default_user() -> Spanned<String> {
    unwritten("node".to_owned())
}

impl Default for RawSuite {
    fn default() -> Self {
        RawSuite { name: unwritten("trixie".to_owned()) }
    }
}

impl Default for RawKubernetes {
    fn default() -> Self {
        RawKubernetes {
            upstream: None,
            repository: default_kubernetes_repository(),
            key: default_kubernetes_key(),
            fingerprint: default_kubernetes_fingerprint(),
        }
    }
}

impl Default for RawTrim {
    fn default() -> Self {
        RawTrim { docs: false, man: false, locales: all_locales() }
    }
}

impl Default for RawAccess {
    fn default() -> Self {
        RawAccess { user: default_user(), ssh_keys: Vec::new() }
    }
}
