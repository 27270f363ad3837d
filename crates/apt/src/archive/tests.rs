//! Archives as projects release them, and hostile ones.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;
use crate::deb::samples::{TarBuilder, raw_entry};

const LIMITS: ArchiveLimits = ArchiveLimits { entries: 100, bytes: 1 << 20, setuid: false };

/// Unpacks a plain archive; gives the error's text, or the files below the folder.
fn unpack(tar: &[u8], strip: usize, limits: ArchiveLimits) -> Result<Vec<String>, String> {
    let dir = tempfile::tempdir().unwrap();
    let (archive, folder) = (dir.path().join("a.tar"), dir.path().join("folder"));
    fs::write(&archive, tar).unwrap();
    fs::create_dir(&folder).unwrap();
    unpack_tar(&archive, Compression::None, strip, &folder, &limits, &|| Ok(()))
        .map_err(|error| error.to_string())?;
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing beside the folder");
    let mut found = Vec::new();
    let mut folders = vec![folder.clone()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let stat = path.symlink_metadata().unwrap();
            assert_eq!((stat.uid(), stat.gid()), (0, 0));
            let name = path.strip_prefix(&folder).unwrap().display().to_string();
            if stat.is_dir() {
                folders.push(path);
            } else if stat.is_file() {
                assert_eq!(stat.mtime(), 0);
                found.push(format!("{name} {:o}", stat.permissions().mode() & 0o7777));
            } else {
                found.push(format!("{name} -> {}", fs::read_link(&path).unwrap().display()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Whether files cannot be given to root here, which is told.
#[allow(clippy::print_stderr)]
fn not_root() -> bool {
    let other = !rustix::process::geteuid().is_root();
    if other {
        eprintln!("SKIPPED: only root can give files to root");
    }
    other
}

/// A PAX header with one record, before an entry with another name.
fn pax(keyword: &str, value: &str) -> Vec<u8> {
    let body = format!(" {keyword}={value}\n");
    let mut length = body.len() + 1;
    while length.to_string().len() + body.len() != length {
        length += 1;
    }
    let record = format!("{length}{body}");
    raw_entry(b"PaxHeaders/x", b'x', b"", 0o644, record.as_bytes())
}

#[test]
fn a_release_is_unpacked_without_its_first_folder() {
    if not_root() {
        return;
    }
    let long = format!("tool-1.0/share/{}/readme", "d".repeat(120));
    let mut tar = raw_entry(b"pax_global_header", b'g', b"", 0o666, b"18 comment=abcdef\n");
    tar.extend(pax("path", &long));
    let rest = TarBuilder::new()
        .file("short", 0o644, b"text")
        .directory("tool-1.0/bin/", 0o755)
        .file("tool-1.0/bin/tool", 0o755, b"#!")
        .symlink("tool-1.0/bin/alias", "../bin/tool")
        .entry(b"tool-1.0/bin/other", b'1', b"tool-1.0/bin/tool", 0o755, b"")
        .finish();
    tar.extend(rest);
    let found = unpack(&tar, 1, LIMITS).unwrap();
    let readme = format!("share/{}/readme 644", "d".repeat(120));
    assert_eq!(found, ["bin/alias -> ../bin/tool", "bin/other 755", "bin/tool 755", &readme]);
}

#[test]
fn what_leads_out_is_refused_with_the_member() {
    let file = |path: &str| TarBuilder::new().file(path, 0o644, b"x").finish();
    let link = |target: &str| TarBuilder::new().symlink("a/b", target).finish();
    let below = TarBuilder::new().symlink("a", "b").file("a/x", 0o644, b"").finish();
    let end = [0; 1024];
    let node = [raw_entry(b"dev", b'3', b"", 0o644, b""), end.to_vec()].concat();
    let fifo = [raw_entry(b"pipe", b'6', b"", 0o644, b""), end.to_vec()].concat();
    let paxed = [pax("path", "../up"), file("fine")].concat();
    for (tar, member, reason) in [
        (file("../x"), "../x", ".."),
        (file("/etc/x"), "/etc/x", "absolute"),
        (paxed, "../up", ".."),
        (link("/etc/passwd"), "a/b", "outside of the archive"),
        (link("../../x"), "a/b", "outside of the archive"),
        (link("../c/../../x"), "a/b", "outside of the archive"),
        (below, "a/x", "symbolic link"),
        (TarBuilder::new().hard_link("a", "etc/passwd").finish(), "a", "hard link"),
        (TarBuilder::new().file("su", 0o4755, b"x").finish(), "su", "set-user-ID"),
        (
            TarBuilder::new().file("f", 0o755, b"").entry(b"l", b'1', b"f", 0o4755, b"").finish(),
            "l",
            "set-user-ID",
        ),
        (TarBuilder::new().file("sg", 0o2755, b"x").finish(), "sg", "set-group-ID"),
        (node, "dev", "device"),
        (fifo, "pipe", "named pipe"),
    ] {
        let error = unpack(&tar, 0, LIMITS).unwrap_err();
        assert!(error.contains(&format!("{member:?}")) && error.contains(reason), "{error}");
    }
}

#[test]
fn a_link_that_strip_would_lead_out_is_refused() {
    let tar = TarBuilder::new().symlink("top/a/b", "../../x").finish();
    let error = unpack(&tar, 1, LIMITS).unwrap_err();
    assert!(error.contains("outside"), "{error}");
}

/// `d` is the folder itself: above it is not what `d/..` looks like.
#[test]
fn a_link_through_a_link_is_refused_in_any_order() {
    let link = |tar: TarBuilder, (path, target): (&str, &str)| tar.symlink(path, target);
    for links in [
        vec![("d", "."), ("e", "d/../etc")],
        vec![("e", "d/../etc"), ("d", ".")],
        vec![("d", "sub"), ("sub/x", ".."), ("e", "d/x/../etc")],
    ] {
        let tar = links.iter().copied().fold(TarBuilder::new(), link).finish();
        let error = unpack(&tar, 0, LIMITS).unwrap_err();
        assert!(error.contains("\"e\"") && error.contains("outside"), "{error}");
    }
    if not_root() {
        return;
    }
    let fine = [("d", "sub"), ("e", "d/x"), ("lib/a", "../d/y")];
    let tar = fine.into_iter().fold(TarBuilder::new(), link).finish();
    assert_eq!(unpack(&tar, 0, LIMITS).unwrap().len(), 3);
}

#[test]
fn paths_that_meet_without_their_first_folder_are_judged_again() {
    let tar = TarBuilder::new().symlink("a/d", "x").file("b/d/file", 0o644, b"").finish();
    let error = unpack(&tar, 1, LIMITS).unwrap_err();
    assert!(error.contains("below a symbolic link"), "{error}");
}

#[test]
fn limits_hold() {
    let many = (0..5).fold(TarBuilder::new(), |tar, n| tar.file(&format!("f{n}"), 0o644, b""));
    let many = many.finish();
    let error = unpack(&many, 0, ArchiveLimits { entries: 4, ..LIMITS }).unwrap_err();
    assert!(error.contains("more than 4 entries"), "{error}");
    if not_root() {
        return;
    }
    let deep = TarBuilder::new().file("a/b/c/d/e", 0o644, b"").finish();
    let error = unpack(&deep, 0, ArchiveLimits { entries: 4, ..LIMITS }).unwrap_err();
    assert!(error.contains("more than 4 entries"), "{error}");
    unpack(&deep, 0, ArchiveLimits { entries: 5, ..LIMITS }).unwrap();
    let large = TarBuilder::new().file("f", 0o644, &[7; 5000]).finish();
    let error = unpack(&large, 0, ArchiveLimits { bytes: 4000, ..LIMITS }).unwrap_err();
    assert!(error.contains("more than 4000 bytes"), "{error}");
}

#[test]
fn a_cut_archive_is_refused_wherever_it_is_cut() {
    if not_root() {
        return;
    }
    let tar = TarBuilder::new().file("a", 0o644, &[1; 700]).file("b", 0o644, b"b").finish();
    // The end mark is two zero blocks, of which the first is enough.
    for length in (0..tar.len() - 1024).step_by(100) {
        assert!(unpack(&tar[..length], 0, LIMITS).is_err(), "{length}");
    }
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..2048)) {
        let _ = walk_tar::<ArchiveError>(&bytes[..], &LIMITS, &mut |_, _| Ok(()));
    }
}
