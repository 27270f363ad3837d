//! From a lock to a vault.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use osb_apt::{ARTIFACT_SOURCE, Lock, LockedPackage, Wanted};
use osb_checksum::{sha256, to_hex};
use osb_tree::{Content, Inode, Kind, Time, Tree};

use super::VaultReport;
use super::index::{FileKind, INDEX, VaultFile, VaultIndex};
use crate::error::BuildError;
use crate::job::Job;
use crate::{artifacts, locking, packages, partial, sources, tools};

/// Which vault to make.
#[derive(Debug, Clone, Copy)]
pub struct Export<'a> {
    /// A folder that is not there yet, or a file `*.tar`.
    pub destination: &'a Path,
    /// Tools for building machines of all architectures, not only of this one.
    pub all_hosts: bool,
    /// Only tell what would be written.
    pub dry_run: bool,
}

/// What becomes a file of the vault.
enum Origin {
    /// A package to be had from the archive, or the cache.
    Package(Wanted),
    /// A file that a layer pins.
    Artifact(Wanted),
    /// Already here.
    Bytes(Vec<u8>),
}

/// Writes everything that the lock names, downloading what the cache lacks. The lock must fit.
pub(crate) fn export(job: &Job, request: &Export) -> Result<VaultReport, BuildError> {
    let destination = std::path::absolute(request.destination)
        .map_err(BuildError::io("finding", request.destination))?;
    refuse_existing(&destination)?;
    let lock = locking::fitting(job)?;
    let hosts: Vec<&str> = match request.all_hosts {
        true => tools::HOSTS.to_vec(),
        false => vec![tools::host()],
    };
    let contents = contents(job, &lock, &hosts)?;
    let files = contents.values().map(|(file, _)| file.clone()).collect();
    let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    let index = VaultIndex::new(lock.architecture.clone(), hosts, files);
    let report = VaultReport { path: destination.clone(), index, written: !request.dry_run };
    let mib = report.index.bytes().div_ceil(1 << 20);
    job.note(format!("vault: {} files, {mib} MiB", report.index.files.len()));
    if request.dry_run {
        return Ok(report);
    }
    let folder = partial::folder(&destination);
    let busy = format!("another run of osb is writing to {}", folder.display());
    let tree = gather(job, &report.index, contents, lock.newest_date())?;
    let _lease = job.claim(folder, &busy)?;
    // Another run may have written it while this one downloaded.
    refuse_existing(&destination)?;
    job.stage("write the vault", Some(report.index.bytes()), || {
        match destination.extension().is_some_and(|extension| extension == "tar") {
            true => write_tar(job, &tree, &destination)?,
            false => write_folder(job, &tree, &destination)?,
        }
        Ok(((), format!("{} files", report.index.files.len())))
    })?;
    Ok(report)
}

fn refuse_existing(destination: &Path) -> Result<(), BuildError> {
    match destination.symlink_metadata() {
        Ok(_) => Err(BuildError::Exists(destination.to_owned())),
        Err(_) => Ok(()),
    }
}

/// Everything that goes into the vault, by path.
fn contents(
    job: &Job,
    lock: &Lock,
    hosts: &[&str],
) -> Result<BTreeMap<String, (VaultFile, Origin)>, BuildError> {
    let mut all = BTreeMap::new();
    let mut add = |file: VaultFile, origin| {
        all.entry(file.path.clone()).or_insert((file, origin));
    };
    let tools = lock.tools.iter().filter(|tool| hosts.contains(&tool.host.as_str()));
    for package in lock.packages.iter().chain(tools.map(|tool| &tool.package)) {
        add(package_file(package), Origin::Package(packages::wanted(job, package)?));
    }
    for artifact in &lock.artifacts {
        let wanted =
            artifacts::wanted(&artifact.layer, &artifact.url, &artifact.sha256, artifact.size);
        let file = plain(FileKind::Artifact, &artifact.sha256, artifact.size, &artifact.url);
        add(file, Origin::Artifact(wanted));
    }
    let fetcher = sources::fetcher(job);
    let request = sources::lock_request(job, None)?;
    for source in &request.sources {
        let locked = lock.sources.iter().find(|locked| locked.name == source.name);
        let Some(locked) = locked else { continue };
        let digest = &locked.release_sha256;
        for (name, bytes) in osb_apt::kept_release(source, digest, &fetcher, job.options.now) {
            let name = format!("{}.{name}", source.name);
            let digest = to_hex(&sha256(&bytes));
            let mut file = plain(FileKind::Release, &digest, bytes.len() as u64, &name);
            file.source = Some(source.name.clone());
            add(file, Origin::Bytes(bytes));
        }
    }
    let text = lock.to_toml().into_bytes();
    let digest = to_hex(&sha256(&text));
    let file = plain(FileKind::Lock, &digest, text.len() as u64, "osb.lock");
    add(file, Origin::Bytes(text));
    Ok(all)
}

fn plain(kind: FileKind, sha256: &str, size: u64, name: &str) -> VaultFile {
    VaultFile {
        path: VaultFile::place(kind, sha256, name),
        kind,
        sha256: sha256.to_owned(),
        size,
        name: name.to_owned(),
        version: None,
        architecture: None,
        source: None,
        location: None,
    }
}

fn package_file(package: &LockedPackage) -> VaultFile {
    let file = plain(FileKind::Package, &package.sha256, package.size, &package.name);
    let source = Some(package.source.clone()).filter(|source| source != ARTIFACT_SOURCE);
    VaultFile {
        version: Some(package.version.clone()),
        architecture: Some(package.architecture.clone()),
        source,
        location: Some(package.path.clone()),
        ..file
    }
}

/// Downloads what the cache lacks; the vault as a tree whose contents lie in the cache.
fn gather(
    job: &Job,
    index: &VaultIndex,
    contents: BTreeMap<String, (VaultFile, Origin)>,
    epoch: i64,
) -> Result<Tree, BuildError> {
    let mut tree = Tree::new();
    tree.lay(INDEX, Inode::file(0o644, index.to_json().into_bytes()))?;
    let (mut debs, mut pinned) = (Vec::new(), Vec::new());
    for (path, (_, origin)) in contents {
        match origin {
            Origin::Package(wanted) => debs.push((path, wanted)),
            Origin::Artifact(wanted) => pinned.push((path, wanted)),
            Origin::Bytes(bytes) => drop(tree.lay(path, Inode::file(0o644, bytes))?),
        }
    }
    type Download = fn(&Job, &[Wanted]) -> Result<Vec<PathBuf>, BuildError>;
    let shelves: [(Vec<(String, Wanted)>, Download); 2] = [
        (debs, |job, wanted| packages::download(job, "download", wanted)),
        (pinned, artifacts::download),
    ];
    for (files, download) in shelves {
        let (paths, wanted): (Vec<String>, Vec<Wanted>) = files.into_iter().unzip();
        if wanted.is_empty() {
            continue;
        }
        let found = download(job, &wanted)?;
        for ((path, wanted), file) in paths.into_iter().zip(&wanted).zip(found) {
            let content = Content::File { path: file, size: wanted.size, fingerprint: None };
            tree.lay(path, Inode::new(0o644, Kind::File(content)))?;
        }
    }
    let ids: Vec<_> = tree.iter().map(|(_, id, _)| id).collect();
    for id in ids {
        tree.inode_mut(id).meta.mtime = Time::from_secs(epoch);
    }
    Ok(tree)
}

/// The bytes are a function of the lock, the hosts and which Releases are kept.
fn write_tar(job: &Job, tree: &Tree, destination: &Path) -> Result<(), BuildError> {
    let fail = || BuildError::io("writing", destination);
    let part = partial::Partial::of(destination);
    let out = BufWriter::with_capacity(1 << 20, File::create(&*part).map_err(fail())?);
    let out = osb_archive::tar(tree, Watched { job, inner: out });
    let out = job.stoppable(out.map_err(BuildError::from))?.inner;
    let file = out.into_inner().map_err(|error| fail()(error.into_error()))?;
    file.set_permissions(fs::Permissions::from_mode(0o644)).map_err(fail())?;
    file.sync_all().map_err(fail())?;
    part.rename(destination).map_err(fail())
}

fn write_folder(job: &Job, tree: &Tree, destination: &Path) -> Result<(), BuildError> {
    let part = partial::Partial::of(destination);
    // What a run that was killed has left.
    remove(&part)?;
    let folder = part.to_owned();
    let write = || {
        for (path, _, inode) in tree.iter() {
            job.go_on()?;
            let path = folder.join(String::from_utf8_lossy(path).as_ref());
            let fail = || BuildError::io("writing", &path);
            let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode));
            match &inode.kind {
                Kind::File(Content::File { path: from, size, .. }) => {
                    fs::copy(from, &path).and_then(|_| mode(0o644)).map_err(fail())?;
                    job.advance(*size);
                }
                Kind::File(content) => {
                    let bytes = content.read().map_err(fail())?;
                    let mut file = File::create(&path).map_err(fail())?;
                    file.write_all(&bytes).and_then(|()| mode(0o644)).map_err(fail())?;
                    job.advance(bytes.len() as u64);
                }
                _ => fs::create_dir(&path).and_then(|()| mode(0o755)).map_err(fail())?,
            }
        }
        let handle = File::open(&folder).map_err(BuildError::io("opening", &folder))?;
        rustix::fs::syncfs(&handle)
            .map_err(|error| BuildError::io("writing out", &folder)(error.into()))?;
        fs::rename(&folder, destination).map_err(BuildError::io("naming", destination))
    };
    if let Err(error) = write() {
        remove(&folder)?;
        return Err(error);
    }
    Ok(())
}

/// Tells the caller how far a tar is, and stops if asked to.
struct Watched<'a, W> {
    job: &'a Job<'a>,
    inner: W,
}

impl<W: Write> Write for Watched<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Not `Interrupted`, which is a reason to try again.
        self.job.go_on().map_err(io::Error::other)?;
        let written = self.inner.write(bytes)?;
        self.job.advance(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn remove(folder: &Path) -> Result<(), BuildError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(BuildError::io("removing", folder)(error))
        }
        _ => Ok(()),
    }
}
