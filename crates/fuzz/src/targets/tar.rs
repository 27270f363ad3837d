//! The tar streams inside packages: what we accept, the `tar` crate reads in the same way.

use std::io::Read;

use osb_apt::deb::EntryKind;
use osb_apt::fuzz;

use crate::Target;
use crate::seeds::long;
use crate::wrap::{fix_checksums, tar, tar_entry};

pub(crate) const TARGET: Target = Target {
    name: "tar",
    about: "tar streams, checksums made right; the tar crate reads the same",
    run,
    seeds,
    words: &["ustar\0", "ustar  \0", "././@LongLink", "./", "../", "0000644\0"],
};

fn run(bytes: &[u8]) {
    let mut stream = bytes.to_vec();
    fix_checksums(&mut stream);
    let Ok(entries) = fuzz::tar(&stream) else { return };
    let mut other = tar::Archive::new(stream.as_slice());
    let mut others = other.entries().unwrap();
    for (entry, content) in &entries {
        for part in entry.path.split(|byte| *byte == b'/') {
            assert!(entry.path.is_empty() || !matches!(part, b"" | b"." | b".."));
        }
        // The crate refuses numbers that are left empty; for dpkg they are 0.
        let Ok(mut other) = others.next().expect("as many entries") else { return };
        // For the crate, GNU's long names count only with GNU's magic; for dpkg, always.
        if matches!(other.header().as_bytes()[156], b'L' | b'K') {
            return;
        }
        let header = other.header().as_bytes();
        // A prefix without the version "00" counts for dpkg (lib/dpkg/tarfn.c), not for the crate.
        let same_dialect = header[257..262] != *b"ustar" || header[263..265] == *b"00";
        let path = other.path_bytes();
        let path = path.strip_prefix(b"./").unwrap_or(&path);
        let path = path.strip_suffix(b"/").unwrap_or(path);
        if same_dialect || header[257..265] == *b"ustar  \0" {
            assert_eq!(path, if entry.path.is_empty() { path } else { &entry.path });
        }
        match &entry.kind {
            EntryKind::Symlink(target) => {
                assert_eq!(other.link_name_bytes().unwrap(), target.as_slice());
            }
            EntryKind::File => {
                let mut theirs = Vec::new();
                other.read_to_end(&mut theirs).unwrap();
                assert_eq!(&theirs, content);
            }
            _ => assert!(content.is_empty()),
        }
    }
    assert!(others.next().is_none(), "no more entries");
}

fn seeds() -> Vec<Vec<u8>> {
    let entry = |name: &str, flag, target: &str, content: &str| {
        tar_entry(name.as_bytes(), flag, target.as_bytes(), 0o644, content.as_bytes())
    };
    let deep = "d/".repeat(300);
    let mut prefixed = entry("name", b'0', "", "x");
    prefixed[257..265].copy_from_slice(b"ustar\x0000");
    prefixed[345..351].copy_from_slice(b"prefix");
    let mut large = entry("large", b'0', "", "");
    large[124..136].copy_from_slice(b"\x80\0\0\0\0\0\0\0\0\0\0\0");
    let blocks = long("", "f#", "");
    let many: Vec<Vec<u8>> = (0..30).map(|n| entry(&format!("{deep}{n}"), b'5', "", "")).collect();
    vec![
        tar(&[
            entry("./", b'5', "", ""),
            entry("./a/", b'5', "", ""),
            entry("./a/b", b'0', "", "content"),
            entry("./a/c", b'1', "./a/b", ""),
            entry("./a/d", b'2', "../b", ""),
        ]),
        tar(&[entry(&deep, b'5', "", ""), entry("l", b'2', &deep, "")]),
        tar(&[prefixed, large]),
        tar(&[entry("old/", 0, "", ""), entry("contiguous", b'7', "", "x")]),
        tar(&[entry("a", b'2', "/etc", ""), entry("a/b", b'0', "", "")]),
        tar(&[entry("a", b'x', "", "12 path=b\n"), entry("dev", b'4', "", "")]),
        tar(&[tar_entry(b"f", b'0', b"", 0o644, &blocks[..60_000])]),
        tar(&many),
    ]
}
