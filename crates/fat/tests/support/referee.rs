//! Programs that look at our volumes.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Output};

/// Runs a referee; `None`, with a visible note, if there is none.
pub(crate) fn referee(command: &mut Command) -> Option<Output> {
    match command.output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Past the test harness, which would swallow it.
            let note = format!("referee absent: {:?} is not on PATH\n", command.get_program());
            io::stderr().write_all(note.as_bytes()).unwrap();
            None
        }
        Err(error) => panic!("{command:?}: {error}"),
    }
}

/// `fsck.vfat` finds nothing to say about a volume.
pub(crate) fn assert_clean(path: &Path) {
    let Some(output) = referee(Command::new("fsck.vfat").arg("-nv").arg(path)) else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    for complaint in ["differ", "wrong", "Bad", "mismatch", "Label", "not "] {
        assert!(!text.contains(complaint), "{complaint}: {text}");
    }
}
