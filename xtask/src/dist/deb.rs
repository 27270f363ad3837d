//! Writing a Debian binary package (deb(5)): an ar archive of a version, what the package is, and
//! its files. The bytes are a function of what goes in.

use std::io::Write;

use anyhow::{Context, Result, ensure};
use md5::{Digest, Md5};
use osb_tree::{Inode, Kind, Tree};

use super::files::Files;

/// The level of Debian's own packages.
const XZ_LEVEL: u32 = 6;

/// The bytes of a package: `fields` are those of its control file, in their order, but for
/// `Installed-Size`; `files` what it installs.
pub(crate) fn write(fields: &[(&str, &str)], files: &Files) -> Result<Vec<u8>> {
    let tree = files.tree();
    let mut control = String::new();
    for (name, value) in fields {
        ensure!(!value.is_empty() && !value.contains("\n\n"), "the field {name} is {value:?}");
        control.push_str(&format!("{name}: {value}\n"));
        // Where dpkg puts it, too.
        if *name == "Maintainer" {
            control.push_str(&format!("Installed-Size: {}\n", installed_size(tree)));
        }
    }
    let mut about = Files::new(files.epoch());
    about.put("control", 0o644, control.into_bytes())?;
    about.put("md5sums", 0o644, md5sums(tree)?.into_bytes())?;

    let mut out = b"!<arch>\n".to_vec();
    push(&mut out, "debian-binary", files.epoch(), b"2.0\n");
    push(&mut out, "control.tar.xz", files.epoch(), &xz_tar(about.tree())?);
    push(&mut out, "data.tar.xz", files.epoch(), &xz_tar(tree)?);
    Ok(out)
}

/// In KiB, as Debian's policy wants it (5.6.20): files rounded up, and 1 for everything else.
fn installed_size(tree: &Tree) -> u64 {
    let size = |inode: &Inode| inode.content().map_or(1, |content| content.size().div_ceil(1024));
    tree.iter().map(|(_, _, inode)| size(inode)).sum()
}

/// What `dpkg --verify` compares.
fn md5sums(tree: &Tree) -> Result<String> {
    let mut text = String::new();
    for (path, _, inode) in tree.iter() {
        if let Kind::File(content) = &inode.kind {
            let sum = Md5::digest(content.read()?);
            text.push_str(&format!("{}  {}\n", hex::encode(sum), str::from_utf8(path)?));
        }
    }
    Ok(text)
}

fn xz_tar(tree: &Tree) -> Result<Vec<u8>> {
    let tar = osb_archive::tar(tree, Vec::new())?;
    // dpkg knows no pax records (lib/dpkg/tarfn.c), which come with names of 100 bytes and more.
    ensure!(!tree.iter().any(|(path, _, _)| path.len() > 97), "a path is too long for a package");
    let mut out = liblzma::write::XzEncoder::new(Vec::new(), XZ_LEVEL);
    out.write_all(&tar).context("compressing")?;
    Ok(out.finish()?)
}

/// Adds a member (ar(5), with the short names of deb(5)).
fn push(out: &mut Vec<u8>, name: &str, epoch: i64, content: &[u8]) {
    let size = content.len();
    let header = format!("{name:<16}{epoch:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, "100644");
    out.extend(header.as_bytes());
    out.extend(content);
    if size % 2 == 1 {
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::capture;
    use std::process::Command;

    const FIELDS: [(&str, &str); 5] = [
        ("Package", "tiny"),
        ("Version", "1.0-1"),
        ("Architecture", "all"),
        ("Maintainer", "Somebody <somebody@example.org>"),
        ("Description", "a package\n of two lines"),
    ];

    fn sample() -> Vec<u8> {
        let mut files = Files::new(1_700_000_000);
        files.put("usr/bin/tiny", 0o755, b"#!/bin/sh\n".to_vec()).unwrap();
        files.put("usr/share/tiny", 0o644, vec![b'x'; 1025]).unwrap();
        write(&FIELDS, &files).unwrap()
    }

    #[test]
    fn the_same_files_are_the_same_bytes() {
        assert!(sample() == sample());
    }

    #[test]
    fn osbs_own_reader_and_dpkg_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tiny_1.0-1_all.deb");
        std::fs::write(&path, sample()).unwrap();
        let deb = osb_apt::deb::Deb::open(&path).unwrap();
        // Root, two folders below it, one of them with a folder: 4, and files of 1 and 2.
        assert_eq!(deb.control().unwrap().get("Installed-Size"), Some("7"));

        let run = |option: &str| capture(Command::new("dpkg-deb").arg(option).arg(&path));
        if Command::new("dpkg-deb").arg("--version").output().is_err() {
            eprintln!("SKIPPED: there is no dpkg-deb on this machine");
            return;
        }
        let listing = run("--contents").unwrap();
        for line in ["-rwxr-xr-x 0/0              10 2023-11-14", "drwxr-xr-x 0/0"] {
            assert!(listing.contains(line), "{line:?} in {listing}");
        }
        assert!(run("--info").unwrap().contains(" Version: 1.0-1\n"));
        let sums = capture(Command::new("dpkg-deb").arg("--info").arg(&path).arg("md5sums"));
        let sums = sums.unwrap();
        assert!(sums.contains("  usr/bin/tiny\n") && sums.contains("  usr/share/tiny\n"), "{sums}");
    }

    #[test]
    fn what_dpkg_could_not_read_is_refused() {
        let mut files = Files::new(0);
        files.put(&format!("usr/{}", "x".repeat(100)), 0o644, Vec::new()).unwrap();
        assert!(write(&FIELDS, &files).unwrap_err().to_string().contains("too long"));
        assert!(write(&[("Package", "")], &Files::new(0)).is_err());
    }
}
