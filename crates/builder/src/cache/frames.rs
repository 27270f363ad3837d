//! Compressed pieces of artifacts, by what they were made of.
//!
//! They are not waited for until they are on the disk: each carries a fingerprint that is checked
//! when it is used, so one that a crash has damaged costs the time to make it again.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use osb_checksum::{Digest, to_hex};
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
