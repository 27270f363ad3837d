//! From the recipe's sources to what `osb-apt` opens, and to a lock request.

use std::collections::BTreeMap;

use osb_apt::{Fetcher, KeySpec, LockRequest, LockedArtifact, Mirrors, Pin, SourceSpec};
use osb_recipe::{Format, KeyMaterial, Location, MirrorKind, Project, Source};

use crate::error::BuildError;
use crate::job::Job;
use crate::options::Options;
use crate::tools;

/// A key is a few kilobytes; a certificate with many signatures may have some hundred.
const KEY_LIMIT: u64 = 1 << 20;

/// A client for the run's cache.
pub(crate) fn fetcher(job: &Job) -> Fetcher {
    Fetcher::new(&job.cache.root, job.options.cancel.clone(), job.options.offline)
}

/// The mirrors of this run: flag, host, default.
pub(crate) fn mirrors(job: &Job) -> Mirrors {
    Mirrors::discover(job.options.mirror.as_deref())
}

/// The base URL of a source.
pub(crate) fn base<'a>(source: &'a Source, mirrors: &'a Mirrors) -> &'a str {
    match &source.location {
        Location::Mirror(MirrorKind::Debian) => &mirrors.debian,
        Location::Mirror(MirrorKind::DebianSecurity) => &mirrors.security,
        Location::Url(url) => url,
    }
}

/// The base URLs that a build with these options takes its packages from, by source.
pub fn bases(options: &Options) -> BTreeMap<String, String> {
    let mirrors = Mirrors::discover(options.mirror.as_deref());
    let sources = options.project.recipe.sources.iter();
    sources.map(|source| (source.name.clone(), base(source, &mirrors).to_owned())).collect()
}

/// Everything that must be locked: sources with their keys, layers, tool sets. Without a fetcher
/// keys that lie behind URLs are left empty, which is enough for the digest of the request.
pub(crate) fn lock_request(
    job: &Job,
    fetcher: Option<&Fetcher>,
) -> Result<LockRequest, BuildError> {
    let project = &job.options.project;
    let mirrors = mirrors(job);
    let sources = project
        .recipe
        .sources
        .iter()
        .map(|source| spec(source, base(source, &mirrors), fetcher))
        .collect::<Result<_, _>>()?;
    let layers =
        project.layers.iter().map(|layer| (layer.name.clone(), layer.packages.clone())).collect();
    Ok(LockRequest {
        sources,
        architecture: project.recipe.image.arch.as_str().to_owned(),
        layers,
        artifacts: pinned(project, |format| format != Format::Deb),
        debs: pinned(project, |format| format == Format::Deb),
        tool_sets: tools::sets(project.recipe.image.arch),
        hosts: tools::HOSTS.iter().map(|host| (*host).to_owned()).collect(),
    })
}

/// The files that layers pin, of the formats that are `wanted`.
fn pinned(project: &Project, wanted: impl Fn(Format) -> bool) -> Vec<LockedArtifact> {
    let mut files: Vec<LockedArtifact> = project
        .layers
        .iter()
        .flat_map(|layer| layer.artifacts.iter().map(move |artifact| (layer, artifact)))
        .filter(|(_, artifact)| wanted(artifact.format))
        .map(|(layer, artifact)| LockedArtifact {
            layer: layer.name.clone(),
            url: artifact.url.clone(),
            sha256: artifact.sha256.clone(),
            size: artifact.size,
        })
        .collect();
    // One file may be laid twice.
    files.sort();
    files.dedup();
    files
}

fn spec(source: &Source, base: &str, fetcher: Option<&Fetcher>) -> Result<SourceSpec, BuildError> {
    let keys = source
        .keys
        .iter()
        .map(|key| {
            let material = match &key.material {
                KeyMaterial::Builtin(bytes) => bytes.to_vec(),
                KeyMaterial::File(bytes) => bytes.clone(),
                KeyMaterial::Url(url) => match fetcher {
                    Some(fetcher) => fetcher.get_small(url, KEY_LIMIT)?,
                    None => Vec::new(),
                },
            };
            Ok(KeySpec { fingerprint: key.fingerprint.clone(), material })
        })
        .collect::<Result<_, BuildError>>()?;
    Ok(SourceSpec {
        name: source.name.clone(),
        base: base.to_owned(),
        mirrored: matches!(source.location, Location::Mirror(_)),
        suite: source.suite.clone(),
        components: source.components.clone(),
        keys,
        priority: source.priority,
        pins: source
            .pin
            .iter()
            .map(|pattern| Pin { pattern: pattern.clone(), priority: source.pin_priority })
            .collect(),
    })
}
