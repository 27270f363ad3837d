//! Compressed pieces of artifacts, by what they were made of.
//!
//! They are not waited for until they are on the disk: each carries a fingerprint that is checked
//! when it is used, so one that a crash has damaged costs the time to make it again.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use osb_checksum::{Digest, parse_hex, to_hex};
use osb_frames::Store;

/// The bucket `frames-v1`.
pub(crate) struct FrameStore {
    folder: PathBuf,
}

impl FrameStore {
    pub(super) fn new(folder: PathBuf) -> FrameStore {
        FrameStore { folder }
    }

    fn path(&self, key: &Digest) -> PathBuf {
        self.folder.join(to_hex(key))
    }
}

impl Store for FrameStore {
    fn get(&self, key: &Digest, out: &mut Vec<u8>) -> io::Result<bool> {
        let path = self.path(key);
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        file.read_to_end(out)?;
        super::touch(&path);
        Ok(true)
    }

    fn put(&self, key: &Digest, entry: &[u8]) -> io::Result<()> {
        // The name begins with a dot: it is no entry, and goes with a run that is killed.
        let mut file = tempfile::Builder::new().prefix(".part").tempfile_in(&self.folder)?;
        file.write_all(entry)?;
        file.persist(self.path(key))?;
        Ok(())
    }
}

/// What is wrong with the entry `path`, if anything is.
pub(super) fn damage(path: &Path) -> Option<String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Ok(key) = parse_hex(&name) else { return Some("its name is no key".to_owned()) };
    match std::fs::read(path) {
        Ok(entry) if osb_frames::open(&key, &entry).is_some() => None,
        Ok(_) => Some("its fingerprint is not that of its bytes".to_owned()),
        Err(error) => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use osb_frames::{Codec, single};

    use super::*;

    const CODEC: Codec = Codec::Zstd { level: 3 };

    /// A store in a folder, and its only entry.
    fn one_entry() -> (tempfile::TempDir, FrameStore, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let store = FrameStore::new(dir.path().to_owned());
        single(CODEC, vec![7; 1000], &store).unwrap();
        let entries: Vec<_> = fs::read_dir(dir.path()).unwrap().flatten().collect();
        assert_eq!(entries.len(), 1, "nothing half-written is left");
        let path = entries[0].path();
        (dir, store, path)
    }

    #[test]
    fn an_entry_is_found_again_and_marked_as_used() {
        let (_dir, store, path) = one_entry();
        let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        fs::File::open(&path).unwrap().set_modified(long_ago).unwrap();
        let (_, tally) = single(CODEC, vec![7; 1000], &store).unwrap();
        assert_eq!((tally.reused, tally.made), (1, 0));
        assert!(fs::metadata(&path).unwrap().modified().unwrap() > long_ago);
        assert_eq!(damage(&path), None);
    }

    #[test]
    fn a_damaged_entry_is_noticed_and_replaced() {
        let (dir, store, path) = one_entry();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(damage(&path).unwrap().contains("fingerprint"));
        let (_, tally) = single(CODEC, vec![7; 1000], &store).unwrap();
        assert_eq!((tally.damaged, tally.made), (1, 1));
        assert!(fs::read(&path).unwrap() == whole);
        let foreign = dir.path().join("notes");
        fs::write(&foreign, "").unwrap();
        assert!(damage(&foreign).is_some());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_and_nothing_more() {
        let store = FrameStore::new("/proc/no/such/folder".into());
        let (_, tally) = single(CODEC, vec![7; 1000], &store).unwrap();
        assert!(tally.unsaved.is_some() && tally.damaged == 0);
    }
}
