//! An entry that is a folder: sealed when it is finished, looked over before it is used.
//!
//! Beside each folder in it lies a manifest of what it held when it was made, and a list of these
//! folders. Damage (a disk that lies, a hand in the cache, half a copy) is noticed before anything is
//! built on it: metadata whenever the entry is opened, contents when they are read.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use osb_tree::{Content, Layer, Manifest, Mismatch, ScanError, scan_layer};

use crate::cache::contents::read;
use crate::error::BuildError;

/// What a folder's manifest is called, behind the folder's name.
const EXTENSION: &str = "manifest";
/// EIO: the disk cannot read what it has.
const IO_ERROR: i32 = 5;
/// The names of the folders, a line each: written last.
const PARTS: &str = "parts";

/// What is found under an entry's name.
pub(crate) enum Found {
    /// Nothing.
    Missing,
    /// Something else than was put there.
    Damaged(Mismatch),
    /// All of it.
    Whole(Entry),
}

/// An entry that is as it was made, as far as metadata tell.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its folders, by name.
    pub(crate) parts: Vec<Part>,
}

/// One folder of an entry.
#[derive(Debug)]
pub(crate) struct Part {
    /// Its name.
    pub(crate) name: String,
    /// Its files; contents that turn out to be others than those recorded cannot be read.
    pub(crate) layer: Layer,
    /// The record.
    pub(crate) manifest: Manifest,
}

/// Writes the manifests of a folder that is to become an entry.
pub(crate) fn seal(entry: &Path) -> Result<(), BuildError> {
    let mut parts = String::new();
    for folder in folders(entry)? {
        let manifest = Manifest::of(&scan_layer(&folder)?);
        let manifest = manifest.map_err(BuildError::io("reading", &folder))?;
        let path = manifest_of(&folder);
        fs::write(&path, manifest.to_text()).map_err(BuildError::io("writing", &path))?;
        parts += &folder.file_name().unwrap_or_default().to_string_lossy();
        parts.push('\n');
    }
    let path = entry.join(PARTS);
    fs::write(&path, parts).map_err(BuildError::io("writing", path))
}

/// Looks the entry over.
pub(crate) fn open(entry: &Path) -> Result<Found, BuildError> {
    if !entry.is_dir() {
        return Ok(Found::Missing);
    }
    let mut parts = Vec::new();
    for name in match recorded(entry)? {
        Ok(names) => names,
        Err(mismatch) => return Ok(Found::Damaged(mismatch)),
    } {
        match part(&entry.join(&name))? {
            Ok(part) => parts.push(part),
            Err(mismatch) => return Ok(Found::Damaged(mismatch.below(&name))),
        }
    }
    Ok(Found::Whole(Entry { parts }))
}

/// The names of the folders that there should be, and are, and no more.
fn recorded(entry: &Path) -> Result<Result<Vec<String>, Mismatch>, BuildError> {
    let broken = |what: String| Mismatch { path: "/".to_owned(), what };
    let text = match fs::read_to_string(entry.join(PARTS)) {
        Ok(text) => text,
        Err(error) => return Ok(Err(broken(format!("the list of its parts: {error}")))),
    };
    let names: Vec<String> = text.lines().map(str::to_owned).collect();
    let there: Vec<String> = folders(entry)?
        .iter()
        .map(|folder| folder.file_name().unwrap_or_default().to_string_lossy().into_owned())
        .collect();
    if names.is_empty() || names != there {
        let what = format!("its parts were {}, and are {}", names.join(" "), there.join(" "));
        return Ok(Err(broken(what)));
    }
    Ok(Ok(names))
}

/// One folder and what is recorded of it.
fn part(folder: &Path) -> Result<Result<Part, Mismatch>, BuildError> {
    let broken = |what: String| Mismatch { path: String::new(), what };
    let text = match fs::read_to_string(manifest_of(folder)) {
        Ok(text) => text,
        Err(error) => return Ok(Err(broken(format!("its manifest cannot be read: {error}")))),
    };
    let manifest = match Manifest::parse(&text) {
        Ok(manifest) => manifest,
        Err(mismatch) => return Ok(Err(mismatch)),
    };
    let mut layer = match scan_layer(folder) {
        Ok(layer) => layer,
        // Only what says that the tree is another one; too little memory, say, is no damage.
        Err(ScanError::Io { path, source })
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
                || source.raw_os_error() == Some(IO_ERROR) =>
        {
            return Ok(Err(broken(format!("{}: {source}", path.display()))));
        }
        Err(error) => return Err(error.into()),
    };
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(manifest.check(&mut layer).map(|()| Part { name, layer, manifest }))
}

/// Reads all contents of an entry, too. `go_on` is asked before each file.
pub(crate) fn verify(
    entry: &Path,
    go_on: &dyn Fn() -> Result<(), BuildError>,
) -> Result<Found, BuildError> {
    let found = open(entry)?;
    let Found::Whole(whole) = &found else { return Ok(found) };
    let mut buffer = vec![0; 256 << 10];
    for part in &whole.parts {
        for (path, content) in part.layer.contents() {
            go_on()?;
            if let Err(error) = read_through(content, &mut buffer) {
                let path = path.escape_ascii().to_string();
                let mismatch = Mismatch { path, what: error.to_string() };
                return Ok(Found::Damaged(mismatch.below(&part.name)));
            }
        }
    }
    Ok(found)
}

fn read_through(content: &Content, buffer: &mut [u8]) -> io::Result<()> {
    let mut reader = content.open()?;
    while reader.read(buffer)? > 0 {}
    Ok(())
}

/// The folders of an entry, in the order of their names.
fn folders(entry: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let mut folders: Vec<PathBuf> = read(entry)?
        .into_iter()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    Ok(folders)
}

fn manifest_of(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().map(OsStr::to_owned).unwrap_or_default();
    name.push(".");
    name.push(EXTENSION);
    folder.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let entry = dir.path().join("key");
        fs::create_dir_all(entry.join("packages/etc")).unwrap();
        fs::create_dir_all(entry.join("root/etc")).unwrap();
        fs::write(entry.join("packages/etc/motd"), "hello").unwrap();
        fs::write(entry.join("root/etc/motd"), "there").unwrap();
        seal(&entry).unwrap();
        dir
    }

    fn damage(entry: &Path) -> Option<String> {
        match open(entry).unwrap() {
            Found::Damaged(mismatch) => Some(mismatch.to_string()),
            _ => None,
        }
    }

    #[test]
    fn what_was_sealed_is_whole() {
        let dir = sealed();
        let Found::Whole(entry) = open(&dir.path().join("key")).unwrap() else { panic!() };
        assert_eq!(entry.parts.len(), 2);
        assert!(matches!(open(&dir.path().join("other")).unwrap(), Found::Missing));
        let found = verify(&dir.path().join("key"), &|| Ok(())).unwrap();
        assert!(matches!(found, Found::Whole(_)));
    }

    #[test]
    fn damage_is_named() {
        type Harm = fn(&Path);
        let harms: [(&str, Harm); 5] = [
            ("root/etc/motd: it was", |entry| fs::write(entry.join("root/etc/motd"), "").unwrap()),
            ("packages/etc/motd: it was", |entry| {
                fs::remove_file(entry.join("packages/etc/motd")).unwrap();
                fs::create_dir(entry.join("packages/etc/motd")).unwrap();
                let etc = fs::File::open(entry.join("packages/etc")).unwrap();
                let text = fs::read_to_string(entry.join("packages.manifest")).unwrap();
                let time = text.lines().find(|line| line.starts_with("etc d")).unwrap();
                let (secs, nanos) = time.split(' ').nth(4).unwrap().split_once('.').unwrap();
                let since = std::time::Duration::new(secs.parse().unwrap(), nanos.parse().unwrap());
                etc.set_modified(std::time::UNIX_EPOCH + since).unwrap();
            }),
            ("root/: its manifest cannot be read", |entry| {
                fs::remove_file(entry.join("root.manifest")).unwrap();
            }),
            ("packages/: line 1 of its manifest", |entry| {
                fs::write(entry.join("packages.manifest"), "").unwrap();
            }),
            ("/: the list of its parts", |entry| {
                fs::remove_dir_all(entry).unwrap();
                fs::create_dir(entry).unwrap();
            }),
        ];
        for (expected, harm) in harms {
            let dir = sealed();
            let entry = dir.path().join("key");
            harm(&entry);
            let damage = damage(&entry).unwrap_or_default();
            assert!(damage.starts_with(expected), "{expected}: {damage}");
        }
    }

    #[test]
    fn a_missing_folder_is_damage() {
        let dir = sealed();
        let entry = dir.path().join("key");
        fs::remove_dir_all(entry.join("root")).unwrap();
        assert_eq!(damage(&entry).unwrap(), "/: its parts were packages root, and are packages");
        fs::remove_file(entry.join("root.manifest")).unwrap();
        assert_eq!(damage(&entry).unwrap(), "/: its parts were packages root, and are packages");
    }

    #[test]
    fn other_content_of_the_same_size_and_time_is_found_by_a_verification() {
        let dir = sealed();
        let (entry, file) = (dir.path().join("key"), dir.path().join("key/root/etc/motd"));
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(&file, "THERE").unwrap();
        fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
        assert_eq!(damage(&entry), None);
        let found = verify(&entry, &|| Ok(())).unwrap();
        assert!(matches!(found, Found::Damaged(mismatch) if mismatch.path == "root/etc/motd"));
    }
}
