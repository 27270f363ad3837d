//! A layer, resolved for one recipe and one architecture.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A layer, with everything that the build needs of it.
///
/// Serialised for its [digest](Layer::digest) only: a new field reaches the digest by itself.
#[derive(Debug, Clone, Serialize)]
pub struct Layer {
    /// Name of the layer's folder.
    pub name: String,
    /// What the layer is for.
    #[serde(skip)]
    pub description: String,
    /// Layers that are built before this one.
    pub requires: Vec<String>,
    /// Packages to install: `name` or `name=version`.
    pub packages: Vec<String>,
    /// Packages to remove after all of the layer's are configured.
    pub remove_packages: Vec<String>,
    /// Package name patterns (`*`, `?`) that are put on hold.
    pub hold: Vec<String>,
    /// What is laid over the root, sorted by path. Missing parent directories are made root's,
    /// mode 0755; existing ones stay as they are.
    pub files: Vec<LayerFile>,
    /// systemd units.
    pub units: Units,
    /// Kernel modules loaded at boot.
    pub modules: Vec<String>,
    /// sysctl settings.
    pub sysctls: BTreeMap<String, String>,
    /// Arguments added to the kernel command line.
    pub command_line: Vec<String>,
    /// Users to make, with locked passwords.
    pub users: Vec<User>,
    /// System groups to make.
    pub groups: Vec<String>,
    /// Files from outside Debian.
    pub artifacts: Vec<Artifact>,
    /// Scripts, in the order they run.
    pub scripts: Vec<Script>,
    /// What the finished tree is checked for.
    pub expect: Expect,
    /// Findings of `osb check` that the layer stands for: `RULE` or `RULE:SUBJECT`. The tree is the
    /// same whatever it says.
    #[serde(skip)]
    pub allow: Vec<String>,
    /// SHA-256 over all of the above but the description and what is allowed.
    #[serde(skip)]
    pub digest: [u8; 32],
}

impl Layer {
    /// The configuration files that `modules`, `sysctls` and the users' `sudo` stand for. They
    /// are laid like [`Layer::files`]; the content is a function of the layer.
    pub fn generated_files(&self) -> Vec<LayerFile> {
        let mut files = Vec::new();
        if !self.modules.is_empty() {
            let text = self.modules.iter().map(|name| format!("{name}\n")).collect::<String>();
            files.push(LayerFile::text(
                format!("usr/lib/modules-load.d/osb-{}.conf", self.name),
                0o644,
                text,
            ));
        }
        if !self.sysctls.is_empty() {
            // 60: after the defaults that Debian's packages ship as 50-*, before 99-*.
            let text =
                self.sysctls.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
            files.push(LayerFile::text(
                format!("usr/lib/sysctl.d/60-osb-{}.conf", self.name),
                0o644,
                text,
            ));
        }
        for user in self.users.iter().filter(|user| user.sudo) {
            // sudo refuses files that others may write, and by tradition reads only 0440.
            files.push(LayerFile::text(
                format!("etc/sudoers.d/osb-{}", user.name),
                0o440,
                format!("{} ALL=(ALL:ALL) NOPASSWD: ALL\n", user.name),
            ));
        }
        files
    }

    /// SHA-256 of the layer as JSON, contents of files and scripts as digests.
    pub(crate) fn compute_digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"osb layer 1\n");
        // Strings, numbers and maps with string keys always have a JSON form.
        hash.update(serde_json::to_vec(self).unwrap_or_default());
        hash.finalize().into()
    }
}

/// One entry laid over the root.
#[derive(Debug, Clone, Serialize)]
pub struct LayerFile {
    /// Relative to the root, components separated by `/`.
    pub path: String,
    /// Permission bits; 0777 for a symbolic link.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// What it is.
    pub content: FileContent,
}

impl LayerFile {
    /// A file of root's.
    pub(crate) fn text(path: String, mode: u32, text: String) -> Self {
        LayerFile { path, mode, uid: 0, gid: 0, content: FileContent::Bytes(text.into_bytes()) }
    }
}

/// What an entry is.
#[derive(Debug, Clone, Serialize)]
pub enum FileContent {
    /// A regular file with these bytes.
    #[serde(serialize_with = "as_digest")]
    Bytes(Vec<u8>),
    /// A symbolic link with this target.
    Symlink(String),
    /// A directory, whose mode and owner are set even if it exists.
    Directory,
}

/// systemd units.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Units {
    /// To enable.
    pub enable: Vec<String>,
    /// To disable.
    pub disable: Vec<String>,
    /// To mask.
    pub mask: Vec<String>,
}

/// A user; the password is locked.
#[derive(Debug, Clone, Serialize)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Groups besides the user's own.
    pub groups: Vec<String>,
    /// Login shell.
    pub shell: String,
    /// Home directory, made unless it is `/nonexistent`.
    pub home: String,
    /// Full name or purpose (GECOS).
    pub comment: String,
    /// May become root without a password; [`Layer::generated_files`] has the rule.
    pub sudo: bool,
    /// A user of a service, not of a person: number below 1000.
    pub system: bool,
}

/// A file from outside Debian, pinned by digest.
#[derive(Debug, Clone, Serialize)]
pub struct Artifact {
    /// Where it is downloaded from.
    pub url: String,
    /// SHA-256 of the download, lower-case hexadecimal.
    pub sha256: String,
    /// Size of the download in bytes.
    pub size: u64,
    /// Path relative to the root: of the file, or of the folder an archive is unpacked into, which
    /// is the root if it is empty. Of no meaning for [`Format::Deb`].
    pub unpack_to: String,
    /// Leading path components of an archive's entries that are dropped.
    pub strip: u32,
    /// What it is.
    pub format: Format,
    /// Permission bits of a [`Format::File`].
    pub mode: u32,
    /// How many bytes an archive may have when it is decompressed.
    pub unpacked_max: u64,
    /// Whether an archive may hold set-user-ID and set-group-ID files.
    pub setuid: bool,
}

/// What a downloaded file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Format {
    /// Copied as it is.
    #[serde(rename = "file")]
    File,
    /// A tar archive.
    #[serde(rename = "tar")]
    Tar,
    /// A tar archive, gzip.
    #[serde(rename = "tar.gz")]
    TarGz,
    /// A tar archive, xz.
    #[serde(rename = "tar.xz")]
    TarXz,
    /// A tar archive, zstd.
    #[serde(rename = "tar.zst")]
    TarZst,
    /// A Debian package, installed with the layer's packages.
    #[serde(rename = "deb")]
    Deb,
}

/// A script that runs inside the image.
#[derive(Debug, Clone, Serialize)]
pub struct Script {
    /// File name, for messages.
    pub name: String,
    /// The script; begins with `#!`.
    #[serde(serialize_with = "as_digest")]
    pub body: Vec<u8>,
}

/// What the finished tree is checked for. Paths are relative to the root.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Expect {
    /// Paths that must exist.
    pub files: Vec<String>,
    /// Paths that must not exist.
    pub absent: Vec<String>,
    /// Users that must exist.
    pub users: Vec<String>,
    /// Groups that must exist.
    pub groups: Vec<String>,
    /// Units that must be enabled.
    pub units_enabled: Vec<String>,
}

fn as_digest<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(Sha256::digest(bytes)))
}
