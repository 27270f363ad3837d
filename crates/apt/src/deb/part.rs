//! Single files out of a large package.

use std::path::Path;

use super::fault::{DebError, DebFault};
use super::guard::Guard;
use super::package::{Deb, Limits};
use super::tar::{Dialect, TarReader};
use super::unpacker::Unpacker;

/// Unpacks the files called `paths` (relative, without `./`) of `deb` into the existing directory
/// `root`, which has none of them, and reads no further than the last: what follows is not even
/// decompressed.
///
/// # Errors
/// The package lacks one of them, is damaged or hostile up to there, or the file system refused
/// something.
pub fn extract_files(deb: &Path, root: &Path, paths: &[&str]) -> Result<(), DebError> {
    let package = Deb::open(deb)?;
    extract(&package, root, paths).map_err(|fault| fault.at(deb))
}

fn extract(package: &Deb, root: &Path, paths: &[&str]) -> Result<(), DebFault> {
    let limits = Limits::default();
    let input = package.open_member(&package.layout().data, limits.data_bytes)?;
    let opening = DebFault::io("opening the directory to unpack into");
    let mut unpacker = Unpacker::new(root).map_err(opening)?;
    let (mut reader, mut guard) = (TarReader::new(input, Dialect::Dpkg), Guard::default());
    let mut missing: Vec<&[u8]> = paths.iter().map(|path| path.as_bytes()).collect();
    let mut count = 0;
    while let (false, Some(entry)) = (missing.is_empty(), reader.next_entry()?) {
        count += 1;
        if count > limits.entries {
            return Err(DebFault::TooLarge(format!("more than {} entries", limits.entries)));
        }
        guard.admit(&entry)?;
        if let Some(index) = missing.iter().position(|path| *path == entry.path) {
            unpacker.put(&entry, &mut reader)?;
            missing.swap_remove(index);
        }
    }
    match missing.first() {
        None => unpacker.finish(),
        Some(path) => {
            let path = String::from_utf8_lossy(path);
            Err(DebFault::Malformed(format!("it has no file {path}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::samples::{TarBuilder, package};
    use super::*;

    #[test]
    fn files_are_taken_and_the_rest_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let data = TarBuilder::new()
            .directory("./usr/", 0o755)
            .file("./usr/a", 0o755, b"a")
            .file("./usr/b", 0o644, b"b")
            .finish();
        let mut bytes = package("", &data);
        // Damage behind the first file, which nobody looks at.
        let end = bytes.len() - 1500;
        bytes[end..].fill(0xff);
        let deb = dir.path().join("a.deb");
        fs::write(&deb, bytes).unwrap();
        extract_files(&deb, dir.path(), &["usr/a"]).unwrap();
        assert_eq!(fs::read(dir.path().join("usr/a")).unwrap(), b"a");
        assert!(!dir.path().join("usr/b").exists());
        assert!(extract_files(&deb, dir.path(), &["usr/b"]).is_err());
        fs::write(&deb, package("", &data)).unwrap();
        let other = dir.path().join("other");
        fs::create_dir(&other).unwrap();
        let error = extract_files(&deb, &other, &["usr/b", "usr/c"]).unwrap_err();
        assert!(error.to_string().contains("usr/c"), "{error}");
    }
}
