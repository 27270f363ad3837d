//! Whose work is in the program: every crate that is linked into it, with its licence, and the
//! texts that these licences want to go with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::project::Project;
use crate::steps::capture;

/// A crate's folder is searched so deep: those of C libraries have the library's own texts there.
const DEPTH: usize = 3;

/// What `cargo metadata` prints, as far as it is needed here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    repository: Option<String>,
    authors: Vec<String>,
    /// Nothing for crates of this workspace.
    source: Option<String>,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    /// Nothing for what is linked; else `dev` or `build`.
    kind: Option<String>,
}

/// The list, as text, for a program for `machine` (`x86_64`).
pub(crate) fn list(project: &Project, machine: &str) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--format-version", "1", "--locked", "--filter-platform"]);
    command.arg(format!("{machine}-unknown-linux-gnu")).current_dir(&project.root);
    let metadata: Metadata = serde_json::from_str(&capture(&mut command)?)?;
    let linked = linked(&metadata)?;
    ensure!(!linked.is_empty(), "cargo metadata names no crate that osb is linked with");
    text(&linked)
}

/// The crates that end up in the program, by name and version. Features are those of the whole
/// workspace, so it may be a few too many.
fn linked(metadata: &Metadata) -> Result<Vec<&Package>> {
    let packages: BTreeMap<&str, &Package> =
        metadata.packages.iter().map(|package| (package.id.as_str(), package)).collect();
    let nodes: BTreeMap<&str, &Node> =
        metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
    let osb = |package: &&Package| package.name == "osb" && package.source.is_none();
    let osb = metadata.packages.iter().find(osb).context("cargo metadata has no osb")?;
    let mut found = BTreeSet::new();
    let mut open = vec![osb.id.as_str()];
    while let Some(id) = open.pop() {
        let package = packages.get(id).with_context(|| format!("cargo metadata lacks {id}"))?;
        // What the compiler loads is not in what it makes.
        let macros = |target: &Target| target.kind.iter().any(|kind| kind == "proc-macro");
        if package.targets.iter().any(macros) || !found.insert(id) {
            continue;
        }
        let node = nodes.get(id).with_context(|| format!("cargo metadata lacks {id}"))?;
        let linked =
            |dependency: &&Dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
        open.extend(node.deps.iter().filter(linked).map(|dependency| dependency.pkg.as_str()));
    }
    let mut foreign: Vec<&Package> =
        found.iter().map(|id| packages[id]).filter(|package| package.source.is_some()).collect();
    foreign.sort_by_key(|package| (&package.name, &package.version));
    Ok(foreign)
}

fn text(crates: &[&Package]) -> Result<String> {
    let mut list = String::from(
        "What osb is made of, beside its own source: the standard library of Rust (MIT OR\n\
         Apache-2.0, https://github.com/rust-lang/rust) and the crates below. The texts of their\n\
         licences follow the list, each with the crates that have it.\n\n",
    );
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in crates {
        let title = format!("{} {}", package.name, package.version);
        let licence = package.license.as_deref().unwrap_or("see its text");
        list.push_str(&format!("{title}\n    {licence}\n"));
        let people = package.authors.join(", ");
        for line in [package.repository.as_deref().unwrap_or_default(), &people] {
            if !line.is_empty() {
                list.push_str(&format!("    {line}\n"));
            }
        }
        let folder = package.manifest_path.parent().context("a manifest lies in a folder")?;
        let mut files = Vec::new();
        find(folder, DEPTH, &mut files).with_context(|| folder.display().to_string())?;
        for file in files {
            let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
            let text = String::from_utf8_lossy(&bytes).replace('\r', "").trim().to_owned();
            if !is_unused(&text) {
                texts.entry(text).or_default().insert(title.clone());
            }
        }
    }
    // By their users, so that a new version of one crate moves no more than it must.
    let mut texts: Vec<(BTreeSet<String>, String)> =
        texts.into_iter().map(|(text, users)| (users, text)).collect();
    texts.sort();
    for (users, text) in texts {
        let users = users.into_iter().collect::<Vec<_>>().join(", ");
        list.push_str(&format!("\n{}\n{users}\n\n{text}\n", "=".repeat(78)));
    }
    Ok(list)
}

/// Licences that xz and zstd offer, or have for programs of theirs that are not in osb. Both are in
/// osb under another one.
fn is_unused(text: &str) -> bool {
    let head: String = text.chars().take(200).collect();
    ["GNU GENERAL PUBLIC LICENSE", "GNU LESSER GENERAL PUBLIC LICENSE"]
        .iter()
        .any(|title| head.to_uppercase().contains(title))
}

/// Collects the licence texts in and below a folder.
fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type()?);
        let name = entry.file_name().to_string_lossy().to_uppercase();
        if kind.is_dir() && depth > 1 {
            find(&path, depth - 1, found)?;
        } else if kind.is_file() && is_licence(&name) {
            found.push(path);
        }
    }
    Ok(())
}

/// Whether a file of this name, in capitals, has the text of a licence.
fn is_licence(name: &str) -> bool {
    let named = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"]
        .iter()
        .any(|stem| name.starts_with(stem));
    // Programs about licences, in C libraries.
    named && ![".SH", ".PY", ".RS", ".C", ".H"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_told_by_name() {
        for name in ["LICENSE", "LICENSE-MIT", "LICENCE.TXT", "COPYING.0BSD", "NOTICE"] {
            assert!(is_licence(name), "{name}");
        }
        for name in ["LICENSE-CHECK.SH", "README.MD", "LIB.RS"] {
            assert!(!is_licence(name), "{name}");
        }
        assert!(is_unused("\n   GNU General Public License\n  Version 2"));
        assert!(!is_unused("MIT License\n\nCopyright"));
    }

    #[test]
    fn what_only_builds_or_tests_is_not_linked() {
        let package = |name: &str, source: &str, kind: &str| {
            format!(
                r#"{{"id": "{name}", "name": "{name}", "version": "1.0.0", "license": "MIT",
                "repository": null, "authors": [], "source": {source}, "manifest_path": "/x",
                "targets": [{{"kind": ["{kind}"]}}]}}"#
            )
        };
        let text = format!(
            r#"{{"packages": [{}], "resolve": {{"nodes": [
                {{"id": "osb", "deps": [
                    {{"pkg": "tree", "dep_kinds": [{{"kind": null}}]}},
                    {{"pkg": "cc", "dep_kinds": [{{"kind": "build"}}]}},
                    {{"pkg": "derive", "dep_kinds": [{{"kind": null}}]}}]}},
                {{"id": "tree", "deps": [
                    {{"pkg": "linked", "dep_kinds": [{{"kind": "dev"}}, {{"kind": null}}]}}]}},
                {{"id": "linked", "deps": []}}, {{"id": "cc", "deps": []}},
                {{"id": "derive", "deps": []}}]}}}}"#,
            [
                package("osb", "null", "bin"),
                package("tree", "null", "lib"),
                package("linked", "\"registry\"", "lib"),
                package("cc", "\"registry\"", "lib"),
                package("derive", "\"registry\"", "proc-macro"),
            ]
            .join(",")
        );
        let metadata: Metadata = serde_json::from_str(&text).unwrap();
        let names: Vec<&str> =
            linked(&metadata).unwrap().into_iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["linked"]);
    }
}
