//! Reading a vault, folder or tar: the index first, then every file that it names, checked.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use osb_apt::deb::EntryKind;
use osb_apt::{ArchiveError, ArchiveLimits, walk_tar};
use osb_checksum::to_hex;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use sha2::{Digest, Sha256};

use super::index::{INDEX, MAX_INDEX, VaultFile, VaultIndex};
use crate::error::BuildError;

/// Bytes that are read at once.
const BLOCK: usize = 128 << 10;

/// What is wrong with a vault, or was while it was read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// It is not a vault as osb makes them.
    #[error("{0}")]
    Bad(String),
    /// A file is not the one that the index names.
    #[error("{0}")]
    Changed(String),
    /// Something else.
    #[error(transparent)]
    Other(#[from] Box<BuildError>),
}

impl From<ArchiveError> for Fault {
    fn from(error: ArchiveError) -> Self {
        Fault::Bad(error.to_string())
    }
}

impl From<BuildError> for Fault {
    fn from(error: BuildError) -> Self {
        Fault::Other(Box::new(error))
    }
}

impl Fault {
    /// Names the vault.
    pub(super) fn at(self, path: &Path) -> BuildError {
        let path = path.to_owned();
        match self {
            Fault::Bad(problem) => BuildError::Vault { path, problem },
            Fault::Changed(problem) => BuildError::VaultChanged { path, problem },
            Fault::Other(error) => *error,
        }
    }
}

/// Who reads a vault.
pub(super) trait Reader {
    /// The index was read; what it names comes next.
    fn begin(&mut self, index: &VaultIndex) -> Result<(), Fault>;
    /// One file, which must be read to its end with [`copy`].
    fn file(&mut self, file: &VaultFile, content: &mut dyn Read) -> Result<(), Fault>;
}

/// Reads the whole vault at `path`; gives its index when every file was there and was right.
pub(super) fn read(path: &Path, reader: &mut dyn Reader) -> Result<VaultIndex, Fault> {
    let stat = std::fs::metadata(path).map_err(BuildError::io("looking at the vault", path))?;
    if stat.is_dir() {
        return read_folder(path, reader);
    }
    if !stat.is_file() {
        return Err(Fault::Bad("it is neither a folder nor a tar".into()));
    }
    read_tar(path, stat.len(), reader)
}

/// Copies a file's content, which must be exactly what the index says.
pub(super) fn copy(
    file: &VaultFile,
    content: &mut dyn Read,
    out: &mut dyn Write,
    advance: &mut dyn FnMut(u64) -> Result<(), BuildError>,
) -> Result<(), Fault> {
    let mut block = vec![0; BLOCK];
    let (mut hash, mut length) = (Sha256::new(), 0_u64);
    loop {
        let count = content.read(&mut block).map_err(|error| unreadable(&file.path, &error))?;
        if count == 0 {
            break;
        }
        length += count as u64;
        if length > file.size {
            break;
        }
        hash.update(&block[..count]);
        out.write_all(&block[..count]).map_err(BuildError::io("writing", &file.path))?;
        advance(count as u64)?;
    }
    let VaultFile { path, size, sha256, .. } = file;
    if length != *size {
        let than = if length > *size { "more" } else { "fewer" };
        return Err(Fault::Changed(format!(
            "{path} has {than} than the {size} bytes of its index"
        )));
    }
    let actual = to_hex(&hash.finalize().into());
    if actual != *sha256 {
        return Err(Fault::Changed(format!(
            "{path} has the SHA-256 {actual}, but its index says {sha256}"
        )));
    }
    Ok(())
}

fn read_folder(path: &Path, reader: &mut dyn Reader) -> Result<VaultIndex, Fault> {
    let folder: OwnedFd =
        File::open(path).map_err(BuildError::io("opening the vault", path))?.into();
    let index = read_index(&mut open_in(&folder, INDEX)?)?;
    reader.begin(&index)?;
    for file in &index.files {
        reader.file(file, &mut open_in(&folder, &file.path)?)?;
    }
    Ok(index)
}

/// Opens a regular file of the folder; no link leads anywhere.
fn open_in(folder: &OwnedFd, path: &str) -> Result<BufReader<File>, Fault> {
    // Without NONBLOCK, a pipe in a file's place would be waited for.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let file = openat2(folder, path, flags, Mode::empty(), resolve).map_err(|error| {
        Fault::Bad(match error {
            rustix::io::Errno::NOENT => format!("{path} is missing"),
            rustix::io::Errno::LOOP => format!("{path} is a symbolic link, or behind one"),
            other => format!("{path} cannot be opened: {other}"),
        })
    })?;
    let file = File::from(file);
    match file.metadata() {
        Ok(stat) if stat.is_file() => Ok(BufReader::new(file)),
        _ => Err(Fault::Bad(format!("{path} is not a regular file"))),
    }
}

fn read_tar(path: &Path, size: u64, reader: &mut dyn Reader) -> Result<VaultIndex, Fault> {
    let tar = File::open(path).map_err(BuildError::io("opening the vault", path))?;
    // Nothing in it is compressed: it cannot hold more than it is long.
    let limits = ArchiveLimits { entries: 1_000_000, bytes: size, setuid: false };
    let mut index: Option<VaultIndex> = None;
    let mut missing: BTreeMap<Vec<u8>, VaultFile> = BTreeMap::new();
    walk_tar(tar, &limits, &mut |entry, content: &mut dyn BufRead| {
        let name = String::from_utf8_lossy(&entry.path).into_owned();
        match &entry.kind {
            EntryKind::Directory => return Ok(()),
            EntryKind::File => {}
            EntryKind::Symlink(_) | EntryKind::HardLink(_) => {
                return Err(Fault::Bad(format!("{name} is a link; a vault has none")));
            }
        }
        if index.is_none() {
            if name != INDEX {
                return Err(Fault::Bad(format!("it begins with {name:?}, not with {INDEX}")));
            }
            let found = read_index(content)?;
            reader.begin(&found)?;
            let files = found.files.iter();
            missing = files.map(|file| (file.path.clone().into_bytes(), file.clone())).collect();
            index = Some(found);
            return Ok(());
        }
        match missing.remove(&entry.path) {
            Some(file) => reader.file(&file, content),
            None => Err(Fault::Bad(format!("its index does not name {name:?}"))),
        }
    })?;
    let index = index.ok_or_else(|| Fault::Bad(format!("it has no {INDEX}")))?;
    match missing.into_values().next() {
        Some(file) => Err(Fault::Bad(format!("{} is missing", file.path))),
        None => Ok(index),
    }
}

fn read_index(content: &mut dyn Read) -> Result<VaultIndex, Fault> {
    let mut bytes = Vec::new();
    let read = content.take(MAX_INDEX + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(INDEX, &error))?;
    if bytes.len() as u64 > MAX_INDEX {
        return Err(Fault::Bad(format!("{INDEX} has more than {MAX_INDEX} bytes")));
    }
    VaultIndex::parse(&bytes)
}

fn unreadable(path: &str, error: &std::io::Error) -> Fault {
    Fault::Bad(match error.kind() {
        std::io::ErrorKind::UnexpectedEof => format!("it ends inside {path}"),
        _ => format!("{path} cannot be read: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use osb_tree::{Inode, Tree};

    use super::super::index::FileKind;
    use super::*;

    /// Reads everything and keeps nothing.
    struct Nobody;

    impl Reader for Nobody {
        fn begin(&mut self, _: &VaultIndex) -> Result<(), Fault> {
            Ok(())
        }

        fn file(&mut self, file: &VaultFile, content: &mut dyn Read) -> Result<(), Fault> {
            copy(file, content, &mut std::io::sink(), &mut |_| Ok(()))
        }
    }

    fn file(kind: FileKind, name: &str, bytes: &[u8]) -> VaultFile {
        let sha256 = to_hex(&Sha256::digest(bytes).into());
        VaultFile {
            path: VaultFile::place(kind, &sha256, name),
            kind,
            sha256,
            size: bytes.len() as u64,
            name: name.into(),
            version: None,
            architecture: None,
            source: None,
            location: None,
        }
    }

    /// A vault of a lock and one package, and the package's path.
    fn vault() -> (Tree, String) {
        let files = vec![
            file(FileKind::Lock, "osb.lock", b"lock"),
            file(FileKind::Package, "tiny", b"package"),
        ];
        let path = files[1].path.clone();
        let index = VaultIndex::new("arm64".into(), Vec::new(), files);
        let mut tree = Tree::new();
        tree.lay(INDEX, Inode::file(0o644, index.to_json().into_bytes())).unwrap();
        tree.lay("osb.lock", Inode::file(0o644, b"lock".to_vec())).unwrap();
        tree.lay(&path, Inode::file(0o644, b"package".to_vec())).unwrap();
        (tree, path)
    }

    fn read_as_tar(tree: &Tree) -> Result<VaultIndex, Fault> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vault.tar");
        std::fs::write(&path, osb_archive::tar(tree, Vec::new()).unwrap()).unwrap();
        read(&path, &mut Nobody)
    }

    #[test]
    fn a_whole_tar_is_read() {
        assert_eq!(read_as_tar(&vault().0).unwrap().files.len(), 2);
    }

    #[test]
    fn hostile_tars_are_refused() {
        type Change = fn(&mut Tree, &str);
        let changes: [(Change, &str); 7] = [
            (|tree, path| drop(tree.insert(path, Inode::symlink("/etc/passwd"))), "is a link"),
            (|tree, path| tree.link("debs/other", tree.id(path).unwrap()).unwrap(), "is a link"),
            (|tree, path| assert!(tree.remove(path)), "is missing"),
            (|tree, _| drop(tree.lay("more", Inode::file(0o644, vec![1]))), "does not name"),
            (|tree, _| drop(tree.lay("ABC", Inode::file(0o644, vec![1]))), "begins with"),
            (|tree, _| drop(tree.insert(INDEX, Inode::file(0o644, vec![1]))), "INDEX.json"),
            (|tree, _| assert!(tree.remove(INDEX)), "begins with"),
        ];
        for (change, reason) in changes {
            let (mut tree, path) = vault();
            change(&mut tree, &path);
            let fault = read_as_tar(&tree).unwrap_err();
            assert!(matches!(fault, Fault::Bad(_)), "{fault}");
            assert!(fault.to_string().contains(reason), "{reason}: {fault}");
        }
        let (mut tree, path) = vault();
        tree.insert(&path, Inode::file(0o644, b"PACKAGE".to_vec())).unwrap();
        assert!(matches!(read_as_tar(&tree), Err(Fault::Changed(_))));
    }
}
