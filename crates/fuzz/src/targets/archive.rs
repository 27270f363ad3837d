//! Archives that projects release: unpacked, nothing of them leads out of the folder.

use std::fs;
use std::path::Path;

use osb_apt::deb::Compression;
use osb_apt::{ArchiveLimits, unpack_tar};

use crate::Target;
use crate::wrap::{fix_checksums, tar, tar_entry};

pub(crate) const TARGET: Target = Target {
    name: "artifact",
    about: "released tars with PAX headers, checksums made right; unpacked, nothing leads out",
    run,
    seeds,
    words: &[
        "ustar\x0000",
        "././@LongLink",
        "../",
        "12 path=ab\n",
        "14 linkpath=a\n",
        "9 size=1\n",
    ],
};

fn run(bytes: &[u8]) {
    let Some((strip, stream)) = bytes.split_first() else { return };
    let mut stream = stream.to_vec();
    fix_checksums(&mut stream);
    let place = tempfile::tempdir().unwrap();
    let (archive, folder) = (place.path().join("archive"), place.path().join("folder"));
    fs::write(&archive, stream).unwrap();
    fs::create_dir(&folder).unwrap();
    let limits = ArchiveLimits { entries: 1000, bytes: 1 << 20, setuid: false };
    let strip = usize::from(strip % 3);
    let _ = unpack_tar(&archive, Compression::None, strip, &folder, &limits, &|| Ok(()));
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2, "nothing beside the folder");
    check(&folder, 0);
}

/// No link below `folder`, which lies so deep, names a place outside; no file is set-user-ID.
fn check(folder: &Path, depth: usize) {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let stat = entry.metadata().unwrap();
        if stat.is_dir() {
            check(&entry.path(), depth + 1);
        } else if stat.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap();
            let mut level = depth as i64;
            assert!(!target.is_absolute(), "{target:?}");
            for part in target.as_os_str().as_bytes().split(|byte| *byte == b'/') {
                level += match part {
                    b"" | b"." => 0,
                    b".." => -1,
                    _ => 1,
                };
                assert!(level >= 0, "{target:?} at depth {depth}");
            }
        } else {
            assert_eq!(stat.mode() & 0o6000, 0, "{:?}", entry.path());
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let entry = |name: &str, flag, target: &str, content: &str| {
        tar_entry(name.as_bytes(), flag, target.as_bytes(), 0o644, content.as_bytes())
    };
    let of = |strip: u8, entries: &[Vec<u8>]| [vec![strip], tar(entries)].concat();
    vec![
        of(
            1,
            &[
                entry("pax_global_header", b'g', "", "18 comment=abcdef\n"),
                entry("top/", b'5', "", ""),
                entry("top/bin/a", b'0', "", "content"),
                entry("top/bin/b", b'1', "top/bin/a", ""),
                entry("top/bin/c", b'2', "../bin/a", ""),
            ],
        ),
        of(0, &[entry("x", b'x', "", "13 path=../b\n"), entry("a", b'0', "", "")]),
        of(0, &[entry("x", b'x', "", "14 linkpath=a\n9 size=3\n"), entry("b", b'2', "c", "")]),
        of(0, &[entry("a", b'2', "../../x", "")]),
        of(2, &[entry("a/b/c/d", b'2', "../../x", "")]),
        of(0, &[entry("a", b'2', "b", ""), entry("a/x", b'0', "", "")]),
        of(0, &[tar_entry(b"su", b'0', b"", 0o4755, b"")]),
    ]
}
