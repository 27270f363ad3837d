//! A lock file, read with suspicion: it decides which bytes are trusted.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::{
    ARTIFACT_SOURCE, LOCK_VERSION, Lock, LockError, LockedArtifact, LockedLayer, LockedPackage,
    LockedSource, LockedTool,
};
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
    tool_inputs: Option<Spanned<String>>,
    #[serde(default)]
    layer: Vec<Spanned<RawLayer>>,
    #[serde(default)]
    source: Vec<Spanned<RawSource>>,
    #[serde(default)]
    package: Vec<Spanned<RawPackage>>,
    #[serde(default)]
    artifact: Vec<Spanned<RawArtifact>>,
    #[serde(default)]
    tool: Vec<Spanned<RawTool>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLayer {
    name: String,
    wants: Vec<String>,
    #[serde(default)]
    debs: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawArtifact {
    layer: String,
    url: String,
    size: u64,
    sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSource {
    name: String,
    suite: String,
    inputs: Option<String>,
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
    if !(1..=i64::from(LOCK_VERSION)).contains(&found) {
        return Err(LockError::Version { path: path.map(Path::to_owned), found });
    }
    let raw: RawLock = toml::from_str(text).map_err(toml_error)?;
    let check = |span: Range<usize>, fine: Result<(), String>| {
        fine.map_err(|problem| at(Some(span), problem))
    };
    check(raw.architecture.span(), word("architecture", raw.architecture.as_ref()))?;
    check(raw.inputs.span(), digest("inputs", raw.inputs.as_ref()))?;
    // Format 1 had none of these.
    let needed = |span, field: &str, value: Option<&str>| match value {
        None if raw.version > 1 => check(span, Err(format!("missing field `{field}`"))),
        None => Ok(()),
        Some(value) => check(span, digest(field, value)),
    };
    let tool_inputs = raw.tool_inputs.as_ref();
    let span = tool_inputs.map_or(raw.inputs.span(), Spanned::span);
    needed(span, "tool_inputs", tool_inputs.map(|inputs| inputs.as_ref().as_str()))?;

    let mut lock = Lock {
        version: raw.version,
        architecture: raw.architecture.into_inner(),
        inputs: raw.inputs.into_inner(),
        tool_inputs: raw.tool_inputs.map(Spanned::into_inner),
        layers: Vec::with_capacity(raw.layer.len()),
        artifacts: Vec::with_capacity(raw.artifact.len()),
        sources: Vec::with_capacity(raw.source.len()),
        packages: Vec::with_capacity(raw.package.len()),
        tools: Vec::with_capacity(raw.tool.len()),
    };
    let mut layers = HashSet::new();
    for layer in raw.layer {
        let (span, RawLayer { name, wants, debs }) = (layer.span(), layer.into_inner());
        check(span.clone(), word("name", &name))?;
        check(span.clone(), unique(&mut layers, "layer", name.clone()))?;
        check(span, debs.iter().try_for_each(|url| absolute_url(url)))?;
        lock.layers.push(LockedLayer { name, wants, debs });
    }
    let mut sources = HashSet::new();
    for source in raw.source {
        let (span, RawSource { name, suite, inputs, release_sha256, date }) =
            (source.span(), source.into_inner());
        check(span.clone(), digest("release_sha256", &release_sha256))?;
        needed(span.clone(), "inputs", inputs.as_deref())?;
        check(span, unique(&mut sources, "source", name.clone()))?;
        lock.sources.push(LockedSource { name, suite, inputs, release_sha256, date });
    }
    for artifact in raw.artifact {
        let (span, RawArtifact { layer, url, size, sha256 }) =
            (artifact.span(), artifact.into_inner());
        check(span.clone(), digest("sha256", &sha256))?;
        check(span.clone(), word("layer", &layer))?;
        check(span, absolute_url(&url))?;
        lock.artifacts.push(LockedArtifact { layer, url, sha256, size });
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
    match package.source == ARTIFACT_SOURCE {
        true => absolute_url(&package.path)?,
        false => relative_path(&package.path)?,
    }
    if package.size == 0 {
        return Err(format!("package {}: its size is 0", package.name));
    }
    if package.source != ARTIFACT_SOURCE && !sources.contains(&package.source) {
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

fn absolute_url(text: &str) -> Result<(), String> {
    let known = ["https://", "http://", "file:///"].iter().any(|scheme| text.starts_with(scheme));
    let fine = known && text.bytes().all(|b| b.is_ascii_graphic());
    if fine { Ok(()) } else { Err(format!("{text:?} is not a URL that osb can fetch")) }
}
