//! A lock file, read with suspicion: it decides which bytes are trusted.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::{LOCK_VERSION, Lock, LockError, LockedPackage, LockedSource, LockedTool};
use crate::version::Version;

#[derive(Deserialize)]
struct AnyVersion {
    version: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLock {
    version: u32,
    architecture: Spanned<String>,
    inputs: Spanned<String>,
    #[serde(default)]
    source: Vec<Spanned<RawSource>>,
    #[serde(default)]
    package: Vec<Spanned<RawPackage>>,
    #[serde(default)]
    tool: Vec<Spanned<RawTool>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSource {
    name: String,
    suite: String,
    release_sha256: String,
    date: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPackage {
    name: String,
    version: String,
    architecture: String,
    source: String,
    path: String,
    size: u64,
    sha256: String,
    layer: String,
}

// serde cannot flatten and deny unknown fields at once: the fields of a package appear again.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTool {
    set: String,
    host: String,
    name: String,
    version: String,
    architecture: String,
    source: String,
    path: String,
    size: u64,
    sha256: String,
}

/// Parses and checks; `path` is for messages.
pub(super) fn parse(text: &str, path: Option<&Path>) -> Result<Lock, LockError> {
    let at = |span: Option<Range<usize>>, problem: String| {
        let before = text.get(..span.map_or(0, |s| s.start)).unwrap_or("");
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        LockError::Invalid { path: path.map(Path::to_owned), line, problem }
    };
    let toml_error = |e: toml::de::Error| at(e.span(), e.message().to_owned());
    // The version comes first: the rest of another format is not ours to judge.
    let AnyVersion { version: found } = toml::from_str(text).map_err(toml_error)?;
    if found != i64::from(LOCK_VERSION) {
        return Err(LockError::Version { path: path.map(Path::to_owned), found });
    }
    let raw: RawLock = toml::from_str(text).map_err(toml_error)?;
    let check = |span: Range<usize>, fine: Result<(), String>| {
        fine.map_err(|problem| at(Some(span), problem))
    };
    check(raw.architecture.span(), word("architecture", raw.architecture.as_ref()))?;
    check(raw.inputs.span(), digest("inputs", raw.inputs.as_ref()))?;

    let mut lock = Lock {
        version: raw.version,
        architecture: raw.architecture.into_inner(),
        inputs: raw.inputs.into_inner(),
        sources: Vec::with_capacity(raw.source.len()),
        packages: Vec::with_capacity(raw.package.len()),
        tools: Vec::with_capacity(raw.tool.len()),
    };
    let mut sources = HashSet::new();
    for source in raw.source {
        let (span, RawSource { name, suite, release_sha256, date }) =
            (source.span(), source.into_inner());
        check(span.clone(), digest("release_sha256", &release_sha256))?;
        check(span, unique(&mut sources, "source", name.clone()))?;
        lock.sources.push(LockedSource { name, suite, release_sha256, date });
    }
    let mut names = HashSet::new();
    for package in raw.package {
        let (span, p) = (package.span(), package.into_inner());
        let RawPackage { name, version, architecture, source, path, size, sha256, layer } = p;
        let package =
            LockedPackage { name, version, architecture, sha256, size, path, source, layer };
        check(span.clone(), check_package(&package, &sources))?;
        check(span, unique(&mut names, "package", package.name.clone()))?;
        lock.packages.push(package);
    }
    let mut tools = HashSet::new();
    for tool in raw.tool {
        let (span, t) = (tool.span(), tool.into_inner());
        let RawTool { set, host, name, version, architecture, source, path, size, sha256 } = t;
        let layer = String::new();
        let package =
            LockedPackage { name, version, architecture, sha256, size, path, source, layer };
        check(span.clone(), check_package(&package, &sources))?;
        check(span.clone(), word("set", &set).and_then(|()| word("host", &host)))?;
        check(span, unique(&mut tools, "tool", format!("{set} {host} {}", package.name)))?;
        lock.tools.push(LockedTool { set, host, package });
    }
    lock.sort();
    Ok(lock)
}

fn check_package(package: &LockedPackage, sources: &HashSet<String>) -> Result<(), String> {
    word("name", &package.name)?;
    word("architecture", &package.architecture)?;
    Version::parse(&package.version).map_err(|e| format!("package {}: {e}", package.name))?;
    digest("sha256", &package.sha256)?;
    relative_path(&package.path)?;
    if package.size == 0 {
        return Err(format!("package {}: its size is 0", package.name));
    }
    if !sources.contains(&package.source) {
        return Err(format!("package {}: there is no source {:?}", package.name, package.source));
    }
    Ok(())
}

fn unique(seen: &mut HashSet<String>, what: &str, key: String) -> Result<(), String> {
    match seen.replace(key) {
        None => Ok(()),
        Some(key) => Err(format!("the {what} {key:?} appears twice")),
    }
}

/// What becomes part of a file name or a URL.
fn word(field: &str, text: &str) -> Result<(), String> {
    let fine = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b));
    if fine { Ok(()) } else { Err(format!("{field} = {text:?} is not a plain word")) }
}

fn digest(field: &str, text: &str) -> Result<(), String> {
    // One spelling only, because digests are compared as text.
    let fine = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if fine { Ok(()) } else { Err(format!("{field} = {text:?} is not a SHA-256 digest")) }
}

fn relative_path(text: &str) -> Result<(), String> {
    let fine = !text.is_empty()
        && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && !text.contains(|c: char| c.is_control() || c == '\\');
    if fine { Ok(()) } else { Err(format!("path = {text:?} is not a path below a repository")) }
}
