//! Files that layers pin by URL and digest: downloaded, checked, laid.
//!
//! An archive from outside Debian is read by osb's own strict reader, not by the image's tar: into a
//! scratch folder, and from there into a new archive that has nothing but checked paths, root as the
//! owner and the image's clock. Only that one is unpacked in the image, like a layer's files: paths
//! through links end where they would on the running system, and directories that exist keep their
//! owner and mode. It is made before anything is built: a bad download ends a build at once.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use osb_apt::deb::Compression;
use osb_apt::{ArchiveError, ArchiveLimits, FetchEvent, Wanted, unpack_tar};
use osb_recipe::{Artifact, Format, Layer};
use osb_tree::{Content, Inode, Kind, Time, Tree, scan};

use crate::chamber::Chamber;
use crate::error::BuildError;
use crate::job::Job;
use crate::plan::{Half, Plan};
use crate::sources;
use crate::survey::Survey;

/// No release has more files, directories and links: the sources of Linux have 90,000.
const MAX_ENTRIES: u64 = 200_000;

/// How an archive that osb made is laid over the root, by the image's tar; its file is still to be
/// named.
pub(crate) const LAY: [&str; 8] = [
    "tar",
    "--extract",
    "--directory=/",
    "--numeric-owner",
    "--same-owner",
    "--same-permissions",
    "--keep-directory-symlink",
    "--no-overwrite-dir",
];

/// What to download for an artifact of a layer.
pub(crate) fn wanted(layer: &str, url: &str, sha256: &str, size: u64) -> Wanted {
    let (sha256, url) = (sha256.to_owned(), url.to_owned());
    Wanted { name: format!("{url} (layer {layer})"), sha256, size, url, pinned: true }
}

/// Downloads what the cache lacks, as a stage; returns the files in order.
pub(crate) fn download(job: &Job, wanted: &[Wanted]) -> Result<Vec<PathBuf>, BuildError> {
    let fetcher = sources::fetcher(job);
    let total = wanted.iter().map(|wanted| wanted.size).sum();
    job.stage("download artifacts", Some(total), || {
        let tell = |event: FetchEvent<'_>| match event {
            FetchEvent::Bytes(bytes) => job.advance(bytes),
            FetchEvent::Started { name, .. } => job.detail(name),
            FetchEvent::Finished { .. } | FetchEvent::Discarded(_) => {}
        };
        let files = fetcher.fetch_artifacts(wanted, job.options.jobs.max(4), &tell)?;
        Ok((files, format!("{} files", wanted.len())))
    })
}

/// Downloads and checks the artifacts of all layers that must be dressed. Returns a folder with a
/// clean archive of each.
pub(crate) fn prepare(job: &Job, plan: &Plan, survey: &Survey) -> Result<PathBuf, BuildError> {
    let folder = job.cache.scratch("artifacts")?;
    let needed: Vec<(&Layer, usize, &Artifact)> = plan
        .layers
        .iter()
        .enumerate()
        .filter(|(index, _)| survey.lacks(Half::Dressing(*index)))
        .flat_map(|(_, planned)| {
            laid(planned.layer).map(|(n, artifact)| (planned.layer, n, artifact))
        })
        .collect();
    if needed.is_empty() {
        return Ok(folder);
    }
    let wanted: Vec<Wanted> =
        needed.iter().map(|(layer, _, a)| wanted(&layer.name, &a.url, &a.sha256, a.size)).collect();
    let files = download(job, &wanted)?;
    job.stage("unpack artifacts", None, || {
        let scratch = job.cache.scratch("unpacked")?;
        let mut paths = 0;
        for ((layer, number, artifact), file) in needed.iter().zip(&files) {
            let unpacked = scratch.join("artifact");
            let mut tree = read(job, layer, artifact, file, &unpacked)?;
            paths += tree.len();
            write(&mut tree, plan.epoch, &folder.join(name(layer, *number)))?;
            if unpacked.exists() {
                fs::remove_dir_all(&unpacked).map_err(BuildError::io("removing", unpacked))?;
            }
        }
        Ok((folder, format!("{} files, {paths} paths", needed.len())))
    })
}

/// Lays the artifacts of a layer, which [`prepare`] has made, over the root.
pub(crate) fn lay(chamber: &mut Chamber, layer: &Layer) -> Result<(), BuildError> {
    for (number, artifact) in laid(layer) {
        let file = format!("--file=/run/osb/artifacts/{}", name(layer, number));
        let mut argv = LAY.to_vec();
        argv.push(&file);
        chamber.run(&format!("laying {}", artifact.url), &argv)?;
    }
    Ok(())
}

/// The artifacts that are laid over the root, with their numbers; packages are installed.
fn laid(layer: &Layer) -> impl Iterator<Item = (usize, &Artifact)> {
    let all = layer.artifacts.iter().enumerate();
    all.filter(|(_, artifact)| artifact.format != Format::Deb)
}

fn name(layer: &Layer, number: usize) -> String {
    format!("{}-{number}.tar", layer.name)
}

/// What an artifact brings, at the places where it goes; archives are unpacked into `scratch`.
fn read(
    job: &Job,
    layer: &Layer,
    artifact: &Artifact,
    file: &Path,
    scratch: &Path,
) -> Result<Tree, BuildError> {
    let compression = match artifact.format {
        Format::Tar => Compression::None,
        Format::TarGz => Compression::Gzip,
        Format::TarXz => Compression::Xz,
        Format::TarZst => Compression::Zstd,
        Format::File | Format::Deb => {
            let content =
                Content::File { path: file.to_owned(), size: artifact.size, fingerprint: None };
            let mut tree = Tree::new();
            tree.lay(&artifact.unpack_to, Inode::new(artifact.mode, Kind::File(content)))?;
            return Ok(tree);
        }
    };
    fs::create_dir(scratch).map_err(BuildError::io("making", scratch))?;
    let limits = ArchiveLimits {
        entries: MAX_ENTRIES,
        bytes: artifact.unpacked_max,
        setuid: artifact.setuid,
    };
    let strip = artifact.strip as usize;
    let go_on = || job.go_on().map_err(io::Error::other);
    let refuse = |source: ArchiveError| BuildError::Artifact {
        layer: layer.name.clone(),
        url: artifact.url.clone(),
        limit: artifact.unpacked_max,
        source,
    };
    let count =
        unpack_tar(file, compression, strip, scratch, &limits, &go_on).map_err(|error| {
            // The reason is that the run was stopped, if it was.
            job.go_on().err().unwrap_or_else(|| refuse(error))
        })?;
    if count == 0 {
        let reason = format!("nothing is left of it without {strip} components of every path");
        return Err(refuse(ArchiveError { member: None, reason }));
    }
    Ok(moved(&scan(scratch)?, &artifact.unpack_to)?)
}

/// The same tree, below the folder `to`.
fn moved(tree: &Tree, to: &str) -> Result<Tree, osb_tree::TreeError> {
    let mut result = Tree::new();
    let mut known = std::collections::HashMap::new();
    for (path, id, inode) in tree.iter().filter(|(path, ..)| !path.is_empty()) {
        let path = match to {
            "" => path.to_vec(),
            _ => [to.as_bytes(), b"/", path].concat(),
        };
        match known.get(&id) {
            Some(first) => result.link(path, *first)?,
            None => drop(known.insert(id, result.lay(path, inode.clone())?)),
        }
    }
    Ok(result)
}

fn write(tree: &mut Tree, epoch: i64, path: &Path) -> Result<(), BuildError> {
    let ids: Vec<_> = tree.iter().map(|(_, id, _)| id).collect();
    for id in ids {
        let meta = &mut tree.inode_mut(id).meta;
        meta.mtime = Time::from_secs(epoch);
        // What the building machine's file system adds is not the archive's.
        meta.xattrs.clear();
    }
    let fail = || BuildError::io("writing", path);
    let out = BufWriter::with_capacity(1 << 20, File::create(path).map_err(fail())?);
    let out = osb_archive::tar(tree, out)?;
    out.into_inner().map_err(|error| fail()(error.into_error())).map(drop)
}
