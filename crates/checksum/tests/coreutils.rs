//! The referee for `SHA256SUMS` is coreutils: our text passes `sha256sum -c`, and its text is ours.

use std::fs;
use std::io::{self, Write};
use std::process::Command;

use osb_checksum::{Sums, sha256_file};

#[test]
fn sha256sum_and_we_agree() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["disk.img", "with space", "with\\backslash", "with\nnewline", "*star"];
    let mut sums = Sums::new();
    for name in names {
        fs::write(dir.path().join(name), name).unwrap();
        sums.insert(name, sha256_file(dir.path().join(name)).unwrap()).unwrap();
    }
    let text = sums.to_string();
    fs::write(dir.path().join("SHA256SUMS"), &text).unwrap();

    let check = Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(dir.path())
        .output();
    let Ok(check) = check else {
        // Past the test harness, which would swallow it.
        io::stderr().write_all(b"referee absent: sha256sum is not on PATH\n").unwrap();
        return;
    };
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));

    let sorted: Vec<&str> = sums.iter().map(|(name, _)| name).collect();
    let theirs =
        Command::new("sha256sum").arg("--").args(&sorted).current_dir(dir.path()).output().unwrap();
    assert_eq!(String::from_utf8(theirs.stdout).unwrap(), text);
}
