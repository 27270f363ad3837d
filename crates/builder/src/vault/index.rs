//! The index of a vault: written by us, read with suspicion.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::read::Fault;

/// The name of the index: before all others in byte order, so that a tar begins with it.
pub(super) const INDEX: &str = "INDEX.json";
/// The only version of the format so far.
const VERSION: u32 = 1;
/// What tells this format from other JSON.
const FORMAT: &str = "osb-vault";
/// No index is larger, in bytes: a file's entry has some 400, and no image has 100,000 files.
pub(super) const MAX_INDEX: u64 = 64 << 20;

/// What is in a vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultIndex {
    format: String,
    version: u32,
    /// The image's Debian architecture.
    pub arch: String,
    /// Architectures of building machines whose tools are here.
    pub hosts: Vec<String>,
    /// The files, sorted by path.
    pub files: Vec<VaultFile>,
}

/// One file of a vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultFile {
    /// Its path in the vault, a function of kind, digest and name.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// Size in bytes.
    pub size: u64,
    /// Name of the package; URL of the artifact; file name of a Release.
    pub name: String,
    /// Version of the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Architecture of the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The source of the lock that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Where the package was, relative to the root URL of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

/// What a file of a vault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A .deb.
    Package,
    /// A file that a layer pins.
    Artifact,
    /// A signed Release, or its signature.
    Release,
    /// The lock.
    Lock,
}

impl VaultFile {
    /// Where a file of this kind, digest and name lies.
    pub(super) fn place(kind: FileKind, sha256: &str, name: &str) -> String {
        match kind {
            FileKind::Package => format!("debs/{sha256}.deb"),
            FileKind::Artifact => format!("artifacts/{sha256}"),
            FileKind::Release => format!("releases/{name}"),
            FileKind::Lock => "osb.lock".to_owned(),
        }
    }
}

impl VaultIndex {
    pub(super) fn new(arch: String, hosts: Vec<String>, mut files: Vec<VaultFile>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        VaultIndex { format: FORMAT.to_owned(), version: VERSION, arch, hosts, files }
    }

    /// The bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// The text of the file; it ends with a line end.
    pub(super) fn to_json(&self) -> String {
        // Strings and numbers always have a JSON form.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Reads and checks an index.
    pub(super) fn parse(bytes: &[u8]) -> Result<VaultIndex, Fault> {
        #[derive(Deserialize)]
        struct AnyVersion {
            format: String,
            version: u32,
        }
        let bad = |problem: String| Fault::Bad(format!("{INDEX}: {problem}"));
        let text = std::str::from_utf8(bytes).map_err(|_| bad("it is not UTF-8".into()))?;
        let broken = |error: serde_json::Error| bad(error.to_string());
        // The version comes first: the rest of another format is not ours to judge.
        let AnyVersion { format, version } = serde_json::from_str(text).map_err(broken)?;
        if format != FORMAT || version != VERSION {
            return Err(bad(format!(
                "it has format {format} {version}, this osb knows {FORMAT} {VERSION}"
            )));
        }
        let index: VaultIndex = serde_json::from_str(text).map_err(broken)?;
        // What people are shown.
        let packages = index.files.iter().filter(|file| file.kind == FileKind::Package);
        let words = packages.flat_map(|file| [Some(&file.name), file.architecture.as_ref()]);
        let words = words.flatten().chain([&index.arch]).chain(&index.hosts);
        if let Some(word) = words.into_iter().find(|word| !is_word(word)) {
            return Err(bad(format!("{word:?} is no architecture, and no name of a package")));
        }
        let (mut seen, mut bytes) = (BTreeSet::new(), 0_u64);
        for file in &index.files {
            let path = &file.path;
            let digits = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
            if file.sha256.len() != 64 || !file.sha256.bytes().all(digits) {
                return Err(bad(format!("{path:?}: {:?} is no SHA-256 digest", file.sha256)));
            }
            let texts = [&file.version, &file.source, &file.location].into_iter().flatten();
            let strange = |text: &&String| text.contains(char::is_control);
            if let Some(text) = texts.chain([&file.name]).find(strange) {
                return Err(bad(format!("{text:?} has control characters")));
            }
            if *path != VaultFile::place(file.kind, &file.sha256, &file.name) {
                return Err(bad(format!("a file of this kind does not lie at {path:?}")));
            }
            if file.kind == FileKind::Release && !is_word(&file.name) {
                return Err(bad(format!("{:?} is not a plain file name", file.name)));
            }
            if !seen.insert(path) {
                return Err(bad(format!("{path:?} is there twice")));
            }
            let sum = bytes.checked_add(file.size).filter(|sum| *sum <= i64::MAX as u64);
            bytes = sum.ok_or_else(|| bad("its sizes are impossible".into()))?;
        }
        if !index.files.iter().any(|file| file.kind == FileKind::Lock) {
            return Err(bad("it names no lock".into()));
        }
        Ok(index)
    }
}

/// A file name without surprises.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() < 200
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(kind: FileKind, name: &str) -> VaultFile {
        let sha256 = "ab".repeat(32);
        VaultFile {
            path: VaultFile::place(kind, &sha256, name),
            kind,
            sha256,
            size: 7,
            name: name.into(),
            version: None,
            architecture: None,
            source: None,
            location: None,
        }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let files = vec![
            file(FileKind::Lock, "osb.lock"),
            file(FileKind::Package, "tiny"),
            file(FileKind::Release, "trixie.InRelease"),
        ];
        let index = VaultIndex::new("arm64".into(), vec!["amd64".into()], files);
        assert_eq!(VaultIndex::parse(index.to_json().as_bytes()).unwrap(), index);
    }

    #[test]
    fn hostile_indices_are_refused() {
        let good = |files| VaultIndex::new("arm64".into(), Vec::new(), files).to_json();
        let lock = || file(FileKind::Lock, "osb.lock");
        let place = |path: &str| VaultFile { path: path.into(), ..file(FileKind::Package, "x") };
        let escaping = file(FileKind::Release, "../../etc/passwd");
        let hidden = file(FileKind::Release, ".bashrc");
        let wrong = VaultFile { sha256: "../x".into(), ..file(FileKind::Package, "x") };
        let huge = VaultFile { size: u64::MAX - 1, ..file(FileKind::Package, "x") };
        for (text, reason) in [
            (good(vec![lock(), place("../x.deb")]), "does not lie at"),
            (good(vec![lock(), place("/etc/passwd")]), "does not lie at"),
            (good(vec![lock(), escaping]), "not a plain file name"),
            (good(vec![lock(), hidden]), "not a plain file name"),
            (good(vec![lock(), wrong]), "no SHA-256 digest"),
            (good(vec![lock(), huge]), "sizes are impossible"),
            (good(vec![lock(), lock()]), "twice"),
            (good(vec![]), "names no lock"),
            (good(vec![lock()]).replace("arm64", "\\u001b[2J"), "no architecture"),
            (good(vec![lock(), file(FileKind::Package, "x\u{1b}[2J")]), "no name of a package"),
            (good(vec![lock(), file(FileKind::Artifact, "http://x/\r")]), "control characters"),
            (good(vec![lock()]).replace("\"version\": 1", "\"version\": 2"), "osb-vault 2"),
            (good(vec![lock()]).replace("osb-vault", "zip"), "format zip"),
            ("{}".into(), "missing field"),
        ] {
            let error = VaultIndex::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(reason), "{reason}: {error}");
        }
        assert!(VaultIndex::parse(b"\xff").is_err());
    }
}
