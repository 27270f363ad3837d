//! The mode of a finished file. Alone in its process: the umask is the process's.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::os::unix::fs::PermissionsExt;

use osb_sink::DirectFile;
use rustix::fs::Mode;

#[test]
fn a_finished_file_is_for_all_to_read_whatever_the_umask_is() {
    let folder = tempfile::tempdir().unwrap();
    let before = rustix::process::umask(Mode::empty());
    for umask in [0o000, 0o022, 0o027, 0o077] {
        rustix::process::umask(Mode::from_raw_mode(umask));
        let path = folder.path().join("file");
        DirectFile::create(&path).unwrap().finish().unwrap();
        let mode = path.metadata().unwrap().permissions().mode();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(mode & 0o7777, 0o644, "umask {umask:03o}");
    }
    rustix::process::umask(before);
}
