//! Writes suites into a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::date::release_date;
use crate::{Deb, Signing, Suite, sign_detached, sign_inline};

/// A repository in a temporary folder, which goes away with it.
#[derive(Debug)]
pub struct TestRepo {
    folder: TempDir,
}

impl Default for TestRepo {
    fn default() -> Self {
        TestRepo::new()
    }
}

impl TestRepo {
    /// An empty repository.
    pub fn new() -> TestRepo {
        TestRepo { folder: tempfile::tempdir().unwrap() }
    }

    /// The folder, as the repository's root.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The root as a `file:` URL.
    pub fn file_url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// Writes a suite with its packages; an earlier one of the same name is replaced.
    pub fn write(&self, suite: &Suite) {
        let release_folder = match suite.name.trim_matches('/') {
            "" if suite.is_flat() => String::new(),
            path if suite.is_flat() => format!("{path}/"),
            name => format!("dists/{name}/"),
        };
        let mut files = BTreeMap::new();
        for (path, text) in self.indices(suite, &release_folder) {
            for compression in &suite.compressions {
                let bytes = compression.pack(text.as_bytes());
                files.insert(format!("{path}{}", compression.extension()), bytes);
            }
        }
        for (path, bytes) in &files {
            self.put(&format!("{release_folder}{path}"), bytes);
            if suite.by_hash {
                let parent = path.rsplit_once('/').map_or(String::new(), |(p, _)| format!("{p}/"));
                let digest = sha256_hex(bytes);
                self.put(&format!("{release_folder}{parent}by-hash/SHA256/{digest}"), bytes);
            }
        }
        let release = release(suite, &files);
        for name in ["InRelease", "Release", "Release.gpg"] {
            let _ = fs::remove_file(self.path().join(format!("{release_folder}{name}")));
        }
        if suite.signing != Signing::Detached {
            let inline = sign_inline(&release, &suite.signers);
            self.put(&format!("{release_folder}InRelease"), inline.as_bytes());
        }
        if suite.signing != Signing::Inline {
            let detached = sign_detached(release.as_bytes(), &suite.signers);
            self.put(&format!("{release_folder}Release"), release.as_bytes());
            self.put(&format!("{release_folder}Release.gpg"), detached.as_bytes());
        }
    }

    /// Puts a file at a path below the root.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.absolute(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Reads a file below the root.
    pub fn read(&self, path: &str) -> Vec<u8> {
        let path = self.absolute(path);
        fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Removes a file below the root.
    pub fn remove(&self, path: &str) {
        fs::remove_file(self.absolute(path)).unwrap();
    }

    /// Replaces the first occurrence of `from`, which must be there, in a file below the root.
    pub fn change(&self, path: &str, from: &[u8], to: &[u8]) {
        let bytes = self.read(path);
        let at = bytes.windows(from.len()).position(|w| w == from);
        let at = at.unwrap_or_else(|| panic!("{path} does not contain {from:?}"));
        self.put(path, &[&bytes[..at], to, &bytes[at + from.len()..]].concat());
    }

    /// Changes one bit in the middle of a file below the root.
    pub fn flip(&self, path: &str) {
        let mut bytes = self.read(path);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        self.put(path, &bytes);
    }

    /// All files below the root whose path contains `part`, relative to it.
    pub fn find(&self, part: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let relative = path.strip_prefix(self.path()).unwrap();
                    found.push(relative.to_str().unwrap().to_owned());
                }
            }
        }
        found.retain(|f| f.contains(part));
        found.sort();
        found
    }

    fn absolute(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    /// Writes the .debs; gives the `Packages` files by their path below the Release's folder.
    fn indices(&self, suite: &Suite, release_folder: &str) -> BTreeMap<String, String> {
        let mut indices: BTreeMap<String, String> = BTreeMap::new();
        if suite.is_flat() {
            indices.insert("Packages".to_owned(), String::new());
        }
        let components: BTreeSet<&str> =
            suite.packages.iter().map(|(c, _)| c.as_str()).chain(["main"]).collect();
        for component in components.into_iter().filter(|_| !suite.is_flat()) {
            for architecture in suite.index_architectures() {
                let path = format!("{component}/binary-{architecture}/Packages");
                indices.insert(path, String::new());
            }
        }
        for (component, deb) in &suite.packages {
            let bytes = deb.bytes();
            let name = deb.get("Package");
            let path = if suite.is_flat() {
                format!("{release_folder}{}/{}", deb.get("Architecture"), deb.file_name())
            } else {
                format!("pool/{component}/{}/{name}/{}", &name[..1], deb.file_name())
            };
            self.put(&path, &bytes);
            let stanza = stanza(deb, &path, &bytes);
            for (index, text) in &mut indices {
                if suite.is_flat() || suite.lists(index, component, deb.get("Architecture")) {
                    text.push_str(&stanza);
                }
            }
        }
        indices
    }
}

impl Suite {
    fn index_architectures(&self) -> Vec<&str> {
        let all = self.apart.then_some("all");
        self.architectures.iter().map(String::as_str).chain(all).collect()
    }

    /// Whether the index at `path` lists packages of this component and architecture.
    fn lists(&self, path: &str, component: &str, architecture: &str) -> bool {
        let Some(rest) = path.strip_prefix(&format!("{component}/binary-")) else { return false };
        let of = rest.strip_suffix("/Packages").unwrap();
        of == architecture || (architecture == "all" && !self.apart && of != "all")
    }
}

fn stanza(deb: &Deb, path: &str, bytes: &[u8]) -> String {
    let (control, size, digest) = (deb.control(), bytes.len(), sha256_hex(bytes));
    format!("{control}Filename: {path}\nSize: {size}\nSHA256: {digest}\n\n")
}

fn release(suite: &Suite, files: &BTreeMap<String, Vec<u8>>) -> String {
    let mut text = String::from("Origin: Test\nLabel: Test\n");
    if !suite.is_flat() {
        text.push_str(&format!("Suite: {}\nCodename: {}\n", suite.suite, suite.codename));
    }
    text.push_str(&format!("Date: {}\n", release_date(suite.date)));
    if let Some(until) = suite.valid_until {
        text.push_str(&format!("Valid-Until: {}\n", release_date(until)));
    }
    if suite.by_hash {
        text.push_str("Acquire-By-Hash: yes\n");
    }
    if !suite.apart && !suite.is_flat() {
        text.push_str("No-Support-for-Architecture-all: Packages\n");
    }
    text.push_str(&format!("Architectures: all {}\n", suite.architectures.join(" ")));
    let components: BTreeSet<&str> =
        suite.packages.iter().map(|(c, _)| c.as_str()).chain(["main"]).collect();
    if !suite.is_flat() {
        let components: Vec<&str> = components.into_iter().collect();
        text.push_str(&format!("Components: {}\n", components.join(" ")));
    }
    text.push_str(&suite.extra);
    text.push_str("SHA256:\n");
    for (path, bytes) in files {
        text.push_str(&format!(" {} {:>8} {path}\n", sha256_hex(bytes), bytes.len()));
    }
    text
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
