//! The bill of materials: what the finished tree says of its packages.
//!
//! The lock knows names, versions and digests. Source packages and licences are the tree's to tell: in
//! dpkg's database, and in the copyright files, which every image keeps.

use std::collections::BTreeMap;

use osb_metadata::{Metadata, PackageOrigin, Sbom, SbomInput, licences};
use osb_recipe::{Location, Source};
use osb_tree::Tree;

use crate::error::BuildError;
use crate::job::Job;
use crate::plan::Plan;

/// The publisher of what comes from a Debian archive, as package URLs name it.
const DEBIAN: &str = "debian";
/// Most bytes of a copyright file that are read: more is not looked at anyway.
const COPYRIGHT: u64 = 4 << 20;

/// The bill of materials of the image that `metadata` describes.
pub(crate) fn bill(
    job: &Job,
    plan: &Plan,
    tree: &Tree,
    metadata: &Metadata,
) -> Result<Sbom, BuildError> {
    let sources = &job.options.project.recipe.sources;
    let mut origins = BTreeMap::new();
    let status = text(tree, "var/lib/dpkg/status")?.unwrap_or_default();
    for installed in status.split("\n\n").filter_map(Installed::read) {
        let package = metadata.packages.iter().find(|package| package.name == installed.name);
        let Some(package) = package else { continue };
        let copyright = format!("usr/share/doc/{}/copyright", installed.name);
        let origin = PackageOrigin {
            vendor: vendor(sources, &package.source),
            source: installed.source(),
            licences: text(tree, &copyright)?.and_then(|text| licences(text.as_bytes())),
        };
        origins.insert(package.name.clone(), origin);
    }
    let release = text(tree, "etc/os-release")?.and_then(|text| version_id(&text));
    let identifier = plan.identifier("sbom");
    Ok(Sbom::new(&SbomInput { metadata, origins: &origins, release, identifier }))
}

/// A package in dpkg's database.
struct Installed<'a> {
    name: &'a str,
    version: &'a str,
    /// `NAME` or `NAME (VERSION)`, if it is not built from a source of its own name and version.
    source: Option<&'a str>,
}

impl<'a> Installed<'a> {
    /// Takes a stanza; none if the package is not installed.
    fn read(stanza: &'a str) -> Option<Installed<'a>> {
        let field = |name| stanza.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let whole = field("Status:")?.ends_with(" ok installed");
        let (name, version) = (field("Package:")?, field("Version:")?);
        whole.then(|| Installed { name, version, source: field("Source:") })
    }

    /// The source package and its version.
    fn source(&self) -> (String, String) {
        let (name, version) = match self.source.map(|source| source.split_once(" (")) {
            Some(Some((name, version))) => (name, version.trim_end_matches(')')),
            Some(None) => (self.source.unwrap_or(self.name), self.version),
            None => (self.name, self.version),
        };
        (name.to_owned(), version.to_owned())
    }
}

/// Who publishes what comes from the source `name`.
fn vendor(sources: &[Source], name: &str) -> String {
    let source = sources.iter().find(|source| source.name == name);
    match source.map(|source| &source.location) {
        Some(Location::Mirror(_)) => DEBIAN.to_owned(),
        _ => name.to_owned(),
    }
}

/// The value of `VERSION_ID` (os-release(5)).
fn version_id(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix("VERSION_ID="))?;
    Some(value.trim_matches(['"', '\'']).to_owned())
}

/// The text of a file, links followed; none if there is no such file, or it is too large.
fn text(tree: &Tree, path: &str) -> Result<Option<String>, BuildError> {
    let Ok(real) = tree.resolve(path) else { return Ok(None) };
    let content = tree.get(&real).and_then(|inode| inode.content());
    let Some(content) =
        content.filter(|content| content.size() <= COPYRIGHT || path.starts_with("var/lib/dpkg/"))
    else {
        return Ok(None);
    };
    let bytes = content.read().map_err(BuildError::io("reading", path))?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_those_of_dpkg() {
        let source = |extra: &str| {
            let stanza =
                format!("Package: a\nStatus: install ok installed\n{extra}Version: 1:2-3+b1\n");
            Installed::read(&stanza).map(|installed| installed.source())
        };
        let pair = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        assert_eq!(source(""), pair("a", "1:2-3+b1"));
        assert_eq!(source("Source: b\n"), pair("b", "1:2-3+b1"));
        assert_eq!(source("Source: b (1:2-3)\n"), pair("b", "1:2-3"));
        let gone = "Package: a\nStatus: deinstall ok config-files\nVersion: 1\n";
        assert!(Installed::read(gone).is_none());
    }

    #[test]
    fn the_release_is_that_of_the_image() {
        assert_eq!(version_id("ID=debian\nVERSION_ID=\"13\"\n").as_deref(), Some("13"));
        assert_eq!(version_id("ID=debian\n"), None);
    }
}
